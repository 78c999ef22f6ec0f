"""Sums of a table by fold and drawn rows: of what, how many, and what follows from them."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hierseg_learn.metrics import ShrinkageLDA, block_sums
from hierseg_learn.metrics._lda import ClassScatter
from hierseg_learn.metrics._scatter import BottomUpWhitening, SummedWhitening
from hierseg_learn.metrics.block_sums import (
    BlockSums,
    RowSummer,
    SummedRows,
    class_means,
    mean_and_spread,
    with_every_class,
)
from hierseg_learn.tree import SegmentTree


def make_rows(n_rows=400, n_columns=5, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(n_classes, size=n_rows)
    rows = rng.normal(size=(n_rows, n_columns)) + 2 * rng.normal(size=(n_classes, n_columns))[codes]
    return (rows + 100).astype(np.float32), codes


def test_means_and_deviations_block_by_block():
    rows, codes = make_rows(9000)
    mean, spread = mean_and_spread(rows)
    assert_allclose(mean, rows.mean(axis=0, dtype=np.float64), rtol=1e-12)
    assert_allclose(spread, rows.std(axis=0, dtype=np.float64), rtol=1e-12)
    expected = [rows[codes == code].mean(axis=0, dtype=np.float64) for code in range(3)]
    assert_allclose(class_means(rows, codes), expected, rtol=1e-12)


def summer_of(rows, codes, n_folds=3):
    ranks = np.arange(rows.shape[1])
    return RowSummer.of(rows[:50], ranks, np.bincount(codes), n_folds, seed=0)


def summed(rows, codes, n_parts=1, summer=None):
    summer = summer_of(rows, codes) if summer is None else summer
    bounds = np.linspace(0, len(rows), n_parts + 1).astype(int)
    spans = pairwise(bounds)
    return SummedRows.join([summer(rows[a:b], a, codes[a:b]) for a, b in spans])


def as_sums(rows, codes):
    summer = summer_of(rows, codes)
    found = summed(rows, codes, summer=summer)
    return found, BlockSums(summer.origin, found.largest, found.folds, found.row_folds)


def test_sums_without_a_fold_are_those_of_the_other_rows():
    rows, codes = make_rows()
    found, sums = as_sums(rows, codes)
    assert_array_equal(found.places, np.arange(400))  # so few are all drawn
    assert_array_equal(found.largest, np.abs(rows).max(axis=0))
    sizes = np.bincount(found.row_folds, minlength=3)
    assert sizes.min() > 90
    for fold in (0, 2, None):
        kept = rows[found.row_folds != fold].astype(float)
        mean, scatter = sums.without(fold)
        expected = ClassScatter.of(kept - kept.mean(axis=0), codes[found.row_folds != fold], 3)
        assert_allclose(mean, kept.mean(axis=0))
        assert_array_equal(scatter.counts, expected.counts)
        assert_allclose(scatter.sums, expected.sums, atol=1e-9)
        assert_allclose(scatter.moments, expected.moments, rtol=1e-9, atol=1e-9)
    means = [rows[codes == code].mean(axis=0, dtype=float) for code in range(3)]
    assert_allclose(sums.class_means(), means)


def test_folds_and_drawn_rows_depend_on_neither_order_nor_cut(monkeypatch):
    monkeypatch.setattr(block_sums, "DRAWN_ROWS", 100)
    rows, codes = make_rows()
    summer = summer_of(rows, codes)
    one, many = summed(rows, codes, 1, summer), summed(rows, codes, 7, summer)
    assert 50 < len(one.places) < 200
    for name in ("rows", "places", "row_folds", "largest"):
        assert_array_equal(getattr(one, name), getattr(many, name))
    order = np.random.default_rng(1).permutation(400)
    moved = summed(rows[order], codes[order], 2, summer)
    assert_array_equal(np.sort(order[moved.places]), one.places)
    assert_array_equal(moved.row_folds[np.argsort(order[moved.places])], one.row_folds)


def test_float64_rows_that_are_alike_in_float32_are_in_all_folds():
    rng = np.random.default_rng(0)
    codes = rng.integers(3, size=400)
    rows = 1 + 1e-12 * rng.normal(size=(400, 5))
    assert len(np.unique(rows.astype(np.float32))) == 1
    assert np.bincount(summed(rows, codes).row_folds, minlength=3).min() > 90
    levels = rng.integers(0, 4, size=(400, 5)).astype(float)
    folds = summed(levels, codes).row_folds
    assert np.bincount(folds, minlength=3).min() > 90
    levels[levels == 0] = -0.0
    assert_array_equal(summed(levels, codes).row_folds, folds)


def test_rare_classes_are_drawn(monkeypatch):
    monkeypatch.setattr(block_sums, "DRAWN_ROWS", 100)
    rows, _ = make_rows(6000)
    codes = np.zeros(6000, dtype=int)
    codes[::300], codes[1::60] = 1, 2
    counts = np.bincount(codes[summed(rows, codes).places])
    assert counts[1] == 20  # fewer than 30: all
    assert 10 < counts[2] < 60
    assert 50 < counts[0] < 150


def test_rows_that_repeat_are_held_out_together_and_do_not_flood(monkeypatch):
    monkeypatch.setattr(block_sums, "DRAWN_ROWS", 100)
    rows, codes = make_rows(10, seed=3)
    codes[:5], codes[5:] = 0, 1
    rows, codes = np.repeat(rows, 500, axis=0), np.repeat(codes, 500)
    summer = summer_of(rows, codes)
    assert all(len(set(folds)) == 1 for folds in summer.folds_of(rows).reshape(10, 500))
    found = summed(rows, codes, summer=summer)
    assert len(found.places) <= 4 * 100 + 60
    found = with_every_class(found, codes, summer, rows.__getitem__)
    assert set(codes[found.places]) == {0, 1}
    assert_array_equal(found.rows, rows[found.places])
    assert_array_equal(found.row_folds, summer.folds_of(found.rows))


def test_no_rows_are_held_out_where_classes_would_be_missing():
    rows, codes = make_rows(9)
    sums = as_sums(rows, codes)[1]
    assert as_sums(*make_rows(60))[1].held_out_rows()
    codes[:], codes[0] = 0, 1
    assert as_sums(rows, codes)[1].held_out_rows() == []
    assert len(sums.row_folds) == 9


@pytest.mark.parametrize("fold", [None, 1])
def test_maps_from_sums_are_those_from_rows(fold):
    rows, codes = make_rows(300, 12, seed=4)
    rows[:, 4] = 7.0  # does not vary
    tree = SegmentTree.from_nested({"t": {"a": {"x": 0, "y": 1}, "b": 2}})
    columns = tuple(np.array(own) for own in ([0, 5, 1], [2, 3, 4], [6, 7], [8, 9], [10, 11]))
    learners = [ShrinkageLDA() for _ in columns]
    found, sums = as_sums(rows, codes)
    asked = np.flatnonzero(found.row_folds == fold)
    known = np.flatnonzero(found.row_folds != fold)
    given = rows, codes, tree, columns, learners, known, asked
    by_rows = BottomUpWhitening(*given)
    by_sums = SummedWhitening(*given, None, sums, fold)
    for node, shrinkage in zip(tree.bottom_up(), (1, 1, 0.4, 1, 0.7), strict=True):
        metrics = []
        for climb in (by_rows, by_sums):
            learned = climb.discriminants(node)
            L = climb.components(node, learned.leading(shrinkage) @ learned.axes)
            metrics.append(L.T @ L)
            climb.whiten(node, shrinkage)
        assert_allclose(*metrics, atol=1e-3 * np.abs(metrics[0]).max())
        assert np.abs(metrics[0]).max() > 0
    # of a tree of 5 nodes: both leave the rows that come along at the same place
    assert_allclose(by_rows.Y, by_sums.Y, atol=2e-3 * np.abs(by_rows.Y).max())
