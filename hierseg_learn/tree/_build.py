"""Validation of a tree's arrays, and readers of nested dicts, paths and SciPy linkages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

_FORBIDDEN = {"\n": "a line break", "\r": "a line break"}
SHOWN_LEVELS = 5
# Paths join names by "/", columns add "|" and a descriptor: in a path, names write these two as
# URLs do, and a percent sign only where it would be read as one of the three.
_ESCAPES = {"/": "%2F", "|": "%7C"}
_LIKE_ESCAPE = re.compile(r"%(?=2F|7C|25)")
_ESCAPED = re.compile(r"%(?:2F|7C|25)")


def name_in_path(name: str) -> str:
    """Name of a node as it stands in a path."""
    escaped = _LIKE_ESCAPE.sub("%25", name)
    for character, code in _ESCAPES.items():
        escaped = escaped.replace(character, code)
    return escaped


def names_of_path(path: str) -> list[str]:
    """Names that a path joins, from the root."""
    return [_ESCAPED.sub(lambda code: chr(int(code[0][1:], 16)), part) for part in path.split("/")]


def join_path(parts: list[str]) -> str:
    """Path for a message: whole when short, else only its last names."""
    shown = [name_in_path(part) for part in parts[-SHOWN_LEVELS:]]
    return "/".join(["…", *shown] if len(parts) > SHOWN_LEVELS else shown)


def check_name(name: Any, where: str) -> str:
    """Return `name` as a plain string, or say what is wrong with it and where it stands."""
    if not isinstance(name, str):
        raise TypeError(
            f"A node name must be a string, got {name!r} of type {type(name).__name__} {where}."
        )
    if not name.strip():
        raise ValueError(f"A node name must not be empty, got {str(name)!r} {where}.")
    for character, shown in _FORBIDDEN.items():
        if character in name:
            raise ValueError(f"A node name must not hold {shown}, got {str(name)!r} {where}.")
    return str(name)


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Validate `names` one by one and return them as a tuple."""
    if isinstance(names, (str, bytes)):
        raise TypeError(f"names must be a sequence of strings, got the single string {names!r}.")
    checked = tuple(check_name(name, f"at names[{i}]") for i, name in enumerate(names))
    if not checked:
        raise ValueError("names is empty: a tree has at least one node.")
    return checked


def check_parents(parents: Any, names: tuple[str, ...]) -> np.ndarray:
    """Validate the array of parents: range, one root, no cycle, children before parents."""
    array = np.asarray(parents)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(
            "parents must be a 1-D array of integers, "
            f"got {array.ndim} dimension(s) of dtype {array.dtype}."
        )
    n_nodes = len(names)
    if array.size != n_nodes:
        raise ValueError(f"parents has {array.size} entries, but names has {n_nodes}.")
    outside = np.flatnonzero((array < 0) | (array >= n_nodes))
    if outside.size:
        i = int(outside[0])
        raise ValueError(
            f"parents[{i}] is {array[i]}, but node ids go from 0 to {n_nodes - 1} "
            "(the root is its own parent)."
        )
    array = array.astype(np.intp)
    roots = np.flatnonzero(array == np.arange(n_nodes))
    if roots.size > 1:
        raise ValueError(
            "A tree has one root, but parents makes these nodes their own parents: "
            f"{list_names([names[i] for i in roots])}."
        )
    _check_no_cycle(array, names)
    _check_order(array, names)
    array.flags.writeable = False
    return array


def _check_no_cycle(parents: np.ndarray, names: tuple[str, ...]) -> None:
    """Raise if following `parents` from some node never reaches the root."""
    links = parents.tolist()
    walk_of = [-1] * len(links)
    for start in range(len(links)):
        node = start
        while walk_of[node] == -1 and links[node] != node:
            walk_of[node] = start
            node = links[node]
        # Coming back to a node of this very walk means that the walk goes round.
        if links[node] != node and walk_of[node] == start:
            cycle = [node]
            while links[cycle[-1]] != node:
                cycle.append(links[cycle[-1]])
            shown = " -> ".join(names[i] for i in [*cycle[:SHOWN_LEVELS], node])
            raise ValueError(f"parents holds a cycle of {len(cycle)} nodes: {shown}.")


