"""The table with embeddings in the place of columns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hierseg_learn.metrics.lift import NO_EMBEDDING, Lift, LiftedMap, NodeEmbedding, lift_of

ROWS = np.random.default_rng(0).standard_normal((5, 4))


def embedding(columns, embed, n_components):
    ones = np.ones(len(columns))
    return NodeEmbedding(np.array(columns), 2 * ones, 4 * ones, embed, n_components)


@pytest.fixture
def lift():
    nodes = embedding([3, 0], np.square, 2), NO_EMBEDDING, embedding([1], np.tanh, 1)
    return Lift(nodes)


def test_every_node_has_a_block(lift):
    assert lift.n_columns == 3
    assert [place.tolist() for place in lift.places] == [[0, 1], [], [2]]
    expected = [
        ((ROWS[:, 3] - 2) / 4) ** 2,
        ((ROWS[:, 0] - 2) / 4) ** 2,
        np.tanh((ROWS[:, 1] - 2) / 4),
    ]
    assert_allclose(lift(ROWS), np.stack(expected, axis=1))


def test_nodes_and_columns_in_another_order(lift):
    columns = np.array([2, 0, 3, 1])  # where each column goes
    moved = np.empty_like(ROWS)
    moved[:, columns] = ROWS
    taken, numbers = lift.take([2, 0, 1], columns)
    assert [place.tolist() for place in taken.places] == [[0], [1, 2], []]
    assert_array_equal(taken(moved)[:, numbers], lift(ROWS))


def test_a_map_after_a_lift(lift):
    components = np.array([[1.0, 0.0, 2.0]])
    assert_allclose(LiftedMap(lift, components)(ROWS), lift(ROWS) @ components.T)


def test_linear_nodes_need_no_lift():
    columns = np.array([0, 1]), np.array([3, 2])
    assert lift_of([None, None], columns) is None
    own = NodeEmbedding(np.array([1]), np.zeros(1), np.ones(1), np.square, 1)
    made = lift_of([None, own], columns)
    assert_allclose(made(ROWS), ROWS[:, [2]] ** 2)
