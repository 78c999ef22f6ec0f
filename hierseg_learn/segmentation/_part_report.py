"""Frequency, purity and stability of every part, in numbers, words and examples."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..images import ImageBatch
from ..images.labels import check_unlabeled
from ..parts import PartLookup
from ..utils.numbers import check_integer, percent
from ._base import Segmenter, warn_of_dropped

if TYPE_CHECKING:
    import pandas as pd
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


def purity(table: np.ndarray) -> float:
    """Share of the pixels of a table that are right if every row takes its most frequent column."""
    return float(table.max(axis=1).sum() / table.sum()) if table.sum() else float("nan")


def normalized_mutual_info(table: np.ndarray) -> float:
    """Mutual information over the mean of both entropies; NaN for an empty table."""
    if not table.sum():
        return float("nan")
    joint = table / table.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    both = joint > 0
    shared = float((joint[both] * np.log(joint[both] / np.outer(rows, columns)[both])).sum())
    mean = (_entropy(rows) + _entropy(columns)) / 2
    return min(max(shared / mean, 0.0), 1.0) if mean > 0 else 1.0


def adjusted_rand(table: np.ndarray) -> float:
    """Agreement over pairs of pixels, 0 on average by chance; NaN for an empty table."""
    n_pixels = float(table.sum())
    if not n_pixels:
        return float("nan")
    same = _pairs(table)
    rows, columns = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    expected = rows * columns / max(_pairs(np.array([n_pixels])), 1.0)
    spread = (rows + columns) / 2 - expected
    return float((same - expected) / spread) if spread else 1.0


def matched_overlap(table: np.ndarray) -> np.ndarray:
    """Intersection over union of every row with the column matched to it, one to one.

    Of the matching with the largest sum; 0 for a row without a match, NaN for one without a pixel.
    """
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    union = rows[:, np.newaxis] + columns - table
    ratio = np.divide(table, union, out=np.zeros(table.shape), where=union > 0)
    overlap = np.zeros(len(table))
    matched = linear_sum_assignment(-ratio)
    overlap[matched[0]] = ratio[matched]
    return np.where(rows > 0, overlap, np.nan)


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _pairs(counts: np.ndarray) -> float:
    counts = np.asarray(counts, dtype=np.float64)
    return float((counts * (counts - 1) / 2).sum())


@dataclass(frozen=True, eq=False)
class PartReport:
    """How often parts occur, how well they agree with masks, and how stable they are.

    Made by :func:`part_report`.

    Parameters
    ----------
    names : tuple of str, length n_parts
        Names of the parts, in the order of their part ids.
    areas : ndarray of shape (n_images, n_parts), float64
        Share of the pixels of every image.
    confusion : ndarray of shape (n_parts, n_classes), int64, default=None
        Labeled pixels of every part and class of the masks; None without masks.
    classes : tuple of str, default=()
        Names of the classes of the masks.
    stability : ndarray of shape (n_parts,), float64, default=None
        How well every part is found again from either half of the images; None if not asked for.
    paths : tuple of str, default=()
        Paths of the parts in the tree.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import PartReport
    >>> report = PartReport(
    ...     ("part_0", "part_1"),
    ...     areas=np.array([[0.75, 0.25], [1.0, 0.0]]),
    ...     confusion=np.array([[60, 10], [0, 10]]),
    ...     classes=("sky", "sea"),
    ... )
    >>> round(report.purity, 3)
    0.875
    >>> print(report.to_text())
    2 parts in 2 images. The most frequent class of every part covers 87.5% of the labeled pixels.
    part_0: in 100% of the images, 87.5% of the pixels; 86% sky, 14% sea.
    part_1: in 50% of the images, 12.5% of the pixels; 100% sea.
    """

    names: tuple[str, ...]
    areas: np.ndarray
    confusion: np.ndarray | None = None
    classes: tuple[str, ...] = field(default=())
    stability: np.ndarray | None = None
    paths: tuple[str, ...] = field(default=())

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.areas)

    @property
    def image_share(self) -> np.ndarray:
        """Share of the images that have the part: ndarray of shape (n_parts,)."""
        return (self.areas > 0).mean(axis=0)

    @property
    def pixel_share(self) -> np.ndarray:
        """Mean over the images of the share of their pixels: ndarray of shape (n_parts,)."""
        return self.areas.mean(axis=0)

    @property
    def majority(self) -> tuple[str | None, ...]:
        """Most frequent class of every part, None where no pixel of it is labeled."""
        return tuple(self.classes[row.argmax()] if row.sum() else None for row in self._confusion())

    @property
    def part_purity(self) -> np.ndarray:
        """Share of the most frequent class in every part: ndarray of shape (n_parts,)."""
        table = self._confusion()
        total = table.sum(axis=1)
        return np.divide(table.max(axis=1), total, out=np.full(len(table), np.nan), where=total > 0)

    @property
    def purity(self) -> float:
        """Share of the labeled pixels that have the most frequent class of their part."""
        return purity(self._confusion())

    @property
    def normalized_mutual_info(self) -> float:
        """Normalized mutual information of parts and classes, over pixels."""
        return normalized_mutual_info(self._confusion())

    @property
    def adjusted_rand(self) -> float:
        """Adjusted Rand index of parts and classes, over pixels."""
        return adjusted_rand(self._confusion())

    def to_frame(self) -> pd.DataFrame:
        """Return one row per part.

        Columns are ``images`` (how many have the part), ``image_share``, ``pixel_share``; with
        masks ``majority`` and ``purity``; ``stability`` where it was asked for.
        """
        import pandas as pd

        columns: dict[str, Any] = {
            "images": (self.areas > 0).sum(axis=0),
            "image_share": self.image_share,
            "pixel_share": self.pixel_share,
        }
        if self.confusion is not None:
            columns |= {"majority": self.majority, "purity": self.part_purity}
        if self.stability is not None:
            columns["stability"] = self.stability
        return pd.DataFrame(columns, index=pd.Index(self.names, name="part"))

    def confusion_frame(self) -> pd.DataFrame:
        """Return the labeled pixels of every part and class as a DataFrame; needs masks."""
        import pandas as pd

        index = pd.Index(self.names, name="part")
        return pd.DataFrame(self._confusion(), index=index, columns=list(self.classes))

    def describe(self, part: int) -> str:
        """Words about the part at a position in `names`: frequency, classes, stability."""
        images, pixels = percent(self.image_share[part]), percent(self.pixel_share[part], 1)
        words = [f"in {images} of the images, {pixels} of the pixels"]
        if self.confusion is not None:
            words.append(self.mixture(part))
        if self.stability is not None:
            words.append(f"stability {self.stability[part]:.2f}")
        return "; ".join(words)

    def mixture(self, part: int, n_classes: int = 2) -> str:
        """Most frequent classes of a part with their shares, such as ``"86% sky, 14% sea"``.

        At most `n_classes` are named, and none below 5%.
        """
        row = self._confusion()[part]
        if not row.sum():
            return "no labeled pixel"
        order = np.argsort(-row, kind="stable")[:n_classes]
        shares = row[order] / row.sum()
        shown = [
            f"{percent(share)} {self.classes[k]}"
            for k, share in zip(order, shares)
            if share >= 0.05
        ]
        return ", ".join(shown)

    def to_text(self) -> str:
        """Report in words, one line per part."""
        head = f"{len(self.names)} parts in {self.n_images} images."
        if self.confusion is not None:
            covered = percent(self.purity, 1)
            head += (
                f" The most frequent class of every part covers {covered} of the labeled pixels."
            )
        lines = [f"{name}: {self.describe(part)}." for part, name in enumerate(self.names)]
        return "\n".join([head, *lines])

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(float_format="{:.2f}".format)

    def _confusion(self) -> np.ndarray:
        if self.confusion is None:
            raise ValueError(
                "The report was made without masks, so it knows no classes; pass masks to "
                "part_report."
            )
        return self.confusion


def part_report(
    segmenter: Segmenter,
    images: Any,
    masks: Any = None,
    *,
    mask_names: Mapping[int, str] | None = None,
    unlabeled: Any = None,
    stability: bool = False,
) -> PartReport:
    """Evaluate the parts of a segmenter in images.

    Parameters
    ----------
    segmenter : Segmenter
        Fitted, with one leaf per pixel: of a :class:`SegmenterUnion`, report on each of its
        ``segmenters_`` by itself.
    images : array, list of arrays, list of paths or SegmentedImages
        Images of the kind that the segmenter was fitted on. Masks of SegmentedImages are used.
    masks : array, list of arrays or list of paths, default=None
        Label maps that parts are compared with. The segmenter does not see them, unless it was
        fitted on masks.
    mask_names : dict of int to str, default=None
        Names of the ids in the masks; ``"class <id>"`` by default.
    unlabeled : int or list of int, default=None
        Ids in the masks that are no class, besides -1, where `images` brings none. None
        stands for 255 in uint8, with a warning; ``[]`` for none.
    stability : bool, default=False
        Whether to fit the segmenter again on either half of the images, to see how well its parts
        are found again. The halves depend on the content of the images and not on their order.

    Returns
    -------
    report : PartReport
        The stability of a part is the mean over the halves of its intersection over union with the
        part matched to it, over the pixels of all images.

    Raises
    ------
    ValueError, TypeError
        If an image or a mask is invalid, or the tree has several layers.

    See Also
    --------
    PartSheetDisplay : Examples of every part.

    Examples
    --------
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.segmentation import GridSegmenter, part_report
    >>> portraits = make_portraits(8, random_state=0).images
    >>> grid = GridSegmenter(2, 1).fit(portraits.images)
    >>> report = part_report(grid, portraits, mask_names={0: "background", 1: "hair"})
    >>> report.to_frame().loc["row0_col0", "majority"]
    'background'
    """
    check_is_fitted(segmenter)
    if PartLookup(segmenter.tree_).n_layers > 1:
        raise ValueError(
            f"segmenter={segmenter!r} gives a pixel several parts; report on each of its "
            "segmenters_ by itself."
        )
    if not isinstance(mask_names, Mapping | None):
        raise TypeError(f"mask_names must be a dict of ids and names, got {mask_names!r}.")
    batch = segmenter._check_images(images, segments=masks, reset=False, names=("images", "masks"))
    batch = batch.settled(check_unlabeled(unlabeled), ())
    order = part_order(segmenter)
    # position among the leaves -> position in the report; the last entry is for no part
    places = np.append(np.argsort(order), -1)
    areas = np.zeros((len(batch), len(order)))
    counts: dict[int, np.ndarray] = {}
    for i, leaves in enumerate(leaf_maps(segmenter, batch)):
        parts = places[leaves]
        areas[i] = np.bincount(parts[parts >= 0], minlength=len(order)) / parts.size
        if batch.has_masks:
            _count_overlaps(counts, parts, batch.mask(i), len(order))
    if batch.dropped_share:
        warn_of_dropped(batch.dropped_share)
    ids = sorted(counts)
    return PartReport(
        part_names(segmenter),
        areas,
        confusion=np.stack([counts[k] for k in ids], axis=1) if batch.has_masks else None,
        classes=tuple(str((mask_names or {}).get(k, f"class {k}")) for k in ids),
        stability=_stability(segmenter, batch)[order] if stability else None,
        paths=tuple(segmenter.tree_.paths[leaf] for leaf in segmenter.tree_.leaves[order]),
    )


def part_order(segmenter: Segmenter) -> np.ndarray:
    """Positions among the leaves in the order of part ids."""
    values = [np.min(np.atleast_1d(value)) for value in segmenter.tree_.leaf_values]
    return np.argsort(values, kind="stable")


def part_names(segmenter: Segmenter) -> tuple[str, ...]:
    """Names of the leaves in the order of part ids."""
    tree = segmenter.tree_
    return tuple(tree.names[leaf] for leaf in tree.leaves[part_order(segmenter)])


def leaf_maps(segmenter: Segmenter, batch: ImageBatch) -> Iterator[np.ndarray]:
    """Leaf of every pixel of every image, (h, w) int32, -1 for none."""
    lookup = PartLookup(segmenter.tree_)
    for i, (_, labels) in enumerate(segmenter.segmented(batch)):
        yield lookup.to_leaves(labels, batch.position(i))


def _count_overlaps(
    counts: dict[int, np.ndarray], parts: np.ndarray, mask: np.ndarray, n_parts: int
) -> None:
    """Add the pixels of every part and class of one image, in place."""
    for k in np.unique(mask[mask >= 0]).tolist():
        inside = parts[(mask == k) & (parts >= 0)]
        found = np.bincount(inside, minlength=n_parts)
        counts[k] = counts.get(k, 0) + found


def _stability(segmenter: Segmenter, batch: ImageBatch) -> np.ndarray:
    """Overlap of every leaf with the one matched to it, mean over fits to two halves."""
    halves = [clone(segmenter).fit(half) for half in _halves(batch)]
    n_leaves = segmenter.tree_.n_leaves
    tables = [np.zeros((n_leaves, half.tree_.n_leaves), dtype=np.int64) for half in halves]
    maps = [leaf_maps(fitted, batch) for fitted in (segmenter, *halves)]
    for leaves, *others in zip(*maps, strict=True):
        for table, found in zip(tables, others):
            both = (leaves >= 0) & (found >= 0)
            keys = leaves[both].astype(np.int64) * table.shape[1] + found[both]
            table += np.bincount(keys, minlength=table.size).reshape(table.shape)
    return np.mean([matched_overlap(table) for table in tables], axis=0)


def _halves(batch: ImageBatch) -> tuple[ImageBatch, ImageBatch]:
    """Split by content, copies of an image on one side as far as that goes."""
    if len(batch) < 2:
        raise ValueError(f"stability needs at least 2 images, got {len(batch)}.")
    keys = [
        hashlib.blake2b(batch.image(i).tobytes(), digest_size=8).digest() for i in range(len(batch))
    ]
    order = np.argsort(keys, kind="stable")
    middle = len(order) // 2
    return batch.subset(np.sort(order[:middle])), batch.subset(np.sort(order[middle:]))


def crop(photo: np.ndarray, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copy the surroundings of a part out of a photo, and out of its mask of the part."""
    rows, columns = (
        _span(np.flatnonzero(region.any(axis=axis)), region.shape[1 - axis]) for axis in (1, 0)
    )
    return photo[rows, columns].copy(), region[rows, columns].copy()


