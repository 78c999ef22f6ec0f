"""Node learners trained by a gradient: one core, four losses, the signal-to-noise distance."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from inspect import cleandoc
from numbers import Integral, Real
from string import Template
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import helmert
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ..kernels import Backend, get_backend
from ..kernels.threads import single_blas_thread
from ._starts import Moments, class_moments, discriminant_start, principal_rows
from ._training import (
    Batches,
    ListObjective,
    NeighborScore,
    Objective,
    PairObjective,
    Rows,
    SpanRows,
    best_scale,
    hold_out,
    train,
)
from .base import LinearMetric

INITS = ("auto", "pca", "lda", "identity", "random")
MIN_BATCH = 100
MAX_BATCH = 1000
# for losses that sort all triplets of a batch; few rows carry as much information
MAX_SORTED = 250

PARAMETERS = """\
n_components : int, default=None
    Number of rows of `components_`; None takes the number of features, or the number of dimensions
    that the rows span where that is smaller.
init : {"auto", "pca", "lda", "identity", "random"} or ndarray, default="auto"
    The start, over columns of unit variance: "lda", shrunken discriminants followed by the other
    directions, all whitened by the scatter within classes; "pca", the principal directions;
    "identity", the first columns; "random", normal numbers; "auto", "$auto_init". An array of shape
    (n_components, n_features) is a map of raw columns. $scale_note
max_iter : int, default=80
    Maximum number of steps; every step uses one batch. 0 returns the start.
batch_size : "auto" or int, default="auto"
    Maximum number of rows per step. "auto" is a third of the rows, at least 100 and at most
    $max_batch: with few rows, batches keep the map from fitting each row's own neighbors.
learning_rate_init : float, default=0.02
    First step size of Adam, relative to the size of the start; it falls to zero along a cosine.
tol : float, default=1e-4
    Smallest improvement of the held-out score (of the loss without early stopping) that counts.
early_stopping : bool, default=True
    Whether to hold rows out, stop when their score no longer improves, and keep the last map whose
    score is within a standard error of the best and not below that of the start.
validation_fraction : float, default=0.1
    Fraction of the rows to hold out, at most 0.5 and 2,000 rows.
n_iter_no_change : int, default=40
    Number of steps without improvement after which training stops.
random_state : int, RandomState or None, default=None
    Determines held-out rows, batches and a random start.
device : {"auto", "cpu", "cuda"}, default="auto"
    Where the kernels run; "auto" uses a GPU if there is one and the table is not small.
verbose : int, default=0
    1 prints the progress."""

ATTRIBUTES = """\
components_ : ndarray of shape (n_components, n_features), float64
    The learned map, whose Euclidean distance is the metric.
n_iter_ : int
    Number of steps taken.
loss_curve_ : list of float
    Loss of the batch of every step.
best_validation_score_ : float or None
    Mean fraction of the five nearest training rows of a held-out row that have its class; None if
    no rows were held out.
device_ : str
    "cpu" or "cuda".
