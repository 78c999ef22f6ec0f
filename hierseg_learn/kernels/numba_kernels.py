"""Kernels for the CPU: matrix products by BLAS, the rest by Numba, over fixed blocks of rows.

What arguments and results mean is written here, for every backend. Blocks run on a pool of plain
threads: the compiled loops and BLAS release the interpreter lock, and no Numba threading layer is
involved, so that two Python threads and forked children may call them. Results do not depend on the
number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _numba_loops as loops
from ._checks import (
    check_columns,
    check_counts,
    check_dictionary,
    check_embedding,
    check_lists,
    check_neighbors,
    check_regions,
)
from .array_kernels import count_triplets, count_with_positives, pair_loss_grad
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
    """Sum the rows of `values` that share a region, in the order of the rows.

    Shapes: `values` (n_pixels, n_values), `regions` (n_pixels,) integer in ``[0, n_regions)``; -1
    leaves a pixel out. Returns (n_regions, n_values) float64.
    """
    values, regions = _floating(values), np.asarray(regions)
    check_regions(values, regions, n_regions)
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
    r"""Sum the activations of the atoms of a dictionary over the pixels of every region.

    The patch p of a pixel, in the order (row, column, channel), is normalized to
    :math:`q = (p - \bar p) / \sqrt{\mathrm{var}(p) + floor + (\rho \bar p)^2}` and whitened to
    :math:`w = (q - mean)\, whitening`. With
    :math:`z_k = \sqrt{|w - a_k|^2 + \sigma^2 (|w|^2 + |a_k|^2)}` its distance to atom k, the
    activation is :math:`\max(0, \bar z - z_k)` (Coates, Lee, Ng, AISTATS 2011, section 3.2).
    :math:`\rho` and :math:`\sigma`, `PATCH_RESOLUTION` and `DISTANCE_RESOLUTION`, hide rounding to
    float32: the contrast of flat patches, and the distance of a patch that is an atom.

    Shapes: `image` (height + size - 1, width + size - 1, n_channels), `regions` (height, width)
    integer in ``[-1, n_regions)``, `mean` (size**2 * n_channels,), `whitening` (size**2 *
    n_channels, n_components), `atoms` (n_atoms, n_components). Returns (n_regions, n_atoms)
    float64.
    """
    size, n_channels = check_dictionary(image, regions, n_regions, mean, whitening, atoms)
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
            loops.take_patches(
                lines, size, n_channels, first, np.float32(floor), mean, patches[rows]
            )
            np.matmul(patches[rows], whitening, out=whitened[rows])
            np.matmul(whitened[rows], atoms.T, out=products[rows])
            loops.add_activations(whitened[rows], products[rows], norms, regions[first:], sums)
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
    """Find the nearest rows of `X` for every row of `Q` under the squared Euclidean distance.

    Matrix products rule points out, the others are measured by differences. Of equally distant rows
    the lower index comes first. `exclude` names a row of `X` that a query leaves out, -1 none.

    Shapes: `Q` (n_queries, n_features), `X` (n_samples, n_features), `exclude` (n_queries,)
    integer. Returns `indices` (n_queries, n_neighbors) int64, nearest first, and the squared
    distances, float64.
    """
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


def count_classes(
    Q: np.ndarray,
    X: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    low: np.ndarray,
    high: np.ndarray,
    exclude: np.ndarray | None = None,
) -> np.ndarray:
    """Count by class the rows of `X` whose squared distance to a query lies in ``[low, high]``.

    Shapes: `Q` (n_queries, n_features), `X` (n_samples, n_features), `codes` (n_samples,) integer
    in ``[0, n_classes)``, `low`, `high` (n_queries,) float64, `exclude` (n_queries,) integer as in
    `nearest`. Returns (n_queries, n_classes) float64.
    """
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
    r"""Negative log-likelihood of neighborhood components and its gradient.

    With :math:`p_{ij} \propto \exp(-\|z_i - z_j\|^2)`, :math:`j \ne i`, the loss is the mean of
    :math:`-\log \sum_{j : c_j = c_i} p_{ij}` over the points that share their class with another
    one (Goldberger et al., NIPS 2004, equation 6); 0.0 where there are none.

    Shapes: `Z` (n_samples, n_components) float, `codes` (n_samples,) integer. Returns the loss and
    its derivative by `Z`, in the dtype of `Z`.
    """
    Z, codes = _embedding(Z, codes)
    Z = center_columns(np, Z)
    norms = squared_norms(np, Z)
    n_active = max(count_with_positives(np, codes), 1)

    def step(start: int, stop: int) -> tuple[float, np.ndarray, None]:
        scores = Z[start:stop] @ Z.T
        nearest_any, nearest_positive = loops.shifted_scores(scores, norms, codes, start)
        np.exp(scores, out=scores)
        loss = loops.nca_weights(
            scores, Z, codes, start, nearest_any, nearest_positive, Z.dtype.type(1 / n_active)
        )
        return loss, scores, None

    loss, gradient = _pair_loss_grad(Z, step)
    return loss / n_active, gradient


def triplet_loss_grad(Z: np.ndarray, codes: np.ndarray, margin: float) -> tuple[float, np.ndarray]:
    r"""Mean hinge over all triplets of a batch, on squared distances, and its gradient.

    The loss is the mean of :math:`[\|z_a - z_p\|^2 - \|z_a - z_n\|^2 + margin]_+` over every
    anchor a, every other point p of its class and every point n of another class; 0.0 where there
    is no triplet.

    Shapes and returns: as `nca_loss_grad`.
    """
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
    """Signal-to-noise distance of every pair, ``var(q - x) / var(q)`` over the components.

    Shapes: `Q` (n_queries, n_components), `X` (n_samples, n_components). Returns (n_queries,
    n_samples): in float32 where both are, in float64 otherwise; NaN in the rows of queries whose
    components are all equal.
    """
    Q, X = _floating(Q), _floating(X)
    check_columns(Q, X)
    centered_q, signal = center(np, Q)
    centered_x, norms = center(np, X)
    distances = np.empty((len(Q), len(X)), dtype=np.result_type(Q, X))
    signal = np.where(signal > 0, signal, np.nan)

    def block(start: int, stop: int) -> None:
        noise = centered_q[start:stop] @ centered_x.T
        noise *= -2
        noise += signal[start:stop, None] + norms
        np.divide(
            np.maximum(noise, 0, out=noise), signal[start:stop, None], out=distances[start:stop]
        )

    with single_blas_thread():
        map_blocks(block, 0, len(Q), QUERY_ROWS)
    return distances


def snr_loss_grad(Z: np.ndarray, codes: np.ndarray, margin: float) -> tuple[float, np.ndarray]:
    """Mean hinge over all triplets of a batch, on signal-to-noise distances, and its gradient.

    As `triplet_loss_grad`, with ``var(z_a - z_x) / var(z_a)`` in place of the squared distance.
    Anchors without variance are left out. The gradient sums to zero over the components.
    """
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
    r"""Large-margin nearest neighbor loss over given lists of neighbors, and its gradient.

    With the weight r of the pull term the loss is the mean over the points of
    :math:`r \sum_j d_{ij} + (1 - r) \sum_{j, l} [1 + d_{ij} - d_{il}]_+`, where j runs over the
    targets and l over the impostors of point i and d is the squared distance (Weinberger, Saul,
    JMLR 10, 2009, equation 13).

    Shapes: `Z` (n_samples, n_components) float, `targets` (n_samples, n_targets) integer,
    `impostors` (n_samples, n_impostors) integer; -1 where a list is shorter. Returns as
    `nca_loss_grad`.
    """
    Z, targets, impostors = np.asarray(Z), np.asarray(targets), np.asarray(impostors)
    check_lists(Z, targets, impostors)
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
