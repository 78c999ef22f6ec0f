"""Matrix of all pairs of some samples: distances, or the share of one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain.explanation import read_only
from ..explain.style import ink_on, show_percents, text_width, thumbnail
from ..explain.words import APART, node_labels, share_text
from ..fitted.model import FittedModel, check_targets, check_titles, count, row
from ..utils.numbers import number
from ._base import FONT_POINTS, Display, choose_colormap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# inches
_MIN_CELL, _MAX_CELL, _SIDE = 0.22, 0.72, 6.0
_MARGIN, _BESIDE = 0.1, 1.15
_BAR, _BAR_GAP = 0.16, 0.12
# numbers are written into the cells of at most so many samples
_MAX_WRITTEN = 12
# a photo beside a row, and the space around it, in cells
_PHOTO, _SPACE = 1.0, 0.08


class PairMatrixDisplay(Display):
    """Matrix of samples against samples, with their photos at the edges.

    Dark cells are large values. A share is that of a node, with everything below it, in what sets
    the pair apart; where a node brings any pair closer, white is none and blue is closer.
    Cells without a value, such as shares of a distance of 0, are gray and crossed.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_samples)
        The numbers, NaN where there is none.
    value_name : str, default="distance"
        Name of the numbers.
    is_share : bool, default=False
        Whether they are shares, written in percent; a negative one brings a pair closer.
    names : list of str, default=None
        Names of the samples; None counts them.
    classes : array-like of shape (n_samples,), default=None
        Classes: samples are drawn class by class, with lines between classes.
    photos : list of ndarray of shape (h, w) or (h, w, 3), default=None
        Photos, floats in [0, 1], drawn beside rows and above columns.

    Attributes
    ----------
    order : ndarray of shape (n_samples,)
        Samples in the order in which they are drawn.

    See Also
    --------
    NearestImagesDisplay : One sample and its nearest neighbors.

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
        labels = np.zeros(n_samples) if self.classes is None else self.classes
        self.order = np.argsort(labels, kind="stable")

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
            Names of the samples; None counts them.
        ax : matplotlib Axes, default=None
            As for `plot`.

        Returns
        -------
        PairMatrixDisplay
            The display, drawn.

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
        table = steps.table(X)
        if node is None:
            values, value_name = _distances(steps, table), "distance"
        else:
            chosen = steps.tree.index(node)
            values = _shares(steps, table, chosen)
            value_name = f"share of {node_labels(steps.tree)[chosen]} in what sets two apart"
        return cls(
            values,
            value_name=value_name,
            is_share=node is not None,
            names=names,
            classes=y,
            photos=steps.photos(X) if steps.takes_images else None,
        ).plot(ax)

    @property
    def alt_text(self) -> str:
        """The plot in words, for those who cannot see it."""
        n_samples = len(self.values)
        rows, columns = np.tril_indices(n_samples, -1)
        pairs = (self.values[rows, columns] + self.values[columns, rows]) / 2
        known = np.isfinite(pairs)
        first = f"Matrix of {n_samples} samples, {self.value_name} for each pair"
        if not known.any():
            return f"{first}: none."
        rows, columns, pairs = rows[known], columns[known], pairs[known]
        ends = [
            f"{word} {self._text(pairs[at])} for {self._label(columns[at])} and "
            f"{self._label(rows[at])}"
            for word, at in (("lowest", pairs.argmin()), ("highest", pairs.argmax()))
        ]
        sentences = [f"{first}: {ends[0]}, {ends[1]}."]
        if self.classes is not None:
            same = self.classes[rows] == self.classes[columns]
            if same.any() and not same.all():
                means = self._text(pairs[same].mean()), self._text(pairs[~same].mean())
                sentences.append(f"Mean within classes {means[0]}, between classes {means[1]}.")
        return " ".join(sentences)

    def _text(self, value: float) -> str:
        return share_text(value, APART) if self.is_share else number(value)

    def _label(self, sample: int) -> str:
        label = self.names[sample]
        return label if self.classes is None else f"{label} ({self.classes[sample]})"

    def _draw(self, plt: Any, ax: Axes | None) -> Axes:
        n_samples = len(self.values)
        edge = 0.0 if self.photos is None else _PHOTO + 2 * _SPACE
        labels = [self._label(sample) for sample in self.order]
        if ax is None:
            cell = np.clip(_SIDE / n_samples, _MIN_CELL, _MAX_CELL)
            side = float(cell * (n_samples + edge))
            left = max(text_width(label, FONT_POINTS) for label in labels) / 72 + 2 * _MARGIN
            width, height = left + side + _BESIDE, side + 2 * _MARGIN
            figure = plt.figure(figsize=(width, height))
            ax = figure.add_axes((left / width, _MARGIN / height, side / width, side / height))
        values = self.values[np.ix_(self.order, self.order)]
        known = values[np.isfinite(values)]
        colors = choose_colormap(known, bool((known < 0).any()))
        extent = (0, n_samples, n_samples, 0)
        masked = np.ma.masked_invalid(values)
        ax.imshow(masked, cmap=colors.cmap, norm=colors.norm, extent=extent, label="values")
        # a gray cell with a diagonal stroke where there is no number
        for i, j in np.argwhere(~np.isfinite(values)):
            ax.fill([j, j + 1, j + 1, j], [i, i, i + 1, i + 1], color="0.88", linewidth=0)
            ax.plot([j + 0.3, j + 0.7], [i + 0.7, i + 0.3], color="0.6", linewidth=0.8)
        self._write_values(ax, values, colors)
        self._draw_photos(ax)
        if self.classes is not None:
            drawn = self.classes[self.order]
            for i in np.flatnonzero(drawn[1:] != drawn[:-1]) + 1:
                for line in ([(-edge, i), (n_samples, i)], [(i, -edge), (i, n_samples)]):
                    style = {"linewidth": 1.1, "solid_capstyle": "butt", "zorder": 3}
                    ax.plot(*zip(*line), color="black", **style)
        ax.set_yticks(np.arange(n_samples) + 0.5, labels, fontsize=FONT_POINTS, parse_math=False)
        ax.set_xticks([])
        ax.tick_params(axis="both", length=0)
        ax.set(xlim=(-edge, n_samples), ylim=(n_samples, -edge), aspect="equal")
        ax.spines[:].set_visible(False)
        self._draw_bar(ax, colors, n_samples / (n_samples + edge))
        return ax

    def _write_values(self, ax: Axes, values: np.ndarray, colors: Any) -> None:
        if len(values) > _MAX_WRITTEN:
            return
        for i, j in np.argwhere(np.isfinite(values)):
            if i != j or self.is_share:
                ax.text(
                    j + 0.5,
                    i + 0.5,
                    self._text(values[i, j]).replace(" ", "\n"),
                    ha="center",
                    va="center",
                    fontsize=FONT_POINTS - 1,
                    color=ink_on(colors.to_rgba(values[i, j])),
                )

    def _draw_photos(self, ax: Axes) -> None:
        """Draw photos left of the rows and above the columns, in the middle of their squares."""
        if self.photos is None:
            return
        for place, sample in enumerate(self.order):
            photo = thumbnail(np.asarray(self.photos[sample]))
            height, width = np.array(photo.shape[:2]) / max(photo.shape[:2]) * (1 - 2 * _SPACE)
            middle, out = place + 0.5, -(_SPACE + _PHOTO / 2)
            for x, y in ((out, middle), (middle, out)):
                extent = (x - width / 2, x + width / 2, y + height / 2, y - height / 2)
                ax.imshow(photo, cmap="gray", vmin=0, vmax=1, extent=extent, label="photo")

    def _draw_bar(self, ax: Axes, colors: Any, height: float) -> None:
        from matplotlib.ticker import MaxNLocator

        inches = ax.get_window_extent().width / ax.figure.figure.dpi
        room = (1 + _BAR_GAP / inches, 0, _BAR / inches, height)
        bar = ax.figure.colorbar(colors, cax=ax.inset_axes(room), label=self.value_name)
        bar.ax.tick_params(labelsize=FONT_POINTS)
        bar.ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        if self.is_share:
            show_percents(bar.ax.yaxis, signed=False)
        bar.outline.set_visible(False)


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
            pair = steps.classifier.explain_pair(rows[i], rows[j], by="nodes")
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
