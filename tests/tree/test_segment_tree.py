"""The tree itself: invariants, walks, sums, look-up, identity."""

import copy
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone

from hierseg_learn.tree import SegmentTree
from tests.strategies import segment_trees

#         photo 6
#        /       \
#   background 0  person 5
#                /     \
#             head 3   skin 4
#            /    \
#        hair 1  eyes 2
PORTRAIT = {"photo": {"background": 7, "person": {"head": {"hair": 1, "eyes": [2, 3]}, "skin": 4}}}

quick = settings(deadline=None, max_examples=50)
trees = segment_trees(max_leaves=8, any_order=True)


@pytest.fixture
def tree():
    return SegmentTree.from_nested(PORTRAIT)


def below_by_walking_up(tree, node):
    """Members of a subtree, found independently of `subtree`: those whose way up passes `node`."""
    members = []
    for start in range(tree.n_nodes):
        at = start
        while at not in (node, tree.root):
            at = int(tree.parents[at])
        if at == node:
            members.append(start)
    return members


def test_hand_drawn_tree(tree):
    assert tree.names == ("background", "hair", "eyes", "head", "skin", "person", "photo")
    assert tree.parents.tolist() == [6, 3, 3, 5, 5, 6, 6]
    assert tree.parents.dtype == np.intp
    assert tree.leaf_values == (7, 1, (2, 3), 4)
    assert (tree.n_nodes, tree.n_leaves, tree.root, tree.root_name) == (7, 4, 6, "photo")
    assert len(tree) == 7
    assert tree.leaves.tolist() == [0, 1, 2, 4]
    assert tree.is_leaf.tolist() == [True, True, True, False, True, False, False]
    assert tree.depths.tolist() == [1, 3, 3, 2, 2, 1, 0]
    assert tree.paths[2] == "photo/person/head/eyes"
    assert tree.children("person") == (3, 4)
    assert tree.children("hair") == ()
    assert tree.subtree("person").tolist() == [1, 2, 3, 4, 5]
    assert tree.ancestors("hair").tolist() == [3, 5, 6]
    assert tree.ancestors("photo").tolist() == []
    assert [level.tolist() for level in tree.levels()] == [[6], [0, 5], [3, 4], [1, 2]]
    assert list(tree.bottom_up()) == [0, 1, 2, 3, 4, 5, 6]
    assert repr(tree) == "SegmentTree(root='photo', n_nodes=7, n_leaves=4)"


def test_one_node_is_root_and_leaf():
    tree = SegmentTree(["image"], [0])
    assert (tree.n_nodes, tree.n_leaves, tree.root) == (1, 1, 0)
    assert tree.is_leaf.all()
    assert tree.subtree(0).tolist() == [0]
    assert tree.ancestors(0).size == 0
    assert tree.sum_up([[2.0, 3.0]]).tolist() == [[2.0, 3.0]]
    assert tree.to_nested() == {"image": None}


@quick
@given(trees)
def test_invariants(tree):
    ids = np.arange(tree.n_nodes)
    assert (tree.parents[:-1] > ids[:-1]).all()
    assert tree.parents[-1] == tree.root == tree.n_nodes - 1
    assert len(set(tree.paths)) == tree.n_nodes
    assert tree.paths == tuple(tree.path(node) for node in tree.bottom_up())
    assert [tree.index(path) for path in tree.paths] == ids.tolist()
    assert tree.depths.tolist() == [path.count("/") for path in tree.paths]
    assert sorted(np.concatenate(tree.levels()).tolist()) == ids.tolist()
    assert tree.leaves.tolist() == [i for i in ids if not tree.children(i)]
    for node in ids:
        assert tree.subtree(node).tolist() == below_by_walking_up(tree, node)
        assert all(node in tree.subtree(above) for above in tree.ancestors(node))
        assert tree.ancestors(node).size == tree.depths[node]
        assert all(tree.parents[child] == node for child in tree.children(node))


@quick
@given(trees)
def test_short_names_resolve_only_where_unique(tree):
    for node, name in enumerate(tree.names):
        if name == tree.root_name:
            assert tree.index(name) == tree.root
        elif Counter(tree.names)[name] == 1:
            assert tree.index(name) == node
        else:
            with pytest.raises(ValueError, match="is not unique; give the path, one of"):
                tree.index(name)


