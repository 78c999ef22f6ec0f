"""Exact Shapley values of games of few players, from the worth of every coalition."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np

from .explanation import check_numbers

# 2 ** 16 coalitions: a worth that takes 0.1 ms each takes 7 s
MAX_PLAYERS = 16


def all_coalitions(n_players: int) -> np.ndarray:
    """All coalitions, (2 ** n_players, n_players) bool: row i has the players of the bits of i."""
    if not 1 <= n_players <= MAX_PLAYERS:
        raise ValueError(
            f"n_players must lie between 1 and {MAX_PLAYERS}, since all 2 ** n_players coalitions "
            f"are evaluated; got {n_players}."
        )
    return (np.arange(2**n_players)[:, np.newaxis] >> np.arange(n_players) & 1).astype(bool)


def shapley_values(worth: Callable[[np.ndarray], np.ndarray], n_players: int) -> np.ndarray:
    r"""Compute the Shapley values of a game exactly, from all its coalitions.

    Parameters
    ----------
    worth : callable
        ``worth(kept)`` with `kept` of shape (n_coalitions, n_players), bool, returns
        (n_coalitions,) numbers. It is called once, with all coalitions.
    n_players : int
        At most 16.

    Returns
    -------
    values : ndarray of shape (n_players,), float64
        They sum to the worth of all players minus that of none.

    Notes
    -----
    With :math:`m_S = |S|! \, (n - |S| - 1)! / n!`,

    .. math:: \varphi_j = \sum_{S \not\ni j} m_S \, [v(S \cup \{j\}) - v(S)].

    Cost: :math:`2^n` worths and :math:`n 2^n` sums. KernelSHAP [2]_ gives the same numbers where
    its budget of samples covers all coalitions, and estimates of them where it does not.

    References
    ----------
    .. [1] L. S. Shapley. "A Value for n-Person Games". 1953.
    .. [2] S. M. Lundberg, S.-I. Lee. "A Unified Approach to Interpreting Model Predictions".
       NeurIPS, 2017.

    Examples
    --------
    Two of three players must agree, and the first must be one of them:

    >>> from hierseg_learn.explain import shapley_values
    >>> shapley_values(lambda kept: kept[:, 0] & (kept[:, 1] | kept[:, 2]), 3).round(3)
    array([0.667, 0.167, 0.167])
    """
    kept = all_coalitions(n_players)
    scores = check_numbers(worth(kept), "what worth returns", (len(kept),))
    size = kept.sum(axis=1)
    # |S|! (n - |S| - 1)! / n! for the coalition S without the player
    weights = np.array([1 / (n_players * comb(n_players - 1, k)) for k in range(n_players)])
    values = np.empty(n_players)
    for player in range(n_players):
        without = np.flatnonzero(~kept[:, player])
        gains = scores[without | 1 << player] - scores[without]
        values[player] = weights[size[without]] @ gains
    return values
