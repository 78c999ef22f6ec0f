"""Base of the reports of the audit: text, HTML, and bars on axes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain.style import HATCH, NEGATIVE, POSITIVE, import_pyplot, show_percents
from ..utils.numbers import html_block, html_table, text_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FONT_POINTS = 9.0
WIDTH, FRAME, ROW, MAX_HEIGHT = 6.4, 1.3, 0.28, 40.0  # inches

# caption, heads of the columns, rows
Table = tuple[str, list[str], list[list[str]]]


class AuditReport(ABC):
    """Result of an audit as sentences, tables, a DataFrame and bars."""

    @abstractmethod
    def sentences(self) -> list[str]:
        """Summarize the result."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """Tables to read: caption, heads of the columns, and rows, all as text."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Return all numbers as a new DataFrame."""

    @property
    @abstractmethod
    def alt_text(self) -> str:
        """The plot in words."""

    @property
    @abstractmethod
    def _n_bars(self) -> int:
        """Number of bars of the plot."""

    @abstractmethod
    def _draw(self, ax: Axes) -> None:
        """Draw the bars."""

    def to_text(self) -> str:
        """Summarize the result in sentences, with all numbers in a table below.

        Returns
        -------
        str
        """
        tables = [text_table(heads, rows) for _, heads, rows in self.tables()]
        return "\n\n".join(["\n".join(self._all_sentences()), *tables])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the numbers as horizontal bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            size = (WIDTH, figure_height(self._n_bars))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self._draw(ax)
        return ax

    def _repr_html_(self) -> str:
        tables = [html_table(*table) for table in self.tables()]
        return html_block(type(self).__name__, self._all_sentences(), *tables)

    def _all_sentences(self) -> list[str]:
        """Sentences, and what there is to know of the tree, for reports about one."""
        remark = getattr(getattr(self, "tree", None), "remark", "")
        return [*self.sentences(), *([remark] if remark else [])]


def figure_height(n_bars: int) -> float:
    """Height of a figure in inches."""
    return float(min(FRAME + ROW * max(n_bars, 3), MAX_HEIGHT))


def draw_bars(ax: Axes, values: np.ndarray, is_hatched: np.ndarray) -> None:
    """Draw one bar per value, (n_bars,), 0 where it is not finite; the hatched ones in red."""
    rows = np.arange(len(values))
    bars = ax.barh(rows, np.nan_to_num(values), height=0.62, color=NEGATIVE, zorder=2)
    for row in np.flatnonzero(is_hatched):
        bars[row].set(facecolor=POSITIVE, hatch=HATCH, edgecolor="white", linewidth=0)
    ax.set_xlim(0, 1.02)


def draw_ranking(
    ax: Axes, names: Sequence[str], accuracy: Any, chance: Any, is_flagged: Any, title: str
) -> None:
    """Draw accuracies as bars, flagged ones hatched, with a stroke for chance; all (n_bars,)."""
    accuracy, chance = (np.asarray(values, dtype=float) for values in (accuracy, chance))
    draw_bars(ax, accuracy, np.asarray(is_flagged, dtype=bool))
    known = np.flatnonzero(np.isfinite(chance))
    ax.scatter(chance[known], known, marker="|", s=90, color="black", zorder=4)
    label_bars(ax, names, "balanced accuracy", title)


def draw_intervals(ax: Axes, values: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Draw an error bar from low to high for every finite value, all (n_bars,)."""
    known = np.flatnonzero(np.isfinite(values))
    errors = np.abs(np.stack([low, high]) - values)[:, known]
    style = {"fmt": "none", "ecolor": "0.25", "elinewidth": 1.2, "capsize": 2.5, "zorder": 4}
    ax.errorbar(values[known], known, xerr=errors, **style)


def label_bars(ax: Axes, names: Sequence[str], axis: str, title: str) -> None:
    """Write the names of the bars, the title, and an axis in percent."""
    from matplotlib.ticker import MaxNLocator

    ax.set_yticks(range(len(names)), names, fontsize=FONT_POINTS, parse_math=False)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(axis, fontsize=FONT_POINTS)
    ax.set_title(title, fontsize=FONT_POINTS + 1, loc="left", parse_math=False)
    ax.grid(axis="x", color="0.9", zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    show_percents(ax.xaxis)
