"""What a counterfactual says: which parts, whose, and what they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._compose import compose_parts
from ..tree import SegmentTree
from ..utils._numbers import percent


@dataclass(frozen=True, eq=False, repr=False)
class Counterfactual:
    """Parts which, exchanged with those of a training image, change a prediction.

    Parameters
    ----------
    tree : SegmentTree
        The tree of the transformer.
    nodes : tuple of int
        The exchanged nodes.
    donor : int
        Position of the donor among the training images.
    donor_class : object
        Its class.
    classes : ndarray of shape (n_classes,)
        All classes.
    proba, new_proba : ndarray of shape (n_classes,)
        Probabilities of the classes before and after.
    n_evaluations : int
        How many sets were tried.
    smallest : bool
        Whether all smaller sets of all donors that were looked at were tried, and failed.
    row : DataFrame or ndarray of shape (1, n_columns)
        The row with the exchanged parts, as the classifier takes it.

    Attributes
    ----------
    paths : tuple of str
        Paths of the exchanged nodes.
    prediction, new_prediction : object
        The predicted class before and after.

    See Also
    --------
    counterfactual : Finds one.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.tree import SegmentTree
    >>> from hierseg_learn.what_if import Counterfactual
    >>> found = Counterfactual(
    ...     SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}}),
    ...     nodes=(1,),
    ...     donor=17,
    ...     donor_class="sail",
    ...     classes=np.array(["motor", "sail"]),
    ...     proba=np.array([0.8, 0.2]),
    ...     new_proba=np.array([0.4, 0.6]),
    ...     n_evaluations=20,
    ...     smallest=True,
    ...     row=np.zeros((1, 4)),
    ... )
    >>> print(found.to_text())
    The prediction is motor (probability 80%).
    With boat of training image 17 (class sail) it would be sail (60%).
    No smaller exchange with the training images looked at does that (20 exchanges tried).
    """

    tree: SegmentTree
    nodes: tuple[int, ...]
    donor: int
    donor_class: Any
    classes: np.ndarray
    proba: np.ndarray
    new_proba: np.ndarray
    n_evaluations: int
    smallest: bool
    row: Any

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the exchanged nodes."""
        return tuple(self.tree.paths[node] for node in self.nodes)

    @property
    def prediction(self) -> Any:
        """The predicted class before."""
        return self.classes[self.proba.argmax()]

    @property
    def new_prediction(self) -> Any:
        """The predicted class after."""
        return self.classes[self.new_proba.argmax()]

    def to_text(self) -> str:
        """Say in words what would have to be exchanged.

        Returns
        -------
        str
            Three sentences, one per line.
        """
        names = [self._name(node) for node in self.nodes]
        parts = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        tried = f"({self.n_evaluations} exchanges tried)."
        return "\n".join(
            [
                f"The prediction is {self.prediction} (probability {percent(self.proba.max())}).",
                f"With {parts} of training image {self.donor} (class {self.donor_class}) it would "
                f"be {self.new_prediction} ({percent(self.new_proba.max())}).",
                f"No smaller exchange with the training images looked at does that {tried}"
                if self.smallest
                else f"A smaller exchange may do that, too {tried}",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything but the row as plain Python values.

        Returns
        -------
        dict
        """
        return {
            "paths": list(self.paths),
            "donor": self.donor,
            "donor_class": _plain(self.donor_class),
            "prediction": _plain(self.prediction),
            "new_prediction": _plain(self.new_prediction),
            "classes": self.classes.tolist(),
            "proba": self.proba.tolist(),
            "new_proba": self.new_proba.tolist(),
            "n_evaluations": self.n_evaluations,
            "smallest": self.smallest,
        }

    def compose(
        self, image: Any, mask: Any, donor_image: Any, donor_mask: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Paste the donor's parts into the picture.

        The picture illustrates the exchange and is no proof of it: a donor's part is resized to
        stand where the receiver's stood, while the table takes it with its own size and place.

        Parameters
        ----------
        image, donor_image : array-like of shape (h, w) or (h, w, 3)
            The explained image, and training image number `donor`; each of its own size.
        mask, donor_mask : array-like of shape (h, w), integer
            Their label maps of part ids: the given ones, or what the transformer's
            ``segmenter_.segment`` returns. -1, and 255 in uint8, belong to no part.

        Returns
        -------
        image : ndarray of the shape and dtype of `image`
            The composed picture; pixels that no exchange concerns are as they were.
        mask : ndarray of shape (h, w), dtype of `mask`
            Its label map.

        Raises
        ------
        ValueError, TypeError
            If an image and its mask do not fit, or the images are of different kinds.
        """
        return compose_parts(image, mask, donor_image, donor_mask, self.tree, self.nodes)

    def _name(self, node: int) -> str:
        name = self.tree.names[node]
        return name if self.tree.names.count(name) == 1 else self.tree.paths[node]

    def __repr__(self) -> str:
        return (
            f"Counterfactual({self.prediction} to {self.new_prediction} with "
            f"{', '.join(self._name(node) for node in self.nodes)} of training image {self.donor})"
        )


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label
