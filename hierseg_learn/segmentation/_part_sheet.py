"""A contact sheet: examples of every part, beside how frequent and how pure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..images import ImageBatch
from . import _sheet_drawing
from ._base import Segmenter
from ._part_report import PartReport, leaf_map, part_names, part_order, part_report
from ._parts import PartLookup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        self.examples = [[_sheet_drawing.crop(*example) for example in row] for row in examples]
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
        self.ax_: Axes = _sheet_drawing.plot(self, ax)
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
            found[part, i] = _sheet_drawing.crop(np.clip(image, 0, 1), region)
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
