"""A table read node by node: which columns say how a node looks, and where it is there at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..descriptors import ShapeDescriptor
from ..fitted.model import check_transformer
from ..images import is_table
from ..table.layout import AREA, PRESENCE, TableLayout, read_layout, split_column
from ..transformer import SegmentTreeTransformer
from ..tree import SegmentTree
from ..utils.tables import as_pandas, column_names, order_columns


@dataclass(frozen=True)
class NodeTable:
    """Rows of a table, and what of them belongs to which node."""

    tree: SegmentTree  # the tree
    rows: np.ndarray  # (n_rows, n_columns) float64: the table; NaN only where a node is absent
    columns: tuple[np.ndarray, ...]  # for every node the columns that count
    present: np.ndarray  # (n_rows, n_nodes) bool: where a node has any pixel
    # in which the table came: how finely its columns are told apart
    dtype: type | np.dtype = np.float64

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, node: int, which: np.ndarray) -> np.ndarray:
        """Columns of one node in some rows, (n_which, n_own)."""
        return self.rows[np.ix_(which, self.columns[node])]


@dataclass(frozen=True)
class TableReader:
    """Reads tables that have the columns of a first one."""

    layout: TableLayout  # the tree and the columns of every node
    names: tuple[str, ...] | None  # column names of the first table
    transformer: SegmentTreeTransformer | None  # describes images
    appearance_only: bool  # whether presence, area and geometry are left out

    @classmethod
    def of(cls, X: Any, transformer: Any, tree: Any, appearance_only: bool) -> TableReader:
        """Look at a first table, or at the transformer that makes it."""
        if transformer is not None:
            transformer = check_transformer(transformer)
            names = tuple(transformer.get_feature_names_out().tolist())
        elif not is_table(X):
            raise TypeError(
                "X is images; expected the table that a fitted SegmentTreeTransformer made of "
                "them, or that transformer as transformer=."
            )
        else:
            found = column_names(as_pandas(X))
            names = None if found is None else tuple(map(str, found))
        n_columns = np.shape(X)[1] if names is None else len(names)
        return cls(read_layout(tree, names, n_columns), names, transformer, appearance_only)

    def read(self, X: Any, name: str) -> NodeTable:
        """Read a table, or describe images."""
        if self.transformer is not None and not is_table(X):
            X = self.transformer.transform(X)
        rows = np.asarray(self._in_order(X, name))
        dtype = rows.dtype if rows.dtype.kind == "f" else np.dtype(np.float64)
        rows = rows.astype(np.float64)
        tree, columns = self.layout.tree, self.layout.columns
        if rows.ndim != 2 or not len(rows) or rows.shape[1] != sum(map(len, columns)):
            raise ValueError(
                f"{name} must be a table of {sum(map(len, columns))} columns with at least one "
                f"row, got shape {rows.shape}."
            )
        present = np.ones((len(rows), tree.n_nodes), dtype=bool)
        counted = []
        for node, own in enumerate(columns):
            described = [self._descriptor(column) for column in own]
            if PRESENCE in described:
                present[:, node] = rows[:, own[described.index(PRESENCE)]] > 0
            counts = [not (self.appearance_only and _is_geometry(d)) for d in described]
            counted.append(own[np.array(counts, dtype=bool)])
            _check_finite(rows, present[:, node], own, tree.paths[node], name)
        return NodeTable(tree, rows, tuple(counted), present, dtype)

    def _descriptor(self, column: int) -> str:
        return "" if self.names is None else split_column(self.names[column])[1]

    def _in_order(self, X: Any, name: str) -> Any:
        X = as_pandas(X, name)
        if self.names is None or not hasattr(X, "columns"):
            return X
        order = order_columns(X.columns, self.names, name, "the columns of the training table")
        return X.iloc[:, order]


def _is_geometry(descriptor: str) -> bool:
    """Whether a column says where and how large a node is, rather than how it looks."""
    return descriptor in (PRESENCE, AREA) or descriptor.startswith(f"{ShapeDescriptor().prefix}_")


def _check_finite(
    rows: np.ndarray, present: np.ndarray, own: np.ndarray, path: str, name: str
) -> None:
    bad = ~np.isfinite(rows[:, own]) & present[:, np.newaxis]
    if bad.any():
        row = int(np.flatnonzero(bad.any(axis=1))[0])
        raise ValueError(
            f"{name} holds NaN or infinity in row {row}, in a column of {path!r}, which is "
            "present there; expected finite numbers."
        )


def node_ids(tree: SegmentTree, nodes: Sequence[int | str] | int | str, name: str) -> list[int]:
    """Ids of nodes that a user names, without repetition."""
    nodes = [nodes] if isinstance(nodes, int | str) else list(nodes)
    if not nodes:
        raise ValueError(f"{name} must name at least one node, got none.")
    return list(dict.fromkeys(tree.index(node) for node in nodes))
