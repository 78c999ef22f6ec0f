"""Labels of every container: read to the same values, or refused by name and position."""

from collections import deque
from datetime import date
from enum import Enum

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning

from hierseg_learn.utils.labels import (
    check_classes,
    check_known,
    check_labels,
    check_same_kind,
    check_truth,
    class_code,
)

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "array": np.array,
    "objects": lambda v: np.array(v, dtype=object),
    "column": lambda v: np.array(v)[:, np.newaxis],
    "list of rows": lambda v: [[item] for item in v],
    "masked": lambda v: np.ma.masked_array(v, mask=False),
    "Series": lambda v: pd.Series(v, index=range(7, 7 + len(v))),
    "objects in a Series": lambda v: pd.Series(v, dtype=object),
    "Index": pd.Index,
    "category": lambda v: pd.Series(v, dtype="category"),
    "Categorical": pd.Categorical,
    "nullable": lambda v: pd.Series(v).convert_dtypes(),
    "arrow": lambda v: pd.Series(v).convert_dtypes(dtype_backend="pyarrow"),
    "frame": lambda v: pd.DataFrame({"label": v}),
    "polars": pl.Series,
    "polars frame": lambda v: pl.DataFrame({"label": v}),
    "pyarrow": pa.array,
    "pyarrow chunks": lambda v: pa.chunked_array([v[:2], v[2:]]),
    "pyarrow table": lambda v: pa.table({"label": v}),
    "narwhals": lambda v: nw.from_native(pl.Series(v), series_only=True),
    "narwhals frame": lambda v: nw.from_native(pl.DataFrame({"label": v})),
}
VALUES = {
    "text": ["cat", "dog", "cat", "eel"],
    "int": [3, 1, 3, 2],
    "float": [3.0, 1.0, 3.0, 2.0],
    "bool": [True, False, True, True],
}
VALUES_OF_NUMPY = {
    "text": np.array(["cat", "dog"], dtype=object),
    "days": np.array(["2026-11-30", "2026-11-29"], dtype="datetime64[D]"),
    "nanoseconds": np.array([5, 7], dtype="datetime64[ns]"),
    "bytes": np.array([b"cat", b"dog"]),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_holds_the_same(container, values):
    read = check_labels(container(values), "y", 4)
    assert read.shape == (4,)
    assert read.tolist() == values
    classes, codes = np.unique(check_classes(container(values), "y"), return_inverse=True)
    assert classes[codes].tolist() == values


@pytest.mark.parametrize("values", VALUES_OF_NUMPY.values(), ids=VALUES_OF_NUMPY)
def test_arrays_stay_what_they_are(values):
    read = check_labels(values, "y")
    assert read.dtype == values.dtype
    assert (read == values).all()


MISSING = {
    "float": [0.0, np.nan, 1.0, np.nan],
    "float32": np.array([0.0, np.nan, 1.0, np.nan], dtype=np.float32),
    "text and NaN": ["a", np.nan, "b", float("nan")],
    "tuple": ("a", None, "b", None),
    "NA in a list": ["a", pd.NA, "b", pd.NA],
    "NaT in a list": [date(2026, 1, 1), pd.NaT, date(2026, 1, 1), np.datetime64("NaT")],
    "masked in a list": [1, np.ma.masked, 2, np.ma.masked],
    "rows": [["a"], [None], ["b"], [np.nan]],
    "objects": np.array(["a", None, "b", np.nan], dtype=object),
    "column of objects": np.array([["a"], [None], ["b"], [np.nan]], dtype=object),
    "masked": np.ma.masked_array([1, 2, 3, 4], mask=[0, 1, 0, 1]),
    "masked text": np.ma.masked_array(["a", "b", "c", "d"], mask=[0, 1, 0, 1]),
    "masked column": np.ma.masked_array([[1], [2], [3], [4]], mask=[[0], [1], [0], [1]]),
    "dates": np.array(["2026-01-01", "NaT", "2026-01-02", "NaT"], dtype="datetime64[s]"),
    "durations": np.array([1, "NaT", 2, "NaT"], dtype="timedelta64[s]"),
    "complex": np.array([1, np.nan, 2, np.nan], dtype=complex),
    "Series of objects": pd.Series(["a", None, "b", np.nan], dtype=object),
    "string": pd.Series(["a", None, "b", None], dtype="string"),
    "string[pyarrow]": pd.Series(["a", None, "b", None], dtype="string[pyarrow]"),
    "category": pd.Series(["a", None, "b", None], dtype="category"),
    "Categorical": pd.Categorical([1, None, 2, None]),
    "Int64": pd.Series([1, None, 2, None], dtype="Int64"),
    "Float64": pd.Series([1, None, 2, None], dtype="Float64"),
    "boolean": pd.Series([True, None, False, None], dtype="boolean"),
    "double[pyarrow]": pd.Series([1, None, 2, None], dtype="double[pyarrow]"),
    "date32[pyarrow]": pd.Series(pa.array([1, None, 2, None], pa.date32()).to_pandas()),
    "datetime Series": pd.Series(pd.to_datetime(["2026-01-01", None, "2026-01-02", None])),
    "with a zone": pd.Series(pd.to_datetime(["2026-01-01", None, "2026-01-02", None], utc=True)),
    "frame": pd.DataFrame({"g": ["a", None, "b", np.nan]}),
    "frame of Int64": pd.DataFrame({"g": pd.array([1, None, 2, None], dtype="Int64")}),
    "Index": pd.Index(["a", None, "b", np.nan]),
    "polars": pl.Series(["a", None, "b", None]),
    "polars floats": pl.Series([1.0, None, 2.0, float("nan")]),
    "polars categories": pl.Series(["a", None, "b", None], dtype=pl.Categorical),
    "polars frame": pl.DataFrame({"g": ["a", None, "b", None]}),
    "pyarrow": pa.array(["a", None, "b", None]),
    "pyarrow floats": pa.array([1.0, None, 2.0, float("nan")]),
    "pyarrow dictionary": pa.array(["a", None, "b", None]).dictionary_encode(),
    "pyarrow table": pa.table({"g": [1, None, 2, None]}),
    "narwhals": nw.from_native(pl.Series(["a", None, "b", None]), series_only=True),
}


@pytest.mark.parametrize("labels", MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named(labels):
    with pytest.raises(ValueError, match=r"^y has no value \(.*\) at positions 1, 3 \(2 of 4\); "):
        check_labels(labels, "y", 4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=12), st.sampled_from(["list", "Series"]))
def test_positions_are_right(missing, container):
    labels = CONTAINERS[container]([None if gone else "a" for gone in missing])
    where = np.flatnonzero(missing)
    if not len(where):
        assert check_labels(labels, "y").tolist() == ["a"] * len(missing)
        return
    with pytest.raises(ValueError, match=rf"at positions? {where[0]}\b") as caught:
        check_labels(labels, "y")
    if len(where) > 1:
        assert f"({len(where)} of {len(missing)})" in str(caught.value)


class Color(Enum):
    RED = 1


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (None, "got None; expected a list"),
        ("cat", "got the single text 'cat'"),
        (b"cat", "got the single text b'cat'"),
        (3, "got the single value 3"),
        (np.float64(3), "got the single value"),
        (np.array(3), r"got shape \(\)"),
        ({"a": 1}, "got a dict, whose items have no place"),
        ({"a", "b"}, "got a set, whose"),
        ({"a": 1}.keys(), "got a dict_keys, whose"),
        ({"a": 1}.values(), "got a dict_values, whose"),
        ((label for label in "ab"), "got a generator, whose"),
        ([], "expected at least one, got 0"),
        (pd.Series([], dtype=float), "expected at least one, got 0"),
        (np.zeros((3, 2)), r"one dimension, got shape \(3, 2\); pass one column"),
        (np.zeros((3, 1, 1)), r"got shape \(3, 1, 1\)"),
        ([[0, 1], [1, 0]], r"got shape \(2, 2\).*argmax"),
        ([[0, 1], [1]], "items are lists of unequal lengths"),
        ([[0], 1], "items are lists of unequal lengths"),
        (np.zeros(2, dtype=[("a", int)]), "of records"),
        (pd.DataFrame({"a": [1], "b": [2]}), "a table of 2 columns, 'a', 'b'; pass one of them"),
        (pd.DataFrame(index=range(3)), "a table of 0 columns"),
        (pl.DataFrame({"a": [1], "b": [2]}), "a table of 2 columns, 'a', 'b'"),
        (pa.table({"a": [1], "b": [2]}), "a table of 2 columns, 'a', 'b'"),
        (pl.LazyFrame({"a": [1]}), r"is a polars LazyFrame, which .* pass y\.collect\(\)"),
        (["a", 1, "b"], r"mixes text such as 'a' \(position 0\) with numbers such as 1 \(positi"),
        ([1, 2, "b"], r"numbers such as 1 \(position 0\) with text such as 'b' \(position 2\)"),
        (["a", b"a"], r"with bytes such as b'a' \(position 1\)"),
        ([True, "True"], r"numbers such as True .* with text such as 'True' \(position 1\)"),
        (pd.Series([date(2026, 1, 1), 3]), r"mixes dates such as .* with numbers such as 3 \(p"),
        (np.array(["a", 1], dtype=object), "mixes text"),
        ([Color.RED, 1], "mixes objects of type Color"),
    ],
)
def test_what_is_no_label_per_sample_gets_a_sentence(labels, sentence):
    with pytest.raises(ValueError, match=rf"^y .*{sentence}"):
        check_labels(labels, "y")


