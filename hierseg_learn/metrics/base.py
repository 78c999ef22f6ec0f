"""Bases of the node learners: maps whose Euclidean distance is the learned metric."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import Tags
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from ..kernels.threads import single_blas_thread
from ..table.checks import check_rows, check_table
from ..utils import Estimator
from .canonical import canonical_order

# rows that are converted at once
BLOCK_ROWS = 1024


class MahalanobisMixin:
    """The metric of estimators whose `components_` is a linear map L: ``||L (a - b)||``.

    Examples
    --------
    >>> from hierseg_learn.metrics import ShrinkageLDA
    >>> lda = ShrinkageLDA().fit([[0.0], [2.0], [5.0], [7.0]], [0, 0, 1, 1])
    >>> lda.get_mahalanobis_matrix().round(3)
    array([[0.5]])
    """

    components_: np.ndarray

    def pair_distance(self, pairs: Any) -> np.ndarray:
        """Distance of the rows of every pair.

        Parameters
        ----------
        pairs : array-like of shape (n_pairs, 2, n_features)
            The pairs.

        Returns
        -------
        distances : ndarray of shape (n_pairs,)

        Raises
        ------
        ValueError
            If `pairs` has another shape, or numbers that are missing or infinite.
        """
        check_is_fitted(self)
        return self._pair_distances(pairs)

    def _pair_distances(self, pairs: Any) -> np.ndarray:
        """Distances of pairs that are not checked yet, after `fit`."""
        pairs = np.asarray(pairs, dtype=np.float64)
        assert_all_finite(pairs, input_name="pairs")
        return row_distances(self.components_, pairs)

    def get_metric(self) -> Callable[..., float]:
        """Return the metric as a function of two rows, which can be pickled.

        Returns
        -------
        metric : callable
            ``metric(u, v, squared=False)``, for use as `metric` of scikit-learn's neighbors.
        """
        check_is_fitted(self)
        return partial(mahalanobis_distance, self.components_.copy())

    def get_mahalanobis_matrix(self) -> np.ndarray:
        """Return ``M = components_.T @ components_``, (n_features, n_features)."""
        check_is_fitted(self)
        return self.components_.T @ self.components_


def map_rows(components: np.ndarray, rows: np.ndarray, dtype: Any = None) -> np.ndarray:
    """Map rows by a linear map: (n_samples, n_components), of a dtype, by default that of the rows.

    The bits are the same for any number of threads.
    """
    dtype = rows.dtype if dtype is None else np.dtype(dtype)
    down = components.T.astype(dtype, copy=False)
    with single_blas_thread():
        if rows.dtype == dtype:
            return rows @ down
        embedding = np.empty((len(rows), len(components)), dtype)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            embedding[block] = rows[block].astype(dtype) @ down
    return embedding


def row_distances(components: np.ndarray, pairs: Any) -> np.ndarray:
    """Distances of pairs of rows, (n_pairs, 2, n_features), under a linear map: (n_pairs,)."""
    pairs = np.asarray(pairs, dtype=np.float64)
    if pairs.ndim != 3 or pairs.shape[1:] != (2, components.shape[1]):
        raise ValueError(
            f"pairs must have shape (n_pairs, 2, {components.shape[1]}), got {pairs.shape}."
        )
    return np.linalg.norm(map_rows(components, pairs[:, 0] - pairs[:, 1]), axis=1)


def mahalanobis_distance(components: np.ndarray, u: Any, v: Any, squared: bool = False) -> float:
    """Distance of two rows under a linear map (n_components, n_features), or its square."""
    distance = row_distances(components, [[u, v]])[0]
    return distance**2 if squared else distance


def embed_rows(embed: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Embed rows, (n_rows, n_features), some at a time: (n_rows, n_components) float64.

    The bits are the same for any number of threads.
    """
    with single_blas_thread():
        starts = range(0, max(1, len(rows)), BLOCK_ROWS)
        blocks = [embed(rows[start : start + BLOCK_ROWS].astype(np.float64)) for start in starts]
    return np.concatenate(blocks)


def check_pairs(pairs: Any, n_features: int) -> np.ndarray:
    """Check pairs of rows, (n_pairs, 2, n_features): the same in float64."""
    pairs = np.asarray(pairs, dtype=np.float64)
    if pairs.ndim != 3 or pairs.shape[1:] != (2, n_features):
        raise ValueError(f"pairs must have shape (n_pairs, 2, {n_features}), got {pairs.shape}.")
    assert_all_finite(pairs, input_name="pairs")
    return pairs


def pair_differences(embed: Callable[[np.ndarray], np.ndarray], pairs: np.ndarray) -> np.ndarray:
    """Differences of embedded pairs of rows, (n_pairs, n_components)."""
    return embed_rows(embed, pairs[:, 0]) - embed_rows(embed, pairs[:, 1])


