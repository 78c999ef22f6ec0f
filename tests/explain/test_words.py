"""What explanations say: sentences, trees of shares, HTML."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given

from hierseg_learn.explain import PairExplanation, PredictionExplanation
from hierseg_learn.explain._text import share_text
from hierseg_learn.tree import SegmentTree
from tests.strategies import segment_trees


def test_text_names_the_largest_nodes_first(pair):
    first, *_ = pair.to_text().splitlines()
    assert first == (
        "photo 3 and photo 8 differ mostly because of skirt (50 %), hair (20 %) and sky (10 %)."
    )
    assert pair.to_text(max_nodes=1).startswith(
        "photo 3 and photo 8 differ mostly because of skirt (50 %).\n"
    )


def test_text_says_if_nothing_stands_out(tree):
    text = PairExplanation(tree, np.ones(5)).to_text(max_nodes=2)
    assert text.startswith(
        "Many parts set a and b apart; the largest shares are those of sky (20 %)"
    )


def test_text_tells_which_part_only_one_has(tree):
    flags = np.ones(5, bool)
    lacks_person = np.array([True, False, False, False, True])
    lines = (
        PairExplanation(tree, np.ones(5), present_a=flags, present_b=lacks_person, name_a="photo 3")
        .to_text()
        .splitlines()
    )
    # The parts of a missing part need no mention of their own in the sentence.
    assert "Only photo 3 has person." in lines
    marked = [line.split()[1] for line in lines if line.endswith("only photo 3")]
    assert marked == ["person", "hair", "skirt"]


def test_negative_contributions_are_told(tree):
    text = PairExplanation(tree, [1.0, -0.5, 1.0, 0.5, 0.0]).to_text()
    assert "hair (−25 %) makes up for part of that, so the other shares add up to 125 %." in text
    text = PairExplanation(tree, [3.0, -0.5, -0.5, 0.0, 0.0]).to_text()
    assert "hair (−25 %) and skirt (−25 %) make up for part of that" in text


@given(segment_trees())
def test_tree_of_shares_has_a_line_per_node_and_straight_columns(tree):
    own = np.arange(1.0, len(tree) + 1)
    head, *lines = PairExplanation(tree, own).to_text().split("\n\n")[1].splitlines()
    assert len(lines) == len(tree)
    assert {len(line) for line in lines} == {len(head)}
    share = re.compile(r"(\d+|<1) %  +(\d+|<1) %$")
    assert all(share.search(line) for line in lines)
    assert head.split()[-2:] == ["share", "own"]


def test_equal_names_are_told_apart_by_their_paths():
    tree = SegmentTree.from_nested({"photo": {"left": {"eye": 0}, "right": {"eye": 1}}})
    text = PairExplanation(tree, [3.0, 0, 1.0, 0, 0]).to_text()
    assert "photo/left/eye (75 %) and photo/right/eye (25 %)" in text


def test_prediction_in_words(prediction):
    lines = prediction.to_text().splitlines()
    assert lines[0] == "The sample is classified as cat (probability 75 %)."
    assert lines[1] == (
        "2 of the 3 training rows that vote are of this class and hold 75 % of the vote."
    )
    assert lines[-3:] == [
        "training row 40  class cat  squared distance 0   25 % of the vote",
        "training row 12  class cat  squared distance 10  50 % of the vote",
        "training row 7   class dog  squared distance 30  25 % of the vote",
    ]


def test_prototypes_in_words(tree):
    explanation = PredictionExplanation(
        tree,
        [np.ones(5), np.full(5, 2.0)],
        prediction="b",
        classes=["a", "b"],
        proba=[0.1, 0.9],
        neighbors=[1, 0],
        neighbor_classes=["b", "a"],
        vote_weights=[0.9, 0.1],
        present=[True, False, True, True, True],
        name="photo 3",
        kind="prototypes",
    )
    text = explanation.to_text()
    assert "Of 2 prototypes, the prototype of class b is the nearest." in text
    assert "training row" not in text
    assert "photo 3 lacks hair." in text
    assert text.endswith("prototype of class a  squared distance 10  10 % of the vote")


@pytest.mark.parametrize("max_nodes", [0, -1, 1.5, True, None])
def test_wrong_max_nodes(pair, max_nodes):
    with pytest.raises(ValueError, match="max_nodes must be an integer of at least 1, got"):
        pair.to_text(max_nodes)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.614, "61 %"),
        (0.004, "<1 %"),
        (-0.004, ">−1 %"),
        (-0.25, "−25 %"),
        (1, "100 %"),
    ],
)
def test_shares_in_words(share, text):
    assert share_text(share) == text


def test_repr_is_one_line(pair, prediction):
    assert repr(pair) == (
        "PairExplanation(photo 3 and photo 8: squared distance 10, skirt 50 %, hair 20 %, sky 10 %)"
    )
    assert "\n" not in repr(prediction)


class Outline(HTMLParser):
    """Open tags are closed in order; texts of row headers and all tags are kept."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.rows = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "br":
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1][1].get("scope") == "row":
            self.rows.append(data)


@given(segment_trees())
def test_html_has_a_row_per_node_and_escapes_names(tree):
    own = np.arange(float(len(tree)))
    html = PairExplanation(tree, own, name_a="<script>x</script>", name_b='"&')._repr_html_()
    outline = Outline(html)
    assert sorted(outline.rows) == sorted(tree.names)
    assert outline.rows[0] == tree.root_name
    assert "script" not in outline.tags
    assert "x<y>" not in html


def test_html_of_a_prediction(prediction):
    html = prediction._repr_html_()
    assert Outline(html).rows == ["photo", "sky", "person", "hair", "skirt"]
    assert "training row 12" in html
