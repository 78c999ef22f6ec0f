"""The tree with one score per node."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain.bars import FONT_POINTS, ROW, TALLEST, write_names
from ..explain.explanation import check_tree, read_only
from ..explain.style import import_pyplot, show_percents
from ..explain.words import enumerate_words, node_labels
from ..fitted.model import FittedModel, check_targets, count
from ..tree import SegmentTree
from ..tree.render import top_down
from ..utils.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _FRAME = 6.4, 1.15
_STEM, _DOT = "#009E73", "#00694D"
_NAMED = 8


class NodeScoreDisplay:
    """The tree, one node per row, with a dot for the score of every node.

    Dots stand on one scale for all nodes and depths, so that a parent can be compared with its
    children: where the parent is not better, combining them has brought nothing. A filled dot is
    above the baseline, a hollow one is not.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    scores : Series, dict or array-like of shape (n_nodes,)
        By path (or unique name), or in the order of the tree; NaN, or left out, where a node has
        none. Any number per node will do: held-out scores, importances, shares.
    score_name : str, default="score"
        What the numbers are.
    baseline : float, default=0.0
        Where the stems of the dots start: what a score is worth nothing below, such as the share
        of the largest class.
    baseline_name : str, default=None
        What the baseline is; None leaves it without a line of its own.
    fmt : str, default=".3g"
        How to write scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.
    scores : ndarray of shape (n_nodes,)
        In the order of the tree, NaN where a node has none.
    alt_text : str
        The picture in words.

    See Also
    --------
    SegmentContributionDisplay : Shares drawn over photos.

    Examples
    --------
    >>> from hierseg_learn.displays import NodeScoreDisplay
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> scores = {"sky": 0.55, "boat": 0.8, "photo": 0.85}
    >>> display = NodeScoreDisplay(tree, scores, score_name="accuracy", baseline=0.6, fmt=".0%")
    >>> print(display.alt_text)
    Tree of 3 nodes with one accuracy each, highest first: photo 85%, boat 80% and sky 55%. \
