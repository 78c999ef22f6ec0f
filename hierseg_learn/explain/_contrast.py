"""Explanations of one class rather than another."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..tree import SegmentTree
from ..utils.numbers import number
from .explanation import (
    NAMELESS,
    OneSample,
    SignedExplanation,
    check_attribute_to,
    check_choice,
    check_direct,
    check_items,
    check_names,
    check_numbers,
    check_presence,
    check_tree,
    class_name,
    plain,
)
from .words import enumerate_words, size_share, split_sentence

# the two sides of a contrast may differ from the sum of its contributions by rounding only
TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class ContrastExplanation(OneSample, SignedExplanation):
    r"""Which nodes speak for one class rather than another.

    What is explained is a difference of squared distances: the mean one to the sample's nearest
    training rows of the class `foil`, minus the mean one to those of the class `target` (or the
    two prototypes), with the rows kept fixed. A node with a positive number is more similar to the
    target than to the foil. Numbers of either sign may cancel, so a share is one of all that speaks
    for the target, or against it, whichever is more. In words, tables and pictures a share is
    written with the word of its side, without a sign.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_nodes,) or (n_samples, n_nodes)
        What the own columns of every node contribute to the difference, of which it is the sum.
    target, foil : object, or array-like of shape (n_samples,)
        The two classes.
    squared_distances : array-like of shape (2,) or (n_samples, 2)
        Mean squared distance to the rows of `target`, and to those of `foil`.
    target_neighbors, foil_neighbors : array-like of int, default=None
        Numbers of the training rows, nearest first, or of the two prototypes: (n_neighbors,), or
        (n_samples, n_neighbors), padded with -1.
    present : array-like of bool, of the shape of `direct`, default=None
        Whether the sample has the node; None if unknown.
    name : str, or array-like of shape (n_samples,), default="the sample"
        Names or labels of the samples.
    decision : {"neighbors", "prototypes"}, default="neighbors"
        Whether the rows are training rows or prototypes.
    attribute_to : {"nodes", "parts"}, default="nodes"
        Whether an inner node's own columns count for the node, or for the leaves below it as far as
        they can be split, as in :class:`PartsExplanation`.

    See Also
    --------
    PredictionExplanation : Why a sample got its class.
    ClassExplanation : Which nodes separate a whole class from the others.

    Notes
    -----
    Every squared distance is the worth of a game over the nodes, in which only the nodes of a
    coalition differ. It is a sum of games of single nodes, :math:`\Delta_u^T M_{uu} \Delta_u`, and
    of pairs, :math:`2 \Delta_u^T M_{uv} \Delta_v`, which the two share equally by symmetry. So the
    Shapley value of node u is :math:`\Delta_u^T \sum_v M_{uv} \Delta_v`, also if a group of nodes
    is taken as one player and split up afterwards. The Shapley value is linear in the game, so that
    of a mean or a difference of distances is the mean or difference of the values.

    Examples
    --------
    >>> from hierseg_learn.explain import ContrastExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}})
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
    difference 2.8     for  against       direct
    photo             100%      18%           0%
    ├── sky             3%       0%           3%
    └── person         97%      18%           9%
        ├── hair       88%       0%          88%
        └── skirt       0%      18%  18% against

    A batch is indexed for the explanations of its samples:

    >>> batch = ContrastExplanation(
    ...     tree,
    ...     [[0.5, 1.5, 0.0, 0.0, 0.0], [0.0, -1.0, 3.0, 0.0, 0.0]],
    ...     target=["ballet", "tennis"],
    ...     foil=["tennis", "ballet"],
    ...     squared_distances=[[1.0, 3.0], [2.0, 4.0]],
    ... )
    >>> batch
    ContrastExplanation(2 samples, 5 nodes)
    >>> batch[0].difference, batch.direct_share[0].tolist()
    (2.0, [0.25, 0.75, 0.0, 0.0, 0.0])
    """

    tree: SegmentTree
    direct: np.ndarray
    _: KW_ONLY
    target: Any
    foil: Any
    squared_distances: np.ndarray
    target_neighbors: np.ndarray | None = None
    foil_neighbors: np.ndarray | None = None
    present: np.ndarray | None = None
    name: Any = NAMELESS
    decision: str = "neighbors"
    attribute_to: str = "nodes"

    _type = "contrast"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        check_choice(self.decision, "decision", "neighbors", "prototypes")
        check_attribute_to(self.attribute_to)
        direct = check_direct(self.direct, "direct", (n_nodes,))
        samples = direct.shape[:-1]
        squared = check_numbers(self.squared_distances, "squared_distances", (*samples, 2))
        wanted, got = squared[..., 1] - squared[..., 0], direct.sum(axis=-1)
        scale = np.maximum(np.abs(direct).sum(axis=-1), np.abs(squared).sum(axis=-1))
        if (wrong := np.atleast_1d(np.abs(got - wanted) > TOLERANCE * scale)).any():
            i = int(wrong.argmax())
            raise ValueError(
                f"direct must sum to squared_distances[1] - squared_distances[0] = "
                f"{np.atleast_1d(wanted)[i]:.6g}, got {np.atleast_1d(got)[i]:.6g}"
                f"{f' for sample {i}' if samples else ''}."
            )
        classes = {
            name: check_items(getattr(self, name), name, samples) if samples else value
            for name, value in (("target", self.target), ("foil", self.foil))
        }
        neighbors = {
            name: None if value is None else check_items(value, name, (*samples, "n_neighbors"))
            for name, value in (
                ("target_neighbors", self.target_neighbors),
                ("foil_neighbors", self.foil_neighbors),
            )
        }
        # fields of a frozen dataclass can only be set in its dict
        vars(self).update(
            direct=direct,
            squared_distances=squared,
            present=check_presence(self.present, "present", direct.shape),
            name=check_names(self.name, "name", samples),
            **classes,
            **neighbors,
        )

    def _trimmed(self, values: dict[str, Any]) -> dict[str, Any]:
        for name in ("target_neighbors", "foil_neighbors"):
            if values[name] is not None:
                values[name] = values[name][values[name] >= 0]
        return values

    def _sample_columns(self) -> dict[str, Any]:
        return {**super()._sample_columns(), "target": self.target, "foil": self.foil}

    def _lines(self, max_nodes: int) -> list[str]:
        return self._lines_after(self._title(), max_nodes)

    def _lines_after(self, question: str, max_nodes: int) -> list[str]:
        """The answer to a question, and what it is based on."""
        return [f"{question} {self._answer(max_nodes)}", *super()._lines(max_nodes)]

    def _sentences(self, max_nodes: int) -> list[str]:
        target, foil = class_name(self.target), class_name(self.foil)
        weaker_side = self._weaker_side(f"speaks for {target}", "speaks against it")
        numbers = [number(value) for value in self.squared_distances]
        if self.value < 0:
            target, foil, numbers = foil, target, numbers[::-1]
        sentences = [
            f"{self.name} is as close to {target} as to {foil} (squared distance {numbers[0]})."
            if self.value == 0
            else f"{self.name} is closer to {target} than to {foil} "
            f"(squared distances {numbers[0]} and {numbers[1]}).",
            *weaker_side,
        ]
        if self.attribute_to == "parts":
            sentences.append(split_sentence(size_share(self.direct, ~self.tree.is_leaf)))
        return sentences

    def _answer(self, max_nodes: int) -> str:
        """Answer to the question, in a sentence."""
        if self.tree.n_nodes == 1:
            return "The tree has a single node, which all of the difference comes from."
        pro, contra = (enumerate_words(self._leading(sign, max_nodes) or [""]) for sign in (1, -1))
        if not pro and not contra:
            return "All contributions are 0."
        if not pro:
            return f"Nothing speaks for it; against it: {contra}."
        if self.value > 0:
            return f"Because of {pro}" + (f"; against it: {contra}." if contra else ".")
        strength = "equally strong" if self.value == 0 else "stronger"
        return f"For it: {pro}; against it, {strength}: {contra}."

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
        """Names of the sample and of the nearest row of either class, where known."""
        sides = (self.target_neighbors, self.target), (self.foil_neighbors, self.foil)
        if self.target_neighbors is None or self.foil_neighbors is None:
            return (self.name,)
        if self.decision == "prototypes":
            return (self.name, *(f"prototype of {class_name(label)}" for _, label in sides))
        return (self.name, *(f"training row {rows[0]}" for rows, _ in sides))

    def _about(self) -> dict[str, Any]:
        rows = self.target_neighbors, self.foil_neighbors
        target_rows, foil_rows = (None if row is None else row.tolist() for row in rows)
        return {
            "decision": self.decision,
            "attribute_to": self.attribute_to,
            "name": self.name,
            "target": plain(self.target),
            "foil": plain(self.foil),
            "squared_distances": self.squared_distances.tolist(),
            "target_neighbors": target_rows,
            "foil_neighbors": foil_rows,
        }
