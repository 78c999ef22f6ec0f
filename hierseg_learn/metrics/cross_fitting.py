"""Cross-fitting: node maps on all rows and without folds, for parents to learn from and be scored.

A node map fitted on few rows separates these rows too well: from its children's embeddings of the
training rows, a parent would mostly learn how much each child overfits. So every node map is fitted
again without each fold, and a combination learns from rows embedded by maps that were fitted
without them. To score a combination on a fold, nothing may have been learned from that fold: so
maps are also fitted without each pair of folds [1]_.

References
----------
.. [1] M. J. van der Laan, E. C. Polley, A. E. Hubbard. "Super Learner". Statistical Applications in
   Genetics and Molecular Biology 6, 2007.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import combinations
from operator import add
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import StratifiedKFold

from ._combination import (
    MAX_QUERIES,
    MAX_REFERENCES,
    Combination,
    FittedNode,
    NodeOutcome,
    Score,
    reported,
    subsample,
)
from ._lda import BLOCK_ROWS, ClassScatter
from .lift import Lift, lift_of
from .node import NodeFits, NodeMap, fit_node_maps, learns_from_scatter, quiet_fits
from .posteriors import HeldOut

if TYPE_CHECKING:
    from ..tree import SegmentTree


# Draws of folds of which the view of all rows takes the mean: where there are few rows, one draw
# decides too much, and where there are many, it does not and would cost.
MAX_DRAWS = 3
DRAWN_ROWS = 5000


@dataclass(frozen=True)
class PlacedMap:
    """The map of one node's columns, moved and perhaps turned."""

    columns: np.ndarray  # (n_columns,) int: the node's own
    node_map: NodeMap
    center: np.ndarray  # (n_columns,): what rows are moved by, if the map is linear in them
    offset: np.ndarray  # (n_components,): what the embedding is moved by

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embed rows of the table, (n_rows, n_features): (n_rows, n_components) float64."""
        own = rows[:, self.columns]
        if self.node_map.embedding is None:
            own = own - self.center
        return self.node_map.embed(own) + self.offset

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.node_map.components)


@dataclass(frozen=True)
class View:
    """The rows of the table through node maps that were fitted on some of them.

    Only some rows are ever embedded at a time: those that score, and blocks to be summed.
    """

    X: np.ndarray  # (n_samples, n_features): the table
    codes: np.ndarray  # (n_samples,) int: classes
    references: np.ndarray  # rows that the maps were fitted on
    held_out: np.ndarray  # rows that they were not; empty for the view of all rows
    maps: list[PlacedMap]  # one per node
    # one for each draw of folds: fold of every row, (n_samples,) int, and for every fold that the
    # maps were fitted on, maps that saw neither it nor the held-out rows, turned to match `maps`
    draws: list[tuple[np.ndarray, dict[int, list[PlacedMap]]]]
    nodes: np.ndarray  # (n_embedded,) int: node of every embedded column
    # (n_embedded,) bool: whether an embedded column belongs to its node's metric, rather than being
    # offered to its parents only
    leading: np.ndarray

    def own_map(self, node: int, *, leading_only: bool) -> np.ndarray:
        """Map of all embedded columns to those of one node, (n_own, n_embedded)."""
        kept = self.nodes == node
        return np.eye(len(kept))[kept & self.leading if leading_only else kept]

    def embed(self, rows: np.ndarray, used: np.ndarray | None = None) -> np.ndarray:
        """Embed rows, to be scored: (n_rows, n_used) float32, one block per node.

        `used` are some of the embedded columns, (n_used,) int; None takes all.
        """
        return _embed(self.X[rows], self.maps, self.nodes, used)

    def embed_unseen(
        self, rows: np.ndarray, used: np.ndarray | None = None, draw: int = 0
    ) -> np.ndarray:
        """Embed references, each by maps that saw neither it nor the held-out rows.

        As `embed`; without folds, by the maps that saw all of them.
        """
        folds, unseen_maps = self.draws[draw]
        if not unseen_maps:
            return self.embed(rows, used)
        n_used = len(self.nodes) if used is None else len(used)
        found = np.empty((len(rows), n_used), dtype=np.float32)
        for fold, maps in unseen_maps.items():
            own = np.flatnonzero(folds[rows] == fold)
            found[own] = _embed(self.X[rows[own]], maps, self.nodes, used)
        return found

    @cached_property
    def points(self) -> HeldOut:
        """The rows that score metrics, embedded: at most so many."""
        references = subsample(self.references, MAX_REFERENCES)
        held_out = subsample(self.held_out, MAX_QUERIES)
        return HeldOut(
            self.embed(references),
            self.codes[references],
            self.embed(held_out),
            self.codes[held_out],
        )

    @cached_property
    def unseen_points(self) -> np.ndarray:
        """The references of `points`, each by maps that did not see it."""
        return self.embed_unseen(subsample(self.references, MAX_REFERENCES))

    @cached_property
    def scatter(self) -> ClassScatter:
        """Class scatter of the references, each by maps that did not see it: mean of all draws."""
        n_classes, parts = int(self.codes.max()) + 1, []
        for draw in range(len(self.draws)):
            for start in range(0, len(self.references), BLOCK_ROWS):
                rows = self.references[start : start + BLOCK_ROWS]
                points = self.embed_unseen(rows, draw=draw)
                parts.append(ClassScatter.of(points, self.codes[rows], n_classes))
                parts = [reduce(add, parts)]
        return parts[0].shared(len(self.draws))


def _embed(
    rows: np.ndarray, maps: list[PlacedMap], nodes: np.ndarray, used: np.ndarray | None
) -> np.ndarray:
    """Embed rows of the table, (n_rows, n_features), through the maps of all nodes, or some."""
    needed = (
        np.ones(len(maps), dtype=bool)
        if used is None
        else np.isin(np.arange(len(maps)), nodes[used])
    )
    found = np.zeros((len(rows), len(nodes)), dtype=np.float32)
    for node in np.flatnonzero(needed):
        found[:, nodes == node] = maps[node](rows)
    return found if used is None else found[:, used]


@dataclass(frozen=True)
class CrossFit:
    """Node maps, and what a combination may learn from."""

    maps: list[NodeMap]  # one per node, fitted on all rows
    # first that of `maps`, in which no row is held out; then one per fold, if there are any
    views: list[View]

    @property
    def folds(self) -> list[View]:
        """The views with held-out rows; none if there are too few rows of a class."""
        return self.views[1:]


def cross_fit(
    X: np.ndarray,
    codes: np.ndarray,
    columns: tuple[np.ndarray, ...],
    learners: list[Any],
    names: tuple[str, ...],
    *,
    cv: int,
    random_state: int,
    n_jobs: int | None,
    on_fit: Callable[[], None],
    groups: np.ndarray | None = None,
) -> CrossFit:
    """Fit all node maps, on all rows, without each fold and without each pair of folds.

    Shapes: `X` (n_samples, n_features), `codes` (n_samples,) int, `groups` (n_samples,) int.
    """
    folds = held_out_folds(codes, cv, random_state, groups)
    numbers = range(len(folds))
    left_out = [(), *((fold,) for fold in numbers), *combinations(numbers, 2)]
    sets = [tuple(fold for fold in numbers if fold not in out) for out in left_out]
    parts = folds
    if not folds:
        parts, sets = [np.arange(len(X))], [(0,)]
    fits = _fit_maps(X, codes, parts, sets, columns, learners, names, n_jobs, on_fit)
    turner = _Turner(X, columns, fits, [_rows_without(folds, out, len(X)) for out in left_out])
    views = [_view(X, codes, out, left_out, folds, turner) for out in left_out if len(out) < 2]
    if folds and all(map(learns_from_scatter, learners)):
        for draw in range(1, min(MAX_DRAWS, DRAWN_ROWS // len(X))):
            seed = int(np.random.SeedSequence([random_state, draw]).generate_state(1)[0])
            folds = held_out_folds(codes, cv, seed, groups)
            numbers = range(len(folds))
            sets = [tuple(fold for fold in numbers if fold != out) for out in numbers]
            more = _fit_maps(X, codes, folds, sets, columns, learners, names, n_jobs, lambda: None)
            turner = _Turner(
                X, columns, more, [_rows_without(folds, (f,), len(X)) for f in numbers]
            )
            unseen = {fold: turner.turn(fold, views[0].maps) for fold in numbers}
            views[0].draws.append((_fold_of_rows(folds, len(X)), unseen))
    return CrossFit([fit.maps[0] for fit in fits], views)


def _rows_without(folds: list[np.ndarray], out: tuple[int, ...], n_samples: int) -> np.ndarray:
    kept = np.ones(n_samples, dtype=bool)
    for fold in out:
        kept[folds[fold]] = False
    return np.flatnonzero(kept)


def _fold_of_rows(folds: list[np.ndarray], n_samples: int) -> np.ndarray:
    found = np.zeros(n_samples, dtype=np.intp)
    for fold, rows in enumerate(folds):
        found[rows] = fold
    return found


def _view(
    X: np.ndarray,
    codes: np.ndarray,
    out: tuple[int, ...],
    left_out: list[tuple[int, ...]],
    folds: list[np.ndarray],
    turner: _Turner,
) -> View:
    """The view without some folds; every other fold through maps that left it out, too."""
    fit = left_out.index(out)
    maps = turner.maps[fit]
    unseen_maps = {
        fold: turner.turn(left_out.index(tuple(sorted((*out, fold)))), maps)
        for fold in range(len(folds))
        if fold not in out
    }
    widths = [placed.n_components for placed in maps]
    leading = [np.arange(placed.n_components) < placed.node_map.n_leading for placed in maps]
    return View(
        X,
        codes,
        turner.rows[fit],
        np.concatenate([folds[fold] for fold in out]) if out else turner.rows[fit][:0],
        maps,
        [(_fold_of_rows(folds, len(X)), unseen_maps)],
        np.repeat(np.arange(len(maps)), widths),
        np.concatenate(leading),
    )


class _Turner:
    """Node maps of several fits, about the mean of all rows, turned to match each other.

    A metric is free to turn and mirror its embedding; the rotation nearest to the target is the
    orthogonal Procrustes solution [1]_, for the rows that both were fitted on. Leading components
    are turned apart from the others.

    References
    ----------
    .. [1] P. H. Schoenemann. "A Generalized Solution of the Orthogonal Procrustes Problem".
       Psychometrika 31, 1966.
    """

    def __init__(
        self,
        X: np.ndarray,
        columns: tuple[np.ndarray, ...],
        fits: list[NodeFits],
        rows: list[np.ndarray],
    ) -> None:
        self.X, self.rows, self._fits = X, rows, fits
        center = X.mean(axis=0, dtype=np.float64)
        self.maps = [
            [_placed(X, own, fit.maps[i], center[own]) for own, fit in zip(columns, fits)]
            for i in range(len(rows))
        ]

    def turn(self, fit: int, goals: list[PlacedMap]) -> list[PlacedMap]:
        """Maps of one fit, turned to match those of another by more rows."""
        return [self._turn_node(node, fit, goal) for node, goal in enumerate(goals)]

    def _turn_node(self, node: int, fit: int, goal: PlacedMap) -> PlacedMap:
        moved = self.maps[fit][node]
        middle, goal_middle, cross = self._compare(node, fit, moved, goal)
        n_leading, n_goal = moved.node_map.n_leading, goal.node_map.n_leading
        turn = np.zeros(cross.shape)
        for own, other in (
            (slice(n_leading), slice(n_goal)),
            (slice(n_leading, None), slice(n_goal, None)),
        ):
            if cross[own, other].size:
                u, _, vt = np.linalg.svd(cross[own, other], full_matrices=False)
                turn[own, other] = u @ vt
        # without anything to turn, there is nothing to learn from
        filled = turn.any(axis=0)
        components = turn.T @ moved.node_map.components
        offset = np.where(filled, goal_middle - (middle - moved.offset) @ turn, 0.0)
        node_map = NodeMap(components, n_goal, moved.node_map.embedding)
        return PlacedMap(moved.columns, node_map, moved.center, offset)

    def _compare(
        self, node: int, fit: int, moved: PlacedMap, goal: PlacedMap
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means of two embeddings over the rows of a fit, and the products about these."""
        if self._fits[node].sums is not None:
            sums = self._fits[node].sums[fit]
            one, two = moved.node_map.components, goal.node_map.components
            middle = sums.center - moved.center
            return one @ middle, two @ middle, one @ sums.scatter.moments @ two.T
        rows, sums = self.rows[fit], []
        for start in range(0, len(rows), BLOCK_ROWS):
            block = self.X[rows[start : start + BLOCK_ROWS]]
            one, two = moved(block), goal(block)
            sums.append((one.sum(axis=0), two.sum(axis=0), one.T @ two))
        total, goal_total, cross = (sum(parts) for parts in zip(*sums))
        n_rows = len(rows)
        cross = cross - np.outer(total, goal_total) / n_rows
        return total / n_rows, goal_total / n_rows, cross


