"""A photo beside its nearest training photos, with what sets each apart and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils._numbers import number, percent
from ._nearest import Neighbor, explain_neighbors
from ._pipelines import check_targets, count, take_apart
from ._text import enumerate_words, node_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class NeighborStripDisplay:
    """A photo, its nearest training photos, and in words what each shares with it or not.

    Below every neighbour stand its class, its distance, the segments that the distance mostly
    comes from, with their shares, and the segments in which it is alike. The segment with the
    largest share is outlined in the neighbour. A segment counts as alike if both photos have it,
    it is not among those named as different, and it contributes less than a quarter of what it
    contributes on average to the squared distances between the query and the class means; segments
    that never tell anything are not named.

    Made by `from_estimator`.

    Parameters
    ----------
    name : str
        What the query is called.
    photo : ndarray of shape (h, w) or (h, w, 3)
        The query, floats in [0, 1].
    label_map : ndarray of shape (h, w)
        Leaf of every pixel, -1 for none.
    prediction : str
        Its predicted class.
    neighbors : sequence of Neighbor
        Nearest first.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that hold all photos; set by `plot`.
    figure_ : matplotlib Figure
        The figure of these axes; set by `plot`.
    neighbors : tuple of Neighbor
        Nearest first.
    alt_text : str
        The picture in words.

    See Also
    --------
    SegmentContributionDisplay : All shares of one pair over its photos.

    Examples
    --------
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.explain import NeighborStripDisplay
    >>> from sklearn.pipeline import make_pipeline
    >>> portraits = make_portraits(n_samples=40, signal=("hair",), random_state=0)
    >>> X, y = portraits.images[:30], portraits.target[:30]
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
    ...     HierarchicalMetricClassifier(random_state=0),
    ... ).fit(X, y)
    >>> display = NeighborStripDisplay.from_estimator(
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
    ) -> None:
        if not neighbors:
            raise ValueError("neighbors must hold at least one Neighbor, got none.")
        self.name = str(name)
        self.photo, self.label_map = np.array(photo), np.array(label_map)
        self.prediction = str(prediction)
        self.neighbors = tuple(neighbors)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        X_train: Any,
        y_train: Any,
        *,
        n_neighbors: int | None = None,
        name: str = "the sample",
        ax: Axes | None = None,
    ) -> NeighborStripDisplay:
        """Find the nearest training photos of one photo, and draw them.

        Parameters
        ----------
        estimator : Pipeline
            Fitted, of a SegmentTreeTransformer and a HierarchicalMetricClassifier.
        X : photos
            One photo, in a container as the estimator takes it, such as ``images[3:4]``.
        X_train, y_train : photos and array-like of shape (n_samples,)
            What the estimator was fitted on, in the same order.
        n_neighbors : int, default=None
            How many; None takes the classifier's own number.
        name : str, default="the sample"
            What to call the query.
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        NeighborStripDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is of another kind.
        ValueError
            If X is not one photo, or X_train is not what the estimator was fitted on.
        """
        steps = take_apart(estimator, needs_photos=True)
        if count(X) != 1:
            raise ValueError(f"X must hold one photo, got {count(X)}.")
        labels = check_targets(y_train, count(X_train, "X_train"), "y_train")
        if labels is None:
            raise ValueError("y_train must hold the classes of X_train, got None.")
        if n_neighbors is not None and (
            isinstance(n_neighbors, bool)
            or not isinstance(n_neighbors, Integral)
            or n_neighbors < 1
        ):
            raise ValueError(f"n_neighbors must be an integer of at least 1, got {n_neighbors!r}.")
        table = steps.table(X)
        distances, indices = steps.classifier.kneighbors(table, n_neighbors=n_neighbors)
        display = cls(
            name,
            steps.photos(X)[0],
            steps.label_maps(X)[0],
            prediction=str(steps.classifier.predict(table)[0]),
            neighbors=explain_neighbors(
                steps, table, X_train, labels, distances[0], indices[0], name
            ),
        )
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> NeighborStripDisplay:
        """Draw the photos side by side, the query at the left.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        NeighborStripDisplay
            The display itself.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        from ._strip import plot

        self.ax_: Axes = plot(self, ax)
        self.figure_: Figure = self.ax_.figure
        return self

    @property
    def alt_text(self) -> str:
        """The picture in words, for those who cannot see it."""
        n_neighbors = len(self.neighbors)
        nearest = (
            "its nearest training photo" if n_neighbors == 1 else "its nearest training photos"
        )
        sentences = [
            f"{self.name}, classified as {self.prediction}, beside {nearest}, {n_neighbors} in all."
        ]
        for neighbor in self.neighbors:
            clauses = [
                f"{neighbor.name}, class {neighbor.label}, distance "
                f"{number(neighbor.explanation.distance)}"
            ]
            if neighbor.differ:
                clauses.append(f"differs in {enumerate_words(self.differences(neighbor))}")
            if neighbor.alike:
                clauses.append(f"alike in {enumerate_words(self.likenesses(neighbor))}")
            sentences.append(f"{'; '.join(clauses)}.")
        return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)

    def differences(self, neighbor: Neighbor) -> list[str]:
        """Names and shares of the segments that set a neighbour apart."""
        labels = node_labels(neighbor.explanation.tree)
        return [f"{labels[node]} {percent(share)}" for node, share in neighbor.differ.items()]

    def likenesses(self, neighbor: Neighbor) -> list[str]:
        """Names of the segments in which a neighbour is alike."""
        labels = node_labels(neighbor.explanation.tree)
        return [labels[node] for node in neighbor.alike]
