"""Validation of kernel arguments: shapes, dtypes and ranges of arrays of any library."""

from __future__ import annotations

from typing import Any

from .arrays import namespace


def check_regions(values: Any, regions: Any, n_regions: int) -> None:
    """Raise unless `values` has one row per pixel and every region lies in ``[-1, n_regions)``."""
    if values.ndim != 2 or tuple(regions.shape) != tuple(values.shape[:1]):
        raise ValueError(
            "values must have shape (n_pixels, n_values) and regions (n_pixels,), got "
            f"{tuple(values.shape)} and {tuple(regions.shape)}."
        )
    _check_integers("regions", regions, -1, n_regions)


def check_columns(Q: Any, X: Any) -> None:
    """Raise unless queries and points are 2-D with as many columns."""
    if Q.ndim != 2 or X.ndim != 2 or Q.shape[1] != X.shape[1]:
        raise ValueError(
            "Q and X must be 2-D with the same number of columns, got shapes "
            f"{tuple(Q.shape)} and {tuple(X.shape)}."
        )


def check_neighbors(Q: Any, X: Any, n_neighbors: int, exclude: Any) -> None:
    """Raise unless queries and points match and every query can have `n_neighbors` rows."""
    check_columns(Q, X)
    if exclude is not None and tuple(exclude.shape) != (Q.shape[0],):
        raise ValueError(f"exclude must have shape ({Q.shape[0]},), got {tuple(exclude.shape)}.")
    # with exclude every query may lose one row; asking for all of them would need a ragged answer
    n_candidates = X.shape[0] - (exclude is not None)
    if not 1 <= n_neighbors <= n_candidates:
        raise ValueError(
            f"n_neighbors must lie between 1 and {n_candidates}, the number of rows that can be "
            f"returned, got {n_neighbors}."
        )


def check_counts(
    Q: Any, X: Any, codes: Any, n_classes: int, low: Any, high: Any, exclude: Any
) -> None:
    """Raise unless points have classes in ``[0, n_classes)`` and queries a range of distances."""
    check_columns(Q, X)
    if tuple(codes.shape) != (X.shape[0],):
        raise ValueError(f"codes must have shape ({X.shape[0]},), got {tuple(codes.shape)}.")
    _check_integers("codes", codes, 0, n_classes)
    for name, array in (("low", low), ("high", high), ("exclude", exclude)):
        if array is not None and tuple(array.shape) != (Q.shape[0],):
            raise ValueError(f"{name} must have shape ({Q.shape[0]},), got {tuple(array.shape)}.")


def check_embedding(Z: Any, codes: Any) -> None:
    """Raise unless `Z` is a 2-D float32 or float64 array with one integer code per row."""
    if Z.ndim != 2 or tuple(codes.shape) != tuple(Z.shape[:1]):
        raise ValueError(
            "Z must have shape (n_samples, n_components) and codes (n_samples,), got "
            f"{tuple(Z.shape)} and {tuple(codes.shape)}."
        )
    _check_floats(Z)
    _check_integers("codes", codes)


def check_lists(Z: Any, targets: Any, impostors: Any) -> None:
    """Raise unless both lists name rows of the floating array `Z`, or -1, for each of its rows."""
    if Z.ndim != 2:
        raise ValueError(f"Z must have shape (n_samples, n_components), got {tuple(Z.shape)}.")
    _check_floats(Z)
    for name, rows in (("targets", targets), ("impostors", impostors)):
        if rows.ndim != 2 or rows.shape[0] != Z.shape[0]:
            raise ValueError(
                f"{name} must have shape ({Z.shape[0]}, n_listed), got {tuple(rows.shape)}."
            )
        _check_integers(name, rows, -1, Z.shape[0])


def check_dictionary(
    image: Any, regions: Any, n_regions: int, mean: Any, whitening: Any, atoms: Any
) -> tuple[int, int]:
    """Return side and channels of the patches of a padded image, (height, width, n_channels).

    Raise unless every pixel of `regions` has a whole square patch and a region in
    ``[-1, n_regions)``, and the arrays of the dictionary fit the patches and each other.
    """
    _check_integers("regions", regions, -1, n_regions)
    shapes = [tuple(array.shape) for array in (image, regions, mean, whitening, atoms)]
    if [len(shape) for shape in shapes] == [3, 2, 1, 2, 2]:
        size = shapes[0][0] - shapes[1][0] + 1
        square = size == shapes[0][1] - shapes[1][1] + 1
        chain = shapes[2] + shapes[3][1:] == shapes[3][:1] + shapes[4][1:]
        if size > 0 and square and chain and shapes[2] == (size * size * shapes[0][2],):
            return size, shapes[0][2]
    raise ValueError(
        "image (height + size - 1, width + size - 1, n_channels), regions (height, width), mean "
        "(size**2 * n_channels,), whitening (size**2 * n_channels, n_components) and atoms "
        f"(n_atoms, n_components) must fit together, got the shapes {', '.join(map(str, shapes))}."
    )


def _check_floats(Z: Any) -> None:
    if not str(Z.dtype).endswith(("float32", "float64")):
        raise ValueError(f"Z must be float32 or float64, got dtype {Z.dtype}.")


def _check_integers(name: str, array: Any, low: int | None = None, stop: int | None = None) -> None:
    """Raise unless all numbers of an array are integers, and lie in ``[low, stop)`` if given."""
    if "int" not in str(array.dtype):
        raise ValueError(f"{name} must be integers, got dtype {array.dtype}.")
    if low is None or 0 in array.shape:
        return
    xp = namespace(array)
    least, largest = int(xp.min(array)), int(xp.max(array))
    if least < low or largest >= stop:
        raise ValueError(
            f"{name} must lie in [{low}, {stop}), got values from {least} to {largest}."
        )
