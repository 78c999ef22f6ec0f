"""Rows that are copies of others but for a few parts: samplers make them.

A row and its copy must not be on both sides of a split: what is judged on a row whose copy it has
seen is judged too well, and the metric that remembers most of the training rows is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Where rows share values by nature, as in columns of zeros and ones, equality says nothing.
LEAST_DISTINCT = 0.1
# pairs of leaves compared at once: bounds memory
BLOCK_PAIRS = 2**22


def find_copies(
    X: np.ndarray,
    codes: np.ndarray,
    leaves: Sequence[np.ndarray],
    present: np.ndarray | None = None,
) -> np.ndarray:
    """Find for every row the first one of its class that it shares half of its parts with.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The table.
    codes : ndarray of shape (n_samples,), int
        Classes.
    leaves : sequence of ndarray of int
        Columns of every leaf.
    present : ndarray of shape (n_samples, n_leaves), bool, default=None
        Whether a row has the part at all: what stands for a missing one is equal in all rows. None
        takes all as present.

    Returns
    -------
    groups : ndarray of shape (n_samples,), intp
        The first row of the group that a row is in; itself if it is no copy.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._copies import find_copies
    >>> X = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.1, 0.2, 0.6], [0.7, 0.8, 0.9]])
    >>> find_copies(X, np.array([0, 1, 0, 1]), [np.array([0]), np.array([1]), np.array([2])])
    array([0, 1, 0, 3])
    """
    n_rows = len(X)
    if not len(leaves):
        return np.arange(n_rows)
    firsts = np.full((n_rows, len(leaves)), -1, dtype=np.intp)
    for leaf, columns in enumerate(leaves):
        known = np.arange(n_rows) if present is None else np.flatnonzero(present[:, leaf])
        if len(columns) and len(known):
            found = _first_equal(X[np.ix_(known, columns)], codes[known])
            if len(np.unique(found)) >= LEAST_DISTINCT * len(known):
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
