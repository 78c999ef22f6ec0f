"""Label maps that come with the images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..images import ImageBatch
from ..tree import SegmentTree
from ._base import Segmenter, flat_tree, read_tree


class GivenMasks(Segmenter):
    """Take the label maps that were given together with the images.

    Fitted on images without label maps, it takes every image as one part, and says so in a
    warning. A model that was fitted with label maps needs them ever after, and one that was fitted
    without refuses them.

    Parameters
    ----------
    tree : dict, SegmentTree or None, default=None
        The tree of the parts, a nested dict whose leaves are part ids. None reads all label maps
        in ``fit`` and hangs the ids found in them side by side below one root.

    Attributes
    ----------
    tree_ : SegmentTree
        The tree of the parts.
    uses_masks : bool
        Whether it was fitted with label maps.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import SegmentedImages
    >>> from hierseg_learn.segmentation import GivenMasks
    >>> images, masks = np.zeros((2, 2, 2)), np.array([[[0, 0], [3, 3]], [[0, 3], [3, -1]]])
    >>> segmenter = GivenMasks().fit(SegmentedImages(images, masks))
    >>> print(segmenter.tree_.export_text())
    image
    ├── part_0
    └── part_3
    >>> segmenter.segment(images[0], masks[1])
    array([[ 0,  3],
           [ 3, -1]], dtype=int32)
    """

    _parameter_constraints: dict = {"tree": [Mapping, SegmentTree, None]}

    def __init__(self, tree: Mapping[str, Any] | SegmentTree | None = None) -> None:
        self.tree = tree

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
        ids: set[int] = set()
        for i in range(len(batch)):
            ids.update(np.unique(batch.mask(i)).tolist())
        return flat_tree(sorted(ids - {-1}))

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
