"""Decision by the votes of nearest neighbors, or by the nearest prototype."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import softmax

from ..kernels.threads import single_blas_thread
from ..metrics import VoteCalibration, node_contributions
from ..metrics.base import BLOCK_ROWS, map_rows
from ..metrics.contributions import (
    BLOCK_VALUES,
    mean_node_contributions,
    pair_squared_distances,
)
from ..metrics.ties import SAME_VOTES, TiedNeighbors, find_tied
from ..table.layout import TableLayout

# neighbors that score a metric on held-out rows: more than the default, for less noise
SCORE_NEIGHBORS = 15
# most rows that tie for the last places and are listed one by one
MAX_LISTED = 100
# values of a block of differences that are split over the leaves: bounds memory at 32 MB
SPLIT_VALUES = 2**22
# rows from which on means of contributions are computed without the pairs
MANY_ROWS = 100
# share of the size of a row that two points are apart at least, or their rounding is seen; and the
# share of its square that must be left of products
LEAST_APART, LEAST_LEFT = 1e-5, 1e-6


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

    def __getitem__(self, chosen: np.ndarray | slice) -> Queries:
        return Queries(self.rows[chosen], self.points[chosen], self.sizes[chosen])


@dataclass(frozen=True)
class Order:
    """Order of training rows and of classes, by their contents alone, that breaks ties."""

    rows: np.ndarray  # (n_samples,) int: place of every training row
    classes: np.ndarray  # (n_classes,) int: place of every class

    def settle(self, scores: np.ndarray, leads: np.ndarray) -> np.ndarray:
        """Raise the first of the leading classes, a mask, just above all others.

        So the most probable class is unique. Both arrays are (n_rows, n_classes).
        """
        return _raise(scores, np.where(leads, self.classes, np.inf).argmin(axis=1))


def to_proba(scores: np.ndarray) -> np.ndarray:
    """Probabilities of settled log posteriors, (n_rows, n_classes): the largest stays it."""
    return _raise(softmax(scores, axis=1), scores.argmax(axis=1))


def _raise(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Raise one value of every row, in column `first` (n_rows,), just above all others."""
    rows, others = np.arange(len(values)), values.copy()
    others[rows, first] = -np.inf
    level = (others.max(axis=1) >= values[rows, first]).nonzero()[0]
    if not len(level):
        return values
    raised = values.copy()
    raised[level, first[level]] = np.nextafter(others[level].max(axis=1), np.inf)
    return raised


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


