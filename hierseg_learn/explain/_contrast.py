"""Why a sample is of one class rather than of another."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.numbers import number
from ._batch import ExplanationBatch
from .explanation import (
    NAMELESS,
    OneSample,
    SignedExplanation,
    check_attribute_to,
    check_items,
    check_numbers,
    check_presence,
    check_tree,
    class_name,
    plain,
)
from .words import enumerate_words, signed_shares, size_share, split_sentence

if TYPE_CHECKING:
    from ..tree import SegmentTree


# the two sides of a contrast may differ from the sum of its contributions by rounding only
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class ContrastExplanation(OneSample, SignedExplanation):
    r"""Which nodes pull a sample towards one class and away from another.

    What is explained is a difference of squared distances: the mean one to the sample's nearest
    training rows of the class `foil`, minus the mean one to those of the class `target` (or the
    two prototypes), with the rows kept fixed. A node with a positive number is more like the target
    than like the other class. Numbers of either sign may cancel, so shares are shares of all that
    speaks for the target: they add up to 100%, and what speaks against it to how strong it is
    beside that (the other way round where more speaks against the target). In words, tables and
    pictures a share has the word of its side, and no sign.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_nodes,)
        What the own columns of every node contribute to the difference, of which it is the sum.
    target, foil : object
        The two classes.
    squared_distances : array-like of shape (2,)
        Mean squared distance to the rows of `target`, and to those of `foil`.
    target_neighbors, against_neighbors : array-like of int, default=None
        Numbers of the training rows, nearest first, or of the two prototypes.
    present : array-like of bool, shape (n_nodes,), default=None
        Whether the sample has the node at all; None if that is not known.
    name : str, default="the sample"
        What to call the sample.
    kind : {"neighbors", "prototypes"}, default="neighbors"
        Whether the rows are training rows or prototypes.
    attribute_to : {"nodes", "parts"}, default="nodes"
        Whether an inner node's own columns count for the node, or for the leaves below it as far as
        they can be split, as in :class:`PartsExplanation`.

    Attributes
    ----------
    difference : float
        The squared distance to `foil` minus the one to `target`: the sum of `direct`.
    total : ndarray of shape (n_nodes,)
        Contributions of nodes with everything below them.
    share, direct_share : ndarray of shape (n_nodes,)
        `total` and `direct`, divided by the sum of the positive `direct` or that of the negative
        ones, whichever is larger; 0 where both are 0. Negative where a node speaks against the
        target.
    contributions : DataFrame
        One row per node, by path: `direct`, `total`, `share`, `present`.

    See Also
    --------
    PredictionExplanation : What sets a sample apart from those who vote on its class.
    ClassExplanation : Which nodes separate a whole class from the others.

    Notes
    -----
    Every squared distance is the worth of a game over the nodes, in which only the nodes of a
    coalition differ; node v's Shapley value is :math:`\Delta_v^T (M \Delta)_v`. A mean of distances
    is a mean of such games, and a contrast the difference of two means. The Shapley value is linear
    in the game, so that of the contrast is the difference of the two mean values.

    *Proof sketch of the closed form.* The worth of a coalition S is
    :math:`\sum_{u, v \in S} \Delta_u^T M_{uv} \Delta_v`: the sum over all nodes of games in which
    u alone gets :math:`\Delta_u^T M_{uu} \Delta_u`, and over all pairs of games in which u and v
    together get :math:`2 \Delta_u^T M_{uv} \Delta_v`. By symmetry the two of a pair get half of it
    each, all others are null players and get nothing, and by linearity node u gets
    :math:`\Delta_u^T \sum_v M_{uv} \Delta_v`. The same is its value if a group of nodes is taken
    as one player and split up afterwards, so a node and all below it get the sum of their values.

    Examples
    --------
    >>> from hierseg_learn.explain import ContrastExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}})
    >>> tree.names
    ('sky', 'hair', 'skirt', 'person', 'photo')
    >>> explanation = ContrastExplanation(
    ...     tree,
    ...     [0.1, 3.0, -0.6, 0.3, 0.0],
    ...     target="ballet",
    ...     foil="tennis",
    ...     squared_distances=[1.0, 3.8],
    ... )
    >>> print(explanation.to_text())
    Why 'ballet' rather than 'tennis'? Because of hair (88%); against it: skirt (18%).
    The sample is closer to 'ballet' than to 'tennis' (squared distances 1 and 3.8).
    All that speaks for 'ballet' is 100%; what speaks against it is 18% of that.
    <BLANKLINE>
    difference 2.8     for  against          own
    photo             100%      18%           0%
    ├── sky             3%       0%           3%
    └── person         97%      18%           9%
        ├── hair       88%       0%          88%
        └── skirt       0%      18%  18% against
    >>> explanation.contributions["direct"].sum().round(3).item()
    2.8
    """

    tree: SegmentTree
    direct: np.ndarray
    _: KW_ONLY
    target: Any
    foil: Any
    squared_distances: np.ndarray
    target_neighbors: np.ndarray | None = None
    against_neighbors: np.ndarray | None = None
    present: np.ndarray | None = None
    name: str = NAMELESS
    kind: str = "neighbors"
    attribute_to: str = "nodes"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        if self.kind not in ("neighbors", "prototypes"):
            raise ValueError(f"kind must be 'neighbors' or 'prototypes', got {self.kind!r}.")
        check_attribute_to(self.attribute_to)
        direct = check_numbers(self.direct, "direct", (n_nodes,))
        squared = check_numbers(self.squared_distances, "squared_distances", (2,))
        scale = max(np.abs(direct).sum(), np.abs(squared).sum())
        if abs(direct.sum() - (squared[1] - squared[0])) > TOLERANCE * scale:
            raise ValueError(
                f"own must sum to squared_distances[1] - squared_distances[0] = "
                f"{squared[1] - squared[0]:.6g}, got {direct.sum():.6g}."
            )
        neighbors = {
            name: None if values is None else check_items(values, name, ("n_neighbors",))
            for name, values in (
                ("target_neighbors", self.target_neighbors),
                ("against_neighbors", self.against_neighbors),
            )
        }
        # The dict is the one way in: the fields of a frozen dataclass cannot be set.
        vars(self).update(
            direct=direct,
            squared_distances=squared,
            present=check_presence(self.present, "present", n_nodes),
            name=str(self.name),
            **neighbors,
        )

    def _opening(self) -> list[str]:
        target, foil = class_name(self.target), class_name(self.foil)
        numbers = [number(value) for value in self.squared_distances]
        if self.difference < 0:
            target, foil, numbers = foil, target, numbers[::-1]
        if self.difference == 0:
            return [
                f"{self.name} is as close to {target} as to {foil} (squared distance {numbers[0]})."
            ]
        return [
            f"{self.name} is closer to {target} than to {foil} "
            f"(squared distances {numbers[0]} and {numbers[1]})."
        ]

    def _lines(self, max_nodes: int) -> list[str]:
        return self._lines_after(self._title(), max_nodes)

    def _lines_after(self, question: str, max_nodes: int) -> list[str]:
        """The answer first, then what it rests on."""
        return [f"{question} {self._answer(max_nodes)}", *super()._lines(max_nodes)]

    def _sentences(self, max_nodes: int) -> list[str]:
        target = class_name(self.target)
        sentences = self._weaker_side(f"speaks for {target}", "speaks against it")
        if self.attribute_to == "parts":
            sentences.append(split_sentence(size_share(self.direct, ~self.tree.is_leaf)))
        return sentences

    def _answer(self, max_nodes: int) -> str:
        """What to say to the question, in a sentence."""
        if self.tree.n_nodes == 1:
            return "The tree has a single node, which all of the difference comes from."
        pro, contra = (enumerate_words(self._named(sign, max_nodes) or [""]) for sign in (1, -1))
        if not pro and not contra:
            return "No node speaks for either: all contributions are 0."
        if not pro:
            return f"Nothing speaks for it; against it: {contra}."
        if self.difference > 0:
            return f"Because of {pro}" + (f"; against it: {contra}." if contra else ".")
        strength = "just as strong" if self.difference == 0 else "stronger"
        return f"For it: {pro}; against it, and {strength}: {contra}."

    def _caption(self) -> str:
        squared = self.squared_distances
        return (
            f"Shares by node; squared distances {number(squared[0])} to {class_name(self.target)} "
            f"and {number(squared[1])} to {class_name(self.foil)}"
        )

    def _share_label(self) -> str:
        return f"share:  ← {class_name(self.foil)}  |  {class_name(self.target)} →"

    def _question(self) -> str:
        return f"Why {class_name(self.target)} rather than {class_name(self.foil)}?"

    def _title(self) -> str:
        return self._with_name(self._question())

    def _subject(self) -> str:
        return f"{self.name}: {class_name(self.target)} rather than {class_name(self.foil)}"

    def _names(self) -> tuple[str, ...]:
        """Call the sample by its name, then the nearest row of either class, where known."""
        sides = (self.target_neighbors, self.target), (self.against_neighbors, self.foil)
        if self.target_neighbors is None or self.against_neighbors is None:
            return (self.name,)
        if self.kind == "prototypes":
            return (self.name, *(f"prototype of {class_name(label)}" for _, label in sides))
        return (self.name, *(f"training row {rows[0]}" for rows, _ in sides))

    def _about(self) -> dict[str, Any]:
        rows = {
            "target_neighbors": self.target_neighbors,
            "against_neighbors": self.against_neighbors,
        }
        return {
            "kind": f"contrast of {self.kind}",
            "attribute_to": self.attribute_to,
            "name": self.name,
            "target": plain(self.target),
            "foil": plain(self.foil),
            "squared_distances": self.squared_distances.tolist(),
            **{name: None if values is None else values.tolist() for name, values in rows.items()},
        }


@dataclass(frozen=True, eq=False, repr=False)
class ContrastExplanations(ExplanationBatch):
    """Contrasts of many samples.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_samples, n_nodes)
        What the own columns of every node contribute to the differences.
    targets, foils : array-like of shape (n_samples,)
        The classes.
    squared_distances : array-like of shape (n_samples, 2)
        Mean squared distances to the rows of `target` and to those of `foil`.
    target_neighbors, against_neighbors : array-like of int, shape (n_samples, n_neighbors)
        Numbers of these rows, nearest first; -1 behind those of a class that has fewer.
    present : array-like of bool, shape (n_samples, n_nodes), default=None
        Whether the samples have the nodes at all.
    samples : array-like of shape (n_samples,), default=None
        Labels of the samples; None numbers them.
    kind : {"neighbors", "prototypes"}, default="neighbors"
        Whether the rows are training rows or prototypes.
    attribute_to : {"nodes", "parts"}, default="nodes"
        As in :class:`ContrastExplanation`.

    Attributes
    ----------
    total, share, direct_share : ndarray of shape (n_samples, n_nodes)
        As in the single explanations.
    contributions : DataFrame
        One row per sample and node.

    See Also
    --------
    ContrastExplanation : What an integer index gives.

    Examples
    --------
    >>> from hierseg_learn.explain import ContrastExplanations
    >>> from hierseg_learn.tree import SegmentTree
    >>> batch = ContrastExplanations(
    ...     SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}}),
    ...     [[0.5, 1.5, 0.0], [0.0, -1.0, 3.0]],
    ...     targets=["sail", "motor"],
    ...     foils=["motor", "sail"],
    ...     squared_distances=[[1.0, 3.0], [2.0, 4.0]],
    ...     target_neighbors=[[7, 9], [4, 5]],
    ...     against_neighbors=[[4, 5], [8, 7]],
    ... )
    >>> batch
    ContrastExplanations(2 samples, 3 nodes)
    >>> batch[0].difference, batch.direct_share[0].tolist()
    (2.0, [0.25, 0.75, 0.0])
    """

    tree: SegmentTree
    direct: np.ndarray
    _: KW_ONLY
    targets: np.ndarray
    foils: np.ndarray
    squared_distances: np.ndarray
    target_neighbors: np.ndarray
    against_neighbors: np.ndarray
    present: np.ndarray | None = None
    samples: np.ndarray | None = None
    kind: str = "neighbors"
    attribute_to: str = "nodes"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        n = len(self.direct)
        rows = {
            name: check_items(values, name, (n, *np.shape(values)[1:2]))
            for name, values in (
                ("target_neighbors", self.target_neighbors),
                ("against_neighbors", self.against_neighbors),
            )
        }
        vars(self).update(
            direct=check_numbers(self.direct, "direct", (n, n_nodes)),
            targets=check_items(self.targets, "targets", (n,)),
            foils=check_items(self.foils, "foils", (n,)),
            squared_distances=check_numbers(self.squared_distances, "squared_distances", (n, 2)),
            **rows,
        )
        self._check(n)

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        return signed_shares(values, self.direct)

    def _labels(self) -> dict[str, np.ndarray]:
        return {"target": self.targets, "foil": self.foils}

    def _single(self, i: int) -> ContrastExplanation:
        sides = self.target_neighbors[i], self.against_neighbors[i]
        return ContrastExplanation(
            self.tree,
            self.direct[i],
            target=self.targets[i],
            foil=self.foils[i],
            squared_distances=self.squared_distances[i],
            target_neighbors=sides[0][sides[0] >= 0],
            against_neighbors=sides[1][sides[1] >= 0],
            kind=self.kind,
            attribute_to=self.attribute_to,
            **self._of(i),
        )
