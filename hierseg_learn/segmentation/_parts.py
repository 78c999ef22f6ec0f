"""From the part ids of a label map to the leaves of a tree."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np

from ..tree import SegmentTree

_SHOWN_IDS = 20


class PartLookup:
    """Translate part ids into positions among the leaves of a tree.

    Parameters
    ----------
    tree : SegmentTree
        Its leaf values are part ids: an int, or several that form one part together.

    Raises
    ------
    ValueError
        If the tree has no leaf values, or two leaves claim one part id.
    TypeError
        If a leaf value is not a part id.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import PartLookup
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 7, "sea": [2, 3]}})
    >>> PartLookup(tree).to_leaves(np.array([[7, 7], [2, 3], [-1, 2]]), image_index=0)
    array([[ 0,  0],
           [ 1,  1],
           [-1,  1]], dtype=int32)
    """

    def __init__(self, tree: SegmentTree) -> None:
        if tree.leaf_values is None:
            raise ValueError(
                f"tree gives its leaves no part ids (leaf {tree.names[tree.leaves[0]]!r} has "
                "none); expected a nested dict such as {'photo': {'sky': 0, 'sea': 1}}."
            )
        owners: dict[int, int] = {}
        for position, (leaf, value) in enumerate(zip(tree.leaves, tree.leaf_values)):
            for part in _part_ids(value, tree.path(leaf)):
                if part in owners:
                    first = tree.path(tree.leaves[owners[part]])
                    raise ValueError(
                        f"tree gives part id {part} to {first!r} and to {tree.path(leaf)!r}; "
                        "expected one leaf for every part id."
                    )
                owners[part] = position
        self._ids = np.array(sorted(owners), dtype=np.int64)
        self._leaves = np.array([owners[part] for part in sorted(owners)], dtype=np.int32)

    @property
    def part_ids(self) -> np.ndarray:
        """All part ids of the tree in ascending order: int64 array."""
        return self._ids.copy()

    def to_leaves(self, label_map: np.ndarray, image_index: int) -> np.ndarray:
        """Replace every part id by the position of its leaf.

        Parameters
        ----------
        label_map : ndarray of shape (height, width), integer
            Part ids; -1 for no part.
        image_index : int
            Position of the image in its batch, for the error message.

        Returns
        -------
        leaves : ndarray of shape (height, width), int32
            Positions in ``tree.leaves``; -1 for no part.

        Raises
        ------
        ValueError
            If the label map holds an id that the tree does not know.
        """
        positions = np.searchsorted(self._ids, label_map)
        positions[positions == len(self._ids)] = 0
        known = self._ids[positions] == label_map
        unlabelled = label_map == -1
        strange = ~(known | unlabelled)
        if strange.any():
            shown = ", ".join(map(str, self._ids[:_SHOWN_IDS]))
            more = ", ..." if len(self._ids) > _SHOWN_IDS else ""
            raise ValueError(
                f"The label map of image {image_index} of X holds part id {label_map[strange][0]}, "
                f"which the tree does not know; it knows {shown}{more}."
            )
        return np.where(unlabelled, np.int32(-1), self._leaves[positions])


def _part_ids(value: Any, path: str) -> Iterator[int]:
    """Part ids of one leaf."""
    for part in value if isinstance(value, (list, tuple, np.ndarray)) else (value,):
        if not isinstance(part, Integral) or isinstance(part, (bool, np.bool_)) or part < 0:
            raise TypeError(
                f"tree must hold part ids (whole numbers from 0, or lists of them) in its leaves, "
                f"got {part!r} for {path!r}."
            )
        yield int(part)
