"""The tree as text and as HTML; values of nodes brought in line with the tree."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from ..utils.tables import column_names
from ._build import list_names

_OPEN_UP_TO = 60


def align_values(tree: Any, values: Any) -> list[Any]:
    """One value per node in the order of ids; None where a mapping has none."""
    names = column_names(values)
    if names is not None:
        raise ValueError(
            "values must have one entry per node, got a table; pass one of its columns, "
            f"{list_names(list(map(str, names)))}."
        )
    if isinstance(values, Mapping) or (hasattr(values, "keys") and hasattr(values, "items")):
        aligned: list[Any] = [None] * tree.n_nodes
        given: dict[int, Any] = {}
        for key, value in values.items():
            node = tree.index(key)
            if node in given:
                raise ValueError(
                    f"values names node {tree.path(node)!r} twice: as {given[node]!r} and {key!r}."
                )
            given[node] = key
            aligned[node] = value
        return aligned
    array = np.asarray(values, dtype=object)
    if array.shape != (tree.n_nodes,):
        raise ValueError(
            f"values must have one entry per node, shape ({tree.n_nodes},), "
            f"got shape {array.shape}."
        )
    return array.tolist()


def format_value(value: Any, fmt: str | None) -> str:
    """Text of a node's value; empty for a missing one, strings as they are."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if fmt is None:
        fmt = ".3g" if isinstance(value, (float, np.floating)) else ""
    return format(value, fmt)


def top_down(tree: Any) -> list[int]:
    """Node ids in reading order: a node, then its children one after the other."""
    stack, order = [tree.root], []
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(tree.children(node)[::-1])
    return order


def export_text(tree: Any, values: Any, fmt: str | None) -> str:
    """Text drawing; see `SegmentTree.export_text`."""
    labels, indents = [], {tree.root: ""}
    order = top_down(tree)
    for node in order:
        if node == tree.root:
            labels.append(tree.names[node])
            continue
        parent = int(tree.parents[node])
        is_last = node == tree.children(parent)[-1]
        indents[node] = indents[parent] + ("    " if is_last else "│   ")
        labels.append(indents[parent] + ("└── " if is_last else "├── ") + tree.names[node])
    if values is None:
        return "\n".join(labels)
    aligned = align_values(tree, values)
    column = [format_value(aligned[node], fmt) for node in order]
    left = max(map(len, labels))
    right = max(map(len, column))
    lines = [f"{label:<{left}}  {value:>{right}}" for label, value in zip(labels, column)]
    return "\n".join(line.rstrip() for line in lines)


def export_html(tree: Any) -> str:
    """Nested list that unfolds without scripts; see `SegmentTree._repr_html_`."""
    summary = f"{tree.n_nodes} nodes, {tree.n_leaves} leaves"
    label = escape(f"Segment tree {tree.root_name}: {summary}")
    is_open = " open" if tree.n_nodes <= _OPEN_UP_TO else ""
    parts = [
        f'<div role="group" aria-label="{label}"><details{is_open}>'
        f"<summary>{escape(tree.root_name)} ({summary})</summary>"
    ]
    # Closing tags wait on the stack as strings, below the nodes that come before them.
    stack: list[int | str] = ["</details></div>", *_list_items(tree, tree.root)]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
        elif tree.is_leaf[item]:
            parts.append(f"<li>{escape(tree.names[item])}</li>")
        else:
            name = escape(tree.names[item])
            parts.append(f"<li><details{is_open}><summary>{name}</summary>")
            stack += ["</details></li>", *_list_items(tree, item)]
    return "".join(parts)


def _list_items(tree: Any, node: int) -> list[int | str]:
    """A node's children between the tags of a list, last one first; nothing for a leaf."""
    children = tree.children(node)
    return ["</ul>", *children[::-1], "<ul>"] if children else []
