"""What an explanation adds up, step by step, at one level of the tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..explain.explanation import Explanation, check_level
from ..explain.style import HATCH, NEGATIVE, POSITIVE, import_pyplot, make_room
from ..explain.words import enumerate_words, node_labels, share_text, spoken_labels
from ..fitted.model import check_titles, count, explain, take_steps
from ..tree.render import top_down
from ..utils.numbers import check_integer, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    pass  # HOUSE
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_FONT_POINTS = 9.0
_WIDTH, _FRAME, _ROW = 7.0, 1.1, 0.29  # inches
_TOTAL = "0.35"
_JOIN = "0.55"


class Step(NamedTuple):
    """One bar of the waterfall."""

    label: str
    value: float
    share: float


def plot(display: WaterfallDisplay, ax: Axes | None) -> Axes:
    """Draw the display; see `WaterfallDisplay.plot`."""
    plt = import_pyplot("WaterfallDisplay.plot")
    steps = display.steps()
    if ax is None:
        height = _FRAME + _ROW * (len(steps) + 1)
        _, ax = plt.subplots(figsize=(_WIDTH, height), layout="constrained")
    ends = np.cumsum([step.value for step in steps])
    starts = ends - [step.value for step in steps]
    for row, (step, start) in enumerate(zip(steps, starts)):
        ax.barh(row, step.value, left=start, height=0.66, zorder=3, **_style(step.value))
    total = float(display.explanation.direct.sum())
    ax.barh(len(steps), total, height=0.66, color=_TOTAL, zorder=3)
    joints = np.arange(len(steps))
    ax.vlines(ends, joints + 0.33, joints + 0.67, color=_JOIN, linewidth=0.9, zorder=2)
    _dress(display, ax, steps, np.concatenate([[0.0, total], ends]))
    sides = display.explanation._sides
    numbers = [f"{number(step.value, '+.3g')}  {share_text(step.share, sides)}" for step in steps]
    edges = [*np.maximum(starts, ends), max(total, 0.0)]
    _write_numbers(ax, edges, [*numbers, number(total)])
    return ax


def _dress(display: WaterfallDisplay, ax: Axes, steps: list[Step], ends: np.ndarray) -> None:
    """Scale, names, title."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(ends.min()), float(ends.max())
    span = high - low or 1.0
    ax.set_xlim(low - 0.02 * span * (low < 0), high + 0.02 * span)
    ax.set_ylim(len(steps) + 0.6, -0.6)
    names = [*(step.label for step in steps), display.sum_name]
    ax.set_yticks(range(len(names)), names, fontsize=_FONT_POINTS, parse_math=False)
    ax.yaxis.get_major_ticks()[-1].label1.set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=_FONT_POINTS)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.set_axisbelow(True)
    ax.grid(axis="x", color="0.9")
    ax.axvline(0, color="0.4", linewidth=0.8, zorder=3.5)
    ax.axhline(len(steps) - 0.5, color="0.75", linewidth=0.8, zorder=1)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_xlabel(f"contribution to the {display.sum_name}", fontsize=_FONT_POINTS)
    title = display.explanation._title()
    ax.set_title(title, parse_math=False, fontsize=_FONT_POINTS + 2, loc="left")


