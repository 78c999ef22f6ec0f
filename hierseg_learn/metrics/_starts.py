"""Maps that a gradient starts from, in standardised coordinates, from sums over the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._discriminants import fix_signs
from ._rows import Rows

# a variance below this share of the largest is none
SINGULAR = 1e-6


@dataclass(frozen=True)
class Moments:
    """What the starts need to know about the rows.

    Parameters
    ----------
    counts : ndarray of shape (n_classes,)
        Rows per class.
    means : ndarray of shape (n_classes, n_features)
        Class means about the mean of all these rows.
    within : ndarray of shape (n_features, n_features)
        Covariance within the classes, pooled.
    """

    counts: np.ndarray
    means: np.ndarray
    within: np.ndarray

    @property
    def between(self) -> np.ndarray:
        """Covariance of the class means, weighted by their rows."""
        return self.means.T @ (self.counts[:, None] * self.means) / self.counts.sum()


def class_moments(rows: Rows, codes: np.ndarray, indices: np.ndarray) -> Moments:
    """Sum up some rows of a table in fixed blocks.

    Parameters
    ----------
    rows : Rows
    codes : ndarray of shape (n_samples,), int
        Class of every row of the table.
    indices : ndarray of int
        The rows that count.

    Returns
    -------
    Moments
        Of the classes that occur.
    """
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
    """Directions of largest total variance, (n_components, n_features), orthonormal.

    Rows for which no direction has a variance are zero.
    """
    variances, vectors = np.linalg.eigh(moments.within + moments.between)
    vectors[:, variances <= SINGULAR * variances[-1]] = 0.0
    return fix_signs(vectors[:, ::-1].T[:n_components])


def discriminant_rows(moments: Moments, n_components: int) -> np.ndarray:
    r"""Directions in which the within-class covariance is the identity, the telling ones first.

    The covariance is shrunk towards the identity times its mean variance by the
    oracle-approximating share [1]_, which is large where rows are few. The discriminants come
    first, by the spread of the class means; the directions behind them, in which the class means
    agree, by their variance. Directions in which the rows do not vary are left out, for columns
    that repeat each other say nothing about how large they should be.

    Parameters
    ----------
    moments : Moments
    n_components : int
        At most the number of features.

    Returns
    -------
    components : ndarray of shape (n_components, n_features)
        Rows for which no direction is left are zero.

    References
    ----------
    .. [1] Y. Chen, A. Wiesel, Y. C. Eldar, A. O. Hero. "Shrinkage Algorithms for MMSE Covariance
       Estimation". IEEE Transactions on Signal Processing 58, 2010, equation (23).
    """
    variances, axes = np.linalg.eigh(moments.within + moments.between)
    axes = axes[:, variances > SINGULAR * variances[-1]]
    n_axes = axes.shape[1]
    components = np.zeros((n_components, len(moments.within)))
    if n_axes == 0:
        return components
    within, between = (axes.T @ matrix @ axes for matrix in (moments.within, moments.between))
    share = oracle_shrinkage(within, moments.counts.sum() - len(moments.counts))
    mean_variance = max(np.trace(within) / n_axes, SINGULAR * variances[-1])
    variances, vectors = np.linalg.eigh(
        (1 - share) * within + share * mean_variance * np.eye(n_axes)
    )
    # a direction without scatter has no scale; it must not get an infinite one
    whitening = vectors / np.sqrt(np.maximum(variances, SINGULAR * variances[-1]))
    spread, turn = np.linalg.eigh(whitening.T @ between @ whitening)
    spread, turn = spread[::-1], turn[:, ::-1]
    n_telling = int((spread > 1e-10 * spread[0]).sum())
    n_telling = min(n_telling, len(moments.counts) - 1)
    rest = turn[:, n_telling:]
    if rest.shape[1]:
        # whitened, they have all the same variance, so it is the one in `moments` that ranks them
        _, inner = np.linalg.eigh(rest.T @ (whitening.T @ whitening) @ rest)
        rest = rest @ inner
    directions = np.hstack([turn[:, :n_telling], rest]).T @ whitening.T @ axes.T
    components[: min(n_axes, n_components)] = directions[:n_components]
    return fix_signs(components)


def oracle_shrinkage(covariance: np.ndarray, n_samples: float) -> float:
    """Share of the identity in a covariance estimated from `n_samples` rows, between 0 and 1."""
    size = len(covariance)
    square, trace = np.sum(covariance**2), np.trace(covariance) ** 2
    numerator = (1 - 2 / size) * square + trace
    denominator = (max(n_samples, 1) + 1 - 2 / size) * (square - trace / size)
    return 1.0 if denominator <= 0 else float(np.clip(numerator / denominator, 0, 1))
