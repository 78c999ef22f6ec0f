"""The signal-to-noise distance and the metric learned by it."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from hierseg_learn.metrics import SNRMetric, snr_distance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distance_against_its_definition(dtype):
    rng = np.random.default_rng(0)
    Q, X = rng.standard_normal((5, 7)).astype(dtype), rng.standard_normal((6, 7)).astype(dtype)
    expected = [[np.var(q - x) / np.var(q) for x in X.astype(float)] for q in Q.astype(float)]
    found = snr_distance(Q, X)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-4 if dtype == np.float32 else 1e-10)


def test_distance_is_asymmetric_and_undefined_without_signal():
    a, b = [[0.0, 2.0]], [[0.0, 4.0]]
    assert snr_distance(a, b) == 1.0
    assert snr_distance(b, a) == 0.25
    assert np.isnan(snr_distance([[3.0, 3.0]], a)).all()
    assert snr_distance(a, [[3.0, 3.0]]) == 1.0


def test_distance_says_what_it_needs():
    with pytest.raises(ValueError, match="at least 2 of them, got 1"):
        snr_distance([[1.0]], [[2.0]])
    with pytest.raises(ValueError, match="same number of columns"):
        snr_distance([[1.0, 2.0]], [[2.0, 3.0, 4.0]])
    with pytest.raises(ValueError, match="Input Q contains NaN"):
        snr_distance([[1.0, np.nan]], [[2.0, 3.0]])


def test_the_metric_is_the_noise_of_the_trained_map():
    X, y = load_iris(return_X_y=True)
    snr = SNRMetric(2, random_state=0, max_iter=10).fit(X, y)
    assert snr.components_.shape == (2, 4)
    L = snr._trained_map(snr.components_)
    assert L.shape == (3, 4)
    C = np.eye(3) - 1 / 3
    np.testing.assert_allclose(snr.get_mahalanobis_matrix(), L.T @ C @ L, atol=1e-12)
    noise = np.var((X[:20] - X[50:70]) @ L.T, axis=1)
    squared = snr.pair_distance(np.stack([X[:20], X[50:70]], axis=1)) ** 2
    np.testing.assert_allclose(squared, 3 * noise)


def test_any_map_loses_nothing_but_its_mean_over_the_components():
    L = np.random.default_rng(0).standard_normal((4, 5))
    components = SNRMetric()._metric_map(L)
    assert components.shape == (3, 5)
    centered = L - L.mean(axis=0)
    np.testing.assert_allclose(components.T @ components, centered.T @ centered)
    np.testing.assert_allclose(SNRMetric()._metric_map(SNRMetric()._trained_map(L)), L)


def test_an_array_is_the_start():
    X, y = load_iris(return_X_y=True)
    init = np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_allclose(SNRMetric(init=init, max_iter=0).fit(X, y).components_, init)


def test_one_column_is_enough():
    X, y = load_iris(return_X_y=True)
    assert SNRMetric(random_state=0).fit(X[:, 2:3], y).components_.shape == (1, 1)


def test_the_loss_learns_from_a_random_start():
    X, y = load_iris(return_X_y=True)
    snr = SNRMetric(init="random", random_state=0, early_stopping=False, max_iter=200).fit(X, y)
    assert np.mean(snr.loss_curve_[-10:]) < 0.2 * snr.loss_curve_[0]
