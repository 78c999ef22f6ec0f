r"""Contributions of nodes to squared distances.

With :math:`M = L^T L` and :math:`\Delta` the difference of two rows, node v contributes
:math:`\varphi_v = \Delta_v^T (M \Delta)_v`. This is the Shapley value of the game over the nodes in
which only the nodes of a coalition differ: the worth of a coalition S is
:math:`\sum_{u, v \in S} \Delta_u^T M_{uv} \Delta_v`, a sum of games of one and of two players, and
the Shapley value splits each equally among its players [1]_.

A log-odds is linear in the row: :math:`w^T (x - m)` with a weight of every column, w, and a
baseline m. The worth of a coalition, whose nodes are those of the row while all others are those of
the baseline, is then a sum of games of one player, and node v contributes :math:`w_v^T (x_v -
m_v)`.

Neither formula depends on how columns are grouped: nodes are one grouping; single columns, or the
columns of one descriptor, are finer ones, whose contributions add up to those of the nodes.

References
----------
.. [1] L. S. Shapley. "A Value for n-Person Games". Contributions to the Theory of Games II, 1953.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from ..kernels.threads import single_blas_thread

if TYPE_CHECKING:
    from ..tree import SegmentTree

# values of a difference block held at once, which stay in the caches
BLOCK_VALUES = 2**17
# values of a block of rows whose means are computed at once
MEAN_VALUES = 2**20
# share of sums of products that must be left of them, or their rounding is seen
LEAST_LEFT = 1e-6


def node_contributions(
    components: np.ndarray, delta: np.ndarray, column_nodes: np.ndarray, n_nodes: int
) -> np.ndarray:
    """Contribution of every node's own columns to squared distances.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features), float64
        The linear map L.
    delta : ndarray of shape (n_pairs, n_features), float64
        Differences of rows of the table.
    column_nodes : ndarray of shape (n_features,), int
        Node of every column.
    n_nodes : int
        Number of nodes.

    Returns
    -------
    direct : ndarray of shape (n_pairs, n_nodes), float64
        A row sums to the squared distance of its pair. Entries are negative where a node's
        difference offsets that of others; never with weights only.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics import node_contributions
    >>> components = np.array([[1.0, 1.0], [0.0, 1.0]])
    >>> node_contributions(components, np.array([[1.0, 2.0]]), np.array([0, 1]), 2)
    array([[ 3., 10.]])
    """
    return sum_by_node(column_contributions(components, delta), column_nodes, n_nodes)


def column_contributions(components: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Contribution of every column, (n_pairs, n_features), as `node_contributions` adds them up."""
    # one thread: the bits of a product depend on the number of threads
    with single_blas_thread():
        shares = (delta @ components.T) @ components
    shares *= delta
    return shares


def sum_by_node(shares: np.ndarray, column_nodes: np.ndarray, n_nodes: int) -> np.ndarray:
    """Add up what columns contribute, (n_rows, n_features) float64, by node: (n_rows, n_nodes)."""
    direct = np.zeros((len(shares), n_nodes))
    if shares.size:
        # columns of a node side by side: one sum per node, the same bits for any number of rows
        nodes = column_nodes
        if len(nodes) < n_nodes and (np.diff(nodes) == 1).all():
            direct[:, nodes[0] : nodes[0] + len(nodes)] = shares
            return direct
        if len(np.unique(nodes)) == len(nodes):  # each column is a node
            direct[:, nodes] = shares
            return direct
        if (nodes[1:] < nodes[:-1]).any():
            order = np.argsort(nodes, kind="stable")
            nodes, shares = nodes[order], shares.take(order, axis=1)
        starts = np.concatenate([[0], (nodes[1:] != nodes[:-1]).nonzero()[0] + 1])
        direct[:, nodes[starts]] = np.add.reduceat(shares, starts, axis=1)
    return direct


def sum_below(tree: SegmentTree, direct: np.ndarray) -> np.ndarray:
    """Add up contributions from the leaves to the root.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : ndarray of shape (..., n_nodes)
        Contribution of every node's own columns.

    Returns
    -------
    total : ndarray of shape (..., n_nodes)
        Contribution of a node and all nodes below it.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics import sum_below
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": 1}})
    >>> sum_below(tree, np.array([1.0, 2.0, 4.0]))
    array([1., 2., 7.])
    """
    total = np.array(direct, dtype=np.float64)
    for node in range(tree.root):
        total[..., tree.parents[node]] += total[..., node]
    return total


def pair_squared_distances(
    components: np.ndarray, queries: np.ndarray, references: np.ndarray, indices: np.ndarray
) -> np.ndarray:
    """Squared distances of queries to the references `indices` (n_queries, n_neighbors) names.

    From differences, so that they are exact however near two rows are: float64 of the shape of
    `indices`.
    """
    n_queries, n_neighbors = indices.shape
    squared = np.empty((n_queries, n_neighbors))
    rows = max(1, BLOCK_VALUES // max(1, n_neighbors * queries.shape[1]))
    for start in range(0, n_queries, rows):
        block = slice(start, min(start + rows, n_queries))
        delta = np.subtract(queries[block, None], references[indices[block]], dtype=np.float64)
        with single_blas_thread():
            apart = delta.reshape(-1, queries.shape[1]) @ components.T
        squared[block] = np.einsum("ij,ij->i", apart, apart).reshape(-1, n_neighbors)
    return squared


def mean_column_contributions(
    components: np.ndarray,
    queries: np.ndarray,
    references: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    r"""Weighted means over references of what columns contribute, (n_queries, n_features).

    With means :math:`\bar r` of the references of a query q, about any center,

    .. math:: \overline{\Delta_j (M \Delta)_j}
        = q_j (M q)_j - q_j (M \bar r)_j - \bar r_j (M q)_j + \overline{r_j (M r)_j},

    so there are no pairs. Rows for which this cancels to little are NaN. Shapes: `indices` and
    `weights` (n_queries, n_references), weights of a row sum to 1.
    """
    used, places = np.unique(indices, return_inverse=True)
    known = references[used].astype(np.float64)
    center = known.mean(axis=0)
    known -= center

    def through(rows: np.ndarray) -> np.ndarray:
        return (rows @ components.T) @ components

    found = np.empty((len(queries), queries.shape[1]))
    places, n_each = places.reshape(indices.shape), indices.shape[1]
    size = max(1, MEAN_VALUES // max(1, queries.shape[1]))
    with single_blas_thread():
        of_known = known * through(known)
        for start in range(0, len(queries), size):
            block = slice(start, min(start + size, len(queries)))
            ends = np.arange(block.stop - start + 1) * n_each
            entries = weights[block].ravel(), places[block].ravel(), ends
            average = csr_array(entries, shape=(len(ends) - 1, len(used)))
            rows = np.subtract(queries[block], center, dtype=np.float64)
            means, squares, of_rows = average @ known, average @ of_known, through(rows)
            own = rows * of_rows
            rows *= through(means)
            means *= of_rows
            found[block] = own + squares - rows - means
            sizes = np.abs(own).sum(axis=1) + np.abs(squares).sum(axis=1)
            cancels = np.abs(found[block]).sum(axis=1) <= LEAST_LEFT * sizes
            found[block][cancels] = np.nan
    return found
