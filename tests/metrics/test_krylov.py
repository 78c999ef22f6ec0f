"""Discriminants from a Krylov space against those from the whole covariance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierseg_learn.metrics._scatter import N_STEPS, ClassMoments, KrylovDiscriminants


def make_rows(n_samples, n_features, n_classes=4, seed=0):
    """Rows whose covariance within classes has the mean variance 1, but far from equal ones."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n_samples) % n_classes)
    mix = rng.standard_normal((n_features, n_features)) * rng.gamma(0.5, size=n_features)
    Y = rng.standard_normal((n_samples, n_features)) @ mix.T
    Y /= Y.std()
    Y += rng.standard_normal((n_classes, n_features))[codes]
    return (Y - Y.mean(axis=0)).astype(np.float32), codes


def reference(Y, codes, shrinkage):
    """M = L'L of the discriminants, from the covariance."""
    Y = Y.astype(np.float64)
    means = np.stack([Y[codes == code].mean(axis=0) for code in np.unique(codes)])
    centered = Y - means[codes]
    within = centered.T @ centered / (len(Y) - len(means))
    scatter = (1 - shrinkage) * within + shrinkage * np.eye(len(within))
    apart = (means - Y.mean(axis=0)).T
    through = np.linalg.solve(scatter, apart)
    return through @ np.linalg.pinv(apart.T @ through, rcond=1e-9) @ through.T


@pytest.mark.parametrize(("n_samples", "n_features"), [(300, 20), (40, 150), (300, 150)])
@pytest.mark.parametrize(("shrinkage", "n_steps"), [(0.1, 30), (0.5, N_STEPS), (1.0, N_STEPS)])
def test_discriminants_are_those_of_the_covariance(n_samples, n_features, shrinkage, n_steps):
    Y, codes = make_rows(n_samples, n_features)
    learned = KrylovDiscriminants(ClassMoments(Y, codes), n_steps)
    L = learned.leading(shrinkage) @ learned.axes
    assert L.shape == (3, n_features)
    expected = reference(Y, codes, shrinkage)
    assert_allclose(L.T @ L, expected, rtol=0, atol=0.01 * np.abs(expected).max())


def test_the_covariance_within_classes():
    Y, codes = make_rows(60, 7)
    moments = ClassMoments(Y, codes)
    expected = sum(np.cov(Y[codes == code].T) * (np.sum(codes == code) - 1) for code in range(4))
    assert_allclose(moments.covariance(), expected / 56, rtol=1e-4, atol=1e-4)
    directions = np.eye(7, 2, dtype=np.float32)
    assert_allclose(moments.within(directions), expected[:, :2] / 56, rtol=1e-4, atol=1e-4)


def test_axes_are_orthonormal():
    Y, codes = make_rows(80, 90)
    axes = KrylovDiscriminants(ClassMoments(Y, codes), N_STEPS).axes
    assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-5)


def test_no_columns_and_equal_means_give_no_directions():
    codes = np.array([0, 0, 1, 1])
    for Y in (np.zeros((4, 0), np.float32), np.array([[-1], [1], [-1], [1]], np.float32)):
        learned = KrylovDiscriminants(ClassMoments(Y, codes))
        assert learned.leading(0.5).shape[0] == 0
        assert learned.axes.shape[1] == Y.shape[1]
