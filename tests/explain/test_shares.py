"""Shares: each side adds up, nothing is above 100%, and nothing that is written has a sign."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn.displays import SegmentContributionDisplay, WaterfallDisplay
from hierseg_learn.explain import (
    ClassExplanation,
    ContrastExplanation,
    ModelExplanation,
    PairExplanation,
    VotesExplanation,
)
from hierseg_learn.explain.words import both_sides, share_text, sides_text, signed_shares
from hierseg_learn.report._report import html_tree
from tests.explain.games import voted
from tests.strategies import segment_trees

PERCENT = re.compile(r"(\S?)(\d+(?:\.\d+)?)%(?! of the vote)")


def every_kind(tree, direct):
    """One explanation of every kind that can have these contributions."""
    direct = np.asarray(direct, dtype=float)
    squared = [max(-direct.sum(), 0.0), max(direct.sum(), 0.0)]
    contrast = ContrastExplanation(tree, direct, target="a", foil="b", squared_distances=squared)
    scores = np.append(np.zeros(2**tree.n_nodes - 1), direct.sum())
    prediction = voted(
        tree,
        [direct],
        prediction="a",
        classes=["a", "b"],
        proba=[1, 0],
        neighbors=[3],
        neighbor_classes=["a"],
        vote_weights=[1],
        contrast=contrast,
    )
    return [
        PairExplanation(tree, direct),
        contrast,
        prediction,
        ClassExplanation(tree, [direct, -direct / 2], label="a", rows=[0, 1]),
        ModelExplanation(tree, [direct, direct[::-1]]),
        VotesExplanation(
            tree,
            direct,
            label="a",
            scores=scores,
            players=np.arange(tree.n_nodes),
            removal="ablate",
        ),
    ]


@st.composite
def cases(draw):
    tree = draw(segment_trees(max_leaves=5, any_order=True))
    numbers = st.lists(st.integers(-60, 100), min_size=len(tree), max_size=len(tree))
    return tree, np.array(draw(numbers)) / 100


@settings(max_examples=25, deadline=None)
@given(cases())
def test_the_stronger_side_adds_up_and_no_node_is_above_it(case):
    tree, direct = case
    shares = signed_shares(direct, direct)
    pro, contra = both_sides(tree, shares)
    assert_allclose(max(pro[tree.root], contra[tree.root]), 1 if direct.any() else 0)
    for side in (pro, contra):
        assert (side >= 0).all()
        assert (side <= 1 + 1e-12).all()
        for node in range(tree.n_nodes):
            children = side[list(tree.children(node))].sum()
            assert side[node] >= children - 1e-12
    total = np.array([direct[tree.subtree(node)].sum() for node in range(tree.n_nodes)])
    assert_allclose(pro - contra, signed_shares(total, direct), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(cases())
def test_what_is_written_is_no_more_than_all_and_has_no_sign(case):
    for explanation in every_kind(*case):
        texts = [
            explanation.to_text(),
            explanation._repr_html_(),
            repr(explanation),
            html_tree(explanation),
            WaterfallDisplay(explanation).alt_text,
            SegmentContributionDisplay(
                explanation, [np.zeros((2, 2))], [np.full((2, 2), -1)]
            ).alt_text,
        ]
        for text in texts:
            text = re.sub(r"<[^>]*>", " ", text)
            if isinstance(explanation, VotesExplanation):
                text = re.split(r"\.\s", text, maxsplit=1)[-1]  # probabilities are no shares here
            for before, number in PERCENT.findall(text):
                assert before not in ("-", "−", "+"), text
                assert float(number) <= 100, text


@settings(max_examples=25, deadline=None)
@given(cases())
def test_contributions_are_complete_in_units_of_distance(case):
    for explanation in every_kind(*case):
        if not isinstance(explanation, ModelExplanation):
            frame = explanation.to_frame()
            assert_allclose(frame["direct"].sum(), frame["total"].iloc[-1], atol=1e-9)
            assert_allclose(frame["direct"], explanation.direct, atol=1e-12)


@pytest.mark.parametrize(
    ("share", "text"), [(0.48, "48%"), (-0.15, "15% against"), (-1e-9, "<1% against"), (0.0, "0%")]
)
def test_the_other_side_has_a_word(share, text):
    assert share_text(share, ContrastExplanation._sides) == text


def test_both_sides_in_words():
    sides = PairExplanation._sides
    assert sides_text(1.0, 0.13, sides) == "100% apart, 13% closer"
    assert sides_text(0.0, 0.13, sides) == "13% closer"
    assert sides_text(0.3, 0.0, sides) == "30% apart"
    assert sides_text(0.0, 0.0, sides) == "0% apart"


def test_small_shares_are_escaped(tree):
    for explanation in every_kind(tree, [1.0, 0.001, -0.001, 0.5, 0.0]):
        for html in (explanation._repr_html_(), html_tree(explanation)):
            assert "<1%" not in html
            assert "&lt;1%" in html