def framed(photo: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Dim what is not of a part, and fit the photo into a white square.

    Shapes: `photo` (h, w) or (h, w, 3), `region` (h, w) bool. Returns (96, 96, 3) float64.
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
    shown[_outline(inside)] = _OUTLINE
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


def _outline(inside: np.ndarray) -> np.ndarray:
    """Pixels just outside the part."""
    grown = inside.copy()
    grown[1:] |= inside[:-1]
    grown[:-1] |= inside[1:]
    grown[:, 1:] |= inside[:, :-1]
    grown[:, :-1] |= inside[:, 1:]
    return grown & ~inside


class PartSheetDisplay:
    """Examples of every part, one row per part, with the rest of the photo dimmed.

    Beside the examples stands how frequent the part is and, with masks, what its classes are. The
    sheet shows whether a part is one thing that people would name.

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
    ax_, figure_ : matplotlib Axes and Figure
        Where the sheet is drawn; set by `plot`.

    See Also
    --------
    part_report : The numbers alone.

    Examples
    --------
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.segmentation import GridSegmenter, PartSheetDisplay
    >>> photos = make_portraits(8, random_state=0).images.images
    >>> grid = GridSegmenter(1, 2).fit(photos)
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
        """Choose examples of the parts of a fitted segmenter, and draw the sheet.

        Of the images that have a part, ordered by its area, those in the upper half are shown at
        even steps: neither only the clearest ones, nor those where it is a speck.

        Parameters
        ----------
        estimator : Segmenter
            Fitted.
        X, masks, mask_names, unlabeled
            As `images`, `masks`, `mask_names` and `unlabeled` of :func:`part_report`.
        report : PartReport, default=None
            A report on the same images, if there is one already.
        parts, ax
            As for the display and for `plot`.
        n_examples : int, default=8
            Photos per part.

        Returns
        -------
        PartSheetDisplay
            The display, drawn.
        """
        check_integer(n_examples, "n_examples")
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
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                "PartSheetDisplay.plot needs matplotlib: pip install 'hierseg-learn[plot]'."
            ) from error

        n_rows, n_columns = max(len(self.parts), 1), max(self.n_examples, 1)
        if ax is None:
            size = (_WORDS + _ROW * n_columns, _ROW * n_rows)
            figure, ax = plt.subplots(figsize=size)
            figure.subplots_adjust(left=_WORDS / size[0], right=1, bottom=0, top=1)
        step = _CELL + _GAP
        sheet = np.ones((n_rows * step - _GAP, n_columns * step - _GAP, 3))
        for row, part in enumerate(self.parts):
            for column, (photo, region) in enumerate(self.examples[part]):
                cell = framed(photo, region)
                top, left = row * step, column * step
                sheet[top : top + _CELL, left : left + _CELL] = cell
            ax.text(
                -2 * _GAP,
                row * step + _CELL / 2,
                self._words(part),
                ha="right",
                va="center",
                fontsize=_FONT_POINTS,
                parse_math=False,
            )
        ax.imshow(sheet, interpolation="nearest", aspect="equal")
        ax.set_axis_off()
        self.ax_: Axes = ax
        self.figure_: Figure = ax.figure
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

    def _words(self, part: int) -> str:
        """Name of a part, and what the report says about it, in short lines."""
        lines = self.report.describe(part).split("; ")
        wrapped = [piece for line in lines for piece in textwrap.wrap(line, _LETTERS)]
        return "\n".join([self.report.names[part], *wrapped])


def _cut_out(
    estimator: Segmenter, batch: ImageBatch, chosen: dict[int, list[int]]
) -> dict[int, list[tuple[np.ndarray, np.ndarray]]]:
    """What is around a part in the images chosen for it; each image is cut into parts once."""
    lookup, order = PartLookup(estimator.tree_), part_order(estimator)
    wanted = sorted(set(chain(*chosen.values())))
    found = {}
    for i, (image, labels) in zip(wanted, estimator.segmented(batch.subset(wanted))):
        leaves = lookup.to_leaves(labels, batch.position(i))
        for part in (part for part, images in chosen.items() if i in images):
            found[part, i] = crop(np.clip(image, 0, 1), leaves == order[part])
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
