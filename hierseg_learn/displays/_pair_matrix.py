"""All pairs of some samples: their distances, or what one node accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain.explanation import read_only
from ..explain.style import (
    DIVERGING,
    SEQUENTIAL,
    import_pyplot,
    ink_on,
    show_percents,
    text_width,
    thumbnail,
)
from ..explain.words import APART, node_labels, share_text
from ..fitted.model import FittedModel, check_targets, check_titles, count, row
from ..utils.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    pass  # HOUSE
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_FONT_POINTS = 9.0
_SMALLEST_CELL, _LARGEST_CELL, _SIDE = 0.22, 0.72, 6.0  # inches
_MARGIN, _BESIDE = 0.1, 1.15
_BAR, _BAR_GAP = 0.16, 0.12
# up to so many samples, every cell has its number
_WRITTEN = 12
# a photo beside a row, and the space around it, in cells
_PHOTO, _SPACE = 1.0, 0.08
_UNKNOWN = "0.88"


def plot(display: PairMatrixDisplay, ax: Axes | None) -> Axes:
    """Draw the display; see `PairMatrixDisplay.plot`."""
    plt = import_pyplot("PairMatrixDisplay.plot")
    n_samples = len(display.values)
    edge = 0.0 if display.photos is None else _PHOTO + 2 * _SPACE
    if ax is None:
        cell = np.clip(_SIDE / n_samples, _SMALLEST_CELL, _LARGEST_CELL)
        side = float(cell * (n_samples + edge))
        labels = max(text_width(display.label(i), _FONT_POINTS) for i in display.order) / 72
        left = labels + 2 * _MARGIN
        width, height = left + side + _BESIDE, side + 2 * _MARGIN
        figure = plt.figure(figsize=(width, height))
        box = (left / width, _MARGIN / height, side / width, side / height)
        ax = figure.add_axes(box)
    values = display.values[np.ix_(display.order, display.order)]
    mappable = _make_colors(values, display.is_share)
    ax.imshow(
        np.ma.masked_invalid(values),
        cmap=mappable.cmap,
        norm=mappable.norm,
        extent=(0, n_samples, n_samples, 0),
        label="values",
    )
    _cross_unknown(ax, values)
    _write_values(display, ax, values, mappable)
    _draw_photos(display, ax)
    _draw_classes(display, ax)
    _dress(display, ax, mappable, edge)
    return ax


def _cross_unknown(ax: Axes, values: np.ndarray) -> None:
    """A gray cell with a diagonal stroke where there is no number."""
    for i, j in np.argwhere(~np.isfinite(values)):
        ax.fill([j, j + 1, j + 1, j], [i, i, i + 1, i + 1], color=_UNKNOWN, linewidth=0)
        ax.plot([j + 0.3, j + 0.7], [i + 0.7, i + 0.3], color="0.6", linewidth=0.8)


def _write_values(display: PairMatrixDisplay, ax: Axes, values: np.ndarray, mappable: Any) -> None:
    if len(values) > _WRITTEN:
        return
    for i, j in np.argwhere(np.isfinite(values)):
        if i == j and not display.is_share:
            continue
        ax.text(
            j + 0.5,
            i + 0.5,
            display.text(values[i, j]).replace(" ", "\n"),
            ha="center",
            va="center",
            fontsize=_FONT_POINTS - 1,
            color=ink_on(mappable.to_rgba(values[i, j])),
        )


def _draw_photos(display: PairMatrixDisplay, ax: Axes) -> None:
    """Photos at the left of rows and above columns, whole, in the middle of their square."""
    if display.photos is None:
        return
    for place, sample in enumerate(display.order):
        photo = thumbnail(np.asarray(display.photos[sample]))
        height, width = np.array(photo.shape[:2]) / max(photo.shape[:2]) * (1 - 2 * _SPACE)
        middle, out = place + 0.5, -(_SPACE + _PHOTO / 2)
        for x, y in ((out, middle), (middle, out)):
            extent = (x - width / 2, x + width / 2, y + height / 2, y - height / 2)
            ax.imshow(photo, cmap="gray", vmin=0, vmax=1, extent=extent, label="photo")


def _draw_classes(display: PairMatrixDisplay, ax: Axes) -> None:
    if display.classes is None:
        return
    drawn = display.classes[display.order]
    out = 0 if display.photos is None else -(_PHOTO + 2 * _SPACE)
    for i in np.flatnonzero(drawn[1:] != drawn[:-1]) + 1:
        for line in ([(out, i), (len(drawn), i)], [(i, out), (i, len(drawn))]):
            ax.plot(*zip(*line), color="black", linewidth=1.1, solid_capstyle="butt", zorder=3)


def _dress(display: PairMatrixDisplay, ax: Axes, mappable: Any, edge: float) -> None:
    """Names, color bar, limits."""
    from matplotlib.ticker import MaxNLocator

    n_samples = len(display.values)
    middles = np.arange(n_samples) + 0.5
    rows = [display.label(sample) for sample in display.order]
    ax.set_yticks(middles, rows, fontsize=_FONT_POINTS, parse_math=False)
    ax.set_xticks([])
    ax.tick_params(axis="both", length=0)
    ax.set(xlim=(-edge, n_samples), ylim=(n_samples, -edge), aspect="equal")
    ax.spines[:].set_visible(False)
    inches = ax.get_window_extent().width / ax.figure.figure.dpi
    room = (1 + _BAR_GAP / inches, 0, _BAR / inches, n_samples / (n_samples + edge))
    bar = ax.figure.colorbar(mappable, cax=ax.inset_axes(room), label=display.value_name)
    bar.ax.tick_params(labelsize=_FONT_POINTS)
    bar.ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if display.is_share:
        show_percents(bar.ax.yaxis, signed=False)
    bar.outline.set_visible(False)


def _make_colors(values: np.ndarray, is_share: bool) -> Any:
    """Colors from zero up, or around zero if any value is negative."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    known = values[np.isfinite(values)]
    top = float(np.abs(known).max()) if known.size else 0.0
    is_signed = bool((known < 0).any())
    norm = Normalize(-(top or 1.0) if is_signed else 0.0, top or 1.0)
    return ScalarMappable(norm, mpl.colormaps[DIVERGING if is_signed else SEQUENTIAL])


class PairMatrixDisplay:
    """A matrix of samples against samples, with their photos at the edges.

    Dark cells are large values. A share is that of a node, with everything below it, in what sets
    the pair apart; where a node brings any pair closer, white is none and blue is closer.
    Cells without a value, such as shares of a distance of 0, are gray and crossed.

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
    NeighborStripDisplay : One sample and its nearest neighbors.

    Examples
    --------
    >>> from hierseg_learn.displays import PairMatrixDisplay
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
        steps = FittedModel.from_estimator(estimator, explains=True, name="estimator")
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
            photos=None if steps.transformer is None else steps.photos(X),
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
        self.ax_: Axes = plot(self, ax)
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


def _distances(steps: FittedModel, table: Any) -> np.ndarray:
    rows = np.asarray(table)
    values = np.zeros((len(rows), len(rows)))
    for i in range(1, len(rows)):
        pairs = np.stack([np.broadcast_to(rows[i], rows[:i].shape), rows[:i]], axis=1)
        values[i, :i] = values[:i, i] = steps.classifier.pair_distance(pairs)
    return values


def _shares(steps: FittedModel, table: Any, node: int) -> np.ndarray:
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
