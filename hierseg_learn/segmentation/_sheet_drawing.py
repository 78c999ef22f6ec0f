"""The drawing of a `PartSheetDisplay`: crops in rows, words beside them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._part_sheet import PartSheetDisplay

# pixels
_CELL, _GAP = 96, 4
# inches
_ROW, _WORDS = 0.82, 2.8
_FONT_POINTS = 8.0
_LETTERS = 44
# how much of the photo around the part is seen: share of the image sides
_PADDING, _SMALLEST = 0.08, 0.4
# how much of the rest of the photo stays
_DIMMED = 0.22
_OUTLINE = np.array([213, 94, 0]) / 255


def plot(display: PartSheetDisplay, ax: Axes | None) -> Axes:
    """Draw the sheet; see `PartSheetDisplay.plot`."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "PartSheetDisplay.plot needs matplotlib: pip install 'hierseg-learn[plot]'."
        ) from error

    n_rows, n_columns = max(len(display.parts), 1), max(display.n_examples, 1)
    if ax is None:
        size = (_WORDS + _ROW * n_columns, _ROW * n_rows)
        figure, ax = plt.subplots(figsize=size)
        figure.subplots_adjust(left=_WORDS / size[0], right=1, bottom=0, top=1)
    step = _CELL + _GAP
    sheet = np.ones((n_rows * step - _GAP, n_columns * step - _GAP, 3))
    for row, part in enumerate(display.parts):
        for column, (photo, region) in enumerate(display.examples[part]):
            cell = framed(photo, region)
            top, left = row * step, column * step
            sheet[top : top + _CELL, left : left + _CELL] = cell
        ax.text(
            -2 * _GAP,
            row * step + _CELL / 2,
            _words(display, part),
            ha="right",
            va="center",
            fontsize=_FONT_POINTS,
            parse_math=False,
        )
    ax.imshow(sheet, interpolation="nearest", aspect="equal")
    ax.set_axis_off()
    return ax


def crop(photo: np.ndarray, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copy out of a photo and of the pixels of a part what is around the part."""
    rows, columns = (
        _span(np.flatnonzero(region.any(axis=axis)), region.shape[1 - axis]) for axis in (1, 0)
    )
    return photo[rows, columns].copy(), region[rows, columns].copy()


def framed(photo: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Dim what is not of a part, and fit the rest into a white square.

    Parameters
    ----------
    photo : ndarray of shape (h, w) or (h, w, 3)
        In [0, 1].
    region : ndarray of shape (h, w), bool
        The part.

    Returns
    -------
    cell : ndarray of shape (96, 96, 3), float64
    """
    photo = np.asarray(photo, dtype=np.float64)
    grey = photo if photo.ndim == 2 else photo.mean(axis=2)
    photo = np.stack([photo] * 3, axis=2) if photo.ndim == 2 else photo
    # nearest pixels, so that small images stay sharp and borders stay borders
    longest = max(region.shape)
    height, width = (max(round(side * _CELL / longest), 1) for side in region.shape)
    take = np.ix_(
        np.arange(height) * region.shape[0] // height, np.arange(width) * region.shape[1] // width
    )
    inside = region[take]
    dimmed = 1 - _DIMMED + _DIMMED * grey[take]
    shown = np.where(inside[..., np.newaxis], photo[take], dimmed[..., np.newaxis])
    shown[_rim(inside)] = _OUTLINE
    cell = np.ones((_CELL, _CELL, 3))
    top, left = (_CELL - height) // 2, (_CELL - width) // 2
    cell[top : top + height, left : left + width] = shown
    return cell


def _span(used: np.ndarray, side: int) -> slice:
    """Rows or columns to show: those of the part and some around."""
    if not used.size:
        return slice(0, side)
    pad = _PADDING * side
    low, high = used[0] - pad, used[-1] + 1 + pad
    lacking = max(_SMALLEST * side - (high - low), 0) / 2
    return slice(max(int(low - lacking), 0), min(int(np.ceil(high + lacking)), side))


def _rim(inside: np.ndarray) -> np.ndarray:
    """Pixels just outside the part."""
    grown = inside.copy()
    grown[1:] |= inside[:-1]
    grown[:-1] |= inside[1:]
    grown[:, 1:] |= inside[:, :-1]
    grown[:, :-1] |= inside[:, 1:]
    return grown & ~inside


def _words(display: PartSheetDisplay, part: int) -> str:
    """Name of a part, and what the report says about it, in short lines."""
    lines = display.report.describe(part).split("; ")
    wrapped = [piece for line in lines for piece in textwrap.wrap(line, _LETTERS)]
    return "\n".join([display.report.names[part], *wrapped])
