"""Trees from nested specifications, paths and linkages, and back."""

import json
import re
from ast import literal_eval

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage, to_tree

from hierseg_learn.tree import SegmentTree
from tests.strategies import segment_trees

quick = settings(deadline=None, max_examples=50)


def as_pairs(name, content):
    """The form of pairs of a nested dict."""
    if not isinstance(content, dict):
        return name
    return (name, [as_pairs(*item) for item in content.items()])


@quick
@given(segment_trees())
def test_nested_round_trip(tree):
    nested = tree.to_nested()
    assert SegmentTree.from_nested(nested) == tree
    assert SegmentTree.from_nested(json.loads(json.dumps(nested))) == tree
    assert json.dumps(SegmentTree.from_nested(nested).to_nested()) == json.dumps(nested)


@quick
@given(segment_trees(any_order=True))
def test_nested_round_trip_keeps_paths_and_values_of_any_order(tree):
    back = SegmentTree.from_nested(tree.to_nested())
    assert sorted(back.paths) == sorted(tree.paths)
    values = dict(zip([tree.paths[i] for i in tree.leaves], tree.leaf_values))
    assert dict(zip([back.paths[i] for i in back.leaves], back.leaf_values)) == values


@quick
@given(segment_trees(min_leaves=2))
def test_pairs_give_the_same_tree_without_values(tree):
    [(name, content)] = tree.to_nested().items()
    bare = SegmentTree(tree.names, tree.parents)
    pairs = as_pairs(name, content)
    assert SegmentTree.from_nested(pairs) == bare
    assert SegmentTree.from_nested(json.loads(json.dumps(pairs))) == bare
    assert SegmentTree.from_nested(bare.to_nested()) == bare


@quick
@given(segment_trees(), st.randoms())
def test_paths_round_trip(tree, random):
    bare = SegmentTree(tree.names, tree.parents)
    assert SegmentTree.from_paths(tree.paths) == bare
    assert SegmentTree.from_paths([tree.paths[i] for i in tree.leaves]) == bare
    shuffled = list(tree.paths)
    random.shuffle(shuffled)
    assert sorted(SegmentTree.from_paths(shuffled).paths) == sorted(tree.paths)


@quick
@given(segment_trees())
def test_readers_store_subtrees_as_runs_of_ids(tree):
    for node in tree.bottom_up():
        below = tree.subtree(node)
        assert below.tolist() == list(range(node - len(below) + 1, node + 1))


def test_names_with_separators():
    tree = SegmentTree.from_nested({"photo": {"hair/beard": 0, "a|b": 1, "50%": 2, "%2F": 3}})
    assert tree.names[:4] == ("hair/beard", "a|b", "50%", "%2F")
    assert [path.removeprefix("photo/") for path in tree.paths[:4]] == [
        "hair%2Fbeard",
        "a%7Cb",
        "50%",
        "%252F",
    ]
    for node, (name, path) in enumerate(zip(tree.names, tree.paths)):
        assert tree.index(name) == tree.index(path) == node
    assert tree.index("hair%2Fbeard") == 0


def test_a_path_wins_over_a_name_that_looks_like_it():
    tree = SegmentTree.from_nested({"a": {"b": 0, "c": {"a/b": 1}}})
    assert tree.path("a/b") == "a/b"
    assert tree.path("a%2Fb") == "a/c/a%2Fb"


def test_paths_imply_nodes_and_keep_the_order_of_siblings():
    tree = SegmentTree.from_paths(["photo/person/hair", "photo/background", "photo"])
    assert tree.names == ("hair", "person", "background", "photo")
    assert tree.to_nested() == {"photo": {"person": {"hair": None}, "background": None}}
    assert SegmentTree.from_paths(["photo"]).names == ("photo",)


@quick
@given(st.integers(2, 12), st.integers(0, 50), st.sampled_from(["average", "ward", "single"]))
def test_linkage_holds_the_clusters_of_scipy(n, seed, method):
    Z = linkage(np.random.default_rng(seed).normal(size=(n, 2)), method)
    tree = SegmentTree.from_linkage(Z, root_name="photo")
    assert (tree.n_nodes, tree.n_leaves, tree.root_name) == (2 * n - 1, n, "photo")
    values = np.array(tree.leaf_values)
    assert [tree.names[i] for i in tree.leaves] == [f"part_{i}" for i in values]
    _, clusters = to_tree(Z, rd=True)
    for cluster in clusters[n:]:
        node = tree.root if cluster.id == 2 * n - 2 else tree.index(f"merge_{cluster.id - n}")
        below = values[np.isin(tree.leaves, tree.subtree(node))]
        # Equal in order as well: SciPy's walk is the reading order of the tree.
        assert below.tolist() == cluster.pre_order()


