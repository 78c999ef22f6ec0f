"""Grid and pyramid: cells of equal size, a full tree, tiny images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.parts import PartLookup
from hierseg_learn.segmentation import GridSegmenter, PyramidSegmenter

SIDES = st.integers(1, 20)


def test_grid_tree_and_ids():
    segmenter = GridSegmenter(2, 3).fit(np.zeros((1, 4, 6)))
    assert segmenter.tree_.to_nested() == {
        "image": {f"row{r}_col{c}": 3 * r + c for r in range(2) for c in range(3)}
    }
    expected = np.kron([[0, 1, 2], [3, 4, 5]], np.ones((2, 2), dtype=int))
    np.testing.assert_array_equal(segmenter.segment(np.zeros((4, 6))), expected)


def test_pyramid_tree_and_ids():
    segmenter = PyramidSegmenter(3).fit(np.zeros((2, 8, 8, 3)))
    tree = segmenter.tree_
    assert (tree.n_leaves, tree.n_nodes) == (16, 21)
    labels = segmenter.segment(np.zeros((8, 8, 3)))
    leaf = {tree.path(k): value for k, value in zip(tree.leaves, tree.leaf_values)}
    assert labels[0, 7] == leaf["image/top_right/top_right"]
    assert labels[3, 0] == leaf["image/top_left/bottom_left"]
    assert labels[4, 4] == leaf["image/bottom_right/top_left"]


def test_pyramid_of_a_row_is_halved_across():
    segmenter = PyramidSegmenter(3).fit(np.zeros((3, 9)))
    assert segmenter.tree_.to_nested() == {
        "image": {"left": {"left": 0, "right": 1}, "right": {"left": 2, "right": 3}}
    }
    np.testing.assert_array_equal(
        segmenter.segment(np.zeros((1, 9))), [[0, 0, 0, 1, 1, 2, 2, 3, 3]]
    )


def test_pyramid_of_a_wide_image_goes_on_across():
    segmenter = PyramidSegmenter(3).fit(np.zeros((1, 2, 8)))
    paths = segmenter.tree_.paths
    assert "image/bottom_right/left" in paths
    assert segmenter.cells_.shape == (2, 4)


def test_one_pixel_is_one_part():
    for segmenter in (GridSegmenter(), PyramidSegmenter()):
        labels = segmenter.fit(np.zeros((1, 1, 1))).segment(np.zeros((1, 1)))
        np.testing.assert_array_equal(labels, [[0]])


@pytest.mark.parametrize("cls", [GridSegmenter, PyramidSegmenter])
@given(fitted=st.tuples(SIDES, SIDES), seen=st.tuples(SIDES, SIDES), size=st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_cells_partition_every_image(cls, fitted, seen, size):
    segmenter = cls(size).fit(np.zeros((1, *fitted)))
    ids = PartLookup(segmenter.tree_).part_ids
    np.testing.assert_array_equal(np.unique(segmenter.segment(np.zeros(fitted))), ids)
    labels = segmenter.segment(np.zeros(seen))
    assert labels.shape == seen
    assert labels.dtype == np.int32
    assert np.isin(labels, ids).all()
    if seen[0] >= fitted[0] and seen[1] >= fitted[1]:
        np.testing.assert_array_equal(np.unique(labels), ids)


def test_the_smallest_training_image_limits_the_cells():
    images = [np.zeros((9, 9)), np.zeros((2, 5))]
    assert GridSegmenter(4, 4).fit(images).n_rows_ == 2
    assert PyramidSegmenter(4).fit(images).cells_.shape == (2, 4)


@pytest.mark.parametrize(
    "segmenter", [GridSegmenter(0), GridSegmenter(n_cols=1.5), PyramidSegmenter(0)]
)
def test_wrong_parameters(segmenter):
    with pytest.raises(ValueError, match="parameter of"):
        segmenter.fit(np.zeros((1, 2, 2)))
