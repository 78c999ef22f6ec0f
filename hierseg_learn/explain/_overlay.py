"""The drawing of a `SegmentContributionDisplay`: photos, tints, borders, colour bar, caption."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ._colors import DIVERGING, SEQUENTIAL, import_pyplot, show_percents, text_width
from ._labels import LabelWriter
from ._regions import Region, label_spot, make_region
from ._shares import LEAST, share_text
from ._text import node_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._display import SegmentContributionDisplay

_FONT_POINTS = 9.0
# inches: a photo's height, what stands beside and above or below the photos, the widest figure
_HEIGHT = 4.2
_BESIDE, _AROUND = 0.85, 0.9
_WIDEST = 14.0
# between photos, and the colour bar's width, as shares of a photo's height
_GAP, _BAR = 0.05, 0.04
# the photo under the tints is kept between these grey levels, so that tints stay readable
_DARKEST, _LIGHTEST = 0.15, 1.0
_MEAN_GRAY = 0.7
_BORDER = (0.1, 0.1, 0.1, 0.9)


def plot(
    display: SegmentContributionDisplay, ax: Axes | None, max_labels: int, alpha: float
) -> Axes:
    """Draw the display; see `SegmentContributionDisplay.plot`."""
    plt = import_pyplot("SegmentContributionDisplay.plot")
    regions = [
        make_region(photo, labels, display.drawn)
        for photo, labels in zip(display.images, display.label_maps)
    ]
    # All photos are drawn one unit high, whatever their size.
    widths = [region.gray.shape[1] / region.gray.shape[0] for region in regions]
    starts = np.cumsum([0.0, *[width + _GAP for width in widths]])
    total = float(starts[-1]) - _GAP
    if ax is None:
        width = min(_HEIGHT * total + _BESIDE, _WIDEST)
        height = (width - _BESIDE) / total + _AROUND
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    mappable = _make_colors(display)
    tints = _tints(display.explanation.share, mappable, alpha)
    for region, start, width in zip(regions, starts, widths):
        _draw_photo(ax, region, tints, (float(start), float(start + width), 1.0, 0.0))
    _write_titles(ax, display, starts, widths)
    _draw_bar(ax, mappable, total, alpha, display.explanation._share_label())
    ax.set(xlim=(0, total + _room(ax, total)), ylim=(1, 0), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    _write_question(ax, display, total)
    _write_caption(ax, display.caption, total)
    _write_labels(ax, display, regions, starts, max_labels)
    return ax


def _make_colors(display: SegmentContributionDisplay) -> Any:
    """Colors of shares: from zero up, or around zero where there are two sides."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    values = np.array(list(display.shares.values()))
    top = float(np.abs(values).max()) or 1.0
    is_signed = display.explanation._is_two_sided or bool((values < 0).any())
    norm = Normalize(-top if is_signed else 0.0, top)
    return ScalarMappable(norm, mpl.colormaps[DIVERGING if is_signed else SEQUENTIAL])


def _tints(share: np.ndarray, mappable: Any, alpha: float) -> np.ndarray:
    """RGBA colour of every node, and of none at the end, where -1 finds it."""
    colors = np.zeros((len(share) + 1, 4), dtype=np.uint8)
    colors[:-1] = mappable.to_rgba(share, alpha=alpha, bytes=True)
    return colors


def _draw_photo(
    ax: Axes, region: Region, tints: np.ndarray, extent: tuple[float, float, float, float]
) -> None:
    """Grey photo, tints and borders as three images, one above the other."""
    gray = _DARKEST + (_LIGHTEST - _DARKEST) * region.gray
    borders = np.zeros((*region.borders.shape, 4))
    borders[region.borders] = _BORDER
    layers = {"photo": gray, "tints": tints[region.nodes], "borders": borders}
    for name, layer in layers.items():
        ax.imshow(layer, extent=extent, cmap="gray", vmin=0, vmax=1, label=name)