def embedded_distance(
    embed: Callable[[np.ndarray], np.ndarray],
    n_features: int,
    u: Any,
    v: Any,
    squared: bool = False,
) -> float:
    """Distance of two embedded rows, or its square."""
    pairs = check_pairs([[u, v]], n_features)
    distance = float(np.linalg.norm(pair_differences(embed, pairs)))
    return distance**2 if squared else distance


class MetricLearner(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    Estimator,
    metaclass=ABCMeta,
):
    """Base of all learners: validates, orders rows by their contents, and maps rows."""

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
        self : estimator

        Raises
        ------
        ValueError
            If X or y is invalid, or there are fewer than two classes.
        """
        X, y = check_table(self, X, y)
        classes, codes = np.unique(y, return_inverse=True)
        del y
        if len(classes) < 2:
            raise ValueError(
                f"y has 1 class, {classes.tolist()[0]!r}; a metric that separates classes needs at "
                "least 2."
            )
        # the result does not depend on the order of rows or the names of classes
        order, ranks = canonical_order(X, codes)
        codes = ranks[codes[order]]
        self._store(self._fit_rows(X, order, codes), X)
        return self

    def _fit_rows(self, X: np.ndarray, order: np.ndarray, codes: np.ndarray) -> Any:
        """Learn the map from the rows of a table in some order, and their classes in that order."""
        return self._fit(X[order], codes)

    @abstractmethod
    def _fit(self, X: np.ndarray, codes: np.ndarray) -> Any:
        """Learn the map from checked rows and classes."""

    @abstractmethod
    def _store(self, learned: Any, X: np.ndarray) -> None:
        """Set the fitted attributes."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class LinearMetric(MahalanobisMixin, MetricLearner):
    """Base class: a supervised linear map L, and the metric ``||L (a - b)||`` that it defines.

    A new learner overrides ``_fit``, which gets validated rows and integer classes and returns L.
    Names are those of metric-learn: `components_`, `transform`, `pair_distance`, `get_metric`,
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

    @abstractmethod
    def _fit(self, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Learn the map of shape (n_components, n_features) from checked rows and classes."""

    def _store(self, learned: np.ndarray, X: np.ndarray) -> None:
        self.components_ = np.array(learned, dtype=np.float64)

    def _most_components(self, n_features: int, n_classes: int) -> int:
        """Return the largest allowed `n_components`."""
        return n_features

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)


class NonlinearMetric(MetricLearner):
    """Base class: a supervised embedding f that is not linear, and ``||f(a) - f(b)||``.

    A new learner overrides ``_fit``, which gets validated rows and integer classes and returns f: a
    function of rows, (n_samples, n_features) float64, that gives (n_samples, n_components) float64,
    row by row, and can be pickled. As `node_metric` of
    :class:`~hierseg_learn.HierarchicalMetricClassifier` it embeds the own columns of a node;
    everything above is linear in the embeddings, so the contributions of nodes stay exact.

    Attributes
    ----------
    embedding_ : callable
        The function f.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if `fit` got a table with string names.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics import NonlinearMetric
    >>> class Squares(NonlinearMetric):
    ...     def _fit(self, X, codes):
    ...         return np.square
    >>> X = np.array([[0.0, 1.0], [2.0, 1.0]])
    >>> Squares().fit(X, [0, 1]).pair_distance([X])
    array([4.])
    """

    embedding_: Callable[[np.ndarray], np.ndarray]

    def transform(self, X: Any) -> np.ndarray:
        """Map rows into the space in which the Euclidean distance is the metric.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_components)
            ``embedding_(X)``, of the dtype of X.
        """
        check_is_fitted(self)
        rows = check_rows(self, X)
        return embed_rows(self.embedding_, rows).astype(rows.dtype, copy=False)

    def pair_distance(self, pairs: Any) -> np.ndarray:
        """Distance of the rows of every pair.

        Parameters
        ----------
        pairs : array-like of shape (n_pairs, 2, n_features)
            The pairs.

        Returns
        -------
        distances : ndarray of shape (n_pairs,)

        Raises
        ------
        ValueError
            If `pairs` has another shape, or numbers that are missing or infinite.
        """
        check_is_fitted(self)
        pairs = check_pairs(pairs, self.n_features_in_)
        return np.linalg.norm(pair_differences(self.embedding_, pairs), axis=1)

    def get_metric(self) -> Callable[..., float]:
        """Return the metric as a function of two rows, which can be pickled.

        Returns
        -------
        metric : callable
            ``metric(u, v, squared=False)``, for use as `metric` of scikit-learn's neighbors.
        """
        check_is_fitted(self)
        return partial(embedded_distance, self.embedding_, self.n_features_in_)

    @abstractmethod
    def _fit(self, X: np.ndarray, codes: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Learn the embedding from checked rows and classes."""

    def _store(self, learned: Callable[[np.ndarray], np.ndarray], X: np.ndarray) -> None:
        self.embedding_ = learned
        self._n_features_out = embed_rows(learned, X[:1]).shape[1]
