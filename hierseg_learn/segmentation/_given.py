"""Label maps from elsewhere: masks that come with the images, or a function of the user's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from ..images import ImageBatch
from ..images.labels import OPEN_ID, IdRule, check_unlabeled
from ..images.pillow import describe_ids, lonely_pixels, look_interpolated, nearest_ids
from ..tree import SegmentTree
from ..utils import warn_user
from ._base import Segmenter, flat_tree, read_tree

# a label map with more ids is checked for traces of a lossy format
_FEW_IDS = 6


class MaskSegmenter(Segmenter):
    """Take the label maps that were given together with the images.

    Fitted on images without label maps, it takes every image as one part, with a warning. A model
    that was fitted with label maps needs them ever after, and one that was fitted without refuses
    them.

    Parameters
    ----------
    tree : dict, SegmentTree or None, default=None
        The tree of the parts, a nested dict whose leaves are part ids. None reads all label maps
        in ``fit`` and hangs the ids found in them side by side below one root; masks of 0 and 255
        have two parts. With a tree, ``fit`` reads no label map.
    unlabeled : int or list of int, default=None
        Ids that are no part, besides -1, where the images bring none. None stands for
        255 in uint8, unless the tree names it; ``[]`` for none. A fitted model keeps them.

    Attributes
    ----------
    tree_ : SegmentTree
        The tree of the parts.
    uses_masks : bool
        Whether it was fitted with label maps.
    unlabeled_ : tuple of int or None
        Ids that are no part, besides -1; None if not given.

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
            warn_user(
                "X comes without label maps, so every image is taken as one part; pass "
                "SegmentedImages(images, masks) as X, or label maps as segments."
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

    def _check_image(self, image: Any, mask: Any = None) -> ImageBatch:
        batch = super()._check_image(image, mask)
        if batch.has_masks and not self.uses_masks:
            raise ValueError(
                "mask was given, but the segmenter was fitted on images without label maps; "
                "leave it out, or fit on SegmentedImages(images, masks)."
            )
        return batch

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        if self.uses_masks and mask is None:
            raise ValueError(
                "mask is missing, but the segmenter was fitted on images with label maps; pass "
                "the label map of the image (SegmentedImages keeps the two together)."
            )
        return np.zeros(image.shape[:2], dtype=np.int32) if mask is None else mask

    def _check_labels(self, labels: np.ndarray, size: tuple[int, int], where: str) -> np.ndarray:
        # masks were checked as they were read
        return labels


def _refuse_interpolated(counts: Counter[int], lonely: Counter[int]) -> None:
    """Raise where most ids are what a lossy format or interpolation left at borders."""
    ids = np.array(sorted(counts))
    pixels = np.array([counts[k] for k in ids.tolist()])
    if len(ids) and look_interpolated(pixels, np.array([lonely[k] for k in ids.tolist()])):
        raise ValueError(
            f"The label maps of X hold {describe_ids(ids, pixels)}; most are in single pixels, as "
            "JPEG or resizing with interpolation leaves them. Save the label maps again (PNG, "
            "nearest neighbor), round every pixel to the nearest id that it had, perhaps "
            f"{nearest_ids(ids, pixels)}, or pass tree= if they are parts."
        )


class CallableSegmenter(Segmenter):
    """Cut images with a function of one's own, such as a network.

    Parameters
    ----------
    function : callable
        Gets an image, an array of shape (height, width) or (height, width, 3) and dtype float32,
        scaled to [0, 1] by the range seen in `fit`, and returns the part id of every pixel, whole
        numbers of shape (height, width); -1 is no part, and an image may have none. For a model
        that is to be pickled or used with ``n_jobs``, it must be picklable.
    tree : dict, SegmentTree or None, default=None
        The tree of the parts, a nested dict whose leaves are part ids. None runs the function on
        all training images and hangs the ids found side by side below one root. Label maps of 0
        and 255 have two parts.
    unlabeled : int or list of int, default=None
        Ids that are no part, besides -1. None stands for 255 in uint8, unless the tree names it;
        ``[]`` for none.

    Attributes
    ----------
    tree_ : SegmentTree
        The tree of the parts.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import CallableSegmenter
    >>> def bright(image):
    ...     return image > 0.5
    >>> segmenter = CallableSegmenter(bright, tree={"image": {"ink": 1, "paper": 0}})
    >>> segmenter.fit(np.zeros((1, 1, 2))).segment(np.array([[0.2, 0.9]]))
    array([[0, 1]], dtype=int32)
    """

    _parameter_constraints: dict = {
        "function": [callable],
        "tree": [Mapping, SegmentTree, None],
        "unlabeled": ["array-like", Integral, None],
    }

    def __init__(
        self,
        function: Callable[[np.ndarray], np.ndarray] | None = None,
        *,
        tree: Mapping[str, Any] | SegmentTree | None = None,
        unlabeled: Any = None,
    ) -> None:
        self.function = function
        self.tree = tree
        self.unlabeled = unlabeled

    def _unlabeled_masks(self) -> None:
        # `unlabeled` is about the function; label maps that come with the images are not used
        return None

    @property
    def _rule(self) -> IdRule:
        return self._output_rule

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        self._output_rule = IdRule().settled(check_unlabeled(self.unlabeled), self._parts, "X")
        if self.tree is not None:
            return read_tree(self.tree)
        ids: set[int] = set()
        for _, labels in self.segmented(batch):
            ids.update(np.unique(labels).tolist())
        ids.discard(-1)
        if batch.dropped_share and ids == {0}:
            # black and white: 255 is the object
            ids.add(OPEN_ID)
            self._output_rule = IdRule(None, tuple(sorted(ids)))
        if not ids:
            raise ValueError(
                "function gives no pixel of any training image a part; expected part ids, or pass "
                "their tree."
            )
        return flat_tree(sorted(ids))

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self.function(image)
