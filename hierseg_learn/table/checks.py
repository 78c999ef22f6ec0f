"""Validation of the table."""

from __future__ import annotations

import reprlib
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..images import SegmentedImage, SegmentedImages, is_table
from ..utils.labels import check_classes
from ..utils.tables import as_pandas

DTYPES = [np.float64, np.float32]
# the squares of so large numbers in a hundred million rows still have a sum in float64
LARGEST = 1e150
_HINT_AT_IMAGES = (
    " A SegmentTreeTransformer makes a table of images: pipeline[:-1].transform(images[[i]]) "
    "is one row, make_pipeline(transformer, classifier) takes images, and "
    "SegmentContributionDisplay.from_estimator("
    "pipeline, images[[i, j]]) explains two of them."
)


def check_table(
    estimator: Any, X: Any, y: Any, *, copy: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Check the table, (n_samples, n_features) float, and the classes, (n_samples,), of a fit."""
    with _hint_at_missing_parts(X):
        # scikit-learn's message for a missing y; check_classes checks everything else
        y_of_none = {"y": None} if y is None else {}
        _refuse_images(X, "X")
        X = validate_data(
            estimator,
            as_pandas(X),
            dtype=DTYPES,
            order="C",
            copy=copy,
            ensure_min_samples=2,
            **y_of_none,
        )
        refuse_huge(X, getattr(estimator, "feature_names_in_", None))
    return X, check_classes(y, "y", len(X), warn_of_column=True)


def check_sample_weight(sample_weight: Any, n_samples: int) -> np.ndarray:
    """Check the weights of rows, (n_samples,): finite, none negative, and some above 0.

    Their sum is finite, too.
    """
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n_samples, sample_weight)
    wanted = f"sample_weight must hold one number of at least 0 for each of {n_samples} rows"
    try:
        weights = check_array(
            sample_weight, dtype=np.float64, ensure_2d=False, ensure_all_finite=False, copy=True
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted}, got {reprlib.repr(sample_weight)}: {error}") from error
    if weights.shape != (n_samples,):
        raise ValueError(f"{wanted}, got an array of shape {weights.shape}.")
    wrong = np.flatnonzero(~((weights >= 0) & (weights <= LARGEST)))
    if len(wrong):
        most = f"; expected at most {LARGEST:g}" if weights[wrong[0]] > LARGEST else ""
        raise ValueError(f"{wanted}, got {weights[wrong[0]]} for row {wrong[0]}{most}.")
    if not weights.any():
        raise ValueError("sample_weight must hold a number above 0, got only zero weights.")
    return weights


def refuse_huge(
    rows: np.ndarray, columns: Sequence[str] | None, first: int = 0, name: str = "X"
) -> None:
    """Refuse rows, (n_rows, n_columns), whose squares have no sum in float64.

    `columns` are their names or None, `first` the place of the first row in its table.
    """
    if rows.dtype == np.float32 or not rows.size:  # it has no such numbers
        return
    if max(rows.max(), -rows.min()) <= LARGEST:
        return
    row, column = np.argwhere(~(np.abs(rows) <= LARGEST))[0].tolist()
    label = column if columns is None else repr(str(columns[column]))
    raise ValueError(
        f"{name} holds {rows[row, column]:.3g} in row {first + row}, column {label}; expected "
        f"absolute values of at most {LARGEST:g}, since their squares are added up. Divide the "
        "column by its scale."
    )


def check_rows(estimator: Any, X: Any, name: str = "X") -> np.ndarray:
    """Check rows of a table, (n_samples, n_features) float, against what `fit` saw."""
    rows = _like_fit(estimator, X)
    refuse_huge(rows, getattr(estimator, "feature_names_in_", None), name=name)
    return rows


def _like_fit(estimator: Any, X: Any) -> np.ndarray:
    """Finite rows of a table, (n_samples, n_features) float, with the columns of `fit`."""
    X = as_pandas(X)
    _refuse_images(X, "X")
    _refuse_one_row(X)
    with _hint_at_missing_parts(X):
        if _has_columns_of_fit(estimator, X):
            table = X.to_numpy()
            # the sum of numbers that are not finite is not finite
            if len(table) and np.isfinite(table.sum(dtype=np.float64)):
                return np.ascontiguousarray(table)
            return check_array(table, dtype=DTYPES, order="C", estimator=estimator, input_name="X")
        return validate_data(estimator, X, dtype=DTYPES, order="C", reset=False)


def check_row(estimator: Any, row: Any, name: str) -> np.ndarray:
    """Check one row of a table, (1, n_features) float64, against what `fit` saw."""
    values = _row_like_fit(estimator, row)
    if values is not None:
        return values
    check_is_fitted(estimator)
    row = as_pandas(row, name)
    if hasattr(row, "to_frame") and not hasattr(row, "columns"):
        row = row.to_frame().T.infer_objects()
    is_image = isinstance(row, SegmentedImage | SegmentedImages)
    shape = () if is_image or isinstance(row, Mapping) else np.shape(row)
    if len(shape) == 1 and np.asarray(row).dtype.kind in "biuf":
        row = np.reshape(row, (1, -1))
    elif len(shape) != 2 or shape[0] != 1:
        got = type(row).__name__ + (f" of shape {shape}" if shape else "")
        fits = shape[1:] == (estimator.n_features_in_,)
        hint = " Select a row by X[[i]] or X.iloc[[i]]." if fits else _HINT_AT_IMAGES
        raise (ValueError if shape else TypeError)(
            f"{name} must be one row of a table, got {got}"
            f"{'.' if shape or is_image else f', {reprlib.repr(row)}.'}{hint}"
        )
    return check_rows(estimator, row, name).astype(np.float64)


def _row_like_fit(estimator: Any, row: Any) -> np.ndarray | None:
    """A row of floats that a fit takes, with its columns, (1, n_features); None for any other.

    scikit-learn looks at every column of a data frame by itself, which takes longer than to
    explain a row.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and hasattr(row, "iloc"):
        # asked of the class, since a Series looks a missing attribute up in its index
        if is_frame := hasattr(type(row), "columns"):
            row = row.iloc[0] if len(row) == 1 else row
        fits = (not is_frame or len(row.shape) == 1) and _are_names(row.index, names)
    else:
        shape = getattr(row, "shape", ())
        fits = (
            names is None
            and type(row) is np.ndarray
            and shape in ((size := getattr(estimator, "n_features_in_", -1),), (1, size))
        )
    if not fits or row.dtype not in DTYPES:
        return None
    values = (row.to_numpy() if hasattr(row, "iloc") else row).astype(np.float64).reshape(1, -1)
    return values if (np.abs(values) <= LARGEST).all() else None


# the last index of column names that was found to be equal to some `feature_names_in_`, by its id
_seen: dict[int, tuple[weakref.ref, Any]] = {}


def _are_names(index: Any, names: np.ndarray) -> bool:
    """Whether a pandas index holds the column names of `fit`; quick for one that was seen last."""
    same, seen = _seen.get(id(names), (lambda: None, None))
    if same() is names and index.equals(seen):
        return True
    if len(index) != len(names) or not (index.to_numpy() == names).all():
        return False
    key = id(names)
    # by an argument: when Python ends, names of the module may be gone before those of `fit`
    _seen[key] = weakref.ref(names, lambda _, seen=_seen: seen.pop(key, None)), index
    return True


def _has_columns_of_fit(estimator: Any, X: Any) -> bool:
    """Whether X is a pandas table of floats with the columns of `fit`."""
    names = getattr(estimator, "feature_names_in_", None)
    return (
        names is not None
        and hasattr(X, "iloc")
        and len(np.shape(X)) == 2
        and all(dtype in DTYPES for dtype in set(X.dtypes.to_numpy()))
        and _are_names(X.columns, names)
    )


def _refuse_images(X: Any, name: str) -> None:
    """Raise for images in the place of a table."""
    n_axes = getattr(X, "ndim", 0)
    is_list = isinstance(X, list | tuple) and not is_table(X)
    if isinstance(X, SegmentedImage | SegmentedImages) or n_axes > 2 or (is_list and len(X)):
        got = "a list of images" if is_list else type(X).__name__
        got = f"an array of shape {X.shape}" if n_axes > 2 else got
        raise TypeError(f"{name} must be a table, got {got}.{_HINT_AT_IMAGES}")


def _refuse_one_row(X: Any) -> None:
    """Raise for a single row that comes without its second axis."""
    is_list = isinstance(X, list | tuple) and len(X) > 0 and isinstance(X[0], Number)
    if getattr(X, "ndim", 0) == 1 or is_list:
        one = "X.iloc[[i]]" if hasattr(X, "iloc") else "X[[i]]"
        raise ValueError(
            f"X has one axis, shape {np.shape(X)}; expected a table of shape (n_samples, "
            f"n_features). Reshape your data: select one row by {one}, or use "
            "row.reshape(1, -1)."
        )


@contextmanager
def _hint_at_missing_parts(X: Any) -> Iterator[None]:
    """Add to the error about NaN where they come from, in a table of images."""
    try:
        yield
    except ValueError as error:
        is_of_parts = any("|" in str(name) for name in getattr(X, "columns", ()))
        if "Input X contains NaN" not in str(error) or not is_of_parts:
            raise
        raise ValueError(
            f"{error}\nMissing parts must be filled: use SegmentTreeTransformer(missing='mean'); "
            "missing='nan' is meant for inspection only."
        ) from error
