"""Rows of a picture that are the nodes of a tree: names at the left, joined by branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ._colors import text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..tree import SegmentTree

FONT_POINTS = 9.0
ROW = 0.26  # inches
TALLEST = 60.0
_INDENT, _GAP = 14.0, 9.0  # points
_BRANCH = "0.65"


def write_names(ax: Axes, tree: SegmentTree, order: Sequence[int], marks: Sequence[str]) -> None:
    """Write one name per row, indented by depth, inner nodes in bold, and draw the branches.

    Parameters
    ----------
    ax : matplotlib Axes
        Row i of `order` is at y = i.
    tree : SegmentTree
        The tree.
    order : list of int
        Its nodes in reading order.
    marks : list of str
        By node, what stands behind the name in brackets.
    """
    texts = [tree.names[node] + (f" ({marks[node]})" if marks[node] else "") for node in order]
    bold = ~tree.is_leaf[list(order)]
    starts = _INDENT * tree.depths[list(order)]
    widths = [text_width(text, FONT_POINTS, bold=flag) for text, flag in zip(texts, bold)]
    edge = max(starts + widths) + _GAP
    ax.set_yticks(range(len(order)), texts, ha="left", parse_math=False, fontsize=FONT_POINTS)
    ax.tick_params(axis="y", length=0)
    for tick, flag, start in zip(ax.yaxis.get_major_ticks(), bold, starts):
        # Left-aligned text starts this far out of the axes.
        tick.set_pad(edge - start)
        tick.label1.set_fontweight("bold" if flag else "normal")
    _draw_branches(ax, tree, order, starts - edge)


def _draw_branches(ax: Axes, tree: SegmentTree, order: Sequence[int], starts: np.ndarray) -> None:
    """From below a parent's first letter down to each child, and a stroke to its name."""
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
