"""Contributions: exact Shapley values that add up to the squared distance at every level."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierseg_learn.metrics import contributions as module
from hierseg_learn.metrics import node_contributions, sum_below
from hierseg_learn.metrics.contributions import (
    mean_node_contributions,
    pair_squared_distances,
    sum_by_node,
)
from tests.strategies import segment_trees


@st.composite
def games(draw, max_nodes=6):
    """A linear map, differences of rows, and a node for every column."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_nodes, n_features = draw(st.integers(1, max_nodes)), draw(st.integers(1, 10))
    scale = 10.0 ** draw(st.integers(-6, 6))
    components = rng.standard_normal((draw(st.integers(0, 5)), n_features)) * scale
    delta = rng.standard_normal((20, n_features)) * rng.lognormal(0, 2, n_features)
    return components, delta, rng.integers(0, n_nodes, n_features), n_nodes


def shapley_values(worth, n_players):
    """Mean of what a player adds, over all orders in which coalitions form."""
    values = np.zeros(n_players)
    for player in range(n_players):
        others = [other for other in range(n_players) if other != player]
        for size in range(n_players):
            weight = factorial(size) * factorial(n_players - size - 1) / factorial(n_players)
            for coalition in combinations(others, size):
                values[player] += weight * (worth({*coalition, player}) - worth({*coalition}))
    return values


@settings(max_examples=60, deadline=None)
@given(games())
def test_contributions_are_the_shapley_values(game):
    components, delta, column_nodes, n_nodes = game
    own = node_contributions(components, delta, column_nodes, n_nodes)
    for row, found in zip(delta[:3], own, strict=False):

        def worth(coalition, row=row):
            differs = np.isin(column_nodes, list(coalition))
            return np.sum((components @ np.where(differs, row, 0)) ** 2)

        expected = shapley_values(worth, n_nodes)
        assert_allclose(found, expected, rtol=0, atol=1e-9 * max(np.abs(expected).sum(), 1e-300))


@settings(max_examples=200, deadline=None)
@given(games(max_nodes=20))
def test_contributions_sum_to_the_squared_distance(game):
    components, delta, column_nodes, n_nodes = game
    own = node_contributions(components, delta, column_nodes, n_nodes)
    squared = np.sum((delta @ components.T) ** 2, axis=1)
    assert (np.abs(own.sum(axis=1) - squared) <= 1e-6 * np.abs(own).sum(axis=1)).all()


@settings(max_examples=50, deadline=None)
@given(games())
def test_without_terms_across_nodes_nothing_is_negative(game):
    components, delta, column_nodes, n_nodes = game
    # one block of rows per node: what a combination by weights makes
    apart = np.concatenate([components * (column_nodes == node) for node in range(n_nodes)])
    own = node_contributions(apart, delta, column_nodes, n_nodes)
    assert (own >= -1e-12 * np.abs(own).sum(axis=1, keepdims=True)).all()
    for node in range(n_nodes):
        alone = np.where(column_nodes == node, delta, 0) @ components.T
        assert_allclose(own[:, node], (alone**2).sum(axis=1), rtol=1e-6, atol=1e-300)


@given(segment_trees(any_order=True), st.integers(0, 2**32 - 1))
def test_sums_below_are_over_subtrees_and_close_every_level(tree, seed):
    own = np.random.default_rng(seed).standard_normal((3, 2, len(tree)))
    before = own.copy()
    total = sum_below(tree, own)
    np.testing.assert_array_equal(own, before)
    for node in range(len(tree)):
        assert_allclose(total[..., node], own[..., tree.subtree(node)].sum(axis=-1))
    above = 0.0
    for level in tree.levels():
        assert_allclose(above + total[..., level].sum(axis=-1), own.sum(axis=-1))
        above = above + own[..., level].sum(axis=-1)


@pytest.mark.parametrize("block_values", [1, 100, 2**22])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_do_not_depend_on_blocks(block_values, dtype, monkeypatch):
    rng = np.random.default_rng(0)
    queries, references = (rng.standard_normal((n, 6)).astype(dtype) for n in (7, 9))
    components = rng.standard_normal((4, 6))
    indices = rng.integers(0, 9, (7, 3))
    whole = pair_squared_distances(components, queries, references, indices)
    monkeypatch.setattr(module, "BLOCK_VALUES", block_values)
    found = pair_squared_distances(components, queries, references, indices)
    assert_allclose(found, whole, rtol=1e-12)
    delta = queries[:, None].astype(np.float64) - references[indices]
    assert_allclose(found, ((delta @ components.T) ** 2).sum(axis=-1), rtol=1e-10)


@pytest.mark.parametrize("block_values", [1, 20, 2**17])
@pytest.mark.parametrize("known_values", [1, 40, 2**24])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_over_references_take_no_pairs(block_values, known_values, dtype, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_VALUES", block_values)
    monkeypatch.setattr(module, "KNOWN_VALUES", known_values)
    rng = np.random.default_rng(0)
    components, queries, references = (rng.standard_normal((n, 6)) + 3.0 for n in (4, 7, 9))
    references, nodes = references.astype(dtype), np.array([4, 1, 1, 2, 0, 2])
    indices, weights = rng.integers(0, 9, (7, 3)), rng.standard_normal((7, 3))
    # one is among its references, one has no other, and one has fewer
    queries[:2] = references[indices[:2, 0]]
    weights[1], weights[2, 1:], indices[2, 1:] = [1.0, 0.0, 0.0], 0.0, -1
    for values in (references, nodes, weights):
        values.flags.writeable = False
    points = [(rows - 3.0) @ components.T for rows in (queries, references)]
    found, sizes = mean_node_contributions(
        components, (queries, points[0]), (references, points[1]), indices, weights, nodes, 5
    )
    delta = queries[:, None] - references[indices]
    shares = np.einsum("qr,qrj->qj", weights, delta * (delta @ components.T @ components))
    expected = shares @ np.eye(5)[nodes]
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert_allclose(sizes, np.abs(shares).sum(axis=1), rtol=1e-9, atol=1e-12)
    assert not found[1].any()
    assert (indices[2, 1:] == -1).all()


@pytest.mark.parametrize(
    "nodes", [[0, 1, 2, 3], [1, 2, 5, 6], [6, 5, 2, 1], [3, 3, 3, 3], [0, 0, 4, 2], [2, 0, 2, 0]]
)
def test_sums_by_node_are_over_its_columns_wherever_they_are(nodes):
    shares = np.random.default_rng(0).standard_normal((3, 4))
    found = sum_by_node(shares, np.array(nodes), 7)
    assert_allclose(found, shares @ np.eye(7)[nodes], rtol=1e-12)


def test_no_pairs_and_no_components():
    nodes = np.array([0, 1])
    assert node_contributions(np.ones((1, 2)), np.ones((0, 2)), nodes, 2).shape == (0, 2)
    assert node_contributions(np.ones((0, 2)), np.ones((3, 2)), nodes, 2).tolist() == [[0, 0]] * 3
    # a node without columns contributes nothing
    assert node_contributions(np.eye(2), np.ones((1, 2)), nodes, 3).tolist() == [[1, 1, 0]]