def _check_order(parents: np.ndarray, names: tuple[str, ...]) -> None:
    """Raise unless every node comes before its parent, which puts the root last."""
    late = np.flatnonzero(parents < np.arange(parents.size))
    if late.size:
        i = int(late[0])
        raise ValueError(
            "Children must come before their parents and the root last, "
            f"but node {i} ({names[i]!r}) comes after its parent {parents[i]} "
            f"({names[parents[i]]!r})."
        )


def check_siblings(names: tuple[str, ...], parents: np.ndarray) -> None:
    """Raise if two children of one node have the same name."""
    seen: set[tuple[int, str]] = set()
    for name, parent in zip(names[:-1], parents[:-1].tolist()):
        if (parent, name) in seen:
            raise ValueError(
                f"Siblings must have different names, but {names[parent]!r} has "
                f"two children named {name!r}."
            )
        seen.add((parent, name))


def check_leaf_values(leaf_values: Any, leaf_names: list[str]) -> tuple[Any, ...] | None:
    """Freeze the leaves' payload: lists and arrays become tuples; all None means not given."""
    if leaf_values is None:
        return None
    if isinstance(leaf_values, (str, bytes)):
        raise TypeError(
            f"leaf_values must be a sequence of one value per leaf, got {leaf_values!r}."
        )
    frozen = tuple(_freeze(value) for value in leaf_values)
    if len(frozen) != len(leaf_names):
        raise ValueError(
            f"leaf_values has {len(frozen)} entries, but the tree has {len(leaf_names)} leaves."
        )
    for name, value in zip(leaf_names, frozen):
        if isinstance(value, Mapping):
            raise TypeError(f"The value of leaf {name!r} must not be a dict, got {value!r}.")
        if isinstance(value, tuple) and not value:
            raise ValueError(
                f"Node {name!r} is empty: a leaf holds a part id or a list of at least one item."
            )
    return None if all(value is None for value in frozen) else frozen


def _freeze(value: Any) -> Any:
    """Turn arrays, NumPy scalars and lists into plain immutable Python values."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(map(_freeze, value)) if isinstance(value, list | tuple) else value


def list_names(names: list[str], n_shown: int = 5) -> str:
    """Quoted names, the first few of them, for a message."""
    shown = ", ".join(repr(name) for name in names[:n_shown])
    return shown if len(names) <= n_shown else f"{shown}, and {len(names) - n_shown} more"


class TreeArrays(NamedTuple):
    """What the constructor of a tree takes."""

    names: list[str]
    parents: list[int]
    leaf_values: list[Any] | None


def post_order(
    names: Sequence[str], children: Sequence[Sequence[int]], root: int, values: Sequence[Any] | None
) -> TreeArrays:
    """Renumber nodes so that each subtree is a run of ids with its root last.

    Siblings keep the order of `children`.
    """
    stack, visited = [root], []
    while stack:
        node = stack.pop()
        visited.append(node)
        stack.extend(children[node])
    # Root first, last child first: backwards this is post-order with the first child first.
    order = visited[::-1]
    new_id = {node: i for i, node in enumerate(order)}
    parents = [len(order) - 1] * len(order)
    for node in order:
        for child in children[node]:
            parents[new_id[child]] = new_id[node]
    leaf_values = None if values is None else [values[i] for i in order if not children[i]]
    return TreeArrays([names[i] for i in order], parents, leaf_values)


class _Growing:
    """Nodes gathered from a nested specification, in the order in which they are met."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.parents: list[int] = []
        self.children: list[list[int]] = []
        self.values: list[Any] = []

    def add(self, name: Any, parent: int) -> int:
        """Append a checked node and return its id; the root has parent -1."""
        where = f"below {self.path(parent)!r}" if parent >= 0 else "as the root"
        self.names.append(check_name(name, where))
        self.parents.append(parent)
        self.children.append([])
        self.values.append(None)
        node = len(self.names) - 1
        if parent >= 0:
            self.children[parent].append(node)
        return node

    def path(self, node: int) -> str:
        """Path of a node, for messages; of a deep one only the last names."""
        parts: list[str] = []
        while node >= 0 and len(parts) <= SHOWN_LEVELS:
            parts.append(self.names[node])
            node = self.parents[node]
        return join_path(parts[::-1])


