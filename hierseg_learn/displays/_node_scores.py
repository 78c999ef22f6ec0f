"""Tree with one score per node."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain.bars import ROW, TALLEST, write_names
from ..explain.explanation import check_tree, read_only
from ..explain.style import show_percents, write_beside
from ..explain.words import node_labels
from ..fitted.model import FittedModel, check_targets, count
from ..tree import SegmentTree
from ..tree.render import top_down
from ..utils.numbers import number
from ._base import FONT_POINTS, Display, dress_rows, enumerate_some

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _FRAME = 6.4, 1.15  # inches
_STEM, _DOT = "#009E73", "#00694D"
# nodes that a sentence names
_N_NAMED = 8


class NodeScoreDisplay(Display):
    """Tree with one node per row, and a dot for the score of every node.

    All dots have one scale, so that a parent can be compared with its children: where the parent is
    not better, combining them was of no use. A filled dot is above the baseline, a hollow one is
    not.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    scores : Series, dict or array-like of shape (n_nodes,)
        By path (or unique name), or in the order of the tree; NaN, or left out, where a node has
        none. Any number per node will do: held-out scores, importances, shares.
    score_name : str, default="score"
        Name of the numbers.
    baseline : float, default=0.0
        Where the stems of the dots start: a score at or below it is worth nothing, such as the
        share of the largest class.
    baseline_name : str, default=None
        Name of the baseline. None draws it without a name.
    fmt : str, default=".3g"
        Format of the scores.

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
        """Draw the held-out accuracy of every node of a fitted classifier, its `node_scores_`.

        Parameters
        ----------
        estimator : Pipeline or HierarchicalMetricClassifier
            Fitted.
        y : array-like of shape (n_samples,), default=None
            Classes: the share of the largest one is the baseline. None takes 0.
        ax : matplotlib Axes, default=None
            As for `plot`.

        Returns
        -------
        NodeScoreDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        """
        fitted = FittedModel.from_estimator(estimator, explains=True, name="estimator")
        classifier = fitted.classifier
        options: dict[str, Any] = {"score_name": "held-out accuracy", "fmt": ".0%"}
        if y is not None:
            _, counts = np.unique(check_targets(y, count(y, "y")), return_counts=True)
            options |= {"baseline": counts.max() / counts.sum(), "baseline_name": "largest class"}
        return cls(classifier.tree_, classifier.node_scores_, **options).plot(ax)

    @property
    def alt_text(self) -> str:
        """The plot in words, for those who cannot see it."""
        labels = node_labels(self.tree)
        known = np.flatnonzero(np.isfinite(self.scores))
        order = known[np.argsort(-self.scores[known], kind="stable")].tolist()
        named = enumerate_some([f"{labels[v]} {self._text(v)}" for v in order], _N_NAMED)
        first = f"Tree of {self.tree.n_nodes} nodes with one {self.score_name} each"
        sentences = [f"{first}, highest first: {named}." if named else f"{first}: none."]
        low = [labels[node] for node in order if self.scores[node] <= self.baseline]
        if low and (self.baseline_name or self.baseline):
            name = f"{self.baseline_name or 'baseline'} of {number(self.baseline, self.fmt)}"
            sentences.append(f"Not above the {name}: {enumerate_some(low, _N_NAMED)}.")
        if lacking := [labels[i] for i in np.flatnonzero(~np.isfinite(self.scores))]:
            sentences.append(f"Without a score: {enumerate_some(lacking, _N_NAMED)}.")
        return " ".join(sentences)

    def _text(self, node: int) -> str:
        return number(self.scores[node], self.fmt) if np.isfinite(self.scores[node]) else "no score"

    def _draw(self, plt: Any, ax: Axes | None) -> Axes:
        order = top_down(self.tree)
        if ax is None:
            height = min(_FRAME + ROW * len(order), TALLEST)
            _, ax = plt.subplots(figsize=(_WIDTH, height), layout="constrained")
        scores, rows = self.scores[order], np.arange(len(order))
        known, above = np.isfinite(scores), scores > self.baseline
        ax.hlines(rows[known], self.baseline, scores[known], color=_STEM, linewidth=2.2, zorder=2)
        style = {"linestyle": "none", "marker": "o", "markersize": 6.5, "markeredgecolor": _DOT}
        for flags, face in ((known & above, _DOT), (known & ~above, "white")):
            ax.plot(scores[flags], rows[flags], markerfacecolor=face, zorder=3, **style)
        dress_rows(ax, len(order), [*scores[known], self.baseline], left=0.04, right=0.06)
        if self.fmt.endswith("%"):
            show_percents(ax.xaxis)
        ax.axvline(self.baseline, color="0.35", linewidth=1.0, zorder=1.5)
        ax.set_xlabel(self.score_name, fontsize=FONT_POINTS, parse_math=False)
        write_names(ax, self.tree, order, [""] * len(self.tree))
        self._write_scores(ax, order)
        return ax

    def _write_scores(self, ax: Axes, order: list[int]) -> None:
        """Write scores in a column at the right, and the name of the baseline."""
        for row, node in enumerate(order):
            known = np.isfinite(self.scores[node])
            write_beside(
                ax,
                self._text(node),
                (1, row),
                (8, 0),
                xycoords=ax.get_yaxis_transform(),
                fontsize=FONT_POINTS,
                fontweight="normal" if self.tree.is_leaf[node] or not known else "bold",
                fontstyle="normal" if known else "italic",
                color="0.15" if known else "0.4",
                annotation_clip=False,
            )
        if self.baseline_name:
            text = f"{self.baseline_name} {number(self.baseline, self.fmt)}"
            style = {"color": "0.35", "ha": "left", "va": "bottom"}
            style |= {"xycoords": ax.get_xaxis_transform(), "fontsize": FONT_POINTS - 1}
            write_beside(ax, text, (self.baseline, 1), (0, 3), **style)


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
