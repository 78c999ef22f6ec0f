"""The tree as text, as HTML and as a drawing."""

import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from hierseg_learn.tree import SegmentTree
from tests.strategies import segment_trees

quick = settings(deadline=None, max_examples=25)

TREE = SegmentTree.from_nested(
    {"photo": {"background": 0, "person": {"head": {"hair": 1, "eyes": 2}, "skin": 3}}}
)


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_text_without_values():
    expected = """\
photo
├── background
└── person
    ├── head
    │   ├── hair
    │   └── eyes
    └── skin"""
    assert TREE.export_text() == expected


def test_text_with_array():
    expected = """\
photo                   7
├── background       0.25
└── person              6
    ├── head        0.333
    │   ├── hair      nan
    │   └── eyes  3.1e+03
    └── skin            5"""
    assert TREE.export_text([0.25, np.nan, 3099.9, 1 / 3, 5.0, 6.0, 7.0]) == expected


def test_text_with_mapping():
    expected = """\
photo             100%
├── background     25%
└── person
    ├── head
    │   ├── hair  n.a.
    │   └── eyes
    └── skin"""
    values = {6: 1, "photo/background": np.float32(0.25), "hair": "n.a."}
    assert TREE.export_text(values, fmt=".0%") == expected
    assert TREE.export_text(pd.Series(values), fmt=".0%") == expected


def test_numbers_and_strings_mix_in_a_list():
    lines = TREE.export_text([0.5, 1, "n.a.", None, 2, 3, 4]).splitlines()
    assert [line.split()[-1] for line in lines] == ["4", "0.5", "3", "head", "1", "n.a.", "2"]


def test_integers_are_shown_in_full():
    lines = TREE.export_text(np.arange(7) * 12345).splitlines()
    assert lines[0].endswith(" 74070")
    assert len({len(line) for line in lines}) == 1


@quick
@given(segment_trees(any_order=True))
def test_text_holds_every_node_below_its_parent(tree):
    open_nodes, seen = [], []
    for line in tree.export_text(tree.paths).splitlines():
        drawn, path = line.rsplit("  ", 1)
        depth = tree.depths[tree.index(path)]
        assert drawn[4 * depth :].strip() == tree.names[tree.index(path)]
        open_nodes[depth:] = [path]
        assert "/".join(path.split("/")[:-1]) == (open_nodes[depth - 1] if depth else "")
        seen.append(path)
    assert sorted(seen) == sorted(tree.paths)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2], r"one entry per node, shape \(7,\), got shape \(2,\)"),
        ({"hiar": 1}, r"No node is named 'hiar'; did you mean 'hair'\?"),
        ({"hair": 1, 1: 2}, "values names node 'photo/person/head/hair' twice: as 'hair' and 1"),
    ],
)
def test_wrong_values(values, message):
    with pytest.raises(ValueError, match=message):
        TREE.export_text(values)


