"""What a vocabulary of parts is worth: how frequent, pure and stable every part is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..images import ImageBatch
from ..images.labels import check_unlabeled
from ..parts import PartLookup
from ..utils.numbers import percent
from ._base import Segmenter, warn_of_dropped

if TYPE_CHECKING:
    import pandas as pd


def purity(table: np.ndarray) -> float:
    """Share of the pixels that are right if every row takes its most frequent column.

    Shapes: `table` (n_rows, n_columns). Returns in [0, 1]; NaN for an empty table.
    """
    return float(table.max(axis=1).sum() / table.sum()) if table.sum() else float("nan")


def normalized_mutual_info(table: np.ndarray) -> float:
    """Mutual information over the mean of both entropies, as in scikit-learn.

    Shapes: `table` (n_rows, n_columns). Returns in [0, 1]; 1 where both sides are one group, NaN
    for an empty table.
    """
    if not table.sum():
        return float("nan")
    joint = table / table.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    both = joint > 0
    shared = float((joint[both] * np.log(joint[both] / np.outer(rows, columns)[both])).sum())
    mean = (_entropy(rows) + _entropy(columns)) / 2
    return min(max(shared / mean, 0.0), 1.0) if mean > 0 else 1.0


def adjusted_rand(table: np.ndarray) -> float:
    """Agreement over pairs of pixels, 0 on average by chance, as in scikit-learn.

    Shapes: `table` (n_rows, n_columns). Returns at most 1; NaN for an empty table.
    """
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

    Shapes: `table` (n_rows, n_columns). Returns `overlap` (n_rows,) float64: in [0, 1], of the
    matching with the largest sum; 0 for a row without a match, NaN for a row without a pixel.
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
    """How often parts occur, how well they agree with masks, and whether they come again.

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

        Returns
        -------
        DataFrame of shape (n_parts, ...)
            ``images`` (how many have the part), ``image_share``, ``pixel_share``; with masks
            ``majority`` and ``purity``; ``stability`` where it was asked for.
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
        """Return the labeled pixels of every part and class.

        Returns
        -------
        DataFrame of shape (n_parts, n_classes)

        Raises
        ------
        ValueError
            If there were no masks.
        """
        import pandas as pd

        index = pd.Index(self.names, name="part")
        return pd.DataFrame(self._confusion(), index=index, columns=list(self.classes))

    def describe(self, part: int) -> str:
        """Say how frequent a part is, what the masks call it, and how stable it is.

        Parameters
        ----------
        part : int
            Position in `names`.

        Returns
        -------
        str
        """
        images, pixels = percent(self.image_share[part]), percent(self.pixel_share[part], 1)
        words = [f"in {images} of the images, {pixels} of the pixels"]
        if self.confusion is not None:
            words.append(self.mixture(part))
        if self.stability is not None:
            words.append(f"stability {self.stability[part]:.2f}")
        return "; ".join(words)

    def mixture(self, part: int, n_classes: int = 2) -> str:
        """Most frequent classes of a part with their shares, such as ``"86% sky, 14% sea"``.

        Parameters
        ----------
        part : int
            Position in `names`.
        n_classes : int, default=2
            How many classes to name; those below 5% are left out.

        Returns
        -------
        str
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
        """Say it in words, one line per part.

        Returns
        -------
        str
        """
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
    """Look at the parts of a segmenter in images.

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
        Ids in the masks that are no class, besides -1, where `images` does not say so itself. None
        stands for 255 in uint8, which a warning says; ``[]`` for none.
    stability : bool, default=False
        Whether to fit the segmenter anew on either half of the images, and to see how well its
        parts come again. The halves depend on the content of the images and not on their order.

    Returns
    -------
    report : PartReport
        The stability of a part is the mean over the halves of its intersection over union with the
        part matched to it, over the pixels of all images.

    Raises
    ------
    ValueError, TypeError
        If an image or a mask is not what it should be, or the tree has several layers.

    See Also
    --------
    PartSheetDisplay : Examples of every part.

    Examples
    --------
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.segmentation import GridSegmenter, part_report
    >>> portraits = make_portraits(8, random_state=0).images
    >>> grid = GridSegmenter(n_rows=2, n_cols=1).fit(portraits.images)
    >>> report = part_report(grid, portraits, mask_names={0: "background", 1: "hair"})
    >>> report.to_frame().loc["row0_col0", "majority"]
    'background'
    """
    check_is_fitted(segmenter)
    lookup = PartLookup(segmenter.tree_)
    if lookup.n_layers > 1:
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
    for i in range(len(batch)):
        parts = places[leaf_map(segmenter, lookup, batch, i)]
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
    )


def part_order(segmenter: Segmenter) -> np.ndarray:
    """Positions among the leaves in the order of part ids."""
    values = [np.min(np.atleast_1d(value)) for value in segmenter.tree_.leaf_values]
    return np.argsort(values, kind="stable")


def part_names(segmenter: Segmenter) -> tuple[str, ...]:
    """Names of the leaves in the order of part ids."""
    tree = segmenter.tree_
    return tuple(tree.names[leaf] for leaf in tree.leaves[part_order(segmenter)])


def leaf_map(segmenter: Segmenter, lookup: PartLookup, batch: ImageBatch, i: int) -> np.ndarray:
    """Leaf of every pixel of one image, -1 for none; (h, w) int32."""
    mask = batch.mask(i) if segmenter.uses_masks else None
    where = f"image {batch.position(i)}"
    return lookup.to_leaves(segmenter.label_map(batch.image(i), mask, where=where), i)


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
    lookup = PartLookup(segmenter.tree_)
    others = [(half, PartLookup(half.tree_)) for half in halves]
    tables = [np.zeros((n_leaves, half.tree_.n_leaves), dtype=np.int64) for half in halves]
    for i in range(len(batch)):
        own = leaf_map(segmenter, lookup, batch, i)
        for table, (half, half_lookup) in zip(tables, others):
            found = leaf_map(half, half_lookup, batch, i)
            both = (own >= 0) & (found >= 0)
            keys = own[both].astype(np.int64) * table.shape[1] + found[both]
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
