"""An order of rows and of classes that depends on their contents only.

Results must not depend on the order of rows in the table or on the names of classes. So learners
get rows sorted by their contents, then shuffled in the same way every time, so that rows at equal
steps are a fair sample. Rows with weights are drawn along the same order, before it is shuffled.

References
----------
.. [1] W. G. Madow. "On the Theory of Systematic Sampling, II". Annals of Mathematical Statistics
   20, 1949.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

FIRST_COLUMNS = 2
# numbers that are compared at once: bounds memory
BLOCK_VALUES = 2**17
BLOCK_ROWS = 4096
# where values are rarely found exactly
PLACES = tuple(float(place) for place in np.sqrt(np.arange(2, 10)) * 0.3149)


def canonical_order(
    X: np.ndarray, codes: np.ndarray, columns: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Order rows and classes by their contents: `order` (n_samples,) and `ranks` (n_classes,).

    Classes with the very same rows stay in their order. Columns with the same contents count in
    that of `columns`, (n_features,); None takes theirs.
    """
    places, ranks = _rank(X, codes, columns)
    order = np.lexsort((ranks[codes], places))
    return order[np.random.RandomState(0).permutation(len(order))], ranks


def draw_copies(
    X: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    random_state: Any,
    columns: np.ndarray | None = None,
) -> np.ndarray:
    """Draw numbers of copies of rows, (n_samples,) int, whose means are `weights`, (n_samples,).

    Fractions are drawn by systematic sampling [1]_ along the rows, sorted by class and contents: a
    row, a class, and rows that are equal get their weight, rounded up or down. Nothing is drawn if
    all weights are whole. Other arguments are those of `canonical_order`.
    """
    whole = np.floor(weights)
    fractions, copies = weights - whole, whole.astype(np.intp)
    if fractions.any():
        places, ranks = _rank(X, codes, columns)
        order = np.lexsort((fractions, places, ranks[codes]))
        ends = np.cumsum(fractions[order]) + check_random_state(random_state).uniform()
        copies[order] += np.diff(np.floor(ends), prepend=0).astype(np.intp)
    return copies


def _rank(
    X: np.ndarray, codes: np.ndarray, columns: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Places of rows, (n_samples,), and of classes, (n_classes,); equal rows share a place."""
    places = rank_rows(X, order_columns(X, columns))
    # big-endian numbers sort as their bytes do
    members = [
        np.sort(places[codes == code]).astype(">u4").tobytes() for code in range(codes.max() + 1)
    ]
    ranks = np.empty(len(members), dtype=np.intp)
    ranks[sorted(range(len(members)), key=members.__getitem__)] = np.arange(len(members))
    return places, ranks


def order_columns(X: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
    """Order the columns that are not constant by their contents, in any unit and order of rows.

    The keys are how many values lie below some places between the extremes: integers, free of
    rounding.
    """
    blocks = [X[start : start + BLOCK_ROWS] for start in range(0, len(X), BLOCK_ROWS)]
    low = np.min([block.min(axis=0) for block in blocks], axis=0).astype(np.float64)
    high = np.max([block.max(axis=0) for block in blocks], axis=0).astype(np.float64)
    counts = np.zeros((len(PLACES), X.shape[1]), dtype=np.int64)
    for block in blocks:
        for count, place in zip(counts, PLACES, strict=True):
            count += np.count_nonzero(block < (1 - place) * low + place * high, axis=0)
    columns = np.arange(X.shape[1]) if columns is None else columns
    order = columns[np.lexsort(counts[:, columns])]
    return order[low[order] < high[order]]


def reorder(X: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Put the rows and columns of a table in some order, in place: never a copy of all of it."""
    width = max(1, X.shape[1] // 4)
    for start in range(0, X.shape[1], width):
        block = X[:, start : start + width]
        block[:] = block[rows]
    if (np.diff(columns) == 1).all():
        return
    for start in range(0, len(X), BLOCK_ROWS):
        block = X[start : start + BLOCK_ROWS]
        block[:] = block[:, columns]


def rank_rows(X: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Rank rows by their values, column after column: (n_samples,); equal rows share a rank."""
    n_rows, n_columns = len(X), len(columns)
    ranks = np.zeros(n_rows, dtype=np.int64)
    open_rows, first, width = np.arange(n_rows), 0, FIRST_COLUMNS
    while first < n_columns and len(open_rows) > 1:
        width = max(1, min(width, BLOCK_VALUES // len(open_rows)))
        keys = _sortable(X[np.ix_(open_rows, columns[first : first + width])], ranks[open_rows])
        order = np.argsort(keys, kind="stable")
        keys, open_rows = keys[order], open_rows[order]
        is_first = np.append(True, keys[1:] != keys[:-1])
        old = ranks[open_rows]
        is_old_first = np.append(True, old[1:] != old[:-1])
        places = np.arange(len(keys))
        start = np.maximum.accumulate(np.where(is_first, places, 0))
        ranks[open_rows] = old + start - np.maximum.accumulate(np.where(is_old_first, places, 0))
        alone = is_first & np.append(is_first[1:], True)
        open_rows = open_rows[~alone]
        first, width = first + width, 2 * width
    return ranks


def _sortable(block: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Bytes of every row, behind its rank, that sort as the numbers do: (n_rows,)."""
    # adding 0 makes -0 and 0 the same bytes
    values = np.ascontiguousarray(block, dtype=np.float64) + 0.0
    bits = values.view(np.int64)
    # two's complement runs backwards below zero
    bits = np.where(bits < 0, ~bits, bits ^ np.int64(-(2**63))).view(np.uint64)
    keys = np.column_stack([ranks.astype(np.uint64), bits]).astype(">u8")
    return np.ascontiguousarray(keys).view(f"V{8 * keys.shape[1]}").ravel()
