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
from dataclasses import dataclass
from itertools import combinations
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
from .lift import Lift, lift_of
from .node import NodeMap, fit_node_map, quiet_fits
from .posteriors import HeldOut

if TYPE_CHECKING:
    from ..tree import SegmentTree


@dataclass(frozen=True)
class View:
    """The rows of the table through node maps that were fitted on some of them."""

    references: np.ndarray  # rows that the maps were fitted on
    held_out: np.ndarray  # rows that they were not; empty for the view of all rows
    # (n_samples, n_embedded) float32: all rows, through these maps, one block per node; to score
    embedding: np.ndarray
    # (n_samples, n_embedded) float32: the references, each through maps that saw neither it nor the
    # held-out rows; to learn from
    unseen: np.ndarray
    nodes: np.ndarray  # (n_embedded,) int: node of every embedded column
    # (n_embedded,) bool: whether an embedded column belongs to its node's metric, rather than being
    # offered to its parents only
    leading: np.ndarray

    def own_map(self, node: int, *, leading_only: bool) -> np.ndarray:
        """Map of all embedded columns to those of one node, (n_own, n_embedded)."""
        kept = self.nodes == node
        return np.eye(len(kept))[kept & self.leading if leading_only else kept]


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
    left_out = [(), *((f,) for f in range(len(folds))), *combinations(range(len(folds)), 2)]
    fit_rows = [_rows_without(folds, out, len(X)) for out in left_out]
    all_maps = _fit_maps(X, codes, fit_rows, columns, learners, names, n_jobs, on_fit)
    fits = {
        out: _Fit(rows, maps, _embed(X, columns, maps))
        for out, rows, maps in zip(left_out, fit_rows, all_maps, strict=True)
    }
    views = [_view(out, folds, fits) for out in left_out if len(out) < 2]
    return CrossFit(all_maps[0], views)


@dataclass(frozen=True)
class _Fit:
    """One fitting of all node maps: the rows it saw, the maps, all rows through them."""

    rows: np.ndarray
    maps: list[NodeMap]
    blocks: list[np.ndarray]


def _rows_without(folds: list[np.ndarray], out: tuple[int, ...], n_samples: int) -> np.ndarray:
    kept = np.ones(n_samples, dtype=bool)
    for fold in out:
        kept[folds[fold]] = False
    return np.flatnonzero(kept)


def _view(out: tuple[int, ...], folds: list[np.ndarray], fits: dict[tuple[int, ...], _Fit]) -> View:
    """The view without some folds; every other fold through maps that left it out, too."""
    fit = fits[out]
    embedding = np.concatenate(fit.blocks, axis=1)
    unseen = embedding.copy()
    for fold, rows in enumerate(folds):
        if fold not in out:
            unseen[rows] = _aligned(fits[tuple(sorted((*out, fold)))], fit)[rows]
    widths = [block.shape[1] for block in fit.blocks]
    leading = [np.arange(width) < m.n_leading for width, m in zip(widths, fit.maps, strict=True)]
    return View(
        references=fit.rows,
        held_out=np.concatenate([folds[fold] for fold in out]) if out else fit.rows[:0],
        embedding=embedding,
        unseen=unseen,
        nodes=np.repeat(np.arange(len(fit.maps)), widths),
        leading=np.concatenate(leading),
    )


def _aligned(fit: _Fit, target: _Fit) -> np.ndarray:
    """All rows through one fitting's maps, turned to match those of another."""
    turned = [
        _align(block, node_map.n_leading, goal, goal_map.n_leading, fit.rows)
        for block, node_map, goal, goal_map in zip(
            fit.blocks, fit.maps, target.blocks, target.maps, strict=True
        )
    ]
    return np.concatenate(turned, axis=1)


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
    fit_rows: list[np.ndarray],
    columns: tuple[np.ndarray, ...],
    learners: list[Any],
    names: tuple[str, ...],
    n_jobs: int | None,
    on_fit: Callable[[], None],
) -> list[list[NodeMap]]:
    """Fit the map of every node on every set of rows; a list per set of rows."""

    def fit(rows: np.ndarray, node: int) -> NodeMap:
        node_map = fit_node_map(
            learners[node], X[np.ix_(rows, columns[node])], codes[rows], name=names[node]
        )
        on_fit()
        return node_map

    tasks = [(rows, node) for rows in fit_rows for node in range(len(columns))]
    with quiet_fits():
        # Threads, since learners spend their time in compiled code; each task has its own seed.
        maps = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(fit)(*task) for task in tasks)
    return [maps[i : i + len(columns)] for i in range(0, len(maps), len(columns))]


