"""Kernels for CUDA: matrix products by cuBLAS, the rest by the CUDA text in ``cuda_sources``.

What arguments and results mean is written in ``numba_kernels``; results stay on the device. Sums
run in a fixed order without float atomics, so the bits are the same every time. Memory is a few
blocks of at most `BLOCK_SIZE` numbers beside arguments and results.
"""

from __future__ import annotations

from collections.abc import Callable

import cupy
import numpy as np

from . import array_kernels
from ._checks import (
    check_columns,
    check_embedding,
    check_lists,
    check_neighbors,
    check_regions,
)
from ._cuda import launch
from .array_kernels import (
    Step,
    count_triplets,
    count_with_positives,
    one_after_another,
    pair_loss_grad,
    region_chunks,
)
from .arrays import center, center_columns, row_blocks, squared_norms, stable_argsort

BLOCK_SIZE = 2**25
POINT_ROWS = 8192
CHUNK_PIXELS = 4096
# of an anchor's row every number is compared with every other; beyond this, sorting is less work
MAX_COMPARED = 4096
THREADS = 256
WARP = 32
# rows of a grid's second dimension
MAX_ROWS = 65535


def region_sums(values: cupy.ndarray, regions: cupy.ndarray, n_regions: int) -> cupy.ndarray:
    """As `numba_kernels.region_sums`: pixels sorted by region, sums of chunks, chunks in order."""
    values, regions = _floating(values), cupy.asarray(regions)
    check_regions(values, regions, n_regions)
    n_values = values.shape[1]
    totals = cupy.zeros((n_regions, n_values), dtype=cupy.float64)
    regions = regions.astype(cupy.int64)
    order, starts, stops, first_chunk = region_chunks(cupy, regions, n_regions, CHUNK_PIXELS)
    n_chunks = len(starts)
    if not n_chunks or not n_values:
        return totals
    sums = cupy.empty((n_chunks, n_values), dtype=cupy.float64)
    width = min(WARP, 1 << (n_values - 1).bit_length())
    grid = (n_chunks, -(-n_values // width))
    chunk_args = (values, order, starts, stops, np.int64(n_values), np.int64(width), sums)
    launch("chunk_sums", values.dtype, grid, THREADS, *chunk_args)
    region_args = (sums, first_chunk, np.int64(n_regions), np.int64(n_values), totals)
    launch("add_chunks", values.dtype, (-(-totals.size // THREADS),), THREADS, *region_args)
    return totals


def activation_sums(
    image: cupy.ndarray,
    regions: cupy.ndarray,
    n_regions: int,
    floor: float,
    mean: cupy.ndarray,
    whitening: cupy.ndarray,
    atoms: cupy.ndarray,
) -> cupy.ndarray:
    """As `numba_kernels.activation_sums`."""
    image, mean, whitening, atoms = (
        cupy.asarray(array, dtype=cupy.float32) for array in (image, mean, whitening, atoms)
    )
    return array_kernels.activation_sums(
        image, cupy.asarray(regions), n_regions, floor, mean, whitening, atoms
    )


def nearest(
    Q: cupy.ndarray, X: cupy.ndarray, n_neighbors: int, exclude: cupy.ndarray | None = None
) -> tuple[cupy.ndarray, cupy.ndarray]:
    """As `numba_kernels.nearest`."""
    Q, X = _alike(Q, X)
    exclude = None if exclude is None else cupy.asarray(exclude)
    check_neighbors(Q, X, n_neighbors, exclude)
    exclude = cupy.full(len(Q), -1) if exclude is None else exclude
    exclude = _integers(exclude)
    indices = cupy.zeros((len(Q), n_neighbors), dtype=cupy.int64)
    distances = cupy.full((len(Q), n_neighbors), cupy.inf)
    # bound on the rounding of |q|^2 + |x|^2 - 2 q'x, relative to |q|^2 + |x|^2
    slack = np.float64((Q.shape[1] + 8) * np.finfo(str(X.dtype)).eps)
    query_norms, norms = squared_norms(cupy, Q), squared_norms(cupy, X)
    block_rows = max(1, BLOCK_SIZE // min(len(X), POINT_ROWS))
    for rows in row_blocks(len(Q), block_rows):
        grid = (-(-(rows.stop - rows.start) // (THREADS // WARP)),)
        for block in row_blocks(len(X), POINT_ROWS):
            products = cupy.ascontiguousarray(Q[rows] @ X[block].T)
            args = (products, Q[rows], X[block], query_norms[rows], norms[block], exclude[rows])
            sizes = (*products.shape, block.start, Q.shape[1], n_neighbors)
            args += (slack, *map(np.int64, sizes), indices[rows], distances[rows])
            launch("nearest_points", X.dtype, grid, THREADS, *args)
    return indices, distances


def count_classes(
    Q: cupy.ndarray,
    X: cupy.ndarray,
    codes: cupy.ndarray,
    n_classes: int,
    low: cupy.ndarray,
    high: cupy.ndarray,
    exclude: cupy.ndarray | None = None,
) -> cupy.ndarray:
    """As `numba_kernels.count_classes`."""
    Q, X = _alike(Q, X)
    codes, low, high = (cupy.asarray(array) for array in (codes, low, high))
    exclude = None if exclude is None else cupy.asarray(exclude)
    return array_kernels.count_classes(Q, X, codes, n_classes, low, high, exclude)


def nca_loss_grad(Z: cupy.ndarray, codes: cupy.ndarray) -> tuple[float, cupy.ndarray]:
    """As `numba_kernels.nca_loss_grad`."""
    Z, codes = cupy.asarray(Z), cupy.asarray(codes)
    check_embedding(Z, codes)
    Z, codes = center_columns(cupy, cupy.ascontiguousarray(Z)), _integers(codes)
    norms = squared_norms(cupy, Z)
    # from here on the positives' part of the softmax is lost to underflow
    limit = np.float64(-0.5 * np.log(np.finfo(str(Z.dtype)).tiny))
    scale = 1.0 / max(count_with_positives(cupy, codes), 1)

    def step(start: int, stop: int) -> tuple[cupy.ndarray, cupy.ndarray, None]:
        products = cupy.ascontiguousarray(Z[start:stop] @ Z.T)
        losses = cupy.empty(stop - start)
        sizes = map(np.int64, (start, *Z.shape))
        args = (products, Z, norms, codes, limit, *sizes, losses)
        launch("nca_weights", Z.dtype, (stop - start,), THREADS, *args)
        return losses.sum() * scale, products * Z.dtype.type(scale), None

    return pair_loss_grad(Z, step, _blocks(Z))


def triplet_loss_grad(
    Z: cupy.ndarray, codes: cupy.ndarray, margin: float
) -> tuple[float, cupy.ndarray]:
    """As `numba_kernels.triplet_loss_grad`."""
    Z, codes = cupy.asarray(Z), cupy.asarray(codes)
    check_embedding(Z, codes)
    if Z.shape[0] > MAX_COMPARED:
        return array_kernels.triplet_loss_grad(Z, codes, margin)
    Z, codes = center_columns(cupy, cupy.ascontiguousarray(Z)), _integers(codes)
    scale = 1.0 / max(count_triplets(cupy, codes), 1)
    units = cupy.ones(Z.shape[0], dtype=Z.dtype)
    step = _triplet_step(Z, squared_norms(cupy, Z), units, codes, margin, scale)
    return pair_loss_grad(Z, step, _blocks(Z))


def snr_distances(Q: cupy.ndarray, X: cupy.ndarray) -> cupy.ndarray:
    """As `numba_kernels.snr_distances`."""
    Q, X = _floating(Q), _floating(X)
    check_columns(Q, X)
    Q, X = _alike(Q, X)
    centered_q, signal = center(cupy, Q)
    centered_x, norms = center(cupy, X)
    distances = cupy.ascontiguousarray(centered_q @ centered_x.T)
    if distances.size:
        n_queries, n_points = distances.shape
        grid = (-(-n_points // THREADS), min(n_queries, MAX_ROWS))
        args = (distances, signal, norms, np.int64(n_queries), np.int64(n_points))
        launch("signal_to_noise", Q.dtype, grid, THREADS, *args)
    return distances


def snr_loss_grad(
    Z: cupy.ndarray, codes: cupy.ndarray, margin: float
) -> tuple[float, cupy.ndarray]:
    """As `numba_kernels.snr_loss_grad`."""
    Z, codes = cupy.asarray(Z), cupy.asarray(codes)
    check_embedding(Z, codes)
    if Z.shape[0] > MAX_COMPARED:
        return array_kernels.snr_loss_grad(Z, codes, margin)
    codes = _integers(codes)
    centered, signal = center(cupy, cupy.ascontiguousarray(Z))
    scale = 1.0 / max(count_triplets(cupy, codes, signal > 0), 1)
    step = _triplet_step(centered, signal, signal, codes, margin, scale, turns=True)
    loss, gradient = pair_loss_grad(centered, step, _blocks(centered))
    return loss, gradient - cupy.mean(gradient, axis=1, keepdims=True)


def lmnn_loss_grad(
    Z: cupy.ndarray, targets: cupy.ndarray, impostors: cupy.ndarray, regularization: float
) -> tuple[float, cupy.ndarray]:
    """As `numba_kernels.lmnn_loss_grad`: lists turned round by one sort, then a warp per point."""
    Z, targets, impostors = cupy.asarray(Z), cupy.asarray(targets), cupy.asarray(impostors)
    check_lists(Z, targets, impostors)
    Z = cupy.ascontiguousarray(Z)
    lists = _integers(cupy.concatenate([targets, impostors], axis=1))
    n_points, n_components = Z.shape
    gradient = cupy.zeros_like(Z)
    if not lists.size:
        return 0.0, gradient
    squared = cupy.empty(lists.shape, dtype=cupy.float64)
    weights, losses = cupy.empty(lists.shape, dtype=Z.dtype), cupy.empty(n_points)
    grid, scale = (-(-n_points // (THREADS // WARP)),), 1 / n_points
    sizes = (np.int64(n_points), np.int64(n_components))
    args = (np.float64(regularization), np.float64(1 - regularization), *sizes)
    args += (np.int64(targets.shape[1]), np.int64(lists.shape[1]), squared, weights, losses)
    launch("list_weights", Z.dtype, grid, THREADS, Z, lists, *args)
    named = lists.reshape(-1)
    order = stable_argsort(cupy, named).astype(cupy.int64)
    starts = cupy.searchsorted(named[order], cupy.arange(n_points + 1)).astype(cupy.int64)
    args = (order, starts, np.float64(2 * scale), *sizes, np.int64(lists.shape[1]), gradient)
    launch("list_gradient", Z.dtype, grid, THREADS, Z, lists, weights, *args)
    return float(losses.sum()) * scale, gradient


def _triplet_step(
    Z: cupy.ndarray,
    norms: cupy.ndarray,
    units: cupy.ndarray,
    codes: cupy.ndarray,
    margin: float,
    scale: float,
    *,
    turns: bool = False,
) -> Step:
    """Return the step of a loss over all triplets, on squared distances over the anchor's unit."""

    def step(start: int, stop: int) -> tuple[cupy.ndarray, cupy.ndarray, cupy.ndarray | None]:
        products = cupy.ascontiguousarray(Z[start:stop] @ Z.T)
        weights = cupy.empty_like(products)
        losses, turned = cupy.empty(stop - start), cupy.empty(stop - start)
        args = (products, norms, units, codes, np.float64(margin), np.int64(start))
        args += (np.int64(Z.shape[0]), weights, losses, turned)
        launch("triplet_weights", Z.dtype, (stop - start,), THREADS, *args)
        extra = (turned * scale).astype(Z.dtype) if turns else None
        return losses.sum() * scale, weights * Z.dtype.type(scale), extra

    return step


def _blocks(Z: cupy.ndarray) -> Callable:
    """Return a `map_blocks` whose blocks of rows hold about `BLOCK_SIZE` pairs: few launches."""
    rows = max(1, BLOCK_SIZE // max(Z.shape[0], 1))

    def map_blocks(function: Callable, first: int, last: int, block_rows: int) -> list:
        return one_after_another(function, first, last, max(rows, block_rows))

    return map_blocks


def _floating(array: cupy.ndarray) -> cupy.ndarray:
    """Return a C-contiguous float32 or float64 array on the device."""
    array = cupy.asarray(array)
    dtype = cupy.float32 if array.dtype == cupy.float32 else cupy.float64
    return cupy.ascontiguousarray(array, dtype=dtype)


def _alike(Q: cupy.ndarray, X: cupy.ndarray) -> tuple[cupy.ndarray, cupy.ndarray]:
    """Return both as floats of one dtype."""
    Q, X = _floating(Q), _floating(X)
    dtype = cupy.result_type(Q, X)
    return Q.astype(dtype, copy=False), X.astype(dtype, copy=False)


def _integers(array: cupy.ndarray) -> cupy.ndarray:
    return cupy.ascontiguousarray(array, dtype=cupy.int64)
