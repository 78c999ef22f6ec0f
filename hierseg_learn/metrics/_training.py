"""The loop that every gradient-trained node learner shares: Adam on batches, judged as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..kernels import Backend
from ._rows import Batches, Rows

DECAY, SQUARE_DECAY, TINY = 0.9, 0.999, 1e-12
N_EVALUATIONS = 20
# multiples of the start at which its embedding has the mean squared length 1
SCALES = 0.35 * 2.0 ** (0.75 * np.arange(8))


class Objective(Protocol):
    """What the loop minimises."""

    n_batches: int

    def draw(self, L: np.ndarray) -> None:
        """Choose the rows of the next step; the map matters to lists of neighbours only."""

    def loss_grad(self, L: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of the rows drawn and its derivative by L, (n_components, n_features)."""


class Score(Protocol):
    """What judges a map: larger is better."""

    n_rows: int

    def __call__(self, L: np.ndarray) -> float:
        """Return the mean over `n_rows` rows of a number between 0 and 1."""


class PairObjective:
    """A loss over all pairs or triplets of a batch.

    Parameters
    ----------
    loss_grad : callable
        ``loss_grad(Z, codes) -> (loss, gradient)`` on arrays of the backend.
    backend : Backend
    rows : Rows
    codes : ndarray of shape (n_samples,), int
    batches : Batches
    """

    def __init__(
        self, loss_grad: Callable, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches
    ) -> None:
        self._loss_grad, self._backend = loss_grad, backend
        self._rows, self._codes, self._batches = rows, codes, batches
        self.n_batches, self._indices = batches.n_batches, None

    def draw(self, L: np.ndarray) -> None:
        """Take the next batch."""
        indices = self._batches.next()
        if indices is not self._indices:
            self._indices = indices
            self._U = self._backend.asarray(self._rows.take(indices))
            self._batch_codes = self._backend.asarray(self._codes[indices])

    def loss_grad(self, L: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient of the batch: with Z = UL' the gradient by L is (dloss/dZ)'U."""
        Z = self._U @ self._backend.asarray(L.astype(np.float32)).T
        loss, gradient = self._loss_grad(Z, self._batch_codes)
        return float(loss), self._backend.to_numpy(gradient.T @ self._U).astype(np.float64)


def best_scale(
    L: np.ndarray, mean_square: float, objective: Objective, *, unit: float = 1.0, keep: bool
) -> np.ndarray:
    """Return the multiple of a map with the smallest loss on the rows drawn.

    Parameters
    ----------
    L : ndarray of shape (n_components, n_features)
    mean_square : float
        Mean squared length of the rows' embeddings.
    objective : Objective
        With rows drawn.
    unit : float, default=1.0
        Length in the embedding that the loss goes by, such as the root of a margin.
    keep : bool
        Whether the map as it is may be the answer too.

    Returns
    -------
    scaled : ndarray of shape (n_components, n_features)
    """
    if not mean_square > 0:
        return L
    factors = list(SCALES * unit / np.sqrt(mean_square)) + ([1.0] if keep else [])
    losses = [objective.loss_grad(L * factor)[0] for factor in factors]
    return L * factors[int(np.argmin(losses))]


@dataclass(frozen=True)
class Training:
    """What came out of the loop.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features)
        The map that was chosen by its score, or the last one where nothing was scored.
    best_score : float or None
        Score of `components`.
    n_iter : int
        Number of steps.
    loss_curve : list of float
        Loss of the batch at every step, before the step.
    """

    components: np.ndarray
    best_score: float | None
    n_iter: int
    loss_curve: list[float]


def evaluation_interval(max_iter: int, n_iter_no_change: int) -> int:
    """Steps from one score to the next: never so many that patience ends before a second look.

    Examples
    --------
    >>> from hierseg_learn.metrics._training import evaluation_interval
    >>> evaluation_interval(80, 40), evaluation_interval(2000, 40), evaluation_interval(5, 1)
    (4, 20, 1)
    """
    return max(1, min(max_iter // N_EVALUATIONS, n_iter_no_change // 2))


def train(
    start: np.ndarray,
    objective: Objective,
    score: Score | None,
    *,
    max_iter: int,
    learning_rate: float,
    tol: float,
    n_iter_no_change: int,
    report: Callable[[int, float, float | None], None],
) -> Training:
    """Minimise an objective by Adam [1]_ with a step that falls to zero along a cosine [2]_.

    Parameters
    ----------
    start : ndarray of shape (n_components, n_features), float64
    objective : Objective
    score : Score or None
        The start is scored too, so that the result never scores below it.
    max_iter : int
        Most steps.
    learning_rate : float
        First step size, relative to the root mean squared length of the start's rows.
    tol : float
        What counts as an improvement, of the score where there is one, of the loss otherwise.
    n_iter_no_change : int
        Stop after so many steps without improvement.
    report : callable
        Called with the step, the loss and the score, whenever there is a score.

    Returns
    -------
    Training

    References
    ----------
    .. [1] D. P. Kingma, J. Ba. "Adam: A Method for Stochastic Optimization". ICLR 2015,
       algorithm 1.
    .. [2] I. Loshchilov, F. Hutter. "SGDR: Stochastic Gradient Descent with Warm Restarts".
       ICLR 2017, equation (5).
    """
    L = start
    row_sizes = np.sum(start**2, axis=1)
    step_size = learning_rate * np.sqrt(row_sizes.sum() / max(np.count_nonzero(row_sizes), 1))
    momentum, square = np.zeros_like(L), np.zeros_like(L)
    begun = None if score is None else score(start)
    trace = [(start, begun)]
    record, record_iter, losses = np.inf if score is None else begun, 0, []
    idle, every = 0, evaluation_interval(max_iter, n_iter_no_change)
    for iteration in range(1, max_iter + 1):
        objective.draw(L)
        loss, gradient = objective.loss_grad(L)
        losses.append(loss)
        idle = 0 if gradient.any() else idle + 1
        # a batch without a gradient may be followed by one with; a whole round of them is the end
        if not np.isfinite(loss) or idle == objective.n_batches:
            break
        momentum = DECAY * momentum + (1 - DECAY) * gradient
        square = SQUARE_DECAY * square + (1 - SQUARE_DECAY) * gradient**2
        unbiased = momentum / (1 - DECAY**iteration)
        deviation = np.sqrt(square / (1 - SQUARE_DECAY**iteration))
        fade = 0.5 * (1 + np.cos(np.pi * (iteration - 1) / max_iter))
        # relative to the largest entry, for gradients far below 1 are as good as others
        deviation += TINY * deviation.max()
        step = np.divide(unbiased, deviation, out=np.zeros_like(L), where=deviation > 0)
        L = L - fade * step_size * step
        if score is None:
            report(iteration, loss, None)
            trace = [(L, None)]
            if loss < record - tol:
                record, record_iter = loss, iteration
        elif iteration % every == 0 or iteration == max_iter:
            found = score(L)
            report(iteration, loss, found)
            trace = keep_candidates(trace, L, found)
            if found > record + tol:
                record, record_iter = found, iteration
        if iteration - record_iter >= n_iter_no_change:
            break
    return Training(*_choose(trace, score, begun), len(losses), losses)


def keep_candidates(
    trace: list[tuple[np.ndarray, float]], L: np.ndarray, found: float
) -> list[tuple[np.ndarray, float]]:
    """Add a map and its score to those that `_choose` may take: no earlier one is as bad.

    Examples
    --------
    >>> from hierseg_learn.metrics._training import keep_candidates
    >>> [score for _, score in keep_candidates([("a", 0.9), ("b", 0.5)], "c", 0.7)]
    [0.9, 0.7]
    """
    return [*(candidate for candidate in trace if candidate[1] > found), (L, found)]


def _choose(
    trace: list[tuple], score: Score | None, begun: float | None
) -> tuple[np.ndarray, float | None]:
    """Return the last map that is as good as the best within its standard error, and its score.

    The best of many scores of few rows is mostly luck; later maps are trained better. None that
    scores below the start, whose score is `begun`, is taken.
    """
    if score is None:
        return trace[-1]
    top = max(found for _, found in trace)
    least = max(top - np.sqrt(top * (1 - top) / score.n_rows), begun)
    return [(L, found) for L, found in trace if found >= least][-1]
