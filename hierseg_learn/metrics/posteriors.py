r"""Posteriors of normal classes with one covariance, in the space of a metric.

The covariance within classes is that of the rows in this space, shrunk by the lemma of Ledoit and
Wolf, or towards a multiple of the identity alone, which is the metric itself. Rows that the metric
was learned from lie too close to the means of their classes, and these means too far apart, most of
all along directions that do not tell classes apart. So where there are rows through metrics that
were learned without them (cross-fitting), these give the covariance and the discriminants. Along
discriminant d, the means :math:`m_{cd}` of such rows are then about :math:`r_d` times the class
means :math:`p_{cd}`, with

.. math:: r_d = \frac{\sum_c n_c m_{cd} p_{cd}}{\sum_c n_c p_{cd}^2}

and the discriminant counts as much: a discriminant function is :math:`\sum_d r_d p_{cd} z_d` less
half of its value at the class mean, and the logarithm of the share of the class is added. All of
this is divided by a temperature [1]_, which is chosen, as is the covariance, by the log loss of
held-out rows. In that loss, a row is of any class with a small probability, so that a few rows that
are unlike all others do not decide. Weights of the classes count held-out rows, and by Bayes' rule,
their logarithms are added to the log posteriors.

References
----------
.. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. "On Calibration of Modern Neural Networks". ICML
   2017, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax, softmax

from ..kernels.threads import single_blas_thread
from ._landmarks import FLAT
from ._lda import ClassScatter, Discriminants, ledoit_wolf

# probability that a held-out row is of any class, whatever it looks like
ANY_CLASS = 0.01
# what log posteriors are divided by, in steps of a fourth of an octave
TEMPERATURES = 2.0 ** (np.arange(-4, 49) / 4)


@dataclass(frozen=True)
class Head:
    """A decision that was learned with a metric: that by distances to anchors, in its space.

    The log posterior of a class is, but for a constant of the point, minus half the squared
    distance to its anchor, plus the logarithm of the prior and an offset.
    """

    anchors: np.ndarray  # (n_classes, n_components)
    offsets: np.ndarray  # (n_classes,): all 0 where there are enough components

    def prototypes(
        self, means: np.ndarray, spread: np.ndarray, components: np.ndarray
    ) -> np.ndarray:
        """Rows that the metric maps to the anchors, as near to the class means as can be.

        Shapes: `means` (n_classes, n_features), `spread` (n_features,): standard deviations, by
        which nearness is measured, and `components` (n_components, n_features).
        """
        scaled = components * spread
        missing = self.anchors - means @ components.T
        return means + missing @ np.linalg.pinv(scaled).T * spread

    def losses(self, rows: HeldOut, class_weight: np.ndarray | None) -> np.ndarray:
        """`any_class_losses` of held-out rows of a class that others have, (n_asked,)."""
        counts = np.bincount(rows.codes, minlength=len(self.offsets))
        seen = np.flatnonzero(counts)
        asked = np.isin(rows.query_codes, seen)
        codes, log_priors = rows.query_codes[asked], np.log(counts[seen] / counts.sum())
        if class_weight is not None:
            log_priors = log_priors + np.log(class_weight[seen])
        anchors = self.anchors[seen]
        scores = rows.queries[asked] @ anchors.T - np.einsum("ij,ij->i", anchors, anchors) / 2
        log_proba = log_softmax(scores + self.offsets[seen] + log_priors, axis=1)
        places = np.searchsorted(seen, codes)
        own = log_proba[np.arange(len(codes)), places]
        return any_class_losses(own, softmax(log_priors)[places], weights_of(codes, class_weight))

    def take(self, order: np.ndarray) -> Head:
        """The same for classes in another order, (n_classes,)."""
        return Head(self.anchors[order], self.offsets[order])


@dataclass(frozen=True)
class HeldOut:
    """Rows through a metric that was learned from some of them, in its space."""

    references: np.ndarray  # (n_references, n_components): those that it was learned from
    codes: np.ndarray  # (n_references,) int: their classes
    queries: np.ndarray  # (n_queries, n_components): others; none for the metric of all rows
    query_codes: np.ndarray  # (n_queries,) int: their classes
    # (n_references, n_components): the references through metrics that were learned without them,
    # turned to match; None where there are none
    unseen: np.ndarray | None = None
    head: Head | None = None  # where a decision was learned with the metric

    def along(self, axes: np.ndarray) -> HeldOut:
        """The same rows along some axes, (n_axes, n_components)."""
        unseen = None if self.unseen is None else self.unseen @ axes.T
        return replace(
            self,
            references=self.references @ axes.T,
            queries=self.queries @ axes.T,
            unseen=unseen,
            head=None,
        )


@dataclass(frozen=True)
class Posteriors:
    """Linear discriminants in the space of a metric."""

    # (n_directions, n_components): the shared covariance is the identity along these directions,
    # and classes do not differ along any other
    whitening: np.ndarray
    shrinkage: float  # of the covariance
    temperature: float  # that the covariance is multiplied by, and log priors are divided by
    loss: float = np.nan  # sum of `any_class_losses` of the held-out rows; NaN without any


class _Fit:
    """Discriminants of rows, (n_samples, n_components), for any shrinkage."""

    def __init__(
        self,
        points: np.ndarray,
        codes: np.ndarray,
        unseen: np.ndarray | None = None,
        whole: tuple[np.ndarray, ClassScatter] | None = None,
    ) -> None:
        self.seen, places = np.unique(codes, return_inverse=True)
        if whole is None:
            self.center = points.mean(axis=0, dtype=np.float64)
            rows = points - self.center
            scatter = ClassScatter.of(rows, places, len(self.seen))
        else:
            self.center, scatter = whole
            rows = points - self.center
        self._means = self._unseen_means = scatter.means()
        if unseen is not None:
            rows = unseen - unseen.mean(axis=0, dtype=np.float64)
            scatter = ClassScatter.of(rows, places, len(self.seen))
            self._unseen_means = scatter.means()
        self._counts, n_columns = scatter.counts, points.shape[1]
        self._learned = Discriminants(scatter) if n_columns else None
        blocks = [(slice(None), rows)]
        self.ledoit_wolf = ledoit_wolf(blocks, places, scatter) if n_columns else 1.0
        self.log_priors = np.log(scatter.counts / scatter.n_rows)

    def whitening(self, shrinkage: float) -> np.ndarray:
        """Map along which the covariance is the identity, and discriminants count by r."""
        if self._learned is None:  # no column, as of a node that is constant in a fold
            return np.zeros((0, 0))
        directions = self._learned.leading(shrinkage)
        if self._unseen_means is self._means:
            return directions
        means, unseen = self._means @ directions.T, self._unseen_means @ directions.T
        sizes = self._counts @ means**2
        products = self._counts @ (means * unseen)
        kept = np.divide(products, sizes, out=np.zeros_like(sizes), where=sizes > 0)
        return np.sqrt(np.clip(kept, 0.0, 1.0))[:, None] * directions

    def log_likelihoods(self, shrinkage: float, queries: np.ndarray) -> np.ndarray:
        """Of queries, but for one constant each: (n_queries, n_seen)."""
        down = self.whitening(shrinkage).T
        means = self._means @ down
        products = (queries - self.center) @ down @ means.T
        return products - np.einsum("ij,ij->i", means, means) / 2

    def by_means(self, queries: np.ndarray) -> np.ndarray:
        """As `log_likelihoods`, where the covariance is that of the metric."""
        products = (queries - self.center) @ self._means.T
        return products - np.einsum("ij,ij->i", self._means, self._means) / 2

    def losses(
        self, scores: np.ndarray, codes: np.ndarray, class_weight: np.ndarray | None
    ) -> np.ndarray:
        """Sums of `any_class_losses` of queries of a class that was seen, by temperature."""
        places = self.places(codes)
        asked = np.flatnonzero(places >= 0)
        places, weights = places[asked], weights_of(codes[asked], class_weight)
        scores, log_weight = scores[asked] + self.log_priors, np.zeros(len(self.seen))
        if class_weight is not None:
            log_weight = np.log(class_weight[self.seen])
        priors, losses = softmax(self.log_priors + log_weight)[places], []
        for temperature in TEMPERATURES:
            log_proba = log_softmax(scores / temperature + log_weight, axis=1)
            own = log_proba[np.arange(len(asked)), places]
            losses.append(float(any_class_losses(own, priors, weights).sum()))
        return np.array(losses)

    def places(self, codes: np.ndarray) -> np.ndarray:
        """Places of classes among those that were seen; -1 for others."""
        places = np.searchsorted(self.seen, codes).clip(max=len(self.seen) - 1)
        return np.where(self.seen[places] == codes, places, -1)


def fit_posteriors(
    points: np.ndarray,
    codes: np.ndarray,
    unseen: np.ndarray | None = None,
    held_out: Sequence[HeldOut] = (),
    class_weight: np.ndarray | None = None,
    head: Head | None = None,
    whole: tuple[np.ndarray, ClassScatter] | None = None,
) -> Posteriors:
    """Fit discriminants in the space of a metric; with a head, this is taken as it is.

    `points` are the rows that it was learned from, (n_samples, n_components), and `unseen` the same
    through metrics that were learned without them. Where there are no unseen ones, held-out rows
    choose between the covariance of the rows and that of the metric. Where no rows are held out, it
    is that of the metric, and the temperature is 1. `class_weight` is (n_classes,). Where the rows
    are drawn from more, `whole` are the mean of all, (n_components,), and their scatter about it.
    """
    if head is not None:
        losses = [float(part.head.losses(part, class_weight).sum()) for part in held_out]
        return Posteriors(np.eye(points.shape[1]), 1.0, 1.0, sum(losses) if losses else np.nan)
    with single_blas_thread():
        learned = _Fit(points, codes, unseen, whole)
        temperature, of_metric, loss = 1.0, True, np.nan
        if held_out and points.shape[1]:
            losses = np.zeros((2 if unseen is None else 1, len(TEMPERATURES)))
            for part in held_out:
                fit = _Fit(part.references, part.codes, part.unseen)
                for row, shrinkage in zip(losses, (fit.ledoit_wolf, 1.0)):
                    row += fit.losses(
                        fit.log_likelihoods(shrinkage, part.queries), part.query_codes, class_weight
                    )
            choice, place = np.unravel_index(int(losses.argmin()), losses.shape)
            of_metric, temperature = bool(choice), float(TEMPERATURES[place])
            loss = float(losses[choice, place])
        shrinkage = 1.0 if of_metric else learned.ledoit_wolf
        whitening = learned.whitening(shrinkage) / np.sqrt(temperature)
    return Posteriors(whitening, float(shrinkage), temperature, loss)


def fit_temperature(held_out: Sequence[HeldOut], class_weight: np.ndarray | None = None) -> float:
    """Temperature of normal classes whose covariance is that of the metric; 1 without rows."""
    losses = np.zeros(len(TEMPERATURES))
    with single_blas_thread():
        for part in held_out:
            fit = _Fit(part.references, part.codes)
            losses += fit.losses(fit.by_means(part.queries), part.query_codes, class_weight)
    return float(TEMPERATURES[losses.argmin()]) if losses.any() else 1.0


class PosteriorScore:
    """Minus the log loss of linear discriminants on held-out rows, at the best temperature.

    With `accuracy`, their accuracy instead, by which `report` tells how good a choice is.
    `class_weight` is (n_classes,).
    """

    def __init__(self, class_weight: np.ndarray | None = None, *, accuracy: bool = False) -> None:
        self._class_weight, self._accuracy = class_weight, accuracy

    @property
    def report(self) -> PosteriorScore:
        """Score by the accuracy."""
        return PosteriorScore(self._class_weight, accuracy=True)

    def __call__(
        self,
        references: np.ndarray,
        codes: np.ndarray,
        queries: np.ndarray,
        query_codes: np.ndarray,
    ) -> float:
        """Score discriminants of references that the metric was learned from.

        Their covariance would be too small, so it is that of the metric.
        """
        return self._score(_Fit(references, codes), 1.0, queries, query_codes)

    def unseen(
        self,
        references: np.ndarray,
        codes: np.ndarray,
        queries: np.ndarray,
        query_codes: np.ndarray,
    ) -> float:
        """Score discriminants of references through metrics that were learned without them."""
        fit = _Fit(references, codes)
        return self._score(fit, fit.ledoit_wolf, queries, query_codes)

    def _score(
        self, fit: _Fit, shrinkage: float, queries: np.ndarray, query_codes: np.ndarray
    ) -> float:
        scores, weight = fit.log_likelihoods(shrinkage, queries), self._class_weight
        weights = weights_of(query_codes, weight)
        total = float(weights.sum()) or 1.0
        if not self._accuracy:
            return -float(fit.losses(scores, query_codes, weight).min()) / total
        scores = scores + fit.log_priors
        if weight is not None:
            scores = scores + np.log(weight[fit.seen])
        leads = scores >= scores.max(axis=1, keepdims=True)
        # classes that tie share a query
        right = leads & (fit.seen == query_codes[:, None])
        return float(weights @ (right.sum(axis=1) / leads.sum(axis=1))) / total


def weights_of(codes: np.ndarray, class_weight: np.ndarray | None) -> np.ndarray:
    """Weights of rows, (n_rows,), by those of their classes, (n_classes,); None counts all as 1."""
    return np.ones(len(codes)) if class_weight is None else class_weight[codes]


def any_class_losses(log_proba: np.ndarray, priors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted minus log-probabilities of rows that may be of any class.

    All are (n_rows,): logarithms of the probabilities of their classes, and the priors of these.
    """
    return -weights * np.log((1 - ANY_CLASS) * np.exp(log_proba) + ANY_CLASS * priors)


