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

from ..kernels.threads import map_blocks, single_blas_thread

if TYPE_CHECKING:
    from ..tree import SegmentTree

# values of a difference block held at once, which stay in the caches
BLOCK_VALUES = 2**17
# values of references that are mapped at once: bounds memory at 128 MB
KNOWN_VALUES = 2**24


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
        if (nodes[1:] < nodes[:-1]).any():
            order = np.argsort(nodes, kind="stable")
            nodes, shares = nodes[order], shares.take(order, axis=1)
        steps = nodes[1:] - nodes[:-1]
        if steps.all():  # each column is a node: those side by side are copied together
            ends = [*((steps != 1).nonzero()[0] + 1).tolist(), len(nodes)]
            for start, end in zip([0, *ends], ends):
                node = nodes[start]
                direct[:, node : node + end - start] = shares[:, start:end]
        else:
            starts = np.concatenate([[0], steps.nonzero()[0] + 1])
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


def mean_node_contributions(
    components: np.ndarray,
    queries: tuple[np.ndarray, np.ndarray],
    references: tuple[np.ndarray, np.ndarray],
    indices: np.ndarray,
    weights: np.ndarray,
    column_nodes: np.ndarray,
    n_nodes: int,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Weighted sums over references of what nodes contribute, (n_queries, n_nodes).

    With :math:`\hat q = M q` and :math:`\hat r = M r`, about any center, column j contributes
    :math:`(q - r)_j (\hat q - \hat r)_j`: each row goes through M once, and no pair takes memory.
    Also returns the sums of the sizes of what the columns contribute, (n_queries,): the second
    difference is rounded relative to its terms, which is seen where little is left of them.

    Queries and references are rows, (n_rows, n_features), with their points, (n_rows,
    n_components), about one center. Shapes: `indices`, `weights` (n_queries, n_references).
    """
    (rows, points), (known, known_points) = queries, references
    # copies, since Numba compiles read-only arrays apart
    nodes, weights = column_nodes.astype(np.int64), np.array(weights, dtype=np.float64)
    direct, sizes = np.zeros((len(rows), n_nodes)), np.empty(len(rows))
    size = len(rows)
    if known.size > KNOWN_VALUES:
        size = max(1, KNOWN_VALUES // (known.shape[1] * max(1, indices.shape[1])))
    for start in range(0, len(rows), size):
        some = slice(start, start + size)
        used, places = _number(indices[some], len(known))
        with single_blas_thread():
            mapped_used = known_points[used] @ components
            sizes[some] = _add_by_blocks(
                (rows[some], points[some], components),
                (known[used], mapped_used),
                (weights[some], places, nodes),
                direct[some],
            )
    return direct, sizes


def _number(indices: np.ndarray, n_references: int) -> tuple[np.ndarray, np.ndarray]:
    """References that are named, (n_used,) int, and their places among these for all names."""
    places = np.zeros(n_references, dtype=np.int64)
    places[indices] = 1
    used = places.nonzero()[0]
    places[used] = np.arange(len(used))
    return used, places[indices]


def _add_by_blocks(
    queries: tuple[np.ndarray, np.ndarray, np.ndarray],
    references: tuple[np.ndarray, np.ndarray],
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    direct: np.ndarray,
) -> np.ndarray:
    """Add contributions to `direct`, a block of queries at a time; returns their sizes."""
    from ..kernels.pairs import add_products

    (rows, points, components), (weights, places, nodes) = queries, pairs

    def block(start: int, stop: int) -> np.ndarray:
        some = slice(start, stop)
        asked = weights[some], places[some], rows[some], points[some] @ components
        return add_products(*asked, *references, nodes, direct[some])

    size = max(1, BLOCK_VALUES // max(1, rows.shape[1]))
    return np.concatenate(map_blocks(block, 0, len(rows), size))
