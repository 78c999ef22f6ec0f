"""Swap nodes between the rows of a table, or between images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy.sparse import diags_array, issparse

from ..compositing.compose import compose_parts
from ..images import SegmentedImages
from ..segmentation import MaskSegmenter
from ..table.layout import read_layout
from ..transformer.part_editor import PartEditor
from ..tree import SegmentTree
from ._plan import SwapPlan


class SwapNodes(NamedTuple):
    """Nodes to swap, by id."""

    whole: tuple[int, ...]  # nodes that are swapped as a whole
    # nodes of which only the named descriptors are swapped
    blocks: tuple[tuple[int, tuple[str, ...]], ...]

    @property
    def all(self) -> tuple[int, ...]:
        """All of them."""
        return self.whole + tuple(node for node, _ in self.blocks)


def read_nodes(nodes: Any, tree: SegmentTree) -> SwapNodes:
    """Find the nodes that a user named."""
    if tree.n_nodes == 1:
        raise ValueError(
            f"X has one node only, {tree.root_name!r}, so there is nothing to swap: expected a "
            "table whose column names hold the paths of two or more nodes, transformer=, tree= or "
            "SegmentedImages."
        )
    wanted = dict(nodes) if isinstance(nodes, Mapping) else dict.fromkeys(_listed(nodes))
    found = {tree.index(name): _blocks(name, blocks) for name, blocks in wanted.items()}
    for node in found:
        for inner in found:
            if inner != node and inner in tree.subtree(node):
                raise ValueError(
                    f"nodes names {tree.path(inner)!r}, which lies below {tree.path(node)!r}; name "
                    "one of the two."
                )
    whole = tuple(node for node, blocks in found.items() if blocks is None)
    covered = np.zeros(tree.n_nodes, dtype=bool)
    for node in whole:
        covered[tree.subtree(node)] = True
    if covered[tree.leaves].all():
        raise ValueError(
            "nodes names every part of the image, so that nothing of the receiver would be left; "
            "exclude the parts that define the class."
        )
    return SwapNodes(whole, tuple((n, blocks) for n, blocks in found.items() if blocks is not None))


def _listed(nodes: Any) -> list[str]:
    listed = [nodes] if isinstance(nodes, str) else nodes
    if not isinstance(listed, list | tuple) or not all(isinstance(name, str) for name in listed):
        raise TypeError(
            "nodes must name the nodes to swap: a path or short name, a list of these, or a dict "
            f"that maps them to lists of descriptors, got {nodes!r}."
        )
    return list(listed)


def _blocks(name: str, blocks: Any) -> tuple[str, ...] | None:
    if blocks is None:
        return None
    named = [blocks] if isinstance(blocks, str) else list(blocks)
    if not named:
        raise ValueError(f"nodes[{name!r}] is empty; expected names of descriptors, or None.")
    return tuple(named)


def as_container(X: Any, values: Any) -> Any:
    """Put values, (n_new, n_columns), into a list or a DataFrame with the dtypes of X, as X is."""
    if isinstance(X, list):
        return values.tolist()
    if not hasattr(X, "columns"):
        return values
    import pandas as pd

    if issparse(values):
        frame = pd.DataFrame.sparse.from_spmatrix(values, columns=X.columns)
    else:
        frame = pd.DataFrame(values, columns=X.columns, copy=False)
    return frame if frame.dtypes.equals(X.dtypes) else frame.astype(X.dtypes)


class DescriptorTable:
    """The table of a fitted transformer: nodes above a swapped one are recomputed."""

    def __init__(self, values: np.ndarray, names: Any, transformer: Any) -> None:
        self.editor = PartEditor.from_transformer(transformer)
        self.tree = self.editor.tree
        self.rows, self.order = self.editor.read_values(values, names, "X")

    def read_nodes(self, nodes: Any) -> SwapNodes:
        """Find the nodes that a user named, and check the descriptors."""
        found = read_nodes(nodes, self.tree)
        for _, descriptors in found.blocks:
            self.editor.descriptor_places(descriptors)
        return found

    def may_give(self, nodes: SwapNodes) -> np.ndarray:
        """Rows that may be donors: of a node of which only descriptors are swapped, any pixel."""
        there = [self.editor.area_of(self.rows, node) > 0 for node, _ in nodes.blocks]
        return np.logical_and.reduce([np.ones(len(self.rows), dtype=bool), *there])

    def swapped(self, nodes: SwapNodes, plan: SwapPlan) -> np.ndarray:
        """Rows of the new set, in the table's order of columns."""
        rows = self.rows[plan.receivers]
        copies = np.flatnonzero(plan.donors >= 0)
        made, donors = rows[copies], self.rows[plan.donors[copies]]
        if nodes.whole:
            leaves = self.editor.leaves(nodes.whole)
            made = self.editor.swap(
                made, donors, np.broadcast_to(leaves, (len(copies), len(leaves)))
            )
        for node, descriptors in nodes.blocks:
            made = self.editor.swap_descriptors(made, donors, node, descriptors)
        rows[copies] = made
        return rows[:, self.order]


