"""Trees and explanations with numbers that one can add up in the head."""

import numpy as np
import pytest

from hierseg_learn.explain import PairExplanation
from hierseg_learn.tree import SegmentTree
from tests.explain.games import voted

NESTED = {"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}}
# sky, hair, skirt, person, photo
OWN = [1.0, 2.0, 5.0, 1.0, 1.0]


@pytest.fixture
def tree():
    return SegmentTree.from_nested(NESTED)


@pytest.fixture
def pair(tree):
    return PairExplanation(tree, OWN, name_a="photo 3", name_b="photo 8")


@pytest.fixture
def prediction(tree):
    return voted(
        tree,
        [OWN, np.multiply(OWN, 3), np.zeros(5)],
        prediction="cat",
        classes=["cat", "dog"],
        proba=[0.75, 0.25],
        neighbors=[12, 7, 40],
        neighbor_classes=["cat", "dog", "cat"],
        vote_weights=[2, 1, 1],
    )


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")
