"""The distance that a linear map defines, under the names that metric-learn gave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from ..kernels._threads import single_blas_thread

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
        pairs = np.asarray(pairs, dtype=np.float64)
        assert_all_finite(pairs, input_name="pairs")
        return row_distances(self.components_, pairs)

    def get_metric(self) -> Callable[..., float]:
        """Return the metric as a function of two rows, which can be pickled.

        Returns
        -------
        metric : callable
            ``metric(u, v, squared=False)``, for use as `metric` of scikit-learn's neighbours.
        """
        check_is_fitted(self)
        return MahalanobisMetric(self.components_.copy())

    def get_mahalanobis_matrix(self) -> np.ndarray:
        """Return ``M = components_.T @ components_``, (n_features, n_features)."""
        check_is_fitted(self)
        return self.components_.T @ self.components_


def map_rows(components: np.ndarray, rows: np.ndarray, dtype: Any = None) -> np.ndarray:
    """Rows through a linear map.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features)
        The map.
    rows : ndarray of shape (n_samples, n_features), float32 or float64
        The rows.
    dtype : dtype, default=None
        In which to reckon; None takes that of the rows. The rows are not copied whole.

    Returns
    -------
    embedding : ndarray of shape (n_samples, n_components)
        Of that dtype; the same bits for any number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._mahalanobis import map_rows
    >>> map_rows(np.array([[3.0, 4.0]]), np.array([[1.0, 0.0], [1.0, 1.0]]))
    array([[3.],
           [7.]])
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
    """Distance of the rows of every pair under a linear map.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features)
        The map.
    pairs : array-like of shape (n_pairs, 2, n_features)
        The pairs.

    Returns
    -------
    distances : ndarray of shape (n_pairs,), float64

    Raises
    ------
    ValueError
        If `pairs` has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._mahalanobis import row_distances
    >>> row_distances(np.array([[3.0, 4.0]]), [[[0.0, 0.0], [1.0, 1.0]]])
    array([7.])
    """
    pairs = np.asarray(pairs, dtype=np.float64)
    if pairs.ndim != 3 or pairs.shape[1:] != (2, components.shape[1]):
        raise ValueError(
            f"pairs must have shape (n_pairs, 2, {components.shape[1]}), got {pairs.shape}."
        )
    return np.linalg.norm(map_rows(components, pairs[:, 0] - pairs[:, 1]), axis=1)


class MahalanobisMetric:
    """The metric of a linear map as a function of two rows.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features)
        The map.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics._mahalanobis import MahalanobisMetric
    >>> float(MahalanobisMetric(np.array([[3.0, 4.0]]))([0, 0], [1, 1]))
    7.0
    """

    def __init__(self, components: np.ndarray) -> None:
        self.components = components

    def __call__(self, u: Any, v: Any, squared: bool = False) -> float:
        """Distance of two rows of shape (n_features,), or its square."""
        distance = row_distances(self.components, [[u, v]])[0]
        return distance**2 if squared else distance
