"""Explanations in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..tree._render import top_down
from ..utils._numbers import number, percent
from ._shares import LEAST

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._base import Explanation

# nodes are named until they account for this share of the distance
_ENOUGH = 0.8
# below this, named nodes are not what a distance "mostly" comes from
_MOSTLY = 0.5


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


class Phrases(NamedTuple):
    """How to speak of a distance; the first two go before a list of nodes."""

    mostly: str
    many: str
    none: str


def summary(explanation: Explanation, phrases: Phrases, max_nodes: int) -> list[str]:
    """Sentences about a distance, one per line."""
    lines = [_main_sentence(explanation, phrases, max_nodes), *_balancing(explanation, max_nodes)]
    return [start_sentence(line) for line in [*lines, *missing_lines(explanation, max_nodes)]]


def missing_lines(explanation: Explanation, max_nodes: int) -> list[str]:
    """One sentence per kind of missing part."""
    named = {
        beginning: _topmost(explanation.tree, nodes)
        for beginning, nodes in explanation._missing().items()
    }
    return [
        f"{beginning}{enumerate_words(_cut(names, max_nodes))}."
        for beginning, names in named.items()
        if names
    ]


def start_sentence(line: str) -> str:
    """Capital for "the", none for names, which are the user's."""
    return line[0].upper() + line[1:] if line.startswith("the ") else line


def short_summary(explanation: Explanation) -> str:
    """The largest contributions in a few words."""
    labels = spoken_labels(explanation.tree)
    own = explanation.own_share
    named = [f"{labels[i]} {percent(own[i])}" for i in _leading(own, 3)]
    return ", ".join([f"squared distance {number(explanation.squared_distance)}", *named])


def _main_sentence(explanation: Explanation, phrases: Phrases, max_nodes: int) -> str:
    own = explanation.own_share
    leading = _leading(own, max_nodes)
    if not leading:
        return phrases.none
    labels = spoken_labels(explanation.tree)
    named = [f"{labels[node]} ({percent(own[node])})" for node in leading]
    beginning = phrases.mostly if own[leading].sum() >= _MOSTLY else phrases.many
    return beginning + enumerate_words(named) + "."


def _balancing(explanation: Explanation, max_nodes: int) -> list[str]:
    """One sentence about negative contributions, none if there are none to speak of."""
    own = explanation.own_share
    order = np.argsort(own, kind="stable")
    negative = [int(node) for node in order if own[node] <= -LEAST]
    if not negative:
        return []
    labels = spoken_labels(explanation.tree)
    names = [labels[node] for node in negative]
    if len(names) > 1:
        names = [f"{name} ({percent(-own[node])})" for name, node in zip(names, negative)]
    verb = "makes" if len(negative) == 1 else "make"
    undone = percent(-own[negative].sum())
    return [f"{enumerate_words(_cut(names, max_nodes))} {verb} up for {undone} of that."]


def _leading(own: np.ndarray, max_nodes: int) -> list[int]:
    """Nodes with the largest positive shares, as few as account for most of the distance."""
    leading: list[int] = []
    for node in np.argsort(-own, kind="stable")[:max_nodes].tolist():
        if own[node] <= 0 or (leading and own[node] < LEAST) or own[leading].sum() >= _ENOUGH:
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
        f"What inner nodes describe is split over their leaves; {percent(rest)} cannot be and "
        "stays with them."
    )
