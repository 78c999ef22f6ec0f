"""The table with every node's own columns in place of which stands their non-linear embedding.

A metric that is linear in these embeddings is handled as one that is linear in columns: the same
maps, distances and contributions, over the lifted table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .base import embed_rows


@dataclass(frozen=True)
class NodeEmbedding:
    """The embedding of one node's own columns, which are standardized first."""

    columns: np.ndarray  # (n_used,) int: the columns that it takes
    mean: np.ndarray  # (n_used,): of the columns
    scale: np.ndarray  # (n_used,): their standard deviations
    # standardized rows (n_rows, n_used) float64 -> (n_rows, n_components) float64; None for a node
    # without a column that varies, whose embedding has no components
    embed: Callable[[np.ndarray], np.ndarray] | None
    n_components: int

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embed rows of a table, (n_rows, n_features): (n_rows, n_components) float64."""
        if self.embed is None:
            return np.zeros((len(rows), 0))
        return embed_rows(self._embed_raw, rows[:, self.columns])

    def renumbered(self, columns: np.ndarray) -> NodeEmbedding:
        """The same with the numbers, (n_features,), that the columns have elsewhere."""
        return replace(self, columns=columns[self.columns])

    def _embed_raw(self, rows: np.ndarray) -> np.ndarray:
        return self.embed((rows - self.mean) / self.scale)


@dataclass(frozen=True)
class AffineFirst:
    """An embedding after a map ``x -> linear @ x + offset``."""

    linear: np.ndarray  # (n_between, n_columns)
    offset: np.ndarray  # (n_between,)
    embed: Callable[[np.ndarray], np.ndarray]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embed rows, (n_rows, n_columns): (n_rows, n_components)."""
        return self.embed(rows @ self.linear.T + self.offset)


NOTHING = np.zeros(0)
NO_EMBEDDING = NodeEmbedding(np.zeros(0, dtype=np.intp), NOTHING, NOTHING, None, 0)


@dataclass(frozen=True)
class Lift:
    """A function from the rows of a table to those of the lifted table: one block per node."""

    nodes: tuple[NodeEmbedding, ...]  # over the columns of the table

    @cached_property
    def places(self) -> tuple[np.ndarray, ...]:
        """Columns of the lifted table of every node."""
        stops = np.cumsum([node.n_components for node in self.nodes])
        starts = [0, *stops[:-1]]
        return tuple(np.arange(*span) for span in zip(starts, stops, strict=True))

    @property
    def n_columns(self) -> int:
        """Number of columns of the lifted table."""
        return sum(node.n_components for node in self.nodes)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Lift rows, (n_rows, n_features): (n_rows, n_columns) float64."""
        found = np.empty((len(rows), self.n_columns))
        for node, place in zip(self.nodes, self.places, strict=True):
            found[:, place] = node(rows)
        return found

    def take(self, nodes: list[int], columns: np.ndarray) -> tuple[Lift, np.ndarray]:
        """Lift of a table with nodes and columns (n_features,) in another order.

        Also returns the numbers that the columns of the lifted table get, (n_columns,).
        """
        taken = Lift(tuple(self.nodes[node].renumbered(columns) for node in nodes))
        numbers = np.empty(self.n_columns, dtype=np.intp)
        for node, place in zip(nodes, taken.places, strict=True):
            numbers[self.places[node]] = place
        return taken, numbers


@dataclass(frozen=True)
class LiftedMap:
    """A linear map after a lift: the embedding of rows in the space of a node's metric."""

    lift: Lift
    components: np.ndarray  # (n_components, n_columns)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embed rows, (n_rows, n_features): (n_rows, n_components) float64."""
        return self.lift(rows) @ self.components.T


def lift_of(embeddings: list[Any], columns: tuple[np.ndarray, ...]) -> Lift | None:
    """Lift of the embeddings of the nodes, each over its own columns; None where all are linear."""
    if not any(embeddings):
        return None
    return Lift(
        tuple(
            NO_EMBEDDING if embedding is None else embedding.renumbered(own)
            for embedding, own in zip(embeddings, columns, strict=True)
        )
    )
