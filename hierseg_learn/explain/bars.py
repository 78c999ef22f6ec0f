"""Contributions as horizontal bars, one per node, grouped by the tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..tree.render import top_down
from .style import (
    BELOW,
    BELOW_NEGATIVE,
    HATCH,
    NEGATIVE,
    POSITIVE,
    import_pyplot,
    make_room,
    show_percents,
    text_width,
    write_beside,
)
from .words import ShareTable, share_text, sides_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..tree import SegmentTree


FONT_POINTS = 9.0
ROW = 0.26  # inches
TALLEST = 60.0
_INDENT, _GAP = 14.0, 9.0  # points
_BRANCH = "0.65"
_WIDTH, _FRAME = 7.0, 1.1


def plot(table: ShareTable, ax: Axes | None, who: str) -> Axes:
    """Draw the bars of `Explanation.plot`; `who` is named if Matplotlib is missing."""
    plt = import_pyplot(who)
    tree = table.tree
    order = top_down(tree)
    if ax is None:
        height = min(_FRAME + ROW * len(order), TALLEST)
        _, ax = plt.subplots(figsize=(_WIDTH, height), layout="constrained")
    direct = table.direct[order]
    pro, contra = (side[order] for side in table.by_side)
    inner = ~tree.is_leaf[order]
    rows = np.arange(len(order))
    if inner.any():
        ax.barh(rows[inner], pro[inner], height=0.8, color=BELOW, zorder=2)
        if table.is_two_sided:
            ax.barh(rows[inner], -contra[inner], height=0.8, color=BELOW_NEGATIVE, zorder=2)
    colors = np.where(direct < 0, NEGATIVE, POSITIVE)
    for bar, value in zip(ax.barh(rows, direct, height=0.46, color=colors, zorder=3), direct):
        if value < 0:
            bar.set(hatch=HATCH, edgecolor="white", linewidth=0)
    _label_rows(ax, tree, order, table.marks)
    _dress(ax, table, np.concatenate([direct, pro, -contra]))
    _write_shares(ax, table, order)
    return ax


def _write_shares(ax: Axes, table: ShareTable, order: list[int]) -> None:
    """Write numbers at the ends of the bars: direct, and for inner nodes that of all below."""
    sides, (pro, contra) = table.sides, table.by_side
    texts = []
    for node in order:
        direct = share_text(table.direct[node], sides)
        below = share_text(table.total[node], sides)
        if table.is_two_sided:
            below = sides_text(pro[node], contra[node], sides)
        if not table.tree.is_leaf[node]:
            direct = f"{below}, direct {direct}" if table.has_direct else below
        texts.append(direct)
    make_room(ax, pro[order], texts, FONT_POINTS - 1)
    for row, (end, text) in enumerate(zip(pro[order], texts)):
        write_beside(ax, text, (end, row), color="0.25", fontsize=FONT_POINTS - 1, zorder=4)


def _dress(ax: Axes, table: ShareTable, values: np.ndarray) -> None:
    """Axes, grid, legend and title."""
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    span = high - low or 1.0
    ax.set_xlim(low - 0.02 * span * (low < 0), high + 0.02 * span)
    ax.set_ylim(len(table.tree) - 0.4, -0.6)
    show_percents(ax.xaxis, signed=False)
    ticks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, low + span)
    ax.set_xticks([tick for tick in ticks if low - 1e-9 <= tick <= low + span + 1e-9])
    ax.grid(axis="x", color="0.9", zorder=0)
    ax.axvline(0, color="0.4", linewidth=0.8, zorder=3.5)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_xlabel(table.axis_label, parse_math=False)
    ax.set_title(table.title, parse_math=False, fontsize=FONT_POINTS + 2, loc="left")
    named = {"with everything below": BELOW, "direct": POSITIVE}
    handles = [Patch(color=color, label=name) for name, color in named.items()]
    if table.tree.n_nodes == 1:
        handles = handles[1:]
    ax.legend(handles=handles, fontsize=FONT_POINTS - 1, frameon=False, loc="best")


def write_names(ax: Axes, tree: SegmentTree, order: Sequence[int], marks: Sequence[str]) -> None:
    """Write one name per row, indented by depth, inner nodes in bold, and draw the branches."""
    _draw_branches(ax, tree, order, _label_rows(ax, tree, order, marks))


def _label_rows(
    ax: Axes, tree: SegmentTree, order: Sequence[int], marks: Sequence[str]
) -> np.ndarray:
    """Names with marks at the left, inner nodes in bold; their starts in points, (n_nodes,)."""
    texts = [tree.names[node] + (f" ({marks[node]})" if marks[node] else "") for node in order]
    bold = ~tree.is_leaf[list(order)]
    starts = _INDENT * tree.depths[list(order)]
    widths = [text_width(text, FONT_POINTS, bold=flag) for text, flag in zip(texts, bold)]
    edge = max(starts + widths) + _GAP
    ax.set_yticks(range(len(order)), texts, ha="left", parse_math=False, fontsize=FONT_POINTS)
    ax.tick_params(axis="y", length=0)
    for tick, flag, start in zip(ax.yaxis.get_major_ticks(), bold, starts):
        # left-aligned text starts this far out of the axes
        tick.set_pad(edge - start)
        tick.label1.set_fontweight("bold" if flag else "normal")
    return starts - edge


def _draw_branches(ax: Axes, tree: SegmentTree, order: Sequence[int], starts: np.ndarray) -> None:
    """Draw a line from each parent down to its children."""
    from matplotlib.collections import LineCollection
    from matplotlib.transforms import Affine2D, ScaledTranslation, blended_transform_factory

    rows = {node: row for row, node in enumerate(order)}
    lines = []
    for node in order:
        children = [rows[child] for child in tree.children(node)]
        if children:
            x = starts[rows[node]] + 0.35 * _INDENT
            lines.append([(x, rows[node] + 0.38), (x, max(children))])
            lines += [[(x, child), (starts[child] - 2, child)] for child in children]
    # x in points from the left edge of the axes, y in rows
    points = Affine2D().scale(1 / 72) + ax.figure.figure.dpi_scale_trans
    from_edge = points + ScaledTranslation(0, 0, ax.transAxes)
    branches = LineCollection(
        lines,
        colors=_BRANCH,
        linewidths=0.8,
        transform=blended_transform_factory(from_edge, ax.transData),
        clip_on=False,
    )
    branches.set_in_layout(False)
    ax.add_collection(branches, autolim=False)
