"""Any function as a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from ..images import ImageBatch
from ..images.labels import OPEN_ID, IdRule, check_unlabeled
from ..tree import SegmentTree
from ._base import Segmenter, flat_tree, read_tree


class CallableSegmenter(Segmenter):
    """Cut images with a function of one's own, such as a network.

    Parameters
    ----------
    function : callable
        Gets an image, an array of shape (height, width) or (height, width, 3) and dtype float32,
        scaled to [0, 1] by what `fit` saw, and returns the part id of every pixel, whole numbers of
        shape (height, width); -1 is no part, and an image may have none. For a model that is to be
        pickled or used with ``n_jobs``, it must be picklable.
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
        # What it says is about the function; given label maps are not looked at.
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
