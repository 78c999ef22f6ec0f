"""Array operations that NumPy, CuPy and the array API standard spell differently."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

Array = Any

# share of its mean below which the spread of a patch is rounding of its float32 values
PATCH_RESOLUTION = 2.0**-17
# share of the lengths of two points below which float32 products cannot resolve their distance
DISTANCE_RESOLUTION = 2.0**-8


def namespace(array: Array) -> Any:
    """Return the array namespace of `array`; CuPy's own module where the array names none."""
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    return sys.modules[type(array).__module__.partition(".")[0]]


def row_blocks(n_rows: int, block_rows: int) -> Iterator[slice]:
    """Yield slices of at most `block_rows` that cover `n_rows` in order."""
    for start in range(0, n_rows, block_rows):
        yield slice(start, min(start + block_rows, n_rows))


def astype(xp: Any, array: Array, dtype: Any) -> Array:
    """Cast `array`, without a copy where it has the dtype."""
    if hasattr(xp, "astype"):
        return xp.astype(array, dtype, copy=False)
    return array.astype(dtype, copy=False)


def concat(xp: Any, arrays: list[Array], axis: int = 0) -> Array:
    """Join arrays along an axis."""
    return (xp.concat if hasattr(xp, "concat") else xp.concatenate)(arrays, axis=axis)


def cumulative_sum(xp: Any, array: Array) -> Array:
    """Sum along the last axis, step by step."""
    if hasattr(xp, "cumulative_sum"):
        return xp.cumulative_sum(array, axis=array.ndim - 1)
    return xp.cumsum(array, axis=-1)


def stable_argsort(xp: Any, array: Array) -> Array:
    """Sort along the last axis, equal entries in the order they stand in."""
    try:
        return xp.argsort(array, axis=-1, stable=True)
    except TypeError:  # CuPy sorts stably and has no such argument
        return xp.argsort(array, axis=-1)


def squared_norms(xp: Any, Z: Array) -> Array:
    """Return the squared length of every row."""
    return xp.sum(Z * Z, axis=1)


def whole_neighborhoods(xp: Any, gray: Array) -> Array:
    """Repeat the border of gray levels, (height, width), where a side has less than three.

    Repeated pixels are ties, so no other image gets them.
    """
    if min(gray.shape) >= 3:
        return gray
    return xp.pad(gray, [(int(side < 3),) * 2 for side in gray.shape], mode="edge")


def squared_distances(xp: Any, rows: Array, Z: Array, row_norms: Array, norms: Array) -> Array:
    """Return the squared distance of every row to every point by one matrix product."""
    distances = row_norms[:, None] + norms[None, :] - 2.0 * (rows @ Z.T)
    return xp.where(distances > 0, distances, xp.zeros_like(distances))


def center_columns(xp: Any, Z: Array) -> Array:
    """Move the points near the origin: differences stay, products lose less to rounding.

    By whole numbers, so that points on a grid keep their exact ties.
    """
    return Z - xp.floor(xp.mean(Z, axis=0, keepdims=True)) if Z.shape[0] else Z


def center(xp: Any, Z: Array) -> tuple[Array, Array]:
    """Return the rows without their mean and their squared lengths; rows of equal numbers get 0."""
    centered = Z - xp.mean(Z, axis=1, keepdims=True)
    # rounding of the mean must not give a constant row a length
    constant = xp.max(Z, axis=1) == xp.min(Z, axis=1)
    centered = xp.where(constant[:, None], xp.zeros_like(centered), centered)
    return centered, squared_norms(xp, centered)


def class_counts(xp: Any, codes: Array) -> Array:
    """Return for every point how many points share its class, itself included."""
    ordered = xp.sort(codes)
    return xp.searchsorted(ordered, codes, side="right") - xp.searchsorted(
        ordered, codes, side="left"
    )


def relations(xp: Any, codes: Array, start: int, stop: int) -> tuple[Array, Array, Array]:
    """Return masks (rows, n) of the other points, positives and negatives of ``start:stop``."""
    positions = xp.arange(codes.shape[0], dtype=xp.int64)
    others = positions[start:stop, None] != positions[None, :]
    same = codes[start:stop, None] == codes[None, :]
    return others, same & others, ~same
