"""The large-margin nearest neighbor loss over given lists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad

from tests.kernels import reference
from tests.kernels.twins import LAYOUTS, assert_same_loss_grad, small_blocks


def listed(n=23, d=4, n_targets=3, n_impostors=5, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(-1, n, (n, n_targets))
    impostors = rng.integers(-1, n, (n, n_impostors))
    return rng.normal(size=(n, d)), targets, impostors


def cases():
    Z, targets, impostors = listed()
    none = np.full((23, 2), -1)
    grid = np.random.default_rng(1).integers(-2, 3, Z.shape).astype(float)
    return {
        "random": (Z, targets, impostors),
        "no point": (Z[:0], targets[:0], impostors[:0]),
        "one point": (Z[:1], none[:1], none[:1]),
        "no targets": (Z, none, impostors),
        "no impostors": (Z, targets, none),
        "lists of length zero": (Z, targets[:, :0], impostors[:, :0]),
        "ties on a grid": (grid, targets, impostors),
        "only duplicates": (np.tile(Z[:1], (23, 1)), targets, impostors),
        "one point in every list": (Z, np.zeros_like(targets), impostors),
        "listed twice": (Z, np.hstack([targets, targets]), np.hstack([impostors, impostors])),
        "far apart": (1e6 * Z, targets, impostors),
        "far from the origin": (Z + 100.0, targets, impostors),
    }


@pytest.mark.parametrize("case", cases())
@pytest.mark.parametrize("regularization", [0.0, 0.3, 1.0])
def test_as_the_oracle(backend, dtype, case, regularization):
    Z, targets, impostors = cases()[case]
    Z = Z.astype(dtype)
    expected = reference.lmnn_loss_grad(Z, targets, impostors, regularization)
    assert expected[1].dtype == dtype
    actual = backend.lmnn_loss_grad(Z, targets, impostors, regularization)
    assert_same_loss_grad(actual, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout(backend, dtype, layout):
    Z, targets, impostors = listed()
    Z = Z.astype(dtype)
    expected = reference.lmnn_loss_grad(Z, targets, impostors, 0.4)
    arrays = [LAYOUTS[layout](array) for array in (Z, targets, impostors)]
    assert_same_loss_grad(backend.lmnn_loss_grad(*arrays, 0.4), expected)


@pytest.mark.parametrize("list_dtype", ["int8", "int32", "int64"])
def test_any_integer_type_for_lists(backend, list_dtype):
    Z, targets, impostors = listed()
    expected = reference.lmnn_loss_grad(Z, targets, impostors, 0.4)
    actual = backend.lmnn_loss_grad(Z, targets.astype(list_dtype), impostors, 0.4)
    assert_same_loss_grad(actual, expected)


def test_many_small_blocks(backend, dtype):
    Z, targets, impostors = listed()
    Z = Z.astype(dtype)
    expected = reference.lmnn_loss_grad(Z, targets, impostors, 0.4)
    with small_blocks():
        assert_same_loss_grad(backend.lmnn_loss_grad(Z, targets, impostors, 0.4), expected)


@pytest.mark.parametrize("module", ["backend", "reference"])
def test_gradient_is_the_derivative(backend, module):
    function = (backend if module == "backend" else reference).lmnn_loss_grad
    Z, targets, impostors = listed(9, 3, seed=2)

    def value(flat):
        return function(flat.reshape(Z.shape), targets, impostors, 0.4)[0]

    def derivative(flat):
        return function(flat.reshape(Z.shape), targets, impostors, 0.4)[1].ravel()

    size = np.linalg.norm(derivative(Z.ravel()))
    assert size > 0.01
    assert check_grad(value, derivative, Z.ravel()) < 1e-5 * size


@settings(deadline=None, max_examples=25)
@given(st.data(), st.integers(1, 8), st.integers(0, 3), st.integers(0, 3))
def test_as_the_oracle_on_grids_full_of_ties(backend, data, n, n_targets, n_impostors):
    def table(columns, low, high):
        size = n * columns
        numbers = data.draw(st.lists(st.integers(low, high), min_size=size, max_size=size))
        return np.array(numbers, dtype=int).reshape(n, columns)

    Z = table(2, -2, 2).astype(float)
    targets, impostors = table(n_targets, -1, n - 1), table(n_impostors, -1, n - 1)
    expected = reference.lmnn_loss_grad(Z, targets, impostors, 0.5)
    assert_same_loss_grad(backend.lmnn_loss_grad(Z, targets, impostors, 0.5), expected)


def test_by_hand(backend):
    Z = np.array([[0.0], [1.0], [1.5]])
    targets, impostors = np.array([[1], [-1], [-1]]), np.array([[2], [-1], [0]])
    # point 0: pull 1, hinge 1 + 1 - 2.25 < 0; point 2 has an impostor, but no target
    loss, gradient = backend.lmnn_loss_grad(Z, targets, impostors, 0.25)
    assert loss == pytest.approx(0.25 / 3)
    np.testing.assert_allclose(gradient, np.array([[-0.5], [0.5], [0.0]]) / 3)
    # an impostor at 1.2: hinge 2 - 1.44 = 0.56
    Z[2] = 1.2
    loss, gradient = backend.lmnn_loss_grad(Z, targets, impostors, 0.25)
    assert loss == pytest.approx((0.25 + 0.75 * 0.56) / 3)
    # (0.25 + 0.75) (z_0 - z_1)^2 - 0.75 (z_0 - z_2)^2
    np.testing.assert_allclose(gradient, np.array([[-2.0 + 1.8], [2.0], [-1.8]]) / 3)


def test_minus_one_is_nobody_and_not_the_last_point(backend):
    Z, targets, impostors = listed()
    expected = backend.lmnn_loss_grad(Z, targets, impostors, 0.4)
    moved = np.vstack([Z, [[1e3] * 4]])
    nobody = [np.vstack([rows, np.full((1, rows.shape[1]), -1)]) for rows in (targets, impostors)]
    loss, gradient = backend.lmnn_loss_grad(moved, *nobody, 0.4)
    assert loss * 24 == pytest.approx(expected[0] * 23)
    np.testing.assert_allclose(gradient[:23] * 24, expected[1] * 23)
    assert gradient[23].tolist() == [0.0] * 4