Not above the baseline of 60%: sky.
    """

    def __init__(
        self,
        tree: SegmentTree,
        scores: Any,
        *,
        score_name: str = "score",
        baseline: float = 0.0,
        baseline_name: str | None = None,
        fmt: str = ".3g",
    ) -> None:
        self.tree = check_tree(tree)
        self.scores = _check_scores(scores, tree)
        self.score_name = str(score_name)
        if isinstance(baseline, bool) or not isinstance(baseline, Real) or baseline != baseline:
            raise ValueError(f"baseline must be a number, got {baseline!r}.")
        self.baseline = float(baseline)
        self.baseline_name = baseline_name
        self.fmt = fmt

    @classmethod
    def from_estimator(
        cls, estimator: Any, y: Any = None, *, ax: Axes | None = None
    ) -> NodeScoreDisplay:
        """Draw what every node of a fitted classifier knows by itself, its `node_scores_`.

        Parameters
        ----------
        estimator : Pipeline or HierarchicalMetricClassifier
            Fitted.
        y : array-like of shape (n_samples,), default=None
            Classes: the share of the largest one is the baseline. None takes 0.
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure that is as high as the tree needs.

        Returns
        -------
        NodeScoreDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        """
        classifier = FittedModel.from_estimator(
            estimator, explains=True, name="estimator"
        ).classifier
        baseline: dict[str, Any] = {}
        if y is not None:
            _, counts = np.unique(check_targets(y, count(y, "y")), return_counts=True)
            baseline = {
                "baseline": float(counts.max() / counts.sum()),
                "baseline_name": "largest class",
            }
        display = cls(
            classifier.tree_,
            classifier.node_scores_,
            score_name="share of held-out rows that get their class",
            fmt=".0%",
            **baseline,
        )
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> NodeScoreDisplay:
        """Draw one row per node.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure that is as high as the tree needs.

        Returns
        -------
        NodeScoreDisplay
            The display itself.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        plt = import_pyplot("NodeScoreDisplay.plot")
        order = top_down(self.tree)
        if ax is None:
            height = min(_FRAME + ROW * len(order), TALLEST)
            _, ax = plt.subplots(figsize=(_WIDTH, height), layout="constrained")
        scores = self.scores[order]
        rows = np.arange(len(order))
        known = np.isfinite(scores)
        above = scores > self.baseline
        ax.hlines(rows[known], self.baseline, scores[known], color=_STEM, linewidth=2.2, zorder=2)
        for flags, face in ((known & above, _DOT), (known & ~above, "white")):
            ax.plot(
                scores[flags],
                rows[flags],
                linestyle="none",
                marker="o",
                markersize=6.5,
                markerfacecolor=face,
                markeredgecolor=_DOT,
                zorder=3,
            )
        self._dress(ax, order)
        self.ax_: Axes = ax
        self.figure_: Figure = ax.figure
        return self

    @property
    def alt_text(self) -> str:
        """The picture in words, for those who cannot see it."""
        labels = node_labels(self.tree)
        known = np.flatnonzero(np.isfinite(self.scores))
        order = known[np.argsort(-self.scores[known], kind="stable")].tolist()
        named = [f"{labels[node]} {self._text(node)}" for node in order]
        first = f"Tree of {self.tree.n_nodes} nodes with one {self.score_name} each"
        sentences = [f"{first}, highest first: {_listed(named)}." if named else f"{first}: none."]
        low = [labels[node] for node in order if self.scores[node] <= self.baseline]
        if low and (self.baseline_name or self.baseline):
            name = self.baseline_name or "baseline"
            value = self._format(self.baseline)
            sentences.append(f"Not above the {name} of {value}: {_listed(low)}.")
        if lacking := [labels[i] for i in np.flatnonzero(~np.isfinite(self.scores))]:
            sentences.append(f"Without a score: {_listed(lacking)}.")
        return " ".join(sentences)

    def _text(self, node: int) -> str:
        if not np.isfinite(self.scores[node]):
            return "no score"
        return self._format(self.scores[node])

    def _format(self, value: float) -> str:
        return number(value, self.fmt)

    def _dress(self, ax: Axes, order: list[int]) -> None:
        """Scale, names, numbers in a column at the right, baseline."""
        from matplotlib.ticker import MaxNLocator

        values = np.append(self.scores[np.isfinite(self.scores)], self.baseline)
        low, high = float(values.min()), float(values.max())
        span = high - low or 1.0
        ax.set_xlim(low - 0.04 * span, high + 0.06 * span)
        ax.set_ylim(len(order) - 0.4, -0.6)
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        if self.fmt.endswith("%"):
            show_percents(ax.xaxis)
        ax.tick_params(axis="x", labelsize=FONT_POINTS)
        ax.set_axisbelow(True)
        ax.grid(axis="x", color="0.9")
        ax.axvline(self.baseline, color="0.35", linewidth=1.0, zorder=1.5)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set_xlabel(self.score_name, fontsize=FONT_POINTS, parse_math=False)
        write_names(ax, self.tree, order, [""] * len(self.tree))
        for row, node in enumerate(order):
            known = np.isfinite(self.scores[node])
            ax.annotate(
                self._text(node),
                (1, row),
                (8, 0),
                xycoords=ax.get_yaxis_transform(),
                textcoords="offset points",
                va="center_baseline",
                fontsize=FONT_POINTS,
                fontweight="normal" if self.tree.is_leaf[node] or not known else "bold",
                fontstyle="normal" if known else "italic",
                color="0.15" if known else "0.4",
                annotation_clip=False,
            )
        if self.baseline_name:
            ax.annotate(
                f"{self.baseline_name} {self._format(self.baseline)}",
                (self.baseline, 1),
                (0, 3),
                xycoords=ax.get_xaxis_transform(),
                textcoords="offset points",
                fontsize=FONT_POINTS - 1,
                color="0.35",
                ha="left",
                va="bottom",
                parse_math=False,
            )


def _check_scores(scores: Any, tree: SegmentTree) -> np.ndarray:
    """Return float64 scores in the order of the tree."""
    values = np.full(tree.n_nodes, np.nan)
    if hasattr(scores, "items"):
        given = [(tree.index(key), value) for key, value in scores.items()]
        nodes = [node for node, _ in given]
        if len(set(nodes)) < len(nodes):
            twice = next(node for node in nodes if nodes.count(node) > 1)
            raise ValueError(f"scores names {tree.paths[twice]!r} twice.")
        numbers = np.asarray([value for _, value in given])
    else:
        numbers, nodes = np.asarray(scores), list(range(tree.n_nodes))
        if numbers.shape != values.shape:
            raise ValueError(
                f"scores must have one entry per node, shape ({tree.n_nodes},), "
                f"got shape {numbers.shape}."
            )
    if numbers.size and numbers.dtype.kind not in "biuf":
        raise TypeError(f"scores must hold numbers, got dtype {numbers.dtype}.")
    if np.isinf(numbers.astype(np.float64)).any():
        raise ValueError("scores must be finite, or NaN for a node without one, got inf.")
    values[nodes] = numbers
    return read_only(values)


def _listed(words: list[str]) -> str:
    if len(words) > _NAMED:
        words = [*words[:_NAMED], f"{len(words) - _NAMED} more"]
    return enumerate_words(words)
