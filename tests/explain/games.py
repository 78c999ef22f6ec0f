"""Shapley values by their definition, over all coalitions, and predictions of given numbers."""

from math import factorial

import numpy as np

from hierseg_learn.explain import PredictionExplanation


def voted(tree, by_neighbor, *, vote_weights, **fields):
    """A prediction from contributions to the squared distance to every neighbor."""
    by_neighbor, weights = np.asarray(by_neighbor, dtype=float), np.asarray(vote_weights)
    direct = np.einsum("...r,...rv->...v", weights, by_neighbor) / weights.sum(-1, keepdims=True)
    squared = by_neighbor.sum(axis=-1)
    fields |= {"squared_distances": squared, "vote_weights": vote_weights}
    return PredictionExplanation(tree, direct, **fields)


def coalitions(n_players):
    """All subsets of the players as rows of a bool array of shape (2 ** n_players, n_players)."""
    return (np.arange(2**n_players)[:, None] >> np.arange(n_players)) & 1 == 1


def shapley_values(worths):
    """Shapley values from the worths of all coalitions, in the order of `coalitions`."""
    n = len(worths).bit_length() - 1
    members = coalitions(n)
    sizes = members.sum(axis=1)
    weights = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)])
    values = np.zeros(n)
    for player in range(n):
        without = np.flatnonzero(~members[:, player])
        gains = worths[without + 2**player] - worths[without]
        values[player] = weights[sizes[without]] @ gains
    return values


def quadratic_worths(L, deltas):
    """Worths of all coalitions of players who each add a row of `deltas` to the difference."""
    reached = coalitions(len(deltas)) @ (deltas @ L.T)
    return (reached**2).sum(axis=1)


def node_deltas(delta, column_nodes, n_nodes):
    """The difference of two rows, cut into one row per node that is zero elsewhere."""
    return np.where(np.arange(n_nodes)[:, None] == column_nodes, delta, 0.0)
