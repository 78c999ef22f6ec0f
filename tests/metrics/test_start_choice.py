"""The shrinkage that a start takes: chosen where rows are few, drawn nowhere."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.neighbors import KNeighborsClassifier

from hierseg_learn.kernels import get_backend
from hierseg_learn.metrics import _starts
from hierseg_learn.metrics._starts import (
    SHRINKAGES,
    DiscriminantRows,
    class_moments,
    discriminant_start,
)
from hierseg_learn.metrics._training import Rows


def start_of(X, y, n_components=20):
    rows, indices = Rows(X), np.arange(len(X))
    moments = class_moments(rows, y, indices)
    backend = get_backend("cpu")
    return discriminant_start(backend, rows, y, indices, moments, n_components), moments


def generated(n_samples, seed=0):
    return make_classification(
        n_samples, 60, n_informative=10, n_redundant=40, n_classes=5, random_state=seed
    )


def test_with_many_rows_it_is_the_oracle_s():
    X, y = generated(60 * _starts.FEW_ROWS)
    found, moments = start_of(X, y)
    np.testing.assert_array_equal(found, DiscriminantRows(moments).rows(20))


def test_few_rows_choose_one_of_the_candidates_the_same_every_time():
    X, y = generated(150)
    found, moments = start_of(X, y)
    np.testing.assert_array_equal(found, start_of(X, y)[0])
    made = DiscriminantRows(moments)
    candidates = [made.rows(20, s, r) for s in SHRINKAGES for r in _starts.RESTS]
    assert any(np.array_equal(found, candidate) for candidate in candidates)


def test_the_chosen_one_is_no_worse_on_new_rows():
    gains = []
    for seed in range(8):
        X, y = generated(1150, seed)
        X = (X - X[:150].mean(axis=0)) / X[:150].std(axis=0)
        found, moments = start_of(X[:150], y[:150])
        scores = [
            KNeighborsClassifier(5).fit(X[:150] @ L.T, y[:150]).score(X[150:] @ L.T, y[150:])
            for L in (found, DiscriminantRows(moments).rows(20))
        ]
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0


@pytest.mark.parametrize("classes", [[0, 0, 0, 1], [0, 1], [0, 1, 1, 2, 2, 2]])
def test_classes_of_a_row_or_two(classes):
    X = np.random.default_rng(0).normal(size=(len(classes), 4))
    found, _ = start_of(X, np.array(classes), 3)
    assert found.shape == (3, 4)
    assert np.isfinite(found).all()
