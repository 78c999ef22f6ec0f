"""Nodes whose own columns go through an embedding that is not linear."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.classifier import node_snr_distances
from hierseg_learn.explain import shapley_values
from hierseg_learn.metrics import MLPMetric, NonlinearMetric, node_contributions, sum_below
from tests.random_features import RandomFeatures
from tests.tables import named_table

COMBINATIONS = ["weighted", "projection"]
DECISIONS = ["neighbors", "prototypes", "linear"]


class Infinite(NonlinearMetric):
    """Returns what is no number."""

    def _fit(self, X, codes):
        return np.log


@pytest.fixture(scope="module")
def data():
    return named_table(120, signal=4)


@pytest.fixture(scope="module", params=[(c, d) for c in COMBINATIONS for d in DECISIONS], ids=str)
def model(request, data):
    combination, decision = request.param
    return HierarchicalMetricClassifier(
        node_metric=RandomFeatures(), combination=combination, decision=decision, random_state=0
    ).fit(*data)


@pytest.fixture
def pairs(data):
    X = data[0].to_numpy()
    return np.stack([X[:60], X[60:]], axis=1)


def squared(model, pairs, node=None):
    moved = model.transform(pairs[:, 0], node) - model.transform(pairs[:, 1], node)
    return np.sum(moved**2, axis=1)


# scikit-learn's tables have one node
@parametrize_with_checks([HierarchicalMetricClassifier(node_metric=RandomFeatures(random_state=0))])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_contributions_add_up_to_the_squared_distance(model, pairs):
    direct, expected = model.pair_contributions(pairs), squared(model, pairs)
    assert (np.abs(direct.sum(axis=1) - expected) <= 1e-6 * np.abs(direct).sum(axis=1)).all()
    assert_allclose(model.pair_distance(pairs) ** 2, expected)
    metric = pickle.loads(pickle.dumps(model.get_metric()))
    assert_allclose(metric(*pairs[0], squared=True), expected[0])
    pair = model.explain_pair(*pairs[0])
    assert_allclose(pair.direct, direct[0], rtol=1e-9)
    assert_allclose(sum_below(model.tree_, pair.direct)[-1], expected[0])


def test_contributions_are_shapley_values_of_the_nodes(model, pairs):
    """In a coalition, the columns of its nodes are those of a, and all others those of b."""
    a, b = pairs[3]
    n_nodes = model.tree_.n_nodes

    def worths(kept):
        rows = np.where(kept[:, model.column_nodes_], a, b)
        return squared(model, np.stack([rows, np.broadcast_to(b, rows.shape)], axis=1))

    expected = shapley_values(worths, n_nodes)
    assert_allclose(model.pair_contributions(pairs[[3]])[0], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize("part", ["photo/sky", "photo"])
def test_a_part_that_no_row_has(combination, part, data):
    X, y = data
    X = X.assign(**{name: 1.0 for name in X if name.startswith(f"{part}|")})
    model = HierarchicalMetricClassifier(
        node_metric=RandomFeatures(), combination=combination, random_state=0
    ).fit(X, y)
    pairs = np.stack([X[:60], X[60:]], axis=1)
    direct = model.pair_contributions(pairs)
    assert not direct[:, model.tree_.index(part)].any()
    assert_allclose(direct.sum(axis=1), squared(model, pairs))


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_contributions_are_exact_at_every_node(combination, data, pairs):
    """One level: what the nodes below contribute adds up to the distance in a node's own metric."""
    model = HierarchicalMetricClassifier(
        node_metric=RandomFeatures(), combination=combination, random_state=0
    ).fit(*data)
    tree, metric = model.tree_, model._metric
    for node in tree.bottom_up():
        lift, components = metric.lifts[node], metric.components(node)
        nodes = np.repeat(np.arange(tree.n_nodes), [len(place) for place in lift.places])
        delta = lift(pairs[:, 0]) - lift(pairs[:, 1])
        direct = node_contributions(components, delta, nodes, tree.n_nodes)
        assert_allclose(direct.sum(axis=1), squared(model, pairs, node), rtol=1e-6, atol=1e-9)
        outside = np.setdiff1d(np.arange(tree.n_nodes), tree.subtree(node))
        assert not direct[:, outside].any()


def test_weights_make_contributions_exact_through_all_levels(data, pairs):
    """All levels: a child's share in its parent is its own squared distance times a weight."""
    model = HierarchicalMetricClassifier(
        node_metric=RandomFeatures(), combination="weighted", random_state=0
    ).fit(*data)
    direct = model.pair_contributions(pairs)
    total = sum_below(model.tree_, direct)
    assert direct.min() >= 0
    for node in model.tree_.bottom_up():
        own = squared(model, pairs, node)
        weight = total[:, node].sum() / own.sum()
        assert weight >= 0
        assert_allclose(total[:, node], weight * own, rtol=1e-6, atol=1e-9)


