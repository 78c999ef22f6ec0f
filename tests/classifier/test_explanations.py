"""Explanations of the classifier: they add up to the distances that predict used, exactly."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.metrics import sum_below
from tests.strategies import segment_trees
from tests.tables import named_table, tree_table

TOLERANCE = 1e-6


def inverse_square(distances):
    return 1 / (1 + distances**2)


def assert_adds_up(direct, squared):
    """Contributions, (n_pairs, n_nodes), sum to the distances within 1e-6 of their sizes."""
    assert (np.abs(direct.sum(axis=1) - squared) <= TOLERANCE * np.abs(direct).sum(axis=1)).all()


def assert_adds_up_at_every_level(tree, direct, squared):
    total, above = sum_below(tree, direct), 0.0
    sizes = np.abs(direct).sum(axis=1)
    for level in tree.levels():
        reached = above + total[:, level].sum(axis=1)
        assert (np.abs(reached - squared) <= TOLERANCE * sizes).all()
        above = above + direct[:, level].sum(axis=1)


@pytest.mark.parametrize("combination", ["projection", "weighted", "scatter"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tree=segment_trees(max_leaves=6, any_order=True),
    random=st.randoms(use_true_random=False),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_contributions_sum_to_the_distances_that_predict_used(combination, tree, random, dtype):
    X, y = tree_table(tree, random)
    X = X.astype(dtype)
    model = HierarchicalMetricClassifier(combination=combination, random_state=0).fit(X, y)
    assert set(model.tree_.paths) == set(tree.paths)
    new = X.sample(10, random_state=0) + X.std().astype(dtype)
    distances, indices = model.kneighbors(new, n_neighbors=20)
    rows = np.repeat(new.to_numpy(), 20, axis=0)
    direct = model.pair_contributions(np.stack([rows, X.to_numpy()[indices.ravel()]], axis=1))
    assert_adds_up(direct, distances.ravel() ** 2)
    assert_adds_up_at_every_level(model.tree_, direct, distances.ravel() ** 2)
    if combination == "weighted":
        assert (direct >= -1e-9 * np.abs(direct).sum(axis=1, keepdims=True)).all()
    # what the public explanation says
    for i in range(3):
        for place in (0, 19):
            pair = model.explain_pair(new.iloc[i], X.iloc[indices[i, place]], by="nodes")
            assert_allclose(pair.direct, direct[20 * i + place], rtol=1e-9, atol=1e-12)
            sizes = np.abs(pair.direct).sum()
            assert abs(pair.squared_distance - distances[i, place] ** 2) <= TOLERANCE * sizes
            assert_adds_up_at_every_level(
                pair.tree, pair.direct[None], np.array([pair.squared_distance])
            )


@pytest.fixture(scope="module")
def table():
    X, y = named_table(120, signal=1.5)
    return X[:100], y[:100], X[100:]


@pytest.mark.parametrize("combination", ["projection", "weighted", "scatter"])
@pytest.mark.parametrize("weights", ["uniform", "distance", inverse_square])
def test_a_prediction_is_the_weighted_mean_over_those_who_vote(combination, weights, table):
    X, y, new = table
    model = HierarchicalMetricClassifier(
        combination=combination, weights=weights, n_neighbors=7, random_state=0
    ).fit(X, y)
    distances, indices = model.kneighbors(new)
    proba = model.predict_proba(new)
    for i in range(len(new)):
        found = model.explain_prediction(new.iloc[i])
        assert found.neighbors.tolist() == indices[i].tolist()
        np.testing.assert_array_equal(found.neighbor_classes, y[indices[i]])
        assert_allclose(found.squared_distances, distances[i] ** 2, rtol=1e-6)
        vote = {"uniform": np.ones(7), "distance": 1 / distances[i]}.get(weights)
        vote = inverse_square(distances[i]) if vote is None else vote
        mean = np.average(distances[i] ** 2, weights=vote)
        assert abs(found.direct.sum() - mean) <= TOLERANCE * np.abs(found.direct).sum()
        assert_allclose(found.squared_distance, mean, rtol=1e-6)
        assert_allclose(found.proba, proba[i])
        assert found.prediction == model.classes_[proba[i].argmax()]
        # the votes explain the probabilities
        shares = np.bincount(found.neighbor_classes, found.votes["weight"], minlength=3)
        assert_allclose(found.calibration.proba([shares])[0], found.proba)
        assert f"probability: shares of the {model.n_neighbors} votes" in found.to_text()
        if combination == "weighted":
            assert (found.direct >= -1e-12).all()


def test_a_prediction_by_prototypes_is_the_distance_to_the_nearest(table):
    X, y, new = table
    model = HierarchicalMetricClassifier(decision="prototypes", random_state=0).fit(X, y)
    M = model.get_mahalanobis_matrix()
    for i in range(len(new)):
        found = model.explain_prediction(new.iloc[i])
        delta = new.iloc[i].to_numpy() - model.prototypes_
        squared = np.einsum("ij,jk,ik->i", delta, M, delta)
        assert_allclose(found.squared_distances, squared, rtol=1e-6)
        assert_allclose(found.squared_distance, squared.min(), rtol=1e-6)
        assert found.prediction == squared.argmin() == model.predict(new.iloc[[i]])[0]
        assert_allclose(found.proba, model.predict_proba(new.iloc[[i]])[0])
        log_odds = np.log(found.proba[found.prediction] / found.proba[found.contrast.foil])
        assert_allclose(found.contrast.log_odds, log_odds, rtol=1e-6, atol=1e-9)
    prediction = f"The sample is predicted class {found.prediction}"
    assert found.to_text().startswith(f"{prediction} (probability ")
    divisor = f"are the difference divided by {2 * model.temperature_:.3g}"
    assert divisor in found.contrast.to_text()


def test_a_row_that_is_met_exactly_is_explained_by_itself(table):
    X, y, _ = table
    model = HierarchicalMetricClassifier(weights="distance", random_state=0).fit(X, y)
    found = model.explain_prediction(X.iloc[3])
    assert found.neighbors[0] == 3
    assert found.votes["weight"].tolist() == [1, *[0] * (model.n_neighbors_ - 1)]
    assert found.squared_distance == 0
    assert not found.direct.any()


def test_a_row_may_come_in_any_form(table):
    X, y, new = table
    model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    bare = HierarchicalMetricClassifier(
        {"t": {"a": [*range(6)], "b": [*range(6, 12)]}}, random_state=0
    ).fit(X.to_numpy(), y)
    for fitted, forms in (
        (model, [new.iloc[0], new.iloc[[0]]]),
        (bare, [new.to_numpy()[0], new.to_numpy()[:1], new.iloc[0].tolist()]),
    ):
        first = fitted.explain_pair(forms[0], forms[0])
        assert first.squared_distance == 0
        for form in forms:
            assert fitted.explain_pair(form, forms[0]).squared_distance == 0
            np.testing.assert_array_equal(
                fitted.explain_prediction(form).direct, fitted.explain_prediction(forms[0]).direct
            )
    one_node = HierarchicalMetricClassifier().fit(X.to_numpy(), y)
    pair = one_node.explain_pair(new.to_numpy()[0], new.to_numpy()[1], by="nodes")
    assert pair.to_frame()["share"].tolist() == [1]


def test_only_what_differs_contributes(table):
    X, y, new = table
    model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    a, b = new.iloc[0].copy(), new.iloc[0].copy()
    hair = X.columns.str.startswith("photo/person/hair|")
    b[hair] += 1
    direct = model.explain_pair(a, b).to_frame()["direct"]
    assert direct["photo/person/hair"] > 0
    assert not direct.drop("photo/person/hair").any()


def test_presence_is_read_from_the_table():
    portraits = make_portraits(40, strength=1.0, image_size=(24, 20), random_state=0)
    table = SegmentTreeTransformer(tree=portraits.tree).fit_transform(portraits.images)
    model = HierarchicalMetricClassifier(random_state=0).fit(table, portraits.target)
    presence = table.loc[:, [f"{path}|presence" for path in model.tree_.paths]].to_numpy() > 0
    absent = np.flatnonzero(~presence.all(axis=1))
    for i in (0, *absent[:3]):
        pair = model.explain_pair(table.iloc[i], table.iloc[1])
        np.testing.assert_array_equal(pair.present_a, presence[i])
        np.testing.assert_array_equal(pair.present_b, presence[1])
        np.testing.assert_array_equal(model.explain_prediction(table.iloc[i]).present, presence[i])
    without = table.drop(columns=f"{model.tree_.paths[0]}|presence")
    model = HierarchicalMetricClassifier(random_state=0).fit(without, portraits.target)
    assert model.explain_pair(without.iloc[0], without.iloc[1]).present_a is None


def test_contributions_are_a_table_by_path(table):
    X, y, new = table
    model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    frame = model.explain_pair(new.iloc[0], new.iloc[1]).to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.index.tolist() == list(model.tree_.paths)
    assert_allclose(frame["total"]["photo"], frame["direct"].sum())
    assert_allclose(frame["share"]["photo"], 1)
