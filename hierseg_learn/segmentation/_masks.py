"""Label maps that come with the images."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from ..images import ImageBatch
from ..images.labels import OPEN_ID
from ..images.pillow import describe_ids, lonely_pixels, look_interpolated, nearest_ids
from ..tree import SegmentTree
from ._base import Segmenter, flat_tree, read_tree

# a label map with more ids is looked at for traces of a lossy format
_FEW_IDS = 6


class MaskSegmenter(Segmenter):
    """Take the label maps that were given together with the images.

    Fitted on images without label maps, it takes every image as one part, and says so in a
    warning. A model that was fitted with label maps needs them ever after, and one that was fitted
    without refuses them.

    Parameters
    ----------
    tree : dict, SegmentTree or None, default=None
        The tree of the parts, a nested dict whose leaves are part ids. None reads all label maps
        in ``fit`` and hangs the ids found in them side by side below one root. Masks of 0 and 255
        have two parts.
    unlabeled : int or list of int, default=None
        Ids that are no part, besides -1, where the images do not say so themselves. None stands for
        255 in uint8, unless the tree names it; ``[]`` for none. A model keeps to what it was fitted
        with.

    Attributes
    ----------
    tree_ : SegmentTree
        The tree of the parts.
    uses_masks : bool
        Whether it was fitted with label maps.
    unlabeled_ : tuple of int or None
        Ids that are no part, besides -1; None where nobody said.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import SegmentedImages
    >>> from hierseg_learn.segmentation import MaskSegmenter
    >>> images, masks = np.zeros((2, 2, 2)), np.array([[[0, 0], [3, 3]], [[0, 3], [3, -1]]])
    >>> segmenter = MaskSegmenter().fit(SegmentedImages(images, masks))
    >>> print(segmenter.tree_.export_text())
    image
    ├── part_0
    └── part_3
    >>> segmenter.segment(images[0], masks[1])
    array([[ 0,  3],
           [ 3, -1]], dtype=int32)
    """

    _parameter_constraints: dict = {
        "tree": [Mapping, SegmentTree, None],
        "unlabeled": ["array-like", Integral, None],
    }

    def __init__(
        self, tree: Mapping[str, Any] | SegmentTree | None = None, *, unlabeled: Any = None
    ) -> None:
        self.tree = tree
        self.unlabeled = unlabeled

    @property
    def uses_masks(self) -> bool:  # type: ignore[override]
        """Whether label maps have to be given; before `fit` True."""
        return getattr(self, "_fitted_with_masks", True)

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        self._fitted_with_masks = batch.has_masks
        if not batch.has_masks:
            warnings.warn(
                "X comes without label maps, so every image is taken as one part; pass "
                "SegmentedImages(images, masks) as X, or label maps as segments.",
                UserWarning,
                stacklevel=5,
            )
            return SegmentTree(["image"], [0], [0])
        if self.tree is not None:
            return read_tree(self.tree)
        return flat_tree(self._find_ids(batch))

    def _find_ids(self, batch: ImageBatch) -> list[int]:
        """Ids of the parts in all label maps, read once."""
        counts: Counter[int] = Counter()
        lonely: Counter[int] = Counter()
        empty = []
        for i in range(len(batch)):
            labels = batch.mask(i, may_be_empty=True)
            ids, found = np.unique(labels, return_counts=True)
            counts.update(dict(zip(ids.tolist(), found.tolist())))
            if len(ids) > _FEW_IDS:
                places = np.searchsorted(ids, labels[lonely_pixels(labels)])
                alone = np.bincount(places, minlength=len(ids))
                lonely.update(dict(zip(ids.tolist(), alone.tolist())))
            if ids[-1] == -1:
                empty.append(i)
        counts.pop(-1, None)
        if batch.dropped_share and set(counts) == {0}:
            # black and white: 255 is the object
            return [0, OPEN_ID]
        for i in empty[:1]:
            batch.mask(i)
        _refuse_interpolated(counts, lonely)
        return sorted(counts)

    def _cells(self) -> list[np.ndarray | None]:
        return [None if self.uses_masks else np.zeros((1, 1), dtype=np.int32)]

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        if self.uses_masks and mask is None:
            raise ValueError(
                "mask is missing, but the segmenter was fitted on images with label maps; pass "
                "the label map of the image (SegmentedImages keeps the two together)."
            )
        if not self.uses_masks and mask is not None:
            raise ValueError(
                "mask was given, but the segmenter was fitted on images without label maps; "
                "leave it out, or fit on SegmentedImages(images, masks)."
            )
        return np.zeros(image.shape[:2], dtype=np.int32) if mask is None else mask


def _refuse_interpolated(counts: Counter[int], lonely: Counter[int]) -> None:
    """Raise where most ids are what a lossy format or interpolation left at borders."""
    ids = np.array(sorted(counts))
    pixels = np.array([counts[k] for k in ids.tolist()])
    if len(ids) and look_interpolated(pixels, np.array([lonely[k] for k in ids.tolist()])):
        raise ValueError(
            f"The label maps of X hold {describe_ids(ids, pixels)}; most are in single pixels, as "
            "JPEG or resizing with interpolation leaves them. Make the label maps anew (PNG, "
            "nearest neighbor), round every pixel to the nearest id that it had, perhaps "
            f"{nearest_ids(ids, pixels)}, or pass tree= if they are parts."
        )
