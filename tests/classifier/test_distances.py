"""Distances and votes: those of scikit-learn's neighbors in the learned space."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from hierseg_learn import HierarchicalMetricClassifier
from tests.tables import named_table

CONFIGURATIONS = [
    {},
    {"combination": "weighted"},
    {"node_metric": "nca"},
    {"combination": "weighted", "n_components": 2},
]
each_configuration = pytest.mark.parametrize(
    "model", range(len(CONFIGURATIONS)), indirect=True, ids=lambda i: str(CONFIGURATIONS[i])
)


def inverse_square(distances):
    return 1 / (1 + distances**2)


@pytest.fixture(scope="module")
def table():
    X, y = named_table(160, signal=1.5)
    return X[:110], y[:110], X[110:]


@pytest.fixture(scope="module")
def model(request, table):
    params = CONFIGURATIONS[getattr(request, "param", 0)]
    return HierarchicalMetricClassifier(random_state=0, **params).fit(*table[:2])


# Neighbors


@pytest.mark.parametrize("params", CONFIGURATIONS, ids=str)
@pytest.mark.parametrize(
    ("weights", "n_neighbors"), [("uniform", 1), ("distance", 9), (inverse_square, 4)]
)
def test_votes_are_those_of_scikit_learn(params, weights, n_neighbors, table):
    X, y, new = table
    model = HierarchicalMetricClassifier(
        n_neighbors=n_neighbors, weights=weights, random_state=0, **params
    ).fit(X, y)
    reference = KNeighborsClassifier(n_neighbors, weights=weights, algorithm="brute")
    reference.fit(model.transform(X), y)
    # of the training rows, the nearest one is the row itself
    for rows in (new, X):
        calibration = model.explain_prediction(rows.iloc[0]).calibration
        expected = calibration.proba(reference.predict_proba(model.transform(rows)))
        assert_allclose(model.predict_proba(rows), expected)
        predicted = model.predict(rows)
        # of classes that are level, scikit-learn takes the first, we the one that is nearer
        assert_allclose(expected[np.arange(len(rows)), predicted], expected.max(axis=1))


@each_configuration
def test_neighbors_are_those_of_scikit_learn(model, table):
    X, _, new = table
    reference = NearestNeighbors(n_neighbors=7, algorithm="brute").fit(model.transform(X))
    for rows in (new, None):
        expected = reference.kneighbors(None if rows is None else model.transform(rows))
        distances, indices = model.kneighbors(rows, n_neighbors=7)
        np.testing.assert_array_equal(indices, expected[1])
        assert_allclose(distances, expected[0], rtol=1e-6)
        np.testing.assert_array_equal(
            model.kneighbors(rows, n_neighbors=7, return_distance=False), indices
        )
    assert model.kneighbors(new)[0].shape == (50, model.n_neighbors_)


def test_everyone_can_be_a_neighbor(model, table):
    new = table[2]
    indices = model.kneighbors(new, n_neighbors=110, return_distance=False)
    np.testing.assert_array_equal(np.sort(indices, axis=1), np.tile(np.arange(110), (50, 1)))


def test_no_training_row_is_its_own_neighbor_even_if_it_comes_twice(table):
    X, y, _ = table
    twice = HierarchicalMetricClassifier(random_state=0).fit(pd.concat([X, X]), np.r_[y, y])
    distances, indices = twice.kneighbors(n_neighbors=1)
    np.testing.assert_array_equal(indices[:, 0], (np.arange(220) + 110) % 220)
    assert not distances.any()


def test_a_row_that_is_met_exactly_decides_alone(table):
    X, y, _ = table
    model = HierarchicalMetricClassifier(weights="distance", random_state=0).fit(X, y)
    calibrated = model.explain_prediction(X.iloc[0]).calibration.proba
    assert_allclose(model.predict_proba(X), calibrated(np.eye(3)[y]))
    # several of them share the vote
    twice = HierarchicalMetricClassifier(weights="distance", random_state=0).fit(
        pd.concat([X, X]), np.r_[y, (y + 1) % 3]
    )
    calibrated = twice.explain_prediction(X.iloc[0]).calibration.proba
    halves = (np.eye(3)[y] + np.eye(3)[(y + 1) % 3]) / 2
    assert_allclose(twice.predict_proba(X), calibrated(halves))


def test_predictions_of_a_row_do_not_depend_on_the_others(model, table):
    new = table[2]
    for decision in ("neighbors", "linear"):
        found = clone(model).set_params(decision=decision).fit(*table[:2])
        alone = np.concatenate([found.predict_proba(new.iloc[[i]]) for i in range(len(new))])
        # products of matrices of other heights are rounded otherwise
        rounding = 0 if decision == "neighbors" else 1e-12
        assert_allclose(alone, found.predict_proba(new), rtol=rounding, atol=0)
        mixed = new.iloc[::-1]
        np.testing.assert_array_equal(found.predict(mixed), found.predict(new)[::-1])


# Prototypes


@pytest.mark.parametrize("params", CONFIGURATIONS, ids=str)
def test_prototypes_are_class_means(params, table):
    X, y, new = table
    model = HierarchicalMetricClassifier(decision="prototypes", random_state=0, **params)
    model.fit(X, y)
    means = np.stack([X[y == c].mean(axis=0) for c in range(3)])
    assert_allclose(model.prototypes_, means)
    M = model.get_mahalanobis_matrix()
    squared = np.array([[(x - m) @ M @ (x - m) for m in means] for x in new.to_numpy()])
    shares = np.bincount(y) / len(y)
    posterior = (shares * np.exp(-squared / 2)) ** (1 / model.temperature_)
    assert_allclose(
        model.predict_proba(new), posterior / posterior.sum(axis=1, keepdims=True), rtol=1e-6
    )
    np.testing.assert_array_equal(model.predict(new), posterior.argmax(axis=1))


def test_far_rows_have_a_prototype_too(table):
    X, y, new = table
    model = HierarchicalMetricClassifier(decision="prototypes", random_state=0).fit(X, y)
    proba = model.predict_proba(new * 1e6)
    assert_allclose(proba.sum(axis=1), 1)


# The metric


@each_configuration
def test_it_is_a_pseudo_metric(model, table):
    X = table[0].to_numpy()
    rng = np.random.default_rng(0)
    a, b, c = (X[rng.integers(0, len(X), 200)] for _ in range(3))

    def distance(x, y):
        return model.pair_distance(np.stack([x, y], axis=1))

    assert (distance(a, b) >= 0).all()
    assert not distance(a, a).any()
    assert_allclose(distance(a, b), distance(b, a))
    assert (distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9).all()
    assert_allclose(distance(2 * a, 2 * b), 2 * distance(a, b))
    assert_allclose(distance(a + c, b + c), distance(a, b), atol=1e-9)


@each_configuration
def test_all_ways_to_a_distance_agree(model, table):
    X, _, new = (part.to_numpy() if hasattr(part, "to_numpy") else part for part in table)
    distances, indices = model.kneighbors(table[2], n_neighbors=5)
    a, b = np.repeat(new, 5, axis=0), X[indices.ravel()]
    delta, M = a - b, model.get_mahalanobis_matrix()
    embedded = (
        model.transform(table[2]).repeat(5, axis=0) - model.transform(table[0])[indices.ravel()]
    )
    metric = pickle.loads(pickle.dumps(model.get_metric()))
    for found in (
        model.pair_distance(np.stack([a, b], axis=1)),
        np.sqrt(np.einsum("ij,jk,ik->i", delta, M, delta)),
        np.linalg.norm(embedded, axis=1),
        [metric(*pair) for pair in zip(a, b, strict=True)],
        np.linalg.norm(delta @ model.components_.T, axis=1),
    ):
        assert_allclose(found, distances.ravel(), rtol=1e-6)


def test_the_metric_serves_scikit_learn(model, table):
    X, y, new = table
    votes = clone(model).set_params(decision="neighbors").fit(X, y)
    reference = KNeighborsClassifier(
        votes.n_neighbors_, metric=votes.get_metric(), algorithm="brute"
    )
    reference.fit(X.to_numpy(), y)
    np.testing.assert_array_equal(reference.predict(new.to_numpy()), votes.predict(new))


# Output of transform


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_frames_of_every_node(container, model, table):
    library = pytest.importorskip(container)
    X, y, new = table
    framed = clone(model).set_output(transform=container).fit(X, y)
    for node in (None, *framed.tree_.paths):
        frame = framed.transform(new, node=node)
        assert isinstance(frame, library.DataFrame)
        np.testing.assert_array_equal(frame.to_numpy(), model.transform(new, node=node))
        prefix = "hierarchicalmetricclassifier"
        assert list(frame.columns) == [f"{prefix}{i}" for i in range(frame.shape[1])]
        if container == "pandas":
            assert frame.index.equals(new.index)
    assert list(framed.get_feature_names_out()) == list(framed.transform(new).columns)
    framed.set_output(transform="default")
    assert type(framed.transform(new, node="sky")) is np.ndarray


def test_fit_transform(model, table):
    X, y, _ = table
    np.testing.assert_array_equal(clone(model).fit_transform(X, y), model.transform(X))
    frame = clone(model).set_output(transform="pandas").fit_transform(X, y)
    np.testing.assert_array_equal(frame, model.transform(X))
