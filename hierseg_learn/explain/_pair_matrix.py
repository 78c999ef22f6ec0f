"""All pairs of some samples: their distances, or what one node accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils._numbers import number
from . import _matrix
from ._checks import read_only
from ._pipelines import FittedSteps, check_targets, check_titles, count, row, take_apart
from ._shares import APART, share_text
from ._text import node_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class PairMatrixDisplay:
    """A matrix of samples against samples, with their photos at the edges.

    Dark cells are large values. A share is that of a node, with everything below it, in what sets
    the pair apart; where a node brings any pair closer, white is none and blue is closer.
    Cells without a value, such as shares of a distance of 0, are grey and crossed.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_samples)
        The numbers, NaN where there is none.
    value_name : str, default="distance"
        What they are.
    is_share : bool, default=False
        Whether they are shares, written in percent; a negative one brings a pair closer.
    names : list of str, default=None
        What to call the samples; None counts them.
    classes : array-like of shape (n_samples,), default=None
        Classes: samples are drawn class by class, with lines between classes.
    photos : list of ndarray of shape (h, w) or (h, w, 3), default=None
        Photos, floats in [0, 1], drawn beside rows and above columns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.
    values : ndarray of shape (n_samples, n_samples)
        In the order of the input.
    order : ndarray of shape (n_samples,)
        Samples in the order in which they are drawn.
    alt_text : str
        The picture in words.

    See Also
    --------
    NeighborStripDisplay : One sample and its nearest neighbours.

    Examples
    --------
    >>> from hierseg_learn.explain import PairMatrixDisplay
    >>> distances = [[0.0, 3.0, 1.0], [3.0, 0.0, 2.0], [1.0, 2.0, 0.0]]
    >>> display = PairMatrixDisplay(distances, classes=["sail", "motor", "sail"])
    >>> display.order.tolist()
    [1, 0, 2]
    >>> print(display.alt_text)
    Matrix of 3 samples, distance for each pair: lowest 1 for 0 (sail) and 2 (sail), \
highest 3 for 0 (sail) and 1 (motor). Mean within classes 1, between classes 2.5.
    """

    def __init__(
        self,
        values: Any,
        *,
        value_name: str = "distance",
        is_share: bool = False,
        names: Sequence[str] | None = None,
        classes: Any = None,
        photos: Sequence[np.ndarray] | None = None,
    ) -> None:
        self.values = _check_values(values)
        n_samples = len(self.values)
        self.value_name = str(value_name)
        self.is_share = bool(is_share)
        self.names = check_titles(names, n_samples, "names") or list(map(str, range(n_samples)))
        self.classes = check_targets(classes, n_samples, "classes")
        if photos is not None and len(photos) != n_samples:
            raise ValueError(
                f"photos must have one entry per sample, expected {n_samples}, got {len(photos)}."
            )
        self.photos = None if photos is None else [np.array(photo) for photo in photos]
        self.order = (
            np.arange(n_samples)
            if self.classes is None
            else np.argsort(self.classes, kind="stable")
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        node: int | str | None = None,
        names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> PairMatrixDisplay:
        """Explain all pairs of some samples by a fitted model, and draw the matrix.

        Parameters
        ----------
        estimator : Pipeline or HierarchicalMetricClassifier
            Fitted.
        X : photos or table of at least two rows
            As the estimator takes them; time grows with the square of their number.
        y : array-like of shape (n_samples,), default=None
            Their classes.
        node : int or str, default=None
            A node of the tree by id, path or unique name: the share of this node, with everything
            below it, in what sets each pair apart. None draws distances.
        names : list of str, default=None
            What to call the samples; None counts them.
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        PairMatrixDisplay
            The display, drawn, with photos if the estimator takes photos.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        ValueError
            If there is one sample only, or no such node.
        """
        steps = take_apart(estimator)
        n_samples = count(X)
        if n_samples < 2:
            raise ValueError(f"X must hold at least two samples, got {n_samples}.")
        chosen = None if node is None else steps.tree.index(node)
        table = steps.table(X)
        display = cls(
            _distances(steps, table) if chosen is None else _shares(steps, table, chosen),
            value_name=(
                "distance"
                if chosen is None
                else f"share of {node_labels(steps.tree)[chosen]} in what sets two apart"
            ),
            is_share=chosen is not None,
            names=names,
            classes=y,
            photos=None if steps.describer is None else steps.photos(X),
        )
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> PairMatrixDisplay:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        PairMatrixDisplay
            The display itself.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        self.ax_: Axes = _matrix.plot(self, ax)
        self.figure_: Figure = self.ax_.figure
        return self

    @property
    def alt_text(self) -> str:
        """The picture in words, for those who cannot see it."""
        n_samples = len(self.values)
        rows, columns = np.tril_indices(n_samples, -1)
        pairs = (self.values[rows, columns] + self.values[columns, rows]) / 2
        known = np.isfinite(pairs)
        first = f"Matrix of {n_samples} samples, {self.value_name} for each pair"
        if not known.any():
            return f"{first}: none."
        rows, columns, pairs = rows[known], columns[known], pairs[known]
        ends = []
        for word, at in (("lowest", pairs.argmin()), ("highest", pairs.argmax())):
            both = f"{self.label(columns[at])} and {self.label(rows[at])}"
            ends.append(f"{word} {self.text(pairs[at])} for {both}")
        sentences = [f"{first}: {ends[0]}, {ends[1]}."]
        if self.classes is not None:
            same = self.classes[rows] == self.classes[columns]
            if same.any() and not same.all():
                means = self.text(pairs[same].mean()), self.text(pairs[~same].mean())
                sentences.append(f"Mean within classes {means[0]}, between classes {means[1]}.")
        return " ".join(sentences)

    def text(self, value: float) -> str:
        """Return a number as it is written."""
        return share_text(value, APART) if self.is_share else number(value)

    def label(self, sample: int) -> str:
        """Return what a sample is called, with its class."""
        label = self.names[sample]
        return label if self.classes is None else f"{label} ({self.classes[sample]})"


def _distances(steps: FittedSteps, table: Any) -> np.ndarray:
    rows = np.asarray(table)
    values = np.zeros((len(rows), len(rows)))
    for i in range(1, len(rows)):
        pairs = np.stack([np.broadcast_to(rows[i], rows[:i].shape), rows[:i]], axis=1)
        values[i, :i] = values[:i, i] = steps.classifier.pair_distance(pairs)
    return values


def _shares(steps: FittedSteps, table: Any, node: int) -> np.ndarray:
    rows = [row(table, i) for i in range(len(table))]
    values = np.full((len(rows), len(rows)), np.nan)
    for i in range(len(rows)):
        for j in range(i):
            pair = steps.classifier.explain_pair(rows[i], rows[j])
            if pair.share.any():
                values[i, j] = values[j, i] = pair.share[node]
    return values


def _check_values(values: Any) -> np.ndarray:
    array = np.array(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"values must hold numbers, got dtype {array.dtype}.")
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < 2:
        raise ValueError(
            f"values must have shape (n_samples, n_samples), of two samples or more, got shape "
            f"{array.shape}."
        )
    return read_only(array.astype(np.float64))
