"""The spread below which a column counts as constant, for everything that standardizes."""

from __future__ import annotations

import numpy as np

# of a column in float64, as a share of its largest value: what sums and square roots round to
MIN_SHARE = 1e-9
# of a column that was stored with fewer digits: its last digit may flip by some units
MIN_DIGITS = 4


def least_spread(largest: np.ndarray, dtype: type | np.dtype) -> np.ndarray:
    """Return the standard deviation up to which columns count as constant, (n_columns,).

    It is what rounding makes of a constant, and relative to the `largest` values (n_columns,), so
    columns in tiny units are data like any other.
    """
    dtype = np.dtype(dtype)
    digits = MIN_DIGITS * float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0
    return max(MIN_SHARE, digits) * np.asarray(largest, dtype=np.float64)


def varies(X: np.ndarray, spread: np.ndarray, dtype: type | np.dtype | None = None) -> np.ndarray:
    """Return a mask of the columns of `X` whose standard deviation exceeds rounding."""
    return spread > least_spread(np.abs(X).max(axis=0, initial=0.0), dtype or X.dtype)