@quick
@given(trees, st.data())
def test_sum_up_is_the_sum_over_the_leaves_below(tree, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shape = [3, tree.n_leaves, 2]
    axis = data.draw(st.sampled_from([0, 1, 2, -1, -2, -3]))
    shape[1], shape[axis] = 2, tree.n_leaves
    values = rng.integers(-5, 6, shape)
    sums = tree.sum_up(values, axis=axis)
    for node in tree.bottom_up():
        positions = np.flatnonzero(np.isin(tree.leaves, below_by_walking_up(tree, node)))
        expected = np.take(values, positions, axis).sum(axis)
        np.testing.assert_array_equal(np.take(sums, node, axis), expected)


@quick
@given(trees)
def test_sum_up_of_floats(tree):
    values = np.random.default_rng(0).normal(size=(4, tree.n_leaves, 3))
    sums = tree.sum_up(values)
    assert sums.flags.c_contiguous
    np.testing.assert_array_equal(sums[:, tree.leaves], values)
    np.testing.assert_allclose(sums[:, tree.root], values.sum(axis=1), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(tree.sum_up(values[1]), sums[1])


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [(bool, np.int64), (np.uint8, np.uint64), (np.int16, np.int64), ("f4", "f4"), ("f8", "f8")],
)
def test_sum_up_dtype_follows_numpy_sum(tree, given_dtype, expected):
    values = np.ones((4, 1), dtype=given_dtype)
    values.flags.writeable = False
    sums = tree.sum_up(values)
    assert sums.dtype == expected
    assert sums[:, 0].tolist() == [1, 1, 1, 2, 1, 3, 4]
    assert values.tolist() == np.ones((4, 1)).tolist()


@pytest.mark.parametrize(
    ("values", "axis", "error", "message"),
    [
        (np.ones((3, 2)), -2, ValueError, r"one entry per leaf, 4 along axis -2, got shape \(3, 2"),
        (np.ones(4), -2, ValueError, r"values of shape \(4,\) have no axis -2"),
        (np.ones((4, 2)), 2, ValueError, r"values of shape \(4, 2\) have no axis 2"),
        (["a", "b", "c", "d"], -1, TypeError, "values must be numbers"),
    ],
)
def test_sum_up_wrong_input(tree, values, axis, error, message):
    with pytest.raises(error, match=message):
        tree.sum_up(values, axis=axis)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("hiar", ValueError, r"No node is named 'hiar'; did you mean 'hair'\?"),
        ("zzz", ValueError, "No node is named 'zzz'; known names are 'background', 'hair'"),
        ("photo/person/skim", ValueError, r"'photo/person' has no child 'skim'; did you mean 'ski"),
        ("photo/person/skin/x", ValueError, "'photo/person/skin' has no child 'x'; it is a leaf"),
        ("person/skin", ValueError, "paths start at the root 'photo'"),
        (7, ValueError, "Node ids go from 0 to 6, got 7"),
        (-1, ValueError, "Node ids go from 0 to 6, got -1"),
        (True, TypeError, "by its id, path or name, got True of type bool"),
        (1.0, TypeError, "by its id, path or name, got 1.0 of type float"),
    ],
)
def test_index_wrong_input(tree, key, error, message):
    with pytest.raises(error, match=message):
        tree.index(key)


def test_index_lists_candidates_of_an_ambiguous_name():
    tree = SegmentTree.from_nested({"boy": {"left": {"arm": 0}, "right": {"arm": 1, "boy": 2}}})
    with pytest.raises(ValueError, match=r"'arm' is not unique.*'boy/left/arm', 'boy/right/arm'"):
        tree.index("arm")
    assert tree.index("boy") == tree.root
    assert tree.index(np.int32(0)) == 0


@quick
@given(trees, trees)
def test_identity(tree, other):
    for twin in (
        pickle.loads(pickle.dumps(tree)),
        copy.copy(tree),
        copy.deepcopy(tree),
        SegmentTree(tree.names, tree.parents, tree.leaf_values),
    ):
        assert twin == tree
        assert hash(twin) == hash(tree)
        assert twin.paths == tree.paths
    assert (tree == other) == (
        (tree.names, tree.parents.tolist(), tree.leaf_values)
        == (other.names, other.parents.tolist(), other.leaf_values)
    )
    assert tree != tree.paths


