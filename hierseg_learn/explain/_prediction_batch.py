"""Why many samples got their classes."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ._base import ROUNDING
from ._batch import ExplanationBatch
from ._checks import check_items, check_numbers, check_tree, read_only
from ._contrast_batch import ContrastExplanations
from ._prediction import PredictionExplanation
from ._shares import signed_shares

if TYPE_CHECKING:
    from ..tree import SegmentTree


@dataclass(frozen=True, eq=False, repr=False)
class PredictionExplanations(ExplanationBatch):
    """Explanations of the classes of many samples.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own_by_neighbor : array-like of shape (n_samples, n_neighbors, n_nodes)
        What the own columns of every node contribute to the squared distance to each voter.
    predictions : array-like of shape (n_samples,)
        The predicted classes.
    classes : array-like of shape (n_classes,)
        All classes.
    proba : array-like of shape (n_samples, n_classes)
        Their probabilities.
    neighbors : array-like of int, shape (n_samples, n_neighbors)
        Numbers of the training rows, or of the prototypes, that vote; -1 behind the last voter of a
        sample that has fewer than others.
    neighbor_classes : array-like of shape (n_samples, n_neighbors)
        Their classes.
    vote_weights : array-like of shape (n_samples, n_neighbors)
        Weights of their votes, of any scale.
    present : array-like of bool, shape (n_samples, n_nodes), default=None
        Whether the samples have the nodes at all.
    samples : array-like of shape (n_samples,), default=None
        Labels of the samples; None numbers them.
    kind : {"neighbors", "prototypes"}, default="neighbors"
        Whether training rows vote or prototypes.
    contrasts : ContrastExplanations, default=None
        Of the same samples; None if there is no other class.

    Attributes
    ----------
    own, total, share, own_share : ndarray of shape (n_samples, n_nodes)
        As in the single explanations.
    contributions : DataFrame
        One row per sample and node.

    See Also
    --------
    PredictionExplanation : What an integer index gives.

    Examples
    --------
    >>> from hierseg_learn.explain import PredictionExplanations
    >>> from hierseg_learn.tree import SegmentTree
    >>> batch = PredictionExplanations(
    ...     SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}}),
    ...     [[[0.2, 0.2, 0.0]], [[0.1, 0.3, 0.0]]],
    ...     predictions=["sail", "motor"],
    ...     classes=["motor", "sail"],
    ...     proba=[[0, 1], [1, 0]],
    ...     neighbors=[[7], [4]],
    ...     neighbor_classes=[["sail"], ["motor"]],
    ...     vote_weights=[[1], [1]],
    ... )
    >>> batch[1].prediction.item(), batch.share[1, 1].round(3).item()
    ('motor', 0.75)
    >>> batch.contributions[["sample", "prediction", "node", "own"]].iloc[3:5]
       sample prediction        node  own
    3       1      motor   photo/sky  0.1
    4       1      motor  photo/boat  0.3
    """

    tree: SegmentTree
    own_by_neighbor: np.ndarray
    _: KW_ONLY
    predictions: np.ndarray
    classes: np.ndarray
    proba: np.ndarray
    neighbors: np.ndarray
    neighbor_classes: np.ndarray
    vote_weights: np.ndarray
    present: np.ndarray | None = None
    samples: np.ndarray | None = None
    kind: str = "neighbors"
    contrasts: ContrastExplanations | None = None

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        votes = np.shape(self.own_by_neighbor)[:2]
        own = check_numbers(self.own_by_neighbor, "own_by_neighbor", (*votes, n_nodes))
        n = len(own)
        classes = check_items(self.classes, "classes", ("n_classes",))
        vars(self).update(
            own_by_neighbor=own,
            predictions=check_items(self.predictions, "predictions", (n,)),
            classes=classes,
            proba=check_numbers(self.proba, "proba", (n, len(classes))),
            neighbors=check_items(self.neighbors, "neighbors", votes),
            neighbor_classes=check_items(self.neighbor_classes, "neighbor_classes", votes),
            vote_weights=check_numbers(self.vote_weights, "vote_weights", votes),
        )
        if self.contrasts is not None and len(self.contrasts) != n:
            raise ValueError(
                f"contrasts must have one entry per sample, expected {n}, "
                f"got {len(self.contrasts)}."
            )
        self._check(n)

    @cached_property
    def own(self) -> np.ndarray:
        """What every node contributes, as the mean over the votes: array of (n, n_nodes)."""
        weights = self.vote_weights / self.vote_weights.sum(axis=1, keepdims=True)
        return read_only(np.einsum("sr,srv->sv", weights, self.own_by_neighbor))

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        squared = self.own.sum(axis=1, keepdims=True)
        clear = squared > ROUNDING * np.abs(self.own).sum(axis=1, keepdims=True)
        return np.where(clear, signed_shares(values, self.own), 0.0)

    def _labels(self) -> dict[str, np.ndarray]:
        return {"prediction": self.predictions}

    def _single(self, i: int) -> PredictionExplanation:
        votes = self.neighbors[i] != -1
        return PredictionExplanation(
            self.tree,
            self.own_by_neighbor[i, votes],
            prediction=self.predictions[i],
            classes=self.classes,
            proba=self.proba[i],
            neighbors=self.neighbors[i, votes],
            neighbor_classes=self.neighbor_classes[i, votes],
            vote_weights=self.vote_weights[i, votes],
            kind=self.kind,
            contrast=None if self.contrasts is None else self.contrasts[i],
            **self._of(i),
        )
