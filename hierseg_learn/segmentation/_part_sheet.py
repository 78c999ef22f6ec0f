"""A contact sheet: examples of every part, beside how frequent and how pure it is."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..images import ImageBatch
from ..parts import PartLookup
from ._base import Segmenter
from ._part_report import PartReport, leaf_map, part_names, part_order, part_report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    pass  # HOUSE
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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

    Shapes: `photo` (h, w) or (h, w, 3), `region` (h, w) bool. Returns `cell` (96, 96, 3) float64.
    """
    photo = np.asarray(photo, dtype=np.float64)
    gray = photo if photo.ndim == 2 else photo.mean(axis=2)
    photo = np.stack([photo] * 3, axis=2) if photo.ndim == 2 else photo
    # nearest pixels, so that small images stay sharp and borders stay borders
    longest = max(region.shape)
    height, width = (max(round(side * _CELL / longest), 1) for side in region.shape)
    take = np.ix_(
        np.arange(height) * region.shape[0] // height, np.arange(width) * region.shape[1] // width
    )
    inside = region[take]
    dimmed = 1 - _DIMMED + _DIMMED * gray[take]
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


class PartSheetDisplay:
    """Examples of every part, one row per part: the part as it is, the rest of the photo dimmed.

    Beside the examples stands how frequent the part is and, where there are masks, what they call
    it. Looking at the sheet tells whether a person would name the parts, and how.

    Parameters
    ----------
    report : PartReport
        What is written beside the examples.
    examples : list of list of (ndarray, ndarray)
        For every part of the report photos, (h, w) or (h, w, 3) in [0, 1], and which of their
        pixels are the part, (h, w) bool. A list may be empty.
    parts : sequence of int, default=None
        Rows to draw, as positions in ``report.names``; by default all.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that hold the sheet; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.
    alt_text : str
        The sheet in words.

    See Also
    --------
    part_report : The numbers alone.

    Examples
    --------
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.segmentation import GridSegmenter, PartSheetDisplay
    >>> photos = make_portraits(8, random_state=0).images.images
    >>> grid = GridSegmenter(n_rows=1, n_cols=2).fit(photos)
    >>> display = PartSheetDisplay.from_estimator(grid, photos, n_examples=3)
    >>> print(display.alt_text)
    2 parts with up to 3 examples each. row0_col0: in 100% of the images, 50.0% of the pixels. \
row0_col1: in 100% of the images, 50.0% of the pixels.
    """

    def __init__(
        self,
        report: PartReport,
        examples: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]],
        *,
        parts: Sequence[int] | None = None,
    ) -> None:
        if not isinstance(report, PartReport):
            raise TypeError(f"report must be a PartReport, got {type(report).__name__}.")
        if len(examples) != len(report.names):
            raise ValueError(
                f"examples must have one list per part, {len(report.names)}, got {len(examples)}."
            )
        self.report = report
        self.examples = [[crop(*example) for example in row] for row in examples]
        self.parts = _check_parts(parts, len(report.names))

    @classmethod
    def from_estimator(
        cls,
        estimator: Segmenter,
        X: Any,
        masks: Any = None,
        *,
        mask_names: Mapping[int, str] | None = None,
        unlabeled: Any = None,
        report: PartReport | None = None,
        parts: Sequence[int] | None = None,
        n_examples: int = 8,
        ax: Axes | None = None,
    ) -> PartSheetDisplay:
        """Look at the parts of a fitted segmenter, choose examples, and draw the sheet.

        Of the images that have a part, ordered by its area, those in the upper half are shown at
        even steps: neither the clearest ones only, nor those where it is a speck.

        Parameters
        ----------
        estimator : Segmenter
            Fitted.
        X, masks, mask_names, unlabeled
            As `images`, `masks`, `mask_names` and `unlabeled` of `part_report`.
        report : PartReport, default=None
            A report on the same images, where there is one already.
        parts, ax
            As for the display and for `plot`.
        n_examples : int, default=8
            How many photos of every part.

        Returns
        -------
        PartSheetDisplay
            The display, drawn.

        Raises
        ------
        ValueError, TypeError
            As `part_report` does.
        """
        if not isinstance(n_examples, Integral) or n_examples < 1:
            raise ValueError(f"n_examples must be an integer of at least 1, got {n_examples!r}.")
        if report is None:
            report = part_report(estimator, X, masks, mask_names=mask_names, unlabeled=unlabeled)
        batch = estimator._check_images(X, segments=masks, reset=False, names=("X", "masks"))
        if len(batch) != report.n_images:
            raise ValueError(
                f"report is about {report.n_images} images, but X has {len(batch)}; expected the "
                "report on X."
            )
        if report.names != part_names(estimator):
            raise ValueError(
                f"report is about the parts {', '.join(report.names)}, but estimator has "
                f"{', '.join(part_names(estimator))}; expected the report on estimator."
            )
        shown = _check_parts(parts, len(report.names))
        chosen = {part: _typical(report.areas[:, part], int(n_examples)) for part in shown}
        display = cls(report, [[] for _ in report.names], parts=shown)
        for part, examples in _cut_out(estimator, batch, chosen).items():
            display.examples[part] = examples
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> PartSheetDisplay:
        """Draw the sheet.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure of the size that the sheet needs.

        Returns
        -------
        PartSheetDisplay
            The display itself.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        self.ax_: Axes = plot(self, ax)
        self.figure_: Figure = self.ax_.figure
        return self

    @property
    def n_examples(self) -> int:
        """Largest number of examples of a part."""
        return max((len(self.examples[part]) for part in self.parts), default=0)

    @property
    def alt_text(self) -> str:
        """The sheet in words, for those who cannot see it."""
        lines = [f"{self.report.names[part]}: {self.report.describe(part)}." for part in self.parts]
        head = f"{len(self.parts)} parts with up to {self.n_examples} examples each."
        return " ".join([head, *lines])


def _cut_out(
    estimator: Segmenter, batch: ImageBatch, chosen: dict[int, list[int]]
) -> dict[int, list[tuple[np.ndarray, np.ndarray]]]:
    """What is around a part in the images chosen for it; each image is cut into parts once."""
    lookup, order = PartLookup(estimator.tree_), part_order(estimator)
    found = {}
    for i in sorted(set(chain(*chosen.values()))):
        image, leaves = batch.image(i), leaf_map(estimator, lookup, batch, i)
        for part in (part for part, images in chosen.items() if i in images):
            region = leaves == order[part]
            found[part, i] = crop(np.clip(image, 0, 1), region)
    return {part: [found[part, i] for i in images] for part, images in chosen.items()}


def _check_parts(parts: Sequence[int] | None, n_parts: int) -> list[int]:
    if parts is None:
        return list(range(n_parts))
    for part in parts:
        if not isinstance(part, Integral) or not 0 <= part < n_parts:
            raise ValueError(f"parts must be positions in [0, {n_parts}), got {part!r}.")
    return [int(part) for part in parts]


def _typical(areas: np.ndarray, n_examples: int) -> list[int]:
    """Images at even steps through the larger half of those that have the part, largest first."""
    order = np.argsort(-areas, kind="stable")[: int((areas > 0).sum())]
    upper = order[: max(-(-len(order) // 2), min(n_examples, len(order)))]
    steps = np.linspace(0, len(upper) - 1, min(n_examples, len(upper))).round().astype(int)
    return upper[steps].tolist()
