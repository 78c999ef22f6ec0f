"""One small fitted pipeline for all tests of displays and reports."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits

N_TRAIN = 40


class Fitted(NamedTuple):
    model: Pipeline
    images: object
    target: np.ndarray

    @property
    def train(self):
        return self.images[:N_TRAIN], self.target[:N_TRAIN]

    @property
    def test(self):
        return self.images[N_TRAIN:], self.target[N_TRAIN:]


@lru_cache
def fitted_portraits():
    """Portraits whose classes have names that HTML must not take for tags."""
    portraits = make_portraits(
        70, n_classes=3, signal={"hair": "color"}, strength=0.35, noise=0.1, random_state=0
    )
    target = np.array(["<b>ada</b>", "bob & co", "eve"])[portraits.target]
    model = make_pipeline(
        SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
        HierarchicalMetricClassifier(n_neighbors=3, random_state=0),
    )
    return Fitted(model.fit(portraits.images[:N_TRAIN], target[:N_TRAIN]), portraits.images, target)
