"""Rows of a table are checked the same way, whether the quick way is taken or not."""

import numpy as np
import pandas as pd
import pytest

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn._table import _has_columns_of_fit
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
