"""Contributions of nodes drawn over the photos that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tree._render import top_down
from . import _overlay, _photo_words
from ._base import Explanation
from ._checks import check_level
from ._pipelines import check_titles, count, explain, take_apart
from ._regions import check_pictures, drawn_nodes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        For every photo, the node id of the leaf that a pixel belongs to, -1 where unlabeled.
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
        level: int | None = None,
        titles: Sequence[str] | None = None,
        ax: Axes | None = None,
        max_labels: int = 6,
        alpha: float = 0.65,
    ) -> SegmentContributionDisplay:
        """Explain one photo or two by a fitted pipeline, and draw it.

        Parameters
        ----------
        estimator : Pipeline
            Fitted, of a SegmentTreeTransformer and a HierarchicalMetricClassifier.
        X : photos
            One photo, whose prediction is explained, or two, whose distance is, in a container as
            the estimator takes it, such as ``images[3:4]``.
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
            If X does not hold one photo or two.
        """
        steps = take_apart(estimator, needs_photos=True)
        titles = check_titles(titles, count(X))
        display = cls(
            explain(steps, X, titles),
            steps.photos(X),
            steps.label_maps(X),
            level=level,
            titles=titles,
        )
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
            for node in top_down(tree)
            if node in shown
        }

    @property
    def rest(self) -> dict[str, float]:
        """Share of the own columns of every inner node above the drawn ones, by path."""
        tree = self.explanation.tree
        return {
            tree.paths[node]: float(self.explanation.own_share[node])
            for node in top_down(tree)
            if not tree.is_leaf[node] and tree.depths[node] < self.level
        }

    @property
    def caption(self) -> str:
        """What the tints leave out, one sentence per line; empty if nothing."""
        return _photo_words.caption(self)

    @property
    def alt_text(self) -> str:
        """The picture in words, for those who cannot see it."""
        return _photo_words.alt_text(self)

    def _check_titles(self, titles: Sequence[str] | None) -> list[str]:
        if titles is None:
            return list(self.explanation._names()[: len(self.images)])
        if isinstance(titles, str) or len(titles) != len(self.images):
            raise ValueError(
                f"titles must be a list of one string per photo, expected {len(self.images)}, "
                f"got {titles!r}."
            )
        return [str(title) for title in titles]
