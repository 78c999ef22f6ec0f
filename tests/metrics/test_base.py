"""Promises of a linear metric, with metric-learn's names and tests."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier

from hierseg_learn.metrics import LinearMetric, ShrinkageLDA


class Fixed(LinearMetric):
    """The map of whatever shape it is given; remembers what it was fitted with."""

    def __init__(self, components=None):
        self.components = components

    def _fit(self, X, codes):
        self.X_, self.codes_ = X, codes
        return self.components


@pytest.fixture
def iris():
    return load_iris(return_X_y=True)


def random_metric(seed, n_components, n_features):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((6, n_features))
    learner = Fixed(rng.standard_normal((n_components, n_features)))
    return learner.fit(X, [0, 1, 0, 1, 0, 1]), rng


metrics = given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5))


@settings(max_examples=50, deadline=None)
@metrics
def test_it_is_a_pseudo_metric(seed, n_components, n_features):
    metric, rng = random_metric(seed, n_components, n_features)
    a, b, c = rng.standard_normal((3, 30, n_features))

    def distance(x, y):
        return metric.pair_distance(np.stack([x, y], axis=1))

    assert (distance(a, b) >= 0).all()
    assert_allclose(distance(a, a), 0)
    assert_allclose(distance(a, b), distance(b, a))
    assert (distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9).all()
    # homogeneous and the same everywhere, as the length of a linear map is
    assert_allclose(distance(3 * a, 3 * b), 3 * distance(a, b))
    assert_allclose(distance(a + c, b + c), distance(a, b), atol=1e-9)


@settings(max_examples=50, deadline=None)
@metrics
def test_all_ways_to_a_distance_agree(seed, n_components, n_features):
    metric, rng = random_metric(seed, n_components, n_features)
    a, b = rng.standard_normal((2, 20, n_features))
    expected = metric.pair_distance(np.stack([a, b], axis=1))
    assert_allclose(np.linalg.norm(metric.transform(a) - metric.transform(b), axis=1), expected)
    M, delta = metric.get_mahalanobis_matrix(), a - b
    assert_allclose(np.sqrt(np.einsum("ij,jk,ik->i", delta, M, delta)), expected, atol=1e-7)
    assert_allclose(list(map(metric.get_metric(), a, b)), expected)


def test_the_metric_as_a_function_serves_scikit_learn_and_pickles(iris):
    X, y = iris
    learner = ShrinkageLDA().fit(X, y)
    metric = pickle.loads(pickle.dumps(learner.get_metric()))
    by_function = KNeighborsClassifier(metric=metric, algorithm="brute").fit(X, y)
    by_embedding = KNeighborsClassifier().fit(learner.transform(X), y)
    np.testing.assert_array_equal(
        by_function.predict(X[::5]), by_embedding.predict(learner.transform(X[::5]))
    )


def test_transform_keeps_float32(iris):
    X, y = iris
    learner = ShrinkageLDA().fit(X.astype(np.float32), y)
    assert learner.components_.dtype == np.float64
    narrow = learner.transform(X.astype(np.float32))
    assert narrow.dtype == np.float32
    assert_allclose(narrow, learner.transform(X), rtol=1e-4, atol=1e-4)


def test_output_names_follow_the_components(iris):
    X, y = iris
    frame = Fixed(np.ones((3, 4))).set_output(transform="pandas").fit(X, y).transform(X[:2])
    assert frame.columns.tolist() == ["fixed0", "fixed1", "fixed2"]


def test_a_learner_gets_the_same_whatever_the_order_the_names_and_the_memory(iris):
    X, y = iris
    seen = Fixed(np.eye(4)).fit(X, y)
    assert sorted(zip(seen.X_.tolist(), seen.codes_)) != sorted(zip(X.tolist(), y[::-1]))
    order = np.random.default_rng(0).permutation(150)
    for rows, classes in (
        (X[order], y[order]),
        (X, np.array(["c", "a", "b"])[y]),
        (np.asfortranarray(X), -y),
        (np.repeat(X, 2, axis=0)[::2], y),
    ):
        again = Fixed(np.eye(4)).fit(rows, classes)
        np.testing.assert_array_equal(again.X_, seen.X_)
        np.testing.assert_array_equal(again.codes_, seen.codes_)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, 1, 1], "y has 1 class, 1; a metric that separates classes needs at least 2"),
        (["a"] * 3, "y has 1 class, 'a'; a metric"),
        ([0.1, 0.2, 0.7], "Unknown label type: continuous"),
        ([0, 1], "y must hold one class per sample, expected 3, got 2"),
    ],
)
def test_wrong_classes(y, message):
    with pytest.raises(ValueError, match=message):
        ShrinkageLDA().fit(np.eye(3), y)


def test_wrong_pairs(iris):
    X, y = iris
    learner = ShrinkageLDA().fit(X, y)
    for pairs in (X, X[None], np.zeros((3, 3, 4)), np.zeros((3, 2, 5))):
        with pytest.raises(ValueError, match=r"pairs must have shape \(n_pairs, 2, 4\), got"):
            learner.pair_distance(pairs)
    assert learner.pair_distance(np.zeros((0, 2, 4))).shape == (0,)


@pytest.mark.parametrize(
    "call",
    [
        lambda learner: learner.transform(np.eye(4)),
        lambda learner: learner.pair_distance(np.zeros((1, 2, 4))),
        lambda learner: learner.get_metric(),
        lambda learner: learner.get_mahalanobis_matrix(),
    ],
)
def test_nothing_works_before_fit(call):
    with pytest.raises(NotFittedError):
        call(ShrinkageLDA())


def test_the_metric_as_a_function_may_be_squared(iris):
    X, y = iris
    metric = ShrinkageLDA().fit(X, y).get_metric()
    assert metric(X[0], X[60], squared=True) == pytest.approx(metric(X[0], X[60]) ** 2)


def test_pairs_with_missing_numbers_are_refused(iris):
    X, y = iris
    pairs = np.stack([X[:3], X[3:6]], axis=1)
    pairs[1, 0, 2] = np.nan
    with pytest.raises(ValueError, match="pairs contains NaN"):
        ShrinkageLDA().fit(X, y).pair_distance(pairs)
