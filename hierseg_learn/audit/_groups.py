"""Groups of samples, as a user gives them, and the cells that they form with the classes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

# what joins the values of several columns
TIMES = ", "


@dataclass(frozen=True)
class Groups:
    """A group for every sample.

    Parameters
    ----------
    labels : tuple
        All groups, sorted; of several columns all combinations of their values, also those that
        no sample has.
    codes : ndarray of shape (n_samples,), int
        Position of every sample's group in `labels`.
    """

    labels: tuple[Any, ...]
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def check_groups(groups: Any, n_samples: int) -> Groups:
    """Read groups.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or (n_samples, n_columns), or DataFrame
        One value per sample, or several, whose combinations are the groups. A combination is called
        ``"place=street, light=day"`` after the columns of a DataFrame, else ``"street, day"``.
    n_samples : int
        How many are expected.

    Returns
    -------
    Groups

    Raises
    ------
    ValueError
        If their number is wrong, or a value is missing.
    """
    if groups is None:
        raise ValueError("groups must hold one group per sample, got None.")
    names, columns = _columns(groups)
    if not columns or any(len(column) != n_samples for column in columns):
        got = [len(column) for column in columns]
        raise ValueError(
            f"groups must hold one group per sample, expected {n_samples}, got {got or 'none'}."
        )
    read = [_values_and_codes(column) for column in columns]
    if len(read) == 1 and names is None:
        return Groups(tuple(read[0][0]), read[0][1])
    codes = np.zeros(n_samples, dtype=np.intp)
    for values, own in read:
        codes = codes * len(values) + own
    labels = [
        TIMES.join(
            str(value) if names is None else f"{name}={value}"
            for name, value in zip(names or values, values)
        )
        for values in product(*(values for values, _ in read))
    ]
    return Groups(tuple(labels), codes)


def _columns(groups: Any) -> tuple[list[str] | None, list[np.ndarray]]:
    """Names of the columns, None where there are none or only one, and the columns."""
    if hasattr(groups, "columns"):
        names = [str(name) for name in groups.columns]
        columns = [np.asarray(groups[name]) for name in groups.columns]
        return (names if len(names) > 1 else None), columns
    array = np.asarray(groups)
    if array.ndim == 1:
        return None, [array]
    if array.ndim != 2:
        raise ValueError(
            "groups must be one value per sample, or a table with one row per sample, got an "
            f"array of {array.ndim} dimensions."
        )
    return None, list(array.T)


def _values_and_codes(column: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Distinct values, sorted, and where every sample's is among them."""
    items = column.tolist()
    for i, item in enumerate(items):
        # NaN is the only value that differs from itself
        if item is None or item != item:
            raise ValueError(
                f"groups has no value for sample {i}; give samples of unknown group one of their "
                "own, such as 'unknown'."
            )
    distinct = set(items)
    try:
        values = sorted(distinct)
    except TypeError:
        values = sorted(distinct, key=lambda value: (type(value).__name__, str(value)))
    places = {value: code for code, value in enumerate(values)}
    return values, np.array([places[item] for item in items], dtype=np.intp)
