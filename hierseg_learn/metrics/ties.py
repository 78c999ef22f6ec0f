"""Nearest rows where several are equally far: all rows that tie for the last places share them.

Rows without a part are at distance 0 from each other, and a search lists the first of them only. So
the rows that tie with the last neighbor are counted by class, however many they are.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

# Distances that differ by less than so many roundings of the coordinates are equal: what a product
# of matrices rounds differs with the place of a row in its block.
ROUNDINGS = {"float32": 64, "float64": 1024}
# counts by class that are held at once: bounds memory
BLOCK_COUNTS = 2**20
# votes are sums of shares: closer ones are equal
SAME_VOTES = 1e-9


class TiedNeighbors(NamedTuple):
    """The nearest rows of queries, and the rows that share the last places."""

    indices: np.ndarray  # (n_queries, n_neighbors) int: nearest first
    # (n_queries, n_neighbors) float64: euclidean; those of the last places are equal, and what is
    # zero but for rounding is zero
    distances: np.ndarray
    tolerance: np.ndarray  # (n_queries,) float64: distances that differ by less are equal
    # (n_queries,) int: how many of the listed rows are nearer than the last; the places behind them
    # are shared
    n_nearer: np.ndarray
    # (n_queries, n_classes) float64: by class, the share of the rows that are as far as the last;
    # every row sums to 1
    shares: np.ndarray
    n_tied: np.ndarray  # (n_queries,) int: how many these are, listed or not

    def measured(self, distances: np.ndarray) -> TiedNeighbors:
        """The same with more exact distances, (n_queries, n_neighbors)."""
        tied = ~self.is_nearer
        last = np.where(tied, distances, 0.0).sum(axis=1) / tied.sum(axis=1)
        distances = np.where(tied, last[:, None], distances)
        distances = _without_rounding(distances, self.tolerance)
        return self._replace(distances=distances)

    @classmethod
    def concatenate(cls, found: list[TiedNeighbors]) -> TiedNeighbors:
        """Join the results for several queries."""
        return found[0] if len(found) == 1 else cls(*map(np.concatenate, zip(*found)))

    def renumbered(self, numbers: np.ndarray) -> TiedNeighbors:
        """The same with the numbers, (n_samples,), that the rows have elsewhere."""
        return self._replace(indices=numbers[self.indices])

    @property
    def is_nearer(self) -> np.ndarray:
        """Which listed rows are nearer than the last, (n_queries, n_neighbors)."""
        return np.arange(self.indices.shape[1]) < self.n_nearer[:, None]

    def count_votes(
        self, codes: np.ndarray, weights: np.ndarray, *, with_lengths: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Add up votes by class, and votes times distances: two of (n_queries, n_classes).

        `codes` are the classes of all rows, `weights` those of the places.
        """
        is_nearer = self.is_nearer
        shared = np.where(is_nearer, 0.0, weights).sum(axis=1, keepdims=True) * self.shares
        lengths = shared * self.distances[:, -1:] if with_lengths else None
        votes, n_classes = shared, shared.shape[1]
        places = (np.arange(len(votes))[:, None] * n_classes + codes[self.indices]).ravel()
        vote = np.where(is_nearer, weights, 0.0)
        np.add.at(votes.reshape(-1), places, vote.ravel())
        if lengths is not None:
            np.add.at(lengths.reshape(-1), places, (vote * self.distances).ravel())
        return votes, lengths

    def find_leaders(self, votes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Mask (n_queries, n_classes) of the classes with most votes, the nearer ones of equals."""
        most = votes.max(axis=1, keepdims=True)
        leads = votes >= most - SAME_VOTES * votes.sum(axis=1, keepdims=True)
        return self.find_nearer(leads, votes, lengths)

    def find_nearer(self, leads: np.ndarray, votes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Of classes that lead, a mask, keep those whose votes come from the nearest rows."""
        mean = np.full(votes.shape, np.inf)
        np.divide(lengths, votes, out=mean, where=leads & (votes > 0))
        nearest = mean.min(axis=1, keepdims=True)
        return leads & (mean <= nearest * (1 + SAME_VOTES) + self.tolerance[:, None])


def find_tied(
    backend: Any,
    Q: np.ndarray,
    X: np.ndarray,
    codes: np.ndarray | None,
    n_classes: int,
    n_neighbors: int,
    *,
    exclude: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
) -> TiedNeighbors:
    """Find the nearest rows of X for every row of Q, and count those that tie with the last.

    `codes` (n_samples,) are the classes of X, None for a single one; `exclude` (n_queries,) a row
    that each query leaves out; `sizes` (n_queries,) lengths of the queries if they are known.
    """
    on_device = [backend.asarray(array) for array in (Q, X)]
    left_out = None if exclude is None else backend.asarray(exclude)
    # one more, to see whether a tie goes on after the last place
    n_listed = min(n_neighbors + 1, len(X) - (exclude is not None))
    indices, squared = map(backend.to_numpy, backend.nearest(*on_device, n_listed, left_out))
    if sizes is None:
        sizes = np.sqrt(np.einsum("ij,ij->i", Q, Q, dtype=np.float64))
    distances = np.sqrt(squared)
    last = distances[:, n_neighbors - 1]
    tolerance = _resolution(X) * (sizes + last)
    nearer = distances[:, :n_neighbors] < (last - tolerance)[:, None]
    n_nearer = nearer.sum(axis=1)
    if codes is None:
        counts = (n_neighbors - n_nearer[:, None]).astype(np.float64)
    else:
        places = np.arange(len(indices))[:, None] * n_classes + codes[indices[:, :n_neighbors]]
        counts = np.bincount(places.ravel(), ~nearer.ravel(), len(indices) * n_classes)
        counts = counts.reshape(len(indices), n_classes)
    if indices.shape[1] > n_neighbors:
        goes_on = (distances[:, n_neighbors] <= last + tolerance).nonzero()[0]
        if len(goes_on):
            codes = np.zeros(len(X), dtype=np.int64) if codes is None else codes
            device_codes = backend.asarray(codes)
        block_rows = max(1, BLOCK_COUNTS // n_classes)
        for start in range(0, len(goes_on), block_rows):
            some = goes_on[start : start + block_rows]
            low = np.maximum(last[some] - tolerance[some], 0.0) ** 2
            high = (last[some] + tolerance[some]) ** 2
            found = backend.count_classes(
                backend.asarray(Q[some]),
                on_device[1],
                device_codes,
                n_classes,
                backend.asarray(low),
                backend.asarray(high),
                None if exclude is None else backend.asarray(exclude[some]),
            )
            counts[some] = backend.to_numpy(found)
    n_tied = counts.sum(axis=1)
    distances = np.where(nearer, distances[:, :n_neighbors], last[:, None])
    distances = _without_rounding(distances, tolerance)
    return TiedNeighbors(
        indices[:, :n_neighbors],
        distances,
        tolerance,
        n_nearer,
        counts / n_tied[:, None],
        n_tied.astype(np.int64),
    )


def _without_rounding(distances: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Set distances (n_queries, n_neighbors) within rounding of 0 to 0."""
    return np.where(distances <= tolerance[:, None], 0.0, distances)


def _resolution(X: Any) -> float:
    """Least relative difference of two distances that counts, by the dtype of the points."""
    return _resolution_of(X.dtype)


@cache
def _resolution_of(dtype: Any) -> float:
    name = "float32" if str(dtype).endswith("float32") else "float64"
    return ROUNDINGS[name] * float(np.finfo(name).eps)
