"""Scores of classes by nodes: an example computed by hand, and what they are made of."""

import numpy as np
from numpy.testing import assert_allclose

from hierseg_learn.metrics.novelty import Classes, Coordinates, NoveltyModel

X = np.array([[0.0, 1.0], [2.0, 1.0], [10.0, 1.0], [12.0, 1.0]])
CODES = np.array([0, 0, 1, 1])
COLUMNS = [np.array([0]), np.array([1])]


def test_scores_by_hand():
    """Class means 1 and 11, variance within them 2 and between them 25."""
    classes = Classes.of(X, CODES, 2, COLUMNS, None)
    points = classes.whitened(np.array([[4.0, 1.0]]))
    distances = np.array([[9.0, 49.0]])
    assert_allclose(classes.scores(points, np.ones(1)), distances / 2)
    gains = distances * (1 / 2 - 1 / 27)
    assert_allclose(classes.scores(points, classes.gains), gains)
    units = np.array([3.0, 5.0])
    assert_allclose(classes.scores(points, classes.weights(units)), gains / 3 + distances / 10)


def test_a_constant_column_says_nothing_unless_it_is_a_presence():
    odd = np.array([[4.0, 0.0]])
    coordinates = Coordinates.of(X, COLUMNS, None)
    assert coordinates(odd).shape == (1, 1)
    coordinates = Coordinates.of(X, COLUMNS, np.array([0, 1]))
    # the variance of a presence that was 1 in four rows is taken as 1 / 6
    assert_allclose(coordinates(odd)[0, 1], -np.sqrt(6))


def test_a_direction_along_which_no_row_varied_is_novel():
    """With more columns than rows, the rows leave directions out; a new row may go there."""
    rng = np.random.default_rng(0)
    rows, codes = rng.normal(size=(30, 40)), np.arange(30) % 2
    folds = np.array_split(rng.permutation(30), 5)
    model = NoveltyModel.cross_fitted(rows, codes, 2, [np.arange(40)], None, folds)
    unseen = np.linalg.svd(rows - rows.mean(axis=0))[2][-1]
    usual = rows.mean(axis=0)
    direct, _ = model.contributions(np.stack([usual, usual + 20 * unseen]))
    assert direct[1].sum() > direct[0].sum() + 1


def test_held_out_rows_have_no_say_in_the_scale_of_columns():
    """Rows with tails would otherwise be less novel than new ones of the same kind."""
    rng = np.random.default_rng(0)
    rows, codes = rng.normal(size=(500, 60)) ** 5, np.arange(500) % 2
    folds = np.array_split(rng.permutation(100), 5)
    columns = [np.arange(30), np.arange(30, 60)]
    model = NoveltyModel.cross_fitted(rows[:100], codes[:100], 2, columns, None, folds)
    assert (model.p_values(rows[100:])[1] <= 0.05).mean() <= 0.1


def test_usual_contributions_are_those_of_the_middle_half():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(100, 4)), rng.normal(size=(100, 4)) + 5])
    codes, columns = np.repeat([0, 1], 100), [np.arange(2), np.arange(2, 4)]
    folds = np.array_split(rng.permutation(200), 4)
    model = NoveltyModel.cross_fitted(rows, codes, 2, columns, None, folds)
    fresh = np.concatenate([rng.normal(size=(2000, 4)), rng.normal(size=(2000, 4)) + 5])
    direct, nearest = model.contributions(fresh)
    assert (nearest == np.repeat([0, 1], 2000)).all()
    total = direct.sum(axis=1)
    # of a skew distribution, so that the median lies a little off
    assert abs(np.median(total)) < 0.25
    low, high = np.quantile(total, [0.25, 0.75])
    assert_allclose(high - low, 1.349, rtol=0.15)
    assert_allclose(model.held_out.counts, [100, 100])
