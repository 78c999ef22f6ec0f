"""The statistics behind the evidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierseg_learn.audit._evidence import (
    MIN_PAIRS,
    _correlations,
    _only_partner,
    _shuffled_drops,
    drop_ancestors,
)
from tests.strategies import segment_trees


def test_correlations_as_numpy_does_them():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40, 3))
    b[:, 0] += a[:, 1]
    a[rng.random(a.shape) < 0.2] = np.nan
    b[rng.random(b.shape) < 0.2] = np.nan
    b[MIN_PAIRS - 1 :, 2] = np.nan
    found = _correlations(a, b)
    for i in range(3):
        for j in range(2):
            both = np.isfinite(a[:, i]) & np.isfinite(b[:, j])
            expected = np.corrcoef(a[both, i], b[both, j])[0, 1]
            assert found[i, j] == pytest.approx(expected)
    assert np.isnan(found[:, 2]).all()
    assert np.isnan(_correlations(np.ones((40, 1)), np.ones((40, 1)))).all()


def test_shuffled_drops_as_shuffling_rows_gives_them():
    hits, n = np.array([[50, 3], [40, 6]]), np.array([[60, 8], [55, 9]])
    drops = _shuffled_drops(hits, n, 40_000, seed=0)
    rng = np.random.default_rng(1)
    by_hand = np.zeros(4000)
    for right, sizes in zip(hits, n):
        flags = np.tile(np.arange(sizes.sum()) < right.sum(), (len(by_hand), 1))
        flags = rng.permuted(flags, axis=1)
        old, new = np.split(flags, [sizes[0]], axis=1)
        by_hand += (old.mean(axis=1) - new.mean(axis=1)) / 2
    for share in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(drops, share) == pytest.approx(np.quantile(by_hand, share), abs=0.03)
    assert drops.mean() == pytest.approx(0, abs=0.005)


@given(segment_trees(), st.data())
def test_no_node_above_another_stays_flagged(tree, data):
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=len(tree), max_size=len(tree))))
    kept = drop_ancestors(tree, flags)
    assert not (kept & ~flags).any()
    for node in np.flatnonzero(flags):
        below = [v for v in tree.subtree(node) if v != node]
        assert kept[node] == (not flags[below].any())


def test_only_partner():
    """Node 0 has lost its agreement with node 1 alone, or with nodes 1 and 2."""
    rng = np.random.default_rng(0)
    drops = rng.normal(0, 0.05, size=(101, 3, 3))
    weights = 1.0 - np.eye(3)
    drops[0, 0] = [0, 0.9, 0.0]
    assert _only_partner(drops, weights, 0, level=3.0) == 1
    drops[0, 0] = [0, 0.9, 0.8]
    assert _only_partner(drops, weights, 0, level=3.0) is None
