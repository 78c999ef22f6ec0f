"""The reader of stored tables, and its folder."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.table import StoredTable, open_table
from hierseg_learn.table.folder import Head, Inputs, TableFolder

COLUMNS = ("photo/sky|presence", "photo/sky|mean", "photo|presence")
Y = {
    "int64": [3, 1, 2, 7, 5],
    "float64": [0.5, 1 / 3, 2.0, -1.0, 0.1],
    "bool": [True, False, True, True, False],
    "text": ["a", "ü", "", "b/c", "a"],
    None: None,
}


@pytest.fixture(params=["parquet", "npy"])
def layout(request):
    if request.param == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return request.param


def rows():
    return np.arange(15, dtype=np.float32).reshape(5, 3) / 7


def write(path, layout="npy", y_kind="text", ids=("a", "b", "c", "d", "e"), **changes):
    """A table of five rows in blocks of two, of which the third row is left out."""
    head = Head(
        columns=COLUMNS,
        dtype="float32",
        layout=layout,
        n_inputs=5,
        block_size=2,
        id_kind="text" if isinstance(ids[0], str) else "integers",
        y_kind=y_kind,
        settings={"erosion": ("0", "digest")},
        **changes,
    )
    folder, y = TableFolder.create(path, head), Y[y_kind]
    for k in range(head.n_blocks):
        here = head.inputs(k)
        skipped = [(2, ids[2], "no photo")] if k == 1 else []
        inputs = Inputs(list(ids[here]), None if y is None else y[here])
        folder.write(
            k, np.delete(rows()[here], [0] if k == 1 else [], axis=0), inputs, skipped=skipped
        )
    return folder


@pytest.mark.parametrize("y_kind", Y)
def test_what_is_written_is_read(tmp_path, layout, y_kind):
    write(tmp_path / "t", layout, y_kind, remark="by a network")
    table = open_table(tmp_path / "t")
    assert (table.path, table.columns, table.shape, len(table)) == (
        tmp_path / "t",
        COLUMNS,
        (4, 3),
        4,
    )
    assert (table.dtype, table.n_blocks) == (np.float32, 3)
    assert table.block_slices == (slice(0, 2), slice(2, 3), slice(3, 4))
    np.testing.assert_array_equal(np.concatenate(list(table.blocks())), rows()[[0, 1, 3, 4]])
    assert all(block.flags.c_contiguous and block.dtype == np.float32 for block in table.blocks())
    assert table.ids.tolist() == ["a", "b", "d", "e"]
    assert table.positions.tolist() == [0, 1, 3, 4]
    assert table.skipped.to_dict("list") == {"position": [2], "id": ["c"], "error": ["no photo"]}
    if y_kind is None:
        assert table.y is None
    else:
        assert table.y.dtype == (object if y_kind == "text" else y_kind)
        assert table.y.tolist() == [Y[y_kind][i] for i in (0, 1, 3, 4)]
    frame = table.to_pandas()
    assert (frame.index.to_list(), frame.index.name) == (["a", "b", "d", "e"], "id")
    assert frame.attrs == {"remark": "by a network"} == table.read_frame(1).attrs
    pd.testing.assert_frame_equal(frame.iloc[2:3], table.read_frame(1))
    same = pickle.loads(pickle.dumps(table))
    assert (same.columns, same.shape, same.y is None) == (
        table.columns,
        table.shape,
        table.y is None,
    )
    np.testing.assert_array_equal(same.read_block(2), table.read_block(2))
    assert "n_rows=4, n_columns=3, n_blocks=3" in repr(table)


def test_arrays_are_mapped_and_cannot_be_written(tmp_path):
    write(tmp_path / "t")
    block = open_table(tmp_path / "t").read_block(0)
    assert isinstance(block, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        block[0, 0] = 1


@pytest.mark.parametrize("ids", ["abcde", range(5)])
def test_pandas_reads_parquet(tmp_path, ids):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    write(tmp_path / "t", "parquet", "bool", list(ids))
    frame = pd.read_parquet(tmp_path / "t")
    assert frame.columns.to_list() == [*COLUMNS, "position", "y"]
    assert frame.index.to_list() == [list(ids)[i] for i in (0, 1, 3, 4)]
    np.testing.assert_array_equal(frame[list(COLUMNS)], rows()[[0, 1, 3, 4]])
    assert frame["y"].to_list() == [True, False, True, False]


def test_dask_has_a_partition_per_block(tmp_path, layout):
    pytest.importorskip("dask.dataframe", reason="dask is not installed")
    write(tmp_path / "t", layout)
    table = open_table(tmp_path / "t")
    frame, y = table.to_dask(return_X_y=True)
    assert frame.npartitions == y.npartitions == table.n_blocks
    assert tuple(frame.columns) == COLUMNS
    with_scheduler = {"scheduler": "synchronous"}
    found = frame.compute(**with_scheduler)
    np.testing.assert_array_equal(found, table.to_pandas())
    assert set(found.dtypes) == {np.dtype(np.float32)}
    assert found.index.to_list() == table.ids.tolist()
    assert y.compute(**with_scheduler).to_list() == table.y.tolist()
    assert len(table.to_dask().get_partition(1).compute(**with_scheduler)) == 1
    write(tmp_path / "u", layout, None)
    with pytest.raises(ValueError, match=r"return_X_y=True, but the table in .* has no y"):
        open_table(tmp_path / "u").to_dask(return_X_y=True)


def test_it_is_not_in_memory(tmp_path):
    write(tmp_path / "t")
    table = open_table(tmp_path / "t")
    with pytest.raises(TypeError, match=r"StoredTable is not in memory; use to_pandas\(\)"):
        np.asarray(table)
    with pytest.raises(TypeError, match="not in memory"):
        PCA().fit(table)
    with pytest.raises(TypeError, match=r"StoredTable is read block by block .*to_pandas\(\)"):
        cross_val_score(HierarchicalMetricClassifier(), table, [0, 1, 0, 1], cv=2)


def test_it_is_found_from_another_working_directory(tmp_path, monkeypatch):
    write(tmp_path / "t")
    monkeypatch.chdir(tmp_path)
    table = open_table("t")
    monkeypatch.chdir("/")
    assert table.path == tmp_path / "t"
    assert pickle.loads(pickle.dumps(table)).read_block(0).shape == (2, 3)


@pytest.mark.parametrize("k", [-1, 3])
def test_there_is_no_such_block(tmp_path, k):
    write(tmp_path / "t")
    with pytest.raises(ValueError, match=rf"k must lie in \[0, 3\), the number of blocks, got {k}"):
        open_table(tmp_path / "t").read_block(k)


@pytest.mark.parametrize("path", [None, 3, b"t"])
def test_what_is_no_path_is_said(path):
    with pytest.raises(TypeError, match="path must be a str or a path, got"):
        open_table(path)


def test_what_is_no_table_is_said(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match=r"path='.*' holds no table; expected a folder"):
            open_table(path)


def edit(file, change):
    state = json.loads(file.read_text())
    change(state)
    file.write_text(json.dumps(state))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.update(format=99), "another version of hierseg_learn wrote it"),
        (lambda state: state.pop("columns"), "columns"),
        (lambda state: state.update(taste="sweet"), "taste"),
        (lambda state: state["columns"].reverse(), "its checksum is not the one recorded"),
        (lambda state: state.update(n_inputs=state["n_inputs"] - 1), "its checksum is not the one"),
        (lambda state: state.update(remark="x"), "its checksum is not the one recorded; delete"),
        (lambda state: state.pop("checksum"), "checksum"),
    ],
)
def test_a_damaged_head_is_said(tmp_path, change, said):
    write(tmp_path / "t")
    edit(tmp_path / "t" / "_table.json", change)
    with pytest.raises(ValueError, match=rf"_table.json' is damaged, or no table's: .*{said}"):
        open_table(tmp_path / "t")


@pytest.mark.parametrize(
    "name", ["block-000001.npy", "_blocks/000001.json", "_blocks/000001.inputs.json"]
)
def test_a_missing_file_is_said(tmp_path, name):
    write(tmp_path / "t")
    (tmp_path / "t" / name).unlink()
    with pytest.raises(ValueError, match=r"holds 2 of 3 blocks; block 1 is (damaged|missing)\."):
        open_table(tmp_path / "t")


def test_a_damaged_block_is_said(tmp_path, layout):
    folder = write(tmp_path / "t", layout)
    file = folder.file(0)
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(ValueError, match=rf"block-000000.{layout}' cannot be read: ") as said:
        open_table(tmp_path / "t").read_block(0)
    assert "delete it, and call describe_to again" in str(said.value)
    assert "pickle" not in str(said.value)
    other = folder.file(2).read_bytes()
    edit(tmp_path / "t" / "_blocks" / "000000.json", lambda state: state.update(n_bytes=len(other)))
    file.write_bytes(other)
    with pytest.raises(
        ValueError, match=r"holds an array of shape \(1, 3\) and dtype float32; expected"
    ):
        open_table(tmp_path / "t").read_block(0)


# the last is another class
@pytest.mark.parametrize("change", [lambda text: "{", lambda text: text.replace("ü", "u")])
def test_damaged_inputs_are_said(tmp_path, change):
    write(tmp_path / "t")
    file = tmp_path / "t" / "_blocks" / "000000.inputs.json"
    file.write_text(change(json.dumps(json.loads(file.read_text()), ensure_ascii=False)))
    table = open_table(tmp_path / "t")
    assert isinstance(table, StoredTable)
    for read in (lambda: table.ids, lambda: table.y):
        with pytest.raises(
            ValueError, match=r"000000.inputs.json' is damaged: .* call describe_to again"
        ):
            read()


def test_other_columns_are_said(tmp_path):
    head = write(tmp_path / "t").head
    other = Head(**vars(head) | {"columns": ("a", "b", "c")})
    with pytest.raises(ValueError, match="holds another table: its columns differ"):
        TableFolder.create(tmp_path / "t", other)


def test_a_flipped_bit_is_seen(tmp_path, layout):
    folder = write(tmp_path / "t", layout, None)
    # the largest number, which no compression hides
    content = bytearray(folder.file(0).read_bytes())
    place = bytes(content).index(rows()[1, 2].tobytes())
    content[place] ^= 1
    folder.file(0).write_bytes(content)
    table = open_table(tmp_path / "t")
    assert table.read_block(1).shape == (1, 3)
    for read in (lambda: table.read_block(0), table.to_pandas, lambda: list(table.blocks())):
        with pytest.raises(ValueError, match=r"block-000000\..* is damaged|cannot be read"):
            read()
