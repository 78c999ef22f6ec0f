"""Exchange nodes between rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import diags_array, issparse

from .._exchange import PartExchange
from .._layout import read_layout
from ._nodes import SwapNodes, read_nodes
from ._plan import SwapPlan


def named_table(values: Any, names: Any) -> Any:
    """Values as a DataFrame where there are names."""
    if names is None:
        return values
    import pandas as pd

    return pd.DataFrame(values, columns=names, copy=False)


class DescriptorTable:
    """A table that a fitted transformer made: the nodes above an exchanged one are made anew.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        The table as the transformer returned it.
    names : sequence of str or None
        Its columns, in any order; None has them in the transformer's.
    transformer : SegmentTreeTransformer
        Fitted.
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
        """Rows that have what is exchanged: absence can be given, a missing node's colour not."""
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

    Parameters
    ----------
    values : ndarray or sparse array of shape (n_rows, n_columns)
        Columns that no node has stay with their row.
    names : sequence of str or None
        Names of the columns.
    tree : dict, SegmentTree or None
        Leaves are lists of columns; None reads the tree from the column names.
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
