"""Contributions go on below the nodes: to descriptors and to single columns, exactly."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.displays import SegmentContributionDisplay, WaterfallDisplay
from hierseg_learn.table.layout import read_layout
from tests.random_features import RandomFeatures
from tests.tables import PATHS, named_table

DECISIONS = ["neighbors", "prototypes", "linear"]
WAYS = ["columns", "descriptors"]


@pytest.fixture(scope="module")
def data():
    X, y = named_table(90, signal=4)
    names = [name.replace("d_2", "e_0") for name in X.columns]
    # far from the origin, where rounding shows
    return (X * 3 + 100).set_axis(names, axis=1), y


@pytest.fixture(scope="module", params=DECISIONS)
def model(request, data):
    return HierarchicalMetricClassifier(decision=request.param, random_state=0).fit(*data)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True, as_frame=True)
    return X, y.map({0: "setosa", 1: "versicolor", 2: "virginica"})


def add_up(model, explanation):
    """Contributions of the leaves, added up by the nodes that they belong to, (..., n_nodes)."""
    tree = explanation.tree
    assert not explanation.direct[..., ~tree.is_leaf].any()
    parents = [tree.path(int(tree.parents[leaf])) for leaf in tree.leaves]
    own = [[parent == path for parent in parents] for path in model.tree_.paths]
    return explanation.direct[..., tree.leaves] @ np.transpose(own).astype(float)


def assert_same(found, expected):
    scale = np.abs(expected).sum(axis=-1, keepdims=True)
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= 1e-6 * scale).all()


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize(
    "explain",
    [
        lambda model, X, by: model.explain_pair(X.iloc[0], X.iloc[5], by=by),
        lambda model, X, by: model.explain_similarity(
            X.iloc[0], X.iloc[5], weights={"hair": 2.0, "sky": 0.5}, by=by
        ),
        lambda model, X, by: model.explain_prediction(X.iloc[1], by=by),
        lambda model, X, by: model.explain_prediction(X.iloc[1], by=by).contrast,
        lambda model, X, by: model.explain_predictions(X, by=by),
        lambda model, X, by: model.explain_predictions(X, by=by).contrast,
        lambda model, X, by: model.explain_contrast(X.iloc[2], target=1, foil=2, by=by),
        lambda model, X, by: model.explain_contrasts(X, by=by),
        lambda model, X, by: model.explain_class(1, by=by),
    ],
)
def test_what_a_node_contributes_is_the_sum_of_its_columns(model, data, by, explain):
    X = data[0].iloc[:7] + 0.1
    nodes, finer = explain(model, X, "nodes"), explain(model, X, by)
    assert (nodes.by, finer.by) == ("nodes", by)
    assert_same(add_up(model, finer), nodes.direct)
    assert_allclose(finer.value, nodes.value, rtol=1e-6)
    places = [finer.tree.index(path) for path in model.tree_.paths]
    assert_same(finer.total[..., places], nodes.total)


def test_columns_add_up_to_what_was_used(model, data):
    X = data[0].iloc[:7] + 0.1
    explained = model.explain_predictions(X, by="columns")
    assert repr(explained) == f"PredictionExplanation(7 samples, {X.shape[1]} columns)"
    assert_array_equal(explained.proba, model.predict_proba(X))
    weights = explained.vote_weights / explained.vote_weights.sum(axis=1, keepdims=True)
    squared = (weights * explained.squared_distances).sum(axis=1)
    assert_allclose(explained.direct.sum(axis=1), squared, rtol=1e-6)
    contrast = model.explain_contrasts(X, 0, 1, by="columns")
    if model.decision == "linear":
        log_proba = model.predict_log_proba(X)
        odds = contrast.direct.sum(axis=1) + contrast.log_prior_odds
        assert_allclose(odds, log_proba[:, 0] - log_proba[:, 1], rtol=1e-6)
    else:
        apart = contrast.squared_distances[:, 1] - contrast.squared_distances[:, 0]
        assert_allclose(contrast.direct.sum(axis=1), apart, rtol=1e-6)


def test_columns_of_pairs_by_brute_force(model, data):
    X = data[0].to_numpy()
    delta, M = X[:40] - X[40:80], model.get_mahalanobis_matrix()
    expected = delta * (delta @ M)
    pairs = np.stack([X[:40], X[40:80]], axis=1)
    assert_same(model.pair_contributions(pairs, by="columns"), expected)
    rows = data[0].iloc[0], data[0].iloc[40]
    explained = model.explain_pair(*rows, by="columns")
    frame = explained.to_frame().dropna(subset="column").set_index("column")
    assert_same(frame["direct"][data[0].columns].to_numpy(), expected[0])
    merged = model.explain_pair(*rows, by="descriptors").to_frame()["direct"]
    for path in PATHS:
        own = data[0].columns.str.startswith(f"{path}|d_")
        assert_allclose(merged[f"{path}/d"], expected[0][own].sum(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_table_without_a_tree_is_explained_by_column(iris, decision):
    X, y = iris
    model = HierarchicalMetricClassifier(decision=decision, random_state=0).fit(X, y)
    explained = model.explain_prediction(X.iloc[60])
    assert explained.by == explained.contrast.by == "columns"
    text = explained.to_text()
    assert "Because of petal" in text or "most of all petal" in text
    tree = text.split("\n\n")[1].splitlines()
    assert tree[1].startswith("table ")
    assert sorted(line.split("  ")[0][4:] for line in tree[2:]) == sorted(X.columns)
    assert "by column" in explained._repr_html_()
    for other in (
        model.explain_pair(X.iloc[0], X.iloc[70]),
        model.explain_contrasts(X[:3]),
        model.explain_class("setosa"),
    ):
        assert other.by == "columns"
    found = model.explain_model(X, y, n_repeats=2, random_state=0)
    drops = found.to_frame().set_index("column")["drop_direct"]
    assert drops[X.columns].max() == drops[["petal length (cm)", "petal width (cm)"]].max()
    # a tree, or what was asked for, is what counts
    assert model.explain_prediction(X.iloc[60], by="nodes").direct.tolist() == pytest.approx(
        [explained.value]
    )
    tree = {"flower": {"sepal": [0, 1], "petal": [2, 3]}}
    with_tree = HierarchicalMetricClassifier(tree, random_state=0).fit(X, y)
    assert with_tree.explain_prediction(X.iloc[60]).by == "nodes"


def test_columns_without_names_are_called_as_scikit_learn_does(iris):
    X, y = iris
    model = HierarchicalMetricClassifier(random_state=0).fit(X.to_numpy(), y)
    frame = model.explain_pair(X.iloc[0].to_numpy(), X.iloc[70].to_numpy()).to_frame()
    assert frame.index.tolist() == ["table/x0", "table/x1", "table/x2", "table/x3", "table"]
    assert frame["column"].tolist() == [0, 1, 2, 3, None]


def test_any_name_of_a_column_can_be_a_leaf():
    names = ["t/a|b", "t|a", "t/a|x/y", "t|", "t|c\nd", "t/a|b"]
    layout = read_layout("columns", names, 6).refined("columns", names)
    assert layout.tree.names == ("b", "x/y", "b (column)", "a", "a (column)", "t|", "c d", "t")
    assert [leaf[0] for leaf in layout.tree.leaf_values] == [names[k] for k in (0, 2, 5, 1, 3, 4)]
    assert layout.columns[4].tolist() == [1]
    assert layout.nodes.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_the_largest_columns_come_first_and_the_others_share_a_line():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((200, 40))).add_prefix("v")
    y = (X["v7"] + 0.3 * X["v31"] > 0).to_numpy()
    model = HierarchicalMetricClassifier(decision="linear", random_state=0).fit(X, y)
    contrast = model.explain_contrast(X.iloc[[3]])
    lines = contrast.to_text().split("\n\n")[1].splitlines()
    assert len(lines) == 2 + 10 + 1
    assert lines[2].split()[1] == "v7"
    assert "30 other columns" in lines[-1]
    table = contrast.share_table()
    for side, whole in zip(table.by_side, contrast._by_side):
        assert_allclose(side[:-1].sum(), whole[-1])
        assert_allclose(side[-1], whole[-1])
    assert_allclose(table.direct.sum(), contrast.direct_share.sum())
    assert len(contrast.to_dict()["nodes"]) == 41
    json.dumps(contrast.to_dict())
    assert WaterfallDisplay(contrast, max_bars=3).steps()[0].label == "v7"


def test_bars_of_columns(iris, request):
    plt = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib")
    X, y = iris
    model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    ax = model.explain_pair(X.iloc[0], X.iloc[70]).plot()
    request.addfinalizer(lambda: plt.close("all"))
    assert {label.get_text() for label in ax.get_yticklabels()} == {"table", *X.columns}


def test_displays_of_columns(iris, request):
    plt = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib")
    request.addfinalizer(lambda: plt.close("all"))
    X, y = iris
    model = HierarchicalMetricClassifier(decision="neighbors", random_state=0).fit(X, y)
    shown = WaterfallDisplay.from_estimator(model, X.iloc[[70]])
    assert {step.label for step in shown.steps()} >= {"petal length (cm)", "petal width (cm)"}
    whole = WaterfallDisplay.from_estimator(model, X.iloc[[70]], by="nodes")
    assert [step.label for step in whole.steps()] == ["table"]
    picture, labels = np.zeros((2, 2)), np.zeros((2, 2), dtype=int)
    with pytest.raises(ValueError, match=r"explanation is by columns, which have no pixels"):
        SegmentContributionDisplay(shown.explanation, [picture], [labels])


def test_presence_is_that_of_the_node():
    X, y = named_table(60, signal=4)
    for path in PATHS:
        X[f"{path}|presence"] = 1.0
    X.loc[::2, "photo/sky|presence"] = 0.0
    X["photo/person|presence"] = 1.0
    model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
    found = model.explain_prediction(X.iloc[0], by="columns")
    missing = [path for path, flag in zip(found.tree.paths, found.present) if not flag]
    assert set(missing) == {"photo/sky", *(f"photo/sky/d_{i}" for i in range(3))} | {
        "photo/sky/presence"
    }
    assert "The sample lacks sky." in found.to_text()


def test_nodes_that_are_not_linear_end_at_the_nodes(iris):
    X, y = iris
    model = HierarchicalMetricClassifier(node_metric=RandomFeatures(random_state=0)).fit(X, y)
    assert model.explain_prediction(X.iloc[0]).by == "nodes"
    message = "by='columns' splits nodes over columns, which is exact for node metrics only that"
    for explain in (
        lambda: model.explain_prediction(X.iloc[0], by="columns"),
        lambda: model.explain_class("setosa", by="columns"),
        lambda: model.pair_contributions(np.zeros((1, 2, 4)), by="columns"),
    ):
        with pytest.raises(ValueError, match=message):
            explain()


def test_what_cannot_be_asked_for_gets_a_sentence(model, data, iris):
    X, y = iris
    row = data[0].iloc[0]
    with pytest.raises(ValueError, match="by must be 'auto', 'nodes', 'descriptors' or 'columns'"):
        model.explain_prediction(row, by="parts")
    with pytest.raises(ValueError, match="by must be 'nodes' or 'columns', got 'parts'"):
        model.pair_contributions(np.zeros((1, 2, 12)), by="parts")
    flat = HierarchicalMetricClassifier(random_state=0)
    for table, got in ((X, "got a table with names such as 'sepal"), (X.to_numpy(), "no names")):
        flat.fit(table, y)
        with pytest.raises(ValueError, match=f"by='descriptors' groups columns by .*{got}"):
            flat.explain_pair(table[:1], table[:1], by="descriptors")
