"""All node metrics of a tree, fitted and combined: what the classifier learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from ..kernels._threads import single_blas_thread
from ._cross_fit import cross_fit
from ._registry import seeded_learners

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._combination import Combination, CombinedNode, Score
    from ._cross_fit import CrossFit, View


@dataclass(frozen=True)
class TreeMetric:
    """The metric of every node over everything below it.

    Parameters
    ----------
    n_features : int
        Columns of the table.
    columns : list of ndarray of int, length n_nodes
        For every node the columns of its subtree, ascending.
    maps : list of ndarray of shape (n_components, n_columns), length n_nodes
        The linear map of every node over these columns, float64.
    scores : list of float, length n_nodes
        Share of held-out rows whose neighbours vote for their class; NaN without folds.
    outcomes : list of str, length n_nodes
        What became of every node's metric.
    """

    n_features: int
    columns: list[np.ndarray]
    maps: list[np.ndarray]
    scores: list[float]
    outcomes: list[str]

    def components(self, node: int) -> np.ndarray:
        """Map of a node over the whole table: (n_components, n_features), float64."""
        components = np.zeros((len(self.maps[node]), self.n_features))
        components[:, self.columns[node]] = self.maps[node]
        return components


def n_fits(cv: int) -> int:
    """How often every node is fitted: on all rows, without each fold and each pair of folds."""
    return 1 + cv * (cv + 1) // 2


def fit_tree_metric(
    X: np.ndarray,
    codes: np.ndarray,
    tree: SegmentTree,
    columns: tuple[np.ndarray, ...],
    learner: Any,
    combination: Combination,
    *,
    n_components: int | None,
    score: Score,
    n_jobs: int | None,
    random_state: Any,
    on_step: Callable[[], None],
    copies: np.ndarray | None = None,
) -> TreeMetric:
    """Fit the map of every node and combine them bottom-up.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
        The table.
    codes : ndarray of shape (n_samples,), int
        Classes.
    tree : SegmentTree
        The tree.
    columns : tuple of ndarray of int, length n_nodes
        Own columns of every node.
    learner : estimator
        What learns the map of a node; cloned for each.
    combination : Combination
        What makes a parent's metric.
    n_components : int or None
        Most dimensions of the root's embedding, which is cut by its principal components.
    score : callable
        As `Combination.combine` takes it.
    n_jobs : int or None
        Number of threads.
    random_state : int, RandomState instance or None
        Seeds the folds and, by their paths, the nodes.
    on_step : callable
        Called whenever one map is fitted and one node combined.
    copies : ndarray of shape (n_samples,), int, default=None
        Rows with the same number are copies of each other, and stay in one fold.

    Returns
    -------
    TreeMetric
    """
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    # one thread: the bits of a product depend on the number of threads
    with single_blas_thread():
        fitted = cross_fit(
            X,
            codes,
            columns,
            seeded_learners(learner, tree.paths, seed),
            tree.paths,
            cv=combination.cv if tree.n_nodes > 1 else 0,
            random_state=seed,
            n_jobs=n_jobs,
            on_fit=on_step,
            copies=copies,
        )
        nodes = combination.combine(tree, fitted, codes, score=score, on_node=on_step)
        nodes[-1] = _limit(nodes[-1], fitted.views[0], n_components)
    return TreeMetric(
        X.shape[1],
        *_maps_over_columns(tree, columns, fitted, nodes, X.shape[1]),
        [kept.score for kept in nodes],
        [
            "constant" if kept.outcome == "leaf" and not len(node_map.components) else kept.outcome
            for kept, node_map in zip(nodes, fitted.maps, strict=True)
        ],
    )


def _limit(root: CombinedNode, view: View, n_components: int | None) -> CombinedNode:
    """Keep the principal components of the rows in the root's space."""
    if n_components is None or n_components >= len(root.projection):
        return root
    rows = view.embedding @ root.projection.T
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    return replace(root, projection=axes[:n_components] @ root.projection)


def _maps_over_columns(
    tree: SegmentTree,
    columns: tuple[np.ndarray, ...],
    fitted: CrossFit,
    nodes: list[CombinedNode],
    n_features: int,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """For every node the columns of its subtree, and the map of its metric over them."""
    view = fitted.views[0]
    below, maps = [], []
    for node, kept in enumerate(nodes):
        full = np.zeros((len(kept.projection), n_features))
        subtree = tree.subtree(node)
        for part in subtree:
            through = kept.projection[:, view.nodes == part]
            full[:, columns[part]] = through @ fitted.maps[part].components
        below.append(np.sort(np.concatenate([columns[part] for part in subtree])))
        maps.append(full[:, below[-1]])
    return below, maps
