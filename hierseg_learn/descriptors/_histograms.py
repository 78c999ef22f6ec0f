"""Soft histograms, and the square root that their columns take."""

from __future__ import annotations

import numpy as np


def linear_bin_weights(shares: np.ndarray, n_bins: int) -> np.ndarray:
    """Share every value out between its two nearest bins.

    Parameters
    ----------
    shares : ndarray of shape (...)
        Values, scaled so that the bins cover [0, 1]; values outside go to the outer bins.
    n_bins : int
        Number of bins of equal width.

    Returns
    -------
    weights : ndarray of shape (..., n_bins)
        Non-negative, summing to 1 over the last axis up to rounding; dtype of `shares`.

    Examples
    --------
    >>> import numpy as np
    >>> linear_bin_weights(np.array([0.25, 0.5, 7.0]), 2)
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ]])
    """
    positions = np.clip(shares * n_bins - 0.5, 0, n_bins - 1)[..., np.newaxis]
    weights = positions - np.arange(n_bins, dtype=shares.dtype)
    np.abs(weights, out=weights)
    np.subtract(1, weights, out=weights)
    return np.maximum(weights, 0, out=weights)


def circular_bin_weights(turns: np.ndarray, n_bins: int) -> np.ndarray:
    """Share every angle out between its two nearest bins on a circle.

    Parameters
    ----------
    turns : ndarray of shape (...)
        Angles in [0, 1] of the full circle; bin ``k`` is centred at ``k / n_bins``.
    n_bins : int
        Number of bins, at least 2.

    Returns
    -------
    weights : ndarray of shape (..., n_bins)
        Non-negative, summing to 1 over the last axis up to rounding; dtype of `turns`.

    Examples
    --------
    >>> import numpy as np
    >>> circular_bin_weights(np.array([0.0, 0.125, 1.0]), 4)
    array([[1. , 0. , 0. , 0. ],
           [0.5, 0.5, 0. , 0. ],
           [1. , 0. , 0. , 0. ]])
    """
    weights = (turns * n_bins)[..., np.newaxis] - np.arange(n_bins, dtype=turns.dtype)
    np.abs(weights, out=weights)
    np.minimum(weights, n_bins - weights, out=weights)
    np.subtract(1, weights, out=weights)
    return np.maximum(weights, 0, out=weights)


def root_of(shares: np.ndarray, root: bool) -> np.ndarray:
    """Return the square root of non-negative `shares` if `root`, else `shares`."""
    return np.sqrt(np.maximum(shares, 0.0)) if root else shares


def square_of(columns: np.ndarray, root: bool) -> np.ndarray:
    """Undo `root_of`."""
    return columns**2 if root else columns
