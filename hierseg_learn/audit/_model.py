"""A fitted model of any kind whose table can be taken apart into nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._exchange import PartExchange
from .._frozen import thawed
from ..images import is_table
from ..transformer import SegmentTreeTransformer
from ..utils._labels import check_known, check_labels


@dataclass(frozen=True)
class AuditedModel:
    """A classifier behind a transformer.

    Parameters
    ----------
    transformer : SegmentTreeTransformer
        Fitted.
    exchange : PartExchange
        Of the transformer.
    classifier : estimator
        Whatever comes after the transformer; it takes the table.
    columns : ndarray of str or None
        Names of its columns in its order, if it knows them.
    takes_images : bool
        Whether the model is a Pipeline, so that even a 2-D table holds pixels.
    """

    transformer: SegmentTreeTransformer
    exchange: PartExchange
    classifier: Any
    columns: np.ndarray | None
    takes_images: bool

    @classmethod
    def of(cls, model: Any, transformer: Any = None) -> AuditedModel:
        """Take a model apart.

        Parameters
        ----------
        model : Pipeline or classifier
            A fitted Pipeline that starts with a SegmentTreeTransformer, or any fitted classifier on
            the table of `transformer`.
        transformer : SegmentTreeTransformer, default=None
            For a classifier: the fitted transformer.

        Raises
        ------
        TypeError
            If there is no transformer, or the model cannot predict.
        ValueError
            If there are two, or the classifier has other columns.
        """
        classifier, takes_images = model, False
        steps = [s for _, s in getattr(model, "steps", []) if s is not None and s != "passthrough"]
        first = thawed(steps[0]) if steps else None
        if isinstance(first, SegmentTreeTransformer):
            if transformer is not None:
                raise ValueError(
                    "transformer was given, but model is a Pipeline and has its own; leave it out."
                )
            transformer, classifier, takes_images = first, Pipeline(model.steps[1:]), True
            if len(steps) < 2:
                raise TypeError("model must end with a classifier, got a SegmentTreeTransformer.")
        transformer = thawed(transformer)
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
