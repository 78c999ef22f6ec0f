"""How often a model is right, by class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix


@dataclass(frozen=True)
class Scores:
    """Predictions beside true classes.

    Parameters
    ----------
    classes : list
        All classes of the model.
    target, predicted : ndarray of shape (n_samples,)
        True and predicted classes.
    confidence : ndarray of shape (n_samples,)
        Probability of the predicted class.
    """

    classes: list[Any]
    target: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray

    @property
    def is_right(self) -> np.ndarray:
        """Whether a sample gets its class."""
        return self.target == self.predicted

    @cached_property
    def confusion(self) -> np.ndarray:
        """Counts by true class (rows) and predicted class (columns)."""
        return confusion_matrix(self.target, self.predicted, labels=self.classes)

    @property
    def accuracy(self) -> float:
        """Share of the samples that get their class."""
        return float(self.is_right.mean())

    @property
    def recalls(self) -> np.ndarray:
        """By class, the share of its samples that get it; NaN where it has none."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=1))

    @property
    def precisions(self) -> np.ndarray:
        """By class, the share of the samples predicted as it that are of it; NaN without any."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the recalls of the classes that occur."""
        return float(np.nanmean(self.recalls))

    @property
    def baseline(self) -> float:
        """Share of the largest class."""
        return float(self.confusion.sum(axis=1).max() / self.confusion.sum())


def measure(classifier: Any, table: Any, target: np.ndarray) -> Scores:
    """Predict all rows of a table."""
    proba = classifier.predict_proba(table)
    return Scores(
        classifier.classes_.tolist(), target, classifier.predict(table), proba.max(axis=1)
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
