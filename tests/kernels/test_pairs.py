"""Shares of neighbors by pairs are those of the whole matrix, also of rows that are far away."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp

from hierseg_learn.kernels.pairs import ANY_ROW, NeighborShares


def dense_loss(distances, codes, weights):
    """Mean of minus the logarithm of the share of the class, over the square matrix."""
    scores = -np.tensordot(weights, distances, 1)
    np.fill_diagonal(scores, -np.inf)
    same = (codes[:, None] == codes) & ~np.eye(len(codes), dtype=bool)
    known = same.any(axis=1)
    own = logsumexp(np.where(same, scores, -np.inf)[known], axis=1)
    share = np.exp(own - logsumexp(scores[known], axis=1))
    by_chance = same[known].sum(axis=1) / (len(codes) - 1)
    return -np.log(share + ANY_ROW / (1 - ANY_ROW) * by_chance).mean()


@pytest.mark.parametrize("far", [1.0, 60.0])
@pytest.mark.parametrize("n_classes", [1, 2, 5, 17])
def test_loss_and_gradient(n_classes, far):
    rng = np.random.default_rng(n_classes)
    codes = rng.integers(0, n_classes, 24)
    points = rng.standard_normal((3, 24, 2))
    # its shares underflow unless distances are taken relative to the least one
    points[:, 4] *= far
    distances = ((points[:, :, None] - points[:, None]) ** 2).sum(axis=-1)
    shares = NeighborShares(distances, codes, unit=2.0)
    for weights in (np.ones(3), np.array([0.0, 0.3, 1.7])):
        loss, gradient = shares.loss_and_gradient(weights)
        assert_allclose(loss, dense_loss(distances / 2, codes, weights), rtol=1e-5, atol=1e-7)
        steps = 1e-4 * np.eye(3)
        expected = [
            (dense_loss(distances / 2, codes, weights + step) - loss_before) / 2e-4
            for step in steps
            for loss_before in [dense_loss(distances / 2, codes, weights - step)]
        ]
        assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)


def test_a_class_whose_share_vanishes_has_a_finite_loss():
    points = np.array([0.0, 0.1, 1e3, 1e3 + 0.1])
    distances = (points[:, None] - points)[None] ** 2
    loss, gradient = NeighborShares(distances, np.array([0, 1, 0, 1])).loss_and_gradient(np.ones(1))
    assert np.isfinite([loss, *gradient]).all()
