"""Condensed models: what is kept, that it is exact about it, and what is refused afterwards."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.classifier._condense import find_medoids
from tests.classifier.test_novelty import Bent
from tests.test_saving import through_skops
from tests.toy_tables import toy_table


@pytest.fixture(scope="module")
def table():
    return toy_table(120, seed=3)


@pytest.fixture(scope="module")
def queries():
    return toy_table(15, seed=4)[0]


@pytest.fixture(scope="module", params=["lda", "nonlinear"])
def model(request, table):
    learner = "lda" if request.param == "lda" else Bent()
    model = HierarchicalMetricClassifier(
        node_metric=learner, combination="projection", decision="neighbors", random_state=0
    )
    return model.fit(*table)


def fitted(decision, table):
    model = HierarchicalMetricClassifier(
        combination="projection", decision=decision, random_state=0
    )
    return model.fit(*table)


def test_votes_are_those_of_the_kept_rows(model, table, queries):
    X, y = table
    condensed = model.condense(6)
    kept = condensed.sample_indices_
    codes = np.searchsorted(model.classes_, np.asarray(y)[kept])
    assert np.bincount(codes).max() <= 6
    distances, _ = condensed.kneighbors(queries, 4)
    expected = cdist(model.transform(queries), model.transform(X.iloc[kept]))
    assert_allclose(distances, np.sort(expected, axis=1)[:, :4], rtol=1e-6)
    nearest = codes[np.argsort(expected, axis=1)[:, : condensed.n_neighbors_]]
    votes = np.stack([(nearest == code).mean(axis=1) for code in range(len(model.classes_))], 1)
    assert_allclose(condensed.predict_proba(queries), condensed._votes.proba(votes), rtol=1e-9)


def test_explanations_are_exact(model, table, queries):
    condensed = model.condense(6)
    predicted = condensed.explain_predictions(queries)
    rows = table[0].iloc[condensed.sample_indices_]
    for i in range(len(queries)):
        one, x = predicted[i], queries.iloc[[i]]
        near = rows.iloc[one.neighbors]
        squared = cdist(model.transform(x), model.transform(near), "sqeuclidean")[0]
        assert_allclose(one.direct.sum(), one.vote_weights @ squared, rtol=1e-6)
        contrast = one.contrast
        assert_allclose(contrast.direct.sum(), -np.subtract(*contrast.squared_distances), rtol=1e-6)


def test_other_decisions_need_no_row(table, queries):
    for decision in ("linear", "prototypes"):
        model = fitted(decision, table)
        bare, few = model.condense(0), model.condense(3)
        for condensed in (bare, few):
            assert_array_equal(condensed.predict_proba(queries), model.predict_proba(queries))
            for by in ("nodes", "columns"):
                found = condensed.explain_contrasts(queries, by=by)
                assert_array_equal(found.direct, model.explain_contrasts(queries, by=by).direct)
        assert_array_equal(bare.pairwise(queries), model.pairwise(queries))
        assert_allclose(bare.pairwise(queries, node="hair"), model.pairwise(queries, node="hair"))
        assert few.kneighbors(queries, 2)[1].max() < len(few.sample_indices_)
        assert len(pickle.dumps(bare)) < 0.7 * len(pickle.dumps(model))
        refused = {
            "kneighbors": (queries,),
            "explain_class": (model.classes_[0],),
            "explain_model": (),
            "condense": (),
        }
        for name, args in refused.items():
            with pytest.raises(ValueError, match=rf"^{name}\(\) needs the training rows, of which"):
                getattr(bare, name)(*args)


def test_parts_are_seen_in_rows():
    area = np.linspace(0.2, 0.8, 24)
    mean = np.sin(np.arange(24.0))
    X = pd.DataFrame({"p|area": 1.0, "p|mean": area * mean, "p/a|area": area, "p/a|mean": mean})
    X["p/b|area"], X["p/b|mean"] = 1 - area, 0.0
    model = fitted("prototypes", (X, mean > 0))
    found = model.condense(2).explain_contrasts(X[:4], by="parts")
    assert_array_equal(found.direct, model.explain_contrasts(X[:4], by="parts").direct)
    with pytest.raises(ValueError, match=r"^by='parts' needs the training rows, of which"):
        model.condense(0).explain_contrasts(X[:4], by="parts")


def test_novelty_asks_for_the_whole_model(table, queries):
    condensed = fitted("neighbors", table).condense(5)
    for method in ("novelty_score", "conformal_p_values", "predict_set", "explain_novelty"):
        with pytest.raises(ValueError, match="novelty needs all training rows, of which this"):
            getattr(condensed, method)(queries)
    with pytest.raises(ValueError, match=r"conformalize\(\) needs all training rows"):
        condensed.conformalize(*table)


def test_what_is_kept_depends_on_contents_only(table):
    X, y = table
    names = pd.Series(y).map(dict(zip(np.unique(y), "zyxwvu"))).to_numpy()
    order, columns = np.random.default_rng(0).permutation(len(X)), X.columns[::-1]
    plain = fitted("neighbors", table).condense(7)
    mixed = fitted("neighbors", (X.iloc[order][columns], names[order])).condense(7)
    assert_array_equal(np.sort(order[mixed.sample_indices_]), plain.sample_indices_)
    assert mixed.agreement_ == plain.agreement_
    assert (mixed.n_neighbors_, mixed.smoothing_, mixed.temperature_) == (
        plain.n_neighbors_,
        plain.smoothing_,
        plain.temperature_,
    )


def test_all_rows_are_the_same_model(model, queries):
    condensed = model.condense(1000)
    assert condensed.agreement_ == 1
    assert_array_equal(condensed.predict_proba(queries), model.predict_proba(queries))


def test_a_copy_that_can_be_condensed_again_fitted_again_and_saved(table, queries):
    model = fitted("neighbors", table)
    before = model.predict_proba(queries)
    condensed = model.condense(8)
    again = condensed.condense(2)
    assert set(again.sample_indices_) <= set(condensed.sample_indices_)
    rows = table[0].iloc[again.sample_indices_]
    assert_array_equal(again.kneighbors(rows, 1, return_distance=False)[:, 0], np.arange(len(rows)))
    for array in vars(condensed).values():
        if isinstance(array, np.ndarray) and array.dtype != object:
            array[...] = 0
    assert_array_equal(model.predict_proba(queries), before)
    loaded = through_skops(again)
    assert_array_equal(loaded.predict_proba(queries), again.predict_proba(queries))
    assert not hasattr(again.fit(*table), "sample_indices_")
    assert_array_equal(again.predict_proba(queries), before)


def test_a_number_of_neighbors_that_was_given_stays(table):
    model = HierarchicalMetricClassifier(decision="neighbors", n_neighbors=7, random_state=0)
    model.fit(*table)
    assert model.condense(10).n_neighbors_ == 7
    assert model.condense(1).n_neighbors_ == len(model.classes_)


def test_condensed_digits_are_close_to_all_digits():
    X, y = load_digits(return_X_y=True)
    model = fitted("neighbors", (X[::2], y[::2]))
    accuracy = [model.condense(n).score(X[1::2], y[1::2]) for n in (20, 50)]
    assert model.score(X[1::2], y[1::2]) - np.array(accuracy) == pytest.approx([0.02, 0], abs=0.02)


def test_medoids_are_the_middle_of_their_clusters():
    rng = np.random.default_rng(0)
    centers = np.array([[0, 0], [9, 0], [0, 9.0]])
    points = np.concatenate(
        [centers, *(centers + offset for offset in rng.normal(size=(40, 1, 2)))]
    )
    found = points[find_medoids(points, 3)]
    assert cdist(centers, found).min(axis=1).max() < 1
    # copies make fewer clusters, and no point stands for two
    copies = np.repeat(centers, 5, axis=0)
    assert len(np.unique(copies[find_medoids(copies, 7)], axis=0)) == 3


@pytest.mark.parametrize(
    ("n_prototypes", "error", "match"),
    [
        (0, ValueError, "at least 1, since neighbors vote, got 0"),
        (-1, ValueError, "at least 1"),
        (2.0, TypeError, "an integer, got 2.0"),
        (True, TypeError, "an integer, got True"),
    ],
)
def test_wrong_numbers_get_a_sentence(model, n_prototypes, error, match):
    with pytest.raises(error, match=f"^n_prototypes must be {match}"):
        model.condense(n_prototypes)
