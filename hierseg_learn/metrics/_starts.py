"""Starts of the gradient learners, over standardized columns, from sums over the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from ..kernels import Backend
from ._lda import fix_signs
from ._training import NeighborScore, Rows

# a variance below this share of the largest is none
SINGULAR = 1e-6


@dataclass(frozen=True)
class Moments:
    """Class sizes, class means and covariance within classes."""

    counts: np.ndarray  # (n_classes,): rows per class
    means: np.ndarray  # (n_classes, n_features): class means about the mean of all these rows
    within: np.ndarray  # (n_features, n_features): covariance within the classes, pooled

    @property
    def between(self) -> np.ndarray:
        """Covariance of the class means, weighted by their rows."""
        return self.means.T @ (self.counts[:, None] * self.means) / self.counts.sum()


def class_moments(rows: Rows, codes: np.ndarray, indices: np.ndarray) -> Moments:
    """Moments of some rows, summed over fixed blocks, for the classes that occur."""
    n_classes, n_features = int(codes.max()) + 1, rows.X.shape[1]
    counts = np.zeros(n_classes)
    sums, squares = np.zeros((n_classes, n_features)), np.zeros((n_features, n_features))
    for numbers, block in rows.blocks(indices):
        counts += np.bincount(codes[numbers], minlength=n_classes)
        np.add.at(sums, codes[numbers], block)
        squares += block.T @ block
    counts, sums = counts[counts > 0], sums[counts > 0]
    means = sums / counts[:, None]
    within = squares - means.T @ (counts[:, None] * means)
    within /= max(len(indices) - len(counts), 1)
    return Moments(counts, means - sums.sum(axis=0) / counts.sum(), within)


def principal_rows(moments: Moments, n_components: int) -> np.ndarray:
    """Directions of largest total variance, (n_components, n_features); rows behind them are 0."""
    variances, vectors = np.linalg.eigh(moments.within + moments.between)
    vectors[:, variances <= SINGULAR * variances[-1]] = 0.0
    directions = np.zeros((n_components, len(vectors)))
    directions[: len(vectors)] = vectors[:, ::-1].T[:n_components]
    return fix_signs(directions)


class DiscriminantRows:
    """Directions in which the within-class covariance is the identity, the discriminants first.

    The covariance is shrunk towards the identity times its mean variance. The discriminants are
    sorted by the spread of the class means; the directions behind them, in which the class means
    agree, by their variance. Directions in which the rows do not vary are left out: nothing says
    how large they should be.
    """

    def __init__(self, moments: Moments) -> None:
        self._n_features, self._max_discriminants = len(moments.within), len(moments.counts) - 1
        variances, axes = np.linalg.eigh(moments.within + moments.between)
        self._min_variance = SINGULAR * variances[-1]
        axes = axes[:, variances > self._min_variance]
        self.oracle = 0.0
        self._basis = np.zeros((self._n_features, 0))
        if axes.shape[1]:
            within = axes.T @ moments.within @ axes
            self.oracle = oracle_shrinkage(within, moments.counts.sum() - len(moments.counts))
            self._variances, vectors = np.linalg.eigh(within)
            self._basis = axes @ vectors
        shares = moments.counts / moments.counts.sum()
        self._between = np.sqrt(shares)[:, None] * moments.means @ self._basis

    def rows(
        self, n_components: int, shrinkage: float | None = None, rest: float = 1.0
    ) -> np.ndarray:
        """Directions for one shrinkage, (n_components, n_features); rows behind them are 0."""
        components = np.zeros((n_components, self._n_features))
        n_axes = self._basis.shape[1]
        if n_axes == 0:
            return components
        share = self.oracle if shrinkage is None else shrinkage
        mean_variance = max(self._variances.sum() / n_axes, self._min_variance)
        shrunk = (1 - share) * self._variances + share * mean_variance
        # a direction without scatter must not get an infinite scale
        whitening = 1 / np.sqrt(np.maximum(shrunk, self._min_variance))
        _, spread, turn = np.linalg.svd(self._between * whitening, full_matrices=True)
        n_discriminants = min(int((spread > 1e-5 * spread[0]).sum()), self._max_discriminants)
        n_rest = min(n_axes, n_components) - n_discriminants
        directions = turn[: min(n_discriminants, n_components)] * whitening
        if n_rest > 0 and rest:
            others = turn[n_discriminants:] * whitening
            # whitened, all have the same variance; they are ranked by that before
            _, inner = eigh(others @ others.T, subset_by_index=(0, n_rest - 1))
            directions = np.concatenate([directions, rest * (inner.T @ others)])
        components[: len(directions)] = directions @ self._basis.T
        return fix_signs(components)


def oracle_shrinkage(covariance: np.ndarray, n_samples: float) -> float:
    """Share of the identity in a covariance estimated from `n_samples` rows, between 0 and 1."""
    size = len(covariance)
    square, trace = np.sum(covariance**2), np.trace(covariance) ** 2
    numerator = (1 - 2 / size) * square + trace
    denominator = (max(n_samples, 1) + 1 - 2 / size) * (square - trace / size)
    return 1.0 if denominator <= 0 else float(np.clip(numerator / denominator, 0, 1))


# rows per column above which the shrinkage hardly matters
FEW_ROWS = 20
N_FOLDS = 3
SHRINKAGES = (None, 0.2, 0.4, 0.6, 0.8)
RESTS = (1.0, 0.3, 0.1)


def discriminant_start(
    backend: Backend,
    rows: Rows,
    codes: np.ndarray,
    indices: np.ndarray,
    moments: Moments,
    n_components: int,
) -> np.ndarray:
    """Return the discriminants to start from, (n_components, n_features).

    The oracle's shrinkage is optimal for the covariance of normal rows, not for neighbors. With few
    rows per column two numbers are chosen by cross-validation: the shrinkage, by the neighbors
    along the discriminants alone, and then the scale of the directions behind them.
    """
    chosen = DiscriminantRows(moments)
    folds = []
    if len(indices) < FEW_ROWS * rows.X.shape[1]:
        folds = _folds(backend, rows, codes, indices)
    if not folds:
        return chosen.rows(n_components)

    def total(make: Callable[[DiscriminantRows], np.ndarray]) -> float:
        return sum(score(make(found)) * score.n_rows for found, score in folds)

    def start(found: DiscriminantRows, shrinkage: float | None, rest: float) -> np.ndarray:
        return found.rows(n_components, shrinkage, rest)

    # the first of equals
    shrinkage = max(SHRINKAGES, key=lambda s: total(lambda found: start(found, s, 0.0)))
    rest = max(RESTS, key=lambda r: total(lambda found: start(found, shrinkage, r)))
    return start(chosen, shrinkage, rest)


def _folds(
    backend: Backend, rows: Rows, codes: np.ndarray, indices: np.ndarray
) -> list[tuple[DiscriminantRows, NeighborScore]]:
    """Discriminants without each fold, and their score on that fold.

    The rows of every class are assigned in their order, without chance. A class of one row is in no
    fold.
    """
    order = indices[np.argsort(codes[indices], kind="stable")]
    counts = np.bincount(codes[order])
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[codes[order]]
    folds = np.where(counts[codes[order]] > 1, rank % N_FOLDS, -1)
    found = []
    for fold in range(N_FOLDS):
        held_out, train = (np.sort(order[part]) for part in (folds == fold, folds != fold))
        if len(held_out) and len(np.unique(codes[train])) > 1:
            score = NeighborScore(
                backend, rows, codes, train, held_out, np.random.RandomState(0), np.asarray
            )
            found.append((DiscriminantRows(class_moments(rows, codes, train)), score))
    return found
