"""Which nodes are exchanged, as a whole or some of their descriptors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..tree import SegmentTree


class SwapNodes(NamedTuple):
    """Nodes to exchange, by id.

    Parameters
    ----------
    whole : tuple of int
        Nodes of which everything is exchanged.
    blocks : tuple of (int, tuple of str)
        Nodes of which only the named descriptors are exchanged.
    """

    whole: tuple[int, ...]
    blocks: tuple[tuple[int, tuple[str, ...]], ...]

    @property
    def all(self) -> tuple[int, ...]:
        """All of them."""
        return self.whole + tuple(node for node, _ in self.blocks)


def read_nodes(nodes: Any, tree: SegmentTree) -> SwapNodes:
    """Find the nodes that a user named.

    Parameters
    ----------
    nodes : str, iterable of str, or mapping of str to None, str or iterable of str
        Paths or unique short names; a mapping says which descriptors of a node are exchanged, None
        for all of it.
    tree : SegmentTree
        Where they are.

    Returns
    -------
    SwapNodes

    Raises
    ------
    TypeError
        If `nodes` is none of these.
    ValueError
        If there is no such node, one lies below another, the tree has but one node, or nothing of
        the receiver would be left.
    """
    if tree.n_nodes == 1:
        raise ValueError(
            f"X has one node only, {tree.root_name!r}, so there is nothing to exchange: expected a "
            "table whose column names carry the paths of two nodes or more, transformer=, tree= or "
            "SegmentedImages."
        )
    wanted = dict(nodes) if isinstance(nodes, Mapping) else dict.fromkeys(_listed(nodes))
    found = {tree.index(name): _blocks(name, blocks) for name, blocks in wanted.items()}
    for node in found:
        for inner in found:
            if inner != node and inner in tree.subtree(node):
                raise ValueError(
                    f"nodes names {tree.path(inner)!r}, which lies below {tree.path(node)!r}; name "
                    "one of the two."
                )
    whole = tuple(node for node, blocks in found.items() if blocks is None)
    covered = np.zeros(tree.n_nodes, dtype=bool)
    for node in whole:
        covered[tree.subtree(node)] = True
    if covered[tree.leaves].all():
        raise ValueError(
            "nodes names every part of the image, so that nothing of the receiver would be left; "
            "leave those out that make the class."
        )
    return SwapNodes(whole, tuple((n, blocks) for n, blocks in found.items() if blocks is not None))


def _listed(nodes: Any) -> list[str]:
    listed = [nodes] if isinstance(nodes, str) else nodes
    if not isinstance(listed, list | tuple) or not all(isinstance(name, str) for name in listed):
        raise TypeError(
            "nodes must name the nodes to exchange: a path or short name, a list of such, or a "
            f"dict of such to lists of descriptors, got {nodes!r}."
        )
    return list(listed)


def _blocks(name: str, blocks: Any) -> tuple[str, ...] | None:
    if blocks is None:
        return None
    named = [blocks] if isinstance(blocks, str) else list(blocks)
    if not named:
        raise ValueError(f"nodes[{name!r}] is empty; expected names of descriptors, or None.")
    return tuple(named)
