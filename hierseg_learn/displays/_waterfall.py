"""Waterfall of an explanation at one level of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..explain.explanation import Explanation
from ..explain.style import HATCH, NEGATIVE, POSITIVE, make_room, write_beside
from ..explain.words import LEAST, enumerate_words, node_labels, share_text, spoken_labels
from ..tree.render import top_down
from ..utils.numbers import check_integer, number
from ._base import FONT_POINTS, ExplanationDisplay, dress_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _FRAME, _ROW = 7.0, 1.1, 0.29  # inches


class Step(NamedTuple):
    """One bar of the waterfall."""

    label: str
    value: float
    share: float


class WaterfallDisplay(ExplanationDisplay):
    """Bars that start where the previous one ends, and so add up to the explained distance.

    At the deepest level every node adds the contribution of its own columns. At another `level`, a
    node of that depth adds its contribution with everything below it, and inner nodes above add
    that of their own columns ("as a whole"). Either way the last bar is the sum of all others: the
    squared distance, for a contrast the difference of two, or the log-odds, to which the priors of
    the classes add a bar. Negative contributions are hatched bars to the left.

    Parameters
    ----------
    explanation : PairExplanation, PredictionExplanation or ContrastExplanation
        The contributions.
    level : int, default=None
        Depth of the nodes to draw, 0 for the root; leaves that are less deep stay. None draws the
        contribution of the own columns of every node.
    max_bars : int, default=10
        Maximum number of nodes with a bar of their own, the largest first; all others, and those
        below 0.5%, share one.

    See Also
    --------
    hierseg_learn.explain.PairExplanation.plot : All nodes as bars that start at zero.

    Examples
    --------
    >>> from hierseg_learn.displays import WaterfallDisplay
    >>> from hierseg_learn.explain import PairExplanation
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
        super().__init__(explanation, level)
        check_integer(max_bars, "max_bars")
        self.max_bars = int(max_bars)

    @property
    def values(self) -> dict[str, float]:
        """Contribution of every drawn node, by path, in the order of the tree."""
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
        """What the values add up to."""
        return self.explanation._sum_name()

    @property
    def alt_text(self) -> str:
        """The plot in words, for those who cannot see it."""
        named = [
            f"{step.label} {number(step.value, '+.3g')}{f' ({share})' if share else ''}"
            for step, share in zip(self.steps(), self._share_texts())
        ]
        total = number(self._total)
        verb = "adds up" if len(named) == 1 else "add up"
        title = self.explanation.share_table().title
        sentence = f"{enumerate_words(named)} {verb} to {total}, the {self.sum_name}."
        return f"{title} Waterfall: {sentence}"

    def steps(self) -> list[Step]:
        """Bars, the largest first; the smallest together in the last.

        Returns
        -------
        list of tuple
            Label, value and share; that of the priors is NaN.
        """
        others = self.explanation._other_terms().items()
        return [*self._node_steps(), *(Step(name, value, np.nan) for name, value in others)]

    def _node_steps(self) -> list[Step]:
        explanation, tree = self.explanation, self.explanation.tree
        spoken, plain = spoken_labels(tree), node_labels(tree)
        steps = []
        for path, value in self.values.items():
            node = tree.index(path)
            above = self._is_above(node)
            share = explanation.direct_share[node] if above else explanation.share[node]
            steps.append(Step((spoken if above else plain)[node], value, float(share)))
        steps.sort(key=lambda step: -abs(step.value))
        n_large = max(sum(abs(step.share) >= LEAST for step in steps), 1)
        n_shown = min(n_large, self.max_bars)
        rest = steps[n_shown:]
        if len(rest) < 2:
            return steps
        value, share = sum(step.value for step in rest), sum(step.share for step in rest)
        return [*steps[:n_shown], Step(f"{len(rest)} others", value, share)]

    @property
    def _total(self) -> float:
        return float(self.explanation.direct.sum()) + sum(self.explanation._other_terms().values())

    def _share_texts(self) -> list[str]:
        """Shares of the bars in words; empty where a bar is no node's."""
        sides = self.explanation.share_table().sides
        shares = [step.share for step in self.steps()]
        return ["" if np.isnan(share) else share_text(share, sides) for share in shares]

    def _is_above(self, node: int) -> bool:
        """Whether a node is an inner one above the drawn level."""
        tree = self.explanation.tree
        return bool(not tree.is_leaf[node] and tree.depths[node] < self.level)

    def _draw(self, plt: Any, ax: Axes | None) -> Axes:
        steps, total = self.steps(), self._total
        if ax is None:
            height = _FRAME + _ROW * (len(steps) + 1)
            _, ax = plt.subplots(figsize=(_WIDTH, height), layout="constrained")
        ends = np.cumsum([step.value for step in steps])
        starts = ends - [step.value for step in steps]
        for row, (step, start) in enumerate(zip(steps, starts)):
            style = {"color": POSITIVE}
            if step.value < 0:
                style = {"color": NEGATIVE, "hatch": HATCH, "edgecolor": "white", "linewidth": 0}
            ax.barh(row, step.value, left=start, height=0.66, zorder=3, **style)
        ax.barh(len(steps), total, height=0.66, color="0.35", zorder=3)
        joints = np.arange(len(steps))
        ax.vlines(ends, joints + 0.33, joints + 0.67, color="0.55", linewidth=0.9, zorder=2)
        all_ends = np.concatenate([[0.0, total], ends])
        dress_rows(ax, len(steps) + 1, all_ends, left=0.02 * (all_ends.min() < 0), right=0.02)
        names = [*(step.label for step in steps), self.sum_name]
        ax.set_yticks(range(len(names)), names, fontsize=FONT_POINTS, parse_math=False)
        ax.yaxis.get_major_ticks()[-1].label1.set_fontweight("bold")
        ax.tick_params(axis="y", length=0)
        ax.axvline(0, color="0.4", linewidth=0.8, zorder=3.5)
        ax.axhline(len(steps) - 0.5, color="0.75", linewidth=0.8, zorder=1)
        ax.set_xlabel(f"contribution to the {self.sum_name}", fontsize=FONT_POINTS)
        title = self.explanation.share_table().title
        ax.set_title(title, parse_math=False, fontsize=FONT_POINTS + 2, loc="left")
        texts = [
            f"{number(step.value, '+.3g')}  {share}".rstrip()
            for step, share in zip(steps, self._share_texts())
        ]
        edges = [*np.maximum(starts, ends), max(total, 0.0)]
        _write_numbers(ax, edges, [*texts, number(total)])
        return ax


def _write_numbers(ax: Axes, edges: list[float], texts: list[str]) -> None:
    """Write numbers behind the bars, the last one bold."""
    make_room(ax, edges, texts, FONT_POINTS - 1)
    for row, (edge, text) in enumerate(zip(edges, texts)):
        weight = "bold" if row == len(texts) - 1 else "normal"
        style = {"fontsize": FONT_POINTS - 1, "fontweight": weight, "color": "0.15", "zorder": 4}
        write_beside(ax, text, (edge, row), **style)
