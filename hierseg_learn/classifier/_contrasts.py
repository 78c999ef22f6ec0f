"""Two mean squared distances, one per side of a contrast, and what nodes contribute to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..metrics import node_contributions
from ..metrics.contributions import BLOCK_VALUES
from ..metrics.ties import SAME_VOTES
from .votes import Neighbors, Prototypes


@dataclass(frozen=True)
class Side:
    """The rows that queries are compared with."""

    # (n_queries, n_rows) int: training rows, or prototypes, nearest first; -1 behind the last of a
    # query that has fewer
    indices: np.ndarray
    # (n_queries, n_nodes): contributions to the mean squared distance to these rows
    direct: np.ndarray

    @property
    def squared(self) -> np.ndarray:
        """Mean squared distances, (n_queries,)."""
        return np.maximum(self.direct.sum(axis=1), 0.0)


@dataclass(frozen=True)
class Contrasted:
    """Both sides of contrasts, by query."""

    # (n_queries, n_nodes): contributions to the difference of the squared distances, `foil`
    # minus `target`
    direct: np.ndarray
    # (n_queries, 2): mean squared distances to `target` and `foil`
    squared_distances: np.ndarray
    # (n_queries, n_neighbors) int: rows of either side, nearest first; -1 behind the last of a
    # query that has fewer
    target_neighbors: np.ndarray
    # (n_queries, n_neighbors) int: rows of either side, nearest first; -1 behind the last of a
    # query that has fewer
    against_neighbors: np.ndarray


@dataclass(frozen=True)
class Contrasts:
    """Compares rows with the nearest rows of single classes."""

    decision: Neighbors | Prototypes  # what the classifier decides by
    codes: np.ndarray  # (n_samples,) int: classes of the training rows
    classes: np.ndarray  # (n_classes,): names of the classes, for messages
    n_neighbors: int  # how many training rows of a class a row is compared with
    # whether a class with fewer rows is an error; otherwise all of them are taken
    strict: bool = False
    # ``split(a, b)`` with rows of shape (n_pairs, n_features) returns contributions of shape
    # (n_pairs, n_nodes) to their squared distances; None takes those of the nodes' own columns
    split: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None

    @property
    def by_prototypes(self) -> bool:
        """Whether classes are compared by their prototypes."""
        return isinstance(self.decision, Prototypes)

    @property
    def attribute_to(self) -> str:
        """What contributions are of: "nodes" or "parts"."""
        return "nodes" if self.split is None else "parts"

    def choose(
        self,
        rows: np.ndarray,
        target: int | None,
        foil: int | None,
        proba: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fill in the classes that were not asked for.

        Shapes: `rows` (n_queries, n_features), `proba` (n_queries, n_classes). Returns `targets,
        againsts` (n_queries,) int.
        """
        if target is not None and foil is not None:
            targets, foils = np.full(len(rows), target), np.full(len(rows), foil)
        else:
            proba = self.decision.proba(rows) if proba is None else proba
            targets = proba.argmax(axis=1) if target is None else np.full(len(rows), target)
            foils = np.full(len(rows), foil)
            if foil is None:
                foils = self._runners_up(rows, proba, targets)
        if (targets == foils).any():
            query = int(np.argmax(targets == foils))
            label = self.classes.tolist()[targets[query]]
            where = f" for row {query}" if len(rows) > 1 else ""
            raise ValueError(
                f"target and against must be different classes, got {label!r} twice{where}; "
                "the target is the predicted class by default."
            )
        return targets, foils

    def explain(self, rows: np.ndarray, targets: np.ndarray, foils: np.ndarray) -> Contrasted:
        """Compare every row with its nearest ones of two classes.

        Shapes: `rows` (n_queries, n_features), `targets, againsts` (n_queries,) int.
        """
        n_nodes = self.decision.layout.tree.n_nodes
        direct, squared = np.zeros((len(rows), n_nodes)), np.zeros((len(rows), 2))
        width = 1 if self.by_prototypes else self.n_neighbors
        found = [np.full((len(rows), width), -1) for _ in range(2)]
        for position, (codes, sign) in enumerate(((targets, -1), (foils, 1))):
            for code in np.unique(codes):
                chosen = np.flatnonzero(codes == code)
                side = self.class_side(rows[chosen], code)
                direct[chosen] += sign * side.direct
                squared[chosen, position] = side.squared
                more = max(side.indices.shape[1] - found[position].shape[1], 0)
                found[position] = np.pad(found[position], ((0, 0), (0, more)), constant_values=-1)
                found[position][chosen, : side.indices.shape[1]] = side.indices
        return Contrasted(direct, squared, *found)

    def class_side(self, rows: np.ndarray, code: int) -> Side:
        """Compare rows with their nearest training rows of a class, or with its prototype."""
        if self.by_prototypes:
            return self.prototype_side(rows, np.full(len(rows), code))
        members = np.flatnonzero(self.codes == code)
        n_found = min(self.n_neighbors, len(members))
        if self.strict and n_found < self.n_neighbors:
            raise ValueError(
                f"n_neighbors={self.n_neighbors} rows cannot be found in class "
                f"{self.classes.tolist()[code]!r}, which has {len(members)} training row(s)."
            )
        return self.nearest_side(rows, members, n_found)

    def prototype_side(self, rows: np.ndarray, codes: np.ndarray) -> Side:
        """Compare every row with one prototype."""
        indices = codes[:, None]
        return Side(indices, self.contributions(rows, indices)[:, 0])

    def nearest_side(
        self, rows: np.ndarray, members: np.ndarray, n_found: int, itself: np.ndarray | None = None
    ) -> Side:
        """Compare rows with their nearest among some training rows.

        Shapes: `rows` (n_queries, n_features), `members` (n_members,) int, `itself` (n_queries,)
        int.
        """
        indices, weights = self.decision.nearest_members(rows, members, n_found, itself)
        direct = self.contributions(rows, indices)
        return Side(indices, np.einsum("qr,qrv->qv", weights, direct))

    def against_others(self, rows: np.ndarray, positions: np.ndarray, code: int) -> np.ndarray:
        """Compare training rows of one class with the nearest of all others, and of their own.

        Shapes: `rows` (n_rows, n_features), `positions` (n_rows,) int. Returns `direct` (n_rows,
        n_nodes): contributions to the mean squared distance to the others minus the one to their
        own.
        """
        if self.by_prototypes:
            codes = np.full(len(rows), code)
            mine = self.prototype_side(rows, codes)
            theirs = self.prototype_side(rows, self._nearest_prototypes(rows, codes))
        else:
            members = np.flatnonzero(self.codes == code)
            others = np.flatnonzero(self.codes != code)
            n_mine, n_theirs = (min(self.n_neighbors, n) for n in (len(members) - 1, len(others)))
            mine = self.nearest_side(rows, members, n_mine, itself=positions)
            theirs = self.nearest_side(rows, others, n_theirs)
        return theirs.direct - mine.direct

    def contributions(self, rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Contributions to the squared distances to given rows, (n_queries, n_rows, n_nodes)."""
        return np.concatenate(
            [self._contributions(rows[block], indices[block]) for block in self._blocks(indices)]
        )

    def _nearest_prototypes(self, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Code of the nearest prototype but that of one class each, (n_queries,)."""
        n_classes = len(self.classes)
        squared = self._squared(rows, np.tile(np.arange(n_classes), (len(rows), 1)))
        squared[np.arange(len(rows)), codes] = np.inf
        return squared.argmin(axis=1)

    def _runners_up(self, rows: np.ndarray, proba: np.ndarray, targets: np.ndarray) -> np.ndarray:
        others = proba.copy()
        others[np.arange(len(rows)), targets] = -np.inf
        tied = others >= others.max(axis=1, keepdims=True) - SAME_VOTES
        unclear = tied.sum(axis=1) > 1
        squared = np.where(tied, 0.0, np.inf)
        for code in range(len(self.classes)):
            chosen = np.flatnonzero(unclear & tied[:, code])
            if len(chosen):
                squared[chosen, code] = self.class_side(rows[chosen], code).squared
        return squared.argmin(axis=1)

    def _squared(self, rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Squared distances to given rows, (n_queries, n_rows)."""
        return np.maximum(self.contributions(rows, indices).sum(axis=-1), 0.0)

    def _contributions(self, rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Contributions to every squared distance, (n_queries, n_rows, n_nodes)."""
        layout = self.decision.layout
        references = self._references()[indices.ravel()]
        queries = np.repeat(rows, indices.shape[1], axis=0)
        if self.split is not None:
            direct = self.split(queries, references.astype(np.float64))
        else:
            direct = node_contributions(
                self.decision.components,
                np.subtract(queries, references, dtype=np.float64),
                layout.column_nodes(),
                layout.tree.n_nodes,
            )
        return direct.reshape(*indices.shape, -1)

    def _blocks(self, indices: np.ndarray) -> list[slice]:
        """Cut queries so that a block of differences is of bounded size; one block at least."""
        n_queries, n_rows = indices.shape
        n_values = self._references().shape[1]
        if self.split is not None:
            n_values *= self.decision.layout.tree.n_nodes
        size = max(1, BLOCK_VALUES // max(1, n_rows * n_values))
        return [slice(i, min(i + size, n_queries)) for i in range(0, max(n_queries, 1), size)]

    def _references(self) -> np.ndarray:
        return self.decision.prototypes if self.by_prototypes else self.decision.X
