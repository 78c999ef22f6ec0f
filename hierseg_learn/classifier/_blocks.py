"""Fitting to and predicting for tables that are read block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..metrics.block_sums import BlockSums, RowSummer, SummedRows, with_every_class
from ..table.blocks import RowBlocks, as_frame, is_dask_frame, is_in_blocks
from ..table.checks import refuse_huge
from ..utils.progress import ProgressBar


@dataclass(frozen=True)
class SummedTable:
    """A table of which only some rows are in memory, and the sums over all."""

    rows: Any  # DataFrame or ndarray of shape (n_drawn, n_features): the drawn rows
    y: np.ndarray  # (n_drawn,): their classes
    places: np.ndarray  # (n_drawn,) int: where they are in the whole table
    labels: np.ndarray  # (n_samples,): the classes of all rows
    remark: str  # what whoever reads an explanation by the table should know
    sums: BlockSums


def sum_blocks(
    X: Any,
    y: Any,
    check: Callable[[np.ndarray], None],
    *,
    n_folds: int,
    n_jobs: int | None,
    verbose: int,
    random_state: Any,
) -> SummedTable:
    """Read a table once: its sums by fold, and some of its rows.

    ``check(labels)`` may refuse the classes before the table is read.
    """
    blocks = RowBlocks(X)
    labels = blocks.labels(y)
    check(labels)
    codes = np.unique(labels, return_inverse=True)[1]
    # as small as can be, since they travel with the tasks
    codes = codes.astype(np.min_scalar_type(int(codes.max())))
    names = range(blocks.shape[1]) if blocks.columns is None else blocks.columns
    ranks = np.argsort(np.array(sorted(range(len(names)), key=names.__getitem__)))
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    first = blocks.first_rows()
    refuse_huge(first, blocks.columns)
    summer = RowSummer.of(first, ranks, np.bincount(codes), n_folds, seed)
    checked = _Checked(summer, blocks.columns)
    with ProgressBar(blocks.n_blocks, "Reading blocks", verbose) as bar:
        found = blocks.reduce(checked, codes, SummedRows.join, n_jobs=n_jobs, on_block=bar.advance)
    found = with_every_class(found, codes, summer, blocks.take)
    sums = BlockSums(summer.origin, found.largest, found.folds, found.row_folds)
    rows = as_frame(found.rows, blocks.columns)
    drawn = rows, labels[found.places], found.places.astype(np.intp)
    return SummedTable(*drawn, labels, blocks.remark, sums)


@dataclass(frozen=True)
class _Checked:
    """Sums rows that a fit can sum; others are an error."""

    summer: RowSummer
    columns: list[str] | None

    def __call__(self, rows: np.ndarray, start: int, codes: np.ndarray) -> SummedRows:
        refuse_huge(rows, self.columns, start)
        return self.summer(rows, start, codes)


def by_blocks(method: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """Let a method that gives a row for every row of X also take tables that are read by blocks.

    Of a dask DataFrame it gives a dask Series or DataFrame, and an array of all other tables.
    """

    @wraps(method)
    def of_any(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_in_blocks(X):
            return method(self, X, *args, **kwargs)
        check_is_fitted(self)
        if is_dask_frame(X):
            return _lazily(self, method, X, args, kwargs)
        found = RowBlocks(X).map(lambda rows: np.asarray(method(self, rows, *args, **kwargs)))
        return np.concatenate(list(found))

    return of_any


def in_batches(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method that explains many rows also take tables that are read by blocks.

    It gives an iterator over the batches of the blocks, one at a time. Of a dask DataFrame it gives
    a list of dask's Delayed, one for every partition; that of an empty one is None.
    """

    @wraps(method)
    def of_any(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_in_blocks(X):
            return method(self, X, *args, **kwargs)
        check_is_fitted(self)
        if not is_dask_frame(X):
            return RowBlocks(X).map(lambda rows: method(self, rows, *args, **kwargs))
        import dask

        explain, model = dask.delayed(_explain_part), dask.delayed(self)
        name = method.__name__
        return [explain(model, name, part, args, kwargs) for part in X.to_delayed()]

    return of_any


def _explain_part(model: Any, method: str, part: Any, args: tuple, kwargs: dict) -> Any:
    if not len(part):
        return None
    with _of_partition(part):
        return getattr(model, method)(part, *args, **kwargs)


@contextmanager
def _of_partition(part: Any) -> Iterator[None]:
    """Add to an error where its rows are."""
    try:
        yield
    except ValueError as error:
        first = part.index[0]
        raise ValueError(f"{error} (In the partition of X that starts at {first!r}.)") from error


def _lazily(model: Any, method: Callable, X: Any, args: tuple, kwargs: dict) -> Any:
    """What a method gives for every partition, as a dask Series or DataFrame."""
    import dask

    # also refuses other columns before anything is computed
    meta = _labeled(model, method.__name__, X._meta_nonempty, args, kwargs).iloc[:0]
    return X.map_partitions(
        _call_on_part, dask.delayed(model), method.__name__, args, kwargs, meta, meta=meta
    )


def _call_on_part(part: Any, model: Any, method: str, args: tuple, kwargs: dict, empty: Any) -> Any:
    if not len(part):
        return empty
    with _of_partition(part):
        return _labeled(model, method, part, args, kwargs)


def _labeled(model: Any, method: str, part: Any, args: tuple, kwargs: dict) -> Any:
    """What a method gives for a DataFrame, with the index of that, and classes as columns."""
    import pandas as pd

    found = getattr(model, method)(part, *args, **kwargs)
    if hasattr(found, "iloc"):
        return found
    if found.ndim == 1:
        return pd.Series(found, part.index, name=method)
    names = model.classes_
    if method == "transform":
        names = [f"{type(model).__name__.lower()}{i}" for i in range(found.shape[1])]
    return pd.DataFrame(found, part.index, names)


def computed(values: Any) -> Any:
    """Values of dask in memory; all else unchanged."""
    return values.compute() if hasattr(values, "__dask_graph__") else values
