"""The writer of text and HTML: sentences about shares, trees of shares, and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import NamedTuple

import numpy as np

from ..metrics import sum_below
from ..tree import SegmentTree
from ..tree.render import top_down
from ..utils.numbers import percent
from .style import BELOW, BELOW_NEGATIVE, NEGATIVE, POSITIVE

_OPEN_UP_TO = 60
_BAR_WIDTH = 12.0  # em
_CELL = "text-align:right;padding:0 .6em"
_HEAD = '<th scope="col" style="text-align:{side}">{text}</th>'


# shares that would be shown as 0% are not worth a word
LEAST = 0.005
# leaves of one node that are shown by themselves where they are columns
_LEAVES = 10


class Sides(NamedTuple):
    """What contributions of either sign do, in a word each."""

    pro: str
    contra: str


APART = Sides("apart", "closer")
FOR = Sides("for", "against")


@dataclass(frozen=True)
class ShareTable:
    """Shares of the nodes of a tree with their headings: what text, HTML and bars show."""

    tree: SegmentTree
    direct: np.ndarray  # (n_nodes,): shares of the nodes' own columns
    total: np.ndarray  # (n_nodes,): shares with everything below
    by_side: tuple[np.ndarray, np.ndarray]  # two of (n_nodes,): `total` by side, without signs
    sides: Sides
    is_two_sided: bool
    head: str  # over the tree
    title: str  # the question that is answered
    caption: str
    axis_label: str
    marks: Sequence[str]  # where nodes are missing, in a few words; "" if nowhere
    more: Mapping[str, Sequence[str]]  # further columns, by their headings
    has_direct: bool = True  # whether inner nodes contribute by themselves

    @cached_property
    def columns(self) -> dict[str, Sequence[str]]:
        """Shares as they are written, by the heading of their column."""
        direct = {"direct": [share_text(value, self.sides) for value in self.direct]}
        more = {**(direct if self.has_direct else {}), **self.more}
        if self.is_two_sided:
            pro, contra = ([percent(value) for value in side] for side in self.by_side)
            return {self.sides.pro: pro, self.sides.contra: contra, **more}
        return {"share": [share_text(value, self.sides) for value in self.total], **more}

    def abridged(self, unit: str) -> ShareTable:
        """The table with the largest leaves of every node first, and one leaf for its others.

        `unit` is what a leaf is called, such as "column"; only leaves contribute.
        """
        tree = self.tree
        sizes = np.abs(np.stack(self.by_side)).sum(axis=0)
        order, merged, titles = [], {}, {}
        for node in tree.bottom_up():
            if tree.is_leaf[node]:
                continue
            below = np.array(tree.children(node))
            leaves = below[tree.is_leaf[below]]
            leaves = leaves[np.argsort(-sizes[leaves], kind="stable")]
            n_shown = min(int((sizes[leaves] >= LEAST).sum()), _LEAVES)
            # a single one is as short as what would stand for it
            if len(leaves) - n_shown < 2:
                n_shown = len(leaves)
            order += leaves[:n_shown].tolist()
            if n_shown < len(leaves):
                merged[len(order)] = leaves[n_shown:]
                other = "other " if n_shown else ""
                titles[len(order)] = f"{len(leaves) - n_shown} {other}{unit}s"
                order.append(int(leaves[n_shown]))
            order.append(node)
        places = np.zeros(tree.n_nodes, dtype=np.intp)
        places[order] = np.arange(len(order))
        names, marks = ([texts[k] for k in order] for texts in (tree.names, self.marks))
        more = {name: [texts[k] for k in order] for name, texts in self.more.items()}
        shares = [np.array(a[order]) for a in (self.direct, self.total, *self.by_side)]
        for place, rest in merged.items():
            names[place], marks[place] = titles[place], ""
            for texts in more.values():
                texts[place] = ""
            for abridged, whole in zip(shares, (self.direct, self.total, *self.by_side)):
                abridged[place] = whole[rest].sum()
        made = SegmentTree(names, places[tree.parents[order]]).with_remark(tree.remark)
        direct, total, *by_side = shares
        return replace(
            self,
            tree=made,
            direct=direct,
            total=total,
            by_side=tuple(by_side),
            marks=marks,
            more=more,
            has_direct=False,
        )


def signed_shares(values: np.ndarray, direct: np.ndarray) -> np.ndarray:
    """Values as shares of the stronger side of `direct`, along the last axis; 0 if that is 0."""
    sides = np.maximum(direct, 0.0), np.maximum(-direct, 0.0)
    scale = np.maximum(*(side.sum(axis=-1, keepdims=True) for side in sides))
    return np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)


def both_sides(tree: SegmentTree, direct_share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of every node and all below it on either side, without signs, two of (n_nodes,)."""
    return tuple(sum_below(tree, np.maximum(side, 0.0)) for side in (direct_share, -direct_share))


def share_text(share: float, sides: Sides) -> str:
    """Write a share without its sign: "48%", or "15% against" on the other side."""
    return percent(share) if share >= 0 else f"{percent(-share)} {sides.contra}"


