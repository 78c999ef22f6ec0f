"""From the part ids of a label map to the leaves of a tree."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np

from ..tree import SegmentTree
from ..utils import PlainState

_SHOWN_IDS = 20
# of a table by id, which is made for every image
MAX_ENTRIES = 4096
_STRANGE = -2


class PartLookup(PlainState):
    """Translate part ids into positions among the leaves of a tree.

    The leaves share the part ids out among themselves. There is one exception: a tree, such as that
    of SegmenterUnion, may hold several *layers*, each a child of the root with everything below it,
    such as a layout and the parts of a photo. The first has all the ids, and each of the others has
    some of every leaf of the first; a pixel belongs to one leaf of each layer.

    Raises ValueError if the tree has no leaf values, or two leaves (of one layer) claim one part
    id; TypeError if a leaf value is not a part id.

    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 7, "sea": [2, 3]}})
    >>> PartLookup(tree).to_leaves(np.array([[7, 7], [2, 3], [-1, 2]]), image_index=0)
    array([[ 0,  0],
           [ 1,  1],
           [-1,  1]], dtype=int32)
    >>> layers = {"layout": {"left": [0, 1], "right": [2, 3]}, "parts": {"sky": [0, 2], "sea": 3}}
    >>> lookup = PartLookup(SegmentTree.from_nested({"photo": layers}))
    >>> [lookup.to_leaves(np.array([[0, 1, 3]]), 0, layer).tolist() for layer in range(2)]
    [[[0, 0, 1]], [[2, -1, 3]]]
    """

    def __init__(self, tree: SegmentTree) -> None:
        if tree.leaf_values is None:
            raise ValueError(
                f"tree gives its leaves no part ids (leaf {tree.names[tree.leaves[0]]!r} has "
                "none); expected a nested dict such as {'photo': {'sky': 0, 'sea': 1}}."
            )
        claims = [
            list(_part_ids(value, tree.path(leaf)))
            for leaf, value in zip(tree.leaves, tree.leaf_values)
        ]
        layers = _layers(tree, claims)
        tables = [_owners(tree, claims, leaves) for leaves in layers]
        self._layers = layers
        self._ids = np.array(sorted(tables[0]), dtype=np.int64)
        self._leaves = np.array(
            [[table.get(part, -1) for part in self._ids.tolist()] for table in tables],
            dtype=np.int32,
        )

    @property
    def part_ids(self) -> np.ndarray:
        """All part ids of the tree in ascending order: int64 array."""
        return self._ids.copy()

    @property
    def n_layers(self) -> int:
        """Number of leaves that a pixel may belong to at the same time; 1 for most trees."""
        return len(self._layers)

    @property
    def layers(self) -> tuple[np.ndarray, ...]:
        """Positions in ``tree.leaves`` of the leaves of every layer."""
        return self._layers

    def to_leaves(self, label_map: np.ndarray, image_index: int, layer: int = 0) -> np.ndarray:
        """Replace every part id by the position of its leaf in ``tree.leaves``, int32, -1 for none.

        Raises ValueError if the label map holds an id that the tree does not know; the message
        names the image by its position in the batch.
        """
        leaves = self._look_up(label_map, layer)
        if leaves is not None:
            return leaves
        positions = np.searchsorted(self._ids, label_map)
        positions[positions == len(self._ids)] = 0
        known = self._ids[positions] == label_map
        unlabeled = label_map == -1
        strange = ~(known | unlabeled)
        if strange.any():
            shown = ", ".join(map(str, self._ids[:_SHOWN_IDS]))
            more = ", ..." if len(self._ids) > _SHOWN_IDS else ""
            raise ValueError(
                f"The label map of image {image_index} of X holds part id {label_map[strange][0]}, "
                f"which the tree does not know; it knows {shown}{more}. Add the id to "
                "the tree, or to unlabeled= if it is no part; if X has no label maps, pass them."
            )
        return np.where(unlabeled, np.int32(-1), self._leaves[layer, positions])

    def _look_up(self, label_map: np.ndarray, layer: int) -> np.ndarray | None:
        """Leaves by a table of all ids, if these are few and the label map holds no other."""
        n_entries = int(self._ids.max(initial=0)) + 2
        if n_entries > MAX_ENTRIES or not label_map.size:
            return None
        table = np.full(n_entries, _STRANGE, dtype=np.int32)
        table[self._ids] = self._leaves[layer]
        table[-1] = -1  # where -1 leads
        if label_map.min() < -1 or label_map.max() >= n_entries - 1:
            return None
        # -1 is the last; wrapping round is faster than checking
        leaves = table.take(label_map, mode="wrap")
        return None if leaves.min() == _STRANGE else leaves


def _layers(tree: SegmentTree, claims: list[list[int]]) -> tuple[np.ndarray, ...]:
    """Positions of the leaves of every layer: all leaves, unless children of the root are layers.

    They are where the first has all the ids, and each of the others meets every leaf of the first,
    as a spatial layout and the parts of photos do. Any other id that comes twice is a mistake.
    """
    children = tree.children(tree.root)
    groups = tuple(np.flatnonzero(np.isin(tree.leaves, tree.subtree(node))) for node in children)
    used = [{part for leaf in leaves for part in claims[leaf]} for leaves in groups]
    layered = (
        len(children) > 1
        and not tree.is_leaf[list(children)].any()
        and all(ids <= used[0] for ids in used)
        and all(not ids.isdisjoint(claims[leaf]) for ids in used[1:] for leaf in groups[0])
    )
    return groups if layered else (np.arange(tree.n_leaves),)


def _owners(tree: SegmentTree, claims: list[list[int]], leaves: np.ndarray) -> dict[int, int]:
    """Position of the leaf of every part id, in one layer."""
    owners: dict[int, int] = {}
    for position in leaves.tolist():
        for part in claims[position]:
            if part in owners:
                first = tree.path(tree.leaves[owners[part]])
                raise ValueError(
                    f"tree gives part id {part} to {first!r} and to "
                    f"{tree.path(tree.leaves[position])!r}; expected one leaf for every part id."
                )
            owners[part] = position
    return owners


def _part_ids(value: Any, path: str) -> Iterator[int]:
    """Part ids of one leaf."""
    for part in value if isinstance(value, (list, tuple, np.ndarray)) else (value,):
        if not isinstance(part, Integral) or isinstance(part, (bool, np.bool_)) or part < 0:
            raise TypeError(
                f"tree must hold part ids (whole numbers from 0, or lists of them) in its leaves, "
                f"got {part!r} for {path!r}."
            )
        yield int(part)
