r"""Search of similar training rows, in the metric of any node and under weights of the nodes.

With the map L of a node's metric, :math:`M = L^T L`, and weights :math:`w_v \ge 0` of the nodes,
the weighted squared distance of two rows that differ by :math:`\Delta` is

.. math:: d_w^2 = \lVert L D \Delta \rVert^2 = \sum_v \sqrt{w_v}\, \Delta_v^T (M D \Delta)_v

where D multiplies the columns of node v by :math:`\sqrt{w_v}`. So it is the same metric over
differences that count more or less: a (pseudo)metric for any weights, ``weights=None`` for equal
weights of 1, and a sum of contributions of the nodes in the same closed form. Weighting the
contributions themselves, :math:`\sum_v w_v \Delta_v^T (M \Delta)_v`, gives no metric: M has terms
between nodes, and the sum may be negative. Where M has no such terms, both are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.utils.validation import check_is_fitted

from ..explain import PairExplanation
from ..explain.explanation import check_choice, unchecked
from ..metrics import node_contributions
from ..table.checks import check_row
from ..table.layout import TableLayout
from ..tree import SegmentTree
from .votes import Embedding, Neighbors

ALGORITHMS = ("brute", "kd_tree", "nn_descent")
# training rows whose neighbors say how many an index finds, and how many of each
RECALL_ROWS, RECALL_NEIGHBORS = 200, 10
# how much farther than the nearest ones an index looks
_INDEX_EPSILON = 0.3

# the last index of every model; no part of the model, and gone with it
_INDEXES: WeakKeyDictionary[Any, _Index] = WeakKeyDictionary()


class SimilarityMixin:
    """Similarity search by :class:`~hierseg_learn.HierarchicalMetricClassifier`."""

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
        *,
        node: int | str | None = None,
        weights: Mapping[int | str, float] | None = None,
        algorithm: str = "brute",
    ) -> Any:
        """Find the nearest training rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            The queries; None takes all training rows, none of which is its own neighbor, in the
            order of `sample_indices_` if there are any.
        n_neighbors : int, default=None
            How many; None takes that of the classifier.
        return_distance : bool, default=True
            Whether to return the distances, too.
        node : int or str, default=None
            A node of `tree_` by id, path or unique name, in whose metric over everything below it
            rows are compared. None takes the root.
        weights : mapping of int or str to float, default=None
            Weights of nodes, which are not negative, such as ``{"person/shoes": 0}``. A weight
            holds for the node and everything below it, except for nodes below that are named, too.
            All others weigh 1. The own columns of an inner node describe it as a whole and keep
            their weight, whatever that of its parts.
        algorithm : {"brute", "kd_tree", "nn_descent"}, default="brute"
            How rows are searched. "brute" compares with all of them. "kd_tree" finds the same
            faster, where the embedding has up to some 15 components. "nn_descent" is an index of
            the package `pynndescent` [1]_, which may miss neighbors, for very many queries among
            very many rows; `index_recall_` says how many it finds.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors)
            Only if `return_distance`. Their squares are sums of contributions of the nodes, as in
            `explain_similarity`.
        indices : ndarray of shape (n_queries, n_neighbors)
            Positions of the training rows, nearest first. Where more rows tie for the last places,
            some are left out; for a prediction all of them vote. Where `fit` got `sample_weight`, a
            row is found once for every copy.

        Raises
        ------
        ValueError
            If there are fewer training rows than `n_neighbors`, a node is unknown or cannot compare
            rows, a weight is negative, not finite, or given twice, or `algorithm` is unknown.
        TypeError
            If `weights` is no mapping of nodes to numbers.
        ImportError
            If `algorithm` is "nn_descent" and `pynndescent` is not installed.

        Notes
        -----
        The square root of a node's weight multiplies the differences of its columns, before they
        go through the map of the metric. So distances are those of a metric for any weights.

        A tree or index is made at the first call, and again when `node`, `weights` or `algorithm`
        change; it is not saved with the model. The distances are exact in any case, and predictions
        never use it. The same model always makes the same index.

        References
        ----------
        .. [1] W. Dong, M. Charikar, K. Li. "Efficient K-Nearest Neighbor Graph Construction for
           Generic Similarity Measures". WWW 2011.

        Examples
        --------
        >>> import pandas as pd
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X = pd.DataFrame({"person/hat|red": [0, 0, 5, 5], "person/shoes|red": [0, 9, 1, 9]})
        >>> model = HierarchicalMetricClassifier(n_neighbors=1, random_state=0)
        >>> model = model.fit(X, ["cap", "cap", "hood", "hood"])
        >>> shoes = model.kneighbors(X[1:2], 2, return_distance=False, node="shoes")
        >>> sorted(shoes[0].tolist())
        [1, 3]
        >>> hats = model.kneighbors(X[1:2], 2, return_distance=False, weights={"shoes": 0})
        >>> sorted(hats[0].tolist())
        [0, 1]
        """
        check_is_fitted(self)
        self._require_rows("kneighbors()")
        check_choice(algorithm, "algorithm", *ALGORITHMS)
        space = self._space(node, weights)
        rows = None if X is None else space.lifted(self._check_rows(X))
        n_neighbors = self.n_neighbors_ if n_neighbors is None else n_neighbors
        squared, indices = space.neighbors.search(rows, n_neighbors, self._index(space, algorithm))
        indices = self._positions(indices)
        return (np.sqrt(squared), indices) if return_distance else indices

    def pairwise(
        self,
        X: Any,
        Y: Any = None,
        *,
        node: int | str | None = None,
        weights: Mapping[int | str, float] | None = None,
    ) -> np.ndarray:
        """Distances between all rows of one table and all rows of another.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows like those of `fit`.
        Y : array-like of shape (n_others, n_features), default=None
            Other rows; None takes those of X.
        node, weights
            As for `kneighbors`.

        Returns
        -------
        distances : ndarray of shape (n_rows, n_others), float64
            Symmetric, with zeros on the diagonal, if `Y` is None: for any estimator that takes
            ``metric="precomputed"``.

        Raises
        ------
        ValueError, TypeError
            As for `kneighbors`.

        See Also
        --------
        sklearn.cluster.HDBSCAN : Takes such distances.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
        >>> model.pairwise(X[:2], X[50:53]).shape
        (2, 3)
        """
        check_is_fitted(self)
        space = self._space(node, weights)
        embed = space.neighbors.embedding.embed
        points, _ = embed(space.lifted(self._check_rows(X)))
        others = points if Y is None else embed(space.lifted(self._check_rows(Y)))[0]
        return cdist(points, others)

    def explain_similarity(
        self,
        a: Any,
        b: Any,
        *,
        node: int | str | None = None,
        weights: Mapping[int | str, float] | None = None,
        by: str = "auto",
    ) -> PairExplanation:
        """Explain a distance of `kneighbors` or `pairwise`.

        Parameters
        ----------
        a, b : array-like of shape (n_features,) or (1, n_features)
            Two rows like those of `fit`; also a Series, or a DataFrame of one row.
        node, weights
            As for `kneighbors`.
        by : {"auto", "nodes", "descriptors", "columns"}, default="auto"
            As for `explain_pair`.

        Returns
        -------
        explanation : PairExplanation
            Its contributions add up to the squared distance.

        Raises
        ------
        ValueError, TypeError
            As for `kneighbors`.

        See Also
        --------
        HierarchicalMetricClassifier.explain_pair : The same in the root's metric.

        Examples
        --------
        >>> import pandas as pd
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X = pd.DataFrame({"person/hat|red": [0, 0, 5, 5], "person/shoes|red": [0, 9, 1, 9]})
        >>> model = HierarchicalMetricClassifier(n_neighbors=1, random_state=0)
        >>> model = model.fit(X, ["cap", "cap", "hood", "hood"])
        >>> model.explain_similarity(X[:1], X[3:], weights={"shoes": 0}).share
        array([1., 0., 1.])
        """
        rows = check_row(self, a, "a"), check_row(self, b, "b")
        space = self._space(node, weights)
        neighbors = space.neighbors
        attribution = self._attribution(by)
        layout = attribution.refined or neighbors.layout
        delta = space.lifted(rows[0]) - space.lifted(rows[1])
        direct = node_contributions(
            neighbors.components, delta, layout.column_nodes, layout.tree.n_nodes
        )[0]
        values = {"direct": direct + 0.0, "by": attribution.by}  # no minus before a zero
        present = attribution.presence(self._presence(np.concatenate(rows)))
        if present is not None:
            values |= {"present_a": present[0], "present_b": present[1]}
        names = {"name_a": "a", "name_b": "b"}
        return unchecked(PairExplanation, tree=layout.tree, **values, **names)

    @property
    def index_recall_(self) -> float:
        """Share of the true neighbors that ``kneighbors(algorithm="nn_descent")`` finds.

        It is measured on up to 200 training rows and their 10 nearest others. There is none before
        such a call.
        """
        index = _INDEXES.get(self)
        if index is None or not index.is_over(self._X) or np.isnan(index.recall):
            raise AttributeError(
                'index_recall_ is there after a call of kneighbors with algorithm="nn_descent".'
            )
        return index.recall

    def _space(self, node: int | str | None, weights: Mapping[int | str, float] | None) -> _Space:
        """The metric of a node under weights, and the training rows in its space."""
        tree = self.tree_
        node = tree.root if node is None else tree.index(node)
        lift = self._metric.lifts[node]
        if node == tree.root and weights is None:
            return _Space(node, None, lift, self._neighbors())
        layout = self._layout if lift is None else TableLayout(tree, lift.places)
        components = self._metric.components(node)
        scales = None
        if weights is not None:
            scales = np.sqrt(_check_weights(weights, tree))
            components = components * scales[layout.column_nodes]
        if not components.any():
            raise ValueError(
                f"nothing is left to compare rows by: the metric of the node {tree.path(node)!r} "
                f"has no column that varies{'' if weights is None else ' and a weight above 0'}."
            )
        if lift is None:
            references = self._X
            center = self._center if self._lift is None else _mean_of(references)
        else:
            references = self._lifted_X if node == tree.root else lift(self._X)
            center = self._center if node == tree.root else _mean_of(references)
        neighbors = replace(
            self._neighbors(),
            layout=layout,
            X=references,
            embedding=Embedding.of(components, references, center),
        )
        return _Space(node, scales, lift, neighbors)

    def _index(self, space: _Space, algorithm: str) -> Callable[..., np.ndarray] | None:
        """Index of the training rows in a space; None where all of them are compared."""
        if algorithm == "brute":
            return None
        index, key = _INDEXES.get(self), (algorithm, *space.key)
        if index is None or not index.is_over(self._X) or index.key != key:
            points = space.neighbors.embedding.points
            make = _Index.of_tree if algorithm == "kd_tree" else _Index.of_descent
            index = _INDEXES[self] = make(self._X, key, points)
        return index.query


@dataclass(frozen=True)
class _Space:
    """The metric of one node under weights."""

    node: int
    scales: np.ndarray | None  # (n_nodes,): square roots of the weights; None for equal ones
    lift: Callable[[np.ndarray], np.ndarray] | None
    neighbors: Neighbors  # the training rows in its space

    def lifted(self, rows: np.ndarray) -> np.ndarray:
        """Rows of which the metric is a linear map."""
        return rows if self.lift is None else self.lift(rows)

    @property
    def key(self) -> tuple:
        """What tells it apart from other metrics of the same model."""
        return self.node, None if self.scales is None else self.scales.tobytes()


@dataclass(frozen=True)
class _Index:
    """Nearest neighbors among the training rows without a comparison with all of them."""

    table: np.ndarray  # the training rows of the model, by which it is known
    key: tuple  # the algorithm, and that of the space
    points: np.ndarray  # (n_samples, n_components): the embedded rows
    find: Callable[[np.ndarray, int], np.ndarray]  # positions, by points and their number
    recall: float = float("nan")  # of an index that misses neighbors

    @classmethod
    def of_tree(cls, table: np.ndarray, key: tuple, points: np.ndarray) -> _Index:
        """Make a tree, which misses none."""
        tree = cKDTree(points)
        return cls(table, key, points, lambda rows, k: tree.query(rows, np.arange(1, k + 1))[1])

    @classmethod
    def of_descent(cls, table: np.ndarray, key: tuple, points: np.ndarray) -> _Index:
        """Make an index with one seed, and measure how many neighbors it finds."""
        try:
            from pynndescent import NNDescent
        except ImportError as error:
            raise ImportError(
                'algorithm="nn_descent" needs pynndescent: pip install hierseg-learn[index].'
            ) from error
        made = NNDescent(points.astype(np.float32), metric="euclidean", random_state=0, n_jobs=1)

        def find(rows: np.ndarray, k: int) -> np.ndarray:
            return made.query(rows.astype(np.float32), k, _INDEX_EPSILON)[0]

        index = cls(table, key, points, find)
        sample = np.linspace(0, len(points) - 1, min(RECALL_ROWS, len(points))).astype(np.intp)
        n_neighbors = min(RECALL_NEIGHBORS, len(points) - 1)
        found = index.query(points[sample], n_neighbors, sample)
        hits = [
            cdist(points[i : i + 1], points[near])[0] <= _reach(points, i, n_neighbors)
            for i, near in zip(sample, found)
        ]
        return replace(index, recall=float(np.mean(hits)))

    def is_over(self, table: np.ndarray) -> bool:
        """Whether it was made of these training rows."""
        return self.table is table

    def query(self, points: np.ndarray, n_neighbors: int, exclude: np.ndarray | None) -> np.ndarray:
        """Positions of near rows, (n_queries, n_neighbors), none of them the excluded one."""
        n_asked = n_neighbors + (exclude is not None)
        found = np.array(self.find(points, n_asked), dtype=np.intp)
        # what finds too few is compared with all rows
        for i in np.flatnonzero((found < 0).any(axis=1)):
            distances = cdist(points[i : i + 1], self.points)[0]
            found[i] = np.argsort(distances, kind="stable")[:n_asked]
        if exclude is None:
            return found
        # the row itself, or else the last, makes room
        itself = found == exclude[:, None]
        itself[~itself.any(axis=1), -1] = True
        return found[~itself].reshape(len(points), n_neighbors)


def _mean_of(rows: np.ndarray) -> np.ndarray:
    """Mean of rows, (n_rows, n_features); 0 where a condensed model holds none."""
    return rows.mean(0, dtype=np.float64) if len(rows) else np.zeros(rows.shape[1])


def _reach(points: np.ndarray, i: int, n_neighbors: int) -> float:
    """Distance from a point to the farthest of its true neighbors."""
    distances = cdist(points[i : i + 1], points)[0]
    distances[i] = np.inf
    return float(np.partition(distances, n_neighbors - 1)[n_neighbors - 1])


def _check_weights(weights: Any, tree: SegmentTree) -> np.ndarray:
    """Weights of all nodes, (n_nodes,); those without one have that of their parent."""
    if not isinstance(weights, Mapping):
        raise TypeError(
            "weights must be a mapping of nodes to numbers, such as "
            f"{{{tree.paths[0]!r}: 0}}, got {weights!r}."
        )
    found = np.full(tree.n_nodes, np.nan)
    for key, weight in weights.items():
        node = tree.index(key)
        if isinstance(weight, bool) or not isinstance(weight, Real):
            raise TypeError(f"weights[{key!r}] must be a number, got {weight!r}.")
        if not 0 <= weight < np.inf:
            raise ValueError(
                f"weights[{key!r}] must be a finite number of at least 0, got {weight!r}."
            )
        if not np.isnan(found[node]):
            raise ValueError(f"weights names the node {tree.path(node)!r} twice, as {key!r}, too.")
        found[node] = weight
    if np.isnan(found[tree.root]):
        found[tree.root] = 1.0
    for node in reversed(range(tree.root)):
        if np.isnan(found[node]):
            found[node] = found[tree.parents[node]]
    return found
