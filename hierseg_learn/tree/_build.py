"""Validation of a tree's arrays, and readers of nested dicts, paths and SciPy linkages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..utils.tables import as_pandas

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
        self.named: list[dict[str, int]] = []
        self.values: list[Any] = []

    def add(self, name: Any, parent: int) -> int:
        """Append a checked node and return its id; the root has parent -1."""
        where = f"below {self.path(parent)!r}" if parent >= 0 else "as the root"
        self.names.append(check_name(name, where))
        self.parents.append(parent)
        self.children.append([])
        self.named.append({})
        self.values.append(None)
        node = len(self.names) - 1
        if parent >= 0:
            self.children[parent].append(node)
        return node

    def give_values(self, listed: list[int], values: list[Any], what: str) -> None:
        """Give values to nodes: one to every leaf, None to others."""
        if len(values) != len(listed):
            raise ValueError(f"leaf_values has {len(values)} entries for {len(listed)} {what}.")
        for node, value in zip(listed, values):
            if self.children[node] and value is not None:
                raise ValueError(
                    f"{self.path(node)!r} has a value, {value!r}, and nodes below it; only leaves "
                    "have values."
                )
            if not self.children[node] and value is None:
                raise ValueError(
                    f"{self.path(node)!r} is a leaf without a value, and others have values."
                )
            self.values[node] = value

    def join_roots(self, roots: list[int], root_name: str) -> int:
        """Return the root, a new one above the given ones if they are several."""
        if len(roots) == 1:
            return roots[0]
        root = self.add(root_name, -1)
        self.children[root] = roots
        for node in roots:
            self.parents[node] = root
        return root

    def collapse(self, root: int, kept: set[int]) -> int:
        """Leave out nodes with one child that are not kept; return the root of what is left."""

        def skip(node: int) -> int:
            while len(self.children[node]) == 1 and node not in kept:
                node = self.children[node][0]
            return node

        root = skip(root)
        waiting = [root]
        while waiting:
            node = waiting.pop()
            self.children[node] = [skip(child) for child in self.children[node]]
            waiting.extend(self.children[node])
        return root

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


def read_names(names: Any, root_name: str) -> TreeArrays:
    """Read names of leaves, in the order of their part ids or by them."""
    if isinstance(names, (str, bytes)):
        raise TypeError(f"names must be a sequence of strings, got the single string {names!r}.")
    by_id = dict(names) if isinstance(names, Mapping) else dict(enumerate(names))
    if not by_id:
        raise ValueError("names is empty: a tree has at least one node.")
    ids: dict[str, list[Any]] = {}
    for part, name in by_id.items():
        ids.setdefault(check_name(name, f"at names[{part!r}]"), []).append(part)
    values = [parts[0] if len(parts) == 1 else parts for parts in ids.values()]
    root = len(ids)
    return TreeArrays([*ids, check_name(root_name, "as root_name")], [root] * (root + 1), values)


def read_paths(
    paths: Iterable[Any],
    values: Iterable[Any] | None = None,
    *,
    separator: str = "/",
    root_name: str = "image",
    collapse: bool = False,
) -> TreeArrays:
    """Read ``["photo/sky", "photo/sea/boat"]``; nodes on the way need not be listed."""
    if isinstance(paths, (str, bytes)):
        raise TypeError(f"paths must be a sequence of strings, got the single string {paths!r}.")
    nodes = _Growing()
    roots: dict[str, int] = {}
    listed: dict[int, None] = {}
    for i, path in enumerate(paths):
        node = -1
        for part in _parts_of(path, separator, i):
            name = check_name(part, f"in paths[{i}] = {path!r}")
            siblings = roots if node < 0 else nodes.named[node]
            node = siblings[name] if name in siblings else nodes.add(name, node)
            siblings[name] = node
        if node in listed:
            raise ValueError(f"paths must differ, but {path!r} comes again at paths[{i}].")
        listed[node] = None
    if not listed:
        raise ValueError("paths is empty: a tree has at least one node.")
    if values is not None:
        nodes.give_values(list(listed), list(values), "paths")
    root = nodes.join_roots(list(roots.values()), root_name)
    if collapse:
        root = nodes.collapse(root, set(listed))
    return post_order(nodes.names, nodes.children, root, None if values is None else nodes.values)


def _parts_of(path: Any, separator: str, i: int) -> list[Any]:
    """Names that one path holds, from the root."""
    if isinstance(path, (list, tuple)):
        if not path:
            raise ValueError(f"paths[{i}] is empty; expected at least one name.")
        return list(path)
    if not isinstance(path, str):
        raise TypeError(
            f"paths[{i}] must be a string or a list of names, got {path!r} of type "
            f"{type(path).__name__}."
        )
    if separator != "/":
        return [part.strip() for part in path.split(separator)]
    if "|" in path:
        raise ValueError(
            f"paths[{i}] = {path!r} holds '|', which separates a path from a descriptor in the "
            "names of columns; pass paths alone, and write '%7C' for it inside of a name."
        )
    return names_of_path(path)


# tables that can be read, for messages
_BY_PATH = "{'path': ['person/hair', 'person/face', 'sky'], 'id': [1, 2, 0]}"
_BY_PARENT = (
    "{'name': ['person', 'hair', 'sky'], 'parent': [None, 'person', None], 'id': [None, 1, 0]}"
)


def read_frame(
    frame: Any,
    path: Any,
    name: str | None,
    parent: str | None,
    value: str | None,
    root_name: str,
) -> TreeArrays:
    """Read a table of paths, of levels, or of names and parents."""
    frame = as_pandas(frame, "frame")
    if not hasattr(frame, "columns"):
        raise TypeError(
            f"frame must be a DataFrame, such as pandas.DataFrame({_BY_PATH}), got {frame!r:.80} "
            f"of type {type(frame).__name__}."
        )
    known = list(frame.columns)

    def column(given: str | None, *usual: str) -> list[Any] | None:
        if given is not None and given not in known:
            raise ValueError(f"frame has no column {given!r}; its columns are {known}.")
        found = given if given is not None else next((one for one in usual if one in known), None)
        return None if found is None else [_cell(item) for item in frame[found].tolist()]

    values = column(value, "id", "value")
    if isinstance(path, (list, tuple)):
        levels = zip(*(column(one) for one in path))
        paths: list[Any] = [[name for name in row if name is not None] for row in levels]
    else:
        found = column(path, *(() if name is not None else ("path",)))
        if found is None:
            return _read_parents(column(name, "name", "child", "node"), column(parent, "parent"),
                                 values, known, root_name)  # fmt: skip
        paths = found
    return read_paths(paths, values, root_name=root_name)


def _cell(item: Any) -> Any:
    """Value of a cell: None if it is missing or blank; whole numbers as int."""
    if item is None or type(item).__name__ == "NAType" or item != item:
        return None
    if isinstance(item, str):
        return item.strip() or None
    return int(item) if isinstance(item, float) and item.is_integer() else item


def _read_parents(
    names: list[Any] | None,
    parents: list[Any] | None,
    values: list[Any] | None,
    known: list[Any],
    root_name: str,
) -> TreeArrays:
    """Read the name of every node, and of its parent."""
    if names is None or parents is None:
        raise ValueError(
            f"frame must have a column path, as {_BY_PATH}, or columns name and parent, as "
            f"{_BY_PARENT} (or say which they are by path=, name=, parent=, value=); its columns "
            f"are {known}."
        )
    rows: dict[str, int] = {}
    for i, name in enumerate(names):
        if check_name(name, f"in row {i} of frame") in rows:
            raise ValueError(
                f"frame names {name!r} in rows {rows[name]} and {i}; expected one row per node, or "
                f"paths, as {_BY_PATH}, where a name may come again elsewhere in the tree."
            )
        rows[name] = i
    lost = [name for name in parents if name is not None and name not in rows]
    if lost:
        # a parent that has no row of its own is a root
        extra = list(dict.fromkeys(lost))
        names, parents = [*names, *extra], [*parents, *[None] * len(extra)]
        values = None if values is None else [*values, *[None] * len(extra)]
        rows |= {name: i for i, name in enumerate(names)}
    nodes = _Growing()
    for name in names:
        nodes.add(name, -1)
    roots = []
    for i, parent in enumerate(parents):
        if parent is None:
            roots.append(i)
        else:
            nodes.children[rows[parent]].append(i)
            nodes.parents[i] = rows[parent]
    reached, waiting = 0, list(roots)
    while waiting:
        reached += 1
        waiting.extend(nodes.children[waiting.pop()])
    if reached < len(names):
        raise ValueError(
            f"frame holds a cycle: {len(names) - reached} of {len(names)} nodes hang below no "
            f"root; expected a root without a parent, as {_BY_PARENT}."
        )
    if values is not None:
        nodes.give_values(list(range(len(names))), values, "rows")
    root = nodes.join_roots(roots, root_name)
    return post_order(nodes.names, nodes.children, root, None if values is None else nodes.values)


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