def _placed(X: np.ndarray, columns: np.ndarray, node_map: NodeMap, center: np.ndarray) -> PlacedMap:
    """A map whose embedding of all rows has a mean of zero."""
    placed = PlacedMap(columns, node_map, center, np.zeros(len(node_map.components)))
    if node_map.embedding is None:
        return placed
    starts = range(0, len(X), BLOCK_ROWS)
    total = sum(placed(X[start : start + BLOCK_ROWS]).sum(axis=0) for start in starts)
    return replace(placed, offset=-total / len(X))


def held_out_folds(
    codes: np.ndarray, cv: int, random_state: int, groups: np.ndarray | None = None
) -> list[np.ndarray]:
    """Rows of stratified folds; none where a pair of folds may leave less than two classes."""
    if groups is None:
        groups = np.arange(len(codes))
    firsts = np.unique(groups)
    counts = np.bincount(codes[firsts])
    n_folds = min(cv, int(counts.max()))
    # Every pair of folds must leave two classes, for that three folds each with a row will do.
    if cv == 0 or n_folds < 3 or np.sort(counts)[-2] < 3:
        return []
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        # A rare class is missing in some folds: its rows are then placed by the others alone.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        split = [firsts[held_out] for _, held_out in splitter.split(firsts, codes[firsts])]
    return [np.flatnonzero(np.isin(groups, held_out)) for held_out in split]


