"""Contributions of nodes drawn over the photos that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain.explanation import NAMELESS, Explanation, check_level
from ..explain.style import DIVERGING, SEQUENTIAL, import_pyplot, show_percents, text_width
from ..explain.words import (
    LEAST,
    enumerate_words,
    node_labels,
    share_text,
    spoken_labels,
    start_sentence,
)
from ..fitted.model import check_titles, count, explain, take_steps
from ..tree.render import top_down
from ..utils.numbers import check_integer, percent
from ._regions import LabelWriter, Region, check_pictures, drawn_nodes, label_spot, make_region

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    pass  # HOUSE
if TYPE_CHECKING:
    pass  # HOUSE
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_FONT_POINTS = 9.0
# inches: a photo's height, what stands beside and above or below the photos, the widest figure
_HEIGHT = 4.2
_BESIDE, _AROUND = 0.85, 0.9
_WIDEST = 14.0
# between photos, and the color bar's width, as shares of a photo's height
_GAP, _BAR = 0.05, 0.04
# the photo under the tints is kept between these gray levels, so that tints stay readable
_DARKEST, _LIGHTEST = 0.15, 1.0
_MEAN_GRAY = 0.7
_BORDER = (0.1, 0.1, 0.1, 0.9)


def plot(
    display: SegmentContributionDisplay, ax: Axes | None, max_labels: int, alpha: float
) -> Axes:
    """Draw the display; see `SegmentContributionDisplay.plot`."""
    plt = import_pyplot("SegmentContributionDisplay.plot")
    regions = [
        make_region(photo, labels, display.drawn)
        for photo, labels in zip(display.images, display.label_maps)
    ]
    # All photos are drawn one unit high, whatever their size.
    widths = [region.gray.shape[1] / region.gray.shape[0] for region in regions]
    starts = np.cumsum([0.0, *[width + _GAP for width in widths]])
    total = float(starts[-1]) - _GAP
    if ax is None:
        width = min(_HEIGHT * total + _BESIDE, _WIDEST)
        height = (width - _BESIDE) / total + _AROUND
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    mappable = _make_colors(display)
    tints = _tints(display.explanation.share, mappable, alpha)
    for region, start, width in zip(regions, starts, widths):
        _draw_photo(ax, region, tints, (float(start), float(start + width), 1.0, 0.0))
    _write_titles(ax, display, starts, widths)
    _draw_bar(ax, mappable, total, alpha, display.explanation._share_label())
    ax.set(xlim=(0, total + _room(ax, total)), ylim=(1, 0), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    _write_question(ax, display, total)
    _write_caption(ax, display.caption, total)
    _write_labels(ax, display, regions, starts, max_labels)
    return ax


def _make_colors(display: SegmentContributionDisplay) -> Any:
    """Colors of shares: from zero up, or around zero where there are two sides."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    values = np.array(list(display.shares.values()))
    top = float(np.abs(values).max()) or 1.0
    is_signed = display.explanation._is_two_sided or bool((values < 0).any())
    norm = Normalize(-top if is_signed else 0.0, top)
    return ScalarMappable(norm, mpl.colormaps[DIVERGING if is_signed else SEQUENTIAL])


def _tints(share: np.ndarray, mappable: Any, alpha: float) -> np.ndarray:
    """RGBA color of every node, and of none at the end, where -1 finds it."""
    colors = np.zeros((len(share) + 1, 4), dtype=np.uint8)
    colors[:-1] = mappable.to_rgba(share, alpha=alpha, bytes=True)
    return colors


def _draw_photo(
    ax: Axes, region: Region, tints: np.ndarray, extent: tuple[float, float, float, float]
) -> None:
    """Gray photo, tints and borders as three images, one above the other."""
    gray = _DARKEST + (_LIGHTEST - _DARKEST) * region.gray
    borders = np.zeros((*region.borders.shape, 4))
    borders[region.borders] = _BORDER
    layers = {"photo": gray, "tints": tints[region.nodes], "borders": borders}
    for name, layer in layers.items():
        ax.imshow(layer, extent=extent, cmap="gray", vmin=0, vmax=1, label=name)


def _write_titles(
    ax: Axes, display: SegmentContributionDisplay, starts: np.ndarray, widths: list[float]
) -> None:
    for title, start, width in zip(display.titles, starts, widths):
        ax.annotate(
            title,
            (float(start + width / 2), 0),
            (0, 5),
            textcoords="offset points",
            ha="center",
            va="baseline",
            fontsize=_FONT_POINTS + 2,
            parse_math=False,
        )


