"""Reports of the audit side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..explain.style import import_pyplot
from ..fitted.model import FittedModel
from ._base import WIDTH, AuditReport, figure_height
from ._groups import group_report
from ._node_reliance import node_reliance

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class BiasAuditDisplay:
    """Reports of the audit side by side, such as accuracy by group and the reliance on nodes.

    Parameters
    ----------
    reports : sequence of GroupReport, NodeReliance, ShortcutReport or MetadataReport
        The panels, from left to right.

    Attributes
    ----------
    ax_, axes_, figure_ : matplotlib Axes, tuple of Axes, Figure
        The axes that hold the panels, the panels, and their figure; set by `plot`.

    See Also
    --------
    group_report, node_reliance, find_shortcuts, find_metadata_shortcuts : Compute reports.

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

    def __init__(self, reports: Sequence[AuditReport]) -> None:
        self.reports = tuple(reports)
        if not self.reports:
            raise ValueError("reports must hold at least one report, got none.")
        for report in self.reports:
            if not isinstance(report, AuditReport):
                raise TypeError(
                    "reports must hold reports of the audit, such as a GroupReport, got "
                    f"{type(report).__name__}."
                )

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
        """Draw accuracy by group and the reliance on nodes of a fitted model.

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
        options = {"transformer": transformer, "nodes": nodes, "n_repeats": n_repeats}
        audited = FittedModel.from_estimator(
            estimator, transformer, needs="parts", name="estimator"
        )
        report = group_report(y, audited.predict(audited.rows(X)), groups)
        reliance = node_reliance(estimator, X, y, groups, random_state=random_state, **options)
        return cls([report, reliance]).plot(ax)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_pred: Any, groups: Any, *, ax: Axes | None = None
    ) -> BiasAuditDisplay:
        """Draw accuracy by group.

        Parameters
        ----------
        y_true, y_pred, groups
            As for `group_report`.
        ax : matplotlib Axes, default=None
            As for `plot`.

        Returns
        -------
        BiasAuditDisplay
            The display, drawn.
        """
        return cls([group_report(y_true, y_pred, groups)]).plot(ax)

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
        n_panels = len(self.reports)
        if ax is None:
            height = figure_height(max(report._n_bars for report in self.reports))
            _, ax = plt.subplots(figsize=(WIDTH * n_panels, height), layout="constrained")
        panels = [ax]
        if n_panels > 1:
            if ax.get_subplotspec() is None:
                raise ValueError("ax must be one of a grid, as made by plt.subplots.")
            ax.set_axis_off()
            grid = ax.get_subplotspec().subgridspec(1, n_panels)
            panels = [ax.figure.add_subplot(place) for place in grid]
        for panel, report in zip(panels, self.reports):
            report.plot(panel)
        self.ax_, self.axes_, self.figure_ = ax, tuple(panels), ax.figure
        return self

    @property
    def alt_text(self) -> str:
        """The plot in words."""
        return " ".join(report.alt_text for report in self.reports)
