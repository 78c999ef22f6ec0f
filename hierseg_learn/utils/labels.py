"""Validation of labels: classes, predictions and groups, from any container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set, Sized, ValuesView
from datetime import date, timedelta
from numbers import Number
from typing import Any

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets

from ._estimator import warn_user
from .tables import check_in_memory, column_names

NUMBERS, TEXT, BYTES = "numbers", "text", "bytes"
# by NumPy's letter for a dtype; items of other dtypes are checked one by one
KIND_OF_DTYPE = dict.fromkeys("biufc", NUMBERS) | {"U": TEXT, "S": BYTES}
KIND_OF_DTYPE |= {"M": "dates", "m": "durations"}
KIND_OF_TYPE = {
    (Number, np.bool_): NUMBERS,
    (str,): TEXT,
    (bytes,): BYTES,
    (date, np.datetime64): "dates",
    (timedelta, np.timedelta64): "durations",
}
MISSING_TYPES = {"NoneType", "NAType", "NaTType", "MaskedConstant"}
N_SHOWN = 3
N_CLASSES_SHOWN = 10


def check_labels(
    labels: Any,
    name: str,
    n_samples: int | None = None,
    *,
    noun: str = "class",
    warn_of_column: bool = False,
) -> np.ndarray:
    """Return one label per sample, (n_samples,), none missing and all of one kind.

    A kind is numbers and booleans, or text, and so on. The dtype is object only where NumPy has
    none for the kind, or `labels` are objects of text. The result may share memory with `labels`.
    """
    _refuse_other_than_sequences(labels, name, noun)
    values, missing = _values(labels, name, noun)
    if values.ndim == 2 and values.shape[1] == 1:
        if warn_of_column:
            warn_user(
                DataConversionWarning(
                    f"A column-vector {name} was passed when a 1d array was expected. Please "
                    f"change the shape of {name} to (n_samples, ), for example using ravel()."
                )
            )
        values, missing = values[:, 0], None if missing is None else missing.reshape(-1)
    if values.ndim != 1 or values.dtype.names is not None:
        raise ValueError(
            f"{name} must hold one {noun} per sample in one dimension, got shape {values.shape}"
            f"{' of records' if values.dtype.names else ''}; pass one column of it, or, of columns "
            "of 0 and 1, y.argmax(axis=1)."
        )
    if not len(values) or (n_samples is not None and len(values) != n_samples):
        expected = "at least one" if n_samples is None else n_samples
        raise ValueError(
            f"{name} must hold one {noun} per sample, expected {expected}, got {len(values)}."
        )
    return _of_one_kind(values, missing, name, noun)


def check_classes(
    y: Any, name: str, n_samples: int | None = None, *, warn_of_column: bool = False
) -> np.ndarray:
    """Return the classes to fit on, validated as by `check_labels`."""
    y = check_labels(y, name, n_samples, warn_of_column=warn_of_column)
    kind = label_kind(y)
    if kind == BYTES or (y.dtype == object and kind != TEXT):
        raise ValueError(
            f"Unknown label type: {name} holds {kind} such as {y[0]!r}; expected classes as text, "
            "whole numbers or booleans."
        )
    infinite = np.flatnonzero(np.isinf(y)) if y.dtype.kind == "f" else ()
    if len(infinite):
        raise ValueError(
            f"{name} holds infinity at {_positions(infinite, len(y))}, which is not a class."
        )
    check_classification_targets(y)
    return y


def check_truth(y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted classes, of one length and one kind."""
    y_true = check_labels(y_true, "y_true")
    y_pred = check_labels(y_pred, "y_pred", len(y_true))
    check_same_kind(y_true, "y_true", y_pred, "y_pred holds")
    return y_true, y_pred


def check_same_kind(labels: np.ndarray, name: str, others: Any, what: str) -> None:
    """Raise unless labels are of the same kind as others, such as the classes."""
    others = np.asarray(others)
    kind, other_kind = label_kind(labels), label_kind(others)
    if kind != other_kind:
        raise ValueError(
            f"{name} holds {kind} such as {_plain(labels[0])!r} (position 0), but {what} "
            f"{other_kind} such as {_plain(others[0])!r}: no label of one kind equals one of the "
            f"other. Pass both as {kind}, or both as {other_kind}."
        )


