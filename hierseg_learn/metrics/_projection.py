"""Combination by discriminants of everything below a node, shrunk to the children's metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._combination import NodeOutcome, Score
from ._lda import ClassScatter, Discriminants
from ._weighted import metric_groups, stack_scaled, weigh
from .cross_fitting import CombinedNode, CrossFitCombination, held_out_score

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

    Notes
    -----
    A parent gets all directions of its children, so it can use what a child could not. If the node
    learners offer directions beyond their metric (`ShrinkageLDA(n_extra_directions=...)`), the tree
    is combined with and without these, and held-out rows decide.

    Examples
    --------
    >>> from hierseg_learn.metrics import ProjectionCombination
    >>> ProjectionCombination(cv=5)
    ProjectionCombination(cv=5)
    """

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
            _combine_columns(tree, fitted, codes, leading_only, score) for leading_only in choices
        ]
        for _ in range(tree.n_nodes):
            on_node()
        return max(passes, key=lambda nodes: np.nan_to_num(nodes[-1].score))


@dataclass(frozen=True)
class _Passed:
    """What a node hands to its parent, in every view: coordinates, and the metric in them."""

    bases: list[np.ndarray]  # (n_below, n_embedded): all directions of the subtree that may be used
    metrics: list[np.ndarray]  # (n_components, n_embedded): the node's metric
    kept: CombinedNode  # the result


def _combine_columns(
    tree: SegmentTree,
    fitted: CrossFit,
    codes: np.ndarray,
    leading_only: bool,
    score: Score,
) -> list[CombinedNode]:
    """Combine all nodes, from their own metrics only or from all directions that they offer."""
    passed: list[_Passed] = []
    for node in tree.bottom_up():
        below = [passed[child] for child in tree.children(node)]
        groups = metric_groups(fitted, node, [p.metrics for p in below])
        start = weigh(fitted, codes, groups, score)
        bases = [
            stack_scaled(
                [*(p.bases[v] for p in below), view.own_map(node, leading_only=leading_only)],
                start.scales[v],
            )
            for v, view in enumerate(fitted.views)
        ]
        begun = _Passed(bases, start.metrics, start.as_node(is_leaf=not below))
        refine = bool(below) and all(len(basis) for basis in bases)
        passed.append(_refine(fitted, codes, begun, score) if refine else begun)
    return [p.kept for p in passed]


def _refine(fitted: CrossFit, codes: np.ndarray, start: _Passed, score: Score) -> _Passed:
    """Project a parent and its coordinates; keep the start where held-out rows prefer it."""
    learned = [
        Discriminants(_scatter(view, codes, basis))
        for view, basis in zip(fitted.views, start.bases, strict=True)
    ]
    best_score, chosen = start.kept.score, None
    for shrinkage in SHRINKAGES:
        metrics = [
            part.leading(shrinkage) @ basis
            for part, basis in zip(learned, start.bases, strict=True)
        ]
        value = held_out_score(fitted, codes, metrics, score)
        if value > best_score:
            best_score, chosen = value, shrinkage
    if chosen is None:
        return start
    bases, metrics = [], []
    for part, basis in zip(learned, start.bases, strict=True):
        directions, n_leading = part.basis(chosen)
        bases.append(directions @ basis)
        metrics.append(bases[-1][:n_leading])
    kept = CombinedNode(metrics[0], best_score, NodeOutcome("projection", shrinkage=chosen))
    return _Passed(bases, metrics, kept)


def _scatter(view: View, codes: np.ndarray, basis: np.ndarray) -> ClassScatter:
    """Class scatter, in a node's coordinates, of the rows that a view may learn from."""
    used = np.flatnonzero(basis.any(axis=0))
    rows = view.unseen[np.ix_(view.references, used)] @ basis[:, used].T
    return ClassScatter.of(rows, codes[view.references], int(codes.max()) + 1)
