"""A table in a folder, read in blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.format import open_memmap

from .blocks import refuse_rows
from .folder import (
    ID,
    NPY,
    POSITION,
    RECORDS,
    Head,
    Record,
    TableFolder,
    Y,
    as_column,
    positions_of,
)
from .layout import REMARK

if TYPE_CHECKING:
    import pandas as pd


def open_table(path: Any) -> StoredTable:
    """Open a table that :meth:`~hierseg_learn.SegmentTreeTransformer.describe_to` has written.

    Only what the folder says about itself is read.

    Parameters
    ----------
    path : str or path-like
        The folder.

    Returns
    -------
    table : StoredTable
        The table; it reads its rows when they are asked for.

    Raises
    ------
    TypeError
        If `path` is not a path.
    ValueError
        If the folder does not exist, holds no table, or one that is not finished or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.table import open_table
    >>> portraits = make_portraits(n_samples=6, random_state=0)
    >>> transformer = SegmentTreeTransformer(tree=portraits.tree).fit(portraits.images)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = transformer.describe_to(folder, portraits.images)
    ...     len(open_table(folder))
    6
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(f"path must be a str or a path, got {path!r}.")
    # found also from another working directory, and by other processes
    folder = TableFolder(Path(path).absolute(), Head.read(Path(path)))
    records = [folder.record(k) for k in range(folder.head.n_blocks)]
    missing = [k for k, record in enumerate(records) if record is None]
    if missing:
        began = (folder.path / RECORDS / f"{missing[0]:06}.json").exists()
        raise ValueError(
            f"path={str(path)!r} holds {len(records) - len(missing)} of {len(records)} blocks; "
            f"block {missing[0]} is {'damaged' if began else 'missing'}. Call describe_to again "
            "with the same images: it goes on there."
        )
    return StoredTable(folder, records)


