"""From the metrics of the nodes to one metric per subtree, bottom-up to the root."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ..utils import Estimator

if TYPE_CHECKING:
    from ..tree import SegmentTree

# rows of one comparison of held-out rows with references: bounds time and memory
MAX_QUERIES = 1000
MAX_REFERENCES = 5000

Score = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class FittedNode:
    """The metric of one node over the table."""

    # (n_components, n_features) float64: the linear map; zero outside the node's subtree
    components: np.ndarray
    # how well held-out rows find their class in the metric that other rows choose; NaN without
    # folds
    score: float
    outcome: str  # what became of the node's metric


class Combination(Estimator, ABC):
    """Base class: how the nodes of a tree get their metrics, parents from their children.

    Parameters
    ----------
    cv : int, default=3
        Number of folds on whose held-out rows parents are judged.

    Examples
    --------
    >>> from hierseg_learn.metrics import Combination, WeightedCombination
    >>> isinstance(WeightedCombination(cv=4), Combination)
    True
    """

    _parameter_constraints: dict = {"cv": [Interval(Integral, 3, None, closed="left")]}

    def __init__(self, *, cv: int = 3) -> None:
        self.cv = cv

    @abstractmethod
    def n_steps(self, n_nodes: int) -> int:
        """Count the steps of `fit_nodes` in a tree of so many nodes."""

    @abstractmethod
    def fit_nodes(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        tree: SegmentTree,
        columns: tuple[np.ndarray, ...],
        learners: list[Any],
        *,
        score: Score,
        n_jobs: int | None,
        random_state: int,
        on_step: Callable[[], None],
        copies: np.ndarray | None = None,
    ) -> list[FittedNode]:
        """Fit the metrics of all nodes, children before their parents.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float32 or float64
            The table.
        codes : ndarray of shape (n_samples,), int
            Classes.
        tree : SegmentTree
            The tree.
        columns : tuple of ndarray of int, length n_nodes
            Own columns of every node.
        learners : list of estimators, length n_nodes
            What learns the map of every node's own columns; not fitted.
        score : callable
            ``score(references, reference_codes, queries, query_codes)``, larger is better.
        n_jobs : int or None
            Number of threads.
        random_state : int
            Seeds the folds.
        on_step : callable
            Called whenever one step of `n_steps` is done.
        copies : ndarray of shape (n_samples,), int, default=None
            Rows with the same number are copies of each other, and stay in one fold.

        Returns
        -------
        nodes : list of FittedNode, length n_nodes
        """


def subsample(rows: np.ndarray, most: int) -> np.ndarray:
    """Take at most so many of the rows, evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]
