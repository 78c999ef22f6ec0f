"""Discriminants of similarities to landmarks: what no linear map tells apart, in closed form."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_wine, make_circles
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import KernelDiscriminant, ShrinkageLDA
from hierseg_learn.metrics._landmarks import (
    ColumnsAndLandmarks,
    Landmarks,
    median_squared_distance,
)


@pytest.fixture(scope="module")
def xor():
    X = np.random.default_rng(0).normal(size=(600, 5))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def accuracy(learner, X, y, n_train):
    model = make_pipeline(learner, NearestCentroid()).fit(X[:n_train], y[:n_train])
    return model.score(X[n_train:], y[n_train:])


def test_what_no_linear_map_separates(xor):
    X, y = xor
    assert accuracy(ShrinkageLDA(), X, y, 400) < 0.6
    assert accuracy(KernelDiscriminant(random_state=0), X, y, 400) >= 0.95
    rings, y = make_circles(400, noise=0.1, factor=0.5, random_state=0)
    assert accuracy(KernelDiscriminant(random_state=0), rings, y, 300) >= 0.97


def test_columns_of_noise_are_given_little_weight(xor):
    X, y = xor
    weighted = KernelDiscriminant(random_state=0).fit(X, y)
    assert weighted.column_weights_[2:].max() < 0.1 * weighted.column_weights_[:2].min()
    equal = KernelDiscriminant(n_weightings=0, random_state=0).fit(X, y)
    assert_array_equal(equal.column_weights_, np.ones(5))
    assert accuracy(equal, X, y, 400) < accuracy(weighted, X, y, 400)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_where_a_linear_map_is_good(load):
    X, y = load(return_X_y=True)
    linear, kernel = (
        cross_val_score(make_pipeline(StandardScaler(), learner, NearestCentroid()), X, y).mean()
        for learner in (ShrinkageLDA(), KernelDiscriminant(random_state=0))
    )
    assert kernel >= linear - 0.015


def test_slopes_are_derivatives():
    rng = np.random.default_rng(0)
    rows, components = rng.standard_normal((30, 3)), rng.standard_normal((2, 3 + 8))
    landmarks = Landmarks.draw(rows, np.array([2.0, 1.0, 0.0]), 8, None, 0)
    step, found = 1e-6, landmarks.slopes(components, rows)
    for column in range(3):
        moved = rows + step * np.eye(3)[column]
        slope = (landmarks(moved) - landmarks(rows)) @ components.T / step
        assert_allclose((slope**2).mean(axis=0).sum(), found[column], rtol=1e-4)


def test_features_approximate_the_kernel():
    rng = np.random.default_rng(0)
    rows, weights = rng.standard_normal((40, 3)), np.array([1.0, 2.0, 0.0])
    landmarks = Landmarks.draw(rows, weights, 40, 0.3, 0)
    features = landmarks(rows)[:, 3:]
    squared = (weights * (rows[:, None] - rows) ** 2).sum(axis=-1)
    assert_allclose(features @ features.T, np.exp(-0.3 * squared), atol=1e-6)
    assert median_squared_distance(rows[:1].repeat(4, axis=0)) == 1.0
    half = np.zeros((10, 1))
    half[0] = 2.0
    assert median_squared_distance(half) == pytest.approx(4 * 9 / 45)


def test_order_and_units_of_columns_do_not_matter(xor):
    X, y = xor
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(len(X)), rng.permutation(5)
    expected = KernelDiscriminant(random_state=0).fit(X, y).transform(X[:9])
    moved = X * [1, 1000, 1e-3, 5, 1] + 7
    again = KernelDiscriminant(random_state=0).fit(moved[rows][:, columns], 1 - y[rows])
    found = again.transform(moved[:9, columns])
    assert_allclose(np.abs(found - found[0]), np.abs(expected - expected[0]), rtol=1e-6)


def test_constant_columns_and_few_rows():
    X = np.column_stack([np.arange(6.0), np.full(6, 3.0)])
    metric = KernelDiscriminant(random_state=0).fit(X, [0, 0, 1, 1, 0, 0])
    assert metric.column_weights_.tolist() == [2, 0]
    assert np.isfinite(metric.transform(X)).all()
    with pytest.raises(ValueError, match="n_components=2 must be at most 1: 2 classes"):
        KernelDiscriminant(2).fit(X, [0, 0, 1, 1, 0, 0])
    blank = KernelDiscriminant().fit(np.ones((4, 2)), [0, 1, 0, 1])
    assert not blank.transform(np.ones((2, 2))).any()


def test_further_directions_are_linear_and_not_of_the_metric(xor):
    X, y = xor
    wide = KernelDiscriminant(n_extra_directions=3, random_state=0).fit(X, y)
    plain = KernelDiscriminant(random_state=0).fit(X, y)
    assert (wide.n_discriminants_, plain.n_discriminants_) == (1, 1)
    assert_allclose(wide.transform(X)[:, :1], plain.transform(X), rtol=1e-9, atol=1e-12)
    linear = ShrinkageLDA(n_extra_directions=3).fit(X, y).transform(X)
    found = wide.transform(X)[:, 1:]
    assert_allclose(found - found[0], linear - linear[0], rtol=1e-6, atol=1e-8)
    flat = HierarchicalMetricClassifier(node_metric="kernel", random_state=0).fit(X, y)
    assert flat.transform(X).shape == (600, 1)


@pytest.mark.parametrize("combination", ["projection", "weighted"])
def test_exclusive_or_within_a_node_of_a_tree(xor, combination):
    X, y = xor
    rng = np.random.default_rng(1)
    names = [*(f"p/a|{i}" for i in range(5)), *(f"p/b|{i}" for i in range(3)), "p|0"]
    table = pd.DataFrame(np.hstack([X, rng.normal(size=(600, 4))]), columns=names)
    model = HierarchicalMetricClassifier(
        node_metric="kernel", combination=combination, n_neighbors=15, random_state=0
    ).fit(table[:400], y[:400])
    assert model.node_scores_["p/a"] >= 0.9 > model.node_scores_["p/b"] + 0.25
    assert model.score(table[400:], y[400:]) >= 0.95
    pairs = np.stack([table.to_numpy()[:50], table.to_numpy()[50:100]], axis=1)
    direct = model.pair_contributions(pairs)
    squared = model.pair_distance(pairs) ** 2
    gap = np.abs(direct.sum(axis=1) - squared)
    assert (gap <= 1e-6 * np.abs(direct).sum(axis=1)).all()
    assert direct[:, model.tree_.index("p/a")].sum() > 0.8 * direct.sum()


def test_models_of_a_tree_are_the_same_in_any_order(xor):
    X, y = xor
    names = ["t/a|x", "t/a|y", "t/b|u", "t/b|v", "t|z"]
    table, rng = pd.DataFrame(X[:200], columns=names), np.random.default_rng(0)
    model = HierarchicalMetricClassifier(node_metric="kernel", random_state=0)
    expected = model.fit(table, y[:200]).predict_proba(table)
    rows, columns = rng.permutation(200), rng.permutation(5)
    again = HierarchicalMetricClassifier(node_metric="kernel", n_jobs=2, random_state=0)
    again.fit(table.iloc[rows, columns], np.array(["b", "a"])[y[rows]])
    assert_allclose(again.predict_proba(table.iloc[:, columns])[:, ::-1], expected)
    again.fit(table, y[:200])
    assert_array_equal(again.transform(table), model.transform(table))


def test_slopes_of_weighted_landmarks_are_derivatives():
    rng = np.random.default_rng(0)
    rows, weights = rng.standard_normal((50, 3)), np.array([2.0, 0.5, 0.0])
    embed = ColumnsAndLandmarks.of(rows, 8, 0).weighted(weights, 0.5, rows)
    own, similar = rng.standard_normal((3, 2)), rng.standard_normal((embed.turn.shape[1], 2))
    step, squares = 1e-5, np.zeros(3)
    for column in range(3):
        ends = [rows + by * step * np.eye(3)[column] for by in (-1, 1)]
        low, high = (end @ own + embed.similarities(end) @ similar for end in ends)
        squares[column] = np.sum(np.mean(((high - low) / (2 * step)) ** 2, axis=0))
    assert_allclose(embed.slopes(rows, own, similar), squares, rtol=1e-6)
    assert_allclose(embed.similarities(rows).mean(axis=0), 0, atol=1e-12)
