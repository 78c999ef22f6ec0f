"""Measures of faithfulness on games and arrays whose answer can be worked out by hand."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import spearmanr

from hierseg_learn.explain._faithfulness import (
    completeness_error,
    curve_area,
    deletion_curve,
    insertion_curve,
    noise_stability,
    pointing_game,
    randomization_check,
    rank_correlation,
)
from hierseg_learn.explain.shapley import shapley_values

WEIGHTS = np.array([1.0, 8.0, 2.0, 4.0])
RNG = np.random.default_rng(0)


def additive(kept):
    return kept @ WEIGHTS


def both_or_nothing(kept):
    """Segments 0 and 1 count only together; segment 2 does nothing."""
    return (kept[:, 0] & kept[:, 1]).astype(float)


def all_orders(n):
    return [np.array(order) for order in permutations(range(n))]


# --- deletion and insertion -----------------------------------------------------------------------


def test_curves_of_an_additive_game():
    curve = deletion_curve(additive, [0.1, 0.9, 0.2, 0.3])
    np.testing.assert_array_equal(curve, [15, 7, 3, 1, 0])
    rising = insertion_curve(additive, [0.1, 0.9, 0.2, 0.3])
    np.testing.assert_array_equal(rising, [0, 8, 12, 14, 15])
    assert curve_area(curve) == (15 / 2 + 7 + 3 + 1) / 4


def test_a_pair_that_counts_only_together():
    # Removing either is enough, but it takes both to bring the score back.
    np.testing.assert_array_equal(deletion_curve(both_or_nothing, [2, 2, 1]), [1, 0, 0, 0])
    np.testing.assert_array_equal(insertion_curve(both_or_nothing, [2, 2, 1]), [0, 0, 1, 1])
    np.testing.assert_array_equal(deletion_curve(both_or_nothing, [0, 0, 1]), [1, 1, 0, 0])
    np.testing.assert_array_equal(insertion_curve(both_or_nothing, [0, 0, 1]), [0, 0, 0, 1])


def test_true_weights_have_the_best_areas_of_all_orders():
    deletions = [curve_area(deletion_curve(additive, order)) for order in all_orders(4)]
    insertions = [curve_area(insertion_curve(additive, order)) for order in all_orders(4)]
    assert curve_area(deletion_curve(additive, WEIGHTS)) == min(deletions)
    assert curve_area(insertion_curve(additive, WEIGHTS)) == max(insertions)
    assert curve_area(deletion_curve(additive, -WEIGHTS)) == max(deletions)


def test_in_an_additive_game_the_areas_of_one_order_sum_to_the_total():
    attributions = RNG.normal(size=4)
    curves = [f(additive, attributions) for f in (deletion_curve, insertion_curve)]
    np.testing.assert_allclose(curves[0] + curves[1], WEIGHTS.sum())


def test_inserting_is_deleting_backwards():
    attributions = RNG.normal(size=6)
    worths = RNG.normal(size=64)

    def worth(kept):
        return worths[kept @ (1 << np.arange(6))]

    np.testing.assert_array_equal(
        insertion_curve(worth, attributions), deletion_curve(worth, -attributions)[::-1]
    )


def test_only_the_order_counts_and_the_first_of_equals_goes_first():
    attributions = RNG.normal(size=4)
    same = deletion_curve(additive, np.exp(3 * attributions) + 7)
    np.testing.assert_array_equal(deletion_curve(additive, attributions), same)
    np.testing.assert_array_equal(deletion_curve(additive, np.zeros(4)), [15, 14, 6, 4, 0])


def test_worth_is_asked_once_for_whole_and_empty_image_and_all_between():
    asked = []

    def worth(kept):
        asked.append(kept.copy())
        return kept.sum(axis=1)

    deletion_curve(worth, [3, 1, 2])
    assert len(asked) == 1
    assert asked[0].dtype == bool
    np.testing.assert_array_equal(asked[0], [[1, 1, 1], [0, 1, 1], [0, 1, 0], [0, 0, 0]])


def test_area_does_not_depend_on_the_number_of_segments():
    assert curve_area(np.linspace(1, 0, 3)) == curve_area(np.linspace(1, 0, 9)) == 0.5
    assert curve_area(np.ones(5)) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: deletion_curve(additive, [1.0, np.nan, 0, 0]), "attributions must hold finite"),
        (lambda: deletion_curve(additive, WEIGHTS[None]), "attributions must have shape"),
        (lambda: insertion_curve(lambda kept: kept[1:, 0], [1.0, 2.0]), "per coalition, 3, got 2"),
        (lambda: insertion_curve(lambda kept: kept * np.nan, [1.0]), "what worth returns must"),
        (lambda: curve_area([1.0]), "at least two scores"),
    ],
)
def test_curves_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- completeness ---------------------------------------------------------------------------------


def test_completeness_is_relative_to_all_attributions():
    assert completeness_error([3.0, -1.0], 2.0) == 0.0
    assert completeness_error([3.0, -1.0], 3.0) == 0.25
    np.testing.assert_allclose(completeness_error([[1e6, -1e6], [1, 1]], [1.0, 1.0]), [5e-7, 0.5])


def test_completeness_where_nothing_is_attributed():
    np.testing.assert_array_equal(completeness_error(np.zeros((2, 3)), [0.0, 1.0]), [0.0, np.inf])


def test_completeness_does_not_change_with_units():
    values, explained = RNG.normal(size=(5, 4)), RNG.normal(size=5)
    error = completeness_error(values, explained)
    assert (error > 0).all()
    np.testing.assert_allclose(completeness_error(1e-8 * values, 1e-8 * explained), error)


def test_completeness_wants_one_number_per_row():
    with pytest.raises(ValueError, match="one number per row of attributions"):
        completeness_error(np.ones((2, 3)), [1.0])


# --- rank correlation -----------------------------------------------------------------------------


def test_rank_correlation_agrees_with_scipy_ties_included():
    a, b = RNG.integers(0, 4, size=(2, 20, 7)).astype(float)
    expected = [spearmanr(*pair).statistic for pair in zip(a, b)]
    np.testing.assert_allclose(rank_correlation(a, b), expected)
    assert rank_correlation(a[0], b[0]) == pytest.approx(expected[0])


def test_rank_correlation_looks_at_order_only_and_is_undefined_without():
    a = RNG.normal(size=(3, 5))
    np.testing.assert_allclose(rank_correlation(a, np.exp(a)), 1.0)
    np.testing.assert_allclose(rank_correlation(a, -a), -1.0)
    assert np.isnan(rank_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match="same shape"):
        rank_correlation(a, a[:2])


# --- stability ------------------------------------------------------------------------------------


def test_an_explanation_without_the_image_does_not_move():
    stability = noise_stability(lambda x: np.array([1.0, 2.0]), np.zeros((3, 3)), random_state=0)
    np.testing.assert_array_equal(stability.change, np.zeros(10))
    np.testing.assert_allclose(stability.rank_correlation, 1.0)


def test_change_of_a_linear_explanation_is_the_size_of_the_noise():
    x = np.full(4000, 2.0)
    stability = noise_stability(lambda z: 5 * z, x, scale=0.1, n_repeats=3, random_state=0)
    # ||noise|| / ||x|| = 0.1 / 2, up to 1 / sqrt(2 * 4000) of it
    np.testing.assert_allclose(stability.change, 0.05, rtol=0.05)


def test_change_grows_with_the_noise_and_vanishes_without():
    image = RNG.random((6, 5))
    changes = [
        noise_stability(lambda z: z.sum(axis=0), image, scale=s, random_state=1).change.mean()
        for s in (0.0, 0.01, 0.1)
    ]
    assert changes[0] == 0.0
    assert changes[2] == pytest.approx(10 * changes[1])


def test_ranks_are_lost_when_noise_drowns_the_differences():
    x = np.linspace(0, 1e-3, 8)
    drowned = noise_stability(lambda z: z, x, scale=1.0, n_repeats=200, random_state=0)
    kept = noise_stability(lambda z: z, x, scale=1e-6, n_repeats=20, random_state=0)
    assert abs(drowned.rank_correlation.mean()) < 0.1
    np.testing.assert_allclose(kept.rank_correlation, 1.0)


def test_stability_repeats_and_leaves_the_image_alone():
    image = RNG.random(4)
    image.flags.writeable = False
    runs = [noise_stability(np.sqrt, image, random_state=3).change for _ in range(2)]
    np.testing.assert_array_equal(*runs)
    assert len(set(runs[0].tolist())) == 10


def test_stability_of_an_explanation_that_is_nothing():
    jumps = noise_stability(lambda z: (z != 0) * 1.0, np.zeros(3), n_repeats=2, random_state=0)
    np.testing.assert_array_equal(jumps.change, [np.inf, np.inf])
    still = noise_stability(lambda z: 0 * z, np.zeros(3), n_repeats=2, random_state=0)
    np.testing.assert_array_equal(still.change, [0.0, 0.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"scale": -1.0}, "scale must be at least 0"), ({"n_repeats": 0}, "n_repeats must be")],
)
def test_stability_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        noise_stability(lambda x: x, np.ones(2), **options)


# --- randomization --------------------------------------------------------------------------------

X = RNG.normal(size=(300, 6))
Y = (X[:, 2] > 0).astype(int)


def of_labels(y, seed):
    """Difference of class means times the row: knows what was learned."""
    weights = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    return np.abs(weights) * np.ones((20, 1)) + 1e-9 * np.random.default_rng(seed).normal(size=6)


def of_images(y, seed):
    """The size of the row: knows nothing of the labels."""
    return np.abs(X[:20])


def test_randomization_tells_what_knows_the_labels_from_what_does_not():
    good = randomization_check(of_labels, Y, n_permutations=30, random_state=0)
    bad = randomization_check(of_images, Y, n_permutations=2, random_state=0)
    assert good.permuted.shape == (30, 20)
    assert good.permuted.mean() < 0.3
    np.testing.assert_allclose(good.reseeded, 1.0)
    np.testing.assert_allclose(bad.permuted, 1.0)


def test_randomization_permutes_labels_and_changes_one_thing_at_a_time():
    fits = []

    def fit_explain(y, seed):
        fits.append((y.tolist(), seed))
        return np.array([[1.0, 2.0]])

    y = list("aabbbc")
    randomization_check(fit_explain, y, n_permutations=2, random_state=5)
    true, first, second, reseeded = fits
    assert true[0] == reseeded[0] == y
    assert true[1] == first[1] == second[1] != reseeded[1]
    assert sorted(first[0]) == sorted(second[0]) == y
    assert len({str(labels) for labels in (y, first[0], second[0])}) == 3


def test_randomization_repeats():
    runs = [randomization_check(of_labels, Y, random_state=7).permuted for _ in range(2)]
    np.testing.assert_array_equal(*runs)


def test_randomization_needs_a_permutation():
    with pytest.raises(ValueError, match="n_permutations must be an integer of at least 1"):
        randomization_check(of_images, Y, n_permutations=0)


# --- pointing game --------------------------------------------------------------------------------


def test_pointing_game_with_the_truth_by_image():
    attributions = [[0.0, 2.0, 1.0], [-3.0, -2.0, -1.0], [5.0, 1.0, 1.0]]
    planted = np.array([[0, 1, 0], [1, 1, 0], [1, 0, 1]], dtype=bool)
    np.testing.assert_array_equal(pointing_game(attributions, planted), [1, 0, 1])


def test_equal_attributions_win_what_chance_would():
    planted = np.eye(4, dtype=bool)
    np.testing.assert_array_equal(pointing_game(np.zeros((4, 4)), planted), np.full(4, 0.25))
    order = RNG.permutation(4)
    np.testing.assert_array_equal(pointing_game(np.eye(4)[:, order], planted[:, order]), np.ones(4))


@pytest.mark.parametrize("planted", [[True], [[True, False]] * 3, [1, 0]])
def test_pointing_game_wants_a_bool_per_segment(planted):
    with pytest.raises(ValueError, match="planted must hold a bool per segment"):
        pointing_game([[1.0, 2.0], [2.0, 1.0]], planted)


# --- exact Shapley values -------------------------------------------------------------------------


def test_shapley_values_are_means_over_all_orders_of_arrival():
    worths = RNG.normal(size=32)

    def worth(kept):
        return worths[kept @ (1 << np.arange(5))]

    gains = np.zeros(5)
    orders = all_orders(5)
    for order in orders:
        gains[order] += np.diff(insertion_curve(worth, -np.argsort(order)))
    np.testing.assert_allclose(shapley_values(worth, 5), gains / len(orders))


def test_shapley_values_of_a_quadratic_game_have_the_closed_form_of_contributions():
    matrix = RNG.normal(size=(6, 6))
    matrix = matrix.T @ matrix
    delta = RNG.normal(size=6)

    def worth(kept):
        moved = kept * delta
        return np.einsum("sa,ab,sb->s", moved, matrix, moved)

    np.testing.assert_allclose(shapley_values(worth, 6), delta * (matrix @ delta))


def test_shapley_values_by_hand_and_their_sum():
    np.testing.assert_allclose(shapley_values(both_or_nothing, 3), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(shapley_values(lambda kept: 7 + additive(kept), 4), WEIGHTS)
    one = shapley_values(lambda kept: np.where(kept[:, 0], 5.0, 2.0), 1)
    np.testing.assert_array_equal(one, [3.0])


@pytest.mark.parametrize("n_players", [0, 17])
def test_shapley_values_of_few_players_only(n_players):
    with pytest.raises(ValueError, match="n_players must lie between 1 and 16"):
        shapley_values(additive, n_players)
