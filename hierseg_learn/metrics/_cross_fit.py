"""Node maps on all rows and on folds, so that their combination learns from rows they never saw.

A node map fitted on few rows separates these very rows too well: what a parent would learn from its
children's embeddings of the training rows is mostly how much each overfits. So every node map is
fitted again without each fold, and a combination learns from each row as embedded by maps that did
not see it. To judge a combination on a fold, it must not have learned from that fold's rows by any
way: so maps are fitted without each pair of folds, too [1]_.

References
----------
.. [1] M. J. van der Laan, E. C. Polley, A. E. Hubbard. "Super Learner". Statistical Applications in
   Genetics and Molecular Biology 6, 2007.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import StratifiedKFold

from ._node import NodeMap, fit_node_map, quiet_fits
from ._stacked_fit import fit_stacked, stack_backend


@dataclass(frozen=True)
class View:
    """The rows of the table through node maps that were fitted on some of them.

    Parameters
    ----------
    references : ndarray of int
        Rows that the maps were fitted on.
    held_out : ndarray of int
        Rows that they were not; empty for the view of all rows.
    embedding : ndarray of shape (n_samples, n_embedded), float32
        All rows, through these maps, one block per node; to judge.
    unseen : ndarray of shape (n_samples, n_embedded), float32
        The references, each through maps that saw neither it nor the held-out rows; to learn from.
    nodes : ndarray of shape (n_embedded,), int
        Node of every embedded column.
    leading : ndarray of shape (n_embedded,), bool
        Whether an embedded column belongs to its node's metric, rather than being offered to its
        parents only.
    """

    references: np.ndarray
    held_out: np.ndarray
    embedding: np.ndarray
    unseen: np.ndarray
    nodes: np.ndarray
    leading: np.ndarray

    def own_map(self, node: int, *, leading_only: bool) -> np.ndarray:
        """Map of all embedded columns to those of one node, (n_own, n_embedded)."""
        kept = self.nodes == node
        return np.eye(len(kept))[kept & self.leading if leading_only else kept]


@dataclass(frozen=True)
class CrossFit:
    """Node maps, and what a combination may learn from.

    Parameters
    ----------
    maps : list of NodeMap
        One per node, fitted on all rows.
    views : list of View
        First that of `maps`, in which no row is held out; then one per fold, if there are any.
    """

    maps: list[NodeMap]
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
    copies: np.ndarray | None = None,
) -> CrossFit:
    """Fit all node maps, on all rows, without each fold and without each pair of folds.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The table.
    codes : ndarray of shape (n_samples,), int
        Classes.
    columns : tuple of ndarray of int
        Columns of every node.
    learners : list of estimators
        One per node, with its own seed.
    names : tuple of str
        Paths of the nodes, for messages.
    cv : int
        Number of folds; 0 fits no folds, and so do classes too small for them.
    random_state : int
        Seed of the folds.
    n_jobs : int or None
        Number of threads.
    on_fit : callable
        Called whenever one map is ready.
    copies : ndarray of shape (n_samples,), int, default=None
        Rows with the same number are copies of each other, and stay in one fold.

    Returns
    -------
    CrossFit
    """
    folds = held_out_folds(codes, cv, random_state, copies)
    left_out = [(), *((f,) for f in range(len(folds))), *combinations(range(len(folds)), 2)]
    fit_rows = [_rows_without(folds, out, len(X)) for out in left_out]
    all_maps = _fit_maps(X, codes, fit_rows, columns, learners, names, n_jobs, on_fit)
    centred = X - X.mean(axis=0)
    fits = {
        out: _Fit(rows, maps, _embed(centred, columns, maps))
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
    codes: np.ndarray, cv: int, random_state: int, copies: np.ndarray | None = None
) -> list[np.ndarray]:
    """Rows of stratified folds; none where a pair of folds may leave less than two classes."""
    if copies is None:
        copies = np.arange(len(codes))
    firsts = np.unique(copies)
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
    return [np.flatnonzero(np.isin(copies, held_out)) for held_out in split]


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
    n_values = sum(len(rows) * len(columns[node]) for rows, node in tasks)
    stacking = stack_backend(learners, n_values)
    with quiet_fits():
        if stacking is not None:
            tables = (X, codes, tasks, columns, learners, names, stacking)
            maps = fit_stacked(*tables, n_jobs=n_jobs, on_fit=on_fit)
        else:
            # Threads, since learners spend their time in compiled code; each task has its own seed.
            maps = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(fit)(*task) for task in tasks)
    return [maps[i : i + len(columns)] for i in range(0, len(maps), len(columns))]


def _embed(X: np.ndarray, columns: tuple[np.ndarray, ...], maps: list[NodeMap]) -> list[np.ndarray]:
    return [
        (X[:, own] @ node_map.components.T).astype(np.float32)
        for own, node_map in zip(columns, maps, strict=True)
    ]


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
    centre, target_centre = block[rows].mean(axis=0), target[rows].mean(axis=0)
    u, _, vt = np.linalg.svd((block[rows] - centre).T @ (target[rows] - target_centre), False)
    return (block - centre) @ (u @ vt) + target_centre
