"""Differences and probabilities in words, and tables as text and as HTML without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from ..utils._numbers import MISSING

_CELL = "padding:0 .6em;text-align:{side}"


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
    styles = [_CELL.format(side=side) for side in sides]
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
