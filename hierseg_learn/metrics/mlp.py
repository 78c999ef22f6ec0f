"""A node learner that is not linear: a multilayer perceptron, trained on torch."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ..kernels import get_backend
from ..kernels.threads import single_blas_thread
from ._mlp_training import (
    LOSSES,
    MARGINS,
    MININGS,
    Layer,
    Network,
    Trained,
    Training,
    find_device,
    to_metric,
)
from ._training import Batches, NeighborScore, Rows, hold_out
from .base import NonlinearMetric

MAX_BATCH = 200
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


@dataclass(frozen=True)
class Perceptron:
    """A multilayer perceptron over standardized columns, without torch."""

    mean: np.ndarray  # (n_features,) float64: of the columns
    scale: np.ndarray  # (n_features,) float64: their deviations; infinite for constant columns
    layers: tuple[Layer, ...]
    activation: str
    n_active: int  # how many layers end with the activation

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embed rows, (n_rows, n_features) float64: (n_rows, n_components) float64."""
        rows = (rows - self.mean) / self.scale
        for place, layer in enumerate(self.layers):
            rows = rows @ layer.weights + layer.intercepts
            if place < self.n_active:
                rows = _activate(rows, self.activation)
        return rows


def _activate(rows: np.ndarray, activation: str) -> np.ndarray:
    if activation == "relu":
        return np.maximum(rows, 0.0)
    if activation == "tanh":
        return np.tanh(rows)
    return expit(rows) if activation == "logistic" else rows


