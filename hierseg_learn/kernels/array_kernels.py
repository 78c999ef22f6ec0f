"""Kernels composed of array-API operations: one text for every array library.

The namespace comes from the arrays; ``arrays`` has what NumPy, CuPy and the standard spell
differently. CUDA uses these kernels where it has none of its own; the Numba kernels share the
driver of the pair losses.

The driver, `pair_loss_grad`, walks blocks of rows; a step per loss turns a block of distances into
pair weights. With W_ij the derivative of a loss by the squared distance of i and j, its derivative
by Z is 2 (diag(row sums + column sums of W) - W - W') Z: a graph Laplacian times Z, three matrix
products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._checks import check_counts, check_dictionary, check_embedding, check_regions
from .arrays import (
    DISTANCE_RESOLUTION,
    PATCH_RESOLUTION,
    astype,
    center,
    center_columns,
    class_counts,
    concat,
    cumulative_sum,
    namespace,
    relations,
    row_blocks,
    squared_distances,
    squared_norms,
    stable_argsort,
)

Array = Any
Blocks = Callable[[Callable[[int, int], Any], int, int, int], list[Any]]
# step(start, stop) -> loss of the rows, weights (rows, n), None or a factor per row on z_i
Step = Callable[[int, int], tuple[Any, Array, Array | None]]

POINT_ROWS = 8192
PIXEL_ROWS = 16384
ONE_HOT_SIZE = 2**24
PAIR_ROWS = 256
BLOCKS_AT_ONCE = 16
# values that a block of rows of pixels may hold at a time: 256 MB in float32
BLOCK_VALUES = 2**26


def region_chunks(
    xp: Any, regions: Array, n_regions: int, chunk_pixels: int
) -> tuple[Array, Array, Array, Array]:
    """Sort pixels by region, and cut every region into chunks of at most so many pixels.

    Returns the order of the pixels, where in it each chunk starts and stops, and the first chunk of
    every region, (n_regions + 1,): all int64.
    """
    order = astype(xp, stable_argsort(xp, regions), xp.int64)
    bounds = astype(xp, xp.searchsorted(regions[order], xp.arange(n_regions + 1)), xp.int64)
    first_chunk = xp.zeros(n_regions + 1, dtype=xp.int64)
    first_chunk[1:] = cumulative_sum(xp, -((bounds[:-1] - bounds[1:]) // chunk_pixels))
    chunks = xp.arange(int(first_chunk[-1]))
    region = xp.searchsorted(first_chunk, chunks, side="right") - 1
    starts = bounds[region] + (chunks - first_chunk[region]) * chunk_pixels
    return order, starts, xp.minimum(starts + chunk_pixels, bounds[region + 1]), first_chunk


def region_sums(values: Array, regions: Array, n_regions: int) -> Array:
    """As `numba_kernels.region_sums`: one one-hot matrix product per block, without atomics."""
    xp = namespace(values)
    check_regions(values, regions, n_regions)
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


def activation_sums(
    image: Array,
    regions: Array,
    n_regions: int,
    floor: float,
    mean: Array,
    whitening: Array,
    atoms: Array,
) -> Array:
    """As `numba_kernels.activation_sums`: whole rows of pixels at a time."""
    xp = namespace(image)
    size, n_channels = check_dictionary(image, regions, n_regions, mean, whitening, atoms)
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
        sums = sums + region_sums(active, labels, n_regions)
    return sums


def normalize_contrast(xp: Any, patches: Array, floor: float) -> Array:
    """Give patches (n_patches, n_values) mean 0 and a standard deviation of about 1."""
    means = xp.mean(patches, axis=1, keepdims=True)
    patches = patches - means
    # once more: rounding of the first mean would give a flat patch a contrast
    patches = patches - xp.mean(patches, axis=1, keepdims=True)
    variances = xp.mean(patches * patches, axis=1, keepdims=True)
    return patches / xp.sqrt(variances + ((PATCH_RESOLUTION * means) ** 2 + floor))


def count_classes(
    Q: Array,
    X: Array,
    codes: Array,
    n_classes: int,
    low: Array,
    high: Array,
    exclude: Array | None = None,
) -> Array:
    """As `numba_kernels.count_classes`: distances by differences, counts by a one-hot product."""
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


def triplet_loss_grad(Z: Array, codes: Array, margin: float) -> tuple[float, Array]:
    """As `numba_kernels.triplet_loss_grad`."""
    xp = namespace(Z)
    check_embedding(Z, codes)
    codes = astype(xp, codes, xp.int64)
    Z = center_columns(xp, Z)
    norms = squared_norms(xp, Z)
    scale = 1.0 / max(count_triplets(xp, codes), 1)

    def step(start: int, stop: int) -> tuple[Array, Array, None]:
        distances = squared_distances(xp, Z[start:stop, :], Z, norms[start:stop], norms)
        loss, weights = _triplet_weights(xp, distances, codes, start, stop, margin)
        return loss, weights * scale, None

    loss, gradient = pair_loss_grad(Z, step)
    return loss * scale, gradient


def snr_loss_grad(Z: Array, codes: Array, margin: float) -> tuple[float, Array]:
    """As `numba_kernels.snr_loss_grad`."""
    xp = namespace(Z)
    check_embedding(Z, codes)
    codes = astype(xp, codes, xp.int64)
    centered, signal = center(xp, Z)
    scale = 1.0 / max(count_triplets(xp, codes, signal > 0), 1)

    def step(start: int, stop: int) -> tuple[Array, Array, Array]:
        own = signal[start:stop]
        defined = own > 0
        safe = xp.where(defined, own, xp.ones_like(own))[:, None]
        distances = squared_distances(xp, centered[start:stop, :], centered, own, signal) / safe
        loss, weights = _triplet_weights(xp, distances, codes, start, stop, margin, defined=defined)
        weights = weights * scale / safe
        return loss, weights, -xp.sum(weights * distances, axis=1)

    loss, gradient = pair_loss_grad(centered, step)
    return loss * scale, gradient - xp.mean(gradient, axis=1, keepdims=True)


def one_after_another(
    function: Callable[[int, int], Any], first: int, last: int, block_rows: int
) -> list:
    """Call ``function(start, stop)`` for every block of ``first:last``: `map_blocks`, one queue."""
    return [
        function(first + rows.start, first + rows.stop)
        for rows in row_blocks(last - first, block_rows)
    ]


def pair_loss_grad(
    Z: Array, step: Step, map_blocks: Blocks = one_after_another
) -> tuple[float, Array]:
    """Return the sum of the blocks' losses and its derivative by `Z`.

    `step` returns the loss of a block of rows, the pair weights of these rows, already scaled, and
    None or a factor per row on z_i that comes on top of the Laplacian. Blocks are reduced in their
    order, `BLOCKS_AT_ONCE` at a time, so that memory is bounded and the bits are fixed.
    """
    xp = namespace(Z)
    n_samples = Z.shape[0]

    def block(start: int, stop: int) -> tuple[Any, Array, Array]:
        loss, weights, extra = step(start, stop)
        rows = Z[start:stop, :]
        degree = xp.sum(weights, axis=1)
        own = (degree if extra is None else degree + extra)[:, None] * rows - weights @ Z
        return loss, own, xp.sum(weights, axis=0)[:, None] * Z - weights.T @ rows

    loss, gradient = 0.0, xp.zeros_like(Z)
    for wave in row_blocks(n_samples, PAIR_ROWS * BLOCKS_AT_ONCE):
        results = map_blocks(block, wave.start, wave.stop, PAIR_ROWS)
        gradient[wave, :] += concat(xp, [own for _, own, _ in results])
        for part, _, across in results:
            loss = loss + part
            gradient = gradient + across
    return float(loss), 2.0 * gradient


def count_with_positives(xp: Any, codes: Array) -> int:
    """Return how many points share their class with another one."""
    return int(xp.sum(astype(xp, class_counts(xp, codes) > 1, xp.int64)))


def count_triplets(xp: Any, codes: Array, anchors: Array | None = None) -> int:
    """Return how many (anchor, positive, negative) there are, among given anchors if any."""
    counts = astype(xp, class_counts(xp, codes), xp.int64)
    triplets = (counts - 1) * (codes.shape[0] - counts)
    return int(xp.sum(triplets if anchors is None else triplets * astype(xp, anchors, xp.int64)))


def _triplet_weights(
    xp: Any,
    distances: Array,
    codes: Array,
    start: int,
    stop: int,
    margin: float,
    defined: Array | None = None,
) -> tuple[Array, Array]:
    """Return the sum of hinges of the rows and its derivative by every distance.

    A positive p counts the negatives below d_p + margin, a negative n the positives above
    d_n - margin: one sort per row and two cumulative sums, never a list of triplets.
    """
    _, positives, negatives = relations(xp, codes, start, stop)
    if defined is not None:
        positives = positives & defined[:, None]
    levels = xp.where(positives, distances + margin, distances)
    # a positive level with a negative is no hinge; a step down puts it before the negative
    steps = xp.where(positives, levels * (1 - xp.finfo(levels.dtype).eps), levels)
    order = stable_argsort(xp, steps)
    positives_upto = cumulative_sum(
        xp, astype(xp, xp.take_along_axis(positives, order, axis=1), xp.int64)
    )
    negatives_upto = cumulative_sum(
        xp, astype(xp, xp.take_along_axis(negatives, order, axis=1), xp.int64)
    )
    rank = stable_argsort(xp, order)
    below = xp.take_along_axis(negatives_upto, rank, axis=1)
    above = positives_upto[:, -1:] - xp.take_along_axis(positives_upto, rank, axis=1)
    zeros = xp.zeros_like(below)
    weights = xp.where(positives, below, zeros) - xp.where(negatives, above, zeros)
    weights = astype(xp, weights, distances.dtype)
    return xp.sum(weights * levels), weights
