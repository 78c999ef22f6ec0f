r"""Posteriors of normal classes with one covariance, in the space of a metric.

The covariance within classes is that of the rows in this space, shrunk towards a multiple of the
identity, which is the metric. Rows that the metric was learned from lie too close to the means of
their classes, so the log-likelihoods are too large; they are divided by a temperature. It and the
shrinkage are chosen by the log loss of rows that were held out when the metric was learned [1]_.

References
----------
.. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. "On Calibration of Modern Neural Networks". ICML
   2017, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from ..kernels.threads import single_blas_thread
from ._lda import ClassScatter, Discriminants, ledoit_wolf

# what log-likelihoods are divided by, in steps of a sixth of an octave
TEMPERATURES = 2.0 ** (np.arange(-6, 37) / 6)


@dataclass(frozen=True)
class HeldOut:
    """Rows through a metric that was learned from some of them, in its space."""

    references: np.ndarray  # (n_references, n_components): those that it was learned from
    codes: np.ndarray  # (n_references,) int: their classes
    queries: np.ndarray  # (n_queries, n_components): others
    query_codes: np.ndarray  # (n_queries,) int: their classes


@dataclass(frozen=True)
class Posteriors:
    """Linear discriminants in the space of a metric."""

    # (n_directions, n_components): the shared covariance is the identity along these directions,
    # and classes do not differ along any other
    whitening: np.ndarray
    shrinkage: float  # of the covariance
    temperature: float  # that the covariance is multiplied by


class _Fit:
    """Discriminants of rows, (n_samples, n_components), for any shrinkage."""

    def __init__(self, points: np.ndarray, codes: np.ndarray) -> None:
        self.center = points.mean(axis=0, dtype=np.float64)
        rows = points - self.center
        self.seen, places = np.unique(codes, return_inverse=True)
        scatter = ClassScatter.of(rows, places, len(self.seen))
        self.ledoit_wolf = ledoit_wolf([(slice(None), rows)], places, scatter)
        self._learned, self._means = Discriminants(scatter), scatter.means()
        self.log_priors = np.log(scatter.counts / scatter.n_rows)

    def whitening(self, shrinkage: float) -> np.ndarray:
        return self._learned.leading(shrinkage)

    def log_likelihoods(self, shrinkage: float, queries: np.ndarray) -> np.ndarray:
        """Of queries, but for one constant each: (n_queries, n_seen)."""
        down = self.whitening(shrinkage).T
        means = self._means @ down
        products = (queries - self.center) @ down @ means.T
        return products - np.einsum("ij,ij->i", means, means) / 2

    def places(self, codes: np.ndarray) -> np.ndarray:
        """Places of classes among those that were seen; -1 for others."""
        places = np.searchsorted(self.seen, codes).clip(max=len(self.seen) - 1)
        return np.where(self.seen[places] == codes, places, -1)


def fit_posteriors(
    points: np.ndarray, codes: np.ndarray, held_out: Sequence[HeldOut] = ()
) -> Posteriors:
    """Fit discriminants in the space of a metric, (n_samples, n_components).

    Without held-out rows, the shrinkage is that of Ledoit and Wolf, and the temperature 1.
    """
    if not points.shape[1]:
        return Posteriors(np.zeros((0, 0)), 1.0, 1.0)
    with single_blas_thread():
        learned, temperature, of_metric = _Fit(points, codes), 1.0, False
        if held_out:
            losses = np.zeros((2, len(TEMPERATURES)))
            for part in held_out:
                fit = _Fit(part.references, part.codes)
                for choice, shrinkage in enumerate((fit.ledoit_wolf, 1.0)):
                    losses[choice] += _log_losses(fit, shrinkage, part.queries, part.query_codes)
            choice, place = np.unravel_index(int(losses.argmin()), losses.shape)
            of_metric, temperature = bool(choice), float(TEMPERATURES[place])
        shrinkage = 1.0 if of_metric else learned.ledoit_wolf
        whitening = learned.whitening(shrinkage) / np.sqrt(temperature)
    return Posteriors(whitening, float(shrinkage), temperature)


class PosteriorScore:
    """Minus the log loss of linear discriminants on held-out rows, at the best temperature.

    `report` is their accuracy instead.
    """

    def __call__(
        self,
        references: np.ndarray,
        codes: np.ndarray,
        queries: np.ndarray,
        query_codes: np.ndarray,
    ) -> float:
        """Score discriminants of the references on the queries, both in the space of a metric."""
        fit = _Fit(references, codes)
        losses = _log_losses(fit, fit.ledoit_wolf, queries, query_codes)
        return -float(losses.min()) / max(len(queries), 1)

    @staticmethod
    def report(
        references: np.ndarray, codes: np.ndarray, queries: np.ndarray, query_codes: np.ndarray
    ) -> float:
        """Accuracy; classes that tie share a query."""
        fit = _Fit(references, codes)
        scores = fit.log_likelihoods(fit.ledoit_wolf, queries) + fit.log_priors
        leads = scores >= scores.max(axis=1, keepdims=True)
        right = leads & (fit.seen == query_codes[:, None])
        return float((right.sum(axis=1) / leads.sum(axis=1)).mean())


def _log_losses(
    fit: _Fit, shrinkage: float, queries: np.ndarray, query_codes: np.ndarray
) -> np.ndarray:
    """Sums over the queries of a class that was seen, for every temperature."""
    places = fit.places(query_codes)
    asked = np.flatnonzero(places >= 0)
    likelihoods, places = fit.log_likelihoods(shrinkage, queries[asked]), places[asked]
    losses = np.empty(len(TEMPERATURES))
    for i, temperature in enumerate(TEMPERATURES):
        log_proba = log_softmax(likelihoods / temperature + fit.log_priors, axis=1)
        losses[i] = -log_proba[np.arange(len(asked)), places].sum()
    return losses
