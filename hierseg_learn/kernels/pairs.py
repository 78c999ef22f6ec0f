"""Sums over pairs of rows, on the CPU: where a softmax of distances is optimized, or explained.

Plain functions on arrays around compiled loops, on one thread: node by node, the rows are few.
"""

from __future__ import annotations

import numpy as np

from . import _numba_loops as loops

# probability that a row's neighbor is any other row
ANY_ROW = 0.05


def add_products(
    weights: np.ndarray,
    places: np.ndarray,
    queries: np.ndarray,
    mapped: np.ndarray,
    points: np.ndarray,
    mapped_points: np.ndarray,
    nodes: np.ndarray,
    sums: np.ndarray,
) -> np.ndarray:
    r"""Add weighted products of differences, :math:`w (q - p)_j (\hat q - \hat p)_j`, to `sums`.

    `places` says which points a query is compared with, `nodes` which column of `sums` a column j
    goes to. Returns the sum of the sizes of what each query adds, (n_queries,).

    Shapes: `weights`, `places` (n_queries, n_places), int the latter, `queries`, `mapped`
    (n_queries, n_features), `points`, `mapped_points` (n_points, n_features), `nodes` (n_features,)
    int, `sums` (n_queries, n_nodes) float64. No pair takes memory.
    """
    sizes = np.zeros(len(queries))
    rows = np.ascontiguousarray(queries, dtype=np.float64), np.ascontiguousarray(mapped)
    loops.add_products(weights, places, *rows, points, mapped_points, nodes, sums, sizes)
    return sizes


class NeighborShares:
    r"""Shares of the neighbors of one's own class under weighted sums of squared distances.

    Row i takes row j as its neighbor with the share of :math:`\exp(-d_{ij})` among all others,
    :math:`d = \sum_g w_g \delta_g`, and with the probability `ANY_ROW` it takes any row, so that a
    few rows that are unlike all others do not decide. Distances are symmetric, so every pair is
    kept once.

    Shapes: `distances` (n_groups, n_samples, n_samples), in units of `unit`, `codes` (n_samples,)
    int.
    """

    def __init__(self, distances: np.ndarray, codes: np.ndarray, unit: float = 1.0) -> None:
        # rows of a class side by side: pairs of one class are runs
        order = np.argsort(codes, kind="stable")
        _, counts = np.unique(codes, return_counts=True)
        stops = np.cumsum(counts)
        self._stops = np.repeat(stops, counts)  # (n_samples,): where the class of each row ends
        # (n_samples,): share of one's class among the others, which counts so much; 0 for a row
        # without another one of its class
        chances = (counts - 1) / max(len(codes) - 1, 1)
        self._by_chance = np.repeat(chances, counts) * ANY_ROW / (1 - ANY_ROW)
        n_groups, n_rows = distances.shape[:2]
        self._pairs = np.empty((n_groups, n_rows * (n_rows - 1) // 2), dtype=np.float32)
        loops.take_pairs(distances, order, 1 / unit, self._pairs)
        self._sizes = np.empty(self._pairs.shape[1])

    def loss_and_gradient(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean of minus the logarithm of the share of one's class, and its derivative.

        Rows without another one of their class count only as neighbors. `weights` (n_groups,).
        """
        weights, gradient = np.ascontiguousarray(weights, dtype=np.float64), np.zeros(len(weights))
        loops.weigh_pairs(self._pairs, weights, self._sizes)
        np.exp(self._sizes, out=self._sizes)
        loss = loops.add_shares(
            self._pairs, weights, self._sizes, self._stops, self._by_chance, gradient
        )
        n_known = max(np.count_nonzero(self._by_chance), 1)
        return float(loss) / n_known, gradient / n_known
