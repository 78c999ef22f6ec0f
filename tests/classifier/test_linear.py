"""The linear decision: posteriors, and log-odds that add up over the nodes."""

import pickle
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import log_loss

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.explain import ContrastExplanation
from hierseg_learn.metrics import LogisticCombination, ProjectionCombination, ShrinkageLDA
from tests.explain.games import shapley_values
from tests.tables import named_table
from tests.toy_tables import toy_table

X, Y = toy_table()
NEW = X[45:]
KINDS = {
    "projection": {},
    "weighted": {"combination": "weighted", "priors": [0.5, 0.3, 0.2]},
    "scatter": {"combination": "scatter"},
    "logistic": {"combination": LogisticCombination(n_landmarks=0)},
    "one component": {"n_components": 1},
    "few children": {"combination": ProjectionCombination(drop_children=True)},
    "neighborhood components": {"node_metric": "nca", "combination": "weighted"},
}


def fit(table=X, y=Y, **params):
    params = {"decision": "linear", "random_state": 0, **params}
    return HierarchicalMetricClassifier(**params).fit(table[:45], y[:45])


@pytest.fixture(scope="module", params=KINDS, ids=str)
def model(request):
    return fit(**KINDS[request.param])


# Posteriors


def test_one_node_is_linear_discriminant_analysis():
    """To the last digit where no rows can be held out that would choose a temperature."""
    table, y = named_table(120, n_classes=3, signal=1.0)
    table, y = table.to_numpy(), np.where(np.arange(120) < 2, "rare", "usual")
    rare, usual = table[:2], table[2:]
    within = np.cov(rare.T) * 1 / 118 + np.cov(usual.T) * 117 / 118
    weights = np.linalg.solve(within, usual.mean(axis=0) - rare.mean(axis=0))
    middle = (usual.mean(axis=0) + rare.mean(axis=0)) / 2
    model = one_node().fit(table, y)
    assert_allclose(model.decision_function(table), (table - middle) @ weights + np.log(118 / 2))
    # scikit-learn divides the covariance by another number
    theirs = LinearDiscriminantAnalysis().fit(table, y)
    assert_allclose(model.predict_proba(table), theirs.predict_proba(table), atol=0.05)


def test_a_temperature_divides_log_likelihoods():
    table, y = named_table(600, n_classes=4, signal=1.0)
    table, priors = table.to_numpy(), np.ones(4) / 4
    ours = one_node(priors=priors).fit(table[:400], y[:400])
    theirs = LinearDiscriminantAnalysis(priors=priors).fit(table[:400], y[:400])
    contrast = ours.explain_contrasts(table[400:], 0, 3).value
    scores = theirs.decision_function(table[400:])
    expected = scores[:, 0] - scores[:, 3]
    slope = contrast @ expected / (expected @ expected)
    assert 0.5 < slope < 1.5
    assert_allclose(contrast, slope * expected, atol=0.05 * np.abs(expected).max())


def one_node(**params):
    learner = ShrinkageLDA(shrinkage=0)
    params = {"combination": "projection", "decision": "linear", "random_state": 0, **params}
    return HierarchicalMetricClassifier(node_metric=learner, **params)


def test_scores_are_log_posteriors(model):
    scores, proba = model.decision_function(NEW), model.predict_proba(NEW)
    log_proba = model.predict_log_proba(NEW)
    assert scores.shape == proba.shape == (15, 3)
    assert_allclose(scores - logsumexp(scores, axis=1, keepdims=True), log_proba, atol=1e-12)
    assert_allclose(np.exp(log_proba), proba, atol=1e-12)
    assert_allclose(proba.sum(axis=1), 1)
    assert_array_equal(model.classes_[scores.argmax(axis=1)], model.predict(NEW))


def test_two_classes_have_one_score():
    table, y = named_table(80, n_classes=2)
    model = fit(table, y)
    scores, proba = model.decision_function(table[45:]), model.predict_proba(table[45:])
    assert scores.shape == (35,)
    assert_allclose(scores, np.log(proba[:, 1]) - np.log(proba[:, 0]), rtol=1e-6)


def test_far_rows_have_finite_log_probabilities(model):
    far = NEW * 1e3
    assert np.isfinite(model.predict_log_proba(far)).all()
    assert (model.predict_proba(far).max(axis=1) > 0.99).all()


def test_priors_move_the_log_odds_alone():
    uniform, uneven = fit(priors=np.ones(3) / 3), fit(priors=[0.6, 0.3, 0.1])
    assert_allclose(uneven.priors_, [0.6, 0.3, 0.1])
    moved = uneven.predict_log_proba(NEW) - uniform.predict_log_proba(NEW)
    assert_allclose(moved - moved[:, :1], np.tile(np.log([1, 1 / 2, 1 / 6]), (15, 1)), atol=1e-9)
    contrasts = [m.explain_contrasts(NEW, "ant", "cat") for m in (uniform, uneven)]
    assert_allclose(contrasts[0].direct, contrasts[1].direct)
    assert_allclose(contrasts[1].log_prior_odds - contrasts[0].log_prior_odds, np.log(6))


