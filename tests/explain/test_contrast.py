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
from hierseg_learn.tree import SegmentTree
from tests.explain.games import node_deltas, quadratic_worths, shapley_values
from tests.strategies import segment_trees

# sky, hair, skirt, person, photo
OWN = [1.0, 6.0, -2.0, 1.0, 0.0]
SIDES = {"target": "cat", "foil": "dog", "squared_distances": [2.0, 8.0]}


@pytest.fixture
def contrast(tree):
    return ContrastExplanation(tree, OWN, present=[1, 1, 0, 1, 1], name="photo 3", **SIDES)


@st.composite
def contrasts(draw):
    tree = draw(segment_trees(any_order=True))
    direct = draw(st.lists(st.integers(-50, 50), min_size=len(tree), max_size=len(tree)))
    near = draw(st.integers(0, 20)) + max(0, -sum(direct))
    sides = {**SIDES, "squared_distances": [near, near + sum(direct)]}
    return ContrastExplanation(tree, direct, **sides)


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
    direct = np.zeros(tree.n_nodes)
    for sign, rows, votes in zip((-1, 1), sides, weights):
        phi = node_contributions(L, x - rows, column_nodes, tree.n_nodes)
        direct += sign * votes @ phi
        for row, vote, values in zip(rows, votes, phi):
            worths = quadratic_worths(L, node_deltas(x - row, column_nodes, tree.n_nodes))
            assert_allclose(values, shapley_values(worths), atol=1e-10 * max(1, worths[-1]))
            expected += sign * vote * worths
    assert_allclose(direct, shapley_values(expected), atol=1e-10 * max(1, np.abs(expected).max()))
    assert_allclose(direct.sum(), expected[-1], atol=1e-10)


@settings(max_examples=50, deadline=None)
@given(contrasts())
def test_numbers(explanation):
    tree, direct = explanation.tree, explanation.direct
    assert_allclose(explanation.difference, direct.sum())
    assert_allclose(explanation.difference, np.diff(explanation.squared_distances)[0])
    sides = [np.maximum(sign * explanation.direct_share, 0).sum() for sign in (1, -1)]
    assert_allclose(max(sides), 1 if direct.any() else 0)
    assert (np.sign(explanation.direct_share) == np.sign(direct)).all()
    assert (np.abs(explanation.share) <= 1 + 1e-12).all()
    for node in tree.bottom_up():
        assert_allclose(explanation.total[node], direct[tree.subtree(node)].sum())
        below = explanation.direct_share[tree.subtree(node)].sum()
        assert_allclose(explanation.share[node], below, atol=1e-12)
    frame = explanation.to_frame()
    assert list(frame.columns) == ["direct", "total", "share", "present"]
    assert frame.index.tolist() == list(tree.paths)


@settings(max_examples=25, deadline=None)
@given(contrasts())
def test_swapping_the_classes_swaps_the_signs(explanation):
    swapped = ContrastExplanation(
        explanation.tree,
        -explanation.direct,
        target="dog",
        foil="cat",
        squared_distances=explanation.squared_distances[::-1],
    )
    assert_allclose(swapped.share, -explanation.share)
    if explanation.difference:
        closer = explanation.to_text().splitlines()[1]
        assert closer.startswith("The sample is closer to ")
        assert closer == swapped.to_text().splitlines()[1]


def test_words(contrast):
    assert contrast.to_text().splitlines() == [
        "photo 3: why 'cat' rather than 'dog'? Because of hair (75%) and sky (12%); "
        "against it: skirt (25%).",
        "photo 3 is closer to 'cat' than to 'dog' (squared distances 2 and 8).",
        "All that speaks for 'cat' is 100%; what speaks against it is 25% of that.",
        "photo 3 lacks skirt.",
        "",
        "difference 6    for  against       direct",
        "photo          100%      25%           0%",
        "├── sky         12%       0%          12%",
        "└── person      88%      25%          12%",
        "    ├── hair    75%       0%          75%",
        "    └── skirt    0%      25%  25% against  missing",
    ]
    assert "Because of hair (75%); against it: skirt" in contrast.to_text(max_nodes=1)


def test_words_of_a_class_that_is_farther(tree):
    sides = {**SIDES, "squared_distances": [9.0, 4.0]}
    lines = ContrastExplanation(tree, [1, 0, -6, 0, 0], **sides).to_text().splitlines()
    assert lines[:3] == [
        "Why 'cat' rather than 'dog'? For it: sky (17%); against it, stronger: skirt (100%).",
        "The sample is closer to 'dog' than to 'cat' (squared distances 4 and 9).",
        "All that speaks against it is 100%; what speaks for 'cat' is 17% of that.",
    ]
    lines = ContrastExplanation(tree, [0, 0, -3, -2, 0], **sides).to_text().splitlines()
    assert lines[0] == (
        "Why 'cat' rather than 'dog'? Nothing speaks for it; "
        "against it: skirt (60%) and person as a whole (40%)."
    )


