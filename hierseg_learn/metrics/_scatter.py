"""Combination by the scatter below a node, shrunk to that of its children side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from scipy.linalg import solve_triangular

from ..utils.spread import varies
from ._combination import (
    MAX_QUERIES,
    MAX_REFERENCES,
    Combination,
    FittedNode,
    NodeOutcome,
    Score,
    subsample,
)
from ._lda import FLOOR, ClassScatter, Discriminants, ShrinkageLDA, fix_signs
from .cross_fitting import held_out_folds

if TYPE_CHECKING:
    from ..tree import SegmentTree


# steps of the Krylov space; twelve give the discriminants to about a hundredth of a percent at
# shrinkages of a tenth and more, where the coordinates are whitened block by block
N_STEPS = 12
# share of a block of directions below which the rest is rounding in float32
RESIDUE = 1e-4


class ClassMoments:
    """Class means of float32 rows Y, and products with their covariance within classes."""

    def __init__(self, Y: np.ndarray, codes: np.ndarray) -> None:
        self.Y = Y
        seen, places = np.unique(codes, return_inverse=True)
        self.counts = np.bincount(places).astype(np.float32)
        self.means = np.stack([Y[places == place].mean(axis=0) for place in range(len(seen))])
        self.freedom = max(len(Y) - len(seen), 1)

    def within(self, directions: np.ndarray) -> np.ndarray:
        """Covariance within classes times directions of shape (n_features, k)."""
        sums = self.Y.T @ (self.Y @ directions)
        sums -= self.means.T @ (self.counts[:, None] * (self.means @ directions))
        return sums / np.float32(self.freedom)

    def covariance(self) -> np.ndarray:
        """Covariance within classes: (n_features, n_features), float64."""
        sums = (self.Y.T @ self.Y).astype(np.float64)
        means = np.sqrt(self.counts)[:, None] * self.means.astype(np.float64)
        return (sums - means.T @ means) / self.freedom

    def between_factor(self) -> np.ndarray:
        """Return B, (n_classes, n_features), with ``B.T @ B`` the covariance of the class means."""
        shares = self.counts / self.counts.sum()
        return np.sqrt(shares)[:, None] * (self.means - shares @ self.means)


class KrylovDiscriminants:
    """Discriminants of the scatter within classes, shrunk towards the identity by any amount.

    With W that scatter and B the factor of the class means, the discriminants span
    :math:`((1 - s) W + s I)^{-1} B^T`. The Krylov space of W and :math:`B^T` is the same for all
    shrinkages s (Frommer, Glässner, SIAM Journal on Scientific Computing 19, 1998, section 2), so a
    few products of W with as many directions as there are classes give all of them, and W itself is
    never formed. `axes` is (n_axes, n_features).
    """

    def __init__(self, moments: ClassMoments, n_steps: int = N_STEPS) -> None:
        between = moments.between_factor()
        self._most = len(between) - 1
        basis, products = _krylov(moments, between.T, n_steps)
        inner = basis.T.astype(np.float64) @ products
        self._variances, turn = np.linalg.eigh((inner + inner.T) / 2)
        self._variances = np.maximum(self._variances, 0.0)
        self.axes = (basis @ turn.astype(np.float32)).T
        self._between = between.astype(np.float64) @ self.axes.T

    def leading(self, shrinkage: float) -> np.ndarray:
        """Return the discriminants (n_leading, n_axes) along `axes`, largest first.

        The shrunk scatter is the identity along them.
        """
        whitening = 1 / np.sqrt((1 - shrinkage) * self._variances + shrinkage)
        _, sizes, turns = np.linalg.svd(self._between * whitening, full_matrices=False)
        kept = np.flatnonzero(sizes > FLOOR * max(sizes.max(initial=0.0), np.finfo(float).tiny))
        return turns[kept[: self._most]] * whitening


def _krylov(
    moments: ClassMoments, start: np.ndarray, n_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis of the block Krylov space, and the scatter within classes times it."""
    basis = np.empty((len(start), 0), dtype=np.float32)
    products = basis
    block = start
    for _ in range(n_steps + 1):
        block = _new_directions(basis, block)
        if not block.shape[1]:
            break
        product = moments.within(block) if n_steps else np.zeros_like(block)
        basis = np.concatenate([basis, block], axis=1)
        products = np.concatenate([products, product], axis=1)
        block = product
    return basis, products


