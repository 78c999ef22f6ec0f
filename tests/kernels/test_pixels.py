"""Sums of pixels line by line against dense maps and scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.kernels import _descriptor_loops
from tests.kernels import pixels_reference as reference

N_REGIONS = 4
KINDS = ["8 bits", "floats", "beyond [0, 1]", "flat"]


def an_image(kind, color, height, width, rng):
    shape = (height, width, 3) if color else (height, width)
    levels = rng.integers(0, 256, shape) // rng.choice([1, 60])
    return {
        "8 bits": levels / 255,
        "floats": rng.random(shape),
        "beyond [0, 1]": rng.normal(0.5, 2.0, shape),
        "flat": np.broadcast_to(rng.random(shape[2:]), shape),
    }[kind].astype(np.float32)


cases = given(
    kind=st.sampled_from(KINDS),
    color=st.booleans(),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    n_bins=st.integers(2, 9),
    seed=st.integers(0, 2**16),
)


@cases
@settings(deadline=None, max_examples=60)
def test_as_dense_maps(pixels, kind, color, height, width, n_bins, seed):
    rng = np.random.default_rng(seed)
    image = an_image(kind, color, height, width, rng)
    regions = rng.integers(-1, N_REGIONS, (height, width))
    planes = pixels.split_planes(image)
    levels = pixels.whole_levels(planes)
    profile = rng.random((height, n_bins))
    found = {
        "color": pixels.color_sums(planes, levels, regions, N_REGIONS, n_bins),
        "gradient": pixels.gradient_sums(planes, regions, N_REGIONS, n_bins),
        "outline": pixels.outline_sums(regions, N_REGIONS, profile),
    }
    expected = {
        "color": reference.color_sums(image, regions, N_REGIONS, n_bins),
        "gradient": reference.gradient_sums(image, regions, N_REGIONS, n_bins),
        "outline": reference.outline_sums(regions, N_REGIONS, profile),
    }
    for name, sums in found.items():
        scale = np.abs(expected[name]).max(initial=1e-3)
        np.testing.assert_allclose(sums, expected[name], rtol=2e-5, atol=1e-5 * scale, err_msg=name)


@cases
@settings(deadline=None, max_examples=60)
def test_patterns_as_scikit_image(pixels, kind, color, height, width, n_bins, seed):
    rng = np.random.default_rng(seed)
    image = an_image(kind, color, height, width, rng)
    regions = rng.integers(-1, N_REGIONS, (height, width))
    planes = pixels.split_planes(image)
    found = pixels.pattern_sums(planes, pixels.whole_levels(planes), regions, N_REGIONS)
    np.testing.assert_array_equal(found, reference.pattern_sums(image, regions, N_REGIONS))


def test_whole_levels_are_told_from_other_floats(pixels):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    planes = (levels / 255).astype(np.float32)
    np.testing.assert_array_equal(pixels.whole_levels(planes), levels)
    planes[0, 3, 4] += np.float32(1e-4)
    assert pixels.whole_levels(planes).size == 0


def test_floats_near_levels_have_the_color_of_levels(pixels):
    rng = np.random.default_rng(0)
    planes = (rng.integers(0, 256, (3, 20, 20)) / 255).astype(np.float32)
    regions = np.zeros((20, 20), dtype=int)
    by_levels = pixels.color_sums(planes, pixels.whole_levels(planes), regions, 1, 8)
    by_values = pixels.color_sums(planes, np.empty((3, 0, 0), np.uint8), regions, 1, 8)
    np.testing.assert_allclose(by_values, by_levels, rtol=1e-5, atol=1e-4)


def test_gray_levels_are_rounded_as_floats_are():
    halves = [
        (r, g, b)
        for r in range(0, 256, 5)
        for g in range(256)
        for b in range(0, 256, 5)
        if (2125 * r + 7154 * g + 721 * b) % 10_000 == 5_000
    ]
    assert len(halves) > 30
    others = np.random.default_rng(0).integers(0, 256, (500, 3))
    levels = np.concatenate([halves, others]).T[:, np.newaxis].astype(np.uint8)
    found = np.empty(levels.shape[1:], dtype=np.int32)
    _descriptor_loops.gray_levels(levels.astype(np.float32), levels, found)
    expected = np.rint(np.tensordot([2125, 7154, 721], levels.astype(float), 1) / 10_000)
    np.testing.assert_array_equal(found, expected)


def test_pixels_are_counted(pixels):
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (1, 9), (9, 1), (30, 25)]:
        regions = rng.integers(-1, N_REGIONS - 1, shape).astype(np.int32)
        expected = np.bincount(regions.ravel() + 1, minlength=N_REGIONS + 1)[1:]
        found = pixels.count_pixels(regions, N_REGIONS)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_depth_as_by_filters(pixels, most):
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (1, 9), (30, 25)]:
        regions = np.kron(rng.integers(-1, 3, (5, 5)), np.ones((6, 5), int))[: shape[0], : shape[1]]
        np.testing.assert_array_equal(pixels.depths(regions, most), reference.depths(regions, most))
