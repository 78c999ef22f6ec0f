"""Exact Shapley values of games of few players, from the worth of every coalition; of the votes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from math import comb
from typing import Any

import numpy as np

from ..tree import SegmentTree
from ..utils.numbers import number, percent
from .explanation import (
    NAMELESS,
    TOLERANCE,
    OneSample,
    SignedExplanation,
    check_choice,
    check_numbers,
    check_presence,
    check_tree,
    class_name,
    plain,
    read_only,
)

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


@dataclass(frozen=True, eq=False, repr=False)
class VotesExplanation(OneSample, SignedExplanation):
    """What every part adds to the probability of a class, by its votes or its distances.

    What is explained is the probability with all parts of the sample, minus the one without any of
    them. Contributions are the exact Shapley values of the game whose worth is the probability when
    only the parts of a coalition are present: the mean gain by a part over all orders in which
    parts may be added.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_nodes,)
        What every part adds; 0 for nodes that are no player. The sum is the difference of `proba`.
    label : object
        The class.
    scores : array-like of shape (2 ** n_players,)
        Probability of the class with every coalition of the players: bit k of the position says
        whether player k is present.
    players : array-like of int, shape (n_players,)
        The nodes that were removed and added, each with its subtree.
    removal : {"ablate", "swap"}
        Whether parts outside the coalition are unlabeled ("ablate"), or those of other
        images ("swap").
    present : array-like of bool, shape (n_nodes,), default=None
        Whether the sample has the node; None if unknown.
    name : str, default="the sample"
        Name of the sample.

    See Also
    --------
    hierseg_learn.what_if.explain_votes : Computes the explanation.
    ContrastExplanation : Explains distances instead, in closed form.

    Examples
    --------
    >>> from hierseg_learn.explain import VotesExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}})
    >>> explanation = VotesExplanation(
    ...     tree,
    ...     [0.1, -0.05, 0.45, 0.0, 0.0],
    ...     label="ballet",
    ...     scores=[0.3, 0.4, 0.25, 0.35, 0.75, 0.85, 0.7, 0.8],
    ...     players=[0, 1, 2],
    ...     removal="ablate",
    ... )
    >>> print(explanation.to_text())
    The probability of 'ballet' is 80%, 30% if all parts are ablated.
    It is due to skirt (82%); against it: hair (9%).
    All that raises it is 100%; what lowers it is 9% of that.
    <BLANKLINE>
    difference 0.5   for  against      direct  probability
    photo           100%       9%          0%            0
    ├── sky          18%       0%         18%          0.1
    └── person       82%       9%          0%            0
        ├── hair      0%       9%  9% against        -0.05
        └── skirt    82%       0%         82%         0.45

    """

    tree: SegmentTree
    direct: np.ndarray
    _: KW_ONLY
    label: Any
    scores: np.ndarray
    players: np.ndarray
    removal: str
    present: np.ndarray | None = None
    name: str = NAMELESS

    _type = "votes"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        check_choice(self.removal, "removal", "ablate", "swap")
        direct = check_numbers(self.direct, "direct", (n_nodes,))
        players = check_numbers(self.players, "players", ("n_players",)).astype(np.intp)
        scores = check_numbers(self.scores, "scores", (2 ** len(players),))
        if abs(direct.sum() - (scores[-1] - scores[0])) > TOLERANCE:
            raise ValueError(
                f"direct must sum to scores[-1] - scores[0] = {scores[-1] - scores[0]:.6g}, got "
                f"{direct.sum():.6g}."
            )
        vars(self).update(
            direct=direct,
            scores=scores,
            players=read_only(players),
            present=check_presence(self.present, "present", (n_nodes,)),
            name=str(self.name),
        )

    @property
    def proba(self) -> np.ndarray:
        """Probability without any player, and with all of them: array of shape (2,)."""
        return self.scores[[0, -1]]

    def worth(self, kept: Any) -> np.ndarray:
        """Probability when only some players are present.

        Parameters
        ----------
        kept : array-like of shape (n_coalitions, n_players), bool
            Which players are present.

        Returns
        -------
        scores : ndarray of shape (n_coalitions,)
        """
        kept = np.asarray(kept, dtype=bool)
        if kept.ndim != 2 or kept.shape[1] != len(self.players):
            raise ValueError(
                f"kept must have shape (n_coalitions, {len(self.players)}), got {kept.shape}."
            )
        return self.scores[kept @ (1 << np.arange(len(self.players)))]

    def _sentences(self, max_nodes: int) -> list[str]:
        without = "ablated" if self.removal == "ablate" else "those of other images"
        none, everything = (percent(value) for value in self.proba)
        opening = (
            f"The probability of {class_name(self.label)} is {everything}, {none} if all parts are "
            f"{without}."
        )
        pro, against = self._for_and_against(max_nodes)
        if not pro:
            nothing = "changes it" if against == "." else "raises it"
            return [opening, f"No part {nothing}{against}"]
        if not self.value:
            return [opening, f"The contributions cancel: for it {pro}{against}"]
        weaker_side = self._weaker_side("raises it", "lowers it")
        return [opening, f"It is due to {pro}{against}", *weaker_side]

    def _more_columns(self) -> dict[str, list[str]]:
        return {"probability": [number(value) for value in self.direct]}

    def _caption(self) -> str:
        label = class_name(self.label)
        return f"Shares of what parts add to the probability of {label}, by node"

    def _share_label(self) -> str:
        return f"share:  ← others  |  {class_name(self.label)} →"

    def _question(self) -> str:
        return f"What does the probability of {class_name(self.label)} come from?"

    def _title(self) -> str:
        return self._with_name(self._question())

    def _subject(self) -> str:
        return f"{self.name}: probability of {class_name(self.label)}"

    def _names(self) -> tuple[str, ...]:
        return (self.name,)

    def _about(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": plain(self.label),
            "proba": self.proba.tolist(),
            "players": [self.tree.paths[node] for node in self.players.tolist()],
            "removal": self.removal,
        }
