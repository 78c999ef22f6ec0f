"""Parents that project: what they gain, and that they keep the start where they gain nothing."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import ProjectionCombination, ShrinkageLDA
from hierseg_learn.metrics._projection import SHRINKAGES
from hierseg_learn.metrics.cross_fitting import (
    TriedScores,
    cross_fit,
    held_out_scores,
    mean_over_rows,
)
from hierseg_learn.tree import SegmentTree
from tests.tables import named_table

TREE = SegmentTree.from_nested({"t": {"a": {"b": [0], "c": [1]}, "d": [2]}})


def joint_signal(n_samples=300, seed=0):
    """Classes that no node alone can tell apart: all differ by the class plus shared noise."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_samples) % 2)
    shared = 3 * rng.standard_normal(n_samples)
    a = shared + y + 0.3 * rng.standard_normal(n_samples)
    b = shared - y + 0.3 * rng.standard_normal(n_samples)
    return np.c_[a, rng.standard_normal(n_samples), b, rng.standard_normal(n_samples)], y


def combine(score, *, learner=None, n_samples=60, seed=0):
    """Combine a small tree under a score, and say what the score was asked."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n_samples) % 3)
    X = rng.standard_normal((n_samples, 12)) + codes[:, None] * (np.arange(12) % 4 == 0)
    columns = (np.arange(4), np.arange(4, 8), np.arange(0), np.arange(8, 12), np.arange(0))
    fitted = cross_fit(
        X,
        codes,
        columns,
        [learner or ShrinkageLDA()] * 5,
        TREE.paths,
        cv=3,
        random_state=0,
        n_jobs=None,
        on_fit=lambda: None,
    )
    done = []
    nodes = ProjectionCombination().combine(
        TREE, fitted, score=score, on_node=lambda: done.append(1)
    )
    assert len(done) == len(nodes) == 5
    return nodes, fitted


def test_parents_see_what_no_child_sees():
    X, y = joint_signal(600)
    tree = {"t": {"a": [0, 1], "b": [2, 3]}}
    scores = {}
    for combination in ("projection", "weighted"):
        model = HierarchicalMetricClassifier(tree, combination=combination, random_state=0)
        model.fit(X[:300], y[:300])
        scores[combination] = model.score(X[300:], y[300:])
    assert scores["projection"] > 0.9
    assert scores["weighted"] < 0.75


def test_contributions_may_balance_each_other_then():
    X, y = joint_signal()
    model = HierarchicalMetricClassifier({"t": {"a": [0, 1], "b": [2, 3]}}, random_state=0)
    own = model.fit(X, y).pair_contributions(np.stack([X[:100], X[100:200]], axis=1))
    assert (own < 0).any()
    assert (own.sum(axis=1) >= 0).all()


def test_what_no_score_prefers_stays_the_start():
    nodes, fitted = combine(lambda *args: 0.5)
    assert [node.outcome.method for node in nodes] == ["leaf", "leaf", "start", "leaf", "start"]
    assert [node.score for node in nodes] == [0.5] * 5
    # the start of the root: everything below it as it is
    view = fitted.views[0]
    assert_allclose(nodes[-1].projection.T @ nodes[-1].projection, np.diag(view.leading * 1.0))


def test_the_best_shrinkage_is_kept():
    asked = []

    def score(references, reference_codes, queries, query_codes):
        asked.append(references.shape[1])
        return len(asked) / 1e4

    nodes, fitted = combine(score)
    # every later metric is better than the ones before it: the last shrinkage wins everywhere
    assert [str(node.outcome) for node in nodes][2::2] == [
        f"projection, shrinkage={SHRINKAGES[-1]}"
    ] * 2
    for node, subtree in ((2, [0, 1, 2]), (4, [0, 1, 2, 3, 4])):
        projection = nodes[node].projection
        assert projection.shape == (2, len(fitted.views[0].nodes))
        assert not projection[:, ~np.isin(fitted.views[0].nodes, subtree)].any()
    assert nodes[2].score < nodes[4].score


def test_directions_beyond_the_discriminants_are_used_where_they_help():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(600) % 2)
    shared = 3 * rng.standard_normal(600)
    # the second column of a says nothing about the class, but what to subtract from b
    a = np.c_[y + rng.standard_normal(600), shared]
    b = np.c_[shared + 2 * y + 0.3 * rng.standard_normal(600), rng.standard_normal(600)]
    X, tree = np.hstack([a, b]), {"t": {"a": [0, 1], "b": [2, 3]}}
    narrow, wide = (
        HierarchicalMetricClassifier(
            tree,
            node_metric=ShrinkageLDA(shrinkage=0, n_extra_directions=n_extra_directions),
            combination="projection",
            random_state=0,
        ).fit(X[:300], y[:300])
        for n_extra_directions in (0, 1)
    )
    assert narrow.score(X[300:], y[300:]) < 0.8
    assert wide.score(X[300:], y[300:]) > 0.95
    # they go up, but are no part of the node's own metric
    np.testing.assert_allclose(wide.node_components("a"), narrow.node_components("a"))


def test_more_folds_are_possible():
    X, y = named_table(90)
    model = HierarchicalMetricClassifier(
        combination=ProjectionCombination(cv=5), random_state=0
    ).fit(X, y)
    assert model.node_scores_.notna().all()


def test_a_deep_chain_of_projections_does_not_blow_up():
    X, y = load_digits(return_X_y=True)
    tree = {"pixels": list(range(0, 4))}
    for level in range(1, 16):
        tree = {f"l{level}": {**tree, "pixels_of_this": list(range(4 * level, 4 * level + 4))}}
    model = HierarchicalMetricClassifier(tree, random_state=0).fit(X[:300], y[:300])
    assert len(model.tree_.levels()) == 16
    assert np.isfinite(model.components_).all()
    assert np.abs(model.transform(X[:300] - X[:300].mean(axis=0))).max() < 1e3
    assert model.score(X[300:800], y[300:800]) > 0.7


def share_of_nearest(references, codes, queries, query_codes):
    """Share of queries whose nearest reference has their class."""
    apart = ((queries[:, None] - references) ** 2).sum(axis=-1)
    return float((codes[apart.argmin(axis=1)] == query_codes).mean())


def test_a_node_with_one_candidate_has_the_plain_held_out_score():
    nodes, fitted = combine(share_of_nearest)
    for node in (0, 1, 3):
        own = [view.own_map(node, leading_only=True) for view in fitted.views]
        plain = held_out_scores(fitted, own, share_of_nearest)
        assert nodes[node].outcome.method == "leaf"
        assert nodes[node].score == mean_over_rows(fitted, plain)


def test_a_fold_is_scored_with_what_the_others_choose():
    # each start is best on one fold, and the refinement on all but the last
    tried = TriedScores(np.array([[0.9, 0.4, 0.4], [0.3, 0.6, 0.4]]), np.array([[0.8, 0.7, 0.1]]))
    choices = [tried.choose(np.array(sizes)) for sizes in ([0, 1, 1], [1, 0, 1], [1, 1, 0])]
    assert choices == [(1, -1), (0, -1), (0, 0)]
    nested = [tried.scores(choice)[fold] for fold, choice in enumerate(choices)]
    assert nested == [0.3, 0.4, 0.1]
    assert tried.choose(np.array([1, 1, 1])) == (0, -1)


@pytest.mark.parametrize("seed", range(3))
def test_a_projection_is_taken_where_held_out_rows_prefer_it(seed):
    X, y = named_table(150, signal=1, seed=seed)
    projected, weighted = (
        HierarchicalMetricClassifier(combination=c, random_state=0).fit(X, y)
        for c in ("projection", "weighted")
    )
    # leaves alike; a parent that keeps its start keeps the score of it, within what folds choose
    for node in ("photo/person/hair", "photo/person/skirt", "photo/sky"):
        assert projected.node_scores_[node] == weighted.node_scores_[node]
    assert projected.node_scores_["photo/person"] >= weighted.node_scores_["photo/person"] - 0.05