def _fit_maps(
    X: np.ndarray,
    codes: np.ndarray,
    folds: list[np.ndarray],
    sets: list[tuple[int, ...]],
    columns: tuple[np.ndarray, ...],
    learners: list[Any],
    names: tuple[str, ...],
    n_jobs: int | None,
    on_fit: Callable[[], None],
) -> list[NodeFits]:
    """Fit the map of every node on every set of folds."""

    def fit(node: int, some: list[tuple[int, ...]]) -> NodeFits:
        where = X, codes, columns[node], folds, some
        return fit_node_maps(learners[node], *where, name=names[node], on_fit=on_fit)

    tasks = []
    for node, learner in enumerate(learners):
        # one task, where the fits share what they cost
        shared = learns_from_scatter(learner)
        tasks += [(node, sets)] if shared else [(node, [one]) for one in sets]
    with quiet_fits():
        # Threads, since learners spend their time in compiled code; each task has its own seed.
        fits = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(fit)(*task) for task in tasks)
    found: list[list[NodeFits]] = [[] for _ in learners]
    for (node, _), of_task in zip(tasks, fits, strict=True):
        found[node].append(of_task)
    return [
        parts[0] if len(parts) == 1 else NodeFits([fit.maps[0] for fit in parts]) for parts in found
    ]


