"""Explanations of predictions, by a contrast and by the distances to the nearest neighbors."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tree import SegmentTree
from ..utils.numbers import check_integer, number, percent
from . import words
from ._contrast import ContrastExplanation
from .explanation import (
    NAMELESS,
    DistanceExplanation,
    OneSample,
    check_choice,
    check_direct,
    check_items,
    check_members,
    check_names,
    check_numbers,
    check_presence,
    check_tree,
    check_weights,
    class_name,
    plain,
    read_only,
)
from .words import Phrases, enumerate_words, start_sentence, summary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SHOWN_VOTES = 10
# votes are sums of shares: closer ones are equal
_SAME_VOTES = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class PredictionExplanation(OneSample, DistanceExplanation):
    """Why a sample got its class, and how it differs from its nearest neighbors.

    In words and pictures the `contrast` comes first: why this class rather than another. The
    contributions answer another question, how the sample differs from the rows that vote on its
    class: they add up to the mean squared distance to these rows, weighted by their votes.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct_by_neighbor : array-like of shape (n_neighbors, n_nodes)
        What the own columns of every node contribute to the squared distance to each neighbor;
        a row sums to that distance. A batch has one more axis in front, as have all others but
        `classes`.
    prediction : object
        The predicted class, one of `classes`.
    classes : array-like of shape (n_classes,)
        All classes.
    proba : array-like of shape (n_classes,)
        Probability of every class.
    neighbors : array-like of int, shape (n_neighbors,)
        Numbers of the training rows, or of the prototypes, that vote; in a batch padded with -1.
    neighbor_classes : array-like of shape (n_neighbors,)
        Their classes, as in `classes`.
    vote_weights : array-like of shape (n_neighbors,)
        Weight of every vote: not negative, not all zero, of any scale.
    present : array-like of bool, shape (n_nodes,), default=None
        Whether the sample has the node; None if unknown.
    name : str, or array-like of shape (n_samples,), default="the sample"
        Names or labels of the samples.
    decision : {"neighbors", "prototypes"}, default="neighbors"
        Whether training rows vote or prototypes of classes.
    contrast : ContrastExplanation, default=None
        Why the predicted class rather than the next one; None leaves it out.

    See Also
    --------
    ContrastExplanation : Why one class rather than another.
    PairExplanation : Which nodes a distance comes from.

    Examples
    --------
    >>> from hierseg_learn.explain import ContrastExplanation, PredictionExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> contrast = ContrastExplanation(
    ...     tree, [-0.2, 0.9, 0.55], target="sail", foil="motor", squared_distances=[0.45, 1.7]
    ... )
    >>> explanation = PredictionExplanation(
    ...     tree,
    ...     [[0.2, 0.1, 0.0], [0.4, 0.1, 0.1], [0.3, 1.0, 0.4]],
    ...     prediction="sail",
    ...     classes=["motor", "sail"],
    ...     proba=[1 / 3, 2 / 3],
    ...     neighbors=[7, 31, 4],
    ...     neighbor_classes=["sail", "sail", "motor"],
    ...     vote_weights=[1, 1, 1],
    ...     contrast=contrast,
    ... )
    >>> print(explanation.to_text())
    The sample is predicted 'sail' (2 of 3 nearest neighbors).
    Why 'sail' rather than 'motor'? Because of boat (62%) and photo as a whole (38%); \