class StoredTable:
    """A table in a folder, one row per image, of which a block at a time is in memory.

    It is made by :func:`open_table` and
    :meth:`~hierseg_learn.SegmentTreeTransformer.describe_to`. Pickled, it is the name of its folder
    and what is known of the blocks.

    Parameters
    ----------
    folder : TableFolder
        Where it is.
    records : list of Record
        What is known of its blocks.

    Attributes
    ----------
    path : Path
        The folder, absolute.
    columns : tuple of str
        Names of the columns, as those of the DataFrame that
        :meth:`~hierseg_learn.SegmentTreeTransformer.transform` returns.
    shape : tuple of int
        ``(n_rows, n_columns)``.
    dtype : dtype
        float32, or float64 for a float64 table of images.
    block_slices : tuple of slice
        The rows of every block.
    remark : str
        What whoever reads an explanation by this table should know; empty if nothing.
    ids : ndarray of shape (n_rows,)
        Of every row the id, as an object of text or as int64: what was given, or the path of the
        photo, or its position.
    positions : ndarray of shape (n_rows,), int64
        Position of the row's image among those that were described.
    y : ndarray of shape (n_rows,) or None
        The class of every row, int64, float64, bool or objects of text; None if none were given.
    skipped : DataFrame of shape (n_skipped, 3)
        Photos without a row: ``position``, ``id`` and ``error``.

    Examples
    --------
    >>> import tempfile
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> portraits = make_portraits(n_samples=6, random_state=0)
    >>> transformer = SegmentTreeTransformer(tree=portraits.tree).fit(portraits.images)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = transformer.describe_to(folder, portraits.images, block_size=4)
    ...     [block.shape[0] for block in table.blocks()], table.to_pandas().index.to_list()
    ([4, 2], [0, 1, 2, 3, 4, 5])
    """

    def __init__(self, folder: TableFolder, records: list[Record]) -> None:
        self._folder, self._records = folder, records
        self._verified: set[int] = set()  # blocks that were whole when they were read first
        ends = np.cumsum([0, *(record.n_rows for record in records)]).tolist()
        self.block_slices = tuple(slice(*ends) for ends in pairwise(ends))

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        return self._folder.path

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._folder.head.columns

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_rows, n_columns)``."""
        return len(self), len(self.columns)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of all columns."""
        return np.dtype(self._folder.head.dtype)

    @property
    def remark(self) -> str:
        """What whoever reads an explanation by this table should know."""
        return self._folder.head.remark

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self._records)

    @cached_property
    def positions(self) -> np.ndarray:
        """Position of every row's image among those that were described."""
        return np.concatenate([self._positions(k) for k in range(self.n_blocks)])

    @cached_property
    def ids(self) -> np.ndarray:
        """Id of every row."""
        return np.concatenate([self._ids_and_y(k)[0] for k in range(self.n_blocks)])

    @cached_property
    def y(self) -> np.ndarray | None:
        """Class of every row, if there are any."""
        if self._folder.head.y_kind is None:
            return None
        return np.concatenate([self._ids_and_y(k)[1] for k in range(self.n_blocks)])

    @property
    def skipped(self) -> pd.DataFrame:
        """Photos without a row."""
        import pandas as pd

        found = [entry for record in self._records for entry in record.skipped]
        return pd.DataFrame(found, columns=[POSITION, ID, "error"])

    def __len__(self) -> int:
        return self.block_slices[-1].stop

    def __getitem__(self, rows: Any) -> NoReturn:
        refuse_rows(self)

    def __repr__(self) -> str:
        n_rows, n_columns = self.shape
        return (
            f"StoredTable({str(self.path)!r}, n_rows={n_rows}, n_columns={n_columns}, "
            f"n_blocks={self.n_blocks})"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise TypeError(
            "A StoredTable is not in memory; use to_pandas(), or its blocks one at a time."
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self._folder, "records": self._records}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def read_block(self, k: int) -> np.ndarray:
        """Read the rows of one block; the first time its checksum is verified.

        Parameters
        ----------
        k : int
            Number of the block.

        Returns
        -------
        rows : ndarray of shape (n_rows_of_block, n_columns)
            A new array, or a memory map that cannot be written.

        Raises
        ------
        ValueError
            If its file is damaged, or there is no such block.
        """
        file = self._folder.file(self._check_block(k))
        n_rows = self._records[k].n_rows
        try:
            if self._folder.head.layout == NPY:
                # np.load takes a damaged file for a pickled one
                rows = open_memmap(file, mode="r") if n_rows else np.load(file)
            else:
                from pyarrow import parquet

                table = parquet.ParquetFile(file).read(columns=list(self.columns))
                rows = np.empty((len(table), len(self.columns)), dtype=self.dtype)
                for values, column in zip(rows.T, table.itercolumns(), strict=True):
                    values[:] = column.to_numpy()
        except ImportError:
            raise
        except Exception as error:  # a damaged file raises many types
            raise ValueError(
                f"{str(file)!r} cannot be read: {str(error).rstrip('.')}. If it is damaged, delete "
                "it, and call describe_to again."
            ) from error
        if rows.shape != (n_rows, len(self.columns)) or rows.dtype != self.dtype:
            raise ValueError(
                f"{str(file)!r} holds an array of shape {rows.shape} and dtype {rows.dtype}; "
                f"expected {(n_rows, len(self.columns))} and {self.dtype}."
            )
        if k not in self._verified:
            if not self._folder.is_whole(k, self._records[k]):
                raise ValueError(
                    f"{str(file)!r} is damaged: its checksum is not the one recorded. Call "
                    "describe_to again with the same images: it makes this block again."
                )
            self._verified.add(k)
        return rows

    def blocks(self) -> Iterator[np.ndarray]:
        """Read one block after the other.

        Yields
        ------
        rows : ndarray of shape (n_rows_of_block, n_columns)
            As `read_block` returns it.
        """
        return map(self.read_block, range(self.n_blocks))

    def read_frame(self, k: int) -> pd.DataFrame:
        """Read the rows of one block as a DataFrame.

        Parameters
        ----------
        k : int
            Number of the block.

        Returns
        -------
        frame : DataFrame of shape (n_rows_of_block, n_columns)
            Its index are the ids.
        """
        return self._frame(self.read_block(k), self._ids_and_y(k)[0])

    def to_pandas(self) -> pd.DataFrame:
        """Read the whole table into memory.

        Returns
        -------
        frame : DataFrame of shape (n_rows, n_columns)
            As :meth:`~hierseg_learn.SegmentTreeTransformer.transform` returns it; its index are the
            ids.
        """
        rows = np.empty(self.shape, dtype=self.dtype)
        for place, block in zip(self.block_slices, self.blocks(), strict=True):
            rows[place] = block
        return self._frame(rows, self.ids)

    def to_dask(self, return_X_y: bool = False) -> Any:
        """Give the table to dask.

        Parameters
        ----------
        return_X_y : bool, default=False
            Whether to return the classes, too.

        Returns
        -------
        frame : dask.dataframe.DataFrame, or a tuple of it and of a dask.dataframe.Series
            One partition per block; the index are the ids. The Series holds the classes. Dask
            reads blocks of Parquet itself, without verifying their checksums.

        Raises
        ------
        ImportError
            If dask is not installed.
        ValueError
            If classes are asked for and there are none.
        """
        import dask.dataframe as dd

        if return_X_y and self._folder.head.y_kind is None:
            raise ValueError(
                f"return_X_y=True, but the table in {str(self.path)!r} has no y; describe with y=."
            )
        if self._folder.head.layout == NPY:
            blocks = range(self.n_blocks)
            frame = dd.from_map(self.read_frame, blocks, meta=self.read_frame(0).iloc[:0])
            if not return_X_y:
                return frame
            return frame, dd.from_map(self._read_y, blocks, meta=self._read_y(0).iloc[:0])
        files = [str(self._folder.file(k)) for k in range(self.n_blocks)]
        everything = dd.read_parquet(files, index=ID, split_row_groups=False)
        frame = everything[list(self.columns)]
        return (frame, everything[Y]) if return_X_y else frame

    def _frame(self, rows: np.ndarray, ids: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        index = pd.Index(ids, name=ID)
        frame = pd.DataFrame(rows, columns=list(self.columns), index=index, copy=False)
        if self.remark:
            frame.attrs[REMARK] = self.remark
        return frame

    def _read_y(self, k: int) -> pd.Series:
        import pandas as pd

        ids, y = self._ids_and_y(k)
        return pd.Series(y, index=pd.Index(ids, name=ID), name=Y)

    def _positions(self, k: int) -> np.ndarray:
        return positions_of(self._folder.head, k, self._records[k].skipped)

    def _ids_and_y(self, k: int) -> tuple[np.ndarray, np.ndarray | None]:
        head, inputs = self._folder.head, self._folder.inputs(k, self._records[k])
        here = self._positions(k) - head.inputs(k).start
        ids = as_column(inputs.ids, head.id_kind)[here]
        if head.y_kind is None or inputs.y is None:
            return ids, None
        return ids, as_column(inputs.y, head.y_kind)[here]

    def _check_block(self, k: int) -> int:
        if not 0 <= k < self.n_blocks:
            raise ValueError(
                f"k must lie in [0, {self.n_blocks}), the number of blocks, got {k!r}."
            )
        return k