@dataclass(frozen=True)
class CombinedNode:
    """The metric of one node over everything below it."""

    # (n_components, n_embedded) float64: map of the embedded columns of all nodes; zero outside the
    # node's subtree
    projection: np.ndarray
    score: float  # of held-out rows, in the metric that other rows choose; NaN without folds
    outcome: NodeOutcome
    # of the root: the same map in every view
    views: Sequence[np.ndarray] = ()


class CrossFitCombination(Combination):
    """Base class: parents that are learned from embeddings of rows that the children never saw.

    Parameters
    ----------
    cv : int, default=3
        Number of folds of the cross-fitting that gives a parent embeddings to learn from; every
        node is fitted ``1 + cv * (cv + 1) / 2`` times, and ``cv`` times more for every further draw
        of the folds: up to two, with at most 2,500 rows, if its learner learns from sums.

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
        groups: np.ndarray | None = None,
    ) -> list[FittedNode]:
        """Fit the metrics of all nodes; see `Combination.fit_nodes`."""
        fitted = cross_fit(
            X,
            codes,
            columns,
            learners,
            tree.paths,
            cv=self.cv,
            random_state=random_state,
            n_jobs=n_jobs,
            on_fit=on_step,
            groups=groups,
        )
        nodes = self.combine(tree, fitted, score=score, on_node=on_step)
        lift = lift_of([node_map.embedding for node_map in fitted.maps], columns)
        if lift is not None:
            columns = lift.places
        n_columns = X.shape[1] if lift is None else lift.n_columns
        return [
            _over_the_table(tree, node, columns, fitted, combined, n_columns, lift)
            for node, combined in enumerate(nodes)
        ]

    @abstractmethod
    def combine(
        self,
        tree: SegmentTree,
        fitted: CrossFit,
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
    n_columns: int,
    lift: Lift | None,
) -> FittedNode:
    """Map of a combined node over the table: its projection after the maps of its subtree."""
    components = np.zeros((len(combined.projection), n_columns))
    for part in tree.subtree(node):
        own = fitted.maps[part].components
        if len(own):  # a constant part has columns, but no place in a lifted table
            through = combined.projection[:, fitted.views[0].nodes == part]
            components[:, columns[part]] = through @ own
    nothing = combined.outcome.method == "leaf" and not len(fitted.maps[node].components)
    outcome = NodeOutcome("constant") if nothing else combined.outcome
    if len(combined.views) < 2:
        return FittedNode(components, combined.score, outcome, lift)
    held_out = tuple(
        held_out_points(view, projection)
        for view, projection in zip(fitted.folds, combined.views[1:], strict=True)
    )
    unseen = _unseen_through(fitted.views[0], combined.views[0])
    return FittedNode(components, combined.score, outcome, lift, held_out, unseen)


def _unseen_through(view: View, projection: np.ndarray) -> np.ndarray:
    """All rows of the view of all rows, each by maps that did not see it, in a metric's space."""
    used, down = _used(projection)
    found = np.empty((len(view.X), len(projection)), dtype=np.float32)
    for start in range(0, len(found), BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, len(found)))
        found[rows] = view.embed_unseen(rows, used) @ down
    return found