def _new_directions(basis: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Orthonormal directions of a block that a basis does not hold, float32."""
    least = (RESIDUE**2) * float(np.square(block, dtype=np.float64).sum(axis=0).max(initial=0.0))
    for _ in range(2):  # once more, for what rounding left
        block = block - basis @ (basis.T @ block)
        gram = block.T.astype(np.float64) @ block
        sizes, turn = np.linalg.eigh(gram)
        kept = sizes > max(least, np.finfo(np.float32).tiny)
        block = (block @ (turn[:, kept] / np.sqrt(sizes[kept]))).astype(np.float32)
        least = 0.5  # by now all have length one
    return block


class BottomUpWhitening:
    """Whitened rows, block by block from the leaves up.

    First every node's own columns are whitened by their shrunk scatter within classes. Then a node
    may be whitened again with everything below it, before its parent is looked at.

    Shapes: `X` (n_samples, n_features), `codes` (n_samples,) int, `Y` (len(rows), `codes`
    (len(rows).
    """

    def __init__(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        tree: SegmentTree,
        columns: tuple[np.ndarray, ...],
        learners: list[ShrinkageLDA],
        rows: np.ndarray,
        asked: np.ndarray,
    ) -> None:
        self.tree, self.codes = tree, codes[rows]
        self._n_features = X.shape[1]
        used = [_varying(X, rows, block) for block in columns]
        self._spans, self._own = _places(tree, [len(block) for block in used])
        self.Y = np.empty((len(rows) + len(asked), sum(map(len, used))), dtype=np.float32)
        self._used, self._maps = used, []
        everyone = np.concatenate([rows, asked])
        for learner, block, place in zip(learners, used, self._own, strict=True):
            own = X[np.ix_(everyone, block)].astype(np.float64)
            own -= own[: len(rows)].mean(axis=0)
            scale = own[: len(rows)].std(axis=0)
            own /= scale
            whitener = _own_whitener(learner, own[: len(rows)], self.codes)
            self.Y[:, place] = own @ whitener.T
            self._maps.append(whitener / scale)
        self._whiteners: dict[int, np.ndarray] = {}

    def discriminants(self, node: int) -> KrylovDiscriminants:
        """Discriminants of what is below a node; those of a leaf only for a shrinkage of 1."""
        n_steps = 0 if self.tree.is_leaf[node] else N_STEPS
        return KrylovDiscriminants(self._moments(node), n_steps)

    def along(self, node: int, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows to learn from and those asked about, along axes of shape (n_axes, n_below)."""
        coordinates = self.Y[:, self._spans[node]] @ axes.T
        return coordinates[: len(self.codes)], coordinates[len(self.codes) :]

    def whiten(self, node: int, shrinkage: float) -> None:
        """Whiten everything below a node by its scatter, shrunk towards what it was."""
        if shrinkage == 1 or node == self.tree.root:
            return
        scatter = self._moments(node).covariance() * (1 - shrinkage)
        scatter[np.diag_indices_from(scatter)] += shrinkage
        root = np.linalg.cholesky(scatter)
        inverse = solve_triangular(root, np.eye(len(root)), lower=True)
        span = self._spans[node]
        self.Y[:, span] = self.Y[:, span] @ inverse.T.astype(np.float32)
        self._whiteners[node] = inverse

    def components(self, node: int, directions: np.ndarray) -> np.ndarray:
        """Map over the table of directions in a node's coordinates, before it is whitened.

        Shapes: `directions` (n_directions, n_below). Returns `components` (n_directions,
        n_features) float64.
        """
        whole = np.zeros((len(directions), self.Y.shape[1]))
        whole[:, self._spans[node]] = directions
        components = np.zeros((len(directions), self._n_features))
        # parents before their children: the last whitening is undone first
        for below in self.tree.subtree(node)[::-1]:
            span = self._spans[below]
            if below != node and below in self._whiteners:
                whole[:, span] = whole[:, span] @ self._whiteners[below]
            components[:, self._used[below]] = whole[:, self._own[below]] @ self._maps[below]
        return components

    def _moments(self, node: int) -> ClassMoments:
        return ClassMoments(self.Y[: len(self.codes), self._spans[node]], self.codes)


def _places(tree: SegmentTree, widths: list[int]) -> tuple[list[slice], list[slice]]:
    """For every node the columns of its subtree, side by side, and at their end its own."""
    totals = list(widths)
    for node in range(tree.root):
        totals[tree.parents[node]] += totals[node]
    starts = [0] * tree.n_nodes
    for node in reversed(range(tree.n_nodes)):
        start = starts[node]
        for child in tree.children(node):
            starts[child] = start
            start += totals[child]
    stops = [start + total for start, total in zip(starts, totals, strict=True)]
    spans = [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]
    own = [slice(stop - width, stop) for stop, width in zip(stops, widths, strict=True)]
    return spans, own


def _varying(X: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The columns that are not constant."""
    own = X[np.ix_(rows, columns)].astype(np.float64)
    return columns[varies(own, own.std(axis=0), X.dtype)]


def _own_whitener(learner: ShrinkageLDA, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Map of standardized rows under which their shrunk scatter within classes is the identity."""
    if not rows.shape[1]:
        return np.zeros((0, 0))
    scatter = ClassScatter.of(rows, codes, int(codes.max()) + 1)
    shrinkage = learner.choose_shrinkage([(slice(None), rows)], codes, scatter)
    return Discriminants(scatter).whitener(shrinkage)


# shrinkage of a parent's scatter towards that of its children; the start comes first
SHRINKAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


class ScatterCombination(Combination):
    r"""A parent's scatter within classes is shrunk towards that of its children side by side.

    The metric of node v is that of the linear discriminants of all columns below it. They need the
    covariance within classes, whose estimate is poor with few rows and many columns [1]_. So the
    covariance :math:`W_v` below v is shrunk towards the children's, without covariances between
    them:

    .. math::

        \Sigma_v = (1 - s_v) W_v + s_v
        \operatorname{diag}(\Sigma_{c_1}, \dots, \Sigma_{c_k}, \Sigma_v^\text{own})

    with the children :math:`c_1, \dots, c_k` of v and its own columns, whose covariance
    :class:`ShrinkageLDA` shrinks. Neighbors of held-out rows choose every :math:`s_v`; at 1 the
    children stay as they are.

    Parameters
    ----------
    cv : int, default=3
        Number of folds that judge the shrinkages; every node is fitted ``1 + cv`` times.

    Notes
    -----
    No cross-fitting is needed, since nothing is learned from embeddings that overfit. The
    covariance of the root is never formed: memory is that of the table and of the squares of the
    other nodes. Nodes are fitted by `ShrinkageLDA`, of which only `shrinkage` is used.

    References
    ----------
    .. [1] J. H. Friedman. "Regularized Discriminant Analysis". JASA 84, 1989. (Towards a multiple
       of the identity. The target that the tree gives is this package's own design.)

    Examples
    --------
    >>> from hierseg_learn.metrics import ScatterCombination
    >>> ScatterCombination(cv=5)
    ScatterCombination(cv=5)
    """

    def n_steps(self, n_nodes: int) -> int:
        """Count the nodes to fit, those of the folds included."""
        return (1 + self.cv) * n_nodes

    def fit_nodes(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        tree: SegmentTree,
        columns: tuple[np.ndarray, ...],
        learners: list[Any],
        *,
        score: Score,
        n_jobs: int | None,
        random_state: int,
        on_step: Callable[[], None],
        groups: np.ndarray | None = None,
    ) -> list[FittedNode]:
        """Fit the metrics of all nodes; see `Combination.fit_nodes`."""
        for learner in learners:
            if not isinstance(learner, ShrinkageLDA):
                raise ValueError(
                    "combination='scatter' needs node_metric='lda' or a ShrinkageLDA, got "
                    f"{learner!r}; the other combinations take any node metric."
                )
            learner._validate_params()
        folds = held_out_folds(codes, self.cv, random_state, groups)

        def judge(fold: np.ndarray) -> list[np.ndarray]:
            rows = np.delete(np.arange(len(X)), fold)
            asked = subsample(fold, MAX_QUERIES)
            climb = BottomUpWhitening(X, codes, tree, columns, learners, rows, asked)
            return _judge(climb, codes[asked], score, on_step)

        # threads, since the time goes into BLAS
        judged = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(judge)(fold) for fold in folds)
        sizes = [min(len(fold), MAX_QUERIES) for fold in folds]
        scores = _average(judged, sizes, tree.n_nodes)
        climb = BottomUpWhitening(
            X, codes, tree, columns, learners, np.arange(len(X)), np.arange(0)
        )
        return _fit(climb, scores, on_step)


def _average(judged: list[list[np.ndarray]], sizes: list[int], n_nodes: int) -> list[np.ndarray]:
    """For every node the score of every shrinkage on the rows of all folds; NaN without folds."""
    if not judged:
        return [np.full(1, np.nan)] * n_nodes
    by_node = zip(*judged, strict=True)
    return [np.average(scores, axis=0, weights=sizes) for scores in by_node]


def _judge(
    climb: BottomUpWhitening, asked_codes: np.ndarray, score: Score, on_step: Callable[[], None]
) -> list[np.ndarray]:
    """Score every shrinkage of every node on the rows that are held out, going on with the best."""
    found = []
    for node in climb.tree.bottom_up():
        learned = climb.discriminants(node)
        known, asked = climb.along(node, learned.axes)
        references = subsample(np.arange(len(known)), MAX_REFERENCES)
        scores = [
            score(known[references] @ down, climb.codes[references], asked @ down, asked_codes)
            for down in _maps(learned, climb.tree.is_leaf[node])
        ]
        found.append(np.array(scores))
        climb.whiten(node, SHRINKAGES[int(np.argmax(scores))])
        on_step()
    return found


def _maps(learned: KrylovDiscriminants, is_leaf: bool) -> list[np.ndarray]:
    tried = SHRINKAGES[:1] if is_leaf else SHRINKAGES
    return [learned.leading(shrinkage).T.astype(np.float32) for shrinkage in tried]


def _fit(
    climb: BottomUpWhitening, scores: list[np.ndarray], on_step: Callable[[], None]
) -> list[FittedNode]:
    """Fit every node with the shrinkage of the best score."""
    nodes = []
    for node, tried in enumerate(scores):
        shrinkage = SHRINKAGES[int(np.argmax(tried))]
        learned = climb.discriminants(node)
        directions = learned.leading(shrinkage) @ learned.axes
        components = fix_signs(climb.components(node, directions))
        if climb.tree.is_leaf[node]:
            outcome = NodeOutcome("leaf" if len(components) else "constant")
        elif shrinkage == 1:
            outcome = NodeOutcome("start")
        else:
            outcome = NodeOutcome("scatter", shrinkage=shrinkage)
        nodes.append(FittedNode(components, float(tried.max()), outcome))
        climb.whiten(node, shrinkage)
        on_step()
    return nodes
