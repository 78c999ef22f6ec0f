"""Reading trees from column names and giving every column to a node."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierseg_learn import SegmentTree
from hierseg_learn.table.layout import column_name, read_layout, split_column
from tests.strategies import segment_trees

NAMES = ["photo/sky|area", "photo|area", "photo/sea/boat|area", "photo/sky|presence"]


def columns_by_path(layout):
    return dict(zip(layout.tree.paths, (c.tolist() for c in layout.columns), strict=True))


def test_names_give_the_tree_and_missing_nodes_are_implied():
    expected = {
        "photo/sky": [0, 3],
        "photo/sea/boat": [2],
        "photo/sea": [],
        "photo": [1],
    }
    assert columns_by_path(read_layout("auto", NAMES, 4)) == expected
    assert columns_by_path(read_layout("columns", NAMES, 4)) == expected


def test_names_without_a_path_are_a_tree_of_one_node():
    for names in (None, ["a", "b", "c"]):
        layout = read_layout("auto", names, 3)
        assert columns_by_path(layout) == {"table": [0, 1, 2]}


@given(segment_trees(any_order=True), st.randoms(use_true_random=False))
def test_columns_in_any_order_give_the_same_tree(tree, random):
    names = [column_name(path, f"d_{k}") for path in tree.paths for k in range(2)]
    random.shuffle(names)
    layout = read_layout("auto", names, len(names))
    assert set(layout.tree.paths) == set(tree.paths)
    for path, columns in columns_by_path(layout).items():
        assert columns == sorted(columns)
        assert [split_column(names[c]) for c in columns] == sorted(
            [(path, "d_0"), (path, "d_1")], key=lambda pair: names.index(column_name(*pair))
        )


@given(segment_trees(any_order=True), st.data())
def test_every_column_belongs_to_one_node(tree, data):
    owners = data.draw(st.lists(st.sampled_from(tree.paths), min_size=1, max_size=12))
    names = [column_name(path, f"d_{k}") for k, path in enumerate(owners)]
    layout = read_layout("auto", names, len(names))
    nodes = layout.column_nodes
    assert [layout.tree.paths[node] for node in nodes] == owners
    for node, columns in enumerate(layout.columns):
        assert np.flatnonzero(nodes == node).tolist() == columns.tolist()


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        ({"t": {"a": ["x", "z"], "b": "y"}}, ["x", "y", "z"]),
        ({"t": {"a": [2, 0], "b": 1}}, None),
        ({"t": {"a": [0, "z"], "b": ["y"]}}, ["x", "y", "z"]),
        ({"t": {"a": np.array([0, 2]), "b": np.int64(1)}}, ["x", "y", "z"]),
        (SegmentTree(["a", "b", "t"], [2, 2, 2], [["x", "z"], ["y"]]), ["x", "y", "z"]),
    ],
)
def test_a_nested_dict_names_columns_or_positions(tree, names):
    layout = read_layout(tree, names, 3)
    assert columns_by_path(layout) == {"t/a": [0, 2], "t/b": [1], "t": []}
    assert layout.column_nodes.tolist() == [0, 1, 0]


def test_a_nested_dict_wins_over_the_names():
    layout = read_layout({"t": {"a": [0, 1], "b": [2, 3]}}, NAMES, 4)
    assert columns_by_path(layout) == {"t/a": [0, 1], "t/b": [2, 3], "t": []}


@given(st.text("ab/ _", min_size=1, max_size=8), st.text("ab|_0", min_size=1, max_size=8))
def test_a_column_name_comes_apart_again(path, descriptor):
    assert split_column(column_name(path, descriptor)) == (path, descriptor)


@pytest.mark.parametrize(
    ("tree", "names", "error", "sentence"),
    [
        ("columns", None, ValueError, "tree='columns' needs a table with column names"),
        ("columns", ["a", "b"], ValueError, "got names without '|', such as 'a'"),
        ("auto", ["p|a", "b"], ValueError, "The column 'b' of X has no '|' in its name"),
        ("columns", ["a", "p|b"], ValueError, "The column 'a' of X has no '|' in its name"),
        ("auto", ["p|a", "q|a"], ValueError, "as 'photo/p|...': X.columns = 'photo/' + X.columns"),
        ("auto", ["s__p|a", "r__p|a"], ValueError, "pass verbose_feature_names_out=False to it"),
        ("auto", ["a__p/x|a", "b__q/x|a"], ValueError, "descriptors=[...]"),
        ({"t": {"a": 0, "b": 0}}, None, ValueError, "assigns column 0 to both 't/a' and 't/b'"),
        ({"t": {"a": ["x", "x"]}}, ["x", "y"], ValueError, "column 'x' to both 't/a' and 't/a'"),
        ({"t": {"a": "x"}}, ["x", "y"], ValueError, "leaves out 1 of the 2 columns of X, such as"),
        ({"t": {"a": 0}}, None, ValueError, "tree leaves out 1 of the 2 columns of X, such as 1"),
        ({"t": {"a": "w"}}, ["x", "y"], ValueError, "'w' for the node 't/a', but X has no such"),
        ({"t": {"a": "w"}}, None, ValueError, "column 'w' for the node 't/a', but X has no column"),
        ({"t": {"a": [0, 2]}}, None, ValueError, "column 2 to the node 't/a', but X has 2 columns"),
        (
            {"t": {"a": [0, -1]}},
            None,
            ValueError,
            "assigns column -1 to the node 't/a', but X has 2",
        ),
        ({"t": {"a": [0, 1.0]}}, None, TypeError, "names or positions in its leaves, got 1.0 for"),
        ({"t": {"a": [True]}}, None, TypeError, "names or positions in its leaves, got True for"),
        (
            {"t": {"a": 0}, "u": 1},
            None,
            ValueError,
            "below one, such as {'photo': {'t': ..., ...}}",
        ),
        (SegmentTree(["t"], [0]), None, ValueError, "tree has leaves without values"),
    ],
)
def test_wrong_trees_get_a_sentence(tree, names, error, sentence):
    with pytest.raises(error) as caught:
        read_layout(tree, names, 2)
    assert sentence in str(caught.value)


def test_names_with_separators_come_back_from_columns():
    tree = SegmentTree.from_nested({"photo": {"hair/beard": 0, "a|b": 1, "%7C": {"c": 2}}})
    layout = read_layout("columns", [column_name(path, "x|y/z") for path in tree.paths], 6)
    assert layout.tree.paths == tree.paths
    assert layout.tree.names == tree.names
    dictionary = {"photo": {"a/b": ["sky|area"], "c|d": [1]}}
    assert read_layout(dictionary, ["sky|area", "x"], 2).tree.names == ("a/b", "c|d", "photo")


def test_names_that_look_like_paths_do_not_pass_in_silence():
    names = ["person/head/hair", "person/head/eyes", "person/body"]
    with pytest.warns(UserWarning, match=r"'/' in their names.*'person/head\|hair'"):
        layout = read_layout("auto", names, 3)
    assert layout.tree.n_nodes == 1


@pytest.mark.parametrize(
    "names", [["a/b", "c"], ["od280/od315", "hue"], ["a/b", "c/d"], ["a", "b"], None]
)
def test_a_ratio_is_no_path(names, recwarn):
    read_layout("auto", names, 2)
    assert not recwarn.list
