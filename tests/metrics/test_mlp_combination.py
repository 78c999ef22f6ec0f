"""Parents that go on training the perceptrons of their children."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import MLPCombination, MLPMetric
from hierseg_learn.metrics._mlp_combination import _Climbed
from hierseg_learn.metrics._mlp_training import Layer, Network

NAMES = ["p/a|0", "p/a|1", "p/b|0", "p/b|1", "p|0"]
LEARNER = MLPMetric((16,), n_components=4, device="cpu", max_iter=40)


@pytest.fixture(autouse=True)
def torch():
    return pytest.importorskip("torch", reason="needs torch")


@pytest.fixture(scope="module")
def table():
    X = np.random.default_rng(0).uniform(-1, 1, (200, 5))
    return pd.DataFrame(X, columns=NAMES), (X[:, 0] * X[:, 1] > 0) + 2 * (X[:, 2] > 0)


def fitted(table, learner=LEARNER, **params):
    combination = MLPCombination(**params)
    model = HierarchicalMetricClassifier(
        node_metric=learner, combination=combination, random_state=0
    )
    return model.fit(*table)


def layer(*shape):
    rng = np.random.default_rng(shape)
    return Layer(rng.random(shape, np.float32), rng.random(shape[1], np.float32))


def test_networks_side_by_side():
    parts = [
        _Climbed([0], Network([2], [[layer(2, 3), layer(3, 2)]], layer(2, 4))),
        _Climbed([2, 1], Network([1, 4], [[layer(1, 5)], []], layer(9, 2))),
    ]
    both = _Climbed.beside(parts)
    assert both.nodes == [0, 2, 1]
    assert both.network.widths == [2, 1, 4]
    output = both.network.output.weights
    assert_array_equal(output[:2, :4], parts[0].network.output.weights)
    assert_array_equal(output[2:, 4:], parts[1].network.output.weights)
    assert not output[:2, 4:].any()
    assert not output[2:, :4].any()
    arrays = both.network.arrays()
    again = both.network.replaced(arrays)
    assert [len(block) for block in again.hidden] == [2, 1, 0]
    for one, other in zip(arrays, again.arrays(), strict=True):
        assert_array_equal(one, other)


def test_a_parent_starts_from_its_children(table):
    """Without a step of their own, distances of parents are the sums of those below."""
    model = fitted(table, clone(LEARNER).set_params(max_iter=0))
    assert model.node_outcomes_["p"].method == "start"
    pairs = np.stack([table[0].to_numpy()[:100], table[0].to_numpy()[100:]], axis=1)
    below = sum(
        np.sum((model.transform(pairs[:, 0], node) - model.transform(pairs[:, 1], node)) ** 2, 1)
        for node in ("a", "b")
    )
    own = model.pair_contributions(pairs)
    assert_allclose(own[:, :2].sum(axis=1), below, rtol=1e-5)


@pytest.mark.parametrize("loss", ["triplet", "nca", "snr"])
@pytest.mark.parametrize("warm_start", [True, False])
def test_contributions_are_exact_at_the_root(warm_start, loss, table):
    learner = MLPMetric((8, 4), loss=loss, n_components=3, device="cpu", max_iter=5)
    model = fitted(table, learner, warm_start=warm_start)
    pairs = np.stack([table[0].to_numpy()[:100], table[0].to_numpy()[100:]], axis=1)
    direct = model.pair_contributions(pairs)
    squared = np.sum((model.transform(pairs[:, 0]) - model.transform(pairs[:, 1])) ** 2, axis=1)
    assert (np.abs(direct.sum(axis=1) - squared) <= 1e-6 * np.abs(direct).sum(axis=1)).all()
    assert_allclose(model.pair_distance(pairs) ** 2, squared)


def test_a_node_sees_its_own_columns_only(table):
    """A change of one node's columns changes the embedding by the same in every row."""
    model, X = fitted(table), table[0].to_numpy()
    changed = X.copy()
    changed[:, :2] = X[0, :2] + 0.3
    fixed = X.copy()
    fixed[:, :2] = X[0, :2]
    moved = model.transform(changed) - model.transform(fixed)
    assert np.abs(moved).max() > 0.01
    assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-9)


def test_joint_training_separates_what_nodes_share(table):
    model = fitted(table, MLPMetric(device="cpu"))
    assert model.node_outcomes_["p"].method == "mlp"
    assert model.node_scores_["p"] > 0.8 > model.node_scores_["p/a"]


def test_nodes_without_columns_or_variation(table):
    X, y = table
    X = X.drop(columns="p|0").assign(**{"p/c|0": 1.0, "p/d/e|0": X["p|0"]})
    model = fitted((X, y))
    methods = model.node_outcomes_.map(lambda outcome: outcome.method)
    assert methods["p/d"] == "start"
    assert_array_equal(model.pair_contributions([X.to_numpy()[:2]])[0][X.columns.size :], [])
    own = model.pair_contributions([X.to_numpy()[:2]])[0]
    assert own[model.tree_.index("p/c")] == 0
    assert own[model.tree_.index("p/d")] == 0
    assert own[model.tree_.index("p")] == 0


def test_any_number_of_jobs_gives_the_same_bits(table):
    expected = fitted(table).transform(table[0])
    model = HierarchicalMetricClassifier(
        node_metric=LEARNER, combination="mlp", n_jobs=2, random_state=0
    )
    assert_array_equal(model.fit(*table).transform(table[0]), expected)


def test_other_learners_are_refused(table):
    message = r"combination='mlp' needs node_metric='mlp' or an MLPMetric, got TripletMargin"
    with pytest.raises(ValueError, match=message):
        HierarchicalMetricClassifier(node_metric="triplet", combination="mlp").fit(*table)
