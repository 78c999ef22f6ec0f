"""The tree as a Matplotlib drawing: root at the left, one row per leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .render import align_values, format_value, top_down

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Lengths in inches, at the full size of the type.
_FONT_POINTS = 9.0
_SMALLEST_FONT = 3.0
_ROW = 0.29
_COLUMN_GAP = 0.4
_BOX_PAD = 0.045
_MARGIN = 0.1
_BAR_WIDTH, _BAR_PAD, _BAR_LABELS = 0.14, 0.15, 0.65
_BAR_HEIGHT = 1.8
_LARGEST_FIGURE = 60.0

_LINE_COLOR = "0.6"
_INK, _PAPER = "black", "white"


class _Layout(NamedTuple):
    """Where the boxes go, in inches from the upper left corner."""

    x: np.ndarray  # left end of a node's text
    y: np.ndarray  # middle of its row
    width: float
    height: float


def plot(
    tree: Any,
    values: Any,
    ax: Axes | None,
    *,
    fmt: str | None,
    cmap: Any,
    label: str | None,
) -> Axes:
    """Draw the tree; see `SegmentTree.plot`."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "SegmentTree.plot needs matplotlib: pip install 'hierseg-learn[plot]'."
        ) from error

    numbers, texts = None, list(tree.names)
    if hasattr(values, "get_subplotspec"):
        raise TypeError(f"values is {type(values).__name__}; pass axes as ax=.")
    if values is not None:
        aligned = align_values(tree, values)
        numbers = _check_numbers(tree, aligned)
        shown = [format_value(value, fmt) for value in aligned]
        texts = [f"{name}  {value}".rstrip() for name, value in zip(texts, shown)]
    has_bar = numbers is not None and bool(np.isfinite(numbers).any())
    layout = _arrange(tree, texts)
    if ax is None:
        width, height = _figure_size(layout, has_bar)
        figure, ax = plt.subplots(figsize=(width, height))
        figure.subplots_adjust(left=0, right=1 - has_bar * _BAR_LABELS / width, bottom=0, top=1)
    ax.set(xlim=(0, layout.width), ylim=(layout.height, 0))
    ax.set_axis_off()
    if numbers is not None and has_bar:
        faces = _color_by(ax, numbers, cmap, label)
    else:
        faces = np.ones((tree.n_nodes, 4))
    dashed = np.zeros(tree.n_nodes, bool) if numbers is None else ~np.isfinite(numbers)
    _draw_branches(tree, ax, layout)
    _draw_boxes(ax, layout, texts, faces, dashed)
    return ax


def _check_numbers(tree: Any, aligned: list[Any]) -> np.ndarray:
    numbers = np.full(tree.n_nodes, np.nan)
    for node, value in enumerate(aligned):
        if value is None:
            continue
        if isinstance(value, (str, bytes, complex)) or not hasattr(value, "__float__"):
            raise TypeError(
                f"values must be numbers to color nodes by, got {value!r} for {tree.path(node)!r}."
            )
        numbers[node] = float(value)
    return numbers