def test_dask_and_lengths():
    dd = pytest.importorskip("dask.dataframe")
    series = dd.from_pandas(pd.Series([1, 2, 1]), npartitions=1)
    with pytest.raises(ValueError, match=r"y is a dask Series, .* pass y\.compute\(\)"):
        check_labels(series, "y")
    with pytest.raises(ValueError, match=r"groups must hold one group .* expected 4, got 3"):
        check_labels([1, 2, 1], "groups", 4, noun="group")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0.5, 1.5, 2.5], "Unknown label type: continuous"),
        ([0.0, np.inf, 1.0], "y holds infinity at position 1"),
        ([date(2026, 1, 1)] * 3, "Unknown label type: y holds dates"),
        ([b"a", b"b"], "Unknown label type: y holds bytes"),
        ([Color.RED] * 2, "Unknown label type: y holds objects of type Color"),
    ],
)
def test_classes_are_text_or_whole_numbers(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_classes(labels, "y")


@pytest.mark.parametrize("container", ["column", "frame", "polars frame"])
def test_columns_warn_in_fit_only(container):
    column = CONTAINERS[container]([0, 1, 0, 1])
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        check_labels(column, "y", warn_of_column=True)
    check_labels(column, "y")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (["0", "1"], [0, 1]),
        ([0, 1], pd.Series(["0", "1"])),
        ([0.0, 1.0], np.array(["0.0", "1.0"])),
        ([True, False], ["True", "False"]),
        ([b"a", b"b"], ["a", "b"]),
        (np.array([1, 2], dtype="datetime64[D]"), [1, 2]),
        ([date(2026, 1, 1)] * 2, ["2026-01-01"] * 2),
    ],
)
def test_kinds_that_cannot_be_equal(a, b):
    for first, second in ((a, b), (b, a)):
        with pytest.raises(ValueError, match=r"y_true holds .* \(position 0\), but y_pred holds"):
            check_truth(first, second)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([0, 1], [0.0, 1.0]),
        ([True, False], [1, 0]),
        (np.array(["a", "b"]), pd.Series(["a", "b"], dtype="category")),
        (pd.Series([1, 2], dtype="Int64"), np.array([1, 2], dtype=np.uint8)),
        ([date(2026, 1, 1)] * 2, np.array(["2026-01-01"] * 2, dtype="datetime64[us]")),
    ],
)
def test_kinds_that_can_be_equal(a, b):
    check_truth(a, b)
    check_same_kind(check_labels(a, "y"), "y", check_labels(b, "y"), "these are")