def test_priors_are_those_of_the_data():
    y = np.where(np.arange(60) % 5 > 0, "ant", Y)
    shares = pd.Series(y[:45]).value_counts(normalize=True).sort_index()
    assert_allclose(fit(y=y).priors_, shares)


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ([0.5, 0.5], r"priors must hold one probability for each of 3 classes, got shape \(2,\)"),
        ([0.5, 0.5, 0.0], r"priors must be positive and sum to 1, got \[0.5, 0.5, 0.0\]"),
        ([2, 1, 1], r"priors must be positive and sum to 1, got .* with the sum 4"),
        (["a", "b", "c"], r"priors must hold one probability for each of 3 classes, got \['a'"),
        ({"ant": 1.0}, r"priors must hold one probability for each of 3 classes, got \{'ant'"),
    ],
)
def test_wrong_priors(priors, message):
    with pytest.raises(ValueError, match=message):
        fit(priors=priors)


def test_held_out_rows_temper_what_is_not_certain():
    """Without the temperature, a few hundred noisy columns make a model sure of what it guesses."""
    paths = [f"photo/part_{i}" for i in range(8)]
    table, y = named_table(240, paths=paths, n_columns=25, signal=0.7)
    model = fit(table[:140], y[:140])
    flat = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(table[:45], y[:45])
    losses = [log_loss(y[140:], m.predict_proba(table[140:])) for m in (model, flat)]
    assert losses[0] < min(losses[1], 1.3)


def test_classes_with_one_row():
    y = Y.copy()
    y[3] = "one"
    model = fit(y=y)
    assert set(model.predict(NEW)) <= {"ant", "bee", "cat", "one"}
    contrast = model.explain_contrast(NEW.iloc[[0]], "one", "bee")
    assert_allclose(contrast.log_odds, _log_odds(model, NEW[:1], "one", "bee")[0])
    tiny = HierarchicalMetricClassifier(decision="linear").fit(X[:2], ["a", "b"])
    assert_array_equal(tiny.predict(X[:2]), ["a", "b"])


def test_constant_columns_leave_the_priors():
    model = HierarchicalMetricClassifier(decision="linear").fit(
        np.zeros((12, 3)), np.repeat(["a", "b"], [9, 3])
    )
    assert_allclose(model.predict_proba(np.ones((2, 3))), [[0.75, 0.25]] * 2)


# Contributions


def _log_odds(model, table, target, foil):
    codes = [model.classes_.tolist().index(label) for label in (target, foil)]
    log_proba = model.predict_log_proba(table)
    return log_proba[:, codes[0]] - log_proba[:, codes[1]]


