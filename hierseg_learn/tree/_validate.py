"""Checks of a tree's arrays; each kind of wrong input has its own sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

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