class PlainTable:
    """Any table whose columns belong to nodes of a tree: columns are copied, not recomputed."""

    def __init__(self, values: Any, names: Any, tree: Any) -> None:
        layout = read_layout(
            "auto" if tree is None else tree, names, values.shape[1], complete=False
        )
        self.tree, self.columns = layout.tree, layout.columns
        self.values, self.names = values, names

    def read_nodes(self, nodes: Any) -> SwapNodes:
        """Find the nodes that a user named; descriptors and ancestors need a transformer."""
        found = read_nodes(nodes, self.tree)
        if found.blocks:
            raise ValueError(
                "nodes names descriptors, which only a table of a fitted SegmentTreeTransformer "
                "has; pass it as transformer=, or name the node alone."
            )
        for node in found.whole:
            for above in self.tree.ancestors(node):
                if len(self.columns[above]):
                    column = self.columns[above][0]
                    raise ValueError(
                        f"nodes names {self.tree.path(node)!r}, which is part of "
                        f"{self.tree.path(int(above))!r}, and that has columns of its own, such as "
                        f"{self.names[column]!r}: they would still encode the old part. Pass the "
                        "fitted SegmentTreeTransformer that made the table as transformer=, so "
                        "that they are recomputed."
                    )
        return found

    def may_give(self, nodes: SwapNodes) -> None:
        """Every row may be a donor."""

    def swapped(self, nodes: SwapNodes, plan: SwapPlan) -> Any:
        """Rows of the new set."""
        taken = np.zeros(self.values.shape[1], dtype=bool)
        for node in nodes.whole:
            for inner in self.tree.subtree(node):
                taken[self.columns[inner]] = True
        givers = np.where(plan.donors >= 0, plan.donors, plan.receivers)
        mine, theirs = self.values[plan.receivers], self.values[givers]
        if not issparse(self.values):
            return np.where(taken, theirs, mine)
        kept, given = (diags_array(side.astype(mine.dtype)) for side in (~taken, taken))
        return type(self.values)(mine @ kept + theirs @ given)


class ImageSource:
    """Images with label maps: a new image is composed for every copy."""

    def __init__(self, images: SegmentedImages, tree: Any, n_jobs: int | None) -> None:
        self.images, self.n_jobs = images, n_jobs
        self._has_names = tree is not None
        if tree is None:
            tree = MaskSegmenter().fit(images).tree_
        self.tree = tree if isinstance(tree, SegmentTree) else SegmentTree.from_nested(tree)

    def read_nodes(self, nodes: Any) -> SwapNodes:
        """Find the nodes that a user named, and refuse descriptors."""
        try:
            found = read_nodes(nodes, self.tree)
        except ValueError as error:
            if self._has_names:
                raise
            raise ValueError(
                f"{error} Label maps hold ids without names; pass tree= or transformer= to use "
                "names of your own."
            ) from error
        if found.blocks:
            raise ValueError(
                "nodes names descriptors, but X is images, whose parts are swapped as a whole; "
                "name the node alone, or swap on the table of a SegmentTreeTransformer."
            )
        return found

    def may_give(self, nodes: SwapNodes) -> None:
        """Every image may be a donor, if only of the absence of a part."""

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
