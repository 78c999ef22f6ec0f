"""Votes by part: sums, words, plain values, wrong input."""

import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierseg_learn.explain import VotesExplanation, shapley_values

# sky, hair, skirt, person, photo
OWN = [0.1, -0.05, 0.45, 0.0, 0.0]
SCORES = [0.3, 0.4, 0.25, 0.35, 0.75, 0.85, 0.7, 0.8]
GIVEN = {"label": "ballet", "scores": SCORES, "players": [0, 1, 2], "removal": "ablate"}


def test_sums_and_shares(tree):
    votes = VotesExplanation(tree, OWN, **GIVEN)
    assert_allclose(votes.difference, 0.5)
    assert_allclose(votes.total[tree.root], votes.difference)
    assert_allclose(votes.direct_share[votes.direct > 0].sum(), 1)
    assert_allclose(votes.to_frame()["direct"].sum(), 0.5)


def test_words_name_the_removal_and_both_signs(tree):
    text = VotesExplanation(tree, OWN, **GIVEN).to_text()
    assert "The probability of 'ballet' is 80%, 30% if all parts are ablated." in text
    assert "skirt (82%); against it: hair (9%)." in text
    assert "All that raises it is 100%; what lowers it is 9% of that." in text
    swapped = VotesExplanation(tree, OWN, **{**GIVEN, "removal": "swap"})
    assert "if all parts are those of other images" in swapped.to_text()
    foil = VotesExplanation(tree, [-0.1, 0, 0, 0, 0], **{**GIVEN, "scores": [0.3, 0.2] * 4})
    assert "No part raises it; against it: sky (100%)." in foil.to_text()


def test_worth_looks_coalitions_up(tree):
    votes = VotesExplanation(tree, OWN, **GIVEN)
    assert votes.worth([[0, 0, 0], [1, 0, 0], [0, 1, 1]]).tolist() == [0.3, 0.4, 0.7]
    assert votes.proba.tolist() == [0.3, 0.8]
    assert_allclose(shapley_values(votes.worth, 3), OWN[:3])
    with pytest.raises(ValueError, match=r"kept must have shape \(n_coalitions, 3\)"):
        votes.worth([[0, 1]])


def test_plain_values_and_pickle(tree):
    votes = VotesExplanation(tree, OWN, **GIVEN)
    about = json.loads(json.dumps(votes.to_dict()))
    assert about["players"] == ["photo/sky", "photo/person/hair", "photo/person/skirt"]
    assert about["proba"] == [0.3, 0.8]
    again = pickle.loads(pickle.dumps(votes))
    assert again.to_text() == votes.to_text()


def test_plot(tree, plt):
    ax = VotesExplanation(tree, OWN, **GIVEN).plot()
    assert "ballet" in ax.get_xlabel()


def test_wrong_input(tree):
    with pytest.raises(
        ValueError, match=r"direct must sum to scores\[-1\] - scores\[0\] = 0.5, got 0.6"
    ):
        VotesExplanation(tree, [0.2, *OWN[1:]], **GIVEN)
    with pytest.raises(ValueError, match="removal must be 'ablate' or 'swap', got 'burn'"):
        VotesExplanation(tree, OWN, **{**GIVEN, "removal": "burn"})
    with pytest.raises(ValueError, match=r"scores must have shape \(8,\)"):
        VotesExplanation(tree, OWN, **{**GIVEN, "scores": SCORES[:4]})


def test_contributions_that_cancel_up_to_rounding(tree):
    scores = [0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    direct = np.zeros(tree.n_nodes)
    direct[tree.leaves] = [0.1, 0.2, -0.3]
    votes = VotesExplanation(tree, direct, **(GIVEN | {"scores": scores}))
    assert sum([0.1, 0.2, -0.3]) != 0
    assert votes.difference == 0
    assert "The contributions cancel: for it " in votes.to_text()
