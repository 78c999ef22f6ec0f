"""Base of the segmenters whose network knows classes: they become parts by their names."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import gen_batches

from ..images import ImageBatch
from ..parts import PartLookup
from ..tree import SegmentTree
from ._base import Segmenter, read_tree


class ImageRefused(ValueError):
    """An image that a network cannot take whole, and its position."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


class ClassSegmenter(Segmenter):
    """Base of the segmenters that have the parameters `classes`, `tree` and `background`.

    A subclass overrides `_read_classes` and `_predict`. Where the latter may give -1, the pixels
    without a class, the former sets `has_rest`.
    """

    @property
    def _images_at_once(self) -> int:  # type: ignore[override]
        return self.batch_size

    @abstractmethod
    def _read_classes(self) -> tuple[tuple[str, ...], bool]:
        """Names of the classes, and whether pixels may have none."""

    @abstractmethod
    def _predict(self, images: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Class of every pixel of some images, (height, width) int64; raises ImageRefused."""

    def _default_tree(self) -> SegmentTree | None:
        """Tree where neither classes nor a tree are given; None hangs the classes side by side."""
        return None

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        self.class_names_, has_rest = self._read_classes()
        tree = None if self.tree is None else read_tree(self.tree)
        if tree is None and self.classes is None:
            tree = self._default_tree()
        part_of = name_parts(
            self.class_names_, self.classes, tree, self.background, has_rest=has_rest
        )
        if tree is None:
            # the pixels without a class come last, and take the first id as in masks
            order = [part_of[-1], *part_of] if has_rest else part_of
            names = [name for name in dict.fromkeys(order) if name is not None]
            tree = SegmentTree.from_nested({"image": {name: k for k, name in enumerate(names)}})
        ids = part_ids(tree)
        self.class_parts_ = np.array(
            [-1 if name is None else ids[name] for name in part_of], dtype=np.int32
        )
        return tree

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self._segment_many([image], [mask])[0]

    def _segment_many(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> list[np.ndarray]:
        # -1 is the last entry: the pixels without a class
        return [self.class_parts_[found] for found in self._predict(images)]

    def _cut(
        self,
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray | None],
        positions: Sequence[int],
        drops: np.ndarray,
    ) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for chunk in gen_batches(len(images), self.batch_size):
            try:
                found += super()._cut(images[chunk], masks[chunk], positions[chunk], drops[chunk])
            except ImageRefused as error:
                position = positions[chunk][error.position]
                raise ValueError(f"Image {position} of X: {error}") from error
        return found


def has_other_aspect(given: Sequence[int], got: Sequence[int]) -> bool:
    """Whether a map, by its rows and columns, is none of an input of that height and width.

    Some networks lay the patches of any photo out as a square.
    """
    return min(abs(got[i] - got[1 - i] / given[1 - i] * given[i]) for i in (0, 1)) > 2


def name_parts(
    class_names: Sequence[str],
    classes: Mapping[str, str] | None,
    tree: SegmentTree | None,
    background: str | None,
    *,
    has_rest: bool,
) -> list[str | None]:
    """Name of the part of every class, None for no part.

    Where a network leaves pixels without a class (`has_rest`), a last item: their part.
    """
    known = part_ids(tree) if tree is not None else None
    if classes is None and known is None:
        classes = _node_names(class_names)
        # what a network of one class does not find is a class of its own, too
        background = background or ("background" if len(class_names) == 1 else None)
    elif classes is None:
        classes = {name: name for name in class_names if name in known}
    strange = [name for name in classes if name not in class_names]
    if strange or not classes:
        given = f"names {listed(strange)}" if strange else "names none of its classes"
        where = "classes" if strange else "classes, or the leaves of tree,"
        raise ValueError(
            f"{where} {given}, but the network knows {listed(dict.fromkeys(class_names))}."
        )
    parts = [classes.get(name, background) for name in class_names]
    if has_rest:
        parts.append(background)
    lost = [part for part in dict.fromkeys(parts) if known is not None and part not in known]
    for part in filter(None, lost):
        source = "background" if part not in classes.values() else "classes"
        raise ValueError(
            f"{source} names the part {part!r}, which is no leaf of tree; its leaves are "
            f"{listed(tree.names[leaf] for leaf in tree.leaves)}."
        )
    return parts


def _node_names(class_names: Sequence[str]) -> dict[str, str]:
    """Name of a node for every class: without what separates the names of a path."""
    names = {}
    for i, name in enumerate(class_names):
        names.setdefault(name, re.sub("[/|]", "-", name) if name.strip() else f"class {i}")
    counts = Counter(names.values())
    equal = [name for name, node in names.items() if counts[node] > 1]
    if equal:
        raise ValueError(
            f"The classes {listed(equal)} of the network would be parts of one name, for '/' "
            "and '|' become '-'; name their parts by classes."
        )
    return names


def part_ids(tree: SegmentTree) -> dict[str, int]:
    """Part id of every leaf, by its path and, where only one leaf has it, its name."""
    PartLookup(tree)  # checks the values of the leaves
    ids: dict[str, int] = {}
    names = [tree.names[leaf] for leaf in tree.leaves]
    for leaf, name, value in zip(tree.leaves, names, tree.leaf_values, strict=True):
        part = int(np.ravel(value)[0])
        ids[tree.path(leaf)] = part
        if names.count(name) == 1:
            ids[name] = part
    return ids


def listed(names: Any) -> str:
    """Names in quotes, one after the other."""
    return ", ".join(map(repr, names))
