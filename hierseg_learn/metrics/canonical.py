"""An order of rows and of classes that depends on their contents only, and copies of rows.

Results must not depend on the order of rows in the table or on the names of classes. So learners
get rows sorted by their contents, then shuffled in the same way every time, so that rows at equal
steps are a fair sample. Rows with weights are drawn along the same order, before it is shuffled.

References
----------
.. [1] W. G. Madow. "On the Theory of Systematic Sampling, II". Annals of Mathematical Statistics
   20, 1949.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state, gen_batches

FIRST_COLUMNS = 2
# numbers that are compared at once: bounds memory
BLOCK_VALUES = 2**17
BLOCK_ROWS = 4096
# where values are rarely found exactly
PLACES = tuple(float(place) for place in np.sqrt(np.arange(2, 10)) * 0.3149)
# Where rows share values by nature, as in columns of zeros and ones, equality says nothing.
MIN_DISTINCT = 0.1
# pairs of leaves compared at once: bounds memory
BLOCK_PAIRS = 2**22


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


def take_columns(X: np.ndarray, rows: np.ndarray | slice, columns: np.ndarray) -> np.ndarray:
    """Take some rows of some columns of a table: (n_rows, n_columns)."""
    if len(columns) and (np.diff(columns) == 1).all():
        return X[:, columns[0] : columns[-1] + 1][rows]
    return X[rows, columns] if isinstance(rows, slice) else X[np.ix_(rows, columns)]


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
    groups = np.arange(len(X))
    if not len(leaves):
        return groups
    firsts = np.full((len(X), len(leaves)), -1, dtype=np.intp)
    for leaf, columns in enumerate(leaves):
        known = groups if present is None else np.flatnonzero(present[:, leaf])
        if len(columns) and len(known):
            found = _first_equal(X, known, columns, codes[known])
            if np.count_nonzero(found == np.arange(len(known))) >= MIN_DISTINCT * len(known):
                firsts[known, leaf] = known[found]
    # all others share with themselves alone
    sharing = np.flatnonzero(((firsts >= 0) & (firsts != groups[:, np.newaxis])).any(axis=1))
    block_rows = max(1, BLOCK_PAIRS // len(leaves) ** 2)
    for start in range(0, len(sharing), block_rows):
        rows = sharing[start : start + block_rows]
        groups[rows] = _most_shared(firsts[rows], rows)
    while (groups[groups] != groups).any():
        groups = groups[groups]
    return groups


def _first_equal(
    X: np.ndarray, rows: np.ndarray, columns: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    """First row, by place, of the same class and the same values in some columns, for every row."""
    # equal rows have equal keys, and others rarely do
    factors = np.random.RandomState(0).randint(2**62, size=len(columns), dtype=np.uint64)
    blocks = [*gen_batches(len(rows), BLOCK_ROWS)]
    keys = codes.astype(np.uint64)
    for block in blocks:
        # adding 0 makes -0 and 0 the same bits
        bits = (take_columns(X, rows[block], columns).astype(np.float64) + 0.0).view(np.uint64)
        mixed = (bits ^ (bits >> np.uint64(29))) * (2 * factors + np.uint64(1))
        keys[block] += (mixed ^ (mixed >> np.uint64(32))).sum(axis=1)
    order = np.argsort(keys, kind="stable")
    is_first = np.append(True, keys[order][1:] != keys[order][:-1])
    firsts = np.empty(len(keys), dtype=np.intp)
    firsts[order] = order[is_first][np.cumsum(is_first) - 1]
    same, moved = codes == codes[firsts], np.flatnonzero(firsts != np.arange(len(rows)))
    for some in (moved[block] for block in blocks):
        one, two = (take_columns(X, rows[own], columns) for own in (some, firsts[some]))
        same[some] &= (one == two).all(axis=1)
    for row in np.flatnonzero(~same):  # keys that are equal by chance
        like = take_columns(X, rows[: row + 1], columns) == X[rows[row], columns]
        firsts[row] = (like.all(axis=1) & (codes[: row + 1] == codes[row])).argmax()
    return firsts


def _most_shared(firsts: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Row that shares most leaves with each of its own, if they are half of those it has."""
    known = firsts >= 0
    same = (firsts[:, :, np.newaxis] == firsts[:, np.newaxis]) & known[:, np.newaxis]
    counts = np.where(known, same.sum(axis=2), 0)
    # a row is the first of its values more often than not; what it shares with others counts
    counts[firsts == own[:, np.newaxis]] = 0
    places = np.arange(len(firsts)), counts.argmax(axis=1)
    is_copy = (counts[places] > 0) & (2 * counts[places] >= known.sum(axis=1))
    return np.where(is_copy, firsts[places], own)
