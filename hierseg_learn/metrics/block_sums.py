"""What is learned of a table that is read block by block: sums by fold, and some drawn rows.

Class sums and scatters of disjoint rows add up, so those of a table are the sums of those of its
blocks, and those without a fold are the sums over the other folds. Which fold a row is in, and
whether it is drawn, follows from its contents: so neither depends on how the table was cut or
ordered, and equal rows are held out together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np

from ..kernels.threads import single_blas_thread
from ._lda import ClassScatter, row_blocks

# about as many rows are drawn, and of every class about so many at least
DRAWN_ROWS = 20_000
LEAST_OF_CLASS = 30
# rows of a block are drawn up to so many times as many as expected, should many be equal
MOST_TIMES = 4
# rows whose keys are computed at once
KEY_ROWS = 1024


def mean_and_spread(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of columns, (n_columns,) float64 each, block by block."""
    mean = sum(block.sum(axis=0) for _, block in row_blocks(rows)) / len(rows)
    squares = sum(np.square(block - mean).sum(axis=0) for _, block in row_blocks(rows))
    return mean, np.sqrt(squares / len(rows))


def class_means(rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean of the rows of every class, (n_classes, n_columns) float64, block by block."""
    sums = np.zeros((int(codes.max()) + 1, rows.shape[1]))
    for place, block in row_blocks(rows):
        for code in np.unique(codes[place]):
            sums[code] += block[codes[place] == code].sum(axis=0)
    return sums / np.bincount(codes)[:, None]


@dataclass(frozen=True)
class BlockSums:
    """Sums over all rows of a table by fold, and the folds of the drawn rows."""

    origin: np.ndarray  # (n_columns,) float64: what rows are summed about
    largest: np.ndarray  # (n_columns,) float64: largest absolute values
    folds: tuple[ClassScatter, ...]  # of the rows of every fold about the origin
    row_folds: np.ndarray  # (n_drawn,) int: fold of every drawn row

    def without(self, fold: int | None) -> tuple[np.ndarray, ClassScatter]:
        """Mean of the rows that are not in a fold, (n_columns,), and their scatter about it."""
        kept = [own for number, own in enumerate(self.folds) if number != fold]
        scatter = reduce(add, kept)
        step = scatter.sums.sum(axis=0) / scatter.n_rows
        return self.origin + step, scatter.moved(-step)

    def class_means(self) -> np.ndarray:
        """Mean of the rows of every class, (n_classes, n_columns)."""
        counts, sums = (
            sum(getattr(own, name) for own in self.folds) for name in ("counts", "sums")
        )
        return self.origin + sums / counts[:, None]

    def held_out_rows(self) -> list[np.ndarray]:
        """The drawn rows of every fold; none where two classes are not left without each."""
        rows = [np.flatnonzero(self.row_folds == fold) for fold in range(len(self.folds))]
        counts = np.stack([own.counts for own in self.folds])
        drawn = len(self.row_folds) - np.array(list(map(len, rows)))
        left = np.count_nonzero(counts.sum(axis=0) - counts, axis=1)
        return rows if left.min() > 1 and min(map(len, rows)) and drawn.min() > 1 else []

    def take(self, rows: np.ndarray, columns: np.ndarray, classes: np.ndarray) -> BlockSums:
        """The same with drawn rows, columns and classes in other orders, each an array of int."""
        folds = tuple(
            ClassScatter(
                own.counts[classes],
                own.sums[np.ix_(classes, columns)],
                own.moments[np.ix_(columns, columns)],
            )
            for own in self.folds
        )
        return BlockSums(self.origin[columns], self.largest[columns], folds, self.row_folds[rows])


@dataclass(frozen=True)
class SummedRows:
    """Sums over some rows, and those of them that are drawn."""

    largest: np.ndarray  # (n_columns,)
    folds: tuple[ClassScatter, ...]
    rows: np.ndarray  # (n_drawn, n_columns)
    places: np.ndarray  # (n_drawn,) int: in the whole table
    row_folds: np.ndarray  # (n_drawn,) int

    @classmethod
    def join(cls, parts: Sequence[SummedRows]) -> SummedRows:
        """Join the sums of disjoint rows, in the order given."""
        if len(parts) == 1:
            return parts[0]
        folds = zip(*(part.folds for part in parts), strict=True)
        drawn = [
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("rows", "places", "row_folds")
        ]
        largest = np.max([part.largest for part in parts], axis=0)
        return cls(largest, tuple(reduce(add, own) for own in folds), *drawn)


@dataclass(frozen=True)
class RowSummer:
    """Sums blocks of rows; called with rows, the place of the first, and their classes by number.

    Shapes: `rows` (n_rows, n_columns), `codes` (n_rows,) int.
    """

    origin: np.ndarray  # (n_columns,) float64: what rows are summed about
    factors: np.ndarray  # (n_columns,) uint64: make a key of the values of a row
    n_folds: int
    shares: np.ndarray  # (n_classes,): share of the rows of a class that is drawn

    @classmethod
    def of(
        cls, first: np.ndarray, ranks: np.ndarray, counts: np.ndarray, n_folds: int, seed: int
    ) -> RowSummer:
        """Sum a table about the mean of its first rows, (n_rows, n_columns).

        `ranks` (n_columns,) are the places of the columns in an order that their names set,
        `counts` (n_classes,) the rows of every class.
        """
        factors = np.random.RandomState(seed).randint(2**62, size=len(ranks), dtype=np.uint64)
        shares = np.maximum(DRAWN_ROWS / counts.sum(), LEAST_OF_CLASS / counts)
        origin = first.mean(axis=0, dtype=np.float64)
        return cls(origin, 2 * factors[ranks] + np.uint64(1), n_folds, np.minimum(shares, 1.0))

    def __call__(self, rows: np.ndarray, start: int, codes: np.ndarray) -> SummedRows:
        """Sum rows, whose first has the place `start`."""
        keys = self._keys(rows)
        folds = ((keys >> np.uint64(20)) % np.uint64(self.n_folds)).astype(np.intp)
        chosen = self._draw(_mixed(keys), codes)
        # the rows of a class in a fold side by side
        order = np.lexsort((codes, folds))
        centered = rows[order].astype(np.float64)
        centered -= self.origin
        of_fold, of_class = folds[order], codes[order]
        is_first = (of_fold[1:] != of_fold[:-1]) | (of_class[1:] != of_class[:-1])
        firsts = np.flatnonzero(np.append(True, is_first))
        group_sums = np.add.reduceat(centered, firsts, axis=0)
        bounds = np.searchsorted(of_fold, np.arange(self.n_folds + 1))
        scatters = []
        # one thread: the bits of a product depend on the number of threads
        with single_blas_thread():
            for fold, (low, high) in enumerate(pairwise(bounds)):
                sums = np.zeros((len(self.shares), rows.shape[1]))
                own = of_fold[firsts] == fold
                sums[of_class[firsts[own]]] = group_sums[own]
                counts = np.bincount(of_class[low:high], minlength=len(sums)).astype(np.float64)
                part = centered[low:high]
                scatters.append(ClassScatter(counts, sums, part.T @ part))
        largest = np.maximum(rows.max(axis=0), -rows.min(axis=0)).astype(np.float64)
        return SummedRows(largest, tuple(scatters), rows[chosen], start + chosen, folds[chosen])

    def folds_of(self, rows: np.ndarray) -> np.ndarray:
        """Folds of rows, (n_rows,)."""
        return ((self._keys(rows) >> np.uint64(20)) % np.uint64(self.n_folds)).astype(np.intp)

    def _keys(self, rows: np.ndarray) -> np.ndarray:
        """Keys of rows by their values, (n_rows,) uint64; equal rows have equal keys."""
        keys = np.empty(len(rows), dtype=np.uint64)
        for start in range(0, len(rows), KEY_ROWS):
            block = slice(start, start + KEY_ROWS)
            # adding 0 makes -0 and 0 the same bits
            values = rows[block] + rows.dtype.type(0)
            bits = values.view(f"u{values.itemsize}").astype(np.uint64)
            # the first bits of a float64, too, count in all bits of a product
            bits ^= bits >> np.uint64(32)
            keys[block] = bits @ self.factors
        return _mixed(keys)

    def _draw(self, keys: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Places of the rows that are drawn, ascending."""
        shares = self.shares[codes]
        chosen = np.flatnonzero(keys / 2.0**64 < shares)
        most = int(np.ceil(MOST_TIMES * shares.sum())) + LEAST_OF_CLASS
        if len(chosen) <= most:
            return chosen
        return np.sort(chosen[np.argsort(keys[chosen], kind="stable")[:most]])


def _mixed(keys: np.ndarray) -> np.ndarray:
    """Keys whose bits all depend on all bits, (n_rows,) uint64.

    The finalizer of G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number
    Generators", OOPSLA 2014.
    """
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def with_every_class(
    found: SummedRows,
    codes: np.ndarray,
    summer: RowSummer,
    take: Callable[[np.ndarray], np.ndarray],
) -> SummedRows:
    """Add the first row of every class of which none is drawn, as of one row that repeats.

    ``take(places)`` are rows of the table.
    """
    missing = np.setdiff1d(np.unique(codes), codes[found.places])
    if not len(missing):
        return found
    places = np.array([int(np.argmax(codes == code)) for code in missing])
    rows = take(places)
    return replace(
        found,
        rows=np.concatenate([found.rows, rows]),
        places=np.concatenate([found.places, places]),
        row_folds=np.concatenate([found.row_folds, summer.folds_of(rows)]),
    )
