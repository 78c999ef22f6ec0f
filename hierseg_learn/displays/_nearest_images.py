"""A photo beside its nearest training photos, with the segments in which they differ or agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain import PairExplanation
from ..explain.style import NEGATIVE, POSITIVE, text_width, thumbnail, write_beside
from ..explain.words import enumerate_words, node_labels
from ..fitted.model import FittedModel, check_targets, count, row, take
from ..tree import SegmentTree
from ..utils.numbers import check_integer, number, percent
from ._base import FONT_POINTS, Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# inches: a photo's height, the widest figure, a line of type
_HEIGHT, _WIDEST, _LINE = 2.7, 15.0, 0.165
# between photos, and behind the query, as shares of a photo's height
_GAP, _QUERY_GAP = 0.09, 0.16
# smallest width of a column, so that words fit below a narrow photo
_MIN_WIDTH = 0.62
_LARGEST_PHOTO = 700  # pixels
# segments to name of either kind, and the smallest share to name
_N_NAMED, _MIN_SHARE = 3, 0.05
# a segment is alike if it is so many times closer than the classes are on average
_CLOSER = 4.0
# relative difference of distances beyond which the training photos are not those of the fit
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Neighbor:
    """One training photo beside the query.

    Parameters
    ----------
    name : str
        Name of the photo.
    label : str
        Its class.
    explanation : PairExplanation
        Explanation of the distance between the query and the neighbor.
    differ : dict of int to float
        Leaves with the largest shares of the squared distance, and these shares.
    alike : tuple of int
        Leaves in which the neighbor is much closer to the query than the classes are on average.
    photo : ndarray of shape (h, w) or (h, w, 3)
        The photo, floats in [0, 1].
    label_map : ndarray of shape (h, w)
        Leaf of every pixel, -1 for none.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.displays import Neighbor
    >>> from hierseg_learn.explain import PairExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> pair = PairExplanation(tree, [3.0, 1.0, 0.0])
    >>> photo, labels = np.zeros((4, 3)), np.zeros((4, 3), dtype=int)
    >>> neighbor = Neighbor("training photo 7", "sail", pair, {0: 0.75, 1: 0.25}, (), photo, labels)
    >>> neighbor.differences, neighbor.likenesses
    (['sky 75%', 'boat 25%'], [])
    """

    name: str
    label: str
    explanation: PairExplanation
    differ: dict[int, float]
    alike: tuple[int, ...]
    photo: np.ndarray
    label_map: np.ndarray

    @property
    def differences(self) -> list[str]:
        """Names and shares of the segments in which it differs."""
        labels = node_labels(self.explanation.tree)
        return [f"{labels[node]} {percent(share)}" for node, share in self.differ.items()]

    @property
    def likenesses(self) -> list[str]:
        """Names of the segments in which it is alike."""
        labels = node_labels(self.explanation.tree)
        return [labels[node] for node in self.alike]


class NearestImagesDisplay(Display):
    """A photo beside its nearest training photos, with the segments that differ and that are alike.

    Below every neighbor stand its class, its distance, the segments that contribute most to the
    distance, with their shares, and the segments in which it is alike. The segment with the largest
    share is outlined in the neighbor. A segment is alike if both photos have it, it is not named as
    different, and it contributes less than a quarter of its mean contribution to the squared
    distances between the query and the class means; segments that never contribute are not named.

    Parameters
    ----------
    name : str
        Name of the query.
    photo : ndarray of shape (h, w) or (h, w, 3)
        The query, floats in [0, 1].
    label_map : ndarray of shape (h, w)
        Leaf of every pixel, -1 for none.
    prediction : str
        Its predicted class.
    neighbors : sequence of Neighbor
        Nearest first.
    metric : str, default=""
        What they were compared by, such as "by shoes", if not in the metric of the classifier.

    See Also
    --------
    SegmentContributionDisplay : All shares of one pair over its photos.
    hierseg_learn.HierarchicalMetricClassifier.kneighbors : The search.

    Examples
    --------
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.displays import NearestImagesDisplay
    >>> from sklearn.pipeline import make_pipeline
    >>> portraits = make_portraits(n_samples=40, signal=("hair",), random_state=0)
    >>> X, y = portraits.images[:30], portraits.target[:30]
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
    ...     HierarchicalMetricClassifier(random_state=0),
    ... ).fit(X, y)
    >>> display = NearestImagesDisplay.from_estimator(
    ...     model, portraits.images[30:31], X, y, n_neighbors=2
    ... )
    >>> len(display.neighbors), display.neighbors[0].label == display.prediction
    (2, True)
    """

    def __init__(
        self,
        name: str,
        photo: np.ndarray,
        label_map: np.ndarray,
        *,
        prediction: str,
        neighbors: Sequence[Neighbor],
        metric: str = "",
    ) -> None:
        if not neighbors:
            raise ValueError("neighbors must hold at least one Neighbor, got none.")
        self.name = str(name)
        self.photo, self.label_map = np.array(photo), np.array(label_map)
        self.prediction = str(prediction)
        self.neighbors = tuple(neighbors)
        self.metric = str(metric)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        X_train: Any,
        y_train: Any,
        *,
        n_neighbors: int = 5,
        node: int | str | None = None,
        weights: Mapping[int | str, float] | None = None,
        name: str = "the sample",
        ax: Axes | None = None,
    ) -> NearestImagesDisplay:
        """Find the nearest training photos of one photo, and draw them.

        Parameters
        ----------
        estimator : Pipeline
            Fitted, of a SegmentTreeTransformer and a HierarchicalMetricClassifier.
        X : photos
            One photo, in a container as the estimator takes it, such as ``images[3:4]``.
        X_train, y_train : photos and array-like of shape (n_samples,)
            What the estimator was fitted on, in the same order; for a condensed classifier, that at
            its `sample_indices_`.
        n_neighbors : int, default=5
            Number of neighbors to draw. The classifier may vote with more.
        node : int or str, default=None
            A node of the tree, in whose metric photos are compared; None takes the root.
        weights : mapping of int or str to float, default=None
            Weights of nodes and of all below them, such as ``{"shoes": 0}`` for photos that are
            alike but for the shoes; others weigh 1.
        name : str, default="the sample"
            Name of the query.
        ax : matplotlib Axes, default=None
            As for `plot`.

        Returns
        -------
        NearestImagesDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        ValueError
            If X is not one photo, X_train is not what the estimator was fitted on, a node is
            unknown or a weight negative.
        """
        steps = FittedModel.from_estimator(
            estimator, needs="photos", explains=True, name="estimator"
        )
        if count(X) != 1:
            raise ValueError(f"X must hold one photo, got {count(X)}.")
        labels = check_targets(y_train, count(X_train, "X_train"), "y_train")
        if labels is None:
            raise ValueError("y_train must hold the classes of X_train, got None.")
        check_integer(n_neighbors, "n_neighbors")
        table = steps.table(X)
        space = {"node": node, "weights": weights}
        nearest = _nearest_photos(steps.classifier, table, n_neighbors, space)
        neighbors = _explain_neighbors(steps, table, X_train, labels, *nearest, name, space)
        prediction = str(steps.classifier.predict(table)[0])
        photo, label_map = steps.photos(X)[0], steps.label_maps(X)[0]
        found = {"prediction": prediction, "neighbors": neighbors}
        metric = _metric_words(steps.tree, node, weights)
        return cls(name, photo, label_map, **found, metric=metric).plot(ax)

    @property
    def alt_text(self) -> str:
        """The plot in words, for those who cannot see it."""
        n = len(self.neighbors)
        nearest = "nearest training photo" if n == 1 else f"{n} nearest training photos"
        nearest += f" {self.metric}" if self.metric else ""
        sentences = [f"{self.name}, classified as {self.prediction}, beside its {nearest}."]
        for neighbor in self.neighbors:
            distance = number(neighbor.explanation.distance)
            clauses = [f"{neighbor.name}, class {neighbor.label}, distance {distance}"]
            if neighbor.differ:
                clauses.append(f"differs in {enumerate_words(neighbor.differences)}")
            if neighbor.alike:
                clauses.append(f"alike in {enumerate_words(neighbor.likenesses)}")
            sentences.append(f"{'; '.join(clauses)}.")
        return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)

    def _draw(self, plt: Any, ax: Axes | None) -> Axes:
        photos = [self.photo, *(neighbor.photo for neighbor in self.neighbors)]
        # all photos are drawn one unit high
        widths = np.array([photo.shape[1] / photo.shape[0] for photo in photos])
        columns = np.maximum(widths, _MIN_WIDTH)
        gaps = np.array([0.0, _QUERY_GAP + _GAP, *[_GAP] * (len(photos) - 2)])
        starts = np.cumsum(columns + gaps) - columns
        total = float(starts[-1] + columns[-1])
        scale = min(_HEIGHT, _WIDEST / total)
        texts = self._texts(columns * scale * 72)
        n_lines = max(sum(len(lines) for lines, _ in blocks) for blocks in texts)
        below = (n_lines + 0.8) * _LINE / scale
        if ax is None:
            width, height = scale * total + 0.2, scale * (1 + below) + 0.2
            figure, ax = plt.subplots(figsize=(width, height))
            figure.subplots_adjust(left=0.1 / width, right=1 - 0.1 / width, bottom=0.02, top=0.98)
        ax.set(xlim=(0, total), ylim=(1 + below, -0.01), aspect="equal")
        ax.set_axis_off()
        for i, photo in enumerate(photos):
            left = float(starts[i] + (columns[i] - widths[i]) / 2)
            extent = (left, left + float(widths[i]), 1.0, 0.0)
            _draw_photo(ax, photo, extent, is_query=i == 0)
            if i > 0:
                _outline(ax, self.neighbors[i - 1], extent)
        middle = float(starts[1]) - (_QUERY_GAP + _GAP) / 2
        ax.plot([middle, middle], [0, 1 + below * 0.85], color="0.75", linewidth=1.0)
        for start, width, blocks in zip(starts, columns, texts):
            _write(ax, float(start + width / 2), blocks)
        return ax

    def _texts(self, widths: np.ndarray) -> list[list[tuple[list[str], dict[str, Any]]]]:
        """Blocks of lines below every photo, each with its style; widths are in points."""
        bold, small = {"fontweight": "bold"}, {"color": "0.45", "fontsize": FONT_POINTS - 1.5}
        query = [(self.name, bold), (f"classified as {self.prediction}", {})]
        texts = [[*query, (f"nearest {self.metric}", small)] if self.metric else query]
        for neighbor in self.neighbors:
            same = "same class" if neighbor.label == self.prediction else "other class"
            distance = number(neighbor.explanation.distance)
            style = {"color": "0.25"}
            blocks = [(neighbor.label, bold), (f"{same}, distance {distance}", style)]
            if neighbor.differ:
                words = f"differs: {_joined(neighbor.differences)}"
                blocks.append((words, {"color": "#A84300"}))
            if neighbor.alike:
                blocks.append((f"alike: {_joined(neighbor.likenesses)}", {"color": NEGATIVE}))
            texts.append([*blocks, (neighbor.name, small)])
        return [
            [(_fit(text, width), style) for text, style in blocks]
            for blocks, width in zip(texts, widths)
        ]


def _fit(text: str, points: float) -> list[str]:
    """Break a text into lines that fit into a column."""
    letters = int(points * 1.05 * len(text) / text_width(text, FONT_POINTS))
    return wrap(text, max(letters, 10), break_on_hyphens=False)


def _joined(words: Sequence[str]) -> str:
    """Words with commas; a name stays on one line with its number."""
    return ", ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)


def _draw_photo(
    ax: Axes, photo: np.ndarray, extent: tuple[float, float, float, float], *, is_query: bool
) -> None:
    left, right, bottom, top = extent
    shown = thumbnail(photo, _LARGEST_PHOTO)
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=extent, label="photo", zorder=1)
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    frame = {"color": "0.6", "linewidth": 0.6}
    if is_query:
        frame = {"color": "black", "linewidth": 2.0}
    ax.plot(x, y, zorder=2, clip_on=False, **frame)


def _outline(ax: Axes, neighbor: Any, extent: tuple[float, float, float, float]) -> None:
    """Outline the segment with the largest share, in red and white to be seen on any photo."""
    if not neighbor.differ:
        return
    mask = neighbor.label_map == next(iter(neighbor.differ))
    if not mask.any():
        return
    left, right, bottom, top = extent
    height, width = mask.shape
    # a frame of background closes outlines at the edge of the photo
    x = left + (np.arange(-1, width + 1) + 0.5) / width * (right - left)
    y = top + (np.arange(-1, height + 1) + 0.5) / height * (bottom - top)
    framed = np.pad(mask.astype(float), 1)
    box = [np.clip(x, left, right), np.clip(y, min(top, bottom), max(top, bottom))]
    for color, linewidth in (("white", 2.8), (POSITIVE, 1.4)):
        ax.contour(*box, framed, levels=[0.5], colors=[color], linewidths=linewidth, zorder=3)


def _write(ax: Axes, x: float, blocks: list[tuple[list[str], dict[str, Any]]]) -> None:
    """Write lines below a photo, one under the other."""
    down = 5.0
    place = {"ha": "center", "va": "top", "annotation_clip": False}
    for lines, style in blocks:
        looks = {"fontsize": FONT_POINTS, "color": "black", **place, **style}
        for line in lines:
            write_beside(ax, line, (x, 1), (0, -down), **looks)
            down += _LINE * 72


def _nearest_photos(
    classifier: Any, table: Any, n_neighbors: int, space: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Distances and positions of the nearest training photos, each (n_neighbors,): copies once."""
    copies = np.bincount(classifier._positions(np.arange(len(classifier._X))))
    most = int(max(n_neighbors, min(n_neighbors * copies.max(), copies.sum())))
    distances, indices = classifier.kneighbors(table, n_neighbors=most, **space)
    firsts = np.sort(np.unique(indices[0], return_index=True)[1])[:n_neighbors]
    if len(firsts) < n_neighbors:
        raise ValueError(
            f"n_neighbors={n_neighbors} must be at most {len(firsts)}, the number of training "
            "photos with a sample_weight."
        )
    return distances[0][firsts], indices[0][firsts]


