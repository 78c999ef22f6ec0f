"""Contrasts of two classes: differences of mean squared distances, and what nodes contribute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..metrics.ties import SAME_VOTES, TiedNeighbors
from ..table.layout import TableLayout
from ._linear import Linear
from .votes import Neighbors, Prototypes, Queries, mean_contributions


class ContrastResult(NamedTuple):
    """Contrasts of queries; neighbors are nearest first and padded with -1."""

    # (n_queries, n_nodes): contributions to the distance to `foil` minus the one to `target`, or to
    # the log-likelihood ratio of `target` and `foil`
    direct: np.ndarray
    squared_distances: np.ndarray  # (n_queries, 2): mean ones to `target` and `foil`
    target_neighbors: np.ndarray  # (n_queries, n_neighbors) int
    foil_neighbors: np.ndarray  # (n_queries, n_neighbors) int
    log_prior_odds: np.ndarray | None = None  # (n_queries,); neighbors have none


@dataclass(frozen=True)
class ContrastEngine:
    """Compares rows with the nearest training rows, or the prototypes, of single classes."""

    decision: Neighbors | Prototypes | Linear
    codes: np.ndarray  # (n_samples,) int: classes of the training rows
    classes: np.ndarray  # (n_classes,): names of the classes, for messages
    n_neighbors: int  # how many training rows of a class a row is compared with
    strict: bool = False  # whether a class with fewer rows is an error; else all are taken
    layout: TableLayout | None = None  # whose nodes contribute; None takes that of the decision
    split: Callable[..., np.ndarray] | None = None  # see pair_contributions, `Linear.log_odds`

    @cached_property
    def explained(self) -> Neighbors | Prototypes | Linear:
        """The decision with the layout whose nodes contribute."""
        return self.decision if self.layout is None else replace(self.decision, layout=self.layout)

    def choose(
        self, queries: Queries, target: int | None, foil: int | None, proba: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Targets and foils, (n_queries,) int; None takes the most probable classes."""
        n_queries = len(queries)
        if proba is None and (target is None or foil is None):
            proba = self.decision.proba_of(queries)
        targets = proba.argmax(axis=1) if target is None else np.full(n_queries, target)
        if foil is None:
            return targets, self._runners_up(queries, proba, targets)
        foils = np.full(n_queries, foil)
        if (targets == foils).any():
            query = int(np.argmax(targets == foils))
            label = self.classes.tolist()[targets[query]]
            where = f" for row {query}" if n_queries > 1 else ""
            raise ValueError(
                f"target and foil must be different classes, got {label!r} twice{where}; "
                "the target is the predicted class by default."
            )
        return targets, foils

    def explain(self, queries: Queries, targets: np.ndarray, foils: np.ndarray) -> ContrastResult:
        """Compare every row with its nearest ones of two classes, (n_queries,) int."""
        n_queries = len(queries)
        if self.decision.is_linear:
            found = self.explained.log_odds(queries, targets, foils, self.split)
            sides = targets[:, None], foils[:, None]
            return ContrastResult(found.direct, found.squared_distances, *sides, found.of_priors)
        everyone = np.arange(n_queries)
        mine, theirs = (self._voters(queries, everyone, codes) for codes in (targets, foils))
        squared = [self._squared(queries, everyone, *side) for side in (mine, theirs)]
        of_priors = None
        if self.decision.by_prototypes:
            of_priors = self.decision.log_priors[targets] - self.decision.log_priors[foils]
        apart = self._apart(queries, mine, theirs)
        return ContrastResult(apart, np.stack(squared, axis=1), mine[0], theirs[0], of_priors)

    def _voters(
        self, queries: Queries, which: np.ndarray, codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest training rows of a class each, or its prototype, for chosen queries.

        `which` and `codes` are (n_chosen,) int. Returns the rows, (n_chosen, n_rows) int, padded
        with -1, and the weights of their votes.
        """
        if self.decision.by_prototypes:
            return _prototype_side(codes)
        members = {code: (self.codes == code).nonzero()[0] for code in set(codes.tolist())}
        n_found = {code: min(self.n_neighbors, len(rows)) for code, rows in members.items()}
        for code, n in n_found.items():
            if self.strict and n < self.n_neighbors:
                raise ValueError(
                    f"n_neighbors={self.n_neighbors} rows cannot be found in class "
                    f"{self.classes.tolist()[code]!r}, which has {n} training row(s)."
                )
        sides = []
        for size in set(n_found.values()):
            # classes of as many rows are searched one by one, and weighed together
            places, found = [], []
            for code in (code for code, n in n_found.items() if n == size):
                places.append((codes == code).nonzero()[0])
                some = which[places[-1]]
                points = queries.points[some], queries.sizes[some]
                found.append(self.decision.nearest_members(*points, members[code], size))
            place = np.concatenate(places)
            several = [members[code] for code in codes[place].tolist()]
            found = TiedNeighbors.concatenate(found)
            weighed = self.decision.weigh(queries, which[place], found, several.__getitem__)
            sides.append((place, *weighed))
        width = max((rows.shape[1] for _, rows, _ in sides), default=0)
        indices = np.full((len(codes), max(width, self.n_neighbors)), -1)
        weights = np.zeros(indices.shape)
        for place, rows, votes in sides:
            indices[place, : rows.shape[1]], weights[place, : rows.shape[1]] = rows, votes
        return indices, weights

    def against_others(self, rows: np.ndarray, positions: np.ndarray, code: int) -> np.ndarray:
        """Compare training rows of one class with the nearest of all others, and of their own.

        `rows` are (n_rows, n_features), `positions` (n_rows,) int. Returns contributions, (n_rows,
        n_nodes), to the mean squared distance to the others minus the one to their own; of a linear
        decision, to the log-likelihood ratio of their class and the most probable other one.
        """
        queries, codes = self.decision.queries(rows), np.full(len(rows), code)
        if self.decision.is_linear:
            others = self.decision.runners_up(queries, codes)
            return self.explained.log_odds(queries, codes, others, self.split).direct
        if self.decision.by_prototypes:
            mine = _prototype_side(codes)
            theirs = _prototype_side(self._nearest_prototypes(queries, codes))
        else:
            members = np.flatnonzero(self.codes == code)
            others = np.flatnonzero(self.codes != code)
            n_mine, n_theirs = (min(self.n_neighbors, n) for n in (len(members) - 1, len(others)))
            mine = self._nearest_side(queries, members, n_mine, itself=positions)
            theirs = self._nearest_side(queries, others, n_theirs)
        return self._apart(queries, mine, theirs)

    def _nearest_side(
        self, queries: Queries, members: np.ndarray, n_found: int, itself: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        points, everyone = (queries.points, queries.sizes), np.arange(len(queries))
        found = self.decision.nearest_members(*points, members, n_found, itself)
        return self.decision.weigh(queries, everyone, found, lambda i: members, itself)

    def _apart(
        self,
        queries: Queries,
        mine: tuple[np.ndarray, np.ndarray],
        theirs: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        """Contributions to the mean squared distance to some rows minus the one to others.

        Both sides are rows, (n_queries, n_rows) int, and weights of their votes.
        """
        explained = self.explained if self.split is None else self.decision
        rows, weights = np.hstack([theirs[0], mine[0]]), np.hstack([theirs[1], -mine[1]])
        return mean_contributions(explained, queries, rows, weights, self.split)

    def _nearest_prototypes(self, queries: Queries, codes: np.ndarray) -> np.ndarray:
        """Nearest prototype of another class than the row's, (n_queries,) int."""
        everyone = np.tile(np.arange(len(self.classes)), (len(queries), 1))
        squared = self.decision.squared_distances(queries, everyone)
        squared[np.arange(len(queries)), codes] = np.inf
        return squared.argmin(axis=1)

    def _squared(
        self, queries: Queries, which: np.ndarray, rows: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Weighted means of squared distances of chosen queries to their voters, (n_chosen,)."""
        return np.einsum("qr,qr->q", weights, self.decision.squared_distances(queries, rows, which))

    def _runners_up(self, queries: Queries, proba: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Most probable other class, (n_queries,) int; of equally probable ones the nearest."""
        if self.decision.is_linear:
            return self.decision.runners_up(queries, targets)
        others = proba.copy()
        others[np.arange(len(queries)), targets] = -np.inf
        tied = others >= others.max(axis=1, keepdims=True) - SAME_VOTES
        unclear = tied.sum(axis=1) > 1
        squared = np.where(tied, 0.0, np.inf)
        if unclear.any():
            for code in range(len(self.classes)):
                chosen = np.flatnonzero(unclear & tied[:, code])
                if len(chosen):
                    voters = self._voters(queries, chosen, np.full(len(chosen), code))
                    squared[chosen, code] = self._squared(queries, chosen, *voters)
        return squared.argmin(axis=1)


def _prototype_side(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return codes[:, np.newaxis], np.ones((len(codes), 1))
