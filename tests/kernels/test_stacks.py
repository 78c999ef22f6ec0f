"""Many small problems at once: every member as it would be alone, whatever stands beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.kernels import reference
from hierseg_learn.kernels._stacks import block_shape
from tests.kernels.twins import TOLERANCE, assert_close, small_blocks


def stack(dtype="float64", n_stack=3, n=14, d=3, seed=0):
    """Points of any size behind each member's own, which nobody must look at."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n_stack, n, d)).astype(dtype)
    n_points = rng.integers(6, n + 1, n_stack)
    for member, count in enumerate(n_points):
        Z[member, count:] = 50.0
    return Z, rng.integers(0, 3, (n_stack, n)), n_points


@pytest.mark.parametrize("blocks", [False, True])
def test_nca_of_every_member_as_alone(backend, dtype, blocks):
    Z, codes, n_points = stack(dtype)
    if blocks:
        with small_blocks():
            losses, gradient = backend.stacked_nca_loss_grad(Z, codes, n_points)
    else:
        losses, gradient = backend.stacked_nca_loss_grad(Z, codes, n_points)
    assert losses.dtype == np.float64
    for member, count in enumerate(n_points):
        expected = reference.nca_loss_grad(Z[member, :count], codes[member, :count])
        assert losses[member] == pytest.approx(expected[0], rel=TOLERANCE[np.dtype(dtype)])
        assert_close(gradient[member, :count], expected[1])
        np.testing.assert_array_equal(gradient[member, count:], 0)


@pytest.mark.parametrize("blocks", [False, True])
def test_neighbours_of_every_member_as_alone(backend, dtype, blocks):
    Z, _, n_points = stack(dtype)
    queries = Z[:, :5]
    if blocks:
        with small_blocks():
            indices, distances = backend.stacked_nearest(queries, Z, n_points, 4)
    else:
        indices, distances = backend.stacked_nearest(queries, Z, n_points, 4)
    for member, count in enumerate(n_points):
        expected = reference.nearest(queries[member], Z[member, :count], 4)
        np.testing.assert_array_equal(indices[member], expected[0])
        assert_close(distances[member], expected[1], tolerance=1e-12)


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(4)), st.integers(1, 4))
def test_neighbours_in_the_stack_and_their_order_change_nothing(backend, order, n_kept):
    Z, codes, n_points = stack(n_stack=4)
    losses, gradient = backend.stacked_nca_loss_grad(Z, codes, n_points)
    order = np.array(order[:n_kept])
    others = backend.stacked_nca_loss_grad(Z[order], codes[order], n_points[order])
    np.testing.assert_allclose(others[0], losses[order], rtol=1e-12)
    np.testing.assert_allclose(others[1], gradient[order], rtol=0, atol=1e-13)


def test_members_without_points_or_without_mates(backend):
    Z, codes, _ = stack()
    codes[1] = np.arange(codes.shape[1])
    losses, gradient = backend.stacked_nca_loss_grad(Z, codes, np.array([0, 9, 1]))
    assert losses.tolist() == [0.0] * 3
    assert not gradient.any()


@pytest.mark.parametrize("shape", [(0, 4, 2), (2, 0, 2), (2, 4, 0)])
def test_nothing_to_do(backend, shape):
    codes = np.zeros(shape[:2], dtype=int)
    n_points = np.full(shape[0], shape[1])
    losses, gradient = backend.stacked_nca_loss_grad(np.ones(shape), codes, n_points)
    assert losses.shape == shape[:1]
    assert gradient.shape == shape


@settings(deadline=None)
@given(st.integers(0, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 99))
def test_blocks_cover_every_row_once(n_stack, n_rows, n_columns, size):
    seen = np.zeros((n_stack, n_rows), dtype=int)
    for members, rows in block_shape(n_stack, n_rows, n_columns, size):
        seen[members, rows] += 1
        shape = seen[members, rows].shape
        assert shape[0] * shape[1] * n_columns <= max(size, n_columns)
    assert (seen == 1).all()
