"""From images to rows: one pass over the pixels, the same bits for any number of jobs."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hierseg_learn import SegmentedImages, SegmentTree
from hierseg_learn.descriptors import ColorDescriptor, ShapeDescriptor
from hierseg_learn.images import check_images
from hierseg_learn.parts import PartLookup
from hierseg_learn.segmentation import MaskSegmenter
from hierseg_learn.transformer import describe
from hierseg_learn.transformer.describe import (
    PresentMeans,
    TreeDescriber,
    describe_images,
    erode_leaves,
)
from tests.strategies import segment_trees

PARTS = st.integers(-1, 2)


def describer_of(tree, batch, describe_inner=True):
    descriptors = [("color", ColorDescriptor(n_bins=2)), ("shape", ShapeDescriptor())]
    fitted = tuple((name, descriptor.fit(batch)) for name, descriptor in descriptors)
    segmenter = MaskSegmenter(tree).fit(batch)
    return TreeDescriber.of(tree, segmenter, fitted, describe_inner=describe_inner)


def batch_of(tree, n_images=3, seed=0):
    rng = np.random.default_rng(seed)
    images, masks = [], []
    for _ in range(n_images):
        size = rng.integers(1, 7, 2)
        images.append(rng.random(size))
        masks.append(rng.choice([-1, *tree.leaf_values], size))
        masks[-1][0, 0] = tree.leaf_values[0]
    return check_images(SegmentedImages(images, masks))


trees_and_seeds = given(tree=segment_trees(any_order=True), seed=st.integers(0, 2**16))


def pooled(describer, batch):
    """Areas and sums of the leaves of the first image."""
    area, sums = describer._pool(*([one] for one in next(describer._leaf_maps(batch))))
    return area[0], sums[0]


@settings(deadline=None, max_examples=25)
@trees_and_seeds
def test_leaf_sums_are_those_of_the_raw_masks(tree, seed):
    batch = batch_of(tree, 1, seed)
    describer = describer_of(tree, batch)
    area, sums = pooled(describer, batch)
    image, mask = batch.image(0), batch.mask(0)
    n_bins = 10
    shape_sums = sums[:, -5 - n_bins :]
    for position, part in enumerate(tree.leaf_values):
        region = mask == part
        rows, cols = np.nonzero(region)
        rows, cols = (rows + 0.5) / image.shape[0], (cols + 0.5) / image.shape[1]
        # a pixel is an area: mean square over it, and shares of the points in it
        squares = [v**2 + 1 / (12 * side**2) for v, side in zip((rows, cols), image.shape)]
        moments = [rows, cols, *squares, rows * cols]
        points = rows[:, np.newaxis] + (np.arange(1000) - 499.5) / 1000 / image.shape[0]
        places = np.clip(points * n_bins - 0.5, 0, n_bins - 1)
        profile = [np.maximum(0, 1 - np.abs(places - k)).mean(axis=1) for k in range(n_bins)]
        expected = [values.sum() / image.size for values in (*moments, *profile)]
        assert area[position] == region.mean()
        np.testing.assert_allclose(shape_sums[position], expected, rtol=1e-9, atol=1e-5)


@settings(deadline=None, max_examples=25)
@trees_and_seeds
def test_parents_are_the_sums_of_their_children(tree, seed):
    batch = batch_of(tree, seed=seed)
    describer = describer_of(tree, batch)
    names = describer.column_names()
    rows = describer.rows(batch)
    area = rows[:, [names.index(f"{path}|area") for path in tree.paths]]
    for node in range(tree.n_nodes):
        children = tree.children(node)
        if len(children):
            np.testing.assert_allclose(area[:, node], area[:, children].sum(axis=1), rtol=1e-9)
    labeled = [np.mean(batch.mask(i) >= 0) for i in range(len(batch))]
    np.testing.assert_allclose(area[:, tree.root], labeled, rtol=1e-9)


@settings(deadline=None, max_examples=25)
@trees_and_seeds
def test_presence_columns_point_to_the_node_of_every_column(tree, seed):
    batch = batch_of(tree, seed=seed)
    for describe_inner in (True, False):
        describer = describer_of(tree, batch, describe_inner=describe_inner)
        names = describer.column_names()
        presence, fades = describer.presence_columns()
        for name, column, fading in zip(names, presence, fades, strict=True):
            path, descriptor = name.split("|")
            assert names[column] == f"{path}|presence"
            assert fading == (descriptor not in ("presence", "area"))
        rows = describer.rows(batch)
        np.testing.assert_array_equal(np.isnan(rows), (rows[:, presence] == 0) & fades)


@settings(deadline=None, max_examples=50)
@given(
    leaves=arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=PARTS),
    erosion=st.integers(0, 3),
)
def test_a_border_is_what_is_near_another_part(leaves, erosion):
    def depth(row, col):
        """Largest reach within which there is nothing but the pixel's own part."""
        reach = 0
        while reach < erosion and np.ptp(window(leaves, row, col, reach + 1)) == 0:
            reach += 1
        return reach

    depths = np.array(
        [[depth(*place) for place in row] for row in np.dstack(np.indices(leaves.shape))]
    )
    deepest = {part: depths[leaves == part].max() for part in np.unique(leaves)}
    expected = [
        [
            part if part >= 0 and deep == deepest[part] else -1
            for part, deep in zip(parts, deeps, strict=True)
        ]
        for parts, deeps in zip(leaves, depths, strict=True)
    ]
    np.testing.assert_array_equal(erode_leaves(leaves, 3, erosion), expected)


