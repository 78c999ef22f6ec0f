r"""Probabilities from votes: smoothed, tempered and corrected for priors, as held-out rows say.

With the share :math:`v_c` of k votes that class c gets, and its share :math:`s_c` of the training
rows, its probability is

.. math::

    p_c \propto \frac{\pi_c}{s_c} \Big( \frac{k v_c + \alpha s_c}{k + \alpha} \Big)^{1 / T}

So :math:`\alpha` votes are added that are spread like the classes (the mean under a Dirichlet
prior), the temperature T [1]_ says how much votes of one row repeat each other, and Bayes' rule
puts priors :math:`\pi_c` in the place of the shares. Of held-out rows, k, :math:`\alpha` and T give
the smallest log loss, in which one more row of every class is met anywhere [2]_: so a few rows
that are all right do not make a model certain.

References
----------
.. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. "On Calibration of Modern Neural Networks". ICML
   2017, section 4.2.
.. [2] J. C. Platt. "Probabilistic Outputs for Support Vector Machines and Comparisons to
   Regularized Likelihood Methods". Advances in Large Margin Classifiers, 2000, section 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from ._combination import subsample
from .posteriors import any_class_losses, weights_of

# votes that are added
SMOOTHINGS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# what log probabilities are divided by, in steps of a fourth of an octave
TEMPERATURES = 2.0 ** (np.arange(-8, 9) / 4)
# probabilities of held-out rows that are computed for one choice: bounds time
MAX_PROBABILITIES = 2**16


@dataclass(frozen=True)
class VoteCalibration:
    r"""How shares of votes become probabilities.

    With the share :math:`v_c` of k votes for class c, its share :math:`s_c` of the training rows
    and its prior :math:`\pi_c`, its probability is

    .. math::

        p_c \propto \frac{\pi_c}{s_c} \Big( \frac{k v_c + \alpha s_c}{k + \alpha} \Big)^{1 / T}

    Parameters
    ----------
    n_neighbors : int
        Number of votes, k.
    shares : array-like of shape (n_classes,)
        Shares of the classes among the training rows.
    priors : array-like of shape (n_classes,), default=None
        Their prior probabilities; None takes the shares.
    smoothing : float, default=0
        Number of votes :math:`\alpha` that are added, spread like the shares.
    temperature : float, default=1
        The temperature T.

    Examples
    --------
    >>> from hierseg_learn.metrics import VoteCalibration
    >>> calibration = VoteCalibration(n_neighbors=4, shares=[0.5, 0.5], smoothing=1.0)
    >>> calibration.proba([[1.0, 0.0], [0.75, 0.25]])
    array([[0.9, 0.1],
           [0.7, 0.3]])
    """

    n_neighbors: int
    shares: np.ndarray
    priors: np.ndarray | None = None
    smoothing: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        priors = self.shares if self.priors is None else self.priors
        for name, values in (("shares", self.shares), ("priors", priors)):
            vars(self)[name] = np.array(values, dtype=np.float64)

    @property
    def log_ratios(self) -> np.ndarray:
        """Logarithms of the priors over the shares, (n_classes,)."""
        return np.log(self.priors) - np.log(self.shares)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain Python objects, such as for JSON.

        Returns
        -------
        dict
        """
        return {
            "n_neighbors": self.n_neighbors,
            "smoothing": self.smoothing,
            "temperature": self.temperature,
            "shares": self.shares.tolist(),
            "priors": self.priors.tolist(),
        }

    def take(self, order: np.ndarray) -> VoteCalibration:
        """Return the same for classes in another order, (n_classes,) int."""
        return replace(self, shares=self.shares[order], priors=self.priors[order])

    def scores(self, votes: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities, but for one constant a row.

        Parameters
        ----------
        votes : array-like of shape (n_samples, n_classes)
            Shares of the votes; a row sums to 1.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
        """
        k, added = self.n_neighbors, self.smoothing
        smoothed = (k * np.asarray(votes) + added * self.shares) / (k + added)
        with np.errstate(divide="ignore"):  # no vote and none added: impossible
            return np.log(smoothed) / self.temperature + self.log_ratios

    def proba(self, votes: np.ndarray) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        votes : array-like of shape (n_samples, n_classes)
            Shares of the votes; a row sums to 1.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
        """
        return softmax(self.scores(votes), axis=1)


@dataclass(frozen=True)
class HeldOutVotes:
    """Votes about held-out rows, for some numbers of neighbors."""

    by_neighbors: Mapping[int, np.ndarray]  # (n_rows, n_classes): shares of so many votes
    codes: np.ndarray  # (n_rows,) int: classes of the rows

    def calibrate(
        self, shares: np.ndarray, priors: np.ndarray, class_weight: np.ndarray | None
    ) -> tuple[VoteCalibration, np.ndarray]:
        """Choose k, the smoothing and the temperature by the log loss.

        All arrays are (n_classes,). Also returns `any_class_losses` of all rows, (n_rows,), by
        which decisions compare.
        """
        rows = subsample(np.arange(len(self.codes)), max(1, MAX_PROBABILITIES // len(shares)))
        # one row of every class beside those that are held out
        unexpected = len(shares) / (len(rows) + len(shares))
        lowest, chosen, place = np.inf, None, int(np.argmax(TEMPERATURES == 1.0))
        for n_neighbors, votes in self.by_neighbors.items():
            # most rows get the votes of another: they are looked at once
            places = np.column_stack([votes[rows].round(12), self.codes[rows]])
            places, counts = np.unique(places, axis=0, return_counts=True)
            votes, codes = places[:, :-1], places[:, -1].astype(np.intp)
            weights = counts * weights_of(codes, class_weight)
            for smoothing in SMOOTHINGS:
                tried = VoteCalibration(n_neighbors, shares, priors, smoothing)
                ratios = tried.log_ratios
                smoothed = tried.scores(votes) - ratios
                loss_at = cache(
                    partial(_loss, smoothed, ratios, codes, weights, priors, unexpected)
                )
                place = _downhill(loss_at, place)
                if loss_at(place) < lowest:
                    lowest = loss_at(place)
                    chosen = replace(tried, temperature=float(TEMPERATURES[place]))
        # some of the rows choose, but decisions are compared by the same rows
        codes, votes = self.codes, self.by_neighbors[chosen.n_neighbors]
        own = log_softmax(chosen.scores(votes), axis=1)[np.arange(len(codes)), codes]
        return chosen, any_class_losses(own, priors[codes], weights_of(codes, class_weight))


def _loss(
    smoothed: np.ndarray,
    ratios: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    priors: np.ndarray,
    unexpected: float,
    place: int,
) -> float:
    """Weighted log loss at a temperature, where a share of the rows is of any class."""
    scores = smoothed / TEMPERATURES[place] + ratios
    scores -= scores.max(axis=1, keepdims=True)
    log_proba = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    own = log_proba[np.arange(len(codes)), codes]
    return float(weights @ (-(1 - unexpected) * own - unexpected * (log_proba @ priors)))


def imitate_votes(
    by_neighbors: Mapping[int, np.ndarray],
    targets: np.ndarray,
    shares: np.ndarray,
    priors: np.ndarray,
    weights: np.ndarray,
) -> VoteCalibration:
    """Choose k, the smoothing and the temperature so that probabilities are close to given ones.

    They minimize the cross-entropy of rows that are weighted by `weights`, (n_rows,). Votes of k
    neighbors and `targets` are (n_rows, n_classes), the rest is (n_classes,).
    """
    rows = subsample(np.arange(len(targets)), max(1, MAX_PROBABILITIES // len(shares)))
    aims = targets[rows] * weights[rows, np.newaxis]
    lowest, chosen, place = np.inf, None, len(TEMPERATURES) // 2
    for n_neighbors, votes in by_neighbors.items():
        for smoothing in SMOOTHINGS:
            tried = VoteCalibration(n_neighbors, shares, priors, smoothing)
            ratios = tried.log_ratios
            smoothed = tried.scores(votes[rows]) - ratios
            loss_at = cache(partial(_cross_entropy, smoothed, ratios, aims))
            place = _downhill(loss_at, place)
            if loss_at(place) < lowest:
                lowest = loss_at(place)
                chosen = replace(tried, temperature=float(TEMPERATURES[place]))
    return chosen


def _downhill(loss_at: Callable[[int], float], place: int) -> int:
    """Place of the best temperature: losses are convex in 1 / T, and one step leads to the next."""
    moves = (-1, 1)
    while True:
        steps = [place + by for by in moves if 0 <= place + by < len(TEMPERATURES)]
        best = min([place, *steps], key=loss_at)
        if best == place:
            return place
        moves, place = (best - place,), best


def _cross_entropy(smoothed: np.ndarray, ratios: np.ndarray, aims: np.ndarray, place: int) -> float:
    log_proba = log_softmax(smoothed / TEMPERATURES[place] + ratios, axis=1)
    return -float(np.einsum("qc,qc->", aims, log_proba))