def check_known(labels: np.ndarray, name: str, classes: np.ndarray) -> None:
    """Raise unless all labels are classes of the model."""
    check_same_kind(labels, name, classes, "the classes of the model are")
    unknown = np.flatnonzero(~np.isin(labels, classes))
    if len(unknown):
        value = labels[unknown[0]]
        raise ValueError(
            f"{name} holds {_plain(value)!r} at {_positions(unknown, len(labels))}, which the "
            f"model does not know; expected {shown_classes(classes)}."
            if (labels[unknown] == value).all()
            else f"{name} holds classes such as {_plain(value)!r}, which the model does not know, "
            f"at {_positions(unknown, len(labels))}; expected {shown_classes(classes)}."
        )


def class_code(label: Any, name: str, classes: np.ndarray) -> int:
    """Position of a label among the classes of a model."""
    for code, known in enumerate(classes):
        equal = known == label
        if isinstance(equal, bool | np.bool_) and equal:
            return code
    kind, known_kind = _kind_of_type(type(label)), label_kind(classes)
    label = label.item() if isinstance(label, np.generic) else label
    hint = f" ({kind}; the classes are {known_kind})" if kind != known_kind else ""
    raise ValueError(
        f"{name} must be one of the classes, {shown_classes(classes)}, got {label!r}{hint}."
    )


def shown_classes(classes: np.ndarray) -> str:
    """Classes for a message, the first of them if they are many."""
    known = classes.tolist()
    return str(known if len(known) <= N_CLASSES_SHOWN else [*known[:N_CLASSES_SHOWN], "..."])


def label_kind(labels: np.ndarray) -> str:
    """Kind of labels that `check_labels` returned, in words."""
    kind = KIND_OF_DTYPE.get(labels.dtype.kind)
    return _kind_of_type(type(labels[0])) if kind is None else kind


def _refuse_other_than_sequences(labels: Any, name: str, noun: str) -> None:
    """Raise for what is not a sequence of labels in memory."""
    check_in_memory(labels, name, ValueError)
    got = None
    if labels is None:
        got = "None"
    elif isinstance(labels, str | bytes):
        got = f"the single text {labels!r}"
    elif isinstance(labels, Mapping | Set | ValuesView | Iterator):
        got = f"a {type(labels).__name__}, whose items have no place among the samples"
    elif hasattr(labels, "toarray"):
        got = "a sparse array"
    elif isinstance(labels, np.generic) or not (
        isinstance(labels, Sized) or hasattr(labels, "__array__")
    ):
        got = f"the single value {labels!r}"
    if got is not None:
        raise ValueError(
            f"{name} must hold one {noun} per sample, got {got}; expected a list, an array or a "
            "Series."
        )


