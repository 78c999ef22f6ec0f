"""The panels of the audit's pictures: groups, reliance, shortcuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..explain.style import BELOW, HATCH, NEGATIVE, POSITIVE, import_pyplot, show_percents
from ..explain.words import node_labels, points
from ..tree.render import top_down
from ..utils.numbers import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._group_report import GroupReport
    from ._node_reliance import NodeReliance
    from ._shortcut_report import ShortcutReport

FONT_POINTS = 9.0
WIDTH, FRAME, ROW, TALLEST = 6.4, 1.3, 0.28, 40.0  # inches
WHISKER = {"fmt": "none", "ecolor": "0.25", "elinewidth": 1.2, "capsize": 2.5, "zorder": 4}


def new_axes(ax: Axes | None, who: str, n_rows: int) -> Axes:
    """Return the axes that were given, or those of a new figure that is high enough."""
    plt = import_pyplot(who)
    if ax is None:
        size = (WIDTH, height_for(n_rows))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def height_for(n_rows: int) -> float:
    """Height of a figure with some rows, in inches."""
    return float(min(FRAME + ROW * max(n_rows, 3), TALLEST))


def draw_groups(ax: Axes, report: GroupReport) -> None:
    """One bar per cell of group and class, with its interval; the worst one hatched."""
    cells = report.by_cell
    accuracy = cells["accuracy"].to_numpy()
    rows = np.arange(len(cells))
    known = np.isfinite(accuracy)
    worst = int(np.nanargmin(accuracy))
    bars = ax.barh(rows, np.nan_to_num(accuracy), height=0.62, color=NEGATIVE, zorder=2)
    bars[worst].set(facecolor=POSITIVE, hatch=HATCH, edgecolor="white", linewidth=0)
    errors = np.abs(np.stack([cells["low"], cells["high"]]) - accuracy)[:, known]
    ax.errorbar(accuracy[known], rows[known], xerr=errors, **WHISKER)
    names = [
        f"{g} × {c} ({n}{', tiny' if note == 'tiny' else ''})" if n else f"{g} × {c} (empty)"
        for g, c, n, note in zip(cells["group"], cells["class"], cells["n"], cells["note"])
    ]
    ax.axvline(report.accuracy, color="0.2", linestyle="--", linewidth=1, zorder=3)
    _label(ax, names, "accuracy", "By group and class (dashed: overall)")
    ax.set_xlim(0, 1.02)
    _percent(ax)


def draw_reliance(ax: Axes, reliance: NodeReliance) -> None:
    """One bar per node for all samples, one mark for the worst cell."""
    place = {int(node): i for i, node in enumerate(reliance.nodes)}
    order = [node for node in top_down(reliance.tree) if node in place]
    which = [place[node] for node in order]
    rows = np.arange(len(order))
    excess = reliance.excess[which]
    ax.barh(rows, excess, height=0.62, color=BELOW, label="all samples", zorder=2)
    if reliance.errors is not None:
        ax.errorbar(excess, rows, xerr=reliance.errors[which], **WHISKER)
    ax.plot(
        reliance.worst_excess[which],
        rows,
        linestyle="none",
        marker="D",
        markersize=5,
        color=NEGATIVE,
        label="worst cell",
        zorder=5,
    )
    ax.axvline(0, color="0.4", linewidth=0.8, zorder=3)
    names = [reliance.tree.names[v] for v in order]
    _label(ax, names, "accuracy lost", "Node from any image, against one of the same class")
    _percent(ax)
    ax.legend(fontsize=FONT_POINTS - 1, frameon=False, loc="best")


def draw_shortcuts(ax: Axes, report: ShortcutReport) -> None:
    """One bar per node by its solo accuracy, most suspicious first; accused ones hatched."""
    ranking = report.ranking
    accuracy = ranking["solo_accuracy"].to_numpy(dtype=float)
    rows = np.arange(len(ranking))
    bars = ax.barh(rows, np.nan_to_num(accuracy), height=0.62, color=NEGATIVE, zorder=2)
    for bar, verdict in zip(bars, ranking["verdict"]):
        if verdict == "alarm":
            bar.set(facecolor=POSITIVE, hatch=HATCH, edgecolor="white", linewidth=0)
    chance = ranking["chance"].to_numpy(dtype=float)
    known = np.isfinite(chance)
    ax.scatter(chance[known], rows[known], marker="|", s=90, color="black", zorder=4)
    labels = dict(zip(report.tree.paths, node_labels(report.tree)))
    names = [f"{labels[path]} ({v})" for path, v in zip(ranking.index, ranking["verdict"])]
    _label(ax, names, "balanced accuracy alone", "Says about the label (stroke: chance)")
    ax.set_xlim(0, 1.02)
    _percent(ax)


def words_of_groups(report: GroupReport) -> str:
    """The panel of groups in words."""
    cells = report.by_cell
    named = [
        f"{g} × {c} {percent(a)} (n={n})"
        for g, c, a, n in zip(cells["group"], cells["class"], cells["accuracy"], cells["n"])
    ]
    return f"Accuracy by group and class, overall {percent(report.accuracy)}: {', '.join(named)}."


def words_of_nodes(nodes: NodeReliance | ShortcutReport) -> str:
    """The panel of nodes in words."""
    labels = node_labels(nodes.tree)
    if hasattr(nodes, "alarms"):
        by_path = dict(zip(nodes.tree.paths, labels))
        named = [
            f"{by_path[row.Index]} {number(row.solo_accuracy, '.2f')} ({row.verdict})"
            for row in nodes.ranking.itertuples()
        ]
        return f"Balanced accuracy of every node alone: {', '.join(named)}."
    named = [
        f"{labels[node]} {points(-drop)} ({points(-worst)})"
        for node, drop, worst in zip(nodes.nodes, nodes.excess, nodes.worst_excess)
    ]
    return (
        "Points of accuracy if a node is taken from any other image instead of one of the same "
        f"class, over all samples (in the worst cell): {', '.join(named)}."
    )


def _label(ax: Axes, names: Sequence[str], axis: str, title: str) -> None:
    ax.set_yticks(range(len(names)), names, fontsize=FONT_POINTS, parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(axis, fontsize=FONT_POINTS)
    ax.set_title(title, fontsize=FONT_POINTS + 1, loc="left", parse_math=False)
    ax.grid(axis="x", color="0.9", zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _percent(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    show_percents(ax.xaxis)
