"""Shrinkage LDA, the default node learner."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn.metrics import ShrinkageLDA, _training


@parametrize_with_checks(
    [
        ShrinkageLDA(n_extra_directions=3),
        ShrinkageLDA(n_components=1, shrinkage=0.5),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def wine():
    return load_wine(return_X_y=True)


def pooled_residuals(X, y):
    return (
        X - np.stack([X[y == c].mean(axis=0) for c in np.unique(y)])[np.searchsorted([0, 1, 2], y)]
    )


@pytest.mark.parametrize("shrinkage", [0.0, 0.4, 1.0])
def test_distances_between_class_means_are_mahalanobis_distances(wine, shrinkage):
    X, y = wine
    X = StandardScaler().fit_transform(X)
    residuals = pooled_residuals(X, y)
    within = residuals.T @ residuals / (len(X) - 3)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / 13 * np.eye(13)
    lda = ShrinkageLDA(shrinkage=shrinkage).fit(X, y)
    means = np.stack([X[y == c].mean(axis=0) for c in range(3)])
    for a, b in ((0, 1), (0, 2), (1, 2)):
        difference = means[a] - means[b]
        expected = np.sqrt(difference @ np.linalg.solve(shrunk, difference))
        assert_allclose(lda.pair_distance([[means[a], means[b]]]), expected, rtol=1e-6)


def test_the_shrinkage_is_that_of_ledoit_and_wolf(wine):
    X, y = wine
    X = StandardScaler().fit_transform(X)
    expected = ledoit_wolf_shrinkage(pooled_residuals(X, y), assume_centered=True)
    assert_allclose(ShrinkageLDA().fit(X, y).shrinkage_, expected)
    assert ShrinkageLDA(shrinkage=0.25).fit(X, y).shrinkage_ == 0.25


def test_shrinkage_helps_with_few_rows_of_many_columns():
    X, y = load_digits(return_X_y=True)
    raw, shrunk = (
        make_pipeline(ShrinkageLDA(shrinkage=s), KNeighborsClassifier(1))
        .fit(X[:80], y[:80])
        .score(X[80:], y[80:])
        for s in (0.0, "auto")
    )
    assert shrunk > raw + 0.05
    assert shrunk > 0.75


def test_units_and_origins_do_not_matter(wine):
    X, y = wine
    unit = 10.0 ** np.linspace(-5, 5, 13)
    plain = ShrinkageLDA(n_extra_directions=2).fit(X, y).transform(X - X.mean(axis=0))
    moved = (
        ShrinkageLDA(n_extra_directions=2)
        .fit(X * unit + unit, y)
        .transform((X - X.mean(axis=0)) * unit)
    )
    assert_allclose(moved, plain, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("n_extra_directions", "n_rows"), [(0, 2), (3, 5), (11, 13), (99, 13)])
def test_whitened_directions_come_behind_the_discriminants(wine, n_extra_directions, n_rows):
    X, y = wine
    lda = ShrinkageLDA(n_extra_directions=n_extra_directions).fit(X, y)
    assert lda.components_.shape == (n_rows, 13)
    assert lda.n_discriminants_ == 2
    assert_allclose(lda.components_[:2], ShrinkageLDA().fit(X, y).components_)


def test_n_components_keeps_the_first_discriminants(wine):
    X, y = wine
    one = ShrinkageLDA(n_components=1, n_extra_directions=2).fit(X, y)
    both = ShrinkageLDA(n_extra_directions=2).fit(X, y)
    assert one.n_discriminants_ == 1
    assert_allclose(one.components_, both.components_[[0, 2, 3]])
    with pytest.raises(ValueError, match=r"n_components=3 must be at most 2: 3 classes and 13"):
        ShrinkageLDA(n_components=3).fit(X, y)
    with pytest.raises(ValueError, match=r"n_components=2 must be at most 1: 3 classes and 1 feat"):
        ShrinkageLDA(n_components=2).fit(X[:, :1], y)


def test_a_constant_column_gets_no_weight(wine):
    X, y = wine
    found = ShrinkageLDA().fit(np.insert(X, 4, 7.0, axis=1), y).components_
    assert_allclose(found[:, 4], 0, atol=1e-12)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    "classes", [np.arange(6), [0, 0, 1, 1, 2, 2], ["b", "a", "b", "a", "a", "a"]]
)
def test_few_rows(classes):
    X = np.random.default_rng(0).standard_normal((6, 9))
    embedding = ShrinkageLDA(n_extra_directions=4).fit(X, classes).transform(X)
    assert np.isfinite(embedding).all()
    assert 0.01 < np.abs(embedding).max() < 100


def test_its_parameters_can_be_searched():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(ShrinkageLDA(), KNeighborsClassifier())
    grid = {"shrinkagelda__shrinkage": ["auto", 1.0], "shrinkagelda__n_components": [1, 2]}
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.95
    assert len(set(search.cv_results_["mean_test_score"])) > 1


def test_a_memory_map_gives_the_same_bits_and_is_never_copied(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 40_000)
    X = rng.standard_normal((len(y), 60)).astype(np.float32)
    X[:, 0] += y
    np.save(tmp_path / "X.npy", X)
    expected = ShrinkageLDA().fit(X, y)
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    tracemalloc.start()
    found = ShrinkageLDA().fit(stored, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found.components_, expected.components_)
    assert peak < 0.9 * X.nbytes


def test_the_shrinkage_is_the_same_in_blocks(wine, monkeypatch):
    X, y = wine
    whole = ShrinkageLDA().fit(X, y)
    monkeypatch.setattr(_training, "BLOCK_ROWS", 7)
    blocks = ShrinkageLDA().fit(X, y)
    assert blocks.shrinkage_ == pytest.approx(whole.shrinkage_, rel=1e-10)
    np.testing.assert_allclose(blocks.components_, whole.components_, atol=1e-9)
