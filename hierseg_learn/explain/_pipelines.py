"""Fitted pipelines as displays and reports see them: what describes photos, what classifies.

Nothing here knows the estimators' classes; an object that has their methods will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from ..images import SegmentedImage, check_images, join_items
from ..utils._labels import check_labels
from ..utils._tables import as_pandas, check_in_memory
from ._base import Explanation
from ._checks import check_question

if TYPE_CHECKING:
    from ..tree import SegmentTree

_CLASSIFIES = ("explain_pair", "explain_prediction", "explain_contrast")
_DESCRIBES = ("transform", "label_maps")
_EXPECTED = "a fitted Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier"


@dataclass(frozen=True)
class FittedSteps:
    """A fitted pipeline taken apart.

    Parameters
    ----------
    describer : object or None
        First step, which has `label_maps`; None where X is a table already.
    before : object or None
        All steps before the classifier, as one transformer.
    classifier : object
        Last step, which explains.
    """

    describer: Any
    before: Any
    classifier: Any

    @property
    def tree(self) -> SegmentTree:
        """The tree that explanations speak of."""
        return self.classifier.tree_

    def table(self, X: Any) -> Any:
        """Return the rows that the classifier sees."""
        return X if self.before is None else self.before.transform(X)

    def photos(self, X: Any) -> list[np.ndarray]:
        """Return the photos as floats in [0, 1]."""
        batch = check_images(
            X,
            image_shape=getattr(self.describer, "image_shape", None),
            encoding=getattr(self.describer, "encoding_", None),
        )
        return [np.clip(batch.image(i), 0, 1) for i in range(len(batch))]

    def label_maps(self, X: Any) -> list[np.ndarray]:
        """Return, for every pixel, its leaf in the tree of the classifier, -1 for none."""
        maps, own = self.describer.label_maps(X), self.describer.tree_
        if own.paths == self.tree.paths:
            return maps
        nodes = np.full(own.n_nodes + 1, -1, dtype=np.intp)
        for leaf in own.leaves:
            try:
                nodes[leaf] = self.tree.index(own.paths[leaf])
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"estimator: its first step knows the part {own.paths[leaf]!r}, which is no "
                    "node of the classifier's tree; expected the same tree in both steps."
                ) from error
        return [nodes[labels] for labels in maps]


def take_apart(
    estimator: Any, *, needs_photos: bool = False, name: str = "estimator"
) -> FittedSteps:
    """Return the steps of a fitted pipeline, or of a classifier alone unless photos are needed."""
    steps = [step for _, step in getattr(estimator, "steps", [])]
    classifier = steps[-1] if steps else estimator
    describes = bool(steps) and all(hasattr(steps[0], name) for name in _DESCRIBES)
    if not all(hasattr(classifier, name) for name in _CLASSIFIES) or (
        needs_photos and not describes
    ):
        expected = _EXPECTED if needs_photos else f"{_EXPECTED}, or such a classifier"
        raise TypeError(f"{name} must be {expected}, got {_kind(estimator, steps)}.")
    check_is_fitted(classifier)
    if not hasattr(classifier, "tree_"):
        raise TypeError(f"{name} has no tree_, got {_kind(estimator, steps)}.")
    return FittedSteps(
        describer=steps[0] if describes else None,
        before=estimator[:-1] if len(steps) > 1 else None,
        classifier=classifier,
    )


def take(X: Any, positions: Sequence[int] | np.ndarray) -> Any:
    """Return some photos, or rows, of any container that an estimator takes."""
    return _safe_indexing(as_pandas(join_items(X)), np.asarray(positions, dtype=np.intp))


def count(X: Any, name: str = "X") -> int:
    """Return how many photos or rows there are."""
    check_in_memory(X, name)
    if isinstance(X, SegmentedImage):
        return 1
    shape = getattr(X, "shape", None)
    if shape is None and not hasattr(X, "__len__"):
        raise TypeError(f"{name} must hold photos or rows, got {type(X).__name__}.")
    return int(shape[0]) if shape else len(X)


def row(table: Any, i: int) -> Any:
    """Return one row of a table, as a table."""
    return _safe_indexing(as_pandas(table), np.array([i]))


def explain(
    steps: FittedSteps,
    X: Any,
    titles: Sequence[str] | None = None,
    *,
    question: str = "class",
    target: Any = None,
    against: Any = None,
) -> Explanation:
    """Explain one photo or row, its class or how it differs from its voters, or two by distance."""
    n_samples = count(X)
    if n_samples not in (1, 2):
        raise ValueError(
            "X must hold one sample, whose class is explained, or two, whose distance is; "
            f"got {n_samples}."
        )
    has_class = target is not None or against is not None
    if check_question(question) == "neighbors" and has_class:
        raise ValueError("question='neighbors' is about no class; expected no target or against.")
    if n_samples == 2 and (has_class or question == "neighbors"):
        raise ValueError(
            "question, target and against are about one sample, but X holds two, whose distance is "
            "explained."
        )
    table = steps.table(X)
    if n_samples == 2:
        explanation = steps.classifier.explain_pair(row(table, 0), row(table, 1))
        return replace(explanation, name_a=titles[0], name_b=titles[1]) if titles else explanation
    if question == "neighbors":
        explanation = steps.classifier.explain_prediction(row(table, 0))
    else:
        explanation = steps.classifier.explain_contrast(row(table, 0), target, against)
    return replace(explanation, name=titles[0]) if titles else explanation


def check_titles(titles: Any, n_samples: int, name: str = "titles") -> list[str] | None:
    """Return one string per sample, or None."""
    if titles is None:
        return None
    if isinstance(titles, str) or len(titles) != n_samples:
        raise ValueError(
            f"{name} must be a list of one string per sample, expected {n_samples}, got {titles!r}."
        )
    return [str(title) for title in titles]


def check_targets(y: Any, n_samples: int, name: str = "y") -> np.ndarray | None:
    """Return one class per sample as an array, or None."""
    # a copy: pictures keep it, and labels are their owner's to edit
    return None if y is None else np.array(check_labels(y, name, n_samples))


def _kind(estimator: Any, steps: list[Any]) -> str:
    if hasattr(estimator, "best_estimator_"):
        return f"{type(estimator).__name__}; pass its best_estimator_"
    if steps:
        return "a Pipeline of " + " and ".join(type(step).__name__ for step in steps)
    return f"{type(estimator).__name__}"
