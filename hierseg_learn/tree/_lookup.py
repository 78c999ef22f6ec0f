"""From what a user calls a node to its id."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from ._validate import list_names, name_in_path, names_of_path

if TYPE_CHECKING:
    from ._segment_tree import SegmentTree


def find_node(tree: SegmentTree, key: Any) -> int:
    """Id of the node with this id, path or unique short name."""
    if isinstance(key, str):
        # a name may hold a "/" itself; what is a path is never taken for a name
        is_name = "/" not in key or (key in tree.names and key not in tree.paths)
        return _find_name(tree, key) if is_name else _find_path(tree, key)
    try:
        # True would pass as node 1.
        node = None if isinstance(key, (bool, np.bool_)) else operator.index(key)
    except TypeError:
        node = None
    if node is None:
        raise TypeError(
            "A node must be given by its id, path or name, "
            f"got {key!r} of type {type(key).__name__}."
        )
    if not 0 <= node < tree.n_nodes:
        raise ValueError(f"Node ids go from 0 to {tree.root}, got {node}.")
    return node


def _find_path(tree: SegmentTree, path: str) -> int:
    first, *rest = names_of_path(path)
    if first != tree.root_name:
        raise ValueError(
            f"No node has the path {path!r}: paths start at the root {tree.root_name!r}."
        )
    node = tree.root
    for name in rest:
        named = {tree.names[child]: child for child in tree.children(node)}
        if name not in named:
            hint = _hint(name, list(named)) if named else "it is a leaf."
            raise ValueError(
                f"No node has the path {path!r}: {tree.path(node)!r} has no child {name!r}; {hint}"
            )
        node = named[name]
    return node


def _find_name(tree: SegmentTree, name: str) -> int:
    # The root's path is its name, and a path is never ambiguous.
    if name in (tree.root_name, tree.paths[tree.root]):
        return tree.root
    found = [node for node, known in enumerate(tree.names) if known == name]
    # as it stands in a path
    found = found or [node for node, known in enumerate(tree.names) if name_in_path(known) == name]
    if not found:
        raise ValueError(f"No node is named {name!r}; {_hint(name, tree.names)}")
    if len(found) > 1:
        raise ValueError(
            f"The name {name!r} is not unique; give the path, one of "
            f"{list_names([tree.path(node) for node in found])}."
        )
    return found[0]


def _hint(name: str, known: Sequence[str]) -> str:
    """Close matches of a wrong name, or the first of the known ones."""
    known = list(dict.fromkeys(known))
    close = get_close_matches(name, known, n=3)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"known names are {list_names(known)}."