def _arrange(tree: Any, texts: list[str]) -> _Layout:
    """Columns by depth, as wide as their longest text; parents in the middle of their children."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=_FONT_POINTS)
    widths = [
        text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72
        for text in texts
    ]
    columns = np.zeros(tree.depths.max() + 1)
    np.maximum.at(columns, tree.depths, widths)
    columns += 2 * _BOX_PAD
    starts = _MARGIN + np.cumsum(columns + _COLUMN_GAP) - (columns + _COLUMN_GAP)

    y = np.zeros(tree.n_nodes)
    reading_order = [node for node in top_down(tree) if tree.is_leaf[node]]
    y[reading_order] = _MARGIN + _ROW * (np.arange(tree.n_leaves) + 0.5)
    for node in tree.bottom_up():
        if children := tree.children(node):
            y[node] = (y[children[0]] + y[children[-1]]) / 2
    return _Layout(
        x=starts[tree.depths] + _BOX_PAD,
        y=y,
        width=float(starts[-1] + columns[-1] + _MARGIN),
        height=2 * _MARGIN + _ROW * tree.n_leaves,
    )


def _figure_size(layout: _Layout, has_bar: bool) -> tuple[float, float]:
    width, height = layout.width, layout.height
    if has_bar:
        width += _BAR_PAD + _BAR_WIDTH + _BAR_LABELS
        height = max(height, _BAR_HEIGHT)
    return min(width, _LARGEST_FIGURE), min(height, _LARGEST_FIGURE)


def _color_by(ax: Axes, numbers: np.ndarray, cmap: Any, label: str | None) -> np.ndarray:
    """Color per node from finite values, and a color bar at the right of the axes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    finite = np.isfinite(numbers)
    mappable = ScalarMappable(Normalize(numbers[finite].min(), numbers[finite].max()), cmap)
    faces = np.ones((numbers.size, 4))
    faces[finite] = mappable.to_rgba(numbers[finite])
    mappable.set_array(numbers[finite])
    room = ax.get_window_extent().width / ax.figure.figure.dpi
    ax.figure.colorbar(
        mappable,
        ax=ax,
        label=label or "",
        fraction=min(_BAR_WIDTH / room, 0.1),
        pad=min(_BAR_PAD / room, 0.1),
        shrink=0.85,
        aspect=12,
    )
    return faces


def _draw_branches(tree: Any, ax: Axes, layout: _Layout) -> None:
    from matplotlib.collections import LineCollection

    segments = []
    for node in tree.bottom_up():
        children = list(tree.children(node))
        if not children:
            continue
        corner = layout.x[children[0]] - _BOX_PAD - _COLUMN_GAP / 2
        # The line starts under the parent's box, which hides it up to its border.
        segments.append([(layout.x[node], layout.y[node]), (corner, layout.y[node])])
        segments.append([(corner, layout.y[children[0]]), (corner, layout.y[children[-1]])])
        segments += [[(corner, layout.y[i]), (layout.x[i], layout.y[i])] for i in children]
    lines = LineCollection(segments, colors=_LINE_COLOR, linewidths=0.9, zorder=1)
    ax.add_collection(lines, autolim=False)


def _draw_boxes(
    ax: Axes, layout: _Layout, texts: list[str], faces: np.ndarray, dashed: np.ndarray
) -> None:
    font_points = _FONT_POINTS * _scale(ax, layout)
    for x, y, text, face, is_dashed in zip(layout.x, layout.y, texts, faces, dashed):
        box = {
            "boxstyle": f"round,pad={_BOX_PAD * 72 / _FONT_POINTS}",
            "facecolor": face,
            "edgecolor": _LINE_COLOR,
            "linewidth": 0.8,
            "linestyle": "--" if is_dashed else "-",
        }
        ax.text(
            x,
            y,
            text,
            color=_ink_on(face),
            fontsize=font_points,
            parse_math=False,
            ha="left",
            va="center_baseline",
            bbox=box,
            zorder=2,
        )


def _scale(ax: Axes, layout: _Layout) -> float:
    """Size of the type that makes the drawing fit into the axes, at most 1."""
    figure = ax.figure.figure
    if figure.get_layout_engine() is not None:
        # Only a draw lets the layout engine settle the size of the axes.
        figure.draw_without_rendering()
    extent = ax.get_window_extent()
    fit = min(extent.width / layout.width, extent.height / layout.height) / figure.dpi
    return float(np.clip(fit, _SMALLEST_FONT / _FONT_POINTS, 1))


def _ink_on(face: np.ndarray) -> str:
    """Black or white, whichever has more contrast (WCAG 2.1 relative luminance)."""
    linear = np.where(face[:3] <= 0.04045, face[:3] / 12.92, ((face[:3] + 0.055) / 1.055) ** 2.4)
    return _INK if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else _PAPER
