"""Tables that are read block by block: where they are cut, and in what order results are joined."""

import weakref
from functools import reduce

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import cross_val_score

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.table import RowBlocks, blocks
from hierseg_learn.table.blocks import FAN_IN, is_in_blocks

X = pd.DataFrame(np.arange(60.0).reshape(20, 3), columns=["t/a|x", "t/a|y", "t|x"])


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 4)


class Stored:
    """A table in parts of any size, as one in a folder."""

    def __init__(self, frame, sizes):
        stops = np.cumsum(sizes)
        self.frame, self.columns, self.dtype = frame, tuple(frame.columns), np.dtype(float)
        self.block_slices = tuple(map(slice, stops - np.array(sizes), stops))
        self.ids, self.y, self.remark = frame.index.to_numpy(), None, ""

    def read_block(self, number):
        return self.frame.to_numpy()[self.block_slices[number]]


def seen(table, n_rows=20, **params):
    """What a function of the blocks gets."""
    found = table.reduce(
        lambda rows, start, own: [(rows.tolist(), start, own.tolist())],
        np.arange(n_rows),
        lambda parts: [one for part in parts for one in part],
        **params,
    )
    return found


def test_blocks_are_at_the_same_places_for_all_parts():
    whole = RowBlocks(X)
    assert whole.shape == (20, 3)
    assert whole.n_blocks == 5
    expected = seen(whole)
    assert [start for _, start, _ in expected] == [0, 4, 8, 12, 16]
    assert expected[2] == (X.to_numpy()[8:12].tolist(), 8, [8, 9, 10, 11])
    for sizes in ([20], [4] * 5, [0, 3, 0, 9, 1, 7, 0], [1] * 20):
        table = Stored(X, sizes)
        assert is_in_blocks(table)
        assert seen(RowBlocks(table)) == expected
        assert seen(RowBlocks(table), n_jobs=2) == expected
    assert seen(RowBlocks(X.to_numpy()), n_jobs=2) == expected


