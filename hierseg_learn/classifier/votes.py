"""Decision by the votes of nearest neighbors, or by the nearest prototype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import softmax

from ..kernels.threads import single_blas_thread
from ..metrics import node_contributions
from ..metrics.base import BLOCK_ROWS, map_rows
from ..metrics.contributions import BLOCK_VALUES, pair_squared_distances
from ..metrics.ties import SAME_VOTES, TiedNeighbors, find_tied
from ..table.layout import TableLayout

# neighbors that score a metric on held-out rows: more than the default, for less noise
SCORE_NEIGHBORS = 15
# most rows that tie for the last places and are listed one by one
MAX_LISTED = 100


@dataclass(frozen=True)
class NeighborVotes:
    """The neighbors, or prototypes, that decide about rows, and the probabilities."""

    indices: np.ndarray  # (n_rows, n_voters) int: training rows or prototypes; padded with -1
    codes: np.ndarray  # (n_rows, n_voters) int: their classes
    weights: np.ndarray  # (n_rows, n_voters) float64: weights of their votes, rows sum to 1
    proba: np.ndarray  # (n_rows, n_classes) float64: probabilities of the classes


@dataclass(frozen=True)
class Queries:
    """Rows of the table, and their points in the space that is searched."""

    rows: np.ndarray  # (n_rows, n_features)
    points: np.ndarray  # (n_rows, n_components) float64
    sizes: np.ndarray  # (n_rows,) float64: what the rounding of each is relative to

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: np.ndarray) -> Queries:
        return Queries(self.rows[chosen], self.points[chosen], self.sizes[chosen])


@dataclass(frozen=True)
class Order:
    """Order of training rows and of classes, by their contents alone, that breaks ties."""

    rows: np.ndarray  # (n_samples,) int: place of every training row
    classes: np.ndarray  # (n_classes,) int: place of every class

    def settle(self, proba: np.ndarray, leads: np.ndarray) -> np.ndarray:
        """Raise the first of the leading classes, a mask, just above all others.

        So the most probable class is unique. Both arrays are (n_rows, n_classes).
        """
        rows, first = np.arange(len(proba)), np.where(leads, self.classes, np.inf).argmin(axis=1)
        others = proba.copy()
        others[rows, first] = -np.inf
        level = (others.max(axis=1) >= proba[rows, first]).nonzero()[0]
        if not len(level):
            return proba
        settled = proba.copy()
        settled[level, first[level]] = np.nextafter(others[level].max(axis=1), 1)
        return settled


@dataclass(frozen=True)
class Embedding:
    """Rows about a center through a linear map; near the origin rounding is small."""

    components: np.ndarray  # (n_components, n_features): the map
    center: np.ndarray  # (n_features,): what rows are moved by
    points: np.ndarray  # (n_samples, n_components) float64: the training rows
    lengths: np.ndarray | None = None  # (n_features,): of the columns of the map

    @classmethod
    def of(cls, components: np.ndarray, X: np.ndarray, center: np.ndarray) -> Embedding:
        """Embed training rows."""
        made = cls(components, center, np.empty((0, len(components))))
        return cls(components, center, made.embed(X)[0])

    def embed(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embed rows; with a bound, (n_rows,), on what the rounding of each is relative to."""
        embedded, sizes = np.empty((len(rows), len(self.components))), np.empty(len(rows))
        lengths = self.lengths
        if lengths is None:
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
    order: Order  # breaks ties
    n_neighbors: int  # number of neighbors that vote
    weights: str | Callable | None  # weight of a vote by the distance
    backend: Any  # the kernels

    by_prototypes = is_linear = False

    @property
    def components(self) -> np.ndarray:
        """The root's map, (n_components, n_features)."""
        return self.embedding.components

    @property
    def references(self) -> np.ndarray:
        """Rows that queries are compared with, (n_samples, n_features)."""
        return self.X

    def queries(self, rows: np.ndarray) -> Queries:
        """Embed rows, (n_rows, n_features)."""
        return Queries(rows, *self.embedding.embed(rows))

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
        return self.proba_of(self.queries(rows))

    def proba_of(self, queries: Queries) -> np.ndarray:
        """As `proba`, for rows that are embedded already."""
        found = self._search(queries.points, queries.sizes)
        unclear = np.arange(len(queries))
        if self.weights in (None, "uniform"):
            # equal votes need distances only where classes tie
            weights = self._vote_weights(found)
            votes, _ = found.count_votes(self.codes, weights, with_lengths=False)
            most = votes >= votes.max(axis=1, keepdims=True) - SAME_VOTES
            unclear = (most.sum(axis=1) > 1).nonzero()[0]
            if not len(unclear):
                return self.order.settle(votes / votes.sum(axis=1, keepdims=True), most)
        distances = found.distances.copy()
        squared = self._measure(queries.rows[unclear], found.indices[unclear])
        distances[unclear] = np.sqrt(squared)
        found = found.measured(distances)
        return self._proba(found, self._vote_weights(found))

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Shares of the votes for rows that are mapped already, (n_rows, n_components)."""
        moved = self.embedding.move(mapped)
        sizes = np.linalg.norm(mapped, axis=1) + np.linalg.norm(moved, axis=1)
        found = self._search(moved, sizes)
        return self._proba(found, self._vote_weights(found))

    def votes(self, queries: Queries) -> NeighborVotes:
        """The neighbors that vote about every row.

        Of more than `MAX_LISTED` rows that tie, some of each class are listed, so that the votes
        of the classes are right; those left out are as far.
        """
        found = self._find(queries)
        weights = self._vote_weights(found)
        everyone = np.arange(len(self.X))
        indices, listed = self._list_voters(queries, found, weights, lambda i: everyone)
        return NeighborVotes(indices, self.codes[indices], listed, self._proba(found, weights))

    def nearest_members(
        self,
        points: np.ndarray,
        sizes: np.ndarray,
        members: np.ndarray,
        n_neighbors: int,
        itself: np.ndarray | None = None,
    ) -> TiedNeighbors:
        """Find the nearest among some training rows, (n_members,) int, which count as one class.

        `points` and `sizes` are those of queries; `itself`, (n_rows,) int, is a row that each query
        leaves out.
        """
        found = find_tied(
            self.backend,
            points,
            self.embedding.points[members],
            None,
            1,
            n_neighbors,
            exclude=None if itself is None else np.searchsorted(members, itself),
            sizes=sizes,
        )
        return found.renumbered(members)

    def weigh(
        self,
        queries: Queries,
        found: TiedNeighbors,
        members: Callable[[int], np.ndarray],
        itself: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights that the votes of neighbors would have, and what nodes contribute.

        ``members(i)`` are the rows that query i was compared with. Returns the training rows,
        (n_rows, n_voters) int, nearest first and padded with -1; the weights, which sum to 1; and
        contributions to the squared distances, (n_rows, n_voters, n_nodes).
        """
        direct = pair_contributions(self, queries.rows, found.indices)
        found = found.measured(np.sqrt(np.maximum(direct.sum(axis=-1), 0.0)))
        weights = self._vote_weights(found)
        indices, listed = self._list_voters(queries, found, weights, members, itself)
        if indices is not found.indices:
            direct = pair_contributions(self, queries.rows, indices)
        return indices, listed, direct

    def _list_voters(
        self,
        queries: Queries,
        found: TiedNeighbors,
        weights: np.ndarray,
        members: Callable[[int], np.ndarray],
        itself: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """List neighbors, ties included: their rows and weights, padded with -1."""
        if (found.n_tied == 1).all():
            return found.indices, weights
        lists = []
        for i, (near, vote) in enumerate(zip(found.indices, weights, strict=True)):
            n_nearer = found.n_nearer[i]
            tied = near[n_nearer:]
            if found.n_tied[i] > len(tied):
                reach = found.distances[i, -1], found.tolerance[i]
                tied = self._all_tied(queries.points[i], members(i), *reach)
                if itself is not None:
                    tied = tied[tied != itself[i]]
            chosen, shares = self._represent(tied)
            near = np.concatenate([near[:n_nearer], chosen])
            lists.append((near, np.concatenate([vote[:n_nearer], vote[n_nearer:].sum() * shares])))
        width = max((len(near) for near, _ in lists), default=found.indices.shape[1])
        indices = np.full((len(queries), width), -1, dtype=np.int64)
        listed = np.zeros((len(queries), width))
        for i, (near, vote) in enumerate(lists):
            indices[i, : len(near)], listed[i, : len(near)] = near, vote
        return indices, listed

    def _find(self, queries: Queries) -> TiedNeighbors:
        found = self._search(queries.points, queries.sizes)
        # recomputed by the very function that contributions come from
        return found.measured(np.sqrt(self._measure(queries.rows, found.indices)))

    def _search(self, points: np.ndarray, sizes: np.ndarray) -> TiedNeighbors:
        lists = self.codes, len(self.order.classes), self.n_neighbors
        return find_tied(self.backend, points, self.embedding.points, *lists, sizes=sizes)

    def _measure(self, rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Squared distances as sums of contributions, (n_rows, n_neighbors)."""
        return pair_squared_distances(
            self.components,
            rows,
            self.X,
            indices,
            self.layout.column_nodes,
            self.layout.tree.n_nodes,
        )

    def _all_tied(
        self,
        point: np.ndarray,
        members: np.ndarray,
        distance: float,
        tolerance: float,
    ) -> np.ndarray:
        """All members at a distance of one embedded query, (n_components,)."""
        differences = self.embedding.points[members] - point
        lengths = np.sqrt(np.einsum("ij,ij->i", differences, differences))
        return members[np.abs(lengths - distance) <= tolerance]

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
        elif self.weights in (None, "uniform"):
            votes = np.ones_like(distances)
        else:
            raise ValueError(
                f"weights must be 'uniform', 'distance', a callable or None, got {self.weights!r}."
            )
        return votes / votes.sum(axis=1, keepdims=True)


def _checked_weights(votes: Any, shape: tuple[int, int]) -> np.ndarray:
    """Check the weights that a callable returned, and divide them by their largest."""
    votes = np.asarray(votes)
    if votes.dtype.kind not in "biuf":
        raise TypeError(f"weights must return numbers, got an array of dtype {votes.dtype}.")
    if votes.shape != shape:
        raise ValueError(
            "weights must return one weight per distance, expected shape "
            f"{shape}, got {votes.shape}."
        )
    votes = votes.astype(np.float64)
    for what, wrong in (("missing or infinite", ~np.isfinite(votes)), ("negative", votes < 0)):
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
            "weights must return a weight above 0 for at least one neighbor of every row, got "
            f"only zeros for row {row}."
        )
    return votes / largest


@dataclass(frozen=True)
class Prototypes:
    """The nearest of the class means."""

    components: np.ndarray  # (n_components, n_features): the root's map
    layout: TableLayout  # columns of every node
    prototypes: np.ndarray  # (n_classes, n_features): the class means
    order: Order  # breaks ties

    by_prototypes = True
    is_linear = False

    @property
    def references(self) -> np.ndarray:
        """Rows that queries are compared with, (n_classes, n_features)."""
        return self.prototypes

    def queries(self, rows: np.ndarray) -> Queries:
        """Rows, (n_rows, n_features), which need no embedding."""
        return Queries(rows, rows, rows)

    def proba(self, rows: np.ndarray) -> np.ndarray:
        """Softmax of minus half the squared distances, (n_rows, n_classes)."""
        everyone = np.tile(np.arange(len(self.prototypes)), (len(rows), 1))
        squared = pair_squared_distances(
            self.components,
            rows,
            self.prototypes,
            everyone,
            self.layout.column_nodes,
            self.layout.tree.n_nodes,
        )
        return self._settled(softmax(-0.5 * squared, axis=1))

    def proba_of(self, queries: Queries) -> np.ndarray:
        """As `proba`."""
        return self.proba(queries.rows)

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Probabilities for rows that are mapped already, (n_rows, n_components)."""
        prototypes = map_rows(self.components, self.prototypes)
        squared = ((mapped[:, np.newaxis] - prototypes) ** 2).sum(axis=-1)
        return self._settled(softmax(-0.5 * squared, axis=1))

    def votes(self, queries: Queries) -> NeighborVotes:
        """All prototypes for every row, with the whole vote for the nearest."""
        proba = self.proba(queries.rows)
        codes = np.tile(np.arange(len(self.prototypes)), (len(queries), 1))
        weights = (codes == proba.argmax(axis=1)[:, None]).astype(np.float64)
        return NeighborVotes(codes, codes, weights, proba)

    def _settled(self, proba: np.ndarray) -> np.ndarray:
        leads = proba >= proba.max(axis=1, keepdims=True) * (1 - SAME_VOTES)
        return self.order.settle(proba, leads)


def pair_contributions(
    decision: Neighbors | Prototypes,
    rows: np.ndarray,
    indices: np.ndarray,
    split: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Contributions to squared distances to given references, (n_rows, n_references, n_nodes).

    `rows` are (n_rows, n_features), `indices` (n_rows, n_references) int. ``split(a, b)`` replaces
    contributions of the nodes' own columns, (n_pairs, n_nodes) of two arrays of rows.
    """
    tree, references = decision.layout.tree, decision.references
    direct = np.empty((*indices.shape, tree.n_nodes))
    n_values = indices.shape[1] * references.shape[1] * (1 if split is None else tree.n_nodes)
    # a block of differences is of bounded size
    size = max(1, BLOCK_VALUES // max(1, n_values))
    for start in range(0, len(rows), size):
        block = slice(start, start + size)
        others = references[indices[block]]
        if split is not None:
            others = others.astype(np.float64).reshape(-1, rows.shape[1])
            found = split(np.repeat(rows[block], indices.shape[1], axis=0), others)
        else:
            delta = np.subtract(rows[block, np.newaxis], others, dtype=np.float64)
            found = node_contributions(
                decision.components,
                delta.reshape(-1, rows.shape[1]),
                decision.layout.column_nodes,
                tree.n_nodes,
            )
        direct[block] = found.reshape(-1, *direct.shape[1:])
    return direct


class NeighborScore:
    """Minus the log loss of the votes of neighbors on held-out rows, with one vote by chance.

    It tells choices apart with fewer rows than the accuracy of the votes, by which `report` tells
    how good a choice is; classes that tie share a query.
    """

    def __init__(
        self, backend: Any, n_neighbors: int = SCORE_NEIGHBORS, *, accuracy: bool = False
    ) -> None:
        self._backend, self._n_neighbors, self._accuracy = backend, n_neighbors, accuracy

    @property
    def report(self) -> NeighborScore:
        """Score by the accuracy."""
        return NeighborScore(self._backend, self._n_neighbors, accuracy=True)

    def __call__(
        self,
        references: np.ndarray,
        codes: np.ndarray,
        queries: np.ndarray,
        query_codes: np.ndarray,
    ) -> float:
        """Score the votes of references, (n_references, n_components), about queries."""
        n_voters = min(self._n_neighbors, len(references))
        n_classes = max(codes.max(), query_codes.max()) + 1
        found = find_tied(self._backend, queries, references, codes, n_classes, n_voters)
        votes, lengths = found.count_votes(codes, np.ones((len(queries), n_voters)))
        own = np.arange(len(queries)), query_codes
        if self._accuracy:
            leads = found.find_leaders(votes, lengths)
            return float((leads[own] / leads.sum(axis=1)).mean())
        shares = (np.bincount(codes, minlength=n_classes) + 1) / (len(codes) + n_classes)
        return float(np.log((votes[own] + shares[query_codes]) / (n_voters + 1)).mean())
