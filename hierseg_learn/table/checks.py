"""What the classifier asks of a table, with sentences for what is wrong."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..images import SegmentedImage, SegmentedImages, is_table
from ..utils.labels import check_classes
from ..utils.tables import as_pandas
from .layout import PRESENCE, TableLayout, column_name

DTYPES = [np.float64, np.float32]
_HINT_AT_IMAGES = (
    " A SegmentTreeTransformer makes one of images: pipeline[:-1].transform(images[[i]]) "
    "is a row of it, make_pipeline(transformer, classifier) takes images, and "
    "SegmentContributionDisplay.from_estimator("
    "pipeline, images[[i, j]]) explains two of them."
)


def check_table(
    estimator: Any, X: Any, y: Any, *, copy: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Check the table and the classes of a fit.

    Returns `X` (n_samples, n_features) float32; `y` (n_samples,).
    """
    with _hint_at_missing_parts():
        # scikit-learn words the lack of y; all else about it is told by position
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
    return X, check_classes(y, "y", len(X), warn_of_column=True)


def check_rows(estimator: Any, X: Any) -> np.ndarray:
    """Check rows of a table against what `fit` saw.

    Shapes: `X` (n_samples, n_features). Returns (n_samples, n_features) float32.
    """
    X = as_pandas(X)
    _refuse_images(X, "X")
    _refuse_one_row(X)
    with _hint_at_missing_parts():
        if _has_columns_of_fit(estimator, X):
            table = X.to_numpy()
            return check_array(table, dtype=DTYPES, order="C", estimator=estimator, input_name="X")
        return validate_data(estimator, X, dtype=DTYPES, order="C", reset=False)


def check_row(estimator: Any, row: Any, name: str) -> np.ndarray:
    """Check one row of a table against what `fit` saw.

    Shapes: `row` (n_features,) or (1, n_features) Series. Returns (1, n_features) float64.
    """
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
        hint = " One row of it is X[[i]], or X.iloc[[i]]." if fits else _HINT_AT_IMAGES
        raise (ValueError if shape else TypeError)(
            f"{name} must be one row of a table, got {got}"
            f"{'.' if shape or is_image else f', {reprlib.repr(row)}.'}{hint}"
        )
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
            f"n_features). Reshape your data: one row of a table is {one}, or "
            "row.reshape(1, -1)."
        )


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
