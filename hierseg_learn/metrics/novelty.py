r"""Distance of rows to the classes that a table was made of, node by node.

A metric that tells classes apart is blind along all other directions, so that rows of a new class
may lie near old ones. Here a node's own columns x are compared with the mean :math:`\mu_c` of a
class along the discriminants, as far as they tell classes apart, and along all whitened directions
[1]_. With the covariance within classes W, shrunk, and that of the class means B,

.. math::

    s_c(x) = \sum_v \frac{(x_v - \mu_{cv})^T \big(W_v^{-1} - (W_v + B_v)^{-1}\big)
    (x_v - \mu_{cv})}{a} + \frac{(x_v - \mu_{cv})^T W_v^{-1} (x_v - \mu_{cv})}{b}

The first term is a difference of two Mahalanobis distances, to the class and to all rows [2]_: it
is zero along directions in which classes do not differ. The units a and b are the spreads of the
two sums over rows that are held out, so that both terms count alike. No difference counts for more
than `MOST_DEVIATIONS` standard deviations along one whitened direction, as it would where a column
varies in a few rows only; a part that is missing always counts in full. All matrices are of one
node, so a score is a sum of contributions of the nodes, none of which is negative. The novelty of a
row is its smallest score of any class, less the usual one, in units of its spread over rows that
are held out; both are taken from the middle half of these rows, which a few odd ones do not move.

How well a row fits to a class is its smallest score plus `RIVAL` times what the score of this class
is above that: sets of classes then leave out those that another one beats, and are empty for rows
that are unlike all.

Of a node with very many columns, random sums of them are taken [3]_.

References
----------
.. [1] K. Lee, K. Lee, H. Lee, J. Shin. "A Simple Unified Framework for Detecting
   Out-of-Distribution Samples and Adversarial Attacks". NeurIPS 2018.
.. [2] J. Ren, S. Fort, J. Liu, A. G. Roy, S. Padhy, B. Lakshminarayanan. "A Simple Fix to
   Mahalanobis Distance for Improving Near-OOD Detection". arXiv:2106.09022, 2021.
.. [3] W. B. Johnson, J. Lindenstrauss. "Extensions of Lipschitz Mappings into a Hilbert Space".
   Contemporary Mathematics 26, 1984.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.threads import single_blas_thread
from ..utils import PlainState
from ..utils.spread import varies
from ._lda import ClassScatter, Discriminants, ledoit_wolf
from .contributions import BLOCK_VALUES, sum_by_node

# most coordinates of a node: bounds time and memory where nodes have hundreds of columns
MAX_COORDINATES = 128
# how far a row may be from a class along one direction, in standard deviations
MOST_DEVIATIONS = 10.0
# how much a class that is beaten by another one loses
RIVAL = 5.0
# interquartile range of a normal variable, in standard deviations
_IQR_OF_NORMAL = 1.349


@dataclass(frozen=True)
class HeldOutScores(PlainState):
    """Scores of rows that their classes were not fitted on."""

    units: np.ndarray  # (2,): a and b, the spreads of the two terms
    usual: np.ndarray  # (n_nodes,): usual contributions to the smallest score of a row
    spread: float  # of the smallest scores
    # for every set of held-out rows, ascending: how badly they fit to their own classes, by class,
    # and smallest scores of any class
    own: list[list[np.ndarray]]
    smallest: list[np.ndarray]

    @property
    def counts(self) -> np.ndarray:
        """Held-out rows of every class, (n_classes,)."""
        return np.sum([[len(scores) for scores in own] for own in self.own], axis=0)


@dataclass(frozen=True)
class Coordinates:
    """Standardized columns of all nodes side by side, or random sums of them."""

    columns: tuple[np.ndarray, ...]  # columns of the table that each node uses
    centers: tuple[np.ndarray, ...]  # what these are moved by
    maps: tuple[np.ndarray, ...]  # (n_coordinates, n_used) each
    # how many of a node's coordinates vary; behind them stands the presence of a part that no row
    # lacks, whose variance is that of a share of 1 / (n_samples + 2)
    n_varying: tuple[int, ...]

    @classmethod
    def of(
        cls, X: np.ndarray, columns: Sequence[np.ndarray], presence: np.ndarray | None
    ) -> Coordinates:
        """Choose coordinates for a table; `presence` are the nodes' presence columns."""
        chosen = []
        for node, own in enumerate(columns):
            block = X[:, own].astype(np.float64)
            scale = block.std(axis=0)
            used = varies(block, scale, X.dtype)
            rows = np.diag(1 / scale[used])
            n_varying = len(rows)
            if n_varying > MAX_COORDINATES:
                sums = np.random.default_rng(0).standard_normal((MAX_COORDINATES, n_varying))
                rows = sums / np.sqrt(MAX_COORDINATES) / scale[used]
                n_varying = MAX_COORDINATES
            taken, linear = own[used], rows
            if presence is not None and presence[node] not in taken:
                taken = np.append(taken, presence[node])
                linear = np.zeros((n_varying + 1, len(taken)))
                linear[:-1, :-1] = rows
                linear[-1, -1] = np.sqrt(len(X) + 2.0)
            center = X[:, taken].mean(axis=0, dtype=np.float64)
            chosen.append((taken, center, linear, n_varying))
        return cls(*zip(*chosen))

    @property
    def blocks(self) -> list[slice]:
        """Coordinates of every node."""
        stops = np.cumsum([len(linear) for linear in self.maps])
        starts = [0, *stops[:-1]]
        return [slice(int(start), int(stop)) for start, stop in zip(starts, stops)]

    @property
    def nodes(self) -> np.ndarray:
        """Node of every coordinate."""
        return np.repeat(np.arange(len(self.maps)), [len(linear) for linear in self.maps])

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Coordinates of rows of the table, (n_rows, n_coordinates) float64."""
        with single_blas_thread():
            parts = [
                np.subtract(rows[:, own], center, dtype=np.float64) @ linear.T
                for own, center, linear in zip(self.columns, self.centers, self.maps)
            ]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Classes:
    """Classes as they are in some rows: whitened directions of every node, and class means."""

    coordinates: Coordinates  # of these rows: others must not have a say in their scale
    whitening: tuple[np.ndarray, ...]  # (n_coordinates, n_coordinates) of every node
    means: np.ndarray  # (n_classes, n_directions) along all these directions
    gains: np.ndarray  # (n_directions,): how far each tells classes apart, from 0 to below 1
    caps: np.ndarray  # (n_directions,): largest squared differences that count
    nodes: np.ndarray  # (n_directions,): node of every direction

    @classmethod
    def of(
        cls,
        X: np.ndarray,
        codes: np.ndarray,
        n_classes: int,
        columns: Sequence[np.ndarray],
        presence: np.ndarray | None,
    ) -> Classes:
        """Fit the classes of rows of a table; each has at least one row."""
        coordinates = Coordinates.of(X, columns, presence)
        points = coordinates(X)
        whitening, means, gains, caps = [], [], [], []
        for block, n_varying in zip(coordinates.blocks, coordinates.n_varying):
            own = points[:, block]
            linear, gain = np.eye(own.shape[1]), np.zeros(own.shape[1])
            if n_varying:
                rows = own[:, :n_varying] - own[:, :n_varying].mean(axis=0)
                scatter = ClassScatter.of(rows, codes, n_classes)
                shrinkage = ledoit_wolf([(slice(None), rows)], codes, scatter)
                basis, n_leading = Discriminants(scatter).basis(shrinkage)
                between = ((scatter.between_factor() @ basis[:n_leading].T) ** 2).sum(axis=0)
                linear[:n_varying, :n_varying] = basis
                gain[:n_leading] = between / (1 + between)
            whitened = own @ linear.T
            counts = np.bincount(codes, minlength=n_classes)
            sums = np.stack([whitened[codes == code].sum(axis=0) for code in range(n_classes)])
            whitening.append(linear)
            means.append(sums / counts[:, None])
            gains.append(gain)
            caps.append(np.where(np.arange(len(gain)) < n_varying, MOST_DEVIATIONS**2, np.inf))
        along = np.concatenate(means, axis=1), np.concatenate(gains), np.concatenate(caps)
        return cls(coordinates, tuple(whitening), *along, coordinates.nodes)

    def weights(self, units: np.ndarray) -> np.ndarray:
        """Weights of the squared differences along all directions, (n_directions,)."""
        return self.gains / units[0] + 1 / units[1]

    def whitened(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the table along all directions, (n_rows, n_directions)."""
        points = self.coordinates(rows)
        parts = [
            points[:, block] @ linear.T
            for block, linear in zip(self.coordinates.blocks, self.whitening)
        ]
        return np.concatenate(parts, axis=1)

    def squares(self, whitened: np.ndarray, codes: np.ndarray | int) -> np.ndarray:
        """Squared differences to class means that count, (n_rows, n_directions)."""
        return np.minimum((whitened - self.means[codes]) ** 2, self.caps)

    def scores(self, whitened: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Scores of all classes, (n_rows, n_classes)."""
        scores = np.empty((len(whitened), len(self.means)))
        for code in range(len(self.means)):
            scores[:, code] = self.squares(whitened, code) @ weights
        return scores

    def contributions(
        self, whitened: np.ndarray, codes: np.ndarray, weights: np.ndarray, n_nodes: int
    ) -> np.ndarray:
        """What nodes contribute to the scores of one class each, (n_rows, n_nodes)."""
        return sum_by_node(self.squares(whitened, codes) * weights, self.nodes, n_nodes)


@dataclass(frozen=True)
class NoveltyModel:
    """The classes of a table, and those of the same table without some rows."""

    whole: Classes  # of all rows
    # classes without the rows of each fold, which p-values compare with; `whole` alone where rows
    # that it was not fitted on calibrate it
    parts: tuple[Classes, ...]
    held_out: HeldOutScores

    @classmethod
    def cross_fitted(
        cls,
        X: np.ndarray,
        codes: np.ndarray,
        n_classes: int,
        columns: Sequence[np.ndarray],
        presence: np.ndarray | None,
        folds: Sequence[np.ndarray],
    ) -> NoveltyModel:
        """Fit a table, and calibrate by the rows of every fold, which its classes were not fit on.

        Shapes: `X` (n_samples, n_features), `codes` (n_samples,) int.
        """
        with single_blas_thread():
            parts = []
            for fold in folds:
                rest = np.delete(np.arange(len(X)), fold)
                parts.append(Classes.of(X[rest], codes[rest], n_classes, columns, presence))
            held_out = [(X[fold], codes[fold]) for fold in folds]
            scores = _score_held_out(parts, held_out, n_classes)
            whole = Classes.of(X, codes, n_classes, columns, presence)
        return cls(whole, tuple(parts), scores)

    @classmethod
    def split(
        cls,
        X: np.ndarray,
        codes: np.ndarray,
        n_classes: int,
        columns: Sequence[np.ndarray],
        presence: np.ndarray | None,
        held_out: tuple[np.ndarray, np.ndarray] | HeldOutScores,
    ) -> NoveltyModel:
        """Fit a table, and calibrate by other rows and their classes, or by what these gave."""
        with single_blas_thread():
            whole = Classes.of(X, codes, n_classes, columns, presence)
            if not isinstance(held_out, HeldOutScores):
                held_out = _score_held_out([whole], [held_out], n_classes)
        return cls(whole, (whole,), held_out)

    def contributions(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What nodes contribute to the novelty of rows, (n_rows, n_nodes); the nearest classes."""
        found = self.held_out
        direct, nearest = np.empty((len(rows), len(found.usual))), np.empty(len(rows), np.intp)
        weights = self.whole.weights(found.units)
        with single_blas_thread():
            for block in self._blocks(len(rows)):
                whitened = self.whole.whitened(rows[block])
                nearest[block] = self.whole.scores(whitened, weights).argmin(axis=1)
                direct[block] = self.whole.contributions(
                    whitened, nearest[block], weights, len(found.usual)
                )
        return (direct - found.usual) / found.spread, nearest

    def p_values(
        self, rows: np.ndarray, itself: np.ndarray | float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Conformal p-values of all classes, (n_rows, n_classes), and of any, (n_rows,).

        A row counts as `itself` among those that are as far, (n_rows, n_classes) from 0 to 1.
        """
        found = self.held_out
        farther = np.full((len(rows), len(self.whole.means)), itself)
        farther_of_all = np.ones(len(rows))
        with single_blas_thread():
            for block in self._blocks(len(rows)):
                for part, own, smallest in zip(self.parts, found.own, found.smallest):
                    whitened = part.whitened(rows[block])
                    scores = part.scores(whitened, part.weights(found.units))
                    misfits = _misfits(scores)
                    for code, held_out in enumerate(own):
                        farther[block, code] += _count_from(held_out, misfits[:, code])
                    farther_of_all[block] += _count_from(smallest, scores.min(axis=1))
        return farther / (found.counts + 1), farther_of_all / (found.counts.sum() + 1)

    def _blocks(self, n_rows: int) -> list[slice]:
        size = max(1, BLOCK_VALUES // max(1, self.whole.means.shape[1]))
        return [slice(start, start + size) for start in range(0, n_rows, size)]


def _score_held_out(
    parts: Sequence[Classes],
    held_out: Sequence[tuple[np.ndarray, np.ndarray]],
    n_classes: int,
) -> HeldOutScores:
    """Score held-out rows, given with their classes, by the classes without them."""
    whitened = [part.whitened(rows) for part, (rows, _) in zip(parts, held_out)]
    terms = []
    for part, rows, (_, codes) in zip(parts, whitened, held_out):
        squares = part.squares(rows, codes)
        terms.append(np.stack([squares @ part.gains, squares.sum(axis=1)], axis=1))
    units = np.array([_spread(term) for term in np.concatenate(terms).T])
    own, smallest, direct = [], [], []
    for part, rows, (_, codes) in zip(parts, whitened, held_out):
        weights = part.weights(units)
        scores = part.scores(rows, weights)
        of_own = _misfits(scores)[np.arange(len(rows)), codes]
        own.append([np.sort(of_own[codes == code]) for code in range(n_classes)])
        smallest.append(np.sort(scores.min(axis=1)))
        nearest = scores.argmin(axis=1)
        direct.append(part.contributions(rows, nearest, weights, len(part.coordinates.maps)))
    direct = np.concatenate(direct)
    totals = direct.sum(axis=1)
    low, high = np.quantile(totals, [0.25, 0.75])
    usual = direct[(totals >= low) & (totals <= high)].mean(axis=0)
    return HeldOutScores(units, usual, _spread(totals), own, smallest)


def _misfits(scores: np.ndarray) -> np.ndarray:
    """How badly rows fit to classes, by their scores, (n_rows, n_classes)."""
    smallest = scores.min(axis=1, keepdims=True)
    return smallest + RIVAL * (scores - smallest)


def _spread(values: np.ndarray) -> float:
    """Standard deviation of the middle half of some values, as if they were normal."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float((high - low) / _IQR_OF_NORMAL or values.std() or 1.0)


def _count_from(ascending: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How many of some numbers are at least as large as each value."""
    return len(ascending) - np.searchsorted(ascending, values, side="left")
