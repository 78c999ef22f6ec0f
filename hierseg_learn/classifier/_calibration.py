"""What held-out rows choose: neighbors, smoothing, temperature, and the decision itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from ..metrics import VoteCalibration
from ..metrics.block_sums import ClassScatter
from ..metrics.calibration import HeldOutVotes
from ..metrics.posteriors import (
    HeldOut,
    Posteriors,
    fit_posteriors,
    fit_temperature,
    standard_error,
)
from ..metrics.ties import find_tied
from ..metrics.tree_metric import TreeMetric
from .votes import vote_weights

# numbers of neighbors that are tried
AUTO_NEIGHBORS = (5, 10, 15, 25, 40)
# neighbors, and votes that are added, where no rows can be held out
DEFAULT_NEIGHBORS = 5
DEFAULT_SMOOTHING = 1.0


@dataclass(frozen=True)
class Calibration:
    """A decision, and what makes its probabilities."""

    decision: str  # "neighbors", "prototypes" or "linear"
    votes: VoteCalibration
    temperature: float
    posteriors: Posteriors | None = None  # of a linear decision
    loss: float = np.inf  # sum of `any_class_losses` of held-out rows, if that is known


@dataclass(frozen=True)
class Classes:
    """Shares, priors and weights of the classes, in one order of these: each (n_classes,)."""

    shares: np.ndarray
    priors: np.ndarray
    weights: np.ndarray | None  # None where all count the same

    @classmethod
    def of(
        cls, counts: np.ndarray, priors: np.ndarray | None, weights: np.ndarray | None
    ) -> Classes:
        """Of rows so many of each class; priors are by default their weighted shares."""
        weighted = counts if weights is None else counts * weights
        found = weighted / weighted.sum() if priors is None else priors
        return cls(counts / counts.sum(), found, weights)

    def take(self, order: np.ndarray) -> Classes:
        """The same in another order."""
        weights = None if self.weights is None else self.weights[order]
        return Classes(self.shares[order], self.priors[order], weights)

    def drawn(self) -> Classes:
        """The same with the priors by which held-out rows count: the weighted shares."""
        return Classes.of(self.shares, None, self.weights)


def calibrate(
    decision: str,
    points: np.ndarray,
    codes: np.ndarray,
    classes: Classes,
    metric: TreeMetric,
    *,
    n_neighbors: int | str,
    weights: str | Callable | None,
    backend: Any,
    whole: tuple[np.ndarray, ClassScatter] | None = None,
) -> Calibration:
    """Choose what makes probabilities of votes, or of discriminants, by held-out rows.

    `points` are the training rows in the root's space, (n_samples, n_components), `codes` their
    classes. `whole` is that of `fit_posteriors`.
    """
    held_out = metric.held_out
    decision = read_decision(decision, n_neighbors, weights)
    fallback = min(DEFAULT_NEIGHBORS, len(codes)) if n_neighbors == "auto" else n_neighbors
    calibration = VoteCalibration(fallback, classes.shares, classes.priors, DEFAULT_SMOOTHING)
    found, losses = Calibration("neighbors", calibration, 1.0), np.array([np.inf])
    if decision == "prototypes":
        return replace(
            found, decision=decision, temperature=fit_temperature(held_out, classes.weights)
        )
    if decision in ("neighbors", "auto") and held_out:
        tried = AUTO_NEIGHBORS if n_neighbors == "auto" else (n_neighbors,)
        votes = _held_out_votes(backend, held_out, len(classes.shares), tried, fallback, weights)
        drawn = classes.drawn()
        chosen, losses = votes.calibrate(drawn.shares, drawn.priors, drawn.weights)
        chosen = replace(chosen, priors=classes.priors)
        found = Calibration("neighbors", chosen, chosen.temperature, loss=losses.sum())
    if decision == "linear" or (decision == "auto" and held_out):
        posteriors = fit_posteriors(
            points, codes, metric.unseen, held_out, classes.weights, metric.head, whole
        )
        in_doubt = 0.0
        if decision == "auto" and metric.head is not None:
            # what was learned with the metric is kept, unless votes are surely better
            heads = [part.head.losses(part, classes.weights) for part in held_out]
            in_doubt = standard_error(losses - np.concatenate(heads))
        if decision == "linear" or posteriors.loss < losses.sum() + in_doubt:
            loss = posteriors.loss if held_out else np.inf
            return Calibration("linear", found.votes, posteriors.temperature, posteriors, loss)
    return found


def read_decision(decision: str, n_neighbors: int | str, weights: str | Callable | None) -> str:
    """Whoever says how neighbors vote asks for their votes."""
    says_how = n_neighbors != "auto" or weights not in (None, "uniform")
    return "neighbors" if decision == "auto" and says_how else decision


def _held_out_votes(
    backend: Any,
    held_out: Sequence[HeldOut],
    n_classes: int,
    tried: Sequence[int],
    fallback: int,
    weights: str | Callable | None,
) -> HeldOutVotes:
    """Votes about all held-out rows of classes that the references have.

    Numbers of neighbors are tried up to half the references of a fold.
    """
    most = min(len(part.references) for part in held_out)
    kept = [k for k in tried if k <= most // 2] or [fallback]
    votes: dict[int, list[np.ndarray]] = {k: [] for k in kept}
    codes = []
    for part in held_out:
        asked = np.flatnonzero(np.isin(part.query_codes, part.codes))
        queries = part.queries[asked]
        codes.append(part.query_codes[asked])
        for k, shares in votes.items():
            found = find_tied(
                backend, queries, part.references, part.codes, n_classes, min(k, most)
            )
            counted = vote_weights(weights, found.distances)
            shares.append(found.count_votes(part.codes, counted, with_lengths=False)[0])
    return HeldOutVotes({k: np.concatenate(v) for k, v in votes.items()}, np.concatenate(codes))


def check_class_weight(
    class_weight: Mapping | str | None, classes: np.ndarray, y: np.ndarray
) -> np.ndarray | None:
    """Weights of the classes, (n_classes,), as scikit-learn reads them; None for none."""
    if class_weight is None:
        return None
    weights = [] if isinstance(class_weight, str) else class_weight.values()
    if not all(isinstance(weight, Real) and 0 < weight < np.inf for weight in weights):
        raise ValueError(f"class_weight must hold finite weights above 0, got {class_weight!r}.")
    return compute_class_weight(class_weight, classes=classes, y=y)
