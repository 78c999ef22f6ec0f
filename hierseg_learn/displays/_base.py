"""Base classes of the displays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..explain.explanation import Explanation, check_level
from ..explain.style import import_pyplot
from ..explain.words import cut_words, enumerate_words
from ..fitted.model import FittedModel, check_titles, count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT_POINTS = 9.0


class Display(ABC):
    """Base class: a plot that keeps its data, its axes and its description.

    A new display stores what it draws. It overrides `alt_text`, and `_draw`, which gets
    `matplotlib.pyplot` and the axes or None, and returns the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.

    Examples
    --------
    >>> from hierseg_learn.displays import Display
    >>> class Bars(Display):
    ...     def __init__(self, values):
    ...         self.values = values
    ...     @property
    ...     def alt_text(self):
    ...         return f"{len(self.values)} bars."
    ...     def _draw(self, plt, ax):
    ...         ax = plt.figure().add_subplot() if ax is None else ax
    ...         ax.bar(range(len(self.values)), self.values)
    ...         return ax
    >>> Bars([1, 3]).plot().alt_text
    '2 bars.'
    """

    ax_: Axes
    figure_: Figure

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. By default a new figure of fitting size.

        Returns
        -------
        Display
            The display itself.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        self.ax_ = self._draw(plt, ax)
        self.figure_ = self.ax_.figure
        return self

    @property
    @abstractmethod
    def alt_text(self) -> str:
        """The plot in words, for those who cannot see it."""

    @abstractmethod
    def _draw(self, plt: Any, ax: Axes | None) -> Axes:
        """Draw with `matplotlib.pyplot`, on new axes where there are none."""


class ExplanationDisplay(Display):
    """Plot of one explanation, at one level of the tree."""

    _needs_photos: ClassVar[bool] = False

    def __init__(self, explanation: Explanation, level: int | None) -> None:
        if not isinstance(explanation, Explanation):
            raise TypeError(
                "explanation must be a ContrastExplanation, a PairExplanation or another one, "
                f"got {type(explanation).__name__}."
            )
        self.explanation = explanation
        self.level = check_level(level, explanation.tree)

    @classmethod
    def from_explanation(
        cls, explanation: Explanation, *args: Any, ax: Axes | None = None, **options: Any
    ) -> Self:
        """Make a display and draw it.

        Parameters
        ----------
        explanation, *args, **options
            As for the class.
        ax : matplotlib Axes, default=None
            As for `plot`.

        Returns
        -------
        Display
            The display, drawn.
        """
        return cls(explanation, *args, **options).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        question: str = "class",
        target: Any = None,
        foil: Any = None,
        by: str = "auto",
        titles: Sequence[str] | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Explain the class of one sample, or the distance of two, by a fitted model; draw it.

        Parameters
        ----------
        estimator : Pipeline or HierarchicalMetricClassifier
            Fitted, of a SegmentTreeTransformer and a HierarchicalMetricClassifier; for a display of
            photos a Pipeline.
        X : photos or table of one or two rows
            In a container as the estimator takes it, such as ``images[3:4]``.
        question : {"class", "neighbors", "novelty"}, default="class"
            For one sample: why it is of its class rather than of another, how it differs from its
            nearest training samples, or why it is unlike all of them.
        target, foil : object, default=None
            The class to explain, and the one to compare with; None takes the predicted one, and the
            next probable one.
        by : {"auto", "nodes", "parts", "descriptors", "columns"}, default="auto"
            What contributes, as in
            :meth:`~hierseg_learn.HierarchicalMetricClassifier.explain_pair`; photos show "nodes",
            which is their "auto", or "parts".
        titles : list of str, default=None
            Names of the samples.
        ax : matplotlib Axes, default=None
            As for `plot`.
        **options
            Other parameters of the class, such as `level`.

        Returns
        -------
        Display
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        ValueError
            If X does not hold one sample or two, a class is unknown, or `by` is not possible.
        """
        needs = "photos" if cls._needs_photos else None
        steps = FittedModel.from_estimator(estimator, needs=needs, explains=True, name="estimator")
        titles = check_titles(titles, count(X))
        by = "nodes" if by == "auto" and cls._needs_photos else by
        asked = {"question": question, "target": target, "foil": foil, "by": by}
        explanation = steps.explain(X, titles, **asked)
        return cls(explanation, **cls._inputs(steps, X, titles), **options).plot(ax)

    @classmethod
    def _inputs(cls, steps: FittedModel, X: Any, titles: list[str] | None) -> dict[str, Any]:
        """Parameters of the class that come from the samples."""
        return {}


def enumerate_some(words: Sequence[str], n_shown: int) -> str:
    """Join words as a sentence does: "a, b and 3 more"; empty without words."""
    return enumerate_words(cut_words(words, n_shown) or [""])


def choose_colormap(values: Any, is_signed: bool) -> Any:
    """Colors from white at 0 to red; with signs, from blue to red: a ScalarMappable."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    top = float(np.abs(values).max(initial=0.0)) or 1.0
    norm = Normalize(-top if is_signed else 0.0, top)
    return ScalarMappable(norm, mpl.colormaps["RdBu_r" if is_signed else "Reds"])


def dress_rows(ax: Axes, n_rows: int, ends: Any, *, left: float, right: float) -> None:
    """Set up axes of horizontal marks, with margins as shares of the span of their `ends`."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(min(ends)), float(max(ends))
    span = high - low or 1.0
    ax.set_xlim(low - left * span, high + right * span)
    ax.set_ylim(n_rows - 0.4, -0.6)
    ax.tick_params(axis="x", labelsize=FONT_POINTS)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.set_axisbelow(True)
    ax.grid(axis="x", color="0.9")
    ax.spines[["top", "right", "left"]].set_visible(False)
