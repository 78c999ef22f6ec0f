"""When the spread of a column is rounding and not data: the one floor of all that standardize."""

from __future__ import annotations

import numpy as np

# of a column in float64, as a share of its largest value: what sums and square roots round to
MIN_SHARE = 1e-9
# of a column that was stored with fewer digits: its last digit may flip by some units
MIN_DIGITS = 4


def least_spread(largest: np.ndarray, dtype: type | np.dtype) -> np.ndarray:
    """Return the spread up to which columns are constant.

    A deviation says something only if it exceeds what rounding makes of a constant, and rounding is
    relative: the floor scales with the column, so columns in tiny units are data like any other.

    Shapes: `largest` (n_columns,). Returns `floor` (n_columns,) float64: a column whose standard
    deviation is not above it is constant.
    """
    dtype = np.dtype(dtype)
    digits = MIN_DIGITS * float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
    return max(MIN_SHARE, digits) * np.asarray(largest, dtype=np.float64)


def varies(X: np.ndarray, spread: np.ndarray, dtype: type | np.dtype | None = None) -> np.ndarray:
    """Say which columns of `X`, of standard deviations `spread`, differ by more than rounding.

    Shapes: `X` (n_samples, n_columns), `spread` (n_columns,). Returns `varies` (n_columns,) bool.
    """
    return spread > least_spread(np.abs(X).max(axis=0, initial=0.0), dtype or X.dtype)
