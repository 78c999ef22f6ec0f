"""From the metrics of the nodes to one metric per subtree, bottom-up to the root."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from ._discriminants import discriminant_basis

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._cross_fit import CrossFit, View

# rows of one comparison of held-out rows with references: bounds time and memory
MAX_QUERIES = 1000
MAX_REFERENCES = 5000
# distances held at once while weights are learned: 128 MB in float64
MAX_DISTANCES = 2**24

Score = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class CombinedNode:
    """The metric of one node over everything below it.

    Parameters
    ----------
    projection : ndarray of shape (n_components, n_embedded_below), float64
        Map of the embedded columns of the node's subtree, in ascending order.
    score : float
        How well held-out rows find their class in this metric; NaN without folds.
    outcome : str
        What was kept: ``"leaf"``, ``"start"`` (the children's metrics as they are), or what they
        were refined to.
    """

    projection: np.ndarray
    score: float
    outcome: str


class Combination(BaseEstimator, ABC):
    """Base class: how a parent's metric is made from those of its children.

    Parameters
    ----------
    cv : int, default=5
        Number of folds of the cross-fitting that gives a parent embeddings to learn from.
    """

    _parameter_constraints: dict = {"cv": [Interval(Integral, 2, None, closed="left")]}

    def __init__(self, *, cv: int = 5) -> None:
        self.cv = cv

    @abstractmethod
    def combine(
        self,
        tree: SegmentTree,
        fitted: CrossFit,
        codes: np.ndarray,
        *,
        n_components: int | None,
        score: Score,
        on_node: Callable[[], None],
    ) -> list[CombinedNode]:
        """Combine the metrics of all nodes, children before their parents.

        Parameters
        ----------
        tree : SegmentTree
            The tree.
        fitted : CrossFit
            The node maps and the rows through them.
        codes : ndarray of shape (n_samples,), int
            Classes.
        n_components : int or None
            Dimensions of the root's embedding.
        score : callable
            ``score(references, reference_codes, queries, query_codes)``, larger is better.
        on_node : callable
            Called whenever a node is ready.

        Returns
        -------
        nodes : list of CombinedNode, length n_nodes
        """


@dataclass
class _Basis:
    """What a node hands to its parent: an invertible map, and its leading rows, the metric."""

    basis: np.ndarray
    projection: np.ndarray
