"""Contrasts: numbers of either sign, shares, words, plain values, wrong input."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn.explain import ContrastExplanation
from hierseg_learn.metrics import node_contributions
from tests.explain.games import node_deltas, quadratic_worths, shapley_values
from tests.strategies import segment_trees

# sky, hair, skirt, person, photo
OWN = [1.0, 6.0, -2.0, 1.0, 0.0]
SIDES = {"target": "cat", "against": "dog", "squared_distances": [2.0, 8.0]}


@pytest.fixture
def contrast(tree):
    return ContrastExplanation(tree, OWN, present=[1, 1, 0, 1, 1], name="photo 3", **SIDES)


@st.composite
def contrasts(draw):
    tree = draw(segment_trees(any_order=True))
    own = draw(st.lists(st.integers(-50, 50), min_size=len(tree), max_size=len(tree)))
    near = draw(st.integers(0, 20)) + max(0, -sum(own))
    sides = {**SIDES, "squared_distances": [near, near + sum(own)]}
    return ContrastExplanation(tree, own, **sides)


@settings(max_examples=25, deadline=None)
@given(segment_trees(max_leaves=7), st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans())
def test_shapley_values_of_distances_and_of_contrasts(tree, seed, n_rows, wide):
    if tree.n_nodes > 12:
        return
    rng = np.random.default_rng(seed)
    column_nodes = rng.permutation(np.tile(np.arange(tree.n_nodes), 2))[: tree.n_nodes * (1 + wide)]
    L = rng.normal(size=(3, len(column_nodes)))
    x = rng.normal(size=len(column_nodes))
    sides = rng.normal(size=(2, n_rows, len(x)))
    weights = rng.dirichlet(np.ones(n_rows), size=2)
    expected = np.zeros(2**tree.n_nodes)
    own = np.zeros(tree.n_nodes)
    for sign, rows, votes in zip((-1, 1), sides, weights):
        phi = node_contributions(L, x - rows, column_nodes, tree.n_nodes)
        own += sign * votes @ phi
        for row, vote, values in zip(rows, votes, phi):
            worths = quadratic_worths(L, node_deltas(x - row, column_nodes, tree.n_nodes))
            assert_allclose(values, shapley_values(worths), atol=1e-10 * max(1, worths[-1]))
            expected += sign * vote * worths
    assert_allclose(own, shapley_values(expected), atol=1e-10 * max(1, np.abs(expected).max()))
    assert_allclose(own.sum(), expected[-1], atol=1e-10)


@settings(max_examples=50, deadline=None)
@given(contrasts())
def test_numbers(explanation):
    tree, own = explanation.tree, explanation.own
    assert_allclose(explanation.difference, own.sum())
    assert_allclose(explanation.difference, np.diff(explanation.squared_distances)[0])
    assert_allclose(np.abs(explanation.own_share).sum(), 1 if own.any() else 0)
    assert (np.sign(explanation.own_share) == np.sign(own)).all()
    assert (np.abs(explanation.share) <= 1 + 1e-12).all()
    for node in tree.bottom_up():
        assert_allclose(explanation.total[node], own[tree.subtree(node)].sum())
        below = explanation.own_share[tree.subtree(node)].sum()
        assert_allclose(explanation.share[node], below, atol=1e-12)
    frame = explanation.contributions
    assert list(frame.columns) == ["own", "total", "share", "present"]
    assert frame.index.tolist() == list(tree.paths)


@settings(max_examples=25, deadline=None)
@given(contrasts())
def test_swapping_the_classes_swaps_the_signs(explanation):
    swapped = ContrastExplanation(
        explanation.tree,
        -explanation.own,
        target="dog",
        against="cat",
        squared_distances=explanation.squared_distances[::-1],
    )
    assert_allclose(swapped.share, -explanation.share)
    if explanation.difference:
        assert explanation.to_text().splitlines()[0] == swapped.to_text().splitlines()[0]


def test_words(contrast, tree):
    assert contrast.to_text().splitlines() == [
        "photo 3 is closer to class cat than to class dog (squared distances 2 and 8).",
        "It is class cat rather than class dog mostly because of hair (60 %) and sky (10 %); "
        "skirt (−20 %) speaks against it.",
        "photo 3 lacks skirt.",
        "",
        "difference 6   share    own",
        "photo           60 %    0 %",
        "├── sky         10 %   10 %",
        "└── person      50 %   10 %",
        "    ├── hair    60 %   60 %",
        "    └── skirt  −20 %  −20 %  missing",
    ]
    assert "because of hair (60 %); skirt" in contrast.to_text(max_nodes=1)


def test_words_of_a_class_that_is_farther(tree):
    sides = {**SIDES, "squared_distances": [9.0, 4.0]}
    lines = ContrastExplanation(tree, [1, 0, -6, 0, 0], **sides).to_text().splitlines()
    assert lines[0] == (
        "The sample is closer to class dog than to class cat (squared distances 4 and 9)."
    )
    assert lines[1] == (
        "What speaks for class cat is sky (14 %); skirt (−86 %) speaks against it, "
        "and more strongly."
    )
    lines = ContrastExplanation(tree, [0, 0, -3, -2, 0], **sides).to_text().splitlines()
    assert lines[1] == (
        "Nothing speaks for class cat; skirt (−60 %) and person as a whole (−40 %) "
        "speak against it."
    )


def test_words_of_no_difference(tree):
    sides = {**SIDES, "squared_distances": [3.0, 3.0]}
    text = ContrastExplanation(tree, np.zeros(5), **sides).to_text()
    assert "as close to class cat as to class dog (squared distance 3)" in text
    assert "all contributions are 0" in text
    cancelling = ContrastExplanation(tree, [1, -1, 0, 0, 0], **sides)
    assert cancelling.own_share.tolist() == [0.5, -0.5, 0, 0, 0]


def test_plain_values_and_pickles(contrast, tree):
    plain = contrast.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["target"], plain["against"], plain["difference"]) == ("cat", "dog", 6.0)
    assert plain["nodes"][2]["present"] is False
    assert plain["nodes"][3] == {
        "path": "photo/person",
        "own": 1.0,
        "total": 5.0,
        "share": 0.5,
        "present": True,
    }
    assert pickle.loads(pickle.dumps(contrast)).to_dict() == plain
    sides = {**SIDES, "target": np.int64(3), "target_neighbors": [4, 5]}
    numbered = ContrastExplanation(tree, OWN, **sides).to_dict()
    assert (numbered["target"], numbered["target_neighbors"]) == (3, [4, 5])
    assert numbered["nodes"][0]["present"] is None
    json.dumps(numbered)


def test_a_difference_has_no_distance(contrast):
    assert contrast.squared_distance == contrast.difference == 6
    assert not hasattr(contrast, "distance")
    with pytest.raises(AttributeError, match="see `difference`"):
        _ = contrast.distance


def test_notebook_and_repr(contrast):
    html = contrast._repr_html_()
    assert html.count("<tr>") == 6
    assert "−20 %" in html
    assert "missing" in html
    assert "squared distances 2 to class cat and 8 to class dog" in html
    assert repr(contrast) == (
        "ContrastExplanation(photo 3: class cat rather than class dog: difference 6, "
        "hair (60 %), sky (10 %), skirt (−20 %))"
    )


def test_notebook_escapes_names(tree):
    sides = {**SIDES, "target": "<b>"}
    html = ContrastExplanation(tree, OWN, name="x<y", **sides)._repr_html_()
    assert "<b>" not in html
    assert "x<y" not in html


def test_bars(contrast, plt):
    ax = contrast.plot()
    lengths = sorted(bar.get_width() for bar in ax.patches)
    assert_allclose(lengths, sorted([*contrast.own_share, 0.6, 0.5]))
    assert ax.get_xlabel() == "share of all pulls:  ← class dog  |  class cat →"
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"own": [1.0] * 4}, r"own must have shape \(5,\), got shape \(4,\)"),
        ({"own": [9.0] * 5}, r"own must sum to .* = 6, got 45"),
        ({"squared_distances": [1.0]}, r"squared_distances must have shape \(2,\)"),
        ({"squared_distances": [np.nan, 1.0]}, "squared_distances must hold finite numbers"),
        ({"present": [1, 0]}, r"present must have shape \(5,\)"),
        ({"target_neighbors": [[1]]}, r"target_neighbors must have shape \(n_neighbors,\)"),
        ({"kind": "rows"}, "kind must be 'neighbors' or 'prototypes', got 'rows'"),
    ],
)
def test_wrong_input(tree, changes, message):
    with pytest.raises(ValueError, match=message):
        ContrastExplanation(tree, **{"own": OWN, **SIDES, **changes})


@pytest.mark.parametrize("max_nodes", [0, True, 1.5])
def test_wrong_number_of_nodes(contrast, max_nodes):
    with pytest.raises(ValueError, match="max_nodes must be an integer of at least 1"):
        contrast.to_text(max_nodes)
