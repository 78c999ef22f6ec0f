"""Rows that the gradient never sees, and how well their neighbours tell their class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels import Backend
from ._rows import Rows
from ._ties import TiedNeighbors, count_tied, find_tied

MOST_HELD_OUT = 2000
MOST_REFERENCES = 10000
SCORE_NEIGHBORS = 5


def hold_out(
    codes: np.ndarray, fraction: float, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows, class by class, into those that train and those that judge.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,), int
        Classes.
    fraction : float
        Share of the rows to hold out, at most a half; no more than `MOST_HELD_OUT` rows are.
    random_state : RandomState

    Returns
    -------
    train, held_out : ndarray of int
        Ascending row numbers. Every class keeps a row that trains, so that a class of one row has
        none that judges.
    """
    counts = np.bincount(codes)
    order = random_state.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    order = order[counts[codes[order]] > 1]
    step = max(1 / fraction, len(codes) / MOST_HELD_OUT, 2.0)
    # every step-th row of the rows in order of their classes: each class gives its share
    places = np.arange(random_state.uniform(0, step), len(order), step).astype(np.int64)
    held_out = np.sort(order[places])
    trains = np.ones(len(codes), dtype=bool)
    trains[held_out] = False
    return np.flatnonzero(trains), held_out


class NeighborScore:
    """Mean share of mates among the nearest training rows of every row held out; all ties count.

    It is smoother than the share of right votes, which on few rows moves in large steps.

    Parameters
    ----------
    backend : Backend
    rows : Rows
    codes : ndarray of shape (n_samples,), int
    train, held_out : ndarray of int
        The rows that are searched, of which at most `MOST_REFERENCES` are, and those that ask.
    random_state : RandomState
    metric_map : callable
        Makes the map whose Euclidean distance counts from a trained one.

    Attributes
    ----------
    n_rows, n_classes : int
        Number of rows held out and of classes.
    references, queries : array of shape (n_references or n_rows, n_features), float32
        The rows that are searched and those that ask, on the device.
    reference_codes, query_codes : ndarray of int
        Their classes.
    n_neighbors, n_listed : int
        How many neighbours are looked at, and with the one that tells of ties behind them.
    """

    def __init__(
        self,
        backend: Backend,
        rows: Rows,
        codes: np.ndarray,
        train: np.ndarray,
        held_out: np.ndarray,
        random_state: np.random.RandomState,
        metric_map: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        if len(train) > MOST_REFERENCES:
            train = np.sort(random_state.permutation(train)[:MOST_REFERENCES])
        self._backend, self._metric_map = backend, metric_map
        self.references = backend.asarray(rows.take(train))
        self.queries = backend.asarray(rows.take(held_out))
        self.reference_codes, self.query_codes = codes[train], codes[held_out]
        self.n_rows, self.n_classes = len(held_out), int(codes.max()) + 1
        self.n_neighbors = min(SCORE_NEIGHBORS, len(train))
        self.n_listed = min(SCORE_NEIGHBORS + 1, len(train))

    def __call__(self, L: np.ndarray) -> float:
        """Score a map of shape (n_components, n_features)."""
        down = self._backend.asarray(self._metric_map(L).astype(np.float32)).T
        found = find_tied(
            self._backend,
            self._backend.to_numpy(self.queries @ down),
            self._backend.to_numpy(self.references @ down),
            self.reference_codes,
            self.n_classes,
            self.n_neighbors,
        )
        return self.share_of_mates(found)

    def score_lists(
        self, backend: Backend, Q: Any, X: Any, indices: np.ndarray, squared: np.ndarray
    ) -> float:
        """Score mapped queries and references, on a device, by lists of (n_rows, n_listed)."""
        n_classes, n_neighbors = self.n_classes, self.n_neighbors
        lengths = np.linalg.norm(backend.to_numpy(Q).astype(np.float64), axis=1)
        lists = (self.reference_codes, n_classes, n_neighbors, indices, squared, lengths)
        return self.share_of_mates(count_tied(backend, Q, X, *lists))

    def share_of_mates(self, found: TiedNeighbors) -> float:
        """Score the neighbors of all rows."""
        ones = np.ones(found.indices.shape)
        votes, _ = found.count_votes(self.reference_codes, ones)
        mates = votes[np.arange(self.n_rows), self.query_codes]
        return float(np.mean(mates) / self.n_neighbors)