n_features_in_ : int
    Number of features.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Column names, if `fit` got a table with string names."""


def add_shared_docs(learner: type[GradientMetric]) -> type[GradientMetric]:
    """Put the texts that all learners share in place of `$parameters` and `$attributes`."""
    if learner.__doc__:  # none under python -OO
        parameters = Template(PARAMETERS).substitute(
            auto_init=learner._auto_start,
            scale_note="The scale of the start is kept."
            if learner._scale_free
            else "The scale of any start is adapted to the loss.",
            max_batch=f"{learner._max_batch:,}",
        )
        learner.__doc__ = Template(cleandoc(learner.__doc__)).substitute(
            parameters=parameters, attributes=ATTRIBUTES
        )
    return learner


@dataclass(eq=False, repr=False)  # for an __init__ with the parameters of all classes above
class GradientMetric(LinearMetric):
    """Base class: a linear map trained on batches, from a good start, scored on held-out rows.

    A new learner defines `_objective` and, if its loss knows no scale, sets `_scale_free`.
    Computations use standardized columns in float32; `components_` is over raw columns. With fewer
    rows than columns, the map covers only the directions in which rows differ.
    """

    n_components: int | None = None
    _: KW_ONLY
    init: Any = "auto"
    max_iter: int = 80
    batch_size: Any = "auto"
    learning_rate_init: float = 0.02
    tol: float = 1e-4
    early_stopping: bool = True
    validation_fraction: float = 0.1
    n_iter_no_change: int = 40
    random_state: Any = None
    device: str = "auto"
    verbose: int = 0

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "init": [StrOptions(set(INITS)), "array-like"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "verbose": ["verbose"],
    }
    _scale_free: ClassVar[bool] = False
    _auto_start: ClassVar[str] = "lda"
    _max_batch: ClassVar[int] = MAX_BATCH

    @abstractmethod
    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        """Return what is minimized over the batches."""

    def _batch_rows(self, n_rows: int) -> int:
        # neighbors within a third of the rows are farther apart, which prevents overfitting few
        # rows
        if self.batch_size == "auto":
            return min(max(-(-n_rows // 3), MIN_BATCH), self._max_batch)
        return self.batch_size

    def _fit(self, X: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return self._fit_rows(X, np.arange(len(X)), codes)

    def _fit_rows(self, X: np.ndarray, order: np.ndarray, codes: np.ndarray) -> np.ndarray:
        n_components, given = self._check_start(X.shape[1])
        backend = get_backend(self.device, n_values=X.size)
        random_state = check_random_state(self.random_state)
        with single_blas_thread():
            standardized = rows = Rows(X, order)
            if given is not None:
                # a constant column has no scale, and what a map does with it has no effect
                given = given * np.where(np.isfinite(rows.scale), rows.scale, 0.0)
            if len(rows) < X.shape[1]:
                rows = SpanRows(standardized)
                n_components = n_components or len(rows.basis)
                given = None if given is None else given @ rows.basis.T
            n_components = n_components or X.shape[1]
            train_rows, score = np.arange(len(X)), None
            if self.early_stopping:
                train_rows, held_out = hold_out(codes, self.validation_fraction, random_state)
                if len(held_out):
                    score = NeighborScore(
                        backend, rows, codes, train_rows, held_out, random_state, self._metric_map
                    )
            batches = Batches(codes, train_rows, self._batch_rows(len(train_rows)), random_state)
            objective = self._objective(backend, rows, codes, batches)
            moments = class_moments(rows, codes, train_rows)
            discriminants = partial(
                discriminant_start, backend, rows, codes, train_rows, moments, n_components
            )
            if given is None:
                given = self._named_start(n_components, moments, discriminants, random_state, rows)
            training = train(
                self._scaled_start(given, moments, objective),
                objective,
                score,
                max_iter=self.max_iter,
                learning_rate=self.learning_rate_init,
                tol=self.tol,
                n_iter_no_change=self.n_iter_no_change,
                report=self._report,
            )
        self.device_ = backend.name
        self.n_iter_ = training.n_iter
        self.loss_curve_ = training.loss_curve
        self.best_validation_score_ = training.best_score
        components = self._metric_map(training.components)
        if isinstance(rows, SpanRows):
            components = components @ rows.basis
        return components / standardized.scale

    def _check_start(self, n_features: int) -> tuple[int | None, np.ndarray | None]:
        """Return the number of components, if one is asked for, and the start if one is given."""
        n_components, given = self.n_components, None
        if not isinstance(self.init, str):
            given = check_array(self.init, dtype=np.float64, input_name="init")
            if given.shape[1] != n_features:
                raise ValueError(
                    f"init has {given.shape[1]} columns, expected {n_features}, one per feature."
                )
            if n_components not in (None, len(given)):
                raise ValueError(
                    f"n_components={n_components} and init with {len(given)} rows contradict each "
                    "other."
                )
            n_components = len(given)
        if n_components is not None and n_components > n_features:
            name = "n_components" if given is None else "init"
            raise ValueError(
                f"{name} asks for {n_components} components, expected at most {n_features}, the "
                "number of features."
            )
        return n_components, given

    def _scaled_start(
        self, start: np.ndarray, moments: Moments, objective: Objective
    ) -> np.ndarray:
        """Return the map to train, over standardized columns, at the scale of smallest loss."""
        start = self._trained_map(start)
        objective.draw(start)
        if self._scale_free:
            return start
        mean_square = float(np.sum((start @ (moments.within + moments.between)) * start))
        keep = not isinstance(self.init, str)
        return best_scale(start, mean_square, objective, unit=self._unit, keep=keep)

    def _named_start(
        self,
        n_components: int,
        moments: Moments,
        discriminants: Callable[[], np.ndarray],
        random_state: np.random.RandomState,
        rows: Rows,
    ) -> np.ndarray:
        """Return the start that `init` names, over the columns of the rows."""
        name = self._auto_start if self.init == "auto" else self.init
        if name == "lda":
            return discriminants()
        if name == "pca":
            return principal_rows(moments, n_components)
        if name == "identity":
            if isinstance(rows, SpanRows) and self.n_components is not None:
                return rows.basis[:, :n_components].T  # the first columns
            return np.eye(n_components, len(moments.within))
        return random_state.standard_normal((n_components, len(moments.within)))

    @property
    def _unit(self) -> float:
        """Length in the embedding to which the loss refers."""
        return 1.0

    def _trained_map(self, components: np.ndarray) -> np.ndarray:
        """Return the map to train from a start: the inverse of `_metric_map`."""
        return components

    def _metric_map(self, L: np.ndarray) -> np.ndarray:
        """Return the map whose Euclidean distance is the metric of a trained map."""
        return L

    def _report(self, iteration: int, loss: float, score: float | None) -> None:
        if self.verbose:
            held_out = "" if score is None else f", held-out score {score:.4f}"
            sys.stdout.write(
                f"[{type(self).__name__}] step {iteration}/{self.max_iter}, loss {loss:.5f}"
                f"{held_out}\n"
            )


@add_shared_docs
@dataclass(eq=False, repr=False)
class NCA(GradientMetric):
    r"""Neighborhood components analysis, trained on batches.

    The map L makes rows of the same class likely neighbors: with
    :math:`p_{ij} \propto \exp(-\|L (x_i - x_j)\|^2)` it maximizes the mean log-probability that a
    row picks another row of its class [1]_. A step costs O(batch_size² n_components), and no memory
    grows with the square of the number of rows.

    Parameters
    ----------
    $parameters

    Attributes
    ----------
    $attributes

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

    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        return PairObjective(backend.nca_loss_grad, backend, rows, codes, batches)


