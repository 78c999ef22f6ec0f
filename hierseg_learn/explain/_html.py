"""Bars of explanations as HTML for notebooks, without scripts."""

from __future__ import annotations

from ._colors import BELOW, BELOW_NEGATIVE, NEGATIVE, POSITIVE

_OPEN_UP_TO = 60
_BAR_WIDTH = 12.0  # em
_CELL = "text-align:right;padding:0 .6em"
_HEAD = '<th scope="col" style="text-align:{side}">{text}</th>'


def _bar(pro: float, contra: float, own: float, is_leaf: bool) -> str:
    """Two pale bars for either side of everything below an inner node, own columns before them."""
    hatched = f"repeating-linear-gradient(45deg,{NEGATIVE} 0 3px,#fff 3px 4px)"
    bars = [] if is_leaf else [(0.0, pro, BELOW, "0"), (pro, contra, BELOW_NEGATIVE, "0")]
    bars.append((0.0, own, POSITIVE, ".2em") if own >= 0 else (pro, -own, hatched, ".2em"))
    drawn = "".join(
        f'<div style="position:absolute;top:{top};bottom:{top};left:{start * _BAR_WIDTH:.2f}em;'
        f'width:{width * _BAR_WIDTH:.2f}em;background:{color}"></div>'
        for start, width, color, top in bars
    )
    return f'<div style="position:relative;height:1em;width:{_BAR_WIDTH}em">{drawn}</div>'
