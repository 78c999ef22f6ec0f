"""A fitted model taken apart: what makes rows of images, what classifies rows, and the exchange."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._decision import Embedding
from .._exchange import PartExchange
from .._frozen import thawed
from ..classifier import HierarchicalMetricClassifier
from ..images import SegmentedImage, is_pillow
from ..transformer import SegmentTreeTransformer
from ..tree import SegmentTree


@dataclass(frozen=True)
class FittedModel:
    """The two steps of a fitted model, and the exchange of parts between its rows.

    Parameters
    ----------
    transformer : SegmentTreeTransformer
        Fitted.
    classifier : HierarchicalMetricClassifier
        Fitted on the transformer's table.
    exchange : PartExchange
        Of the transformer.
    order : ndarray of shape (n_columns,), int
        For every column of the classifier its place in the transformer's order.
    takes_images : bool
        Whether X is images, or the table.
    """

    transformer: SegmentTreeTransformer
    classifier: HierarchicalMetricClassifier
    exchange: PartExchange
    order: np.ndarray
    takes_images: bool

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
        classifier._embedding = Embedding.of(classifier.components_, X, classifier._centre).points
        codes = range(len(classifier.classes_))
        classifier.prototypes_ = np.stack(
            [X[self.codes == code].mean(axis=0, dtype=np.float64) for code in codes]
        )
        return classifier


def take_apart(model: Any, transformer: Any = None) -> FittedModel:
    """Find the two steps of a fitted model.

    Parameters
    ----------
    model : Pipeline or HierarchicalMetricClassifier
        Fitted.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.

    Returns
    -------
    FittedModel

    Raises
    ------
    TypeError
        If the model is anything else, or its steps are.
    ValueError
        If `transformer` is given with a pipeline, or its columns are not those of the classifier.
    """
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
    transformer = thawed(transformer)
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

    Parameters
    ----------
    X : SegmentedImage, Pillow image, array of shape (h, w) or (h, w, 3), or collection of one image
        What a user passed.
    n_channels : {1, 3}
        Of the images seen in `fit`.
    name : str
        The argument's name, for messages.

    Returns
    -------
    collection of one image
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
