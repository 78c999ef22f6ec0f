"""Column names of a table, and the columns of every node of a segment tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..tree import SegmentTree
from ..utils import warn_user
from ..utils.tables import column_names

PATH_SEPARATOR = "|"
PRESENCE = "presence"
AREA = "area"
# between the name of a transformer and that of its column, as ColumnTransformer writes it
PREFIX_SEPARATOR = "__"
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


def tree_from_columns(
    columns: Any,
    variables: Iterable[str] | None = None,
    *,
    separator: str = PREFIX_SEPARATOR,
    root_name: str = SINGLE_NODE,
) -> SegmentTree:
    """Read a tree from the names that other libraries write, as `tree` of the classifier.

    A prefix such as ``num__`` of :class:`~sklearn.compose.ColumnTransformer` is a node. Below it,
    the columns of one variable, such as ``sex_female`` and ``sex_male`` of a
    :class:`~sklearn.preprocessing.OneHotEncoder`, or ``joined_year`` and ``joined_month`` of
    skrub's TableVectorizer, are a node as well, if the variables are known. Where every variable
    has a single column, these are the columns of the node above.

    Parameters
    ----------
    columns : sequence of str, DataFrame, or fitted transformer
        Names of the columns of the table, or what has them: a table, or a transformer with
        `get_feature_names_out`, whose `feature_names_in_` are the variables by default.
    variables : iterable of str, default=None
        Names of the columns before they were encoded. A column belongs to the longest of these that
        its name starts with, behind the prefix, before a character that is no letter or digit.
        None reads prefixes only.
    separator : str, default="__"
        What stands behind a prefix.
    root_name : str, default="table"
        Name of the root.

    Returns
    -------
    tree : SegmentTree
        With the names of columns as leaf values. It has a single node if there are no groups.

    Raises
    ------
    TypeError, ValueError
        If names are missing, are not strings that differ, or have a blank prefix.

    Examples
    --------
    >>> from hierseg_learn.table import tree_from_columns
    >>> names = ["num__age", "num__fare", "cat__sex_f", "cat__sex_m", "cat__port_C", "cat__port_Q"]
    >>> print(tree_from_columns(names).export_text())
    table
    ├── num
    └── cat
    >>> print(tree_from_columns(names, ["age", "fare", "sex", "port"]).export_text())
    table
    ├── num
    └── cat
        ├── sex
        └── port
    """
    if hasattr(columns, "get_feature_names_out"):
        found = getattr(columns, "feature_names_in_", None)
        variables = found if variables is None and found is not None else variables
        columns = columns.get_feature_names_out()
    names = column_names(columns)
    names = list(columns) if names is None else names
    strange = [name for name in names if not isinstance(name, str)]
    if strange or not names:
        got = f"{strange[0]!r}" if strange else "none"
        raise TypeError(f"columns must be names of columns, strings, got {got}.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"columns holds {twice!r} twice; expected names that differ.")
    known = None if variables is None else sorted(map(str, variables), key=len, reverse=True)
    groups: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for name in map(str, names):
        prefix, variable = _split_prefix(name, known, separator)
        if not all(map(str.strip, prefix)):
            raise ValueError(
                f"columns holds {name!r}, whose prefix before {separator!r} is blank; expected a "
                "name of a node."
            )
        groups.setdefault(prefix, {}).setdefault(variable, []).append(name)
    return SegmentTree.from_nested({root_name: _nest((), groups)})


def _split_prefix(
    name: str, variables: list[str] | None, separator: str
) -> tuple[tuple[str, ...], str]:
    """Nodes above a column, and its variable: itself where no other is known."""
    if not variables:
        prefix, found, rest = name.partition(separator)
        return ((prefix,), rest) if found and prefix and rest else ((), name)
    start = 0
    while start >= 0:
        rest = name[start:]
        for variable in variables:
            follows = rest[len(variable) : len(variable) + 1]
            if rest.startswith(variable) and not follows.isalnum():
                return tuple(filter(None, name[:start].split(separator))), variable
        place = name.find(separator, start)
        start = place + len(separator) if place >= 0 else -1
    return _split_prefix(name, None, separator)


def _nest(prefix: tuple[str, ...], groups: Mapping[tuple[str, ...], dict[str, list[str]]]) -> Any:
    """Content of the node of a prefix: the names of its columns, or a dict of nodes."""
    variables, depth = groups.get(prefix, {}), len(prefix)
    below = dict.fromkeys(
        path[depth] for path in groups if len(path) > depth and path[:depth] == prefix
    )
    columns = [name for names in variables.values() for name in names]
    if not below and (len(variables) == 1 or len(columns) == len(variables)):
        return columns
    nested = {name: _nest((*prefix, name), groups) for name in below}
    for variable, names in variables.items():
        while variable in nested:
            variable += " (column)"
        nested[variable] = names
    return nested


def read_layout(
    tree: Any, names: Sequence[str] | None, n_features: int, *, complete: bool = True
) -> TableLayout:
    """Find the tree and the columns of every node."""
    if isinstance(tree, Mapping):
        try:
            tree = SegmentTree.from_nested(tree)
        except (TypeError, ValueError) as error:
            raise type(error)(f"tree does not describe a segment tree: {error}") from error
    if tree == "prefixes":
        if not any(PREFIX_SEPARATOR in name for name in names or ()):
            got = f"names such as {names[0]!r}" if names else "no names"
            raise ValueError(
                "tree='prefixes' needs a table with column names such as 'num__age', as "
                f"ColumnTransformer writes them with set_output(transform='pandas'), got {got}."
            )
        tree = tree_from_columns(names)
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