def _write_titles(
    ax: Axes, display: SegmentContributionDisplay, starts: np.ndarray, widths: list[float]
) -> None:
    for title, start, width in zip(display.titles, starts, widths):
        ax.annotate(
            title,
            (float(start + width / 2), 0),
            (0, 5),
            textcoords="offset points",
            ha="center",
            va="baseline",
            fontsize=_FONT_POINTS + 2,
            parse_math=False,
        )


def _draw_bar(ax: Axes, mappable: Any, total: float, alpha: float, label: str) -> None:
    """Colour bar of the photos' height, in the colours that tints have on a photo of mean grey."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap
    from matplotlib.ticker import MaxNLocator

    pure = mappable.cmap(np.linspace(0, 1, 256))[:, :3]
    seen = ListedColormap(alpha * pure + (1 - alpha) * _MEAN_GRAY)
    bar_ax = ax.inset_axes((total + _GAP, 0, _BAR, 1), transform=ax.transData)
    bar = ax.figure.colorbar(ScalarMappable(mappable.norm, seen), cax=bar_ax)
    bar.set_label(label, parse_math=False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    show_percents(bar.ax.yaxis, signed=False)
    bar.outline.set_visible(False)


def _room(ax: Axes, total: float) -> float:
    """Width that the colour bar and its text need, in heights of a photo."""
    box = ax.get_window_extent()
    width, height = box.width / ax.figure.figure.dpi, box.height / ax.figure.figure.dpi
    scale = max(min(height, (width - _BESIDE) / total), 0.1 * width)
    return _BESIDE / scale


def _write_question(ax: Axes, display: SegmentContributionDisplay, total: float) -> None:
    """Write the question above the photos and their titles."""
    size = _FONT_POINTS + 2
    lines = _fit(ax, display.question, total + _room(ax, total), size)
    pad = 6 + 1.5 * size * any(display.titles)
    ax.set_title(lines, loc="left", fontsize=size, pad=pad, parse_math=False)


def _write_caption(ax: Axes, caption: str, total: float) -> None:
    """Write the caption below the photos, in lines as long as they are wide."""
    size = _FONT_POINTS - 0.5
    lines = [_fit(ax, sentence, total, size) for sentence in caption.splitlines()]
    ax.set_xlabel("\n".join(lines), loc="left", fontsize=size, parse_math=False)


def _fit(ax: Axes, text: str, width: float, size: float) -> str:
    """Break a text into lines of a width in heights of a photo."""
    ax.figure.figure.draw_without_rendering()  # only a draw settles the size of the axes
    (left, _), (right, _) = ax.transData.transform([(0, 0), (width, 0)])
    points = (right - left) * 72 / ax.figure.figure.dpi
    letters = int(0.95 * points * len(text) / (text_width(text, size) or 1.0))
    return "\n".join(wrap(text, max(letters, 20)))


def _write_labels(
    ax: Axes,
    display: SegmentContributionDisplay,
    regions: list[Region],
    starts: np.ndarray,
    max_labels: int,
) -> None:
    """Write names and shares of segments on the photos, the largest shares first."""
    share, names = display.explanation.share, node_labels(display.explanation.tree)
    writer = LabelWriter(ax, _FONT_POINTS)
    for region, start in zip(regions, starts):
        height, width = region.nodes.shape
        sides = float(start), float(start) + width / height
        shown = [int(node) for node in np.unique(region.nodes) if node >= 0]
        shown = [node for node in shown if abs(share[node]) >= LEAST]
        shown.sort(key=lambda node: -abs(share[node]))
        for node in shown[:max_labels]:
            row, column, radius = label_spot(region.nodes == node)
            spot = float(start) + (column + 0.5) / height, (row + 0.5) / height
            text = f"{names[node]} {share_text(share[node], display.explanation._sides)}"
            writer.write(text, spot, radius / height, sides)
