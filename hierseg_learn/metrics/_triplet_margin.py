"""Triplets with a margin."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ..kernels import Backend
from ._gradient_metric import GradientMetric
from ._lmnn import ListObjective
from ._training import Batches, Objective, PairObjective, Rows

MAX_SORTED = 250


class TripletMargin(GradientMetric):
    r"""A map under which negatives are farther than positives by a margin, trained on batches.

    The loss is the mean of :math:`[\|L(a - p)\|^2 - \|L(a - n)\|^2 + margin]_+` over triplets of an
    anchor a, a mate p and a row n of another class [1]_. Mates are the nearest ones of the batch,
    under the map as it is then, since a class may consist of several clusters, which need not come
    together; or all mates of the batch.

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
    n_positives : int, default=3
        Number of mates per anchor, the nearest ones, with the ten nearest rows of other classes.
        None takes all triplets of a batch; they are counted through sorted distances and never
        listed, and a batch of "auto" then has at most 250 rows.
    margin : float, default=1.0
        Squared distance by which negatives must be farther. The map finds its scale itself, so the
        margin sets the scale of `components_` and nothing else.
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
    .. [1] F. Schroff, D. Kalenichenko, J. Philbin. "FaceNet: A Unified Embedding for Face
       Recognition and Clustering". CVPR 2015, equation (3).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from hierseg_learn.metrics import TripletMargin
    >>> X, y = load_iris(return_X_y=True)
    >>> TripletMargin(2, random_state=0).fit_transform(X, y).shape
    (150, 2)
    """

    _parameter_constraints: dict = {
        **GradientMetric._parameter_constraints,
        "n_positives": [Interval(Integral, 1, None, closed="left"), None],
        "margin": [Interval(Real, 0, None, closed="neither")],
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
        n_positives: int | None = 3,
        margin: float = 1.0,
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
        self.n_positives = n_positives
        self.margin = margin
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    @property
    def _unit(self) -> float:
        return float(np.sqrt(self.margin))

    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        margin = float(self.margin)
        if self.n_positives is not None:
            # the loss of large margin nearest neighbors without its pull
            return ListObjective(backend, rows, codes, batches, self.n_positives, 0.0, margin)

        def loss_grad(Z: Any, codes: Any) -> tuple[float, Any]:
            return backend.triplet_loss_grad(Z, codes, margin)

        return PairObjective(loss_grad, backend, rows, codes, batches)

    def _batch_rows(self, n_rows: int) -> int:
        rows = super()._batch_rows(n_rows)
        # all triplets of a batch are sorted, and few rows tell as much
        few = self.n_positives is None and self.batch_size == "auto"
        return min(rows, MAX_SORTED) if few else rows
