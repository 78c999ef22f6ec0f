"""Ablate parts, or swap them between images, in the table: no pixel is read again.

The columns of a leaf can be turned back into pooled sums, and the columns of every node above it
follow from the sums of its leaves. So a part can be removed from a row, or replaced by the same
part of another image, and the result is again a row that an image could have: ablating a part gives
the row of the image in which its pixels are unlabeled. What *neighboring* parts saw of it stays:
gradients, local binary patterns and patches look at several pixels and reach across the border.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from ..table.layout import AREA
from ..utils.tables import as_pandas, order_columns
from .describe import OWN_COLUMNS, fill_missing

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._transformer import SegmentTreeTransformer
    from .describe import TreeDescriber

# How far a column may be from what its leaves give, relative to the column's largest value: far
# above the rounding of float32, far below any scaling.
TOLERANCE = 1e-3
# allowed deviation of columns that are 0, in their own units
ROUNDING = 1e-4
# rows edited at once: bounds memory
BLOCK_ROWS = 256


@dataclass(frozen=True)
class PartEditor:
    """Ablates and swaps parts in tables of one fitted transformer.

    Rows are arrays of shape (n_rows, n_columns) in the transformer's order of columns; leaves are
    bool arrays in the order of ``tree.leaves``. All methods return new rows of the same dtype whose
    missing values are filled. Nodes that do not lie above an edited leaf keep their values exactly.
    """

    describer: TreeDescriber  # the fitted pieces that made the table
    fill_values: np.ndarray  # (n_columns,): stands for absent nodes; NaN leaves them missing

    @classmethod
    def from_transformer(cls, transformer: SegmentTreeTransformer) -> PartEditor:
        """Read what is needed from a fitted transformer."""
        check_is_fitted(transformer)
        describer = transformer._describer()
        if describer.lookup.n_layers > 1:
            tree = describer.tree
            names = " and ".join(repr(tree.names[node]) for node in tree.children(tree.root))
            raise ValueError(
                "Parts cannot be ablated or swapped in this table: every pixel belongs to leaves "
                f"below {names} at once, and the table does not hold their overlap. Use a model "
                "whose tree has only one of them."
            )
        fill_values = np.array(transformer.fill_values_, dtype=np.float64)
        if transformer.missing == "nan":
            fill_values[describer.presence_columns()[1]] = np.nan
        return cls(describer, fill_values)

    @property
    def tree(self) -> SegmentTree:
        """The tree of the table."""
        return self.describer.tree

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in the transformer's order."""
        return tuple(self.describer.column_names())

    @cached_property
    def presence_columns(self) -> np.ndarray:
        """Column of the presence of every node, its first, (n_nodes,) int."""
        return np.unique(self.describer.presence_columns()[0])

    @cached_property
    def column_nodes(self) -> np.ndarray:
        """Node of every column, (n_columns,) int."""
        return np.unique(self.describer.presence_columns()[0], return_inverse=True)[1]

    def leaves(self, nodes: int | str | Iterable[int | str]) -> np.ndarray:
        """Find the leaves below nodes, (n_leaves,) bool."""
        below = np.zeros(self.tree.n_nodes, dtype=bool)
        for node in [nodes] if isinstance(nodes, int | str) else nodes:
            below[self.tree.subtree(node)] = True
        return below[self.tree.leaves]

    def read(self, table: Any, name: str = "table") -> np.ndarray:
        """Check a table, and return its rows, float32 or float64 as they came."""
        table = as_pandas(table, name)
        return self.read_values(np.asarray(table), getattr(table, "columns", None), name)[0]

    def read_values(
        self, values: np.ndarray, names: Any, name: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Check a table of values with column names or None; return its rows.

        The second array, (n_columns,) int, puts the columns of rows back into the table's order.
        """
        rows, expected = values, self.column_names
        if names is not None:
            made = "the unmodified output of the transformer"
            order = order_columns(names, expected, name, made)
        else:
            order = np.arange(len(expected))
        if rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(expected):
            raise ValueError(
                f"{name} must have the {len(expected)} columns that the transformer makes, got "
                f"shape {rows.shape}."
            )
        if (order[1:] < order[:-1]).any():
            rows = rows[:, order]
        for block in _blocks(rows):
            self._check_consistent(rows[block], block.start, name)
        return rows, np.argsort(order)

    def ablate(self, rows: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        """Remove leaves, (n_leaves,) or (n_rows, n_leaves) bool, and recompute the nodes above.

        Ablated leaves are absent and without area. Areas are not renormalized: the root's is the
        sum of those that are left.
        """
        ablated = np.broadcast_to(leaves, (len(rows), self.tree.n_leaves))
        result = np.array(rows)
        for block in _blocks(rows):
            area, sums = self.describer.leaves_of_rows(rows[block])
            area[ablated[block]] = 0.0
            sums[ablated[block]] = 0.0
            changed = self._above(ablated[block])
            result[block] = self._recomputed(rows[block], changed, area, sums)
        return result

    def swap(self, rows: np.ndarray, donors: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        """Replace leaves, (n_rows, n_leaves) bool, by those of the donors, row by row.

        `rows` and `donors` may also be single rows for all. A leaf brings its presence and its
        share of the donor's image along; the area of the root is the sum of the leaves', not 1.
        """
        leaves = np.asarray(leaves, dtype=bool)
        shape = (len(leaves), rows.shape[1])
        rows, donors = np.broadcast_to(rows, shape), np.broadcast_to(donors, shape)
        result = np.array(rows)
        for block in _blocks(rows):
            taken = leaves[block]
            area, sums = self.describer.leaves_of_rows(rows[block])
            donor_area, donor_sums = self.describer.leaves_of_rows(donors[block])
            area = np.where(taken, donor_area, area)
            sums = np.where(taken[..., np.newaxis], donor_sums, sums)
            changed = self._above(taken)
            # the columns of a leaf are copied as they are, not recomputed
            from_donor = (changed & self.tree.is_leaf)[:, self.column_nodes]
            copied = np.where(from_donor, donors[block], rows[block])
            result[block] = self._recomputed(copied, changed & ~self.tree.is_leaf, area, sums)
        return result

    def swap_descriptors(
        self, rows: np.ndarray, donors: np.ndarray, node: int | str, descriptors: Iterable[str]
    ) -> np.ndarray:
        """Replace some descriptors of a node by those of the donors, row by row.

        Presence, area and all other descriptors stay. A leaf that the donor lacks gets the
        descriptors of the donor's whole node; if either row lacks the node, nothing changes.
        """
        in_columns, in_sums = self.descriptor_places(descriptors)
        leaves = self.leaves(node)
        result = np.array(rows)
        for block in _blocks(rows):
            area, sums = self.describer.leaves_of_rows(rows[block])
            given, given_sums = self.describer.leaves_of_rows(donors[block])
            given, given_sums = given[:, leaves], given_sums[:, leaves]
            lacks = given <= 0
            whole = given.sum(axis=1, keepdims=True)
            given = np.where(lacks, whole, given)
            given_sums = np.where(
                lacks[..., np.newaxis], given_sums.sum(axis=1, keepdims=True), given_sums
            )
            taken = np.zeros(area.shape, dtype=bool)
            taken[:, leaves] = (area[:, leaves] > 0) & (whole > 0)
            # the donor's means over the receiver's pixels
            scale = area[:, leaves] / np.where(whole > 0, given, 1.0)
            sums[:, leaves] = np.where(
                taken[:, leaves, np.newaxis] & in_sums,
                scale[..., np.newaxis] * given_sums,
                sums[:, leaves],
            )
            recomputed = self._recomputed(rows[block], self._above(taken), area, sums)
            result[block] = np.where(in_columns, recomputed, rows[block])
        return result

    def descriptor_places(self, names: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Find columns and sums of descriptors, (n_columns,) and (n_sums,) bool."""
        described = dict(self.describer.descriptors)
        names = set(names)
        for name in sorted(names - set(described)):
            raise ValueError(
                f"The transformer has no descriptor {name!r}; it has "
                f"{', '.join(map(repr, described))}."
            )
        chosen = [name in names for name in described]
        in_sums = np.repeat(chosen, [d.n_sums_ for d in described.values()])
        of_node = np.repeat(chosen, [d.n_columns_ for d in described.values()])
        in_columns = np.zeros(len(self.column_names), dtype=bool)
        in_columns[self.describer.presence_columns()[1]] = np.tile(
            of_node, int(self.describer.described().sum())
        )
        return in_columns, in_sums

    def area_of(self, rows: np.ndarray, node: int) -> np.ndarray:
        """Sum of the areas of the leaves below a node, (n_rows,)."""
        areas = self.presence_columns[self.tree.leaves] + OWN_COLUMNS.index(AREA)
        return rows[:, areas[self.leaves(node)]].sum(axis=1)

    def _above(self, leaves: np.ndarray) -> np.ndarray:
        """Leaves, (n_rows, n_leaves) bool, and the nodes above them, (n_rows, n_nodes) bool."""
        return self.tree.sum_up(leaves, axis=-1) > 0

    def _recomputed(
        self, rows: np.ndarray, changed: np.ndarray, area: np.ndarray, sums: np.ndarray
    ) -> np.ndarray:
        """Rows whose changed nodes, (n_rows, n_nodes) bool, are recomputed from the leaves."""
        recomputed = fill_missing(self.describer.rows_of_leaves(area, sums), self.fill_values)
        return np.where(changed[:, self.column_nodes], recomputed, rows)

    def _check_consistent(self, rows: np.ndarray, start: int, name: str) -> None:
        """Raise unless the columns of all nodes follow from those of the leaves."""
        area, sums = self.describer.leaves_of_rows(rows)
        expected = self.describer.rows_of_leaves(np.maximum(area, 0.0), sums)
        present = ~np.isnan(expected)
        scale = np.max(np.abs(expected), axis=0, initial=0.0, where=present)
        off = np.abs(np.where(present, rows - expected, 0.0)) > TOLERANCE * scale + ROUNDING
        off |= np.isnan(rows) & present
        if off.any():
            i, column = (int(place[0]) for place in np.nonzero(off))
            raise ValueError(
                f"{name} is inconsistent: row {start + i} has {rows[i, column]:.4g} in "
                f"{self.column_names[column]!r}, but its leaves give {expected[i, column]:.4g}; "
                "expected the unmodified output of the transformer, neither scaled nor edited."
            )


def _blocks(rows: np.ndarray) -> Iterator[slice]:
    return gen_batches(len(rows), BLOCK_ROWS)
