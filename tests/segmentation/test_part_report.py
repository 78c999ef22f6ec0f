"""Reports on parts, against scikit-learn's scores, and the sheet that shows examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from hierseg_learn.datasets import make_portraits
from hierseg_learn.segmentation import (
    GridSegmenter,
    MaskSegmenter,
    PartReport,
    PartSheetDisplay,
    SegmenterUnion,
    Slic,
    VocabularySegmenter,
    part_report,
)
from hierseg_learn.segmentation._part_report import (
    _typical,
    adjusted_rand,
    matched_overlap,
    normalized_mutual_info,
    purity,
)

labels = arrays(np.int64, st.integers(2, 60), elements=st.integers(0, 4))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_scores_are_those_of_scikit_learn(data):
    first = data.draw(labels)
    second = data.draw(arrays(np.int64, len(first), elements=st.integers(0, 3)))
    table = metrics.cluster.contingency_matrix(first, second)
    expected = metrics.normalized_mutual_info_score(first, second)
    assert normalized_mutual_info(table) == pytest.approx(expected, abs=1e-9)
    expected = metrics.adjusted_rand_score(first, second)
    assert adjusted_rand(table) == pytest.approx(expected, abs=1e-9)
    assert purity(table) == table.max(axis=1).sum() / len(first)


def test_matched_overlap():
    np.testing.assert_allclose(matched_overlap(np.diag([3, 5])), [1, 1])
    table = np.array([[4, 0], [4, 0], [0, 0]])
    np.testing.assert_allclose(matched_overlap(table), [0.5, 0, np.nan])


@pytest.fixture(scope="module")
def portraits():
    return make_portraits(24, image_size=(32, 24), random_state=0)


@pytest.fixture(scope="module")
def segmenter(portraits):
    return VocabularySegmenter(Slic(20), n_parts=4, random_state=0).fit(
        portraits.images.images[:12]
    )


def test_report_against_loops(portraits, segmenter):
    report = part_report(segmenter, portraits.images)
    maps = [segmenter.segment(item.image) for item in portraits.images]
    masks = [item.mask for item in portraits.images]
    assert report.names == ("part_0", "part_1", "part_2", "part_3")
    for part in range(4):
        shares = [(labels == part).mean() for labels in maps]
        np.testing.assert_allclose(report.areas[:, part], shares)
        for column, name in enumerate(report.classes):
            k = int(name.removeprefix("class "))
            both = sum(((m == k) & (a == part)).sum() for a, m in zip(maps, masks))
            assert report.confusion[part, column] == both
    frame = report.to_frame()
    np.testing.assert_allclose(frame["image_share"], (report.areas > 0).mean(axis=0))
    np.testing.assert_allclose(frame["pixel_share"].sum(), 1)
    np.testing.assert_array_equal(report.confusion_frame(), report.confusion)


def test_masks_only_score(portraits, segmenter):
    with_masks = part_report(segmenter, portraits.images)
    images, masks = portraits.images.images, [item.mask for item in portraits.images]
    apart = part_report(segmenter, images, masks)
    np.testing.assert_array_equal(with_masks.confusion, apart.confusion)
    without = part_report(segmenter, images)
    np.testing.assert_array_equal(with_masks.areas, without.areas)
    assert without.confusion is None
    assert "purity" not in without.to_frame()
    with pytest.raises(ValueError, match="made without masks"):
        _ = without.purity


def test_given_masks_are_pure(portraits):
    given_masks = MaskSegmenter(portraits.tree).fit(portraits.images)
    report = part_report(given_masks, portraits.images, mask_names={0: "background"})
    assert report.purity == report.normalized_mutual_info == report.adjusted_rand == 1
    assert report.majority[0] == "background"


def test_stability_does_not_depend_on_the_order(portraits, segmenter):
    images = portraits.images.images
    report = part_report(segmenter, images, stability=True)
    again = part_report(segmenter, images[::-1], stability=True)
    np.testing.assert_array_equal(report.stability, again.stability)
    assert ((report.stability >= 0) & (report.stability <= 1)).all()
    cells = GridSegmenter().fit(images)  # these never change
    np.testing.assert_allclose(part_report(cells, images, stability=True).stability, 1)


def test_a_union_has_a_report_each(portraits):
    union = SegmenterUnion([("rows", GridSegmenter(2)), ("columns", GridSegmenter(1, 2))])
    union.fit(portraits.images.images)
    with pytest.raises(ValueError, match="each of its segmenters_"):
        part_report(union, portraits.images.images)
    assert len(part_report(union.segmenters_[0][1], portraits.images.images).names) == 6


@given(arrays(float, st.integers(1, 30), elements=st.sampled_from([0, 0.1, 0.2, 0.5])))
def test_typical_images_have_the_part_and_differ(areas):
    chosen = _typical(areas, 5)
    assert len(set(chosen)) == len(chosen) == min(5, (areas > 0).sum())
    assert (areas[chosen] > 0).all()
    assert (np.diff(areas[chosen]) <= 0).all()


def test_sheet_shows_the_part_and_dims_the_rest():
    pytest.importorskip("matplotlib", reason="draws")
    from hierseg_learn.segmentation._part_report import crop, framed

    photo = np.zeros((10, 10, 3))
    photo[..., 0] = 1.0
    region = np.zeros((10, 10), dtype=bool)
    region[2:8, 2:8] = True
    cell = framed(*crop(photo, region))
    assert cell.shape == (96, 96, 3)
    np.testing.assert_array_equal(cell[48, 48], [1, 0, 0])
    assert np.ptp(cell[2, 2]) == 0
    assert cell[2, 2].min() > 0.7
    wide = framed(np.zeros((2, 40)), np.ones((2, 40), dtype=bool))
    np.testing.assert_array_equal(wide[0, 0], [1, 1, 1])


@pytest.mark.parametrize("parts", [None, [2, 0]])
def test_sheet_of_an_estimator(portraits, segmenter, parts):
    plt = pytest.importorskip("matplotlib.pyplot", reason="draws")
    display = PartSheetDisplay.from_estimator(
        segmenter, portraits.images, parts=parts, n_examples=3
    )
    assert display.parts == (parts or [0, 1, 2, 3])
    assert [len(display.examples[part]) for part in display.parts] == [3] * len(display.parts)
    assert len(display.ax_.texts) == len(display.parts)
    texts = [text.get_text().split("\n")[0] for text in display.ax_.texts]
    assert texts == [f"part_{part}" for part in display.parts]
    assert all(name in display.alt_text for name in texts)
    _, ax = plt.subplots()
    assert display.plot(ax).ax_ is ax
    plt.close("all")


def test_wrong_input(portraits, segmenter):
    report = part_report(segmenter, portraits.images)
    with pytest.raises(ValueError, match="X has 3; expected the report on X"):
        PartSheetDisplay.from_estimator(segmenter, portraits.images[:3], report=report)
    with pytest.raises(ValueError, match=r"positions in \[0, 4\), got 4"):
        PartSheetDisplay.from_estimator(segmenter, portraits.images, parts=[4])
    with pytest.raises(ValueError, match="n_examples"):
        PartSheetDisplay.from_estimator(segmenter, portraits.images, n_examples=0)
    with pytest.raises(TypeError, match="PartReport"):
        PartSheetDisplay("report", [])
    with pytest.raises(ValueError, match="one list per part"):
        PartSheetDisplay(PartReport(("sky",), np.ones((1, 1))), [])


def test_a_report_on_another_segmenter_is_refused(portraits, segmenter):
    pytest.importorskip("matplotlib", reason="draws")
    grid = GridSegmenter(2, 2).fit(portraits.images.images)
    with pytest.raises(ValueError, match=r"report is about the parts row0_col0, .* but estimator"):
        PartSheetDisplay.from_estimator(
            segmenter, portraits.images, report=part_report(grid, portraits.images)
        )


def test_every_image_is_cut_once_for_a_sheet(portraits, segmenter, monkeypatch):
    pytest.importorskip("matplotlib", reason="draws")
    report, cut = part_report(segmenter, portraits.images), []
    own = type(segmenter)._segment
    monkeypatch.setattr(
        type(segmenter), "_segment", lambda *args: cut.append(1) or own(*args), raising=True
    )
    PartSheetDisplay.from_estimator(segmenter, portraits.images, report=report)
    assert len(cut) <= len(portraits.images)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([np.zeros((2, 2), int)], "masks holds 1 label maps"),
        (None, "Image 0 of images has dtype float64"),
    ],
)
def test_arguments_are_called_by_their_names(portraits, segmenter, masks, message):
    images = portraits.images.images
    if masks is None:
        images = [np.zeros((9, 9, 3))]
    with pytest.raises((ValueError, TypeError), match=message):
        part_report(segmenter, images, masks)


def test_mask_names_must_be_a_dict(portraits, segmenter):
    with pytest.raises(
        TypeError, match=r"mask_names must be a dict of ids and names, got \['bg'\]"
    ):
        part_report(segmenter, portraits.images, mask_names=["bg"])


def test_a_sheet_by_hand_is_the_sheet_of_the_estimator(portraits, segmenter):
    pytest.importorskip("matplotlib", reason="draws")
    images = portraits.images.images
    report = part_report(segmenter, images)
    photo, labels = (
        segmenter._check_images(images, reset=False).image(0),
        segmenter.segment(images[0]),
    )
    part = int(report.areas[0].argmax())
    examples = [[] for _ in report.names]
    examples[part].append((photo, labels == part))
    display = PartSheetDisplay(report, examples, parts=[part])
    (shown, region), whole = display.examples[part][0], labels == part
    assert region.sum() == whole.sum()
    np.testing.assert_array_equal(shown[region], photo[whole])
