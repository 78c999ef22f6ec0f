"""Large margin nearest neighbors."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ..kernels import Backend
from ._gradient_metric import GradientMetric
from ._training import Batches, Objective, Rows

N_IMPOSTORS = 10


class ListObjective:
    """The loss of large margin nearest neighbors over the lists of a batch.

    Lists are searched for every batch, since old ones cost more accuracy than they save time.

    Shapes: `codes` (n_samples,) int.
    """

    def __init__(
        self,
        backend: Backend,
        rows: Rows,
        codes: np.ndarray,
        batches: Batches,
        n_targets: int,
        regularization: float,
        margin: float = 1.0,
    ) -> None:
        self._backend, self._rows, self._codes, self._batches = backend, rows, codes, batches
        self._n_targets, self._regularization = n_targets, regularization
        self._margin, self.n_batches = margin, batches.n_batches

    def draw(self, L: np.ndarray) -> None:
        """Take the next batch and search its lists under the map."""
        indices = self._batches.next()
        self._U = self._backend.asarray(self._rows.take(indices))
        Z = self._backend.to_numpy(self._embed(L))
        lists = neighbor_lists(self._backend, Z, self._codes[indices], self._n_targets, N_IMPOSTORS)
        self._lists = [self._backend.asarray(array) for array in lists]

    def loss_grad(self, L: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient over the lists: with Z = UL' the gradient by L is (dloss/dZ)'U."""
        # the kernel's margin is 1, so the map is measured in units of the margin
        unit = np.sqrt(self._margin)
        loss, gradient = self._backend.lmnn_loss_grad(
            self._embed(L / unit), *self._lists, self._regularization
        )
        by_map = self._backend.to_numpy(gradient.T @ self._U).astype(np.float64)
        return float(loss) * self._margin, by_map * unit

    def _embed(self, L: np.ndarray) -> Any:
        return self._U @ self._backend.asarray(L.astype(np.float32)).T


def neighbor_lists(
    backend: Backend, Z: np.ndarray, codes: np.ndarray, n_targets: int, n_impostors: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest mates and the nearest rows of other classes of every row.

    Shapes: `Z` (n_samples, n_components) float32, `codes` (n_samples,) int. Returns `targets`
    (n_samples, n_targets) int64; `impostors` (n_samples, n_impostors) int64: row numbers, nearest
    first; -1 where there are fewer.
    """
    targets = np.full((len(Z), n_targets), -1, dtype=np.int64)
    impostors = np.full((len(Z), n_impostors), -1, dtype=np.int64)
    for code in np.unique(codes):
        own, others = np.flatnonzero(codes == code), np.flatnonzero(codes != code)
        queries = backend.asarray(Z[own])
        n_near, n_far = min(n_targets, len(own) - 1), min(n_impostors, len(others))
        if n_near:
            itself = backend.asarray(np.arange(len(own)))
            found, _ = backend.nearest(queries, queries, n_near, itself)
            targets[own, :n_near] = own[backend.to_numpy(found)]
        if n_far:
            found, _ = backend.nearest(queries, backend.asarray(Z[others]), n_far)
            impostors[own, :n_far] = others[backend.to_numpy(found)]
    return targets, impostors


class LMNN(GradientMetric):
    r"""Large margin nearest neighbors, trained on lists of impostors.

    Target neighbors, the nearest mates of a row, are pulled near; impostors, the nearest rows of
    other classes, are pushed out of the margin around them [1]_. The loss runs over lists that are
    searched anew at every step, under the map as it is then and among the rows of its batch: no
    memory grows with the square of the number of rows.

    Parameters
    ----------
    n_components : int, default=None
        Number of rows of L; None takes the number of features, of fewer rows
        the dimensions that they span.
    init : {"auto", "pca", "lda", "identity", "random"} or ndarray, default="auto"
        The start, over columns of unit variance: "lda", shrunken discriminants and behind them the
        other directions, all whitened by the scatter within classes; "pca", the principal
        directions; "identity", the first columns; "random", normal numbers; "auto", "lda". An array
        of shape (n_components, n_features) is a map of raw columns. The scale of any start is
        adapted to the loss.
    max_iter : int, default=80
        Most steps; one step sees one batch. 0 returns the start.
    batch_size : "auto" or int, default="auto"
        Most rows per step. "auto" is a third of the rows, at least 100 and at most 1,000: on few
        rows, batches keep the map from learning each row's neighbors by heart.
    learning_rate_init : float, default=0.02
        First step size of Adam, relative to the size of the start; it falls to zero along a cosine.
    tol : float, default=1e-4
        An improvement of the held-out score (of the loss without early stopping) counts from here.
    early_stopping : bool, default=True
        Whether to hold rows out, stop when their score does not improve, and keep the last map
        whose score is within a standard error of the best and not below that of the start.
    validation_fraction : float, default=0.1
        Share of the rows held out, at most 0.5 and 2,000 rows.
    n_iter_no_change : int, default=40
        Stop after so many steps without improvement.
    n_neighbors : int, default=3
        Number of target neighbors of a row; a row with fewer mates has fewer.
    regularization : float, default=0.5
        Weight of the pull, between 0 and 1; the push has the rest.
    random_state : int, RandomState or None, default=None
        Draws held-out rows, batches and a random start.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the kernels run; "auto" takes a GPU if there is one and the table is not small.
    verbose : int, default=0
        1 prints the progress.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features), float64
        The map L.
    n_iter_ : int
        Number of steps taken.
    loss_curve_ : list of float
        Loss of the batch of every step.
    best_validation_score_ : float or None
        Mean share of mates among the five nearest training rows of the rows held out; None if
        none were.
    device_ : str
        "cpu" or "cuda".
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if `fit` got a table with string names.

    References
    ----------
    .. [1] K. Q. Weinberger, L. K. Saul. "Distance Metric Learning for Large Margin Nearest Neighbor
       Classification". JMLR 10, 2009, equation (13).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from hierseg_learn.metrics import LMNN
    >>> X, y = load_iris(return_X_y=True)
    >>> LMNN(2, random_state=0).fit_transform(X, y).shape
    (150, 2)
    """

    _parameter_constraints: dict = {
        **GradientMetric._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "regularization": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        init: Any = "auto",
        max_iter: int = 80,
        batch_size: Any = "auto",
        learning_rate_init: float = 0.02,
        tol: float = 1e-4,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 40,
        n_neighbors: int = 3,
        regularization: float = 0.5,
        random_state: Any = None,
        device: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_neighbors = n_neighbors
        self.regularization = regularization
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        return ListObjective(
            backend, rows, codes, batches, self.n_neighbors, float(self.regularization)
        )
