"""From distances to classes: votes of neighbors, or the nearest prototype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import softmax

from ..kernels.threads import single_blas_thread
from ..metrics.base import BLOCK_ROWS, map_rows
from ..metrics.contributions import pair_squared_distances
from ..metrics.ties import SAME_VOTES, TiedNeighbors, find_tied
from ..table.layout import TableLayout

# Neighbors that judge a metric on held-out rows: more than vote by default, for a steadier choice.
SCORE_NEIGHBORS = 15
# rows that tie for the last places and are listed one by one, at most
MAX_LISTED = 100


@dataclass(frozen=True)
class Votes:
    """Who decides about rows, and what comes of it."""

    # (n_rows, n_voters) int: training rows, or classes for prototypes; -1 behind the last of a row
    # that has fewer
    indices: np.ndarray
    codes: np.ndarray  # (n_rows, n_voters) int: their classes
    # (n_rows, n_voters) float64: weights of their votes, summing to 1 in every row
    weights: np.ndarray
    proba: np.ndarray  # (n_rows, n_classes) float64: probabilities of the classes

    def of_first(self, references: np.ndarray) -> Voters:
        """Who decides about the first row, with their rows among the references."""
        kept = self.indices[0] >= 0
        found, codes, weights = (a[0, kept] for a in (self.indices, self.codes, self.weights))
        return Voters(found, references[found], codes, weights, self.proba[0])


@dataclass(frozen=True)
class Voters:
    """Who decides about one row."""

    indices: np.ndarray  # (n_voters,) int: training rows, or classes for prototypes
    rows: np.ndarray  # (n_voters, n_features): their rows of the table
    codes: np.ndarray  # (n_voters,) int: their classes
    weights: np.ndarray  # (n_voters,) float64: weights of their votes, summing to 1
    proba: np.ndarray  # (n_classes,) float64: probabilities of the classes


@dataclass(frozen=True)
class Order:
    """An order of training rows and of classes that only their contents set: what ties go by."""

    rows: np.ndarray  # (n_samples,) int: place of every training row
    classes: np.ndarray  # (n_classes,) int: place of every class

    def settle(self, proba: np.ndarray, leads: np.ndarray) -> np.ndarray:
        """Raise the first of the leading classes, by a mask, just above all: (n_rows, n_classes).

        So the class with the largest probability is one and the same for whoever looks for it.
        """
        rows, first = np.arange(len(proba)), np.where(leads, self.classes, np.inf).argmin(axis=1)
        others = proba.copy()
        others[rows, first] = -np.inf
        level = np.flatnonzero(others.max(axis=1) >= proba[rows, first])
        settled = proba.copy()
        settled[level, first[level]] = np.nextafter(others[level].max(axis=1), 1)
        return settled


@dataclass(frozen=True)
class Embedding:
    """Rows about a center through a linear map: near the origin little is lost to rounding."""

    components: np.ndarray  # (n_components, n_features): the map
    center: np.ndarray  # (n_features,): what rows are moved by
    points: np.ndarray  # (n_samples, n_components) float64: the training rows

    @classmethod
    def of(cls, components: np.ndarray, X: np.ndarray, center: np.ndarray) -> Embedding:
        """Embed training rows."""
        made = cls(components, center, np.empty((0, len(components))))
        return cls(components, center, made.embed(X)[0])

    def embed(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embed rows; with a bound, (n_rows,), on what the rounding of each is relative to."""
        embedded, sizes = np.empty((len(rows), len(self.components))), np.empty(len(rows))
        lengths = np.linalg.norm(self.components, axis=0)
        with single_blas_thread():
            for start in range(0, len(rows), BLOCK_ROWS):
                block = slice(start, start + BLOCK_ROWS)
                moved = np.subtract(rows[block], self.center, dtype=np.float64)
                embedded[block] = moved @ self.components.T
                sizes[block] = np.abs(moved) @ lengths
        return embedded, sizes

    def move(self, mapped: np.ndarray) -> np.ndarray:
        """Move rows that are mapped already, (n_rows, n_components), as `embed` moves rows."""
        return mapped - self.components @ self.center


