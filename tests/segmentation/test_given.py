"""Given masks, functions as segmenters, and the choice of a segmenter."""

import numpy as np
import pytest
from sklearn import config_context

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.images import SegmentedImages
from hierseg_learn.segmentation import (
    CallableSegmenter,
    GridSegmenter,
    MaskSegmenter,
    PyramidSegmenter,
    Segmenter,
    VocabularySegmenter,
    make_segmenter,
)
from hierseg_learn.segmentation.registry import CUTTERS
from hierseg_learn.tree import SegmentTree

IMAGES = np.zeros((2, 2, 3), dtype=np.uint8)
MASKS = np.array([[[0, 0, 4], [4, 4, -1]], [[0, 0, 0], [7, 7, 7]]])
TREE = {"photo": {"sky": 0, "land": {"sea": 4, "sand": 7}}}


def bright(image):
    return image > 0.5


def test_given_masks_hang_side_by_side():
    segmenter = MaskSegmenter().fit(SegmentedImages(IMAGES, MASKS))
    assert segmenter.tree_.to_nested() == {"image": {"part_0": 0, "part_4": 4, "part_7": 7}}
    assert segmenter.uses_masks
    np.testing.assert_array_equal(segmenter.segment(IMAGES[0], MASKS[0]), [[0, 0, 4], [4, 4, -1]])


@pytest.mark.parametrize("tree", [TREE, SegmentTree.from_nested(TREE)])
def test_given_masks_with_a_tree(tree):
    segmenter = MaskSegmenter(tree).fit(IMAGES, segments=MASKS)
    assert segmenter.tree_ == SegmentTree.from_nested(TREE)


def test_segments_can_be_routed():
    with config_context(enable_metadata_routing=True):
        routed = MaskSegmenter().set_fit_request(segments=True)
        assert routed.get_metadata_routing().fit.requests == {"segments": True}


def test_masks_at_predict_as_at_fit():
    with_masks = MaskSegmenter().fit(IMAGES, segments=MASKS)
    with pytest.raises(ValueError, match=r"mask is missing.*SegmentedImages"):
        with_masks.segment(IMAGES[0])
    with pytest.warns(UserWarning, match="every image is taken as one part"):
        without = MaskSegmenter().fit(IMAGES)
    assert not without.uses_masks
    np.testing.assert_array_equal(without.segment(IMAGES[0]), np.zeros((2, 3)))
    assert without.tree_.n_nodes == 1
    with pytest.raises(ValueError, match="mask was given"):
        without.segment(IMAGES[0], MASKS[0])


def test_a_mask_of_another_size_is_refused():
    segmenter = MaskSegmenter().fit(IMAGES, segments=MASKS)
    with pytest.raises(ValueError, match="same size"):
        segmenter.segment(IMAGES[0], MASKS[0, :, :2])


def test_function_finds_its_parts():
    images = np.array([[[0.1, 0.9]], [[0.2, 0.3]]])
    segmenter = CallableSegmenter(bright).fit(images)
    assert segmenter.tree_.to_nested() == {"image": {"part_0": 0, "part_1": 1}}
    np.testing.assert_array_equal(segmenter.segment(images[0]), [[0, 1]])
    assert segmenter.segment(images[0]).dtype == np.int32


def test_function_with_a_tree_is_not_run_in_fit():
    def fail(image):
        raise AssertionError

    segmenter = CallableSegmenter(fail, tree=TREE).fit(IMAGES)
    assert segmenter.tree_.n_leaves == 3


def test_function_gets_scaled_images_and_may_leave_pixels_out():
    seen = []

    def halves(image):
        seen.append(image)
        return np.array([[0, 255, 255]] * 2, dtype=np.uint8)

    segmenter = CallableSegmenter(halves, unlabeled=255).fit(IMAGES + np.uint8(51))
    np.testing.assert_allclose(seen[0], np.full((2, 3), 0.2, dtype=np.float32))
    np.testing.assert_array_equal(segmenter.segment(IMAGES[0]), [[0, -1, -1]] * 2)


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (np.zeros((1, 1), int), ValueError, r"labels of shape \(1, 1\) for image 0 of X"),
        (np.full((2, 3), 0.5), ValueError, "image 0 of X holds numbers that are not whole"),
        (np.full((2, 3), -2), ValueError, "image 0 of X holds the id -2"),
        (np.full((2, 3), "sky"), TypeError, "labels of dtype <U3 for image 0 of X"),
    ],
)
def test_function_that_returns_no_label_map(returned, error, message):
    with pytest.raises(error, match=message):
        CallableSegmenter(lambda image: returned).fit(IMAGES)


def test_function_must_be_one():
    with pytest.raises(ValueError, match="'function' parameter"):
        CallableSegmenter(3).fit(IMAGES)
    with pytest.raises(ValueError, match="'function' parameter"):
        CallableSegmenter().fit(IMAGES)


@pytest.mark.parametrize(
    ("spec", "has_masks", "cls"),
    [
        ("auto", True, MaskSegmenter),
        ("auto", False, PyramidSegmenter),
        ("masks", True, MaskSegmenter),
        ("grid", True, GridSegmenter),
        ("pyramid", False, PyramidSegmenter),
        (bright, False, CallableSegmenter),
    ],
)
def test_make_segmenter(spec, has_masks, cls):
    assert type(make_segmenter(spec, has_masks)) is cls


@pytest.mark.parametrize(("spec", "cutter"), CUTTERS.items())
def test_make_segmenter_of_a_cutter(spec, cutter):
    segmenter = make_segmenter(spec, has_masks=False)
    assert type(segmenter) is VocabularySegmenter
    assert type(segmenter.cutter) is cutter


def test_make_segmenter_keeps_objects():
    segmenter = GridSegmenter(5)
    assert make_segmenter(segmenter, has_masks=False) is segmenter
    assert isinstance(segmenter, Segmenter)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("waterfall", ValueError, "segmenter='waterfall' is unknown; expected one of 'auto'"),
        ("masks", ValueError, "segmenter='masks' needs label maps.*SegmentedImages"),
        (MaskSegmenter(), ValueError, "needs label maps"),
        (GridSegmenter, TypeError, "a Segmenter object or a function"),
        (None, TypeError, "segmenter must be a name"),
    ],
)
def test_make_segmenter_refuses(spec, error, message):
    with pytest.raises(error, match=message):
        make_segmenter(spec, has_masks=False)


def test_an_image_may_show_nothing_of_what_a_function_looks_for():
    def bright(image):
        return np.where(image > 0.5, 0, -1)

    images = np.array([[[0.1, 0.9]], [[0.2, 0.3]]])
    segmenter = CallableSegmenter(bright).fit(images)
    found = segmenter.segment_images(images)
    assert [labels.tolist() for labels in found] == [[[-1, 0]], [[-1, -1]]]
    table = SegmentTreeTransformer(CallableSegmenter(bright), missing="nan").fit_transform(images)
    assert table["image/part_0|presence"].tolist() == [1, 0]
    assert table["image|area"].tolist() == [0.5, 0]
    with pytest.raises(ValueError, match="function gives no pixel of any training image a part"):
        CallableSegmenter(lambda image: np.full(image.shape, -1)).fit(images)
