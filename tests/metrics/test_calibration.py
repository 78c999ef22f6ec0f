"""Votes become probabilities: the closed form, and what held-out rows choose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import logit

from hierseg_learn.metrics import VoteCalibration, calibration
from hierseg_learn.metrics.calibration import (
    SMOOTHINGS,
    TEMPERATURES,
    HeldOutVotes,
    imitate_votes,
)
from hierseg_learn.metrics.posteriors import ANY_CLASS


def random_shares(seed, shape):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[1]), shape[0])


def test_by_hand():
    rule = VoteCalibration(4, [0.75, 0.25], priors=[0.5, 0.5], smoothing=4.0, temperature=0.5)
    # (4 * 1 + 4 * 3/4) / 8 = 7/8 and 1/8, squared, over the shares
    expected = np.array([49 / 3, 1])
    assert_allclose(rule.proba([[1.0, 0.0]]), [expected / expected.sum()])
    assert_allclose(rule.scores([[1.0, 0.0]])[0, 0], 2 * np.log(7 / 8) + np.log(0.5 / 0.75))


@given(st.integers(0, 1000), st.sampled_from(SMOOTHINGS), st.sampled_from(TEMPERATURES.tolist()))
def test_probabilities_keep_the_order_of_votes_of_equal_classes(seed, smoothing, temperature):
    votes = random_shares(seed, (5, 3))
    proba = VoteCalibration(7, np.full(3, 1 / 3), None, smoothing, temperature).proba(votes)
    assert_allclose(proba.sum(axis=1), 1)
    assert (np.argsort(proba, axis=1) == np.argsort(votes, axis=1)).all()


def test_without_votes_to_add_and_temperature_they_are_the_shares_of_votes():
    votes = np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    assert_allclose(VoteCalibration(10, [0.1, 0.2, 0.7]).proba(votes), votes)


@given(st.integers(0, 1000))
def test_priors_move_log_odds_by_their_ratio(seed):
    votes, (shares, priors) = random_shares(seed, (4, 2)), random_shares(seed + 1, (2, 2))
    rules = [VoteCalibration(9, shares, p, 2.0, 1.3) for p in (None, priors)]
    moved = np.subtract(*(logit(rule.proba(votes)[:, 1]) for rule in rules[::-1]))
    assert_allclose(moved, logit(priors[1]) - logit(shares[1]), rtol=1e-6, atol=1e-9)


def test_weights_of_classes_weigh_votes():
    """At a temperature of 1, as do the votes that are added."""
    votes, shares, weights = random_shares(0, (6, 3)), np.array([0.5, 0.3, 0.2]), [1.0, 2.0, 5.0]
    weighted = weights * shares
    rule = VoteCalibration(8, shares, weighted / weighted.sum(), 3.0)
    expected = weights * (8 * votes + 3 * shares)
    assert_allclose(rule.proba(votes), expected / expected.sum(axis=1, keepdims=True))


def test_held_out_rows_find_how_votes_were_drawn():
    """If classes are drawn by smoothed votes, about this smoothing is found, and no temperature."""
    rng, shares = np.random.default_rng(0), np.array([0.7, 0.3])
    votes = rng.binomial(10, 0.5, 4000)[:, None] / 10 * [1.0, -1.0] + [0.0, 1.0]
    truth = VoteCalibration(10, shares, None, 10.0)
    codes = (rng.random(4000) > truth.proba(votes)[:, 0]).astype(int)
    found, _ = HeldOutVotes({10: votes}, codes).calibrate(shares, shares, None)
    assert_allclose(found.proba(votes), truth.proba(votes), atol=0.03)


def test_rows_that_are_all_right_do_not_make_it_certain():
    votes, codes, shares = np.repeat(np.eye(2), 20, axis=0), np.repeat([0, 1], 20), np.ones(2) / 2
    found, loss = HeldOutVotes({5: votes}, codes).calibrate(shares, shares, None)
    assert 0.9 < found.proba(votes)[0, 0] < 0.999
    assert (loss > 0).all()


def test_the_better_number_of_neighbors_is_taken():
    codes, shares = np.arange(60) % 2, np.ones(2) / 2
    clear = np.eye(2)[codes] * 0.8 + 0.1
    held_out = HeldOutVotes({5: np.full((60, 2), 0.5), 15: clear, 25: clear[::-1]}, codes)
    assert held_out.calibrate(shares, shares, None)[0].n_neighbors == 15


def test_decisions_are_compared_by_the_loss_of_all_rows(monkeypatch):
    """Also where only some of the rows choose."""
    rng, shares = np.random.default_rng(0), np.ones(4) / 4
    held_out = HeldOutVotes({5: rng.dirichlet(shares, 60)}, rng.integers(0, 4, 60))
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr(calibration, "MAX_PROBABILITIES", 4 * 20)
    found, loss = held_out.calibrate(shares, weights / 10, weights)
    own = found.proba(held_out.by_neighbors[5])[np.arange(60), held_out.codes]
    losses = -np.log((1 - ANY_CLASS) * own + ANY_CLASS * weights[held_out.codes] / 10)
    assert_allclose(loss, weights[held_out.codes] * losses)


@pytest.mark.parametrize("weight", [0.2, 5.0])
def test_weights_count_held_out_rows(weight):
    """Those of a class with a large weight decide how far its votes are trusted."""
    votes, codes = np.tile([[0.6, 0.4]], (100, 1)), np.arange(100) % 2
    shares, weights = np.ones(2) / 2, np.array([1.0, weight])
    priors = weights / weights.sum()
    found, _ = HeldOutVotes({10: votes}, codes).calibrate(shares, priors, weights)
    assert_allclose(found.proba(votes[:1])[0], priors, atol=0.02)


def test_probabilities_that_votes_gave_are_found_again():
    rng = np.random.default_rng(0)
    votes = {k: rng.multinomial(k, [0.5, 0.3, 0.2], size=200) / k for k in (5, 10)}
    shares, priors = np.array([0.4, 0.4, 0.2]), np.array([0.2, 0.3, 0.5])
    given = VoteCalibration(10, shares, priors, smoothing=3.0, temperature=float(TEMPERATURES[5]))
    found = imitate_votes(votes, given.proba(votes[10]), shares, priors, np.ones(200))
    assert found.to_dict() == given.to_dict()
