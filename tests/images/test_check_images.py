import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from hierseg_learn.images import SegmentedImages, check_images, flat_image_shape, is_table

GRAY = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
COLOR = np.arange(36, dtype=np.uint8).reshape(2, 2, 3, 3)


def as_object_array(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def as_items(items):
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


@pytest.mark.parametrize("stack", [GRAY, COLOR, GRAY[..., :1], GRAY[:1], COLOR[..., ::-1]])
@pytest.mark.parametrize(
    "wrap", [np.asarray, list, tuple, lambda s: as_object_array(list(s)), lambda s: pd.Series([*s])]
)
def test_every_container_gives_the_same_images(stack, wrap):
    X = wrap(stack)
    assert not is_table(X)
    batch = check_images(X)
    assert len(batch) == batch.n_images == len(stack)
    assert batch.n_channels == (3 if stack.ndim == 4 else 1)
    assert not batch.has_masks
    for i, image in enumerate(stack):
        assert batch.mask(i) is None
        assert batch.image_size(i) == image.shape[:2]
        assert_allclose(batch.image(i), image / 255, rtol=1e-6)


@pytest.mark.parametrize("wrap", [list, tuple, np.array, pd.Series, as_object_array])
@pytest.mark.parametrize("as_path", [str, lambda path: path])
def test_paths_in_every_container(save_images, wrap, as_path):
    X = wrap([as_path(path) for path in save_images(list(COLOR))])
    assert not is_table(X)
    assert_allclose(check_images(X).image(1), COLOR[1] / 255, rtol=1e-6)


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((2, 3)),
        np.zeros(3),
        np.array(3.0),
        [[1, 2], [3, 4]],
        [np.zeros(3), np.zeros(3)],
        [1, 2],
        pd.DataFrame({"a": [1]}),
        pd.Series([1, 2]),
        sparse.csr_array(np.eye(2)),
    ],
)
def test_tables_are_told_from_images(X):
    assert is_table(X)


@pytest.mark.parametrize("X", ["photo.png", {"a": 1}, None, 3, [], iter([1])])
def test_what_is_neither_table_nor_images(X):
    assert not is_table(X)
    with pytest.raises((TypeError, ValueError), match=r"^X is "):
        check_images(X)


def segmented(n_images=3, **params):
    masks = np.arange(6).reshape(2, 3) % 3 + np.zeros((n_images, 1, 1), int)
    return SegmentedImages(
        np.arange(6 * n_images, dtype=np.uint8).reshape(-1, 2, 3), masks, **params
    )


@pytest.mark.parametrize("wrap", [list, tuple, as_items, lambda x: pd.Series(list(x))])
def test_items_of_a_collection_are_images_with_masks(wrap):
    X = segmented(unlabeled=2)
    items = wrap(X)
    assert not is_table(items)
    batch, expected = check_images(items), check_images(X)
    for i in range(3):
        assert_array_equal(batch.image(i), expected.image(i), strict=True)
        assert_array_equal(batch.mask(i), expected.mask(i), strict=True)
    one = check_images(X[1])
    assert len(one) == 1
    assert_array_equal(one.mask(0), expected.mask(1))
    with pytest.raises(ValueError, match="segments was given and X is SegmentedImages"):
        check_images(items, segments=list(X.masks))


def test_items_with_and_without_masks():
    X = segmented()
    match = "Image 1 of X is an image without its label map, image 0 is a SegmentedImage"
    with pytest.raises(TypeError, match=match):
        check_images([X[0], X[1].image])
    with pytest.raises(TypeError, match=r"Mask 1 of X is missing \(None\)"):
        check_images([X[0], X[1]._replace(mask=None)])


@pytest.mark.parametrize("wrap", [list, tuple, as_items, lambda x: pd.Series(list(x))])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "I;16", "F"])
def test_pillow_images_are_images(save_images, wrap, mode):
    image_module = pytest.importorskip("PIL.Image")
    images = [
        image_module.fromarray(array).convert("L" if mode == "I;16" else mode) for array in COLOR
    ]
    images = [image.convert(mode) for image in images]
    X = wrap(images)
    assert not is_table(X)
    batch, expected = check_images(X), check_images(save_images(images, suffix=".tif"))
    for i in range(2):
        assert_array_equal(batch.image(i), expected.image(i), strict=True)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        ([None, 1], "Image 0 of X is missing"),
        ([{"image": 1}], "Image 0 of X is a dict; expected an array or a path"),
        ([object()], "Image 0 of X is a object"),
        ([[[1, 2], [3, 4]]], "Image 0 of X is a list"),
        ({1, 2}, "X is a set; expected an array, a list of arrays or of Pillow"),
    ],
)
def test_what_is_not_recognized_is_no_table(X, match):
    assert not is_table(X)
    with pytest.raises(TypeError, match=match):
        check_images(X)


