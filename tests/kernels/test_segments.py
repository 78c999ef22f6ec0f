"""Compiled steps from pixels to merged regions: each against its slow twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab
from skimage.measure import label

from hierseg_learn.kernels import segments
from tests.kernels import segments_reference

SHAPES = [(1, 1), (1, 7), (5, 1), (2, 2), (9, 12), (16, 11)]


def planes_of(shape, n_planes=3, seed=0):
    rng = np.random.default_rng(seed)
    spans = np.array([100, 90, 90], dtype=np.float32)[:n_planes]
    planes = rng.random((n_planes, *shape), dtype=np.float32)
    return (
        planes * spans[:, np.newaxis, np.newaxis]
        - (spans / 2 - spans[0] / 2 * (spans > 90))[:, np.newaxis, np.newaxis]
    )


def blobs(shape, n_labels, seed=0):
    """Connected regions, numbered in reading order."""
    rng = np.random.default_rng(seed)
    return segments_reference.connected_pieces(rng.integers(0, n_labels, shape))


def regions_of(shape, n_labels, n_planes=3, seed=0):
    """What `merge` takes, of random regions."""
    planes, labels = planes_of(shape, n_planes, seed), blobs(shape, n_labels, seed)
    codes = segments.texture_codes(planes[0])
    borders = segments.region_borders(labels, segments.gradient_strength(planes))
    return *segments.region_histograms(planes, codes, labels), *borders


@pytest.mark.parametrize("shape", [*SHAPES, (9, 12, 3), (1, 1, 3)])
def test_lab_is_that_of_scikit_image(shape):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    color = image if image.ndim == 3 else np.stack([image] * 3, axis=-1)
    expected = rgb2lab(color).transpose(2, 0, 1)[: 3 if image.ndim == 3 else 1]
    planes = segments.lab_planes(image)
    assert planes.dtype == np.float32
    np.testing.assert_allclose(planes, expected, atol=0.01)


@pytest.mark.parametrize("value", [-1.0, -1e30, np.nan])
def test_lab_of_what_is_below_black_is_black(value):
    np.testing.assert_allclose(segments.lab_planes(np.full((1, 1, 3), value)), 0, atol=0.01)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0, 0.1, 0.5, 1.0, 2.5])
def test_smooth(shape, sigma):
    planes = planes_of(shape)
    expected = segments_reference.smooth(planes, sigma)
    np.testing.assert_allclose(segments.smooth(planes, sigma), expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_planes", [1, 3])
def test_gradient_strength(shape, n_planes):
    planes = planes_of(shape, n_planes)
    expected = segments_reference.gradient_strength(planes)
    np.testing.assert_allclose(segments.gradient_strength(planes), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_texture_codes(shape):
    plane = planes_of(shape)[0] / 4
    codes = segments.texture_codes(plane)
    np.testing.assert_array_equal(codes, segments_reference.texture_codes(plane))
    if plane.size > 100:
        assert set(np.unique(codes)) == set(range(segments.N_CODES))


@pytest.mark.parametrize("n_superpixels", [1, 4, 20, 10_000])
@pytest.mark.parametrize("compactness", [0.0, 10.0, 60.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_superpixels(shape, compactness, n_superpixels):
    planes = segments.smooth(planes_of(shape), 1.0)
    labels = segments.superpixels(planes, n_superpixels, compactness)
    assert labels.dtype == np.int32
    expected = segments_reference.superpixels(planes, n_superpixels, compactness)
    np.testing.assert_array_equal(labels, expected)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(0, 99))
def test_superpixels_are_connected_and_in_reading_order(height, width, n_superpixels, seed):
    labels = segments.superpixels(planes_of((height, width), 1, seed), n_superpixels, 5.0)
    assert label(labels + 1, connectivity=1).max() == labels.max() + 1
    values, first = np.unique(labels, return_index=True)
    np.testing.assert_array_equal(values, np.arange(len(values)))
    assert (np.diff(first) > 0).all()


@pytest.mark.parametrize("n_planes", [1, 3])
def test_region_histograms(n_planes):
    planes, labels = planes_of((9, 12), n_planes), blobs((9, 12), 3)
    codes = segments.texture_codes(planes[0])
    counts, bins = segments.region_histograms(planes, codes, labels)
    expected_counts, expected = segments_reference.region_histograms(planes, codes, labels)
    np.testing.assert_array_equal(counts, expected_counts)
    # a share that lies at the edge of two whole numbers may fall on either side
    assert np.abs(bins - expected).max() <= 1
    assert (bins.sum(axis=1) == (n_planes + 1) * segments.UNIT * counts).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_region_borders(shape, n_labels):
    labels, strength = blobs(shape, n_labels), planes_of(shape)[0]
    edges, lengths, strengths = segments.region_borders(labels, strength)
    assert (np.diff(edges[:, 0]) >= 0).all()
    order = np.lexsort(edges.T[::-1])
    expected = segments_reference.region_borders(labels, strength)
    np.testing.assert_array_equal(edges[order], expected[0])
    np.testing.assert_array_equal(lengths[order], expected[1])
    np.testing.assert_allclose(strengths[order], expected[2], rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 6),
    st.sampled_from([1, 3]),
    st.integers(0, 9999),
)
def test_merge(height, width, n_labels, n_planes, seed):
    regions = regions_of((height, width), n_labels, n_planes, seed)
    before = [array.copy() for array in regions]
    pairs, costs = segments.merge(*regions)
    expected_pairs, expected_costs = segments_reference.merge(*regions)
    np.testing.assert_array_equal(pairs, expected_pairs)
    np.testing.assert_allclose(costs, expected_costs, rtol=1e-9)
    for array, original in zip(regions, before):
        np.testing.assert_array_equal(array, original)


@pytest.mark.parametrize("shape", [(1, 8), (6, 6), (4, 9)])
def test_merge_of_equal_pixels_goes_by_their_numbers(shape):
    planes = np.full((1, *shape), 50, dtype=np.float32)
    labels = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    counts, bins = segments.region_histograms(planes, segments.texture_codes(planes[0]), labels)
    regions = counts, bins, *segments.region_borders(labels, planes[0])
    pairs, costs = segments.merge(*regions)
    np.testing.assert_array_equal(pairs, segments_reference.merge(*regions)[0])
    assert (costs == 0).all()


def test_merge_of_many_regions():
    regions = regions_of((24, 24), 4, seed=1)
    pairs, costs = segments.merge(*regions)
    expected_pairs, expected_costs = segments_reference.merge(*regions)
    np.testing.assert_array_equal(pairs, expected_pairs)
    np.testing.assert_allclose(costs, expected_costs, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_contours(shape):
    labels = blobs(shape, 4)
    n_leaves = labels.max() + 1
    # every merge joins the last two nodes that have no parent yet, or random ones
    rng = np.random.default_rng(0)
    roots, parents = list(range(n_leaves)), np.arange(2 * n_leaves - 1)
    for node in range(n_leaves, 2 * n_leaves - 1):
        for _ in range(2):
            parents[roots.pop(rng.integers(len(roots)))] = node
        roots.append(node)
    heights = np.concatenate([np.zeros(n_leaves), np.sort(rng.random(n_leaves - 1))])
    expected = segments_reference.contours(labels, parents, heights)
    np.testing.assert_array_equal(segments.contours(labels, parents, heights), expected)
