"""Similarities to landmarks, and a node learner of a closed form: discriminants over these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ..kernels.threads import single_blas_thread
from ._lda import ShrinkageLDA, row_blocks
from ._training import Rows
from .base import NonlinearMetric

# rows that bandwidths and weights of columns are estimated on
BANDWIDTH_ROWS = 500
WEIGHT_ROWS = 4096
GRADIENT_ROWS = 1024
# share of the largest variance below which a direction of similarities is left out
RANK = 1e-4
# squared distances of rows that are the same but for rounding
FLAT = 1e-8


@dataclass(frozen=True)
class Landmarks:
    """Similarities of rows to landmarks, in coordinates in which they are a linear kernel."""

    weights: np.ndarray  # (n_features,): of the columns in squared distances
    points: np.ndarray  # (n_landmarks, n_features): the landmarks, times the roots of the weights
    normalization: np.ndarray  # (n_landmarks, n_landmarks): the inverse root of their kernel
    gamma: float

    @classmethod
    def draw(
        cls,
        rows: np.ndarray,
        weights: np.ndarray,
        n_landmarks: int,
        gamma: float | None,
        seed: int,
    ) -> Landmarks:
        """Draw landmarks among rows, (n_rows, n_features)."""
        scaled = rows * np.sqrt(weights)
        if gamma is None:
            gamma = 1 / median_squared_distance(scaled[:BANDWIDTH_ROWS])
        size = min(n_landmarks, len(rows))
        drawn = Nystroem(gamma=gamma, n_components=size, random_state=seed).fit(scaled)
        return cls(weights, drawn.components_, drawn.normalization_, float(gamma))

    def similarities(self, rows: np.ndarray) -> np.ndarray:
        """Kernel of rows and landmarks, (n_rows, n_landmarks)."""
        return np.exp(-self.gamma * squared_distances(rows * np.sqrt(self.weights), self.points))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Features of rows, (n_rows, n_features + n_landmarks): the columns stay beside them."""
        return np.concatenate([rows, self.similarities(rows) @ self.normalization.T], axis=1)

    def slopes(self, components: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Mean squared derivatives of a map of the features by every column, (n_features,)."""
        n_columns, kernel = rows.shape[1], self.similarities(rows)
        landmarks = self.points / np.sqrt(np.where(self.weights > 0, self.weights, np.inf))
        squares = np.zeros(n_columns)
        for component in components:
            pull = kernel * (component[n_columns:] @ self.normalization)
            of_kernel = pull.sum(axis=1)[:, np.newaxis] * rows - pull @ landmarks
            slope = component[:n_columns] - 2 * self.gamma * self.weights * of_kernel
            squares += np.mean(slope**2, axis=0)
        return squares


@dataclass(frozen=True)
class ColumnsAndLandmarks:
    """Standardized columns of a node and, beside them, similarities to some of its rows."""

    landmarks: np.ndarray  # (n_landmarks, n_columns)
    roots: np.ndarray  # (n_columns,): of the weights of the columns in squared distances
    width: float  # what squared distances are divided by: their median
    turn: np.ndarray  # (n_landmarks, n_similar): makes products of similarities a kernel's values
    center: np.ndarray  # (n_similar,): their means

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embed standardized rows, (n_rows, n_columns): (n_rows, n_columns + n_similar)."""
        return np.concatenate([rows, self.similarities(rows)], axis=1)

    def similarities(self, rows: np.ndarray) -> np.ndarray:
        """The similarities alone, (n_rows, n_similar)."""
        return self._kernel(rows) @ self.turn - self.center

    def slopes(self, rows: np.ndarray, own: np.ndarray, similar: np.ndarray) -> np.ndarray:
        """Mean squared derivatives of maps by every column, (n_columns,).

        The maps weigh columns, (n_columns, n_maps), and similarities, (n_similar, n_maps).
        """
        kernel, squares = self._kernel(rows), np.zeros(rows.shape[1])
        for weights, pulls in zip(own.T, (self.turn @ similar).T, strict=True):
            pull = kernel * pulls
            of_kernel = pull.sum(axis=1)[:, np.newaxis] * rows - pull @ self.landmarks
            slope = weights - 2 / self.width * self.roots**2 * of_kernel
            squares += np.mean(slope**2, axis=0)
        return squares

    def weighted(self, weights: np.ndarray, size: float, rows: np.ndarray) -> ColumnsAndLandmarks:
        """The same landmarks under other weights of the columns, (n_columns,), and of another size.

        The size is what similarities are multiplied by.
        """
        again = self._at(self.landmarks, np.sqrt(weights), rows[:BANDWIDTH_ROWS], rows)
        return replace(again, turn=size * again.turn, center=size * again.center)

    @classmethod
    def of(cls, rows: np.ndarray, n_landmarks: int, seed: int) -> ColumnsAndLandmarks:
        """Draw landmarks from standardized rows, (n_rows, n_columns), or what makes them."""
        order = np.random.default_rng(seed).permutation(len(rows))
        roots = np.ones(rows.shape[1])
        return cls._at(rows[order[:n_landmarks]], roots, rows[order[:BANDWIDTH_ROWS]], rows)

    @classmethod
    def _at(
        cls, landmarks: np.ndarray, roots: np.ndarray, some: np.ndarray, rows: np.ndarray
    ) -> ColumnsAndLandmarks:
        """With the width that some of the rows tell."""
        scaled = landmarks * roots
        apart = squared_distances(some * roots, scaled)
        apart = apart[apart > FLAT]
        width = float(np.median(apart)) if len(apart) else 1.0
        sizes, turn = np.linalg.eigh(np.exp(-squared_distances(scaled, scaled) / width))
        kept = sizes > RANK * sizes.max(initial=0.0)
        turn = turn[:, kept] / np.sqrt(sizes[kept])
        plain = cls(landmarks, roots, width, turn, np.zeros(turn.shape[1]))
        total = sum(plain.similarities(block).sum(axis=0) for _, block in row_blocks(rows))
        return replace(plain, center=total / len(rows))

    def _kernel(self, rows: np.ndarray) -> np.ndarray:
        apart = squared_distances(rows * self.roots, self.landmarks * self.roots)
        apart /= -self.width
        return np.exp(apart, out=apart)


@dataclass(frozen=True)
class KernelEmbedding:
    """A linear map of the features of landmarks, over standardized columns."""

    mean: np.ndarray  # (n_features,): of the columns
    scale: np.ndarray  # (n_features,): their deviations; infinite for constant columns
    landmarks: Landmarks
    components: np.ndarray  # (n_components, n_features + n_landmarks)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embed rows, (n_rows, n_features) float64: (n_rows, n_components) float64."""
        return self.landmarks((rows - self.mean) / self.scale) @ self.components.T


class KernelDiscriminant(NonlinearMetric):
    r"""Discriminants of the columns and of similarities to landmarks, in closed form.

    For classes that no linear map tells apart, such as the two of an exclusive or. The features of
    a row are its standardized columns, and its similarities :math:`\exp(-\gamma \sum_j w_j (x_j -
    l_j)^2)` to some training rows l, the landmarks, in the coordinates of Nyström's method [1]_, in
    which a product of features approximates the kernel. The map is that of
    :class:`ShrinkageLDA` over these features, which approximates kernel discriminants [2]_: linear
    in its features, so that the contributions of nodes stay exact, and not much worse than linear
    discriminants where a linear map is best, since the columns are among them.

    Columns that do not matter would drown those that do. So the weights :math:`w_j` start equal and
    are then set, `n_weightings` times, to the mean squared derivative of the discriminants by the
    column, with which the discriminants are learned again [3]_.

    Parameters
    ----------
    n_components : int, default=None
        Number of discriminants; None takes all, the number of classes less one.
    n_landmarks : int, default=100
        Most landmarks. Time and memory grow with their number times that of the rows.
    gamma : float, default=None
        Factor of the squared distances of standardized rows, of which weights have a mean of 1;
        None is the inverse of the median squared distance of two rows.
    n_weightings : int, default=2
        How often the columns are weighted; 0 leaves all weights equal.
    shrinkage : "auto" or float, default="auto"
        Shrinkage of the covariance within classes, as for :class:`ShrinkageLDA`.
    n_extra_directions : int, default=0
        Number of further directions of the columns alone, behind the linear discriminants, that a
        parent in a tree may combine with those of other nodes; none of them counts for the node's
        own distance.
    random_state : int, RandomState or None, default=None
        Draws the landmarks.

    Attributes
    ----------
    embedding_ : callable
        The embedding, a function of rows.
    column_weights_ : ndarray of shape (n_features,), float64
        The weights w of the columns, with a mean of 1; 0 for a constant column.
    gamma_ : float
        The factor that was used.
    n_discriminants_ : int
        Number of discriminants, the first components.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if `fit` got a table with string names.

    See Also
    --------
    ShrinkageLDA : The same for a linear map.
    MLPMetric : An embedding that is trained.
    sklearn.kernel_approximation.Nystroem : The coordinates of the similarities.

    References
    ----------
    .. [1] C. K. I. Williams, M. Seeger. "Using the Nyström Method to Speed Up Kernel Machines".
       NIPS 2000.
    .. [2] S. Mika, G. Rätsch, J. Weston, B. Schölkopf, K.-R. Müller. "Fisher Discriminant Analysis
       with Kernels". Neural Networks for Signal Processing IX, 1999.
    .. [3] A. Radhakrishnan, D. Beaglehole, P. Pandit, M. Belkin. "Mechanism for Feature Learning in
       Neural Networks and Backpropagation-Free Machine Learning Models". Science 383, 2024. (The
       weights are the diagonal of the average gradient outer product.)

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics import KernelDiscriminant
    >>> X = np.random.default_rng(0).uniform(-1, 1, (400, 4))
    >>> y = X[:, 0] * X[:, 1] > 0
    >>> metric = KernelDiscriminant(random_state=0).fit(X, y)
    >>> metric.column_weights_.round()
    array([2., 2., 0., 0.])
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "n_weightings": [Interval(Integral, 0, None, closed="left")],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "n_extra_directions": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        n_landmarks: int = 100,
        gamma: float | None = None,
        n_weightings: int = 2,
        shrinkage: str | float = "auto",
        n_extra_directions: int = 0,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.n_landmarks = n_landmarks
        self.gamma = gamma
        self.n_weightings = n_weightings
        self.shrinkage = shrinkage
        self.n_extra_directions = n_extra_directions
        self.random_state = random_state

    def _fit(self, X: np.ndarray, codes: np.ndarray) -> KernelEmbedding:
        n_classes = int(codes.max()) + 1
        if self.n_components is not None and self.n_components > n_classes - 1:
            raise ValueError(
                f"n_components={self.n_components} must be at most {n_classes - 1}: {n_classes} "
                "classes give no more discriminants."
            )
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        with single_blas_thread():
            standard = Rows(X)
            rows = np.concatenate([block for _, block in standard.blocks(np.arange(len(X)))])
            weights = np.isfinite(standard.scale).astype(np.float64)
            weights = self._weigh(weights, rows[:WEIGHT_ROWS], codes[:WEIGHT_ROWS], seed)
            landmarks = Landmarks.draw(rows, weights, self.n_landmarks, self.gamma, seed)
            learner = ShrinkageLDA(self.n_components, shrinkage=self.shrinkage)
            components = learner._fit(landmarks(rows), codes)
            if n_extra := self.n_extra_directions:
                linear = ShrinkageLDA(shrinkage=self.shrinkage, n_extra_directions=n_extra)
                extra = linear._fit(rows, codes)
                wide = np.zeros((len(extra), components.shape[1]))
                wide[:, : rows.shape[1]] = extra
                components = np.concatenate([components, wide])
        self.column_weights_, self.gamma_ = weights, landmarks.gamma
        self.n_discriminants_ = learner.n_discriminants_
        return KernelEmbedding(standard.mean, standard.scale, landmarks, components)

    def _weigh(
        self, weights: np.ndarray, rows: np.ndarray, codes: np.ndarray, seed: int
    ) -> np.ndarray:
        """Weights of the columns, with a mean of 1, after those to start from."""
        n_iter = self.n_weightings if len(np.unique(codes)) > 1 else 0
        for _ in range(n_iter):
            landmarks = Landmarks.draw(rows, weights, self.n_landmarks, self.gamma, seed)
            components = ShrinkageLDA(shrinkage=self.shrinkage)._fit(landmarks(rows), codes)
            slopes = landmarks.slopes(components, rows[:GRADIENT_ROWS])
            if not slopes.any():
                break
            weights = slopes / slopes.mean()
        return weights / (weights.mean() or 1.0)


def squared_distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances of rows and others, (n_rows, n_others)."""
    lengths = np.einsum("ij,ij->i", rows, rows)[:, np.newaxis]
    found = lengths + np.einsum("ij,ij->i", others, others)
    found -= 2 * rows @ others.T
    return np.maximum(found, 0.0, out=found)


def median_squared_distance(rows: np.ndarray) -> float:
    """Median of the squared distances of two rows each, or their mean where that is 0."""
    squared = squared_distances(rows, rows)[np.triu_indices(len(rows), 1)]
    # of equal rows nothing but rounding is left
    squared[squared <= 1e-12 * np.einsum("ij,ij->i", rows, rows).max()] = 0.0
    return float(np.median(squared)) or float(squared.mean()) or 1.0
