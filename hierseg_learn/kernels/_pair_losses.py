"""Pair losses composed of array-API operations: one text for every array library.

The CUDA text of `cupy_kernels` takes the place of most steps; this is what it is compared with, and
what anchors of many points fall back on.

A driver walks blocks of rows and turns pair weights into a gradient; a step per loss turns a block
of distances into weights. The Numba kernels use the driver with steps of their own.

With W_ij the derivative of a loss by the squared distance of i and j, its derivative by Z is
2 (diag(row sums + column sums of W) - W - W') Z: a graph Laplacian times Z, three matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._checks import check_embedding, check_list_range, check_lists, check_stack
from ._stacks import stacked_gradient
from .arrays import (
    astype,
    center,
    center_columns,
    class_counts,
    concat,
    cumulative_sum,
    gather,
    log_sum_exp,
    namespace,
    relations,
    row_blocks,
    squared_distances,
    squared_norms,
    stable_argsort,
    transposed,
)

Array = Any
Blocks = Callable[[Callable[[int, int], Any], int, int, int], list[Any]]
# step(start, stop) -> loss of the rows, weights (rows, n), None or a factor per row on z_i
Step = Callable[[int, int], tuple[Any, Array, Array | None]]

PAIR_ROWS = 256
LIST_ROWS = 512
BLOCKS_AT_ONCE = 16


def one_after_another(
    function: Callable[[int, int], Any], first: int, last: int, block_rows: int
) -> list:
    """Call ``function(start, stop)`` for every block of ``first:last``: `map_blocks`, one queue."""
    return [
        function(first + rows.start, first + rows.stop)
        for rows in row_blocks(last - first, block_rows)
    ]


def nca_loss_grad(Z: Array, codes: Array) -> tuple[float, Array]:
    """As `reference.nca_loss_grad`: a stack of one."""
    xp = namespace(Z)
    check_embedding(Z, codes)
    n_points = xp.full((1,), Z.shape[0], dtype=xp.int64)
    losses, gradient = stacked_nca_loss_grad(Z[None, ...], codes[None, ...], n_points)
    return float(losses[0]), gradient[0, ...]


def stacked_nca_loss_grad(Z: Array, codes: Array, n_points: Array) -> tuple[Array, Array]:
    """As `reference.stacked_nca_loss_grad`."""
    xp = namespace(Z)
    check_stack(Z, codes, n_points)
    codes, n_points = astype(xp, codes, xp.int64), astype(xp, n_points, xp.int64)
    positions = xp.arange(Z.shape[1], dtype=xp.int64)

    def weights(Z: Array, members: slice, rows: slice) -> tuple[Array, Array, Array]:
        norms = xp.sum(Z * Z, axis=2)
        products = xp.matmul(Z[:, rows, :], transposed(xp, Z))
        distances = norms[:, rows][:, :, None] + norms[:, None, :] - 2.0 * products
        distances = xp.where(distances > 0, distances, xp.zeros_like(distances))
        valid = positions[None, :] < n_points[members][:, None]
        others = valid[:, None, :] & (positions[rows][:, None] != positions[None, :])[None, ...]
        own = codes[members, :]
        positives = others & (own[:, rows][:, :, None] == own[:, None, :])
        log_mates, near_mates = log_sum_exp(xp, distances, positives)
        log_all, near_all = log_sum_exp(xp, distances, others)
        active = valid[:, rows] & xp.any(positives, axis=2)
        W = xp.where(active[:, :, None], near_mates - near_all, xp.zeros_like(distances))
        losses = xp.where(active, log_all - log_mates, xp.zeros_like(log_all))
        return astype(xp, losses, xp.float64), astype(xp, active, xp.float64), W

    return stacked_gradient(Z, n_points, weights, PAIR_ROWS * BLOCKS_AT_ONCE * PAIR_ROWS)


def triplet_loss_grad(Z: Array, codes: Array, margin: float) -> tuple[float, Array]:
    """As `reference.triplet_loss_grad`."""
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
    """As `reference.snr_loss_grad`."""
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


def lmnn_loss_grad(
    Z: Array, targets: Array, impostors: Array, regularization: float
) -> tuple[float, Array]:
    """As `reference.lmnn_loss_grad`, by a gather, and a scatter written as sorted segment sums."""
    xp = namespace(Z)
    check_lists(Z, targets, impostors)
    for name, rows in (("targets", targets), ("impostors", impostors)):
        if rows.shape[0] and rows.shape[1]:
            check_list_range(name, int(xp.min(rows)), int(xp.max(rows)), Z.shape[0])
    targets, impostors = astype(xp, targets, xp.int64), astype(xp, impostors, xp.int64)
    n_samples = Z.shape[0]
    scale = 1.0 / max(n_samples, 1)
    loss, blocks = 0.0, []
    for rows in row_blocks(n_samples, LIST_ROWS):
        part, near, far = _lmnn_weights(
            xp, Z, rows, targets[rows, :], impostors[rows, :], regularization
        )
        loss = loss + part
        blocks.append(concat(xp, [near, far], axis=1) * scale)
    if not blocks:
        return 0.0, xp.zeros_like(Z)
    weights = concat(xp, blocks)
    lists = concat(xp, [targets, impostors], axis=1)
    return float(loss) * scale, list_gradient(xp, Z, lists, weights)


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


def count_with_mates(xp: Any, codes: Array) -> int:
    """Return how many points share their class with another one."""
    return int(xp.sum(astype(xp, class_counts(xp, codes) > 1, xp.int64)))


def count_triplets(xp: Any, codes: Array, anchors: Array | None = None) -> int:
    """Return how many (anchor, positive, negative) there are, among given anchors if any."""
    counts = astype(xp, class_counts(xp, codes), xp.int64)
    triplets = (counts - 1) * (codes.shape[0] - counts)
    return int(xp.sum(triplets if anchors is None else triplets * astype(xp, anchors, xp.int64)))


def list_gradient(xp: Any, Z: Array, lists: Array, weights: Array) -> Array:
    """Return dloss/dZ where `weights` is dloss/d(squared distances of i and lists[i]).

    Entries of -1 must have weight zero. The contributions to the listed points are added by
    a sort on the point and a difference of cumulative sums in float64: no atomics, fixed order.
    """
    n_samples = lists.shape[0]
    known = xp.where(lists >= 0, lists, xp.zeros_like(lists))
    flat = xp.reshape(known, (-1,))
    order = stable_argsort(xp, flat)
    ends = xp.searchsorted(
        xp.take(flat, order, axis=0), xp.arange(n_samples, dtype=flat.dtype), side="right"
    )
    gradient = xp.zeros_like(Z)
    for component in range(Z.shape[1]):
        column = Z[:, component]
        flow = weights * (column[:, None] - gather(xp, column, known))
        sorted_flow = xp.take(xp.reshape(astype(xp, flow, xp.float64), (-1,)), order, axis=0)
        totals = concat(xp, [xp.zeros((1,), dtype=xp.float64), cumulative_sum(xp, sorted_flow)])
        upto = xp.take(totals, ends, axis=0)
        received = upto - concat(xp, [xp.zeros((1,), dtype=xp.float64), upto[:-1]])
        total = astype(xp, xp.sum(flow, axis=1), xp.float64) - received
        gradient[:, component] = astype(xp, 2.0 * total, Z.dtype)
    return gradient


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
    _, positives, rivals = relations(xp, codes, start, stop)
    if defined is not None:
        positives = positives & defined[:, None]
    levels = xp.where(positives, distances + margin, distances)
    # a positive level with a negative is no hinge; a step down puts it before the negative
    steps = xp.where(positives, levels * (1 - xp.finfo(levels.dtype).eps), levels)
    order = stable_argsort(xp, steps)
    mates_upto = cumulative_sum(
        xp, astype(xp, xp.take_along_axis(positives, order, axis=1), xp.int64)
    )
    rivals_upto = cumulative_sum(
        xp, astype(xp, xp.take_along_axis(rivals, order, axis=1), xp.int64)
    )
    rank = stable_argsort(xp, order)
    below = xp.take_along_axis(rivals_upto, rank, axis=1)
    above = mates_upto[:, -1:] - xp.take_along_axis(mates_upto, rank, axis=1)
    zeros = xp.zeros_like(below)
    weights = xp.where(positives, below, zeros) - xp.where(rivals, above, zeros)
    weights = astype(xp, weights, distances.dtype)
    return xp.sum(weights * levels), weights


def _lmnn_weights(
    xp: Any, Z: Array, rows: slice, targets: Array, impostors: Array, regularization: float
) -> tuple[Array, Array, Array]:
    """Return the loss of the rows and its derivative by the listed squared distances."""
    near, near_known = _listed_distances(xp, Z, rows, targets)
    far, far_known = _listed_distances(xp, Z, rows, impostors)
    hinge = 1.0 + near[:, :, None] - far[:, None, :]
    active = (hinge > 0) & near_known[:, :, None] & far_known[:, None, :]
    push = astype(xp, active, Z.dtype) * (1.0 - regularization)
    pull = astype(xp, near_known, Z.dtype) * regularization
    loss = xp.sum(pull * near) + xp.sum(push * hinge)
    return loss, pull + xp.sum(push, axis=2), -xp.sum(push, axis=1)


def _listed_distances(xp: Any, Z: Array, rows: slice, lists: Array) -> tuple[Array, Array]:
    known = lists >= 0
    points = gather(xp, Z, xp.where(known, lists, xp.zeros_like(lists)))
    differences = Z[rows, :][:, None, :] - points
    return xp.sum(differences * differences, axis=2), known
