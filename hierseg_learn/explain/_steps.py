"""The drawing of a `WaterfallDisplay`: bars that start where the one before them ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..utils._numbers import number
from ._colors import HATCH, NEGATIVE, POSITIVE, import_pyplot, make_room
from ._shares import share_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._waterfall import WaterfallDisplay

_FONT_POINTS = 9.0
_WIDTH, _FRAME, _ROW = 7.0, 1.1, 0.29  # inches
_TOTAL = "0.35"
_JOIN = "0.55"


class Step(NamedTuple):
    """One bar of the waterfall."""

    label: str
    value: float
    share: float


def plot(display: WaterfallDisplay, ax: Axes | None) -> Axes:
    """Draw the display; see `WaterfallDisplay.plot`."""
    plt = import_pyplot("WaterfallDisplay.plot")
    steps = display.steps()
    if ax is None:
        height = _FRAME + _ROW * (len(steps) + 1)
        _, ax = plt.subplots(figsize=(_WIDTH, height), layout="constrained")
    ends = np.cumsum([step.value for step in steps])
    starts = ends - [step.value for step in steps]
    for row, (step, start) in enumerate(zip(steps, starts)):
        ax.barh(row, step.value, left=start, height=0.66, zorder=3, **_style(step.value))
    total = float(display.explanation.own.sum())
    ax.barh(len(steps), total, height=0.66, color=_TOTAL, zorder=3)
    joints = np.arange(len(steps))
    ax.vlines(ends, joints + 0.33, joints + 0.67, color=_JOIN, linewidth=0.9, zorder=2)
    _dress(display, ax, steps, np.concatenate([[0.0, total], ends]))
    sides = display.explanation._sides
    numbers = [f"{number(step.value, '+.3g')}  {share_text(step.share, sides)}" for step in steps]
    edges = [*np.maximum(starts, ends), max(total, 0.0)]
    _write_numbers(ax, edges, [*numbers, number(total)])
    return ax


def _dress(display: WaterfallDisplay, ax: Axes, steps: list[Step], ends: np.ndarray) -> None:
    """Scale, names, title."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(ends.min()), float(ends.max())
    span = high - low or 1.0
    ax.set_xlim(low - 0.02 * span * (low < 0), high + 0.02 * span)
    ax.set_ylim(len(steps) + 0.6, -0.6)
    names = [*(step.label for step in steps), display.sum_name]
    ax.set_yticks(range(len(names)), names, fontsize=_FONT_POINTS, parse_math=False)
    ax.yaxis.get_major_ticks()[-1].label1.set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=_FONT_POINTS)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.set_axisbelow(True)
    ax.grid(axis="x", color="0.9")
    ax.axvline(0, color="0.4", linewidth=0.8, zorder=3.5)
    ax.axhline(len(steps) - 0.5, color="0.75", linewidth=0.8, zorder=1)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_xlabel(f"contribution to the {display.sum_name}", fontsize=_FONT_POINTS)
    title = display.explanation._title()
    ax.set_title(title, parse_math=False, fontsize=_FONT_POINTS + 2, loc="left")


def _write_numbers(ax: Axes, edges: Sequence[float], texts: Sequence[str]) -> None:
    """Write numbers behind the bars, and make room for them in the scale."""
    make_room(ax, edges, list(texts), _FONT_POINTS - 1)
    for row, (edge, text) in enumerate(zip(edges, texts)):
        ax.annotate(
            text,
            (edge, row),
            (4, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=_FONT_POINTS - 1,
            fontweight="bold" if row == len(texts) - 1 else "normal",
            color="0.15",
            zorder=4,
        )


def _style(value: float) -> dict[str, Any]:
    if value >= 0:
        return {"color": POSITIVE}
    return {"color": NEGATIVE, "hatch": HATCH, "edgecolor": "white", "linewidth": 0}
