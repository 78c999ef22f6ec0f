"""Novelty of rows and sets of classes: exact sums, coverage, what it is invariant to, files."""

import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.exceptions import NotFittedError

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import NonlinearMetric
from hierseg_learn.metrics.novelty import MAX_COORDINATES, RIVAL
from hierseg_learn.utils import trusted_types
from tests.toy_tables import NODES, toy_table


class Bent(NonlinearMetric):
    """An embedding that is not linear."""

    def _fit(self, X, codes):
        return np.arctan


def new_model(**params):
    # the quickest of all metrics: novelty does not depend on it
    params = {"combination": "scatter", "decision": "prototypes", "random_state": 0} | params
    return HierarchicalMetricClassifier(**params)


@pytest.fixture(scope="module")
def table():
    return toy_table(240, seed=1)


@pytest.fixture(scope="module")
def model(table):
    return new_model().fit(*table)


@pytest.fixture(scope="module")
def queries():
    return toy_table(50, seed=2)


def shifted(X, node, by=8.0):
    """Rows whose columns of one node are moved, presence and area aside."""
    moved = [f"{node}|c{i}" for i in range(3)]
    return X.assign(**{name: X[name] + by for name in moved})


def term(block, y, rows):
    """Both terms of the score of every class: (n_rows, n_classes), by the formula."""
    block, rows = ((part - block.mean(0)) / block.std(0) for part in (block, rows))
    classes = np.unique(y)
    means = np.stack([block[y == label].mean(0) for label in classes])
    residuals = block - means[np.searchsorted(classes, y)]
    within = residuals.T @ residuals / (len(block) - len(classes))
    shrinkage = ledoit_wolf_shrinkage(residuals, assume_centered=True)
    identity = np.eye(len(within)) * np.trace(within) / len(within)
    within = (1 - shrinkage) * within + shrinkage * identity
    shares = np.array([(y == label).mean() for label in classes])
    between = (means.T * shares) @ means
    inverse, of_all = np.linalg.inv(within), np.linalg.inv(within + between)
    delta = rows[:, None] - means
    return [np.einsum("ncf,fg,ncg->nc", delta, M, delta) for M in (inverse - of_all, inverse)]


def test_score_is_that_of_the_formula(model, table, queries):
    X, y = table
    found = model._novelty_model().held_out
    scores = 0.0
    for node in NODES:
        names = [c for c in X if c.startswith(f"{node}|") and not c.endswith("presence")]
        gain, distance = term(X[names].to_numpy(), y, queries[0][names].to_numpy())
        scores = scores + gain / found.units[0] + distance / found.units[1]
    expected = (scores.min(axis=1) - found.usual.sum()) / found.spread
    assert_allclose(model.novelty_score(queries[0]), expected, rtol=1e-6, atol=1e-8)
    nearest = np.unique(y)[scores.argmin(axis=1)]
    assert_array_equal(model.explain_novelty(queries[0]).nearest_class, nearest)


def test_contributions_add_up_to_the_score(model, queries):
    X = shifted(queries[0], "photo/sky")
    explanations = model.explain_novelty(X)
    score = model.novelty_score(X)
    assert_allclose(explanations.direct.sum(axis=1), score, rtol=1e-9)
    assert_allclose(explanations.value, score, rtol=1e-9)
    one = model.explain_novelty(X[7:8])[0]
    assert_allclose(one.direct, explanations.direct[7], rtol=1e-9)
    assert_allclose(one.total[one.tree.root], score[7], rtol=1e-9)


@pytest.mark.parametrize("node", ["photo/sky", "photo/person/hair", "photo/person"])
def test_a_node_unlike_any_seen_is_named_whether_it_tells_classes_or_not(model, queries, node):
    explanations = model.explain_novelty(shifted(queries[0], node))
    found = np.array(model.tree_.paths)[explanations.direct.argmax(axis=1)]
    assert (found == node).all()
    assert explanations.is_novel.all()
    assert_allclose(explanations.p_value, 1 / 241)
    text = explanations[0].to_text()
    assert text.startswith("sample 0 is unlike anything seen, because of ")
    assert "none of 240 held-out rows is as far" in text
    assert not model.predict_set(shifted(queries[0], node)).any()


def test_one_odd_value_counts_for_ten_deviations_at_most(model, queries):
    odd = [queries[0][:1].assign(**{"photo/sky|c0": value}) for value in (1e4, 1e6)]
    first, second = (model.novelty_score(rows)[0] for rows in odd)
    assert_allclose(first, second, rtol=1e-6)
    assert first > 5