def test_the_space_of_every_node_depends_on_its_subtree_only(model, data):
    X = data[0].to_numpy()
    for node in model.tree_.bottom_up():
        below = np.isin(model.column_nodes_, model.tree_.subtree(node))
        other = np.where(below, X, X[::-1])
        assert_array_equal(model.transform(other, node), model.transform(X, node))


def test_distances_of_neighbors_are_explained(model, data):
    X, _ = data
    distances, indices = model.kneighbors(X.iloc[:5] + 0.1, 3)
    for i, j in np.ndindex(5, 3):
        pair = model.explain_pair(X.iloc[i] + 0.1, X.iloc[indices[i, j]])
        assert_allclose(pair.direct.sum(), distances[i, j] ** 2, rtol=1e-6)


def test_predictions_are_explained(model, data):
    rows = data[0].iloc[:6] + 0.05
    proba = model.predict_proba(rows)
    assert_allclose(proba.sum(axis=1), 1)
    for i, explained in enumerate(model.explain_predictions(rows)):
        assert explained.prediction == model.predict(rows)[i]
        assert_allclose(explained.proba, proba[i])
        one = model.explain_prediction(rows.iloc[i])
        assert_allclose(one.direct, explained.direct, rtol=1e-9, atol=1e-12)
    if model.decision == "linear":
        contrast = model.explain_contrast(rows.iloc[0], 0, 1)
        log_proba = model.predict_log_proba(rows.iloc[:1])[0]
        total = contrast.direct.sum() + contrast.log_prior_odds
        assert_allclose(total, log_proba[0] - log_proba[1])
    if model.decision == "prototypes":
        means = [model.transform(data[0])[data[1] == label].mean(axis=0) for label in (0, 1)]
        apart = np.sum((model.transform(rows)[:, None] - means) ** 2, axis=-1)
        contrast = model.explain_contrast(rows.iloc[0], 0, 1)
        assert_allclose(contrast.direct.sum(), apart[0, 1] - apart[0, 0])


def test_classes_and_the_model_are_explained(model, data):
    X, y = data
    assert model.explain_class(1).direct.shape == (model.tree_.n_nodes,)
    explained = model.explain_model(X, y, n_repeats=1, random_state=0)
    assert explained.accuracy == model.score(X, y)


def test_signal_to_noise_in_the_space_of_nodes(model, data):
    X, y = data
    found = node_snr_distances(model, X.iloc[0], X.iloc[1])
    node = model.tree_.root
    Z = model.transform(X, node)
    if Z.shape[1] > 1:
        center = np.mean([Z[y == label].mean(axis=0) for label in np.unique(y)], axis=0)
        q, x = Z[:2] - center
        assert_allclose(found["snr_ab"].iloc[node], np.var(q - x) / np.var(q), rtol=1e-5)


def test_what_needs_a_linear_map_is_refused(model, data):
    rows = data[0].iloc[0], data[0].iloc[1]
    message = r"needs node metrics that are linear in the table, got node_metric=RandomFeatures\("
    assert not hasattr(model, "components_")
    with pytest.raises(AttributeError, match="^components_ " + message):
        _ = model.components_
    with pytest.raises(AttributeError, match="^components_ " + message):
        model.get_mahalanobis_matrix()
    with pytest.raises(AttributeError, match=r"^node_components\(\) " + message):
        model.node_components(0)
    message = "by='parts' splits the columns of inner nodes over leaves, which is exact"
    with pytest.raises(ValueError, match=message):
        model.explain_pair(*rows, by="parts")
    with pytest.raises(ValueError, match=message):
        model.explain_contrast(rows[0], by="parts")


def test_rows_and_columns_in_any_order(data):
    X, y = data
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    model = HierarchicalMetricClassifier(node_metric=RandomFeatures(), random_state=0)
    expected = model.fit(X, y).transform(X, "root" if "root" in model.tree_.names else None)
    moved = X.iloc[rows, columns]
    again = HierarchicalMetricClassifier(node_metric=RandomFeatures(), random_state=0)
    again.fit(moved, np.asarray(y)[rows])
    assert_allclose(again.transform(X.iloc[:, columns]), expected, rtol=1e-9, atol=1e-9)
    scores = again.node_scores_[model.node_scores_.index]
    pd.testing.assert_series_equal(scores, model.node_scores_)


