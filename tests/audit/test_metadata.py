"""Prediction of the class from the files, without what they show."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hierseg_learn import SegmentedImages, SegmentTreeTransformer
from hierseg_learn.audit import find_metadata_shortcuts, find_shortcuts

Y = np.arange(60) % 2
PLAIN = [np.zeros((30, 20))] * 60


def flagged(X, y=Y, **params):
    return set(find_metadata_shortcuts(X, y, random_state=0, **params).flagged) - {"all together"}


def test_height_width_and_aspect():
    assert flagged([np.zeros((30 + 2 * k, 20)) for k in Y]) == {"height", "aspect ratio"}
    assert flagged([np.zeros((30, 20 + 2 * k, 3)) for k in Y]) == {"width", "aspect ratio"}
    assert flagged([np.zeros((30, 20)) if k else np.zeros((60, 40)) for k in Y]) == {
        "height",
        "width",
    }
    assert flagged(PLAIN) == set()


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_format_and_mode_come_from_the_header_and_orientation_does_not_matter(tmp_path, suffix):
    paths = []
    for i in range(60):
        paths.append(tmp_path / f"{i}.{suffix}")
        upright = i % 4 < 2
        photo = Image.new("RGB", (20, 30) if upright else (30, 20))
        exif = Image.Exif()
        exif[0x0112] = 1 if upright else 6
        photo.save(paths[-1], format="JPEG" if Y[i] else "PNG", exif=exif)
    assert flagged(paths) == flagged([str(path) for path in paths]) == {"file format"}
    modes = []
    for i in range(60):
        modes.append(tmp_path / f"mode_{i}.png")
        Image.new(["P", "RGBA"][Y[i]], (20, 30)).save(modes[-1])
    assert flagged(modes) == {"color mode"}


def test_no_pixel_is_decoded(tmp_path, monkeypatch):
    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for path in paths:
        Image.new("L", (9, 9)).save(path)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    assert find_metadata_shortcuts(paths, np.arange(20) % 2, random_state=0).flagged == ()


def test_coverage_of_given_masks_and_of_their_table():
    masks = [np.where(np.arange(20) < 12 + 4 * k, 0, -1) * np.ones((30, 1), int) for k in Y]
    X = SegmentedImages(PLAIN, masks)
    assert flagged(X) == flagged(PLAIN, segments=masks) == {"mask coverage"}
    table = SegmentTreeTransformer(descriptors="color").fit_transform(X)
    report = find_metadata_shortcuts(table, Y, random_state=0)
    assert "mask coverage" in report.flagged
    assert set(report.unchecked) == {
        "height",
        "width",
        "aspect ratio",
        "file format",
        "color mode",
    }
    assert "Not checked" in report.sentences()[-1]


def test_a_bare_table_leaves_everything_unchecked():
    report = find_metadata_shortcuts(np.zeros((60, 3)), Y)
    assert report.facts == ()
    assert len(report.unchecked) == 6
    assert len(report.sentences()) == 1
    assert report.to_frame().empty


def test_chance_flags_no_more_often_than_alpha():
    found = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        photos = [np.zeros(size) for size in rng.integers(20, 90, (60, 2))]
        report = find_metadata_shortcuts(
            photos, rng.integers(0, 3, 60), alpha=0.05, n_permutations=50, random_state=seed
        )
        found += bool(report.flagged)
    assert found <= 5  # P(more) < 1 % at 5 %


def test_names_of_classes_do_not_matter_and_the_seed_decides():
    photos = [np.zeros((30 + k, 20)) for k in np.random.default_rng(0).integers(0, 3, 60)]
    frames = [
        find_metadata_shortcuts(photos, y, random_state=0).to_frame()
        for y in (Y, np.array(["b", "a"])[Y])
    ]
    pd.testing.assert_frame_equal(*frames)


def test_find_shortcuts_reports_it():
    photos = [np.random.default_rng(i).random((30 + 2 * k, 20)) for i, k in enumerate(Y)]
    transformer = SegmentTreeTransformer("grid", descriptors="color")
    table = transformer.fit_transform(photos)
    for report in (
        find_shortcuts(photos, Y, transformer=transformer, n_permutations=20, random_state=0),
        find_shortcuts(table, Y, images=photos, n_permutations=20, random_state=0),
    ):
        assert "height" in report.metadata.flagged
        assert "without looking at a photo, by height" in report.to_text()
        assert "Prediction of the class from the files alone" in report._repr_html_()
        assert report.flagged == ()


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"expected 60, got 3"):
        find_metadata_shortcuts(PLAIN, Y[:3])
    with pytest.raises(ValueError, match="two classes of 5 rows"):
        find_metadata_shortcuts(PLAIN, np.zeros(60))
