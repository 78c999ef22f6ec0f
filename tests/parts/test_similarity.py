"""Similarity of learned metrics, against the d x d matrices."""

import numpy as np
import pytest

from hierseg_learn.parts import metric_similarity


def test_against_the_matrices():
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(k, 5)) for k in (1, 3, 7)]
    matrices = [L.T @ L for L in maps]
    expected = [
        [np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b) for b in matrices] for a in matrices
    ]
    np.testing.assert_allclose(metric_similarity(maps), expected)


def test_rotation_and_scale_of_a_map_do_not_matter():
    rng = np.random.default_rng(0)
    L, other = rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    np.testing.assert_allclose(metric_similarity([L, 5 * turn @ L])[0, 1], 1)
    np.testing.assert_allclose(
        metric_similarity([L, other])[0, 1], metric_similarity([turn @ L, other])[0, 1]
    )


def test_a_node_that_learned_nothing():
    found = metric_similarity([np.zeros((0, 2)), np.eye(2)])
    np.testing.assert_array_equal(found, np.eye(2))


def test_maps_over_different_columns():
    with pytest.raises(ValueError, match=r"\[2, 3\] columns"):
        metric_similarity([np.eye(2), np.eye(3)])