def _values(labels: Any, name: str, noun: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Values, (n_samples,) or more, and the mask of missing ones where the container has one."""
    names = column_names(labels)
    if names is not None:
        if len(names) != 1:
            listed = ", ".join(map(repr, names[:N_SHOWN])) + (", ..." if names[N_SHOWN:] else "")
            raise ValueError(
                f"{name} must hold one {noun} per sample, got a table of {len(names)} columns"
                f"{f', {listed}; pass one of them' if names else ''}."
            )
        labels = labels.iloc[:, 0] if hasattr(labels, "iloc") else labels[names[0]]
        values, missing = _values(labels, name, noun)
        return values[:, np.newaxis], missing
    if isinstance(labels, np.ma.MaskedArray):
        return labels.data, np.ma.getmaskarray(labels)
    if hasattr(labels, "isna"):
        return np.asarray(labels), np.asarray(labels.isna(), dtype=bool)
    for method in ("to_list", "to_pylist"):
        if hasattr(labels, method):
            labels = getattr(labels, method)()
    if hasattr(labels, "__array__"):
        return np.asarray(labels), None
    items = [_unpacked(item) for item in labels]
    if items and all(isinstance(item, str) for item in items):
        return np.asarray(items), None
    return _array_of_objects(items, name, noun), None


def _array_of_objects(items: list[Any], name: str, noun: str) -> np.ndarray:
    """Items as an array of objects: (n_samples,), or (n_samples, n_columns) of a list of rows."""
    is_row = [
        isinstance(item, list | np.ndarray) and getattr(item, "ndim", 1) > 0 for item in items
    ]
    widths = {len(item) if wide else -1 for item, wide in zip(items, is_row)}
    if len(widths) > 1 and max(widths) >= 0:
        raise ValueError(
            f"{name} must hold one {noun} per sample, got a list whose items are lists of unequal "
            "lengths."
        )
    if widths and max(widths) >= 0:
        values = [value for item in items for value in item]
        return np.fromiter(values, object, len(values)).reshape(len(items), max(widths))
    return np.fromiter(items, object, len(items))


def _unpacked(item: Any) -> Any:
    """The value in an array without dimensions, such as items of tensors; all else unchanged."""
    is_scalar = getattr(item, "ndim", None) == 0 and hasattr(item, "item")
    if not is_scalar or isinstance(item, np.generic) or type(item).__name__ in MISSING_TYPES:
        return item
    return item.item()


def _of_one_kind(
    values: np.ndarray, missing: np.ndarray | None, name: str, noun: str
) -> np.ndarray:
    """Values (n_samples,) of one kind, none missing, in NumPy's dtype for it if there is one."""
    missing = np.zeros(len(values), dtype=bool) if missing is None else missing
    kind = KIND_OF_DTYPE.get(values.dtype.kind)
    if kind is None:
        items = values.tolist()
        missing = missing | np.array([_is_missing(item) for item in items], dtype=bool)
    elif values.dtype.kind in "fcMm":
        missing = missing | (np.isnat(values) if values.dtype.kind in "Mm" else np.isnan(values))
    if missing.any():
        where = np.flatnonzero(missing)
        advice = (
            "give samples of unknown group one of their own, such as 'unknown'"
            if noun == "group"
            else "leave these samples out, or give them a class"
        )
        raise ValueError(
            f"{name} has no value ({_plain(values[where[0]])!r}) at "
            f"{_positions(where, len(values))}; {advice}."
        )
    if kind is not None:
        return values
    kinds = [_kind_of_type(type(item)) for item in items]
    first = kinds[0]
    for i, other in enumerate(kinds):
        if other != first:
            raise ValueError(
                f"{name} mixes {first} such as {_plain(items[0])!r} (position 0) with {other} such "
                f"as {_plain(items[i])!r} (position {i}); expected labels of one kind."
            )
    return np.asarray(items) if first == NUMBERS else values


def _is_missing(item: Any) -> bool:
    """Whether an object is None, NaN, NaT, pandas' NA or NumPy's masked value."""
    if type(item).__name__ in MISSING_TYPES:
        return True
    try:
        # NaN is the only value that differs from itself
        return bool(item != item)
    except (TypeError, ValueError):
        return False


def _kind_of_type(kind: type) -> str:
    for types, words in KIND_OF_TYPE.items():
        if issubclass(kind, types):
            return words
    return f"objects of type {kind.__name__}"


def _positions(where: np.ndarray, n_all: int) -> str:
    """Positions for a message, the first of them if they are many."""
    shown = ", ".join(map(str, where[:N_SHOWN]))
    if len(where) == 1:
        return f"position {shown}"
    more = len(where) - N_SHOWN
    return f"positions {shown}{f' and {more} more' if more > 0 else ''} ({len(where)} of {n_all})"


def _plain(value: Any) -> Any:
    """A value as Python prints it, without the name of its NumPy type."""
    is_number = isinstance(value, np.number | np.bool_ | np.str_ | np.bytes_)
    return value.item() if is_number else value
