"""Whatever learns the nodes, and searches over what it learns with."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, KernelPCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.metrics import ProjectionCombination, ShrinkageLDA, WeightedCombination
from hierseg_learn.metrics.registry import NODE_METRICS
from tests.tables import named_table

LINEAR = [
    PCA(2),
    PCA(whiten=True),
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto"),
    NeighborhoodComponentsAnalysis(max_iter=5),
    make_pipeline(StandardScaler(), PCA(2)),
    ShrinkageLDA(n_components=1),
    *(name for name in NODE_METRICS if name != "mlp"),
]


@pytest.fixture(scope="module")
def table():
    return named_table(90, signal=4)


@pytest.mark.parametrize("combination", ["projection", "weighted"])
@pytest.mark.parametrize("node_metric", LINEAR, ids=str)
def test_any_linear_learner(node_metric, combination, table):
    X, y = table
    model = HierarchicalMetricClassifier(
        node_metric=node_metric, combination=combination, n_neighbors=5, random_state=0
    ).fit(X, y)
    assert model.score(X, y) > 0.75
    pairs = np.stack([X.to_numpy()[:45], X.to_numpy()[45:]], axis=1)
    direct = model.pair_contributions(pairs)
    gap = np.abs(direct.sum(axis=1) - model.pair_distance(pairs) ** 2)
    assert (gap <= 1e-6 * np.abs(direct).sum(axis=1)).all()


@pytest.mark.parametrize(
    "node_metric",
    [
        KernelPCA(kernel="rbf"),
        FunctionTransformer(np.tanh),
        make_pipeline(FunctionTransformer(np.square), PCA()),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_a_learner_that_is_not_linear_is_refused(node_metric, table):
    model = HierarchicalMetricClassifier(node_metric=node_metric)
    with pytest.raises(ValueError, match=r"is not linear \(found at the node 'photo/person/hair'"):
        model.fit(*table)


def test_a_learner_that_fails_names_the_node(table):
    model = HierarchicalMetricClassifier(node_metric=PCA(n_components=9))
    with pytest.raises(
        ValueError, match="PCA could not be fitted for the node 'photo/person/hair'"
    ):
        model.fit(*table)


@pytest.mark.parametrize("node_metric", [ShrinkageLDA, RandomForestClassifier(), 3])
def test_what_is_no_learner_is_refused(node_metric, table):
    with pytest.raises((TypeError, ValueError), match="node_metric"):
        HierarchicalMetricClassifier(node_metric=node_metric).fit(*table)


def test_given_objects_are_not_fitted(table):
    learner, combination = ShrinkageLDA(), WeightedCombination()
    model = HierarchicalMetricClassifier(node_metric=learner, combination=combination).fit(*table)
    assert model.node_metric is learner
    assert model.combination is combination
    assert not hasattr(learner, "components_")
    assert vars(combination) == {"cv": 3, "drop_children": False}


def test_a_search_over_a_learner_and_a_combination(table):
    X, y = named_table(90, signal=1.5)
    model = HierarchicalMetricClassifier(
        node_metric=ShrinkageLDA(), combination=ProjectionCombination(), random_state=0
    )
    grid = {
        "node_metric__shrinkage": [0.1, 1.0],
        "combination__cv": [3, 4],
        "n_neighbors": [1, 9],
    }
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    best = search.best_params_
    by_hand = clone(model).set_params(**best)
    assert_allclose(
        cross_val_score(by_hand, X, y, cv=3, error_score="raise").mean(), search.best_score_
    )
    assert search.best_estimator_.node_metric.shrinkage == best["node_metric__shrinkage"]
    # the object that was passed is left as it is
    assert model.node_metric.shrinkage == "auto"


def test_whole_learners_can_be_searched(table):
    grid = {
        "node_metric": ["lda", PCA(1)],
        "combination": ["weighted", ProjectionCombination(cv=4)],
    }
    search = GridSearchCV(
        HierarchicalMetricClassifier(random_state=0), grid, cv=2, error_score="raise"
    ).fit(*table)
    assert search.best_score_ > 0.8
    assert len(search.cv_results_["params"]) == 4


def test_parameters_of_a_nested_pipeline(table):
    model = HierarchicalMetricClassifier(node_metric=make_pipeline(StandardScaler(), PCA()))
    model.set_params(node_metric__pca__n_components=1).fit(*table)
    assert model.node_components("sky").shape[0] == 1
    with pytest.raises(ValueError, match="Invalid parameter 'shrinkage'"):
        model.set_params(node_metric__shrinkage=1)


def test_names_go_through_a_scaler_that_keeps_pandas(table):
    X, y = table
    model = make_pipeline(StandardScaler(), HierarchicalMetricClassifier(random_state=0))
    assert model.fit(X, y)[-1].tree_.paths == ("table",)
    model.set_output(transform="pandas").fit(X, y)
    assert model[-1].tree_.paths[-1] == "photo"
    # and the spaces of all nodes come as frames
    scaled = model[:-1].transform(X)
    for node in model[-1].tree_.paths:
        assert model[-1].transform(scaled, node=node).index.equals(X.index)


def test_as_a_step_before_another_classifier():
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(HierarchicalMetricClassifier(), LinearDiscriminantAnalysis())
    assert model.fit(X[:400], y[:400]).score(X[400:800], y[400:800]) > 0.75
