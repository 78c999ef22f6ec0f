"""Explanations as HTML for notebooks: sentences and a table with bars, without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..tree._render import top_down
from ._colors import BELOW, BELOW_NEGATIVE, NEGATIVE, POSITIVE
from ._text import share_text, summary

if TYPE_CHECKING:
    from ._base import Explanation

_OPEN_UP_TO = 60
_BAR_WIDTH = 12.0  # em
_CELL = "text-align:right;padding:0 .6em"
_HEAD = '<th scope="col" style="text-align:{side}">{text}</th>'


def export_html(explanation: Explanation, max_nodes: int = 3) -> str:
    """Sentences, and one row per node; long tables are folded."""
    tree = explanation.tree
    own, share = explanation.own_share, explanation.share
    scale = max(np.abs(own).max(), np.abs(share).max()) or 1.0
    marks = explanation._marks()
    sentences = "<br>".join(escape(line) for line in summary(explanation, max_nodes))
    caption = f"Shares of the squared distance, {explanation.squared_distance:.3g}, by node"
    heads = [("left", "node"), ("right", "share"), ("right", "own"), ("left", "")]
    if any(marks):
        heads.append(("left", "presence"))
    parts = [
        f'<div role="group" aria-label="{escape(explanation._title())}"><p>{sentences}</p>',
        f"<details{' open' if len(tree) <= _OPEN_UP_TO else ''}>",
        f"<summary>{caption}</summary>",
        f'<table style="border-collapse:collapse" aria-label="{caption}"><thead><tr>',
        *(
            _HEAD.format(side=side, text=text) if text else '<td aria-hidden="true"></td>'
            for side, text in heads
        ),
        "</tr></thead><tbody>",
    ]
    for node in top_down(tree):
        weight = "normal" if tree.is_leaf[node] else "bold"
        indent = 0.3 + 1.4 * tree.depths[node]
        parts.append(
            f'<tr><th scope="row" title="{escape(tree.paths[node])}" '
            f'style="text-align:left;font-weight:{weight};padding-left:{indent:.1f}em">'
            f"{escape(tree.names[node])}</th>"
            f'<td style="{_CELL}">{share_text(share[node])}</td>'
            f'<td style="{_CELL}">{share_text(own[node])}</td>'
            f'<td aria-hidden="true" style="text-align:left">'
            f"{_bar(share[node] / scale, own[node] / scale, bool(tree.is_leaf[node]))}</td>"
        )
        if any(marks):
            parts.append(f'<td style="text-align:left">{escape(marks[node])}</td>')
        parts.append("</tr>")
    closing = explanation._closing()
    tail = f"<pre>{escape(closing)}</pre>" if closing else ""
    return "".join([*parts, f"</tbody></table></details>{tail}</div>"])


def _bar(share: float, own: float, is_leaf: bool) -> str:
    """A pale bar for everything below an inner node, a solid one for its own columns before it."""
    widths = abs(0.0 if is_leaf else share) * _BAR_WIDTH, abs(own) * _BAR_WIDTH
    hatched = f"repeating-linear-gradient(45deg,{NEGATIVE} 0 3px,#fff 3px 4px)"
    color = POSITIVE if own >= 0 else hatched
    below = BELOW if share >= 0 else BELOW_NEGATIVE
    return (
        f'<div style="position:relative;height:1em;width:{_BAR_WIDTH}em">'
        f'<div style="position:absolute;height:1em;width:{widths[0]:.2f}em;background:{below}">'
        "</div>"
        f'<div style="position:absolute;top:.2em;height:.6em;width:{widths[1]:.2f}em;'
        f'background:{color}"></div></div>'
    )
