"""The metrics of all nodes of a tree, fitted and combined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from ..kernels.threads import single_blas_thread
from ..utils import PlainState
from ._combination import FittedNode, NodeOutcome
from .base import map_rows
from .node import fit_node_map
from .registry import seeded_learners

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from ._combination import Combination, Score


@dataclass(frozen=True)
class TreeMetric(PlainState):
    """The metric of every node over everything below it."""

    n_features: int  # columns of the table
    columns: list[np.ndarray]  # for every node the columns of its subtree, ascending
    maps: list[np.ndarray]  # (n_components, n_columns) float64: over these columns
    scores: list[float]  # held-out accuracy of the nearest neighbors; NaN without folds
    outcomes: list[NodeOutcome]

    def components(self, node: int) -> np.ndarray:
        """Map of a node over the whole table: (n_components, n_features), float64."""
        components = np.zeros((len(self.maps[node]), self.n_features))
        components[:, self.columns[node]] = self.maps[node]
        return components

    def take(self, nodes: list[int], columns: np.ndarray) -> TreeMetric:
        """The same metric with nodes and columns (n_features,) in another order."""
        moved = [columns[self.columns[node]] for node in nodes]
        orders = [np.argsort(own) for own in moved]
        return TreeMetric(
            self.n_features,
            [own[order] for own, order in zip(moved, orders, strict=True)],
            [
                np.ascontiguousarray(self.maps[node][:, order])
                for node, order in zip(nodes, orders, strict=True)
            ],
            [self.scores[node] for node in nodes],
            [self.outcomes[node] for node in nodes],
        )


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
    groups: np.ndarray | None = None,
) -> TreeMetric:
    """Fit the map of every node of a table X and combine them bottom-up."""
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    learners = seeded_learners(learner, tree.paths, seed)
    # one thread: the bits of a product depend on the number of threads
    with single_blas_thread():
        if tree.n_nodes == 1:
            nodes = [_fit_alone(learners[0], X, codes, columns[0], tree.paths[0])]
            on_step()
        else:
            nodes = combination.fit_nodes(
                X,
                codes,
                tree,
                columns,
                learners,
                score=score,
                n_jobs=n_jobs,
                random_state=seed,
                on_step=on_step,
                groups=groups,
            )
        below = [
            np.sort(np.concatenate([columns[part] for part in tree.subtree(node)]))
            for node in tree.bottom_up()
        ]
        maps = [node.components[:, own] for node, own in zip(nodes, below, strict=True)]
        maps[-1] = _limit(maps[-1], X, below[-1], n_components)
    return TreeMetric(
        X.shape[1], below, maps, [node.score for node in nodes], [node.outcome for node in nodes]
    )


def _fit_alone(
    learner: Any, X: np.ndarray, codes: np.ndarray, columns: np.ndarray, path: str
) -> FittedNode:
    """Fit a tree of one node, which is a flat metric learner."""
    node_map = fit_node_map(learner, X[:, columns], codes, name=path)
    components = np.zeros((node_map.n_leading, X.shape[1]))
    components[:, columns] = node_map.components[: node_map.n_leading]
    outcome = NodeOutcome("leaf" if len(node_map.components) else "constant")
    return FittedNode(components, float("nan"), outcome)


def _limit(
    components: np.ndarray, X: np.ndarray, columns: np.ndarray, n_components: int | None
) -> np.ndarray:
    """Keep the principal components of the rows in the root's space."""
    if n_components is None or n_components >= len(components):
        return components
    rows = map_rows(components, X[:, columns], dtype=np.float64)
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    return axes[:n_components] @ components
