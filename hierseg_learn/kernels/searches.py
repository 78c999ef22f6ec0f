"""Sums and searches composed of array-API operations: one text for every array library.

The namespace comes from the arrays; the few names that NumPy, CuPy and the array API standard do
not share are bridged in ``_arrays``. The CUDA text of `cupy_kernels` is compared with it.
"""

from __future__ import annotations

from typing import Any

from . import searches
from ._checks import (
    check_columns,
    check_counts,
    check_dictionary,
    check_neighbors,
    check_region_range,
    check_regions,
    check_stacked_neighbors,
)
from ._stacks import member_neighbors
from .arrays import (
    astype,
    center,
    concat,
    gather,
    namespace,
    row_blocks,
    squared_distances,
    squared_norms,
    stable_argsort,
)
from .reference import DISTANCE_RESOLUTION, PATCH_RESOLUTION

Array = Any

QUERY_ROWS = 512
POINT_ROWS = 8192
PIXEL_ROWS = 16384
ONE_HOT_SIZE = 2**24
SPARE_NEIGHBORS = 16


def region_sums(values: Array, regions: Array, n_regions: int) -> Array:
    """As `reference.region_sums`: a one-hot matrix product per block of pixels, without atomics."""
    xp = namespace(values)
    check_regions(values, regions, n_regions)
    if regions.shape[0]:
        check_region_range(int(xp.min(regions)), int(xp.max(regions)), n_regions)
    regions = astype(xp, regions, xp.int64)  # a uint8 cannot count to n_regions
    columns = xp.arange(n_regions, dtype=xp.int64)
    sums = xp.zeros((n_regions, values.shape[1]), dtype=xp.float64)
    for rows in row_blocks(values.shape[0], min(PIXEL_ROWS, ONE_HOT_SIZE // max(n_regions, 1) + 1)):
        one_hot = astype(xp, columns[:, None] == regions[rows][None, :], xp.float64)
        block = astype(xp, values[rows, :], xp.float64)
        # zero times the NaN of a pixel that is left out would be NaN
        block = xp.where((regions[rows] >= 0)[:, None], block, xp.zeros_like(block))
        sums = sums + one_hot @ block
    return sums


def nearest(
    Q: Array, X: Array, n_neighbors: int, exclude: Array | None = None
) -> tuple[Array, Array]:
    """As `reference.nearest`: candidates by matrix products, then exact distances of these.

    Rows whose candidates could have missed a neighbor, because more points tie than there are
    spare candidates, are searched again by differences.
    """
    xp = namespace(X)
    check_neighbors(Q, X, n_neighbors, exclude)
    exclude = None if exclude is None else astype(xp, exclude, xp.int64)
    norms = squared_norms(xp, X)
    indices = [xp.zeros((0, n_neighbors), dtype=xp.int64)]
    distances = [xp.zeros((0, n_neighbors), dtype=xp.float64)]
    for rows in row_blocks(Q.shape[0], QUERY_ROWS):
        left_out = None if exclude is None else exclude[rows]
        found = _nearest_block(xp, Q[rows, :], X, norms, n_neighbors, left_out)
        indices.append(found[0])
        distances.append(found[1])
    return concat(xp, indices), concat(xp, distances)


def stacked_nearest(Q: Array, X: Array, n_points: Array, n_neighbors: int) -> tuple[Array, Array]:
    """As `reference.stacked_nearest`."""
    check_stacked_neighbors(Q, X, n_points, n_neighbors)
    return member_neighbors(nearest, Q, X, n_points, n_neighbors)


def count_classes(
    Q: Array,
    X: Array,
    codes: Array,
    n_classes: int,
    low: Array,
    high: Array,
    exclude: Array | None = None,
) -> Array:
    """As `reference.count_classes`: distances by differences, counts by a one-hot product."""
    xp = namespace(X)
    check_counts(Q, X, codes, n_classes, low, high, exclude)
    exclude = None if exclude is None else astype(xp, exclude, xp.int64)
    codes, columns = astype(xp, codes, xp.int64), xp.arange(n_classes, dtype=xp.int64)
    width = max(Q.shape[1] + n_classes, 1)
    n_points = max(1, min(POINT_ROWS, ONE_HOT_SIZE // width))
    counts = [xp.zeros((0, n_classes), dtype=xp.float64)]
    for rows in row_blocks(Q.shape[0], max(1, ONE_HOT_SIZE // (n_points * width))):
        queries = astype(xp, Q[rows, :], xp.float64)[:, None, :]
        total = xp.zeros((queries.shape[0], n_classes), dtype=xp.float64)
        for points in row_blocks(X.shape[0], n_points):
            differences = astype(xp, X[points, :], xp.float64)[None, :, :] - queries
            squared = xp.sum(differences * differences, axis=2)
            counted = (squared >= low[rows][:, None]) & (squared <= high[rows][:, None])
            if exclude is not None:
                numbers = xp.arange(points.start, points.stop, dtype=xp.int64)
                counted = counted & (numbers[None, :] != exclude[rows][:, None])
            one_hot = astype(xp, codes[points][:, None] == columns[None, :], xp.float64)
            total = total + astype(xp, counted, xp.float64) @ one_hot
        counts.append(total)
    return concat(xp, counts)


def snr_distances(Q: Array, X: Array) -> Array:
    """As `reference.snr_distances`, from centered rows and one matrix product per block."""
    xp = namespace(X)
    check_columns(Q, X)
    centred_q, signal = center(xp, Q)
    centred_x, norms = center(xp, X)
    signal = xp.where(signal > 0, signal, xp.full_like(signal, float("nan")))
    blocks = [xp.zeros((0, X.shape[0]), dtype=Q.dtype)]
    for rows in row_blocks(Q.shape[0], QUERY_ROWS):
        noise = squared_distances(xp, centred_q[rows, :], centred_x, signal[rows], norms)
        blocks.append(noise / signal[rows][:, None])
    return concat(xp, blocks)


def _nearest_block(
    xp: Any, Q: Array, X: Array, norms: Array, n_neighbors: int, exclude: Array | None
) -> tuple[Array, Array]:
    """Return the neighbors of one block of queries."""
    query_norms = squared_norms(xp, Q)
    scores, candidates = _candidates(xp, Q, X, query_norms, norms, n_neighbors, exclude)
    exact = _exact_distances(xp, Q, X, candidates)
    exact = xp.where(scores < float("inf"), exact, xp.full_like(exact, float("inf")))
    by_index = stable_argsort(xp, candidates)
    exact = xp.take_along_axis(exact, by_index, axis=1)
    candidates = xp.take_along_axis(candidates, by_index, axis=1)
    order = stable_argsort(xp, exact)[:, :n_neighbors]
    indices = xp.take_along_axis(candidates, order, axis=1)
    distances = xp.take_along_axis(exact, order, axis=1)
    if candidates.shape[1] < X.shape[0]:
        # a point that is no candidate may still be as near as the last neighbor, within rounding
        slack = (Q.shape[1] + 8) * xp.finfo(X.dtype).eps * (query_norms + xp.max(norms))
        worst = astype(xp, xp.max(scores, axis=1) - slack, xp.float64)
        for row in range(Q.shape[0]) if bool(xp.any(worst <= distances[:, -1])) else ():
            if bool(worst[row] <= distances[row, -1]):
                left_out = -1 if exclude is None else int(exclude[row])
                found = _nearest_of_one(xp, Q[row, :], X, n_neighbors, left_out)
                indices[row, :], distances[row, :] = found
    return indices, distances


def _candidates(
    xp: Any,
    Q: Array,
    X: Array,
    query_norms: Array,
    norms: Array,
    n_neighbors: int,
    exclude: Array | None,
) -> tuple[Array, Array]:
    """Return the nearest points by matrix products, a few more than asked for."""
    n_candidates = n_neighbors + SPARE_NEIGHBORS
    scores = candidates = None
    for points in row_blocks(X.shape[0], POINT_ROWS):
        block = squared_distances(xp, Q, X[points, :], query_norms, norms[points])
        columns = xp.arange(points.start, points.stop, dtype=xp.int64)[None, :]
        columns = columns + xp.zeros((Q.shape[0], 1), dtype=xp.int64)
        if exclude is not None:
            infinite = xp.full_like(block, float("inf"))
            block = xp.where(columns == exclude[:, None], infinite, block)
        if scores is not None:
            block = concat(xp, [scores, block], axis=1)
            columns = concat(xp, [candidates, columns], axis=1)
        order = stable_argsort(xp, block)[:, : min(n_candidates, block.shape[1])]
        scores = xp.take_along_axis(block, order, axis=1)
        candidates = xp.take_along_axis(columns, order, axis=1)
    return scores, candidates


def _exact_distances(xp: Any, Q: Array, X: Array, candidates: Array) -> Array:
    points = astype(xp, gather(xp, X, candidates), xp.float64)
    differences = points - astype(xp, Q, xp.float64)[:, None, :]
    return xp.sum(differences * differences, axis=2)


def _nearest_of_one(
    xp: Any, query: Array, X: Array, n_neighbors: int, left_out: int
) -> tuple[Array, Array]:
    """Return the neighbors of one query by differences with every point."""
    differences = astype(xp, X, xp.float64) - astype(xp, query, xp.float64)[None, :]
    distances = xp.sum(differences * differences, axis=1)
    if left_out >= 0:
        distances[left_out] = float("inf")
    order = stable_argsort(xp, distances)[:n_neighbors]
    return order, xp.take(distances, order, axis=0)


# values that a block of rows of pixels may hold at a time: 256 MB in float32
BLOCK_VALUES = 2**26


def activation_sums(
    image: Array,
    regions: Array,
    n_regions: int,
    floor: float,
    mean: Array,
    whitening: Array,
    atoms: Array,
) -> Array:
    """As `reference.activation_sums`: whole rows of pixels at a time."""
    xp = namespace(image)
    size, n_channels = check_dictionary(image, regions, mean, whitening, atoms)
    height, width = regions.shape
    values_per_pixel = 2 * mean.shape[0] + whitening.shape[1] + 3 * atoms.shape[0]
    block_rows = max(1, BLOCK_VALUES // max(1, width * values_per_pixel))
    norms = squared_norms(xp, atoms)
    sums = xp.zeros((n_regions, atoms.shape[0]), dtype=xp.float64)
    for start in range(0, height, block_rows):
        stop = min(start + block_rows, height)
        lines = [
            xp.reshape(
                image[start + down : stop + down, across : across + width, :], (-1, n_channels)
            )
            for down in range(size)
            for across in range(size)
        ]
        patches = normalize_contrast(xp, concat(xp, lines, axis=1), floor)
        whitened = (patches - mean[None, :]) @ whitening
        lengths = squared_norms(xp, whitened)
        squared = squared_distances(xp, whitened, atoms, lengths, norms)
        least = DISTANCE_RESOLUTION**2 * (lengths[:, None] + norms[None, :])
        distances = xp.sqrt(squared + least)
        active = xp.mean(distances, axis=1, keepdims=True) - distances
        active = xp.where(active > 0, active, xp.zeros_like(active))
        labels = xp.reshape(regions[start:stop, :], (-1,))
        sums = sums + searches.region_sums(active, labels, n_regions)
    return sums


def normalize_contrast(xp: Any, patches: Array, floor: float) -> Array:
    """Give patches (n_patches, n_values) mean 0 and a standard deviation of about 1."""
    means = xp.mean(patches, axis=1, keepdims=True)
    patches = patches - means
    # once more: rounding of the first mean would give a flat patch a contrast
    patches = patches - xp.mean(patches, axis=1, keepdims=True)
    variances = xp.mean(patches * patches, axis=1, keepdims=True)
    return patches / xp.sqrt(variances + ((PATCH_RESOLUTION * means) ** 2 + floor))
