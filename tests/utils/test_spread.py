"""Rounding is not data, in any unit; data are data, in any unit."""

import numpy as np
import pytest

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import ShrinkageLDA
from hierseg_learn.metrics._training import Rows
from hierseg_learn.metrics.node import fit_node_map
from hierseg_learn.utils.spread import least_spread, varies

CODES = np.arange(40) % 2


def flips(value, dtype):
    """A constant whose last digit says the class."""
    return np.where(CODES, np.nextafter(dtype(value), dtype(2 * value)), dtype(value)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [1.0, 0.3162, 255.0, 1e-9, 1e9])
def test_a_flip_of_the_last_digit_is_no_feature(dtype, value):
    X = np.column_stack([flips(value, dtype), np.arange(40, dtype=dtype)])
    assert not np.isfinite(Rows(X).scale[0])
    found = fit_node_map(ShrinkageLDA(), X, CODES, name="node")
    assert (found.components[:, 0] == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unit", [1e-9, 1e-30, 1e9])
def test_columns_in_tiny_units_are_data(dtype, unit):
    X = np.random.default_rng(0).normal(size=(40, 3)) + 2 * CODES[:, None]
    scaled = (X * unit).astype(dtype)
    assert varies(scaled, scaled.std(axis=0, dtype=np.float64)).all()
    scores = [
        HierarchicalMetricClassifier(random_state=0).fit(table[:30], CODES[:30]).predict(table[30:])
        for table in (X.astype(dtype), scaled)
    ]
    np.testing.assert_array_equal(*scores)


def test_the_floor_is_relative():
    largest = np.array([1e-12, 1.0, 1e12])
    for dtype in (np.float32, np.float64):
        floor = least_spread(largest, dtype)
        np.testing.assert_allclose(floor / largest, floor[1])
    assert least_spread(largest, np.float32)[1] > least_spread(largest, np.float64)[1]
