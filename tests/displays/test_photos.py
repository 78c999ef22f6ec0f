"""Contributions over photos."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn.displays import SegmentContributionDisplay
from hierseg_learn.displays._photos import drawn_nodes
from hierseg_learn.explain import PairExplanation
from tests.strategies import segment_trees

SKY, HAIR, SKIRT = 0, 1, 2


def label_map(height, width):
    """Sky above, hair and skirt below, a column without label."""
    labels = np.full((height, width), SKY)
    labels[height // 2 :, : width // 2] = HAIR
    labels[height // 2 :, width // 2 :] = SKIRT
    labels[:, -1] = -1
    return labels


@pytest.fixture
def photos():
    rng = np.random.default_rng(0)
    return [rng.random((60, 90, 3)), rng.integers(0, 256, (80, 48), dtype=np.uint8)]


@pytest.fixture
def label_maps(photos):
    return [label_map(*photo.shape[:2]) for photo in photos]


def layer(display, name, photo=0):
    """One of the images drawn, by its label."""
    return [image for image in display.ax_.images if image.get_label() == name][photo].get_array()


def blown_up(mask, like):
    """A mask at the resolution at which it was drawn."""
    times = like.shape[0] // mask.shape[0]
    return np.kron(mask, np.ones((times, times))).astype(bool)


def test_tints_are_the_colors_of_the_shares(pair, photos, label_maps, plt):
    display = SegmentContributionDisplay.from_explanation(pair, photos, label_maps)
    for i, labels in enumerate(label_maps):
        tints = layer(display, "tints", i) / 255
        top = tints[blown_up(labels == SKIRT, tints)]
        assert_allclose(top[:, :3].mean(axis=0), plt.get_cmap("Reds")(1.0)[:3], atol=0.005)
        hair = tints[blown_up(labels == HAIR, tints)]
        # Colors go by the share, from none: hair has 20%, the largest has 50%.
        assert_allclose(hair[0, :3], plt.get_cmap("Reds")(0.4)[:3], atol=0.02)
        assert (tints[blown_up(labels == -1, tints)][:, 3] == 0).all()
    assert display.figure_ is display.ax_.figure


def test_negative_shares_are_cool_and_none_is_in_the_middle(tree, photos, label_maps, plt):
    pair = PairExplanation(tree, [0.0, -1.0, 3.0, 0.0, 0.0])
    display = SegmentContributionDisplay.from_explanation(pair, photos, label_maps)
    tints = layer(display, "tints") / 255
    color = {leaf: tints[blown_up(label_maps[0] == leaf, tints)][0, :3] for leaf in range(3)}
    cmap = plt.get_cmap("RdBu_r")
    assert_allclose(color[SKY], cmap(0.5)[:3], atol=0.01)
    assert_allclose(color[SKIRT], cmap(1.0)[:3], atol=0.01)
    assert color[HAIR][2] > color[HAIR][0]


def test_borders_lie_between_segments(pair, photos, label_maps, plt):
    display = SegmentContributionDisplay.from_explanation(pair, photos, label_maps)
    borders = layer(display, "borders")[..., 3] > 0
    middle = borders.shape[0] // 2
    assert borders[middle - 2 : middle + 2].any(axis=0)[: borders.shape[1] * 9 // 10].all()
    assert not borders[: middle // 2, : borders.shape[1] // 2].any()
    assert 0 < borders.mean() < 0.05


def test_level_draws_nodes_with_everything_below(pair, photos, label_maps, plt):
    display = SegmentContributionDisplay.from_explanation(pair, photos, label_maps, level=1)
    assert display.shares == {"photo/sky": 0.1, "photo/person": pytest.approx(0.8)}
    assert display.rest == {"photo": pytest.approx(0.1)}
    tints = layer(display, "tints")
    person = tints[blown_up(np.isin(label_maps[0], [HAIR, SKIRT]), tints)]
    assert len(np.unique(person, axis=0)) == 1
    top = SegmentContributionDisplay.from_explanation(pair, photos, label_maps, level=0)
    assert top.shares == {"photo": 1.0}
    assert top.rest == {}


@given(segment_trees(any_order=True), st.data())
def test_drawn_shares_and_the_rest_add_up_at_every_level(tree, data):
    direct = data.draw(st.lists(st.integers(1, 9), min_size=len(tree), max_size=len(tree)))
    for level in range(tree.depths.max() + 1):
        display = SegmentContributionDisplay(
            PairExplanation(tree, direct), [np.zeros((2, 2))], [np.full((2, 2), -1)], level=level
        )
        assert_allclose(sum(display.shares.values()) + sum(display.rest.values()), 1)
        drawn = drawn_nodes(tree, level)[tree.leaves]
        for leaf, node in zip(tree.leaves, drawn):
            assert leaf in tree.subtree(node)
            assert tree.depths[node] == min(level, tree.depths[leaf])


def test_labels_titles_and_caption(pair, photos, label_maps, plt):
    ax = SegmentContributionDisplay.from_explanation(pair, photos, label_maps).ax_
    texts = [text.get_text() for text in ax.texts]
    assert {"photo 3", "photo 8"} <= set(texts)
    assert texts.count("skirt 50%") == 2
    assert texts.count("sky 10%") == 2
    caption = ax.get_xlabel().replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    assert "account for 80%; 20% describes several segments together" in caption
    assert "person 10%" in caption
    [bar] = ax.child_axes
    assert bar.get_ylabel() == "share of the squared distance"


def test_max_labels_and_titles(pair, photos, label_maps, plt):
    display = SegmentContributionDisplay.from_explanation(
        pair, photos[:1], label_maps[:1], max_labels=1, titles=["c$o$st"]
    )
    assert [text.get_text() for text in display.ax_.texts] == ["c$o$st", "skirt 50%"]


def test_small_photos_are_outlined_so_that_they_can_be_seen(pair, plt):
    photos = [np.linspace(0, 1, 96).reshape(8, 12), np.full((6, 8), 0.5)]
    maps = [label_map(*photo.shape) for photo in photos]
    display = SegmentContributionDisplay.from_explanation(pair, photos, maps)
    tints, photo = layer(display, "tints"), layer(display, "photo")
    skirt = blown_up(maps[0] == SKIRT, tints)
    shown = skirt & (tints[..., 3] > 0)
    assert 0 < shown.sum() < 0.3 * skirt.sum()
    assert len(np.unique(tints[shown], axis=0)) == 1
    # between the outlines there is the photo, as it is
    inside = skirt & ~shown
    rows, columns = (index[inside] * 8 // photo.shape[0] for index in np.indices(photo.shape))
    expected = 0.15 + 0.85 * photos[0][rows, columns]
    assert_allclose(photo[inside], expected)
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts.count("50%") == 2
    assert "Outlined: skirt 50%" in display.caption


def test_labels_do_not_cover_each_other(pair, photos, label_maps, plt):
    ax = SegmentContributionDisplay.from_explanation(pair, photos, label_maps).ax_
    boxes = [text.get_window_extent() for text in ax.texts if "%" in text.get_text()]
    assert not [(i, j) for i in range(len(boxes)) for j in range(i) if boxes[i].overlaps(boxes[j])]


def test_the_question_stands_above_titles_of_any_number_of_lines(pair, photos, label_maps, plt):
    ax = SegmentContributionDisplay.from_explanation(
        pair, photos, label_maps, titles=["dress,\npredicted\npants", "the nearest\nphoto"]
    ).ax_
    ax.figure.draw_without_rendering()
    question = ax._left_title.get_window_extent()
    titles = [text for text in ax.texts if "\n" in text.get_text()]
    assert len(titles) == 2
    assert all(text.get_window_extent().y1 <= question.y0 for text in titles)


def test_alt_text_tells_what_is_seen_and_what_is_not(pair, photos, label_maps):
    without_skirt = np.where(label_maps[1] == SKIRT, SKY, label_maps[1])
    display = SegmentContributionDisplay(pair, photos, [label_maps[0], without_skirt])
    assert display.alt_text == (
        "What sets photo 3 and photo 8 apart? "
        "2 photos, photo 3 and photo 8, each segment tinted by its share of the squared distance: "
        "skirt 50%, hair 20% and sky 10%. "
        "Not drawn: photo as a whole 10% and person as a whole 10%. "
        "photo 8 has no pixels of skirt."
    )
    alone = SegmentContributionDisplay(pair, photos[1:], [without_skirt])
    assert "Without pixels in the photo: skirt 50%." in alone.caption


def test_photo_of_a_prediction(prediction, photos, label_maps, plt):
    display = SegmentContributionDisplay.from_explanation(prediction, photos, label_maps)
    assert display.titles == ["the sample", "training row 40"]
    question = "How the sample differs from its nearest neighbors"
    assert display.ax_.get_title(loc="left").replace("\n", " ") == question
    assert display.alt_text.startswith(
        f"{question}. 2 photos, the sample and training row 40, each"
    )


def test_given_axes_and_no_distance(tree, photos, label_maps, plt):
    _, ax = plt.subplots()
    pair = PairExplanation(tree, np.zeros(5))
    display = SegmentContributionDisplay.from_explanation(pair, photos, label_maps, ax=ax)
    assert display.ax_ is ax
    assert "all shares are 0%" in display.alt_text
    display.figure_.canvas.draw()


def test_large_photos_are_thinned(pair, plt):
    labels = label_map(1203, 2101)
    display = SegmentContributionDisplay.from_explanation(pair, [labels * 0.0], [labels])
    tints = layer(display, "tints")
    assert tints.shape == (401, 701, 4)
    assert len(np.unique(tints[:150, :300].reshape(-1, 4), axis=0)) == 1


PHOTO, LABELS = np.zeros((4, 6)), np.zeros((4, 6), int)


@pytest.mark.parametrize(
    ("images", "label_maps", "error", "message"),
    [
        (PHOTO, [LABELS], TypeError, r"images must be a list .* got ndarray of shape \(4, 6\)"),
        ([PHOTO] * 3, [LABELS] * 3, ValueError, "images must hold one or two arrays, got 3"),
        ([PHOTO], [LABELS] * 2, ValueError, "one entry per image, expected 1, got 2"),
        ([PHOTO[0]], [LABELS], ValueError, r"images\[0\] must have shape .* got shape \(6,\)"),
        ([PHOTO + 2], [LABELS], ValueError, r"images\[0\] holds floats, .* from 2 to 2"),
        ([PHOTO * np.nan], [LABELS], ValueError, r"images\[0\] holds floats"),
        ([LABELS], [LABELS], TypeError, r"images\[0\] must be uint8 or float, got dtype int64"),
        ([PHOTO], [PHOTO], TypeError, r"label_maps\[0\] must hold integers, got dtype float64"),
        (
            [PHOTO, PHOTO],
            [LABELS, LABELS.T],
            ValueError,
            r"label_maps\[1\] must have the shape of its image, \(4, 6\), got \(6, 4\)",
        ),
        ([PHOTO], [LABELS + 3], ValueError, "got 3, which is the inner node 'photo/person'"),
        ([PHOTO], [LABELS + 9], ValueError, "node ids of leaves .* got 9"),
    ],
)
def test_wrong_pictures(pair, images, label_maps, error, message):
    with pytest.raises(error, match=message):
        SegmentContributionDisplay(pair, images, label_maps)


@pytest.mark.parametrize("level", [-1, 3, 1.0, True, "leaves"])
def test_wrong_level(pair, level):
    with pytest.raises(ValueError, match="level must be None or an integer from 0 to 2"):
        SegmentContributionDisplay(pair, [PHOTO], [LABELS], level=level)


def test_wrong_options(pair):
    with pytest.raises(TypeError, match="explanation must be a ContrastExplanation, a Pair"):
        SegmentContributionDisplay({}, [PHOTO], [LABELS])
    with pytest.raises(
        ValueError, match="titles must be a list of one string per photo, expected 1"
    ):
        SegmentContributionDisplay(pair, [PHOTO], [LABELS], titles=["a", "b"])
    with pytest.raises(ValueError, match="max_labels must be an integer of at least 0, got -1"):
        SegmentContributionDisplay(pair, [PHOTO], [LABELS], max_labels=-1)
    with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\], got 2"):
        SegmentContributionDisplay(pair, [PHOTO], [LABELS], alpha=2)


def test_without_matplotlib(pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'hierseg-learn\[plot\]'"):
        SegmentContributionDisplay(pair, [PHOTO], [LABELS]).plot()