def test_pillow_images_that_are_refused():
    image_module = pytest.importorskip("PIL.Image")
    image = image_module.fromarray(COLOR[0])
    with pytest.raises(TypeError, match=r"X is a single Pillow image; expected a list: pass \[X\]"):
        check_images(image)
    with pytest.raises(ValueError, match=r"Image 1 of X has an alpha channel \(Pillow mode RGBA\)"):
        check_images([image, image.convert("RGBA")])


def test_tables_that_look_like_images():
    rng = np.random.default_rng(0)
    blobs = np.zeros((90, 9, 12))
    for blob, row, column in zip(blobs, rng.integers(0, 6, 90), rng.integers(0, 8, 90)):
        blob[row : row + 4, column : column + 5] = rng.random()
    colors = blobs[..., np.newaxis] * rng.random((90, 1, 1, 3))
    for images, shape in (
        (blobs[:, :, :9], (9, 9)),
        (blobs, (9, 12)),
        (colors, (9, 12, 3)),
        (colors[:, :, :9].transpose(0, 3, 1, 2), (3, 9, 9)),
    ):
        table = images.reshape(90, -1)
        assert flat_image_shape(table) == shape
        assert flat_image_shape(rng.permuted(table, axis=1)) is None
        assert flat_image_shape(table[:, rng.permutation(table.shape[1])]) is None
    walks = rng.normal(size=(90, 81)).cumsum(axis=1)
    units = np.where(np.arange(81) % 9 == 0, 1000, 1)
    for other in (walks, rng.random((90, 81)), blobs[:, :, :9].reshape(90, -1) * units):
        assert flat_image_shape(other) is None


def test_tables_are_reshaped():
    table = GRAY.reshape(2, 6)
    assert_array_equal(
        check_images(table, image_shape=(2, 3)).image(1), check_images(GRAY).image(1)
    )
    assert check_images(table).image(0).shape == (1, 6)
    color = check_images(COLOR.reshape(2, -1), image_shape=[2, 3, 3])
    assert_array_equal(color.image(1), check_images(COLOR).image(1))


@pytest.mark.parametrize("n_pixels", range(1, 11))
def test_tiny_images_work(n_pixels):
    batch = check_images(np.linspace(0, 5, 3 * n_pixels).reshape(3, n_pixels))
    assert batch.image(2).shape == (1, n_pixels)
    assert 0 <= batch.image(2).min() <= batch.image(2).max() <= 1


@pytest.mark.parametrize("wrap", [np.asarray, list, lambda s: s.reshape(2, 6)])
def test_label_maps_beside_any_images(wrap):
    masks = np.array([[[0, 1, -1], [2, 2, 2]], [[1, 1, 1], [1, 1, 1]]])
    for X in (GRAY, list(GRAY), GRAY.reshape(2, 6)):
        if wrap(masks) is not masks and np.ndim(wrap(masks)) == 2 and np.ndim(X) == 3:
            continue
        batch = check_images(X, image_shape=(2, 3), segments=wrap(masks))
        assert batch.has_masks
        for i in range(2):
            assert_array_equal(batch.mask(i), masks[i].astype(np.int32), strict=True)


def test_mask_values():
    mask = np.array([[[0, 255, 7], [9, 1, 2]]])
    for dtype, labels in [
        (np.uint8, [[0, 255, -1], [-1, 1, 2]]),
        (np.int16, [[0, 255, -1], [-1, 1, 2]]),
        (np.float32, [[0, 255, -1], [-1, 1, 2]]),
    ]:
        X = SegmentedImages(GRAY[:1], mask.astype(dtype), unlabeled=[7, 9])
        assert_array_equal(check_images(X).mask(0), np.int32(labels), strict=True)
    assert_array_equal(check_images(GRAY[:1], segments=mask > 5).mask(0), mask[0] > 5)


def test_a_negative_id_may_be_named_unlabeled():
    masks = np.array([[[-2, 0, -1]]])
    X = SegmentedImages(np.zeros((1, 1, 3)), masks, unlabeled=-2)
    assert_array_equal(check_images(X).mask(0), [[-1, 0, -1]])