def read_nested(nested: Any) -> TreeArrays:
    """Read ``{"root": {"leaf": value, ...}}`` or ``("root", ["leaf", ("inner", [...])])``."""
    if isinstance(nested, Mapping):
        if not nested:
            raise ValueError("nested is an empty dict: a tree has at least one node.")
        if len(nested) > 1:
            first = next(iter(nested))
            raise ValueError(
                "nested must have one root, that is one key at the top, "
                f"got {len(nested)}: {list_names([str(key) for key in nested])}. Put them below "
                f"one, such as {{'photo': {{{first!r}: ..., ...}}}}."
            )
        [(name, content)] = nested.items()
        return _grow(name, content, _expand_mapping)
    if isinstance(nested, (list, tuple)):
        name, content = _split_pair(nested, "at the top of nested")
        return _grow(name, content, _expand_pairs)
    raise TypeError(
        "nested must be a dict such as {'photo': {'sky': 0, 'sea': 1}} or a pair such as "
        f"('photo', ['sky', 'sea']), got {nested!r} of type {type(nested).__name__}."
    )


# Content of a leaf in the form of pairs; None would be a value that a user can give.
_NO_CONTENT = object()


def _expand_mapping(content: Any, nodes: _Growing, node: int) -> list[tuple[Any, Any]] | None:
    """Children of a node in the form of dicts; None for a leaf."""
    return list(content.items()) if isinstance(content, Mapping) else None


def _expand_pairs(content: Any, nodes: _Growing, node: int) -> list[tuple[Any, Any]] | None:
    """Children of a node in the form of pairs; None for a leaf."""
    if content is _NO_CONTENT:
        return None
    if not isinstance(content, (list, tuple)):
        raise TypeError(
            f"The children of {nodes.path(node)!r} must be a list of names and "
            f"(name, children) pairs, got {content!r} of type {type(content).__name__}."
        )
    if not any(isinstance(item, (list, tuple)) for item in content):
        return [(name, _NO_CONTENT) for name in content]
    where = f"below {nodes.path(node)!r}"
    return [
        _split_pair(item, where) if isinstance(item, (list, tuple)) else (item, _NO_CONTENT)
        for item in content
    ]


def _split_pair(item: Sequence[Any], where: str) -> tuple[Any, Any]:
    if len(item) != 2:
        raise ValueError(
            f"An inner node must be a (name, children) pair, got {len(item)} item(s) {where}."
        )
    return item[0], item[1]


def _grow(name: Any, content: Any, expand: Any) -> TreeArrays:
    """Walk a specification with a stack of our own, so that depth is limited by memory only."""
    nodes = _Growing()
    stack = [(nodes.add(name, -1), content)]
    open_ids: set[int] = set()
    while stack:
        node, content = stack.pop()
        if node < 0:
            # Everything below this container has been read: it may be used again elsewhere.
            open_ids.remove(id(content))
            continue
        if id(content) in open_ids:
            raise ValueError(f"nested holds a cycle: {nodes.path(node)!r} holds itself.")
        items = expand(content, nodes, node)
        if items is None:
            nodes.values[node] = None if content is _NO_CONTENT else content
            continue
        if not items:
            raise ValueError(
                f"Node {nodes.path(node)!r} is empty: an inner node has at least one child."
            )
        open_ids.add(id(content))
        stack.append((-1, content))
        stack.extend([(nodes.add(key, node), value) for key, value in items][::-1])
    return post_order(nodes.names, nodes.children, 0, nodes.values)


def write_nested(tree: Any) -> dict[str, Any]:
    """Nested dict of a tree, the inverse of `read_nested`."""
    contents: list[Any] = [{} for _ in tree.names]
    for position, leaf in enumerate(tree.leaves.tolist()):
        value = None if tree.leaf_values is None else tree.leaf_values[position]
        contents[leaf] = list(value) if isinstance(value, tuple) else value
    for node, parent in enumerate(tree.parents[:-1].tolist()):
        contents[parent][tree.names[node]] = contents[node]
    return {tree.root_name: contents[tree.root]}


