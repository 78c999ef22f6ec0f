"""How well two divisions of the same pixels agree, from the table of their overlaps."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def purity(table: np.ndarray) -> float:
    """Share of the pixels that are right if every row takes its most frequent column.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
        Number of pixels of every row and column.

    Returns
    -------
    float
        In [0, 1]; NaN for an empty table.
    """
    return float(table.max(axis=1).sum() / table.sum()) if table.sum() else float("nan")


def normalized_mutual_info(table: np.ndarray) -> float:
    """Mutual information over the mean of both entropies, as in scikit-learn.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
        Number of pixels of every row and column.

    Returns
    -------
    float
        In [0, 1]; 1 where both sides are one group, NaN for an empty table.
    """
    if not table.sum():
        return float("nan")
    joint = table / table.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    both = joint > 0
    shared = float((joint[both] * np.log(joint[both] / np.outer(rows, columns)[both])).sum())
    mean = (_entropy(rows) + _entropy(columns)) / 2
    return min(max(shared / mean, 0.0), 1.0) if mean > 0 else 1.0


def adjusted_rand(table: np.ndarray) -> float:
    """Agreement over pairs of pixels, 0 on average by chance, as in scikit-learn.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
        Number of pixels of every row and column.

    Returns
    -------
    float
        At most 1; NaN for an empty table.
    """
    n_pixels = float(table.sum())
    if not n_pixels:
        return float("nan")
    same = _pairs(table)
    rows, columns = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    expected = rows * columns / max(_pairs(np.array([n_pixels])), 1.0)
    spread = (rows + columns) / 2 - expected
    return float((same - expected) / spread) if spread else 1.0


def matched_overlap(table: np.ndarray) -> np.ndarray:
    """Intersection over union of every row with the column matched to it, one to one.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
        Number of pixels of every row and column.

    Returns
    -------
    overlap : ndarray of shape (n_rows,), float64
        In [0, 1], of the matching with the largest sum; 0 for a row without a match, NaN for a row
        without a pixel.
    """
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    union = rows[:, np.newaxis] + columns - table
    ratio = np.divide(table, union, out=np.zeros(table.shape), where=union > 0)
    overlap = np.zeros(len(table))
    matched = linear_sum_assignment(-ratio)
    overlap[matched[0]] = ratio[matched]
    return np.where(rows > 0, overlap, np.nan)


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _pairs(counts: np.ndarray) -> float:
    counts = np.asarray(counts, dtype=np.float64)
    return float((counts * (counts - 1) / 2).sum())
