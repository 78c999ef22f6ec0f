"""Portraits whose class sits in the hair, and models of them."""

import pytest
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits

N_TRAIN = 60


@pytest.fixture(scope="session")
def portraits():
    return make_portraits(80, signal=("hair",), strength=1.0, missing=0.1, random_state=0)


@pytest.fixture(scope="session")
def train(portraits):
    return portraits.images[:N_TRAIN], portraits.target[:N_TRAIN]


@pytest.fixture(scope="session")
def test(portraits):
    return portraits.images[N_TRAIN:], portraits.target[N_TRAIN:]


def make_model(tree, descriptors=("color", "lbp"), combination="weighted", **params):
    return make_pipeline(
        SegmentTreeTransformer(tree=tree, descriptors=list(descriptors)),
        HierarchicalMetricClassifier(combination=combination, random_state=0, **params),
    )


@pytest.fixture(scope="session")
def model(portraits, train):
    return make_model(portraits.tree, combination="projection").fit(*train)
