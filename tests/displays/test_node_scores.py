"""Scores of nodes beside the tree."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn.displays import NodeScoreDisplay
from tests.explain.fitted import fitted_portraits
from tests.strategies import segment_trees

SCORES = {"sky": 0.5, "hair": 0.9, "skirt": 0.2, "person": 0.8}


def dots(display):
    """Positions of all dots: score by row, for filled and for hollow ones."""
    found = {"filled": {}, "hollow": {}}
    for line in display.ax_.lines:
        if line.get_marker() == "o":
            kind = "hollow" if line.get_markerfacecolor() == "white" else "filled"
            found[kind] |= dict(zip(np.asarray(line.get_ydata()).tolist(), line.get_xdata()))
    return found


def test_dots_stand_at_the_scores_in_reading_order(tree, plt):
    display = NodeScoreDisplay(tree, SCORES, baseline=0.5).plot()
    # photo, sky, person, hair, skirt: photo has no score, sky is not above the baseline
    found = dots(display)
    assert found == {"filled": {2: 0.8, 3: 0.9}, "hollow": {1: 0.5, 4: 0.2}}
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == ["photo", "sky", "person", "hair", "skirt"]
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts == ["no score", "0.5", "0.8", "0.9", "0.2"]
    low, high = display.ax_.get_xlim()
    assert low < 0.2 < 0.9 < high
    assert display.figure_ is display.ax_.figure


def test_branches_join_parents_and_children(tree, plt):
    display = NodeScoreDisplay(tree, SCORES).plot()
    branches = max(display.ax_.collections, key=lambda lines: len(lines.get_segments()))
    ends = {round(float(y), 2) for line in branches.get_segments() for _, y in line}
    # one vertical stroke from below photo (row 0) to person (2), one from person to skirt (4)
    assert {2.0, 4.0, 0.38, 2.38} <= ends
    assert len(branches.get_segments()) == 2 + 4


def test_takes_series_dicts_and_arrays(tree):
    array = [0.5, 0.9, 0.2, 0.8, 0.7]
    series = pd.Series(array, index=tree.paths)[::-1]
    for scores in (array, series, dict(zip(tree.names, array))):
        assert_allclose(NodeScoreDisplay(tree, scores).scores, array)


def test_alt_text_names_the_best_and_the_useless(tree):
    display = NodeScoreDisplay(tree, SCORES, baseline=0.5, baseline_name="chance", fmt=".0%")
    assert display.alt_text == (
        "Tree of 5 nodes with one score each, highest first: hair 90%, person 80%, sky 50% and "
        "skirt 20%. Not above the chance of 50%: sky and skirt. Without a score: photo."
    )


@pytest.mark.parametrize(
    ("scores", "error", "message"),
    [
        ([1.0, 2.0], ValueError, r"scores must have one entry per node, shape \(5,\)"),
        (["a"] * 5, TypeError, "scores must hold numbers"),
        ([np.inf] * 5, ValueError, "scores must be finite"),
        ({"sky": 1.0, "photo/sky": 2.0}, ValueError, "scores names 'photo/sky' twice"),
        ({"moon": 1.0}, (KeyError, ValueError), "moon"),
    ],
)
def test_wrong_scores_get_a_sentence(tree, scores, error, message):
    with pytest.raises(error, match=message):
        NodeScoreDisplay(tree, scores)


def test_wrong_baseline(tree):
    with pytest.raises(ValueError, match="baseline must be a number, got nan"):
        NodeScoreDisplay(tree, SCORES, baseline=float("nan"))


def test_from_estimator_shows_the_classifiers_scores(plt):
    model, _, target = fitted_portraits()
    for estimator in (model, model[-1]):
        display = NodeScoreDisplay.from_estimator(estimator, target)
        assert_allclose(display.scores, model[-1].node_scores_)
        assert display.baseline == max(np.unique(target, return_counts=True)[1]) / len(target)
    assert "largest class" in display.alt_text


@settings(max_examples=12, deadline=None)
@given(segment_trees(max_leaves=6), st.integers(0, 2**32 - 1))
def test_every_tree_gets_one_row_per_node(tree, seed):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    scores = np.random.default_rng(seed).normal(size=len(tree))
    display = NodeScoreDisplay(tree, scores).plot()
    found = dots(display)
    assert len(found["filled"]) + len(found["hollow"]) == len(tree)
    assert len(found["filled"]) == (scores > 0).sum()
    plt.close("all")
