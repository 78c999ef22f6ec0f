"""Base of the node learners: linear maps whose Euclidean distance is the learned metric."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._table import check_rows, check_table
from ..utils import Estimator
from ._canonical import canonical_order
from ._mahalanobis import MahalanobisMixin, map_rows


class LinearMetric(
    MahalanobisMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    Estimator,
    metaclass=ABCMeta,
):
    """Base class: a supervised linear map L, and the metric ``||L (a - b)||`` that it defines.

    A new learner overrides ``_fit``, which gets checked rows and integer classes and returns L. The
    names are those of metric-learn: `components_`, `transform`, `pair_distance`, `get_metric`,
    `get_mahalanobis_matrix`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features), float64
        The map L.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if `fit` got a table with string names.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics import LinearMetric
    >>> class Spread(LinearMetric):
    ...     def _fit(self, X, codes):
    ...         return np.diag(1 / X.std(axis=0))
    >>> X = np.array([[0.0, 0.0], [2.0, 10.0]])
    >>> Spread().fit(X, [0, 1]).pair_distance([X])
    array([2.8284...])
    """

    _parameter_constraints: dict = {}
    _reads_params = False

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> Self:
        """Learn the map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their classes.

        Returns
        -------
        self : LinearMetric

        Raises
        ------
        ValueError
            If X or y is not what it should be, or there are fewer than two classes.
        """
        X, y = check_table(self, X, y)
        classes, codes = np.unique(y, return_inverse=True)
        del y
        if len(classes) < 2:
            raise ValueError(
                f"y has 1 class, {classes.tolist()[0]!r}; a metric that tells classes apart needs "
                "at least 2."
            )
        # whatever the order of rows and the names of classes, the same is learned to the bit
        order, ranks = canonical_order(X, codes)
        codes = ranks[codes[order]]
        self.components_ = np.array(self._fit_rows(X, order, codes), dtype=np.float64)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Map rows into the space in which the Euclidean distance is the metric.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_components)
            ``X @ components_.T``.
        """
        check_is_fitted(self)
        return map_rows(self.components_, check_rows(self, X))

    def _fit_rows(self, X: np.ndarray, order: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Learn the map from the rows of a table in some order, and their classes in that order."""
        return self._fit(X[order], codes)

    @abstractmethod
    def _fit(self, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Learn the map of shape (n_components, n_features) from checked rows and classes."""

    def _most_components(self, n_features: int, n_classes: int) -> int:
        """Return the most rows of L that `n_components` may ask for."""
        return n_features

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
