"""Combination by discriminants of everything below a node, shrunk to the children's metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ._combination import NodeOutcome, Score
from ._lda import ClassScatter, Discriminants
from ._weighted import group_names, metric_groups, scales_of, stack_scaled, weigh
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
        codes: np.ndarray,
        *,
        score: Score,
        on_node: Callable[[], None],
    ) -> list[CombinedNode]:
        """Combine the metrics of all nodes; see `CrossFitCombination.combine`."""
        choices = [True] if fitted.views[0].leading.all() else [True, False]
        passes = [
            _combine_columns(tree, fitted, codes, leading_only, score, self.drop_children)
            for leading_only in choices
        ]
        for _ in range(tree.n_nodes):
            on_node()
        kept = max(passes, key=lambda nodes: np.nan_to_num(nodes[-1].score))
        scores = _scores(tree, fitted, codes, choices, passes, score)
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
    codes: np.ndarray,
    leading_only: bool,
    score: Score,
    drop_children: bool,
) -> list[_Passed]:
    """Combine all nodes, from their own metrics only or from all directions that they offer."""
    passed: list[_Passed] = []
    for node in tree.bottom_up():
        below = [passed[child] for child in tree.children(node)]
        groups = metric_groups(fitted, node, [p.metrics for p in below])
        names = group_names(tree, node) if drop_children else None
        start = weigh(fitted, codes, groups, score, names)
        bases = [
            stack_scaled(
                [*(p.bases[v] for p in below), view.own_map(node, leading_only=leading_only)],
                start.scales[v],
            )
            for v, view in enumerate(fitted.views)
        ]
        outcome = start.outcome if below else NodeOutcome("leaf")
        begun = _Passed(
            bases, start.metrics, start.tried_scores, start.choice, start.score, outcome
        )
        refine = bool(below) and all(len(basis) for basis in bases)
        passed.append(_refine(fitted, codes, begun, score) if refine else begun)
    return passed


def _scores(
    tree: SegmentTree,
    fitted: CrossFit,
    codes: np.ndarray,
    leading: list[bool],
    passes: list[list[_Passed]],
    score: Score,
) -> np.ndarray:
    """Score the nodes on every fold in what the other folds choose, the pass included."""
    found = [
        nested_scores(tree, fitted, codes, kept, partial(_make, codes, only), score)
        for only, kept in zip(leading, passes, strict=True)
    ]
    scores = found[0].copy()
    for fold in range(scores.shape[1] if len(found) > 1 else 0):
        others = fold_sizes(fitted)
        others[fold] = 0
        roots = [kept[-1].tried_scores for kept in passes]
        best = np.argmax([root.scores(root.choose(others)) @ others for root in roots])
        scores[:, fold] = found[best][:, fold]
    return scores


def _make(
    codes: np.ndarray,
    leading_only: bool,
    view: View,
    node: int,
    below: list[tuple[np.ndarray, np.ndarray]],
    choice: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Metric and coordinates of a node in one view, of a given choice."""
    groups = [*(metric for metric, _ in below), view.own_map(node, leading_only=True)]
    scales = scales_of(view, codes, groups, choice[0])
    own = view.own_map(node, leading_only=leading_only)
    basis = stack_scaled([*(basis for _, basis in below), own], scales)
    if choice[1] < 0:
        return stack_scaled(groups, scales), basis
    learned = Discriminants(_scatter(view, codes, basis))
    directions, n_leading = learned.basis(SHRINKAGES[choice[1]])
    basis = directions @ basis
    return basis[:n_leading], basis


def _refine(fitted: CrossFit, codes: np.ndarray, start: _Passed, score: Score) -> _Passed:
    """Project a parent and its coordinates; keep the start where held-out rows prefer it."""
    learned = [
        Discriminants(_scatter(view, codes, basis))
        for view, basis in zip(fitted.views, start.bases, strict=True)
    ]
    best_score, chosen, refined = start.score, -1, []
    for place, shrinkage in enumerate(SHRINKAGES):
        metrics = [
            part.leading(shrinkage) @ basis
            for part, basis in zip(learned, start.bases, strict=True)
        ]
        refined.append(held_out_scores(fitted, codes, metrics, score))
        value = mean_over_rows(fitted, refined[-1])
        if value > best_score:
            best_score, chosen = value, place
    tried_scores = TriedScores(start.tried_scores.starts, np.array(refined))
    if chosen < 0:
        return replace(start, tried_scores=tried_scores)
    bases, metrics = [], []
    for part, basis in zip(learned, start.bases, strict=True):
        directions, n_leading = part.basis(SHRINKAGES[chosen])
        bases.append(directions @ basis)
        metrics.append(bases[-1][:n_leading])
    outcome = NodeOutcome("projection", shrinkage=SHRINKAGES[chosen], **start.outcome.params)
    return _Passed(bases, metrics, tried_scores, (start.choice[0], chosen), best_score, outcome)


def _scatter(view: View, codes: np.ndarray, basis: np.ndarray) -> ClassScatter:
    """Class scatter, in a node's coordinates, of the rows that a view may learn from."""
    used = np.flatnonzero(basis.any(axis=0))
    rows = view.unseen[np.ix_(view.references, used)] @ basis[:, used].T
    return ClassScatter.of(rows, codes[view.references], int(codes.max()) + 1)
