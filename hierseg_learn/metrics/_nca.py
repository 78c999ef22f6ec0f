"""Neighbourhood components analysis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import Backend
from ._gradient_metric import GradientMetric
from ._training import Batches, Objective, PairObjective, Rows


class NCA(GradientMetric):
    r"""Neighbourhood components analysis, trained on batches.

    The map L makes rows of the same class likely neighbors: with
    :math:`p_{ij} \propto \exp(-\|L (x_i - x_j)\|^2)` it maximizes the mean log-probability that a
    row picks a mate [1]_. A step costs O(batch_size² n_components), and no memory grows with the
    square of the number of rows.

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
    .. [1] J. Goldberger, S. Roweis, G. Hinton, R. Salakhutdinov. "Neighbourhood Components
       Analysis". NIPS 2004, equation (6).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from hierseg_learn.metrics import NCA
    >>> X, y = load_iris(return_X_y=True)
    >>> NCA(2, random_state=0).fit_transform(X, y).shape
    (150, 2)
    """

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
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        def loss_grad(Z: Any, codes: Any) -> tuple[float, Any]:
            return backend.nca_loss_grad(Z, codes)

        return PairObjective(loss_grad, backend, rows, codes, batches)