def standard_error(values: np.ndarray) -> float:
    """Standard error of the sum of values of independent rows, (n_rows,)."""
    return float(np.sqrt(len(values)) * values.std())


@dataclass(frozen=True)
class LogitSpace:
    """Logits without intercepts, turned and scaled: their scatter within classes is the identity.

    The largest distances of class means come first.
    """

    across: np.ndarray  # (n_components, n_classes): what logits are mapped by
    back: np.ndarray  # (n_classes, n_components): and mapped back by

    @classmethod
    def of(cls, weights: np.ndarray, logits: np.ndarray, codes: np.ndarray) -> LogitSpace:
        """Space of a regression's weights, (n_features, n_classes), and logits of some rows."""
        # what all classes share says nothing
        weights = weights - weights.mean(axis=1, keepdims=True)
        _, sizes, turns = np.linalg.svd(weights, full_matrices=False)
        n_most = weights.shape[1] - 1
        axes = turns[:n_most][sizes[:n_most] > FLAT * sizes.max(initial=0.0)]
        points = logits @ axes.T
        scatter = ClassScatter.of(points - points.mean(axis=0), codes, weights.shape[1])
        variances, directions = np.linalg.eigh(scatter.within())
        overall = float(np.trace(scatter.total()))
        if variances.max(initial=0.0) <= FLAT * overall:
            # without variance within classes, the scale is that of all rows
            variances = np.full_like(variances, overall or 1.0)
        roots = np.sqrt(np.maximum(variances, FLAT * variances.max(initial=0.0)))
        _, _, turn = np.linalg.svd(scatter.between_factor() @ (directions / roots))
        across = turn @ (directions / roots).T @ axes
        # the first class that is far out in a direction is so on the positive side
        far = np.abs(across) > np.abs(across).max(axis=1, keepdims=True, initial=0.0) / 2
        signs = np.sign(across[np.arange(len(across)), far.argmax(axis=1)])[:, None]
        turn, across = signs * turn, signs * across
        return cls(across, axes.T @ (directions * roots) @ turn.T)

    def head(self, intercepts: np.ndarray, log_priors: np.ndarray) -> Head:
        """Anchors of the classes, from which points get the logits."""
        seen = np.isfinite(log_priors)
        beyond = log_priors[seen] - intercepts[seen]
        # they may be moved together: so far that nothing but priors is left of the intercepts
        system = np.column_stack([self.back, np.ones(len(self.back))])[seen]
        lengths = np.einsum("ij,ij->i", self.back, self.back)[seen] / 2
        anchors = self.back + np.linalg.lstsq(system, beyond - lengths)[0][:-1]
        left = np.einsum("ij,ij->i", anchors, anchors)[seen] / 2 - beyond
        offsets = np.full(len(anchors), -np.inf)
        offsets[seen] = left - left.mean()
        return Head(anchors, offsets)
