"""Recipes: how entries on disk become pixels; outlines, run lengths and sizes."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from PIL import Image

from hierseg_learn.images import ImageFiles, SegmentedImages
from hierseg_learn.images.recipes import (
    AdeCodes,
    Codes,
    Drawing,
    FileRecipe,
    ResizedRecipe,
    check_canvas,
    ellipse,
    fill_rings,
    nearest,
    paint,
    polygon,
    runs,
    shrink_photo,
)

POINTS = arrays(np.float64, (7, 2), elements=st.floats(-5, 25, width=32))


def filled(*rings, size=(20, 20)):
    region = fill_rings([np.array(ring, dtype=float) for ring in rings], *size)
    mask = np.zeros(size, dtype=bool)
    height, width = region.inside.shape
    inside = region.inside[:, : size[1] - region.left]
    mask[region.top : region.top + height, region.left : region.left + width] = inside
    return mask


def is_inside(points, x, y):
    """Even-odd rule for one point, by a loop."""
    crossed = False
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0)):
        if (y0 > y) != (y1 > y):
            # downwards, as the edge of a neighbor would be read
            (x0, y0), (x1, y1) = sorted([(x0, y0), (x1, y1)], key=lambda point: point[1])
            crossed ^= x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x
    return crossed


def test_squares_have_their_area():
    square = [[10, 10], [20, 10], [20, 20], [10, 20]]
    assert filled(square, size=(30, 30)).sum() == 100
    assert filled(square, [[12, 12], [18, 12], [18, 18], [12, 18]], size=(30, 30)).sum() == 64
    assert filled(np.array(square) + 0.4, size=(30, 30)).sum() == 100
    assert filled([[1, 1], [9, 1], [9, 1.3], [1, 1.3]]).sum() == 0


@given(POINTS)
def test_outlines_follow_the_even_odd_rule(points):
    mask = filled(points)
    expected = [[is_inside(points, x + 0.5, y + 0.5) for x in range(20)] for y in range(20)]
    assert_array_equal(mask, expected)


@given(POINTS, st.integers(0, 5), st.integers(1, 5))
def test_neighbors_share_no_pixel_and_leave_none_out(points, start, steps):
    # a polygon cut along a diagonal, in two directions of travel
    order = np.roll(np.arange(7), -start)
    first, second = points[order[: steps + 1]], points[np.r_[order[steps:], order[0]]]
    both = filled(first).astype(int) + filled(second[::-1])
    assert_array_equal(both % 2, filled(points[order]))


def test_drawings_are_painted_in_order_and_clipped():
    big = polygon(1, [[[-9, -9], [3, -9], [3, 99], [-9, 99]]])
    top = runs(2, (2, -1, 3, 2), [0, 3, 1, 2])
    dot = ellipse(3, (0.5, 0.5), (0.4, 0.4), 0)
    outside = runs(4, (90, 90, 1, 1), [0, 1])
    drawing = Drawing("a", 3, 4, (big, top, dot, outside))
    assert paint(drawing, -1).tolist() == [[3, 1, 1, 2], [1, 1, 1, -1], [1, 1, 1, -1]]
    assert paint(drawing._replace(shapes=()), 0).tolist() == [[0] * 4] * 3
    assert len(pickle.dumps(drawing)) < 600


@pytest.mark.parametrize("size", [(0, 3), (3, -1), (2.5, 3), (True, 3), ("3", 3), (10**5, 10**5)])
def test_impossible_sizes(size):
    with pytest.raises(ValueError, match=r"photo 3 is said to be .* x .* pixels"):
        check_canvas(*size, "photo 3")
    assert check_canvas(3.0, 4, "photo 3") == (3, 4)


def test_codes():
    codes = Codes({(1, 2, 3): 7, (0, 0, 1): -1}, "palette=", are_colors=True)
    pixels = np.array([[(1, 2, 3), (0, 0, 1)]], dtype=np.uint8)
    assert codes.look_up(pixels, "Mask 0").tolist() == [[7, -1]]
    with pytest.raises(ValueError, match=r"Mask 0 holds 1 color.*: \(3, 2, 1\) \(0.5\)"):
        codes.look_up(np.array([[(1, 2, 3), (3, 2, 1)]], dtype=np.uint8), "Mask 0")
    assert AdeCodes().look_up(np.array([[(110, 3, 0)]], dtype=np.uint8), "").tolist() == [[2819]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_photos_shrink_by_area(dtype, channels):
    rng = np.random.default_rng(0)
    pixels = (rng.random((6, 9, *channels)) * (1 if dtype in (bool, np.float32) else 200)).astype(
        dtype
    )
    small = shrink_photo(pixels, (2, 3))
    means = pixels.reshape(2, 3, 3, 3, *channels).mean(axis=(1, 3))
    assert small.dtype == dtype
    assert small.shape == (2, 3, *channels)
    if dtype is bool:
        assert_array_equal(small, means >= 0.5)
    else:
        assert np.abs(small - means).max() <= (1e-6 if dtype is np.float32 else 1)
    assert_array_equal(shrink_photo(pixels, (12, 18))[::2, ::2], pixels)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.integers(1, 20))
def test_masks_take_the_nearest_pixel(height, width, new_height, new_width):
    labels = np.arange(height * width).reshape(height, width)
    resized = nearest(labels, (new_height, new_width))
    rows = np.floor((np.arange(new_height) + 0.5) * height / new_height).astype(int)
    columns = np.floor((np.arange(new_width) + 0.5) * width / new_width).astype(int)
    assert_array_equal(resized, labels[np.ix_(rows, columns)])


def test_collections_keep_their_recipe(save_images):
    rng = np.random.default_rng(0)
    paths = [str(path) for path in save_images(list(rng.integers(0, 9, (3, 4, 6), np.uint8)))]
    recipe = FileRecipe("image", "RGB")
    half = ResizedRecipe(recipe, None, 3)
    photos = ImageFiles([(path, None) for path in paths], "image", half)
    masks = ImageFiles(paths, "mask", ResizedRecipe(FileRecipe("mask"), recipe, "partner"))
    assert photos.paths == tuple(paths)
    assert photos[[2, 0]].paths == (paths[2], paths[0])
    assert photos.header(1) == ((2, 3, 3), np.dtype(np.uint8))
    assert photos.facts(0) == (4, 6, "PNG", "L")
    again = pickle.loads(pickle.dumps(photos[1:]))
    assert_array_equal(again[0], photos[1])
    masks = ImageFiles([(path, path) for path in paths], "mask", masks.recipe)
    X = SegmentedImages(ImageFiles(paths, "image", recipe), masks)
    for item, path in zip(X, paths):
        assert_array_equal(item.mask, np.asarray(Image.open(path)))


def test_turned_photos_are_resized_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((4, 8, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    files = ImageFiles([(str(tmp_path / "a.jpg"), None)], "image", ResizedRecipe(
        FileRecipe("image", "RGB"), None, 4))  # fmt: skip
    assert files[0].shape == files.header(0)[0] == (4, 2, 3)
