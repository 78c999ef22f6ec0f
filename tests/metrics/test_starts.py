"""Maps that a gradient starts from, and the sums behind them."""

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from hierseg_learn.metrics import _training
from hierseg_learn.metrics._starts import (
    DiscriminantRows,
    class_moments,
    oracle_shrinkage,
    principal_rows,
)
from hierseg_learn.metrics._training import Batches, Rows


@pytest.fixture
def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def test_rows_are_standardised(monkeypatch):
    monkeypatch.setattr(_training, "BLOCK_ROWS", 7)
    X, _ = load_wine(return_X_y=True)
    indices = np.arange(0, 178, 3)
    found = Rows(X).take(indices)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, StandardScaler().fit_transform(X)[indices], atol=1e-5)


def test_moments_in_blocks(wine, monkeypatch):
    monkeypatch.setattr(_training, "BLOCK_ROWS", 7)
    X, y = wine
    moments = class_moments(Rows(X), y, np.arange(len(X)))
    residuals = X - np.stack([X[y == c].mean(axis=0) for c in range(3)])[y]
    np.testing.assert_allclose(moments.within, residuals.T @ residuals / (178 - 3), atol=1e-12)
    np.testing.assert_allclose(
        moments.within * (178 - 3) / 178 + moments.between, np.cov(X.T, bias=True), atol=1e-12
    )


def test_principal_rows_are_those_of_scikit_learn(wine):
    X, y = wine
    found = principal_rows(class_moments(Rows(X), y, np.arange(len(X))), 3)
    expected = PCA(3).fit(X).components_
    np.testing.assert_allclose(np.abs(np.sum(found * expected, axis=1)), 1, atol=1e-3)


def test_discriminant_rows_whiten_and_span_what_scikit_learn_finds():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    moments = class_moments(Rows(X), y, np.arange(150))
    L = DiscriminantRows(moments).rows(4)
    # 150 rows of 4 columns are shrunk, but little
    np.testing.assert_allclose(L @ moments.within @ L.T, np.eye(4), atol=0.35)
    expected = LinearDiscriminantAnalysis().fit(X, y).scalings_[:, :1].T
    cosine = L[0] @ expected[0] / np.linalg.norm(L[0]) / np.linalg.norm(expected[0])
    assert abs(cosine) > 0.99


def test_shrinkage_is_small_for_many_rows_and_large_for_few():
    rng = np.random.default_rng(0)
    scales = np.linspace(0.2, 3, 20)
    many, few = rng.standard_normal((5000, 20)) * scales, rng.standard_normal((25, 20)) * scales
    assert oracle_shrinkage(np.cov(many.T), 5000) < 0.02
    assert 0.3 < oracle_shrinkage(np.cov(few.T), 25) < 1
    assert oracle_shrinkage(np.eye(3), 10) == 1


def test_an_epoch_has_every_row_once_and_rows_have_mates():
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(50), 8))
    batches = Batches(codes, np.arange(400), 90, np.random.RandomState(0))
    epoch = [batches.next() for _ in range(5)]
    np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(400))
    for batch in epoch:
        assert len(batch) == 80
        assert (np.diff(batch) > 0).all()
        assert np.unique(codes[batch], return_counts=True)[1].min() >= 4
