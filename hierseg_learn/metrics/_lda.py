"""Linear discriminants with shrinkage: the node metric in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from numbers import Integral, Real
from operator import add

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.utils._param_validation import Interval, StrOptions

from ..kernels.threads import single_blas_thread
from ._training import Rows
from .base import LinearMetric

# a direction with less than this share of the largest variance has no scale
FLOOR = 1e-10
# rows, and which of the table they are
Blocks = Iterable[tuple[np.ndarray | slice, np.ndarray]]


@dataclass(frozen=True)
class ClassScatter:
    """Sums over rows from which discriminants follow; scatters of disjoint rows add up."""

    counts: np.ndarray  # (n_classes,) float64: rows of every class
    sums: np.ndarray  # (n_classes, n_features) float64: their sums
    moments: np.ndarray  # (n_features, n_features) float64: ``U.T @ U`` over all rows

    @classmethod
    def of(cls, U: np.ndarray, codes: np.ndarray, n_classes: int) -> ClassScatter:
        """Scatter of the rows of U, (n_samples, n_features); they should be centered, roughly."""
        U = np.asarray(U, dtype=np.float64)
        sums = np.stack([U[codes == code].sum(axis=0) for code in range(n_classes)])
        counts = np.bincount(codes, minlength=n_classes).astype(np.float64)
        return cls(counts, sums, U.T @ U)

    def __add__(self, other: ClassScatter) -> ClassScatter:
        return ClassScatter(
            self.counts + other.counts, self.sums + other.sums, self.moments + other.moments
        )

    def moved(self, step: np.ndarray) -> ClassScatter:
        """Scatter of the same rows plus a step, (n_features,)."""
        cross = np.outer(self.sums.sum(axis=0), step)
        return ClassScatter(
            self.counts,
            self.sums + self.counts[:, None] * step,
            self.moments + cross + cross.T + self.n_rows * np.outer(step, step),
        )

    def through(self, components: np.ndarray) -> ClassScatter:
        """Scatter of the same rows through a map, (n_components, n_features)."""
        moments = components @ self.moments @ components.T
        return ClassScatter(self.counts, self.sums @ components.T, (moments + moments.T) / 2)

    def shared(self, n_times: int) -> ClassScatter:
        """Scatter of the rows that are counted so many times."""
        return ClassScatter(self.counts / n_times, self.sums / n_times, self.moments / n_times)

    def standardized(self, used: np.ndarray, scale: np.ndarray) -> ClassScatter:
        """Scatter of some of the columns, (n_features,) bool, divided by their scales."""
        moments = self.moments[np.ix_(used, used)] / np.outer(scale[used], scale[used])
        return ClassScatter(self.counts, self.sums[:, used] / scale[used], moments)

    @property
    def n_rows(self) -> float:
        """Number of rows."""
        return float(self.counts.sum())

    @property
    def n_classes(self) -> int:
        """Number of classes that have rows."""
        return int((self.counts > 0).sum())

    def means(self) -> np.ndarray:
        """Mean of every class that has rows: (n_classes, n_features)."""
        seen = self.counts > 0
        return self.sums[seen] / self.counts[seen, None]

    def within(self) -> np.ndarray:
        """Covariance within classes, unbiased: (n_features, n_features)."""
        means = self.means()
        between = (means * self.counts[self.counts > 0, None]).T @ means
        return (self.moments - between) / max(self.n_rows - self.n_classes, 1)

    def between_factor(self) -> np.ndarray:
        """Return B, (n_classes, n_features), with ``B.T @ B`` the covariance of the class means."""
        shares = self.counts[self.counts > 0] / self.n_rows
        means = self.means()
        return np.sqrt(shares)[:, None] * (means - shares @ means)

    def total(self) -> np.ndarray:
        """Covariance of all rows: (n_features, n_features)."""
        mean = self.sums.sum(axis=0) / self.n_rows
        return self.moments / self.n_rows - np.outer(mean, mean)


# rows that are converted at once
BLOCK_ROWS = 4096


@dataclass(frozen=True)
class ColumnSums:
    """Sums over some rows of a table in some of its columns; those of disjoint rows add up."""

    center: np.ndarray  # (n_columns,) float64: mean of the rows
    largest: np.ndarray  # (n_columns,) float64: largest absolute values
    scatter: ClassScatter  # of the rows about their mean

    @classmethod
    def of(cls, rows: np.ndarray, codes: np.ndarray, n_classes: int) -> ColumnSums:
        """Sum rows, (n_rows, n_columns), of the classes `codes`, (n_rows,)."""
        total, largest = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        for _, block in row_blocks(rows):
            total += block.sum(axis=0)
            np.maximum(largest, np.abs(block).max(axis=0), out=largest)
        center = total / len(rows)
        parts = (
            ClassScatter.of(block - center, codes[place], n_classes)
            for place, block in row_blocks(rows)
        )
        return cls(center, largest, reduce(add, parts))

    @classmethod
    def join(cls, parts: Sequence[ColumnSums]) -> ColumnSums:
        """Join the sums of disjoint rows, in the order given."""
        if len(parts) == 1:
            return parts[0]
        sizes = np.array([part.scatter.n_rows for part in parts])
        center = sizes @ np.stack([part.center for part in parts]) / sizes.sum()
        scatter = reduce(add, (part.scatter.moved(part.center - center) for part in parts))
        return cls(center, np.max([part.largest for part in parts], axis=0), scatter)

    def spread(self) -> np.ndarray:
        """Standard deviation of every column, (n_columns,)."""
        variances = np.diag(self.scatter.moments) / self.scatter.n_rows
        return np.sqrt(np.maximum(variances, 0.0))


def row_blocks(rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (places, rows in float64) in blocks of a fixed size."""
    for start in range(0, len(rows), BLOCK_ROWS):
        place = slice(start, start + BLOCK_ROWS)
        yield place, rows[place].astype(np.float64)


