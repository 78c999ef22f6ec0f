"""Kernels for CUDA: the composed operations on CuPy arrays, results left on the device.

The functions mirror ``reference``, which says what arguments and results mean. Sums are matrix
products, sorts and reductions in a fixed order: no float atomics, so the same bits every time.
"""

from __future__ import annotations

import cupy

from . import _pair_losses, _patch_sums, _searches
from ._arrays import astype


def region_sums(values: cupy.ndarray, regions: cupy.ndarray, n_regions: int) -> cupy.ndarray:
    """As `reference.region_sums`."""
    return _searches.region_sums(_floating(values), cupy.asarray(regions), n_regions)


def activation_sums(
    image: cupy.ndarray,
    regions: cupy.ndarray,
    n_regions: int,
    floor: float,
    mean: cupy.ndarray,
    whitening: cupy.ndarray,
    atoms: cupy.ndarray,
) -> cupy.ndarray:
    """As `reference.activation_sums`."""
    image, mean, whitening, atoms = (
        cupy.asarray(array, dtype=cupy.float32) for array in (image, mean, whitening, atoms)
    )
    return _patch_sums.activation_sums(
        image, cupy.asarray(regions), n_regions, floor, mean, whitening, atoms
    )


def nearest(
    Q: cupy.ndarray, X: cupy.ndarray, n_neighbors: int, exclude: cupy.ndarray | None = None
) -> tuple[cupy.ndarray, cupy.ndarray]:
    """As `reference.nearest`."""
    Q, X = _floating(Q), _floating(X)
    dtype = cupy.result_type(Q, X)
    exclude = None if exclude is None else cupy.asarray(exclude)
    return _searches.nearest(astype(cupy, Q, dtype), astype(cupy, X, dtype), n_neighbors, exclude)


def nca_loss_grad(Z: cupy.ndarray, codes: cupy.ndarray) -> tuple[float, cupy.ndarray]:
    """As `reference.nca_loss_grad`."""
    return _pair_losses.nca_loss_grad(cupy.asarray(Z), cupy.asarray(codes))


def triplet_loss_grad(
    Z: cupy.ndarray, codes: cupy.ndarray, margin: float
) -> tuple[float, cupy.ndarray]:
    """As `reference.triplet_loss_grad`."""
    return _pair_losses.triplet_loss_grad(cupy.asarray(Z), cupy.asarray(codes), margin)


def snr_distances(Q: cupy.ndarray, X: cupy.ndarray) -> cupy.ndarray:
    """As `reference.snr_distances`."""
    return _searches.snr_distances(_floating(Q), _floating(X))


def snr_loss_grad(
    Z: cupy.ndarray, codes: cupy.ndarray, margin: float
) -> tuple[float, cupy.ndarray]:
    """As `reference.snr_loss_grad`."""
    return _pair_losses.snr_loss_grad(cupy.asarray(Z), cupy.asarray(codes), margin)


def lmnn_loss_grad(
    Z: cupy.ndarray, targets: cupy.ndarray, impostors: cupy.ndarray, regularization: float
) -> tuple[float, cupy.ndarray]:
    """As `reference.lmnn_loss_grad`."""
    return _pair_losses.lmnn_loss_grad(
        cupy.asarray(Z), cupy.asarray(targets), cupy.asarray(impostors), regularization
    )


def _floating(array: cupy.ndarray) -> cupy.ndarray:
    """Return a float32 or float64 array on the device."""
    array = cupy.asarray(array)
    return array if array.dtype == cupy.float32 else astype(cupy, array, cupy.float64)
