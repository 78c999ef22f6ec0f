"""Sentences and a table of nodes, as text and as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..tree import SegmentTree
from ..tree._render import top_down
from ..utils._numbers import percent
from . import _html
from ._shares import LEAST
from ._text import spoken_labels

if TYPE_CHECKING:
    from ._base import Explanation

# nodes are named until they account for this share of the pulls of one sign
_ENOUGH = 0.8
# with less of it named, "mostly" would be wrong
_MOSTLY = 0.5


def check_max_nodes(max_nodes: int) -> None:
    """Raise unless a sentence may name at least one node."""
    if isinstance(max_nodes, bool) or not isinstance(max_nodes, Integral) or max_nodes < 1:
        raise ValueError(f"max_nodes must be an integer of at least 1, got {max_nodes!r}.")


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
        "hair (55%)" and so on, largest first; "many nodes, most of all hair (5%)" where those that
        may be named are not most of it; empty where the side is not worth a word.
    """
    side = np.maximum(sign * own, 0.0)
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
    explanation: Explanation, sentences: Sequence[str], closing: str = "", *, is_open: bool = True
) -> str:
    """Sentences, and one row per node with a bar; long tables are folded.

    Parameters
    ----------
    explanation : Explanation
        Has the tree, the columns, the marks and the shares.
    sentences : sequence of str
        One per line.
    closing : str, default=""
        Text below the table, in lines of its own.
    is_open : bool, default=True
        Whether a short table is unfolded.

    Returns
    -------
    str
    """
    tree, columns, marks = explanation.tree, explanation._columns(), explanation._marks()
    pro, contra = explanation._by_side
    scale = float((pro + contra).max()) or 1.0
    caption = escape(explanation._caption())
    heads = [("left", "node"), *(("right", name) for name in columns)]
    lines = "<br>".join(map(escape, sentences))
    parts = [
        f'<div role="group" aria-label="{escape(explanation._title())}"><p>{lines}</p>',
        f"<details{' open' if is_open and len(tree) <= _html._OPEN_UP_TO else ''}>",
        f"<summary>{caption}</summary>",
        f'<table style="border-collapse:collapse" aria-label="{caption}"><thead><tr>',
        *(_html._HEAD.format(side=side, text=escape(text)) for side, text in heads),
        '<td aria-hidden="true"></td>',
        _html._HEAD.format(side="left", text="presence") if any(marks) else "",
        "</tr></thead><tbody>",
    ]
    for node in top_down(tree):
        weight = "normal" if tree.is_leaf[node] else "bold"
        indent = 0.3 + 1.4 * tree.depths[node]
        own = explanation.own_share[node] / scale
        bar = _html._bar(pro[node] / scale, contra[node] / scale, own, bool(tree.is_leaf[node]))
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
    tail = f"<pre>{escape(closing)}</pre>" if closing else ""
    return "".join([*parts, f"</tbody></table></details>{tail}</div>"])
