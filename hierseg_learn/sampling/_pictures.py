"""Exchange nodes between images with label maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed

from .._compose import compose_parts
from ..images import SegmentedImages
from ..segmentation import GivenMasks
from ..tree import SegmentTree
from ._nodes import SwapNodes, read_nodes
from ._plan import SwapPlan


class Pictures:
    """Images with label maps: a new image is composed for every copy.

    Parameters
    ----------
    images : SegmentedImages
        The images.
    tree : dict, SegmentTree or None
        Leaves are part ids; None takes the flat tree of the ids in the label maps.
    n_jobs : int or None
        Processes that compose.
    """

    def __init__(self, images: SegmentedImages, tree: Any, n_jobs: int | None) -> None:
        self.images, self.n_jobs = images, n_jobs
        if tree is None:
            tree = GivenMasks().fit(images).tree_
        self.tree = tree if isinstance(tree, SegmentTree) else SegmentTree.from_nested(tree)

    def read_nodes(self, nodes: Any) -> SwapNodes:
        """Find the nodes that a user named, and refuse descriptors."""
        found = read_nodes(nodes, self.tree)
        if found.blocks:
            raise ValueError(
                "nodes names descriptors, but X is images, whose parts are exchanged as a whole; "
                "name the node alone, or exchange on the table of a SegmentTreeTransformer."
            )
        return found

    def may_give(self, nodes: SwapNodes) -> None:
        """Every image has something to give, and be it the absence of a part."""

    def swapped(self, nodes: SwapNodes, plan: SwapPlan) -> SegmentedImages:
        """Images of the new set, in memory."""
        is_copy = plan.donors >= 0
        pairs = [self._stored(row) for row in plan.receivers[~is_copy]]
        pairs += Parallel(n_jobs=self.n_jobs)(
            delayed(compose_parts)(
                *self._stored(receiver), *self._stored(donor), self.tree, nodes.whole
            )
            for receiver, donor in zip(plan.receivers[is_copy], plan.donors[is_copy])
        )
        images, masks = zip(*pairs)
        return SegmentedImages(list(images), list(masks), unlabeled=self.images.unlabeled)

    def _stored(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """One image and its label map; True and False in a label map are parts 1 and 0."""
        image, mask = self.images[int(row)]
        return image, mask.astype(np.uint8) if mask.dtype == bool else mask