def _write_numbers(ax: Axes, edges: Sequence[float], texts: Sequence[str]) -> None:
    """Write numbers behind the bars, and make room for them in the scale."""
    make_room(ax, edges, list(texts), _FONT_POINTS - 1)
    for row, (edge, text) in enumerate(zip(edges, texts)):
        ax.annotate(
            text,
            (edge, row),
            (4, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=_FONT_POINTS - 1,
            fontweight="bold" if row == len(texts) - 1 else "normal",
            color="0.15",
            zorder=4,
        )


def _style(value: float) -> dict[str, Any]:
    if value >= 0:
        return {"color": POSITIVE}
    return {"color": NEGATIVE, "hatch": HATCH, "edgecolor": "white", "linewidth": 0}


# nodes with smaller shares have one bar together
_LEAST = 0.005


class WaterfallDisplay:
    """Bars that start where the one before them ends, and so add up to what is explained.

    At the deepest level every node adds what its own columns contribute. At another `level`, a
    node of that depth adds what it contributes with everything below it, and inner nodes above
    add what their own columns do ("as a whole"). Either way the last bar is the sum of all others:
    the squared distance, or for a contrast the difference of two. Bars to the left are negative
    contributions, hatched: they make up for others.

    Parameters
    ----------
    explanation : PairExplanation, PredictionExplanation or ContrastExplanation
        The contributions.
    level : int, default=None
        Depth of the nodes that are drawn, 0 for the root; leaves that are less deep stay. None
        draws what every node's own columns contribute.
    max_bars : int, default=10
        How many nodes get a bar of their own, the largest first; all others, and those below 0.5%,
        share one.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.
    values : dict of str to float
        What every drawn node adds, by path, in the order of the tree; also those that share a bar.
    alt_text : str
        The picture in words.

    See Also
    --------
    PairExplanation.plot : All nodes as bars that start at zero, in the order of the tree.

    Examples
    --------
    >>> from hierseg_learn.explain import PairExplanation, WaterfallDisplay
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}})
    >>> explanation = PairExplanation(tree, [1.0, -0.5, 2.5, 0.5, 0.5])
    >>> WaterfallDisplay(explanation, level=1).values
    {'photo': 0.5, 'photo/sky': 1.0, 'photo/person': 2.5}
    >>> print(WaterfallDisplay(explanation).alt_text)
    What sets a and b apart? Waterfall: skirt +2.5 (56%), sky +1 (22%), photo as a whole +0.5 \
(11%), person as a whole +0.5 (11%) and hair -0.5 (11% closer) add up to 4, the squared distance.
    """

    def __init__(
        self, explanation: Explanation, *, level: int | None = None, max_bars: int = 10
    ) -> None:
        if not isinstance(explanation, Explanation):
            raise TypeError(
                "explanation must be a PairExplanation, a PredictionExplanation or a "
                f"ContrastExplanation, got {type(explanation).__name__}."
            )
        self.explanation = explanation
        self.level = check_level(level, explanation.tree)
        check_integer(max_bars, "max_bars")
        self.max_bars = int(max_bars)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        question: str = "class",
        target: Any = None,
        foil: Any = None,
        level: int | None = None,
        max_bars: int = 10,
        titles: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> WaterfallDisplay:
        """Explain one sample or two by a fitted model, and draw it.

        Parameters
        ----------
        estimator : Pipeline or HierarchicalMetricClassifier
            Fitted.
        X : photos or table of one or two rows
            As the estimator takes them. For one sample is shown why it gets its class, for two what
            sets them apart.
        question, target, against
            As for :meth:`SegmentContributionDisplay.from_estimator`.
        level, max_bars
            As for the class.
        titles : list of str, default=None
            What to call the samples.
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        WaterfallDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        ValueError
            If X does not hold one sample or two, or a class is unknown.
        """
        steps = take_steps(estimator)
        explanation = explain(
            steps,
            X,
            check_titles(titles, count(X)),
            question=question,
            target=target,
            foil=foil,
        )
        return cls(explanation, level=level, max_bars=max_bars).plot(ax)

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        level: int | None = None,
        max_bars: int = 10,
        ax: Axes | None = None,
    ) -> WaterfallDisplay:
        """Make a display and draw it.

        Parameters
        ----------
        explanation, level, max_bars
            As for the class.
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        WaterfallDisplay
            The display, drawn.
        """
        return cls(explanation, level=level, max_bars=max_bars).plot(ax)

    def plot(self, ax: Axes | None = None) -> WaterfallDisplay:
        """Draw the bars, the largest on top and the sum at the bottom.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure that is as high as the bars need.

        Returns
        -------
        WaterfallDisplay
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
    def values(self) -> dict[str, float]:
        """What every drawn node adds, by path, in the order of the tree."""
        tree, explanation = self.explanation.tree, self.explanation
        return {
            tree.paths[node]: float(
                explanation.direct[node] if self._is_above(node) else explanation.total[node]
            )
            for node in top_down(tree)
            if tree.depths[node] <= self.level
        }

    @property
    def sum_name(self) -> str:
        """What the values add up to, in words."""
        return self.explanation._sum_name()

    @property
    def alt_text(self) -> str:
        """The picture in words, for those who cannot see it."""
        sides = self.explanation._sides
        named = [
            f"{step.label} {number(step.value, '+.3g')} ({share_text(step.share, sides)})"
            for step in self.steps()
        ]
        total = number(float(self.explanation.direct.sum()))
        verb = "adds up" if len(named) == 1 else "add up"
        return (
            f"{self.explanation._title()} Waterfall: {enumerate_words(named)} {verb} to {total}, "
            f"the {self.sum_name}."
        )

    def _is_above(self, node: int) -> bool:
        """Whether a node is an inner one above the drawn level, and adds its own columns only."""
        tree = self.explanation.tree
        return bool(not tree.is_leaf[node] and tree.depths[node] < self.level)

    def steps(self) -> list[Step]:
        """Bars, the largest first; the smallest together in the last."""
        explanation, tree = self.explanation, self.explanation.tree
        spoken, plain = spoken_labels(tree), node_labels(tree)
        steps = []
        for path, value in self.values.items():
            node = tree.index(path)
            above = self._is_above(node)
            share = explanation.direct_share[node] if above else explanation.share[node]
            steps.append(Step((spoken if above else plain)[node], value, float(share)))
        steps.sort(key=lambda step: -abs(step.value))
        n_large = max(sum(abs(step.share) >= _LEAST for step in steps), 1)
        n_shown = min(n_large, self.max_bars)
        rest = steps[n_shown:]
        if len(rest) < 2:
            return steps
        value, share = sum(step.value for step in rest), sum(step.share for step in rest)
        return [*steps[:n_shown], Step(f"{len(rest)} others", value, share)]
