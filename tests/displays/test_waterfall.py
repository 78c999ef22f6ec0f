"""Bars that add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn.displays import WaterfallDisplay
from hierseg_learn.explain import ContrastExplanation, PairExplanation
from hierseg_learn.tree import SegmentTree
from tests.explain.fitted import fitted_portraits
from tests.strategies import segment_trees


def bars(display):
    """Start and end of every bar, from top to bottom."""
    patches = sorted(display.ax_.patches, key=lambda bar: bar.get_y())
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in patches]


@pytest.mark.parametrize(
    ("level", "values"),
    [
        (0, {"photo": 10.0}),
        (1, {"photo": 1.0, "photo/sky": 1.0, "photo/person": 8.0}),
        (
            2,
            {
                "photo": 1.0,
                "photo/sky": 1.0,
                "photo/person": 1.0,
                "photo/person/hair": 2.0,
                "photo/person/skirt": 5.0,
            },
        ),
    ],
)
def test_values_of_every_level(pair, level, values):
    assert WaterfallDisplay(pair, level=level).values == values


def test_bars_start_where_the_one_before_ends(pair, plt):
    display = WaterfallDisplay.from_explanation(pair, level=1)
    assert_allclose(bars(display), [(0, 8), (8, 9), (9, 10), (0, 10)])
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names[0] == "person"
    assert set(names[1:3]) == {"sky", "photo as a whole"}
    assert names[3] == "squared distance"
    assert display.figure_ is display.ax_.figure


def make_explanation(tree, seed, is_contrast):
    direct = np.random.default_rng(seed).normal(size=len(tree))
    if not is_contrast:
        return PairExplanation(tree, np.append(direct[:-1], abs(direct).sum()))
    squared = [max(-direct.sum(), 0.0), max(direct.sum(), 0.0)]
    return ContrastExplanation(tree, direct, target="a", foil="b", squared_distances=squared)


@given(segment_trees(max_leaves=8), st.integers(0, 2**32 - 1), st.integers(1, 9), st.booleans())
def test_values_and_steps_add_up_at_every_level(tree, seed, max_bars, is_contrast):
    explanation = make_explanation(tree, seed, is_contrast)
    for level in range(int(tree.depths.max()) + 1):
        display = WaterfallDisplay(explanation, level=level, max_bars=max_bars)
        assert_allclose(sum(display.values.values()), explanation.direct.sum(), atol=1e-12)
        steps = display.steps()
        assert len(steps) <= max_bars + 1
        assert_allclose(sum(step.value for step in steps), explanation.direct.sum(), atol=1e-12)


@settings(max_examples=12, deadline=None)
@given(segment_trees(max_leaves=6), st.integers(0, 2**32 - 1), st.booleans())
def test_drawn_bars_are_one_chain(tree, seed, is_contrast):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    explanation = make_explanation(tree, seed, is_contrast)
    display = WaterfallDisplay(explanation, max_bars=4).plot()
    total = explanation.direct.sum()
    starts, ends = np.array(bars(display)).T
    assert starts[0] == 0
    assert_allclose(starts[1:-1], ends[:-2], atol=1e-12)
    assert_allclose([starts[-1], ends[-1], ends[-2]], [0, total, total], atol=1e-12)
    low, high = display.ax_.get_xlim()
    assert low <= min(starts.min(), ends.min())
    assert high >= max(starts.max(), ends.max())
    plt.close("all")


def test_negative_bars_are_hatched_and_go_left(tree, plt):
    pair = PairExplanation(tree, [3.0, -1.0, 0.0, 0.0, 0.0])
    display = WaterfallDisplay.from_explanation(pair)
    patches = sorted(display.ax_.patches, key=lambda bar: bar.get_y())
    assert [bool(bar.get_hatch()) for bar in patches] == [False, True, False, False]
    assert patches[1].get_width() == -1
    assert "hair -1 (33% closer)" in display.alt_text
    assert display.alt_text.endswith("add up to 2, the squared distance.")


def test_numbers_stay_within_the_axes(pair, plt):
    display = WaterfallDisplay.from_explanation(pair)
    display.figure_.canvas.draw()
    right = display.ax_.get_window_extent().x1
    assert all(text.get_window_extent().x1 <= right + 1 for text in display.ax_.texts)


def test_a_contrast_is_named_a_difference(tree, plt):
    contrast = ContrastExplanation(
        tree, [-3.0, 1, 0, 0, 0], target="a", foil="b", squared_distances=[3.0, 1.0]
    )
    display = WaterfallDisplay.from_explanation(contrast)
    assert display.alt_text.endswith("add up to -2, the difference.")
    assert bars(display)[-1] == (0, -2)


def test_small_nodes_share_a_bar(tree):
    pair = PairExplanation(tree, [100.0, 0.1, 0.2, 0.0, 0.3])
    assert [step.label for step in WaterfallDisplay(pair).steps()] == ["sky", "4 others"]
    by_two = WaterfallDisplay(PairExplanation(tree, [5, 4, 3, 2, 1]), max_bars=2).steps()
    assert [step.value for step in by_two] == [5, 4, 6]


@pytest.mark.parametrize("level", [-1, 3, 1.0, True])
def test_wrong_level(pair, level):
    with pytest.raises(ValueError, match="level must be None or an integer from 0 to 2"):
        WaterfallDisplay(pair, level=level)


def test_wrong_arguments(pair):
    with pytest.raises(TypeError, match=r"explanation must be .*, got dict"):
        WaterfallDisplay({})
    with pytest.raises(ValueError, match="max_bars must be an integer of at least 1, got 0"):
        WaterfallDisplay(pair, max_bars=0)


def test_from_estimator_explains_one_or_two(plt):
    fitted = fitted_portraits()
    images, _ = fitted.test
    rows = fitted.model[:-1].transform(images[:2])
    contrast = WaterfallDisplay.from_estimator(fitted.model, images[:1], titles=["Ann"])
    expected = fitted.model[-1].explain_contrast(rows.iloc[[0]])
    assert_allclose(contrast.explanation.direct, expected.direct)
    assert contrast.alt_text.startswith("Ann: why '")
    pair = WaterfallDisplay.from_estimator(fitted.model[-1], rows)
    expected = fitted.model[-1].explain_pair(rows.iloc[[0]], rows.iloc[[1]])
    assert_allclose(pair.explanation.direct, expected.direct)
    with pytest.raises(ValueError, match=r"X must hold one sample, .* or two, .*; got 3"):
        WaterfallDisplay.from_estimator(fitted.model, images[:3])


def test_priors_have_a_bar():
    tree = SegmentTree.from_nested({"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}})
    direct = np.linspace(-1, 2, tree.n_nodes)
    explanation = ContrastExplanation(
        tree,
        direct,
        target="a",
        foil="b",
        squared_distances=[1.0, 1.0 + 2 * direct.sum()],
        decision="linear",
        log_prior_odds=-0.75,
    )
    display = WaterfallDisplay(explanation).plot()
    *_, priors = display.steps()
    assert priors[:2] == ("priors", -0.75)
    assert_allclose(bars(display)[-1], [0, explanation.log_odds], atol=1e-12)
    assert "and priors -0.75 add up to" in display.alt_text
    assert display.alt_text.endswith("the log-odds.")