def test_usual_rows_are_called_so(model, queries):
    explanations = model.explain_novelty(queries[0])
    usual = explanations[int(explanations.p_value.argmax())]
    assert not usual.is_novel
    assert "is like the training rows." in usual.to_text()
    assert usual.to_dict()["type"] == "novelty"
    assert "novelty" in repr(usual)


def test_a_part_that_no_row_lacked_is_missed(model, queries):
    lacking = queries[0].assign(**{"photo/person/skirt|presence": 0.0})
    explanations = model.explain_novelty(lacking)
    assert (explanations.tree.names[explanations.direct[0].argmax()]) == "skirt"
    assert explanations.is_novel.all()
    assert "lacks skirt" in explanations[0].to_text()


def test_novelty_does_not_depend_on_orders_or_class_names(model, table, queries):
    X, y = table
    expected = model.novelty_score(queries[0]), model.conformal_p_values(queries[0])
    order = np.random.default_rng(0).permutation(len(X))
    other = new_model().fit(X.iloc[order], y[order])
    assert_allclose(other.novelty_score(queries[0]), expected[0], rtol=1e-7)
    assert_allclose(other.conformal_p_values(queries[0]), expected[1])
    columns = X.columns[::-1]
    other = new_model().fit(X[columns], y)
    assert_allclose(other.novelty_score(queries[0][columns]), expected[0], rtol=1e-7)
    renamed = {"ant": "z", "bee": "y", "cat": "x"}
    other = new_model().fit(X, [renamed[label] for label in y])
    assert_allclose(other.novelty_score(queries[0]), expected[0], rtol=1e-7)
    assert_allclose(other.conformal_p_values(queries[0])[:, ::-1], expected[1])


def test_novelty_does_not_depend_on_what_decides(model, table, queries):
    linear = new_model(decision="linear", node_metric=Bent(), combination="projection").fit(*table)
    assert_allclose(linear.novelty_score(queries[0]), model.novelty_score(queries[0]), rtol=1e-12)


def test_coverage_is_what_was_asked():
    covered, covered_by_any = [], []
    for seed in range(8):
        X, y = toy_table(400, seed=seed)
        model = new_model().fit(X[:150], y[:150])
        codes = np.searchsorted(model.classes_, y[150:])
        sets = model.predict_set(X[150:], alpha=0.2, smoothed=True, random_state=seed)
        covered.append(sets[np.arange(250), codes].mean())
        covered_by_any.append((model.novelty_p_values(X[150:]) > 0.2).mean())
    # one standard error is about 0.01
    assert abs(np.mean(covered) - 0.8) < 0.035
    assert abs(np.mean(covered_by_any) - 0.8) < 0.035


def test_p_values_of_split_rows_are_shares_of_them(table, queries):
    X, y = table
    model = new_model().fit(X[:120], y[:120]).conformalize(X[120:], y[120:])
    score, others = model.novelty_score(queries[0]), model.novelty_score(X[120:])
    expected = (1 + (others >= score[:, None]).sum(axis=1)) / 121
    assert_allclose(model.novelty_p_values(queries[0]), expected)
    inner = model._novelty_model()

    def misfits(rows):
        points = inner.whole.whitened(rows.to_numpy())
        scores = inner.whole.scores(points, inner.whole.weights(inner.held_out.units))
        least = scores.min(axis=1, keepdims=True)
        return least + RIVAL * (scores - least)

    p = model.conformal_p_values(queries[0])
    for code, label in enumerate(model.classes_):
        of_class = misfits(X[120:][y[120:] == label])[:, code]
        mine = misfits(queries[0])[:, code]
        expected = (1 + (of_class >= mine[:, None]).sum(axis=1)) / (len(of_class) + 1)
        assert_allclose(p[:, code], expected)


def test_sets_are_p_values_above_alpha(model, queries):
    p = model.conformal_p_values(queries[0])
    assert p.shape == (50, 3)
    assert ((p > 0) & (p <= 1)).all()
    assert_array_equal(model.predict_set(queries[0], 0.3), p > 0.3)
    smoothed = model.conformal_p_values(queries[0], smoothed=True, random_state=3)
    assert (smoothed < p).all()
    assert (smoothed > p - 1 / 81 - 1e-12).all()
    again = model.conformal_p_values(queries[0], smoothed=True, random_state=3)
    assert_array_equal(smoothed, again)


