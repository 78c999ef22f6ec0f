import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageOps

from hierseg_learn.images import ImageFiles, SegmentedImages, check_images

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("array", "suffix"),
    [
        (COLOR, ".png"),
        (COLOR[..., 0], ".png"),
        (COLOR[..., 0] > 99, ".png"),
        (COLOR[..., 0].astype(np.uint16) * 257, ".png"),
        (COLOR[..., 0].astype(np.int32) - 99, ".tif"),
        (COLOR[..., 0].astype(np.float32) / 7, ".tif"),
    ],
)
def test_files_decode_to_what_was_saved(save_images, array, suffix):
    files = ImageFiles(save_images([array], suffix=suffix))
    assert_array_equal(files[0], array, strict=True)
    assert files.header(0) == (array.shape, array.dtype)


def test_other_color_spaces_become_rgb(save_images):
    image = Image.fromarray(COLOR)
    paths = save_images([image.convert("P"), image.convert("CMYK")], suffix=".tif")
    for i, other in enumerate(ImageFiles(paths)):
        assert other.shape == COLOR.shape
        assert ImageFiles(paths).header(i) == (COLOR.shape, np.dtype(np.uint8))
        assert_array_equal(other, np.asarray(Image.open(paths[i]).convert("RGB")))


def test_palette_masks_keep_their_index(save_images):
    index = RNG.integers(0, 4, (3, 5), dtype=np.uint8)
    mask = Image.fromarray(index, mode=None).convert("L")
    mask.putpalette([9, 9, 9] * 4)
    (path,) = save_images([mask])
    assert Image.open(path).mode == "P"
    assert_array_equal(ImageFiles([path], "mask")[0], index)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("png", "jpg", "webp", "tif"):
        path = tmp_path / f"photo.{suffix}"
        Image.fromarray(COLOR).save(path, exif=exif)
        files = ImageFiles([path])
        height, width = (5, 3) if orientation > 4 else (3, 5)
        assert files[0].shape == (height, width, 3)
        assert files.header(0)[0] == (height, width, 3)
        with Image.open(path) as opened:
            assert_array_equal(check_images([opened]).image(0), check_images(files).image(0))
        if suffix in ("png", "tif"):
            turned = Image.fromarray(COLOR)
            turned.getexif()[0x0112] = orientation
            upright = ImageOps.exif_transpose(turned)
            assert_array_equal(files[0], np.asarray(upright))
        batch = check_images([path], segments=[np.zeros((height, width), dtype=int)])
        assert batch.mask(0).shape == batch.image(0).shape[:2] == batch.image_size(0)


def test_files_are_read_when_needed_and_pickled_as_paths(save_images):
    paths = save_images([COLOR, COLOR])
    paths[1].write_bytes(b"no image")
    X = SegmentedImages(paths, [np.zeros((3, 5), dtype=int)] * 2)
    assert repr(X) == "SegmentedImages(n_images=2, images on disk, masks in memory)"
    assert len(pickle.dumps(X.images)) < 1000
    assert_array_equal(pickle.loads(pickle.dumps(X))[0].image, COLOR)
    batch = check_images(X)
    assert_allclose(batch.image(0), COLOR / 255, rtol=1e-6)
    with pytest.raises(ValueError, match=r"Image 1 of X \('.*image_1.png'\) cannot be read"):
        batch.image(1)
    with pytest.raises(ValueError, match=r"Image 0 of X \('.*image_1.png'\) cannot be read"):
        check_images(X[1:])


def test_number_files_are_scaled_by_the_range_of_all(save_images):
    arrays = [np.array([[0, 50]], dtype=np.float32), np.array([[-100.0, 20]], dtype=np.float32)]
    batch = check_images(save_images(arrays, suffix=".tif"))
    assert (batch.encoding.low, batch.encoding.high) == (-100, 50)
    assert_allclose(batch.image(1), [[0, 0.8]])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_in_a_file_is_an_error(save_images, mode):
    paths = save_images([Image.fromarray(COLOR), Image.fromarray(COLOR).convert(mode)])
    batch = check_images(paths)
    with pytest.raises(ValueError, match=f"Image 1 of X .* alpha channel .*{mode}.*gray or RGB"):
        batch.image(1)


