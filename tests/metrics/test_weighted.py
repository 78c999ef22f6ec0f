"""Weights: noise loses, nothing is negative, and equal weights stay where they are no worse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad
from sklearn.datasets import load_iris

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import WeightedCombination
from hierseg_learn.metrics import _weighted as module
from hierseg_learn.metrics._weighted import learn_weights
from tests.tables import named_table


def squared_distances(*groups):
    return np.stack([((Z[:, None] - Z[None]) ** 2).sum(axis=-1) for Z in groups])


def groups(n_samples=80, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_samples) % 2
    informative = rng.standard_normal((n_samples, 2)) + 3 * codes[:, None]
    return informative, rng.standard_normal((n_samples, 2)), codes


def test_noise_loses_its_weight():
    informative, noise, codes = groups()
    weights = learn_weights(squared_distances(informative, noise), codes)
    assert weights[1] < 0.2 * weights[0]
    swapped = learn_weights(squared_distances(noise, informative), codes)
    assert_allclose(swapped, weights[::-1], rtol=1e-3, atol=1e-5)


def test_weights_are_not_negative_and_keep_the_median_distance():
    for seed in range(5):
        informative, noise, codes = groups(seed=seed)
        distances = squared_distances(informative, noise, 10 * noise[::-1], informative + noise)
        weights = learn_weights(distances, codes)
        assert (weights >= 0).all()
        weighted = np.tensordot(weights, distances, 1)
        assert_allclose(np.median(weighted), np.median(distances.sum(axis=0)))


def test_a_few_rows_that_are_unlike_all_others_do_not_decide():
    informative, noise, codes = groups()
    plain = learn_weights(squared_distances(informative, noise), codes)
    informative[:2] += [[0, 1e3], [-1e3, 0]]
    weights = learn_weights(squared_distances(informative, noise), codes)
    assert_allclose(weights, plain, rtol=0.2, atol=0.05)


def test_the_unit_of_the_table_does_not_matter():
    informative, noise, codes = groups()
    plain = squared_distances(informative, noise)
    weights = learn_weights(plain, codes)
    assert_allclose(learn_weights(1e8 * plain, codes), weights, rtol=1e-3)
    # a group in another unit gets its weight in that unit
    scaled = learn_weights(plain * np.array([100.0, 1.0])[:, None, None], codes)
    assert scaled[1] / scaled[0] / 100 < 0.2


def test_weights_minimise_what_the_gradient_says(monkeypatch):
    seen = []
    minimize = module.minimize

    def spy(function, start, **kwargs):
        seen.append((function, start, kwargs["bounds"]))
        return minimize(function, start, **kwargs)

    monkeypatch.setattr(module, "minimize", spy)
    informative, noise, codes = groups(30)
    learn_weights(squared_distances(informative, noise, informative * noise), codes)
    [(function, start, bounds)] = seen
    assert bounds == [(0, None)] * 3
    for point in (start, np.array([0.2, 1.5, 0.7])):
        error = check_grad(lambda w: function(w)[0], lambda w: function(w)[1], point)
        assert error < 1e-5


@pytest.mark.parametrize(
    ("distances", "codes"),
    [
        # no class has two rows
        (np.ones((2, 4, 4)), np.arange(4)),
        # no rows differ
        (np.zeros((3, 4, 4)), np.arange(4) % 2),
    ],
)
def test_where_there_is_nothing_to_learn_weights_are_equal(distances, codes):
    assert learn_weights(distances, codes).tolist() == [1] * len(distances)


def test_one_group_without_distances_is_no_trouble():
    informative, noise, codes = groups()
    weights = learn_weights(squared_distances(informative, 0 * noise), codes)
    assert np.isfinite(weights).all()
    assert_allclose(weights[0], 1)


def test_a_class_of_one_row_is_left_out():
    informative, noise, codes = groups()
    codes[0] = 2
    weights = learn_weights(squared_distances(informative, noise), codes)
    assert weights[1] < 0.2 * weights[0]


def node_mass(model, node):
    """Mean squared distance of training rows that a node's own columns account for."""
    rows = np.random.default_rng(0).permutation(model._X)
    pairs = np.stack([model._X, rows], axis=1)
    return model.pair_contributions(pairs)[:, model.tree_.index(node)].mean()


def test_noise_nodes_fall_in_the_tree():
    noise = ["noise_1", "noise_2", "noise_3"]
    paths = [f"photo/{name}" for name in ("signal", *noise)]
    X, y = named_table(300, paths=paths, n_columns=4)
    model = HierarchicalMetricClassifier(combination="weighted", random_state=0).fit(X, y)
    assert model.node_outcomes_["photo"].method == "weights"

    def length(components, node):
        return np.linalg.norm(components[:, X.columns.str.startswith(f"photo/{node}|")])

    kept = {
        node: length(model.components_, node) / length(model.node_components(node), node)
        for node in ("signal", *noise)
    }
    assert np.mean([kept[node] for node in noise]) < 0.5 * kept["signal"]
    assert all(node_mass(model, node) < 0.2 * node_mass(model, "signal") for node in noise)
    assert model.node_scores_["photo"] > 0.85


def test_equal_weights_stay_where_held_out_rows_do_not_prefer_others():
    X, y = load_iris(return_X_y=True)
    # both nodes say the same: no weights are better than others
    model = HierarchicalMetricClassifier(
        {"t": {"a": [0, 1, 2, 3], "b": [4, 5, 6, 7]}}, combination="weighted", random_state=0
    ).fit(np.hstack([X, X]), y)
    assert model.node_outcomes_["t"].method == "start"
    assert_allclose(
        model.components_,
        np.concatenate([model.node_components("a"), model.node_components("b")]),
    )


def test_a_parent_is_a_sum_of_its_children():
    X, y = named_table(150)
    model = HierarchicalMetricClassifier(combination=WeightedCombination(cv=4), random_state=0).fit(
        X, y
    )
    M = model.get_mahalanobis_matrix()
    nodes = model.column_nodes_
    assert not M[nodes[:, None] != nodes].any()
    for node in ("hair", "skirt", "sky"):
        own = np.flatnonzero(nodes == model.tree_.index(node))
        part = model.node_components(node)[:, own]
        alone, inside = part.T @ part, M[np.ix_(own, own)]
        scale = np.trace(inside) / np.trace(alone)
        assert_allclose(inside, scale * alone, rtol=1e-6, atol=1e-12)


def test_many_rows_are_thinned(monkeypatch):
    X, y = named_table(150, signal=4)
    monkeypatch.setattr(module, "MAX_DISTANCES", 3 * 40**2)
    model = HierarchicalMetricClassifier(combination="weighted", random_state=0).fit(X, y)
    assert node_mass(model, "hair") > node_mass(model, "skirt")