def _explain_neighbors(
    steps: FittedModel,
    table: Any,
    X_train: Any,
    labels: np.ndarray,
    distances: np.ndarray,
    indices: np.ndarray,
    name: str,
    space: dict[str, Any],
) -> list[Neighbor]:
    """Explain the query beside each of its neighbors."""
    if indices.max() >= len(labels):
        raise ValueError(
            f"X_train must be what the estimator was fitted on; it holds {len(labels)} photos, but "
            f"number {indices.max()} is a neighbor."
        )
    chosen = take(X_train, indices)
    rows, photos, maps = steps.table(chosen), steps.photos(chosen), steps.label_maps(chosen)
    usual = _usual_contributions(steps, table, space)
    neighbors = []
    for i, index in enumerate(indices.tolist()):
        pair = steps.classifier.explain_similarity(table, row(rows, i), **space)
        if abs(pair.distance - distances[i]) > _TOLERANCE * (1 + distances[i]):
            raise ValueError(
                f"X_train must be what the estimator was fitted on, in the same order: photo "
                f"{index} is at distance {pair.distance:.3g}, but {distances[i]:.3g} was expected."
            )
        neighbors.append(
            Neighbor(
                name=f"training photo {index}",
                label=str(labels[index]),
                explanation=replace(pair, name_a=name, name_b=f"training photo {index}"),
                differ=_differ(pair),
                alike=_alike(pair, usual),
                photo=photos[i],
                label_map=maps[i],
            )
        )
    return neighbors


