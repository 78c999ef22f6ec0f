"""From distances to classes: votes of neighbours, or the nearest prototype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import softmax

from ._layout import TableLayout
from .metrics import pair_squared_distances
from .metrics._mahalanobis import map_rows

# Neighbours that judge a metric on held-out rows: more than vote by default, for a steadier choice.
SCORE_NEIGHBORS = 15


@dataclass(frozen=True)
class Votes:
    """Who decides about rows, and what comes of it.

    Parameters
    ----------
    indices : ndarray of shape (n_rows, n_voters), int
        Training rows, or classes for prototypes.
    codes : ndarray of shape (n_rows, n_voters), int
        Their classes.
    weights : ndarray of shape (n_rows, n_voters), float64
        Weights of their votes, summing to 1 in every row.
    proba : ndarray of shape (n_rows, n_classes), float64
        Probabilities of the classes.
    """

    indices: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    proba: np.ndarray

    def of_first(self, references: np.ndarray) -> Voters:
        """Who decides about the first row, with their rows among the references."""
        found = self.indices[0]
        return Voters(found, references[found], self.codes[0], self.weights[0], self.proba[0])


@dataclass(frozen=True)
class Voters:
    """Who decides about one row.

    Parameters
    ----------
    indices : ndarray of shape (n_voters,), int
        Training rows, or classes for prototypes.
    rows : ndarray of shape (n_voters, n_features)
        Their rows of the table.
    codes : ndarray of shape (n_voters,), int
        Their classes.
    weights : ndarray of shape (n_voters,), float64
        Weights of their votes, summing to 1.
    proba : ndarray of shape (n_classes,), float64
        Probabilities of the classes.
    """

    indices: np.ndarray
    rows: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    proba: np.ndarray


@dataclass(frozen=True)
class Neighbors:
    """Votes of the nearest training rows.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features)
        The root's map.
    layout : TableLayout
        Columns of every node.
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    embedding : ndarray of shape (n_samples, n_components)
        The same, mapped.
    codes : ndarray of shape (n_samples,), int
        Their classes.
    n_classes, n_neighbors : int
        Number of classes and of voters.
    weights : {"uniform", "distance"} or callable
        Weight of a vote by the distance.
    backend : Backend
        The kernels.
    """

    components: np.ndarray
    layout: TableLayout
    X: np.ndarray
    embedding: np.ndarray
    codes: np.ndarray
    n_classes: int
    n_neighbors: int
    weights: str | Callable
    backend: Any

    def search(self, rows: np.ndarray | None, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances and positions of the nearest training rows, nearest first.

        None for `rows` takes all training rows, each without itself.
        """
        most = len(self.X) - (rows is None)
        if isinstance(n_neighbors, bool) or not isinstance(n_neighbors, Integral):
            raise TypeError(f"n_neighbors must be an integer, got {n_neighbors!r}.")
        if not 1 <= n_neighbors <= most:
            raise ValueError(
                f"n_neighbors={n_neighbors} must lie between 1 and {most}, the number of training "
                "rows that can be found."
            )
        exclude = np.arange(len(self.X)) if rows is None else None
        queries = self.X if rows is None else rows
        asarray, to_numpy = self.backend.asarray, self.backend.to_numpy
        found, _ = self.backend.nearest(
            asarray(map_rows(self.components, queries, dtype=np.float64)),
            asarray(self.embedding),
            n_neighbors,
            None if exclude is None else asarray(exclude),
        )
        indices = to_numpy(found)
        # Measured again by the very function that contributions come from.
        squared = pair_squared_distances(
            self.components,
            queries,
            self.X,
            indices,
            self.layout.column_nodes(),
            self.layout.tree.n_nodes,
        )
        order = np.argsort(squared, axis=1, kind="stable")
        return np.take_along_axis(squared, order, 1), np.take_along_axis(indices, order, 1)

    def votes(self, rows: np.ndarray) -> Votes:
        """Who votes about every row; the probabilities are shares of the votes."""
        return self._count(*self.search(rows, self.n_neighbors))

    def proba(self, rows: np.ndarray) -> np.ndarray:
        """Shares of the votes, (n_rows, n_classes)."""
        return self.votes(rows).proba

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Shares of the votes for rows that are mapped already, (n_rows, n_components)."""
        asarray, to_numpy = self.backend.asarray, self.backend.to_numpy
        indices, squared = self.backend.nearest(
            asarray(mapped), asarray(self.embedding), self.n_neighbors
        )
        return self._count(to_numpy(squared), to_numpy(indices)).proba

    def voters(self, row: np.ndarray) -> Voters:
        """Who votes about one row, (1, n_features)."""
        return self.votes(row).of_first(self.X)

    def _count(self, squared: np.ndarray, indices: np.ndarray) -> Votes:
        codes, weights = self.codes[indices], self._vote_weights(squared)
        proba = np.zeros((len(indices), self.n_classes))
        for place in range(self.n_neighbors):
            proba[np.arange(len(indices)), codes[:, place]] += weights[:, place]
        return Votes(indices, codes, weights, proba)

    def _vote_weights(self, squared: np.ndarray) -> np.ndarray:
        distances = np.sqrt(squared)
        if callable(self.weights):
            votes = np.asarray(self.weights(distances), dtype=np.float64)
            if votes.shape != distances.shape:
                raise ValueError(
                    "weights must return one weight per distance, expected shape "
                    f"{distances.shape}, got {votes.shape}."
                )
        elif self.weights == "distance":
            # A row that is met exactly decides alone.
            nearest = distances[:, :1]
            votes = (distances == 0).astype(np.float64)
            np.divide(nearest, distances, out=votes, where=nearest > 0)
        else:
            votes = np.ones_like(distances)
        total = votes.sum(axis=1, keepdims=True)
        return np.divide(votes, total, out=np.full_like(votes, 1 / votes.shape[1]), where=total > 0)


@dataclass(frozen=True)
class Prototypes:
    """The nearest of the class means.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_features)
        The root's map.
    layout : TableLayout
        Columns of every node.
    prototypes : ndarray of shape (n_classes, n_features)
        The class means.
    """

    components: np.ndarray
    layout: TableLayout
    prototypes: np.ndarray

    def proba(self, rows: np.ndarray) -> np.ndarray:
        """Softmax of minus half the squared distances, (n_rows, n_classes)."""
        everyone = np.tile(np.arange(len(self.prototypes)), (len(rows), 1))
        squared = pair_squared_distances(
            self.components,
            rows,
            self.prototypes,
            everyone,
            self.layout.column_nodes(),
            self.layout.tree.n_nodes,
        )
        return softmax(-0.5 * squared, axis=1)

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Probabilities for rows that are mapped already, (n_rows, n_components)."""
        prototypes = map_rows(self.components, self.prototypes)
        squared = ((mapped[:, np.newaxis] - prototypes) ** 2).sum(axis=-1)
        return softmax(-0.5 * squared, axis=1)

    def votes(self, rows: np.ndarray) -> Votes:
        """All prototypes for every row, the whole vote with the one that decides."""
        proba = self.proba(rows)
        codes = np.tile(np.arange(len(self.prototypes)), (len(rows), 1))
        weights = (codes == proba.argmax(axis=1)[:, None]).astype(np.float64)
        return Votes(codes, codes, weights, proba)

    def voters(self, row: np.ndarray) -> Voters:
        """All prototypes, the whole vote with the one that decides about a row, (1, n_features)."""
        return self.votes(row).of_first(self.prototypes)


def neighbor_score(backend: Any, n_neighbors: int = SCORE_NEIGHBORS) -> Callable[..., float]:
    """Return a score of a metric: the share of queries whose neighbours vote for their class.

    Parameters
    ----------
    backend : Backend
        The kernels.
    n_neighbors : int
        Number of voters.

    Returns
    -------
    score : callable
        ``score(references, reference_codes, queries, query_codes)`` with embedded rows.
    """

    def score(
        references: np.ndarray, codes: np.ndarray, queries: np.ndarray, query_codes: np.ndarray
    ) -> float:
        n_voters = min(n_neighbors, len(references))
        indices, _ = backend.nearest(
            backend.asarray(queries), backend.asarray(references), n_voters
        )
        voted = codes[backend.to_numpy(indices)]
        votes = (voted[:, :, None] == np.arange(codes.max() + 1)).sum(axis=1)
        return float((votes.argmax(axis=1) == query_codes).mean())

    return score
