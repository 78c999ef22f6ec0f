"""Contributions of nodes drawn over the photos: regions, labels and the display."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..explain.explanation import NAMELESS, Explanation, read_only
from ..explain.style import show_percents, text_width, write_beside
from ..explain.words import (
    LEAST,
    enumerate_words,
    node_labels,
    share_text,
    spoken_labels,
    start_sentence,
)
from ..fitted.model import FittedModel, check_titles
from ..images import as_pixels
from ..tree import SegmentTree
from ..tree.render import top_down
from ..utils.numbers import check_integer, percent
from ._base import FONT_POINTS, ExplanationDisplay, choose_colormap, enumerate_some

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# longest side of a drawn photo, in pixels: larger ones are reduced, smaller ones enlarged
_MAX_SIDE, _MIN_SIDE = 1000, 480
# photos whose longest side has fewer pixels are not tinted, which would hide them
_TINTED_FROM = 48
# width of their outlines, as a share of the longest side
_OUTLINE_WIDTH = 0.012
# the photo is kept between the first two gray levels under the tints, which stay readable so; the
# colors of the bar are those on a photo of mean gray
_DARKEST, _LIGHTEST, _MEAN_GRAY = 0.15, 1.0, 0.7
_LUMA = np.array([0.2126, 0.7152, 0.0722])


class Region(NamedTuple):
    """One photo, ready to be drawn."""

    gray: np.ndarray  # (h, w) float in [0, 1]
    nodes: np.ndarray  # (h, w) intp: the node drawn at every pixel, -1 for none
    borders: np.ndarray  # (h, w) bool
    tinted: np.ndarray  # (h, w) bool: pixels that show the share of their node


def check_pictures(
    images: Any, label_maps: Any, tree: SegmentTree
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Validate photos and their label maps; photos become floats in [0, 1]."""
    images = _check_list(images, "images")
    label_maps = _check_list(label_maps, "label_maps")
    if len(images) != len(label_maps):
        raise ValueError(
            f"label_maps must have one entry per image, expected {len(images)}, "
            f"got {len(label_maps)}."
        )
    photos = [_check_image(image, f"images[{i}]") for i, image in enumerate(images)]
    maps = [
        _check_label_map(labels, f"label_maps[{i}]", photo.shape[:2], tree)
        for i, (labels, photo) in enumerate(zip(label_maps, photos))
    ]
    return photos, maps


def drawn_nodes(tree: SegmentTree, level: int) -> np.ndarray:
    """Ancestor of every leaf at this depth, or the leaf itself; -1 for inner nodes, (n_nodes,)."""
    drawn = np.arange(tree.n_nodes)
    # parents come after their children, so going backwards their entries are known
    for node in range(tree.root - 1, -1, -1):
        if tree.depths[node] > level:
            drawn[node] = drawn[tree.parents[node]]
    drawn[~tree.is_leaf] = -1
    return drawn