def _metric_words(
    tree: SegmentTree, node: int | str | None, weights: Mapping[int | str, float] | None
) -> str:
    """What photos are compared by, if not by the root's metric."""
    labels = node_labels(tree)
    words = [] if node is None else [f"by {labels[tree.index(node)]}"]
    if weights:
        named = [f"{labels[tree.index(key)]} × {weight:g}" for key, weight in weights.items()]
        words.append(f"with weights {enumerate_words(named)}")
    return " ".join(words)


def _usual_contributions(steps: FittedModel, table: Any, space: dict[str, Any]) -> np.ndarray:
    """Mean contributions to the squared distances to the class means, (n_nodes,)."""
    prototypes = steps.classifier.prototypes_
    if hasattr(table, "columns"):
        prototypes = type(table)(prototypes, columns=table.columns)
    pairs = [
        steps.classifier.explain_similarity(table, row(prototypes, i), **space)
        for i in range(len(prototypes))
    ]
    return np.mean([pair.direct for pair in pairs], axis=0)


def _differ(pair: PairExplanation) -> dict[int, float]:
    """Leaves with the largest shares of their own columns."""
    leaves, shares = np.array(pair.tree.leaves), pair.direct_share
    order = leaves[np.argsort(-shares[leaves], kind="stable")][:_N_NAMED].tolist()
    return {node: float(shares[node]) for node in order if shares[node] >= _MIN_SHARE}


def _alike(pair: PairExplanation, usual: np.ndarray) -> tuple[int, ...]:
    """Leaves that both have and that usually contribute much more, the largest of these first."""
    leaves = np.array(pair.tree.leaves)
    matters = usual[leaves] >= _MIN_SHARE * np.abs(usual).sum()
    close = np.abs(pair.direct[leaves]) * _CLOSER < usual[leaves]
    both = ~np.isin(leaves, list(_differ(pair)))
    if pair.present_a is not None and pair.present_b is not None:
        both &= pair.present_a[leaves] & pair.present_b[leaves]
    found = leaves[matters & close & both]
    return tuple(found[np.argsort(-usual[found], kind="stable")][:_N_NAMED].tolist())
