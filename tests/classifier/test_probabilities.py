"""Probabilities of the classifier: calibrated, weighted, and those that are explained."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.metrics import balanced_accuracy_score, log_loss, recall_score
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier
from tests.tables import named_table
from tests.toy_tables import toy_table

X, Y = toy_table(90)
TRAIN, NEW = slice(0, 60), X[60:]
DECISIONS = ["neighbors", "prototypes", "linear", "auto"]


def fit(table=X[TRAIN], y=Y[TRAIN], **params):
    return HierarchicalMetricClassifier(**{"random_state": 0, **params}).fit(table, y)


def uneven(seed=0, n_samples=400, class_sep=0.6):
    """Nine rows of one class to one of the other, which some columns tell apart, not well."""
    table, y = make_classification(
        n_samples,
        12,
        n_informative=4,
        weights=[0.9],
        class_sep=class_sep,
        flip_y=0.05,
        random_state=seed,
    )
    names = [f"t/{'abc'[i % 3]}|c{i}" for i in range(12)]
    return pd.DataFrame(table, columns=names), y


@pytest.fixture(scope="module", params=DECISIONS)
def model(request):
    return fit(decision=request.param)


def test_they_are_probabilities(model):
    for table in (NEW, NEW.astype(np.float32), NEW * 1e6):
        proba = model.predict_proba(table)
        assert (proba >= 0).all()
        assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    log_loss(Y[60:], model.predict_proba(NEW), labels=model.classes_)


def test_all_say_the_same(model):
    proba, log_proba, scores = (
        getattr(model, name)(NEW)
        for name in ("predict_proba", "predict_log_proba", "decision_function")
    )
    assert_allclose(np.exp(log_proba), proba, atol=1e-12)
    assert_allclose(scores - scores[:, :1], log_proba - log_proba[:, :1], atol=1e-9)
    for values in (proba, log_proba, scores):
        assert_array_equal(model.classes_[values.argmax(axis=1)], model.predict(NEW))


@pytest.mark.parametrize("decision", DECISIONS)
def test_two_classes_have_one_score(decision):
    table, y = uneven()
    model = fit(table, y, decision=decision)
    scores, proba = model.decision_function(table), model.predict_proba(table)
    assert scores.shape == (400,)
    assert_allclose(scores, np.log(proba[:, 1]) - np.log(proba[:, 0]), rtol=1e-6, atol=1e-9)
    assert_array_equal(scores > 0, model.predict(table) == 1)


def test_level_classes_have_one_largest_score():
    model = fit(np.zeros((40, 2)), np.arange(40) % 2)
    row = np.zeros((1, 2))
    assert_allclose(model.predict_proba(row), [[0.5, 0.5]])
    assert (model.decision_function(row)[0] > 0) == (model.predict(row)[0] == 1)


def test_what_is_explained_is_what_is_printed(model):
    found = model.explain_predictions(NEW)
    assert_allclose(found.proba, model.predict_proba(NEW))
    assert_array_equal(found.prediction, model.predict(NEW))
    for one in found:
        if model.decision_ == "neighbors":
            weights, codes = one.votes["weight"], np.searchsorted(one.classes, one.neighbor_classes)
            shares = np.bincount(codes, weights, minlength=3)
            assert_allclose(one.calibration.proba([shares])[0], one.proba)
            assert "probability: shares of the" in one.to_text()
            continue
        places = [one.classes.tolist().index(c) for c in (one.contrast.target, one.contrast.foil)]
        log_odds = np.subtract(*np.log(one.proba[places]))
        assert_allclose(one.contrast.log_odds, log_odds, rtol=1e-6, atol=1e-9)


# Calibration


TABLES = {
    "breast": (load_breast_cancer, 3),
    "wine": (load_wine, 1),
    "digits": (load_digits, 4),
}


@pytest.mark.parametrize("name", TABLES)
def test_held_out_rows_calibrate(name):
    """Log loss on new rows is below that of the votes themselves, however these are smoothed."""
    load, n_groups = TABLES[name]
    table, y = load(return_X_y=True)
    table, y = table[:600], y[:600]
    groups = np.array_split(np.arange(table.shape[1]), n_groups)
    tree = {"t": {f"g{i}": columns.tolist() for i, columns in enumerate(groups)}}
    known = np.arange(len(y)) % 2 == 0
    model = fit(table[known], y[known], tree=tree)
    found = model.explain_predictions(table[~known])
    codes = np.searchsorted(model.classes_, found.neighbor_classes)
    votes = np.stack(
        [(found.vote_weights * (codes == c)).sum(axis=1) for c in range(len(model.classes_))],
        axis=1,
    )
    k = model.n_neighbors_
    smoothed = (k * votes + 1) / (k + len(model.classes_))
    losses = [log_loss(y[~known], p) for p in (model.predict_proba(table[~known]), smoothed)]
    assert losses[0] < losses[1] + 0.005
    assert losses[0] < 0.4


def test_noise_gives_the_shares_of_the_classes():
    table, y = named_table(300, n_classes=2, signal=0.0)
    y = np.where(np.arange(300) % 4 == 0, 1, 0)
    proba = fit(table, y).predict_proba(named_table(100, seed=1, signal=0.0)[0])
    assert_allclose(proba, np.tile([0.75, 0.25], (100, 1)), atol=0.15)
    assert log_loss(np.arange(100) % 4 == 0, proba) < 0.6


def test_rare_classes_do_not_cost_more_than_they_are():
    gains, known = [], np.arange(400) % 2 == 0
    for seed in range(3):
        table, y = uneven(seed)
        score = fit(table[known], y[known]).score(table[~known], y[~known])
        gains.append(score - 1 + y[~known].mean())
    # 600 rows tell an accuracy to 0.013, at one standard error
    assert np.mean(gains) > -0.013


def test_the_number_of_neighbors_is_found_and_recorded():
    model = fit(decision="neighbors")
    assert model.n_neighbors_ in (5, 10, 15, 25, 40)
    assert model.kneighbors(NEW)[0].shape == (30, model.n_neighbors_)
    assert model.explain_prediction(NEW.iloc[0]).calibration.n_neighbors == model.n_neighbors_
    assert fit(n_neighbors=7).n_neighbors_ == 7
    few = fit(X[:4], ["a", "a", "b", "b"])
    assert (few.n_neighbors_, few.smoothing_, few.temperature_) == (4, 1.0, 1.0)


def test_held_out_rows_choose_the_decision():
    rng, y = np.random.default_rng(0), np.arange(120) % 6
    table = rng.standard_normal((120, 5)) + 3 * rng.standard_normal((6, 5))[y]
    assert fit(table, y, decision="auto").decision_ == "linear"
    # whoever says how neighbors vote asks for their votes
    for params in ({"n_neighbors": 7}, {"weights": "distance"}):
        assert fit(table, y, decision="auto", **params).decision_ == "neighbors"
    assert fit(table, y, decision="linear", n_neighbors=7).decision_ == "linear"
    rings = np.random.default_rng(0).standard_normal((400, 3))
    inside = np.linalg.norm(rings[:, :2], axis=1) < 1.1
    apart = fit(rings, inside, decision="auto", node_metric=StandardScaler())
    assert apart.decision_ == "neighbors"
    assert apart.score(rings, inside) > 0.9


@pytest.mark.parametrize("change", [{"decision": "linear"}, {"n_neighbors": 3}, {"weights": None}])
def test_a_fitted_model_is_calibrated_for_what_it_was_fitted_with(change):
    model = fit().set_params(**change)
    name = next(iter(change))
    with pytest.raises(ValueError, match=f"{name}=.* was set after fit, which used {name}="):
        model.predict_proba(NEW)
    assert model.fit(X[TRAIN], Y[TRAIN]).predict_proba(NEW).shape == (30, 3)


# Priors and weights


@pytest.mark.parametrize("decision", DECISIONS)
def test_priors_move_the_log_odds_alone(decision):
    table, y = uneven()
    plain, even = (fit(table, y, decision=decision, priors=p) for p in (None, [0.5, 0.5]))
    assert_allclose(even.priors_, [0.5, 0.5])
    assert_allclose(plain.priors_, np.bincount(y) / 400)
    moved = even.decision_function(table) - plain.decision_function(table)
    assert_allclose(moved, np.log(plain.priors_[0] / plain.priors_[1]))


@pytest.mark.parametrize("decision", DECISIONS)
def test_balanced_weights_are_even_priors(decision):
    """Where nothing is chosen by held-out rows, which are weighted, too."""
    table, y = uneven()
    y = np.where(np.arange(400) < 2, 1, 0)  # too few for folds
    weighted = fit(table, y, decision=decision, class_weight="balanced")
    even = fit(table, y, decision=decision, priors=[0.5, 0.5])
    assert_allclose(weighted.priors_, [0.5, 0.5])
    assert_allclose(weighted.class_weight_, [400 / 2 / 398, 100])
    assert_allclose(weighted.predict_proba(table), even.predict_proba(table))


@pytest.mark.parametrize("decision", DECISIONS)
def test_weights_find_the_rare_class(decision):
    table, y = uneven(n_samples=600, class_sep=1.2)
    known = np.arange(600) % 2 == 0
    scores = [
        recall_score(
            y[~known],
            fit(table[known], y[known], decision=decision, class_weight=w).predict(table[~known]),
        )
        for w in (None, "balanced")
    ]
    assert scores[1] > scores[0] + 0.1


def test_weights_by_name_are_those_by_number():
    table, y = uneven()
    weights = {"common": 1.0, "a rare one": 4.0}
    names = np.array(list(weights))
    by_name = fit(table, names[y], class_weight=weights)
    by_number = fit(table, y, class_weight={0: 1.0, 1: 4.0})
    places = [by_name.classes_.tolist().index(name) for name in names]
    assert_allclose(by_name.predict_proba(table)[:, places], by_number.predict_proba(table))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"ant": 0.0}, r"class_weight must hold finite weights above 0, got \{'ant': 0.0\}"),
        ({"ant": np.inf}, "class_weight must hold finite weights above 0"),
        ("even", "The 'class_weight' parameter"),
        ({"elk": 2.0}, "The classes, .*ant.* are not in class_weight"),
    ],
)
def test_wrong_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        fit(class_weight=weights)


# In scikit-learn


@pytest.mark.parametrize("decision", ["neighbors", "linear"])
def test_thresholds_are_tuned(decision):
    table, y = uneven()
    model = HierarchicalMetricClassifier(decision=decision, random_state=0)
    tuned = TunedThresholdClassifierCV(model, scoring="balanced_accuracy", cv=3)
    tuned.fit(table, y)
    found = balanced_accuracy_score(y, tuned.predict(table))
    assert found > balanced_accuracy_score(y, tuned.estimator_.predict(table))


def test_pipelines_are_calibrated_again():
    table, y = uneven()
    model = make_pipeline(StandardScaler(), HierarchicalMetricClassifier(random_state=0))
    again = CalibratedClassifierCV(model, cv=3, ensemble=False).fit(table, y)
    assert log_loss(y, again.predict_proba(table)) < 0.5
