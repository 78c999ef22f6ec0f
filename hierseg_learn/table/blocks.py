"""Tables that are read block by block: in memory, in files or as dask frames.

Whatever the parts are that a table comes in, it is cut into blocks at the same places, and what is
computed of the blocks is joined in the same order: so the bits depend on neither the parts nor on
how many workers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from joblib import Parallel, delayed

from ..utils.labels import check_classes
from ..utils.tables import column_names, order_columns
from .layout import read_remark

# rows of a block: the table is cut at its multiples
BLOCK_ROWS = 8192
# results that are joined at once
FAN_IN = 8
# rows of a part, from one up to another
Piece = tuple[int, int, int]


def is_in_blocks(X: Any) -> bool:
    """Whether a table is read block by block: `RowBlocks`, a stored table or a dask DataFrame."""
    return isinstance(X, RowBlocks) or is_stored(X) or is_dask_frame(X)


def is_stored(X: Any) -> bool:
    """Whether X is a table in a folder."""
    return hasattr(X, "read_block") and hasattr(X, "block_slices")


def is_dask_frame(X: Any) -> bool:
    """Whether X is a dask DataFrame."""
    return hasattr(X, "__dask_graph__") and hasattr(X, "columns") and hasattr(X, "map_partitions")


def refuse_rows(table: Any) -> NoReturn:
    """Raise the error about some rows of a table that is read block by block."""
    raise TypeError(
        f"{type(table).__name__} is read block by block and gives no rows by their places, as "
        "cross-validation and searches ask for. Pass them a table in memory (to_pandas() of a "
        "stored one); or keep the rows to test with in a table of their own, and call fit and "
        "score."
    )


class RowBlocks:
    """A table that is read block by block, so that only some of its rows are in memory.

    Stored tables and dask DataFrames can be passed to
    :class:`~hierseg_learn.HierarchicalMetricClassifier` as they are. This class makes it read
    tables in memory, and memory maps, in the same way.

    Parameters
    ----------
    X : DataFrame, ndarray, StoredTable or dask DataFrame of shape (n_samples, n_features)
        The table. Its dtype is float32, or float64 for all other numbers.

    Attributes
    ----------
    columns : list of str or None
        Names of the columns.
    shape : tuple of int
        Number of rows and columns.
    dtype : dtype
        float32 or float64.
    remark : str
        What whoever reads an explanation by this table should know; empty if nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn import HierarchicalMetricClassifier
    >>> from hierseg_learn.table import RowBlocks
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = HierarchicalMetricClassifier(random_state=0).fit(RowBlocks(X), y)
    >>> bool(model.score(X, y) > 0.95)
    True
    """

    def __init__(self, X: Any) -> None:
        self._source, self._frame, self._y = _source_of(X)
        self._lengths: tuple[int, ...] | None = None
        self.columns = self._source.columns
        self.dtype = self._source.dtype
        # a frame may have a column of that name
        has_remark = isinstance(X, RowBlocks) or is_stored(X)
        self.remark = X.remark if has_remark else read_remark(X)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return sum(self._sizes), self._source.n_columns

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NoReturn:
        refuse_rows(self)

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Number of rows of every part."""
        if self._lengths is None:
            self._lengths = self._source.count_rows()
        return self._lengths

    def labels(self, y: Any) -> np.ndarray:
        """Classes of all rows, (n_samples,): those given, or those that are stored."""
        if y is None:
            y = self._y
        elif hasattr(y, "__dask_graph__"):
            y, lengths = _compute_column(y)
            if self._lengths is None and len(lengths) == getattr(self._source, "n_parts", 0):
                self._lengths = lengths  # checked when the parts are read
        n_rows = self.shape[0]
        if n_rows < 2:
            raise ValueError(f"X has {n_rows} row(s) in all its parts; expected at least 2.")
        return check_classes(y, "y", n_rows, warn_of_column=True)

    @cached_property
    def _blocks(self) -> list[tuple[int, list[Piece]]]:
        """First row of every block, and the pieces of parts that it is made of."""
        stops = np.cumsum(self._sizes)
        starts = stops - np.array(self._sizes)
        found = []
        for start in range(0, int(stops[-1]), BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, int(stops[-1]))
            first, last = np.searchsorted(stops, [start, stop - 1], side="right").tolist()
            parts = range(first, last + 1)
            places = [(part, int(starts[part]), self._sizes[part]) for part in parts]
            pieces = [
                (part, max(start - first, 0), min(stop - first, size))
                for part, first, size in places
                if size
            ]
            found.append((start, pieces))
        return found

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Some rows by their places, (n_rows, n_features); reads the blocks that they are in."""
        found = np.empty((len(rows), self.shape[1]), self.dtype)
        for block in np.unique(rows // BLOCK_ROWS):
            chosen = rows // BLOCK_ROWS == block
            found[chosen] = self.first_rows(int(block))[rows[chosen] - block * BLOCK_ROWS]
        return found

    def first_rows(self, block: int = 0) -> np.ndarray:
        """Rows of a block."""
        start, pieces = self._blocks[block]
        return self._source.load(self._sizes, start, pieces)

    def reduce(
        self,
        function: Callable[[np.ndarray, int, Any], Any],
        values: np.ndarray,
        join: Callable[[list], Any],
        *,
        n_jobs: int | None = None,
        on_block: Callable[[], None] = lambda: None,
    ) -> Any:
        """Join ``function(rows, start, values[start:stop])`` of all blocks, in a fixed order.

        ``join([a, b, c])`` must be ``join([join([a, b]), c])``, and ``join([a])`` be `a`.
        dask computes it where X is a dask DataFrame, joblib otherwise.
        """
        if self._source.is_lazy:
            return self._reduce_lazily(function, values, join)
        sizes = self._sizes
        tasks = (
            delayed(_call)(
                function, self._source.narrow(pieces), sizes, start, pieces, _own(values, start)
            )
            for start, pieces in self._blocks
        )
        joined = _Joined(join)
        for found in Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(tasks):
            joined.add(found)
            on_block()
        return joined.result()

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self._blocks)

    def _reduce_lazily(
        self, function: Callable, values: np.ndarray, join: Callable[[list], Any]
    ) -> Any:
        """As `reduce`, as one graph of dask."""
        import dask

        run, merge = dask.delayed(_call_on_parts), dask.delayed(join)
        function, shape = dask.delayed(function, traverse=False), self._source.expected
        parts = self._source.parts
        level = [
            run(
                function,
                shape,
                [parts[part] for part, *_ in pieces],
                [self._sizes[part] for part, *_ in pieces],
                start,
                pieces,
                _own(values, start),
            )
            for start, pieces in self._blocks
        ]
        while len(level) > 1:
            level = [merge(level[i : i + FAN_IN]) for i in range(0, len(level), FAN_IN)]
        return dask.compute(level[0])[0]

    def map(self, function: Callable[[Any], Any]) -> Iterator[Any]:
        """What a function gives for the rows of every part that has any, one after the other.

        It gets a DataFrame if the columns have names, and an array otherwise.
        """
        if not sum(self._sizes):
            raise ValueError("X has no rows in any of its parts; expected at least 1.")
        start = 0
        for part, size in enumerate(self._sizes):
            if size:
                rows = self._source.load(self._sizes, start, [(part, 0, size)])
                index = self._source.index(slice(start, start + size))
                try:
                    found = function(as_frame(rows, self.columns, index))
                except ValueError as error:
                    where = f"(In the part of X that starts at row {start}.)"
                    raise ValueError(f"{error} {where}") from error
                yield found
            start += size


def as_frame(rows: np.ndarray, columns: Sequence[str] | None, index: Any = None) -> Any:
    """Rows as a DataFrame, if the columns have names."""
    if columns is None:
        return rows
    import pandas as pd

    return pd.DataFrame(rows, index, list(columns), copy=False)


class _Joined:
    """Results that are joined as they come, in the same groups as level by level.

    Of every level there is the open group alone, joined so far: memory hardly grows with the
    number of results.
    """

    def __init__(self, join: Callable[[list], Any]) -> None:
        self._join = join
        self._levels: list[list] = [[]]
        self._sizes = [0]

    def add(self, found: Any, level: int = 0) -> None:
        """Add the next result."""
        if level == len(self._levels):
            self._levels.append([])
            self._sizes.append(0)
        self._levels[level] = [self._join([*self._levels[level], found])]
        self._sizes[level] += 1
        if self._sizes[level] == FAN_IN:
            self._close(level)

    def _close(self, level: int) -> None:
        [group], self._levels[level], self._sizes[level] = self._levels[level], [], 0
        self.add(group, level + 1)

    def result(self) -> Any:
        """Join what is left."""
        for level in range(len(self._levels) - 1):
            if self._levels[level]:
                self._close(level)
        [found] = self._levels[-1]
        return found


def _own(values: np.ndarray, start: int) -> np.ndarray:
    return values[start : start + BLOCK_ROWS]


def _call(
    function: Callable,
    source: Any,
    sizes: tuple[int, ...],
    start: int,
    pieces: list[Piece],
    values: np.ndarray,
) -> Any:
    return function(source.load(sizes, start, pieces), start, values)


def _call_on_parts(
    function: Callable,
    expected: _Expected,
    parts: list[Any],
    sizes: list[int],
    start: int,
    pieces: list[Piece],
    values: np.ndarray,
) -> Any:
    return function(expected.join(parts, sizes, start, pieces), start, values)


@dataclass(frozen=True)
class _Expected:
    """What all parts of a table have in common, and what they are called."""

    columns: list[str] | None
    dtype: np.dtype
    noun: str  # "block" or "partition"

    def join(
        self, parts: Sequence[Any], sizes: Sequence[int], start: int, pieces: Sequence[Piece]
    ) -> np.ndarray:
        """Rows from `start` on, of pieces of some parts: (n_rows, n_features), checked."""
        found = []
        for values, size, (part, low, high) in zip(parts, sizes, pieces, strict=True):
            rows = self.values(values, size, part)[low:high]
            self._refuse_missing(rows, part, low, start)
            start += len(rows)
            found.append(rows)
        rows = found[0] if len(found) == 1 else np.concatenate(found)
        return np.ascontiguousarray(rows, dtype=self.dtype)

    def values(self, part: Any, size: int, number: int) -> np.ndarray:
        """Numbers of a part, (size, n_features), with the columns in their order."""
        name = f"{self.noun} {number} of X"
        names = column_names(part)
        if self.columns is not None and names is not None and names != self.columns:
            what = f"the {len(self.columns)} columns of the others"
            part = part.iloc[:, order_columns(names, self.columns, name, what)]
        if len(part) != size:
            raise ValueError(
                f"{name} has {len(part)} rows, expected {size}: a y of dask must come in the "
                "partitions of X; otherwise pass it as an array."
            )
        if not hasattr(part, "iloc"):
            return part
        try:
            return part.to_numpy(dtype=self.dtype, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} holds what is no number: {error}.") from error

    def _refuse_missing(self, rows: np.ndarray, part: int, low: int, start: int) -> None:
        with np.errstate(all="ignore"):
            if np.isfinite(rows.sum(dtype=np.float64)):
                return
        wrong = np.argwhere(~np.isfinite(rows))
        if not len(wrong):  # the sum is too large for a float
            return
        row, column = wrong[0].tolist()
        what = "NaN" if np.isnan(rows[row, column]) else "infinity"
        label = column if self.columns is None else repr(self.columns[column])
        raise ValueError(
            f"X contains {what} in {self.noun} {part}, row {low + row} of it (row {start + row} of "
            f"the table), column {label}; expected finite numbers. Missing parts must be filled: "
            "SegmentTreeTransformer(missing='mean') does it."
        )


class _InMemory:
    """A table in memory, or in a memory map, in parts of a block."""

    is_lazy = False

    def __init__(self, X: Any, first: int = 0) -> None:
        self.X, self._first = X, first
        names = column_names(X)
        self.columns = None if names is None else list(map(str, names))
        self.n_columns = X.shape[1]
        self.dtype = _common_dtype(X.dtypes if names is not None else [X.dtype])
        self.expected = _Expected(self.columns, self.dtype, "block")

    def count_rows(self) -> tuple[int, ...]:
        starts = range(0, len(self.X), BLOCK_ROWS)
        return tuple(min(BLOCK_ROWS, len(self.X) - start) for start in starts)

    def narrow(self, pieces: list[Piece]) -> _InMemory:
        """The same with only the rows of some pieces, to be handed to a worker."""
        first, last = pieces[0][0], pieces[-1][0] + 1
        return _InMemory(self._slice(first, last), first)

    def load(self, sizes: Sequence[int], start: int, pieces: list[Piece]) -> np.ndarray:
        parts = [self._slice(part, part + 1) for part, *_ in pieces]
        return self.expected.join(parts, [sizes[part] for part, *_ in pieces], start, pieces)

    def index(self, rows: slice) -> Any:
        return self.X.index[rows] if hasattr(self.X, "iloc") else range(rows.start, rows.stop)

    def _slice(self, first: int, last: int) -> Any:
        chosen = slice((first - self._first) * BLOCK_ROWS, (last - self._first) * BLOCK_ROWS)
        return self.X.iloc[chosen] if hasattr(self.X, "iloc") else self.X[chosen]


class _Stored:
    """A table in a folder."""

    is_lazy = False

    def __init__(self, table: Any) -> None:
        self.table, self.columns = table, list(table.columns)
        self.n_columns, self.dtype = len(self.columns), np.dtype(table.dtype)
        self.expected = _Expected(self.columns, self.dtype, "block")

    def count_rows(self) -> tuple[int, ...]:
        return tuple(place.stop - place.start for place in self.table.block_slices)

    def narrow(self, pieces: list[Piece]) -> _Stored:
        return self

    def index(self, rows: slice) -> Any:
        return self.table.ids[rows]

    def load(self, sizes: Sequence[int], start: int, pieces: list[Piece]) -> np.ndarray:
        parts = [self.table.read_block(part) for part, *_ in pieces]
        return self.expected.join(parts, [sizes[part] for part, *_ in pieces], start, pieces)


class _Dask:
    """The partitions of a dask DataFrame."""

    is_lazy = True

    def __init__(self, frame: Any) -> None:
        self.frame, self.columns = frame, list(map(str, frame.columns))
        if len(set(self.columns)) < len(self.columns) or not self.columns:
            raise ValueError(f"X must have columns with names that differ, got {self.columns}.")
        self.n_columns, self.n_parts = len(self.columns), frame.npartitions
        self.dtype = _common_dtype(frame.dtypes)
        self.expected = _Expected(self.columns, self.dtype, "partition")

    def count_rows(self) -> tuple[int, ...]:
        import dask

        # of a single column, so that files are not read whole
        first = _delayed_parts(self.frame[[self.frame.columns[0]]])
        return dask.compute(*map(dask.delayed(len), first))

    @cached_property
    def parts(self) -> list[Any]:
        """One of dask's Delayed for every partition."""
        return _delayed_parts(self.frame)

    def load(self, sizes: Sequence[int], start: int, pieces: list[Piece]) -> np.ndarray:
        import dask

        numbers = [part for part, *_ in pieces]
        parts = dask.compute(*(self.parts[part] for part in numbers))
        return self.expected.join(parts, [sizes[part] for part in numbers], start, pieces)


