"""Explanations of one sample or a batch: one class rather than another, and predictions."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import VoteCalibration
from ..tree import SegmentTree
from ..utils.numbers import check_integer, number, percent
from . import words
from .explanation import (
    DECISIONS,
    NAMELESS,
    TOLERANCE,
    DistanceExplanation,
    OneSample,
    SignedExplanation,
    check_by,
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
)
from .words import Phrases, enumerate_words, size_share, split_sentence, start_sentence, summary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# what a class mean is called
_MEANS = {"prototypes": "prototype", "linear": "mean"}


@dataclass(frozen=True, eq=False, repr=False)
class ContrastExplanation(OneSample, SignedExplanation):
    r"""Which nodes speak for one class rather than another.

    What is explained is a difference of squared distances: the mean one to the sample's nearest
    training rows of the class `foil`, minus the mean one to those of the class `target` (or the two
    prototypes), with the rows kept fixed. For ``decision="linear"`` it is the log-likelihood ratio
    of the two classes, half the difference of the squared distances to their means; with the
    log-odds of the priors, `log_prior_odds`, it makes the log-odds of the classes. For prototypes,
    half the difference over the `temperature`, with these, makes the log-odds. A node with a
    positive number is more similar to the target than to the foil. Numbers of either sign may
    cancel, so a share is one of all that speaks for the target, or against it, whichever is more.
    In words, tables and pictures a share is written with the word of its side, without a sign.

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
    decision : {"neighbors", "prototypes", "linear"}, default="neighbors"
        Whether the rows are training rows, prototypes, or class means of linear discriminants.
    by : {"nodes", "parts", "descriptors", "columns"}, default="nodes"
        What the leaves of the tree are, as for :class:`PairExplanation`; with "parts", the columns
        of an inner node count for the leaves below it as far as they can be split, as in
        :class:`PartsExplanation`.
    log_prior_odds : float or array-like of shape (n_samples,), default=None
        Log-odds of the priors of `target` and `foil`; None is 0. Neighbors have none.
    temperature : float, default=1
        What half the difference is divided by in the log-odds, for ``decision="prototypes"``.

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

    The log-likelihood ratio is linear in the row, :math:`\sum_u w_u^T (x_u - m_u)`, and 0 in the
    middle m between the two class means. Its game is a sum of games of single nodes, so that
    :math:`w_u^T (x_u - m_u)` is what node u adds to any coalition.

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
    by: str = "nodes"
    log_prior_odds: Any = None
    temperature: float = 1.0

    _type = "contrast"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        check_choice(self.decision, "decision", *DECISIONS)
        check_by(self.by)
        direct = check_direct(self.direct, "direct", (n_nodes,))
        samples = direct.shape[:-1]
        squared = check_numbers(self.squared_distances, "squared_distances", (*samples, 2))
        part = 0.5 if self.decision == "linear" else 1.0
        wanted, got = part * (squared[..., 1] - squared[..., 0]), direct.sum(axis=-1)
        scale = np.maximum(np.abs(direct).sum(axis=-1), np.abs(squared).sum(axis=-1))
        if (wrong := np.atleast_1d(np.abs(got - wanted) > TOLERANCE * scale)).any():
            i = int(wrong.argmax())
            raise ValueError(
                f"direct must sum to {'half of ' * (part < 1)}squared_distances[1] - "
                "squared_distances[0] = "
                f"{np.atleast_1d(wanted)[i]:.6g}, got {np.atleast_1d(got)[i]:.6g}"
                f"{f' for sample {i}' if samples else ''}."
            )
        prior = self.log_prior_odds
        if self.decision != "neighbors":
            prior = check_numbers(
                np.zeros(samples) if prior is None else prior, "log_prior_odds", samples
            )
        elif prior is not None:
            raise ValueError(
                "log_prior_odds belong to decision='linear' or 'prototypes', got "
                "decision='neighbors'."
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
        vars(self).update(
            direct=direct,
            squared_distances=squared,
            log_prior_odds=prior,
            present=check_presence(self.present, "present", direct.shape),
            name=check_names(self.name, "name", samples),
            **classes,
            **neighbors,
        )

    @property
    def log_odds(self) -> Any:
        """Log-odds of `target` and `foil`, by the contributions and `log_prior_odds`.

        A float, or for a batch an array of (n_samples,).
        """
        if self.decision == "neighbors":
            raise AttributeError(
                "a contrast has log-odds for decision='linear' and 'prototypes' only, got "
                "'neighbors'."
            )
        part = 1.0 if self.decision == "linear" else 0.5 / self.temperature
        log_odds = part * self.value + self.log_prior_odds
        return log_odds if self.is_batch else float(log_odds)

    @property
    def _value_name(self) -> str:
        return "log-likelihood ratio" if self.decision == "linear" else "difference"

    def _other_terms(self) -> dict[str, float]:
        prior = float(self.log_prior_odds) if self.decision == "linear" else 0.0
        return {"priors": prior} if prior else {}

    def _sum_name(self) -> str:
        return "log-odds" if self._other_terms() else super()._sum_name()

    def _values(self) -> dict[str, float]:
        values = super()._values()
        return values if self.decision == "neighbors" else {**values, "log_odds": self.log_odds}

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
        sentences = [self._comparison(target, foil), *weaker_side]
        if self.by == "parts":
            sentences.append(split_sentence(size_share(self.direct, ~self.tree.is_leaf)))
        return sentences

    def _comparison(self, target: str, foil: str) -> str:
        """How close the sample is to either class, in a sentence."""
        if self.decision == "linear":
            odds = f"The log-odds of {target} against {foil} are {number(self.log_odds)}"
            if not self._other_terms():
                return f"{odds}."
            return (
                f"{odds}: {number(self.value)} by the {self._unit}s and "
                f"{number(self.log_prior_odds)} by the priors."
            )
        numbers = [number(value) for value in self.squared_distances]
        if self.value < 0:
            target, foil, numbers = foil, target, numbers[::-1]
        closer = (
            f"{self.name} is as close to {target} as to {foil} (squared distance {numbers[0]})."
            if self.value == 0
            else f"{self.name} is closer to {target} than to {foil} "
            f"(squared distances {numbers[0]} and {numbers[1]})."
        )
        if self.decision == "neighbors":
            return closer
        prior, scale = float(self.log_prior_odds), number(2 * self.temperature)
        by_priors = f", and {number(prior)} by the priors" if prior else ""
        return (
            f"{closer} The log-odds of {class_name(self.target)}, {number(self.log_odds)}, are the "
            f"difference divided by {scale}{by_priors}."
        )

    def _answer(self, max_nodes: int) -> str:
        """Answer to the question, in a sentence."""
        if self.tree.n_nodes == 1:
            return "The tree has a single node, which all of the difference comes from."
        pro, against = self._for_and_against(max_nodes)
        if not pro:
            return (
                "All contributions are 0." if against == "." else f"Nothing speaks for it{against}"
            )
        if self.value > 0:
            return f"Because of {pro}{against}"
        strength = "equally strong" if self.value == 0 else "stronger"
        return f"For it: {pro}{against.replace('it:', f'it, {strength}:', 1)}"

    def _caption(self) -> str:
        if self.decision == "linear":
            sides = f"{class_name(self.target)} against {class_name(self.foil)}"
            return f"Shares by {self._unit}; log-odds of {sides} {number(self.log_odds)}"
        squared = self.squared_distances
        return (
            f"Shares by {self._unit}; squared distances {number(squared[0])} to "
            f"{class_name(self.target)} and {number(squared[1])} to {class_name(self.foil)}"
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
        if self.decision != "neighbors":
            mean = _MEANS[self.decision]
            return (self.name, *(f"{mean} of {class_name(label)}" for _, label in sides))
        return (self.name, *(f"training row {rows[0]}" for rows, _ in sides))

    def _about(self) -> dict[str, Any]:
        rows = self.target_neighbors, self.foil_neighbors
        target_rows, foil_rows = (None if row is None else row.tolist() for row in rows)
        return {
            "decision": self.decision,
            "by": self.by,
            "name": self.name,
            "target": plain(self.target),
            "foil": plain(self.foil),
            "squared_distances": self.squared_distances.tolist(),
            "log_prior_odds": None if self.log_prior_odds is None else float(self.log_prior_odds),
            "temperature": self.temperature,
            "target_neighbors": target_rows,
            "foil_neighbors": foil_rows,
        }


_SHOWN_VOTES = 10
# votes are sums of shares: closer ones are equal
_SAME_VOTES = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class PredictionExplanation(OneSample, DistanceExplanation):
    """Why a sample got its class, and how it differs from its nearest neighbors.

    In words and pictures the `contrast` comes first: why this class rather than another. The
    contributions answer another question, how the sample differs from the rows that vote on its
    class: they add up to the mean squared distance to these rows, weighted by their votes. For
    other decisions the mean of the predicted class takes their place.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_nodes,)
        What the own columns of every node contribute to the mean of `squared_distances`, weighted
        by the votes, of which it is the sum. A batch has one more axis in front, as have all others
        but `classes`.
    prediction : object
        The predicted class, one of `classes`.
    classes : array-like of shape (n_classes,)
        All classes.
    proba : array-like of shape (n_classes,)
        Probability of every class.
    neighbors : array-like of int, shape (n_neighbors,)
        Numbers of the training rows, or of the prototypes or class means, that vote; in a batch
        padded with -1.
    neighbor_classes : array-like of shape (n_neighbors,)
        Their classes, as in `classes`.
    squared_distances : array-like of shape (n_neighbors,)
        Squared distance to each of them.
    vote_weights : array-like of shape (n_neighbors,)
        Weight of every vote: not negative, not all zero, of any scale.
    present : array-like of bool, shape (n_nodes,), default=None
        Whether the sample has the node; None if unknown.
    name : str, or array-like of shape (n_samples,), default="the sample"
        Names or labels of the samples.
    decision : {"neighbors", "prototypes", "linear"}, default="neighbors"
        Whether training rows vote, prototypes of classes, or class means of linear discriminants.
    by : {"nodes", "descriptors", "columns"}, default="nodes"
        What the leaves of the tree are, as for :class:`PairExplanation`.
    contrast : ContrastExplanation, default=None
        Why the predicted class rather than the next one; None leaves it out.
    calibration : VoteCalibration, default=None
        How the votes of neighbors become `proba`; None leaves it out.

    See Also
    --------
    ContrastExplanation : Why one class rather than another.
    PairExplanation : Which nodes a distance comes from.

    Examples
    --------
    >>> from hierseg_learn.explain import PredictionExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> explanation = PredictionExplanation(
    ...     tree,
    ...     [0.3, 0.4, 0.5 / 3],
    ...     prediction="sail",
    ...     classes=["motor", "sail"],
    ...     proba=[1 / 3, 2 / 3],
    ...     neighbors=[7, 31, 4],
    ...     neighbor_classes=["sail", "sail", "motor"],
    ...     squared_distances=[0.3, 0.6, 1.7],
    ...     vote_weights=[1, 1, 1],
    ... )
    >>> print(explanation.to_text())
    The sample is predicted 'sail' (2 of 3 nearest neighbors, probability 67%).
    The sample differs from its nearest neighbors mostly because of boat (46%) and sky (35%).
    <BLANKLINE>
    mean squared distance 0.867  share  direct
    photo                         100%     19%
    ├── sky                        35%     35%
    └── boat                       46%     46%
    <BLANKLINE>
    training row 7   'sail'   squared distance 0.3  33% of the vote
    training row 31  'sail'   squared distance 0.6  33% of the vote
    training row 4   'motor'  squared distance 1.7  33% of the vote
    """

    tree: SegmentTree
    direct: np.ndarray
    _: KW_ONLY
    prediction: Any
    classes: np.ndarray
    proba: np.ndarray
    neighbors: np.ndarray
    neighbor_classes: np.ndarray
    squared_distances: np.ndarray
    vote_weights: np.ndarray
    present: np.ndarray | None = None
    name: Any = NAMELESS
    decision: str = "neighbors"
    by: str = "nodes"
    contrast: ContrastExplanation | None = None
    calibration: VoteCalibration | None = None

    _type = "prediction"

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        check_choice(self.decision, "decision", *DECISIONS)
        check_by(self.by)
        direct = check_direct(self.direct, "direct", (n_nodes,))
        samples = direct.shape[:-1]
        squared = check_numbers(
            self.squared_distances, "squared_distances", (*samples, "n_neighbors")
        )
        votes = squared.shape
        weights = check_weights(self.vote_weights, "vote_weights", votes)
        means = (weights * squared).sum(axis=-1) / weights.sum(axis=-1)
        scale = np.abs(direct).sum(axis=-1) + means
        wrong = np.atleast_1d(np.abs(direct.sum(axis=-1) - means) > TOLERANCE * scale)
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(
                "direct must sum to the mean of squared_distances, weighted by vote_weights, "
                f"{np.atleast_1d(means)[i]:.6g}, got {np.atleast_1d(direct.sum(axis=-1))[i]:.6g}"
                f"{f' for sample {i}' if samples else ''}."
            )
        classes = check_items(self.classes, "classes", ("n_classes",))
        prediction = check_items(self.prediction, "prediction", samples) if samples else None
        voting_classes = check_items(self.neighbor_classes, "neighbor_classes", votes)
        check_members(np.ravel(self.prediction), "prediction", classes)
        check_members(voting_classes.ravel(), "neighbor_classes", classes)
        vars(self).update(
            direct=direct,
            squared_distances=squared,
            prediction=self.prediction if prediction is None else prediction,
            classes=classes,
            proba=check_numbers(self.proba, "proba", (*samples, len(classes))),
            neighbors=check_items(self.neighbors, "neighbors", votes),
            neighbor_classes=voting_classes,
            vote_weights=weights,
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

    @property
    def votes(self) -> pd.DataFrame:
        """A new DataFrame with one row per neighbor of a single sample, by its number.

        Copies of a training row are one neighbor, with the sum of their weights.
        """
        import pandas as pd

        if self.is_batch:
            raise ValueError(f"votes are of one sample, got a batch of {len(self)}.")
        firsts, shares, _ = self._voters()
        return pd.DataFrame(
            {
                "neighbor_class": self.neighbor_classes[firsts],
                "squared_distance": self.squared_distances[firsts],
                "weight": shares,
            },
            index=pd.Index(self.neighbors[firsts], name=_MEANS.get(self.decision, "neighbor")),
        )

    def _voters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows that vote, copies once: their first places, shares and numbers of copies."""
        _, firsts, owners, copies = np.unique(
            self.neighbors, return_index=True, return_inverse=True, return_counts=True
        )
        order = np.argsort(firsts)
        return firsts[order], np.bincount(owners, self._vote_shares)[order], copies[order]

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
        text = words.export_text(contrast.share_table(), self._why(contrast, max_nodes))
        return "\n\n".join([text, "\n".join(self._differences(max_nodes)), self._closing()])

    def plot(self, ax: Axes | None = None, question: str = "class") -> Axes:
        """Draw one horizontal bar per node, of the contrast or of the distance to the neighbors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            As for :meth:`PairExplanation.plot`.
        question : {"class", "neighbors"}, default="class"
            As for `to_text`.

        Returns
        -------
        matplotlib Axes
            The axes with the bars.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
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
            words.export_html(contrast.share_table(), self._why(contrast, 3)),
            words.export_html(
                self.share_table(), self._differences(3), self._closing(), is_open=False
            ),
        ]
        return f'<div role="group" aria-label="{escape(self._subject())}">{"".join(tables)}</div>'

    def _summary(self) -> str:
        return super()._summary() if self.contrast is None else self.contrast._summary()

    def _trimmed(self, values: dict[str, Any]) -> dict[str, Any]:
        votes = values["neighbors"] != -1
        for name in ("squared_distances", "neighbors", "neighbor_classes", "vote_weights"):
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
        if self.decision != "neighbors":
            return f"the {_MEANS[self.decision]} of {class_name(self.prediction)}"
        return "its nearest neighbor" + ("s" if self._is_mean else "")

    def _names(self) -> tuple[str, ...]:
        by_rows = self.decision == "neighbors"
        nearest = np.argmin(self.squared_distances) if by_rows else np.argmax(self.vote_weights)
        return self.name, self._neighbor_name(int(nearest))

    def _neighbor_name(self, i: int) -> str:
        if self.decision == "neighbors":
            return f"training row {self.neighbors[i]}"
        label = f"{_MEANS[self.decision]} of {class_name(self.neighbor_classes[i])}"
        several = (self.neighbor_classes == self.neighbor_classes[i]).sum() > 1
        return f"{label} ({self.neighbors[i]})" if several else label

    def _result(self) -> str:
        """The prediction in a sentence, with the votes for it."""
        agrees = self.neighbor_classes == self.prediction
        proba = self.proba[self.classes.tolist().index(plain(self.prediction))]
        votes = f"probability {percent(proba)}"
        if self.decision == "neighbors":
            count = f"{agrees.sum()} of {len(agrees)} nearest neighbors"
            if len(agrees) == 1:
                count = f"{'the' if agrees[0] else 'not the'} class of its nearest neighbor"
            elif np.ptp(self.vote_weights) > 0:
                count += f", {percent(self._vote_shares[agrees].sum())} of the vote"
            votes = f"{count}, {votes}"
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
            many=f"Many {self._parts} set {self.name} apart from {those}; the largest shares are "
            "those of ",
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
        """One line per row that votes, or class mean, nearest first."""
        firsts, weights, copies = self._voters()
        squared, by_rows = self.squared_distances[firsts], self.decision == "neighbors"
        labels, of = self.neighbor_classes[firsts], " of the vote"
        if not by_rows:
            places = [self.classes.tolist().index(c) for c in labels.tolist()]
            weights, of = self.proba[places], ""
        order = np.argsort(squared, kind="stable")[:_SHOWN_VOTES].tolist()
        rows = [
            (
                self._neighbor_name(firsts[i]) + f" ({copies[i]} copies)" * bool(copies[i] > 1),
                class_name(labels[i]) if by_rows else "",
                f"squared distance {number(squared[i])}",
                f"{'' if by_rows else 'probability '}{percent(weights[i])}{of}",
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
        return "\n".join([*lines, *self._calibration_lines()])

    def _calibration_lines(self) -> list[str]:
        """How votes become probabilities, in a sentence."""
        rule = self.calibration
        if rule is None:
            return []
        added = power = ""
        if rule.smoothing:
            added = f" with {number(rule.smoothing)} more, spread like the training rows"
        if rule.temperature != 1:
            power = f", to the power of {number(1 / rule.temperature)}"
        is_moved = not np.allclose(rule.priors, rule.shares)
        moved = ", times the priors over the shares of the training rows" * is_moved
        return [f"probability: shares of the {rule.n_neighbors} votes{added}{power}{moved}"]

    def _about(self) -> dict[str, Any]:
        return {
            "decision": self.decision,
            "by": self.by,
            "name": self.name,
            "prediction": plain(self.prediction),
            "classes": self.classes.tolist(),
            "proba": self.proba.tolist(),
            "neighbors": self.neighbors.tolist(),
            "neighbor_classes": self.neighbor_classes.tolist(),
            "vote_weights": self._vote_shares.tolist(),
            "squared_distances": self.squared_distances.tolist(),
            "contrast": None if self.contrast is None else self.contrast.to_dict(),
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
        }
