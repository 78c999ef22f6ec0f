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
from ._sample import NAMELESS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
        against: Any = None,
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
        steps = take_apart(estimator, needs_photos=True)
        titles = check_titles(titles, count(X))
        display = cls(
            explain(steps, X, titles, question=question, target=target, against=against),
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
    def question(self) -> str:
        """What the picture answers, as it stands above the photos."""
        return self.explanation._question()

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
            names = self.explanation._names()[: len(self.images)]
            # a photo alone that nobody has named needs no title beside the question
            return [""] if names == (NAMELESS,) else list(names)
        if isinstance(titles, str) or len(titles) != len(self.images):
            raise ValueError(
                f"titles must be a list of one string per photo, expected {len(self.images)}, "
                f"got {titles!r}."
            )
        return [str(title) for title in titles]