def test_words_of_no_difference(tree):
    sides = {**SIDES, "squared_distances": [3.0, 3.0]}
    text = ContrastExplanation(tree, np.zeros(5), **sides).to_text()
    assert "as close to 'cat' as to 'dog' (squared distance 3)" in text
    assert "All contributions are 0" in text
    canceling = ContrastExplanation(tree, [1, -1, 0, 0, 0], **sides)
    assert canceling.direct_share.tolist() == [1, -1, 0, 0, 0]
    assert "For it: sky (100%); against it, equally strong: hair (100%)." in str(
        canceling.to_text()
    )


def test_words_of_one_node_and_of_many():
    one = SegmentTree.from_nested({"all": 0})
    sides = {"target": 3, "foil": 4, "squared_distances": [1.0, 3.0]}
    text = ContrastExplanation(one, [2.0], **sides).to_text()
    assert text.startswith("Why class 3 rather than class 4? The tree has a single node")
    many = SegmentTree.from_nested({"photo": {f"cell{i}": i for i in range(400)}})
    text = ContrastExplanation(many, [*[0.005] * 400, 0.0], **sides).to_text()
    assert "Because of many nodes, most of all cell0 (<1%)." in text


def test_plain_values_and_pickles(contrast, tree):
    plain = contrast.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["target"], plain["foil"], plain["difference"]) == ("cat", "dog", 6.0)
    assert plain["nodes"][2]["present"] is False
    assert plain["nodes"][3] == {
        "path": "photo/person",
        "direct": 1.0,
        "total": 5.0,
        "share": 0.625,
        "present": True,
    }
    assert pickle.loads(pickle.dumps(contrast)).to_dict() == plain
    sides = {**SIDES, "target": np.int64(3), "target_neighbors": [4, 5]}
    numbered = ContrastExplanation(tree, OWN, **sides).to_dict()
    assert (numbered["target"], numbered["target_neighbors"]) == (3, [4, 5])
    assert numbered["nodes"][0]["present"] is None
    json.dumps(numbered)


def test_a_difference_has_no_distance(contrast):
    assert contrast.value == contrast.difference == 6
    assert not hasattr(contrast, "distance")
    assert not hasattr(contrast, "squared_distance")


def test_notebook_and_repr(contrast):
    html = contrast._repr_html_()
    assert html.count("<tr>") == 6
    assert "25% against" in html
    assert "missing" in html
    assert "squared distances 2 to &#x27;cat&#x27; and 8 to &#x27;dog&#x27;" in html
    assert repr(contrast) == (
        "ContrastExplanation(photo 3: 'cat' rather than 'dog': difference 6, "
        "hair (75%) for, sky (12%) for, skirt (25%) against)"
    )


def test_notebook_escapes_names(tree):
    sides = {**SIDES, "target": "<b>"}
    html = ContrastExplanation(tree, OWN, name="x<y", **sides)._repr_html_()
    assert "<b>" not in html
    assert "x<y" not in html


def test_bars(contrast, plt):
    ax = contrast.plot()
    lengths = sorted(bar.get_width() for bar in ax.patches)
    assert_allclose(lengths, sorted([*contrast.direct_share, 1, 0.875, -0.25, -0.25]))
    assert ax.get_xlabel() == "share:  ← 'dog'  |  'cat' →"
    assert ax.get_title(loc="left") == "photo 3: why 'cat' rather than 'dog'?"
    ax.figure.canvas.draw()
    right = ax.get_window_extent().x1
    assert all(text.get_window_extent().x1 <= right + 1 for text in ax.texts)
    assert not [label for label in ax.get_xticklabels() if label.get_text().startswith("−")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direct": [1.0] * 4}, r"direct must have shape \(5,\), got shape \(4,\)"),
        ({"direct": [9.0] * 5}, r"direct must sum to .* = 6, got 45"),
        ({"squared_distances": [1.0]}, r"squared_distances must have shape \(2,\)"),
        ({"squared_distances": [np.nan, 1.0]}, "squared_distances must hold finite numbers"),
        ({"present": [1, 0]}, r"present must have shape \(5,\)"),
        ({"target_neighbors": [[1]]}, r"target_neighbors must have shape \(n_neighbors,\)"),
        (
            {"decision": "rows"},
            "decision must be 'neighbors', 'prototypes' or 'linear', got",
        ),
    ],
)
def test_wrong_input(tree, changes, message):
    with pytest.raises(ValueError, match=message):
        ContrastExplanation(tree, **{"direct": OWN, **SIDES, **changes})


@pytest.mark.parametrize("max_nodes", [0, True, 1.5])
def test_wrong_number_of_nodes(contrast, max_nodes):
    with pytest.raises(ValueError, match="max_nodes must be an integer of at least 1"):
        contrast.to_text(max_nodes)