def _embed(X: np.ndarray, columns: tuple[np.ndarray, ...], maps: list[NodeMap]) -> list[np.ndarray]:
    """All rows through all maps, about their means."""
    center, blocks = X.mean(axis=0), []
    for own, node_map in zip(columns, maps, strict=True):
        if node_map.embedding is None:
            block = node_map.embed(X[:, own] - center[own])
        else:
            block = node_map.embed(X[:, own])
            block -= block.mean(axis=0)
        blocks.append(block.astype(np.float32))
    return blocks


def _align(
    block: np.ndarray, n_leading: int, target: np.ndarray, n_target: int, rows: np.ndarray
) -> np.ndarray:
    """Turn an embedding of a node to match one by more rows, leading columns apart.

    A metric is free to turn and mirror its embedding; the rotation nearest to the target is the
    orthogonal Procrustes solution [1]_.

    References
    ----------
    .. [1] P. H. Schoenemann. "A Generalized Solution of the Orthogonal Procrustes Problem".
       Psychometrika 31, 1966.
    """
    return np.concatenate(
        [
            _turn(block[:, :n_leading], target[:, :n_target], rows),
            _turn(block[:, n_leading:], target[:, n_target:], rows),
        ],
        axis=1,
    )


def _turn(block: np.ndarray, target: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if not block.shape[1] or not target.shape[1]:
        return np.zeros_like(target)
    center, target_center = block[rows].mean(axis=0), target[rows].mean(axis=0)
    u, _, vt = np.linalg.svd((block[rows] - center).T @ (target[rows] - target_center), False)
    return (block - center) @ (u @ vt) + target_center


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
        groups: np.ndarray | None = None,
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
            groups=groups,
        )
        nodes = self.combine(tree, fitted, codes, score=score, on_node=on_step)
        lift = lift_of([node_map.embedding for node_map in fitted.maps], columns)
        if lift is not None:
            columns = lift.places
        n_columns = X.shape[1] if lift is None else lift.n_columns
        return [
            _over_the_table(tree, node, columns, fitted, combined, n_columns, lift, codes)
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
    n_columns: int,
    lift: Lift | None,
    codes: np.ndarray,
) -> FittedNode:
    """Map of a combined node over the table: its projection after the maps of its subtree."""
    components = np.zeros((len(combined.projection), n_columns))
    for part in tree.subtree(node):
        through = combined.projection[:, fitted.views[0].nodes == part]
        components[:, columns[part]] = through @ fitted.maps[part].components
    nothing = combined.outcome.method == "leaf" and not len(fitted.maps[node].components)
    outcome = NodeOutcome("constant") if nothing else combined.outcome
    if len(combined.views) < 2:
        return FittedNode(components, combined.score, outcome, lift)
    held_out = tuple(
        held_out_points(view, codes, projection)
        for view, projection in zip(fitted.folds, combined.views[1:], strict=True)
    )
    unseen = fitted.views[0].unseen @ combined.views[0].astype(np.float32).T
    return FittedNode(components, combined.score, outcome, lift, held_out, unseen)


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
    codes: np.ndarray,
    kept: Sequence[Kept],
    make: Callable[..., tuple[np.ndarray, np.ndarray]],
    score: Score,
) -> np.ndarray:
    """Score every node on every fold with what the other folds choose, from the leaves up.

    The best of several scores of the same rows is optimistic [1]_, and so is that of a parent whose
    children were chosen by them. So every choice of a subtree is made again without the fold [2]_.
    The maps are those of the fold's view; only those whose choices differ are computed again.

    Shapes: `codes` (n_samples,) int. Returns `scores` (n_nodes, n_folds) float64.

    References
    ----------
    .. [1] R. J. Tibshirani, R. Tibshirani. "A bias correction for the minimum error rate in
       cross-validation". Annals of Applied Statistics 3, 2009.
    .. [2] I. Tsamardinos, E. Greasidou, G. Borboudakis. "Bootstrapping the out-of-sample
       predictions for efficient and accurate cross-validation". Machine Learning 107, 2018.
    """
    scores, report = np.empty((tree.n_nodes, len(fitted.folds))), reported(score)
    for fold, view in enumerate(fitted.folds):
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
                scores[node, fold] = before.tried_scores.scores(choice)[fold]
            else:
                scores[node, fold] = _score_view(view, codes, maps[-1][0], report)
    return scores


