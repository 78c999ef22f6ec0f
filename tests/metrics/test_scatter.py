"""Parents with a scatter drawn towards their children's: the formula, and what it is good for."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import ScatterCombination, ShrinkageLDA
from hierseg_learn.metrics._scatter import BottomUpWhitening
from hierseg_learn.tree import SegmentTree
from tests.tables import named_table


def fit(X, y, **params):
    params = {"combination": "scatter", "random_state": 0, **params}
    return HierarchicalMetricClassifier(**params).fit(X, y)


def blocks(n_samples, n_nodes=8, n_columns=25, seed=0):
    """Nodes that vary by themselves, each in few of its directions, and hold some signal each."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n_samples) % 4)
    structure = np.random.default_rng(99)
    X = []
    for _ in range(n_nodes):
        mix = structure.standard_normal((n_columns, n_columns))
        mix *= structure.gamma(0.3, size=n_columns)
        means = 0.1 * structure.standard_normal((4, n_columns))
        X.append(rng.standard_normal((n_samples, n_columns)) @ mix.T + means[codes])
    columns = np.arange(n_nodes * n_columns).reshape(n_nodes, n_columns)
    tree = {"t": {f"part{i}": own.tolist() for i, own in enumerate(columns)}}
    return np.concatenate(X, axis=1), codes, tree


def scatter_of(model, X, y, node, shrinkage):
    """The target of a node and its shrunk scatter by the formula, over standardized columns."""
    tree = model.tree_
    centered = (X - X.mean(axis=0)) / X.std(axis=0)
    centered = centered - np.stack([centered[y == k].mean(axis=0) for k in np.unique(y)])[y]
    within = centered.T @ centered / (len(X) - len(np.unique(y)))
    nodes = model.column_nodes_
    own = nodes == node
    scatter = np.zeros_like(within)
    block = within[np.ix_(own, own)]
    eye = np.eye(len(block)) * np.trace(block) / max(len(block), 1)
    scatter[np.ix_(own, own)] = (1 - shrinkage) * block + shrinkage * eye
    for child in tree.children(node):
        scatter += scatter_of(model, X, y, child, shrinkage)
    if tree.is_leaf[node]:
        return scatter
    kept = model.node_outcomes_.iloc[node]
    s = 1.0 if kept == "start" else float(re.fullmatch(r"scatter, shrinkage=(.*)", kept)[1])
    below = np.isin(nodes, tree.subtree(node))
    return s * scatter + (1 - s) * within * np.outer(below, below)


@pytest.mark.parametrize("seed", range(3))
def test_every_node_has_the_discriminants_of_its_shrunk_scatter(seed):
    paths = ("t/a", "t/a/x", "t/a/y", "t/b/z", "t/b/u")
    table, y = named_table(150, paths=paths, signal=1.0, seed=seed)
    X = table.to_numpy(np.float64)
    model = fit(table, y, node_metric=ShrinkageLDA(shrinkage=0.2))
    assert any(kept.startswith("scatter") for kept in model.node_outcomes_)
    scale, nodes = X.std(axis=0), model.column_nodes_
    apart = np.stack([X[y == k].mean(axis=0) for k in np.unique(y)]) - X.mean(axis=0)
    for node in model.tree_.bottom_up():
        below = np.flatnonzero(np.isin(nodes, model.tree_.subtree(node)) & (scale > 0))
        scatter = scatter_of(model, X, y, node, 0.2)[np.ix_(below, below)]
        difference = (apart / scale)[:, below].T
        through = np.linalg.solve(scatter, difference)
        expected = through @ np.linalg.pinv(difference.T @ through, rcond=1e-6) @ through.T
        components = model.node_components(node)[:, below] * scale[below]
        assert_allclose(
            components.T @ components, expected, rtol=0, atol=0.01 * np.abs(expected).max()
        )


def test_few_rows_are_told_apart_better_than_by_one_node():
    X, y, tree = blocks(1200)
    known, asked = slice(0, 160), slice(160, None)
    scores = [
        fit(X[known], y[known], tree=nested, n_neighbors=15).score(X[asked], y[asked])
        for nested in (tree, {"all": list(range(X.shape[1]))})
    ]
    assert scores[0] > 0.9 > 0.6 > scores[1]


def test_children_that_vary_together_are_found_out():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(900) % 2)
    shared = 3 * rng.standard_normal(900)
    noise = 0.3 * rng.standard_normal((900, 2))
    X = np.c_[shared + y + noise[:, 0], shared - y + noise[:, 1]]
    model = fit(X[:600], y[:600], tree={"t": {"a": [0], "b": [1]}})
    assert model.score(X[600:], y[600:]) > 0.95
    assert model.node_outcomes_["t"].startswith("scatter")


def test_a_climb_with_known_maps_is_the_same_climb():
    X, y, tree = blocks(90, n_nodes=3, n_columns=4)
    tree = SegmentTree.from_nested(tree)
    columns = (*np.arange(12).reshape(3, 4), np.arange(0))
    known = X, y, tree, columns, [ShrinkageLDA()] * 4, np.arange(60), np.arange(60, 90)
    first = BottomUpWhitening(*known)
    again = BottomUpWhitening(*known, first.maps)
    assert_allclose(again.Y, first.Y, rtol=1e-4, atol=1e-5)


def test_without_folds_the_children_stay_as_they_are():
    X, y = named_table(60)
    y = np.arange(60) % 30
    model = fit(X, y, n_neighbors=1)
    assert set(model.node_outcomes_) == {"leaf", "start"}
    assert model.node_scores_.isna().all()


def test_the_same_bits_for_any_number_of_threads():
    X, y, tree = blocks(200)
    one, two = (fit(X, y, tree=tree, n_jobs=n).components_ for n in (1, 2))
    assert_array_equal(one, two)


def test_a_table_in_single_precision_gives_nearly_the_same():
    X, y, tree = blocks(300)
    double, single = (fit(table, y, tree=tree) for table in (X, X.astype(np.float32)))
    assert_allclose(single.components_, double.components_, rtol=0.01, atol=1e-3)


def test_other_node_metrics_are_refused():
    X, y = named_table(60)
    with pytest.raises(ValueError, match=r"needs node_metric='lda' or a ShrinkageLDA, got PCA"):
        fit(X, y, node_metric=PCA(1))


def test_it_is_an_option_by_name_and_as_an_object():
    X, y = named_table(90)
    by_name, as_object = fit(X, y), fit(X, y, combination=ScatterCombination())
    assert_array_equal(by_name.components_, as_object.components_)


@pytest.mark.parametrize("shrinkage", [5.0, -1.0, "bogus", None])
def test_parameters_of_the_learner_are_checked(shrinkage):
    X, y = named_table(30)
    with pytest.raises(ValueError, match="'shrinkage' parameter of ShrinkageLDA"):
        fit(X, y, node_metric=ShrinkageLDA(shrinkage=shrinkage))
