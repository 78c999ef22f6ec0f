"""Parents by softmax regression: the optimum, what is exact, and what held-out rows choose."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import (
    NCA,
    LogisticCombination,
    ShrinkageLDA,
    _lda,
    _logistic,
    _logit_features,
)
from hierseg_learn.metrics._logistic import SCALES
from hierseg_learn.metrics._logit_features import Features, Similarities, Table, _few_directions
from hierseg_learn.metrics._training import fit_softmax
from hierseg_learn.metrics.posteriors import LogitSpace
from tests.tables import named_table


def fit(X, y, **params):
    params = {"combination": "logistic", "decision": "linear", "random_state": 0, **params}
    return HierarchicalMetricClassifier(**params).fit(X, y)


def xor(n_samples=400, seed=0):
    """The class is the sign of a product within one of two nodes."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, 4))
    columns = ["t/pair|a", "t/pair|b", "t/noise|a", "t/noise|b"]
    return pd.DataFrame(X, columns=columns), (X[:, 0] * X[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def curved():
    X, y = xor()
    return fit(X[:300], y[:300]), X[300:], y[300:]


# Regression


@pytest.mark.parametrize("n_classes", [2, 4])
def test_weights_are_those_of_logistic_regression(n_classes):
    X, y = named_table(200, n_classes=n_classes, signal=1.0)
    X, penalty = X.to_numpy(), 0.01
    ours = None
    for one in (1.0, 0.1, penalty):
        ours = fit_softmax([X.T.astype(np.float32)], y, n_classes, one, ours, 500, 1e-8)
    # for two classes, scikit-learn has one weight, the difference of ours, and half the penalty
    C = 1 / (len(X) * penalty) * (2 if n_classes == 2 else 1)
    theirs = LogisticRegression(C=C, tol=1e-8, max_iter=1000).fit(X, y)
    proba = softmax(ours.products(X.T).T + ours.intercepts, axis=1)
    assert_allclose(proba, theirs.predict_proba(X), atol=0.01)


@pytest.mark.parametrize("kind", ["columns", "whitened", "whitened by node", "landmarks"])
def test_blocks_of_rows_change_nothing_but_rounding(kind, monkeypatch):
    monkeypatch.setattr(_lda, "BLOCK_ROWS", 32)
    monkeypatch.setattr(_logit_features, "ROWS_AT_ONCE", 64)
    X, y = named_table(150, signal=1.0)
    X = X.to_numpy(dtype=np.float32)
    columns = tuple(np.split(np.arange(X.shape[1]), 2))
    some = np.arange(0, 150, 2)
    table = Table.of(X, some, columns, 20, 0)
    everyone = np.arange(150)
    weights, fits = [], []
    for rows in (Table.of(X, everyone, columns, 20, 0), table.over(X, kind)):
        rows = replace(rows, _similar=replace(rows._similar, embeds=table._similar.embeds))
        offered = rows.features([0, 1], ShrinkageLDA()).offer(kind, y, everyone)
        fits.append(fit_softmax(offered.blocks, y, 3, 0.1, n_steps=200, tolerance=1e-10))
        weights.append(np.concatenate(offered.back(fits[-1].weights)))
        sizes = [block.shape[1] for block in offered.blocks]
    assert sizes == [64, 64, 22]
    assert_allclose(weights[1], weights[0], atol=1e-3)


def test_more_columns_than_rows_change_no_regression():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 50)).astype(np.float32), np.arange(20) % 2
    few = Features(20, [X], {0: 50}, Similarities(), ShrinkageLDA()).offer(
        "columns", y, np.arange(20)
    )
    (across,) = few.blocks
    assert across.shape == (20, 20)
    fits = [fit_softmax([rows], y, 2, 0.1) for rows in (X.T, across)]
    assert_allclose(fits[1].products(across), fits[0].products(X.T), atol=2e-3)
    assert_allclose(few.back(fits[1].weights)[0], fits[0].weights, atol=2e-3)


@pytest.mark.parametrize("rank", [0, 1, 20])
def test_dependent_columns_have_no_directions_of_rounding(rank):
    rng = np.random.default_rng(0)
    columns = rng.standard_normal((300, rank)) @ rng.standard_normal((rank, 60))
    (few,), turn = _few_directions([columns.astype(np.float32)])
    assert few.shape == (rank, 60)
    assert_allclose(turn.T @ turn, np.eye(rank), atol=1e-5)
    assert_allclose(turn @ few, columns, atol=1e-4)