def test_linkage_with_names():
    Z = linkage([[0.0], [5.0], [6.0]])
    tree = SegmentTree.from_linkage(Z, ["sky", "sea", "sand"])
    assert tree.to_nested() == {"image": {"sky": 0, "merge_0": {"sea": 1, "sand": 2}}}


def test_depth_is_limited_by_memory_only():
    depth = 10_000
    nested, pairs = {"leaf": 5}, "leaf"
    for i in range(depth):
        nested, pairs = {f"n{i}": nested}, (f"n{i}", [pairs])
    tree = SegmentTree.from_nested(nested)
    assert tree.n_nodes == depth + 1
    assert tree.depths.tolist() == list(range(depth, -1, -1))
    assert SegmentTree.from_nested(tree.to_nested()) == tree
    assert SegmentTree.from_nested(pairs).names == tree.names
    assert tree.sum_up([[1.0]]).tolist() == [[1.0]] * (depth + 1)
    assert tree.subtree(tree.root).size == tree.ancestors(0).size + 1 == depth + 1
    assert tree.path(0).count("/") == depth
    with pytest.raises(ValueError, match=r"'…/n4/n3/n2/n1/n0' is empty"):
        SegmentTree.from_nested(_nest({"n0": {}}, depth))


def _nest(nested, depth):
    for i in range(1, depth):
        nested = {f"n{i}": nested}
    return nested


def test_a_structure_used_twice_is_no_cycle():
    hand = {"thumb": [1], "palm": [2]}
    tree = SegmentTree.from_nested({"boy": {"left": hand, "right": hand}})
    assert tree.n_leaves == 4
    assert tree.index("boy/right/palm") == 4
    fingers = ["thumb", "palm"]
    assert SegmentTree.from_nested(("boy", [("l", fingers), ("r", fingers)])).n_leaves == 4


def test_cycles_in_a_specification():
    head = {"hair": 0}
    head["again"] = {"head": head}
    with pytest.raises(ValueError, match="nested holds a cycle: 'photo/head/again/head' holds its"):
        SegmentTree.from_nested({"photo": {"head": head}})
    children = ["hair"]
    children.append(("again", children))
    with pytest.raises(ValueError, match="nested holds a cycle: 'photo/again' holds itself"):
        SegmentTree.from_nested(("photo", children))


@pytest.mark.parametrize(
    ("nested", "error", "message"),
    [
        ({"a": 0, "b": 1}, ValueError, "one root, .* got 2: 'a', 'b'"),
        ({}, ValueError, "nested is an empty dict"),
        ({"photo": {}}, ValueError, "Node 'photo' is empty: an inner node has at least one child"),
        ({"photo": {"a": 0, "b": {}}}, ValueError, "Node 'photo/b' is empty: an inner node"),
        ({"photo": {"a": []}}, ValueError, "Node 'a' is empty: a leaf holds"),
        ({"photo": {"": 0}}, ValueError, "must not be empty, got '' below 'photo'"),
        ({"photo": {"p/q": {"a\nb": 0}}}, ValueError, r"hold a line break.* below 'photo/p%2Fq'"),
        ({"photo": {0: "sky"}}, TypeError, "must be a string, got 0 of type int below 'photo'"),
        (("photo", []), ValueError, "Node 'photo' is empty"),
        (("photo", ["a", "b", "a"]), ValueError, "'photo' has two children named 'a'"),
        (("photo", ["a", ("b",)]), ValueError, "pair, got 1 item.* below 'photo'"),
        (
            ("photo", "sky"),
            TypeError,
            "children of 'photo' must be .* got 'sky' of type str",
        ),
        (("photo", {"sky": 0}), TypeError, "children of 'photo' must be a list"),
        (["photo", "sky", "sea"], ValueError, "pair, got 3 item.* at the top of nested"),
        ("photo", TypeError, "nested must be a dict such as .* got 'photo' of type str"),
        (None, TypeError, "nested must be a dict such as .* got None"),
    ],
)
def test_from_nested_wrong_input(nested, error, message):
    with pytest.raises(error, match=message):
        SegmentTree.from_nested(nested)


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        (["a/b", "a/c", "a/b"], ValueError, r"'a/b' comes again at paths\[2\]"),
        (["a//b"], ValueError, r"must not be empty, got '' in paths\[0\] = 'a//b'"),
        (["a/b|c"], ValueError, r"paths\[0\] = 'a/b\|c' holds '\|'.* '%7C'"),
        (["a", 1], TypeError, r"paths\[1\] must be a string or a list of names, got 1"),
        ("a/b", TypeError, "got the single string 'a/b'"),
        ([], ValueError, "paths is empty"),
    ],
)
def test_from_paths_wrong_input(paths, error, message):
    with pytest.raises(error, match=message):
        SegmentTree.from_paths(paths)


