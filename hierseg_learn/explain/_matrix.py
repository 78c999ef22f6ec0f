"""The drawing of a `PairMatrixDisplay`: cells, photos at the edges, lines between classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._colors import DIVERGING, SEQUENTIAL, import_pyplot, show_percents, text_width
from ._thumbnails import ink_on, thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._pair_matrix import PairMatrixDisplay

_FONT_POINTS = 9.0
_SMALLEST_CELL, _LARGEST_CELL, _SIDE = 0.22, 0.72, 6.0  # inches
_MARGIN, _BESIDE = 0.1, 1.15
_BAR, _BAR_GAP = 0.16, 0.12
# up to so many samples, every cell has its number
_WRITTEN = 12
# a photo beside a row, and the space around it, in cells
_PHOTO, _SPACE = 1.0, 0.08
_UNKNOWN = "0.88"


def plot(display: PairMatrixDisplay, ax: Axes | None) -> Axes:
    """Draw the display; see `PairMatrixDisplay.plot`."""
    plt = import_pyplot("PairMatrixDisplay.plot")
    n_samples = len(display.values)
    edge = 0.0 if display.photos is None else _PHOTO + 2 * _SPACE
    if ax is None:
        cell = np.clip(_SIDE / n_samples, _SMALLEST_CELL, _LARGEST_CELL)
        side = float(cell * (n_samples + edge))
        labels = max(text_width(display.label(i), _FONT_POINTS) for i in display.order) / 72
        left = labels + 2 * _MARGIN
        width, height = left + side + _BESIDE, side + 2 * _MARGIN
        figure = plt.figure(figsize=(width, height))
        box = (left / width, _MARGIN / height, side / width, side / height)
        ax = figure.add_axes(box)
    values = display.values[np.ix_(display.order, display.order)]
    mappable = _make_colors(values, display.is_share)
    ax.imshow(
        np.ma.masked_invalid(values),
        cmap=mappable.cmap,
        norm=mappable.norm,
        extent=(0, n_samples, n_samples, 0),
        label="values",
    )
    _cross_unknown(ax, values)
    _write_values(display, ax, values, mappable)
    _draw_photos(display, ax)
    _draw_classes(display, ax)
    _dress(display, ax, mappable, edge)
    return ax


def _cross_unknown(ax: Axes, values: np.ndarray) -> None:
    """A grey cell with a diagonal stroke where there is no number."""
    for i, j in np.argwhere(~np.isfinite(values)):
        ax.fill([j, j + 1, j + 1, j], [i, i, i + 1, i + 1], color=_UNKNOWN, linewidth=0)
        ax.plot([j + 0.3, j + 0.7], [i + 0.7, i + 0.3], color="0.6", linewidth=0.8)


def _write_values(display: PairMatrixDisplay, ax: Axes, values: np.ndarray, mappable: Any) -> None:
    if len(values) > _WRITTEN:
        return
    for i, j in np.argwhere(np.isfinite(values)):
        if i == j and not display.is_share:
            continue
        ax.text(
            j + 0.5,
            i + 0.5,
            display.text(values[i, j]).replace(" ", "\n"),
            ha="center",
            va="center",
            fontsize=_FONT_POINTS - 1,
            color=ink_on(mappable.to_rgba(values[i, j])),
        )


def _draw_photos(display: PairMatrixDisplay, ax: Axes) -> None:
    """Photos at the left of rows and above columns, whole, in the middle of their square."""
    if display.photos is None:
        return
    for place, sample in enumerate(display.order):
        photo = thumbnail(np.asarray(display.photos[sample]))
        height, width = np.array(photo.shape[:2]) / max(photo.shape[:2]) * (1 - 2 * _SPACE)
        middle, out = place + 0.5, -(_SPACE + _PHOTO / 2)
        for x, y in ((out, middle), (middle, out)):
            extent = (x - width / 2, x + width / 2, y + height / 2, y - height / 2)
            ax.imshow(photo, cmap="gray", vmin=0, vmax=1, extent=extent, label="photo")


def _draw_classes(display: PairMatrixDisplay, ax: Axes) -> None:
    if display.classes is None:
        return
    drawn = display.classes[display.order]
    out = 0 if display.photos is None else -(_PHOTO + 2 * _SPACE)
    for i in np.flatnonzero(drawn[1:] != drawn[:-1]) + 1:
        for line in ([(out, i), (len(drawn), i)], [(i, out), (i, len(drawn))]):
            ax.plot(*zip(*line), color="black", linewidth=1.1, solid_capstyle="butt", zorder=3)


def _dress(display: PairMatrixDisplay, ax: Axes, mappable: Any, edge: float) -> None:
    """Names, colour bar, limits."""
    from matplotlib.ticker import MaxNLocator

    n_samples = len(display.values)
    middles = np.arange(n_samples) + 0.5
    rows = [display.label(sample) for sample in display.order]
    ax.set_yticks(middles, rows, fontsize=_FONT_POINTS, parse_math=False)
    ax.set_xticks([])
    ax.tick_params(axis="both", length=0)
    ax.set(xlim=(-edge, n_samples), ylim=(n_samples, -edge), aspect="equal")
    ax.spines[:].set_visible(False)
    inches = ax.get_window_extent().width / ax.figure.figure.dpi
    room = (1 + _BAR_GAP / inches, 0, _BAR / inches, n_samples / (n_samples + edge))
    bar = ax.figure.colorbar(mappable, cax=ax.inset_axes(room), label=display.value_name)
    bar.ax.tick_params(labelsize=_FONT_POINTS)
    bar.ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if display.is_share:
        show_percents(bar.ax.yaxis, signed=False)
    bar.outline.set_visible(False)


def _make_colors(values: np.ndarray, is_share: bool) -> Any:
    """Colours from zero up, or around zero if any value is negative."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    known = values[np.isfinite(values)]
    top = float(np.abs(known).max()) if known.size else 0.0
    is_signed = bool((known < 0).any())
    norm = Normalize(-(top or 1.0) if is_signed else 0.0, top or 1.0)
    return ScalarMappable(norm, mpl.colormaps[DIVERGING if is_signed else SEQUENTIAL])
