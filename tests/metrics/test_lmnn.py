"""Large margin nearest neighbors, and its lists."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from hierseg_learn.kernels import get_backend
from hierseg_learn.metrics import LMNN
from hierseg_learn.metrics._training import Batches, ListObjective, Rows, neighbor_lists


def test_toy_keeps_the_column_that_tells():
    X = np.array([[-4.0, 0.0], [-3.0, 1.0], [3.0, 0.0], [4.0, 1.0]])
    lmnn = LMNN(init="identity", n_neighbors=1, early_stopping=False, random_state=0, max_iter=200)
    M = lmnn.fit(X, [0, 1, 0, 1]).get_mahalanobis_matrix()
    assert M[1, 1] > 30 * M[0, 0]


def test_lists_against_sorted_distances():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((60, 4)).astype(np.float32)
    codes = np.append(rng.integers(0, 3, 59), 7)
    targets, impostors = neighbor_lists(get_backend("cpu"), Z, codes, 3, 5)
    distances = np.linalg.norm(Z[:, None].astype(float) - Z, axis=2)
    for row in range(60):
        order = [other for other in np.argsort(distances[row], kind="stable") if other != row]
        positives = [other for other in order if codes[other] == codes[row]][:3]
        rivals = [other for other in order if codes[other] != codes[row]][:5]
        assert targets[row].tolist() == positives + [-1] * (3 - len(positives))
        assert impostors[row].tolist() == rivals


@pytest.mark.parametrize("margin", [1.0, 4.0])
def test_gradient_of_the_map(margin):
    X, y = load_iris(return_X_y=True)
    batches = Batches(y, np.arange(150), 150, np.random.RandomState(0))
    objective = ListObjective(
        get_backend("cpu"), Rows(X), y, batches, n_targets=3, regularization=0.5, margin=margin
    )
    L = np.random.default_rng(0).standard_normal((2, 4))
    objective.draw(L)
    _, gradient = objective.loss_grad(L)
    step = 1e-2 * gradient / np.linalg.norm(gradient)
    rise = objective.loss_grad(L + step)[0] - objective.loss_grad(L - step)[0]
    assert rise / 2 == pytest.approx(np.sum(step * gradient), rel=1e-2)


def test_all_pull_and_no_push_makes_the_map_small():
    X, y = load_iris(return_X_y=True)
    pulled = LMNN(regularization=1.0, early_stopping=False, random_state=0).fit(X, y)
    assert pulled.loss_curve_[-1] < 0.7 * pulled.loss_curve_[0]
