"""Photos are found in what image processors make of them, by coordinates sent in their place."""

import numpy as np
import pytest

from hierseg_learn.segmentation._network import find_views, locate

SIZES = [(1, 1), (1, 9), (2, 3), (50, 90), (90, 40), (300, 7), (257, 511)]


def resized(photo, shape):
    """Nearest pixel, as image libraries find it."""
    rows, cols = (
        np.floor((np.arange(n) + 0.5) * old / n).astype(int)
        for n, old in zip(shape, photo.shape[:2], strict=True)
    )
    return photo[rows][:, cols].transpose(2, 0, 1)


def padded(view, top, bottom, left, right):
    return np.pad(view, [(0, 0), (top, bottom), (left, right)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(32, 32), (64, 48), (7, 91)])
def test_a_resized_photo_is_plain(size, shape):
    views = find_views(lambda photo: ([resized(photo, shape)], None), size)
    assert views.is_plain
    assert views.is_complete
    assert views.shape == shape


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pads", [(0, 16, 0, 3), (5, 6, 7, 8), (9, 0, 0, 0)])
def test_padding_is_found(size, pads):
    views = find_views(lambda photo: ([padded(resized(photo, (40, 30)), *pads)], None), size)
    assert not views.is_plain
    assert views.is_complete
    assert views.shape == (40, 30)
    assert views.corners == ((-pads[0], -pads[2]),)
    assert views.shown == ((slice(pads[0], pads[0] + 40), slice(pads[2], pads[2] + 30)),)
    assert views.on_photo(0) == (slice(0, 40), slice(0, 30))


@pytest.mark.parametrize("size", [(50, 90), (90, 40), (400, 700)])
@pytest.mark.parametrize("crop", [(56, 56), (40, 60), (64, 20)])
def test_a_crop_of_the_middle_is_found(size, crop):
    shape = (64, 72)
    top, left = ((n - c) // 2 for n, c in zip(shape, crop, strict=True))

    def process(photo):
        view = resized(photo, shape)[:, top : top + crop[0], left : left + crop[1]]
        return [view], None

    views = find_views(process, size)
    assert not views.is_complete
    # enlarged and cropped, several sizes show the same pixels
    np.testing.assert_allclose(views.shape, shape, rtol=0.05)
    visible = np.array(views.corners[0]) * size / views.shape
    np.testing.assert_allclose(visible, np.array([top, left]) * size / shape, atol=1)


@pytest.mark.parametrize("size", [(30, 90), (90, 30), (1, 3), (1, 90)])
@pytest.mark.parametrize("padding", [0, 5])
def test_pieces_are_laid_together(size, padding):
    """Overlapping pieces along the longer side, padded on the right or not."""
    starts = [0, 15, 35]
    shape = (20, 55) if size[1] > size[0] else (55, 20)

    def process(photo):
        whole = resized(photo, shape)
        pieces = [
            whole[:, :, s : s + 20] if size[1] > size[0] else whole[:, s : s + 20] for s in starts
        ]
        return [padded(piece, 0, 0, 0, padding) for piece in pieces], starts

    views = find_views(process, size)
    assert views.is_complete
    assert views.shape == shape
    assert [max(corner) for corner in views.corners] == starts
    # padding of one piece lies where another shows the photo
    assert all(s.stop - s.start == 20 for shown in views.shown for s in shown)


@pytest.mark.parametrize(
    ("process", "message"),
    [
        (lambda photo: ([resized(photo, (20, 20))[:, ::-1]], None), "not the photo resized"),
        (lambda photo: ([resized(photo, (20, 30)).transpose(0, 2, 1)], None), "warps or rotates"),
        (lambda photo: ([photo.transpose(2, 0, 1) / 2 - 1], None), "changes the brightness"),
        (lambda photo: ([photo.transpose(2, 0, 1) * [[[1]], [[2]], [[1]]]], None), "the colors"),
        (
            lambda photo: ([resized(photo, (40, 8))[:, a : a + 20] for a in (0, 20)], None),
            "2 views of a photo without their positions",
        ),
        (
            lambda photo: ([resized(photo, (40, 8))[:, a : a + 20] for a in (0, 20)], [0, 10]),
            "contradict each other",
        ),
        (
            lambda photo: ([resized(photo, (40, 8))[:, a : a + 10] for a in (0, 30)], [0, 30]),
            "padding splits the photo",
        ),
        (lambda photo: ([np.zeros((3, 4, 4))], None), "padding splits the photo"),
    ],
)
def test_what_is_no_photo_is_refused(process, message):
    with pytest.raises(ValueError, match=message):
        find_views(process, (60, 50))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 40, 1000])
@pytest.mark.parametrize("extent", [3, 16, 48, 99])
@pytest.mark.parametrize("shift", [0.5, 0.0])
def test_rows_are_located(n, extent, shift):
    """By either rule for the nearest pixel."""
    rows = np.minimum(np.floor((np.arange(extent) + shift) * n / extent).astype(int), n - 1)
    assert locate(rows, n) == (extent, 0)
    assert locate(np.r_[-1, -1, rows, -1], n) == (extent, 2)
