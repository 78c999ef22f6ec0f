"""Trees of merged regions: nested connected cuts, monotone heights, contours that agree."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.io import imsave
from skimage.measure import label

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.segmentation import RegionMerging, VocabularySegmenter
from hierseg_learn.segmentation._region_merging import merge_tree, order_by_height


def picture(height, width, n_channels, n_levels, seed):
    """Blocks of few values, so that many costs are equal, or noise."""
    rng = np.random.default_rng(seed)
    shape = (height, width) if n_channels == 1 else (height, width, 3)
    if n_levels:
        return rng.integers(0, n_levels, shape).astype(np.float32) / max(n_levels - 1, 1)
    return rng.random(shape, dtype=np.float32)


pictures = st.builds(
    picture,
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([1, 3]),
    st.sampled_from([0, 1, 2, 3]),
    st.integers(0, 9999),
)
trees = st.builds(merge_tree, pictures, st.sampled_from([4, 100]), st.just(10.0), st.just(0.5))


def n_pieces(labels):
    return label(labels + 1, connectivity=1, background=0).max()


@settings(deadline=None, max_examples=60)
@given(trees)
def test_the_tree_is_binary_with_monotone_heights(tree):
    n_nodes = len(tree.parents)
    assert n_nodes == 2 * tree.n_leaves - 1
    assert tree.parents[-1] == n_nodes - 1
    assert (tree.parents[:-1] > np.arange(n_nodes - 1)).all()
    inner = np.bincount(tree.parents[:-1], minlength=n_nodes)[tree.n_leaves :]
    assert (inner == 2).all()
    assert (np.diff(tree.heights) >= 0).all()
    assert (tree.heights[: tree.n_leaves] == 0).all()
    assert (tree.heights < 1).all()
    below = np.bincount(tree.parents[:-1], weights=tree.areas[:-1], minlength=n_nodes)
    np.testing.assert_array_equal(below[tree.n_leaves :], tree.areas[tree.n_leaves :])
    np.testing.assert_array_equal(np.bincount(tree.labels.ravel()), tree.areas[: tree.n_leaves])


@settings(deadline=None, max_examples=60)
@given(trees)
def test_cuts_have_connected_regions_of_the_number_asked_for_and_are_nested(tree):
    coarser = None
    for n_regions in range(1, tree.n_leaves + 2):
        regions = tree.cut(n_regions)
        assert regions.dtype == np.int32
        n_found = min(n_regions, tree.n_leaves)
        values, first = np.unique(regions, return_index=True)
        np.testing.assert_array_equal(values, np.arange(n_found))
        assert (np.diff(first) > 0).all()
        assert n_pieces(regions) == n_found
        if coarser is not None:
            pairs = np.unique(np.stack([regions.ravel(), coarser.ravel()]), axis=1)
            assert pairs.shape[1] == n_found
        coarser = regions


@settings(deadline=None, max_examples=60)
@given(trees, st.integers(0, 99))
def test_contours_beyond_a_height_are_the_borders_of_its_cut(tree, percent):
    contours = tree.contour_map()
    assert contours.shape == tree.labels.shape
    assert contours.min() >= 0
    assert contours.max() < 1
    for height in (np.percentile(tree.heights, percent), percent / 100):
        regions = tree.cut(height=height)
        border = np.zeros(regions.shape, dtype=bool)
        border[:, :-1] |= regions[:, :-1] != regions[:, 1:]
        border[:-1] |= regions[:-1] != regions[1:]
        np.testing.assert_array_equal(contours > height, border)


def test_cuts_at_a_height_keep_what_joins_there():
    tree = merge_tree(picture(8, 8, 3, 0, 0), 100, 10.0, 0.5)
    node = tree.n_leaves + 20
    assert tree.cut(height=tree.heights[node]).max() + 1 == tree.n_leaves - 21
    assert tree.cut(height=-0.1).max() + 1 == tree.n_leaves
    assert tree.cut(height=1.0).max() == 0


def test_a_merge_that_is_cheaper_than_one_below_takes_its_height():
    # 0 and 1 join at 3, the whole with 2 at 1; 3 and 4 at 2
    pairs = np.array([[0, 1], [2, 5], [3, 4], [6, 7]])
    parents, heights, areas = order_by_height(
        pairs, np.array([3.0, 1.0, 2.0, 9.0]), np.array([1, 2, 3, 4, 5])
    )
    assert heights.tolist() == [0, 0, 0, 0, 0, 2, 3, 3, 9]
    assert parents.tolist() == [6, 6, 7, 5, 5, 8, 7, 8, 8]
    assert areas.tolist() == [1, 2, 3, 4, 5, 9, 3, 6, 15]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either n_regions or height, got n_regions=None and height=None"),
        ({"n_regions": 2, "height": 0.5}, "either n_regions or height"),
        ({"n_regions": 0}, "whole number from 1 on, got 0"),
        ({"n_regions": 2.5}, "whole number from 1 on, got 2.5"),
        ({"height": np.nan}, "height must be a number, got nan"),
        ({"height": "high"}, "height must be a number, got 'high'"),
    ],
)
def test_cut_needs_one_level(arguments, message):
    tree = RegionMerging().hierarchy(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=message):
        tree.cut(**arguments)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 10), (7, 1, 3), (2, 2)])
def test_tiny_images(shape):
    image = np.random.default_rng(0).random(shape)
    tree = RegionMerging().hierarchy(image)
    assert tree.n_leaves == shape[0] * shape[1]
    assert tree.cut(1).tolist() == np.zeros(shape[:2]).tolist()


def test_constant_images_have_no_contour():
    contours = RegionMerging(n_superpixels=9).hierarchy(np.full((20, 20, 3), 0.3)).contour_map()
    assert (contours == 0).all()


def test_the_largest_regions_are_those_that_were_drawn():
    data = make_portraits(4, image_size=(96, 80), random_state=0)
    for item in data.images:
        background = item.mask == item.mask[0, 0]
        found = RegionMerging(sigma=0.5).hierarchy(item.image).cut(n_regions=25)
        shares = np.bincount(found.ravel(), background.ravel()) / np.bincount(found.ravel())
        assert ((shares[found] > 0.5) == background).mean() > 0.99


def test_noise_does_not_hide_a_border():
    rng = np.random.default_rng(0)
    image = np.full((60, 60, 3), 0.4)
    image[15:45, 20:50] = 0.6, 0.4, 0.4
    found = RegionMerging().hierarchy(image + rng.normal(0, 0.03, image.shape)).cut(2)
    expected = np.zeros((60, 60), dtype=bool)
    expected[15:45, 20:50] = True
    assert (found.astype(bool) == expected).mean() > 0.98


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_dtype_does_not_matter(dtype, n_channels):
    image = (255 * picture(15, 14, n_channels, 0, 0)).astype(np.uint8)
    expected = RegionMerging(n_superpixels=20).hierarchy(image)
    scale = {np.uint8: 1, np.uint16: 257}.get(dtype, 1 / 255)
    scaled = (image.astype(np.float64) * scale).astype(dtype)
    tree = RegionMerging(n_superpixels=20).hierarchy(scaled)
    np.testing.assert_array_equal(tree.cut(5), expected.cut(5))
    np.testing.assert_allclose(tree.heights, expected.heights, atol=1e-3)


def test_with_and_without_fit():
    images = [picture(12, 10, 3, 0, seed) for seed in range(3)]
    segmenter = VocabularySegmenter(RegionMerging(n_segments=4), n_parts=2, random_state=0)
    before = segmenter.cutter.regions(images[0])
    np.testing.assert_array_equal(segmenter.fit(images).regions(images[0]), before)
    np.testing.assert_array_equal(segmenter.cutter.hierarchy(images[0]).cut(4), before)
    with pytest.raises(ValueError, match="channel"):
        segmenter.regions(images[0][..., 0])


def test_numbers_beyond_one_are_scaled_as_in_fit():
    image = np.linspace(0, 100, 24).reshape(4, 6)
    segmenter = VocabularySegmenter(RegionMerging(n_segments=2), n_parts=2, random_state=0)
    segmenter.fit([2 * image])
    for n_segments in range(1, 7):
        segmenter.cutter_.set_params(n_segments=n_segments)
        expected = RegionMerging(n_segments).regions(image / 200)
        np.testing.assert_array_equal(segmenter.regions(image), expected)


@pytest.mark.parametrize("parameter", ["n_segments", "n_superpixels", "compactness", "sigma"])
def test_parameters_are_checked_without_fit_too(parameter):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
        RegionMerging(**{parameter: -1}).hierarchy(np.zeros((2, 2)))


def test_images_from_files(tmp_path):
    image = (255 * picture(9, 8, 3, 0, 0)).astype(np.uint8)
    imsave(tmp_path / "photo.png", image, check_contrast=False)
    tree = RegionMerging().hierarchy(tmp_path / "photo.png")
    np.testing.assert_array_equal(tree.cut(5), RegionMerging().hierarchy(image).cut(5))


def test_several_threads_at_once():
    images = [picture(40, 30, 3, 0, seed) for seed in range(8)]
    cutter = RegionMerging(n_superpixels=200)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(cutter.hierarchy, images))
    for image, tree in zip(images, found):
        np.testing.assert_array_equal(tree.contour_map(), cutter.hierarchy(image).contour_map())


def test_trees_are_pickled():
    tree = RegionMerging().hierarchy(picture(6, 6, 3, 0, 0))
    again = pickle.loads(pickle.dumps(tree))
    np.testing.assert_array_equal(again.cut(4), tree.cut(4))


def test_regions_of_a_part_come_from_the_cut():
    images = [picture(12, 10, 3, 0, seed) for seed in range(3)]
    segmenter = VocabularySegmenter(RegionMerging(5), n_parts=3, random_state=0).fit(images)
    regions = RegionMerging().hierarchy(images[0]).cut(5)
    pairs = np.unique(np.stack([regions.ravel(), segmenter.segment(images[0]).ravel()]), axis=1)
    assert pairs.shape[1] == 5


def test_in_the_transformer():
    data = make_portraits(6, image_size=(24, 20), random_state=0)
    segmenter = VocabularySegmenter(RegionMerging(n_segments=8), n_parts=3, random_state=0)
    table = SegmentTreeTransformer(segmenter, descriptors="color").fit_transform(data.images.images)
    np.testing.assert_allclose(table["image|area"], 1)
    by_name = SegmentTreeTransformer("region_merging", random_state=0).fit(data.images.images)
    assert isinstance(by_name.segmenter_.cutter, RegionMerging)
