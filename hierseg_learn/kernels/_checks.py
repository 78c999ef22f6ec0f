"""Checks of kernel arguments for every backend: shapes and ranges, so any array type will do."""

from __future__ import annotations

from typing import Any


def check_regions(values: Any, regions: Any, n_regions: int) -> None:
    """Raise unless `values` has one row per pixel and every region lies in ``[-1, n_regions)``."""
    if values.ndim != 2 or tuple(regions.shape) != tuple(values.shape[:1]):
        raise ValueError(
            "values must have shape (n_pixels, n_values) and regions (n_pixels,), got "
            f"{tuple(values.shape)} and {tuple(regions.shape)}."
        )
    if "int" not in str(regions.dtype):
        raise ValueError(f"regions must be integers, got dtype {regions.dtype}.")


def check_region_range(low: int, high: int, n_regions: int) -> None:
    """Raise unless the smallest and the largest region lie in ``[-1, n_regions)``."""
    if low < -1 or high >= n_regions:
        raise ValueError(f"regions must lie in [-1, {n_regions}), got values from {low} to {high}.")


def check_neighbors(Q: Any, X: Any, n_neighbors: int, exclude: Any) -> None:
    """Raise unless queries and points match and every query can have `n_neighbors` rows."""
    if Q.ndim != 2 or X.ndim != 2 or Q.shape[1] != X.shape[1]:
        raise ValueError(
            "Q and X must be 2-D with the same number of columns, got shapes "
            f"{tuple(Q.shape)} and {tuple(X.shape)}."
        )
    if exclude is not None and tuple(exclude.shape) != (Q.shape[0],):
        raise ValueError(f"exclude must have shape ({Q.shape[0]},), got {tuple(exclude.shape)}.")
    # with exclude every query may lose one row; asking for all of them would need a ragged answer
    n_candidates = X.shape[0] - (exclude is not None)
    if not 1 <= n_neighbors <= n_candidates:
        raise ValueError(
            f"n_neighbors must lie between 1 and {n_candidates}, the number of rows that can be "
            f"returned, got {n_neighbors}."
        )


def check_embedding(Z: Any, codes: Any) -> None:
    """Raise unless `Z` is a 2-D floating array with one code per row."""
    if Z.ndim != 2 or tuple(codes.shape) != tuple(Z.shape[:1]):
        raise ValueError(
            "Z must have shape (n_samples, n_components) and codes (n_samples,), got "
            f"{tuple(Z.shape)} and {tuple(codes.shape)}."
        )
    if "float" not in str(Z.dtype):
        raise ValueError(f"Z must be floating, got dtype {Z.dtype}.")


def check_lists(Z: Any, targets: Any, impostors: Any) -> None:
    """Raise unless both lists have one row of neighbours per row of `Z`."""
    for name, rows in (("targets", targets), ("impostors", impostors)):
        if rows.ndim != 2 or rows.shape[0] != Z.shape[0]:
            raise ValueError(
                f"{name} must have shape ({Z.shape[0]}, n_listed), got {tuple(rows.shape)}."
            )
