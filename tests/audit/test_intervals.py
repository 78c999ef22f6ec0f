"""Confidence intervals of shares."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from hierseg_learn.audit._groups import INTERVALS

SCIPY = {"wilson": "wilson", "clopper-pearson": "exact"}


@pytest.mark.parametrize("name", INTERVALS)
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_same_as_scipy(name, level):
    for n in (1, 5, 40):
        hits = np.arange(n + 1)
        low, high = INTERVALS[name](hits, n, level)
        for k in hits:
            expected = binomtest(int(k), n).proportion_ci(level, method=SCIPY[name])
            assert (low[k], high[k]) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize("name", INTERVALS)
def test_no_trials_no_interval(name):
    low, high = INTERVALS[name]([0, 1], [0, 2], 0.95)
    assert np.isnan([low[0], high[0]]).all()
    assert 0 < low[1] < 0.5 < high[1] < 1


@pytest.mark.parametrize("n", [12, 60])
def test_coverage(n):
    """Exact coverage, over all outcomes: never below for one, about the level for the other."""
    hits = np.arange(n + 1)
    shares = np.linspace(0.02, 0.98, 49)
    weights = binom.pmf(hits, n, shares[:, np.newaxis])
    for name, interval in INTERVALS.items():
        low, high = interval(hits, n, 0.9)
        covered = (low <= shares[:, np.newaxis]) & (shares[:, np.newaxis] <= high)
        coverage = (weights * covered).sum(axis=1)
        if name == "clopper-pearson":
            assert coverage.min() >= 0.9
        else:
            assert abs(coverage.mean() - 0.9) < 0.02
