"""Checks of what goes into an explanation; every message names the argument."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ..tree import SegmentTree


def check_tree(tree: Any) -> SegmentTree:
    """Return the tree if it is one."""
    if not isinstance(tree, SegmentTree):
        raise TypeError(f"tree must be a SegmentTree, got {tree!r} of type {type(tree).__name__}.")
    return tree


def check_numbers(values: Any, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
    """Return a read-only float64 copy of finite numbers.

    A string in `shape` stands for any length of at least 1.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}.")
    _check_shape(array, name, shape)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers, got {array[~np.isfinite(array)][0]}.")
    return read_only(array)


def check_presence(values: Any, name: str, n_nodes: int) -> np.ndarray | None:
    """Return a read-only bool copy of one flag per node; None stays None."""
    if values is None:
        return None
    array = np.asarray(values)
    _check_shape(array, name, (n_nodes,))
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"{name} must hold one bool (or 0 or 1) per node, got {array.dtype} values such as "
            f"{array[0]!r}."
        )
    return read_only(array.astype(bool))


def check_items(values: Any, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
    """Return a read-only 1-D copy of labels or row numbers."""
    array = np.array(values)
    _check_shape(array, name, shape)
    return read_only(array)


def check_question(question: Any) -> str:
    """Return "class" or "neighbors"."""
    if question not in ("class", "neighbors"):
        raise ValueError(f"question must be 'class' or 'neighbors', got {question!r}.")
    return question


def check_by(by: Any) -> str:
    """Return "nodes" or "parts"."""
    if by not in ("nodes", "parts"):
        raise ValueError(f"by must be 'nodes' or 'parts', got {by!r}.")
    return by


def check_members(values: np.ndarray, name: str, classes: np.ndarray) -> None:
    """Raise unless all values are classes."""
    known = classes.tolist()
    for value in values.tolist():
        if value not in known:
            shown = known if len(known) <= 10 else [*known[:10], "..."]
            raise ValueError(f"{name} holds {value!r}, which is not in classes={shown}.")


def check_weights(values: Any, name: str, length: int) -> np.ndarray:
    """Return read-only weights that are not negative and not all zero."""
    weights = check_numbers(values, name, (length,))
    if (weights < 0).any() or not weights.any():
        raise ValueError(
            f"{name} must hold weights of at least 0, one of them positive, got "
            f"{weights.tolist()[:10]}."
        )
    return weights


def check_level(level: Any, tree: SegmentTree) -> int:
    """Return a depth of the tree; None is that of the deepest leaf."""
    deepest = int(tree.depths.max())
    if level is None:
        return deepest
    if isinstance(level, bool) or not isinstance(level, Integral) or not 0 <= level <= deepest:
        raise ValueError(
            f"level must be None or an integer from 0 to {deepest}, the depth of the tree, "
            f"got {level!r}."
        )
    return int(level)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return the array with its writeable flag off."""
    array.flags.writeable = False
    return array


def _check_shape(array: np.ndarray, name: str, shape: Sequence[int | str]) -> None:
    fits = array.ndim == len(shape) and all(
        size == wanted if isinstance(wanted, int) else size > 0
        for size, wanted in zip(array.shape, shape)
    )
    if not fits:
        wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), got shape {array.shape}.")