class Discriminants:
    r"""Linear discriminants of a scatter, for any shrinkage at little extra cost.

    The within-class covariance W is shrunk towards the identity times its mean variance,
    :math:`(1 - s) W + s \bar{w} I` (Friedman, JASA 84, 1989): in coordinates of trained metrics the
    identity *is* these metrics side by side, so the shrinkage s says how much of them remains.
    """

    def __init__(self, scatter: ClassScatter) -> None:
        self.scatter = scatter
        variances, self._vectors = np.linalg.eigh(scatter.within())
        self._variances = np.maximum(variances, 0.0)
        self._between = scatter.between_factor() @ self._vectors

    def leading(self, shrinkage: float) -> np.ndarray:
        """Return the discriminants (n_leading, n_features), largest between-class variance first.

        The shrunk scatter within classes is the identity along them.
        """
        whitening = self._whitening(shrinkage)
        _, sizes, turns = np.linalg.svd(self._between * whitening, full_matrices=False)
        return fix_signs(turns[: self._count(sizes)] * whitening @ self._vectors.T)

    def basis(self, shrinkage: float, n_rest: int | None = None) -> tuple[np.ndarray, int]:
        """Return the discriminants, then the other directions by total variance, and `n_leading`.

        The shrunk scatter within classes is the identity along all of them. Of the others, at most
        `n_rest` that vary are returned; None takes all, a basis of the whole space.
        """
        whitening = self._whitening(shrinkage)
        _, sizes, turns = np.linalg.svd(self._between * whitening, full_matrices=True)
        n_leading = self._count(sizes)
        rest = turns[n_leading:] * whitening @ self._vectors.T
        if len(rest):
            variances, turn = np.linalg.eigh(rest @ self.scatter.total() @ rest.T)
            if n_rest is not None:
                # along what does not vary, other rows would be anywhere
                turn = turn[:, variances > FLOOR * variances.max()]
            rest = turn[:, ::-1].T[:n_rest] @ rest
        leading = turns[:n_leading] * whitening @ self._vectors.T
        return fix_signs(np.concatenate([leading, rest])), n_leading

    def whitener(self, shrinkage: float) -> np.ndarray:
        """Square map under which the shrunk scatter within classes is the identity."""
        return self._whitening(shrinkage)[:, None] * self._vectors.T

    def _whitening(self, shrinkage: float) -> np.ndarray:
        overall = float(np.trace(self.scatter.total())) / len(self._variances)
        variances = self._variances
        # without variance within classes, the scale is that of all rows
        if variances.max() <= FLOOR * overall:
            variances = np.full_like(variances, overall or 1.0)
        shrunk = (1 - shrinkage) * variances + shrinkage * variances.mean()
        # a direction without scatter must not get an infinite scale
        return 1 / np.sqrt(np.maximum(shrunk, FLOOR * max(shrunk.max(), overall)))

    def _count(self, sizes: np.ndarray) -> int:
        n_separating = int((sizes > FLOOR * max(sizes.max(), np.finfo(float).tiny)).sum())
        return min(n_separating, self.scatter.n_classes - 1)


def whitener(scatter: ClassScatter, shrinkage: float) -> np.ndarray:
    """`Discriminants.whitener` but for a turn, which costs less to find."""
    within, overall = scatter.within(), float(np.trace(scatter.total())) / len(scatter.moments)
    spread = float(np.trace(within))
    least = shrinkage * spread / len(within)
    if least <= FLOOR * max(spread, overall):  # some directions may be without scatter
        return Discriminants(scatter).whitener(shrinkage)
    shrunk = (1 - shrinkage) * within + least * np.eye(len(within))
    return solve_triangular(cholesky(shrunk, lower=True), np.eye(len(within)), lower=True)


def fix_signs(basis: np.ndarray) -> np.ndarray:
    """Make the entry of largest size in every row positive: the same basis on any LAPACK."""
    largest = np.argmax(np.abs(basis), axis=1)
    return basis * np.where(basis[np.arange(len(basis)), largest] < 0, -1.0, 1.0)[:, None]


