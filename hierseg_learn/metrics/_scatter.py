"""Combination by the scatter below a node, shrunk to that of its children side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from scipy.linalg import solve_triangular

from ..utils.spread import least_spread, varies
from ._combination import (
    MAX_QUERIES,
    MAX_REFERENCES,
    Combination,
    FittedNode,
    NodeOutcome,
    Score,
    reported,
    subsample,
)
from ._lda import FLOOR, ClassScatter, Discriminants, ShrinkageLDA, fix_signs, row_blocks
from .block_sums import BlockSums
from .cross_fitting import held_out_folds
from .posteriors import HeldOut

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


class SummedMoments:
    """As `ClassMoments`, of rows of which only the sums are known.

    Shapes: `counts` (n_classes,), `means` (n_classes, n_features), `scatter` (n_features,
    n_features): the covariance within classes, float64.
    """

    def __init__(self, counts: np.ndarray, means: np.ndarray, scatter: np.ndarray) -> None:
        self.counts, self.means = counts, means
        self._scatter, self._single = scatter, scatter.astype(np.float32)

    def within(self, directions: np.ndarray) -> np.ndarray:
        """Covariance within classes times directions of shape (n_features, k)."""
        return self._single @ directions

    def covariance(self) -> np.ndarray:
        """Covariance within classes: (n_features, n_features), float64."""
        return self._scatter

    def between_factor(self) -> np.ndarray:
        """Return B, (n_classes, n_features), with ``B.T @ B`` the covariance of the class means."""
        shares = self.counts / self.counts.sum()
        return (np.sqrt(shares)[:, None] * (self.means - shares @ self.means)).astype(np.float32)


Moments = ClassMoments | SummedMoments


class KrylovDiscriminants:
    """Discriminants of the scatter within classes, shrunk towards the identity by any amount.

    With W that scatter and B the factor of the class means, the discriminants span
    :math:`((1 - s) W + s I)^{-1} B^T`. The Krylov space of W and :math:`B^T` is the same for all
    shrinkages s (Frommer, Glässner, SIAM Journal on Scientific Computing 19, 1998, section 2), so a
    few products of W with as many directions as there are classes give all of them, and W itself is
    never formed. `axes` is (n_axes, n_features).
    """

    def __init__(self, moments: Moments, n_steps: int = N_STEPS) -> None:
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


def _krylov(moments: Moments, start: np.ndarray, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
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
        maps: list[np.ndarray] | None = None,
    ) -> None:
        self.tree, self.codes = tree, codes[rows]
        self._n_features = X.shape[1]
        used = [_varying(X, rows, block) for block in columns]
        self._spans, self._own = _places(tree, [len(block) for block in used])
        self.Y = np.empty((len(rows) + len(asked), sum(map(len, used))), dtype=np.float32)
        self._used, self.maps = used, [] if maps is None else maps
        everyone = np.concatenate([rows, asked])
        for node, (learner, block, place) in enumerate(zip(learners, used, self._own, strict=True)):
            own = X[np.ix_(everyone, block)].astype(np.float64)
            own -= own[: len(rows)].mean(axis=0)
            if maps is not None:
                self.Y[:, place] = own @ maps[node].T
                continue
            scale = own[: len(rows)].std(axis=0)
            own /= scale
            whitener = _own_whitener(learner, own[: len(rows)], self.codes)
            self.Y[:, place] = own @ whitener.T
            self.maps.append(whitener / scale)
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
            components[:, self._used[below]] = whole[:, self._own[below]] @ self.maps[below]
        return components

    def _moments(self, node: int) -> Moments:
        return ClassMoments(self.Y[: len(self.codes), self._spans[node]], self.codes)


class SummedWhitening(BottomUpWhitening):
    """Whitening by the sums over a table that is not in memory; a few of its rows come along.

    All scatters are blocks of one matrix, which is whitened as the rows would be. `fold` is left
    out of the sums; the rows that come along are those of `X` in `rows` and `asked`.
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
        maps: list[np.ndarray] | None,
        sums: BlockSums,
        fold: int | None,
    ) -> None:
        self.tree, self.codes = tree, codes[rows]
        self._n_features = X.shape[1]
        mean, scatter = sums.without(fold)
        scale = np.sqrt(np.maximum(np.diag(scatter.moments) / scatter.n_rows, 0.0))
        varying = scale > least_spread(sums.largest, X.dtype)
        used = [block[varying[block]] for block in columns]
        self._spans, self._own = _places(tree, [len(block) for block in used])
        width = sum(map(len, used))
        everyone = np.concatenate([rows, asked])
        self.Y = np.empty((len(everyone), width), dtype=np.float32)
        self._used, self.maps = used, [] if maps is None else maps
        self._counts, means = scatter.counts[scatter.counts > 0], scatter.means()
        self._means = np.empty((len(means), width))
        self._scatter = np.empty((width, width))
        within, half = scatter.within(), np.empty((width, X.shape[1]))
        for node, (learner, block, place) in enumerate(zip(learners, used, self._own, strict=True)):
            own = X[np.ix_(everyone, block)].astype(np.float64) - mean[block]
            if maps is None:
                known, spread = own[: len(rows)] / scale[block], scale[block]
                of_node = scatter.standardized(block, scale)
                self.maps.append(_whitener_of(learner, known, self.codes, of_node) / spread)
            self.Y[:, place] = own @ self.maps[node].T
            self._means[:, place] = means[:, block] @ self.maps[node].T
            half[place] = self.maps[node] @ within[block]
        for node, (block, place) in enumerate(zip(used, self._own, strict=True)):
            self._scatter[:, place] = half[:, block] @ self.maps[node].T
        self._whiteners: dict[int, np.ndarray] = {}

    def whiten(self, node: int, shrinkage: float) -> None:
        """Whiten everything below a node by its scatter, shrunk towards what it was."""
        super().whiten(node, shrinkage)
        if shrinkage == 1 or node == self.tree.root:
            return
        span, inverse = self._spans[node], self._whiteners[node]
        self._means[:, span] = self._means[:, span] @ inverse.T
        self._scatter[span] = inverse @ self._scatter[span]
        self._scatter[:, span] = self._scatter[:, span] @ inverse.T

    def _moments(self, node: int) -> Moments:
        span = self._spans[node]
        return SummedMoments(self._counts, self._means[:, span], self._scatter[span, span])


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
    return _whitener_of(learner, rows, codes, ClassScatter.of(rows, codes, int(codes.max()) + 1))


