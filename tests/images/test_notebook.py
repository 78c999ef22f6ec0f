"""View of a collection in a notebook."""

import re
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hierseg_learn import SegmentedImages
from hierseg_learn.images._notebook import MAX_LISTED, MAX_SHOWN, SIDE


def pictures(html):
    """The embedded images, (height, width, 3) each."""
    found = re.findall(r"data:image/png;base64,([^\"]+)", html)
    return [np.asarray(Image.open(BytesIO(b64decode(text)))) for text in found]


@pytest.mark.parametrize(
    ("dtype", "white"), [(np.uint8, 255), (np.float64, 1.0), (np.float32, 16.0), (bool, True)]
)
def test_parts_are_tinted_and_the_rest_is_not(dtype, white):
    image = np.zeros((2, 4), dtype=dtype)
    image[:, 2:] = white
    mask = np.array([[0, 0, 7, 7], [-1, 0, 7, -1]])
    html = SegmentedImages([image], [mask])._repr_html_()
    plain, tinted = pictures(html)
    assert plain.shape == tinted.shape == (SIDE // 2, SIDE, 3)
    assert set(np.unique(plain)) == {0, 255}
    blocks = (plain != tinted).any(axis=2)[SIDE // 8 :: SIDE // 4, SIDE // 8 :: SIDE // 4]
    assert blocks.tolist() == (mask >= 0).tolist()
    assert "part 0: 37.5%" in html
    assert "part 7: 37.5%" in html
    assert "image 0, 2 × 4 pixels, tinted parts 0, 7" in html


def test_ids_that_are_no_part_are_left_out():
    mask = np.array([[[0, 1, 255, 9]]], dtype=np.uint8)
    assert "part 255" not in SegmentedImages(np.zeros((1, 1, 4)), mask)._repr_html_()
    html = SegmentedImages(np.zeros((1, 1, 4)), mask, unlabeled=[9])._repr_html_()
    assert re.findall(r"part (\d+):", html) == ["0", "1", "255"]


def test_only_the_first_images_are_read(tmp_path):
    Image.fromarray(np.zeros((5, 5, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.ones((5, 5), dtype=np.uint8)).save(tmp_path / "m.png")
    n_images = MAX_SHOWN + 2
    images = SegmentedImages([tmp_path / "a.png"] * n_images, [tmp_path / "m.png"] * n_images)
    html = images._repr_html_()
    assert len(pictures(html)) == 2 * MAX_SHOWN
    assert f"The first {MAX_SHOWN} of {n_images}." in html


def test_many_parts_and_none():
    many = SegmentedImages(np.zeros((1, 9, 9)), np.arange(81).reshape(1, 9, 9))
    assert f"and {81 - MAX_LISTED} more" in many._repr_html_()
    assert "n_images=0" in many[:0]._repr_html_()
