"""Classes of networks become parts by their names."""

import pytest

from hierseg_learn.segmentation._classes import has_other_aspect, name_parts, part_ids
from hierseg_learn.tree import SegmentTree

NAMES = ("wall", "hat", "hair", "dress", "shoe")
TREE = {"photo": {"background": 9, "person": {"head": 4, "clothes": [2, 3]}}}
HEADS = {"hat": "head", "hair": "head", "dress": "clothes"}


@pytest.mark.parametrize(
    ("classes", "tree", "background", "expected"),
    [
        (None, None, "background", list(NAMES)),
        (HEADS, None, "rest", ["rest", "head", "head", "clothes", "rest"]),
        (HEADS, None, None, [None, "head", "head", "clothes", None]),
        (
            None,
            {"x": {"hair": 0, "shoe": 1, "wall": 2}},
            "wall",
            ["wall", "wall", "hair", "wall", "shoe"],
        ),
        ({"hat": "x/head"}, {"x": {"head": 0}}, None, [None, "x/head", None, None, None]),
    ],
)
def test_parts_of_classes(classes, tree, background, expected):
    tree = None if tree is None else SegmentTree.from_nested(tree)
    assert name_parts(NAMES, classes, tree, background, has_rest=False) == expected


def test_names_that_no_node_can_have():
    assert name_parts(("a/b", "c|d", "", "e", "e"), None, None, None, has_rest=False) == [
        "a-b",
        "c-d",
        "class 2",
        "e",
        "e",
    ]
    with pytest.raises(ValueError, match="'a/b', 'a-b' of the network would be parts of one"):
        name_parts(("a/b", "c", "a-b"), None, None, None, has_rest=False)


@pytest.mark.parametrize(
    ("classes", "tree", "background", "message"),
    [
        (
            {"hut": "head", "hat": "head", "her": "head"},
            None,
            "rest",
            "classes names 'hut', 'her', but the network knows 'wall', 'hat', 'hair'",
        ),
        ({}, None, "rest", "names none of its classes, but the network knows 'wall'"),
        (None, {"x": {"sky": 0}}, "sky", "leaves of tree, names none .* knows 'wall'"),
        (
            {"hat": "haed"},
            TREE,
            "background",
            "classes names the part 'haed', which is no leaf of tree; its leaves are 'background'",
        ),
        ({"hat": "head"}, TREE, "rest", "background names the part 'rest', which is no leaf"),
        ({"hat": "person"}, TREE, "background", "the part 'person', which is no leaf"),
    ],
)
def test_wrong_names(classes, tree, background, message):
    tree = None if tree is None else SegmentTree.from_nested(tree)
    with pytest.raises(ValueError, match=message):
        name_parts(NAMES, classes, tree, background, has_rest=False)


def test_leaves_by_name_and_path():
    ids = part_ids(
        SegmentTree.from_nested({"x": {"a": {"eye": 0}, "b": {"eye": [5, 6], "ear": 3}}})
    )
    assert ids == {"x/a/eye": 0, "x/b/eye": 5, "x/b/ear": 3, "ear": 3}


@pytest.mark.parametrize(
    ("given", "got", "expected"),
    [
        ((64, 64), (16, 16), False),
        ((513, 337), (33, 22), False),
        ((300, 217), (10, 7), False),
        ((32, 128), (64, 64), True),
        ((32, 128), (8, 8), True),
        ((1, 5), (1, 1), False),
    ],
)
def test_maps_of_another_aspect(given, got, expected):
    assert has_other_aspect(given, got) == expected
