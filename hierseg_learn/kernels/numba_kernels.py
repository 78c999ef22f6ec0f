"""Kernels for the CPU: matrix products by BLAS, the rest by Numba, over fixed blocks of rows.

The functions mirror ``reference``, which says what arguments and results mean. Blocks run on a pool
of plain threads: the compiled loops and BLAS let go of the interpreter lock, and no Numba threading
layer is involved, so that two Python threads and forked children may call them. Nothing depends on
the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _numba_loops as loops
from . import _numba_loops as patch_loops
from ._checks import (
    check_columns,
    check_counts,
    check_dictionary,
    check_embedding,
    check_list_range,
    check_lists,
    check_neighbors,
    check_region_range,
    check_regions,
    check_stack,
    check_stacked_neighbors,
)
from ._pair_losses import count_triplets, count_with_mates, pair_loss_grad
from ._stacks import member_losses, member_neighbors
from .arrays import center, center_columns, squared_norms
from .threads import map_blocks, single_blas_thread

PIXEL_ROWS = 65536
MAX_PIXEL_BLOCKS = 16
QUERY_ROWS = 128
POINT_ROWS = 4096
LIST_ROWS = 1024
# products of patches and atoms in a block, 512 kB: they stay in the cache
BLOCK_PRODUCTS = 2**17
# coordinates of a search that is quicker without blocks
SMALL_SEARCH = 2**15
BLOCK_PIXELS = (64, 512)
# pixels that one thread takes at a time; few strips for huge images, each has sums of its own
STRIP_PIXELS = 16384
MAX_STRIPS = 16


def region_sums(values: np.ndarray, regions: np.ndarray, n_regions: int) -> np.ndarray:
    """As `reference.region_sums`."""
    values, regions = _floating(values), np.asarray(regions)
    check_regions(values, regions, n_regions)
    if regions.size:
        check_region_range(int(regions.min()), int(regions.max()), n_regions)
    regions = np.ascontiguousarray(regions, dtype=np.int64)

    def block(start: int, stop: int) -> np.ndarray:
        sums = np.zeros((n_regions, values.shape[1]))
        loops.sum_rows(values, regions, start, stop, sums)
        return sums

    # few blocks for huge images, since each holds sums of its own
    block_rows = max(PIXEL_ROWS, -(-len(values) // MAX_PIXEL_BLOCKS))
    total = np.zeros((n_regions, values.shape[1]))
    for sums in map_blocks(block, 0, len(values), block_rows):
        total += sums
    return total


def activation_sums(
    image: np.ndarray,
    regions: np.ndarray,
    n_regions: int,
    floor: float,
    mean: np.ndarray,
    whitening: np.ndarray,
    atoms: np.ndarray,
) -> np.ndarray:
    """As `reference.activation_sums`."""
    size, n_channels = check_dictionary(image, regions, mean, whitening, atoms)
    if regions.size:
        check_region_range(int(regions.min()), int(regions.max()), n_regions)
    regions = np.ascontiguousarray(regions, dtype=np.int64).ravel()
    # copies of read-only arrays (memory-mapped by joblib, say), which Numba would compile apart
    image, mean, whitening, atoms = (
        np.require(array, np.float32, "CW") for array in (image, mean, whitening, atoms)
    )
    lines = image.reshape(len(image), -1)
    norms = squared_norms(np, atoms)
    low, high = BLOCK_PIXELS
    block_pixels = min(max(BLOCK_PRODUCTS // max(len(atoms), 1), low), high)

    def strip(start: int, stop: int) -> np.ndarray:
        sums = np.zeros((n_regions, len(atoms)))
        n_block = min(block_pixels, stop - start)
        patches, whitened, products = (
            np.empty((n_block, width), dtype=np.float32) for width in (*whitening.shape, len(atoms))
        )
        for first in range(start, stop, n_block):
            rows = slice(0, min(n_block, stop - first))
            patch_loops.take_patches(
                lines, size, n_channels, first, np.float32(floor), mean, patches[rows]
            )
            np.matmul(patches[rows], whitening, out=whitened[rows])
            np.matmul(whitened[rows], atoms.T, out=products[rows])
            patch_loops.add_activations(
                whitened[rows], products[rows], norms, regions[first:], sums
            )
        return sums

    strip_pixels = max(STRIP_PIXELS, -(-len(regions) // MAX_STRIPS))
    total = np.zeros((n_regions, len(atoms)))
    with single_blas_thread():
        for sums in map_blocks(strip, 0, len(regions), strip_pixels):
            total += sums
    return total


def nearest(
    Q: np.ndarray, X: np.ndarray, n_neighbors: int, exclude: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `reference.nearest`: matrix products rule points out, the others are measured exactly."""
    Q, X = _alike(Q, X)
    exclude = None if exclude is None else np.asarray(exclude)
    check_neighbors(Q, X, n_neighbors, exclude)
    exclude = _left_out(exclude, len(Q))
    indices = np.zeros((len(Q), n_neighbors), dtype=np.int64)
    distances = np.full((len(Q), n_neighbors), np.inf)
    if len(Q) * X.size <= SMALL_SEARCH:
        # bounds of 0 rule no point out: all are measured exactly, without a product of matrices
        products = np.zeros((len(Q), len(X)), X.dtype)
        norms = [np.zeros(length, X.dtype) for length in products.shape]
        loops.scan_points(products, Q, X, *norms, 0, 0.0, exclude, indices, distances)
        return indices, distances

    def scan(rows: slice, products: np.ndarray, *block: Any) -> None:
        loops.scan_points(
            products, Q[rows], X, *block, exclude[rows], indices[rows], distances[rows]
        )

    _scan_blocks(Q, X, scan)
    return indices, distances