class Decision(ABC):
    """Decides by log posteriors, of which one is the largest: so everyone finds the same class."""

    components: np.ndarray  # (n_components, n_features): the map whose distances are explained
    references: np.ndarray  # (n_references, n_features): rows that queries are compared with
    embedding: Embedding  # the same through the map

    def queries(self, rows: np.ndarray) -> Queries:
        """Embed rows, (n_rows, n_features)."""
        return Queries(rows, *self.embedding.embed(rows))

    def squared_distances(
        self, queries: Queries, indices: np.ndarray, which: np.ndarray | None = None
    ) -> np.ndarray:
        """Squared distances to references, of the shape of `indices`, (n_chosen, n_references).

        `which`, (n_chosen,) int, chooses the queries. Distances are those of the points, or of the
        rows where the points are too near.
        """
        which = np.arange(len(queries)) if which is None else which
        squared, points = np.empty(indices.shape), self.embedding.points
        size = max(1, BLOCK_VALUES // max(1, indices.shape[1] * points.shape[1]))
        for start in range(0, len(which), size):
            block = slice(start, start + size)
            delta = queries.points[which[block], np.newaxis] - points[indices[block]]
            squared[block] = np.einsum("ijk,ijk->ij", delta, delta)
        least = (LEAST_APART * queries.sizes[which]) ** 2
        near = np.argwhere(squared < least[:, np.newaxis])
        size = max(1, BLOCK_VALUES // max(1, queries.rows.shape[1]))
        for start in range(0, len(near), size):
            row, place = near[start : start + size].T
            pairs = queries.rows[which[row]], self.references, indices[row, place][:, np.newaxis]
            squared[row, place] = pair_squared_distances(self.components, *pairs)[:, 0]
        return squared

    @abstractmethod
    def scores_of(self, queries: Queries) -> np.ndarray:
        """Log posteriors but for one constant a row, (n_rows, n_classes)."""

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """As `scores_of`, for rows of shape (n_rows, n_features)."""
        return self.scores_of(self.queries(rows))

    def proba(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities, (n_rows, n_classes), the largest that of the predicted class."""
        return to_proba(self.scores(rows))

    def proba_of(self, queries: Queries) -> np.ndarray:
        """As `proba`."""
        return to_proba(self.scores_of(queries))


@dataclass(frozen=True)
class Neighbors(Decision):
    """Votes of the nearest training rows; all that tie for the last places share them."""

    layout: TableLayout  # columns of every node
    X: np.ndarray  # (n_samples, n_features): training rows
    embedding: Embedding  # the same through the root's map
    codes: np.ndarray  # (n_samples,) int: their classes
    order: Order  # breaks ties
    calibration: VoteCalibration  # how votes become probabilities
    weights: str | Callable | None  # weight of a vote by the distance
    backend: Any  # the kernels

    by_prototypes = is_linear = False

    @property
    def n_neighbors(self) -> int:
        """Number of neighbors that vote."""
        return self.calibration.n_neighbors

    @property
    def components(self) -> np.ndarray:
        """The root's map, (n_components, n_features)."""
        return self.embedding.components

    @property
    def references(self) -> np.ndarray:
        """Rows that queries are compared with, (n_samples, n_features)."""
        return self.X

    def search(
        self,
        rows: np.ndarray | None,
        n_neighbors: int,
        index: Callable[..., np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances and positions of the nearest training rows, nearest first.

        None for `rows` takes all training rows, each without itself. An index, ``index(points,
        n_neighbors, exclude)``, replaces the comparison with all training rows.
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
        points = self.embedding.embed(queries)[0]
        if index is None:
            asarray = self.backend.asarray
            found, _ = self.backend.nearest(
                asarray(points),
                asarray(self.embedding.points),
                n_neighbors,
                None if exclude is None else asarray(exclude),
            )
            indices = self.backend.to_numpy(found)
        else:
            indices = index(points, n_neighbors, exclude)
        squared = self._measure(queries, indices)
        order = np.argsort(squared, axis=1, kind="stable")
        return np.take_along_axis(squared, order, 1), np.take_along_axis(indices, order, 1)

    def scores_of(self, queries: Queries) -> np.ndarray:
        """Log posteriors but for one constant a row, (n_rows, n_classes)."""
        return self._vote(queries)[2]

    def _vote(self, queries: Queries) -> tuple[TiedNeighbors, np.ndarray, np.ndarray]:
        """The neighbors, the weights of their votes, and log posteriors but for a constant."""
        found = self._search(queries.points, queries.sizes)
        unclear = np.arange(len(queries))
        if self.weights in (None, "uniform"):
            # equal votes need distances only where classes tie
            weights = vote_weights(self.weights, found.distances)
            votes, _ = found.count_votes(self.codes, weights, with_lengths=False)
            scores = self.calibration.scores(votes)
            leads = _leading(scores)
            unclear = (leads.sum(axis=1) > 1).nonzero()[0]
            if not len(unclear):
                return found, weights, self.order.settle(scores, leads)
        distances = found.distances.copy()
        squared = self._measure(queries.rows[unclear], found.indices[unclear])
        distances[unclear] = np.sqrt(squared)
        found = found.measured(distances)
        weights = vote_weights(self.weights, found.distances)
        return found, weights, self._scores(found, weights)

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Probabilities for rows that are mapped already, (n_rows, n_components)."""
        moved = self.embedding.move(mapped)
        sizes = np.linalg.norm(mapped, axis=1) + np.linalg.norm(moved, axis=1)
        found = self._search(moved, sizes)
        return to_proba(self._scores(found, vote_weights(self.weights, found.distances)))

    def votes(self, queries: Queries) -> NeighborVotes:
        """The neighbors that vote about every row.

        Of more than `MAX_LISTED` rows that tie, some of each class are listed, so that the votes
        of the classes are right; those left out are as far.
        """
        found, weights, scores = self._vote(queries)
        everyone = np.arange(len(self.X))
        indices, listed = self._list_voters(queries.points, found, weights, lambda i: everyone)
        return NeighborVotes(indices, self.codes[indices], listed, to_proba(scores))

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
        which: np.ndarray,
        found: TiedNeighbors,
        members: Callable[[int], np.ndarray],
        itself: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights that the votes of neighbors would have, for chosen queries, (n_chosen,) int.

        ``members(i)`` are the rows that the ith was compared with. Returns the training rows,
        (n_chosen, n_voters) int, nearest first and padded with -1; and the weights, which sum to 1.
        """
        if self.weights not in (None, "uniform"):
            squared = self.squared_distances(queries, found.indices, which)
            found = found.measured(np.sqrt(squared))
        weights = vote_weights(self.weights, found.distances)
        return self._list_voters(queries.points[which], found, weights, members, itself)

    def _list_voters(
        self,
        points: np.ndarray,
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
                tied = self._all_tied(points[i], members(i), *reach)
                if itself is not None:
                    tied = tied[tied != itself[i]]
            chosen, shares = self._represent(tied)
            near = np.concatenate([near[:n_nearer], chosen])
            lists.append((near, np.concatenate([vote[:n_nearer], vote[n_nearer:].sum() * shares])))
        width = max((len(near) for near, _ in lists), default=found.indices.shape[1])
        indices = np.full((len(points), width), -1, dtype=np.int64)
        listed = np.zeros((len(points), width))
        for i, (near, vote) in enumerate(lists):
            indices[i, : len(near)], listed[i, : len(near)] = near, vote
        return indices, listed

    def _search(self, points: np.ndarray, sizes: np.ndarray) -> TiedNeighbors:
        lists = self.codes, len(self.order.classes), self.n_neighbors
        return find_tied(self.backend, points, self.embedding.points, *lists, sizes=sizes)

    def _measure(self, rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Squared distances, (n_rows, n_neighbors)."""
        return pair_squared_distances(self.components, rows, self.X, indices)

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

    def _scores(self, found: TiedNeighbors, weights: np.ndarray) -> np.ndarray:
        votes, lengths = found.count_votes(self.codes, weights)
        scores = self.calibration.scores(votes)
        leads = found.find_nearer(_leading(scores), votes, lengths)
        return self.order.settle(scores, leads)


def vote_weights(weights: str | Callable | None, distances: np.ndarray) -> np.ndarray:
    """Weights of votes by the distances, (n_rows, n_neighbors); those of a row sum to 1."""
    if callable(weights):
        votes = _checked_weights(weights(distances.copy()), distances.shape)
    elif weights == "distance":
        # A row that is met exactly decides alone.
        nearest = distances[:, :1]
        votes = (distances == 0).astype(np.float64)
        np.divide(nearest, distances, out=votes, where=nearest > 0)
    else:
        votes = np.ones_like(distances)
    return votes / votes.sum(axis=1, keepdims=True)


def _leading(scores: np.ndarray) -> np.ndarray:
    """Mask of the largest log posteriors; those that differ by rounding are equal."""
    return scores >= scores.max(axis=1, keepdims=True) - SAME_VOTES


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
class Prototypes(Decision):
    """The class means: posteriors of normal classes whose covariance is that of the metric."""

    components: np.ndarray  # (n_components, n_features): the root's map
    layout: TableLayout  # columns of every node
    prototypes: np.ndarray  # (n_classes, n_features): the class means
    order: Order  # breaks ties
    log_priors: np.ndarray  # (n_classes,): tempered
    temperature: float = 1.0  # what half the squared distances are divided by
    # (n_features,): rows are moved by it, since rounding is small near 0
    center: np.ndarray = field(kw_only=True)

    by_prototypes = True
    is_linear = False

    @property
    def references(self) -> np.ndarray:
        """Rows that queries are compared with, (n_classes, n_features)."""
        return self.prototypes

    @cached_property
    def embedding(self) -> Embedding:
        """The prototypes through the map."""
        return Embedding.of(self.components, self.prototypes, self.center)

    def scores_of(self, queries: Queries) -> np.ndarray:
        """Log posteriors but for one constant a row, (n_rows, n_classes)."""
        return self._of_distances(self.squared_distances(queries, self._everyone(queries)))

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Probabilities for rows that are mapped already, (n_rows, n_components)."""
        prototypes = map_rows(self.components, self.prototypes)
        squared = ((mapped[:, np.newaxis] - prototypes) ** 2).sum(axis=-1)
        return to_proba(self._of_distances(squared))

    def votes(self, queries: Queries) -> NeighborVotes:
        """All prototypes for every row, with the whole vote for the most probable."""
        proba, codes = self.proba_of(queries), self._everyone(queries)
        weights = (codes == proba.argmax(axis=1)[:, None]).astype(np.float64)
        return NeighborVotes(codes, codes, weights, proba)

    def _everyone(self, queries: Queries) -> np.ndarray:
        return np.tile(np.arange(len(self.prototypes)), (len(queries), 1))

    def _of_distances(self, squared: np.ndarray) -> np.ndarray:
        return self._settled(self.log_priors - squared / (2 * self.temperature))

    def _settled(self, scores: np.ndarray) -> np.ndarray:
        most = scores.max(axis=1, keepdims=True)
        return self.order.settle(scores, scores >= most - SAME_VOTES)


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
    # a block of differences is of bounded size
    size = block_rows(indices.shape[1] * references.shape[1], tree.n_nodes, split)
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


def block_rows(n_values: int, n_nodes: int, split: Callable[..., np.ndarray] | None) -> int:
    """Number of rows, of so many values each, whose contributions are computed at once."""
    if split is None:
        return max(1, BLOCK_VALUES // max(1, n_values))
    return max(1, SPLIT_VALUES // max(1, n_values * n_nodes))


def mean_contributions(
    decision: Neighbors | Prototypes,
    queries: Queries,
    indices: np.ndarray,
    weights: np.ndarray,
    split: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Weighted sums of `pair_contributions` over the references, (n_queries, n_nodes).

    `weights` are of the shape of `indices`.
    """
    rows, n_nodes, left = queries.rows, decision.layout.tree.n_nodes, np.arange(len(queries))
    if split is None and len(rows) >= MANY_ROWS:
        direct, sizes = mean_node_contributions(
            decision.components,
            (rows, queries.points),
            (decision.references, decision.embedding.points),
            indices,
            weights,
            decision.layout.column_nodes,
            n_nodes,
        )
        left = (sizes <= LEAST_LEFT * queries.sizes**2).nonzero()[0]
    else:
        direct = np.empty((len(rows), n_nodes))
    size = block_rows(indices.shape[1] * max(n_nodes, rows.shape[1]), n_nodes, split)
    for start in range(0, len(left), size):
        some = left[start : start + size]
        found = pair_contributions(decision, rows[some], indices[some], split)
        direct[some] = np.einsum("qr,qrv->qv", weights[some], found)
    return direct


class NeighborScore:
    """Minus the log loss of the votes of neighbors on held-out rows, with one vote by chance.

    It tells choices apart with fewer rows than the accuracy of the votes, by which `report` tells
    how good a choice is; there, classes that tie share a query. `class_weight`, (n_classes,),
    weighs votes and queries.
    """

    def __init__(
        self,
        backend: Any,
        class_weight: np.ndarray | None = None,
        n_neighbors: int = SCORE_NEIGHBORS,
        *,
        accuracy: bool = False,
    ) -> None:
        self._backend, self._class_weight = backend, class_weight
        self._n_neighbors, self._accuracy = n_neighbors, accuracy

    @property
    def report(self) -> NeighborScore:
        """Score by the accuracy."""
        given = self._backend, self._class_weight, self._n_neighbors
        return NeighborScore(*given, accuracy=True)

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
        by_class = self._class_weight
        by_class = np.ones(n_classes) if by_class is None else by_class[:n_classes]
        own = np.arange(len(queries)), query_codes
        if self._accuracy:
            leads = found.find_leaders(votes * by_class, lengths * by_class)
            right = leads[own] / leads.sum(axis=1)
            return float(np.average(right, weights=by_class[query_codes]))
        # a class of which there is no reference counts as one row
        shares = np.maximum(np.bincount(codes, minlength=n_classes), 1)
        votes = by_class * (votes + shares / shares.sum())
        losses = np.log(votes[own] / votes.sum(axis=1))
        return float(np.average(losses, weights=by_class[query_codes]))
