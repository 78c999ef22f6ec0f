"""Any function as a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..images import ImageBatch
from ..tree import SegmentTree
from ._base import Segmenter, flat_tree, read_tree


class CallableSegmenter(Segmenter):
    """Cut images with a function of one's own, such as a network.

    Parameters
    ----------
    function : callable
        Gets an image, an array of shape (height, width) or (height, width, 3) and dtype float32,
        scaled to [0, 1] by what `fit` saw, and returns the part id of every pixel, whole numbers of
        shape (height, width); -1, and 255 in uint8, is no part, and an image may have none. For a
        model that is to be pickled or used with ``n_jobs``, it must be picklable.
    tree : dict, SegmentTree or None, default=None
        The tree of the parts, a nested dict whose leaves are part ids. None runs the function on
        all training images and hangs the ids found side by side below one root.

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
    }

    def __init__(
        self,
        function: Callable[[np.ndarray], np.ndarray] | None = None,
        *,
        tree: Mapping[str, Any] | SegmentTree | None = None,
    ) -> None:
        self.function = function
        self.tree = tree

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        if self.tree is not None:
            return read_tree(self.tree)
        ids: set[int] = set()
        for i in range(len(batch)):
            labels = self.label_map(batch.image(i), where=f"image {batch.position(i)} of X")
            ids.update(np.unique(labels).tolist())
        if not ids - {-1}:
            raise ValueError(
                "function gives no pixel of any training image a part; expected part ids, or pass "
                "their tree."
            )
        return flat_tree(sorted(ids - {-1}))

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self.function(image)