def stacked_nearest(
    Q: np.ndarray, X: np.ndarray, n_points: np.ndarray, n_neighbors: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `reference.stacked_nearest`."""
    Q, X, n_points = np.asarray(Q), np.asarray(X), np.asarray(n_points)
    check_stacked_neighbors(Q, X, n_points, n_neighbors)
    return member_neighbors(nearest, Q, X, n_points, n_neighbors)


def count_classes(
    Q: np.ndarray,
    X: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    low: np.ndarray,
    high: np.ndarray,
    exclude: np.ndarray | None = None,
) -> np.ndarray:
    """As `reference.count_classes`: products rule points out, the others are measured exactly."""
    Q, X, codes = *_alike(Q, X), np.asarray(codes)
    low, high = (np.array(bound, dtype=np.float64) for bound in (low, high))
    exclude = None if exclude is None else np.asarray(exclude)
    check_counts(Q, X, codes, n_classes, low, high, exclude)
    # copies, since Numba compiles read-only arrays apart
    codes, exclude = np.array(codes, dtype=np.int64), _left_out(exclude, len(Q))
    counts = np.zeros((len(Q), n_classes))

    def scan(rows: slice, products: np.ndarray, *block: Any) -> None:
        loops.count_points(
            products, Q[rows], X, codes, *block, low[rows], high[rows], exclude[rows], counts[rows]
        )

    _scan_blocks(Q, X, scan)
    return counts


def nca_loss_grad(Z: np.ndarray, codes: np.ndarray) -> tuple[float, np.ndarray]:
    """As `reference.nca_loss_grad`."""
    Z, codes = _embedding(Z, codes)
    Z = center_columns(np, Z)
    norms = squared_norms(np, Z)
    n_active = max(count_with_mates(np, codes), 1)

    def step(start: int, stop: int) -> tuple[float, np.ndarray, None]:
        scores = Z[start:stop] @ Z.T
        nearest_any, nearest_mate = loops.shifted_scores(scores, norms, codes, start)
        np.exp(scores, out=scores)
        loss = loops.nca_weights(
            scores, Z, codes, start, nearest_any, nearest_mate, Z.dtype.type(1 / n_active)
        )
        return loss, scores, None

    loss, gradient = _pair_loss_grad(Z, step)
    return loss / n_active, gradient


def stacked_nca_loss_grad(
    Z: np.ndarray, codes: np.ndarray, n_points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `reference.stacked_nca_loss_grad`."""
    Z, codes, n_points = np.asarray(Z), np.asarray(codes), np.asarray(n_points)
    check_stack(Z, codes, n_points)
    return member_losses(nca_loss_grad, Z, codes, n_points)


def triplet_loss_grad(Z: np.ndarray, codes: np.ndarray, margin: float) -> tuple[float, np.ndarray]:
    """As `reference.triplet_loss_grad`."""
    Z, codes = _embedding(Z, codes)
    Z = center_columns(np, Z)
    norms = squared_norms(np, Z)
    scale = Z.dtype.type(1 / max(count_triplets(np, codes), 1))
    everyone = np.ones(len(Z), dtype=Z.dtype)

    def step(start: int, stop: int) -> tuple[float, np.ndarray, None]:
        scores = Z[start:stop] @ Z.T
        loops.squared_distances(scores, norms, everyone, start)
        loss = loops.triplet_weights(scores, codes, start, float(margin), everyone)
        scores *= scale
        return loss * scale, scores, None

    return _pair_loss_grad(Z, step)


def snr_distances(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    """As `reference.snr_distances`."""
    Q, X = _floating(Q), _floating(X)
    check_columns(Q, X)
    centred_q, signal = center(np, Q)
    centred_x, norms = center(np, X)
    distances = np.empty((len(Q), len(X)), dtype=np.result_type(Q, X))
    signal = np.where(signal > 0, signal, np.nan)

    def block(start: int, stop: int) -> None:
        noise = centred_q[start:stop] @ centred_x.T
        noise *= -2
        noise += signal[start:stop, None] + norms
        np.divide(
            np.maximum(noise, 0, out=noise), signal[start:stop, None], out=distances[start:stop]
        )

    with single_blas_thread():
        map_blocks(block, 0, len(Q), QUERY_ROWS)
    return distances


def snr_loss_grad(Z: np.ndarray, codes: np.ndarray, margin: float) -> tuple[float, np.ndarray]:
    """As `reference.snr_loss_grad`."""
    Z, codes = _embedding(Z, codes)
    centered, signal = center(np, Z)
    scale = Z.dtype.type(1 / max(count_triplets(np, codes, signal > 0), 1))

    def step(start: int, stop: int) -> tuple[float, np.ndarray, np.ndarray]:
        distances = centered[start:stop] @ centered.T
        loops.squared_distances(distances, signal, signal, start)
        weights = distances.copy()
        loss = loops.triplet_weights(weights, codes, start, float(margin), signal)
        own = signal[start:stop, None]
        weights *= scale / np.where(own > 0, own, 1)
        return loss * scale, weights, -np.einsum("ij,ij->i", weights, distances)

    loss, gradient = _pair_loss_grad(centered, step)
    return loss, gradient - gradient.mean(axis=1, keepdims=True)


def lmnn_loss_grad(
    Z: np.ndarray, targets: np.ndarray, impostors: np.ndarray, regularization: float
) -> tuple[float, np.ndarray]:
    """As `reference.lmnn_loss_grad`."""
    Z, targets, impostors = np.asarray(Z), np.asarray(targets), np.asarray(impostors)
    check_lists(Z, targets, impostors)
    for name, rows in (("targets", targets), ("impostors", impostors)):
        if rows.size:
            check_list_range(name, int(rows.min()), int(rows.max()), len(Z))
    Z = _floating(Z)
    scale = 1 / max(len(Z), 1)
    lists = np.hstack([targets.astype(np.int64), impostors.astype(np.int64)])
    weights = np.zeros(lists.shape, dtype=Z.dtype)

    def block(start: int, stop: int) -> float:
        return loops.lmnn_weights(
            Z, lists, targets.shape[1], start, stop, float(regularization), weights
        )

    loss = sum(map_blocks(block, 0, len(Z), LIST_ROWS))
    gradient = np.zeros_like(Z)
    loops.add_list_gradient(Z, lists, weights, 2 * scale, gradient)
    return float(loss) * scale, gradient


def _pair_loss_grad(Z: np.ndarray, step: Callable) -> tuple[float, np.ndarray]:
    with single_blas_thread():
        return pair_loss_grad(Z, step, map_blocks)


def _scan_blocks(Q: np.ndarray, X: np.ndarray, scan: Callable) -> None:
    """Hand the inner products of all queries and points to a loop, block by block.

    ``scan(rows, products, query_norms, norms, first, slack)`` gets those of some queries with the
    points ``first:``; the slack bounds the rounding of ``|q|^2 + |x|^2 - 2 q'x``, relative to
    ``|q|^2 + |x|^2``.
    """
    query_norms, norms = squared_norms(np, Q), squared_norms(np, X)
    slack = (X.shape[1] + 8) * np.finfo(X.dtype).eps

    def block(start: int, stop: int) -> None:
        rows = slice(start, stop)
        for first in range(0, len(X), POINT_ROWS):
            products = Q[rows] @ X[first : first + POINT_ROWS].T
            scan(rows, products, query_norms[rows], norms, first, slack)

    with single_blas_thread():
        map_blocks(block, 0, len(Q), QUERY_ROWS)


def _alike(Q: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as floats of one dtype."""
    Q, X = _floating(Q), _floating(X)
    return (Q, X) if Q.dtype == X.dtype else (Q.astype(np.float64), X.astype(np.float64))


def _left_out(exclude: np.ndarray | None, n_queries: int) -> np.ndarray:
    """Return the point that every query leaves out, -1 for none."""
    if exclude is None:
        return np.full(n_queries, -1, dtype=np.int64)
    return np.ascontiguousarray(exclude, dtype=np.int64)


def _floating(array: np.ndarray) -> np.ndarray:
    """Return a C-contiguous float32 or float64 array."""
    array = np.asarray(array)
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    return np.ascontiguousarray(array, dtype=dtype)


def _embedding(Z: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    Z, codes = np.asarray(Z), np.asarray(codes)
    check_embedding(Z, codes)
    # a copy, since Numba compiles read-only arrays (memory-mapped by joblib, say) apart
    return _floating(Z), np.array(codes, dtype=np.int64)