def test_unknown_classes_are_named():
    classes = np.array(["ant", "bee"])
    check_known(np.array(["bee", "bee"]), "y", classes)
    with pytest.raises(ValueError, match=r"y holds 'eel' at positions 1, 3 \(2 of 4\), which"):
        check_known(np.array(["ant", "eel", "bee", "eel"]), "y", classes)
    with pytest.raises(ValueError, match=r"such as 'eel', .* at positions 0, 1, 2 and 1 more"):
        check_known(np.array(["eel", "cow", "dog", "fly"], dtype=object), "y", classes)
    with pytest.raises(ValueError, match="but the classes of the model are text such as 'ant'"):
        check_known(np.array([0, 1]), "y", classes)


def test_one_class_by_its_name():
    assert class_code(np.str_("bee"), "target", np.array(["ant", "bee"])) == 1
    assert class_code(1.0, "target", np.array([0, 1])) == 1
    days = np.array(["2026-11-29", "2026-11-30"], dtype="datetime64[ns]")
    assert class_code(days[1], "target", days) == 1
    for wrong in ("1", None, np.nan, pd.NA, [1], np.array([0, 1]), pd.Series([0, 1]), 7):
        with pytest.raises(ValueError, match=r"target must be one of the classes, \[0, 1\], got"):
            class_code(wrong, "target", np.array([0, 1]))
    with pytest.raises(ValueError, match=r"got '1' \(text; the classes are numbers\)"):
        class_code("1", "target", np.array([0, 1]))
