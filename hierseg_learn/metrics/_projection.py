"""Combination by discriminants of everything below a node, shrunk to the children's metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._combination import NodeOutcome, Score
from ._lda import ClassScatter, Discriminants
from ._weighted import Weighed, group_names, metric_groups, scales_of, stack_scaled, weigh
from .cross_fitting import (
    CombinedNode,
    CrossFitCombination,
    TriedScores,
    fold_sizes,
    held_out_scores,
    mean_over_rows,
    nested_scores,
)

if TYPE_CHECKING:
    from ..tree import SegmentTree
    from .cross_fitting import CrossFit, View

# shrinkage towards the children's metrics
SHRINKAGES = (0.02, 0.1, 0.3, 0.6, 0.85, 0.97)


class ProjectionCombination(CrossFitCombination):
    """A parent's metric is a full projection of what its children learned, side by side.

    Bottom-up, every node starts from the weighted sum of its children's metrics and its own, as
    :class:`WeightedCombination` makes it, and gets coordinates in which that sum is the identity.
    Linear discriminants are then learned in these coordinates, from embeddings of rows that the
    children were not fitted on (cross-fitting), with the scatter shrunk towards the start. The
    shrinkage, and whether to keep the start instead, is chosen by the neighbors of held-out rows.

    Parameters
    ----------
    cv : int, default=3
        Number of folds of the cross-fitting.
    drop_children : bool, default=False
        As for :class:`WeightedCombination`.

    Notes
    -----
    With few rows, one draw of the folds decides much: the metrics of all rows are then learned from
    the mean of several draws, if the node learner learns from sums (:class:`ShrinkageLDA`).

    A parent gets all directions of its children that it keeps, so it can use what a child could
    not. If the node learners offer directions beyond their metric
    (`ShrinkageLDA(n_extra_directions=...)`), the tree is combined with and without these, and
    held-out rows decide.

    Examples
    --------
    >>> from hierseg_learn.metrics import ProjectionCombination
    >>> ProjectionCombination(cv=5)
    ProjectionCombination(cv=5)
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
        choices = [True] if fitted.views[0].leading.all() else [True, False]
        passes: list[list[_Passed]] = []
        for leading_only in choices:
            passes.append(
                _combine_columns(tree, fitted, leading_only, score, self.drop_children, passes[:1])
            )
        for _ in range(tree.n_nodes):
            on_node()
        kept = max(passes, key=lambda nodes: np.nan_to_num(nodes[-1].score))
        scores = _scores(tree, fitted, choices, passes, score)
        return [
            CombinedNode(
                node.metrics[0],
                mean_over_rows(fitted, own),
                node.outcome,
                node.metrics if node is kept[-1] else (),
            )
            for node, own in zip(kept, scores, strict=True)
        ]


