"""Explanations in words, and as a tree of shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..tree._render import top_down

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._base import Explanation

# nodes are named until they account for this share of the distance
_ENOUGH = 0.8
# below this, named nodes are not what a distance "mostly" comes from
_MOSTLY = 0.5
# shares that would be shown as 0 % are not worth a sentence
_LEAST = 0.005


def share_text(share: float) -> str:
    """Share in whole percent, "<1 %" where that would hide a small one."""
    percent = round(100 * share)
    if percent == 0 and share != 0:
        return "<1 %" if share > 0 else ">−1 %"
    return f"{percent} %".replace("-", "−")


def node_labels(tree: SegmentTree) -> list[str]:
    """Name of every node, or its path where another node has the same name."""
    counts = Counter(tree.names)
    return [name if counts[name] == 1 else path for name, path in zip(tree.names, tree.paths)]


def spoken_labels(tree: SegmentTree) -> list[str]:
    """Labels for what nodes contribute themselves, without their parts."""
    whole = ~tree.is_leaf & (tree.n_nodes > 1)
    labels = node_labels(tree)
    return [f"{label} as a whole" if flag else label for label, flag in zip(labels, whole)]


def enumerate_words(words: Sequence[str]) -> str:
    """Join words as a sentence does: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def summary(explanation: Explanation, max_nodes: int) -> list[str]:
    """Sentences about the distance, one per line."""
    if isinstance(max_nodes, bool) or not isinstance(max_nodes, Integral) or max_nodes < 1:
        raise ValueError(f"max_nodes must be an integer of at least 1, got {max_nodes!r}.")
    lines = [*explanation._opening(), _main_sentence(explanation, max_nodes)]
    lines += _balancing(explanation, max_nodes)
    for beginning, nodes in explanation._missing().items():
        names = _topmost(explanation.tree, nodes)
        if names:
            lines.append(beginning + enumerate_words(_cut(names, max_nodes)) + ".")
    return [start_sentence(line) for line in lines]


def start_sentence(line: str) -> str:
    """Capital for "the", none for names, which are the user's."""
    return line[0].upper() + line[1:] if line.startswith("the ") else line


def short_summary(explanation: Explanation) -> str:
    """The largest contributions in a few words."""
    labels = spoken_labels(explanation.tree)
    own = explanation.own_share
    named = [f"{labels[i]} {share_text(own[i])}" for i in _leading(own, 3)]
    return ", ".join([f"squared distance {explanation.squared_distance:.3g}", *named])


def share_tree(explanation: Explanation) -> str:
    """The tree with the shares of nodes, with and without everything below them."""
    tree, marks = explanation.tree, explanation._marks()
    heads = ("share", "own")
    totals = [share_text(share) for share in explanation.share]
    owns = [share_text(share) for share in explanation.own_share]
    widths = [max(len(head), *map(len, texts)) for head, texts in zip(heads, (totals, owns))]
    widths.append(max(map(len, marks)))
    values = [
        f"{total:>{widths[0]}}  {own:>{widths[1]}}  {mark:<{widths[2]}}"
        for total, own, mark in zip(totals, owns, marks)
    ]
    head = f"squared distance {explanation.squared_distance:.3g}"
    column = f"{heads[0]:>{widths[0]}}  {heads[1]:>{widths[1]}}"
    drawing = tree.export_text(values).splitlines()
    start = tree.export_text(["#" * len(values[0])] * tree.n_nodes).splitlines()[0].index("#")
    # The title may be wider than the names below it.
    gap = max(len(head) + 2 - start, 0)
    rows = [line[:start] + " " * gap + line[start:] for line in drawing]
    return "\n".join([f"{head:<{start + gap}}{column}", *rows])


def full_text(explanation: Explanation, max_nodes: int) -> str:
    """Sentences, the tree, and what an explanation has to add."""
    blocks = ["\n".join(summary(explanation, max_nodes)), share_tree(explanation)]
    blocks.append(explanation._closing())
    return "\n\n".join(block for block in blocks if block)


def _main_sentence(explanation: Explanation, max_nodes: int) -> str:
    phrases, own = explanation._phrases(), explanation.own_share
    leading = _leading(own, max_nodes)
    if not leading:
        return phrases.none
    labels = spoken_labels(explanation.tree)
    named = [f"{labels[node]} ({share_text(own[node])})" for node in leading]
    beginning = phrases.mostly if own[leading].sum() >= _MOSTLY else phrases.many
    return beginning + enumerate_words(named) + "."


def _balancing(explanation: Explanation, max_nodes: int) -> list[str]:
    """One sentence about negative contributions, none if there are none to speak of."""
    own = explanation.own_share
    order = np.argsort(own, kind="stable")
    negative = [int(node) for node in order if own[node] <= -_LEAST]
    if not negative:
        return []
    labels = spoken_labels(explanation.tree)
    named = _cut([f"{labels[node]} ({share_text(own[node])})" for node in negative], max_nodes)
    verb = "makes" if len(negative) == 1 else "make"
    positive = share_text(own[own > 0].sum())
    return [
        f"{enumerate_words(named)} {verb} up for part of that, "
        f"so the other shares add up to {positive}."
    ]


def _leading(own: np.ndarray, max_nodes: int) -> list[int]:
    """Nodes with the largest positive shares, as few as account for most of the distance."""
    leading: list[int] = []
    for node in np.argsort(-own, kind="stable")[:max_nodes].tolist():
        if own[node] <= 0 or (leading and own[node] < _LEAST) or own[leading].sum() >= _ENOUGH:
            break
        leading.append(node)
    return leading


def _topmost(tree: SegmentTree, nodes: np.ndarray) -> list[str]:
    """Labels of flagged nodes whose parent is not flagged, in reading order."""
    labels = node_labels(tree)
    return [
        labels[node]
        for node in top_down(tree)
        if nodes[node] and (node == tree.root or not nodes[tree.parents[node]])
    ]


def _cut(words: list[str], n_shown: int) -> list[str]:
    if len(words) <= n_shown:
        return words
    return [*words[:n_shown], f"{len(words) - n_shown} more"]


def split_sentence(rest: float) -> str:
    """Say that inner nodes were split over their leaves, and which share could not be."""
    return (
        f"What inner nodes describe is split over their leaves; {share_text(rest)} cannot be and "
        "stays with them."
    )
