"""An order of rows and classes that only their contents set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.metrics import canonical
from hierseg_learn.metrics.canonical import (
    canonical_order,
    draw_copies,
    order_columns,
    rank_rows,
    reorder,
)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 6))
def test_ranks_are_those_of_sorted_tuples(seed, n_rows, n_columns):
    X = np.random.default_rng(seed).integers(-2, 2, (n_rows, n_columns)) / 3
    X[X == 0] = np.random.default_rng(seed).choice([-0.0, 0.0], (X == 0).sum())
    rows = sorted(map(tuple, X.tolist()))
    expected = [rows.index(tuple(row)) for row in X.tolist()]
    assert rank_rows(X, np.arange(n_columns)).tolist() == expected
    assert rank_rows(X.astype(np.float32), np.arange(n_columns)).tolist() == expected


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_follows_the_rows_and_the_classes(seed):
    rng = np.random.default_rng(seed)
    X, codes = rng.integers(0, 3, (25, 3)).astype(float), rng.permutation(np.arange(25) % 3)
    order, ranks = canonical_order(X, codes)
    moved, renamed = rng.permutation(25), rng.permutation(3)
    again, new_ranks = canonical_order(X[moved], renamed[codes[moved]])
    np.testing.assert_array_equal(X[moved][again], X[order])
    np.testing.assert_array_equal(new_ranks[renamed], ranks)
    np.testing.assert_array_equal(ranks[codes[order]], ranks[codes[moved][again]])


@pytest.mark.parametrize("units", [np.array([3.0, 0.1, 1e6, 1e-6]), np.full(4, 1 / 3)])
def test_neither_units_nor_the_order_of_columns_count(units, monkeypatch):
    rng = np.random.default_rng(0)
    X, codes = rng.gamma(np.arange(1, 5), size=(60, 4)), np.arange(60) % 2
    order = canonical_order(X, codes)[0]
    monkeypatch.setattr(canonical, "BLOCK_ROWS", 7)
    np.testing.assert_array_equal(canonical_order(X * units, codes)[0], order)
    columns = rng.permutation(4)
    np.testing.assert_array_equal(canonical_order(X[:, columns], codes)[0], order)
    np.testing.assert_array_equal(columns[order_columns(X[:, columns])], order_columns(X))


def test_a_table_is_put_in_order_in_place_and_back():
    rng = np.random.default_rng(0)
    for n_rows, n_columns in ((1, 1), (7, 3), (5000, 9)):
        X = rng.normal(size=(n_rows, n_columns)).astype(np.float32)
        rows, columns, moved = rng.permutation(n_rows), rng.permutation(n_columns), X.copy()
        reorder(moved, rows, columns)
        np.testing.assert_array_equal(moved, X[np.ix_(rows, columns)])
        reorder(moved, np.argsort(rows), np.argsort(columns))
        np.testing.assert_array_equal(moved, X)


def test_fractions_are_drawn_without_bias_and_evenly():
    rng, n_seeds = np.random.default_rng(1), 200
    X, codes = rng.normal(size=(60, 3)), np.arange(60) % 3
    weights = rng.choice([0.0, 0.25, 0.5, 1.6, 2.0], 60)
    drawn = np.array([draw_copies(X, codes, weights, seed) for seed in range(n_seeds)])
    share = weights % 1
    errors = 4.5 * np.sqrt(share * (1 - share) / n_seeds)
    assert (np.abs(drawn.mean(axis=0) - weights) <= errors + 1e-12).all()
    for some in (np.arange(60), *(np.flatnonzero(codes == code) for code in range(3))):
        assert (np.abs(drawn[:, some].sum(axis=1) - weights[some].sum()) < 1).all()
    assert len(np.unique(drawn, axis=0)) > 10
    order = rng.permutation(60)
    moved = draw_copies(X[order], codes[order], weights[order], 7)
    np.testing.assert_array_equal(moved, drawn[7][order])
    whole = np.random.RandomState(0)
    np.testing.assert_array_equal(draw_copies(X, codes, weights // 1, whole), weights // 1)
    assert whole.uniform() == np.random.RandomState(0).uniform()
