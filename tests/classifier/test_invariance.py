"""Invariance of a model: order, names, memory layout, the other rows of a query."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import NCA, TripletMargin
from tests.tables import named_table

MODELS = {
    "projection": {},
    "weighted": {"combination": "weighted", "weights": "distance"},
    "scatter": {"combination": "scatter", "n_neighbors": 1},
    "nca": {"node_metric": NCA(max_iter=6)},
    "triplet": {"node_metric": TripletMargin(max_iter=6), "n_components": 3},
    "prototypes": {"decision": "prototypes"},
    "linear": {"decision": "linear"},
    "linear scatter": {"decision": "linear", "combination": "scatter"},
    "logistic": {"decision": "linear", "combination": "logistic"},
}
each_model = pytest.mark.parametrize("params", MODELS.values(), ids=MODELS)


def missing_parts(n_samples=80, seed=0):
    """A table in which half of the rows lack a part, and whole numbers make ties; new rows; y."""
    X, y = named_table(n_samples + 20, seed=seed, signal=1.0)
    X = X.round(1)
    lacks = np.random.default_rng(seed).random(len(X)) < 0.5
    part = [name for name in X.columns if name.startswith(X.columns[-1].partition("|")[0])]
    X.loc[lacks, part] = 0.25
    return X[:n_samples], y[:n_samples], X[n_samples:]


def fitted(X, y, params):
    return HierarchicalMetricClassifier(random_state=0, **params).fit(X, y)


def assert_same(found, expected, new, rename=None):
    """Everything that is fitted, to the bit, and what is said about new rows."""
    names = list(expected.feature_names_in_)
    columns = [list(found.feature_names_in_).index(name) for name in names]
    assert_array_equal(found.components_[:, columns], expected.components_)
    for attribute in ("node_scores_", "node_outcomes_"):
        of_nodes = getattr(found, attribute)[getattr(expected, attribute).index]
        pd.testing.assert_series_equal(of_nodes, getattr(expected, attribute))
    order = np.arange(len(expected.classes_)) if rename is None else rename
    assert_array_equal(found.prototypes_[order][:, columns], expected.prototypes_)
    rows = new[list(found.feature_names_in_)]
    assert_allclose(found.predict_proba(rows)[:, order], expected.predict_proba(new), atol=1e-12)
    winners = found.predict_proba(rows)[:, order].argmax(axis=1)
    assert_array_equal(winners, expected.predict_proba(new).argmax(axis=1))
    direct = [
        model.explain_predictions(table).total[:, -1]
        for model, table in ((found, rows), (expected, new))
    ]
    assert_allclose(*direct, rtol=1e-8, atol=1e-10)


@each_model
def test_the_order_of_rows(params):
    X, y, new = missing_parts()
    expected = fitted(X, y, params)
    order = np.random.default_rng(1).permutation(len(X))
    for rows in (order, np.argsort(y, kind="stable"), np.argsort(-y, kind="stable")):
        assert_same(fitted(X.iloc[rows], y[rows], params), expected, new)


@each_model
def test_the_order_of_named_columns(params):
    X, y, new = missing_parts()
    order = np.random.default_rng(1).permutation(X.shape[1])
    assert_same(fitted(X.iloc[:, order], y, params), fitted(X, y, params), new)


@each_model
def test_names_of_classes(params):
    X, y, new = missing_parts()
    names = np.array(["c", "a", "b"])
    # class 0 is called c, and c is the last of the names
    assert_same(fitted(X, names[y], params), fitted(X, y, params), new, rename=[2, 0, 1])


@each_model
def test_memory_order(params):
    X, y, new = missing_parts()
    X, new = X.to_numpy(), new.to_numpy()
    tree = {"t": {"a": [0, 1, 2], "b": [3, 4, 5], "c": list(range(6, X.shape[1]))}}
    expected = fitted(X, y, {**params, "tree": tree})
    read_only = X.copy()
    read_only.flags.writeable = False
    for table in (
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        X[::-1].copy()[::-1],
        read_only,
    ):
        found = fitted(table, y, {**params, "tree": tree})
        assert_array_equal(found.components_, expected.components_)
        assert_array_equal(found.node_scores_, expected.node_scores_)
        assert_array_equal(found.predict_proba(np.asfortranarray(new)), expected.predict_proba(new))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.sampled_from(["uniform", "distance"]))
def test_a_row_gets_one_class_alone_in_a_batch_and_anywhere(seed, n_neighbors, weights):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 3, (40, 4)).astype(float), rng.permutation(np.arange(40) % 3)
    params = {"n_neighbors": n_neighbors, "weights": weights}
    model, new = fitted(X, y, params), rng.integers(0, 3, (60, 4)).astype(float)
    together = model.predict(new)
    assert_array_equal([model.predict(row[None])[0] for row in new], together)
    assert_array_equal(model.predict(new[::-1])[::-1], together)
    assert_array_equal(model.predict(np.concatenate([new] * 5))[120:180], together)
    order = rng.permutation(40)
    assert_array_equal(fitted(X[order], y[order], params).predict(new), together)
    votes = [model.explain_prediction(row).prediction for row in new[:5]]
    assert_array_equal(votes, together[:5])


def test_all_who_tie_vote_and_explanations_say_so():
    X = np.zeros((300, 2))
    X[:, 1] = np.arange(300) // 290
    y = np.r_[np.zeros(60, int), np.ones(230, int), np.zeros(10, int)]
    order = np.random.default_rng(0).permutation(300)
    for rows in (order, np.argsort(y)):
        model = HierarchicalMetricClassifier(n_neighbors=7).fit(X[rows], y[rows])
        explanation = model.explain_prediction([0.0, 0.1])
        assert 90 < len(explanation.neighbors) <= 101
        votes = explanation.votes.groupby("neighbor_class")["weight"].sum()
        assert_allclose(votes, [60 / 290, 230 / 290])
        assert_allclose(explanation.calibration.proba([votes])[0], explanation.proba)
        assert explanation.squared_distance == pytest.approx(
            model.kneighbors([[0.0, 0.1]])[0][0, 0] ** 2
        )
    batch = model.explain_predictions([[0.0, 0.1], [0.0, 1.0]])
    assert (len(batch[0].neighbors), len(batch[1].neighbors)) == (len(explanation.neighbors), 10)
    assert_allclose(batch[0].direct, explanation.direct)


def test_scores_of_nodes_that_say_nothing_are_the_majority():
    rng = np.random.default_rng(0)
    y = np.r_[np.zeros(120, int), np.ones(30, int)]
    X = pd.DataFrame(
        {"t/a|v": y + rng.standard_normal(150), "t/b|v": (np.arange(150) % 3 == 0) * 1.0}
    )
    for order in (np.arange(150), np.argsort(-y), rng.permutation(150)):
        model = clone(HierarchicalMetricClassifier(random_state=0)).fit(X.iloc[order], y[order])
        assert model.node_scores_["t/b"] == pytest.approx(0.8)