def sides_text(pro: float, contra: float, sides: Sides) -> str:
    """Write what a node and all below it contribute on either side: "85% for, 15% against"."""
    words = [f"{percent(pro)} {sides.pro}"] if pro or not contra else []
    return ", ".join([*words, f"{percent(contra)} {sides.contra}"] if contra else words)


def size_share(direct: np.ndarray, nodes: np.ndarray) -> float:
    """Share of some nodes, a mask, in the sum of absolute contributions; 0 where that is 0."""
    sizes = np.abs(direct)
    return float(sizes[nodes].sum() / (sizes.sum() or 1.0))


# nodes are named until they account for this share of the distance
_ENOUGH = 0.8
# with less of it named, "mostly" would be wrong
_MOSTLY = 0.5


def node_labels(tree: SegmentTree) -> list[str]:
    """Name of every node, with as much of the path before it as sets it apart from others."""
    labels, parts = list(tree.names), [path.split("/") for path in tree.paths]
    lengths = np.ones(tree.n_nodes, dtype=int)
    while True:
        counts = Counter(labels)
        # paths differ, so that of two equal labels one at least can be longer
        shared = [
            k for k, label in enumerate(labels) if counts[label] > 1 and lengths[k] < len(parts[k])
        ]
        if not shared:
            return labels
        lengths[shared] += 1
        for k in shared:
            labels[k] = "/".join(parts[k][-lengths[k] :])


def spoken_labels(tree: SegmentTree) -> list[str]:
    """Labels of the nodes' own columns, without what is below them."""
    whole = ~tree.is_leaf & (tree.n_nodes > 1)
    labels = node_labels(tree)
    return [f"{label} as a whole" if flag else label for label, flag in zip(labels, whole)]


