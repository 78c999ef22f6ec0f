"""How far the start of a gradient is shrunk, chosen by neighbours where rows are few."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..kernels import Backend
from ._held_out import NeighborScore
from ._rows import Rows
from ._starts import DiscriminantRows, Moments, class_moments

# with more rows than this for every column any shrinkage is as good as another
FEW_ROWS = 20
N_FOLDS = 3
SHRINKAGES = (None, 0.2, 0.4, 0.6, 0.8)
RESTS = (1.0, 0.3, 0.1)


def discriminant_start(
    backend: Backend,
    rows: Rows,
    codes: np.ndarray,
    indices: np.ndarray,
    moments: Moments,
    n_components: int,
) -> np.ndarray:
    """Return the discriminants to start from, shrunk as much as suits their neighbours.

    The oracle's shrinkage is made for normal rows and for the covariance, not for neighbours. With
    few rows per column two numbers are chosen on folds of the rows: the shrinkage, by the
    neighbours along the discriminants alone, and then how much the directions behind them count.

    Parameters
    ----------
    backend : Backend
    rows : Rows
    codes : ndarray of shape (n_samples,), int
    indices : ndarray of int
        The rows that train.
    moments : Moments
        Of these rows.
    n_components : int

    Returns
    -------
    components : ndarray of shape (n_components, n_features)
    """
    chosen = DiscriminantRows(moments)
    folds = []
    if len(indices) < FEW_ROWS * rows.X.shape[1]:
        folds = _folds(backend, rows, codes, indices)
    if not folds:
        return chosen.rows(n_components)

    def total(make: Callable[[DiscriminantRows], np.ndarray]) -> float:
        return sum(score(make(found)) * score.n_rows for found, score in folds)

    def start(found: DiscriminantRows, shrinkage: float | None, rest: float) -> np.ndarray:
        return found.rows(n_components, shrinkage, rest)

    # the first of equals, so the mildest
    shrinkage = max(SHRINKAGES, key=lambda s: total(lambda found: start(found, s, 0.0)))
    rest = max(RESTS, key=lambda r: total(lambda found: start(found, shrinkage, r)))
    return start(chosen, shrinkage, rest)


def _folds(
    backend: Backend, rows: Rows, codes: np.ndarray, indices: np.ndarray
) -> list[tuple[DiscriminantRows, NeighborScore]]:
    """Discriminants of all folds but one, and what judges them on that one.

    Every class deals its rows out in their order: nothing is drawn. A class of one row judges
    nothing.
    """
    order = indices[np.argsort(codes[indices], kind="stable")]
    counts = np.bincount(codes[order])
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[codes[order]]
    dealt = np.where(counts[codes[order]] > 1, rank % N_FOLDS, -1)
    found = []
    for fold in range(N_FOLDS):
        judges = np.sort(order[dealt == fold])
        trains = np.sort(order[dealt != fold])
        if len(judges) and len(np.unique(codes[trains])) > 1:
            score = NeighborScore(
                backend, rows, codes, trains, judges, np.random.RandomState(0), np.asarray
            )
            found.append((DiscriminantRows(class_moments(rows, codes, trains)), score))
    return found
