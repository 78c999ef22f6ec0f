"""Combination by non-negative weights of the children's metrics and the node's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from ._combination import NodeOutcome, Score, subsample
from .cross_fitting import (
    CombinedNode,
    CrossFitCombination,
    TriedScores,
    held_out_scores,
    mean_over_rows,
    nested_scores,
)

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from .cross_fitting import CrossFit, View

# distances held at once while the weights of a node are learned: 8 MB in float64
MAX_DISTANCES = 2**20
# rows whose distances to all others say what is typical
MAX_TYPICAL = 64


class WeightedCombination(CrossFitCombination):
    r"""A parent's metric is a non-negative weighted sum of its children's and its own.

    The squared distance of node v is :math:`d_v = w_v \delta_v + \sum_c w_c d_c`, with
    :math:`\delta_v` that of its own columns and c its children. The weights start equal and are
    learned bottom-up by the objective of neighborhood components [1]_, on rows embedded by maps
    that were fitted without them (cross-fitting); held-out rows decide whether they are kept. In
    that objective, a row's neighbor is any row with a small probability, so that a few rows that
    are unlike all others do not decide. No contribution is negative.

    Parameters
    ----------
    cv : int, default=3
        Number of folds of the cross-fitting.
    drop_children : bool, default=False
        Whether a parent may also keep a single one of the metrics of its children and its own, or
        leave one out, where held-out rows say so. `node_outcomes_` of the classifier name what was
        kept; all else below the node has no part in its metric, or in those above it.

    References
    ----------
    .. [1] J. Goldberger, S. Roweis, G. Hinton, R. Salakhutdinov. "Neighbourhood Components
       Analysis". NIPS 2004.

    Examples
    --------
    >>> from hierseg_learn.metrics import WeightedCombination
    >>> WeightedCombination()
    WeightedCombination()
    """

    _parameter_constraints: dict = {
        **CrossFitCombination._parameter_constraints,
        "drop_children": ["boolean"],
    }

    def __init__(self, *, cv: int = 3, drop_children: bool = False) -> None:
        super().__init__(cv=cv)
        self.drop_children = drop_children

    def combine(
        self,
        tree: SegmentTree,
        fitted: CrossFit,
        *,
        score: Score,
        on_node: Callable[[], None],
    ) -> list[CombinedNode]:
        """Combine the metrics of all nodes; see `CrossFitCombination.combine`."""
        weighed: list[Weighed] = []
        for node in tree.bottom_up():
            below = [weighed[child].metrics for child in tree.children(node)]
            groups = metric_groups(fitted, node, below)
            names = group_names(tree, node) if self.drop_children else None
            weighed.append(weigh(fitted, groups, score, names))
            on_node()

        def make(
            view: View, node: int, below: list[tuple[np.ndarray, np.ndarray]], choice: tuple
        ) -> tuple[np.ndarray, np.ndarray]:
            groups = [*(metric for metric, _ in below), view.own_map(node, leading_only=True)]
            metric = stack_scaled(groups, scales_of(view, groups, choice[0]))
            return metric, metric

        scores = nested_scores(tree, fitted, weighed, make, score, range(len(fitted.folds)))
        return [
            CombinedNode(
                weighed[node].metrics[0],
                mean_over_rows(fitted, scores[node]),
                NodeOutcome("leaf") if tree.is_leaf[node] else weighed[node].outcome,
                weighed[node].metrics if node == tree.root else (),
            )
            for node in tree.bottom_up()
        ]


@dataclass(frozen=True)
class Weighed:
    """The metrics of a node's children and of the node itself under one weight each."""

    # (n_groups,) float64: in every view, square roots of the weights: factors of the maps; NaN for
    # a group that is left out
    scales: list[np.ndarray]
    # (n_components, n_embedded) float64: in every view, the scaled maps, one below the other
    metrics: list[np.ndarray]
    # (n_tried, n_folds) float64: scores by fold of equal weights and, if they were tried, of those
    # learned, and of some of the groups
    starts: np.ndarray
    score: float  # of the held-out rows of all folds
    start: int  # which of them was taken
    outcome: NodeOutcome  # what was kept

    @property
    def tried_scores(self) -> TriedScores:
        """What was tried."""
        return TriedScores(self.starts, self.starts[:0])

    @property
    def choice(self) -> tuple[int, int]:
        """Which of the starts was taken; none is refined."""
        return self.start, -1

    def maps(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """Metric in a view, which is also what goes up."""
        return self.metrics[view], self.metrics[view]


def metric_groups(
    fitted: CrossFit, node: int, below: list[list[np.ndarray]]
) -> list[list[np.ndarray]]:
    """List in every view the metrics of a node's children, given view by view, and its own."""
    return [
        [*(metrics[v] for metrics in below), view.own_map(node, leading_only=True)]
        for v, view in enumerate(fitted.views)
    ]


def group_names(tree: SegmentTree, node: int) -> list[str]:
    """Names of a node's children, and its own, for the metrics of `metric_groups`."""
    return [*(tree.names[child] for child in tree.children(node)), tree.names[node]]


def weigh(
    fitted: CrossFit,
    groups: list[list[np.ndarray]],
    score: Score,
    names: list[str] | None = None,
) -> Weighed:
    """Learn the weights of one node's groups; keep equal ones where held-out rows prefer these.

    With names of the groups, single ones and all but one are tried as well.
    """

    def try_start(start: int) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        scales = [
            scales_of(view, maps, start) for view, maps in zip(fitted.views, groups, strict=True)
        ]
        metrics = [stack_scaled(*pair) for pair in zip(groups, scales, strict=True)]
        return scales, metrics, held_out_scores(fitted, metrics, score)

    filled = [len(group) > 0 for group in groups[0]]
    tried = [try_start(0)]
    if sum(filled) > 1 and fitted.folds:
        n_starts = 2 if names is None else 2 + len(subsets_of(groups[0]))
        tried += [try_start(start) for start in range(1, n_starts)]
    values = [mean_over_rows(fitted, scores) for *_, scores in tried]
    # without folds there are no values
    start = int(np.argmax(values)) if len(values) > 1 else 0
    scales, metrics, _ = tried[start]
    outcome = NodeOutcome("weights" if start == 1 else "start")
    if start > 1:
        kept = subsets_of(groups[0])[start - 2]
        outcome = NodeOutcome("start", kept=", ".join(np.array(names)[kept]))
    scores = np.array([scores for *_, scores in tried])
    return Weighed(scales, metrics, scores, values[start], start, outcome)


def subsets_of(groups: list[np.ndarray]) -> list[np.ndarray]:
    """Groups that may do alone, and groups without one of them, each (n_groups,) bool."""
    filled = np.array([len(group) > 0 for group in groups])
    singles = [np.arange(len(groups)) == place for place in np.flatnonzero(filled)]
    return [*singles, *(filled & ~single for single in singles if len(singles) > 2)]


def scales_of(view: View, groups: list[np.ndarray], start: int) -> np.ndarray:
    """Scales of maps in one view: all 1 for the first start, learned for the second.

    For any other, 1 for some of the groups and NaN for those that are left out.
    """
    if start == 0:
        return np.ones(len(groups))
    if start == 1:
        draws = range(len(view.draws))
        learned = [learn_weights(*_distances(view, groups, draw)) for draw in draws]
        return np.sqrt(np.mean(learned, axis=0))
    return np.where(subsets_of(groups)[start - 2], 1.0, np.nan)


def stack_scaled(groups: list[np.ndarray], scales: np.ndarray) -> np.ndarray:
    """Stack maps of shape (n_components, n_embedded), each times its scale, if that is no NaN."""
    pairs = zip(groups, scales, strict=True)
    return np.concatenate([scale * group for group, scale in pairs if not np.isnan(scale)])


def _distances(view: View, groups: list[np.ndarray], draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances of rows that no map saw, in every group, and their classes."""
    rows = subsample(view.references, int(np.sqrt(MAX_DISTANCES / len(groups))))
    used = np.flatnonzero(np.any([group.any(axis=0) for group in groups], axis=0))
    points = view.embed_unseen(rows, used, draw)
    distances = np.empty((len(groups), len(rows), len(rows)))
    for table, group in zip(distances, groups, strict=True):
        mapped = (points @ group[:, used].T).astype(np.float64)
        # half the work of a product of two matrices, since it is symmetric
        np.matmul(mapped, mapped.T, out=table)
        norms = table.diagonal().copy()
        table *= -2
        table += norms
        table += norms[:, None]
        np.maximum(table, 0, out=table)
    return distances, view.codes[rows]


def learn_weights(distances: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Non-negative weights of distances (n_groups, n_samples, n_samples) for neighbors of a class.

    They are scaled so that the median distance is that of weights of 1: the mean would be that of a
    few rows that are unlike all others.
    """
    from ..kernels.pairs import NeighborShares

    known, n_groups = np.bincount(codes)[codes] > 1, len(distances)
    ones = np.ones(n_groups)
    scale = _typical(distances, known, ones)
    if not scale > 0:  # no class has two rows, or no rows differ
        return ones
    # in these units, equal weights make a typical distance the number of groups
    shares = NeighborShares(distances, codes, unit=scale / n_groups)
    found = minimize(
        shares.loss_and_gradient,
        ones,
        jac=True,
        bounds=[(0, None)] * n_groups,
        method="L-BFGS-B",
        options={"maxiter": 50},
    )
    spread = _typical(distances, known, found.x)
    return found.x * scale / spread if spread > 0 else ones


def _typical(distances: np.ndarray, known: np.ndarray, weights: np.ndarray) -> float:
    """Median of weighted distances from some of the known rows, or the mean of all if it is 0."""
    rows = np.flatnonzero(known)
    if not len(rows):
        return 0.0
    some = rows[:: max(len(rows) // MAX_TYPICAL, 1)]
    median = float(np.median(np.tensordot(weights, distances[:, some], 1)))
    return median or float(np.tensordot(weights, distances[:, rows], 1).mean())
