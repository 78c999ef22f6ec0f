"""Rows of a table are checked the same way, whether the quick way is taken or not."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

from hierseg_learn import HierarchicalMetricClassifier, SegmentedImages
from hierseg_learn.metrics import ShrinkageLDA
from hierseg_learn.table import RowBlocks
from hierseg_learn.table.checks import _has_columns_of_fit
from tests.toy_tables import toy_table

X, Y = toy_table()


@pytest.fixture(scope="module")
def model():
    return HierarchicalMetricClassifier(random_state=0).fit(X, Y)


def test_quick_way_is_for_the_very_table_of_fit_only(model):
    assert _has_columns_of_fit(model, X)
    assert _has_columns_of_fit(model, X.astype(np.float32))
    others = [
        X.to_numpy(),
        X.astype(object),
        X.assign(**{X.columns[0]: 1}),
        X[X.columns[::-1]],
        X[X.columns[1:]],
        X.iloc[0],
    ]
    assert not any(_has_columns_of_fit(model, other) for other in others)
    unnamed = HierarchicalMetricClassifier(random_state=0).fit(X.to_numpy(), Y)
    assert not _has_columns_of_fit(unnamed, X)


def test_both_ways_give_the_same(model):
    quick = model.predict_proba(X)
    slow = model.predict_proba(X.astype({X.columns[0]: object}))
    np.testing.assert_array_equal(quick, slow)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.where(table != table.iloc[0, 0]), "NaN"),
        (lambda table: table.iloc[:0], "minimum of 1 is required"),
        (lambda table: table[table.columns[::-1]], "same order as they were in fit"),
        (lambda table: table.rename(columns={table.columns[0]: "x|y"}), "unseen at fit time"),
    ],
)
def test_wrong_tables(model, change, message):
    with pytest.raises(ValueError, match=message):
        model.predict(change(pd.DataFrame(X)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e200, -1e151])
def test_huge_numbers_are_refused_by_all_that_takes_rows(model, value):
    column = X.columns[2]
    table = X.astype(np.float64)
    table.loc[table.index[3], column] = value
    row = table.iloc[[3]]
    calls = {
        "X": [
            lambda: clone(model).fit(table, Y),
            *(
                lambda name=name: getattr(model, name)(table)
                for name in ("predict", "predict_proba", "transform", "explain_predictions")
            ),
            lambda: model.predict(table.astype({column: object})),
            lambda: model.kneighbors(table),
            lambda: model.novelty_score(table),
            lambda: model.predict(RowBlocks(table)),
        ],
        "a": [lambda: model.explain_pair(row, X.iloc[0])],
        "x": [lambda: model.explain_prediction(row), lambda: model.explain_contrast(row)],
    }
    for name, asked in calls.items():
        said = rf"^{name} holds .*, column '{re.escape(column)}'; .* at most 1e\+150"
        for call in asked:
            with pytest.raises(ValueError, match=said):
                call()
    with pytest.raises(ValueError, match=r"in row 3, .*part of X that starts at row 0"):
        model.predict(RowBlocks(table))
    assert np.isfinite(model.predict_proba(table.replace(value, 1e150))).all()


ONE_ROW = {
    "array": lambda X: X.to_numpy()[0],
    "list": lambda X: X.to_numpy()[0].tolist(),
    "Series": lambda X: X.iloc[0],
}


@pytest.mark.parametrize("row", ONE_ROW.values(), ids=ONE_ROW)
@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "transform", "kneighbors", "explain_predictions"]
)
def test_one_row_without_its_second_axis(model, method, row):
    with pytest.raises(ValueError, match=r"X has one axis, .* Reshape your data: .*\[\[i\]\]"):
        getattr(model, method)(row(X))


@pytest.mark.parametrize(
    "row",
    [
        lambda i: X.iloc[i],
        lambda i: X.iloc[[i]],
        lambda i: X.to_numpy()[i],
        lambda i: X.to_numpy()[i].tolist(),
        lambda i: pl.from_pandas(X)[i],
        lambda i: pl.from_pandas(X).row(i),
        lambda i: pa.Table.from_pandas(X, preserve_index=False).slice(i, 1),
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_pair_of_rows_of_any_table(model, row):
    expected = model.explain_pair(X.iloc[[0]], X.iloc[[1]])
    np.testing.assert_array_equal(model.explain_pair(row(0), row(1)).direct, expected.direct)


IMAGES = SegmentedImages(np.zeros((2, 4, 3)), np.ones((2, 4, 3), dtype=np.uint8))
NO_ROWS = {
    "item": IMAGES[0],
    "collection": IMAGES[[0]],
    "image": np.zeros((4, 3)),
    "color image": np.zeros((4, 3, 3)),
    "path": "photo.png",
    "number": 3,
    "dict": X.iloc[0].to_dict(),
}


@pytest.mark.parametrize("row", NO_ROWS.values(), ids=NO_ROWS)
def test_images_in_the_place_of_rows(model, row):
    with pytest.raises((TypeError, ValueError), match=r"a must be one row .*\[:-1\]\.transform"):
        model.explain_pair(row, X.iloc[0])


@pytest.mark.parametrize("given", [IMAGES, [np.zeros((4, 3))] * 2, np.zeros((2, 4, 3))])
def test_images_in_the_place_of_tables(model, given):
    for call in (lambda: model.predict(given), lambda: clone(model).fit(given, [0, 1])):
        with pytest.raises(TypeError, match=r"X must be a table, got .*SegmentTreeTransformer"):
            call()


def test_tables_that_are_not_in_memory(model):
    dd = pytest.importorskip("dask.dataframe")
    lazy = dd.from_pandas(X, npartitions=2)
    calls = [
        lambda: ShrinkageLDA().fit(lazy, Y),
        lambda: model.kneighbors(lazy),
        lambda: model.explain_model(lazy, Y),
        lambda: model.score(pl.from_pandas(X).lazy(), Y),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"X is a \w+ \w+, .* pass X\.co\w+\(\)"):
            call()


def test_score_and_explain_model_know_the_kind_of_the_classes(model):
    text = np.asarray(Y).astype(str)
    wrong = text if np.asarray(Y).dtype.kind in "biuf" else np.zeros(len(Y))
    for ask in (model.score, model.explain_model):
        with pytest.raises(ValueError, match=r"y holds .* but the classes of the model are"):
            ask(X, wrong)
        with pytest.raises(ValueError, match=r"y has no value .* at position 1"):
            ask(X.iloc[:2], [np.asarray(Y).tolist()[0], None])
    assert model.score(X, pd.Series(Y, dtype="category")) == model.score(X, Y)
    weights = np.zeros(len(Y))
    weights[3] = 1.0
    assert model.score(X, Y, sample_weight=weights) == (model.predict(X)[3] == Y[3])