def test_log_odds_add_up(model):
    for target, foil in product(model.classes_, model.classes_):
        if target == foil:
            continue
        found = model.explain_contrasts(NEW, target, foil)
        expected = _log_odds(model, NEW, target, foil)
        scale = np.abs(found.direct).sum(axis=1) + 1
        assert (
            np.abs(found.direct.sum(axis=1) + found.log_prior_odds - expected) < 1e-9 * scale
        ).all()
        assert_allclose(found.log_odds, expected, rtol=1e-6, atol=1e-9)
        halves = np.diff(found.squared_distances, axis=1)[:, 0] / 2
        assert_allclose(found.value, halves, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("scale", [1e8, 1e14, 1e30])
def test_log_odds_of_far_rows_add_up(model, scale):
    """Distances to both means are then equal but for rounding."""
    far = NEW * scale
    found = model.explain_contrasts(far, "ant", "cat")
    expected = _log_odds(model, far, "ant", "cat")
    assert_allclose(found.direct.sum(axis=1) + found.log_prior_odds, expected, rtol=1e-6)


def test_log_odds_are_shapley_values_of_swapped_nodes(model):
    """Of the game in which nodes outside a coalition are those in the middle of both classes."""
    n_nodes, row = model.tree_.n_nodes, NEW.iloc[3].to_numpy()
    found = model.explain_contrast(NEW.iloc[[3]], "ant", "bee")
    middle = model._decide().prototypes[:2].mean(axis=0)
    worths = np.empty(2**n_nodes)
    for coalition in range(2**n_nodes):
        kept = (coalition >> model.column_nodes_) & 1 == 1
        mixed = pd.DataFrame(np.where(kept, row, middle)[None], columns=X.columns)
        worths[coalition] = _log_odds(model, mixed, "ant", "bee")[0] - found.log_prior_odds
    assert_allclose(worths[0], 0, atol=1e-9)
    assert_allclose(found.direct, shapley_values(worths), atol=1e-9)


def test_explanations_agree(model):
    predictions, contrasts = model.explain_predictions(NEW), model.explain_contrasts(NEW)
    assert_array_equal(predictions.prediction, model.predict(NEW))
    assert_array_equal(predictions.contrast.direct, contrasts.direct)
    for i, prediction in enumerate(predictions):
        second = np.argsort(-prediction.proba)[1]
        assert prediction.contrast.target == prediction.prediction
        assert prediction.contrast.foil == model.classes_[second]
        code = prediction.classes.tolist().index(prediction.prediction)
        assert_allclose(prediction.squared_distance, prediction.squared_distances[code])
        assert_allclose(prediction.squared_distance, contrasts.squared_distances[i, 0])


def test_class_and_model_explanations(model):
    for label in model.classes_:
        found = model.explain_class(label)
        rows = X.iloc[found.rows]
        others = model.predict_log_proba(rows)
        others[:, model.classes_.tolist().index(label)] = -np.inf
        foils = model.classes_[others.argmax(axis=1)]
        for i, foil in enumerate(foils):
            contrast = model.explain_contrast(rows.iloc[[i]], label, foil)
            assert_allclose(found.direct_by_row[i], contrast.direct, atol=1e-9)
        assert "the log-likelihood ratio of their class and the most" in found.to_text()
    whole = model.explain_model(NEW, Y[45:], n_repeats=1, random_state=0)
    assert whole.accuracy == model.score(NEW, Y[45:])
    assert whole.direct.argmax() == model.tree_.index("hair")


def test_pairs_are_explained_by_the_metric(model):
    pair = model.explain_pair(NEW.iloc[0], NEW.iloc[1])
    apart = model.transform(NEW[:2])
    assert_allclose(pair.squared_distance, ((apart[0] - apart[1]) ** 2).sum())


def test_log_odds_of_parts():
    portraits = make_portraits(60, signal=("hair",), image_size=(24, 20), random_state=0)
    table = SegmentTreeTransformer(tree=portraits.tree, descriptors="color").fit_transform(
        portraits.images
    )
    model = HierarchicalMetricClassifier(decision="linear", random_state=0).fit(
        table, portraits.target
    )
    whole = model.explain_contrasts(table[:5])
    parts = model.explain_contrasts(table[:5], by="parts")
    assert_allclose(parts.value, whole.value, rtol=1e-9)
    assert_allclose(parts.log_odds, whole.log_odds, rtol=1e-9)
    inner = ~model.tree_.is_leaf
    sizes = [np.abs(found.direct[:, inner]).sum() for found in (parts, whole)]
    assert sizes[0] < 0.6 * sizes[1]


def test_pickles_decide_alike(model):
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_log_proba(NEW), model.predict_log_proba(NEW))
    assert_array_equal(again.explain_contrasts(NEW).direct, model.explain_contrasts(NEW).direct)


# Words


def test_log_odds_in_words():
    found = fit(priors=[0.5, 0.25, 0.25]).explain_prediction(NEW.iloc[[0]])
    contrast = found.contrast
    text = found.to_text()
    assert f"is predicted '{found.prediction}' (probability " in text
    assert f"The log-odds of '{contrast.target}' against '{contrast.foil}' are " in text
    assert f"mean of '{found.prediction}'" in text
    assert "log-likelihood ratio" in text
    assert "vote" not in text
    assert set(found.votes.index.names) == {"mean"}
    plain = contrast.to_dict()
    assert_allclose(plain["log_odds"], contrast.value + plain["log_prior_odds"])


def test_contrasts_of_neighbors_have_no_log_odds():
    tree = fit().tree_
    with pytest.raises(ValueError, match="direct must sum to half of squared_distances"):
        ContrastExplanation(
            tree, np.ones(5), target=0, foil=1, squared_distances=[0, 5], decision="linear"
        )
    with pytest.raises(ValueError, match="log_prior_odds belong to decision='linear' or"):
        ContrastExplanation(
            tree, np.ones(5), target=0, foil=1, squared_distances=[0, 5], log_prior_odds=0.5
        )
    plain = ContrastExplanation(tree, np.ones(5), target=0, foil=1, squared_distances=[0, 5])
    with pytest.raises(AttributeError, match="a contrast has log-odds for decision='linear'"):
        _ = plain.log_odds
    linear = ContrastExplanation(
        tree, np.ones(5), target=0, foil=1, squared_distances=[0, 10], decision="linear"
    )
    assert linear.log_odds == 5
    assert "The log-odds of class 0 against class 1 are 5." in linear.to_text()
