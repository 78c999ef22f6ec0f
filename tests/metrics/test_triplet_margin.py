"""Triplets with a margin."""

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_classification
from sklearn.neighbors import KNeighborsClassifier

from hierseg_learn.metrics import TripletMargin


@pytest.mark.parametrize("n_positives", [1, None])
def test_toy_keeps_the_column_that_tells(n_positives):
    X = np.array([[-4.0, 0.0], [-3.0, 1.0], [3.0, 0.0], [4.0, 1.0]])
    triplets = TripletMargin(
        init="identity",
        n_positives=n_positives,
        early_stopping=False,
        random_state=0,
        max_iter=200,
        n_iter_no_change=200,
    )
    M = triplets.fit(X, [0, 1, 0, 1]).get_mahalanobis_matrix()
    assert M[1, 1] > 30 * M[0, 0]
    # all triplets have their margin: two units of distance 1 by the second column
    assert triplets.loss_curve_[-1] < 0.05


@pytest.mark.parametrize("n_positives", [3, None])
@pytest.mark.parametrize("margin", [2.0**-14, 4.0])
def test_the_margin_is_the_scale_of_the_map_and_nothing_else(margin, n_positives):
    X, y = load_iris(return_X_y=True)
    learner = TripletMargin(n_positives=n_positives, max_iter=10, random_state=0)
    one = learner.fit(X, y).components_
    other = learner.set_params(margin=margin).fit(X, y).components_
    np.testing.assert_allclose(
        other, np.sqrt(margin) * one, rtol=0, atol=1e-2 * np.abs(other).max()
    )


def test_nearest_positives_leave_the_clusters_of_a_class_apart():
    X, y = make_classification(
        1400, 12, n_informative=6, n_classes=4, n_clusters_per_class=3, class_sep=2, random_state=0
    )

    def score(n_positives):
        learner = TripletMargin(n_positives=n_positives, random_state=0).fit(X[:400], y[:400])
        Z = learner.transform(X)
        return KNeighborsClassifier().fit(Z[:400], y[:400]).score(Z[400:], y[400:])

    assert score(3) > score(None) + 0.03


def test_batches_of_all_triplets_are_small():
    assert TripletMargin(n_positives=None)._batch_rows(9000) == 250
    assert TripletMargin(n_positives=None, batch_size=600)._batch_rows(9000) == 600
    assert TripletMargin()._batch_rows(9000) == 1000
    assert TripletMargin()._batch_rows(600) == 200
    assert TripletMargin()._batch_rows(30) == 100
