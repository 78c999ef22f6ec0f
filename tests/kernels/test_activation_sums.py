"""Pooled activations of patches: against a loop over pixels, and what they do not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.kernels import numba_kernels
from tests.kernels import reference
from tests.kernels.twins import LAYOUTS, assert_close, small_blocks

FLOOR = 1e-4
# float32 distances of about 10 are good to 1e-5, and activations are differences of such
TOLERANCE = 3e-5


def problem(height=7, width=9, size=3, n_channels=3, n_components=None, n_atoms=5, seed=0):
    """Image, regions, number of regions, floor, mean, whitening and atoms of some shape."""
    rng = np.random.default_rng(seed)
    d = size * size * n_channels
    n_components = n_components or d
    image = rng.random((height + size - 1, width + size - 1, n_channels))
    regions = rng.integers(-1, 4, (height, width))
    mean = rng.normal(0, 0.1, d)
    whitening = rng.normal(0, d**-0.5, (d, n_components))
    atoms = rng.normal(size=(n_atoms, n_components))
    arrays = (array.astype(np.float32) for array in (mean, whitening, atoms))
    return [image.astype(np.float32), regions, 4, FLOOR, *arrays]


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    size=st.integers(1, 5),
    n_channels=st.sampled_from([1, 3]),
    n_components=st.sampled_from([None, 1, 4]),
    n_atoms=st.integers(1, 70),
    seed=st.integers(0, 2**16),
)
def test_as_the_oracle(backend, **shape):
    args = problem(**shape)
    expected = reference.activation_sums(*args)
    assert_close(backend.activation_sums(*args), expected, TOLERANCE * args[1].size ** 0.5)


def test_by_hand(backend):
    image = np.array([[[1, 0, 0], [0, 0, 1]]], dtype=np.float32)
    atoms = np.array([[2, -1, -1], [-1, -1, 2]], dtype=np.float32) / np.float32(2**0.5)
    args = [np.array([[2, 0]]), 3, 0.0, np.zeros(3, np.float32), np.eye(3, dtype=np.float32)]
    sums = backend.activation_sums(image, *args, atoms)
    # the atoms are 3 apart and of squared length 3; the patches are atoms
    near, far = np.sqrt(np.array([0, 9]) + 6 / 256**2)
    half = (far - near) / 2
    np.testing.assert_allclose(sums, [[0, half], [0, 0], [half, 0]], atol=1e-6)


def test_sums_are_those_of_the_single_pixels(backend):
    image, regions, n_regions, *rest = problem(11, 13)
    pixels = np.arange(regions.size).reshape(regions.shape)
    maps = backend.activation_sums(image, pixels, regions.size, *rest)
    expected = reference.region_sums(maps, regions.ravel(), n_regions)
    assert (maps >= 0).all()
    assert (maps > 0).any(axis=1).all()
    assert_close(backend.activation_sums(image, regions, n_regions, *rest), expected, 1e-6)


def test_many_small_blocks(backend):
    args = problem(12, 5)
    at_once = backend.activation_sums(*args)
    with small_blocks():
        assert_close(backend.activation_sums(*args), at_once, TOLERANCE)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout(backend, layout):
    args = problem()
    expected = backend.activation_sums(*args)
    args = [LAYOUTS[layout](a) if isinstance(a, np.ndarray) else a for a in args]
    assert_close(backend.activation_sums(*args), expected, TOLERANCE)


@pytest.mark.parametrize("region_dtype", ["int8", "int32", "uint16"])
def test_any_kind_of_integer(backend, region_dtype):
    args = problem()
    args[1] = np.abs(args[1])
    expected = backend.activation_sums(*args)
    args[1] = args[1].astype(region_dtype)
    np.testing.assert_array_equal(backend.activation_sums(*args), expected)


def test_flat_patches_are_no_patches_of_noise(backend):
    args = problem()
    args[0] = np.full_like(args[0], 0.7)
    mean, whitening, atoms = (array.astype(float) for array in args[-3:])
    distances = np.linalg.norm(-mean @ whitening - atoms, axis=1)
    count = np.bincount(args[1][args[1] >= 0], minlength=4)
    expected = count[:, None] * np.maximum(0, distances.mean() - distances)
    np.testing.assert_allclose(backend.activation_sums(*args), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("level", [0.02, 0.7, 30.0, 1e4, 1e7])
@pytest.mark.parametrize("contrast", [0, 1e-7, 1e-5, 1e-3, 0.1])
def test_nearly_flat_patches_are_as_the_oracle_has_them(backend, level, contrast):
    args = problem(6, 5, size=4)
    noise = np.random.default_rng(1).standard_normal(args[0].shape)
    args[0] = (level * (1 + contrast * noise)).astype(np.float32)
    expected = reference.activation_sums(*args)
    assert_close(backend.activation_sums(*args), expected, TOLERANCE)


@pytest.mark.parametrize("level", [0.7, 1e4, 1e7])
def test_rounding_of_a_flat_patch_is_no_contrast(backend, level):
    args = problem(size=4)
    flat = np.full_like(args[0], level)
    rounded = np.nextafter(flat, np.random.default_rng(2).choice([0, np.inf], flat.shape))
    args[0] = flat
    expected = backend.activation_sums(*args)
    args[0] = rounded.astype(np.float32)
    assert_close(backend.activation_sums(*args), expected, 0.05)


def test_patches_that_are_atoms(backend):
    args = problem(5, 4, size=2, n_atoms=20)
    patches = np.lib.stride_tricks.sliding_window_view(args[0], (2, 2), axis=(0, 1))
    patches = patches.transpose(0, 1, 3, 4, 2).reshape(20, -1).astype(float)
    patches -= patches.mean(axis=1, keepdims=True)
    patches /= np.sqrt(patches.var(axis=1, keepdims=True) + FLOOR)
    args[6] = ((patches - args[4]) @ args[5]).astype(np.float32)
    args[1], args[2] = np.arange(20).reshape(5, 4), 20
    expected = reference.activation_sums(*args)
    assert (expected.argmax(axis=1) == np.arange(20)).all()
    assert_close(backend.activation_sums(*args), expected, TOLERANCE)


def test_nothing_to_sum(backend):
    args = problem()
    args[1] = np.full_like(args[1], -1)
    assert not backend.activation_sums(*args).any()


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    args = problem(50, 60, n_atoms=40)
    with small_blocks():
        monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
        alone = numba_kernels.activation_sums(*args)
        monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
        np.testing.assert_array_equal(numba_kernels.activation_sums(*args), alone)


def test_wrong_shapes_and_regions_get_a_sentence(backend):
    args = problem()
    for place, wrong in ((0, args[0][:-1]), (4, args[4][:-1]), (6, args[6][:, :-1])):
        changed = [*args]
        changed[place] = wrong
        with pytest.raises(ValueError, match="must fit together, got the shapes"):
            backend.activation_sums(*changed)
    with pytest.raises(ValueError, match=r"regions must lie in \[-1, 3\)"):
        backend.activation_sums(*args[:2], 3, *args[3:])
    args[1] = args[1].astype(float)
    with pytest.raises(ValueError, match="regions must be integers"):
        backend.activation_sums(*args)