def _source_of(X: Any) -> tuple[Any, Any, Any]:
    """How X is read, the dask frame if it is one, and the classes that are stored with it."""
    if isinstance(X, RowBlocks):
        return X._source, X._frame, X._y
    if is_stored(X):
        return _Stored(X), None, X.y
    if is_dask_frame(X):
        return _Dask(X), X, None
    if not hasattr(X, "iloc"):
        X = np.asanyarray(X)
    if X.ndim != 2 or not X.shape[1]:
        raise ValueError(f"X must be a table with columns, got shape {X.shape}.")
    return _InMemory(X), None, None


def _common_dtype(dtypes: Any) -> np.dtype:
    """float32 if all columns are, and float64 for all other numbers."""
    for dtype in set(dtypes):
        if getattr(dtype, "kind", "O") not in "biuf":
            raise TypeError(f"X must hold numbers, got a column of dtype {dtype}.")
    is_single = all(dtype == np.float32 for dtype in dtypes)
    return np.dtype(np.float32 if is_single else np.float64)


def _delayed_parts(collection: Any) -> list[Any]:
    """One of dask's Delayed for every partition of a frame, Series or Array."""
    if hasattr(collection, "simplify"):
        # further optimization joins the partitions of frames with few columns
        collection = collection.simplify()
        return collection.to_delayed(optimize_graph=False)
    return np.ravel(collection.to_delayed()).tolist()


def _compute_column(y: Any) -> tuple[Any, tuple[int, ...]]:
    """A dask Series or Array in memory, and the number of rows of every partition."""
    import dask
    import pandas as pd

    parts = dask.compute(*_delayed_parts(y))
    lengths = tuple(map(len, parts))
    if hasattr(parts[0], "iloc"):
        return pd.concat(parts, ignore_index=True), lengths
    return np.concatenate(parts), lengths