@dataclass(frozen=True)
class Neighbors:
    """Votes of the nearest training rows; all that tie for the last places share them."""

    layout: TableLayout  # columns of every node
    X: np.ndarray  # (n_samples, n_features): training rows
    embedding: Embedding  # the same through the root's map
    codes: np.ndarray  # (n_samples,) int: their classes
    order: Order  # what goes first where rows or classes are level
    n_neighbors: int  # number of voters
    weights: str | Callable | None  # weight of a vote by the distance
    backend: Any  # the kernels

    @property
    def components(self) -> np.ndarray:
        """The root's map, (n_components, n_features)."""
        return self.embedding.components

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.order.classes)

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
            asarray(self.embedding.embed(queries)[0]),
            asarray(self.embedding.points),
            n_neighbors,
            None if exclude is None else asarray(exclude),
        )
        indices = to_numpy(found)
        squared = self._measure(queries, indices)
        order = np.argsort(squared, axis=1, kind="stable")
        return np.take_along_axis(squared, order, 1), np.take_along_axis(indices, order, 1)

    def proba(self, rows: np.ndarray) -> np.ndarray:
        """Shares of the votes, (n_rows, n_classes), the largest that of the predicted class."""
        found = self._find(rows)
        return self._proba(found, self._vote_weights(found))

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Shares of the votes for rows that are mapped already, (n_rows, n_components)."""
        moved = self.embedding.move(mapped)
        sizes = np.linalg.norm(mapped, axis=1) + np.linalg.norm(moved, axis=1)
        found = self._search(moved, sizes)
        return self._proba(found, self._vote_weights(found))

    def votes(self, rows: np.ndarray) -> Votes:
        """Who votes about every row.

        Of more than `MAX_LISTED` rows that tie, so many of each class are listed that the votes
        of the classes are right; they are as far as those that are not.
        """
        found = self._find(rows)
        weights = self._vote_weights(found)
        indices, listed = self._list_voters(rows, found, weights, np.arange(len(self.X)))
        return Votes(indices, self.codes[indices], listed, self._proba(found, weights))

    def voters(self, row: np.ndarray) -> Voters:
        """Who votes about one row, (1, n_features)."""
        return self.votes(row).of_first(self.X)

    def nearest_members(
        self,
        rows: np.ndarray,
        members: np.ndarray,
        n_neighbors: int,
        itself: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest among some training rows, and what their votes would weigh.

        Shapes: `rows` (n_rows, n_features), `members` (n_members,) int, `itself` (n_rows,) int.
        Returns `indices` (n_rows, n_voters) int: training rows, nearest first; -1 behind the last;
        `weights` (n_rows, n_voters) float64: summing to 1 in every row.
        """
        exclude = None if itself is None else np.searchsorted(members, itself)
        embedded, sizes = self.embedding.embed(rows)
        points, codes = self.embedding.points[members], self.codes[members]
        found = find_tied(
            self.backend,
            embedded,
            points,
            codes,
            self.n_classes,
            n_neighbors,
            exclude=exclude,
            sizes=sizes,
        )
        found = found.measured(np.sqrt(self._measure(rows, members[found.indices])))
        return self._list_voters(rows, found, self._vote_weights(found), members, exclude)

    def _list_voters(
        self,
        rows: np.ndarray,
        found: TiedNeighbors,
        weights: np.ndarray,
        members: np.ndarray,
        exclude: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """List neighbors among members, ties included: their rows and weights, padded with -1."""
        lists = []
        for i, (near, vote) in enumerate(zip(found.indices, weights, strict=True)):
            n_nearer = found.n_nearer[i]
            tied = near[n_nearer:]
            if found.n_tied[i] > len(tied):
                left_out = -1 if exclude is None else exclude[i]
                reach = found.distances[i, -1], found.tolerance[i]
                tied = self._all_tied(rows[i : i + 1], members, *reach, left_out)
            chosen, shares = self._represent(members[tied])
            near = np.concatenate([members[near[:n_nearer]], chosen])
            lists.append((near, np.concatenate([vote[:n_nearer], vote[n_nearer:].sum() * shares])))
        width = max((len(near) for near, _ in lists), default=found.indices.shape[1])
        indices = np.full((len(rows), width), -1, dtype=np.int64)
        listed = np.zeros((len(rows), width))
        for i, (near, vote) in enumerate(lists):
            indices[i, : len(near)], listed[i, : len(near)] = near, vote
        return indices, listed

    def _find(self, rows: np.ndarray) -> TiedNeighbors:
        found = self._search(*self.embedding.embed(rows))
        # Measured again by the very function that contributions come from.
        squared = self._measure(rows, found.indices)
        return found.measured(np.sqrt(squared))

    def _search(self, embedded: np.ndarray, sizes: np.ndarray) -> TiedNeighbors:
        points, n_classes = self.embedding.points, self.n_classes
        lists = (self.codes, n_classes, self.n_neighbors)
        return find_tied(self.backend, embedded, points, *lists, sizes=sizes)

    def _measure(self, rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Squared distances as sums of contributions, (n_rows, n_neighbors)."""
        column_nodes, n_nodes = self.layout.column_nodes(), self.layout.tree.n_nodes
        return pair_squared_distances(self.components, rows, self.X, indices, column_nodes, n_nodes)

    def _all_tied(
        self,
        query: np.ndarray,
        members: np.ndarray,
        distance: float,
        tolerance: float,
        left_out: int,
    ) -> np.ndarray:
        """Places of all members at a distance of one query, (1, n_features)."""
        differences = self.embedding.points[members] - self.embedding.embed(query)[0]
        lengths = np.sqrt(np.einsum("ij,ij->i", differences, differences))
        tied = np.abs(lengths - distance) <= tolerance
        if left_out >= 0:
            tied[left_out] = False
        return np.flatnonzero(tied)

    def _represent(self, tied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Order tied training rows and share one vote among them; of too many, some of each class.

        Returns their numbers, (n_chosen,), and shares that sum to 1.
        """
        tied = tied[np.argsort(self.order.rows[tied], kind="stable")]
        if len(tied) <= MAX_LISTED:
            return tied, np.full(len(tied), 1 / len(tied))
        codes = self.codes[tied]
        chosen, shares = [], []
        for code in np.unique(codes):
            of_class = tied[codes == code]
            kept = of_class[: max(1, MAX_LISTED * len(of_class) // len(tied))]
            chosen.append(kept)
            shares.append(np.full(len(kept), len(of_class) / len(tied) / len(kept)))
        return np.concatenate(chosen), np.concatenate(shares)

    def _proba(self, found: TiedNeighbors, weights: np.ndarray) -> np.ndarray:
        votes, lengths = found.count_votes(self.codes, weights)
        leads = found.find_leaders(votes, lengths)
        return self.order.settle(votes / votes.sum(axis=1, keepdims=True), leads)

    def _vote_weights(self, found: TiedNeighbors) -> np.ndarray:
        """Weights of the votes of all places, (n_rows, n_neighbors), summing to 1."""
        distances = found.distances
        if callable(self.weights):
            votes = _checked_weights(self.weights(distances.copy()), distances.shape)
        elif self.weights == "distance":
            # A row that is met exactly decides alone.
            nearest = distances[:, :1]
            votes = (distances == 0).astype(np.float64)
            np.divide(nearest, distances, out=votes, where=nearest > 0)
        else:
            votes = np.ones_like(distances)
        return votes / votes.sum(axis=1, keepdims=True)


def _checked_weights(votes: Any, shape: tuple[int, int]) -> np.ndarray:
    """Weights that a callable gave, divided by their largest; a sentence for what cannot vote."""
    votes = np.asarray(votes)
    if votes.dtype.kind not in "biuf":
        raise TypeError(f"weights must return numbers, got an array of dtype {votes.dtype}.")
    if votes.shape != shape:
        raise ValueError(
            "weights must return one weight per distance, expected shape "
            f"{shape}, got {votes.shape}."
        )
    votes = votes.astype(np.float64)
    for what, wrong in (
        ("missing or infinite", ~np.isfinite(votes)),
        ("negative", votes < 0),
    ):
        if wrong.any():
            row, place = np.argwhere(wrong)[0].tolist()
            raise ValueError(
                f"weights must return finite weights that are not negative, got {what} ones, such "
                f"as {votes[row, place]} for neighbor {place} of row {row}."
            )
    largest = votes.max(axis=1, keepdims=True)
    if not (largest > 0).all():
        row = int(np.flatnonzero(largest[:, 0] == 0)[0])
        raise ValueError(
            "weights must return a weight above 0 for one neighbor of every row at least, got "
            f"only zeros for row {row}; it would have no class."
        )
    return votes / largest


@dataclass(frozen=True)
class Prototypes:
    """The nearest of the class means."""

    components: np.ndarray  # (n_components, n_features): the root's map
    layout: TableLayout  # columns of every node
    prototypes: np.ndarray  # (n_classes, n_features): the class means
    order: Order  # which class goes first where several are as near

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
        return self._settled(softmax(-0.5 * squared, axis=1))

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Probabilities for rows that are mapped already, (n_rows, n_components)."""
        prototypes = map_rows(self.components, self.prototypes)
        squared = ((mapped[:, np.newaxis] - prototypes) ** 2).sum(axis=-1)
        return self._settled(softmax(-0.5 * squared, axis=1))

    def votes(self, rows: np.ndarray) -> Votes:
        """All prototypes for every row, the whole vote with the one that decides."""
        proba = self.proba(rows)
        codes = np.tile(np.arange(len(self.prototypes)), (len(rows), 1))
        weights = (codes == proba.argmax(axis=1)[:, None]).astype(np.float64)
        return Votes(codes, codes, weights, proba)

    def voters(self, row: np.ndarray) -> Voters:
        """All prototypes, the whole vote with the one that decides about a row, (1, n_features)."""
        return self.votes(row).of_first(self.prototypes)

    def _settled(self, proba: np.ndarray) -> np.ndarray:
        leads = proba >= proba.max(axis=1, keepdims=True) * (1 - SAME_VOTES)
        return self.order.settle(proba, leads)


def neighbor_score(backend: Any, n_neighbors: int = SCORE_NEIGHBORS) -> Callable[..., float]:
    """Return a score of a metric: the share of queries whose neighbors vote for their class.

    Classes that are level share a query.

    Returns `score`: ``score(references, reference_codes, queries, query_codes)`` with embedded
    rows.
    """

    def score(
        references: np.ndarray, codes: np.ndarray, queries: np.ndarray, query_codes: np.ndarray
    ) -> float:
        n_voters, n_classes = (
            min(n_neighbors, len(references)),
            max(codes.max(), query_codes.max()) + 1,
        )
        found = find_tied(backend, queries, references, codes, n_classes, n_voters)
        leads = found.find_leaders(*found.count_votes(codes, np.ones((len(queries), n_voters))))
        right = leads[np.arange(len(queries)), query_codes] / leads.sum(axis=1)
        return float(right.mean())

    return score
