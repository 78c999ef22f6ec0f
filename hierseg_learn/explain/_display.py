"""Contributions of nodes drawn over the photos that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _overlay
from ._base import Explanation
from ._regions import check_pictures, drawn_nodes
from ._text import (
    enumerate_words,
    node_labels,
    reading_order,
    share_text,
    spoken_labels,
    start_sentence,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# smaller shares are left to the table
_LEAST = 0.005


class SegmentContributionDisplay:
    """One or two photos, every segment tinted by its share of a squared distance.

    At the deepest level a segment is a leaf of the tree and is tinted by what its own columns
    contribute. At another `level` all leaves below a node of that depth have one tint, that of
    the node with everything below it. What inner nodes above the drawn ones contribute themselves
    describes the pixels of all their parts together; it is not spread over them, but told in the
    caption. So the shares of the drawn segments and those of the caption add up to 100 %.

    Both photos of a pair show the same numbers: a share belongs to the comparison, and not to
    one of the photos.

    Parameters
    ----------
    explanation : PairExplanation or PredictionExplanation
        The contributions.
    images : list of one or two ndarrays of shape (h, w) or (h, w, 3)
        The photos, uint8 or float in [0, 1], of any sizes.
    label_maps : list of ndarrays of shape (h, w), int
        For every photo, the node id of the leaf that a pixel belongs to, -1 where unlabelled.
    level : int, default=None
        Depth of the nodes to draw, 0 for the root; leaves that are less deep stay. None draws
        the leaves.
    titles : list of str, default=None
        What stands above the photos. By default the names in the explanation; a second photo
        beside that of a predicted sample is taken for its nearest neighbour.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that hold all photos; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.
    shares : dict of str to float
        Share of every drawn node, by path, whether or not a photo has pixels of it.
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
    2 photos, beach and storm, each segment tinted by its share of the squared distance: \
sky 75 % and sea 12 %. Not drawn: photo as a whole 12 %.
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
                "explanation must be a PairExplanation or a PredictionExplanation, "
                f"got {type(explanation).__name__}."
            )
        self.explanation = explanation
        self.images, self.label_maps = check_pictures(images, label_maps, explanation.tree)
        self.level = self._check_level(level)
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

    def plot(
        self, ax: Axes | None = None, *, max_labels: int = 6, alpha: float = 0.65
    ) -> SegmentContributionDisplay:
        """Draw the photos side by side, in grey under their tints.

        The colours run from white (no share) to dark red (the largest share); if any share
        is negative, from blue (makes up for others) over white (none) to red.

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
        if not isinstance(max_labels, Integral) or max_labels < 0:
            raise ValueError(f"max_labels must be an integer of at least 0, got {max_labels!r}.")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}.")
        self.ax_: Axes = _overlay.plot(self, ax, int(max_labels), float(alpha))
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
            for node in reading_order(tree)
            if node in shown
        }

    @property
    def rest(self) -> dict[str, float]:
        """Share of the own columns of every inner node above the drawn ones, by path."""
        tree = self.explanation.tree
        return {
            tree.paths[node]: float(self.explanation.own_share[node])
            for node in reading_order(tree)
            if not tree.is_leaf[node] and tree.depths[node] < self.level
        }

    @property
    def caption(self) -> str:
        """What the tints leave out, one sentence per line; empty if nothing."""
        sentences = []
        if any(self.rest.values()):
            rest = share_text(sum(self.rest.values()))
            named = self._list(self.rest, node_labels, 3)
            sentences.append(
                f"The tinted segments account for {share_text(sum(self.shares.values()))}; "
                f"{rest} describes several segments together and is not drawn"
                f"{': ' + named if named else ''}."
            )
        if unseen := self._list(self._without_pixels(), node_labels, 3):
            where = "in either photo" if len(self.images) == 2 else "in the photo"
            sentences.append(f"Without pixels {where}: {unseen}.")
        return "\n".join(sentences)

    @property
    def alt_text(self) -> str:
        """The picture in words, for those who cannot see it."""
        count = f"{len(self.images)} photos" if len(self.images) > 1 else "Photo"
        named = self._list(self.shares, node_labels, 8) or "all shares are 0 %"
        sentences = [
            f"{count}, {enumerate_words(self.titles)}, each segment tinted by its share of the "
            f"squared distance: {named}."
        ]
        if named := self._list(self.rest, spoken_labels, 8):
            sentences.append(f"Not drawn: {named}.")
        tree = self.explanation.tree
        for title, seen in zip(self.titles, self._seen()):
            lacking = {
                path: share for path, share in self.shares.items() if tree.index(path) not in seen
            }
            if names := self._list(lacking, node_labels, 8, with_shares=False):
                sentences.append(f"{title} has no pixels of {names}.")
        return " ".join(map(start_sentence, sentences))

    def _seen(self) -> list[set[int]]:
        """Drawn nodes that have pixels, for every photo."""
        found = [np.unique(labels[labels >= 0]) for labels in self.label_maps]
        return [set(self.drawn[leaves].tolist()) for leaves in found]

    def _without_pixels(self) -> dict[str, float]:
        """Shares of drawn nodes that no photo shows."""
        tree, seen = self.explanation.tree, set().union(*self._seen())
        return {path: share for path, share in self.shares.items() if tree.index(path) not in seen}

    def _list(
        self, shares: dict[str, float], labels: Any, n_shown: int, *, with_shares: bool = True
    ) -> str:
        """The largest of some shares as words, small ones left out."""
        tree = self.explanation.tree
        names = labels(tree)
        large = {path: share for path, share in shares.items() if abs(share) >= _LEAST}
        order = sorted(large, key=lambda path: -abs(large[path]))
        words = [
            names[tree.index(path)] + (f" {share_text(large[path])}" if with_shares else "")
            for path in order
        ]
        if len(words) > n_shown:
            words = [*words[:n_shown], f"{len(words) - n_shown} more"]
        return enumerate_words(words) if words else ""

    def _check_level(self, level: Any) -> int:
        deepest = int(self.explanation.tree.depths.max())
        if level is None:
            return deepest
        if isinstance(level, bool) or not isinstance(level, Integral) or not 0 <= level <= deepest:
            raise ValueError(
                f"level must be None or an integer from 0 to {deepest}, the depth of the tree, "
                f"got {level!r}."
            )
        return int(level)

    def _check_titles(self, titles: Sequence[str] | None) -> list[str]:
        if titles is None:
            return list(self.explanation._names()[: len(self.images)])
        if isinstance(titles, str) or len(titles) != len(self.images):
            raise ValueError(
                f"titles must be a list of one string per photo, expected {len(self.images)}, "
                f"got {titles!r}."
            )
        return [str(title) for title in titles]
