"""Exchange nodes between rows of a table."""

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
from ..transformer.exchange import PartExchange
from ..tree import SegmentTree
from ._plan import SwapPlan


class SwapNodes(NamedTuple):
    """Nodes to exchange, by id."""

    whole: tuple[int, ...]  # nodes of which everything is exchanged
    # nodes of which only the named descriptors are exchanged
    blocks: tuple[tuple[int, tuple[str, ...]], ...]

    @property
    def all(self) -> tuple[int, ...]:
        """All of them."""
        return self.whole + tuple(node for node, _ in self.blocks)


def read_nodes(nodes: Any, tree: SegmentTree) -> SwapNodes:
    """Find the nodes that a user named."""
    if tree.n_nodes == 1:
        raise ValueError(
            f"X has one node only, {tree.root_name!r}, so there is nothing to exchange: expected a "
            "table whose column names carry the paths of two nodes or more, transformer=, tree= or "
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
            "leave those out that make the class."
        )
    return SwapNodes(whole, tuple((n, blocks) for n, blocks in found.items() if blocks is not None))


def _listed(nodes: Any) -> list[str]:
    listed = [nodes] if isinstance(nodes, str) else nodes
    if not isinstance(listed, list | tuple) or not all(isinstance(name, str) for name in listed):
        raise TypeError(
            "nodes must name the nodes to exchange: a path or short name, a list of such, or a "
            f"dict of such to lists of descriptors, got {nodes!r}."
        )
    return list(listed)


def _blocks(name: str, blocks: Any) -> tuple[str, ...] | None:
    if blocks is None:
        return None
    named = [blocks] if isinstance(blocks, str) else list(blocks)
    if not named:
        raise ValueError(f"nodes[{name!r}] is empty; expected names of descriptors, or None.")
    return tuple(named)


def named_table(values: Any, names: Any) -> Any:
    """Values as a DataFrame where there are names."""
    if names is None:
        return values
    import pandas as pd

    return pd.DataFrame(values, columns=names, copy=False)


class DescriptorTable:
    """A table that a fitted transformer made: the nodes above an exchanged one are made anew.

    Shapes: `values` (n_rows, n_columns).
    """

    def __init__(self, values: np.ndarray, names: Any, transformer: Any) -> None:
        self.exchange = PartExchange.from_transformer(transformer)
        self.tree = self.exchange.tree
        self.rows = self.exchange.read(named_table(values, names), "X")
        places = {name: place for place, name in enumerate(self.exchange.column_names)}
        self.order = np.array([places[name] for name in (places if names is None else names)])

    def read_nodes(self, nodes: Any) -> SwapNodes:
        """Find the nodes that a user named, and check the descriptors."""
        found = read_nodes(nodes, self.tree)
        for _, descriptors in found.blocks:
            self.exchange.descriptor_places(descriptors)
        return found

    def may_give(self, nodes: SwapNodes) -> np.ndarray:
        """Rows that have what is exchanged: absence can be given, a missing node's color not."""
        area = self.rows[:, self.exchange.leaf_areas]
        there = [area[:, self.exchange.leaves(node)].sum(axis=1) > 0 for node, _ in nodes.blocks]
        return np.logical_and.reduce([np.ones(len(area), dtype=bool), *there])

    def swapped(self, nodes: SwapNodes, plan: SwapPlan) -> np.ndarray:
        """Rows of the new set, in the table's order of columns."""
        rows = self.rows[plan.receivers]
        copies = np.flatnonzero(plan.donors >= 0)
        made, donors = rows[copies], self.rows[plan.donors[copies]]
        if nodes.whole:
            leaves = self.exchange.leaves(nodes.whole)
            leaves = np.broadcast_to(leaves, (len(copies), len(leaves)))
            made = self.exchange.exchange(made, donors, leaves)
        for node, descriptors in nodes.blocks:
            made = self.exchange.exchange_descriptors(made, donors, node, descriptors)
        rows[copies] = made
        return rows[:, self.order]


class PlainTable:
    """Any table whose columns belong to nodes of a tree: columns change places, no more.

    Shapes: `values` (n_rows, n_columns).
    """

    def __init__(self, values: Any, names: Any, tree: Any) -> None:
        layout = read_layout(
            "auto" if tree is None else tree, names, values.shape[1], complete=False
        )
        self.tree, self.columns = layout.tree, layout.columns
        self.values, self.names = values, names

    def read_nodes(self, nodes: Any) -> SwapNodes:
        """Find the nodes that a user named, and refuse what needs a transformer."""
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
                        f"{self.names[column]!r}: they would still tell of the old part. Pass the "
                        "fitted SegmentTreeTransformer that made the table as transformer=, so "
                        "that they are made anew."
                    )
        return found

    def may_give(self, nodes: SwapNodes) -> None:
        """Every row has something to give."""

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
        if tree is None:
            tree = MaskSegmenter().fit(images).tree_
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
