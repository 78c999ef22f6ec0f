"""Confidence intervals of shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import beta, norm


def wilson_interval(hits: Any, n: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval: its mean coverage is near the level even for few rows [1]_.

    Parameters
    ----------
    hits, n : array-like of int
        Successes and trials, broadcast against each other.
    level : float
        Confidence.

    Returns
    -------
    low, high : ndarray
        Bounds; NaN without trials.

    References
    ----------
    .. [1] E. B. Wilson. "Probable Inference, the Law of Succession, and Statistical Inference".
       Journal of the American Statistical Association 22, 1927.
    """
    hits, n = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float))
    square = norm.isf((1 - level) / 2) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hits / n
        middle = (share + square / (2 * n)) / (1 + square / n)
        half = np.sqrt(square * (share * (1 - share) + square / (4 * n)) / n) / (1 + square / n)
    # exact at the ends, where rounding would leave a little
    low = np.where(hits == 0, 0.0, middle - half)
    high = np.where(hits == n, 1.0, middle + half)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def clopper_pearson_interval(hits: Any, n: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of Clopper and Pearson: never covers less often than the level says [1]_.

    Parameters
    ----------
    hits, n : array-like of int
        Successes and trials, broadcast against each other.
    level : float
        Confidence.

    Returns
    -------
    low, high : ndarray
        Bounds; NaN without trials.

    References
    ----------
    .. [1] C. J. Clopper, E. S. Pearson. "The Use of Confidence or Fiducial Limits Illustrated in
       the Case of the Binomial". Biometrika 26, 1934.
    """
    hits, n = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float))
    tail = (1 - level) / 2
    low = np.where(hits > 0, beta.ppf(tail, hits, n - hits + 1), 0.0)
    high = np.where(hits < n, beta.isf(tail, hits + 1, n - hits), 1.0)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


INTERVALS = {"wilson": wilson_interval, "clopper-pearson": clopper_pearson_interval}