@pytest.mark.parametrize(
    ("Z", "message"),
    [
        ([[0, 1, 1, 2], [0, 2, 1, 3]], "Z joins cluster 0 more than once"),
        ([[0, 3, 1, 2], [1, 2, 1, 3]], r"Z\[0\] joins the clusters 0 and 3, .* are 0 to 2"),
        ([[0, -1, 1, 2]], r"Z\[0\] joins the clusters 0 and -1"),
        ([[0, 0.5, 1, 2]], r"Z\[0\] joins the clusters 0 and 0.5"),
        ([[0, np.nan, 1, 2]], r"Z\[0\] joins the clusters 0 and nan"),
        ([[0, 1, 1]], r"shape \(n_observations - 1, 4\) .* got shape \(1, 3\)"),
        (np.zeros((0, 4)), "Z has no rows"),
        ([["a", "b", "c", "d"]], "must be a linkage"),
    ],
)
def test_from_linkage_wrong_linkage(Z, message):
    with pytest.raises(ValueError, match=message):
        SegmentTree.from_linkage(Z)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["sky"], ValueError, "names has 1 entries, but Z joins 3 observations"),
        ("sky", TypeError, "got the single string 'sky'"),
        (["sky", "sea", ""], ValueError, r"must not be empty, got '' at names\[2\]"),
        (["sky", "sea", "sea"], ValueError, "two children named 'sea'"),
    ],
)
def test_from_linkage_wrong_names(names, error, message):
    with pytest.raises(error, match=message):
        SegmentTree.from_linkage(linkage([[0.0], [5.0], [6.0]]), names)


def test_from_linkage_wrong_root_name():
    with pytest.raises(ValueError, match=r"must not hold a line break, got .* as root_name"):
        SegmentTree.from_linkage(linkage([[0.0], [1.0]]), root_name="a\nb")


def test_from_names():
    tree = SegmentTree.from_names(["sky", "sea"])
    assert tree.to_nested() == {"image": {"sky": 0, "sea": 1}}
    tree = SegmentTree.from_names({7: "left", 3: "sky", 8: "left"}, root_name="photo")
    assert tree.to_nested() == {"photo": {"left": [7, 8], "sky": 3}}
    with pytest.raises(TypeError, match="single string"):
        SegmentTree.from_names("sky")
    with pytest.raises(ValueError, match="names is empty"):
        SegmentTree.from_names({})
    with pytest.raises(TypeError, match=r"at names\[1\]"):
        SegmentTree.from_names(["a", 2])


def test_several_roots_get_one():
    tree = SegmentTree.from_paths(["a/b", "c"], root_name="all")
    assert tree.to_nested() == {"all": {"a": {"b": None}, "c": None}}
    assert SegmentTree.from_paths(["image", "sky"]).paths == ("image/image", "image/sky", "image")
    assert SegmentTree.from_paths(["a/b"], root_name="all").root_name == "a"


def test_paths_as_lists_and_with_other_separators():
    wordnet = [["entity", "object", "living/thing", "cat"], ("entity", "object", "artifact|x")]
    tree = SegmentTree.from_paths(wordnet, [5, [6, 7]])
    assert tree.to_nested() == {
        "entity": {"object": {"living/thing": {"cat": 5}, "artifact|x": [6, 7]}}
    }
    short = SegmentTree.from_paths(wordnet, [5, 6], collapse=True)
    assert short.to_nested() == {"object": {"cat": 5, "artifact|x": 6}}
    tree = SegmentTree.from_paths(["a > b/c", "a>d"], separator=">")
    assert tree.names == ("b/c", "d", "a")
    assert SegmentTree.from_paths(tree.paths) == tree


