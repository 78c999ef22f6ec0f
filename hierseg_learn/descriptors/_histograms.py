"""Soft histograms, and the square root that their columns take."""

from __future__ import annotations

import numpy as np

# relative to the raw moment: some hundred times what sums in float64 are off by
ROUNDING = 1e-12


def central_moment(raw: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Return ``raw - product``, and 0 where the two agree up to rounding.

    Left alone, the rounding of a moment that is always 0 would pass for a feature that varies, and
    whoever scales features would blow it up.
    """
    moments = raw - product
    return np.where(np.abs(moments) <= ROUNDING * np.abs(raw), 0.0, moments)


def linear_bin_weights(shares: np.ndarray, n_bins: int) -> np.ndarray:
    """Share every value out between its two nearest bins.

    Shapes: `shares` (...). Returns `weights` (..., n_bins): non-negative, summing to 1 over the
    last axis up to rounding; dtype of `shares`.
    """
    positions = np.clip(shares * n_bins - 0.5, 0, n_bins - 1)[..., np.newaxis]
    weights = positions - np.arange(n_bins, dtype=shares.dtype)
    np.abs(weights, out=weights)
    np.subtract(1, weights, out=weights)
    return np.maximum(weights, 0, out=weights)


def mean_bin_weights(ends: np.ndarray, n_bins: int) -> np.ndarray:
    """Mean of `linear_bin_weights` over intervals that follow each other.

    Shapes: `ends` (n_intervals + 1,). Returns `weights` (n_intervals, n_bins): non-negative,
    summing to 1 over the last axis. An interval is shared out between bins as its points are, so
    intervals that fill [0, 1] give every bin the same, however many they are.
    """
    positions = ends * n_bins - 0.5
    # the share of bins up to k at position t is clip(k + 1 - t, 0, 1); what follows is its integral
    beyond = np.arange(1, n_bins) - positions[:, np.newaxis]
    integral = np.where(beyond > 1, beyond - 0.5, 0.5 * np.maximum(beyond, 0) ** 2)
    length = np.diff(positions)[:, np.newaxis]
    up_to = np.clip(-np.diff(integral, axis=0) / length, 0, 1)
    up_to = np.concatenate([np.zeros_like(length), up_to, np.ones_like(length)], axis=1)
    weights = np.diff(up_to, axis=1)
    # a square root would make something of what rounding leaves
    return np.where(weights > ROUNDING, weights, 0.0)


def circular_bin_weights(turns: np.ndarray, n_bins: int) -> np.ndarray:
    """Share every angle out between its two nearest bins on a circle.

    Shapes: `turns` (...). Returns `weights` (..., n_bins): non-negative, summing to 1 over the last
    axis up to rounding; dtype of `turns`.
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
