"""Hierarchies of Higra as binary partition trees: binary, connected, and with its own cuts."""

import sys

import numpy as np
import pytest
from skimage.measure import label

from hierseg_learn.datasets import make_portraits
from hierseg_learn.kernels import segments
from hierseg_learn.segmentation import Higra
from hierseg_learn.segmentation._region_merging import HIERARCHIES, higra_tree

SHAPES = [(1, 1), (1, 1, 3), (1, 10), (7, 1, 3), (2, 2), (8, 9, 3)]


@pytest.fixture(scope="module")
def higra():
    return pytest.importorskip("higra")


def test_without_higra_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "higra", None)
    with pytest.raises(ImportError, match=r"Higra needs its package: .*hierseg-learn\[higra\]"):
        Higra().hierarchy(np.zeros((3, 3)))


@pytest.mark.parametrize("criterion", HIERARCHIES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("n_levels", [2, 256])
def test_trees_are_binary_with_monotone_heights(higra, criterion, shape, n_levels):
    image = np.random.default_rng(0).integers(0, n_levels, shape) / (n_levels - 1)
    tree = Higra(criterion=criterion).hierarchy(image)
    n_nodes = 2 * shape[0] * shape[1] - 1
    assert tree.parents.shape == tree.heights.shape == tree.areas.shape == (n_nodes,)
    assert (tree.parents[:-1] > np.arange(n_nodes - 1)).all()
    assert (np.bincount(tree.parents[:-1], minlength=n_nodes)[tree.n_leaves :] == 2).all()
    assert (np.diff(tree.heights) >= 0).all()
    assert tree.heights.min() == 0
    assert tree.heights.max() <= 1
    below = np.bincount(tree.parents[:-1], weights=tree.areas[:-1], minlength=n_nodes)
    np.testing.assert_array_equal(below[tree.n_leaves :], tree.areas[tree.n_leaves :])
    for n_regions in range(1, tree.n_leaves + 1):
        regions = tree.cut(n_regions)
        assert len(np.unique(regions)) == n_regions
        assert label(regions + 1, connectivity=1, background=0).max() == n_regions


@pytest.mark.parametrize("criterion", ["average_linkage", "volume"])
def test_cuts_are_those_of_higra(higra, criterion):
    image = np.random.default_rng(0).random((12, 10, 3))
    lab = np.moveaxis(segments.lab_planes(image), 0, -1)
    tree, altitudes = higra_tree(lab, criterion)
    leaves = altitudes[: tree.num_leaves()]
    heights = higra.accumulate_and_max_sequential(tree, altitudes, leaves, higra.Accumulators.max)
    ours = Higra(criterion=criterion)
    for height in np.quantile(heights[tree.num_leaves() :], [0.1, 0.5, 0.9]):
        expected = higra.labelisation_horizontal_cut_from_threshold(tree, heights, height)
        # heights beyond the threshold are cut; its own are kept, here as there
        found = ours.hierarchy(image).cut(height=height / heights.max() * (1 + 1e-12))
        pairs = np.unique(np.stack([found.ravel(), np.ravel(expected)]), axis=1)
        assert pairs.shape[1] == len(np.unique(expected)) == found.max() + 1


def test_contours_are_between_0_and_1(higra):
    image = make_portraits(1, image_size=(40, 32), random_state=0).images[0].image
    contours = Higra().hierarchy(image).contour_map()
    assert contours.shape == (40, 32)
    assert contours.min() >= 0
    assert contours.max() == 1


def test_criterion_is_checked():
    with pytest.raises(ValueError, match="'criterion' parameter"):
        Higra(criterion="color").hierarchy(np.zeros((2, 2)))