def test_listed_nodes_are_not_collapsed():
    paths = ["a/b/c/d", "a/b", "a/e"]
    tree = SegmentTree.from_paths(paths, collapse=True)
    assert tree.paths == ("a/b/d", "a/b", "a/e", "a")
    assert SegmentTree.from_paths(["a/b/c"], collapse=True).paths == ("c",)


@pytest.mark.parametrize(
    ("paths", "values", "message"),
    [
        (["a/b", "a/c"], [1], "1 entries for 2 paths"),
        (["a/b", "a"], [1, 2], "'a' has a value, 2, and nodes below it"),
        (["a/b", "a/c"], [1, None], "'a/c' is a leaf without a value"),
        ([[]], None, r"paths\[0\] is empty"),
    ],
)
def test_wrong_values_of_paths(paths, values, message):
    with pytest.raises(ValueError, match=message):
        SegmentTree.from_paths(paths, values)


def test_every_form_of_a_spreadsheet_is_the_same_tree():
    nested = {"image": {"person": {"head": {"hair": 1, "face": 2}, "body": 4}, "sky": 0}}
    leaves = {"person/head/hair": 1, "person/head/face": 2, "person/body": 4, "sky": 0}
    paths = pd.DataFrame({"path": leaves.keys(), "id": leaves.values()})
    with_inner = pd.concat([paths, pd.DataFrame({"path": ["person", "person/head"]})])
    levels = pd.DataFrame([[*path.split("/"), None, None][:3] for path in leaves])
    levels["part"] = list(leaves.values())
    parents = pd.DataFrame(
        {
            "child": ["person", "head", "hair", "face ", "body", "sky"],
            "parent": ["", "person", "head", "head", "person", float("nan")],
            "value": [None, None, 1, 2, 4, 0],
        }
    )
    for frame, options in (
        (paths, {}),
        (with_inner, {}),
        (levels, {"path": [0, 1, 2], "value": "part"}),
        (parents, {}),
        (parents.drop(index=0), {}),
        (parents.astype({"value": "Int64"}).sample(frac=1, random_state=0).sort_index(), {}),
        (parents.rename(columns={"child": "n", "parent": "p"}), {"name": "n", "parent": "p"}),
    ):
        assert SegmentTree.from_frame(frame, **options).to_nested() == nested
    bare = SegmentTree.from_frame(paths[["path"]], root_name="photo")
    assert bare.leaf_values is None
    assert bare.root_name == "photo"


@pytest.mark.parametrize(
    ("columns", "options", "error", "message"),
    [
        ({"x": ["a"]}, {}, ValueError, "must have a column path, as"),
        ({"path": ["a"]}, {"value": "y"}, ValueError, "no column 'y'; its columns are"),
        ({"name": ["a", "a"], "parent": [None, None]}, {}, ValueError, "'a' in rows 0 and 1"),
        ({"name": ["a", "b"], "parent": ["b", "a"]}, {}, ValueError, "cycle: 2 of 2 nodes"),
        ({"name": ["a", "b"], "parent": [None, "a"], "id": [1, 2]}, {}, ValueError, "below it"),
        ({"name": [None], "parent": [None]}, {}, TypeError, "in row 0 of frame"),
        ({"path": ["a/b", "c"], "id": [1, None]}, {}, ValueError, "'c' is a leaf without a value"),
    ],
)
def test_wrong_spreadsheets(columns, options, error, message):
    with pytest.raises(error, match=message):
        SegmentTree.from_frame(pd.DataFrame(columns), **options)


def test_messages_about_spreadsheets_show_one_that_can_be_read():
    for columns in ({"x": ["a"]}, {"name": ["a"]}, {"name": 2 * ["a"], "parent": 2 * [None]},
                    {"name": ["a"], "parent": ["a"]}):  # fmt: skip
        with pytest.raises(ValueError, match=r"as \{") as caught:
            SegmentTree.from_frame(pd.DataFrame(columns))
        snippets = re.findall(r"\{'.*?\}", str(caught.value))
        assert snippets
        for snippet in snippets:
            tree = SegmentTree.from_frame(pd.DataFrame(literal_eval(snippet)))
            assert tree.to_nested()["image"]["person"]["hair"] == 1


def test_a_spreadsheet_is_a_frame():
    with pytest.raises(TypeError, match="must be a DataFrame, such as"):
        SegmentTree.from_frame({"path": ["a"]})