@pytest.mark.parametrize("n_blocks", [1, 2, FAN_IN, FAN_IN + 1, 3 * FAN_IN, FAN_IN**2 + 3])
def test_results_are_joined_level_by_level(n_blocks):
    level = [str(i) for i in range(n_blocks)]
    while len(level) > 1:
        level = [joined(level[i : i + FAN_IN]) for i in range(0, len(level), FAN_IN)]
    rows = np.zeros((4 * n_blocks, 1))
    found = RowBlocks(rows).reduce(
        lambda rows, start, own: str(start // 4),
        np.arange(len(rows)),
        joined,
    )
    assert found == level[0]


def joined(group):
    """One after the other, with brackets for the order."""
    return reduce(lambda one, other: f"({one} {other})", group)


def test_of_every_level_one_result_is_held():
    held, most = weakref.WeakSet(), 0

    class Sum:
        def __init__(self):
            nonlocal most
            held.add(self)
            most = max(most, len(held))

    n_blocks = FAN_IN**2 + 3
    RowBlocks(np.zeros((4 * n_blocks, 1))).reduce(
        lambda *block: Sum(), np.arange(4 * n_blocks), lambda group: Sum()
    )
    # joined, those two, and what joblib holds
    assert most < FAN_IN


def test_it_is_not_cut_by_rows():
    y = np.arange(20) % 2
    for table in (RowBlocks(X), RowBlocks(Stored(X, [20]))):
        assert len(table) == 20
        with pytest.raises(TypeError, match="RowBlocks is read block by block and gives no rows"):
            cross_val_score(HierarchicalMetricClassifier(), table, y, cv=2)


def test_rows_by_their_places():
    table = RowBlocks(Stored(X, [3, 9, 0, 8]))
    assert_array_equal(table.take(np.array([17, 2, 3, 4])), X.to_numpy()[[17, 2, 3, 4]])
    assert [len(rows) for rows in table.map(lambda rows: rows)] == [3, 9, 8]
    first = next(table.map(lambda rows: rows))
    assert list(first.columns) == list(X.columns)
    assert first.index.to_list() == [0, 1, 2]


def test_single_precision_stays():
    assert RowBlocks(X.astype(np.float32)).dtype == np.float32
    assert RowBlocks(X.astype({"t|x": np.float32})).dtype == np.float64
    assert RowBlocks(X.astype(int)).first_rows().dtype == np.float64


def test_a_late_number_that_is_missing_is_named():
    wrong = X.copy()
    wrong.iloc[14, 1] = np.nan
    expected = r"NaN in block 3, row 2 of it \(row 14 of the table\), column 't/a\|y'"
    with pytest.raises(ValueError, match=expected):
        seen(RowBlocks(wrong))
    with pytest.raises(ValueError, match=r"NaN in block 1, row 11 of it \(row 14 of"):
        seen(RowBlocks(Stored(wrong, [3, 17])))
    wrong.iloc[14, 1] = -np.inf
    with pytest.raises(ValueError, match="contains infinity in block 3"):
        list(RowBlocks(wrong).map(len))
    huge = pd.DataFrame(np.full((8, 2), 1e308), columns=["a", "b"])
    assert len(seen(RowBlocks(huge), 8)) == 2


def test_classes_of_all_rows():
    assert_array_equal(RowBlocks(X).labels(np.arange(20) % 2), np.arange(20) % 2)
    table = Stored(X, [20])
    with pytest.raises(ValueError, match="y must hold one class per sample, got None"):
        RowBlocks(table).labels(None)
    table.y = np.arange(20) % 3
    assert_array_equal(RowBlocks(table).labels(None), table.y)
    with pytest.raises(ValueError, match="expected 20, got 19"):
        RowBlocks(X).labels(np.zeros(19))
    with pytest.raises(ValueError, match=r"X has 0 row\(s\) in all its parts"):
        RowBlocks(Stored(X[:0], [0, 0])).labels([])
    with pytest.raises(ValueError, match="no rows in any of its parts"):
        next(RowBlocks(Stored(X[:0], [0, 0])).map(len))


def test_what_is_no_table_of_numbers():
    with pytest.raises(TypeError, match="X must hold numbers, got a column of dtype"):
        RowBlocks(X.assign(text="a"))
    with pytest.raises(ValueError, match=r"X must be a table with columns, got shape \(3,\)"):
        RowBlocks(np.zeros(3))


def test_partitions():
    dask = pytest.importorskip("dask")
    dd = pytest.importorskip("dask.dataframe")
    expected = seen(RowBlocks(X))
    frame = dd.from_pandas(X, npartitions=3)
    assert is_in_blocks(frame)
    assert seen(RowBlocks(frame)) == expected
    assert seen(RowBlocks(frame.clear_divisions())) == expected
    assert_array_equal(RowBlocks(frame).take(np.array([19, 0])), X.to_numpy()[[19, 0]])

    def of_parts(*parts):
        lazy = [dask.delayed(part) for part in parts]
        return RowBlocks(dd.from_delayed(lazy, meta=X[:0], verify_meta=False))

    assert seen(of_parts(X[:0], X[:9], X[9:9], X[9:])) == expected
    assert seen(of_parts(X[:9], X[9:][X.columns[::-1]])) == expected
    with pytest.raises(ValueError, match="partition 1 of X has the unexpected column 'z'"):
        seen(of_parts(X[:9], X[9:].rename(columns={"t|x": "z"})))
    with pytest.raises(ValueError, match="partition 1 of X holds what is no number"):
        seen(of_parts(X[:9], X[9:].astype(object).replace(30.0, "thirty")))
    with pytest.raises(ValueError, match="columns with names that differ"):
        RowBlocks(dd.from_pandas(X[[]], npartitions=1))


def test_classes_in_partitions():
    dd = pytest.importorskip("dask.dataframe")
    y = pd.Series(np.arange(20) % 2)
    frame, lazy = dd.from_pandas(X, npartitions=3), dd.from_pandas(y, npartitions=3)
    assert_array_equal(RowBlocks(frame).labels(lazy), y)
    assert_array_equal(RowBlocks(frame).labels(lazy.repartition(npartitions=1)), y)
    assert_array_equal(RowBlocks(frame).labels(lazy.to_dask_array(lengths=True)), y)
    table = RowBlocks(frame)
    table.labels(lazy[lazy == 1])
    with pytest.raises(ValueError, match="partition 0 of X has 7 rows, expected 3"):
        seen(table)