def test_copies_of_a_row_are_held_out_together(table):
    X, y = table
    twice = pd.concat([X[:90], X[:90]], ignore_index=True)
    model = new_model().fit(twice, np.tile(y[:90], 2))
    for own in model._novelty_model().held_out.own:
        for scores in own:
            # a copy in the other folds would make one of both smaller
            assert_allclose(scores[::2], scores[1::2], rtol=1e-9)


def test_many_columns_take_bounded_memory(table):
    X, y = table
    rng = np.random.default_rng(0)
    names = [f"photo/sky|w{i}" for i in range(3 * MAX_COORDINATES)]
    noise = pd.DataFrame(rng.normal(size=(len(X), len(names))), columns=names)
    model = new_model().fit(pd.concat([X, noise], axis=1), y)
    points = model._novelty_model().whole.coordinates
    assert max(len(linear) for linear in points.maps) == MAX_COORDINATES + 1
    odd = pd.concat([X, noise + 3], axis=1)
    explanations = model.explain_novelty(odd[:20])
    assert {explanations.tree.names[i] for i in explanations.direct.argmax(axis=1)} == {"sky"}


def test_files_hold_what_conformalize_gave_and_nothing_that_can_be_fitted_again(table, queries):
    X, y = table
    model = new_model().fit(X[:120], y[:120])
    before = pickle.dumps(model)
    model.novelty_score(queries[0])
    assert pickle.dumps(model) == before
    assert_array_equal(
        pickle.loads(before).conformal_p_values(queries[0]), model.conformal_p_values(queries[0])
    )
    model.conformalize(X[120:], y[120:])
    expected = model.conformal_p_values(queries[0]), model.novelty_score(queries[0])
    data = skops.io.dumps(model)
    for loaded in (
        pickle.loads(pickle.dumps(model)),
        skops.io.loads(data, trusted=trusted_types()),
    ):
        assert_array_equal(loaded.conformal_p_values(queries[0]), expected[0])
        assert_allclose(loaded.novelty_score(queries[0]), expected[1], rtol=1e-12)
    assert len(pickle.dumps(model)) < len(before) + 20 * 120 + 5000


def test_a_new_fit_forgets_other_rows(table, queries):
    X, y = table
    model = new_model().fit(X[:120], y[:120])
    expected = model.conformal_p_values(queries[0])
    model.conformalize(X[120:], y[120:])
    assert (model.conformal_p_values(queries[0]) != expected).any()
    model.fit(X[:120], y[:120])
    assert_array_equal(model.conformal_p_values(queries[0]), expected)
    model.fit(*table)
    assert_allclose(model.novelty_p_values(shifted(X[:1], "photo/sky")), 1 / 241)


def test_a_failed_conformalize_changes_nothing(table, queries):
    X, y = table
    model = new_model().fit(X[:120], y[:120])
    expected = model.conformal_p_values(queries[0])
    with pytest.raises(ValueError, match="y_cal must hold every class of the model, but 'cat'"):
        model.conformalize(X[y != "cat"], y[y != "cat"])
    with pytest.raises(ValueError, match="y_cal holds 'dog'"):
        model.conformalize(X[:2], ["ant", "dog"])
    with pytest.raises(ValueError, match="y_cal must hold one class per sample, expected 3"):
        model.conformalize(X[:3], y[:2])
    assert_array_equal(model.conformal_p_values(queries[0]), expected)


def test_wrong_input(model, table, queries):
    for alpha in (0, 1, -0.1, True, "x", None):
        with pytest.raises(ValueError, match="alpha must be a number between 0 and 1, got"):
            model.predict_set(queries[0], alpha)
    with pytest.raises(ValueError, match=r"alpha=0\.001 must be at least 0\.0123, the smallest"):
        model.predict_set(queries[0], 0.001)
    with pytest.raises(NotFittedError):
        clone(model).novelty_score(queries[0])
    with pytest.raises(ValueError, match="feature names"):
        model.novelty_score(queries[0].iloc[:, 1:])
    X, y = table
    kept = (y != "cat") | (np.arange(len(y)) < 3)
    rare = new_model().fit(X[kept], y[kept])
    with pytest.raises(ValueError, match=r"needs at least 2 that .*; 'cat' has 1\. Pass other"):
        rare.novelty_score(queries[0])
    assert rare.conformalize(*queries).novelty_score(queries[0]).shape == (50,)
