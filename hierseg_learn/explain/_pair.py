"""Why two samples are as far apart as they are."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._base import Explanation
from ._checks import check_numbers, check_presence, check_tree
from ._text import Phrases, summary

if TYPE_CHECKING:
    from ..tree import SegmentTree


@dataclass(frozen=True, eq=False, repr=False)
class PairExplanation(Explanation):
    """Which nodes the distance between two samples comes from.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own : array-like of shape (n_nodes,)
        What the own columns of every node contribute to the squared distance, of which it is the
        sum. Single contributions are negative where a node makes up for others.
    present_a, present_b : array-like of bool, shape (n_nodes,), default=None
        Whether a sample has the node at all; None, for both, if that is not known.
    name_a, name_b : str, default="a", "b"
        What to call the samples.

    Attributes
    ----------
    squared_distance, distance : float
        The sum of `own`, and its square root.
    total : ndarray of shape (n_nodes,)
        Contributions of nodes with everything below them.
    share, own_share : ndarray of shape (n_nodes,)
        `total` and `own` as shares of all positive `own` together, which is the squared distance
        where none is negative; 0 where the distance is 0. No share is above 1.
    contributions : DataFrame
        One row per node, by path: `own`, `total`, `share`, `present_a`, `present_b`.

    See Also
    --------
    PredictionExplanation : Why a sample got its class.
    SegmentContributionDisplay : The contributions drawn over photos.

    Examples
    --------
    >>> from hierseg_learn.explain import PairExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}})
    >>> tree.names
    ('sky', 'hair', 'skirt', 'person', 'photo')
    >>> explanation = PairExplanation(
    ...     tree,
    ...     [0.3, 0.5, 2.4, 0.8, 0.0],
    ...     present_a=[1, 1, 1, 1, 1],
    ...     present_b=[1, 1, 0, 1, 1],
    ...     name_a="photo 3",
    ...     name_b="photo 8",
    ... )
    >>> print(explanation.to_text())
    photo 3 and photo 8 differ mostly because of skirt (60%) and person as a whole (20%).
    Only photo 3 has skirt.
    <BLANKLINE>
    squared distance 4  share  own
    photo                100%   0%
    ├── sky                8%   8%
    └── person            92%  20%
        ├── hair          12%  12%
        └── skirt         60%  60%  only photo 3
    >>> explanation.contributions["share"]["photo/person"].round(3).item()
    0.925
    """

    tree: SegmentTree
    own: np.ndarray
    _: KW_ONLY
    present_a: np.ndarray | None = None
    present_b: np.ndarray | None = None
    name_a: str = "a"
    name_b: str = "b"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        if (self.present_a is None) != (self.present_b is None):
            lacking = "present_a" if self.present_a is None else "present_b"
            raise ValueError(
                f"{lacking} is None, but the other presence is given; expected both or neither."
            )
        # The dict is the one way in: the fields of a frozen dataclass cannot be set.
        vars(self).update(
            own=check_numbers(self.own, "own", (n_nodes,)),
            present_a=check_presence(self.present_a, "present_a", n_nodes),
            present_b=check_presence(self.present_b, "present_b", n_nodes),
            name_a=str(self.name_a),
            name_b=str(self.name_b),
        )

    def _presence(self) -> dict[str, np.ndarray | None]:
        return {"present_a": self.present_a, "present_b": self.present_b}

    def _marks(self) -> list[str]:
        if self.present_a is None or self.present_b is None:
            return [""] * self.tree.n_nodes
        words = {
            (True, True): "",
            (True, False): f"only {self.name_a}",
            (False, True): f"only {self.name_b}",
            (False, False): "in neither",
        }
        return [words[pair] for pair in zip(self.present_a.tolist(), self.present_b.tolist())]

    def _missing(self) -> dict[str, np.ndarray]:
        if self.present_a is None or self.present_b is None:
            return {}
        return {
            f"Only {self.name_a} has ": self.present_a & ~self.present_b,
            f"Only {self.name_b} has ": self.present_b & ~self.present_a,
        }

    def _title(self) -> str:
        return f"What sets {self.name_a} and {self.name_b} apart?"

    def _subject(self) -> str:
        return f"{self.name_a} and {self.name_b}"

    def _names(self) -> tuple[str, ...]:
        return self.name_a, self.name_b

    def _lines(self, max_nodes: int) -> list[str]:
        both = f"{self.name_a} and {self.name_b}"
        phrases = Phrases(
            mostly=f"{both} differ mostly because of ",
            many=f"Many parts set {both} apart; the largest shares are those of ",
            none=f"{both} do not differ: their distance is 0.",
        )
        return summary(self, phrases, max_nodes)

    def _about(self) -> dict[str, Any]:
        return {"kind": "pair", "name_a": self.name_a, "name_b": self.name_b}