def enumerate_words(words: Sequence[str]) -> str:
    """Join words as a sentence does: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


class Phrases(NamedTuple):
    """Sentences about a distance; the first two are followed by a list of nodes."""

    mostly: str
    many: str
    none: str


def summary(
    tree: SegmentTree,
    direct: np.ndarray,
    phrases: Phrases,
    missing: Mapping[str, np.ndarray],
    max_nodes: int,
) -> list[str]:
    """Sentences about the shares of a distance, (n_nodes,), and about missing parts."""
    leading = _leading(direct, max_nodes)
    labels = spoken_labels(tree)
    named = [f"{labels[node]} ({percent(direct[node])})" for node in leading]
    beginning = phrases.mostly if direct[leading].sum() >= _MOSTLY else phrases.many
    lines = [beginning + enumerate_words(named) + "." if named else phrases.none]
    order = np.argsort(direct, kind="stable").tolist()
    if negative := [node for node in order if direct[node] <= -LEAST]:
        names = [labels[node] for node in negative]
        if len(names) > 1:
            names = [f"{name} ({percent(-direct[node])})" for name, node in zip(names, negative)]
        verb = "makes" if len(negative) == 1 else "make"
        undone = percent(-direct[negative].sum())
        lines.append(
            f"{enumerate_words(cut_words(names, max_nodes))} {verb} up for {undone} of that."
        )
    return [start_sentence(line) for line in [*lines, *missing_lines(tree, missing, max_nodes)]]


def missing_lines(
    tree: SegmentTree, missing: Mapping[str, np.ndarray], max_nodes: int
) -> list[str]:
    """One sentence per kind of missing part, from its beginning and a mask of the nodes."""
    named = {beginning: _topmost(tree, nodes) for beginning, nodes in missing.items()}
    named = {beginning: cut_words(names, max_nodes) for beginning, names in named.items() if names}
    return [f"{beginning}{enumerate_words(names)}." for beginning, names in named.items()]


def start_sentence(line: str) -> str:
    """Capitalize "the", but not the names that users gave."""
    return line[0].upper() + line[1:] if line.startswith("the ") else line


def leading_shares(tree: SegmentTree, direct: np.ndarray) -> list[str]:
    """The largest shares of a distance, (n_nodes,), in a few words."""
    labels = spoken_labels(tree)
    return [f"{labels[node]} {percent(direct[node])}" for node in _leading(direct, 3)]


def _leading(direct: np.ndarray, max_nodes: int) -> list[int]:
    """Nodes with the largest positive shares, as few as account for most of the distance."""
    leading: list[int] = []
    for node in np.argsort(-direct, kind="stable")[:max_nodes].tolist():
        is_small = direct[node] <= 0 or (leading and direct[node] < LEAST)
        if is_small or direct[leading].sum() >= _ENOUGH:
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


def cut_words(words: Sequence[str], n_shown: int) -> Sequence[str]:
    """The first words, and how many more there are."""
    if len(words) <= n_shown:
        return words
    return [*words[:n_shown], f"{len(words) - n_shown} more"]


def split_sentence(rest: float) -> str:
    """Sentence about the share of inner nodes that cannot be split over their leaves."""
    return (
        f"Contributions of inner nodes are split over their leaves, except {percent(rest)} that "
        "cannot be split."
    )


def named_shares(
    tree: SegmentTree, direct: np.ndarray, sign: int, max_nodes: int, unit: str = "node"
) -> list[str]:
    """Nodes with the largest shares of one sign, as "hair (55%)", few but most of it if possible.

    Nothing for a side that rounds to 0%.
    """
    side = np.maximum(sign * direct, 0.0)
    labels, named, seen, whole = spoken_labels(tree), [], 0.0, side.sum()
    if whole < LEAST:
        return []
    for node in np.argsort(-side, kind="stable")[:max_nodes].tolist():
        if seen >= _ENOUGH * whole or (named and side[node] < LEAST):
            break
        named.append(f"{labels[node]} ({percent(side[node])})")
        seen += side[node]
    if seen < _MOSTLY * whole and np.count_nonzero(side) > 2 * len(named):
        named[0] = f"many {unit}s, most of all {named[0]}"
    return named


def export_text(table: ShareTable, sentences: Sequence[str], closing: str = "") -> str:
    """Sentences, the tree with columns of shares, and further text."""
    tree, columns = table.tree, table.columns
    widths = {name: max(len(name), *map(len, texts)) for name, texts in columns.items()}
    n_marks = max(map(len, table.marks))
    rows = [
        "  ".join(
            [*(f"{columns[name][node]:>{widths[name]}}" for name in columns), f"{mark:<{n_marks}}"]
        )
        for node, mark in enumerate(table.marks)
    ]
    drawing = tree.export_text(rows).splitlines()
    # all rows are equally wide, so the root's line shows where they start
    start = len(drawing[0]) - len(rows[tree.root].rstrip())
    gap = max(len(table.head) + 2 - start, 0)
    titles = "  ".join(f"{name:>{widths[name]}}" for name in columns)
    lines = [(line[:start] + " " * gap + line[start:]).rstrip() for line in drawing]
    text = "\n".join([*sentences, "", f"{table.head:<{start + gap}}{titles}", *lines])
    return "\n\n".join(filter(None, [text, closing, tree.remark]))


def export_html(
    table: ShareTable, sentences: Sequence[str], closing: str = "", *, is_open: bool = True
) -> str:
    """Sentences, and one row per node with a bar; long tables are folded."""
    tree, columns, marks = table.tree, table.columns, table.marks
    pro, contra = table.by_side
    scale = float((pro + contra).max()) or 1.0
    caption = escape(table.caption)
    heads = [("left", "node"), *(("right", name) for name in columns)]
    lines = "<br>".join(map(escape, sentences))
    parts = [
        f'<div role="group" aria-label="{escape(table.title)}"><p>{lines}</p>',
        f"<details{' open' if is_open and len(tree) <= _OPEN_UP_TO else ''}>",
        f"<summary>{caption}</summary>",
        f'<table style="border-collapse:collapse" aria-label="{caption}"><thead><tr>',
        *(_HEAD.format(side=side, text=escape(text)) for side, text in heads),
        '<td aria-hidden="true"></td>',
        _HEAD.format(side="left", text="presence") if any(marks) else "",
        "</tr></thead><tbody>",
    ]
    for node in top_down(tree):
        weight = "normal" if tree.is_leaf[node] else "bold"
        indent = 0.3 + 1.4 * tree.depths[node]
        direct = table.direct[node] / scale
        bar = _bar(pro[node] / scale, contra[node] / scale, direct, bool(tree.is_leaf[node]))
        parts += [
            f'<tr><th scope="row" title="{escape(tree.paths[node])}" '
            f'style="text-align:left;font-weight:{weight};padding-left:{indent:.1f}em">'
            f"{escape(tree.names[node])}</th>",
            *(f'<td style="{_CELL}">{escape(texts[node])}</td>' for texts in columns.values()),
            f'<td aria-hidden="true" style="text-align:left">{bar}</td>',
            f'<td style="text-align:left">{escape(marks[node])}</td>' if any(marks) else "",
            "</tr>",
        ]
    tail = f"<pre>{escape(closing)}</pre>" if closing else ""
    tail += f"<p>{escape(tree.remark)}</p>" if tree.remark else ""
    return "".join([*parts, f"</tbody></table></details>{tail}</div>"])


def _bar(pro: float, contra: float, direct: float, is_leaf: bool) -> str:
    """Two pale bars for either side of everything below an inner node, own columns before them."""
    hatched = f"repeating-linear-gradient(45deg,{NEGATIVE} 0 3px,#fff 3px 4px)"
    bars = [] if is_leaf else [(0.0, pro, BELOW, "0"), (pro, contra, BELOW_NEGATIVE, "0")]
    bars.append((0.0, direct, POSITIVE, ".2em") if direct >= 0 else (pro, -direct, hatched, ".2em"))
    drawn = "".join(
        f'<div style="position:absolute;top:{top};bottom:{top};left:{start * _BAR_WIDTH:.2f}em;'
        f'width:{width * _BAR_WIDTH:.2f}em;background:{color}"></div>'
        for start, width, color, top in bars
    )
    return f'<div style="position:relative;height:1em;width:{_BAR_WIDTH}em">{drawn}</div>'