class Reader(HTMLParser):
    """Collects tags, text and whether every tag is closed in turn."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.texts, self.attributes = [], [], [], {}

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@quick
@given(segment_trees(any_order=True))
def test_html_is_nested_and_escaped(tree):
    reader = Reader()
    reader.feed(tree._repr_html_())
    reader.close()
    assert reader.open == []
    assert set(reader.tags) <= {"div", "details", "summary", "ul", "li"}
    assert reader.tags.count("li") == tree.n_nodes - 1
    assert reader.tags.count("ul") == tree.n_nodes - tree.n_leaves
    assert sorted(reader.texts[1:]) == sorted(tree.names[:-1])
    counts = f"{tree.n_nodes} nodes, {tree.n_leaves} leaves"
    assert reader.texts[0] == f"{tree.root_name} ({counts})"
    assert reader.attributes["aria-label"] == f"Segment tree {tree.root_name}: {counts}"


def test_html_of_a_large_tree_starts_folded():
    assert "<details open>" in TREE._repr_html_()
    large = SegmentTree.from_nested(("photo", [f"part {i}" for i in range(100)]))
    assert " open" not in large._repr_html_()


def test_plot_draws_parents_between_and_left_of_their_children(plt):
    ax = TREE.plot()
    assert ax is plt.gca()
    assert [text.get_text() for text in ax.texts] == list(TREE.names)
    places = np.array([text.get_position() for text in ax.texts])
    for node in TREE.bottom_up():
        children = list(TREE.children(node))
        if children:
            assert (places[children, 0] > places[node, 0]).all()
            assert places[children, 1].min() <= places[node, 1] <= places[children, 1].max()
    assert len(ax.figure.axes) == 1


def test_plot_colors_by_values(plt):
    ax = TREE.plot(values={"hair": 0.0, "eyes": 1.0, "skin": np.nan}, label="share", fmt=".0%")
    texts = dict(zip(TREE.names, ax.texts))
    cividis = plt.get_cmap("cividis")
    faces = {name: text.get_bbox_patch().get_facecolor() for name, text in texts.items()}
    assert faces["hair"] == cividis(0.0)
    assert faces["eyes"] == cividis(1.0)
    assert faces["skin"] == faces["photo"] == (1.0, 1.0, 1.0, 1.0)
    assert texts["skin"].get_bbox_patch().get_linestyle() == "--"
    assert texts["hair"].get_bbox_patch().get_linestyle() == "-"
    assert (texts["hair"].get_color(), texts["eyes"].get_color()) == ("white", "black")
    assert (texts["eyes"].get_text(), texts["photo"].get_text()) == ("eyes  100%", "photo")
    assert ax.figure.axes[1].get_ylabel() == "share"


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_plot_boxes_of_60_nodes_fit_and_do_not_overlap(plt, layout):
    tree = SegmentTree.from_nested(
        ("photo", [(f"group {g}", [f"part {g}.{k}" for k in range(7)]) for g in range(7)])
    )
    assert 50 <= tree.n_nodes <= 60
    given_ax = None if layout is None else plt.figure(figsize=(4, 5), layout=layout).subplots()
    ax = tree.plot(ax=given_ax, values=np.linspace(0, 1, tree.n_nodes))
    assert given_ax is None or ax is given_ax
    ax.figure.canvas.draw()
    boxes = [text.get_bbox_patch().get_window_extent() for text in ax.texts]
    frame = ax.figure.bbox
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(overlaps)


def test_plot_does_not_read_names_as_formulas(plt):
    tree = SegmentTree.from_nested({"a$b$c": {"x_1": 0, "$": 1}})
    ax = tree.plot()
    ax.figure.canvas.draw()
    assert [text.get_parse_math() for text in ax.texts] == [False] * 3


def test_plot_of_one_node_and_of_constant_or_no_finite_values(plt):
    one = SegmentTree(["image"], [0])
    assert one.plot(values=[3]).texts[0].get_text() == "image  3"
    ax = one.plot(values=[np.inf])
    assert ax.texts[0].get_bbox_patch().get_linestyle() == "--"
    assert len(ax.figure.axes) == 1


def test_plot_wrong_values(plt):
    ax = TREE.plot()
    plt.close()
    with pytest.raises(TypeError, match=r"must be numbers .* got 'x' for 'photo/background'"):
        TREE.plot(values={"background": "x"})
    with pytest.raises(ValueError, match="one entry per node"):
        TREE.plot(values=[1.0])
    with pytest.raises(ValueError, match="got a table; pass one of its columns, 'direct', 'total'"):
        TREE.plot(pd.DataFrame({"direct": [1.0], "total": [2.0]}))
    with pytest.raises(TypeError, match="values is Axes; pass axes as ax="):
        TREE.plot(ax)
    assert plt.get_fignums() == []


def test_plot_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'hierseg-learn\[plot\]'"):
        TREE.plot()


def test_plot_in_a_subfigure(plt):
    left, _ = plt.figure(figsize=(8, 3)).subfigures(1, 2)
    ax = TREE.plot(ax=left.subplots(), values=np.arange(7))
    assert len(ax.texts) == 7
    assert ax.figure is left