def make_region(photo: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> Region:
    """Resize one photo so that borders are thin lines, and find the borders."""
    from skimage.segmentation import find_boundaries
    from skimage.transform import downscale_local_mean

    gray = photo if photo.ndim == 2 else photo @ _LUMA
    longest = max(gray.shape)
    if longest > _MAX_SIDE:
        step = -(-longest // _MAX_SIDE)
        gray = downscale_local_mean(gray, (step, step))
        # the middle of padded cells may lie outside of the map
        rows, columns = (
            np.minimum(np.arange(size) * step + step // 2, length - 1)
            for size, length in zip(gray.shape, labels.shape)
        )
        labels = labels[np.ix_(rows, columns)]
    elif longest < _MIN_SIDE:
        times = -(-_MIN_SIDE // longest)
        gray, labels = (np.kron(array, np.ones((times, times))) for array in (gray, labels))
        labels = labels.astype(np.intp)
    # the last entry is for unlabeled pixels, -1
    nodes = np.append(drawn, -1)[labels]
    gray, tinted = np.clip(gray, 0, 1), np.ones(nodes.shape, dtype=bool)
    if longest < _TINTED_FROM:
        tinted = _find_outlines(nodes, 1 + round(_OUTLINE_WIDTH * max(nodes.shape)))
        # the colors of the bar are those on mean gray
        gray[tinted] = (_MEAN_GRAY - _DARKEST) / (_LIGHTEST - _DARKEST)
    return Region(gray, nodes, find_boundaries(nodes + 1, mode="inner"), tinted)


def _find_outlines(nodes: np.ndarray, width: int) -> np.ndarray:
    """Pixels of every region that are at most so many from its edge, the frame included."""
    from scipy.ndimage import maximum_filter, minimum_filter

    padded = np.pad(nodes, width, constant_values=-2)
    size = 2 * width + 1
    same = minimum_filter(padded, size) == maximum_filter(padded, size)
    return ~same[width:-width, width:-width]


def label_spot(mask: np.ndarray) -> tuple[float, float, float]:
    """Row and column of the pixel that is farthest from the edge of a region, and how far."""
    from scipy.ndimage import distance_transform_edt

    # a frame of background makes the edge of the photo count
    inside = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), mask.shape)
    return float(row), float(column), float(inside.max())


def _check_list(values: Any, name: str) -> list[Any]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        shape = getattr(values, "shape", None)
        got = type(values).__name__ + (f" of shape {shape}" if shape is not None else "")
        raise TypeError(f"{name} must be a list of one or two arrays, got {got}.")
    if len(values) not in (1, 2):
        raise ValueError(f"{name} must hold one or two arrays, got {len(values)}.")
    return list(values)


def _check_image(image: Any, name: str) -> np.ndarray:
    array = as_pixels(image, name)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise ValueError(f"{name} must have shape (h, w) or (h, w, 3), got shape {array.shape}.")
    if array.dtype == np.uint8:
        return read_only(array / 255.0)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} must be uint8 or float, got dtype {array.dtype}.")
    # NaN fails, too
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(
            f"{name} holds floats, which must lie in [0, 1], got values from {array.min():.3g} "
            f"to {array.max():.3g}."
        )
    return read_only(array.astype(np.float64))


def _check_label_map(
    labels: Any, name: str, shape: tuple[int, ...], tree: SegmentTree
) -> np.ndarray:
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, got dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape of its image, {shape}, got {array.shape}.")
    array = array.astype(np.intp)
    known = np.isin(array, tree.leaves) | (array == -1)
    if not known.all():
        wrong = int(array[~known][0])
        is_inner = 0 <= wrong < tree.n_nodes
        what = f", which is the inner node {tree.path(wrong)!r}" if is_inner else ""
        raise ValueError(
            f"{name} must hold node ids of leaves (or -1 for unlabeled), got {wrong}{what}."
        )
    return read_only(array)


# places of a label, in heights of a line above the middle of its segment; the first free one counts
_BESIDE_SPOT = (2.0, -2.0, 3.4, -3.4, 4.8, -4.8, 6.2, -6.2)
# a segment with a smaller radius, in heights of a line, is not written on
_SMALL = 1.3
# lines of type that a photo is high, and the smallest type in points
_LINES, _MIN_POINTS = 28, 5.0
_INK, _OUTLINE = "black", "white"


class LabelWriter:
    """Places labels one after the other in axes whose size is settled."""

    def __init__(self, ax: Axes, largest: float) -> None:
        figure = ax.figure.figure
        figure.draw_without_rendering()
        (_, low), (_, high) = ax.transData.transform([(0, 1), (0, 0)])
        self.ax = ax
        self.points = float(np.clip((high - low) * 72 / figure.dpi / _LINES, _MIN_POINTS, largest))
        self.taken: list[Bbox] = []

    def write(
        self, text: str, spot: tuple[float, float], radius: float, sides: tuple[float, float]
    ) -> None:
        """Write a label on its spot, or beside it with a line to it; leave it out without room."""
        from matplotlib.patheffects import withStroke
        from matplotlib.transforms import Bbox

        label = self.ax.text(
            *spot,
            text,
            ha="center",
            va="center",
            fontsize=self.points,
            color=_INK,
            parse_math=False,
            path_effects=[withStroke(linewidth=2.5, foreground=_OUTLINE)],
            zorder=5,
        )
        box = label.get_window_extent()
        to_display = self.ax.transData
        (low_x, low_y), (high_x, high_y) = to_display.transform([(sides[0], 1), (sides[1], 0)])
        middle = to_display.transform(spot)
        half = np.array([box.width, box.height]) / 2 + 1
        low = np.array([low_x, low_y]) + half
        high = np.maximum([high_x, high_y] - half, low)
        covers = radius * (high_y - low_y) < _SMALL * box.height
        for shift in _BESIDE_SPOT if covers else (0.0, *_BESIDE_SPOT):
            place = np.clip(middle + [0, shift * box.height], low, high)
            candidate = Bbox([place - half, place + half])
            hides = covers and candidate.contains(*middle)
            if not hides and not any(candidate.overlaps(other) for other in self.taken):
                break
        else:
            label.remove()
            return
        self.taken.append(candidate)
        label.set_position(tuple(to_display.inverted().transform(place)))
        if not candidate.contains(*middle):
            edge = place + [0, half[1] * np.sign(middle[1] - place[1])]
            self._connect(spot, tuple(to_display.inverted().transform(edge)))

    def _connect(self, spot: tuple[float, float], edge: tuple[float, float]) -> None:
        """Thin line with an outline, and a dot on the segment."""
        style = {"scalex": False, "scaley": False, "marker": "o", "markevery": [0]}
        columns = list(zip(spot, edge))
        self.ax.plot(*columns, color=_OUTLINE, linewidth=2.5, markersize=5, zorder=4, **style)
        self.ax.plot(*columns, color=_INK, linewidth=0.9, markersize=2.5, zorder=4.1, **style)


# inches: a photo's height, what stands beside and above or below the photos, the widest figure
_HEIGHT, _BESIDE, _AROUND, _WIDEST = 4.2, 0.85, 0.9, 14.0
# between photos, and the color bar's width, as shares of a photo's height
_GAP, _BAR = 0.05, 0.04
_BORDER = (0.1, 0.1, 0.1, 0.9)
# nodes that the caption and the description name
_N_IN_CAPTION, _N_IN_TEXT = 3, 8


class SegmentContributionDisplay(ExplanationDisplay):
    """One or two photos with every segment tinted by its share in an explanation.

    Photos of less than 48 pixels are outlined instead, since a tint would hide them; their labels
    have no names, which the caption lists.

    For one photo the question is "Why this class rather than another?": red speaks for the class,
    blue for the other. For two photos it is what sets them apart, and both show the same numbers.

    At the deepest level a segment is a leaf of the tree and is tinted by the contribution of its
    own columns. At another `level` all leaves below a node of that depth have one tint, that of the
    node with everything below it. Contributions of the own columns of inner nodes above are not
    drawn, but listed in the caption.

    Parameters
    ----------
    explanation : ContrastExplanation, PairExplanation, PredictionExplanation or another
        The contributions. Those of a prediction are the distance to its neighbors; its `contrast`
        explains its class.
    images : list of one or two ndarrays of shape (h, w) or (h, w, 3)
        The photos, uint8 or float in [0, 1], of any sizes.
    label_maps : list of ndarrays of shape (h, w), int
        For every photo, the node id of the leaf that a pixel belongs to, -1 where unlabeled.
    level : int, default=None
        Depth of the nodes to draw, 0 for the root; leaves that are less deep stay. None draws
        the leaves.
    titles : list of str, default=None
        Titles of the photos. By default the names in the explanation; a second photo beside that of
        a single sample is taken for its nearest neighbor.
    max_labels : int, default=6
        Maximum number of segments of every photo with a label, the largest shares first.
    alpha : float in [0, 1], default=0.65
        Opacity of the tints. Colors run from white (no share) to dark red (the largest share); with
        two sides, from blue (against, or closer) over white to red (for, or apart).

    See Also
    --------
    hierseg_learn.explain.PairExplanation.plot : The same numbers as bars.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.displays import SegmentContributionDisplay
    >>> from hierseg_learn.explain import PairExplanation
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

    _needs_photos = True

    def __init__(
        self,
        explanation: Explanation,
        images: Sequence[np.ndarray],
        label_maps: Sequence[np.ndarray],
        *,
        level: int | None = None,
        titles: Sequence[str] | None = None,
        max_labels: int = 6,
        alpha: float = 0.65,
    ) -> None:
        super().__init__(explanation, level)
        if explanation.by in ("descriptors", "columns"):
            raise ValueError(
                f"explanation is by {explanation.by}, which have no pixels; expected one with "
                "by='nodes' or by='parts'."
            )
        self.images, self.label_maps = check_pictures(images, label_maps, explanation.tree)
        self.titles = self._check_titles(titles)
        check_integer(max_labels, "max_labels", 0)
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}.")
        self.max_labels, self.alpha = int(max_labels), float(alpha)

    @classmethod
    def _inputs(cls, steps: FittedModel, X: Any, titles: list[str] | None) -> dict[str, Any]:
        return {"images": steps.photos(X), "label_maps": steps.label_maps(X), "titles": titles}

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
        """The question that is answered, as it stands above the photos."""
        return self.explanation._question()

    @property
    def caption(self) -> str:
        """What is not drawn, one sentence per line; empty if nothing."""
        sentences = []
        if any(max(image.shape[:2]) < _TINTED_FROM for image in self.images):
            named = self._named(self.shares, node_labels, _N_IN_CAPTION)
            sentences += [f"Outlined: {named}."] if named else []
        if any(self.rest.values()):
            named = self._named(self.rest, node_labels, _N_IN_CAPTION)
            named = f": {named}" if named else ""
            if self.explanation._is_two_sided:
                sentences.append(f"Not drawn, as it describes several segments together{named}.")
            else:
                drawn, rest = (percent(sum(s.values())) for s in (self.shares, self.rest))
                sentences.append(
                    f"The tinted segments account for {drawn}; {rest} describes several segments "
                    f"together and is not drawn{named}."
                )
        tree, seen = self.explanation.tree, set().union(*self._seen())
        unseen = {path: s for path, s in self.shares.items() if tree.index(path) not in seen}
        if named := self._named(unseen, node_labels, _N_IN_CAPTION):
            where = "in either photo" if len(self.images) == 2 else "in the photo"
            sentences.append(f"Without pixels {where}: {named}.")
        return "\n".join(sentences)

    @property
    def alt_text(self) -> str:
        """The plot in words, for those who cannot see it."""
        count = f"{len(self.images)} photos" if len(self.images) > 1 else "Photo"
        named = self._named(self.shares, node_labels, _N_IN_TEXT) or "all shares are 0%"
        titles = enumerate_words([title for title in self.titles if title] or [""])
        sentences = [
            self.question if self.question.endswith("?") else f"{self.question}.",
            f"{count}{', ' + titles if titles else ''}, each segment tinted by its "
            f"{self.explanation._share_words()}: {named}.",
        ]
        if named := self._named(self.rest, spoken_labels, _N_IN_TEXT):
            sentences.append(f"Not drawn: {named}.")
        tree = self.explanation.tree
        for title, seen in zip(self.titles, self._seen()):
            lacking = {path: s for path, s in self.shares.items() if tree.index(path) not in seen}
            if names := self._named(lacking, node_labels, _N_IN_TEXT, with_shares=False):
                sentences.append(f"{title or 'the photo'} has no pixels of {names}.")
        return " ".join(map(start_sentence, sentences))

    def _seen(self) -> list[set[int]]:
        """Drawn nodes that have pixels, for every photo."""
        found = [np.unique(labels[labels >= 0]) for labels in self.label_maps]
        return [set(self.drawn[leaves].tolist()) for leaves in found]

    def _named(
        self,
        shares: dict[str, float],
        labels: Callable[[Any], list[str]],
        n_shown: int,
        *,
        with_shares: bool = True,
    ) -> str:
        """The largest of some shares as words; those that round to 0% are left out."""
        tree, sides = self.explanation.tree, self.explanation._sides
        names = labels(tree)
        large = {path: share for path, share in shares.items() if abs(share) >= LEAST}
        words = [
            names[tree.index(path)] + (f" {share_text(large[path], sides)}" if with_shares else "")
            for path in sorted(large, key=lambda path: -abs(large[path]))
        ]
        return enumerate_some(words, n_shown)

    def _check_titles(self, titles: Sequence[str] | None) -> list[str]:
        if titles is not None:
            return check_titles(titles, len(self.images), noun="photo")
        names = self.explanation._names()[: len(self.images)]
        # a single photo without a name needs no title beside the question
        return [""] if names == (NAMELESS,) else list(names)

    def _draw(self, plt: Any, ax: Axes | None) -> Axes:
        regions = [
            make_region(photo, labels, self.drawn)
            for photo, labels in zip(self.images, self.label_maps)
        ]
        # all photos are drawn one unit high
        widths = [region.gray.shape[1] / region.gray.shape[0] for region in regions]
        starts = np.cumsum([0.0, *[width + _GAP for width in widths]])
        total = float(starts[-1]) - _GAP
        if ax is None:
            width = min(_HEIGHT * total + _BESIDE, _WIDEST)
            height = (width - _BESIDE) / total + _AROUND
            _, ax = plt.subplots(figsize=(width, height), layout="constrained")
        values = np.array(list(self.shares.values()))
        is_signed = self.explanation._is_two_sided or bool((values < 0).any())
        colors = choose_colormap(values, is_signed)
        # the last color is that of unlabeled pixels, which -1 finds
        tints = np.zeros((self.explanation.tree.n_nodes + 1, 4), dtype=np.uint8)
        tints[:-1] = colors.to_rgba(self.explanation.share, alpha=self.alpha, bytes=True)
        for region, start, width in zip(regions, starts, widths):
            _draw_photo(ax, region, tints, (float(start), float(start + width), 1.0, 0.0))
        self._draw_bar(ax, colors, total)
        room = _room(ax, total)
        ax.set(xlim=(0, total + room), ylim=(1, 0), aspect="equal", xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        self._write_texts(ax, starts, widths, total)
        self._write_labels(ax, regions, starts)
        return ax

    def _draw_bar(self, ax: Axes, colors: Any, total: float) -> None:
        """Draw a color bar as high as the photos."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap
        from matplotlib.ticker import MaxNLocator

        pure = colors.cmap(np.linspace(0, 1, 256))[:, :3]
        seen = ListedColormap(self.alpha * pure + (1 - self.alpha) * _MEAN_GRAY)
        bar_ax = ax.inset_axes((total + _GAP, 0, _BAR, 1), transform=ax.transData)
        bar = ax.figure.colorbar(ScalarMappable(colors.norm, seen), cax=bar_ax)
        bar.set_label(self.explanation._share_label(), parse_math=False)
        bar.ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        show_percents(bar.ax.yaxis, signed=False)
        bar.outline.set_visible(False)

    def _write_texts(self, ax: Axes, starts: np.ndarray, widths: list[float], total: float) -> None:
        """Write titles and the question above the photos, and the caption below."""
        size = FONT_POINTS + 2
        for title, start, width in zip(self.titles, starts, widths):
            middle = float(start + width / 2), 0.0
            style = {"ha": "center", "va": "baseline", "fontsize": size}
            write_beside(ax, title, middle, (0, 5), **style)
        lines = _fit(ax, self.question, total + _room(ax, total), size)
        n_lines = max(title.count("\n") + 1 if title else 0 for title in self.titles)
        pad = 6 + 1.5 * size * n_lines
        ax.set_title(lines, loc="left", fontsize=size, pad=pad, parse_math=False)
        size = FONT_POINTS - 0.5
        sentences = [_fit(ax, sentence, total, size) for sentence in self.caption.splitlines()]
        ax.set_xlabel("\n".join(sentences), loc="left", fontsize=size, parse_math=False)

    def _write_labels(self, ax: Axes, regions: list[Region], starts: np.ndarray) -> None:
        """Write names and shares of segments on the photos, the largest shares first."""
        share, names = self.explanation.share, node_labels(self.explanation.tree)
        writer = LabelWriter(ax, FONT_POINTS)
        for region, start in zip(regions, starts):
            height, width = region.nodes.shape
            sides = float(start), float(start) + width / height
            shown = [int(node) for node in np.unique(region.nodes) if node >= 0]
            shown = [node for node in shown if abs(share[node]) >= LEAST]
            shown.sort(key=lambda node: -abs(share[node]))
            for node in shown[: self.max_labels]:
                row, column, radius = label_spot(region.nodes == node)
                spot = float(start) + (column + 0.5) / height, (row + 0.5) / height
                text = share_text(share[node], self.explanation._sides)
                # a name would hide a photo of few pixels; the caption has it
                text = f"{names[node]} {text}" if region.tinted.all() else text
                writer.write(text, spot, radius / height, sides)


def _draw_photo(
    ax: Axes, region: Region, tints: np.ndarray, extent: tuple[float, float, float, float]
) -> None:
    """Draw the gray photo, tints and borders on top of each other."""
    gray = _DARKEST + (_LIGHTEST - _DARKEST) * region.gray
    borders = np.zeros((*region.borders.shape, 4))
    borders[region.borders] = _BORDER
    shown = tints[region.nodes] * region.tinted[..., np.newaxis]
    layers = {"photo": gray, "tints": shown, "borders": borders}
    for name, layer in layers.items():
        ax.imshow(layer, extent=extent, cmap="gray", vmin=0, vmax=1, label=name)


def _room(ax: Axes, total: float) -> float:
    """Width that the color bar and its text need, in heights of a photo."""
    box = ax.get_window_extent()
    width, height = box.width / ax.figure.figure.dpi, box.height / ax.figure.figure.dpi
    scale = max(min(height, (width - _BESIDE) / total), 0.1 * width)
    return _BESIDE / scale


def _fit(ax: Axes, text: str, width: float, size: float) -> str:
    """Break a text into lines of a width in heights of a photo."""
    ax.figure.figure.draw_without_rendering()  # only a draw settles the size of the axes
    (left, _), (right, _) = ax.transData.transform([(0, 0), (width, 0)])
    points = (right - left) * 72 / ax.figure.figure.dpi
    letters = int(0.95 * points * len(text) / (text_width(text, size) or 1.0))
    return "\n".join(wrap(text, max(letters, 20)))
