"""The metrics of all nodes of a tree, fitted and combined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from ..kernels.threads import single_blas_thread
from ..utils import PlainState
from ._combination import MAX_QUERIES, MAX_REFERENCES, FittedNode, NodeOutcome, subsample
from ._lda import ShrinkageLDA
from ._scatter import ScatterCombination
from .base import map_rows
from .block_sums import BlockSums
from .cross_fitting import held_out_folds
from .lift import Lift, lift_of
from .node import fit_node_maps
from .posteriors import Head, HeldOut
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
    # for every node, to the table that `columns` and `maps` refer to; None if that is the table
    lifts: list[Lift | None]
    # of the root, as those of a FittedNode; in the order of the rows that were fitted
    held_out: tuple[HeldOut, ...] = ()
    unseen: np.ndarray | None = None
    head: Head | None = None

    @property
    def is_linear(self) -> bool:
        """Whether all maps are linear in the table."""
        return not any(self.lifts)

    def components(self, node: int) -> np.ndarray:
        """Map of a node over the whole table, lifted: (n_components, n_columns), float64."""
        lift = self.lifts[node]
        n_columns = self.n_features if lift is None else lift.n_columns
        components = np.zeros((len(self.maps[node]), n_columns))
        components[:, self.columns[node]] = self.maps[node]
        return components

    def take(self, nodes: list[int], columns: np.ndarray) -> TreeMetric:
        """The same metric with nodes and columns (n_features,) in another order."""
        lifts, numbers = [None] * len(nodes), [columns] * len(nodes)
        for place, node in enumerate(nodes):
            if self.lifts[node] is not None:
                lifts[place], numbers[place] = self.lifts[node].take(nodes, columns)
        moved = [own[self.columns[node]] for own, node in zip(numbers, nodes, strict=True)]
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
            lifts,
            self.held_out,
            self.unseen,
            self.head,
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
    sums: BlockSums | None = None,
) -> TreeMetric:
    """Fit the map of every node of a table X and combine them bottom-up.

    With `sums` over a larger table, of which X are some rows, what follows from these is learned
    from all.
    """
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    learners = seeded_learners(learner, tree.paths, seed)
    # one thread: the bits of a product depend on the number of threads
    with single_blas_thread():
        from_sums = sums is not None and learns_from_sums(learner, combination, tree.n_nodes)
        if tree.n_nodes == 1 and not combination.takes_one_node and not from_sums:
            folds = held_out_folds(codes, combination.cv, seed, groups)
            nodes = [_fit_alone(learners[0], X, codes, columns[0], tree.paths[0], folds)]
            on_step()
        else:
            given: dict[str, Any] = {"groups": groups}
            if from_sums:
                combination, given = ScatterCombination(cv=combination.cv), {"sums": sums}
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
                **given,
            )
        below = [
            np.sort(np.concatenate([_places(own, columns)[part] for part in tree.subtree(node)]))
            for node, own in enumerate(nodes)
        ]
        maps = [node.components[:, own] for node, own in zip(nodes, below, strict=True)]
        root, held_out, unseen = nodes[-1].lift, nodes[-1].held_out, nodes[-1].unseen
        head = nodes[-1].head
        if n_components is not None and n_components < len(maps[-1]):
            rows = X if root is None else root(X)
            rows = map_rows(maps[-1], rows[:, below[-1]], dtype=np.float64)
            axes = _principal_axes(rows, n_components)
            maps[-1] = axes @ maps[-1]
            unseen, head = None if unseen is None else unseen @ axes.T, None
            held_out = tuple(
                part.along(_principal_axes(part.references, n_components)) for part in held_out
            )
    return TreeMetric(
        X.shape[1],
        below,
        maps,
        [node.score for node in nodes],
        [node.outcome for node in nodes],
        [node.lift for node in nodes],
        held_out,
        unseen,
        head,
    )


def learns_from_sums(learner: Any, combination: Combination, n_nodes: int) -> bool:
    """Whether the metrics of all nodes follow from sums over a table, but for what rows choose."""
    if not isinstance(learner, ShrinkageLDA):
        return False
    return (n_nodes == 1 and learner.n_components is None) or (
        n_nodes > 1 and isinstance(combination, ScatterCombination)
    )


def _places(node: FittedNode, columns: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Columns of all nodes in the table that a node's map is over."""
    return columns if node.lift is None else node.lift.places


def _fit_alone(
    learner: Any,
    X: np.ndarray,
    codes: np.ndarray,
    columns: np.ndarray,
    path: str,
    folds: list[np.ndarray],
) -> FittedNode:
    """Fit a tree of one node, which is a flat metric learner, and again without every fold."""
    parts, numbers = folds or [np.arange(len(X))], range(len(folds))
    without = [tuple(other for other in numbers if other != fold) for fold in numbers]
    sets = [tuple(range(len(parts))), *without]
    node_map, *others = fit_node_maps(learner, X, codes, columns, parts, sets, name=path).maps
    held_out = []
    for fold, other in zip(folds, others, strict=True):
        rest = np.delete(np.arange(len(X)), fold)
        known, asked = subsample(rest, MAX_REFERENCES), subsample(fold, MAX_QUERIES)
        leading = slice(other.n_leading)
        points = [other.embed(X[np.ix_(rows, columns)])[:, leading] for rows in (known, asked)]
        held_out.append(HeldOut(points[0], codes[known], points[1], codes[asked]))
    outcome = NodeOutcome("leaf" if len(node_map.components) else "constant")
    lift = lift_of([node_map.embedding], (columns,))
    components = node_map.components[: node_map.n_leading]
    if lift is None:
        over_table = np.zeros((len(components), X.shape[1]))
        over_table[:, columns] = components
        components = over_table
    return FittedNode(components, float("nan"), outcome, lift, tuple(held_out))


def _principal_axes(rows: np.ndarray, n_components: int) -> np.ndarray:
    """Principal axes of rows, largest variance first: (n_components, n_dimensions)."""
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    return axes[:n_components]