def _draw_bar(ax: Axes, mappable: Any, total: float, alpha: float, label: str) -> None:
    """Color bar of the photos' height, in the colors that tints have on a photo of mean gray."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap
    from matplotlib.ticker import MaxNLocator

    pure = mappable.cmap(np.linspace(0, 1, 256))[:, :3]
    seen = ListedColormap(alpha * pure + (1 - alpha) * _MEAN_GRAY)
    bar_ax = ax.inset_axes((total + _GAP, 0, _BAR, 1), transform=ax.transData)
    bar = ax.figure.colorbar(ScalarMappable(mappable.norm, seen), cax=bar_ax)
    bar.set_label(label, parse_math=False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    show_percents(bar.ax.yaxis, signed=False)
    bar.outline.set_visible(False)


def _room(ax: Axes, total: float) -> float:
    """Width that the color bar and its text need, in heights of a photo."""
    box = ax.get_window_extent()
    width, height = box.width / ax.figure.figure.dpi, box.height / ax.figure.figure.dpi
    scale = max(min(height, (width - _BESIDE) / total), 0.1 * width)
    return _BESIDE / scale


def _write_question(ax: Axes, display: SegmentContributionDisplay, total: float) -> None:
    """Write the question above the photos and their titles."""
    size = _FONT_POINTS + 2
    lines = _fit(ax, display.question, total + _room(ax, total), size)
    pad = 6 + 1.5 * size * any(display.titles)
    ax.set_title(lines, loc="left", fontsize=size, pad=pad, parse_math=False)


def _write_caption(ax: Axes, caption: str, total: float) -> None:
    """Write the caption below the photos, in lines as long as they are wide."""
    size = _FONT_POINTS - 0.5
    lines = [_fit(ax, sentence, total, size) for sentence in caption.splitlines()]
    ax.set_xlabel("\n".join(lines), loc="left", fontsize=size, parse_math=False)


def _fit(ax: Axes, text: str, width: float, size: float) -> str:
    """Break a text into lines of a width in heights of a photo."""
    ax.figure.figure.draw_without_rendering()  # only a draw settles the size of the axes
    (left, _), (right, _) = ax.transData.transform([(0, 0), (width, 0)])
    points = (right - left) * 72 / ax.figure.figure.dpi
    letters = int(0.95 * points * len(text) / (text_width(text, size) or 1.0))
    return "\n".join(wrap(text, max(letters, 20)))


def _write_labels(
    ax: Axes,
    display: SegmentContributionDisplay,
    regions: list[Region],
    starts: np.ndarray,
    max_labels: int,
) -> None:
    """Write names and shares of segments on the photos, the largest shares first."""
    share, names = display.explanation.share, node_labels(display.explanation.tree)
    writer = LabelWriter(ax, _FONT_POINTS)
    for region, start in zip(regions, starts):
        height, width = region.nodes.shape
        sides = float(start), float(start) + width / height
        shown = [int(node) for node in np.unique(region.nodes) if node >= 0]
        shown = [node for node in shown if abs(share[node]) >= LEAST]
        shown.sort(key=lambda node: -abs(share[node]))
        for node in shown[:max_labels]:
            row, column, radius = label_spot(region.nodes == node)
            spot = float(start) + (column + 0.5) / height, (row + 0.5) / height
            text = f"{names[node]} {share_text(share[node], display.explanation._sides)}"
            writer.write(text, spot, radius / height, sides)


def caption(display: SegmentContributionDisplay) -> str:
    """What the tints leave out, one sentence per line; empty if nothing."""
    sentences = []
    if any(display.rest.values()):
        named = _list(display, display.rest, node_labels, 3)
        named = f": {named}" if named else ""
        if display.explanation._is_two_sided:
            sentences.append(f"What describes several segments together is not drawn{named}.")
        else:
            drawn, rest = (percent(sum(s.values())) for s in (display.shares, display.rest))
            sentences.append(
                f"The tinted segments account for {drawn}; {rest} describes several segments "
                f"together and is not drawn{named}."
            )
    if unseen := _list(display, _without_pixels(display), node_labels, 3):
        where = "in either photo" if len(display.images) == 2 else "in the photo"
        sentences.append(f"Without pixels {where}: {unseen}.")
    return "\n".join(sentences)


def alt_text(display: SegmentContributionDisplay) -> str:
    """The picture in words, for those who cannot see it."""
    count = f"{len(display.images)} photos" if len(display.images) > 1 else "Photo"
    named = _list(display, display.shares, node_labels, 8) or "all shares are 0%"
    titles = enumerate_words([title for title in display.titles if title] or [""])
    sentences = [
        display.question if display.question.endswith("?") else f"{display.question}.",
        f"{count}{', ' + titles if titles else ''}, each segment tinted by its "
        f"{display.explanation._share_words()}: {named}.",
    ]
    if named := _list(display, display.rest, spoken_labels, 8):
        sentences.append(f"Not drawn: {named}.")
    tree = display.explanation.tree
    for title, seen in zip(display.titles, _seen(display)):
        lacking = {
            path: share for path, share in display.shares.items() if tree.index(path) not in seen
        }
        if names := _list(display, lacking, node_labels, 8, with_shares=False):
            sentences.append(f"{title or 'the photo'} has no pixels of {names}.")
    return " ".join(map(start_sentence, sentences))


def _seen(display: SegmentContributionDisplay) -> list[set[int]]:
    """Drawn nodes that have pixels, for every photo."""
    found = [np.unique(labels[labels >= 0]) for labels in display.label_maps]
    return [set(display.drawn[leaves].tolist()) for leaves in found]


def _without_pixels(display: SegmentContributionDisplay) -> dict[str, float]:
    """Shares of drawn nodes that no photo shows."""
    tree, seen = display.explanation.tree, set().union(*_seen(display))
    return {path: share for path, share in display.shares.items() if tree.index(path) not in seen}


def _list(
    display: SegmentContributionDisplay,
    shares: dict[str, float],
    labels: Any,
    n_shown: int,
    *,
    with_shares: bool = True,
) -> str:
    """The largest of some shares as words, small ones left out."""
    tree, sides = display.explanation.tree, display.explanation._sides
    names = labels(tree)
    large = {path: share for path, share in shares.items() if abs(share) >= LEAST}
    order = sorted(large, key=lambda path: -abs(large[path]))
    words = [
        names[tree.index(path)] + (f" {share_text(large[path], sides)}" if with_shares else "")
        for path in order
    ]
    if len(words) > n_shown:
        words = [*words[:n_shown], f"{len(words) - n_shown} more"]
    return enumerate_words(words) if words else ""


class SegmentContributionDisplay:
    """One or two photos, every segment tinted by its share in the answer to a question.

    Of one photo the question is "Why this class rather than another?": red speaks for the class,
    blue for the other. How a photo differs from its nearest neighbors, which says little about its
    class, has to be asked for. Of two photos it is what sets them apart. The question stands above
    the photos.

    At the deepest level a segment is a leaf of the tree and is tinted by what its own columns
    contribute. At another `level` all leaves below a node of that depth have one tint, that of
    the node with everything below it. What inner nodes above the drawn ones contribute themselves
    describes the pixels of all their parts together; it is not spread over them, but told in the
    caption. So the shares of the drawn segments and those of the caption add up to 100%, less what
    the other side undoes.

    Both photos of a pair show the same numbers: a share belongs to the comparison, and not to
    one of the photos.

    Parameters
    ----------
    explanation : ContrastExplanation, PairExplanation, PredictionExplanation or another
        The contributions. Those of a prediction are the distance to its neighbors; its `contrast`
        says why it has its class.
    images : list of one or two ndarrays of shape (h, w) or (h, w, 3)
        The photos, uint8 or float in [0, 1], of any sizes.
    label_maps : list of ndarrays of shape (h, w), int
        For every photo, the node id of the leaf that a pixel belongs to, -1 where unlabeled.
    level : int, default=None
        Depth of the nodes to draw, 0 for the root; leaves that are less deep stay. None draws
        the leaves.
    titles : list of str, default=None
        What stands above the photos. By default the names in the explanation; a second photo
        beside that of a single sample is taken for its nearest neighbor.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that hold all photos; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.
    question : str
        What the picture answers.
    shares : dict of str to float
        Share of every drawn node, by path, whether or not a photo has pixels of it; negative where
        it is on the other side.
    rest : dict of str to float
        Share of the own columns of every inner node above the drawn ones, by path.
    alt_text : str
        The picture in words.

    See Also
    --------
    PairExplanation.plot : The same numbers as bars.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.explain import PairExplanation, SegmentContributionDisplay
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": 1}})
    >>> explanation = PairExplanation(tree, [3.0, 0.5, 0.5], name_a="beach", name_b="storm")
    >>> photos = [np.full((20, 30), 0.5), np.full((30, 20), 0.7)]
    >>> label_maps = [(np.indices(photo.shape)[0] > 9).astype(int) for photo in photos]
    >>> display = SegmentContributionDisplay.from_explanation(explanation, photos, label_maps)
    >>> display.shares
    {'photo/sky': 0.75, 'photo/sea': 0.125}
    >>> print(display.alt_text)
    What sets beach and storm apart? 2 photos, beach and storm, each segment tinted by its share \
