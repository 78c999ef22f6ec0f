"""Bars of contributions."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose

from hierseg_learn.explain import PairExplanation
from tests.strategies import segment_trees


def labels_of(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_one_bar_per_node_and_one_per_inner_node(pair, plt):
    ax = pair.plot()
    assert labels_of(ax) == ["photo", "sky", "person", "hair", "skirt"]
    below, direct = ax.containers
    assert_allclose([bar.get_width() for bar in direct], [0.1, 0.1, 0.1, 0.2, 0.5])
    assert_allclose([bar.get_width() for bar in below], [1.0, 0.8])
    assert [text.get_text() for text in ax.texts] == [
        "100%, direct 10%",
        "10%",
        "80%, direct 10%",
        "20%",
        "50%",
    ]
    # A leaf's row is a step further out than that of its parent.
    x = {
        label.get_text(): tick.get_pad()
        for label, tick in zip(ax.get_yticklabels(), ax.yaxis.get_major_ticks())
    }
    assert x["photo"] > x["person"] > x["hair"] == x["skirt"]


def test_given_axes_are_used(pair, prediction, plt):
    _, (left, right) = plt.subplots(1, 2)
    assert pair.plot(left) is left
    assert prediction.plot(ax=right) is right
    assert right.get_title(loc="left") == "How the sample differs from its nearest neighbors"


def test_negative_bars_differ_in_color_and_hatch(tree, plt):
    ax = PairExplanation(tree, [3.0, -1.0, 1.0, 0.0, 1.0]).plot()
    bars = dict(zip(labels_of(ax), ax.containers[-1]))
    assert bars["hair"].get_hatch()
    assert not bars["sky"].get_hatch()
    assert bars["hair"].get_facecolor() != bars["sky"].get_facecolor()


def test_missing_parts_are_marked(tree, plt):
    ax = PairExplanation(
        tree, np.ones(5), present_a=[1, 1, 0, 1, 1], present_b=[1, 1, 1, 1, 1]
    ).plot()
    assert "skirt (only b)" in labels_of(ax)


@settings(max_examples=15, deadline=None)
@given(segment_trees())
def test_any_tree_can_be_drawn(tree):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    for direct in (np.arange(float(len(tree))), np.zeros(len(tree))):
        ax = PairExplanation(tree, direct, name_a="c$o$st", name_b="x_$").plot()
        ax.figure.canvas.draw()
        assert sorted(labels_of(ax)) == sorted(tree.names)
        assert len(ax.containers[-1]) == len(tree)
        plt.close(ax.figure)


def test_without_matplotlib(pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(
        ImportError,
        match=r"PairExplanation.plot needs matplotlib: pip install 'hierseg-learn\[plot\]'",
    ):
        pair.plot()
