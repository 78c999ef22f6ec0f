"""Rows of all coalitions of parts, mapped by the root's metric node by node."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._describe import OWN_COLUMNS
from ..explain._shapley import all_coalitions
from ._model import FittedModel


class Leaves(NamedTuple):
    """Areas, (n_leaves,), and sums, (n_leaves, n_sums), of the leaves of one image."""

    area: np.ndarray
    sums: np.ndarray


def map_coalitions(
    fitted: FittedModel, row: np.ndarray, donor: np.ndarray | None, players: np.ndarray
) -> np.ndarray:
    """Map the rows in which only the players of a coalition are those of the sample.

    The map of a row is a sum over nodes, and the columns of a node depend on the players below it
    only: a node above k of p players is made anew for 2 ** k coalitions, not for all 2 ** p.

    Parameters
    ----------
    fitted : FittedModel
        The model.
    row : ndarray of shape (1, n_columns)
        The sample, in the transformer's order of columns.
    donor : ndarray of shape (1, n_columns) or None
        Where the parts of other players come from; None mutes them.
    players : ndarray of shape (n_players, n_leaves), bool
        Leaves of every player; no leaf is of two. Leaves of none are those of the sample.

    Returns
    -------
    mapped : ndarray of shape (2 ** n_players, n_components), float64
        Coalitions in the order of `all_coalitions`.
    """
    describer, tree = fitted.exchange.describer, fitted.tree
    mine = Leaves(*(values[0] for values in describer.leaves_of_rows(row)))
    theirs = Leaves(np.zeros_like(mine.area), np.zeros_like(mine.sums))
    if donor is not None:
        theirs = Leaves(*(values[0] for values in describer.leaves_of_rows(donor)))
    components = fitted.components()
    starts = np.searchsorted(fitted.exchange.column_nodes, np.arange(tree.n_nodes + 1))
    kept = all_coalitions(len(players))
    mapped = np.zeros((len(kept), len(components)))
    for node in range(tree.n_nodes):
        below = np.isin(tree.leaves, tree.subtree(node))
        involved = np.flatnonzero((players & below).any(axis=1))
        own = slice(starts[node], starts[node + 1])
        columns = _columns(fitted, mine, theirs, players[involved] & below, below)
        described = columns.shape[1] if describer.described()[node] else len(OWN_COLUMNS)
        columns = columns[:, :described]
        fill = np.broadcast_to(fitted.exchange.fill_values[own], columns.shape)
        columns = np.where(np.isnan(columns), fill, columns)
        place = kept[:, involved] @ (1 << np.arange(len(involved)))
        mapped += (columns @ components[:, own].T)[place]
    return mapped


def _columns(
    fitted: FittedModel, mine: Leaves, theirs: Leaves, players: np.ndarray, below: np.ndarray
) -> np.ndarray:
    """All columns that a node may have, for every coalition of the players below it."""
    kept = all_coalitions(len(players)) if len(players) else np.zeros((1, 0), dtype=bool)
    always = (below & ~players.any(axis=0)).astype(np.float64)
    from_mine = kept @ players.astype(np.float64) + always
    from_theirs = ~kept @ players.astype(np.float64)
    return fitted.exchange.describer.node_columns(
        from_mine @ mine.area + from_theirs @ theirs.area,
        from_mine @ mine.sums + from_theirs @ theirs.sums,
    )
