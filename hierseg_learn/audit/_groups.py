"""Groups of samples, as a user gives them, and the cells that they form with the classes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..utils._labels import check_labels
from ..utils._tables import check_in_memory, column_names

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
        If their number is wrong, a value is missing, or a column mixes kinds, such as text and
        numbers.
    """
    if groups is None:
        raise ValueError("groups must hold one group per sample, got None.")
    names, columns = _columns(groups)
    read = []
    for i, column in enumerate(columns):
        if len(columns) == 1:
            name = "groups"
        else:
            name = f"groups[:, {i}]" if names is None else f"groups[{names[i]!r}]"
        labels = check_labels(column, name, n_samples, noun="group")
        read.append(_distinct(labels))
    if len(read) == 1:
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


def _distinct(labels: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """Distinct values, sorted, and where every sample's is among them."""
    if labels.dtype.kind in "Mm":
        labels = labels.astype(f"{labels.dtype.kind}8[us]")  # finer ones become numbers in a list
    try:
        values, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        values = np.empty(len(set(labels.tolist())), dtype=object)
        values[:] = sorted(set(labels.tolist()), key=str)
        places = {value: code for code, value in enumerate(values)}
        codes = np.array([places[label] for label in labels.tolist()], dtype=np.intp)
    return values.tolist(), codes


def _columns(groups: Any) -> tuple[list[str] | None, list[Any]]:
    """Names of the columns, None where there are none, and the columns as they came."""
    check_in_memory(groups, "groups", ValueError)
    names = column_names(groups)
    if names is not None:
        if not names:
            raise ValueError("groups must have a column at least, got a table without any.")
        if hasattr(groups, "iloc"):
            return list(map(str, names)), [groups.iloc[:, i] for i in range(len(names))]
        return list(map(str, names)), [groups[name] for name in names]
    rows = groups if isinstance(groups, list | tuple) else []
    if all(isinstance(row, list | tuple) for row in rows) and len(set(map(len, rows))) == 1:
        # several values of each sample, which may be of several kinds
        return None, [list(column) for column in zip(*rows)]
    if isinstance(groups, np.ndarray) and groups.ndim == 2 and groups.shape[1] > 1:
        return None, list(groups.T)
    return None, [groups]
