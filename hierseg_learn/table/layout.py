"""Column names of a table, and the columns of every node of a segment tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..tree import SegmentTree
from ..utils import warn_user

PATH_SEPARATOR = "|"
PRESENCE = "presence"
AREA = "area"
SINGLE_NODE = "table"
REMARK = "remark"


@dataclass(frozen=True)
class TableLayout:
    """A segment tree and the columns of every node."""

    tree: SegmentTree
    # own columns of every node, ascending; none where a node only combines its children
    columns: tuple[np.ndarray, ...]

    @cached_property
    def column_nodes(self) -> np.ndarray:
        """Node of every column, (n_features,) intp."""
        nodes = np.empty(sum(map(len, self.columns)), dtype=np.intp)
        for node, columns in enumerate(self.columns):
            nodes[columns] = node
        return nodes

    def presence_columns(self, names: Sequence[str] | None) -> np.ndarray | None:
        """Presence column of every node, (n_nodes,); None unless every node has one."""
        positions = {} if names is None else {name: i for i, name in enumerate(names)}
        columns = [positions.get(column_name(path, PRESENCE)) for path in self.tree.paths]
        return None if None in columns else np.array(columns)

    def take(self, order: np.ndarray) -> TableLayout:
        """The layout of a table with columns in another order, (n_features,)."""
        places = np.argsort(order)
        return TableLayout(self.tree, tuple(np.sort(places[own]) for own in self.columns))

    def refined(self, by: str, names: Sequence[str] | None) -> RefinedLayout:
        """The layout in which the own columns of every node are leaves below it.

        A leaf has one column (``by="columns"``) or all of one descriptor (``by="descriptors"``).
        """
        label = _column_label if by == "columns" else _descriptor_label
        tree_names, parents, columns, nodes, values = [], [], [], [], []
        places = np.empty(self.tree.n_nodes, dtype=np.intp)
        for node, own in enumerate(self.columns):
            siblings = {self.tree.names[child] for child in self.tree.children(node)}
            for name, members in _group(own, names, label, by == "columns", siblings):
                tree_names.append(name)
                columns.append(np.array(members, dtype=np.intp))
                values.append([column if names is None else names[column] for column in members])
                parents.append(node)
                nodes.append(node)
            if not (siblings or len(own)):
                values.append(None)
            places[node] = len(nodes)
            tree_names.append(self.tree.names[node])
            columns.append(np.zeros(0, dtype=np.intp))
            parents.append(int(self.tree.parents[node]))
            nodes.append(node)
        tree = SegmentTree(tree_names, places[parents], values)
        if self.tree.remark:
            tree = tree.with_remark(self.tree.remark)
        return RefinedLayout(tree, tuple(columns), np.array(nodes))


@dataclass(frozen=True)
class RefinedLayout(TableLayout):
    """A layout with one more level: the columns or descriptors of every node."""

    nodes: np.ndarray  # (n_nodes,) int: for every node or leaf the node that it refines


def _group(
    own: np.ndarray,
    names: Sequence[str] | None,
    label: Callable[[str], str],
    is_alone: bool,
    siblings: set[str],
) -> list[tuple[str, list[int]]]:
    """Groups of a node's own columns by their label, or each alone, under names that differ."""
    groups: dict[Any, list[int]] = {}
    for column in own.tolist():
        # names of columns without a name are those of scikit-learn
        name = f"x{column}" if names is None else label(str(names[column]))
        name = " ".join(name.split()) or f"x{column}"
        groups.setdefault((name, column if is_alone else None), []).append(column)
    taken, named = set(siblings), []
    for (name, _), members in groups.items():
        while name in taken:
            name += " (column)"
        taken.add(name)
        named.append((name, members))
    return named


def _column_label(name: str) -> str:
    return split_column(name)[1] or name


def _descriptor_label(name: str) -> str:
    return split_column(name)[1].partition("_")[0]


