"""Weights of rows: a model of copies, positions in the table that was given, what is refused."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.table import RowBlocks
from tests.classifier.test_novelty import Bent
from tests.test_saving import through_skops
from tests.toy_tables import toy_table

X, Y = toy_table(60, signal="photo/person")
QUERIES = toy_table(12, seed=1, signal="photo/person")[0]
COUNTS = np.random.default_rng(0).integers(0, 4, len(X))
REPEATED = np.repeat(np.arange(len(X)), COUNTS)
LINEAR = {"combination": "scatter", "decision": "linear"}


def make(**params):
    return HierarchicalMetricClassifier(**{"random_state": 0, **LINEAR, **params})


def bits(model):
    arrays = model.transform(QUERIES), model.predict_proba(QUERIES), model.node_scores_.to_numpy()
    return [array.tobytes() for array in arrays]


def given(held):
    return np.where(held < 0, held, REPEATED[held])


def copies_of(model):
    return np.bincount(model.sample_indices_, minlength=len(X))


@pytest.mark.parametrize("decision", ["auto", "neighbors", "linear", "prototypes"])
@pytest.mark.parametrize("combination", ["auto", "projection", "weighted", "scatter", "logistic"])
def test_whole_weights_are_copies(combination, decision):
    model = make(combination=combination, decision=decision)
    weighted = model.fit(X, Y, sample_weight=COUNTS)
    repeated = make(combination=combination, decision=decision)
    repeated.fit(X.iloc[REPEATED], Y[REPEATED])
    assert bits(weighted) == bits(repeated)
    assert_array_equal(weighted.sample_indices_, REPEATED)
    assert weighted.combination_ == repeated.combination_


def test_weights_of_one_are_no_weights_and_the_next_fit_forgets_them():
    model = make()
    plain = bits(model.fit(X, Y))
    assert not hasattr(model, "sample_indices_")
    assert bits(model.fit(X, Y, sample_weight=np.ones(len(X)))) == plain
    # sums of shares differ from 1 by rounding
    assert bits(model.fit(X, Y, sample_weight=np.full(len(X), 1 / len(X)))) == plain
    model.fit(X, Y, sample_weight=COUNTS).fit(X, Y)
    assert bits(model) == plain
    assert not hasattr(model, "sample_indices_")
    assert model.kneighbors(n_neighbors=2)[1].shape == (len(X), 2)


@pytest.mark.parametrize("seed", range(4))
def test_neither_the_order_of_rows_nor_names_count(seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(X), 80)  # some are equal
    weights = rng.choice([0, 0.3, 0.5, 1, 1.7, 2.5], 80)
    order, columns = rng.permutation(80), rng.permutation(X.columns)
    names = {"ant": "x", "bee": "c", "cat": "m"}
    plain = make(random_state=3).fit(X.iloc[rows], Y[rows], sample_weight=weights)
    other = np.array([names[label] for label in Y[rows][order]])
    moved = make(random_state=3)
    moved.fit(X.iloc[rows].iloc[order][columns], other, sample_weight=weights[order])
    assert_array_equal(
        [names[label] for label in plain.predict(QUERIES)], moved.predict(QUERIES[columns])
    )
    assert_allclose(plain.transform(QUERIES), moved.transform(QUERIES[columns]), atol=1e-9)


def test_equal_rows_share_their_weights():
    rows = np.repeat(np.arange(len(X)), 4)
    weights = np.tile([0.1, 0.6, 0.0, 0.3], len(X))
    split = make().fit(X.iloc[rows], Y[rows], sample_weight=weights)
    assert_array_equal(np.sort(rows[split.sample_indices_]), np.arange(len(X)))
    assert bits(split) == bits(make().fit(X, Y))


def test_small_weights_that_leave_rows_out_are_told():
    said = r"leaves 30 of 60 different rows with a weight above 0 .* multiply the weights by 2\.$"
    with pytest.warns(UserWarning, match=said):
        make().fit(X, Y, sample_weight=np.full(len(X), 0.5))
    with pytest.warns(UserWarning, match=r"leaves 20 of 40 different .* by 2\.$"):
        make().fit(X, Y, sample_weight=np.where(np.arange(60) % 3, 0.5, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for weights in (np.full(60, 0.7), np.where(np.arange(60) % 3, 0.1, 2.9)):
            make().fit(X, Y, sample_weight=weights)


def test_lists_of_neighbors_name_copies_once():
    params = {"decision": "neighbors", "combination": "projection", "n_neighbors": 6}
    model = make(**params).fit(X, Y, sample_weight=np.full(60, 3))
    found = model.explain_prediction(QUERIES.iloc[[0]])
    votes, neighbors = found.votes, found.neighbors
    assert len(neighbors) > len(np.unique(neighbors))
    assert votes.index.tolist() == list(dict.fromkeys(neighbors.tolist()))
    shares = np.bincount(neighbors, found.vote_weights / found.vote_weights.sum())
    assert_allclose(votes["weight"], shares[votes.index])
    text = found.to_text()
    assert sum(line.startswith("training row") for line in text.splitlines()) == len(votes)
    assert f"training row {neighbors[0]} (3 copies)" in text


def test_standard_errors_do_not_count_copies():
    model = make().fit(X, Y, sample_weight=np.full(len(X), 3))
    label = model.classes_[0]
    for found in (model.explain_class(label), model.explain_model()):
        assert_array_equal(np.bincount(found.rows)[np.unique(found.rows)], 3)
        once = found._by_row[np.unique(found.rows, return_index=True)[1]]
        assert_allclose(found.direct, once.mean(axis=0))
        assert_allclose(found.direct_error, once.std(axis=0, ddof=1) / np.sqrt(len(once)))


def test_classes_count_copies():
    weighted = make(class_weight="balanced").fit(X, Y, sample_weight=COUNTS)
    of_class = np.bincount(np.unique(Y, return_inverse=True)[1], COUNTS)
    assert_allclose(weighted.class_weight_, COUNTS.sum() / (3 * of_class))
    assert_allclose(make().fit(X, Y, sample_weight=COUNTS).priors_, of_class / of_class.sum())


def test_a_class_without_weight_is_dropped_with_its_rows():
    model = make().fit(X, Y, sample_weight=Y != "bee")
    assert model.classes_.tolist() == ["ant", "cat"]
    assert bits(model) == bits(make().fit(X[Y != "bee"], Y[Y != "bee"]))


def test_shares_leave_every_class_a_row():
    shares = np.where(Y == "ant", 1e-5, 1.0)
    copies = copies_of(make().fit(X, Y, sample_weight=shares / shares.sum()))
    assert copies[Y == "ant"].sum() == 1
    assert copies[Y != "ant"].sum() == len(X)


@pytest.mark.parametrize("n_columns", [len(X.columns), 1])
@pytest.mark.parametrize("has_presence", [True, False])
def test_copies_are_held_out_together(n_columns, has_presence):
    table = X if has_presence else X.loc[:, ~X.columns.str.endswith("|presence")]
    table = table if n_columns > 1 else table.to_numpy()  # a tree of one node
    model = make().fit(table, Y, sample_weight=np.full(len(X), 10))
    groups = model._copy_groups(np.arange(600))
    assert_array_equal(groups, np.repeat(np.arange(60) * 10, 10))


def test_rows_are_not_told_from_others_by_their_copies():
    noise = pd.DataFrame(np.random.default_rng(0).normal(size=X.shape), columns=X.columns)
    model = make(combination="projection", decision="neighbors", n_neighbors=3)
    assert model.fit(noise, Y, sample_weight=np.full(60, 5)).node_scores_.iloc[-1] < 0.6


@pytest.mark.parametrize("learner", ["lda", Bent()])
def test_positions_are_those_of_the_table_that_was_given(learner):
    params = {"decision": "neighbors", "combination": "projection", "n_neighbors": 4}
    params["node_metric"] = learner
    weighted = make(**params).fit(X, Y, sample_weight=COUNTS)
    repeated = make(**params).fit(X.iloc[REPEATED], Y[REPEATED])
    for asked in (QUERIES, None):
        found = weighted.kneighbors(asked, 3)
        expected = repeated.kneighbors(asked, 3)
        assert_array_equal(found[0], expected[0])
        assert_array_equal(found[1], REPEATED[expected[1]])
    explained, plain = (model.explain_predictions(QUERIES) for model in (weighted, repeated))
    assert_array_equal(explained.neighbors, given(plain.neighbors))
    assert_array_equal(explained.direct, plain.direct)
    contrast, other = explained.contrast, plain.contrast
    assert_array_equal(contrast.target_neighbors, given(other.target_neighbors))
    assert_array_equal(contrast.foil_neighbors, given(other.foil_neighbors))
    squared = weighted.explain_pair(QUERIES[:1], X.iloc[[explained.neighbors[0, 0]]])
    assert_allclose(squared.squared_distance, explained.squared_distances[0, 0])
    of_class = weighted.explain_class("bee")
    assert_array_equal(of_class.rows, REPEATED[repeated.explain_class("bee").rows])
    assert (Y[of_class.rows] == "bee").all()
    assert_allclose(weighted.novelty_score(QUERIES), repeated.novelty_score(QUERIES))
    small, few = weighted.condense(5), repeated.condense(5)
    assert_array_equal(small.sample_indices_, REPEATED[few.sample_indices_])
    assert_array_equal(small.kneighbors(QUERIES, 3)[1], few.kneighbors(QUERIES, 3)[1])
    with pytest.raises(ValueError, match="novelty needs all training rows"):
        small.novelty_score(QUERIES)
    for stored in (pickle.loads(pickle.dumps(weighted)), through_skops(weighted)):
        assert_array_equal(stored.kneighbors(QUERIES, 3)[1], weighted.kneighbors(QUERIES, 3)[1])


def test_meta_estimators_pass_weights_on():
    table, base = X.to_numpy(), make(combination="projection")
    shares = COUNTS / COUNTS.sum()
    for model in (
        AdaBoostClassifier(base, n_estimators=2, random_state=0),
        BaggingClassifier(base, n_estimators=2, random_state=0),
        CalibratedClassifierCV(base, cv=2),
    ):
        for weights in (COUNTS, shares) if "Ada" in str(model) else (COUNTS,):
            fitted = model.fit(table, Y, sample_weight=weights)
            assert fitted.score(table, Y, sample_weight=COUNTS) > 0.8
    # a class of one row is in few of the samples
    rare = np.append(Y[:-1], "rare")
    BaggingClassifier(base, n_estimators=5, random_state=0).fit(table, rare).predict(table)
    with config_context(enable_metadata_routing=True):
        routed = make_pipeline(StandardScaler(), base.set_fit_request(sample_weight=True))
        routed[0].set_fit_request(sample_weight=False)
        grid = {"hierarchicalmetricclassifier__decision": ["linear", "prototypes"]}
        scoring = make_scorer(accuracy_score).set_score_request(sample_weight=False)
        search = GridSearchCV(routed, grid, cv=2, error_score="raise", scoring=scoring)
        search.fit(table, Y, sample_weight=COUNTS)
        assert len(search.best_estimator_[-1].sample_indices_) == COUNTS.sum()
        weights = {"sample_weight": COUNTS}
        found = cross_validate(
            routed, table, Y, cv=2, scoring=scoring, params=weights, return_estimator=True
        )
        held = sum(len(model[-1].sample_indices_) for model in found["estimator"])
        assert held == COUNTS.sum()


ONES = np.ones(len(X))
RULE = "sample_weight must hold one number of at least 0 for each of 60 rows, got "


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.where(np.arange(60) == 7, -0.5, 1.0), f"{RULE}-0.5 for row 7"),
        (np.where(np.arange(60) == 7, np.nan, 1.0), f"{RULE}nan for row 7"),
        (np.where(np.arange(60) == 7, np.inf, 1.0), f"{RULE}inf for row 7"),
        # their sum is no float
        (1e308 * ONES, rf"{RULE}1e\+308 for row 0; expected at most 1e\+150"),
        (ONES[1:], rf"{RULE}an array of shape \(59,\)"),
        (ONES[:, None], rf"{RULE}an array of shape \(60, 1\)"),
        (["a"] * 60, rf"{RULE}\['a', 'a', .*could not convert"),
        (0 * ONES, "sample_weight must hold a number above 0, got only zero weights"),
        (Y == "bee", "sample_weight is above 0 for rows of 1 class, 'bee'; a classifier needs"),
        (11 * ONES, "asks for 660 copies of 60 rows, expected at most 10 a row .* by 11 to"),
        (0.04 * ONES, "sums to 0.8 for class 'ant', expected at least 1.* by 25 to keep 60 rows"),
        # 1.49 would keep 60 rows, and would not do for this class
        (np.where(Y == "cat", 0.01, 1), "sums to 0.2 for class 'cat', .* by 5 or leave the class"),
    ],
)
def test_wrong_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        make().fit(X, Y, sample_weight=weights)


def test_blocks_take_no_weights():
    with pytest.raises(ValueError, match="sample_weight needs a table in memory, got one that is"):
        make().fit(RowBlocks(X), Y, sample_weight=ONES)