def test_subsets_remember_where_they_come_from():
    X = pd.Series([*GRAY, *GRAY], index=list("abcd"))
    batch = check_images(X).subset([3, 0, 1]).subset(slice(0, 2))
    assert list(batch.index) == ["d", "a"]
    assert [batch.position(i) for i in range(2)] == [3, 0]
    loaded = pickle.loads(pickle.dumps(batch))
    assert_array_equal(loaded.image(0), check_images(GRAY).image(1))
    assert [loaded.position(i) for i in range(2)] == [3, 0]
    assert repr(loaded) == "ImageBatch(n_images=2, n_channels=1, has_masks=False)"
    assert check_images(GRAY).subset([True, False]).index is None


def test_a_batch_passes_through():
    batch = check_images(GRAY)
    assert check_images(batch) is batch


def with_item(i, item, n_items=3, shape=(2, 3)):
    items = [np.zeros(shape) for _ in range(n_items)]
    items[i] = item
    return items


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.zeros((2, 4, 4, 4)), r"Image 0 of X has an alpha channel \(shape \(4, 4, 4\)\)"),
        (with_item(1, np.zeros((4, 4, 4))), "Image 1 of X has an alpha channel"),
        (with_item(2, np.zeros((4, 4, 2))), "Image 2 of X has an alpha channel"),
        (np.zeros((2, 4, 4, 1)), r"\(4, 4, 1\); expected \(h, w\) .*\(h, w, 3\).*drop the last"),
        (np.zeros((2, 3, 8, 8)), r"\(3, 8, 8\); expected .*move the channels last"),
        (with_item(1, np.zeros((4, 4, 5))), r"Image 1 of X has shape \(4, 4, 5\); expected"),
        (np.zeros((2, 2, 2, 2, 3)), r"X has shape .*expected \(n, h, w\) for gray"),
        (with_item(1, np.zeros((2, 3, 3))), "Image 1 of X is color .*image 0 is gray"),
        (with_item(0, np.zeros((2, 3, 3))), "Image 1 of X is gray .*image 0 is color"),
        (with_item(2, np.zeros((0, 3))), r"Image 2 of X has no pixel \(shape \(0, 3\)\)"),
        (np.zeros((2, 0, 3)), "Image 0 of X has no pixel"),
        (np.zeros((0, 2, 3)), "X is empty; expected at least one image"),
        (with_item(1, np.full((2, 3), np.nan)), "Image 1 of X contains NaN"),
        (with_item(2, np.full((2, 3), -np.inf)), "Image 2 of X contains infinity"),
        (np.stack(with_item(2, np.full((2, 3), np.inf))), "Image 2 of X contains infinity"),
        (
            with_item(1, np.zeros((2, 3), np.uint8)),
            "Image 1 of X has dtype uint8, image 0 has float64; expected all images to be numbers",
        ),
    ],
)
def test_wrong_images(X, match):
    with pytest.raises(ValueError, match=match):
        check_images(X)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.zeros((2, 2, 2), complex), "Image 0 of X has dtype complex128; expected bool, int"),
        (np.zeros((2, 2, 2), object), "Image 0 of X has dtype object"),
        (np.zeros((2, 2, 2), str), "Image 0 of X has dtype <U1"),
        (with_item(1, np.zeros((2, 3), complex)), "Image 1 of X has dtype complex128"),
        (with_item(1, "photo.png"), "Image 1 of X is a str; expected an array, as before it"),
        (["a.png", np.zeros((2, 2))], "Image 1 of X is a ndarray; expected a path, as before it"),
        (pd.Series(["a.png", None]), "Image 1 of X is missing .*expected a path"),
        (with_item(0, [[1, 2]]), "Image 0 of X is a list; expected an array or a path"),
        (np.ma.zeros((2, 2, 2)), "X is a masked array"),
        (with_item(1, np.ma.zeros((2, 3))), "Image 1 of X is a MaskedArray"),
        ("photo.png", r"X is a single path \('photo.png'\); expected a list of paths"),
    ],
)
def test_images_of_a_wrong_type(X, match):
    with pytest.raises(TypeError, match=match):
        check_images(X)


@pytest.mark.parametrize("image_shape", [(2,), (2, 3, 1), (2, 3, 4), (0, 6), (2.0, 3), "23", 6])
def test_wrong_image_shapes(image_shape):
    with pytest.raises(ValueError, match=r"image_shape=.*; expected \(h, w\) or \(h, w, 3\)"):
        check_images(np.zeros((2, 6)), image_shape=image_shape)


def test_image_shape_that_does_not_fit_the_table():
    with pytest.raises(ValueError, match=r"image_shape=\(2, 2\) makes 4 values.*X has 6 columns"):
        check_images(np.zeros((2, 6)), image_shape=(2, 2))