def read_remark(table: Any) -> str:
    """What the maker of a table has to say of its tree, as a DataFrame keeps it in ``attrs``."""
    return str((getattr(table, "attrs", None) or {}).get(REMARK, ""))


def column_name(path: str, descriptor: str) -> str:
    """Name a column by its node and descriptor.

    Parameters
    ----------
    path : str
        Path of the node, such as "photo/sky".
    descriptor : str
        Name of the descriptor's column, such as "lab_mean_0".

    Returns
    -------
    name : str

    Examples
    --------
    >>> from hierseg_learn.table import column_name
    >>> column_name("photo/sky", "area")
    'photo/sky|area'
    """
    return f"{path}{PATH_SEPARATOR}{descriptor}"


def split_column(name: str) -> tuple[str, str]:
    """Split the name of a column, as the inverse of `column_name`.

    Parameters
    ----------
    name : str
        The name, such as "photo/sky|area".

    Returns
    -------
    path : str
        Path of the node.
    descriptor : str
        Name of the descriptor's column; empty for a name without "|".

    Examples
    --------
    >>> from hierseg_learn.table import split_column
    >>> split_column("photo/sky|area")
    ('photo/sky', 'area')
    """
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
    hierarchical = [PATH_SEPARATOR in name for name in (() if names is None else names)]
    if not any(hierarchical):
        if tree == "columns":
            got = (
                f"got names without '|', such as {names[0]!r}."
                if names is not None
                else "got one without names; pass a DataFrame (in a pipeline: "
                "set_output(transform='pandas')), or a nested dict of column positions as tree."
            )
            raise ValueError(
                f"tree='columns' needs a table with column names such as 'photo/sky|area', {got}"
            )
        _warn_of_paths(names)
        return TableLayout(SegmentTree([SINGLE_NODE], [0]), (np.arange(n_features),))
    if not all(hierarchical):
        plain = names[hierarchical.index(False)]
        raise ValueError(
            f"The column {plain!r} of X has no '{PATH_SEPARATOR}' in its name, but others have, "
            f"such as {names[hierarchical.index(True)]!r}; name every column "
            "'<path of the node>|<descriptor>', or pass tree= as a nested dict."
        )
    return _layout_from_names(names)


def _warn_of_paths(names: Sequence[str] | None) -> None:
    """Warn of names that look like paths in a tree, and are read as those of one node."""
    # a ratio among other columns is none; with paths, several columns have a node in common
    starts = [name.partition("/")[0] for name in names or () if "/" in name]
    if starts and len(starts) == len(names) and len(set(starts)) < len(starts):
        fixed = PATH_SEPARATOR.join(names[0].rsplit("/", 1))
        warn_user(
            f"The columns of X have '/' in their names, such as {names[0]!r}, but no "
            f"'{PATH_SEPARATOR}', and are taken as those of one node; for a tree, write "
            f"'{PATH_SEPARATOR}' between node and column, such as {fixed!r}, or pass tree=."
        )


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
    """Raise if columns belong to several trees, with a hint at the cause."""
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
            f"{start}Prefixes such as {prefixes[0] + '__'!r} come from ColumnTransformer or "
            "FeatureUnion; pass verbose_feature_names_out=False to it. Replace two "
            "SegmentTreeTransformers by one: descriptors=[...] takes all their descriptors, and a "
            "SegmenterUnion all their segmenters."
        )
    raise ValueError(
        f"{start}Name all columns below one root, such as {'photo/' + owners[0] + '|...'!r}: "
        "X.columns = 'photo/' + X.columns."
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
                    f"tree assigns column {key!r} to both {claimed[column]!r} and "
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
            "assign every column to a leaf, or drop it from X."
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
            f"tree assigns column {key} to the node {path!r}, but X has {n_features} columns."
        )
    raise TypeError(
        f"tree must hold column names or positions in its leaves, got {key!r} for {path!r}."
    )
