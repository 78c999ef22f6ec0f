"""Which columns of a table belong to which node of a segment tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tree import SegmentTree

PATH_SEPARATOR = "|"
PRESENCE = "presence"
AREA = "area"
SINGLE_NODE = "table"


@dataclass(frozen=True)
class TableLayout:
    """A segment tree and the columns of every node."""

    tree: SegmentTree  # the tree
    # positions of every node's own columns, ascending; empty for a node that only combines what is
    # below it
    columns: tuple[np.ndarray, ...]

    def column_nodes(self) -> np.ndarray:
        """Node of every column: intp array of shape (n_features,)."""
        nodes = np.empty(sum(map(len, self.columns)), dtype=np.intp)
        for node, columns in enumerate(self.columns):
            nodes[columns] = node
        return nodes

    def take(self, order: np.ndarray) -> TableLayout:
        """The layout of a table with columns in another order, (n_features,)."""
        places = np.argsort(order)
        return TableLayout(self.tree, tuple(np.sort(places[own]) for own in self.columns))


def column_name(path: str, descriptor: str) -> str:
    """Name of a column: the path of its node and the descriptor."""
    return f"{path}{PATH_SEPARATOR}{descriptor}"


def split_column(name: str) -> tuple[str, str]:
    """Path of the node and name of the descriptor; inverse of `column_name`."""
    path, _, descriptor = name.partition(PATH_SEPARATOR)
    return path, descriptor


def read_layout(
    tree: Any, names: Sequence[str] | None, n_features: int, *, complete: bool = True
) -> TableLayout:
    """Find the tree and the columns of every node."""
    if isinstance(tree, Mapping):
        try:
            tree = SegmentTree.from_nested(tree)
        except (TypeError, ValueError) as error:
            raise type(error)(f"tree does not describe a segment tree: {error}") from error
    if isinstance(tree, SegmentTree):
        return _layout_from_leaves(tree, names, n_features, complete)
    hierarchical = [PATH_SEPARATOR in name for name in names] if names is not None else [False]
    if tree == "columns" and names is None:
        raise ValueError(
            "tree='columns' needs a table with column names such as 'photo/sky|area', got one "
            "without names; pass a DataFrame, or a nested dict of column positions as tree."
        )
    if tree == "columns" and not any(hierarchical):
        raise ValueError(
            "tree='columns' needs column names such as 'photo/sky|area', got names without '|', "
            f"such as {names[0]!r}."
        )
    if not any(hierarchical):
        return TableLayout(SegmentTree([SINGLE_NODE], [0]), (np.arange(n_features),))
    if not all(hierarchical):
        plain = names[hierarchical.index(False)]
        raise ValueError(
            f"The column {plain!r} of X has no '{PATH_SEPARATOR}' in its name, but others have, "
            f"such as {names[hierarchical.index(True)]!r}; name every column "
            "'<path of the node>|<descriptor>', or pass tree= as a nested dict."
        )
    return _layout_from_names(names)


def _layout_from_names(names: Sequence[str]) -> TableLayout:
    owners = [split_column(name)[0] for name in names]
    _check_one_root(owners)
    tree = SegmentTree.from_paths(dict.fromkeys(owners))
    ids = {path: node for node, path in enumerate(tree.paths)}
    columns: list[list[int]] = [[] for _ in tree.paths]
    for position, owner in enumerate(owners):
        columns[ids[owner]].append(position)
    return TableLayout(tree, tuple(np.array(c, dtype=np.intp) for c in columns))


def _check_one_root(owners: list[str]) -> None:
    """Raise if columns belong to several trees, with a hint at what makes that of one."""
    roots = list(dict.fromkeys(owner.split("/")[0] for owner in owners))
    if len(roots) < 2:
        return
    start = (
        f"The columns of X belong to {len(roots)} roots, {', '.join(map(repr, roots[:5]))}"
        f"{', ...' if len(roots) > 5 else ''}; a tree has one. "
    )
    prefixes, _, ends = zip(*(root.partition("__") for root in roots))
    if all(ends):
        raise ValueError(
            f"{start}{prefixes[0] + '__'!r} and the like stem from ColumnTransformer or "
            "FeatureUnion: pass verbose_feature_names_out=False to it. Two SegmentTreeTransformers "
            "are better one: descriptors=[...] takes all that they describe, and a SegmenterUnion "
            "all their segmenters."
        )
    raise ValueError(
        f"{start}Name columns below one root, as {'photo/' + owners[0] + '|...'!r}: X.columns = "
        "'photo/' + X.columns does so."
    )


def _layout_from_leaves(
    tree: SegmentTree, names: Sequence[str] | None, n_features: int, complete: bool
) -> TableLayout:
    if tree.leaf_values is None:
        raise ValueError(
            "tree has leaves without values; expected lists of column names or positions."
        )
    positions = {} if names is None else {str(name): i for i, name in enumerate(names)}
    columns = [np.array([], dtype=np.intp) for _ in range(tree.n_nodes)]
    claimed: dict[int, str] = {}
    for leaf, value in zip(tree.leaves.tolist(), tree.leaf_values, strict=True):
        found = []
        for key in _keys(value):
            column = _find_column(key, positions, n_features, tree.path(leaf))
            if column in claimed:
                raise ValueError(
                    f"tree gives column {key!r} to both {claimed[column]!r} and "
                    f"{tree.path(leaf)!r}; a column belongs to one node."
                )
            claimed[column] = tree.path(leaf)
            found.append(column)
        columns[leaf] = np.sort(np.array(found, dtype=np.intp))
    missing = [i for i in range(n_features) if i not in claimed]
    if missing and complete:
        first = missing[0] if names is None else str(names[missing[0]])
        raise ValueError(
            f"tree leaves out {len(missing)} of the {n_features} columns of X, such as {first!r}; "
            "give every column to a leaf, or drop it from X."
        )
    return TableLayout(tree, tuple(columns))


def _keys(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple, np.ndarray)) else (value,)


def _find_column(key: Any, positions: Mapping[str, int], n_features: int, path: str) -> int:
    if isinstance(key, str):
        if key in positions:
            return positions[key]
        known = "X has no column names" if not positions else "X has no such column"
        raise ValueError(f"tree names the column {key!r} for the node {path!r}, but {known}.")
    if isinstance(key, (int, np.integer)) and not isinstance(key, (bool, np.bool_)):
        if 0 <= key < n_features:
            return int(key)
        raise ValueError(
            f"tree gives column {key} to the node {path!r}, but X has {n_features} columns."
        )
    raise TypeError(
        f"tree must hold column names or positions in its leaves, got {key!r} for {path!r}."
    )
