"""Rows of a table that may lie on disk: read in blocks, standardised, never copied whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..utils._spread import least_spread

BLOCK_ROWS = 4096
GROUP_ROWS = 4
# a direction in which rows spread less than this share of the largest spread is rounding
SPANNED = 1e-7


class Rows:
    """Standardised float32 rows of a table, made on demand.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
        The table; a memory map is read only where rows are asked for.
    order : ndarray of shape (n_samples,), int, default=None
        What row of the table each row is; None takes them as they come.

    Attributes
    ----------
    mean, scale : ndarray of shape (n_features,), float64
        What a column is moved and divided by; the scale of a constant column is infinite, so
        that it becomes zero.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._rows import Rows
    >>> Rows(np.array([[1.0, 5.0], [3.0, 5.0]])).take(np.array([1]))
    array([[1., 0.]], dtype=float32)
    """

    def __init__(self, X: np.ndarray, order: np.ndarray | None = None) -> None:
        self.X = X
        self._order = np.arange(len(X)) if order is None else order
        n_features = X.shape[1]
        self.mean, self.scale = np.zeros(n_features), np.zeros(n_features)
        total, largest = np.zeros(n_features), np.zeros(n_features)
        for block in self._raw_blocks():
            total += block.sum(axis=0)
            for extreme in (block.max(axis=0), -block.min(axis=0)):
                np.maximum(largest, extreme, out=largest)
        self.mean = total / len(X)
        squares = np.zeros(n_features)
        for block in self._raw_blocks():
            differences = block - self.mean
            squares += np.square(differences, out=differences).sum(axis=0)
        deviation = np.sqrt(squares / len(X))
        self.scale = np.where(deviation > least_spread(largest, X.dtype), deviation, np.inf)

    def __len__(self) -> int:
        return len(self.X)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return some rows, (n_indices, n_features), float32."""
        taken = np.empty((len(indices), self.X.shape[1]), dtype=np.float32)
        place = 0
        for _, block in self.blocks(indices):
            taken[place : place + len(block)] = block
            place += len(block)
        return taken

    def blocks(self, indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (indices, rows in float64) in blocks of a fixed size."""
        for start in range(0, len(indices), BLOCK_ROWS):
            block = indices[start : start + BLOCK_ROWS]
            rows = self.X[self._order[block]] - self.mean
            rows /= self.scale
            yield block, rows

    def _raw_blocks(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self.X), BLOCK_ROWS):
            block = self._order[start : start + BLOCK_ROWS]
            yield np.asarray(self.X[block], dtype=np.float64)


class SpanRows(Rows):
    """Standardised rows in an orthonormal basis of what they span, where they are few.

    A map of rows with more columns than rows need know no direction in which no row differs: its
    gradient is zero there, and memory would go with the square of the columns.

    Parameters
    ----------
    rows : Rows

    Attributes
    ----------
    basis : ndarray of shape (n_spanned, n_features), float64
        Over the standardised columns.
    """

    def __init__(self, rows: Rows) -> None:
        table = np.concatenate([block for _, block in rows.blocks(np.arange(len(rows)))])
        left, sizes, basis = np.linalg.svd(table, full_matrices=False)
        kept = sizes > SPANNED * sizes[0]
        kept[0] = True  # rows that are all equal span a point
        # turned, since Adam's steps are of one size for all columns: principal ones would be small
        turn = np.linalg.qr(np.random.RandomState(0).standard_normal((kept.sum(), kept.sum())))[0]
        self.X, self.basis = (left[:, kept] * sizes[kept]) @ turn.T, turn @ basis[kept]
        self._order = np.arange(len(rows))
        self.mean, self.scale = np.zeros(len(self.basis)), np.ones(len(self.basis))


class Batches:
    """Batches of rows in which rows have mates, drawn epoch by epoch.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,), int
        Classes.
    indices : ndarray of int
        The rows to draw from.
    batch_size : int
        Most rows of a batch; a batch holds all rows if they are no more.
    random_state : RandomState

    Attributes
    ----------
    n_batches : int
        Batches of an epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._rows import Batches
    >>> batches = Batches(np.zeros(4, int), np.arange(4), 9, np.random.RandomState(0))
    >>> batches.next()
    array([0, 1, 2, 3])
    """

    def __init__(
        self,
        codes: np.ndarray,
        indices: np.ndarray,
        batch_size: int,
        random_state: np.random.RandomState,
    ) -> None:
        self._codes, self._indices, self._random_state = codes, indices, random_state
        self.n_batches = -(-len(indices) // batch_size)
        # a batch holds two classes at least
        self._group_rows = min(GROUP_ROWS, max(1, batch_size // 2))
        self._pending: list[np.ndarray] = []

    def next(self) -> np.ndarray:
        """Return the row numbers of the next batch, ascending."""
        if self.n_batches == 1:
            return self._indices
        if not self._pending:
            self._pending = self._shuffle()
        return self._pending.pop()

    def _shuffle(self) -> list[np.ndarray]:
        """Cut the rows, shuffled within their classes, into small groups and deal these out.

        With thousands of small classes, rows that are drawn one by one would have no mates.
        """
        order = self._random_state.permutation(self._indices)
        order = order[np.argsort(self._codes[order], kind="stable")]
        groups = np.arange(len(order)) // self._group_rows
        rank = self._random_state.permutation(groups[-1] + 1)[groups]
        order = order[np.argsort(rank, kind="stable")]
        # ascending, since a file is read faster that way
        return [np.sort(batch) for batch in np.array_split(order, self.n_batches)]
