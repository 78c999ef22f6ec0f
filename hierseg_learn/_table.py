"""What the classifier asks of a table, with sentences for what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ._layout import PRESENCE, TableLayout, column_name

DTYPES = [np.float64, np.float32]


def check_table(estimator: Any, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Check the table and the classes of a fit.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_` and `feature_names_in_`.
    X, y : array-like
        As passed to `fit`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), float32 or float64
    y : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        Also if X holds NaN, with a hint where that comes from.
    """
    with _hint_at_missing_parts():
        return validate_data(estimator, _named(X), y, dtype=DTYPES, order="C", ensure_min_samples=2)


def check_rows(estimator: Any, X: Any) -> np.ndarray:
    """Check rows of a table against what `fit` saw.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : array-like of shape (n_samples, n_features)
        The rows.

    Returns
    -------
    ndarray of shape (n_samples, n_features), float32 or float64
    """
    with _hint_at_missing_parts():
        if _has_columns_of_fit(estimator, X):
            table = X.to_numpy()
            return check_array(table, dtype=DTYPES, order="C", estimator=estimator, input_name="X")
        return validate_data(estimator, _named(X), dtype=DTYPES, order="C", reset=False)


def check_row(estimator: Any, row: Any, name: str) -> np.ndarray:
    """Check one row of a table against what `fit` saw.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    row : array-like of shape (n_features,) or (1, n_features), Series or DataFrame of one row
        The row.
    name : str
        The argument's name, for messages.

    Returns
    -------
    ndarray of shape (1, n_features), float64

    Raises
    ------
    ValueError, TypeError
        If it is not one row, or not like those of `fit`.
    """
    check_is_fitted(estimator)
    if hasattr(row, "to_frame"):
        row = row.to_frame().T.infer_objects()
    shape = np.shape(row)
    if not shape:
        raise TypeError(f"{name} must be one row of a table, got {row!r}.")
    if len(shape) == 1:
        row = np.reshape(row, (1, -1))
    elif len(shape) > 2 or shape[0] != 1:
        raise ValueError(f"{name} must be one row of a table, got shape {shape}.")
    return check_rows(estimator, row).astype(np.float64)


def presence_columns(names: list[str] | None, layout: TableLayout) -> np.ndarray | None:
    """Position of every node's presence column, or None unless every node has one."""
    if names is None:
        return None
    positions = {name: position for position, name in enumerate(names)}
    columns = [positions.get(column_name(path, PRESENCE)) for path in layout.tree.paths]
    return None if None in columns else np.array(columns)


def _has_columns_of_fit(estimator: Any, X: Any) -> bool:
    """Whether X is a pandas table of floats with the very columns that `fit` saw.

    scikit-learn looks at every column of a table by itself, which takes longer than to classify a
    row of some hundred.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or not hasattr(X, "iloc") or len(np.shape(X)) != 2:
        return False
    return (
        len(X.columns) == len(names)
        and all(dtype in DTYPES for dtype in X.dtypes.unique())
        and bool((X.columns.to_numpy() == names).all())
    )


def _named(X: Any) -> Any:
    """Put a data frame that is not of pandas, such as of polars, into one that is.

    scikit-learn 1.6 does not read the column names of new releases of polars, and without names
    there is no tree.
    """
    names = [] if hasattr(X, "iloc") else list(getattr(X, "columns", []))
    if not names or not all(isinstance(name, str) for name in names):
        return X
    import pandas as pd

    return pd.DataFrame(np.asarray(X), columns=names)


@contextmanager
def _hint_at_missing_parts() -> Iterator[None]:
    """Say where NaN in a table come from."""
    try:
        yield
    except ValueError as error:
        if "Input X contains NaN" not in str(error):
            raise
        raise ValueError(
            f"{error}\nMissing parts must be filled: SegmentTreeTransformer(missing='mean') "
            "does so, missing='nan' is for looking at."
        ) from error
