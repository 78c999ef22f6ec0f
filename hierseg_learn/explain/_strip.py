"""The drawing of a `NeighborStripDisplay`: photos in a row, outlines, words below them."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ._colors import NEGATIVE, POSITIVE, import_pyplot, text_width
from ._thumbnails import thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._neighbor_strip import NeighborStripDisplay

_FONT_POINTS = 9.0
# inches: a photo's height, the widest figure, a line of type
_HEIGHT, _WIDEST = 2.7, 15.0
_LINE = 0.165
# between photos, and behind the query, as shares of a photo's height
_GAP, _QUERY_GAP = 0.09, 0.16
# the least width of a column, so that words fit below a narrow photo
_LEAST_WIDTH = 0.62
_LARGEST_PHOTO = 700


def plot(display: NeighborStripDisplay, ax: Axes | None) -> Axes:
    """Draw the display; see `NeighborStripDisplay.plot`."""
    plt = import_pyplot("NeighborStripDisplay.plot")
    photos = [display.photo, *(neighbor.photo for neighbor in display.neighbors)]
    # All photos are drawn one unit high, whatever their size.
    widths = np.array([photo.shape[1] / photo.shape[0] for photo in photos])
    columns = np.maximum(widths, _LEAST_WIDTH)
    gaps = np.array([0.0, _QUERY_GAP + _GAP, *[_GAP] * (len(photos) - 2)])
    starts = np.cumsum(columns + gaps) - columns
    total = float(starts[-1] + columns[-1])
    scale = min(_HEIGHT, _WIDEST / total)
    texts = _texts(display, columns * scale * 72)
    n_lines = max(sum(len(lines) for lines, _ in blocks) for blocks in texts)
    below = (n_lines + 0.8) * _LINE / scale
    if ax is None:
        size = (scale * total + 0.2, scale * (1 + below) + 0.2)
        figure, ax = plt.subplots(figsize=size)
        figure.subplots_adjust(left=0.1 / size[0], right=1 - 0.1 / size[0], bottom=0.02, top=0.98)
    ax.set(xlim=(0, total), ylim=(1 + below, -0.01), aspect="equal")
    ax.set_axis_off()
    for i, photo in enumerate(photos):
        left = float(starts[i] + (columns[i] - widths[i]) / 2)
        extent = (left, left + float(widths[i]), 1.0, 0.0)
        _draw_photo(ax, photo, extent, is_query=i == 0)
        if i > 0:
            _outline(ax, display.neighbors[i - 1], extent)
    middle = float(starts[1]) - (_QUERY_GAP + _GAP) / 2
    ax.plot([middle, middle], [0, 1 + below * 0.85], color="0.75", linewidth=1.0)
    for start, width, blocks in zip(starts, columns, texts):
        _write(ax, float(start + width / 2), blocks)
    return ax


def _texts(
    display: NeighborStripDisplay, widths: np.ndarray
) -> list[list[tuple[list[str], dict[str, Any]]]]:
    """For every photo: blocks of lines that fit below it, each with its looks."""
    bold = {"fontweight": "bold"}
    query = [([display.name], bold), ([f"classified as {display.prediction}"], {})]
    texts = [query]
    for neighbor in display.neighbors:
        same = "same class" if neighbor.label == display.prediction else "other class"
        blocks = [
            ([neighbor.label], bold),
            ([f"{same}, distance {neighbor.explanation.distance:.3g}"], {"color": "0.25"}),
        ]
        if neighbor.differ:
            words = f"differs: {_joined(display.differences(neighbor))}"
            blocks.append(([words], {"color": "#A84300"}))
        if neighbor.alike:
            words = f"alike: {_joined(display.likenesses(neighbor))}"
            blocks.append(([words], {"color": NEGATIVE}))
        blocks.append(([neighbor.name], {"color": "0.45", "fontsize": _FONT_POINTS - 1.5}))
        texts.append(blocks)
    return [
        [([line for text in lines for line in _fit(text, width)], style) for lines, style in blocks]
        for blocks, width in zip(texts, widths)
    ]


def _fit(text: str, points: float) -> list[str]:
    """Lines of a text that are no wider than a column."""
    letters = int(points * 1.05 * len(text) / text_width(text, _FONT_POINTS))
    return wrap(text, max(letters, 10), break_on_hyphens=False)


def _joined(words: Sequence[str]) -> str:
    """Words with commas; a name stays on one line with its number."""
    return ", ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)


def _draw_photo(
    ax: Axes, photo: np.ndarray, extent: tuple[float, float, float, float], *, is_query: bool
) -> None:
    left, right, bottom, top = extent
    shown = thumbnail(photo, _LARGEST_PHOTO)
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=extent, label="photo", zorder=1)
    ax.plot(
        [left, right, right, left, left],
        [top, top, bottom, bottom, top],
        color="black" if is_query else "0.6",
        linewidth=2.0 if is_query else 0.6,
        zorder=2,
        clip_on=False,
    )


def _outline(ax: Axes, neighbor: Any, extent: tuple[float, float, float, float]) -> None:
    """Outline the segment with the largest share, warm on white, so that it shows on any photo."""
    if not neighbor.differ:
        return
    mask = neighbor.label_map == next(iter(neighbor.differ))
    if not mask.any():
        return
    left, right, bottom, top = extent
    height, width = mask.shape
    # A frame of background closes outlines at the edge of the photo.
    x = left + (np.arange(-1, width + 1) + 0.5) / width * (right - left)
    y = top + (np.arange(-1, height + 1) + 0.5) / height * (bottom - top)
    framed = np.pad(mask.astype(float), 1)
    box = [np.clip(x, left, right), np.clip(y, min(top, bottom), max(top, bottom))]
    for color, linewidth in (("white", 2.8), (POSITIVE, 1.4)):
        ax.contour(*box, framed, levels=[0.5], colors=[color], linewidths=linewidth, zorder=3)


def _write(ax: Axes, x: float, blocks: list[tuple[list[str], dict[str, Any]]]) -> None:
    """Write lines below a photo, one under the other."""
    down = 5.0
    for lines, style in blocks:
        looks = {"fontsize": _FONT_POINTS, "color": "black", **style}
        for line in lines:
            ax.annotate(
                line,
                (x, 1),
                (0, -down),
                textcoords="offset points",
                ha="center",
                va="top",
                parse_math=False,
                annotation_clip=False,
                **looks,
            )
            down += _LINE * 72