@dataclass(frozen=True)
class _Passed:
    """What a node hands to its parent, in every view: coordinates, and the metric in them."""

    start: Weighed  # what it began with
    bases: list[np.ndarray]  # (n_below, n_embedded): all directions of the subtree that may be used
    metrics: list[np.ndarray]  # (n_components, n_embedded): the node's metric
    tried_scores: TriedScores  # what was tried
    choice: tuple[int, int]  # what was taken of it
    score: float  # of the held-out rows of all folds, which made this choice
    outcome: NodeOutcome

    def maps(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """Metric in a view, and the coordinates that go up."""
        return self.metrics[view], self.bases[view]


def _combine_columns(
    tree: SegmentTree,
    fitted: CrossFit,
    leading_only: bool,
    score: Score,
    drop_children: bool,
    before: list[list[_Passed]],
) -> list[_Passed]:
    """Combine all nodes, from their own metrics only or from all directions that they offer.

    Where the children have the same metrics as in the pass before, if there is one, so has the
    start.
    """
    passed: list[_Passed] = []
    for node in tree.bottom_up():
        below = [passed[child] for child in tree.children(node)]
        groups = metric_groups(fitted, node, [p.metrics for p in below])
        names = group_names(tree, node) if drop_children else None
        known = [nodes[node].start for nodes in before if _are_same(tree, node, passed, nodes)]
        start = known[0] if known else weigh(fitted, groups, score, names)
        bases = [
            stack_scaled(
                [*(p.bases[v] for p in below), view.own_map(node, leading_only=leading_only)],
                start.scales[v],
            )
            for v, view in enumerate(fitted.views)
        ]
        outcome = start.outcome if below else NodeOutcome("leaf")
        begun = _Passed(
            start, bases, start.metrics, start.tried_scores, start.choice, start.score, outcome
        )
        refine = bool(below) and all(len(basis) for basis in bases)
        passed.append(_refine(fitted, begun, score) if refine else begun)
    return passed


def _are_same(tree: SegmentTree, node: int, passed: list[_Passed], before: list[_Passed]) -> bool:
    """Whether the metrics of a node's children are the same in two passes."""
    pairs = ((passed[child].metrics, before[child].metrics) for child in tree.children(node))
    return all(
        np.array_equal(one, other)
        for metrics, others in pairs
        for one, other in zip(metrics, others, strict=True)
    )


def _scores(
    tree: SegmentTree,
    fitted: CrossFit,
    leading: list[bool],
    passes: list[list[_Passed]],
    score: Score,
) -> np.ndarray:
    """Score the nodes on every fold in what the other folds choose, the pass included."""
    sizes, roots = fold_sizes(fitted), [kept[-1].tried_scores for kept in passes]
    best = np.zeros(len(sizes), dtype=int)
    for fold in range(len(sizes)):
        others = np.where(np.arange(len(sizes)) == fold, 0, sizes)
        best[fold] = np.argmax([root.scores(root.choose(others)) @ others for root in roots])
    scores = np.empty((tree.n_nodes, len(sizes)))
    for place, (only, kept) in enumerate(zip(leading, passes, strict=True)):
        folds = np.flatnonzero(best == place)
        make = partial(_make, only)
        scores[:, folds] = nested_scores(tree, fitted, kept, make, score, folds)
    return scores


def _make(
    leading_only: bool,
    view: View,
    node: int,
    below: list[tuple[np.ndarray, np.ndarray]],
    choice: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Metric and coordinates of a node in one view, of a given choice."""
    groups = [*(metric for metric, _ in below), view.own_map(node, leading_only=True)]
    scales = scales_of(view, groups, choice[0])
    own = view.own_map(node, leading_only=leading_only)
    basis = stack_scaled([*(basis for _, basis in below), own], scales)
    if choice[1] < 0:
        return stack_scaled(groups, scales), basis
    learned, shrinkage = Discriminants(_scatter(view, basis)), SHRINKAGES[choice[1]]
    return learned.leading(shrinkage) @ basis, learned.whitener(shrinkage) @ basis


def _refine(fitted: CrossFit, start: _Passed, score: Score) -> _Passed:
    """Project a parent and its coordinates; keep the start where held-out rows prefer it."""
    learned = [
        Discriminants(_scatter(view, basis))
        for view, basis in zip(fitted.views, start.bases, strict=True)
    ]
    best_score, chosen, refined = start.score, -1, []
    for place, shrinkage in enumerate(SHRINKAGES):
        metrics = [
            part.leading(shrinkage) @ basis
            for part, basis in zip(learned, start.bases, strict=True)
        ]
        refined.append(held_out_scores(fitted, metrics, score))
        value = mean_over_rows(fitted, refined[-1])
        if value > best_score:
            best_score, chosen = value, place
    tried_scores = TriedScores(start.tried_scores.starts, np.array(refined))
    if chosen < 0:
        return replace(start, tried_scores=tried_scores)
    shrinkage, parts = SHRINKAGES[chosen], list(zip(learned, start.bases, strict=True))
    metrics = [part.leading(shrinkage) @ basis for part, basis in parts]
    # in these coordinates of all that goes up, the shrunk scatter is the identity
    bases = [part.whitener(shrinkage) @ basis for part, basis in parts]
    outcome = NodeOutcome("projection", shrinkage=shrinkage, **start.outcome.params)
    choice = start.choice[0], chosen
    return replace(
        start,
        bases=bases,
        metrics=metrics,
        tried_scores=tried_scores,
        choice=choice,
        score=best_score,
        outcome=outcome,
    )


def _scatter(view: View, basis: np.ndarray) -> ClassScatter:
    """Class scatter, in a node's coordinates, of the rows that a view may learn from."""
    used = np.flatnonzero(basis.any(axis=0))
    scatter = view.scatter
    of_used = replace(
        scatter, sums=scatter.sums[:, used], moments=scatter.moments[np.ix_(used, used)]
    )
    return of_used.through(basis[:, used])
