"""Mute parts, or exchange them between images, in the table: no pixel is read again.

Descriptors are pooled sums in other words, so the columns of a leaf can be turned back into sums,
and the columns of every node above it follow from the sums of its leaves. That is why a part can be
taken out of a row, or replaced by the same part of another image, and the whole row is again one
that an image could have: muting a part gives the row of the image whose pixels of that part are
unlabeled. What stays is what *neighboring* parts saw of it: descriptors that look at more than
one pixel at a time (gradients, local binary patterns, patches) reach across the border.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..table.layout import AREA, column_name
from ..utils.tables import as_pandas

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._transformer import SegmentTreeTransformer
    from .describe import TreeDescriber

# How far a column may be from what the leaves make it, on the scale of the column's largest value:
# far above the rounding of float32, far below any scaling.
TOLERANCE = 1e-3
# what rounding makes of a deviation that is 0, in the units of the columns
ROUNDING = 1e-4
# rows that are taken apart at once: bounds memory
BLOCK_ROWS = 256


@dataclass(frozen=True)
class PartExchange:
    """Exchanges and mutes parts in tables of one fitted transformer."""

    describer: TreeDescriber  # the fitted pieces that made the table
    # (n_columns,): what stands in the descriptor columns of an absent node; NaN leaves them missing
    fill_values: np.ndarray

    @classmethod
    def from_transformer(cls, transformer: SegmentTreeTransformer) -> PartExchange:
        """Read what is needed from a fitted transformer."""
        check_is_fitted(transformer)
        describer = transformer._describer()
        if describer.lookup.n_layers > 1:
            tree = describer.tree
            names = " and ".join(repr(tree.names[node]) for node in tree.children(tree.root))
            raise ValueError(
                "Parts cannot be muted or exchanged in this table: a pixel belongs to leaves below "
                f"{names} at the same time, and the table does not say how much of a leaf lies in "
                "one of the others. Use a model whose tree has one of them."
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
    def column_nodes(self) -> np.ndarray:
        """Node of every column: intp array of shape (n_columns,)."""
        return np.unique(self.describer.presence_columns()[0], return_inverse=True)[1]

    @cached_property
    def leaf_areas(self) -> np.ndarray:
        """Column that holds the area of every leaf: intp array of shape (n_leaves,)."""
        return np.array(
            [
                self.column_names.index(column_name(self.tree.paths[leaf], AREA))
                for leaf in self.tree.leaves
            ]
        )

    def leaves(self, nodes: int | str | Iterable[int | str]) -> np.ndarray:
        """Find the leaves below nodes.

        Returns `leaves` (n_leaves,) bool: in the order of ``tree.leaves``.
        """
        below = np.zeros(self.tree.n_nodes, dtype=bool)
        for node in [nodes] if isinstance(nodes, int | str) else nodes:
            below[self.tree.subtree(node)] = True
        return below[self.tree.leaves]

    def read(self, table: Any, name: str = "table") -> np.ndarray:
        """Check a table, and bring it into the transformer's order of columns.

        Shapes: `table` (n_rows, n_columns). Returns `rows` (n_rows, n_columns): float32 or float64,
        as it came.
        """
        rows = self._in_order(table, name)
        for start in range(0, len(rows), BLOCK_ROWS):
            self._check_consistent(rows[start : start + BLOCK_ROWS], start, name)
        return rows

    def fill(self, rows: np.ndarray) -> np.ndarray:
        """Put the fill values where a row has NaN, in place, and return the rows."""
        missing = np.isnan(rows)
        rows[missing] = np.broadcast_to(self.fill_values, rows.shape)[missing]
        return rows

    def mute(self, rows: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        """Take leaves out of rows: absent, without area, and gone from all nodes above them.

        Shapes: `rows` (n_rows, n_columns), `leaves` (n_leaves,) or (n_rows, n_leaves) bool. Returns
        `rows` (n_rows, n_columns): new rows of the same dtype, filled. The areas of the other nodes
        stay as they are: the root's is the sum of what is left.
        """
        muted = np.broadcast_to(leaves, (len(rows), self.tree.n_leaves))
        result = np.array(rows)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            area, sums = self.describer.leaves_of_rows(rows[block])
            area[muted[block]] = 0.0
            sums[muted[block]] = 0.0
            changed = self.tree.sum_up(muted[block], axis=-1) > 0
            result[block] = self._rebuilt(rows[block], changed, area, sums)
        return result

    def exchange(self, rows: np.ndarray, donors: np.ndarray, swapped: np.ndarray) -> np.ndarray:
        """Give rows leaves of other rows, and rebuild all nodes above them.

        Shapes: `rows` (n_rows, n_columns), `donors` (n_rows, n_columns), `swapped` (n_rows,
        n_leaves) bool. Returns `rows` (n_rows, n_columns): new rows of the dtype of `rows`, filled.
        A leaf brings its presence and its share of the donor's image along; the area of the root is
        the sum of the leaves', not 1. Nodes without an exchanged leaf below them keep their numbers
        to the bit.
        """
        swapped = np.asarray(swapped, dtype=bool)
        shape = (len(swapped), rows.shape[1])
        rows, donors = np.broadcast_to(rows, shape), np.broadcast_to(donors, shape)
        result = np.array(rows)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            taken = swapped[block]
            area, sums = self.describer.leaves_of_rows(rows[block])
            donor_area, donor_sums = self.describer.leaves_of_rows(donors[block])
            area = np.where(taken, donor_area, area)
            sums = np.where(taken[..., np.newaxis], donor_sums, sums)
            changed = self.tree.sum_up(taken, axis=-1) > 0
            # a leaf needs no rebuilding: its own columns come along as they are
            from_donor = (changed & self.tree.is_leaf)[:, self.column_nodes]
            copied = np.where(from_donor, donors[block], rows[block])
            result[block] = self._rebuilt(copied, changed & ~self.tree.is_leaf, area, sums)
        return result

    def exchange_descriptors(
        self,
        rows: np.ndarray,
        donors: np.ndarray,
        node: int | str,
        descriptors: Iterable[str],
    ) -> np.ndarray:
        """Give rows some descriptors of a node of other rows, and rebuild all nodes above it.

        Shapes: `rows, donors` (n_rows, n_columns). Returns `rows` (n_rows, n_columns): new rows of
        the dtype of `rows`, filled. Presence and area, and all other descriptors, are those of
        `rows` to the bit. A leaf that the donor lacks gets what the donor's node has as a whole;
        where either lacks the node, the row stays as it is.
        """
        in_columns, in_sums = self.descriptor_places(descriptors)
        leaves = self.leaves(node)
        result = np.array(rows)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
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
            changed = self.tree.sum_up(taken, axis=-1) > 0
            rebuilt = self._rebuilt(rows[block], changed, area, sums)
            result[block] = np.where(in_columns, rebuilt, rows[block])
        return result

    def descriptor_places(self, names: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Find what belongs to descriptors.

        Returns `in_columns` (n_columns,) bool; `in_sums` (n_sums,) bool.
        """
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

    def _rebuilt(
        self, rows: np.ndarray, changed: np.ndarray, area: np.ndarray, sums: np.ndarray
    ) -> np.ndarray:
        """Rows whose changed nodes, (n_rows, n_nodes) bool, are made anew from the leaves."""
        rebuilt = self.fill(self.describer.rows_of_leaves(area, sums))
        return np.where(changed[:, self.column_nodes], rebuilt, rows)

    def _in_order(self, table: Any, name: str) -> np.ndarray:
        names, table = self.column_names, as_pandas(table, name)
        if hasattr(table, "columns"):
            found = [str(column) for column in table.columns]
            if sorted(found) != sorted(names):
                strange = [column for column in found if column not in set(names)]
                lacking = [column for column in names if column not in set(found)]
                what = (
                    f"the column {strange[0]!r}, which the transformer does not make"
                    f"{_hint_at_prefix(strange[0], names)}"
                    if strange
                    else f"no column {lacking[0]!r}"
                    if lacking
                    else "a column twice"
                )
                raise ValueError(
                    f"{name} has {what}; expected the table as the transformer returned it."
                )
            table = table[list(names)] if found != list(names) else table
        rows = np.asarray(table)
        if rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(names):
            raise ValueError(
                f"{name} must have the {len(names)} columns that the transformer makes, got shape "
                f"{rows.shape}."
            )
        return rows

    def _check_consistent(self, rows: np.ndarray, start: int, name: str) -> None:
        """Raise unless all nodes of the rows are what the leaves make them."""
        area, sums = self.describer.leaves_of_rows(rows)
        rebuilt = self.describer.rows_of_leaves(np.maximum(area, 0.0), sums)
        present = ~np.isnan(rebuilt)
        scale = np.max(np.abs(rebuilt), axis=0, initial=0.0, where=present)
        off = np.abs(np.where(present, rows - rebuilt, 0.0)) > TOLERANCE * scale + ROUNDING
        off |= np.isnan(rows) & present
        if off.any():
            i, column = (int(place[0]) for place in np.nonzero(off))
            raise ValueError(
                f"{name} does not fit together: row {start + i} has {rows[i, column]:.4g} in "
                f"{self.column_names[column]!r}, but the columns of its leaves make it "
                f"{rebuilt[i, column]:.4g}; expected the table as the transformer returned it, "
                "neither scaled nor edited."
            )


def _hint_at_prefix(strange: str, names: tuple[str, ...]) -> str:
    """Hint at where a strange column has its name from, if that can be told."""
    if strange.partition("__")[2] not in names:
        return ""
    return (
        " (ColumnTransformer and FeatureUnion put a prefix before it; pass "
        "verbose_feature_names_out=False to them)"
    )