against it: sky (14%).
    The sample is closer to 'sail' than to 'motor' (squared distances 0.45 and 1.7).
    All that speaks for 'sail' is 100%; what speaks against it is 14% of that.
    <BLANKLINE>
    difference 1.25   for  against       direct
    photo            100%      14%          38%
    ├── sky            0%      14%  14% against
    └── boat          62%       0%          62%
    <BLANKLINE>
    The sample differs from its nearest neighbors mostly because of boat (46%) and sky (35%).
    Their mean squared distance is 0.867.
    <BLANKLINE>
    training row 7   'sail'   squared distance 0.3  33% of the vote
    training row 31  'sail'   squared distance 0.6  33% of the vote
    training row 4   'motor'  squared distance 1.7  33% of the vote
    """

    tree: SegmentTree
    direct_by_neighbor: np.ndarray
    _: KW_ONLY
    prediction: Any
    classes: np.ndarray
    proba: np.ndarray
    neighbors: np.ndarray
    neighbor_classes: np.ndarray
    vote_weights: np.ndarray
    present: np.ndarray | None = None
    name: Any = NAMELESS
    decision: str = "neighbors"
    contrast: ContrastExplanation | None = None

    _type = "prediction"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        check_choice(self.decision, "decision", "neighbors", "prototypes")
        shape = ("n_neighbors", n_nodes)
        direct = check_direct(self.direct_by_neighbor, "direct_by_neighbor", shape)
        votes, samples = direct.shape[:-1], direct.shape[:-2]
        classes = check_items(self.classes, "classes", ("n_classes",))
        prediction = check_items(self.prediction, "prediction", samples) if samples else None
        voting_classes = check_items(self.neighbor_classes, "neighbor_classes", votes)
        check_members(np.ravel(self.prediction), "prediction", classes)
        check_members(voting_classes.ravel(), "neighbor_classes", classes)
        # fields of a frozen dataclass can only be set in its dict
        vars(self).update(
            direct_by_neighbor=direct,
            prediction=self.prediction if prediction is None else prediction,
            classes=classes,
            proba=check_numbers(self.proba, "proba", (*samples, len(classes))),
            neighbors=check_items(self.neighbors, "neighbors", votes),
            neighbor_classes=voting_classes,
            vote_weights=check_weights(self.vote_weights, "vote_weights", votes),
            present=check_presence(self.present, "present", (*samples, n_nodes)),
            name=check_names(self.name, "name", samples),
        )
        if self.contrast is not None:
            self._check_contrast(self.contrast, samples)

    def _check_contrast(self, contrast: Any, samples: tuple[int, ...]) -> None:
        if not isinstance(contrast, ContrastExplanation):
            raise TypeError(
                f"contrast must be a ContrastExplanation or None, got {type(contrast).__name__}."
            )
        if contrast.direct.shape[:-1] != samples:
            wanted, got = (
                f"a batch of {shape[0]}" if shape else "that of a single sample"
                for shape in (samples, contrast.direct.shape[:-1])
            )
            raise ValueError(f"contrast must be {wanted}, got {got}.")
        vars(self)["contrast"] = replace(contrast, name=self.name)

    @cached_property
    def direct(self) -> np.ndarray:
        """What every node contributes, as the mean over the votes."""
        return read_only(np.einsum("...r,...rv->...v", self._vote_shares, self.direct_by_neighbor))

    @property
    def squared_distances(self) -> np.ndarray:
        """Squared distance to every neighbor."""
        return np.maximum(self.direct_by_neighbor.sum(axis=-1), 0.0)

    @property
    def votes(self) -> pd.DataFrame:
        """A new DataFrame with one row per neighbor of a single sample, by its number."""
        import pandas as pd

        if self.is_batch:
            raise ValueError(f"votes are of one sample, got a batch of {len(self)}.")
        return pd.DataFrame(
            {
                "neighbor_class": self.neighbor_classes,
                "squared_distance": self.squared_distances,
                "weight": self._vote_shares,
            },
            index=pd.Index(self.neighbors, name=self.decision.removesuffix("s")),
        )

    @property
    def _vote_shares(self) -> np.ndarray:
        return self.vote_weights / self.vote_weights.sum(axis=-1, keepdims=True)

    def to_text(self, max_nodes: int = 3, question: str = "class") -> str:
        """Explanation of the class in words, and the neighbors that voted.

        Parameters
        ----------
        max_nodes : int, default=3
            How many nodes a sentence may name.
        question : {"class", "neighbors"}, default="class"
            What the tree shows: the `contrast`, or how the sample differs from its nearest
            neighbors, which is also shown where there is no contrast.

        Returns
        -------
        str
        """
        contrast = self._contrast_for(question)
        if contrast is None:
            return super().to_text(max_nodes)
        check_integer(max_nodes, "max_nodes")
        text = words.export_text(contrast._table(), self._why(contrast, max_nodes))
        return "\n\n".join([text, "\n".join(self._differences(max_nodes)), self._closing()])

    def plot(self, ax: Axes | None = None, question: str = "class") -> Axes:
        """Draw one horizontal bar per node, of the contrast or of the distance to the neighbors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            As for :meth:`PairExplanation.plot`, which tells what is returned and raised.
        question : {"class", "neighbors"}, default="class"
            As for `to_text`.
        """
        contrast = self._contrast_for(question)
        return super().plot(ax) if contrast is None else contrast.plot(ax)

    def _contrast_for(self, question: str) -> ContrastExplanation | None:
        check_choice(question, "question", "class", "neighbors")
        return self.contrast if question == "class" else None

    def _repr_html_(self) -> str | None:
        contrast = self.contrast
        if self.is_batch or contrast is None:
            return super()._repr_html_()
        tables = [
            words.export_html(contrast._table(), self._why(contrast, 3)),
            words.export_html(self._table(), self._differences(3), self._closing(), is_open=False),
        ]
        return f'<div role="group" aria-label="{escape(self._subject())}">{"".join(tables)}</div>'

    def _summary(self) -> str:
        return super()._summary() if self.contrast is None else self.contrast._summary()

    def _trimmed(self, values: dict[str, Any]) -> dict[str, Any]:
        votes = values["neighbors"] != -1
        for name in ("direct_by_neighbor", "neighbors", "neighbor_classes", "vote_weights"):
            values[name] = values[name][votes]
        return values

    def _sample_columns(self) -> dict[str, Any]:
        return {**super()._sample_columns(), "prediction": self.prediction}

    def _title(self) -> str:
        return f"How {self.name} differs from {self._those()}"

    def _subject(self) -> str:
        return f"{self.name} is predicted {class_name(self.prediction)}"

    def __repr__(self) -> str:
        if self.is_batch or self.contrast is None:
            return super().__repr__()
        foil = class_name(self.contrast.foil)
        return f"{type(self).__name__}({self._subject()}, not {foil}: {self._summary()})"

    def _those(self) -> str:
        """What the rows that vote are called."""
        if self.decision == "prototypes":
            return "the nearest prototype"
        return "its nearest neighbor" + ("s" if self._is_mean else "")

    def _names(self) -> tuple[str, ...]:
        return self.name, self._neighbor_name(int(np.argmin(self.squared_distances)))

    def _neighbor_name(self, i: int) -> str:
        if self.decision == "neighbors":
            return f"training row {self.neighbors[i]}"
        label = f"prototype of {class_name(self.neighbor_classes[i])}"
        several = (self.neighbor_classes == self.neighbor_classes[i]).sum() > 1
        return f"{label} ({self.neighbors[i]})" if several else label

    def _result(self) -> str:
        """The prediction in a sentence, with the votes for it."""
        agrees = self.neighbor_classes == self.prediction
        proba = self.proba[self.classes.tolist().index(plain(self.prediction))]
        if self.decision == "prototypes":
            votes = f"the nearest of {len(agrees)} prototypes, probability {percent(proba)}"
        elif len(agrees) == 1:
            votes = "the class of its nearest neighbor"
        else:
            votes = f"{agrees.sum()} of {len(agrees)} nearest neighbors"
            if np.ptp(self.vote_weights) > 0:
                votes += f", {percent(self._vote_shares[agrees].sum())} of the vote"
        tied = self.classes[(self.proba >= proba - _SAME_VOTES) & (self.classes != self.prediction)]
        if len(tied):
            votes += f"; tied with {enumerate_words([class_name(name) for name in tied])}"
        return start_sentence(f"{self._subject()} ({votes}).")

    def _lines(self, max_nodes: int) -> list[str]:
        return [self._result(), *self._distance_lines(self._missing(), max_nodes)]

    def _why(self, contrast: ContrastExplanation, max_nodes: int) -> list[str]:
        """The prediction, then why this class rather than another."""
        return [self._result(), *contrast._lines_after(contrast._question(), max_nodes)]

    def _differences(self, max_nodes: int) -> list[str]:
        """Sentences about the distance to the neighbors, to follow those of the contrast."""
        lines = self._distance_lines({}, max_nodes)
        if self.value:
            owner = "Their" if self._is_mean else "Its"
            lines.append(f"{owner} {self._value_name} is {number(self.value)}.")
        return lines

    def _distance_lines(self, missing: dict[str, np.ndarray], max_nodes: int) -> list[str]:
        those = self._those()
        phrases = Phrases(
            mostly=f"{self.name} differs from {those} mostly because of ",
            many=f"Many parts set {self.name} apart from {those}; the largest shares are those of ",
            none=f"{self.name} does not differ from {those}: the distance is 0.",
        )
        return summary(self.tree, self.direct_share, phrases, missing, max_nodes)

    @property
    def _is_mean(self) -> bool:
        """Whether the contributions are to the mean of several distances."""
        return self.decision == "neighbors" and len(self.neighbors) > 1

    @property
    def _value_name(self) -> str:
        return "mean squared distance" if self._is_mean else "squared distance"

    def _closing(self) -> str:
        """One line per vote, nearest first."""
        squared, weights = self.squared_distances, self._vote_shares
        order = np.argsort(squared, kind="stable")[:_SHOWN_VOTES].tolist()
        rows = [
            (
                self._neighbor_name(i),
                "" if self.decision == "prototypes" else class_name(self.neighbor_classes[i]),
                f"squared distance {number(squared[i])}",
                f"{percent(weights[i])} of the vote",
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
            "decision": self.decision,
            "name": self.name,
            "prediction": plain(self.prediction),
            "classes": self.classes.tolist(),
            "proba": self.proba.tolist(),
            "neighbors": self.neighbors.tolist(),
            "neighbor_classes": self.neighbor_classes.tolist(),
            "vote_weights": self._vote_shares.tolist(),
            "squared_distances": self.squared_distances.tolist(),
            "contrast": None if self.contrast is None else self.contrast.to_dict(),
        }