def held_out_scores(
    fitted: CrossFit, codes: np.ndarray, projections: list[np.ndarray], score: Score
) -> np.ndarray:
    """Score a metric on the held-out rows of every fold.

    Shapes: `codes` (n_samples,) int, `projections` (n_components, n_embedded). Returns `scores`
    (n_folds,) float64.
    """
    pairs = zip(fitted.folds, projections[1:], strict=True)
    return np.array([_score_view(view, codes, metric, score) for view, metric in pairs])


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


def _score_view(view: View, codes: np.ndarray, projection: np.ndarray, score: Score) -> float:
    """Score a metric, (n_components, n_embedded), by the held-out rows of a view."""
    found = held_out_points(view, codes, projection)
    rows = found.codes, found.queries, found.query_codes
    if hasattr(score, "unseen"):
        return score.unseen(found.unseen, *rows)
    return score(found.references, *rows)


def held_out_points(view: View, codes: np.ndarray, projection: np.ndarray) -> HeldOut:
    """Rows of a view in the space of a metric, (n_components, n_embedded): at most so many."""
    used = np.flatnonzero(projection.any(axis=0))
    references, held_out = (
        subsample(view.references, MAX_REFERENCES),
        subsample(view.held_out, MAX_QUERIES),
    )
    through = projection[:, used].astype(np.float32).T
    return HeldOut(
        view.embedding[np.ix_(references, used)] @ through,
        codes[references],
        view.embedding[np.ix_(held_out, used)] @ through,
        codes[held_out],
        view.unseen[np.ix_(references, used)] @ through,
    )


# Where rows share values by nature, as in columns of zeros and ones, equality says nothing.
MIN_DISTINCT = 0.1
# pairs of leaves compared at once: bounds memory
BLOCK_PAIRS = 2**22


def find_copies(
    X: np.ndarray,
    codes: np.ndarray,
    leaves: Sequence[np.ndarray],
    present: np.ndarray | None = None,
) -> np.ndarray:
    """Find for every row the first one of its class that it shares half of its parts with.

    Shapes: `X` (n_samples, n_features), `codes` (n_samples,) int, `present` (n_samples, n_leaves)
    bool. Returns `groups` (n_samples,) intp: the first row of the group that a row is in; itself if
    it is no copy.
    """
    n_rows = len(X)
    if not len(leaves):
        return np.arange(n_rows)
    firsts = np.full((n_rows, len(leaves)), -1, dtype=np.intp)
    for leaf, columns in enumerate(leaves):
        known = np.arange(n_rows) if present is None else np.flatnonzero(present[:, leaf])
        if len(columns) and len(known):
            found = _first_equal(X[np.ix_(known, columns)], codes[known])
            if len(np.unique(found)) >= MIN_DISTINCT * len(known):
                firsts[known, leaf] = known[found]
    groups = np.arange(n_rows)
    block_rows = max(1, BLOCK_PAIRS // len(leaves) ** 2)
    for start in range(0, n_rows, block_rows):
        block = slice(start, start + block_rows)
        groups[block] = _most_shared(firsts[block], start)
    while (groups[groups] != groups).any():
        groups = groups[groups]
    return groups


def _first_equal(block: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """First row of the same class and the same values, for every row."""
    seen: dict[tuple[int, bytes], int] = {}
    # adding 0 makes -0 and 0 the same bytes
    rows = np.ascontiguousarray(block) + 0.0
    return np.array(
        [
            seen.setdefault((code, row.tobytes()), i)
            for i, (code, row) in enumerate(zip(codes, rows))
        ]
    )


def _most_shared(firsts: np.ndarray, start: int) -> np.ndarray:
    """Row that shares most leaves with each row, if they are half of those it has."""
    known = firsts >= 0
    same = (firsts[:, :, np.newaxis] == firsts[:, np.newaxis]) & known[:, np.newaxis]
    counts = np.where(known, same.sum(axis=2), 0)
    own = np.arange(start, start + len(firsts))
    # a row is the first of its values more often than not; what it shares with others counts
    counts[firsts == own[:, np.newaxis]] = 0
    places = np.arange(len(firsts)), counts.argmax(axis=1)
    is_copy = (counts[places] > 0) & (2 * counts[places] >= known.sum(axis=1))
    return np.where(is_copy, firsts[places], own)
