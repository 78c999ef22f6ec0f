"""Node maps on all rows and on folds, so that their combination learns from rows they never saw.

A node map fitted on few rows separates these very rows too well: what a parent would learn from its
children's embeddings of the training rows is mostly how much each overfits. So every node map is
fitted again without each fold, and a combination sees each row as embedded by maps that did not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import StratifiedKFold

from ._node import NodeMap, fit_node_map


@dataclass(frozen=True)
class View:
    """One fitting of all node maps, and the rows of the table as they see them.

    Parameters
    ----------
    references : ndarray of int
        Rows that the maps were fitted on.
    held_out : ndarray of int
        Rows that they were not; empty for the view of all rows.
    embedding : ndarray of shape (n_samples, n_embedded), float32
        All rows, through these maps, one block per node.
    """

    references: np.ndarray
    held_out: np.ndarray
    embedding: np.ndarray


@dataclass(frozen=True)
class CrossFit:
    """Node maps, and what a combination may learn from.

    Parameters
    ----------
    maps : list of NodeMap
        One per node, fitted on all rows.
    nodes : ndarray of shape (n_embedded,), int
        Node of every embedded column.
    full : View
        The rows through `maps`.
    folds : list of View
        One per fold, turned so that the blocks match those of `full`; empty if there are too few
        rows of a class to leave some out.
    out_of_fold : ndarray of shape (n_samples, n_embedded), float32
        Every row through the maps of the fold that left it out.
    """

    maps: list[NodeMap]
    nodes: np.ndarray
    full: View
    folds: list[View]
    out_of_fold: np.ndarray


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
) -> CrossFit:
    """Fit all node maps, on all rows and without each fold.

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
        Number of folds; 0 fits no folds.
    random_state : int
        Seed of the folds.
    n_jobs : int or None
        Number of threads.
    on_fit : callable
        Called whenever one map is ready.

    Returns
    -------
    CrossFit
    """
    everything = np.arange(len(X))
    fit_rows = [everything, *(train for train, _ in (folds := _folds(codes, cv, random_state)))]
    all_maps = _fit_maps(X, codes, fit_rows, columns, learners, names, n_jobs, on_fit)
    full_blocks = _embed(X, columns, all_maps[0])
    full = np.concatenate(full_blocks, axis=1)
    out_of_fold, views = np.zeros_like(full), []
    for (train, held_out), maps in zip(folds, all_maps[1:], strict=True):
        blocks = _embed(X, columns, maps)
        turned = [_align(*pair, train) for pair in zip(blocks, full_blocks, strict=True)]
        views.append(View(train, held_out, np.concatenate(turned, axis=1)))
        out_of_fold[held_out] = views[-1].embedding[held_out]
    nodes = np.repeat(np.arange(len(columns)), [block.shape[1] for block in full_blocks])
    return CrossFit(all_maps[0], nodes, View(everything, everything[:0], full), views, out_of_fold)


def _folds(codes: np.ndarray, cv: int, random_state: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Stratified folds; none where every class has a single row."""
    counts = np.bincount(codes)
    n_folds = min(cv, int(counts.max()))
    if n_folds < 2:
        return []
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        # A rare class is missing in some folds: its rows are then placed by the others alone.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return list(splitter.split(codes, codes))


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

    # Threads, since node learners spend their time in compiled code; each task has its own seed.
    maps = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(fit)(rows, node) for rows in fit_rows for node in range(len(columns))
    )
    return [maps[i : i + len(columns)] for i in range(0, len(maps), len(columns))]


def _embed(
    X: np.ndarray, columns: tuple[np.ndarray, ...], maps: list[NodeMap]
) -> list[np.ndarray]:
    return [
        (X[:, own] @ node_map.components.T + node_map.offset).astype(np.float32)
        for own, node_map in zip(columns, maps, strict=True)
    ]


def _align(block: np.ndarray, target: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Turn a fold's embedding of a node to match the one of all rows.

    A metric is free to turn and mirror its embedding; the rotation nearest to the target is the
    orthogonal Procrustes solution [1]_.

    References
    ----------
    .. [1] P. H. Schoenemann. "A Generalized Solution of the Orthogonal Procrustes Problem".
       Psychometrika 31, 1966.
    """
    centre, target_centre = block[rows].mean(axis=0), target[rows].mean(axis=0)
    u, _, vt = np.linalg.svd((block[rows] - centre).T @ (target[rows] - target_centre), False)
    return (block - centre) @ (u @ vt) + target_centre