@add_shared_docs
@dataclass(eq=False, repr=False)
class LMNN(GradientMetric):
    r"""Large margin nearest neighbors, trained on lists of impostors.

    Target neighbors, the nearest rows of a row's class, are pulled near; impostors, the nearest
    rows of other classes, are pushed out of the margin around them [1]_. Both lists are searched
    again at every step, under the current map and among the rows of the batch: no memory grows with
    the square of the number of rows.

    Parameters
    ----------
    $parameters
    n_neighbors : int, default=3
        Number of target neighbors of a row; at most the number of other rows of its class.
    regularization : float, default=0.5
        Weight of the pull, between 0 and 1; the push has the rest.

    Attributes
    ----------
    $attributes

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

    _: KW_ONLY
    n_neighbors: int = 3
    regularization: float = 0.5

    _parameter_constraints: ClassVar[dict] = {
        **GradientMetric._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "regularization": [Interval(Real, 0, 1, closed="both")],
    }

    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        lists = {"n_targets": self.n_neighbors, "regularization": float(self.regularization)}
        return ListObjective(backend, rows, codes, batches, **lists)


@add_shared_docs
@dataclass(eq=False, repr=False)
class TripletMargin(GradientMetric):
    r"""A map under which negatives are farther than positives by a margin, trained on batches.

    The loss is the mean of :math:`[\|L(a - p)\|^2 - \|L(a - n)\|^2 + margin]_+` over triplets of an
    anchor a, a positive p of its class and a negative n of another class [1]_. Positives are the
    nearest ones of the batch, under the current map, since a class may consist of several clusters
    that need not come together; or all of the batch.

    Parameters
    ----------
    $parameters
    n_positives : int, default=3
        Number of positives per anchor, the nearest ones, with the ten nearest negatives. None takes
        all triplets of a batch; they are counted through sorted distances and never listed, and a
        batch of "auto" then has at most 250 rows.
    margin : float, default=1.0
        Squared distance by which negatives must be farther. The map finds its scale itself, so the
        margin only sets the scale of `components_`.

    Attributes
    ----------
    $attributes

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

    _: KW_ONLY
    n_positives: int | None = 3
    margin: float = 1.0

    _parameter_constraints: ClassVar[dict] = {
        **GradientMetric._parameter_constraints,
        "n_positives": [Interval(Integral, 1, None, closed="left"), None],
        "margin": [Interval(Real, 0, None, closed="neither")],
    }

    @property
    def _unit(self) -> float:
        return float(np.sqrt(self.margin))

    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        margin = float(self.margin)
        if self.n_positives is not None:
            # the loss of large margin nearest neighbors without its pull
            lists = {"n_targets": self.n_positives, "regularization": 0.0, "margin": margin}
            return ListObjective(backend, rows, codes, batches, **lists)
        loss_grad = partial(backend.triplet_loss_grad, margin=margin)
        return PairObjective(loss_grad, backend, rows, codes, batches)

    def _batch_rows(self, n_rows: int) -> int:
        rows = super()._batch_rows(n_rows)
        few = self.n_positives is None and self.batch_size == "auto"
        return min(rows, MAX_SORTED) if few else rows


