"""Linear discriminants with a shrunk scatter: the closed-form node metric."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from numbers import Integral, Real
from operator import add

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ..kernels._threads import single_blas_thread
from ._base import LinearMetric
from ._discriminants import ClassScatter, Discriminants
from ._rows import Rows

Blocks = Iterable[tuple[np.ndarray | slice, np.ndarray]]


class ShrinkageLDA(LinearMetric):
    r"""Linear discriminants, scaled so that the shrunk scatter within classes is the identity.

    The squared distance of two rows along the discriminants is their Mahalanobis distance under the
    within-class covariance, in the subspace that tells the classes apart.

    Parameters
    ----------
    n_components : int, default=None
        Number of discriminants; None takes all, the number of classes less one.
    shrinkage : "auto" or float, default="auto"
        How far the covariance within classes is drawn towards the identity times its mean variance,
        after the features have been scaled to unit variance. "auto" is the lemma of Ledoit and
        Wolf [1]_.
    n_whitened : int, default=0
        Number of further directions, of the largest total variance, whitened likewise. They tell
        no classes apart here, but a parent in a tree may combine them with those of other nodes.

    Attributes
    ----------
    components_ : ndarray of shape (n_directions, n_features), float64
        The discriminants, and below them the whitened directions.
    n_leading_ : int
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
        "n_whitened": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        shrinkage: str | float = "auto",
        n_whitened: int = 0,
    ) -> None:
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.n_whitened = n_whitened

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
            self.shrinkage_ = self.choose_shrinkage(_blocks(rows), codes, scatter)
            basis, n_discriminants = Discriminants(scatter).basis(self.shrinkage_, self.n_whitened)
        self.n_leading_ = min(n_discriminants, self.n_components or n_discriminants)
        kept = np.concatenate([basis[: self.n_leading_], basis[n_discriminants:]])
        return kept / rows.scale

    def _most_components(self, n_features: int, n_classes: int) -> int:
        return min(n_classes - 1, n_features)

    def choose_shrinkage(self, blocks: Blocks, codes: np.ndarray, scatter: ClassScatter) -> float:
        """Return the shrinkage of standardised rows that the parameter stands for.

        Parameters
        ----------
        blocks : iterable of (ndarray of int or slice, ndarray of shape (n_rows, n_features))
            Numbers of the rows and the rows, of mean zero over all.
        codes : ndarray of shape (n_samples,), int
            Classes.
        scatter : ClassScatter
            Of these rows.

        Returns
        -------
        shrinkage : float
        """
        if self.shrinkage != "auto":
            return float(self.shrinkage)
        return _ledoit_wolf(blocks, codes, scatter)


def _blocks(rows: Rows) -> Blocks:
    return rows.blocks(np.arange(len(rows)))


def _scatter(rows: Rows, codes: np.ndarray, n_classes: int) -> ClassScatter:
    parts = (ClassScatter.of(block, codes[numbers], n_classes) for numbers, block in _blocks(rows))
    return reduce(add, parts)


def _ledoit_wolf(blocks: Blocks, codes: np.ndarray, scatter: ClassScatter) -> float:
    """Shrinkage of the scatter within classes, as `sklearn.covariance.ledoit_wolf_shrinkage`.

    That one needs all residuals at once; all it asks of them beside their scatter is the sum of
    the fourth powers of their lengths.
    """
    means = scatter.sums / np.maximum(scatter.counts, 1)[:, None]
    fourth = sum(
        float(np.sum(np.sum((block - means[codes[numbers]]) ** 2, axis=1) ** 2))
        for numbers, block in blocks
    )
    n_rows, n_features = scatter.n_rows, scatter.sums.shape[1]
    within = scatter.within() * (max(scatter.n_rows - scatter.n_classes, 1) / n_rows)
    square, mean = float(np.sum(within**2)), float(np.trace(within)) / n_features
    away = square - n_features * mean**2
    noise = min((fourth / n_rows - square) / n_rows, away)
    return max(noise / away, 0.0) if away > 0 and noise != 0 else 0.0
