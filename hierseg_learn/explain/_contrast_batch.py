"""Why many samples are of one class rather than of another."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._batch import ExplanationBatch
from ._checks import check_items, check_numbers, check_tree
from ._contrast import ContrastExplanation
from ._shares import signed_shares

if TYPE_CHECKING:
    from ..tree import SegmentTree


@dataclass(frozen=True, eq=False, repr=False)
class ContrastExplanations(ExplanationBatch):
    """Contrasts of many samples.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own : array-like of shape (n_samples, n_nodes)
        What the own columns of every node contribute to the differences.
    targets, againsts : array-like of shape (n_samples,)
        The classes.
    squared_distances : array-like of shape (n_samples, 2)
        Mean squared distances to the rows of `target` and to those of `against`.
    target_neighbors, against_neighbors : array-like of int, shape (n_samples, n_neighbors)
        Numbers of these rows, nearest first; -1 behind those of a class that has fewer.
    present : array-like of bool, shape (n_samples, n_nodes), default=None
        Whether the samples have the nodes at all.
    samples : array-like of shape (n_samples,), default=None
        Labels of the samples; None numbers them.
    kind : {"neighbors", "prototypes"}, default="neighbors"
        Whether the rows are training rows or prototypes.
    by : {"nodes", "parts"}, default="nodes"
        As in :class:`ContrastExplanation`.

    Attributes
    ----------
    total, share, own_share : ndarray of shape (n_samples, n_nodes)
        As in the single explanations.
    contributions : DataFrame
        One row per sample and node.

    See Also
    --------
    ContrastExplanation : What an integer index gives.

    Examples
    --------
    >>> from hierseg_learn.explain import ContrastExplanations
    >>> from hierseg_learn.tree import SegmentTree
    >>> batch = ContrastExplanations(
    ...     SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}}),
    ...     [[0.5, 1.5, 0.0], [0.0, -1.0, 3.0]],
    ...     targets=["sail", "motor"],
    ...     againsts=["motor", "sail"],
    ...     squared_distances=[[1.0, 3.0], [2.0, 4.0]],
    ...     target_neighbors=[[7, 9], [4, 5]],
    ...     against_neighbors=[[4, 5], [8, 7]],
    ... )
    >>> batch
    ContrastExplanations(2 samples, 3 nodes)
    >>> batch[0].difference, batch.own_share[0].tolist()
    (2.0, [0.25, 0.75, 0.0])
    """

    tree: SegmentTree
    own: np.ndarray
    _: KW_ONLY
    targets: np.ndarray
    againsts: np.ndarray
    squared_distances: np.ndarray
    target_neighbors: np.ndarray
    against_neighbors: np.ndarray
    present: np.ndarray | None = None
    samples: np.ndarray | None = None
    kind: str = "neighbors"
    by: str = "nodes"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        n = len(self.own)
        rows = {
            name: check_items(values, name, (n, *np.shape(values)[1:2]))
            for name, values in (
                ("target_neighbors", self.target_neighbors),
                ("against_neighbors", self.against_neighbors),
            )
        }
        vars(self).update(
            own=check_numbers(self.own, "own", (n, n_nodes)),
            targets=check_items(self.targets, "targets", (n,)),
            againsts=check_items(self.againsts, "againsts", (n,)),
            squared_distances=check_numbers(self.squared_distances, "squared_distances", (n, 2)),
            **rows,
        )
        self._check(n)

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        return signed_shares(values, self.own)

    def _labels(self) -> dict[str, np.ndarray]:
        return {"target": self.targets, "against": self.againsts}

    def _single(self, i: int) -> ContrastExplanation:
        sides = self.target_neighbors[i], self.against_neighbors[i]
        return ContrastExplanation(
            self.tree,
            self.own[i],
            target=self.targets[i],
            against=self.againsts[i],
            squared_distances=self.squared_distances[i],
            target_neighbors=sides[0][sides[0] >= 0],
            against_neighbors=sides[1][sides[1] >= 0],
            kind=self.kind,
            by=self.by,
            **self._of(i),
        )