def _used(projection: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embedded columns that a metric uses, and the map of these, (n_used, n_components) float32."""
    used = np.flatnonzero(projection.any(axis=0))
    return used, projection[:, used].T.astype(np.float32)


@dataclass(frozen=True)
class TriedScores:
    """Held-out scores by fold of everything that was tried for one node."""

    starts: np.ndarray  # (n_starts, n_folds) float64: of the weightings, equal weights first
    refined: np.ndarray  # (n_refined, n_folds) float64: of what the kept start was refined to

    def choose(self, sizes: np.ndarray) -> tuple[int, int]:
        """Choose by folds of so many rows each: the start, and its refinement or -1 for none."""
        start = int(np.argmax(self.starts @ sizes))
        rest = np.concatenate([self.starts[start : start + 1], self.refined]) @ sizes
        return start, int(np.argmax(rest)) - 1

    def scores(self, choice: tuple[int, int]) -> np.ndarray:
        """Scores of a choice on every fold."""
        start, refinement = choice
        return self.starts[start] if refinement < 0 else self.refined[refinement]


class Kept(Protocol):
    """A combined node: what was tried, what was taken, and its maps in every view."""

    tried_scores: TriedScores
    choice: tuple[int, int]

    def maps(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """Metric of the node in a view, and the coordinates that it hands up."""


def nested_scores(
    tree: SegmentTree,
    fitted: CrossFit,
    kept: Sequence[Kept],
    make: Callable[..., tuple[np.ndarray, np.ndarray]],
    score: Score,
    folds: Sequence[int],
) -> np.ndarray:
    """Score every node on some folds with what the other folds choose, from the leaves up.

    The best of several scores of the same rows is optimistic [1]_, and so is that of a parent whose
    children were chosen by them. So every choice of a subtree is made again without the fold [2]_.
    The maps are those of the fold's view; only those whose choices differ are computed again.

    Returns `scores` (n_nodes, n_folds) float64.

    References
    ----------
    .. [1] R. J. Tibshirani, R. Tibshirani. "A bias correction for the minimum error rate in
       cross-validation". Annals of Applied Statistics 3, 2009.
    .. [2] I. Tsamardinos, E. Greasidou, G. Borboudakis. "Bootstrapping the out-of-sample
       predictions for efficient and accurate cross-validation". Machine Learning 107, 2018.
    """
    scores, report = np.empty((tree.n_nodes, len(folds))), reported(score)
    for place, fold in enumerate(folds):
        view = fitted.folds[fold]
        others = fold_sizes(fitted)
        others[fold] = 0
        maps: list[tuple[np.ndarray, np.ndarray]] = []
        same: list[bool] = []
        for node in tree.bottom_up():
            before, children = kept[node], tree.children(node)
            choice = before.tried_scores.choose(others)
            known = all(same[child] for child in children)
            same.append(known and choice == before.choice)
            if same[-1]:
                maps.append(before.maps(fold + 1))
            else:
                maps.append(make(view, node, [maps[child] for child in children], choice))
            # a refinement was scored only of the start that all folds chose
            tried = known and (choice[1] < 0 or choice[0] == before.choice[0])
            if tried and report is score:
                scores[node, place] = before.tried_scores.scores(choice)[fold]
            else:
                scores[node, place] = _score_view(view, maps[-1][0], report)
    return scores


def held_out_scores(fitted: CrossFit, projections: list[np.ndarray], score: Score) -> np.ndarray:
    """Score a metric, (n_components, n_embedded) in every view, on the held-out rows of each fold.

    Returns `scores` (n_folds,) float64.
    """
    pairs = zip(fitted.folds, projections[1:], strict=True)
    return np.array([_score_view(view, metric, score) for view, metric in pairs])


def mean_over_rows(fitted: CrossFit, scores: np.ndarray) -> float:
    """Mean over the held-out rows of all folds of scores by fold; NaN without folds."""
    total = n_rows = 0
    for value, size in zip(scores.tolist(), fold_sizes(fitted).tolist(), strict=True):
        total += value * size
        n_rows += size
    return total / n_rows if n_rows else float("nan")


def fold_sizes(fitted: CrossFit) -> np.ndarray:
    """Number of rows that are tried_scores in every fold."""
    return np.array([min(len(view.held_out), MAX_QUERIES) for view in fitted.folds], dtype=int)


def _score_view(view: View, projection: np.ndarray, score: Score) -> float:
    """Score a metric, (n_components, n_embedded), by the held-out rows of a view."""
    if hasattr(score, "unseen"):
        found = held_out_points(view, projection)
        return score.unseen(found.unseen, found.codes, found.queries, found.query_codes)
    used, down = _used(projection)
    points = view.points
    references, queries = points.references[:, used] @ down, points.queries[:, used] @ down
    return score(references, points.codes, queries, points.query_codes)


def held_out_points(view: View, projection: np.ndarray) -> HeldOut:
    """Rows of a view in the space of a metric, (n_components, n_embedded): at most so many."""
    used, down = _used(projection)
    points = replace(view.points, unseen=view.unseen_points)
    return HeldOut(
        points.references[:, used] @ down,
        points.codes,
        points.queries[:, used] @ down,
        points.query_codes,
        points.unseen[:, used] @ down,
    )