def test_other_channels_or_nan_than_in_fit():
    encoding = check_images(COLOR).encoding
    with pytest.raises(ValueError, match=r"Image 0 of X has 1 channel\(s\); expected 3"):
        check_images(GRAY, encoding=encoding)
    encoding = check_images(GRAY.astype(float)).encoding
    with pytest.raises(ValueError, match="Image 1 of X contains NaN"):
        check_images(with_item(1, np.full((2, 3), np.nan)), encoding=encoding)


MASKS = [np.zeros((2, 3), dtype=int) for _ in range(3)]


def with_mask(i, mask):
    masks = list(MASKS)
    masks[i] = mask
    return masks


@pytest.mark.parametrize(
    ("masks", "error", "match"),
    [
        (MASKS[:2], ValueError, "masks holds 2 label maps for 3 images; expected one each"),
        (np.zeros((4, 2, 3), int), ValueError, "masks holds 4 label maps for 3 images"),
        (with_mask(1, np.zeros((3, 2), int)), ValueError, "Mask 1 of masks is 3 x 2 .* 2 x 3"),
        (np.zeros((3, 2, 2), int), ValueError, "Mask 0 of masks is 2 x 2 pixels"),
        (
            with_mask(2, np.zeros((2, 3, 3), int)),
            ValueError,
            r"Mask 2 of masks has shape \(2, 3, 3",
        ),
        (np.zeros((3, 6), int), ValueError, r"masks has shape \(3, 6\); expected label maps"),
        (with_mask(1, np.full((2, 3), -1)), ValueError, "Mask 1 of masks is unlabeled everywhere"),
        (with_mask(1, np.full((2, 3), 8)), ValueError, "Mask 1 of masks is unlabeled everywhere"),
        (with_mask(2, np.full((2, 3), -5)), ValueError, "Mask 2 of masks holds the id -5"),
        (with_mask(2, np.full((2, 3), 2**31)), ValueError, "Mask 2 of masks holds the id 21474"),
        (with_mask(2, np.full((2, 3), 0.5)), ValueError, "Mask 2 of masks holds .* not whole"),
        (with_mask(2, np.full((2, 3), np.nan)), ValueError, "Mask 2 of masks holds .* not whole"),
        (with_mask(2, np.zeros((0, 3), int)), ValueError, "Mask 2 of masks has no pixel"),
        (with_mask(2, np.zeros((2, 3), complex)), TypeError, "Mask 2 of masks has dtype complex"),
        (with_mask(1, [[0, 0, 0]] * 2), TypeError, "Mask 1 of masks is a list; expected an array"),
        ([], ValueError, "masks is empty"),
        (None, TypeError, "masks is a NoneType; expected an array, a list"),
        ("masks.npy", TypeError, "masks is a single path"),
    ],
)
def test_wrong_masks(masks, error, match):
    with pytest.raises(error, match=match):
        SegmentedImages([np.zeros((2, 3))] * 3, masks, unlabeled=8)
    if masks is not None and "unlabeled" not in match:
        with pytest.raises(error, match=match.replace("masks", "segments")):
            check_images([np.zeros((2, 3))] * 3, segments=masks)


@pytest.mark.parametrize("unlabeled", ["255", 0.5, [1, None], True])
def test_wrong_unlabeled(unlabeled):
    with pytest.raises(TypeError, match=r"unlabeled=.*expected an int or a list of ints"):
        SegmentedImages(GRAY, np.zeros((2, 2, 3), int), unlabeled=unlabeled)


def test_masks_given_twice():
    X = SegmentedImages(GRAY, np.zeros((2, 2, 3), int))
    with pytest.raises(ValueError, match=r"X is SegmentedImages, which brings .*; drop segments"):
        check_images(X, segments=np.zeros((2, 2, 3), int))
    with pytest.raises(ValueError, match=r"X is ImageBatch, .*; drop segments"):
        check_images(check_images(X), segments=np.zeros((2, 2, 3), int))
    with pytest.raises(TypeError, match=r"segments is SegmentedImages; .*\.masks as segments"):
        check_images(GRAY, segments=X)


def test_a_collection_from_another_is_accepted():
    X = SegmentedImages(GRAY, np.zeros((2, 2, 3), int))
    batch = check_images(X.images, segments=X.masks)
    assert_array_equal(batch.image(1), check_images(X).image(1))
    assert_array_equal(batch.mask(1), check_images(X).mask(1))


def test_one_color_image_in_the_place_of_many_is_noticed():
    image = np.zeros((20, 16, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match=r"taken as 20 gray images of 16 x 3 pixels; .* \[X\]"):
        check_images(image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_images([image])
        check_images(image[:4])
