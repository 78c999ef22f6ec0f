"""A node learner that is not linear and needs no optional package."""

import numpy as np

from hierseg_learn.metrics import NonlinearMetric


class Waves:
    """Cosines of projections."""

    def __init__(self, directions):
        self.directions = directions

    def __call__(self, rows):
        return np.cos(rows @ self.directions + np.arange(self.directions.shape[1]))


class RandomFeatures(NonlinearMetric):
    """Random features (Rahimi and Recht, 2007)."""

    def __init__(self, n_components=12, random_state=None):
        self.n_components = n_components
        self.random_state = random_state

    def _fit(self, X, codes):
        rng = np.random.default_rng(self.random_state)
        directions = rng.standard_normal((X.shape[1], self.n_components))
        return Waves(directions / (X.std(axis=0).max() * np.sqrt(X.shape[1])))
