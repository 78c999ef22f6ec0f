"""Portraits: the signal is where it was planted, and nowhere else."""

import numpy as np
import pytest
from skimage.color import rgb2lab
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import NearestCentroid

from hierseg_learn.datasets import make_portraits
from hierseg_learn.images import SegmentedImages
from hierseg_learn.tree import SegmentTree

PARTS = ("background", "hair", "skin", "eyes", "mouth", "neck", "clothes")


def pixels(portraits):
    """All images and all masks as two arrays."""
    return (
        np.stack([item.image for item in portraits.images]),
        np.stack([item.mask for item in portraits.images]),
    )


def mean_colors(portraits, part):
    """Mean CIELAB color of one part, per image."""
    images, masks = pixels(portraits)
    where = masks == PARTS.index(part)
    return np.stack([rgb2lab(image)[inside].mean(axis=0) for image, inside in zip(images, where)])


def accuracy(portraits, part):
    X = mean_colors(portraits, part)
    return cross_val_score(NearestCentroid(), X, portraits.target, cv=5).mean()


@pytest.fixture(scope="module")
def plain():
    return make_portraits(120, signal=(), random_state=0, image_size=(32, 28))


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_carry_the_signal_and_nothing_else_changes(plain, part):
    planted = make_portraits(120, signal=part, random_state=0, image_size=(32, 28))
    assert accuracy(planted, part) > 0.9
    assert abs(accuracy(plain, part) - 0.5) < 0.15
    (images, masks), (plain_images, plain_masks) = pixels(planted), pixels(plain)
    np.testing.assert_array_equal(masks, plain_masks)
    outside = masks != PARTS.index(part)
    np.testing.assert_array_equal(images[outside], plain_images[outside])
    np.testing.assert_array_equal(planted.target, plain.target)


def test_geometry_says_nothing_about_the_class(plain):
    _, masks = pixels(plain)
    areas = np.stack([np.bincount(mask.ravel(), minlength=7) for mask in masks])
    score = cross_val_score(NearestCentroid(), areas, plain.target, cv=5).mean()
    assert abs(score - 0.5) < 0.15


def test_masks_tree_and_names_agree(plain):
    _, masks = pixels(plain)
    tree = SegmentTree.from_nested(plain.tree)
    by_name = {tree.names[leaf]: value for leaf, value in zip(tree.leaves, tree.leaf_values)}
    assert by_name == {name: part for part, name in plain.part_names.items()}
    assert tuple(plain.part_names.values()) == PARTS
    assert all((np.bincount(mask.ravel(), minlength=7) > 0).all() for mask in masks)
    assert isinstance(plain.images, SegmentedImages)
    assert plain.target_names == ["class_0", "class_1"]
    assert np.bincount(plain.target).tolist() == [60, 60]


def test_texture_alone_leaves_the_mean_color():
    kwargs = {"n_samples": 30, "random_state": 1, "noise": 0.0}
    planted = make_portraits(signal={"clothes": "texture"}, **kwargs)
    plain = make_portraits(signal=(), **kwargs)
    part = PARTS.index("clothes")
    np.testing.assert_array_equal(planted.styles[:, part, 1], planted.target)
    np.testing.assert_array_equal(planted.styles[:, part, 0], plain.styles[:, part, 0])
    shift = mean_colors(planted, "clothes") - mean_colors(plain, "clothes")
    assert np.abs(shift[:, 1:]).max() < 3
    assert (pixels(planted)[0] != pixels(plain)[0]).any()


def test_strength_zero_hides_the_styles():
    kwargs = {"n_samples": 20, "strength": 0, "random_state": 0}
    np.testing.assert_array_equal(
        pixels(make_portraits(signal="hair", **kwargs))[0],
        pixels(make_portraits(signal=(), **kwargs))[0],
    )


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("bias", [0.0, 0.9, 1.0])
def test_bias_dial(n_classes, bias):
    kwargs = {"n_samples": 400, "n_classes": n_classes, "random_state": 0, "image_size": (24, 20)}
    biased = make_portraits(bias=bias, **kwargs)
    agrees = (biased.groups == biased.target).mean()
    assert abs(agrees - bias) <= (0.05 if 0 < bias < 1 else 0)


