"""Sentences and a table of nodes, as text and as HTML, for results of either sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from numbers import Integral

import numpy as np

from ..tree import SegmentTree
from ..tree._render import top_down
from . import _html
from ._text import enumerate_words, share_text, spoken_labels

# nodes are named until they account for this share of the pulls of one sign
_ENOUGH = 0.8
# shares that would be shown as 0 % are not worth a word
_LEAST = 0.005


def check_max_nodes(max_nodes: int) -> None:
    """Raise unless a sentence may name at least one node."""
    if isinstance(max_nodes, bool) or not isinstance(max_nodes, Integral) or max_nodes < 1:
        raise ValueError(f"max_nodes must be an integer of at least 1, got {max_nodes!r}.")


def signed_shares(values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Values as shares of the sum of the absolute values of `own` along the last axis.

    All 0 where that is 0: numbers of either sign may cancel, so their sum is no measure.
    """
    scale = np.abs(own).sum(axis=-1, keepdims=True)
    return np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)


def named_shares(tree: SegmentTree, own: np.ndarray, sign: int, max_nodes: int) -> list[str]:
    """Nodes with the largest shares of one sign, as few as account for most of it.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own : ndarray of shape (n_nodes,)
        Shares of the nodes' own columns.
    sign : {1, -1}
        Which side.
    max_nodes : int
        How many nodes may be named.

    Returns
    -------
    list of str
        "hair (55 %)" and so on, largest first.
    """
    side = np.maximum(sign * own, 0.0)
    labels, named, seen = spoken_labels(tree), [], 0.0
    for node in np.argsort(-side, kind="stable")[:max_nodes].tolist():
        if side[node] < _LEAST or seen >= _ENOUGH * side.sum():
            break
        named.append(f"{labels[node]} ({share_text(own[node])})")
        seen += side[node]
    return named


def speak(named: Sequence[str]) -> str:
    """Join names with the verb that goes with them."""
    return f"{enumerate_words(named)} {'speaks' if len(named) == 1 else 'speak'}"


def number_text(value: float) -> str:
    """Three digits and a true minus; "–" for no number."""
    return "–" if np.isnan(value) else f"{value:.3g}".replace("-", "−")


def export_text(
    tree: SegmentTree,
    sentences: Sequence[str],
    head: str,
    columns: Mapping[str, Sequence[str]],
    marks: Sequence[str] | None = None,
) -> str:
    """Sentences, then the tree with columns of text.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    sentences : sequence of str
        One per line.
    head : str
        What stands over the names of the nodes.
    columns : mapping of str to sequence of str, length n_nodes
        Texts of the nodes by the title of their column.
    marks : sequence of str, length n_nodes, default=None
        Remarks behind the columns.

    Returns
    -------
    str
    """
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
    tree: SegmentTree,
    title: str,
    sentences: Sequence[str],
    caption: str,
    columns: Mapping[str, Sequence[str]],
    bars: tuple[np.ndarray, np.ndarray],
    marks: Sequence[str] | None = None,
) -> str:
    """Sentences, and one row per node with a bar; long tables are folded.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    title, caption : str
        What the whole is called, and the table.
    sentences : sequence of str
        One per line.
    columns : mapping of str to sequence of str, length n_nodes
        Texts of the nodes by the title of their column.
    bars : pair of ndarray of shape (n_nodes,)
        Lengths of the bars with everything below a node, and of its own; of any scale.
    marks : sequence of str, length n_nodes, default=None
        Remarks, shown if there is any.

    Returns
    -------
    str
    """
    below, own = bars
    scale = max(np.abs(below).max(), np.abs(own).max()) or 1.0
    marks = [""] * tree.n_nodes if marks is None else list(marks)
    heads = [("left", "node"), *(("right", name) for name in columns)]
    lines = "<br>".join(map(escape, sentences))
    parts = [
        f'<div role="group" aria-label="{escape(title)}"><p>{lines}</p>',
        f"<details{' open' if len(tree) <= _html._OPEN_UP_TO else ''}>",
        f"<summary>{escape(caption)}</summary>",
        f'<table style="border-collapse:collapse" aria-label="{escape(caption)}"><thead><tr>',
        *(_html._HEAD.format(side=side, text=escape(text)) for side, text in heads),
        '<td aria-hidden="true"></td>',
        _html._HEAD.format(side="left", text="presence") if any(marks) else "",
        "</tr></thead><tbody>",
    ]
    for node in top_down(tree):
        weight = "normal" if tree.is_leaf[node] else "bold"
        indent = 0.3 + 1.4 * tree.depths[node]
        bar = _html._bar(below[node] / scale, own[node] / scale, bool(tree.is_leaf[node]))
        parts += [
            f'<tr><th scope="row" title="{escape(tree.paths[node])}" '
            f'style="text-align:left;font-weight:{weight};padding-left:{indent:.1f}em">'
            f"{escape(tree.names[node])}</th>",
            *(
                f'<td style="{_html._CELL}">{escape(texts[node])}</td>'
                for texts in columns.values()
            ),
            f'<td aria-hidden="true" style="text-align:left">{bar}</td>',
            f'<td style="text-align:left">{escape(marks[node])}</td>' if any(marks) else "",
            "</tr>",
        ]
    return "".join([*parts, "</tbody></table></details></div>"])
