"""Outlines that are the photo's own frame say nothing, whatever the sizes of the photos."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import SegmentedImages, SegmentTreeTransformer
from hierseg_learn.segmentation import (
    GridSegmenter,
    MaskSegmenter,
    PyramidSegmenter,
    SegmenterUnion,
)
from hierseg_learn.transformer._frame import agree
from hierseg_learn.transformer.part_editor import PartEditor

SIZES = [(60, 50), (66, 50), (61, 47), (50, 90), (97, 31), (60, 50)]
UNION = SegmenterUnion([("coarse", GridSegmenter(2, 3)), ("fine", PyramidSegmenter(3))])
LAYOUTS = {
    "pyramid": {"segmenter": "auto"},
    "grid": {"segmenter": GridSegmenter(7, 4)},
    "one cell": {"segmenter": GridSegmenter(1, 1)},
    "union": {"segmenter": UNION},
    "agglomerated": {"segmenter": GridSegmenter(2, 3), "tree": "agglomerative"},
    "joined": {
        "segmenter": GridSegmenter(2, 2),
        "tree": {"image": {"top": [0, 1], "bottom": {"left": 2, "right": 3}}},
    },
}


def noise(sizes, channels=(), dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    images = [rng.random((*size, *channels)) for size in sizes]
    return [(image * 255).astype(np.uint8) if dtype == np.uint8 else image for image in images]


def geometry(table):
    own = [name.rpartition("|")[2] for name in table]
    return table.loc[:, [n in ("presence", "area") or n.startswith("shape") for n in own]]


def bands(height, width, rounded=np.floor):
    """Three bands of proportional heights, the middle one in two halves."""
    rows = np.searchsorted(rounded(np.array([0.3, 0.75]) * height), np.arange(height), "right")
    cols = (np.arange(width) >= rounded(width / 2)).astype(int)
    return np.where(rows[:, None] == 1, 1 + cols, 3 * rows[:, None] // 2)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize(("channels", "dtype"), [((), np.float32), ((3,), np.uint8)])
def test_cells_of_layouts_and_what_they_form_are_the_same_in_every_photo(name, channels, dtype):
    images = noise(SIZES, channels, dtype)
    transformer = SegmentTreeTransformer(**LAYOUTS[name], random_state=0)
    found = geometry(transformer.fit_transform(images, np.arange(len(images)) % 2))
    assert (found.nunique() == 1).all()
    # and in photos of sizes that were not seen
    assert (geometry(transformer.transform(noise([(250, 41)], channels, dtype))) == found[:1]).all(
        axis=None
    )
    assert found.iloc[0].filter(regex=r"^[^/]*\|area").item() == 1


@pytest.mark.parametrize("rounded", [np.floor, np.ceil, np.rint])
def test_given_masks_that_cut_all_photos_alike_are_a_frame(rounded):
    images = noise(SIZES)
    masks = [bands(*image.shape, rounded) for image in images]
    found = geometry(SegmentTreeTransformer().fit_transform(SegmentedImages(images, masks)))
    assert (found.nunique() == 1).all()


def test_given_masks_of_content_are_described_as_they_are():
    images = noise(SIZES)
    masks = [bands(*image.shape) for image in images]
    masks[4][:20] = 3
    table = SegmentTreeTransformer().fit_transform(SegmentedImages(images, masks))
    for part in range(4):
        area = [np.mean(mask == part) for mask in masks]
        np.testing.assert_allclose(table[f"image/part_{part}|area"], area, rtol=1e-6)
    # what they form covers every photo
    root = geometry(table.filter(regex=r"^image\|"))
    assert (root.nunique() == 1).all()


def test_photos_of_one_size_must_be_cut_to_the_pixel():
    images = noise([(60, 50)] * 3 + [(66, 50)])
    masks = [bands(*image.shape) for image in images]
    masks[1] = np.roll(masks[1], 1, axis=0)
    masks[1][0] = 0
    areas = SegmentTreeTransformer().fit_transform(SegmentedImages(images, masks))
    assert areas["image/part_0|area"].nunique() > 1


def test_a_photo_of_fewer_pixels_than_cells_is_whole_without_them():
    transformer = SegmentTreeTransformer(GridSegmenter(3), descriptors=["color", "shape"])
    transformer.fit(noise(SIZES))
    for size in [(1, 1), (1, 10), (2, 5)]:
        table = transformer.transform(noise([size]))
        assert table["image|area"].item() == pytest.approx(1)
        assert np.isfinite(table.to_numpy()).all()


def test_cells_are_swapped_and_ablated_like_any_part():
    transformer = SegmentTreeTransformer("grid", descriptors=["color", "shape"])
    editor = PartEditor.from_transformer(transformer.fit(images := noise(SIZES)))
    rows = editor.read(transformer.transform(images))
    swapped = np.tile(editor.leaves("row0_col0"), (3, 1))
    made = editor.swap(rows[:3], rows[3:], swapped)
    shape = [k for k, name in enumerate(editor.column_names) if "|shape" in name]
    np.testing.assert_allclose(made[:, shape], rows[:3, shape], atol=1e-6)
    area = editor.column_names.index("image|area")
    ablated = editor.ablate(rows, editor.leaves("row0_col0"))
    np.testing.assert_allclose(ablated[:, area], 8 / 9, rtol=1e-6)


def test_a_cell_that_the_first_segmenter_cuts_shows_the_cut():
    images = noise([(60, 50), (66, 50)])
    masks = [np.where(np.arange(50) < 10, -1, np.zeros((len(image), 1), int)) for image in images]
    union = SegmenterUnion([("given", MaskSegmenter()), ("layout", GridSegmenter(2, 2))])
    table = SegmentTreeTransformer(union, descriptors="shape").fit_transform(
        SegmentedImages(images, masks)
    )
    np.testing.assert_allclose(table["image/layout/row0_col0|area"], 0.25 * 15 / 25, rtol=1e-6)
    np.testing.assert_allclose(table["image/layout/row0_col1|area"], 0.25, rtol=1e-6)


@pytest.mark.parametrize("segmenter", ["auto", "grid"])
@pytest.mark.parametrize("sizes", [((60, 50), (66, 50)), ((50, 61), (50, 60))])
def test_noise_is_not_classified_by_the_size_of_its_photo(segmenter, sizes):
    y = np.arange(80) % 2
    images = noise([sizes[k] for k in y], seed=1)
    table = SegmentTreeTransformer(segmenter).fit_transform(images)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    # four standard deviations of guessing
    assert abs(cross_val_score(model, table, y).mean() - 0.5) < 4 * 0.5 / np.sqrt(80)


def test_agreement_is_up_to_a_pixel():
    one = np.repeat([0, 1], 8) * np.ones((9, 1), int)
    assert agree(one, np.roll(one, 1, axis=0))
    assert agree(one, np.where(one.cumsum(1) < 2, 0, one))
    assert not agree(one, np.repeat([0, 1, 1, 1], 4) * np.ones((9, 1), int))
    assert not agree(one, np.where(np.arange(9)[:, None] == 0, 2, one))
