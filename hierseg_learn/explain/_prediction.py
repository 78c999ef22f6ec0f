"""Why a sample got its class: what sets it apart from those who voted on it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._base import Explanation, Phrases
from ._checks import (
    check_items,
    check_members,
    check_numbers,
    check_presence,
    check_tree,
    check_weights,
    read_only,
)
from ._sample import OneSample
from ._text import share_text

if TYPE_CHECKING:
    import pandas as pd

    from ..tree import SegmentTree

_SHOWN_VOTES = 10


@dataclass(frozen=True, eq=False, repr=False)
class PredictionExplanation(OneSample, Explanation):
    """Who voted on the class of a sample, and which nodes set the sample apart from them.

    What is explained is the mean of the squared distances to all voting neighbours, weighted by
    their votes: contributions of the nodes add up to it.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own_by_neighbor : array-like of shape (n_neighbors, n_nodes)
        What the own columns of every node contribute to the squared distance to each neighbour;
        a row sums to that distance.
    prediction : object
        The predicted class, one of `classes`.
    classes : array-like of shape (n_classes,)
        All classes.
    proba : array-like of shape (n_classes,)
        Probability of every class.
    neighbors : array-like of int, shape (n_neighbors,)
        Numbers of the training rows, or of the prototypes, that vote.
    neighbor_classes : array-like of shape (n_neighbors,)
        Their classes, as in `classes`.
    vote_weights : array-like of shape (n_neighbors,)
        Weight of every vote: not negative, not all zero, of any scale.
    present : array-like of bool, shape (n_nodes,), default=None
        Whether the sample has the node at all; None if that is not known.
    name : str, default="the sample"
        What to call the sample.
    kind : {"neighbors", "prototypes"}, default="neighbors"
        Whether training rows vote or prototypes of classes.

    Attributes
    ----------
    own : ndarray of shape (n_nodes,)
        Mean of `own_by_neighbor`, weighted by the votes.
    squared_distances : ndarray of shape (n_neighbors,)
        Squared distance to every neighbour.
    squared_distance, distance : float
        The weighted mean of `squared_distances`, which is the sum of `own`, and its square root.
    total : ndarray of shape (n_nodes,)
        Contributions of nodes with everything below them.
    share, own_share : ndarray of shape (n_nodes,)
        `total` and `own` as shares of `squared_distance`; 0 where that is 0.
    contributions : DataFrame
        One row per node, by path: `own`, `total`, `share`, `present`.
    votes : DataFrame
        One row per neighbour: `neighbor_class`, `squared_distance`, `weight` (sums to 1).

    See Also
    --------
    PairExplanation : Why two samples are as far apart as they are.

    Examples
    --------
    >>> from hierseg_learn.explain import PredictionExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> explanation = PredictionExplanation(
    ...     tree,
    ...     [[0.2, 0.1, 0.0], [0.4, 0.1, 0.1], [0.3, 1.0, 0.4]],
    ...     prediction="sail",
    ...     classes=["motor", "sail"],
    ...     proba=[1 / 3, 2 / 3],
    ...     neighbors=[7, 31, 4],
    ...     neighbor_classes=["sail", "sail", "motor"],
    ...     vote_weights=[1, 1, 1],
    ... )
    >>> explanation.squared_distances
    array([0.3, 0.6, 1.7])
    >>> print(explanation.to_text())
    The sample is classified as sail (probability 67 %).
    2 of the 3 training rows that vote are of this class and hold 67 % of the vote.
    It still differs from those who vote mostly because of boat (46 %) and sky (35 %).
    <BLANKLINE>
    squared distance 0.867  share   own
    photo                   100 %  19 %
    ├── sky                  35 %  35 %
    └── boat                 46 %  46 %
    <BLANKLINE>
    training row 7   class sail   squared distance 0.3  33 % of the vote
    training row 31  class sail   squared distance 0.6  33 % of the vote
    training row 4   class motor  squared distance 1.7  33 % of the vote
    """

    tree: SegmentTree
    own_by_neighbor: np.ndarray
    _: KW_ONLY
    prediction: Any
    classes: np.ndarray
    proba: np.ndarray
    neighbors: np.ndarray
    neighbor_classes: np.ndarray
    vote_weights: np.ndarray
    present: np.ndarray | None = None
    name: str = "the sample"
    kind: Literal["neighbors", "prototypes"] = "neighbors"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        if self.kind not in ("neighbors", "prototypes"):
            raise ValueError(f"kind must be 'neighbors' or 'prototypes', got {self.kind!r}.")
        own = check_numbers(self.own_by_neighbor, "own_by_neighbor", ("n_neighbors", n_nodes))
        classes = check_items(self.classes, "classes", ("n_classes",))
        voting_classes = check_items(self.neighbor_classes, "neighbor_classes", (len(own),))
        check_members(np.array([self.prediction]), "prediction", classes)
        check_members(voting_classes, "neighbor_classes", classes)
        # The dict is the one way in: the fields of a frozen dataclass cannot be set.
        vars(self).update(
            own_by_neighbor=own,
            classes=classes,
            proba=check_numbers(self.proba, "proba", (len(classes),)),
            neighbors=check_items(self.neighbors, "neighbors", (len(own),)),
            neighbor_classes=voting_classes,
            vote_weights=check_weights(self.vote_weights, "vote_weights", len(own)),
            present=check_presence(self.present, "present", n_nodes),
            name=str(self.name),
        )

    @cached_property
    def own(self) -> np.ndarray:
        """What every node contributes, as the mean over the votes: array of shape (n_nodes,)."""
        return read_only(self._vote_shares @ self.own_by_neighbor)

    @property
    def squared_distances(self) -> np.ndarray:
        """Squared distance to every neighbour: array of shape (n_neighbors,)."""
        return np.maximum(self.own_by_neighbor.sum(axis=1), 0.0)

    @property
    def votes(self) -> pd.DataFrame:
        """A new DataFrame with one row per neighbour, by its number."""
        import pandas as pd

        return pd.DataFrame(
            {
                "neighbor_class": self.neighbor_classes,
                "squared_distance": self.squared_distances,
                "weight": self._vote_shares,
            },
            index=pd.Index(self.neighbors, name=self.kind.removesuffix("s")),
        )

    @property
    def _vote_shares(self) -> np.ndarray:
        return self.vote_weights / self.vote_weights.sum()

    def _title(self) -> str:
        return f"{self.name} is classified as {self.prediction}"

    def _names(self) -> tuple[str, ...]:
        return self.name, self._voter(int(np.argmin(self.squared_distances)))

    def _voter(self, i: int) -> str:
        if self.kind == "neighbors":
            return f"training row {self.neighbors[i]}"
        label = f"prototype of class {self.neighbor_classes[i]}"
        several = (self.neighbor_classes == self.neighbor_classes[i]).sum() > 1
        return f"{label} ({self.neighbors[i]})" if several else label

    def _opening(self) -> list[str]:
        agrees = self.neighbor_classes == self.prediction
        proba = self.proba[self.classes.tolist().index(self._plain_prediction)]
        lines = [f"{self._title()} (probability {share_text(proba)})."]
        if self.kind == "prototypes":
            nearest = self._voter(int(np.argmin(self.squared_distances)))
            lines.append(f"Of {len(agrees)} prototypes, the {nearest} is the nearest.")
        else:
            vote = share_text(self._vote_shares[agrees].sum())
            lines.append(
                f"{agrees.sum()} of the {len(agrees)} training rows that vote are of this class "
                f"and hold {vote} of the vote."
            )
        return lines

    @property
    def _plain_prediction(self) -> Any:
        return np.array([self.prediction]).tolist()[0]

    def _phrases(self) -> Phrases:
        return Phrases(
            mostly="It still differs from those who vote mostly because of ",
            many="Many parts set it apart from those who vote; the largest shares are those of ",
            none="It does not differ from those who vote: the distance to them is 0.",
        )

    def _closing(self) -> str:
        """One line per vote, nearest first."""
        squared, weights = self.squared_distances, self._vote_shares
        order = np.argsort(squared, kind="stable")[:_SHOWN_VOTES].tolist()
        rows = [
            (
                self._voter(i),
                "" if self.kind == "prototypes" else f"class {self.neighbor_classes[i]}",
                f"squared distance {squared[i]:.3g}",
                f"{share_text(weights[i])} of the vote",
            )
            for i in order
        ]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths) if width).rstrip()
            for row in rows
        ]
        if len(squared) > len(order):
            lines.append(f"and {len(squared) - len(order)} more")
        return "\n".join(lines)

    def _about(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "prediction": self._plain_prediction,
            "classes": self.classes.tolist(),
            "proba": self.proba.tolist(),
            "neighbors": self.neighbors.tolist(),
            "neighbor_classes": self.neighbor_classes.tolist(),
            "vote_weights": self._vote_shares.tolist(),
            "squared_distances": self.squared_distances.tolist(),
        }