of the squared distance: sky 75% and sea 12%. Not drawn: photo as a whole 12%.
    """

    def __init__(
        self,
        explanation: Explanation,
        images: Sequence[np.ndarray],
        label_maps: Sequence[np.ndarray],
        *,
        level: int | None = None,
        titles: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(explanation, Explanation):
            raise TypeError(
                "explanation must be a ContrastExplanation, a PairExplanation or another one, "
                f"got {type(explanation).__name__}."
            )
        self.explanation = explanation
        self.images, self.label_maps = check_pictures(images, label_maps, explanation.tree)
        self.level = check_level(level, explanation.tree)
        self.titles = self._check_titles(titles)

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        images: Sequence[np.ndarray],
        label_maps: Sequence[np.ndarray],
        *,
        level: int | None = None,
        titles: Sequence[str] | None = None,
        ax: Axes | None = None,
        max_labels: int = 6,
        alpha: float = 0.65,
    ) -> SegmentContributionDisplay:
        """Make a display and draw it.

        Parameters
        ----------
        explanation, images, label_maps, level, titles
            As for the class.
        ax, max_labels, alpha
            As for `plot`.

        Returns
        -------
        SegmentContributionDisplay
            The display, drawn.
        """
        display = cls(explanation, images, label_maps, level=level, titles=titles)
        return display.plot(ax, max_labels=max_labels, alpha=alpha)

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
        titles: Sequence[str] | None = None,
        ax: Axes | None = None,
        max_labels: int = 6,
        alpha: float = 0.65,
    ) -> SegmentContributionDisplay:
        """Explain the class of one photo, or the distance of two, by a fitted pipeline; draw it.

        Parameters
        ----------
        estimator : Pipeline
            Fitted, of a SegmentTreeTransformer and a HierarchicalMetricClassifier.
        X : photos
            One photo, whose class is explained, or two, whose distance is, in a container as the
            estimator takes it, such as ``images[3:4]``.
        question : {"class", "neighbors"}, default="class"
            Of one photo: why it is of its class rather than of another, or how it differs from the
            training photos that vote on it.
        target, against : object, default=None
            The class to speak for, and the one to speak against; None takes the predicted one, and
            the one that comes next.
        level, titles
            As for the class; titles are also what the explanation calls the photos.
        ax, max_labels, alpha
            As for `plot`.

        Returns
        -------
        SegmentContributionDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        ValueError
            If X does not hold one photo or two, or a class is unknown.
        """
        steps = take_steps(estimator, needs_photos=True)
        titles = check_titles(titles, count(X))
        display = cls(
            explain(steps, X, titles, question=question, target=target, foil=foil),
            steps.photos(X),
            steps.label_maps(X),
            level=level,
            titles=titles,
        )
        return display.plot(ax, max_labels=max_labels, alpha=alpha)

    def plot(
        self, ax: Axes | None = None, *, max_labels: int = 6, alpha: float = 0.65
    ) -> SegmentContributionDisplay:
        """Draw the photos side by side, in gray under their tints.

        The colors run from white (no share) to dark red (the largest share); with two sides, from
        blue (against, or closer) over white (none) to red (for, or apart).

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.
        max_labels : int, default=6
            How many segments of every photo get their name and share, the largest shares first.
        alpha : float in [0, 1], default=0.65
            How strongly tints cover the photo.

        Returns
        -------
        SegmentContributionDisplay
            The display itself.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        check_integer(max_labels, "max_labels", 0)
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}.")
        self.ax_: Axes = plot(self, ax, int(max_labels), float(alpha))
        self.figure_: Figure = self.ax_.figure
        return self

    @cached_property
    def drawn(self) -> np.ndarray:
        """Node that is drawn for every leaf, -1 for inner nodes: array of shape (n_nodes,)."""
        return drawn_nodes(self.explanation.tree, self.level)

    @property
    def shares(self) -> dict[str, float]:
        """Share of every drawn node, by path."""
        tree = self.explanation.tree
        shown = set(self.drawn[tree.leaves].tolist())
        return {
            tree.paths[node]: float(self.explanation.share[node])
            for node in top_down(tree)
            if node in shown
        }

    @property
    def rest(self) -> dict[str, float]:
        """Share of the own columns of every inner node above the drawn ones, by path."""
        tree = self.explanation.tree
        return {
            tree.paths[node]: float(self.explanation.direct_share[node])
            for node in top_down(tree)
            if not tree.is_leaf[node] and tree.depths[node] < self.level
        }

    @property
    def question(self) -> str:
        """What the picture answers, as it stands above the photos."""
        return self.explanation._question()

    @property
    def caption(self) -> str:
        """What the tints leave out, one sentence per line; empty if nothing."""
        return caption(self)

    @property
    def alt_text(self) -> str:
        """The picture in words, for those who cannot see it."""
        return alt_text(self)

    def _check_titles(self, titles: Sequence[str] | None) -> list[str]:
        if titles is None:
            names = self.explanation._names()[: len(self.images)]
            # a photo alone that nobody has named needs no title beside the question
            return [""] if names == (NAMELESS,) else list(names)
        if isinstance(titles, str) or len(titles) != len(self.images):
            raise ValueError(
                f"titles must be a list of one string per photo, expected {len(self.images)}, "
                f"got {titles!r}."
            )
        return [str(title) for title in titles]
