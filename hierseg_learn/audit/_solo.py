"""What single nodes say about the label: cross-fitted discriminants, and what chance would give.

A node is judged by the rows in which it is present, so that its absence, which is a fact about
another thing, does not speak for it. The classifier of a node takes the nearest class mean under
the shrunken total covariance of the node's columns. For two classes this is linear discriminant
analysis with equal priors. As that covariance does not look at labels, one factorisation serves the
true labels and all permuted ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.model_selection import StratifiedKFold

from ..utils.labels import check_classes
from ..utils.spread import varies
from ._node_table import NodeTable

# A class needs so many rows with the node, or the node is not judged by it.
MIN_ROWS = 5
# labellings that are scored at once: bounds memory
BLOCK_LABELLINGS = 50
# least share of the identity in a covariance, so that constant columns leave it regular
RIDGE = 1e-4


@dataclass(frozen=True)
class FoldModel:
    """The discriminants of one node, fitted without one fold."""

    mean: np.ndarray  # (n_own,): standardize the columns; a scale of 0 leaves a column out
    scale: np.ndarray  # (n_own,): standardize the columns; a scale of 0 leaves a column out
    weights: np.ndarray  # (n_own, n_classes): of the standardized columns
    offsets: np.ndarray  # (n_classes,): added to the scores

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Scores of the classes, (n_rows, n_classes), larger where a class is nearer."""
        return standardize(rows, self.mean, self.scale) @ self.weights + self.offsets


@dataclass(frozen=True)
class SoloNode:
    """What one node says about the label."""

    models: list[FoldModel]  # one per fold; empty if the node cannot be judged
    classes: np.ndarray  # (n_kept,) int: codes of the classes that have enough rows with the node
    # (n_rows, n_classes): of every training row by the model that did not see it; NaN where the
    # node is absent or the class has too few rows
    scores: np.ndarray
    accuracy: float  # balanced accuracy of these scores, NaN if the node cannot be judged
    null: np.ndarray  # (n_permutations,): the same with labels permuted within folds

    @property
    def chance(self) -> float:
        """Balanced accuracy that guessing would give."""
        return 1.0 / len(self.classes) if len(self.classes) else np.nan


def fit_solo(
    table: NodeTable,
    node: int,
    codes: np.ndarray,
    folds: np.ndarray,
    *,
    n_permutations: int,
    seed: int,
) -> SoloNode:
    """Fit the discriminants of one node without each fold, with true and with permuted labels.

    Shapes: `codes, folds` (n_rows,) int.
    """
    n_classes = int(codes.max()) + 1
    present = table.present[:, node]
    classes = np.flatnonzero(np.bincount(codes[present], minlength=n_classes) >= MIN_ROWS)
    scores = np.full((len(codes), n_classes), np.nan)
    if len(classes) < 2 or not len(table.columns[node]):
        return SoloNode([], classes[:0], scores, np.nan, np.full(n_permutations, np.nan))
    used = present & np.isin(codes, classes)
    rows, own_folds = table.of(node, used), folds[used]
    own_codes = np.searchsorted(classes, codes[used])
    labellings = permuted_within(own_codes, own_folds, n_permutations, seed)
    guesses = np.empty((1 + n_permutations, len(rows)), dtype=np.int16)
    models = []
    for fold in range(int(folds.max()) + 1):
        held_out, seen = own_folds == fold, own_folds != fold
        fit = _FoldFit(rows[seen], table.dtype)
        models.append(fit.model(own_codes[seen], classes, n_classes))
        here = np.flatnonzero(present & (folds == fold))
        scores[here] = models[-1].scores(table.of(node, here))
        for start in range(0, len(labellings), BLOCK_LABELLINGS):
            block = slice(start, start + BLOCK_LABELLINGS)
            guesses[block, held_out] = fit.guesses(
                labellings[block][:, seen], rows[held_out], len(classes)
            )
    accuracy = balanced_accuracy(labellings, guesses, len(classes))
    return SoloNode(models, classes, scores, float(accuracy[0]), accuracy[1:])


def balanced_accuracy(truth: np.ndarray, guesses: np.ndarray, n_classes: int) -> np.ndarray:
    """Mean share of every class's rows that are guessed, (n_labellings,)."""
    right = truth == guesses
    members = [truth == code for code in range(n_classes)]
    return np.mean(
        [(right & member).sum(axis=1) / member.sum(axis=1) for member in members], axis=0
    )


