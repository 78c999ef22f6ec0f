"""Tables of several libraries, and what is not in memory."""

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hierseg_learn.utils.tables import as_pandas, check_in_memory, column_names, like, take_rows

FRAME = pd.DataFrame({"b": [1.5, 2.5, 3.5], "a": np.array([1, 2, 3], dtype=np.uint8)})
TABLES = {
    "polars": pl.from_pandas(FRAME),
    "pyarrow": pa.Table.from_pandas(FRAME, preserve_index=False),
    "narwhals": nw.from_native(pl.from_pandas(FRAME)),
    "narwhals on pyarrow": nw.from_native(pa.Table.from_pandas(FRAME, preserve_index=False)),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_there_and_back(table):
    assert column_names(table) == ["b", "a"]
    pd.testing.assert_frame_equal(as_pandas(table), FRAME)
    back = like(table, FRAME)
    assert type(back) is type(table)
    pd.testing.assert_frame_equal(as_pandas(back), FRAME)
    taken = as_pandas(take_rows(table, np.array([2, 0, 2])))
    pd.testing.assert_frame_equal(taken, FRAME.take([2, 0, 2]).reset_index(drop=True))


@pytest.mark.parametrize("X", [FRAME, np.eye(2), [[1, 2]], None, "text"], ids=str)
def test_all_else_stays_as_it_is(X):
    assert as_pandas(X) is X
    assert like(X, FRAME) is FRAME


def test_rows_of_columns():
    order = np.array([1, 0])
    for column in ([5, 6], np.array([5, 6]), pl.Series([5, 6]), pa.array([5, 6])):
        taken = take_rows(column, order)
        assert type(taken) is type(column)
        assert list(np.asarray(taken)) == [6, 5]
    series = take_rows(pd.Series([5, 6], index=[8, 9], name="y"), order)
    pd.testing.assert_series_equal(series, pd.Series([6, 5], name="y"))


def test_tables_that_are_not_in_memory():
    dd = pytest.importorskip("dask.dataframe")
    lazy = dd.from_pandas(FRAME, npartitions=2)
    with pytest.raises(TypeError, match=r"X is a dask DataFrame, .* pass X\.compute\(\)"):
        as_pandas(lazy)
    with pytest.raises(TypeError, match=r"X is a polars LazyFrame, .* pass X\.collect\(\)"):
        as_pandas(TABLES["polars"].lazy())
    with pytest.raises(TypeError, match=r"X is a narwhals LazyFrame, .* pass X\.collect\(\)"):
        as_pandas(nw.from_native(lazy))
    with pytest.raises(ValueError, match="groups is a dask DataFrame"):
        check_in_memory(lazy, "groups", ValueError)
    check_in_memory(lazy.to_dask_array(), "X")
