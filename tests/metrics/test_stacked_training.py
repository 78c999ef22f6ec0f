"""Fits that take their steps together: each member's result is its own."""

from types import SimpleNamespace

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierseg_learn.kernels import Backend, _pair_losses, get_backend, searches
from hierseg_learn.metrics._stacked_fit import (
    Member,
    StackObjective,
    StackScore,
    padded,
    train_stack,
)
from hierseg_learn.metrics._training import Batches, NeighborScore, Rows, hold_out, train

COMPOSED = SimpleNamespace(**(vars(searches) | vars(searches) | vars(_pair_losses)))
OPTIONS = {"max_iter": 30, "learning_rate": 0.05, "tol": 1e-4, "n_iter_no_change": 25}


class Rows64(Rows):
    """Rows in float64, so that two ways of summing agree after many steps."""

    def take(self, indices):
        return np.concatenate([block for _, block in self.blocks(indices)])


class Objective64:
    """What `PairObjective` does, in float64."""

    def __init__(self, member):
        self.member, self.n_batches = member, member.batches.n_batches

    def draw(self, L):
        indices = self.member.batches.next()
        self.U, self.codes = self.member.rows.take(indices), self.member.codes[indices]

    def loss_grad(self, L):
        loss, gradient = get_backend("cpu").nca_loss_grad(self.U @ L.T, self.codes)
        return loss, gradient.T @ self.U


class Score64(NeighborScore):
    """A score that does not round the map."""

    def __call__(self, L):
        cpu, Q, X = get_backend("cpu"), self.queries @ L.T, self.references @ L.T
        return self.score_lists(cpu, Q, X, *cpu.nearest(Q, X, self.n_listed))


@pytest.fixture(params=["cpu", "numpy", "array_api_strict"])
def backend(request):
    if request.param == "cpu":
        return get_backend("cpu")
    if request.param == "numpy":
        return Backend("cuda", COMPOSED)
    return Backend("cuda", COMPOSED, asarray=array_api_strict.asarray)


def member(seed, *, n=160, n_features=6, n_components=3, batch_rows=60, scored=True, apart=2):
    """One fit of a size and a difficulty that depend on its seed."""
    rng = np.random.default_rng(seed)
    n = n - 3 * (seed % 4)
    codes = rng.integers(0, 3, n)
    X = rng.normal(size=(n, n_features)) + apart * rng.normal(size=(3, n_features))[codes]
    random_state, rows = np.random.RandomState(seed), Rows64(X)
    trains, score = np.arange(n), None
    if scored:
        trains, held_out = hold_out(codes, 0.2, random_state)
        score = Score64(get_backend("cpu"), rows, codes, trains, held_out, random_state, np.asarray)
    start = 0.4 * rng.normal(size=(n_components, n_features))
    batches = Batches(codes, trains, batch_rows, random_state)
    return Member(start, rows, codes, batches, batch_rows, score)


def trained(backend, members):
    scores = StackScore(backend, members, "float64") if members[0].score else None
    objective = StackObjective(backend, members, "float64")
    return train_stack(members, objective, scores, **OPTIONS)


def assert_same(actual, expected):
    assert actual.n_iter == expected.n_iter
    assert actual.best_score == expected.best_score
    np.testing.assert_allclose(actual.loss_curve, expected.loss_curve, rtol=1e-5)
    size = np.abs(expected.components).max()
    np.testing.assert_allclose(actual.components, expected.components, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("scored", [True, False])
def test_every_member_takes_the_steps_of_train(backend, scored):
    seeds = (0, 1, 2, 7)
    stack = trained(backend, [member(seed, scored=scored) for seed in seeds])
    for seed, actual in zip(seeds, stack, strict=True):
        alone = member(seed, scored=scored)
        expected = train(
            alone.start, Objective64(alone), alone.score, **OPTIONS, report=lambda *_: None
        )
        assert_same(actual, expected)
        assert actual.components.shape == alone.start.shape


@settings(deadline=None, max_examples=4)
@given(st.permutations(range(5)), st.integers(1, 5))
def test_neighbours_and_their_order_change_nothing(order, n_kept):
    backend = Backend("cuda", COMPOSED)
    everyone = trained(backend, [member(seed) for seed in range(5)])
    for seed, actual in zip(order, trained(backend, [member(s) for s in order[:n_kept]])):
        assert_same(actual, everyone[seed])


def test_members_stop_each_at_their_own_time():
    backend, members = get_backend("cpu"), [member(0, apart=1000), member(5)]
    perfect, other = train_stack(
        members,
        StackObjective(backend, members, "float64"),
        StackScore(backend, members, "float64"),
        **{**OPTIONS, "n_iter_no_change": 3},
    )
    assert perfect.best_score == 1.0
    assert perfect.n_iter == 3
    assert other.n_iter > 3
    assert len(other.loss_curve) == other.n_iter


def test_a_stack_of_zero_gradients_ends_after_an_epoch():
    alone = member(3, scored=False)
    nobody = Member(alone.start, alone.rows, np.zeros_like(alone.codes), alone.batches, 60, None)
    (training,) = trained(get_backend("cpu"), [nobody])
    assert training.n_iter == alone.batches.n_batches
    np.testing.assert_array_equal(training.components, alone.start)


@settings(deadline=None)
@given(st.integers(1, 10**6))
def test_padding_is_small_and_settles(size):
    assert size <= padded(size) <= max(8, 1.25 * size + 1)
    assert padded(padded(size)) == padded(size)


def test_the_bucket_is_of_the_member_alone():
    assert member(0).bucket == member(4).bucket
    assert member(0).bucket != member(0, n_features=30).bucket
    assert member(0, scored=False).bucket != member(0).bucket