@add_shared_docs
@dataclass(eq=False, repr=False)
class SNRMetric(GradientMetric):
    r"""A metric learned by triplets of the signal-to-noise distance.

    A map L is trained on batches so that :math:`d(a, p) + margin \le d(a, n)` for every anchor a,
    positive p of its class and negative n of another, with
    :math:`d(q, x) = var(Lq - Lx) / var(Lq)` over the components and rows about their mean [1]_. The
    variance of a difference is, up to the number of components, a Mahalanobis distance with the
    matrix :math:`M = L'CL`, C being the centering of the components: that is the learned metric.
    The ratio itself is `snr_distance`.

    Centering removes one dimension, so L has ``n_components + 1`` rows, at least two, and
    `components_` is L in an orthonormal basis of the centered vectors: it includes C.

    All positives of a batch are drawn together; the other learners suit classes of several clusters
    better.

    Parameters
    ----------
    $parameters
    margin : float, default=0.5
        Signal-to-noise distance by which negatives must be farther.

    Attributes
    ----------
    $attributes

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

    _: KW_ONLY
    margin: float = 0.5

    _parameter_constraints: ClassVar[dict] = {
        **GradientMetric._parameter_constraints,
        "margin": [Interval(Real, 0, None, closed="neither")],
    }
    _scale_free = True
    _auto_start = "pca"
    _max_batch = MAX_SORTED

    def _objective(
        self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> Objective:
        loss_grad = partial(backend.snr_loss_grad, margin=float(self.margin))
        return PairObjective(loss_grad, backend, rows, codes, batches)

    def _trained_map(self, components: np.ndarray) -> np.ndarray:
        # k rows in an orthonormal basis of the centered vectors of k + 1 numbers
        return helmert(len(components) + 1).T @ components

    def _metric_map(self, L: np.ndarray) -> np.ndarray:
        return helmert(len(L)) @ L


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
