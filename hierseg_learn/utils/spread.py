"""When the spread of a column is rounding and not data: the one floor of all that standardize."""

from __future__ import annotations

import numpy as np

# of a column in float64, as a share of its largest value: what sums and square roots round to
LEAST_SHARE = 1e-9
# of a column that was stored with fewer digits: its last digit may flip by some units
LEAST_DIGITS = 4


def least_spread(largest: np.ndarray, dtype: type | np.dtype) -> np.ndarray:
    """Return the spread up to which columns are constant.

    A deviation says something only if it exceeds what rounding makes of a constant, and rounding is
    relative: the floor scales with the column, so columns in tiny units are data like any other.

    Parameters
    ----------
    largest : ndarray of shape (n_columns,)
        Largest absolute value of every column.
    dtype : dtype
        In which the columns were stored before they were computed with; float32 keeps seven digits.

    Returns
    -------
    floor : ndarray of shape (n_columns,), float64
        A column whose standard deviation is not above it is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.utils.spread import least_spread
    >>> least_spread(np.array([1.0, 1e-9]), np.dtype(np.float64))
    array([1.e-09, 1.e-18])
    >>> least_spread(np.array([1.0]), np.dtype(np.float32)).round(9)
    array([4.77e-07])
    """
    dtype = np.dtype(dtype)
    digits = LEAST_DIGITS * float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
    return max(LEAST_SHARE, digits) * np.asarray(largest, dtype=np.float64)


def varies(X: np.ndarray, spread: np.ndarray, dtype: type | np.dtype | None = None) -> np.ndarray:
    """Say which columns of `X`, of standard deviations `spread`, differ by more than rounding.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        The columns.
    spread : ndarray of shape (n_columns,)
        Their standard deviations.
    dtype : dtype, default=None
        As in `least_spread`; None takes that of X.

    Returns
    -------
    varies : ndarray of shape (n_columns,), bool
    """
    return spread > least_spread(np.abs(X).max(axis=0, initial=0.0), dtype or X.dtype)
