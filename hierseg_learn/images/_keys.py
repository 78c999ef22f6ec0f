"""Keys of a one-dimensional collection, with the meaning that NumPy gives them."""

from __future__ import annotations

from typing import Any

import numpy as np


def resolve_key(key: Any, n_items: int) -> int | np.ndarray:
    """Turn any index of a 1-D collection into an item number or an array of item numbers.

    Parameters
    ----------
    key : int, slice, array-like of int or bool, or ``(key, ...)``
        Negative numbers count from the end. ``(key, ...)`` is what scikit-learn's
        splitters use.
    n_items : int
        Length of the collection.

    Returns
    -------
    int or ndarray of shape (n_selected,), dtype intp
        An ``int`` stands for one item, an array for a collection.

    Raises
    ------
    IndexError
        For a number out of range, a mask of another length, or more than one axis.
    TypeError
        For a key of any other type.
    """
    if isinstance(key, tuple):
        key = _strip_ellipsis(key)
    if key is Ellipsis:
        return np.arange(n_items, dtype=np.intp)
    if isinstance(key, slice):
        return np.arange(n_items, dtype=np.intp)[key]
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return int(_check_range(np.array([key]), n_items)[0])
    if key is None or isinstance(key, (bool, np.bool_, float, str, bytes)):
        raise TypeError(f"The index {key!r} is not an integer, slice, mask or index array.")
    return _resolve_array(np.asarray(key), n_items)


def _strip_ellipsis(key: tuple) -> Any:
    rest = [part for part in key if part is not Ellipsis]
    if len(rest) > 1 or len(key) - len(rest) > 1 or not key:
        raise IndexError(f"A collection of images has one axis, got the index {key!r}.")
    return rest[0] if rest else Ellipsis


def _resolve_array(key: np.ndarray, n_items: int) -> int | np.ndarray:
    if key.ndim == 0 and key.dtype.kind in "iu":
        return int(_check_range(key.reshape(1), n_items)[0])
    if key.ndim != 1:
        raise IndexError(f"An index array must have one axis, got shape {key.shape}.")
    if key.dtype.kind == "b":
        if key.size != n_items:
            raise IndexError(f"The boolean mask has {key.size} entries for {n_items} images.")
        return np.flatnonzero(key)
    # An empty list becomes a float array in NumPy and still selects nothing.
    if key.size == 0:
        return np.empty(0, dtype=np.intp)
    if key.dtype.kind not in "iu":
        raise TypeError(f"An index array must hold integers or booleans, got {key.dtype}.")
    return _check_range(key, n_items)


def _check_range(key: np.ndarray, n_items: int) -> np.ndarray:
    outside = (key < -n_items) | (key >= n_items)
    if outside.any():
        raise IndexError(
            f"Index {key[outside][0]} is out of range for a collection of {n_items} images."
        )
    key = key.astype(np.intp)
    return np.where(key < 0, key + n_items, key)
