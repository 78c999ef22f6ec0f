"""The training loop: Adam on an objective, with scores on held-out rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.kernels import get_backend
from hierseg_learn.metrics._training import (
    Batches,
    PairObjective,
    Rows,
    best_scale,
    evaluation_interval,
    minimize_convex,
    train,
)

TARGET = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


class Bowl:
    """Squared distance of the map to a target."""

    n_batches = 1

    def draw(self, L):
        pass

    def loss_grad(self, L):
        return float(np.sum((L - TARGET) ** 2)), 2 * (L - TARGET)


class Judge:
    """Scores given in advance, and the maps that asked for them."""

    n_rows = 100

    def __init__(self, scores):
        self.scores, self.maps = list(scores), []

    def __call__(self, L):
        self.maps.append(L)
        return self.scores[len(self.maps) - 1]


def run(score=None, objective=None, **kwargs):
    defaults = {"max_iter": 200, "learning_rate": 0.1, "tol": 0.0, "n_iter_no_change": 200}
    start = np.ones((2, 3))
    return train(start, objective or Bowl(), score, report=lambda *_: None, **(defaults | kwargs))


def test_a_bowl_is_minimised():
    training = run()
    np.testing.assert_allclose(training.components, TARGET, atol=1e-2)
    assert training.n_iter == len(training.loss_curve) == 200
    assert training.best_score is None


def test_the_last_map_within_a_standard_error_of_the_best_is_taken():
    # 0.9 of 100 rows has the standard error 0.03
    judge = Judge([0.5, 0.9, 0.88, 0.86])
    training = run(judge, max_iter=3)
    assert training.best_score == 0.88
    assert training.components is judge.maps[2]


def test_no_map_below_the_start_is_taken():
    judge = Judge([0.9, 0.89, 0.89, 0.89])
    training = run(judge, max_iter=3)
    assert training.best_score == 0.9
    assert training.components is judge.maps[0]


def test_stops_without_improvement():
    assert run(Judge([0.5] * 9), max_iter=8, n_iter_no_change=3).n_iter == 3
    assert run(Judge([0.5, 0.6, 0.7] + [0.7] * 9), max_iter=8, n_iter_no_change=3).n_iter == 5
    assert run(Judge([0.5, 0.51, 0.52, 0.53]), max_iter=8, n_iter_no_change=3, tol=0.1).n_iter == 3


def test_stops_where_there_is_no_gradient():
    class Flat(Bowl):
        def loss_grad(self, L):
            return 0.0, np.zeros_like(L)

    training = train(
        TARGET,
        Flat(),
        None,
        max_iter=9,
        learning_rate=0.1,
        tol=0.0,
        n_iter_no_change=9,
        report=lambda *_: None,
    )
    assert training.n_iter == 1
    assert training.components is TARGET


def test_batches_without_a_gradient_are_passed_over():
    class Sparse(Bowl):
        n_batches, steps = 3, 0

        def loss_grad(self, L):
            self.steps += 1
            loss, gradient = super().loss_grad(L)
            return loss, gradient * (self.steps % 3 == 0)

    training = run(objective=Sparse(), max_iter=600, n_iter_no_change=600)
    assert training.n_iter == 600
    np.testing.assert_allclose(training.components, TARGET, atol=5e-2)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 500))
def test_patience_outlasts_the_first_score(max_iter, n_iter_no_change):
    every = evaluation_interval(max_iter, n_iter_no_change)
    assert 1 <= every <= max(1, n_iter_no_change // 2)


def test_many_steps_are_judged_before_patience_ends():
    training = run(Judge(np.linspace(0.5, 0.9, 101)), max_iter=2000, n_iter_no_change=40)
    assert training.best_score > 0.5


def test_the_best_scale_is_found():
    scaled = best_scale(TARGET * 1e-3, 1e-6 * np.sum(TARGET**2), Bowl(), keep=False)
    assert 0.5 < np.linalg.norm(scaled) / np.linalg.norm(TARGET) < 1.7
    kept = best_scale(TARGET, np.sum(TARGET**2), Bowl(), keep=True)
    np.testing.assert_array_equal(kept, TARGET)
    np.testing.assert_array_equal(best_scale(TARGET * 0, 0.0, Bowl(), keep=False), 0)


@pytest.mark.parametrize("kernel", ["nca", "triplet", "snr"])
def test_gradient_of_the_map(kernel):
    rng = np.random.default_rng(0)
    X, codes = rng.standard_normal((60, 5)), rng.integers(0, 3, 60)
    backend = get_backend("cpu")
    losses = {
        "nca": backend.nca_loss_grad,
        "triplet": lambda Z, codes: backend.triplet_loss_grad(Z, codes, 1.0),
        "snr": lambda Z, codes: backend.snr_loss_grad(Z, codes, 0.5),
    }
    batches = Batches(codes, np.arange(60), 60, np.random.RandomState(0))
    objective = PairObjective(losses[kernel], backend, Rows(X), codes, batches)
    L = 0.5 * rng.standard_normal((6, 5))
    objective.draw(L)
    _, gradient = objective.loss_grad(L)
    step = 3e-3 * gradient / np.linalg.norm(gradient)
    rise = objective.loss_grad(L + step)[0] - objective.loss_grad(L - step)[0]
    assert rise / 2 == pytest.approx(np.sum(step * gradient), rel=1e-2)


def test_the_minimum_of_a_convex_function():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((40, 12)) * np.logspace(0, 1.5, 12), rng.standard_normal(40)

    def loss_grad(x):
        rest = A @ x - b
        return float(rest @ rest), 2 * A.T @ rest

    found = minimize_convex(loss_grad, np.zeros(12), 500, 1e-14)
    np.testing.assert_allclose(found, np.linalg.lstsq(A, b)[0], atol=1e-4)
    np.testing.assert_array_equal(minimize_convex(loss_grad, found, 0, 1e-14), found)
