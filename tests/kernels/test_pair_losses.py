"""NCA, triplet and signal-to-noise losses: against the oracle, finite differences and symmetry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad

from tests.kernels import reference
from tests.kernels.twins import LAYOUTS, assert_same_loss_grad, small_blocks

# no difference of signal-to-noise ratios of small integers equals this margin
LOSSES = {"nca_loss_grad": (), "triplet_loss_grad": (1.0,), "snr_loss_grad": (0.2718281828,)}


@pytest.fixture(scope="session", params=LOSSES)
def loss(request):
    """Name of a loss and its further arguments."""
    return request.param, LOSSES[request.param]


def blobs(n=23, d=4, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.integers(0, n_classes, n)


def cases():
    Z, codes = blobs()
    grid = np.random.default_rng(1).integers(-2, 3, (17, 3)).astype(float)
    far = 1e5 * np.array([[0.0, 0.0], [1.0, 0.0], [0.1, 0.0], [0.9, 0.1], [0.5, 0.5]]) + 3e5
    return {
        "blobs": (Z, codes),
        "no point": (Z[:0], codes[:0]),
        "one point": (Z[:1], codes[:1]),
        "one class": (Z, np.zeros(23, dtype=int)),
        "every point its own class": (Z, np.arange(23)),
        "any integers as codes": (Z, np.array([-7, 10**12, 0])[codes]),
        "only duplicates": (np.tile(Z[:1], (6, 1)), np.array([0, 0, 1, 1, 2, 2])),
        "some duplicates": (np.vstack([Z, Z[:5]]), np.hstack([codes, (codes[:5] + 1) % 3])),
        "ties on a grid": (grid, np.arange(17) % 3),
        "one component": (Z[:, :1], codes),
        "far from the origin": (Z + 50.0, codes),
        "far apart, mates lost to underflow": (far, np.array([0, 0, 1, 1, 2])),
        "a row of equal components": (np.vstack([Z, [[0.7] * 4, [-0.1] * 4]]), [*codes, 0, 1]),
    }


@pytest.mark.parametrize("case", cases())
def test_as_the_oracle(backend, loss, dtype, case):
    name, args = loss
    Z, codes = cases()[case]
    Z, codes = Z.astype(dtype), np.asarray(codes)
    expected = getattr(reference, name)(Z, codes, *args)
    assert expected[1].dtype == dtype
    assert_same_loss_grad(getattr(backend, name)(Z, codes, *args), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout(backend, loss, dtype, layout):
    name, args = loss
    Z, codes = blobs()
    Z = LAYOUTS[layout](Z.astype(dtype))
    codes = LAYOUTS[layout](codes)
    before = Z.copy()
    actual = getattr(backend, name)(Z, codes, *args)
    assert_same_loss_grad(actual, getattr(reference, name)(before, codes.copy(), *args))
    np.testing.assert_array_equal(Z, before)


@pytest.mark.parametrize("code_dtype", ["int8", "uint8", "int32", "int64"])
def test_any_integer_type_for_codes(backend, loss, code_dtype):
    name, args = loss
    Z, codes = blobs()
    expected = getattr(reference, name)(Z, codes, *args)
    assert_same_loss_grad(getattr(backend, name)(Z, codes.astype(code_dtype), *args), expected)


def test_many_small_blocks(backend, loss, dtype):
    name, args = loss
    Z, codes = blobs(19)
    Z = Z.astype(dtype)
    expected = getattr(reference, name)(Z, codes, *args)
    with small_blocks():
        assert_same_loss_grad(getattr(backend, name)(Z, codes, *args), expected)


@pytest.mark.parametrize("module", ["backend", "reference"])
def test_gradient_is_the_derivative(backend, loss, module):
    name, args = loss
    function = getattr(backend if module == "backend" else reference, name)
    Z, codes = blobs(11, 3, seed=5)

    def value(flat):
        return function(flat.reshape(Z.shape), codes, *args)[0]

    def derivative(flat):
        return function(flat.reshape(Z.shape), codes, *args)[1].ravel()

    size = np.linalg.norm(derivative(Z.ravel()))
    assert size > 0.01
    assert check_grad(value, derivative, Z.ravel()) < 1e-5 * size


@settings(deadline=None, max_examples=20)
@given(st.data(), st.integers(1, 9), st.integers(1, 3))
def test_as_the_oracle_on_grids_full_of_ties(backend, loss, data, n, d):
    name, args = loss
    numbers = data.draw(st.lists(st.integers(-3, 3), min_size=n * d, max_size=n * d))
    codes = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    Z = np.array(numbers, dtype=float).reshape(n, d)
    expected = getattr(reference, name)(Z, codes, *args)
    assert_same_loss_grad(getattr(backend, name)(Z, codes, *args), expected)


def test_order_of_the_points_does_not_matter_even_at_ties(backend, loss):
    name, args = loss
    Z, codes = cases()["ties on a grid"]
    value, gradient = getattr(backend, name)(Z, codes, *args)
    order = np.random.default_rng(3).permutation(len(Z))
    shuffled = getattr(backend, name)(Z[order], codes[order], *args)
    assert_same_loss_grad(shuffled, (value, gradient[order]))


def test_moving_all_points_changes_nothing(backend, loss):
    name, args = loss
    Z, codes = blobs()
    Z = np.round(Z, 2).astype(np.float32)
    expected = getattr(backend, name)(Z, codes, *args)
    value, gradient = getattr(backend, name)(Z + np.float32(512), codes, *args)
    # the sum itself is rounded to steps of 2^-14
    assert value == pytest.approx(expected[0], rel=1e-3)
    np.testing.assert_allclose(gradient, expected[1], atol=2e-3 * np.abs(expected[1]).max())
    # a force on one point has its counter-force
    np.testing.assert_allclose(gradient.sum(axis=0 if name != "snr_loss_grad" else 1), 0, atol=1e-5)


def test_nca_by_hand(backend):
    # squared distances: 0 to its mate 1, to its rival 4; 1 to its mate and to its rival 1
    loss, gradient = backend.nca_loss_grad(np.array([[0.0], [1.0], [2.0]]), np.array([0, 0, 1]))
    p_0, p_1 = 1 / (1 + np.exp(-3.0)), 0.5
    assert loss == pytest.approx(-(np.log(p_0) + np.log(p_1)) / 2)
    # -log p grows by q = 1 - p per unit of the mate's squared distance, by -q of the rival's
    q_0, q_1 = 1 - p_0, 1 - p_1
    np.testing.assert_allclose(gradient, [[q_0 - q_1], [q_0 + 2 * q_1], [-2 * q_0 - q_1]])


def test_triplet_by_hand(backend):
    Z, codes = np.array([[0.0], [1.0], [1.5]]), np.array([0, 0, 1])
    # anchor 0: 1 - 2.25 + 1 < 0; anchor 1: 1 - 0.25 + 1 = 1.75; two triplets
    loss, gradient = backend.triplet_loss_grad(Z, codes, 1.0)
    assert loss == 0.875
    # (z_1 - z_0)^2 - (z_1 - z_2)^2, halved: only anchor 1 is active
    np.testing.assert_allclose(gradient, [[-1.0], [1.5], [-0.5]])


def test_triplet_hinge_at_zero_is_not_active(backend):
    # d(a, p) + margin = d(a, n) for anchor 0 wherever the points stand in the batch
    Z, codes = np.array([[0.0], [1.0], [2.0]]), np.array([0, 0, 1])
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        loss, gradient = backend.triplet_loss_grad(Z[order], codes[order], 3.0)
        # anchor 0: 1 - 4 + 3 = 0; anchor 1: 1 - 1 + 3
        assert loss == 1.5
        np.testing.assert_allclose(gradient[np.argsort(order)], [[-1.0], [2.0], [-1.0]])


def test_snr_loss_leaves_out_anchors_without_variance(backend):
    Z, codes = blobs(8, 3)
    Z[2] = 0.1
    expected = reference.snr_loss_grad(Z, codes, 0.5)
    loss, gradient = backend.snr_loss_grad(Z, codes, 0.5)
    assert np.isfinite(loss)
    assert loss > 0
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-12)
    assert_same_loss_grad((loss, gradient), expected)


@pytest.mark.parametrize("scale", [1e3, 1e5, 1e6, 1e8])
def test_nca_pulls_far_mates_by_their_distance(backend, dtype, scale):
    # every p underflows; what is left is mate squared minus nearest rival squared
    Z = (scale * np.array([[0.0], [10.0], [1.0], [7.0]])).astype(dtype)
    loss, gradient = backend.nca_loss_grad(Z, np.array([0, 0, 1, 1]))
    rises = np.array([100 - 1, 100 - 9, 36 - 1, 36 - 9]) * scale**2
    assert loss == pytest.approx(rises.mean(), rel=1e-5)
    pairs = [(0, 1, 2), (1, 0, 3), (2, 3, 0), (3, 2, 1)]
    expected = np.zeros((4, 1))
    for point, mate, rival in pairs:
        for other, sign in ((mate, 1), (rival, -1)):
            force = sign * 2 * (float(Z[point, 0]) - float(Z[other, 0])) / 4
            expected[point] += force
            expected[other] -= force
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_nca_is_the_mean_negative_log_likelihood(backend):
    Z, codes = blobs(15, 2)
    powers = np.exp(-((Z[:, None] - Z) ** 2).sum(axis=2))
    np.fill_diagonal(powers, 0)
    p = (powers * (codes[:, None] == codes)).sum(axis=1) / powers.sum(axis=1)
    assert backend.nca_loss_grad(Z, codes)[0] == pytest.approx(-np.log(p).mean())


@pytest.mark.parametrize("seed", range(20))
def test_nca_of_points_too_far_apart_for_float32(backend, seed):
    Z = (1e6 * np.random.default_rng(seed).normal(size=(6, 3))).astype(np.float32)
    codes = np.array([0, 0, 0, 1, 1, 1])
    loss, gradient = backend.nca_loss_grad(Z, codes)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    expected, _ = reference.nca_loss_grad(Z, codes)
    # squared distances near 1e12 are rounded to some 1e5
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e6)
