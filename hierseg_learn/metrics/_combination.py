"""From the metrics of the nodes to one metric per subtree, bottom-up to the root."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._cross_fit import CrossFit

# rows of one comparison of held-out rows with references: bounds time and memory
MAX_QUERIES = 1000
MAX_REFERENCES = 5000

Score = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class CombinedNode:
    """The metric of one node over everything below it.

    Parameters
    ----------
    projection : ndarray of shape (n_components, n_embedded), float64
        Map of the embedded columns of all nodes; zero outside the node's subtree.
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
    cv : int, default=3
        Number of folds of the cross-fitting that gives a parent embeddings to learn from; every
        node is fitted ``1 + cv * (cv + 1) / 2`` times.

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
    def combine(
        self,
        tree: SegmentTree,
        fitted: CrossFit,
        codes: np.ndarray,
        *,
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
        score : callable
            ``score(references, reference_codes, queries, query_codes)``, larger is better.
        on_node : callable
            Called whenever a node is ready.

        Returns
        -------
        nodes : list of CombinedNode, length n_nodes
        """


def held_out_score(
    fitted: CrossFit, codes: np.ndarray, projections: list[np.ndarray], score: Score
) -> float:
    """Score of a metric on the held-out rows of every fold.

    Parameters
    ----------
    fitted : CrossFit
        The rows as the folds see them.
    codes : ndarray of shape (n_samples,), int
        Classes.
    projections : list of ndarray of shape (n_components, n_embedded)
        The metric in every view, learned without its held-out rows.
    score : callable
        As `Combination.combine` takes it.

    Returns
    -------
    score : float
        Mean over the held-out rows; NaN without folds.
    """
    total = n_rows = 0
    for view, projection in zip(fitted.folds, projections[1:], strict=True):
        used = np.flatnonzero(projection.any(axis=0))
        references, held_out = (
            thin(view.references, MAX_REFERENCES),
            thin(view.held_out, MAX_QUERIES),
        )
        through = projection[:, used].astype(np.float32).T
        value = score(
            view.embedding[np.ix_(references, used)] @ through,
            codes[references],
            view.embedding[np.ix_(held_out, used)] @ through,
            codes[held_out],
        )
        total += value * len(held_out)
        n_rows += len(held_out)
    return total / n_rows if n_rows else float("nan")


def thin(rows: np.ndarray, most: int) -> np.ndarray:
    """Take at most so many of the rows, evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]
