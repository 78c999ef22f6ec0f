"""The signal-to-noise distance, and a metric learned by it."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.linalg import helmert
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval

from ..kernels import Backend, get_backend
from ._gradient_metric import GradientMetric
from ._training import Batches, Objective, PairObjective, Rows


def snr_distance(Q: Any, X: Any) -> np.ndarray:
    """Signal-to-noise distance ``var(q - x) / var(q)`` of every query to every reference [1]_.

    The variance is taken over the components. The distance is asymmetric, and no Mahalanobis
    distance.

    Parameters
    ----------
    Q : array-like of shape (n_queries, n_components)
        The queries, the signals; `n_components` is at least 2.
    X : array-like of shape (n_samples, n_components)
        The references.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_samples)
        In float32 if both are, in float64 otherwise; NaN where it is undefined: for queries whose
        components are all equal.

    Raises
    ------
    ValueError
        If an argument is not 2-D or has NaN, the columns differ, or there are fewer than two.

    References
    ----------
    .. [1] T. Yuan, W. Deng, J. Tang, Y. Tang, B. Chen. "Signal-to-Noise Ratio: A Robust Distance
       Metric for Deep Metric Learning". CVPR 2019, equation (5).

    Examples
    --------
    >>> from hierseg_learn.metrics import snr_distance
    >>> snr_distance([[0.0, 2.0], [1.0, 1.0]], [[0.0, 4.0]])
    array([[ 1.],
           [nan]])
    """
    Q = check_array(Q, dtype=[np.float64, np.float32], input_name="Q")
    X = check_array(X, dtype=[np.float64, np.float32], input_name="X")
    if Q.shape[1] < 2:
        raise ValueError(
            "the signal-to-noise distance is a ratio of variances over the components and needs "
            f"at least 2 of them, got {Q.shape[1]}."
        )
    return get_backend("cpu").snr_distances(Q, X)


class SNRMetric(GradientMetric):
    r"""A metric learned by triplets of the signal-to-noise distance.

    A map L is trained on batches so that :math:`d(a, p) + margin \le d(a, n)` for every anchor a,
    mate p and row n of another class, with :math:`d(q, x) = var(Lq - Lx) / var(Lq)` over the
    components and rows about their mean [1]_. The variance of a difference is, up to the number of
    components, a Mahalanobis distance with the matrix :math:`M = L'CL`, C being the centring of the
    components: that is the learned metric. The ratio itself is `snr_distance`.

    Centring takes one dimension away, so L has ``n_components + 1`` rows, at least two, and
    `components_` is L in an orthonormal basis of the centered vectors: C is in it.

    All mates of a batch are drawn together; classes of several clusters suit the other learners
    better.

    Parameters
    ----------
    n_components : int, default=None
        Number of rows of `components_`; None takes the number of features, of fewer rows
        the dimensions that they span.
    init : {"auto", "pca", "lda", "identity", "random"} or ndarray, default="auto"
        The start, over columns of unit variance: "lda", shrunken discriminants and behind them the
        other directions, all whitened by the scatter within classes; "pca", the principal
        directions; "identity", the first columns; "random", normal numbers; "auto", "pca". An array
        of shape (n_components, n_features) is a map of raw columns. The loss knows no scale, so
        that of the start stays.
    max_iter : int, default=80
        Most steps; one step sees one batch. 0 returns the start.
    batch_size : "auto" or int, default="auto"
        Most rows per step. "auto" is a third of the rows, at least 100 and at most 250: on few
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
    margin : float, default=0.5
        Signal-to-noise distance by which negatives must be farther.
    random_state : int, RandomState or None, default=None
        Draws held-out rows, batches and a random start.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the kernels run; "auto" takes a GPU if there is one and the table is not small.
    verbose : int, default=0
        1 prints the progress.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features), float64
        The map whose Euclidean distance is the metric: ``components_.T @ components_`` is M.
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
    .. [1] T. Yuan, W. Deng, J. Tang, Y. Tang, B. Chen. "Signal-to-Noise Ratio: A Robust Distance
       Metric for Deep Metric Learning". CVPR 2019, section 3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from hierseg_learn.metrics import SNRMetric
    >>> X, y = load_iris(return_X_y=True)
    >>> SNRMetric(2, random_state=0).fit_transform(X, y).shape
    (150, 2)
    """

    _parameter_constraints: dict = {
        **GradientMetric._parameter_constraints,
        "margin": [Interval(Real, 0, None, closed="neither")],
    }
    _scale_free = True
    _auto_start = "pca"
    # all triplets of a batch are sorted, and few rows tell as much
    _most_batch = 250

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
        margin: float = 0.5,
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
        self.margin = margin
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        def loss_grad(Z: Any, codes: Any) -> tuple[float, Any]:
            return backend.snr_loss_grad(Z, codes, float(self.margin))

        return PairObjective(loss_grad, backend, rows, codes, batches)

    def _trained_map(self, components: np.ndarray) -> np.ndarray:
        # k rows in an orthonormal basis of the centered vectors of k + 1 numbers
        return helmert(len(components) + 1).T @ components

    def _metric_map(self, L: np.ndarray) -> np.ndarray:
        return helmert(len(L)) @ L
