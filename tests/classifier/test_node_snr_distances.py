"""Signal-to-noise distances by node: the definition, both directions, and where there is none."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.classifier import node_snr_distances
from tests.toy_tables import toy_table


@pytest.fixture(scope="module")
def model():
    X, y = toy_table(n_classes=4)
    return X, HierarchicalMetricClassifier(random_state=0).fit(X, y)


def test_definition(model):
    X, model = model
    a, b = X.iloc[0], X.iloc[1]
    frame = node_snr_distances(model, a, b)
    assert frame.index.tolist() == list(model.tree_.paths)
    center = model.prototypes_.mean(axis=0)
    n_checked = 0
    for node, row in enumerate(frame.itertuples()):
        L = model.node_components(node)
        assert row.n_components == len(L)
        if row.defined:
            q, x = L @ (a.to_numpy() - center), L @ (b.to_numpy() - center)
            assert_allclose(row.snr_ab, np.var(q - x) / np.var(q), rtol=1e-6)
            assert_allclose(row.snr_ba, np.var(x - q) / np.var(x), rtol=1e-6)
            assert row.reason == ""
            n_checked += 1
        else:
            assert np.isnan([row.snr_ab, row.snr_ba]).all()
            assert row.reason
    assert n_checked >= 3


def test_both_ways(model):
    X, model = model
    there = node_snr_distances(model, X.iloc[[0]], X.iloc[[1]])
    back = node_snr_distances(model, X.iloc[[1]], X.iloc[[0]])
    assert_allclose(there["snr_ab"], back["snr_ba"])
    same = node_snr_distances(model, X.iloc[0], X.iloc[0])
    assert_allclose(same.loc[same["defined"], "snr_ab"], 0, atol=1e-12)
    mean = pd.DataFrame(model.prototypes_.mean(axis=0)[None], columns=X.columns)
    far = node_snr_distances(model, X.iloc[[0]], mean)
    clear = far["reason"] == "no signal"
    assert clear.any()
    assert_allclose(far.loc[clear, "snr_ab"], 1)
    assert far.loc[clear, "snr_ba"].isna().all()
    assert far.loc[clear, "defined"].all()


def test_absent_parts(model):
    X, model = model
    row = X.iloc[[0]].copy()
    row["photo/sky|presence"] = 0.0
    frame = node_snr_distances(model, row, X.iloc[[1]])
    assert frame.loc["photo/sky", "reason"] == "absent"
    assert not frame.loc["photo/sky", "defined"]
    assert frame.loc["photo", "reason"] != "absent"


def test_single_components_have_no_variance():
    X, y = toy_table(n_classes=2)
    model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    frame = node_snr_distances(model, X.iloc[0], X.iloc[1])
    single = frame["n_components"] == 1
    assert single.any()
    assert (frame.loc[single, "reason"] == "fewer than 2 components").all()
    assert not frame.loc[single, "defined"].any()


def test_arrays_and_wrong_rows(model):
    X, named = model
    frame = node_snr_distances(named, X.iloc[0], X.iloc[1])
    y = named.classes_[named._codes]
    flat = HierarchicalMetricClassifier(random_state=0).fit(X.to_numpy(), y)
    assert node_snr_distances(flat, X.to_numpy()[0], X.to_numpy()[1]).index.tolist() == ["table"]
    assert len(frame) == named.tree_.n_nodes
    with pytest.raises(ValueError, match="b must be one row of a table, got DataFrame of shape"):
        node_snr_distances(named, X.iloc[[0]], X.iloc[[0, 1]])
