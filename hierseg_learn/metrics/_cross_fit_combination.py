"""Combinations that learn from rows as embedded by node maps that did not see them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._combination import MAX_QUERIES, MAX_REFERENCES, Combination, FittedNode, Score, thin
from ._cross_fit import cross_fit

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._cross_fit import CrossFit


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


class CrossFitCombination(Combination):
    """Base class: parents that are learned from embeddings of rows that the children never saw.

    Parameters
    ----------
    cv : int, default=3
        Number of folds of the cross-fitting that gives a parent embeddings to learn from; every
        node is fitted ``1 + cv * (cv + 1) / 2`` times.

    Examples
    --------
    >>> from hierseg_learn.metrics import CrossFitCombination, WeightedCombination
    >>> isinstance(WeightedCombination(cv=4), CrossFitCombination)
    True
    """

    def n_steps(self, n_nodes: int) -> int:
        """Count the fits, on all rows and without each fold and pair of folds, and the parents."""
        return (1 + self.cv * (self.cv + 1) // 2 + 1) * n_nodes

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
        """Fit the metrics of all nodes; see `Combination.fit_nodes`."""
        fitted = cross_fit(
            X.astype(np.float64, copy=False),
            codes,
            columns,
            learners,
            tree.paths,
            cv=self.cv,
            random_state=random_state,
            n_jobs=n_jobs,
            on_fit=on_step,
            copies=copies,
        )
        nodes = self.combine(tree, fitted, codes, score=score, on_node=on_step)
        return [
            _over_the_table(tree, node, columns, fitted, combined, X.shape[1])
            for node, combined in enumerate(nodes)
        ]

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


def _over_the_table(
    tree: SegmentTree,
    node: int,
    columns: tuple[np.ndarray, ...],
    fitted: CrossFit,
    combined: CombinedNode,
    n_features: int,
) -> FittedNode:
    """Map of a combined node over the table: its projection after the maps of its subtree."""
    components = np.zeros((len(combined.projection), n_features))
    for part in tree.subtree(node):
        through = combined.projection[:, fitted.views[0].nodes == part]
        components[:, columns[part]] = through @ fitted.maps[part].components
    nothing = combined.outcome == "leaf" and not len(fitted.maps[node].components)
    return FittedNode(components, combined.score, "constant" if nothing else combined.outcome)


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
        As `Combination.fit_nodes` takes it.

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