@pytest.mark.parametrize("n_columns", [2, 9])
def test_distances_to_anchors_give_the_logits(n_columns):
    """With fewer columns than classes less one, offsets remain."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, n_columns)), np.arange(60) % 5
    weights, intercepts = rng.standard_normal((n_columns, 5)), rng.standard_normal(5)
    log_priors = np.log(np.full(5, 0.2))
    space = LogitSpace.of(weights, X @ weights, y)
    points = X @ weights @ space.across.T
    head = space.head(intercepts, log_priors)
    squared = ((points[:, None] - head.anchors) ** 2).sum(axis=-1)
    found = softmax(log_priors + head.offsets - squared / 2, axis=1)
    assert_allclose(found, softmax(X @ weights + intercepts, axis=1))
    assert (np.abs(head.offsets).max() < 1e-9) == (n_columns == 9)


# What held-out rows choose


def test_landmarks_tell_what_is_not_linear_within_a_node(curved):
    model, X, y = curved
    assert model.score(X, y) > 0.85
    assert model.node_outcomes_["t"].params["features"] == "weighted landmarks"
    assert model.node_scores_["t/pair"] > 0.85 > 0.65 > model.node_scores_["t/noise"]


def test_without_landmarks_the_metric_is_linear_in_the_table():
    X, y = xor()
    model = fit(X, y, combination=LogisticCombination(n_landmarks=0))
    assert model.components_.shape == (1, 4)
    linear, y = named_table(300, signal=1.0)
    assert fit(linear, y).components_.shape[1] == linear.shape[1]


def test_landmarks_have_no_components(curved):
    with pytest.raises(AttributeError, match="combination='logistic'"):
        curved[0].components_  # noqa: B018


def test_noise_that_a_node_shares_is_whitened_within_the_node():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = rng.standard_normal((120, 160)) + np.repeat(3 * rng.standard_normal((120, 4)), 40, axis=1)
    X[:, :4] += 2.0 * y[:, None]
    tree = {"t": {f"part{i}": list(range(40 * i, 40 * i + 40)) for i in range(4)}}
    model = fit(X[:80], y[:80], tree=tree)
    assert model.node_outcomes_["t"].params["features"].startswith("whitened")
    assert model.score(X[80:], y[80:]) > 0.8


def test_without_signal_scores_are_near_chance():
    scores = []
    for seed in range(6):
        X, y = named_table(120, n_classes=2, signal=0.0, seed=seed)
        scores.append(fit(X, y).node_scores_.iloc[-1])
    assert 0.35 < np.mean(scores) < 0.6


def test_scales_begin_with_the_regression_itself():
    assert SCALES[0] == 1


# What is exact


def test_log_odds_are_sums_over_nodes(curved):
    model, X, _ = curved
    contrast = model.explain_contrasts(X, 1, 0)
    expected = model.decision_function(X)
    assert_allclose(contrast.direct.sum(axis=1) + contrast.log_prior_odds, expected, atol=1e-9)


@pytest.mark.parametrize("columns", [[0], [1], [0, 1], [2, 2]])
def test_equal_priors_add_nothing_to_log_odds(columns):
    # with one column, anchors of three classes cannot stand for all intercepts
    X, y = load_iris(return_X_y=True)
    X, y = X[:, columns], y
    model = fit(X, y)
    log_proba = model.predict_log_proba(X)
    for target, foil in [(0, 1), (1, 2), (2, 0)]:
        found = model.explain_contrasts(X, target, foil)
        assert_array_equal(found.log_prior_odds, 0)
        odds = log_proba[:, target] - log_proba[:, foil]
        assert_allclose(found.direct.sum(axis=1), odds, atol=1e-9)
        assert_allclose(found.squared_distances @ [-0.5, 0.5], odds, atol=1e-9)
        assert "priors" not in found[0].to_text()
        assert_allclose(replace(found).log_odds, odds, atol=1e-9)  # numbers that are checked


def test_a_node_contributes_by_its_own_columns(curved):
    model, X, _ = curved
    moved = X.copy()
    moved.iloc[:, 2:] += 1.0
    before, after = (model.explain_contrasts(rows, 1, 0).direct for rows in (X, moved))
    pair = model.tree_.index("t/pair")
    assert_allclose(after[:, pair], before[:, pair], atol=1e-9)
    others = np.delete(before, pair, axis=1) - np.delete(after, pair, axis=1)
    assert np.abs(others).max() > 1e-3


def test_priors_move_the_log_odds_alone():
    X, y = xor(200)
    plain, moved = fit(X, y), fit(X, y, priors=[0.9, 0.1])
    shares = np.bincount(y) / len(y)
    expected = np.log(0.1 / 0.9) - np.log(shares[1] / shares[0])
    assert_allclose(moved.decision_function(X) - plain.decision_function(X), expected, atol=1e-9)


def test_votes_are_calibrated_in_the_space_of_the_logits(curved):
    X, y = xor()
    model = fit(X[:300], y[:300], decision="neighbors")
    assert model.score(X[300:], y[300:]) > 0.85
    distances, _ = model.kneighbors(X[300:], n_neighbors=3)
    assert np.isfinite(distances).all()
    assert fit(X[:300], y[:300], decision="auto").decision_ in ("linear", "neighbors")


# Corner cases


@pytest.mark.parametrize(
    "y",
    [[0, 1], [0, 1, 2, 3, 4], [0, 0, 1, 1, 2, 2], [*[0] * 10, 1], [*[0] * 10, *[1] * 10, 2]],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_few_rows(y):
    X, _ = named_table(len(y))
    model = fit(X, y)
    proba = model.predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1)
    assert np.isfinite(model.transform(X)).all()


def test_a_table_of_one_node_and_a_constant_one():
    X, y = xor()
    assert fit(X.to_numpy(), y).score(X.to_numpy(), y) > 0.85
    model = fit(np.zeros((12, 3)), np.repeat([0, 1], [9, 3]))
    assert_allclose(model.predict_proba(np.ones((1, 3))), [[0.75, 0.25]])


def test_models_in_files_predict_the_same(curved):
    model, X, _ = curved
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_the_same_bits_for_any_number_of_threads():
    X, y = xor(200)
    one, two = (fit(X, y, n_jobs=n).predict_proba(X) for n in (1, 2))
    assert_array_equal(one, two)


def test_other_node_metrics_are_refused():
    X, y = named_table(60)
    with pytest.raises(ValueError, match="combination='logistic' needs node_metric='lda'"):
        fit(X, y, node_metric=NCA())


# Chosen beside projections


@pytest.mark.parametrize(("n_rows", "decision"), [(60, "auto"), (400, "neighbors")])
def test_held_out_rows_choose_the_combination(n_rows, decision):
    """Where there are fewer than ten rows for every column, or neighbors decide."""
    X, y = named_table(n_rows, n_classes=2, signal=1.0)
    assert (n_rows < 10 * X.shape[1]) == (decision == "auto")
    auto, *both = (
        fit(X, y, combination=combination, decision=decision)
        for combination in ("auto", "projection", "logistic")
    )
    (kept,) = (model for model in both if model.combination == auto.combination_)
    assert_array_equal(auto.predict_proba(X), kept.predict_proba(X))


def test_regressions_alone_are_learned_where_they_are_good():
    X, y = xor()
    auto = fit(X, y, combination="auto", decision="auto")
    assert auto.combination_ == "logistic"
    assert_array_equal(auto.predict_proba(X), fit(X, y, decision="auto").predict_proba(X))


@pytest.mark.parametrize("params", [{"decision": "prototypes"}, {"node_metric": NCA(max_iter=2)}])
def test_projections_are_left_where_regressions_do_not_compare(params):
    X, y = named_table(40)
    assert fit(X, y, combination="auto", **params).combination_ == "projection"


# Many rows


@pytest.mark.parametrize("curved_table", [False, True])
def test_of_many_rows_some_choose_and_all_are_fitted(monkeypatch, curved_table):
    X, y = xor(900) if curved_table else named_table(900, n_classes=3, signal=1.0)
    whole = fit(X[:800], y[:800])
    monkeypatch.setattr(_logistic, "DRAWN_ROWS", 400)
    some = fit(X[:800], y[:800])
    outcomes = [str(model.node_outcomes_.iloc[-1]).split(", penalty")[0] for model in (whole, some)]
    assert outcomes[0] == outcomes[1]
    assert abs(some.score(X[800:], y[800:]) - whole.score(X[800:], y[800:])) <= 0.04
    # the same table in another order of rows chooses the same rows
    order = np.random.default_rng(0).permutation(800)
    again = fit(X[:800].iloc[order], y[:800][order])
    assert_allclose(again.predict_proba(X[800:]), some.predict_proba(X[800:]), atol=1e-9)


def test_rows_that_choose_keep_the_shares_of_classes_and_their_copies():
    codes = np.repeat([0, 1, 2], [60_000, 30_000, 40])
    groups = np.arange(len(codes))
    groups[1::2] = groups[::2]
    rows, of_rows = _logistic._choosing(codes, groups)
    counts = np.bincount(codes[rows])
    assert_allclose(counts[:2] / counts[:2].sum(), [2 / 3, 1 / 3], atol=1e-3)
    assert counts[2] == 30
    assert len(rows) <= 20_000 + 33
    # numbers of groups are places of their first rows, and equal where groups are
    assert_array_equal(of_rows[of_rows], of_rows)
    assert_array_equal(groups[rows[of_rows]], groups[rows])
