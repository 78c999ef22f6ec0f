"""Several segmenters under one root: every pixel belongs to a leaf of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import _BaseComposition

from ..base import clone_with_seed
from ..images import ImageBatch
from ..images.labels import check_unlabeled
from ..parts import PartLookup
from ..tree import SegmentTree
from ._base import Segmenter
from ._region_merging import RegionMerging
from ._vocabulary import VocabularySegmenter
from .grid import PyramidSegmenter

# more combinations of leaves than this are no tree that anyone reads
MAX_COMBINATIONS = 1_000_000


class SegmenterUnion(_BaseComposition, Segmenter):
    """Put the trees of several segmenters under one root, such as a layout and parts.

    Every segmenter cuts the image by itself, so a pixel belongs to one leaf of each: to the upper
    left quarter, say, *and* to the sky. Its part id stands for the combination, and the leaves of
    the tree list the combinations that they are made of. The tables of
    :class:`~hierseg_learn.SegmentTreeTransformer` describe all the nodes; the root has every pixel
    once. Contributions of nodes to a distance add up as ever. Parts cannot be ablated or swapped in
    the table, as it does not say how much of a leaf lies in a leaf of another tree.

    Parameters
    ----------
    segmenters : list of (str, Segmenter), default=None
        Names and segmenters, at least two; a name becomes the node above the segmenter's tree. None
        stands for a :class:`PyramidSegmenter` named ``layout`` and a :class:`VocabularySegmenter`
        of :class:`RegionMerging` named ``parts``. Pixels that the first gives no part have none in
        the others either, so the first should leave no pixel out, as a :class:`PyramidSegmenter`.
    random_state : int, RandomState instance or None, default=None
        Seeds segmenters that have no seed of their own.

    Attributes
    ----------
    tree_ : SegmentTree
        Root ``image``; below it a node for every segmenter, with the segmenter's tree.
    segmenters_ : list of (str, Segmenter)
        The fitted segmenters.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import CallableSegmenter, GridSegmenter, SegmenterUnion
    >>> def brightness(image):
    ...     return image > 0.5
    >>> parts = CallableSegmenter(brightness, tree={"image": {"dark": 0, "bright": 1}})
    >>> union = SegmenterUnion([("layout", GridSegmenter(1, 2)), ("parts", parts)])
    >>> image = np.array([[0.1, 0.9, 0.2, 0.3]])
    >>> union.fit([image]).segment(image)
    array([[1, 2, 4, 4]], dtype=int32)
    >>> print(union.tree_.export_text())
    image
    ├── layout
    │   ├── row0_col0
    │   └── row0_col1
    └── parts
        ├── dark
        └── bright
    """

    _parameter_constraints: dict = {
        "segmenters": [list, tuple, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        segmenters: Sequence[tuple[str, Segmenter]] | None = None,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.segmenters = segmenters
        self.random_state = random_state

    @property
    def uses_masks(self) -> bool:  # type: ignore[override]
        """Whether one of the segmenters needs label maps."""
        members = getattr(self, "segmenters_", self._members())
        return any(segmenter.uses_masks for _, segmenter in members)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with ``deep=True`` also the segmenters and theirs, by names."""
        return self._get_params("segmenters", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also segmenters and theirs, as `get_params` names them."""
        if isinstance(self.segmenters, tuple):
            self.segmenters = list(self.segmenters)
        return self._set_params("segmenters", **params)

    def _warn_dropped(self, batch: ImageBatch) -> bool:
        said = any(segmenter._dropped_in_fit for _, segmenter in self.segmenters_)
        return said or super()._warn_dropped(batch)

    def _members(self) -> Sequence[tuple[str, Segmenter]]:
        if self.segmenters is None:
            return [("layout", PyramidSegmenter()), ("parts", VocabularySegmenter(RegionMerging()))]
        return self.segmenters

    def _unlabeled_masks(self) -> Any:
        """What the members that take label maps say, which has to be the same."""
        members = self._members()
        self._check_members(members)
        found = {
            check_unlabeled(segmenter._unlabeled_masks()): name
            for name, segmenter in members
            if segmenter.uses_masks
        }
        found.pop(None, None)
        if len(found) > 1:
            (first, name), (second, other) = list(found.items())[:2]
            raise ValueError(
                f"segmenters has {name!r} with unlabeled={list(first)} and {other!r} with "
                f"unlabeled={list(second)}; expected the same ids."
            )
        return next(iter(found), None)

    def _named_parts(self, tree: Any) -> tuple[int, ...]:
        """Ids that are parts in given label maps, by the trees of those that take them."""
        fitted = tree is not None
        named = (
            segmenter._named_parts(getattr(segmenter, "tree_" if fitted else "tree", None))
            for _, segmenter in (self.segmenters_ if fitted else self._members())
            if segmenter.uses_masks
        )
        return tuple(sorted(set(chain.from_iterable(named))))

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        members = self._members()
        rng = None if self.random_state is None else check_random_state(self.random_state)
        self.segmenters_ = [
            (name, clone_with_seed(segmenter, rng).fit(batch)) for name, segmenter in members
        ]
        trees = [segmenter.tree_ for _, segmenter in self.segmenters_]
        lookups = [PartLookup(tree) for tree in trees]
        for (name, _), lookup in zip(members, lookups):
            if lookup.n_layers > 1:
                raise ValueError(
                    f"segmenters has {name!r}, which gives a pixel several parts; expected "
                    "segmenters of one part for a pixel: put those of a union into this one."
                )
        # 0 stands for no part, in all trees but the first
        sizes = [tree.n_leaves + (place > 0) for place, tree in enumerate(trees)]
        if np.prod(sizes, dtype=float) > MAX_COMBINATIONS:
            raise ValueError(
                f"segmenters have {sizes} leaves, so more than {MAX_COMBINATIONS} combinations; "
                "expected fewer."
            )
        self._lookups, self._sizes = lookups, sizes
        return SegmentTree.from_nested({"image": self._layers(trees)})

    def _check_members(self, members: Sequence[tuple[str, Segmenter]]) -> None:
        if not _are_pairs(members) or len(members) < 2:
            raise TypeError(
                "segmenters must be a list of at least two (name, Segmenter) pairs, got "
                f"{members!r}."
            )
        names = [name for name, _ in members]
        taken = set(super().get_params(deep=False))
        for name in names:
            if names.count(name) > 1 or name in taken or "__" in name:
                raise ValueError(
                    f"segmenters has the name {name!r}; expected names that differ, hold no '__' "
                    f"and are none of {sorted(taken)}."
                )

    def _layers(self, trees: list[SegmentTree]) -> dict[str, Any]:
        """Nested trees whose leaves list combinations."""
        combinations = np.arange(np.prod(self._sizes)).reshape(self._sizes)
        layers = {}
        for place, ((name, _), tree) in enumerate(zip(self.segmenters_, trees)):
            values = [
                np.take(combinations, leaf + (place > 0), axis=place).ravel().tolist()
                for leaf in range(tree.n_leaves)
            ]
            nested = SegmentTree(tree.names, tree.parents, values).to_nested()
            # a tree of one node stays a leaf, below the name of its segmenter
            layers[name] = nested if tree.n_nodes == 1 else nested[tree.root_name]
        return layers

    def _cells(self) -> list[np.ndarray | None]:
        combinations = np.arange(np.prod(self._sizes)).reshape(self._sizes)
        layers: list[np.ndarray | None] = []
        for place, (_, segmenter) in enumerate(self.segmenters_):
            (cells,) = segmenter._cells()
            if cells is not None:
                # any combination with the cell
                leaves = self._lookups[place].to_leaves(cells, 0) + (place > 0)
                cells = np.take(combinations, leaves, axis=place)
                cells = np.moveaxis(cells, (place, place + 1), (0, 1))
                cells = cells.reshape(*leaves.shape, -1)[..., 0]
            layers.append(cells)
        return layers

    @property
    def _images_at_once(self) -> int:  # type: ignore[override]
        return max(segmenter._images_at_once for _, segmenter in self.segmenters_)

    def _cut(
        self,
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray | None],
        positions: Sequence[int],
        drops: np.ndarray,
    ) -> list[np.ndarray]:
        found = [
            segmenter._cut(images, masks, positions, drops) for _, segmenter in self.segmenters_
        ]
        return [
            self._combined(list(label_maps), position)
            for position, *label_maps in zip(positions, *found, strict=True)
        ]

    def _combined(self, label_maps: list[np.ndarray], position: int) -> np.ndarray:
        """Ids of the combinations, from the part ids of every segmenter."""
        combined, outside = np.int64(0), None
        for place, labels in enumerate(label_maps):
            leaves = self._lookups[place].to_leaves(labels, position)
            if outside is None:
                outside = leaves < 0
            combined = combined * self._sizes[place] + leaves + (place > 0)
        return np.where(outside, -1, combined).astype(np.int32)


def _are_pairs(segmenters: Any) -> bool:
    return isinstance(segmenters, list | tuple) and all(
        isinstance(entry, tuple | list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and isinstance(entry[1], Segmenter)
        for entry in segmenters
    )