def argmax_class(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Class with the largest score among those that a node is judged by; -1 where it is absent."""
    guesses = classes[scores[:, classes].argmax(axis=1)]
    return np.where(np.isnan(scores[:, classes[0]]), -1, guesses)


def standardize(rows: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Columns in units of their spread, constant ones 0."""
    return np.divide(rows - mean, scale, out=np.zeros_like(rows), where=scale > 0)


def permuted_within(
    codes: np.ndarray, folds: np.ndarray, n_permutations: int, seed: int
) -> np.ndarray:
    """The labels, then permutations of them within folds: (1 + n_permutations, n_rows)."""
    rng = np.random.default_rng(seed)
    labellings = np.tile(codes.astype(np.int16), (1 + n_permutations, 1))
    for fold in np.unique(folds):
        here = np.flatnonzero(folds == fold)
        labellings[1:, here] = rng.permuted(labellings[1:, here], axis=1)
    return labellings


class _FoldFit:
    """Standardized rows and the factor of their shrunken covariance; labels come later."""

    def __init__(self, rows: np.ndarray, dtype: type | np.dtype) -> None:
        self.mean, scale = rows.mean(axis=0), rows.std(axis=0)
        self.scale = np.where(varies(rows, scale, dtype), scale, 0.0)
        self.rows = standardize(rows, self.mean, self.scale)
        covariance = self.rows.T @ self.rows / len(rows)
        shrinkage = ledoit_wolf_shrinkage(self.rows, assume_centered=True)
        covariance *= 1 - shrinkage
        covariance.flat[:: len(covariance) + 1] += max(shrinkage, RIDGE)
        self.factor = cho_factor(covariance, lower=True)

    def model(self, codes: np.ndarray, classes: np.ndarray, n_classes: int) -> FoldModel:
        """Discriminants of one labeling; classes that are left out have score minus infinity."""
        weights = np.zeros((len(self.mean), n_classes))
        offsets = np.full(n_classes, -np.inf)
        own_weights, own_offsets = self._discriminants(codes[np.newaxis], len(classes))
        weights[:, classes], offsets[classes] = own_weights, own_offsets
        return FoldModel(self.mean, self.scale, weights, offsets)

    def guesses(self, labellings: np.ndarray, rows: np.ndarray, n_classes: int) -> np.ndarray:
        """Class of new rows by every labeling, (n_labellings, n_rows)."""
        weights, offsets = self._discriminants(labellings, n_classes)
        scores = standardize(rows, self.mean, self.scale) @ weights + offsets
        return scores.reshape(len(rows), len(labellings), n_classes).argmax(axis=2).T

    def _discriminants(
        self, labellings: np.ndarray, n_classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights (n_own, n_labellings * n_classes) and offsets of the nearest class mean."""
        member = (labellings[:, np.newaxis] == np.arange(n_classes)[:, np.newaxis]).astype(float)
        member = member.reshape(-1, labellings.shape[1])
        sizes = member.sum(axis=1)
        means = (member @ self.rows) / np.maximum(sizes, 1)[:, np.newaxis]
        weights = cho_solve(self.factor, means.T)
        offsets = np.where(sizes > 0, -0.5 * np.sum(means.T * weights, axis=0), -np.inf)
        return weights, offsets


def make_folds(codes: np.ndarray, cv: int, seed: int) -> np.ndarray:
    """Fold of every row."""
    usual = np.bincount(codes)
    n_folds = min(cv, int(usual[usual >= MIN_ROWS].min()))
    folds = np.empty(len(codes), dtype=np.intp)
    # rare classes may be missing in some folds; no node is judged by them
    frequent = np.flatnonzero(usual[codes] >= MIN_ROWS)
    rare = np.flatnonzero(usual[codes] < MIN_ROWS)
    folds[rare] = np.arange(len(rare)) % n_folds
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(frequent, codes[frequent])):
        folds[frequent[held_out]] = fold
    return folds


def read_classes(y: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes and codes, in the order in which they first come: names do not matter."""
    y = check_classes(y, "y", n_rows)
    names, first, inverse = np.unique(y, return_index=True, return_inverse=True)
    order = np.argsort(first)
    codes = np.argsort(order)[inverse]
    counts = np.bincount(codes)
    if (counts >= MIN_ROWS).sum() < 2:
        raise ValueError(
            f"y must hold at least two classes of {MIN_ROWS} rows, got "
            f"{dict(zip(names[order].tolist(), counts.tolist()))}."
        )
    return names[order], codes
