"""A fitted model taken apart: what makes rows of images, what classifies rows, and the exchange."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from ..classifier import HierarchicalMetricClassifier
from ..classifier.votes import Embedding
from ..explain.explanation import Explanation, check_question
from ..images import SegmentedImage, check_images, is_pillow, is_table, join_items
from ..transformer import SegmentTreeTransformer
from ..transformer.exchange import PartExchange
from ..tree import SegmentTree
from ..utils.labels import check_known, check_labels
from ..utils.tables import as_pandas, check_in_memory

if TYPE_CHECKING:
    from ..tree import SegmentTree


def unwrap_frozen(estimator: Any) -> Any:
    """Take an estimator out of its :class:`~sklearn.frozen.FrozenEstimator`, if it is in one."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


@dataclass(frozen=True)
class FittedModel:
    """The two steps of a fitted model, and the exchange of parts between its rows."""

    transformer: SegmentTreeTransformer  # fitted
    classifier: HierarchicalMetricClassifier  # fitted on the transformer's table
    exchange: PartExchange  # of the transformer
    # (n_columns,) int: for every column of the classifier its place in the transformer's order
    order: np.ndarray
    takes_images: bool  # whether X is images, or the table

    @property
    def tree(self) -> SegmentTree:
        """The tree of the transformer."""
        return self.transformer.tree_

    @property
    def codes(self) -> np.ndarray:
        """Classes of the training rows, as positions in ``classifier.classes_``."""
        return self.classifier._codes

    def training_rows(self) -> np.ndarray:
        """Rows that the classifier was fitted on, in the transformer's order of columns."""
        rows = np.empty_like(self.classifier._X)
        rows[:, self.order] = self.classifier._X
        return self.exchange.read(rows, "the table that model was fitted on")

    def components(self) -> np.ndarray:
        """The root's map over the transformer's order of columns, (n_components, n_columns)."""
        return self.classifier.components_[:, np.argsort(self.order)]

    def presence_columns(self) -> np.ndarray:
        """Position of every node's presence in the transformer's order, (n_nodes,) int."""
        return np.unique(self.exchange.describer.presence_columns()[0])

    def rows(self, X: Any, segments: Any = None, name: str = "X") -> np.ndarray:
        """Rows of images, or of a table, in the transformer's order of columns."""
        if self.takes_images:
            rows = np.asarray(self.transformer.transform(X, segments=segments))
        else:
            rows = self.exchange.read(X, name)
        return rows.astype(self.classifier._X.dtype, copy=False)

    def to_table(self, rows: np.ndarray) -> Any:
        """Bring rows into the form that the classifier takes."""
        table = rows[:, self.order]
        names = getattr(self.classifier, "feature_names_in_", None)
        if names is None:
            return table
        import pandas as pd

        return pd.DataFrame(table, columns=names)

    def proba(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, (n_rows, n_classes)."""
        return self.classifier.predict_proba(self.to_table(rows))

    def with_training_rows(self, rows: np.ndarray) -> HierarchicalMetricClassifier:
        """Copy the classifier: the same metric, over other rows of the same samples."""
        classifier = copy.copy(self.classifier)
        X = np.ascontiguousarray(rows[:, self.order], dtype=classifier._X.dtype)
        classifier._X = X
        classifier._embedding = Embedding.of(classifier.components_, X, classifier._center).points
        codes = range(len(classifier.classes_))
        classifier.prototypes_ = np.stack(
            [X[self.codes == code].mean(axis=0, dtype=np.float64) for code in codes]
        )
        return classifier


def take_apart(model: Any, transformer: Any = None) -> FittedModel:
    """Find the two steps of a fitted model."""
    classifier = model
    takes_images = isinstance(model, Pipeline)
    if takes_images:
        steps = [step for _, step in model.steps if step is not None and step != "passthrough"]
        two = len(steps) == 2 and isinstance(steps[0], SegmentTreeTransformer)
        if not two or not isinstance(steps[1], HierarchicalMetricClassifier):
            names = ", ".join(type(step).__name__ for step in steps)
            raise TypeError(
                "model must be a Pipeline of a SegmentTreeTransformer and a "
                f"HierarchicalMetricClassifier with nothing in between, got the steps {names}: "
                "only the table as the transformer makes it can be taken apart into parts."
            )
        if transformer is not None:
            raise ValueError(
                "transformer was given, but model is a Pipeline and has its own; leave it out."
            )
        transformer, classifier = steps
    elif not isinstance(model, HierarchicalMetricClassifier):
        hint = "; pass its best_estimator_" if hasattr(model, "best_estimator_") else ""
        raise TypeError(
            "model must be a fitted Pipeline of a SegmentTreeTransformer and a "
            "HierarchicalMetricClassifier, or such a classifier with transformer=, got "
            f"{type(model).__name__}{hint}."
        )
    transformer = unwrap_frozen(transformer)
    if not isinstance(transformer, SegmentTreeTransformer):
        raise TypeError(
            "transformer must be the fitted SegmentTreeTransformer whose table model was fitted "
            f"on, got {'none' if transformer is None else type(transformer).__name__}."
        )
    check_is_fitted(transformer)
    check_is_fitted(classifier)
    exchange = PartExchange.from_transformer(transformer)
    order = _column_order(classifier, exchange.column_names)
    return FittedModel(transformer, classifier, exchange, order, takes_images)


def one_image(X: Any, n_channels: int, name: str) -> Any:
    """Make one image, with or without its label map, a collection of one.

    Shapes: `X` (h, w) or (h, w, 3).
    """
    if isinstance(X, SegmentedImage) or is_pillow(X):
        return [X]
    if isinstance(X, np.ndarray) and X.dtype != object and X.ndim == (2 if n_channels == 1 else 3):
        return [X]
    n_images = len(X) if hasattr(X, "__len__") and not isinstance(X, str) else None
    if n_images != 1:
        got = f"{type(X).__name__}" + (f" of length {n_images}" if n_images is not None else "")
        raise ValueError(
            f"{name} must be one image: an array, a Pillow image, images[i] or images[i : i + 1] "
            f"of SegmentedImages, or a list of one, got {got}."
        )
    return X


def one_row(model: FittedModel, x: Any, name: str, to_rows: Callable) -> np.ndarray:
    """Row of one image, or of one row of a table, (1, n_columns); `to_rows` is as `rows`."""
    if model.takes_images:
        x = one_image(x, model.transformer.encoding_.n_channels, name)
    elif hasattr(x, "to_frame"):
        x = x.to_frame().T.infer_objects()
    elif np.ndim(x) == 1:
        x = np.reshape(x, (1, -1))
    rows = to_rows(x, None, name)
    if len(rows) != 1:
        raise ValueError(f"{name} must be one row, got {len(rows)}.")
    return rows


def _column_order(classifier: Any, names: tuple[str, ...]) -> np.ndarray:
    """Place of every column of the classifier in the transformer's order."""
    found = getattr(classifier, "feature_names_in_", None)
    places = {name: place for place, name in enumerate(names)}
    if found is None:
        found = names if classifier.n_features_in_ == len(names) else ()
    if len(found) != len(names) or not set(found) <= set(names):
        raise ValueError(
            f"model was fitted on a table of {classifier.n_features_in_} columns, transformer "
            f"makes {len(names)}: {names[0]!r}, {names[1]!r} and so on; expected the same columns."
        )
    return np.array([places[name] for name in found], dtype=np.intp)


@dataclass(frozen=True)
class AuditedModel:
    """A classifier behind a transformer."""

    transformer: SegmentTreeTransformer  # fitted
    exchange: PartExchange  # of the transformer
    classifier: Any  # whatever comes after the transformer; it takes the table
    columns: np.ndarray | None  # names of its columns in its order, if it knows them
    takes_images: bool  # whether the model is a Pipeline, so that even a 2-D table holds pixels

    @classmethod
    def of(cls, model: Any, transformer: Any = None) -> AuditedModel:
        """Take a model apart."""
        classifier, takes_images = model, False
        steps = [s for _, s in getattr(model, "steps", []) if s is not None and s != "passthrough"]
        first = unwrap_frozen(steps[0]) if steps else None
        if isinstance(first, SegmentTreeTransformer):
            if transformer is not None:
                raise ValueError(
                    "transformer was given, but model is a Pipeline and has its own; leave it out."
                )
            transformer, classifier, takes_images = first, Pipeline(model.steps[1:]), True
            if len(steps) < 2:
                raise TypeError("model must end with a classifier, got a SegmentTreeTransformer.")
        transformer = unwrap_frozen(transformer)
        if not isinstance(transformer, SegmentTreeTransformer):
            hint = "; pass its best_estimator_" if hasattr(model, "best_estimator_") else ""
            raise TypeError(
                "model must be a fitted Pipeline that starts with a SegmentTreeTransformer, or a "
                "classifier on the table of the one passed as transformer=, got "
                f"{type(model).__name__} with transformer={type(transformer).__name__}{hint}."
            )
        if not hasattr(classifier, "predict"):
            raise TypeError(f"model must be a classifier, got {type(model).__name__}.")
        check_is_fitted(transformer)
        check_is_fitted(classifier)
        exchange = PartExchange.from_transformer(transformer)
        columns = _columns(classifier, exchange.column_names)
        return cls(transformer, exchange, classifier, columns, takes_images)

    def rows(self, X: Any, segments: Any = None) -> np.ndarray:
        """Rows of images, or of a table, in the transformer's order of columns."""
        if is_table(X) and not self.takes_images:
            return self.exchange.read(X, "X")
        params = {} if segments is None else {"segments": segments}
        return np.asarray(self.transformer.transform(X, **params))

    def check_classes(self, y: Any, n_samples: int) -> np.ndarray:
        """Read the true classes of samples, which must be classes of the model."""
        target = check_labels(y, "y", n_samples)
        known = getattr(self.classifier, "classes_", None)
        if known is not None:
            check_known(target, "y", np.asarray(known))
        return target

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Classes of rows."""
        if self.columns is None:
            return np.asarray(self.classifier.predict(rows))
        import pandas as pd

        table = pd.DataFrame(rows, columns=list(self.exchange.column_names))
        return np.asarray(self.classifier.predict(table[self.columns.tolist()]))


def _columns(classifier: Any, names: tuple[str, ...]) -> np.ndarray | None:
    found = getattr(classifier, "feature_names_in_", None)
    n_features = getattr(classifier, "n_features_in_", len(names))
    if n_features != len(names) or (found is not None and set(found) != set(names)):
        raise ValueError(
            f"model was fitted on a table of {n_features} columns, transformer makes "
            f"{len(names)}: {names[0]!r}, {names[1]!r} and so on; expected the same columns."
        )
    return found


_CLASSIFIES = ("explain_pair", "explain_prediction", "explain_contrast")
_DESCRIBES = ("transform", "label_maps")
_EXPECTED = "a fitted Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier"


@dataclass(frozen=True)
class FittedSteps:
    """A fitted pipeline taken apart."""

    describer: Any  # first step, which has `label_maps`; None where X is a table already
    before: Any  # all steps before the classifier, as one transformer
    classifier: Any  # last step, which explains

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
        maps, direct = self.describer.label_maps(X), self.describer.tree_
        if direct.paths == self.tree.paths:
            return maps
        nodes = np.full(direct.n_nodes + 1, -1, dtype=np.intp)
        for leaf in direct.leaves:
            try:
                nodes[leaf] = self.tree.index(direct.paths[leaf])
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"estimator: its first step knows the part {direct.paths[leaf]!r}, which is no "
                    "node of the classifier's tree; expected the same tree in both steps."
                ) from error
        return [nodes[labels] for labels in maps]


def take_steps(
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
    foil: Any = None,
) -> Explanation:
    """Explain one photo or row, its class or how it differs from its voters, or two by distance."""
    n_samples = count(X)
    if n_samples not in (1, 2):
        raise ValueError(
            "X must hold one sample, whose class is explained, or two, whose distance is; "
            f"got {n_samples}."
        )
    has_class = target is not None or foil is not None
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
        explanation = steps.classifier.explain_contrast(row(table, 0), target, foil)
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
