"""Sums over regions: against the oracle, and what a region id or a left-out pixel may be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels import reference
from tests.kernels.twins import LAYOUTS, assert_close, small_blocks


def pixels(n=57, n_values=3, n_regions=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_values)), rng.integers(-1, n_regions, n)


def test_by_hand(backend):
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0], [8.0, 80.0]])
    sums = backend.region_sums(values, np.array([2, 0, -1, 2]), 4)
    assert sums.tolist() == [[2.0, 20.0], [0.0, 0.0], [9.0, 90.0], [0.0, 0.0]]


def test_the_oracle_is_a_mask_and_a_sum():
    values, regions = pixels()
    expected = [values[regions == region].sum(axis=0) for region in range(6)]
    np.testing.assert_allclose(reference.region_sums(values, regions, 6), expected)


@pytest.mark.parametrize("region_dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64"])
def test_as_the_oracle(backend, dtype, region_dtype):
    values, regions = pixels()
    values = values.astype(dtype)
    regions = np.abs(regions) if region_dtype.startswith("u") else regions
    sums = backend.region_sums(values, regions.astype(region_dtype), 6)
    assert sums.dtype == np.float64  # sums of float32 do not round in float32
    assert_close(sums, reference.region_sums(values, regions, 6))


@pytest.mark.parametrize("values_dtype", ["bool", "uint8", "int64"])
def test_numbers_of_other_kinds_are_summed_exactly(backend, values_dtype):
    values, regions = pixels()
    values = np.abs(10 * values).astype(values_dtype)
    sums = backend.region_sums(values, regions, 6)
    np.testing.assert_array_equal(sums, reference.region_sums(values, regions, 6))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout(backend, dtype, layout):
    values, regions = pixels()
    values = LAYOUTS[layout](values.astype(dtype))
    regions = LAYOUTS[layout](regions)
    expected = reference.region_sums(values.copy(), regions.copy(), 6)
    assert_close(backend.region_sums(values, regions, 6), expected)


def test_many_small_blocks(backend, dtype):
    values, regions = pixels(61)
    values = values.astype(dtype)
    with small_blocks():
        sums = backend.region_sums(values, regions, 6)
    assert_close(sums, reference.region_sums(values, regions, 6))


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(0, 4))
def test_whole_numbers_add_up_exactly(backend, data, n_regions):
    regions = np.array(data.draw(st.lists(st.integers(-1, n_regions - 1), max_size=12)), dtype=int)
    values = np.arange(2.0 * len(regions)).reshape(-1, 2)
    sums = backend.region_sums(values, regions, n_regions)
    np.testing.assert_array_equal(sums, reference.region_sums(values, regions, n_regions))
    assert sums.sum() == values[regions >= 0].sum()


@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (0, 0)])
def test_nothing_to_sum(backend, shape):
    sums = backend.region_sums(np.ones(shape), np.full(shape[0], -1), 2)
    assert sums.tolist() == np.zeros((2, shape[1])).tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_pixel_that_is_left_out_is_not_looked_at(backend, value):
    values, regions = pixels(9)
    regions[4] = -1
    expected = backend.region_sums(values, regions, 6)
    values[4] = value
    np.testing.assert_array_equal(backend.region_sums(values, regions, 6), expected)


@pytest.mark.parametrize("region_dtype", ["uint16", "int32", "int64"])
def test_more_regions_than_a_16_bit_index_holds(backend, region_dtype):
    n_regions = 70_000
    last = min(np.iinfo(region_dtype).max, n_regions - 1)
    regions = np.array([0, last, 4464, last, 65_535], dtype=region_dtype)
    sums = backend.region_sums(np.ones((5, 1)), regions, n_regions)[:, 0]
    expected = np.bincount(regions.astype(np.int64), minlength=n_regions)
    np.testing.assert_array_equal(sums, expected)


def test_more_regions_than_an_8_bit_index_holds(backend):
    regions = np.array([0, 255, 44, 255], dtype=np.uint8)
    sums = backend.region_sums(np.ones((4, 1)), regions, 300)[:, 0]
    assert np.flatnonzero(sums).tolist() == [0, 44, 255]
    assert sums[[0, 44, 255]].tolist() == [1.0, 1.0, 2.0]


def test_more_pixels_than_a_16_bit_index_holds(backend):
    n = 140_000  # several blocks of the usual size
    regions = np.arange(n) % 3
    sums = backend.region_sums(np.ones((n, 1), dtype=np.float32), regions, 3)[:, 0]
    assert sums.tolist() == [46_667.0, 46_667.0, 46_666.0]
