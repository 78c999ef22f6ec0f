"""The classifier: scikit-learn's contract, decisions, explanations that add up, wrong input."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from hierseg_learn import HierarchicalMetricClassifier


@parametrize_with_checks(
    [
        HierarchicalMetricClassifier(),
        HierarchicalMetricClassifier(decision="prototypes"),
        HierarchicalMetricClassifier(combination="weighted", weights="distance"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
