"""Sums up the tree: the one numeric walk, a loop from the leaves to the root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ._segment_tree import SegmentTree


def sum_up(tree: SegmentTree, values: ArrayLike, axis: int) -> np.ndarray:
    """Values of all nodes from those of the leaves; see `SegmentTree.sum_up`."""
    values = np.asarray(values)
    if values.dtype.kind not in "biufc":
        raise TypeError(f"values must be numbers, got dtype {values.dtype}.")
    if not -values.ndim <= axis < values.ndim:
        raise ValueError(f"values of shape {values.shape} have no axis {axis}.")
    if values.shape[axis] != tree.n_leaves:
        raise ValueError(
            f"values must have one entry per leaf, {tree.n_leaves} along axis {axis}, "
            f"got shape {values.shape}."
        )
    axis %= values.ndim
    shape = (*values.shape[:axis], tree.n_nodes, *values.shape[axis + 1 :])
    sums = np.zeros(shape, dtype=np.sum(values[..., :0]).dtype)
    by_node = np.moveaxis(sums, axis, 0)
    by_node[tree.leaves] = np.moveaxis(values, axis, 0)
    for node, parent in enumerate(tree.parents[:-1].tolist()):
        by_node[parent] += by_node[node]
    return sums