def test_no_bias_means_independent_of_the_label():
    portraits = make_portraits(400, n_classes=4, random_state=0, image_size=(24, 20))
    assert abs((portraits.groups == portraits.target).mean() - 0.25) < 0.07


def test_bias_changes_the_biased_part_only_and_shows():
    kwargs = {"n_samples": 60, "random_state": 2, "image_size": (32, 28), "bias_part": "clothes"}
    biased, plain = make_portraits(bias=1.0, **kwargs), make_portraits(**kwargs)
    assert accuracy(biased, "clothes") > 0.9
    (images, masks), (plain_images, _) = pixels(biased), pixels(plain)
    outside = masks != PARTS.index("clothes")
    np.testing.assert_array_equal(images[outside], plain_images[outside])


def test_bias_on_one_cue_beside_signal_on_the_other():
    portraits = make_portraits(
        50, signal={"background": "texture"}, bias=0.0, bias_cue="color", random_state=0
    )
    np.testing.assert_array_equal(portraits.styles[:, 0, 1], portraits.target)
    assert (portraits.groups != portraits.target).all()


def test_missing_parts():
    portraits = make_portraits(10, missing=1.0, random_state=0)
    present = {name for item in portraits.images for name in np.array(PARTS)[np.unique(item.mask)]}
    assert present == set(PARTS) - {"hair", "eyes"}
    some = make_portraits(60, missing={"neck": 0.5, "mouth": 1.0}, random_state=0, as_frame=True)
    has_neck = np.array([5 in item.mask for item in some.images])
    np.testing.assert_array_equal(has_neck, ~some.frame["neck_missing"])
    assert 0.3 < has_neck.mean() < 0.7
    assert not any(4 in item.mask for item in some.images)


def test_same_seed_same_bits():
    first, second = (make_portraits(5, random_state=7) for _ in range(2))
    np.testing.assert_array_equal(pixels(first)[0], pixels(second)[0])
    other = make_portraits(5, random_state=8)
    assert (pixels(first)[0] != pixels(other)[0]).any()


@pytest.mark.parametrize("size", [(24, 20), (24, 60), (64, 20), (50, 41)])
def test_all_parts_show_at_any_size(size):
    portraits = make_portraits(20, image_size=size, random_state=0)
    images, masks = pixels(portraits)
    assert images.shape == (20, *size, 3)
    assert images.dtype == np.uint8
    assert all(len(np.unique(mask)) == 7 for mask in masks)


def test_many_classes_and_one_sample():
    portraits = make_portraits(1, n_classes=9, signal=PARTS, random_state=0)
    assert (portraits.styles[0] == portraits.target[0]).all()
    assert len(portraits.target_names) == 9


def test_return_forms():
    X, y = make_portraits(4, random_state=0, return_X_y=True)
    assert isinstance(X, SegmentedImages)
    assert y.dtype == np.int64
    data = make_portraits(4, random_state=0, as_frame=True)
    assert data.frame.index.tolist() == data.ids
    assert data.target.equals(data.frame["target"])
    assert (data.frame["hair_color"] == data.target).all()
    assert make_portraits(4, random_state=0).frame is None
    assert "hair" in data.DESCR


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"signal": ("nose",)}, "signal names 'nose'"),
        ({"signal": {"hair": "smell"}}, r"signal\['hair'\] must be one of"),
        ({"missing": {"skin": 0.5}}, "missing names 'skin'"),
        ({"missing": {"hair": 2}}, r"missing\['hair'\] must be a number in \[0, 1\]"),
        ({"missing": 2}, "'missing' parameter"),
        ({"image_size": (10, 40)}, "image_size must be at least"),
        ({"image_size": (48, 40, 3)}, "image_size must be two integers"),
        ({"bias": 0.9, "bias_part": "hair"}, "bias cannot act on the both cue"),
        ({"bias_part": "nose"}, "'bias_part' parameter"),
        ({"n_classes": 1}, "'n_classes' parameter"),
    ],
)
def test_wrong_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        make_portraits(4, **params)