def window(leaves, row, col, reach):
    """Pixels within so many rows and columns, as far as there are any."""
    return leaves[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1]


@settings(deadline=None, max_examples=25)
@given(tree=segment_trees(any_order=True), seed=st.integers(0, 2**16), erosion=st.integers(1, 3))
def test_what_is_left_of_a_leaf_stands_for_all_of_it(tree, seed, erosion):
    batch = batch_of(tree, 1, seed)
    whole = describer_of(tree, batch)
    inner = replace(whole, erosion=erosion)
    (area, sums), (same_area, inner_sums) = (pooled(d, batch) for d in (whole, inner))
    np.testing.assert_array_equal(area, same_area)
    color, shape = (descriptor for _, descriptor in whole.descriptors)
    np.testing.assert_array_equal(sums[:, color.n_sums_ :], inner_sums[:, color.n_sums_ :])
    lightness = color.maps(batch.image(0))[..., 0]
    leaves = PartLookup(tree).to_leaves(batch.mask(0), 0)
    left = erode_leaves(leaves, tree.n_leaves, erosion)
    for leaf in np.flatnonzero(area):
        mean = lightness[left == leaf].mean()
        np.testing.assert_allclose(inner_sums[leaf, 0], area[leaf] * mean, rtol=1e-5, atol=1e-9)
    assert not inner_sums[area == 0].any()
    assert shape.uses_erosion is False


def test_node_map_gives_leaves_in_any_order_of_the_nodes():
    # the leaves are nodes 0, 2 and 3
    tree = SegmentTree(["a", "b", "c", "d", "t"], [1, 4, 4, 4, 4], [7, [1, 2], 0])
    masks = np.array([[[7, 1, 2], [0, -1, 7]]])
    batch = check_images(SegmentedImages(np.zeros((1, 2, 3)), masks))
    node_map = describer_of(tree, batch).node_maps(batch)[0]
    np.testing.assert_array_equal(node_map, [[0, 2, 2], [3, -1, 0]])
    assert node_map.dtype == np.int32


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_chunks_do_not_matter(chunk, monkeypatch):
    tree = SegmentTree.from_nested({"t": {"a": 0, "b": 1, "c": 2}})
    batch = batch_of(tree, 7)
    describer = describer_of(tree, batch)
    expected = describer.rows(batch)
    monkeypatch.setattr(describe, "CHUNK_IMAGES", chunk)
    rows = describe_images(describer, batch, dtype=np.float64, n_jobs=None, verbose=0)
    np.testing.assert_array_equal(rows, expected)


def test_workers_give_the_same_bits_and_keep_the_order(monkeypatch):
    monkeypatch.setattr(describe, "CHUNK_IMAGES", 2)
    tree = SegmentTree.from_nested({"t": {"a": 0, "b": 1, "c": 2}})
    batch = batch_of(tree, 9)
    describer = describer_of(tree, batch)
    rows = describe_images(describer, batch, dtype=np.float32, n_jobs=2, verbose=0)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, describer.rows(batch).astype(np.float32))


def test_the_bar_counts_images(capsys, monkeypatch):
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)
    monkeypatch.setattr(describe, "CHUNK_IMAGES", 2)
    tree = SegmentTree.from_nested({"t": {"a": 0, "b": 1}})
    batch = batch_of(tree, 5)
    describer = describer_of(tree, batch)
    describe_images(describer, batch, dtype=np.float64, n_jobs=1, verbose=1)
    lines = capsys.readouterr().err.split("\r")
    counts = [line.split("] ")[1].split()[0] for line in lines if line]
    assert counts == ["0/5", "2/5", "4/5", "5/5"]
    describe_images(describer, batch, dtype=np.float64, n_jobs=1, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_an_error_names_the_image_by_its_place_in_the_whole_batch(monkeypatch):
    monkeypatch.setattr(describe, "CHUNK_IMAGES", 2)
    tree = SegmentTree.from_nested({"t": {"a": 0, "b": 1}})
    masks = np.zeros((5, 2, 2), dtype=int)
    masks[3, 0, 1] = 8
    batch = check_images(SegmentedImages(np.zeros((5, 2, 2)), masks))
    for n_jobs in (1, 2):
        with pytest.raises(ValueError, match="label map of image 3 of X holds part id 8"):
            describe_images(
                describer_of(tree, batch), batch, dtype=np.float64, n_jobs=n_jobs, verbose=0
            )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 7, 32])
def test_means_of_blocks_have_the_bits_of_means_of_all_rows(size, dtype):
    rows = np.random.default_rng(size).normal(size=(100, 5)).astype(dtype)
    rows[rows > 0.5] = np.nan
    rows[:, 3] = np.nan
    means = PresentMeans(5)
    for start in range(0, 100, size):
        means.add(rows[start : start + size])
    totals = np.nansum(rows, axis=0, dtype=np.float64)
    expected = totals / np.maximum((~np.isnan(rows)).sum(axis=0), 1)
    np.testing.assert_array_equal(means.means(), expected)
    assert expected[3] == 0
