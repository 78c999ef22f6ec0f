"""References for explanations: all orders of parts, and the votes of all sets of parts."""

from itertools import permutations

import numpy as np
import pytest

from hierseg_learn.explain import curve_area, deletion_curve, insertion_curve
from hierseg_learn.explain.shapley import all_coalitions


@pytest.mark.parametrize("seed", range(5))
def test_best_areas_are_those_of_the_best_orders(load, seed):
    n_players = 4
    scores = np.random.default_rng(seed).random(2**n_players)

    def worth(kept):
        return scores[np.asarray(kept) @ (1 << np.arange(n_players))]

    deletion, insertion = load("bench_explanations").best_areas(worth, n_players)
    orders = [-np.argsort(order) for order in permutations(range(n_players))]
    areas = [
        [curve_area(curve(worth, order)) for order in orders]
        for curve in (deletion_curve, insertion_curve)
    ]
    np.testing.assert_allclose(deletion, min(areas[0]))
    np.testing.assert_allclose(insertion, max(areas[1]))


@pytest.mark.parametrize("removal", ["mute", "exchange"])
def test_quick_votes_are_those_of_whole_rows(load, removal):
    explained = load("_explained")
    fitted = explained.fit_portraits("hair", (40, 10, 10), 0)
    donors, _ = explained.draw_donors(fitted, 1)
    i = int(fitted.parts["test"][0])
    kept = all_coalitions(len(fitted.players(i)))
    quick = explained.tabulated_worth(fitted, i, removal, donors)(kept)
    slow = explained.make_worth(fitted, i, removal, donors)(kept)
    np.testing.assert_allclose(quick, slow, atol=1e-9)
