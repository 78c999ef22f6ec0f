"""Text of explanations: sentences, trees of shares, HTML."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given

from hierseg_learn.explain import ContrastExplanation, PairExplanation
from hierseg_learn.explain.words import node_labels
from hierseg_learn.tree import SegmentTree
from tests.explain.games import voted
from tests.strategies import segment_trees


def test_text_names_the_largest_nodes_first(pair):
    first, *_ = pair.to_text().splitlines()
    assert first == (
        "photo 3 and photo 8 differ mostly because of skirt (50%), hair (20%) and sky (10%)."
    )
    assert pair.to_text(max_nodes=1).startswith(
        "photo 3 and photo 8 differ mostly because of skirt (50%).\n"
    )


def test_text_says_if_nothing_stands_out(tree):
    text = PairExplanation(tree, np.ones(5)).to_text(max_nodes=2)
    assert text.startswith(
        "Many parts set a and b apart; the largest shares are those of sky (20%)"
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
    assert "hair makes up for 20% of that." in text
    assert text.splitlines()[3:] == [
        "squared distance 2  apart  closer      direct",
        "photo                100%     20%          0%",
        "├── sky               40%      0%         40%",
        "└── person            60%     20%         20%",
        "    ├── hair           0%     20%  20% closer",
        "    └── skirt         40%      0%         40%",
    ]
    text = PairExplanation(tree, [4.0, -0.5, -0.5, 0.0, 0.0]).to_text()
    assert "hair (12%) and skirt (12%) make up for 25% of that." in text


@given(segment_trees())
def test_tree_of_shares_has_a_line_per_node_and_straight_columns(tree):
    direct = np.arange(1.0, len(tree) + 1)
    head, *lines = PairExplanation(tree, direct).to_text().split("\n\n")[1].splitlines()
    assert len(lines) == len(tree)
    assert {len(line) for line in lines} == {len(head)}
    share = re.compile(r"(\d+|<1)%  +(\d+|<1)%$")
    assert all(share.search(line) for line in lines)
    assert head.split()[-2:] == ["share", "direct"]


def test_equal_names_are_told_apart_by_their_paths():
    tree = SegmentTree.from_nested({"photo": {"left": {"eye": 0}, "right": {"eye": 1}}})
    text = PairExplanation(tree, [3.0, 0, 1.0, 0, 0]).to_text()
    assert "left/eye (75%) and right/eye (25%)" in text
    assert "photo/left" not in text


@given(segment_trees(any_order=True))
def test_labels_are_the_shortest_ends_of_paths_that_differ(tree):
    labels = node_labels(tree)
    assert len(set(labels)) == tree.n_nodes
    for node, label in enumerate(labels):
        if label == tree.names[node]:
            continue
        assert tree.paths[node].endswith(label)
        shorter = "/" + label.partition("/")[2]
        assert sum(f"/{path}".endswith(shorter) for path in tree.paths) > 1


def test_prediction_in_words(prediction):
    lines = prediction.to_text().splitlines()
    assert lines[0] == (
        "The sample is predicted 'cat' (2 of 3 nearest neighbors, 75% of the vote, "
        "probability 75%)."
    )
    assert lines[1].startswith("The sample differs from its nearest neighbors mostly because of ")
    assert "mean squared distance 12.5" in lines[3]
    assert lines[-3:] == [
        "training row 40  'cat'  squared distance 0   25% of the vote",
        "training row 12  'cat'  squared distance 10  50% of the vote",
        "training row 7   'dog'  squared distance 30  25% of the vote",
    ]


def test_prototypes_in_words(tree):
    explanation = voted(
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
        decision="prototypes",
    )
    text = explanation.to_text()
    assert "photo 3 is predicted 'b' (probability 90%)." in text
    assert "photo 3 differs from the prototype of 'b' mostly because of" in text
    assert "training row" not in text
    assert "photo 3 lacks hair." in text
    assert text.endswith("prototype of 'a'  squared distance 10  probability 10%")


@pytest.mark.parametrize("max_nodes", [0, -1, 1.5, True, None])
def test_wrong_max_nodes(pair, max_nodes):
    with pytest.raises(ValueError, match="max_nodes must be an integer of at least 1, got"):
        pair.to_text(max_nodes)


def test_repr_is_one_line(pair, prediction):
    assert repr(pair) == (
        "PairExplanation(photo 3 and photo 8: squared distance 10, skirt 50%, hair 20%, sky 10%)"
    )
    assert repr(prediction).startswith(
        "PredictionExplanation(the sample is predicted 'cat': squared distance 12.5"
    )


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
    direct = np.arange(float(len(tree)))
    html = PairExplanation(tree, direct, name_a="<script>x</script>", name_b='"&')._repr_html_()
    outline = Outline(html)
    assert sorted(outline.rows) == sorted(tree.names)
    assert outline.rows[0] == tree.root_name
    assert "script" not in outline.tags
    assert "x<y>" not in html


def with_contrast(prediction):
    contrast = ContrastExplanation(
        prediction.tree,
        [3.0, -1.0, 2.0, 0.0, 0.0],
        target="cat",
        foil="dog",
        squared_distances=[1.0, 5.0],
    )
    return replace(prediction, contrast=contrast, name="photo 3")


def test_a_prediction_says_first_why_this_class(prediction, plt):
    explanation = with_contrast(prediction)
    blocks = explanation.to_text().split("\n\n")
    assert blocks[0].splitlines() == [
        "photo 3 is predicted 'cat' (2 of 3 nearest neighbors, 75% of the vote, probability 75%).",
        "Why 'cat' rather than 'dog'? Because of sky (60%) and skirt (40%); "
        "against it: hair (20%).",
        "photo 3 is closer to 'cat' than to 'dog' (squared distances 1 and 5).",
        "All that speaks for 'cat' is 100%; what speaks against it is 20% of that.",
    ]
    assert blocks[1] == explanation.contrast.to_text().split("\n\n")[1]
    assert blocks[2].endswith("Their mean squared distance is 12.5.")
    html = explanation._repr_html_()
    first, second = (html.index(f"<summary>{name}") for name in ("Shares by node", "Shares in the"))
    assert first < second
    assert Outline(html).rows == 2 * ["photo", "sky", "person", "hair", "skirt"]
    assert explanation.plot().get_title(loc="left") == explanation.contrast._title()
    assert repr(explanation).startswith(
        "PredictionExplanation(photo 3 is predicted 'cat', not 'dog': difference 4, sky (60%) for"
    )
    plain = explanation.to_dict()
    assert json.loads(json.dumps(plain))["contrast"]["foil"] == "dog"


def test_neighbors_are_asked_for(prediction, plt):
    explanation = with_contrast(prediction)
    alone = replace(prediction, name="photo 3")
    assert explanation.to_text(question="neighbors") == alone.to_text()
    title = explanation.plot(question="neighbors").get_title(loc="left")
    assert title == "How photo 3 differs from its nearest neighbors"
    # the numbers stay those of the distance
    assert explanation.to_frame().equals(prediction.to_frame())
    for ask in (explanation.to_text, explanation.plot):
        with pytest.raises(ValueError, match="question must be 'class' or 'neighbors', got 'why'"):
            ask(question="why")
    with pytest.raises(TypeError, match="contrast must be a ContrastExplanation or None, got int"):
        replace(prediction, contrast=1)


def test_a_tie_is_told(prediction):
    tied = replace(prediction, proba=[0.5, 0.5])
    assert "tied with 'dog')" in tied.to_text()


def test_html_of_a_prediction(prediction):
    html = prediction._repr_html_()
    assert Outline(html).rows == ["photo", "sky", "person", "hair", "skirt"]
    assert "training row 12" in html
