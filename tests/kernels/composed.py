"""The kernels that the package has for CUDA as text only, composed of array-API operations.

What the text is compared with, on NumPy and on the namespace of the standard itself.
"""

from hierseg_learn.kernels._checks import (
    check_columns,
    check_embedding,
    check_lists,
    check_neighbors,
)
from hierseg_learn.kernels.array_kernels import (
    activation_sums,
    count_classes,
    count_with_positives,
    pair_loss_grad,
    region_sums,
    snr_loss_grad,
    triplet_loss_grad,
)
from hierseg_learn.kernels.arrays import (
    astype,
    center,
    center_columns,
    concat,
    cumulative_sum,
    namespace,
    relations,
    row_blocks,
    squared_distances,
    squared_norms,
    stable_argsort,
)

__all__ = [
    "activation_sums",
    "count_classes",
    "lmnn_loss_grad",
    "nca_loss_grad",
    "nearest",
    "region_sums",
    "snr_distances",
    "snr_loss_grad",
    "triplet_loss_grad",
]

QUERY_ROWS = 512
POINT_ROWS = 8192
LIST_ROWS = 512
SPARE_NEIGHBORS = 16


def nearest(Q, X, n_neighbors, exclude=None):
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


def snr_distances(Q, X):
    """As `reference.snr_distances`, from centered rows and one matrix product per block."""
    xp = namespace(X)
    check_columns(Q, X)
    centered_q, signal = center(xp, Q)
    centered_x, norms = center(xp, X)
    signal = xp.where(signal > 0, signal, xp.full_like(signal, float("nan")))
    blocks = [xp.zeros((0, X.shape[0]), dtype=Q.dtype)]
    for rows in row_blocks(Q.shape[0], QUERY_ROWS):
        noise = squared_distances(xp, centered_q[rows, :], centered_x, signal[rows], norms)
        blocks.append(noise / signal[rows][:, None])
    return concat(xp, blocks)


def nca_loss_grad(Z, codes):
    """As `reference.nca_loss_grad`."""
    xp = namespace(Z)
    check_embedding(Z, codes)
    codes = astype(xp, codes, xp.int64)
    Z = center_columns(xp, Z)
    norms = squared_norms(xp, Z)
    scale = 1.0 / max(count_with_positives(xp, codes), 1)

    def step(start, stop):
        distances = squared_distances(xp, Z[start:stop, :], Z, norms[start:stop], norms)
        others, positives, _ = relations(xp, codes, start, stop)
        log_positive, near_positive = log_sum_exp(xp, distances, positives)
        log_all, near_all = log_sum_exp(xp, distances, others)
        active = xp.any(positives, axis=1)
        weights = xp.where(active[:, None], near_positive - near_all, xp.zeros_like(distances))
        losses = xp.where(active, log_all - log_positive, xp.zeros_like(log_all))
        return xp.sum(astype(xp, losses, xp.float64)), weights * scale, None

    loss, gradient = pair_loss_grad(Z, step)
    return loss * scale, gradient


def lmnn_loss_grad(Z, targets, impostors, regularization):
    """As `reference.lmnn_loss_grad`, by a gather, and a scatter written as sorted segment sums."""
    xp = namespace(Z)
    check_lists(Z, targets, impostors)
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


def _nearest_block(xp, Q, X, norms, n_neighbors, exclude):
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
    xp,
    Q,
    X,
    query_norms,
    norms,
    n_neighbors,
    exclude,
):
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


def _exact_distances(xp, Q, X, candidates):
    points = astype(xp, gather(xp, X, candidates), xp.float64)
    differences = points - astype(xp, Q, xp.float64)[:, None, :]
    return xp.sum(differences * differences, axis=2)


def _nearest_of_one(xp, query, X, n_neighbors, left_out):
    """Return the neighbors of one query by differences with every point."""
    differences = astype(xp, X, xp.float64) - astype(xp, query, xp.float64)[None, :]
    distances = xp.sum(differences * differences, axis=1)
    if left_out >= 0:
        distances[left_out] = float("inf")
    order = stable_argsort(xp, distances)[:n_neighbors]
    return order, xp.take(distances, order, axis=0)


def gather(xp, array, indices):
    """Return ``array[indices]`` along the first axis for an integer array of any shape."""
    taken = xp.take(array, xp.reshape(indices, (-1,)), axis=0)
    return xp.reshape(taken, tuple(indices.shape) + tuple(array.shape[1:]))


def log_sum_exp(xp, distances, mask):
    """Return log sum exp(-distance) over the mask along the last axis, and the softmax."""
    infinite = xp.full_like(distances, float("inf"))
    masked = xp.where(mask, distances, infinite)
    smallest = xp.min(masked, axis=-1, keepdims=True)
    smallest = xp.where(smallest < float("inf"), smallest, xp.zeros_like(smallest))
    powers = xp.exp(smallest - masked)
    total = xp.sum(powers, axis=-1, keepdims=True)
    total = xp.where(total > 0, total, xp.ones_like(total))
    return (xp.log(total) - smallest)[..., 0], powers / total


def list_gradient(xp, Z, lists, weights):
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


def _lmnn_weights(xp, Z, rows, targets, impostors, regularization):
    """Return the loss of the rows and its derivative by the listed squared distances."""
    near, near_known = _listed_distances(xp, Z, rows, targets)
    far, far_known = _listed_distances(xp, Z, rows, impostors)
    hinge = 1.0 + near[:, :, None] - far[:, None, :]
    active = (hinge > 0) & near_known[:, :, None] & far_known[:, None, :]
    push = astype(xp, active, Z.dtype) * (1.0 - regularization)
    pull = astype(xp, near_known, Z.dtype) * regularization
    loss = xp.sum(pull * near) + xp.sum(push * hinge)
    return loss, pull + xp.sum(push, axis=2), -xp.sum(push, axis=1)


def _listed_distances(xp, Z, rows, lists):
    known = lists >= 0
    points = gather(xp, Z, xp.where(known, lists, xp.zeros_like(lists)))
    differences = Z[rows, :][:, None, :] - points
    return xp.sum(differences * differences, axis=2), known
