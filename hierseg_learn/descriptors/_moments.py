"""Variances and covariances from raw moments, without what rounding leaves of those that are 0."""

from __future__ import annotations

import numpy as np

# relative to the raw moment: some hundred times what sums in float64 are off by
ROUNDING = 1e-12


def central_moment(raw: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Return ``raw - product``, and 0 where the two agree up to rounding.

    Left alone, the rounding of a moment that is always 0 would pass for a feature that varies, and
    whoever scales features would blow it up.

    Parameters
    ----------
    raw : ndarray
        Mean of the product of two variables, such as a mean square.
    product : ndarray of the same shape
        Product of their means.

    Returns
    -------
    moments : ndarray

    Examples
    --------
    >>> import numpy as np
    >>> central_moment(np.array([4.0, 0.1 * 3, 5.0]), np.array([4.0, 0.3, 4.0]))
    array([0., 0., 1.])
    """
    moments = raw - product
    return np.where(np.abs(moments) <= ROUNDING * np.abs(raw), 0.0, moments)
