"""Base of the combinations of node metrics, from the leaves to the root."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ..utils import Estimator, PlainState
from .lift import Lift
from .posteriors import Head, HeldOut

if TYPE_CHECKING:
    from ..tree import SegmentTree

# held-out rows and references of one comparison: bounds time and memory
MAX_QUERIES = 1000
MAX_REFERENCES = 5000

Score = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]


@dataclass(frozen=True, init=False)
class NodeOutcome(PlainState):
    """How the metric of a node was obtained.

    Parameters
    ----------
    method : str
        "constant", the node has no column that varies; "leaf", learned from the node's own columns;
        of a parent "start", its children's metrics as they are, or what they were refined to:
        "weights", "projection", "scatter" or "mlp".
    **params : float or str
        What held-out rows chose, such as `shrinkage`, or which metrics of the children, and of the
        node's own columns by its own name, are `kept`, if not all are.

    Attributes
    ----------
    method : str
        How the metric was obtained.
    params : dict
        What held-out rows chose.

    Examples
    --------
    >>> from hierseg_learn.metrics import NodeOutcome
    >>> outcome = NodeOutcome("projection", shrinkage=0.3)
    >>> print(outcome)
    projection, shrinkage=0.3
    >>> outcome.method, outcome.params
    ('projection', {'shrinkage': 0.3})
    """

    method: str
    _params: tuple[tuple[str, float | str], ...]  # hashable, and not to be edited

    def __init__(self, method: str, **params: float | str) -> None:
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "_params", tuple(params.items()))

    @property
    def params(self) -> dict[str, float | str]:
        """What held-out rows chose."""
        return dict(self._params)

    def __str__(self) -> str:
        return ", ".join([self.method, *(f"{name}={value}" for name, value in self._params)])

    def __repr__(self) -> str:
        chosen = "".join(f", {name}={value!r}" for name, value in self._params)
        return f"NodeOutcome({self.method!r}{chosen})"


@dataclass(frozen=True)
class FittedNode:
    """The metric of one node over the table."""

    # (n_components, n_features) float64: the linear map, over the table or what `lift` makes of
    # it; zero outside the node's subtree
    components: np.ndarray
    score: float  # of held-out rows, in the metric that other rows choose; NaN without folds
    outcome: NodeOutcome
    lift: Lift | None = None  # to what the map is linear in, if that is not the table
    # of the root: rows in its space, which was learned again without them, one for each fold
    held_out: tuple[HeldOut, ...] = ()
    # of the root, (n_samples, n_components): all rows through metrics learned without them, turned
    # to match; None if there are none
    unseen: np.ndarray | None = None
    head: Head | None = None  # of the root, where a decision was learned with the metric


class Combination(Estimator, ABC):
    """Base class: fits the metrics of the nodes of a tree, parents from their children.

    Parameters
    ----------
    cv : int, default=3
        Number of folds on whose held-out rows parents are scored.

    Examples
    --------
    >>> from hierseg_learn.metrics import Combination, WeightedCombination
    >>> isinstance(WeightedCombination(cv=4), Combination)
    True
    """

    _parameter_constraints: dict = {"cv": [Interval(Integral, 3, None, closed="left")]}

    # whether it also fits a tree of one node, which has nothing to combine
    takes_one_node = False

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
        groups: np.ndarray | None = None,
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
            Learners of the maps of the nodes' own columns; not fitted.
        score : callable
            ``score(references, reference_codes, queries, query_codes)``, larger is better, of rows
            in the space of a metric. If it has an attribute `report`, what it chooses is reported
            by that function instead; if it has an attribute `unseen`, that function scores
            references that are mapped as if they were held out, too.
        n_jobs : int or None
            Number of threads.
        random_state : int
            Seeds the folds.
        on_step : callable
            Called after every step of `n_steps`.
        groups : ndarray of shape (n_samples,), int, default=None
            Group of every row, such as copies of one row; a group stays in one fold.

        Returns
        -------
        nodes : list of FittedNode, length n_nodes
        """


def reported(score: Score) -> Score:
    """Return what a score of nodes is reported by: its `report`, or itself."""
    return getattr(score, "report", score)


def subsample(rows: np.ndarray, most: int) -> np.ndarray:
    """Take at most so many of the rows, evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]
