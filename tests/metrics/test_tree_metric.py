"""The metric of every node over everything below it, whatever the shape of the tree."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import (
    NodeOutcome,
    ProjectionCombination,
    ScatterCombination,
    ShrinkageLDA,
    WeightedCombination,
    _scatter,
    _weighted,
    cross_fitting,
)
from hierseg_learn.metrics.node import fit_node_map
from tests.tables import named_table

COMBINATIONS = ["projection", "weighted", "scatter"]
# those that take any node metric
any_metric = pytest.mark.parametrize("combination", COMBINATIONS[:2])
each_combination = pytest.mark.parametrize("combination", COMBINATIONS)


def fit(X, y, **params):
    return HierarchicalMetricClassifier(**({"random_state": 0} | params)).fit(X, y)


@each_combination
def test_components_of_a_node_are_zero_outside_its_subtree(combination):
    X, y = named_table(120)
    model = fit(X, y, combination=combination)
    tree, nodes = model.tree_, model.column_nodes_
    for node in tree.bottom_up():
        components = model.node_components(node)
        assert components.shape[1] == X.shape[1]
        inside = np.isin(nodes, tree.subtree(node))
        assert not components[:, ~inside].any()
        assert components[:, inside].any()
        for key in (tree.path(node), tree.names[node]):
            assert_array_equal(model.node_components(key), components)
        assert_allclose(model.transform(X, node=node), X @ components.T, atol=1e-12)
    assert_array_equal(model.node_components("photo"), model.components_)
    assert_array_equal(model.transform(X), model.transform(X, node=tree.root))


@any_metric
def test_a_leaf_has_the_metric_that_its_learner_found(combination):
    X, y = named_table(120)
    model = fit(X, y, combination=combination, node_metric=PCA(2))
    for path in ("photo/person/hair", "photo/sky"):
        own = X.columns.str.startswith(f"{path}|")
        expected = fit_node_map(PCA(2), X.loc[:, own], y, name=path).components
        assert_allclose(model.node_components(path)[:, own], expected)
        assert model.node_outcomes_[path].method == "leaf"


@each_combination
def test_a_tree_of_one_node_is_flat(combination):
    X, y = load_iris(return_X_y=True)
    model = fit(X, y, combination=combination)
    assert model.tree_.paths == ("table",)
    expected = fit_node_map(ShrinkageLDA(), X, y, name="").components
    assert_allclose(model.components_, expected)
    assert model.node_outcomes_.map(str).tolist() == ["leaf"]
    assert model.node_scores_.isna().all()
    assert model.score(X, y) > 0.95


@each_combination
def test_chains_of_single_children(combination):
    X, y = named_table(120, paths=("a/b/c/d", "a/b/e"))
    model = fit(X, y, combination=combination)
    assert model.tree_.paths == ("a/b/c/d", "a/b/c", "a/b/e", "a/b", "a")
    assert model.score(X, y) > 0.8
    # nothing to weigh for a node with one child and no columns
    if combination == "weighted":
        assert model.node_outcomes_["a/b/c"] == model.node_outcomes_["a"] == NodeOutcome("start")
        assert_array_equal(model.node_components("a/b/c"), model.node_components("a/b/c/d"))
    assert model.node_scores_["a/b/c"] >= model.node_scores_["a/b/c/d"]


@each_combination
def test_inner_nodes_with_columns_of_their_own_use_them(combination):
    # only the inner node tells the classes apart
    X, y = named_table(150, paths=("t/a", "t/a/x", "t/a/y", "t/b"), signal=3)
    model = fit(X, y, combination=combination)
    assert model.node_scores_[["t/a/x", "t/a/y", "t/b"]].max() < 0.5
    assert model.node_scores_["t/a"] > 0.85
    assert model.node_scores_["t"] > 0.85
    total = model.explain_pair(X.iloc[y == 0].iloc[0], X.iloc[y == 1].iloc[0]).to_frame()
    assert total["direct"]["t/a"] > 0


@each_combination
def test_constant_nodes(combination):
    X, y = named_table(120)
    X.loc[:, X.columns.str.startswith("photo/sky|")] = 0.1
    model = fit(X, y, combination=combination)
    assert model.node_outcomes_["photo/sky"].method == "constant"
    assert model.node_components("sky").shape == (0, X.shape[1])
    assert not model.components_[:, X.columns.str.startswith("photo/sky|")].any()
    assert model.score(X, y) > 0.8
    rest = X.loc[:, ~X.columns.str.startswith("photo/sky|")]
    assert_allclose(
        fit(rest, y, combination=combination).predict_proba(rest), model.predict_proba(X)
    )


@each_combination
def test_nothing_but_constants(combination):
    X, y = named_table(60)
    X.iloc[:, :] = 3.5
    model = fit(X, y, combination=combination)
    assert set(model.node_outcomes_[model.tree_.is_leaf].map(str)) == {"constant"}
    assert model.components_.shape == (0, X.shape[1])
    assert model.transform(X).shape == (60, 0)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert (model.kneighbors(X[:3])[0] == 0).all()
    assert model.explain_pair(X.iloc[0], X.iloc[1]).squared_distance == 0
    model = fit(X, y, combination=combination, decision="prototypes")
    assert_allclose(model.predict_proba(X), np.full((60, 3), 1 / 3))


def test_n_components_keeps_the_principal_directions_of_the_root():
    X, y = named_table(150, signal=3)
    whole = fit(X, y, combination="weighted")
    cut = fit(X, y, combination="weighted", n_components=2)
    assert cut.components_.shape == (2, X.shape[1])
    # scores are 32-bit numbers
    centered = X - X.mean()
    expected = PCA(2).fit_transform(whole.transform(centered))
    found = cut.transform(centered)
    assert_allclose(found @ found.T, expected @ expected.T, rtol=1e-3, atol=1e-3)
    assert cut.score(X, y) > 0.8
    # the other nodes stay as they are
    assert_array_equal(cut.node_components("person"), whole.node_components("person"))
    assert_array_equal(cut.node_components("photo"), cut.components_)


def test_n_components_of_a_flat_tree():
    X, y = load_digits(return_X_y=True)
    model = fit(X[:300], y[:300], n_components=3)
    assert model.transform(X).shape == (len(X), 3)
    # more than the metric has keeps all of it, whatever held-out rows made of the metric
    all_of_it = fit(X[:300], y[:300], n_components=10, node_metric=ShrinkageLDA())
    assert all_of_it.transform(X).shape == (len(X), 9)


@each_combination
def test_a_metric_does_not_depend_on_the_order_of_columns(combination):
    X, y = named_table(150, signal=3)
    X = X + np.linspace(-3, 3, X.shape[1])
    plain = fit(X, y, combination=combination)
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(X.shape[1])
        mixed = fit(X.iloc[:, order], y, combination=combination)
        back = np.argsort(order)
        assert_allclose(mixed.node_scores_[list(plain.tree_.paths)], plain.node_scores_)
        for path in plain.tree_.paths:
            M, other = (m.node_components(path).T @ m.node_components(path) for m in (plain, mixed))
            assert_allclose(other[np.ix_(back, back)], M, rtol=1e-3, atol=1e-4 * np.abs(M).max())


@any_metric
def test_siblings_do_not_depend_on_each_other(combination):
    X, y = named_table(120)
    plain = fit(X, y, combination=combination, node_metric="nca")
    changed = X.copy()
    changed.loc[:, X.columns.str.startswith("photo/sky|")] *= np.random.default_rng(0).random(
        (120, 1)
    )
    other = fit(changed, y, combination=combination, node_metric="nca")
    for node in ("hair", "skirt", "person"):
        assert_array_equal(other.node_components(node), plain.node_components(node))
    assert (other.node_components("sky") != plain.node_components("sky")).any()


def test_number_of_steps():
    # on all rows, without each fold and each pair of folds, and one to combine
    assert [WeightedCombination(cv=cv).n_steps(10) for cv in (3, 4, 5)] == [80, 120, 170]
    assert [ScatterCombination(cv=cv).n_steps(10) for cv in (3, 5)] == [40, 60]


@pytest.mark.parametrize("table", ["flat", "tree"])
def test_progress_ends_at_the_end(table, capsys):
    X, y = named_table(60)
    fit(X if table == "tree" else X.to_numpy(), y, verbose=1)
    last = capsys.readouterr().err.splitlines()[-1]
    done, total = last.split(": ")[1].split(" ")[0].split("/")
    assert done == total


# Scores of held-out rows


def chance_and_error(n_samples, n_classes):
    chance = 1 / n_classes
    return chance, np.sqrt(chance * (1 - chance) / n_samples)


@each_combination
@pytest.mark.parametrize(("n_samples", "n_classes"), [(500, 10), (300, 2)])
def test_noise_scores_near_chance(n_samples, n_classes, combination):
    scores = []
    for seed in range(3):
        paths = [f"t/{group}/{node}" for group in "ab" for node in "xy"]
        X, y = named_table(n_samples, n_classes, paths=paths, n_columns=30, signal=0, seed=seed)
        scores.append(fit(X, y, combination=combination, random_state=seed).node_scores_)
    scores = np.array(scores)
    chance, error = chance_and_error(n_samples, n_classes)
    # leaves are judged once: nothing but their fits could leak
    leaves = [0, 1, 3, 4]
    assert abs(scores[:, leaves].mean() - chance) < 3 * error / np.sqrt(scores[:, leaves].size)
    # parents are judged by rows that did not choose among what was tried
    assert scores.max() < chance + 4 * error
    assert abs(scores[:, -1].mean() - chance) < 3 * error / np.sqrt(len(scores))


DEEP = {"t": {"a": {"x": {"u": [0, 1, 2], "v": [3, 4, 5]}, "y": [6, 7, 8]}, "b": [9, 10, 11]}}


@each_combination
def test_parents_of_many_noise_tables_score_at_chance(combination, monkeypatch):
    n_tables, rng = 40, np.random.default_rng(0)
    tables = [
        (rng.standard_normal((90, 12)), rng.permutation(np.arange(90) % 2)) for _ in range(n_tables)
    ]

    def score_parents():
        models = [fit(X, y, tree=DEEP, combination=combination) for X, y in tables]
        # parents of one table share its rows: the spread is that of their means
        means = [model.node_scores_[~model.tree_.is_leaf].mean() for model in models]
        return models, np.array(means)

    models, found = score_parents()
    assert abs(found.mean() - 0.5) < 2 * found.std() / np.sqrt(n_tables)
    choose_by_all_folds(monkeypatch)
    same, flattered = score_parents()
    assert flattered.mean() > 0.5 + 2 * flattered.std() / np.sqrt(n_tables)
    assert flattered.mean() > found.mean() + 0.01
    # only scores depend on which folds are asked for them
    for model, other in zip(models, same, strict=True):
        assert_array_equal(model.components_, other.components_)
        assert_array_equal(model.node_outcomes_, other.node_outcomes_)
        leaves = model.tree_.is_leaf
        assert_array_equal(model.node_scores_[leaves], other.node_scores_[leaves])


def choose_by_all_folds(monkeypatch):
    """Let a fold that is scored have a say in what it is scored with."""
    choose = cross_fitting.TriedScores.choose

    def with_all(judged, sizes):
        return choose(judged, np.full(len(sizes), sizes.max()))

    monkeypatch.setattr(cross_fitting.TriedScores, "choose", with_all)
    average = _scatter._average

    def over_all(judged, sizes, n_nodes):
        return average(judged, [max(sizes)] * len(sizes), n_nodes)

    monkeypatch.setattr(_scatter, "_average", over_all)


@each_combination
def test_scores_are_what_new_rows_will_give(combination):
    errors = []
    for seed in range(3):
        X, y = named_table(1300, 4, n_columns=6, signal=2.5, seed=seed)
        model = fit(X[:300], y[:300], combination=combination, n_neighbors=15)
        truth = model.score(X[300:], y[300:])
        assert 0.5 < truth < 0.99
        errors.append(model.node_scores_["photo"] - truth)
    # 300 rows tell a score to 0.03 or so, at one standard error
    assert abs(np.mean(errors)) < 0.06


# Parents that keep some of their children

DROPPING = {
    "weighted": {"combination": WeightedCombination(drop_children=True)},
    "projection": {"combination": ProjectionCombination(drop_children=True)},
    "linear": {
        "combination": ProjectionCombination(drop_children=True),
        "decision": "linear",
    },
}
each_dropping = pytest.mark.parametrize("params", DROPPING.values(), ids=DROPPING)


@each_dropping
def test_parents_that_may_drop_children_score_noise_at_chance(params):
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        X, y = rng.standard_normal((90, 12)), rng.permutation(np.arange(90) % 2)
        model = fit(X, y, tree=DEEP, **params)
        found.append(model.node_scores_[~model.tree_.is_leaf].mean())
    assert abs(np.mean(found) - 0.5) < 2.5 * np.std(found) / np.sqrt(len(found))


def test_what_is_left_out_contributes_nothing():
    params = DROPPING["linear"]
    paths = [f"photo/part_{i}" for i in range(6)]
    X, y = named_table(900, paths=paths, n_columns=8, signal=1.5)
    model, every = (
        fit(X[:120], y[:120], **{**params, "combination": combination})
        for combination in (params["combination"], type(params["combination"])())
    )
    outcome = model.node_outcomes_["photo"]
    kept = outcome.params["kept"].split(", ")
    assert "part_0" in kept
    assert len(kept) < 6
    left_out = [path for path in paths if path.partition("/")[2] not in kept]
    columns = X.columns.str.partition("|").get_level_values(0).isin(left_out)
    assert not model.components_[:, columns].any()
    assert model.components_[:, ~columns].any(axis=0).all()
    assert "kept" not in every.node_outcomes_["photo"].params
    assert model.score(X[120:], y[120:]) > every.score(X[120:], y[120:]) - 0.02
    direct = model.explain_contrasts(X[120:140]).direct
    nodes = [model.tree_.index(path) for path in left_out]
    assert not direct[:, nodes].any()


def test_subsets_are_single_groups_and_all_but_one():
    maps = [np.ones((2, 3)), np.zeros((0, 3)), np.ones((1, 3)), np.ones((1, 3))]
    found = [np.flatnonzero(kept).tolist() for kept in _weighted.subsets_of(maps)]
    assert found == [[0], [2], [3], [2, 3], [0, 3], [0, 2]]
    assert len(_weighted.subsets_of(maps[:3])) == 2
    scales = _weighted.scales_of(None, maps, 2)
    assert_array_equal(_weighted.stack_scaled(maps, scales), maps[0])