def test_leaf_values_count_for_equality(tree):
    bare = SegmentTree(tree.names, tree.parents)
    assert bare.leaf_values is None
    assert bare != tree
    assert bare == SegmentTree(tree.names, tree.parents, [None] * 4)
    assert len({tree, bare, SegmentTree.from_nested(PORTRAIT)}) == 2


def test_immutable(tree):
    with pytest.raises(AttributeError, match="immutable: 'names' cannot be set"):
        tree.names = ()
    with pytest.raises(AttributeError, match="immutable: 'extra' cannot be set"):
        tree.extra = 1
    with pytest.raises(AttributeError, match="immutable: 'parents' cannot be deleted"):
        del tree.parents
    for array in (tree.parents, tree.leaves, tree.is_leaf, tree.depths):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_input_is_neither_kept_nor_changed():
    parents, columns = np.array([2, 2, 2]), [1, 2]
    tree = SegmentTree(["a", "b", "c"], parents, [columns, np.array([3, 4])])
    parents[0] = 1
    columns.append(5)
    assert tree.parents.tolist() == [2, 2, 2]
    assert tree.leaf_values == ((1, 2), (3, 4))
    assert tree.to_nested() == {"c": {"a": [1, 2], "b": [3, 4]}}


def test_is_a_parameter_like_any_other(tree):
    class Estimator(BaseEstimator):
        def __init__(self, tree=None):
            self.tree = tree

    cloned = clone(Estimator(tree=tree))
    assert cloned.tree == tree
    assert "SegmentTree" in repr(cloned)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["a", "b", "c"], [1, 0, 2]), ValueError, "parents holds a cycle of 2 nodes: a -> b -> a"),
        ((["a", "b", "c"], [1, 2, 0]), ValueError, "cycle of 3 nodes: a -> b -> c -> a"),
        ((["a", "b", "c"], [1, 1, 2]), ValueError, "one root.*own parents: 'b', 'c'"),
        ((["a", "b"], [0, 0]), ValueError, r"node 1 \('b'\) comes after its parent 0 \('a'\)"),
        ((["a", "b"], [1, 2]), ValueError, r"parents\[1\] is 2, but node ids go from 0 to 1"),
        ((["a", "b"], [1, -1]), ValueError, r"parents\[1\] is -1, .*root is its own parent"),
        ((["a", "b"], [1]), ValueError, "parents has 1 entries, but names has 2"),
        ((["a", "b"], [1.0, 1.0]), TypeError, "parents must be a 1-D array of integers"),
        ((["a", "b"], [[1, 1]]), TypeError, "parents must be a 1-D array of integers"),
        (([], []), ValueError, "names is empty"),
        (("ab", [1, 1]), TypeError, "got the single string 'ab'"),
        ((["a", "a", "b"], [2, 2, 2]), ValueError, "'b' has two children named 'a'"),
        ((["a", ""], [1, 1]), ValueError, r"must not be empty, got '' at names\[1\]"),
        ((["a", " "], [1, 1]), ValueError, "must not be empty, got ' '"),
        ((["a", "b\nc"], [1, 1]), ValueError, r"must not hold a line break, got 'b\\nc'"),
        ((["a", 3], [1, 1]), TypeError, r"must be a string, got 3 of type int at names\[1\]"),
        ((["a", "b"], [1, 1], [1, 2]), ValueError, "leaf_values has 2 entries, .* has 1 leaves"),
        ((["a", "b"], [1, 1], "x"), TypeError, "leaf_values must be a sequence"),
        ((["a", "b"], [1, 1], [[]]), ValueError, "Node 'a' is empty"),
        ((["a", "b"], [1, 1], [{"x": 1}]), TypeError, "leaf 'a' must not be a dict"),
    ],
)
def test_constructor_wrong_input(arguments, error, message):
    with pytest.raises(error, match=message):
        SegmentTree(*arguments)


def test_remarks_are_carried_along_and_do_not_count():
    tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": [1, 2]}})
    remarked = tree.with_remark("Masks are rough.")
    assert (tree.remark, remarked.remark) == ("", "Masks are rough.")
    assert remarked == tree
    assert hash(remarked) == hash(tree)
    for same in (pickle.loads(pickle.dumps(remarked)), copy.deepcopy(remarked)):
        assert same == tree
        assert same.remark == remarked.remark
