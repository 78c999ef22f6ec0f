"""Explanations in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..metrics import sum_below
from ..tree import SegmentTree
from ..tree.render import top_down
from ..utils.numbers import MISSING, check_integer, number, percent
from .style import BELOW, BELOW_NEGATIVE, NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from .explanation import Explanation
if TYPE_CHECKING:
    from .explanation import Explanation


_OPEN_UP_TO = 60
_BAR_WIDTH = 12.0  # em
_CELL = "text-align:right;padding:0 .6em"
_HEAD = '<th scope="col" style="text-align:{side}">{text}</th>'


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


_TABLE_CELL = "padding:0 .6em;text-align:{side}"


def points(value: float) -> str:
    """Difference of two shares in percentage points, with its sign; a dash if unknown."""
    if not np.isfinite(value):
        return MISSING
    whole = round(100 * value)
    return f"{whole:+d}" if whole else "0"


def probability(value: float) -> str:
    """Probability, small ones as a bound; a dash if unknown."""
    if not np.isfinite(value):
        return MISSING
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns flush right, the first flush left."""
    cells = [list(heads), *map(list, rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(heads))]
    lines = [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def html_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a caption, and heads for rows and columns."""
    sides = ["left"] + ["right"] * (len(heads) - 1)
    styles = [_TABLE_CELL.format(side=side) for side in sides]
    head = "".join(
        f'<th scope="col" style="{style}">{escape(text)}</th>'
        if text
        else f'<td style="{style}"></td>'
        for text, style in zip(heads, styles)
    )
    body = "".join(
        f'<tr><th scope="row" style="{styles[0]};font-weight:normal">{escape(row[0])}</th>'
        + "".join(
            f'<td style="{style}">{escape(cell)}</td>' for cell, style in zip(row[1:], styles[1:])
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<table style="border-collapse:collapse"><caption style="text-align:left">'
        f"{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def html_block(title: str, sentences: Sequence[str], *tables: str) -> str:
    """Sentences, then tables, as one group for screen readers."""
    words = "<br>".join(map(escape, sentences))
    return f'<div role="group" aria-label="{escape(title)}"><p>{words}</p>{"".join(tables)}</div>'


# shares that would be shown as 0% are not worth a word
LEAST = 0.005


class Sides(NamedTuple):
    """What contributions of either sign do, in a word each."""

    pro: str
    contra: str


APART = Sides("apart", "closer")
FOR = Sides("for", "foil")


def signed_shares(values: np.ndarray, direct: np.ndarray) -> np.ndarray:
    """Values as shares of the stronger side of `direct`, along the last axis; their signs stay.

    Contributions of either sign may cancel, so their sum is no measure. Those of the stronger side
    add up to 1, those of the other to how strong it is beside it, so that no node, nor any set of
    nodes, is above 1. All 0 where nothing contributes.
    """
    sides = np.maximum(direct, 0.0), np.maximum(-direct, 0.0)
    scale = np.maximum(*(side.sum(axis=-1, keepdims=True) for side in sides))
    return np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)


def both_sides(tree: SegmentTree, direct_share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every node, what it and all below it contribute on either side, without signs."""
    return (
        sum_below(tree, np.maximum(direct_share, 0.0)),
        sum_below(tree, np.maximum(-direct_share, 0.0)),
    )


def share_text(share: float, sides: Sides) -> str:
    """Write a share without its sign: "48%", or "15% against" on the other side."""
    return percent(share) if share >= 0 else f"{percent(-share)} {sides.contra}"


def sides_text(pro: float, contra: float, sides: Sides) -> str:
    """Write what a node and all below it contribute on either side: "85% for, 15% against"."""
    words = [f"{percent(pro)} {sides.pro}"] if pro or not contra else []
    return ", ".join([*words, f"{percent(contra)} {sides.contra}"] if contra else words)


def size_share(direct: np.ndarray, nodes: np.ndarray) -> float:
    """Share of some nodes, given as a mask, in all that pulls either way; 0 where nothing does."""
    sizes = np.abs(direct)
    return float(sizes[nodes].sum() / (sizes.sum() or 1.0))


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
    direct = explanation.direct_share
    named = [f"{labels[i]} {percent(direct[i])}" for i in _leading(direct, 3)]
    return ", ".join([f"squared distance {number(explanation.squared_distance)}", *named])


def _main_sentence(explanation: Explanation, phrases: Phrases, max_nodes: int) -> str:
    direct = explanation.direct_share
    leading = _leading(direct, max_nodes)
    if not leading:
        return phrases.none
    labels = spoken_labels(explanation.tree)
    named = [f"{labels[node]} ({percent(direct[node])})" for node in leading]
    beginning = phrases.mostly if direct[leading].sum() >= _MOSTLY else phrases.many
    return beginning + enumerate_words(named) + "."


def _balancing(explanation: Explanation, max_nodes: int) -> list[str]:
    """One sentence about negative contributions, none if there are none to speak of."""
    direct = explanation.direct_share
    order = np.argsort(direct, kind="stable")
    negative = [int(node) for node in order if direct[node] <= -LEAST]
    if not negative:
        return []
    labels = spoken_labels(explanation.tree)
    names = [labels[node] for node in negative]
    if len(names) > 1:
        names = [f"{name} ({percent(-direct[node])})" for name, node in zip(names, negative)]
    verb = "makes" if len(negative) == 1 else "make"
    undone = percent(-direct[negative].sum())
    return [f"{enumerate_words(_cut(names, max_nodes))} {verb} up for {undone} of that."]


def _leading(direct: np.ndarray, max_nodes: int) -> list[int]:
    """Nodes with the largest positive shares, as few as account for most of the distance."""
    leading: list[int] = []
    for node in np.argsort(-direct, kind="stable")[:max_nodes].tolist():
        if (
            direct[node] <= 0
            or (leading and direct[node] < LEAST)
            or direct[leading].sum() >= _ENOUGH
        ):
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


# nodes are named until they account for this share of the pulls of one sign
# with less of it named, "mostly" would be wrong


def check_max_nodes(max_nodes: int) -> None:
    """Raise unless a sentence may name at least one node."""
    check_integer(max_nodes, "max_nodes")


def named_shares(tree: SegmentTree, direct: np.ndarray, sign: int, max_nodes: int) -> list[str]:
    """Nodes with the largest shares of one sign, as few as account for most of it.

    Shapes: `direct` (n_nodes,). Returns "hair (55%)" and so on, largest first; "many nodes, most of
    all hair (5%)" where those that may be named are not most of it; empty where the side is not
    worth a word.
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
        named[0] = f"many nodes, most of all {named[0]}"
    return named


def export_text(
    tree: SegmentTree,
    sentences: Sequence[str],
    head: str,
    columns: Mapping[str, Sequence[str]],
    marks: Sequence[str] | None = None,
) -> str:
    """Sentences, then the tree with columns of text."""
    widths = {name: max(len(name), *map(len, texts)) for name, texts in columns.items()}
    marks = [""] * tree.n_nodes if marks is None else list(marks)
    n_marks = max(map(len, marks))
    rows = [
        "  ".join(
            [*(f"{columns[name][node]:>{widths[name]}}" for name in columns), f"{mark:<{n_marks}}"]
        )
        for node, mark in enumerate(marks)
    ]
    drawing = tree.export_text(rows).splitlines()
    # Every row is equally wide, so this is where the first one starts in the root's line.
    start = tree.export_text(["#" * len(rows[0])] * tree.n_nodes).splitlines()[0].index("#")
    gap = max(len(head) + 2 - start, 0)
    titles = "  ".join(f"{name:>{widths[name]}}" for name in columns)
    lines = [(line[:start] + " " * gap + line[start:]).rstrip() for line in drawing]
    return "\n".join([*sentences, "", f"{head:<{start + gap}}{titles}", *lines])


def export_html(
    explanation: Explanation, sentences: Sequence[str], closing: str = "", *, is_open: bool = True
) -> str:
    """Sentences, and one row per node with a bar; long tables are folded."""
    tree, columns, marks = explanation.tree, explanation._columns(), explanation._marks()
    pro, contra = explanation._by_side
    scale = float((pro + contra).max()) or 1.0
    caption = escape(explanation._caption())
    heads = [("left", "node"), *(("right", name) for name in columns)]
    lines = "<br>".join(map(escape, sentences))
    parts = [
        f'<div role="group" aria-label="{escape(explanation._title())}"><p>{lines}</p>',
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
        direct = explanation.direct_share[node] / scale
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
    return "".join([*parts, f"</tbody></table></details>{tail}</div>"])
