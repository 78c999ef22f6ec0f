"""From part ids to leaves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.parts import PartLookup
from hierseg_learn.tree import SegmentTree
from tests.strategies import segment_trees


@given(tree=segment_trees(), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_against_a_loop(tree, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, tree.n_leaves, size=(4, 5)).astype(np.int32)
    expected = [[-1 if k < 0 else tree.leaf_values.index(k) for k in row] for row in labels]
    leaves = PartLookup(tree).to_leaves(labels, 0)
    np.testing.assert_array_equal(leaves, expected)
    assert leaves.dtype == np.int32


def test_several_ids_form_one_part():
    lookup = PartLookup(SegmentTree.from_nested({"photo": {"a": [9, 2_000_000], "b": 0}}))
    np.testing.assert_array_equal(
        lookup.to_leaves(np.array([[0, 9, 2_000_000, -1]]), 0), [[1, 0, 0, -1]]
    )
    assert lookup.part_ids.tolist() == [0, 9, 2_000_000]


@pytest.mark.parametrize("strange", [1, 10, -2])
def test_unknown_id_names_image_and_known_ids(strange):
    lookup = PartLookup(SegmentTree.from_nested({"photo": {"a": 0, "b": 9}}))
    with pytest.raises(ValueError, match=f"image 17 of X holds part id {strange}, .* knows 0, 9"):
        lookup.to_leaves(np.array([[0, strange]]), 17)


@pytest.mark.parametrize(
    ("tree", "error", "message"),
    [
        (("photo", ["a", "b"]), ValueError, "gives its leaves no part ids"),
        ({"photo": {"a": 1, "b": [2, 1]}}, ValueError, "part id 1 to 'photo/a' and to 'photo/b'"),
        ({"photo": {"a": "x"}}, TypeError, "got 'x' for 'photo/a'"),
        ({"photo": {"a": True}}, TypeError, "got True"),
        ({"photo": {"a": -1}}, TypeError, "got -1"),
        ({"photo": {"a": 0.0}}, TypeError, "got 0.0"),
    ],
)
def test_wrong_trees(tree, error, message):
    with pytest.raises(error, match=message):
        PartLookup(SegmentTree.from_nested(tree))


def test_layers_by_hand():
    layers = {"layout": {"left": [0, 1], "right": [2, 3]}, "parts": {"sky": [0, 2], "sea": [1, 3]}}
    assert PartLookup(SegmentTree.from_nested({"photo": layers})).n_layers == 2


@pytest.mark.parametrize("order", [("head", "body"), ("body", "head")])
def test_an_id_that_comes_twice_is_a_mistake_in_any_order(order):
    children = {"head": {"hair": 1, "skin": 2}, "body": {"arm": 2}}
    tree = SegmentTree.from_nested({"person": {name: children[name] for name in order}})
    with pytest.raises(ValueError, match="gives part id 2 to"):
        PartLookup(tree)
