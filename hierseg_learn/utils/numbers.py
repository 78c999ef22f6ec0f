"""Formatting of numbers and tables, as text and as HTML; checks of integers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from numbers import Integral
from typing import Any

MISSING = "–"
# shares that are closer to 1 are 1 up to rounding errors
_ROUNDING = 1e-9
_CELL = "padding:0 .6em;text-align:{side}"


def percent(share: float, digits: int = 0) -> str:
    """Write a share in percent: "48%", "<1%" and ">99%" where rounding would hide it, "–" for none.

    What is negative is a change or a bound, never a share; where rounding would hide it, it gets a
    digit more: "-0.4%", "-99.6%".
    """
    if not math.isfinite(share):
        return MISSING
    text = f"{100 * share:.{digits}f}"
    hides_rest = abs(float(text)) == 100 and abs(share) < 1 - _ROUNDING
    if float(text) and not hides_rest:
        return f"{text}%"
    step = 10.0**-digits
    if share > 0:
        return f">{100 - step:g}%" if hides_rest else f"<{step:g}%"
    finer = f"{100 * share:.{digits + 1}f}"
    return f"{finer if float(finer) else 0}%"


def number(value: float, spec: str = ".3g") -> str:
    """Write a number as `format` does; "–" for no number, and no minus before a zero.

    Percentages, such as ".0%", are written as `percent` writes them.
    """
    if spec[:1] == "." and spec[1:-1].isdigit() and spec.endswith("%"):
        return percent(value, int(spec[1:-1]))
    return format(value + 0.0, spec) if math.isfinite(value) else MISSING


def check_integer(value: Any, name: str, minimum: int = 1) -> int:
    """Return an integer of at least `minimum`, as a Python int."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}.")
    return int(value)


def points(value: float) -> str:
    """Write a difference of two shares in percentage points, with its sign; "–" for no number."""
    if not math.isfinite(value):
        return MISSING
    whole = round(100 * value)
    return f"{whole:+d}" if whole else "0"


def probability(value: float) -> str:
    """Write a probability, a small one as a bound; "–" for no number."""
    if not math.isfinite(value):
        return MISSING
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write columns flush right, the first flush left."""
    cells = [list(heads), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    first = widths[0]
    return "\n".join(
        "  ".join(
            [row[0].ljust(first), *(c.rjust(width) for c, width in zip(row[1:], widths[1:]))]
        ).rstrip()
        for row in cells
    )


def html_table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    bars: Sequence[str] | None = None,
    classes: str | None = None,
) -> str:
    """Write a table of HTML with a caption and a head for every row and column.

    Spaces before the name of a row, which show its depth, are kept. `bars`, a piece of HTML per
    row, become the last column. With CSS `classes` the page has the style, otherwise the cells.
    """

    def style(column: int) -> str:
        return "" if classes else f' style="{_CELL.format(side="right" if column else "left")}"'

    head = "".join(
        f'<th scope="col"{style(k)}>{escape(text)}</th>' if text else f"<td{style(k)}></td>"
        for k, text in enumerate(heads)
    )
    if bars is not None:
        head += '<td aria-hidden="true"></td>'
    body = []
    for i, (name, *cells) in enumerate(rows):
        text = name.lstrip(" ")
        indent = "&nbsp;" * (len(name) - len(text))
        line = [f'<th scope="row"{style(0)}>{indent}{escape(text)}</th>' if text else "<td></td>"]
        line += [f"<td{style(1)}>{escape(cell)}</td>" for cell in cells]
        if bars is not None:
            line.append(f'<td class="score" aria-hidden="true">{bars[i]}</td>')
        body.append(f"<tr>{''.join(line)}</tr>")
    looks = f'class="{classes}"' if classes else 'style="border-collapse:collapse"'
    side = "" if classes else ' style="text-align:left"'
    return (
        f"<table {looks}><caption{side}>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )


def html_block(title: str, sentences: Sequence[str], *tables: str) -> str:
    """Join sentences and tables to one group for screen readers."""
    words = "<br>".join(map(escape, sentences))
    return f'<div role="group" aria-label="{escape(title)}"><p>{words}</p>{"".join(tables)}</div>'