def _whitener_of(
    learner: ShrinkageLDA, rows: np.ndarray, codes: np.ndarray, scatter: ClassScatter
) -> np.ndarray:
    """As `_own_whitener`, with a scatter of these rows, or of all that they are drawn from."""
    if not rows.shape[1]:
        return np.zeros((0, 0))
    shrinkage = learner.choose_shrinkage(row_blocks(rows), codes, scatter)
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
        Number of folds that score the shrinkages; every node is fitted ``1 + cv`` times,
        parents up to ``cv`` times more to score the choices of the other folds.

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
        sums: BlockSums | None = None,
    ) -> list[FittedNode]:
        """Fit the metrics of all nodes; see `Combination.fit_nodes`.

        With `sums` over a table, X are some of its rows, which choose the shrinkages.
        """
        for learner in learners:
            if not isinstance(learner, ShrinkageLDA):
                raise ValueError(
                    "combination='scatter' needs node_metric='lda' or a ShrinkageLDA, got "
                    f"{learner!r}; the other combinations take any node metric."
                )
            learner._validate_params()
        if sums is None:
            folds = held_out_folds(codes, self.cv, random_state, groups)
        else:
            folds = sums.held_out_rows()

        def climb_without(
            place: int | None, maps: list[np.ndarray] | None = None
        ) -> BottomUpWhitening:
            fold = np.arange(0) if place is None else folds[place]
            rows, asked = np.delete(np.arange(len(X)), fold), subsample(fold, MAX_QUERIES)
            table = X, codes, tree, columns, learners
            if sums is None:
                return BottomUpWhitening(*table, rows, asked, maps)
            rows = subsample(rows, MAX_REFERENCES)
            return SummedWhitening(*table, rows, asked, maps, sums, place)

        def score_fold(place: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
            climb = climb_without(place)
            held_out_codes = codes[subsample(folds[place], MAX_QUERIES)]
            scores, at_root = _score_shrinkages(climb, held_out_codes, score, on_step)
            return scores, climb.maps, at_root

        # threads, since the time goes into BLAS
        threads = Parallel(n_jobs=n_jobs, prefer="threads")
        found = threads(delayed(score_fold)(place) for place in range(len(folds)))
        tried_scores = [scores for scores, *_ in found]
        sizes = [min(len(fold), MAX_QUERIES) for fold in folds]
        scores = _average(tried_scores, sizes, tree.n_nodes)

        def score_nested(place: int) -> np.ndarray:
            others = [size * (other != place) for other, size in enumerate(sizes)]
            averages = _average(tried_scores, others, tree.n_nodes)
            chosen = [int(np.argmax(tried[0])) for tried in averages]
            climb = partial(climb_without, place, found[place][1])
            asked_codes = codes[subsample(folds[place], MAX_QUERIES)]
            return _nested_fold_scores(climb, tree, tried_scores[place], chosen, asked_codes, score)

        nested = threads(delayed(score_nested)(place) for place in range(len(folds)))
        nested_scores = [float(own.flat[0]) for own in _average(nested, sizes, tree.n_nodes)]
        nodes = _fit(climb_without(None), scores, nested_scores, on_step)
        shrinkage = SHRINKAGES[int(np.argmax(scores[-1][0]))]
        held_out = tuple(at_root(shrinkage) for *_, at_root in found)
        return [*nodes[:-1], replace(nodes[-1], held_out=held_out)]


def _average(
    tried_scores: list[list[np.ndarray]], sizes: list[int], n_nodes: int
) -> list[np.ndarray]:
    """For every node the scores of every shrinkage on the rows of all folds; NaN without folds.

    They are two of (n_tried,): those that choose, and those that are reported.
    """
    if not tried_scores:
        return [np.full((2, 1), np.nan)] * n_nodes
    by_node = zip(*tried_scores, strict=True)
    return [np.average(scores, axis=0, weights=sizes) for scores in by_node]


def _score_shrinkages(
    climb: BottomUpWhitening, asked_codes: np.ndarray, score: Score, on_step: Callable[[], None]
) -> tuple[list[np.ndarray], Callable[[float], HeldOut]]:
    """Score every shrinkage of every node on the rows that are held out, going on with the best.

    Also returns what gives the rows in the root's space for any of its shrinkages.
    """
    found = []
    for node in climb.tree.bottom_up():
        learned = climb.discriminants(node)
        maps = _maps(learned, climb.tree.is_leaf[node])
        scores = _score_maps(climb, node, learned.axes, maps, asked_codes, score)
        found.append(scores)
        climb.whiten(node, SHRINKAGES[int(np.argmax(scores[0]))])
        on_step()
    known, asked = climb.along(climb.tree.root, learned.axes)
    rows, codes = subsample(np.arange(len(known)), MAX_REFERENCES), climb.codes
    known, codes, asked = known[rows], codes[rows], asked.copy()  # all others are let go

    def at_root(shrinkage: float) -> HeldOut:
        down = _down(learned, shrinkage)
        return HeldOut(known @ down, codes, asked @ down, asked_codes)

    return found, at_root


def _nested_fold_scores(
    climb: Callable[[], BottomUpWhitening],
    tree: SegmentTree,
    tried: list[np.ndarray],
    chosen: list[int],
    asked_codes: np.ndarray,
    score: Score,
) -> list[np.ndarray]:
    """Score every node on held-out rows with what other rows choose, from the leaves up.

    The best of several scores of the same rows is optimistic [1]_, and so is that of a parent whose
    children these rows chose. Nothing is learned again below which the choices are the same.

    References
    ----------
    .. [1] R. J. Tibshirani, R. Tibshirani. "A bias correction for the minimum error rate in
       cross-validation". Annals of Applied Statistics 3, 2009.
    """
    same = [int(np.argmax(scores[0])) == place for scores, place in zip(tried, chosen, strict=True)]
    for node in tree.bottom_up():
        same[node] &= all(same[child] for child in tree.children(node))
    known = [all(same[child] for child in tree.children(node)) for node in tree.bottom_up()]
    found = [scores[1, [place]] for scores, place in zip(tried, chosen, strict=True)]
    if all(known):
        return found
    again = climb()
    for node, place in enumerate(chosen):
        if not known[node]:
            learned = again.discriminants(node)
            maps = [_down(learned, SHRINKAGES[place])]
            found[node] = _score_maps(again, node, learned.axes, maps, asked_codes, score)[1]
        again.whiten(node, SHRINKAGES[place])
    return found


def _score_maps(
    climb: BottomUpWhitening,
    node: int,
    axes: np.ndarray,
    maps: list[np.ndarray],
    asked_codes: np.ndarray,
    score: Score,
) -> np.ndarray:
    """Score maps along axes of a node on the rows that came along, to choose and to report."""
    known, asked = climb.along(node, axes)
    references, report = subsample(np.arange(len(known)), MAX_REFERENCES), reported(score)
    known, codes, found = known[references], climb.codes[references], []
    for down in maps:
        rows = known @ down, codes, asked @ down, asked_codes
        value = score(*rows)
        found.append((value, value if report is score else report(*rows)))
    return np.array(found).T


def _maps(learned: KrylovDiscriminants, is_leaf: bool) -> list[np.ndarray]:
    tried = SHRINKAGES[:1] if is_leaf else SHRINKAGES
    return [_down(learned, shrinkage) for shrinkage in tried]


def _down(learned: KrylovDiscriminants, shrinkage: float) -> np.ndarray:
    return learned.leading(shrinkage).T.astype(np.float32)


def _fit(
    climb: BottomUpWhitening,
    scores: list[np.ndarray],
    nested_scores: list[float],
    on_step: Callable[[], None],
) -> list[FittedNode]:
    """Fit every node with the shrinkage of the best score."""
    nodes = []
    for node, tried in enumerate(scores):
        shrinkage = SHRINKAGES[int(np.argmax(tried[0]))]
        learned = climb.discriminants(node)
        directions = learned.leading(shrinkage) @ learned.axes
        components = fix_signs(climb.components(node, directions))
        if climb.tree.is_leaf[node]:
            outcome = NodeOutcome("leaf" if len(components) else "constant")
        elif shrinkage == 1:
            outcome = NodeOutcome("start")
        else:
            outcome = NodeOutcome("scatter", shrinkage=shrinkage)
        nodes.append(FittedNode(components, nested_scores[node], outcome))
        climb.whiten(node, shrinkage)
        on_step()
    return nodes
