"""Worst-group accuracy in model selection."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.audit import worst_group_accuracy_score, worst_group_scorer
from hierseg_learn.datasets import make_portraits
from hierseg_learn.model_selection import segment_scorer


class OneColumn(ClassifierMixin, BaseEstimator):
    """Predicts what stands in one column."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.asarray(X)[:, self.column]


@pytest.fixture
def biased():
    """Column 0 is the group, right for 90%; column 1 is right for 80% of every group."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    groups = np.where(rng.random(400) < 0.9, y, 1 - y)
    cue = np.where(rng.random(400) < 0.8, y, 1 - y)
    return np.stack([groups, cue], axis=1), y, groups


def test_grid_search_chooses_the_fair_column(biased):
    X, y, groups = biased
    grid = {"column": [0, 1]}
    with config_context(enable_metadata_routing=True):
        plain = GridSearchCV(OneColumn(), grid, cv=3).fit(X, y)
        search = GridSearchCV(
            OneColumn(), grid, scoring=worst_group_scorer(), cv=3, error_score="raise"
        ).fit(X, y, groups=groups)
    assert plain.best_params_ == {"column": 0}
    assert search.best_params_ == {"column": 1}
    assert search.cv_results_["mean_test_score"][0] == 0.0


def test_several_scores_and_a_splitter_that_wants_groups_too(biased):
    X, y, groups = biased
    scoring = {"worst": worst_group_scorer(), "accuracy": "accuracy"}
    with config_context(enable_metadata_routing=True):
        scores = cross_validate(
            OneColumn(1), X, y, scoring=scoring, params={"groups": groups}, error_score="raise"
        )
        split = cross_validate(
            OneColumn(1),
            X,
            y,
            scoring=worst_group_scorer(),
            cv=GroupKFold(2),
            params={"groups": groups},
            error_score="raise",
        )
    assert (scores["test_worst"] <= scores["test_accuracy"]).all()
    assert split["test_score"].shape == (2,)


def test_same_as_make_scorer(biased):
    X, y, groups = biased
    with config_context(enable_metadata_routing=True):
        made = make_scorer(worst_group_accuracy_score).set_score_request(groups=True)
        both = [
            cross_validate(
                OneColumn(1), X, y, scoring=scoring, params={"groups": groups}, error_score="raise"
            )["test_score"]
            for scoring in (made, worst_group_scorer())
        ]
    assert (both[0] == both[1]).all()


def test_with_segments():
    portraits = make_portraits(40, random_state=0)
    images, masks = portraits.images.images, portraits.images.masks
    with config_context(enable_metadata_routing=True):
        step = SegmentTreeTransformer(tree=portraits.tree, descriptors="color")
        step.set_fit_request(segments=True).set_transform_request(segments=True)
        scores = cross_validate(
            make_pipeline(step, HierarchicalMetricClassifier(n_neighbors=3)),
            images,
            portraits.target,
            cv=2,
            scoring=segment_scorer(worst_group_scorer()),
            params={"segments": masks, "groups": portraits.groups},
            error_score="raise",
        )
    assert ((scores["test_score"] >= 0) & (scores["test_score"] <= 1)).all()


def test_called_directly_copied_and_pickled(biased):
    X, y, groups = biased
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    expected = worst_group_accuracy_score(y, model.predict(X), groups=groups, by_class=False)
    scorer = pickle.loads(pickle.dumps(worst_group_scorer(by_class=False)))
    assert scorer(model, X, y, groups=groups) == expected
    assert clone(scorer, safe=False)(model, X, y, groups=groups) == expected
    assert worst_group_scorer()(model, X, y, groups=groups) <= expected


def test_without_groups(biased):
    X, y, _ = biased
    with pytest.raises(ValueError, match=r"got no groups\. Pass them as metadata"):
        worst_group_scorer()(OneColumn().fit(X, y), X, y)
    with pytest.raises(TypeError, match="groups"):
        worst_group_accuracy_score(y, y)
    with pytest.raises(ValueError, match=r"y_true .* expected at least one, got 0"):
        worst_group_accuracy_score([], [], groups=[])
