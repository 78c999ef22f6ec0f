"""Before new backgrounds: nothing of the old one stays, and the dial does what it says."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.ndimage import binary_dilation
from skimage.data import coffee, grass, gravel

from hierseg_learn import SegmentedImages, SegmentTree
from hierseg_learn.datasets import make_biased, make_portraits
from hierseg_learn.datasets._biased import draw_kinds

FLAT = [np.zeros((30, 30)), np.ones((30, 30))]


@pytest.fixture(scope="module")
def people():
    return make_portraits(6, image_size=(150, 120), random_state=0)


def images_of(data):
    return np.stack([item.image for item in data.images])


@pytest.mark.parametrize("n_classes", [1, 2, 4])
@pytest.mark.parametrize("bias", [0, 0.6, 0.95, 1, None])
def test_bias_is_the_share_before_the_background_of_the_class(n_classes, bias):
    target = np.arange(12_000) % n_classes
    kinds = draw_kinds(np.random.RandomState(0), target, n_classes, bias)
    if n_classes == 1:
        assert_array_equal(kinds, target)
        return
    share = 1 / n_classes if bias is None else bias
    found = np.zeros((n_classes, n_classes))
    np.add.at(found, (target, kinds), n_classes / len(target))
    expected = np.full((n_classes, n_classes), (1 - share) / (n_classes - 1))
    np.fill_diagonal(expected, share)
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_another_bias_changes_only_images_that_come_before_another_kind(people):
    y = np.array(["a", "b"])[people.target]
    sets = [
        make_biased(people.images, None, y, FLAT, bias=bias, random_state=0) for bias in (0, 0.5, 1)
    ]
    assert_array_equal(sets[0].groups, 1 - people.target)
    assert_array_equal(sets[2].groups, people.target)
    assert len(set(sets[1].groups == people.target)) == 2
    assert sets[1].target_names == ["a", "b"]
    for other in (sets[0], sets[2]):
        same = other.groups == sets[1].groups
        equal = (images_of(other) == images_of(sets[1])).all(axis=(1, 2, 3))
        assert_array_equal(equal, same)


@pytest.mark.parametrize("backgrounds", [None, [grass(), [gravel(), coffee()]]])
def test_nothing_of_the_old_background_stays_even_where_it_shows_in_the_rim(backgrounds):
    rng = np.random.default_rng(0)
    masks = np.zeros((2, 150, 120), dtype=int)
    masks[:, 30:, 20:90] = 1
    masks[:, 60:80, 40:60] = 0
    images = rng.integers(0, 256, (2, 150, 120, 3), dtype=np.uint8)
    # all but what is farther in than one pixel; the lower edge of the picture is no outline
    outside = np.stack([binary_dilation(mask == 0) for mask in masks])
    others = np.where(outside[..., np.newaxis], 255 - images, images)
    one, two = (
        make_biased(pictures, masks, [0, 1], backgrounds, random_state=0)
        for pictures in (images, others)
    )
    assert_array_equal(images_of(one), images_of(two))
    assert_array_equal(np.stack([item.mask for item in one.images]), masks)


def test_the_middle_of_the_foreground_is_as_it_was(people):
    made = make_biased(people.images, None, people.target, FLAT, bias=1, random_state=0)
    for item, new, group in zip(people.images, made.images, made.groups, strict=True):
        face = np.isin(item.mask, [3, 4])
        assert_array_equal(new.image[face], item.image[face])
        far = np.zeros_like(face)
        far[:5] = item.mask[:5] == 0
        assert_array_equal(new.image[far], 255 * group)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_size_dtype_and_range_are_kept(dtype, channels):
    rng = np.random.default_rng(0)
    high = {"b": 2, "u": 200, "i": 500, "f": 1}[np.dtype(dtype).kind]
    images, masks = [], []
    for size in ((40, 30), (1, 1), (20, 60)):
        values = rng.random((*size, *channels)) * high
        images.append(values.astype(dtype) if dtype is not bool else values > 1)
        masks.append(np.ones(size, dtype=int))
        if size != (1, 1):
            masks[-1][:, : size[1] // 2] = 0
    pictures = [coffee(), rng.random((9, 9)) > 0.5]
    for backgrounds in (pictures, None):
        made = make_biased(images, masks, [0, 1, 1], backgrounds, random_state=0)
        low, top = (end([end(image) for image in images]) for end in (np.min, np.max))
        full = {bool: 1, np.uint8: 255, np.uint16: 65535}.get(dtype, max(1, top))
        for old, mask, new in zip(images, masks, made.images, strict=True):
            assert (new.image.shape, new.image.dtype) == (old.shape, old.dtype)
            assert new.image.min() >= min(low, 0)
            assert new.image.max() <= full
            assert_array_equal(new.image[mask == 1], old[mask == 1])


def test_unlabeled_pixels_go_with_the_nearest_part():
    image = np.full((1, 6), 0.5)
    mask = np.array([[1, 1, -1, -1, 0, 0]])
    made = make_biased([image, image], [mask, mask], [0, 1], FLAT, bias=1, random_state=0)
    assert_array_equal(made.images[1].image, [[0.5, 0.5, 0.5, 1, 1, 1]])
    assert_array_equal(made.images[1].mask, mask)
    ids = SegmentedImages([image, image], [np.where(mask < 0, 9, mask)] * 2, unlabeled=9)
    again = make_biased(ids, None, [0, 1], FLAT, bias=1, random_state=0)
    assert_array_equal(again.images[1].image, made.images[1].image)


def test_context_may_be_named():
    tree = {"photo": {"around": {"sky": 3, "land": [4, 5]}, "thing": 1}}
    mask = np.array([[3, 4, 5, 1, 1]])
    image = np.full(mask.shape, 0.5)
    for known in (tree, SegmentTree.from_nested(tree)):
        for context in ("around", ["sky", "photo/around/land"], (3, 4, 5)):
            made = make_biased(
                [image, image], [mask, mask], [0, 1], FLAT, context=context, tree=known, bias=1
            )
            assert_array_equal(made.images[0].image, [[0, 0, 0, 0.5, 0.5]])
            assert made.tree is known


def test_the_same_seed_gives_the_same_pictures(people):
    def made(seed):
        return images_of(make_biased(people.images, None, people.target, random_state=seed))

    assert_array_equal(made(0), made(0))
    assert (made(0) != made(1)).any()


IMAGE, MASK = np.zeros((2, 2)), np.eye(2, dtype=int)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"y": [0]}, ValueError, "y must hold one class per sample, expected 2, got 1"),
        ({"backgrounds": FLAT[:1]}, ValueError, "one entry for each of 2 classes, got 1"),
        (
            {"backgrounds": [np.zeros((2, 2, 4)), FLAT[1]]},
            ValueError,
            r"backgrounds\[0\] must hold",
        ),
        ({"backgrounds": [FLAT[0], [FLAT[1] * 9]]}, ValueError, r"backgrounds\[1\] must be bool"),
        ({"backgrounds": [FLAT[0], []]}, ValueError, r"backgrounds\[1\] holds no picture"),
        ({"context": "sky"}, ValueError, "there is no tree"),
        ({"context": "sky", "tree": {"a": {"b": 0}}}, ValueError, "No node is named 'sky'"),
        ({"context": [0, 1]}, ValueError, "Image 0 shows nothing but the context"),
        ({"bias": 1.5}, ValueError, "'bias' parameter"),
        ({"masks": None}, TypeError, "masks must be given"),
    ],
)
def test_wrong_input_gets_a_sentence(changes, error, message):
    arguments = {"images": [IMAGE] * 2, "masks": [MASK] * 2, "y": [0, 1], "backgrounds": FLAT}
    with pytest.raises(error, match=message):
        make_biased(**{**arguments, **changes})


def test_masks_given_twice():
    with pytest.raises(TypeError, match="have their own"):
        make_biased(SegmentedImages([IMAGE], [MASK]), [MASK], [0])
