"""Explanations of the votes for a class, by the Shapley values of the parts."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..tree import SegmentTree
from ..utils.numbers import number, percent
from .explanation import (
    NAMELESS,
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
from .words import enumerate_words

# the difference of probabilities and the sum of the contributions may differ by rounding only
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class VotesExplanation(OneSample, SignedExplanation):
    """What every part adds to the share of the votes for a class.

    What is explained is the share of the votes with all parts of the sample, minus the one without
    any of them. Contributions are the exact Shapley values of the game whose worth is the share of
    the votes when only the parts of a coalition are present: the mean gain by a part over all
    orders in which parts may be added.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_nodes,)
        What every part adds; 0 for nodes that are no player. The sum is the difference of `proba`.
    label : object
        The class.
    scores : array-like of shape (2 ** n_players,)
        Share of the votes for the class with every coalition of the players: bit k of the position
        says whether player k is present.
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
    80% of the votes are for 'ballet', 30% if all parts are ablated.
    They are due to skirt (82%); against it: hair (9%).
    All that adds votes is 100%; what takes votes away is 9% of that.
    <BLANKLINE>
    difference 0.5   for  against      direct  votes
    photo           100%       9%          0%      0
    ├── sky          18%       0%         18%    0.1
    └── person       82%       9%          0%      0
        ├── hair      0%       9%  9% against  -0.05
        └── skirt    82%       0%         82%   0.45

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
        # fields of a frozen dataclass can only be set in its dict
        vars(self).update(
            direct=direct,
            scores=scores,
            players=read_only(players),
            present=check_presence(self.present, "present", (n_nodes,)),
            name=str(self.name),
        )

    @property
    def proba(self) -> np.ndarray:
        """Share of the votes without any player, and with all of them: array of shape (2,)."""
        return self.scores[[0, -1]]

    def worth(self, kept: Any) -> np.ndarray:
        """Share of the votes when only some players are present.

        `kept` is a bool array of shape (n_coalitions, n_players), the result (n_coalitions,).
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
            f"{everything} of the votes are for {class_name(self.label)}, {none} if all parts are "
            f"{without}."
        )
        pro, contra = self._leading(1, max_nodes), self._leading(-1, max_nodes)
        if not pro and not contra:
            return [opening, "No part changes the votes."]
        if not pro:
            return [opening, f"No part adds votes; against it: {enumerate_words(contra)}."]
        against = f"; against it: {enumerate_words(contra)}" if contra else ""
        return [
            opening,
            f"They are due to {enumerate_words(pro)}{against}.",
            *self._weaker_side("adds votes", "takes votes away"),
        ]

    def _more_columns(self) -> dict[str, list[str]]:
        return {"votes": [number(value) for value in self.direct]}

    def _caption(self) -> str:
        return f"Shares of what parts add to the votes for {class_name(self.label)}, by node"

    def _share_label(self) -> str:
        return f"share:  ← others  |  {class_name(self.label)} →"

    def _question(self) -> str:
        return f"What do the votes for {class_name(self.label)} come from?"

    def _title(self) -> str:
        return self._with_name(self._question())

    def _subject(self) -> str:
        return f"{self.name}: votes for {class_name(self.label)}"

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
