"""Why a sample got its class: what sets it apart from those who voted on it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..utils.numbers import number, percent
from . import words
from ._batch import ExplanationBatch
from ._contrast import ContrastExplanation, ContrastExplanations
from .explanation import (
    NAMELESS,
    ROUNDING,
    Explanation,
    OneSample,
    check_items,
    check_members,
    check_numbers,
    check_presence,
    check_question,
    check_tree,
    check_weights,
    class_name,
    read_only,
)
from .words import Phrases, enumerate_words, signed_shares, start_sentence, summary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..tree import SegmentTree
if TYPE_CHECKING:
    from ..tree import SegmentTree


_SHOWN_VOTES = 10
# votes are sums of shares: closer ones are equal
_SAME_VOTES = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class PredictionExplanation(OneSample, Explanation):
    """Why a sample got its class, who voted on it, and how it differs from these.

    In words and pictures the `contrast` comes first: why this class rather than another. The
    contributions are an answer to another question, how the sample differs from the rows that vote
    on it: they add up to the mean of the squared distances to these rows, weighted by their votes.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own_by_neighbor : array-like of shape (n_neighbors, n_nodes)
        What the own columns of every node contribute to the squared distance to each neighbor;
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
    contrast : ContrastExplanation, default=None
        Why the predicted class rather than the one that comes next; None if there is no other.

    Attributes
    ----------
    direct : ndarray of shape (n_nodes,)
        Mean of `own_by_neighbor`, weighted by the votes.
    squared_distances : ndarray of shape (n_neighbors,)
        Squared distance to every neighbor.
    squared_distance, distance : float
        The weighted mean of `squared_distances`, which is the sum of `direct`, and its square root.
    total : ndarray of shape (n_nodes,)
        Contributions of nodes with everything below them.
    share, direct_share : ndarray of shape (n_nodes,)
        `total` and `direct` as shares of all positive `direct` together, as in
        :class:`PairExplanation`.
    contributions : DataFrame
        One row per node, by path: `direct`, `total`, `share`, `present`.
    votes : DataFrame
        One row per neighbor: `neighbor_class`, `squared_distance`, `weight` (sums to 1).

    See Also
    --------
    ContrastExplanation : Why one class rather than another.
    PairExplanation : Why two samples are as far apart as they are.

    Examples
    --------
    >>> from hierseg_learn.explain import ContrastExplanation, PredictionExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> contrast = ContrastExplanation(
    ...     tree,
    ...     [-0.2, 0.9, 0.55],
    ...     target="sail",
    ...     foil="motor",
    ...     squared_distances=[0.45, 1.7],
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
    >>> explanation.squared_distances
    array([0.3, 0.6, 1.7])
    >>> print(explanation.to_text())
    The sample is predicted 'sail' (2 of 3 nearest neighbors).
    Why 'sail' rather than 'motor'? Because of boat (62%) and photo as a whole (38%); \
against it: sky (14%).
    The sample is closer to 'sail' than to 'motor' (squared distances 0.45 and 1.7).
    All that speaks for 'sail' is 100%; what speaks against it is 14% of that.
    <BLANKLINE>
    difference 1.25   for  against          own
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
    own_by_neighbor: np.ndarray
    _: KW_ONLY
    prediction: Any
    classes: np.ndarray
    proba: np.ndarray
    neighbors: np.ndarray
    neighbor_classes: np.ndarray
    vote_weights: np.ndarray
    present: np.ndarray | None = None
    name: str = NAMELESS
    kind: Literal["neighbors", "prototypes"] = "neighbors"
    contrast: ContrastExplanation | None = None

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        if self.kind not in ("neighbors", "prototypes"):
            raise ValueError(f"kind must be 'neighbors' or 'prototypes', got {self.kind!r}.")
        if not isinstance(self.contrast, ContrastExplanation | None):
            raise TypeError(
                "contrast must be a ContrastExplanation or None, got "
                f"{type(self.contrast).__name__}."
            )
        direct = check_numbers(self.own_by_neighbor, "own_by_neighbor", ("n_neighbors", n_nodes))
        classes = check_items(self.classes, "classes", ("n_classes",))
        voting_classes = check_items(self.neighbor_classes, "neighbor_classes", (len(direct),))
        check_members(np.array([self.prediction]), "prediction", classes)
        check_members(voting_classes, "neighbor_classes", classes)
        # The dict is the one way in: the fields of a frozen dataclass cannot be set.
        vars(self).update(
            own_by_neighbor=direct,
            classes=classes,
            proba=check_numbers(self.proba, "proba", (len(classes),)),
            neighbors=check_items(self.neighbors, "neighbors", (len(direct),)),
            neighbor_classes=voting_classes,
            vote_weights=check_weights(self.vote_weights, "vote_weights", len(direct)),
            present=check_presence(self.present, "present", n_nodes),
            name=str(self.name),
            contrast=self.contrast and replace(self.contrast, name=str(self.name)),
        )

    @cached_property
    def direct(self) -> np.ndarray:
        """What every node contributes, as the mean over the votes: array of shape (n_nodes,)."""
        return read_only(self._vote_shares @ self.own_by_neighbor)

    @property
    def squared_distances(self) -> np.ndarray:
        """Squared distance to every neighbor: array of shape (n_neighbors,)."""
        return np.maximum(self.own_by_neighbor.sum(axis=1), 0.0)

    @property
    def votes(self) -> pd.DataFrame:
        """A new DataFrame with one row per neighbor, by its number."""
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

    def to_text(self, max_nodes: int = 3, question: str = "class") -> str:
        """Say in words why the sample got its class, and who voted.

        Parameters
        ----------
        max_nodes : int, default=3
            How many nodes a sentence may name.
        question : {"class", "neighbors"}, default="class"
            What the tree shows: the `contrast`, or how the sample differs from those who vote,
            which is also shown where there is no contrast.

        Returns
        -------
        str
            Sentences, the tree with shares, and a line per vote.
        """
        contrast = self._contrast_for(question)
        if contrast is None:
            return super().to_text(max_nodes)
        words.check_max_nodes(max_nodes)
        text = words.export_text(
            self.tree,
            self._why(contrast, max_nodes),
            contrast._head(),
            contrast._columns(),
            contrast._marks(),
        )
        return "\n\n".join([text, "\n".join(self._apart(max_nodes)), self._closing()])

    def plot(self, ax: Axes | None = None, question: str = "class") -> Axes:
        """Draw one horizontal bar per node: why this class, or how the sample differs from voters.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure that is as high as the tree needs.
        question : {"class", "neighbors"}, default="class"
            As for `to_text`.

        Returns
        -------
        matplotlib Axes
            The axes with the bars, as in :meth:`PairExplanation.plot`.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        contrast = self._contrast_for(question)
        return super().plot(ax) if contrast is None else contrast.plot(ax)

    def _contrast_for(self, question: str) -> ContrastExplanation | None:
        """What answers a question but the contributions themselves."""
        return self.contrast if check_question(question) == "class" else None

    def _repr_html_(self) -> str:
        if self.contrast is None:
            return super()._repr_html_()
        tables = [
            words.export_html(self.contrast, self._why(self.contrast, 3)),
            words.export_html(self, self._apart(3), self._closing(), is_open=False),
        ]
        return f'<div role="group" aria-label="{escape(self._subject())}">{"".join(tables)}</div>'

    def __repr__(self) -> str:
        if self.contrast is None:
            return super().__repr__()
        return (
            f"{type(self).__name__}({self._subject()}, not "
            f"{class_name(self.contrast.foil)}: {self.contrast._summary()})"
        )

    def _title(self) -> str:
        return f"How {self.name} differs from {self._those()}"

    def _subject(self) -> str:
        return f"{self.name} is predicted {class_name(self.prediction)}"

    def _those(self) -> str:
        """What the voters are called."""
        if self.kind == "prototypes":
            return "the nearest prototype"
        return "its nearest neighbor" + ("s" if self._is_mean else "")

    def _names(self) -> tuple[str, ...]:
        return self.name, self._voter(int(np.argmin(self.squared_distances)))

    def _voter(self, i: int) -> str:
        if self.kind == "neighbors":
            return f"training row {self.neighbors[i]}"
        label = f"prototype of {class_name(self.neighbor_classes[i])}"
        several = (self.neighbor_classes == self.neighbor_classes[i]).sum() > 1
        return f"{label} ({self.neighbors[i]})" if several else label

    def _verdict(self) -> str:
        """The prediction in a sentence, with the votes for it."""
        agrees = self.neighbor_classes == self.prediction
        proba = self.proba[self.classes.tolist().index(self._plain_prediction)]
        if self.kind == "prototypes":
            votes = f"the nearest of {len(agrees)} prototypes, probability {percent(proba)}"
        elif len(agrees) == 1:
            votes = "the class of its nearest neighbor"
        else:
            votes = f"{agrees.sum()} of {len(agrees)} nearest neighbors"
            if np.ptp(self.vote_weights) > 0:
                votes += f", {percent(self._vote_shares[agrees].sum())} of the vote"
        tied = self.classes[(self.proba >= proba - _SAME_VOTES) & (self.classes != self.prediction)]
        if len(tied):
            votes += f"; as much speaks for {enumerate_words([class_name(name) for name in tied])}"
        return start_sentence(f"{self._subject()} ({votes}).")

    @property
    def _plain_prediction(self) -> Any:
        return np.array([self.prediction]).tolist()[0]

    def _lines(self, max_nodes: int) -> list[str]:
        return [self._verdict(), *summary(self, self._phrases(), max_nodes)]

    def _why(self, contrast: ContrastExplanation, max_nodes: int) -> list[str]:
        """Sentences about the class: the prediction, then why this one rather than another."""
        return [self._verdict(), *contrast._lines_after(contrast._question(), max_nodes)]

    def _apart(self, max_nodes: int) -> list[str]:
        """Sentences about the distance to the voters, where the contrast has said all else."""
        alone = replace(self, present=None)
        lines = summary(alone, self._phrases(), max_nodes)
        if self.squared_distance:
            owner = "Their" if self._is_mean else "Its"
            lines.append(f"{owner} {self._sum_name()} is {number(self.squared_distance)}.")
        return lines

    @property
    def _is_mean(self) -> bool:
        """Whether the contributions are to the mean of several distances."""
        return self.kind == "neighbors" and len(self.neighbors) > 1

    def _sum_name(self) -> str:
        return "mean squared distance" if self._is_mean else "squared distance"

    def _phrases(self) -> Phrases:
        those = self._those()
        return Phrases(
            mostly=f"{self.name} differs from {those} mostly because of ",
            many=f"Many parts set {self.name} apart from {those}; the largest shares are those of ",
            none=f"{self.name} does not differ from {those}: the distance is 0.",
        )

    def _head(self) -> str:
        return f"{self._sum_name()} {number(self.squared_distance)}"

    def _closing(self) -> str:
        """One line per vote, nearest first."""
        squared, weights = self.squared_distances, self._vote_shares
        order = np.argsort(squared, kind="stable")[:_SHOWN_VOTES].tolist()
        rows = [
            (
                self._voter(i),
                "" if self.kind == "prototypes" else class_name(self.neighbor_classes[i]),
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
            "kind": self.kind,
            "name": self.name,
            "prediction": self._plain_prediction,
            "classes": self.classes.tolist(),
            "proba": self.proba.tolist(),
            "neighbors": self.neighbors.tolist(),
            "neighbor_classes": self.neighbor_classes.tolist(),
            "vote_weights": self._vote_shares.tolist(),
            "squared_distances": self.squared_distances.tolist(),
            "contrast": self.contrast and self.contrast.to_dict(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class PredictionExplanations(ExplanationBatch):
    """Explanations of the classes of many samples.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own_by_neighbor : array-like of shape (n_samples, n_neighbors, n_nodes)
        What the own columns of every node contribute to the squared distance to each voter.
    predictions : array-like of shape (n_samples,)
        The predicted classes.
    classes : array-like of shape (n_classes,)
        All classes.
    proba : array-like of shape (n_samples, n_classes)
        Their probabilities.
    neighbors : array-like of int, shape (n_samples, n_neighbors)
        Numbers of the training rows, or of the prototypes, that vote; -1 behind the last voter of a
        sample that has fewer than others.
    neighbor_classes : array-like of shape (n_samples, n_neighbors)
        Their classes.
    vote_weights : array-like of shape (n_samples, n_neighbors)
        Weights of their votes, of any scale.
    present : array-like of bool, shape (n_samples, n_nodes), default=None
        Whether the samples have the nodes at all.
    samples : array-like of shape (n_samples,), default=None
        Labels of the samples; None numbers them.
    kind : {"neighbors", "prototypes"}, default="neighbors"
        Whether training rows vote or prototypes.
    contrasts : ContrastExplanations, default=None
        Of the same samples; None if there is no other class.

    Attributes
    ----------
    own, total, share, direct_share : ndarray of shape (n_samples, n_nodes)
        As in the single explanations.
    contributions : DataFrame
        One row per sample and node.

    See Also
    --------
    PredictionExplanation : What an integer index gives.

    Examples
    --------
    >>> from hierseg_learn.explain import PredictionExplanations
    >>> from hierseg_learn.tree import SegmentTree
    >>> batch = PredictionExplanations(
    ...     SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}}),
    ...     [[[0.2, 0.2, 0.0]], [[0.1, 0.3, 0.0]]],
    ...     predictions=["sail", "motor"],
    ...     classes=["motor", "sail"],
    ...     proba=[[0, 1], [1, 0]],
    ...     neighbors=[[7], [4]],
    ...     neighbor_classes=[["sail"], ["motor"]],
    ...     vote_weights=[[1], [1]],
    ... )
    >>> batch[1].prediction.item(), batch.share[1, 1].round(3).item()
    ('motor', 0.75)
    >>> batch.contributions[["sample", "prediction", "node", "direct"]].iloc[3:5]
       sample prediction        node  own
    3       1      motor   photo/sky  0.1
    4       1      motor  photo/boat  0.3
    """

    tree: SegmentTree
    own_by_neighbor: np.ndarray
    _: KW_ONLY
    predictions: np.ndarray
    classes: np.ndarray
    proba: np.ndarray
    neighbors: np.ndarray
    neighbor_classes: np.ndarray
    vote_weights: np.ndarray
    present: np.ndarray | None = None
    samples: np.ndarray | None = None
    kind: str = "neighbors"
    contrasts: ContrastExplanations | None = None

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        votes = np.shape(self.own_by_neighbor)[:2]
        direct = check_numbers(self.own_by_neighbor, "own_by_neighbor", (*votes, n_nodes))
        n = len(direct)
        classes = check_items(self.classes, "classes", ("n_classes",))
        vars(self).update(
            own_by_neighbor=direct,
            predictions=check_items(self.predictions, "predictions", (n,)),
            classes=classes,
            proba=check_numbers(self.proba, "proba", (n, len(classes))),
            neighbors=check_items(self.neighbors, "neighbors", votes),
            neighbor_classes=check_items(self.neighbor_classes, "neighbor_classes", votes),
            vote_weights=check_numbers(self.vote_weights, "vote_weights", votes),
        )
        if self.contrasts is not None and len(self.contrasts) != n:
            raise ValueError(
                f"contrasts must have one entry per sample, expected {n}, "
                f"got {len(self.contrasts)}."
            )
        self._check(n)

    @cached_property
    def direct(self) -> np.ndarray:
        """What every node contributes, as the mean over the votes: array of (n, n_nodes)."""
        weights = self.vote_weights / self.vote_weights.sum(axis=1, keepdims=True)
        return read_only(np.einsum("sr,srv->sv", weights, self.own_by_neighbor))

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        squared = self.direct.sum(axis=1, keepdims=True)
        clear = squared > ROUNDING * np.abs(self.direct).sum(axis=1, keepdims=True)
        return np.where(clear, signed_shares(values, self.direct), 0.0)

    def _labels(self) -> dict[str, np.ndarray]:
        return {"prediction": self.predictions}

    def _single(self, i: int) -> PredictionExplanation:
        votes = self.neighbors[i] != -1
        return PredictionExplanation(
            self.tree,
            self.own_by_neighbor[i, votes],
            prediction=self.predictions[i],
            classes=self.classes,
            proba=self.proba[i],
            neighbors=self.neighbors[i, votes],
            neighbor_classes=self.neighbor_classes[i, votes],
            vote_weights=self.vote_weights[i, votes],
            kind=self.kind,
            contrast=None if self.contrasts is None else self.contrasts[i],
            **self._of(i),
        )
