"""Copies are found, however they were made; rows that share values by nature are none."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.metrics.canonical import find_copies
from hierseg_learn.metrics.cross_fitting import held_out_folds

LEAVES = [np.array([0, 1]), np.array([2]), np.array([3, 4, 5]), np.array([6])]


def draw(n_rows, seed):
    return np.random.default_rng(seed).normal(size=(n_rows, 7))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_shuffled_copies_with_other_parts_are_grouped_with_their_originals(
    n_rows, n_copies, seed, narrow
):
    rng = np.random.default_rng([seed, 1])
    X = draw(n_rows, seed).astype(np.float32 if narrow else np.float64)
    source = np.tile(np.arange(n_rows), 1 + n_copies)
    rows = X[source]
    # up to two of the four parts are those of another row
    for i in range(n_rows, len(rows)):
        for leaf in rng.choice(4, size=rng.integers(0, 3), replace=False):
            rows[i, LEAVES[leaf]] = rng.normal(size=len(LEAVES[leaf]))
    order = rng.permutation(len(rows))
    groups = find_copies(rows[order], (source % 2)[order], LEAVES)
    assert (groups <= np.arange(len(rows))).all()
    assert (groups[groups] == groups).all()
    # whatever is grouped belongs together
    assert (source[order][groups] == source[order]).all()
    # and whole copies are all found
    whole = np.flatnonzero((rows[order] == X[source][order]).all(axis=1))
    for row in whole:
        twins = whole[source[order][whole] == source[order][row]]
        assert len(set(groups[twins])) == 1


def test_exchanged_rows_belong_to_receivers_and_not_to_donors():
    X, codes = draw(20, 0), np.arange(20) % 2
    donors = (np.arange(20) + 1) % 20
    copies = X.copy()
    copies[:, LEAVES[0]] = X[donors][:, LEAVES[0]]
    groups = find_copies(np.vstack([X, copies]), np.tile(codes, 2), LEAVES)
    np.testing.assert_array_equal(groups, np.tile(np.arange(20), 2))
    # two parts only: half is enough, and the donor is of another class
    halves = [np.arange(3), np.arange(3, 7)]
    copies = X.copy()
    copies[:, halves[0]] = X[donors][:, halves[0]]
    groups = find_copies(np.vstack([X, copies]), np.tile(codes, 2), halves)
    np.testing.assert_array_equal(groups, np.tile(np.arange(20), 2))


def test_rows_alike_by_nature_are_no_copies():
    X, codes = draw(400, 1), np.arange(400) % 2
    alone = np.arange(400)
    np.testing.assert_array_equal(find_copies(X, codes, LEAVES), alone)
    # zeros and ones in most parts
    X[:, :6] = X[:, :6] > 0
    np.testing.assert_array_equal(find_copies(X, codes, LEAVES), alone)
    # missing parts hold the same filler, and are many
    X = draw(400, 2)
    present = np.random.default_rng(2).random((400, 4)) < 0.4
    for leaf, columns in enumerate(LEAVES):
        X[np.ix_(~present[:, leaf], columns)] = 0.5
    np.testing.assert_array_equal(find_copies(X, codes, LEAVES, present), alone)
    # the same values in another class
    X = draw(400, 3)
    twice = np.vstack([X, X])
    groups = find_copies(twice, np.repeat([0, 1], 400), LEAVES)
    np.testing.assert_array_equal(groups, np.arange(800))


@pytest.mark.parametrize("n_rows", [1, 5])
def test_nothing_to_compare(n_rows):
    X, codes = draw(n_rows, 0), np.zeros(n_rows, dtype=int)
    for leaves, present in (([], None), (LEAVES, np.zeros((n_rows, 4), dtype=bool))):
        np.testing.assert_array_equal(find_copies(X, codes, leaves, present), np.arange(n_rows))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_copies_stay_in_one_fold(seed):
    rng = np.random.default_rng(seed)
    codes = np.arange(30) % 2
    source = rng.integers(0, 30, size=80)
    copies = np.unique(source, return_index=True)[1][np.unique(source, return_inverse=True)[1]]
    folds = held_out_folds(codes[source], 3, 0, copies)
    assert sorted(np.concatenate(folds).tolist()) == list(range(80))
    for fold in folds:
        assert not set(copies[fold]) & set(np.delete(copies, fold))


def test_without_copies_folds_are_as_ever():
    codes = np.arange(31) % 3
    plain, same = held_out_folds(codes, 3, 5), held_out_folds(codes, 3, 5, np.arange(31))
    assert [fold.tolist() for fold in plain] == [fold.tolist() for fold in same]
    # all rows are copies of two: nothing can be held out
    assert held_out_folds(codes % 2, 3, 0, codes % 2) == []


def test_rows_whose_keys_are_equal_by_chance_are_no_copies(monkeypatch):
    X = draw(20, 3)
    X = np.concatenate([X, X[:, ::-1], X])
    expected = np.append(np.arange(40), np.arange(20))
    np.testing.assert_array_equal(find_copies(X, np.zeros(60, int), [np.arange(7)]), expected)
    # keys that do not tell columns apart
    draws = SimpleNamespace(randint=lambda *args, size, dtype: np.zeros(size, dtype))
    monkeypatch.setattr(np.random, "RandomState", lambda seed: draws)
    np.testing.assert_array_equal(find_copies(X, np.zeros(60, int), [np.arange(7)]), expected)


def test_blocks_of_rows_change_nothing(monkeypatch):
    X, codes = np.tile(draw(15, 2), (3, 1)), np.tile(np.arange(15) % 3, 3)
    expected = find_copies(X, codes, LEAVES)
    monkeypatch.setattr("hierseg_learn.metrics.canonical.BLOCK_PAIRS", 40)
    monkeypatch.setattr("hierseg_learn.metrics.canonical.BLOCK_ROWS", 7)
    np.testing.assert_array_equal(find_copies(X, codes, LEAVES), expected)