def test_transparent_palette_is_an_error_for_images_only(save_images, tmp_path):
    palette = Image.fromarray(COLOR).convert("P")
    palette.save(tmp_path / "image.png", transparency=0)
    with pytest.raises(ValueError, match=r"Image 0 .* alpha channel"):
        ImageFiles([tmp_path / "image.png"])[0]
    assert ImageFiles([tmp_path / "image.png"], "mask")[0].shape == (3, 5)


def test_other_files_that_are_errors(save_images, tmp_path):
    first = Image.fromarray(COLOR)
    first.save(tmp_path / "film.gif", save_all=True, append_images=[first.rotate(90)])
    lab = tmp_path / "lab.tif"
    first.convert("RGB").convert("HSV").convert("RGB").save(lab)
    Image.merge("LAB", first.split()).save(lab)
    (mask,) = save_images([COLOR], "mask")
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(mask.read_bytes()[:-40])
    for path, role, match in [
        (tmp_path / "film.gif", "image", "has 2 frames; expected a single image"),
        (lab, "image", "Pillow mode LAB; expected gray or RGB"),
        (mask, "mask", "Mask 0 .* Pillow mode RGB; expected a gray or palette image"),
        (truncated, "image", "cannot be read as an image"),
        (tmp_path / "nowhere.png", "image", "cannot be read as an image .*FileNotFoundError"),
        (tmp_path, "image", "cannot be read as an image"),
    ]:
        with pytest.raises(ValueError, match=match):
            ImageFiles([path], role)[0]


@pytest.mark.parametrize(
    ("later", "match"),
    [
        (COLOR[..., 0], "Image 2 of X .* has 1 channel.*expected 3"),
        (COLOR[..., 0].astype(np.uint16), "Image 2 of X .*has 1 channel"),
    ],
)
def test_mixed_files_name_the_image_also_from_a_subset(save_images, later, match):
    batch = check_images(save_images([COLOR, COLOR, later])).subset([0, 2])
    assert batch.position(1) == 2
    with pytest.raises(ValueError, match=match):
        batch.image(1)


def test_mixed_dtypes_of_files(save_images):
    gray = COLOR[..., 0]
    batch = check_images(save_images([gray, gray.astype(np.uint16)]))
    with pytest.raises(ValueError, match=r"Image 1 of X .* has dtype uint16, .* were uint8"):
        batch.image(1)


def test_nan_in_a_file(save_images):
    arrays = [np.ones((1, 2), dtype=np.float32), np.array([[1, np.nan]], dtype=np.float32)]
    paths = save_images(arrays, suffix=".tif")
    with pytest.raises(ValueError, match=r"Image 1 of X \(.*\) contains NaN"):
        check_images(paths)


def test_mask_files_are_checked_when_read(save_images):
    masks = [np.zeros((3, 5)), np.zeros((2, 5)), np.full((3, 5), 255), np.full((3, 5), 3)]
    paths = save_images([mask.astype(np.uint8) for mask in masks], "mask")
    for images in (save_images([COLOR] * 4), [COLOR] * 4):
        X = SegmentedImages(images, paths, unlabeled=[3, 255])
        batch = check_images(X)
        assert_array_equal(batch.mask(0), np.zeros((3, 5), dtype=np.int32), strict=True)
        with pytest.raises(ValueError, match=r"Mask 1 of X \(.*\) is 2 x 5 pixels, .* 3 x 5"):
            batch.mask(1)
        for i in (2, 3):
            with pytest.raises(ValueError, match=rf"Mask {i} of X \(.*\) is unlabeled everywh"):
                batch.subset([i]).mask(0)
        with pytest.raises(ValueError, match="Mask 1 is 2 x 5 pixels"):
            X[1]