class ShrinkageLDA(LinearMetric):
    r"""Linear discriminants, scaled so that the shrunk scatter within classes is the identity.

    The squared distance of two rows along the discriminants is their Mahalanobis distance under the
    within-class covariance, in the subspace that separates the classes.

    Parameters
    ----------
    n_components : int, default=None
        Number of discriminants; None takes all, the number of classes less one.
    shrinkage : "auto" or float, default="auto"
        Shrinkage of the covariance within classes towards the identity times its mean variance,
        after the features have been scaled to unit variance. "auto" is the lemma of Ledoit and
        Wolf [1]_.
    n_extra_directions : int, default=0
        Number of further directions, of the largest total variance, whitened likewise. They do not
        separate the classes, but a parent in a tree may combine them with those of other nodes.

    Attributes
    ----------
    components_ : ndarray of shape (n_directions, n_features), float64
        The discriminants, and below them the whitened directions.
    n_discriminants_ : int
        Number of discriminants.
    shrinkage_ : float
        The shrinkage that was used.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : The classifier; its shrinkage is
        estimated class by class.

    References
    ----------
    .. [1] O. Ledoit, M. Wolf. "A Well-Conditioned Estimator for Large-Dimensional Covariance
       Matrices". Journal of Multivariate Analysis 88, 2004, section 3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from hierseg_learn.metrics import ShrinkageLDA
    >>> X, y = load_iris(return_X_y=True)
    >>> ShrinkageLDA().fit(X, y).transform(X[:1]).shape
    (1, 2)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "n_extra_directions": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        shrinkage: str | float = "auto",
        n_extra_directions: int = 0,
    ) -> None:
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.n_extra_directions = n_extra_directions

    def _fit(self, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return self._fit_rows(X, np.arange(len(X)), codes)

    def _fit_rows(self, X: np.ndarray, order: np.ndarray, codes: np.ndarray) -> np.ndarray:
        n_classes = int(codes.max()) + 1
        most = self._most_components(X.shape[1], n_classes)
        if self.n_components is not None and self.n_components > most:
            raise ValueError(
                f"n_components={self.n_components} must be at most {most}: {n_classes} classes and "
                f"{X.shape[1]} features give no more discriminants."
            )
        rows = Rows(X, order)
        # one thread: the bits of a product depend on the number of threads
        with single_blas_thread():
            scatter = _scatter(rows, codes, n_classes)
            return self.learn_from_scatter(scatter, _blocks(rows), codes) / rows.scale

    def learn_from_scatter(
        self, scatter: ClassScatter, blocks: Blocks, codes: np.ndarray
    ) -> np.ndarray:
        """Return the map, (n_directions, n_features), from the scatter of standardized rows.

        `blocks` has these rows once more, (row numbers, rows), and `codes` their classes by number.
        """
        self.shrinkage_ = self.choose_shrinkage(blocks, codes, scatter)
        basis, n_discriminants = Discriminants(scatter).basis(
            self.shrinkage_, self.n_extra_directions
        )
        self.n_discriminants_ = min(n_discriminants, self.n_components or n_discriminants)
        return np.concatenate([basis[: self.n_discriminants_], basis[n_discriminants:]])

    def _most_components(self, n_features: int, n_classes: int) -> int:
        return min(n_classes - 1, n_features)

    def choose_shrinkage(self, blocks: Blocks, codes: np.ndarray, scatter: ClassScatter) -> float:
        """Return the shrinkage for standardized rows, given as blocks of (row numbers, rows)."""
        if self.shrinkage != "auto":
            return float(self.shrinkage)
        return ledoit_wolf(blocks, codes, scatter)


def _blocks(rows: Rows) -> Blocks:
    return rows.blocks(np.arange(len(rows)))


def _scatter(rows: Rows, codes: np.ndarray, n_classes: int) -> ClassScatter:
    parts = (ClassScatter.of(block, codes[numbers], n_classes) for numbers, block in _blocks(rows))
    return reduce(add, parts)


def ledoit_wolf(blocks: Blocks, codes: np.ndarray, scatter: ClassScatter) -> float:
    """Shrinkage of the scatter within classes, as `sklearn.covariance.ledoit_wolf_shrinkage`.

    That function needs all residuals at once; beside their scatter it only uses the mean of the
    fourth powers of their lengths. So `blocks` may also be some of the rows of the scatter.
    """
    means = scatter.sums / np.maximum(scatter.counts, 1)[:, None]
    fourth, n_seen = 0, 0
    for numbers, block in blocks:
        fourth += float(np.sum(np.sum((block - means[codes[numbers]]) ** 2, axis=1) ** 2))
        n_seen += len(block)
    n_rows, n_features = scatter.n_rows, scatter.sums.shape[1]
    within = scatter.within() * (max(scatter.n_rows - scatter.n_classes, 1) / n_rows)
    square, mean = float(np.sum(within**2)), float(np.trace(within)) / n_features
    away = square - n_features * mean**2
    noise = min((fourth / n_seen - square) / n_rows, away)
    return max(noise / away, 0.0) if away > 0 and noise != 0 else 0.0