def read_paths(paths: Iterable[str]) -> TreeArrays:
    """Read ``["photo/sky", "photo/sea/boat"]``; nodes on the way need not be listed."""
    if isinstance(paths, (str, bytes)):
        raise TypeError(f"paths must be a sequence of strings, got the single string {paths!r}.")
    names: list[str] = []
    children: list[list[int]] = []
    by_name: dict[tuple[int, str], int] = {}
    listed: set[int] = set()
    for i, path in enumerate(paths):
        if not isinstance(path, str):
            raise TypeError(
                f"paths[{i}] must be a string, got {path!r} of type {type(path).__name__}."
            )
        if "|" in path:
            raise ValueError(
                f"paths[{i}] = {path!r} holds '|', which separates a path from a descriptor in the "
                "names of columns; pass paths alone, and write '%7C' for it inside of a name."
            )
        node = -1
        for part in names_of_path(path):
            name = check_name(part, f"in paths[{i}] = {path!r}")
            child = by_name.setdefault((node, name), len(names))
            if child == len(names):
                names.append(name)
                children.append([])
                if node >= 0:
                    children[node].append(child)
            node = child
        if node in listed:
            raise ValueError(f"paths must differ, but {path!r} comes again at paths[{i}].")
        listed.add(node)
    if not names:
        raise ValueError("paths is empty: a tree has at least one node.")
    roots = [name for parent, name in by_name if parent == -1]
    if len(roots) > 1:
        raise ValueError(
            f"paths must start at one root, got {len(roots)} of them: {list_names(roots)}. Put "
            f"them below one, such as 'photo/{name_in_path(roots[0])}'."
        )
    return post_order(names, children, 0, None)


def read_linkage(Z: Any, names: Sequence[str] | None, root_name: str) -> TreeArrays:
    """Read a SciPy linkage: leaf values are observation numbers, inner nodes its rows."""
    merges = _check_linkage(Z)
    n_leaves = len(merges) + 1
    if names is None:
        names = [f"part_{i}" for i in range(n_leaves)]
    elif isinstance(names, (str, bytes)):
        raise TypeError(f"names must be a sequence of strings, got the single string {names!r}.")
    elif len(names) != n_leaves:
        raise ValueError(f"names has {len(names)} entries, but Z joins {n_leaves} observations.")
    names = [check_name(name, f"at names[{i}]") for i, name in enumerate(names)]
    root_name = check_name(root_name, "as root_name")
    inner = [f"merge_{i}" for i in range(n_leaves - 2)]
    children: list[Sequence[int]] = [*[()] * n_leaves, *merges]
    values = list(range(n_leaves)) + [None] * len(merges)
    return post_order([*names, *inner, root_name], children, 2 * n_leaves - 2, values)


def _check_linkage(Z: Any) -> list[tuple[int, int]]:
    """Pairs of joined clusters; SciPy's own check lets negative and fractional ids pass."""
    array = np.asarray(Z)
    if array.ndim != 2 or array.shape[1] != 4 or array.dtype.kind not in "iuf":
        raise ValueError(
            "Z must be a linkage of shape (n_observations - 1, 4) as scipy.cluster.hierarchy."
            f"linkage returns it, got shape {array.shape} of dtype {array.dtype}."
        )
    if not len(array):
        raise ValueError("Z has no rows: a linkage joins at least two observations.")
    pairs = array[:, :2]
    n_leaves = len(array) + 1
    # A row may join the observations and the clusters made by the rows above it.
    formed = n_leaves + np.arange(len(array))[:, np.newaxis]
    wrong = ~((pairs >= 0) & (pairs < formed) & (pairs == np.floor(pairs)))
    if wrong.any():
        row = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise ValueError(
            f"Z[{row}] joins the clusters {pairs[row, 0]:g} and {pairs[row, 1]:g}, but the "
            f"clusters known at this row are 0 to {n_leaves + row - 1}."
        )
    merges = pairs.astype(np.intp)
    clusters, counts = np.unique(merges, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"Z joins cluster {clusters[counts > 1][0]} more than once.")
    return [(int(a), int(b)) for a, b in merges]
