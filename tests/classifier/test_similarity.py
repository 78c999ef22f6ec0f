"""Similarity search: by node and under weights, against brute force; what an index finds."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering

from hierseg_learn import HierarchicalMetricClassifier
from tests.classifier.test_novelty import Bent
from tests.toy_tables import toy_table

WEIGHTS = [
    {"hair": 0},
    {"photo/person": 0.25, "photo/person/hair": 4},
    {"photo": 2},
    {"sky": 3, "skirt": 0.5},
]


@pytest.fixture(scope="module")
def table():
    return toy_table(90, seed=3)


@pytest.fixture(scope="module", params=["lda", "nonlinear"])
def model(request, table):
    # every column of every node counts
    learner = "lda" if request.param == "lda" else Bent()
    return HierarchicalMetricClassifier(node_metric=learner, random_state=0).fit(*table)


@pytest.fixture(scope="module")
def queries():
    return toy_table(12, seed=4)[0]


def weight_of_columns(model, weights):
    """The weight of every column of the lifted table, by the definition in the docstring."""
    found = []
    for path in model.tree_.paths:
        steps = path.split("/")
        ancestors = ["/".join(steps[: k + 1]) for k in range(len(steps))][::-1]
        keys = {model.tree_.path(model.tree_.index(key)): value for key, value in weights.items()}
        found.append(next((keys[a] for a in ancestors if a in keys), 1.0))
    return np.array(found)[model._lifted_layout.column_nodes]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_scale_the_differences_of_columns(model, table, queries, weights):
    scale = np.sqrt(weight_of_columns(model, weights))
    rows = [model._lifted(part.to_numpy()) * scale for part in (queries, table[0])]
    expected = cdist(*(part @ model._root_map.T for part in rows))
    distances, indices = model.kneighbors(queries, 7, weights=weights)
    assert_allclose(distances, np.sort(expected, axis=1)[:, :7], rtol=1e-7)
    assert_allclose(np.take_along_axis(expected, indices, 1), distances, rtol=1e-7)
    assert_allclose(model.pairwise(queries, table[0], weights=weights), expected, rtol=1e-7)


@pytest.mark.parametrize("node", ["hair", "photo/person", "photo"])
def test_rows_are_compared_by_one_node(model, table, queries, node):
    embed = [model.transform(part, node) for part in (queries, table[0])]
    expected = cdist(*embed)
    distances, indices = model.kneighbors(queries, 4, node=node)
    assert_allclose(distances, np.sort(expected, axis=1)[:, :4], rtol=1e-6)
    assert_allclose(np.take_along_axis(expected, indices, 1), distances, rtol=1e-6)
    assert_array_equal(model.kneighbors(queries, 4, False, node=node), indices)


def test_default_is_the_metric_of_the_root(model, queries):
    expected = model.kneighbors(queries)
    for space in ({"node": "photo"}, {"weights": {}}, {"weights": {"photo": 1}}):
        distances, indices = model.kneighbors(queries, **space)
        assert_allclose(distances, expected[0], rtol=1e-9)
        assert_array_equal(indices, expected[1])
    doubled = model.kneighbors(queries, weights={"photo": 4})
    assert_allclose(doubled[0], 2 * expected[0], rtol=1e-9)


@pytest.mark.parametrize("space", [{"weights": weights} for weights in WEIGHTS] + [{"node": 2}])
def test_explanations_add_up_to_the_squared_distance(model, table, queries, space):
    distances, indices = model.kneighbors(queries, 3, **space)
    for i in range(4):
        for distance, index in zip(distances[i], indices[i]):
            found = model.explain_similarity(queries[i : i + 1], table[0].iloc[[index]], **space)
            assert_allclose(found.direct.sum(), distance**2, rtol=1e-6)
    pair = model.explain_similarity(queries[:1], queries[1:2])
    assert_allclose(pair.direct, model.explain_pair(queries[:1], queries[1:2]).direct, rtol=1e-9)


def test_what_weighs_nothing_does_not_matter(model, queries):
    expected = model.kneighbors(queries, weights={"hair": 0})[0]
    other = queries.assign(**{f"photo/person/hair|c{i}": 50.0 for i in range(3)})
    assert_allclose(model.kneighbors(other, weights={"hair": 0})[0], expected, rtol=1e-7)
    assert (model.kneighbors(other)[0] != model.kneighbors(queries)[0]).all()


def test_weighted_distances_are_a_metric(model, table):
    rng = np.random.default_rng(0)
    rows = table[0][:40]
    for _ in range(5):
        drawn = rng.exponential(size=5) * (rng.random(5) < 0.7)
        weights = {**dict(enumerate(drawn)), 1: 1.0}
        distances = model.pairwise(rows, weights=weights)
        assert_array_equal(distances, distances.T)
        assert_array_equal(np.diag(distances), 0)
        detours = (distances[:, :, None] + distances[None]).min(axis=1)
        assert (detours >= distances - 1e-9 * distances.max()).all()


def test_distances_go_into_clusterers(model, table):
    X, y = table
    clusterer = AgglomerativeClustering(3, metric="precomputed", linkage="average")
    by_pairs = clusterer.fit_predict(model.pairwise(X))
    crossed = pd.crosstab(by_pairs, y).to_numpy()
    assert (crossed > 0).sum() == 3
    by_points = AgglomerativeClustering(3, linkage="average").fit_predict(model.transform(X))
    assert (pd.crosstab(by_pairs, by_points).to_numpy() > 0).sum() == 3


def test_wrong_input(model, queries):
    with pytest.raises(ValueError, match="'shoes'"):
        model.kneighbors(queries, node="shoes")
    with pytest.raises(ValueError, match="'shoes'"):
        model.pairwise(queries, weights={"shoes": 1})
    with pytest.raises(TypeError, match=r"weights must be a mapping of nodes to numbers, .*\[1\]"):
        model.kneighbors(queries, weights=[1])
    with pytest.raises(ValueError, match=r"weights\['sky'\] must be a finite number .* got -1"):
        model.kneighbors(queries, weights={"sky": -1})
    with pytest.raises(ValueError, match=r"weights\['sky'\] must be a finite number .* got nan"):
        model.kneighbors(queries, weights={"sky": float("nan")})
    with pytest.raises(TypeError, match=r"weights\['sky'\] must be a number, got True"):
        model.kneighbors(queries, weights={"sky": True})
    with pytest.raises(ValueError, match="names the node 'photo/sky' twice, as 'photo/sky', too"):
        model.kneighbors(queries, weights={"sky": 1, "photo/sky": 1})
    with pytest.raises(ValueError, match=r"'photo' has no column that varies and a weight above"):
        model.explain_similarity(queries[:1], queries[1:2], weights={"photo": 0})
    with pytest.raises(ValueError, match="n_neighbors=91 must lie between 1 and 90"):
        model.kneighbors(queries, 91, node="hair")


def test_a_node_without_columns_that_vary_compares_nothing(table):
    X, y = table
    flat = X.assign(**{f"photo/sky|{c}": 1.0 for c in ("presence", "area", "c0", "c1", "c2")})
    model = HierarchicalMetricClassifier(random_state=0).fit(flat, y)
    with pytest.raises(ValueError, match=r"node 'photo/sky' has no column that varies\."):
        model.kneighbors(flat[:1], node="sky")


# an index


class Descent:
    """Exact neighbors, except that the second nearest is never found."""

    n_made = 0

    def __init__(self, points, **params):
        assert points.dtype == np.float32
        self.points = points
        type(self).n_made += 1

    def query(self, points, k, epsilon):
        distances = cdist(points, self.points)
        order = np.argsort(distances, axis=1, kind="stable")
        found = np.delete(order, 1, axis=1)[:, :k]
        return found, np.take_along_axis(distances, found, 1)


@pytest.fixture
def indexed(monkeypatch, table):
    monkeypatch.setattr(Descent, "n_made", 0)
    monkeypatch.setitem(sys.modules, "pynndescent", SimpleNamespace(NNDescent=Descent))
    return HierarchicalMetricClassifier(random_state=0).fit(*table)


def test_distances_of_an_index_are_exact_and_its_recall_is_known(indexed, table, queries):
    for algorithm in ("brute", "kd_tree"):
        indexed.kneighbors(queries, 4, algorithm=algorithm)
        with pytest.raises(AttributeError, match='with algorithm="nn_descent"'):
            indexed.index_recall_  # noqa: B018
    distances, indices = indexed.kneighbors(queries, 4, algorithm="nn_descent")
    exact = indexed.pairwise(queries, table[0])
    assert_allclose(distances, np.take_along_axis(exact, indices, 1), rtol=1e-7)
    assert (np.diff(distances, axis=1) >= 0).all()
    order = np.argsort(exact, axis=1)
    assert_array_equal(indices, np.delete(order, 1, axis=1)[:, :4])
    # of ten neighbors of a training row, it lacks the nearest
    assert indexed.index_recall_ == pytest.approx(0.9)


@pytest.mark.parametrize("algorithm", ["kd_tree", "nn_descent"])
def test_training_rows_are_no_neighbors_of_themselves_by_index(indexed, algorithm):
    indices = indexed.kneighbors(n_neighbors=5, return_distance=False, algorithm=algorithm)
    assert indices.shape == (90, 5)
    assert not (indices == np.arange(90)[:, None]).any()
    assert all(len(set(row)) == 5 for row in indices.tolist())


@pytest.mark.parametrize("space", [{}, {"node": "hair"}, {"weights": {"hair": 0}}])
def test_a_tree_finds_what_the_comparison_with_all_rows_finds(model, queries, space):
    for rows in (queries, None):
        for k in (1, 6):
            expected = model.kneighbors(rows, k, **space)
            found = model.kneighbors(rows, k, **space, algorithm="kd_tree")
            assert_array_equal(found[1], expected[1])
            assert_array_equal(found[0], expected[0])


def test_an_index_is_made_once_for_every_metric_and_fit(indexed, table, queries):
    by_index = {"algorithm": "nn_descent"}
    for _ in range(2):
        indexed.kneighbors(queries, **by_index)
    assert Descent.n_made == 1
    indexed.kneighbors(queries, weights={"hair": 0}, **by_index)
    indexed.kneighbors(queries, weights={"hair": 0}, **by_index)
    assert Descent.n_made == 2
    indexed.fit(*table)
    with pytest.raises(AttributeError):
        indexed.index_recall_  # noqa: B018
    indexed.kneighbors(queries, **by_index)
    assert Descent.n_made == 3


def test_what_an_index_does_not_find_is_searched(indexed, queries, monkeypatch):
    expected = indexed.kneighbors(queries, 4)[1]

    def query(self, points, k, epsilon):
        return np.full((len(points), k), -1), np.full((len(points), k), np.inf)

    monkeypatch.setattr(Descent, "query", query)
    assert_array_equal(indexed.kneighbors(queries, 4, algorithm="nn_descent")[1], expected)


def test_an_algorithm_that_is_not_there_is_named(model, queries, monkeypatch):
    with pytest.raises(ValueError, match="algorithm must be 'brute', 'kd_tree' or 'nn_descent'"):
        model.kneighbors(queries, algorithm="auto")
    monkeypatch.setitem(sys.modules, "pynndescent", None)
    with pytest.raises(ImportError, match=r"pip install hierseg-learn\[index\]"):
        model.kneighbors(queries, algorithm="nn_descent")


def test_pynndescent_finds_nearly_all_and_always_the_same():
    pytest.importorskip("pynndescent")
    X, y = toy_table(1500, seed=5)
    model = HierarchicalMetricClassifier(combination="scatter", random_state=0).fit(X, y)
    distances, indices = model.kneighbors(X[:100], 5, algorithm="nn_descent")
    exact = np.sort(model.pairwise(X[:100], X), axis=1)[:, :5]
    assert (indices[:, 0] == np.arange(100)).mean() > 0.95
    assert (np.abs(distances - exact) < 1e-6).mean() > 0.95
    assert model.index_recall_ > 0.95
    again = clone(model).fit(X, y).kneighbors(X[:100], 5, algorithm="nn_descent")[1]
    assert_array_equal(again, indices)
