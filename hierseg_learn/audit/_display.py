"""Where a model fails, beside the nodes that may be why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..explain.style import import_pyplot
from ._axes import (
    WIDTH,
    draw_groups,
    draw_reliance,
    draw_shortcuts,
    height_for,
    words_of_groups,
    words_of_nodes,
)
from ._group_report import GroupReport, group_report
from ._node_reliance import NodeReliance, node_reliance
from ._shortcut_report import ShortcutReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class BiasAuditDisplay:
    """Accuracy by group with its intervals, beside what the nodes are worth.

    Parameters
    ----------
    report : GroupReport, default=None
        The left panel: one bar per cell of group and true class, the worst one hatched.
    nodes : NodeReliance or ShortcutReport, default=None
        The right panel: what exchanging every node costs, overall and in the worst cell; or what
        every node alone says about the label, accused ones hatched.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that hold the panels; set by `plot`.
    axes_ : tuple of matplotlib Axes
        The panels, from left to right; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.
    alt_text : str
        The picture in words.

    See Also
    --------
    group_report, node_reliance, find_shortcuts : What is drawn.

    Examples
    --------
    >>> from hierseg_learn.audit import BiasAuditDisplay
    >>> y_true = ["boat", "boat", "car", "car"]
    >>> y_pred = ["boat", "car", "car", "car"]
    >>> places = ["water", "land", "water", "land"]
    >>> display = BiasAuditDisplay.from_predictions(y_true, y_pred, places)
    >>> print(display.alt_text)
    Accuracy by group and class, overall 75%: land × boat 0% (n=1), land × car 100% (n=1), \
water × boat 100% (n=1), water × car 100% (n=1).
    """

    def __init__(
        self,
        report: GroupReport | None = None,
        nodes: NodeReliance | ShortcutReport | None = None,
    ) -> None:
        if report is None and nodes is None:
            raise ValueError("Expected a report, or nodes, or both; got neither.")
        if report is not None and not isinstance(report, GroupReport):
            raise TypeError(f"report must be a GroupReport, got {type(report).__name__}.")
        if nodes is not None and not isinstance(nodes, NodeReliance | ShortcutReport):
            raise TypeError(
                f"nodes must be a NodeReliance or a ShortcutReport, got {type(nodes).__name__}."
            )
        self.report = report
        self.nodes = nodes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        groups: Any,
        *,
        transformer: Any = None,
        nodes: Any = None,
        n_repeats: int = 5,
        random_state: Any = None,
        ax: Axes | None = None,
    ) -> BiasAuditDisplay:
        """Audit a fitted model, and draw it.

        Parameters
        ----------
        estimator : Pipeline or classifier
            As `model` of `node_reliance`.
        X, y, groups, transformer, nodes, n_repeats, random_state
            As for `node_reliance`.
        ax : matplotlib Axes, default=None
            As for `plot`.

        Returns
        -------
        BiasAuditDisplay
            The display, drawn.
        """
        from ..fitted.model import FittedModel

        audited = FittedModel.from_estimator(
            estimator, transformer, needs="parts", name="estimator"
        )
        report = group_report(y, audited.predict(audited.rows(X)), groups)
        reliance = node_reliance(
            estimator,
            X,
            y,
            groups,
            nodes=nodes,
            n_repeats=n_repeats,
            transformer=transformer,
            random_state=random_state,
        )
        return cls(report, reliance).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        groups: Any,
        *,
        nodes: NodeReliance | ShortcutReport | None = None,
        ax: Axes | None = None,
    ) -> BiasAuditDisplay:
        """Report on predictions by group, and draw it.

        Parameters
        ----------
        y_true, y_pred, groups
            As for `group_report`.
        nodes : NodeReliance or ShortcutReport, default=None
            The right panel.
        ax : matplotlib Axes, default=None
            As for `plot`.

        Returns
        -------
        BiasAuditDisplay
            The display, drawn.
        """
        return cls(group_report(y_true, y_pred, groups), nodes).plot(ax)

    def plot(self, ax: Axes | None = None) -> BiasAuditDisplay:
        """Draw the panels side by side.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes whose place in a grid of axes the panels share; they are switched off. By default a
            new figure.

        Returns
        -------
        BiasAuditDisplay
            The display itself.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        plt = import_pyplot("BiasAuditDisplay.plot")
        draws = self._draws()
        if ax is None:
            height = height_for(max(n_rows for _, n_rows in draws))
            size = (WIDTH * len(draws), height)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        if len(draws) == 1:
            panels = [ax]
        else:
            if ax.get_subplotspec() is None:
                raise ValueError("ax must be one of a grid, as plt.subplots makes them.")
            ax.set_axis_off()
            grid = ax.get_subplotspec().subgridspec(1, len(draws))
            panels = [ax.figure.add_subplot(place) for place in grid]
        for panel, (draw, _) in zip(panels, draws):
            draw(panel)
        self.ax_: Axes = ax
        self.axes_: tuple[Axes, ...] = tuple(panels)
        self.figure_: Figure = ax.figure
        return self

    @property
    def alt_text(self) -> str:
        """The picture in words, for those who cannot see it."""
        words = [] if self.report is None else [words_of_groups(self.report)]
        return " ".join(words + ([] if self.nodes is None else [words_of_nodes(self.nodes)]))

    def _draws(self) -> list[tuple[Any, int]]:
        """What draws every panel, and how many rows it has."""
        draws = []
        if self.report is not None:
            draws.append((lambda ax: draw_groups(ax, self.report), len(self.report.by_cell)))
        if isinstance(self.nodes, NodeReliance):
            draws.append((lambda ax: draw_reliance(ax, self.nodes), len(self.nodes.nodes)))
        elif self.nodes is not None:
            draws.append((lambda ax: draw_shortcuts(ax, self.nodes), self.nodes.tree.n_nodes))
        return draws
