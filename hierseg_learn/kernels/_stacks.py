"""Many small problems of one shape at once: members of a stack, padded at their ends.

One text for every array library. What a member's result is depends on its own numbers and on the
shape of the stack's members, never on its neighbors or its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .arrays import astype, namespace, row_blocks, transposed

Array = Any
# weights(Z of some members, these members, rows) -> (losses of the rows, whether they count,
# derivative of the losses by the squared distances, (n_members, n_rows, n_points))
Weights = Callable[[Array, slice, slice], tuple[Array, Array, Array]]


def block_shape(
    n_stack: int, n_rows: int, n_columns: int, size: int
) -> Iterator[tuple[slice, slice]]:
    """Yield (members, rows) that cover a stack of matrices, in blocks of about `size` numbers."""
    block_rows = min(max(n_rows, 1), max(1, size // max(n_columns, 1)))
    block_members = max(1, size // (block_rows * max(n_columns, 1)))
    for members in row_blocks(n_stack, block_members):
        for rows in row_blocks(n_rows, block_rows):
            yield members, rows


def stacked_gradient(Z: Array, n_points: Array, weights: Weights, size: int) -> tuple[Array, Array]:
    """Return the mean loss of every member over the rows that count, and its derivative by `Z`.

    Shapes: `Z` (n_stack, n_samples, n_components), `n_points` (n_stack,) int64. Returns `losses`
    (n_stack,) float64; `gradient` (n_stack, n_samples, n_components).
    """
    xp = namespace(Z)
    n_stack, n_samples, _ = Z.shape
    Z = _centered(xp, Z, n_points)
    gradient = xp.zeros_like(Z)
    totals, n_active = (xp.zeros(n_stack, dtype=xp.float64) for _ in range(2))
    for members, rows in block_shape(n_stack, n_samples, n_samples, size):
        points = Z[members, :, :]
        losses, active, W = weights(points, members, rows)
        totals[members] += xp.sum(losses, axis=1)
        n_active[members] += xp.sum(active, axis=1)
        here = points[:, rows, :]
        gradient[members, rows, :] += xp.sum(W, axis=2)[:, :, None] * here - xp.matmul(W, points)
        across = xp.matmul(transposed(xp, W), here)
        gradient[members, :, :] += xp.sum(W, axis=1)[:, :, None] * points - across
    n_active = xp.where(n_active > 0, n_active, xp.ones_like(n_active))
    return totals / n_active, gradient * astype(xp, 2.0 / n_active, Z.dtype)[:, None, None]


def member_losses(
    loss_grad: Callable, Z: Array, codes: Array, n_points: Array
) -> tuple[Array, Array]:
    """Return the losses and gradients of a stack, one member after the other."""
    xp = namespace(Z)
    losses, gradient = xp.zeros(Z.shape[0], dtype=xp.float64), xp.zeros_like(Z)
    for member in range(Z.shape[0]):
        count = int(n_points[member])
        losses[member], gradient[member, :count, :] = loss_grad(
            Z[member, :count, :], codes[member, :count]
        )
    return losses, gradient


def member_neighbors(
    nearest: Callable, Q: Array, X: Array, n_points: Array, n_neighbors: int
) -> tuple[Array, Array]:
    """Return the nearest points of a stack, one member after the other."""
    xp = namespace(X)
    shape = (*Q.shape[:2], n_neighbors)
    indices, distances = xp.zeros(shape, dtype=xp.int64), xp.zeros(shape, dtype=xp.float64)
    for member in range(Q.shape[0]):
        points = X[member, : int(n_points[member]), :]
        indices[member, ...], distances[member, ...] = nearest(Q[member, ...], points, n_neighbors)
    return indices, distances


def _centered(xp: Any, Z: Array, n_points: Array) -> Array:
    """Move every member near the origin by whole numbers; padding becomes zero."""
    positions = xp.arange(Z.shape[1], dtype=xp.int64)
    valid = (positions[None, :] < n_points[:, None])[:, :, None]
    zeros = xp.zeros_like(Z)
    counts = astype(xp, xp.where(n_points > 0, n_points, xp.ones_like(n_points)), Z.dtype)
    means = xp.sum(xp.where(valid, Z, zeros), axis=1, keepdims=True) / counts[:, None, None]
    return xp.where(valid, Z - xp.floor(means), zeros)