class MLPMetric(NonlinearMetric):
    r"""An embedding by a multilayer perceptron, under which rows of a class are near.

    The perceptron f is trained on batches by the distances :math:`\|f(a) - f(b)\|` of their rows:
    triplets of an anchor a, a positive p of its class and a negative n of another class should have
    :math:`\|f(a) - f(p)\| + margin \le \|f(a) - f(n)\|` [1]_; or a row's neighbor, drawn at random,
    near ones more often, should have its class [2]_; or triplets should hold for the
    signal-to-noise distance [3]_. Columns are standardized first. PyTorch trains; a fitted model
    holds NumPy arrays and needs no PyTorch.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64,)
        Sizes of the hidden layers; ``()`` makes the embedding linear, but it is not handled so.
    n_components : int, default=16
        Dimensions of the embedding.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    loss : {"triplet", "nca", "snr"}, default="triplet"
        Triplet margin, neighborhood components, or triplets of the signal-to-noise distance, whose
        noise, the variance of a difference over the components, is the learned squared distance
        up to its unit.
    mining : {"all", "batch_hard"}, default="all"
        Triplets of a batch: all that violate the margin, or every anchor with its farthest positive
        and nearest negative, which suits large sets with clean classes. Not used by ``loss="nca"``.
    margin : float, default=None
        The margin; None is 1 for ``"triplet"`` and .5 for ``"snr"``. Not used by ``loss="nca"``.
    alpha : float, default=1e-4
        Strength of the L2 penalty on the weights, divided by the rows of a batch, as in
        :class:`~sklearn.neural_network.MLPClassifier`.
    batch_size : "auto" or int, default="auto"
        Most rows per step, of which several are of a class; "auto" is 200.
    learning_rate_init : float, default=0.001
        First step size of Adam; it falls to zero along a cosine.
    max_iter : int, default=200
        Most epochs. 0 returns the start.
    early_stopping : bool, default=True
        Whether to hold rows out, stop when their score no longer improves, and keep the last
        embedding whose score is within a standard error of the best and not below that of the
        start.
    validation_fraction : float, default=0.1
        Fraction of the rows to hold out, at most 0.5 and 2,000 rows.
    n_iter_no_change : int, default=20
        Epochs without improvement after which training stops.
    tol : float, default=1e-4
        Smallest improvement of the held-out score (of the loss without early stopping) that counts.
    random_state : int, RandomState or None, default=None
        Determines the start, held-out rows and batches.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where torch computes; "auto" uses a GPU if there is one and the table is not small. On the
        CPU it runs on one thread, and the same seed gives the same bits.
    verbose : int, default=0
        1 prints the progress.

    Attributes
    ----------
    embedding_ : callable
        The perceptron, a function of rows.
    coefs_ : list of ndarray of shape (n_inputs, n_outputs), float32
        Weights of the layers, over standardized columns.
    intercepts_ : list of ndarray of shape (n_outputs,), float32
        Intercepts of the layers.
    n_iter_ : int
        Number of epochs.
    loss_curve_ : list of float
        Mean loss of every epoch.
    best_validation_score_ : float or None
        Mean fraction of the five nearest training rows of a held-out row that have its class; None
        if no rows were held out.
    device_ : str
        "cpu" or "cuda".
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if `fit` got a table with string names.

    See Also
    --------
    TripletMargin, NCA, SNRMetric : The same losses with a linear map.

    References
    ----------
    .. [1] F. Schroff, D. Kalenichenko, J. Philbin. "FaceNet: A Unified Embedding for Face
       Recognition and Clustering". CVPR 2015, section 3.1.
    .. [2] J. Goldberger, S. Roweis, G. Hinton, R. Salakhutdinov. "Neighbourhood Components
       Analysis". NIPS 2004, equation (6).
    .. [3] T. Yuan, W. Deng, J. Tang, Y. Tang, B. Chen. "Signal-to-Noise Ratio: A Robust Distance
       Metric for Deep Metric Learning". CVPR 2019, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.metrics import MLPMetric
    >>> X = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    >>> y = X[:, 0] * X[:, 1] > 0
    >>> metric = MLPMetric(random_state=0).fit(X, y)
    >>> metric.best_validation_score_ > 0.9
    True
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "loss": [StrOptions(set(LOSSES))],
        "mining": [StrOptions(set(MININGS))],
        "margin": [Interval(Real, 0, None, closed="neither"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 2, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (64,),
        *,
        n_components: int = 16,
        activation: str = "relu",
        loss: str = "triplet",
        mining: str = "all",
        margin: float | None = None,
        alpha: float = 1e-4,
        batch_size: str | int = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
        tol: float = 1e-4,
        random_state: Any = None,
        device: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_components = n_components
        self.activation = activation
        self.loss = loss
        self.mining = mining
        self.margin = margin
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _fit(self, X: np.ndarray, codes: np.ndarray) -> Perceptron:
        return self._fit_rows(X, np.arange(len(X)), codes)

    def _fit_rows(self, X: np.ndarray, order: np.ndarray, codes: np.ndarray) -> Perceptron:
        self.device_ = find_device(self.device, X.size)
        random_state = check_random_state(self.random_state)
        with single_blas_thread():
            rows = Rows(X, order)
            start = self.draw([X.shape[1]], random_state)
            split = self.split(codes, random_state)
            trained = self.train(start, rows, codes, split, random_state, self.device_)
        self.n_iter_, self.loss_curve_ = trained.n_iter, trained.loss_curve
        self.best_validation_score_ = trained.best_score
        output = Layer(*(to_metric(array, self.loss) for array in trained.network.output))
        layers = (*trained.network.hidden[0], output)
        self.coefs_ = [layer.weights for layer in layers]
        self.intercepts_ = [layer.intercepts for layer in layers]
        return Perceptron(rows.mean, rows.scale, layers, self.activation, len(layers) - 1)

    # the steps of a fit, which a combination of nodes takes one by one

    def draw(self, widths: list[int], random_state: np.random.RandomState) -> Network:
        """Draw a network to start from, of blocks of so many columns, with its outputs for each."""
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.ndim > 1 or (sizes.size and (sizes.dtype.kind not in "iu" or (sizes < 1).any())):
            raise ValueError(
                "hidden_layer_sizes must be positive integers, one per hidden layer, got "
                f"{self.hidden_layer_sizes!r}."
            )
        # those of the signal-to-noise loss are centered, which removes one
        n_outputs = len(widths) * (self.n_components + (self.loss == "snr"))
        sizes = sizes.astype(int).tolist()
        hidden = [
            [draw_layer(*pair, self.activation, random_state) for pair in pairwise([width, *sizes])]
            for width in widths
        ]
        n_hidden = len(widths) * sizes[-1] if sizes else sum(widths)
        output = draw_layer(n_hidden, n_outputs, self.activation, random_state)
        return Network(widths, hidden, output)

    def split(
        self, codes: np.ndarray, random_state: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on, and those to hold out, (n_rows,) int each; none without stopping."""
        if not self.early_stopping:
            return np.arange(len(codes)), np.arange(0)
        return hold_out(codes, self.validation_fraction, random_state)

    def train(
        self,
        start: Network,
        rows: Rows,
        codes: np.ndarray,
        split: tuple[np.ndarray, np.ndarray],
        random_state: np.random.RandomState,
        device: str,
    ) -> Trained:
        """Train a network from a start, over standardized rows; see `Training.run`."""
        train_rows, held_out = split
        score = None
        if len(held_out):
            backend = get_backend("cpu")
            score = NeighborScore(backend, rows, codes, train_rows, held_out, random_state)
        batch_rows = MAX_BATCH if self.batch_size == "auto" else self.batch_size
        batches = Batches(codes, train_rows, batch_rows, random_state)
        training = Training(
            loss=self.loss,
            mining=self.mining,
            margin=float(MARGINS[self.loss] if self.margin is None else self.margin),
            activation=self.activation,
            alpha=float(self.alpha),
            learning_rate=float(self.learning_rate_init),
            max_iter=self.max_iter,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            device=device,
            report=self._report,
        )
        table = rows.take(np.arange(len(rows)))
        return training.run(start, table, codes, batches, score)

    def _report(self, epoch: int, loss: float, score: float | None) -> None:
        if self.verbose:
            held_out = "" if score is None else f", held-out score {score:.4f}"
            sys.stdout.write(
                f"[{type(self).__name__}] epoch {epoch}/{self.max_iter}, loss {loss:.5f}"
                f"{held_out}\n"
            )


def draw_layer(
    n_inputs: int, n_outputs: int, activation: str, random_state: np.random.RandomState
) -> Layer:
    """Draw the weights of a layer [1]_; intercepts are zero.

    References
    ----------
    .. [1] X. Glorot, Y. Bengio. "Understanding the Difficulty of Training Deep Feedforward Neural
       Networks". AISTATS 2010, equation (16).
    """
    bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / (n_inputs + n_outputs))
    weights = random_state.uniform(-bound, bound, (n_inputs, n_outputs)).astype(np.float32)
    return Layer(weights, np.zeros(n_outputs, dtype=np.float32))