def test_any_number_of_jobs_and_pickles_give_the_same_bits(data):
    X, y = data
    models = [
        HierarchicalMetricClassifier(node_metric=RandomFeatures(), n_jobs=n, random_state=0)
        for n in (1, 2)
    ]
    expected, found = (model.fit(X, y).transform(X) for model in models)
    assert_array_equal(found, expected)
    again = pickle.loads(pickle.dumps(models[0]))
    assert_array_equal(again.transform(X), expected)
    assert_array_equal(again.predict_proba(X), models[0].predict_proba(X))


def test_fewer_components_of_the_root(data, pairs):
    model = HierarchicalMetricClassifier(
        node_metric=RandomFeatures(), n_components=2, random_state=0
    ).fit(*data)
    assert model.transform(data[0]).shape == (120, 2)
    assert model.get_feature_names_out().size == 2
    assert_allclose(model.pair_contributions(pairs).sum(axis=1), squared(model, pairs))


def test_float32_tables(data):
    X = data[0].astype(np.float32)
    model = HierarchicalMetricClassifier(node_metric=RandomFeatures(), random_state=0)
    assert model.fit(X, data[1]).transform(X).dtype == np.float32


@pytest.mark.parametrize("scaler", [StandardScaler(), "passthrough"])
def test_linear_steps_before_an_embedding(scaler, data, pairs):
    learner = make_pipeline(scaler, PCA(2), RandomFeatures(random_state=0))
    model = HierarchicalMetricClassifier(node_metric=learner, random_state=0).fit(*data)
    X, node = data[0].to_numpy(), model.tree_.leaves[0]
    own = X[:, model.column_nodes_ == node]
    own = (own - own.mean(axis=0)) / own.std(axis=0)
    assert_allclose(
        model._metric.lifts[node].nodes[node](X), learner.fit(own, data[1]).transform(own)
    )
    assert_allclose(model.pair_contributions(pairs).sum(axis=1), squared(model, pairs))


def test_steps_before_an_embedding_must_be_linear(data):
    learner = make_pipeline(FunctionTransformer(np.tanh), RandomFeatures())
    with pytest.raises(ValueError, match=r"node_metric=Pipeline is not linear .*NonlinearMetric"):
        HierarchicalMetricClassifier(node_metric=learner).fit(*data)


def test_embeddings_that_are_no_numbers(data):
    with pytest.raises(ValueError, match="Infinite returned infinite or missing values"):
        HierarchicalMetricClassifier(node_metric=Infinite()).fit(*data)


def test_the_scatter_combination_needs_discriminants(data):
    with pytest.raises(ValueError, match="combination='scatter' needs node_metric='lda'"):
        HierarchicalMetricClassifier(node_metric=RandomFeatures(), combination="scatter").fit(*data)


@pytest.mark.parametrize("combination", [*COMBINATIONS, "mlp"])
def test_perceptrons_along_a_tree(combination):
    pytest.importorskip("torch", reason="needs torch")
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        rng.uniform(-1, 1, (300, 5)), columns=["p/a|0", "p/a|1", "p/b|0", "p/b|1", "p|0"]
    )
    y = X["p/a|0"] * X["p/a|1"] > 0
    model = HierarchicalMetricClassifier(
        node_metric=MLPMetric(n_components=8, device="cpu"),
        combination=combination,
        n_neighbors=15,
        random_state=0,
    ).fit(X[:200], y[:200])
    assert model.node_scores_["p/a"] >= 0.85 > model.node_scores_["p/b"] + 0.2
    assert model.score(X[200:], y[200:]) >= 0.9
    pairs = np.stack([X.to_numpy()[:150], X.to_numpy()[150:]], axis=1)
    direct = model.pair_contributions(pairs)
    gap = np.abs(direct.sum(axis=1) - squared(model, pairs))
    assert (gap <= 1e-6 * np.abs(direct).sum(axis=1)).all()
    # what tells the classes is in the node that has it
    assert direct[:, 0].sum() > 0.5 * direct.sum()


def test_a_name_needs_no_torch_until_fit():
    assert HierarchicalMetricClassifier(node_metric="mlp").get_params()["node_metric"] == "mlp"


def test_skops_can_store_a_tree_of_embeddings(data):
    io = pytest.importorskip("skops.io", reason="needs skops")
    pytest.importorskip("torch", reason="needs torch")
    X, y = data
    learner = MLPMetric((4,), n_components=2, max_iter=2, device="cpu")
    for combination in ("weighted", "mlp"):
        model = HierarchicalMetricClassifier(
            node_metric=learner, combination=combination, random_state=0
        ).fit(X, y)
        content = io.dumps(model)
        trusted = io.get_untrusted_types(data=content)
        assert all(name.startswith("hierseg_learn.") for name in trusted)
        again = io.loads(content, trusted=trusted)
        assert_array_equal(again.predict_proba(X), model.predict_proba(X))
