"""Access to a fitted model: its rows, photos, label maps, predictions, and the editor of parts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import NotFittedError, check_is_fitted

from ..classifier import HierarchicalMetricClassifier
from ..classifier.votes import Embedding
from ..explain.explanation import NAMELESS, Explanation, check_choice
from ..images import SegmentedImage, check_images, is_pillow, is_table, join_items
from ..metrics.block_sums import mean_and_spread
from ..metrics.posteriors import Head
from ..transformer import SegmentTreeTransformer
from ..transformer.part_editor import PartEditor
from ..tree import SegmentTree
from ..utils.labels import check_known, check_labels
from ..utils.spread import varies
from ..utils.tables import as_pandas, check_in_memory, order_columns


def unwrap_frozen(estimator: Any) -> Any:
    """Take an estimator out of its :class:`~sklearn.frozen.FrozenEstimator`, if it is in one."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


def check_transformer(transformer: Any) -> SegmentTreeTransformer:
    """Return a fitted transformer, out of its FrozenEstimator if it is in one."""
    transformer = unwrap_frozen(transformer)
    if not isinstance(transformer, SegmentTreeTransformer):
        raise TypeError(
            "transformer must be a fitted SegmentTreeTransformer, got "
            f"{type(transformer).__name__}."
        )
    try:
        check_is_fitted(transformer)
    except NotFittedError as error:
        raise NotFittedError(
            "transformer is not fitted, but must be the fitted one that made the table. If it was "
            "cloned, as in a grid search: pass FrozenEstimator(transformer), which clone leaves "
            "fitted, or images instead of the table."
        ) from error
    return transformer


@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """A fitted pipeline, or a fitted classifier with or without the transformer of its table.

    The one access to fitted models for explanations, displays, audits and edits of parts. "Rows"
    are arrays of shape (n_rows, n_columns) in the transformer's order of columns; a "table" is what
    the classifier takes. `from_estimator` finds the pieces.

    Parameters
    ----------
    classifier : estimator
        The last step.
    head : estimator
        Takes the transformer's table: `classifier`, or a pipeline that ends with it.
    before : estimator, default=None
        Makes the table of `classifier` from X; None if X is that table.
    transformer : SegmentTreeTransformer, default=None
        The first step, or the transformer of the table.
    takes_images : bool, default=False
        Whether X is images, even if it is a 2-D array.
    editor : PartEditor, default=None
        Ablates and swaps parts in rows; only with ``needs="parts"``.
    order : ndarray of shape (n_columns,), int, default=None
        For every column that `head` takes its place in rows; only with ``needs="parts"``.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.fitted import FittedModel
    >>> portraits = make_portraits(20, random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(SegmentTreeTransformer(descriptors="color"), LogisticRegression())
    >>> fitted = FittedModel.from_estimator(model.fit(X, y), needs="parts")
    >>> rows = fitted.rows(X)
    >>> bald = fitted.editor.ablate(rows, fitted.editor.leaves("part_1"))
    >>> fitted.predict(bald).shape
    (20,)
    """

    classifier: Any
    head: Any
    before: Any = None
    transformer: SegmentTreeTransformer | None = None
    takes_images: bool = False
    editor: PartEditor | None = None
    order: np.ndarray | None = None

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        transformer: Any = None,
        *,
        needs: Literal["photos", "parts"] | None = None,
        explains: bool = False,
        name: str = "model",
    ) -> FittedModel:
        """Find the steps of a fitted model, or raise an error that says what is missing.

        `needs="photos"` asks for a pipeline that takes images, `needs="parts"` for the transformer
        of the table, and `explains=True` for a HierarchicalMetricClassifier, which for parts must
        take the transformer's table directly. `name` is the model's name in messages.
        """
        if hasattr(model, "fitted_model"):  # an AblatedClassifier, which holds all of it
            found = model.fitted_model()
            if needs == "photos" and not found.takes_images:
                raise TypeError(f"{name} must take images, got {_kind(model)} on a table.")
            if transformer is not None:
                raise ValueError(_GIVEN_TWICE.format(name, _kind(model)))
            return found
        model = unwrap_frozen(model)
        steps = _steps(model)
        classifier = unwrap_frozen(steps[-1])
        first = unwrap_frozen(steps[0])
        in_pipeline = hasattr(model, "steps") and isinstance(first, SegmentTreeTransformer)
        if in_pipeline and transformer is not None:
            raise ValueError(_GIVEN_TWICE.format(name, "a Pipeline"))
        explaining = isinstance(classifier, HierarchicalMetricClassifier)
        if not (explaining if explains else hasattr(classifier, "predict")) or (
            needs == "photos" and not in_pipeline
        ):
            noun = "HierarchicalMetricClassifier" if explains else "classifier"
            or_alone = {None: ", or such a classifier", "photos": ""}.get(
                needs, ", or such a classifier with the transformer of its table as transformer="
            )
            raise TypeError(
                f"{name} must be a fitted Pipeline of a SegmentTreeTransformer and a {noun}"
                f"{or_alone}, got {_kind(model)}."
            )
        if needs == "parts" and explains and len(steps) > 1 + in_pipeline:
            raise TypeError(
                f"{name} must be a SegmentTreeTransformer and a HierarchicalMetricClassifier with "
                f"nothing in between, got {_kind(model)}: parts can be edited only in the table as "
                "the transformer returns it."
            )
        if in_pipeline:
            check_is_fitted(first)
            transformer = first
        elif transformer is not None:
            transformer = check_transformer(transformer)
        elif needs == "parts":
            raise TypeError(
                f"transformer must be the fitted SegmentTreeTransformer whose table {name} was "
                f"fitted on, got None with {_kind(model)}."
            )
        check_is_fitted(classifier)
        after = steps[1:] if in_pipeline else steps
        found = cls(
            classifier=classifier,
            head=after[0] if len(after) == 1 else model[1:] if in_pipeline else model,
            before=model[:-1] if len(steps) > 1 else None,
            transformer=transformer,
            takes_images=in_pipeline,
        )
        if needs != "parts":
            return found
        editor = PartEditor.from_transformer(transformer)
        order = _column_order(after[0], editor.column_names, name)
        return replace(found, editor=editor, order=order)

    @property
    def tree(self) -> SegmentTree:
        """The tree that explanations are about."""
        return self.classifier.tree_

    @property
    def codes(self) -> np.ndarray:
        """Classes of the training rows, as positions in ``classifier.classes_``."""
        return self.classifier._codes

    def check_classes(self, y: Any, n_samples: int) -> np.ndarray:
        """Read the true classes of samples, which must be classes of the model."""
        target = check_labels(y, "y", n_samples)
        known = getattr(self.classifier, "classes_", None)
        if known is not None:
            check_known(target, "y", np.asarray(known))
        return target

    # images and tables

    def table(self, X: Any) -> Any:
        """Table that the classifier takes, of X as the model takes it."""
        return X if self.before is None else self.before.transform(X)

    def photos(self, X: Any) -> list[np.ndarray]:
        """Photos as floats in [0, 1]."""
        batch = check_images(
            X, image_shape=self.transformer.image_shape, encoding=self.transformer.encoding_
        )
        return [np.clip(batch.image(i), 0, 1) for i in range(len(batch))]

    def label_maps(self, X: Any) -> list[np.ndarray]:
        """For every pixel its leaf in the tree of the classifier, -1 for none."""
        maps, source = self.transformer.label_maps(X), self.transformer.tree_
        if source.paths == self.tree.paths:
            return maps
        nodes = np.full(source.n_nodes + 1, -1, dtype=np.intp)
        for leaf in source.leaves:
            try:
                nodes[leaf] = self.tree.index(source.paths[leaf])
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"The transformer has the part {source.paths[leaf]!r}, which the tree of the "
                    "classifier lacks; expected the same tree in both."
                ) from error
        return [nodes[labels] for labels in maps]

    def explain(
        self,
        X: Any,
        titles: Sequence[str] | None = None,
        *,
        question: str = "class",
        target: Any = None,
        foil: Any = None,
        by: str = "auto",
    ) -> Explanation:
        """Explain the class, neighbors or novelty of one sample, or the distance of two."""
        n_samples = count(X)
        if n_samples not in (1, 2):
            raise ValueError(
                "X must hold one sample, whose class is explained, or two, whose distance is; "
                f"got {n_samples}."
            )
        has_class = target is not None or foil is not None
        check_choice(question, "question", "class", "neighbors", "novelty")
        if question != "class" and has_class:
            raise ValueError(
                f"question={question!r} is about no class; expected no target or foil."
            )
        if n_samples == 2 and (has_class or question != "class"):
            raise ValueError(
                "question, target and foil are about one sample, but X holds two, whose distance "
                "is explained."
            )
        table, classifier = self.table(X), self.classifier
        if n_samples == 2:
            pair = classifier.explain_pair(row(table, 0), row(table, 1), by)
            return replace(pair, name_a=titles[0], name_b=titles[1]) if titles else pair
        if question == "neighbors":
            explanation = classifier.explain_prediction(row(table, 0), by)
        elif question == "novelty":
            explanation = replace(classifier.explain_novelty(row(table, 0))[0], name=NAMELESS)
        else:
            explanation = classifier.explain_contrast(row(table, 0), target, foil, by=by)
        return replace(explanation, name=titles[0]) if titles else explanation

    # rows whose parts can be edited

    def rows(self, X: Any, segments: Any = None, name: str = "X") -> np.ndarray:
        """Rows of images, or of a table."""
        if self.takes_images or not is_table(X):
            params = {} if segments is None else {"segments": segments}
            rows = np.asarray(self.transformer.transform(X, **params))
        else:
            rows = self.editor.read(X, name)
        if isinstance(self.classifier, HierarchicalMetricClassifier):
            rows = rows.astype(self.classifier._X.dtype, copy=False)
        return rows

    def one_row(self, x: Any, name: str = "x") -> np.ndarray:
        """Row of one image, or of one row of a table, (1, n_columns)."""
        if self.takes_images:
            x = _one_image(x, self.transformer.encoding_.n_channels, name)
        elif hasattr(x, "to_frame"):
            x = x.to_frame().T.infer_objects()
        elif np.ndim(x) == 1:
            x = np.reshape(x, (1, -1))
        rows = self.rows(x, None, name)
        if len(rows) != 1:
            raise ValueError(f"{name} must be one row, got {len(rows)}.")
        return rows

    def to_table(self, rows: np.ndarray) -> Any:
        """Table that `head` takes: a DataFrame if it knows the names of its columns."""
        table = rows[:, self.order]
        names = getattr(self.head, "feature_names_in_", None)
        if names is None:
            return table
        import pandas as pd

        return pd.DataFrame(table, columns=names)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Classes, (n_rows,)."""
        return np.asarray(self.head.predict(self.to_table(rows)))

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, (n_rows, n_classes)."""
        return self.head.predict_proba(self.to_table(rows))

    def predict_log_proba(self, rows: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities, (n_rows, n_classes), if the classifier has them."""
        return self.head.predict_log_proba(self.to_table(rows))

    # the metric, with needs="parts" and explains=True

    def training_rows(self) -> np.ndarray:
        """Rows that the classifier was fitted on, or those of them that it holds."""
        self.classifier._require_rows("editing parts")
        rows = np.empty_like(self.classifier._X)
        rows[:, self.order] = self.classifier._X
        return self.editor.read(rows, "the table that model was fitted on")

    def embed(self, rows: np.ndarray) -> np.ndarray:
        """Rows in the root's space, (n_rows, n_components) float64."""
        lifted = self.classifier._lifted(rows[:, self.order].astype(np.float64))
        return lifted @ self.classifier._root_map.T

    def embed_columns(self, columns: np.ndarray, places: slice) -> np.ndarray:
        """What a node's own columns, at some places in the table, add to the embedding of rows.

        Shapes: `columns` (n_rows, n_own). Returns (n_rows, n_components) float64. The columns of
        all nodes add up to `embed`, since the root's map is linear in their embeddings.
        """
        classifier = self.classifier
        own = np.argsort(self.order)[places]
        if classifier._lift is None:
            return columns @ classifier._root_map[:, own].T
        rows = np.zeros((len(columns), len(self.order)))
        rows[:, own] = columns
        node = classifier.column_nodes_[own[0]]
        embedded = classifier._lift.nodes[node](rows)
        return embedded @ classifier._root_map[:, classifier._lift.places[node]].T

    def proba_of_mapped(self, mapped: np.ndarray) -> np.ndarray:
        """Probabilities of the classes for rows in the root's space, (n_rows, n_classes)."""
        return self.classifier._decide().proba_of_mapped(mapped)

    def with_training_rows(self, rows: np.ndarray) -> HierarchicalMetricClassifier:
        """Copy the classifier: the same metric, over other rows of the same samples.

        Class means are those of these rows. Regressions say of a row what they said of one as far
        from the mean of the training rows: columns that are constant now say nothing.
        """
        classifier = copy.copy(self.classifier)
        if classifier.decision_ != "neighbors":  # the class means are those of all rows
            classifier._require_rows("ablation", all_of_them=True)
        X = np.ascontiguousarray(rows[:, self.order], dtype=classifier._X.dtype)
        classifier.prototypes_ = np.stack(
            [
                X[self.codes == code].mean(axis=0, dtype=np.float64)
                for code in range(len(classifier.classes_))
            ]
        )
        classifier._set_references(X)
        if classifier._anchors is not None:
            root_map, references = classifier._root_map, classifier._references
            center, spread = mean_and_spread(references)
            spread = np.where(varies(references, spread, X.dtype), spread, 0.0)
            moved = (classifier._anchors + center - self.classifier._center) @ root_map.T
            head = Head(moved, classifier._offsets)
            classifier._anchors = head.prototypes(classifier._class_means, spread, root_map)
            # along directions in which no rows differ any more, distances to anchors are constants
            left = moved - classifier._anchors @ root_map.T
            classifier._offsets = head.offsets - np.einsum("ij,ij->i", left, left) / 2
            # what the anchors are about now, as further parts may be ablated
            classifier._center = center
            classifier._embedding = Embedding.of(root_map, references, center).points
        return classifier


_GIVEN_TWICE = "transformer was given, but {} is {} and has its own; leave it out."


def _steps(model: Any) -> list[Any]:
    """Steps of a pipeline without those that do nothing, or the model itself."""
    steps = [step for _, step in getattr(model, "steps", ())]
    return [step for step in steps if step is not None and step != "passthrough"] or [model]


def _kind(model: Any) -> str:
    """What a model is, for messages."""
    if hasattr(model, "best_estimator_"):
        return f"{type(model).__name__}; pass its best_estimator_"
    if hasattr(model, "steps"):
        return "a Pipeline of " + " and ".join(type(step).__name__ for step in _steps(model))
    return type(model).__name__


def _column_order(head: Any, names: tuple[str, ...], name: str) -> np.ndarray:
    """Place of every column of a fitted estimator in the transformer's order, (n_columns,)."""
    table = f"the table that {name} was fitted on"
    expected = f"the {len(names)} columns that transformer makes"
    found = getattr(head, "feature_names_in_", None)
    n_found = getattr(head, "n_features_in_", len(names))
    if n_found != len(names):
        raise ValueError(f"{table} has {n_found} columns; expected {expected}.")
    if found is None:
        return np.arange(len(names))
    return np.argsort(order_columns(found, names, table, expected))


def _one_image(X: Any, n_channels: int, name: str) -> Any:
    """Make one image, with or without its label map, a collection of one."""
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


def take(X: Any, positions: Sequence[int] | np.ndarray) -> Any:
    """Take some photos, or rows, of any container that an estimator takes."""
    return _safe_indexing(as_pandas(join_items(X)), np.asarray(positions, dtype=np.intp))


def row(table: Any, i: int) -> Any:
    """Take one row of a table, as a table."""
    return _safe_indexing(as_pandas(table), np.array([i]))


def count(X: Any, name: str = "X") -> int:
    """Count photos or rows."""
    check_in_memory(X, name)
    if isinstance(X, SegmentedImage):
        return 1
    shape = getattr(X, "shape", None)
    if shape is None and not hasattr(X, "__len__"):
        raise TypeError(f"{name} must hold photos or rows, got {type(X).__name__}.")
    return int(shape[0]) if shape else len(X)


def check_titles(
    titles: Any, n_samples: int, name: str = "titles", noun: str = "sample"
) -> list[str] | None:
    """Return one string per sample, or None."""
    if titles is None:
        return None
    if isinstance(titles, str) or len(titles) != n_samples:
        raise ValueError(
            f"{name} must be a list of one string per {noun}, expected {n_samples}, got {titles!r}."
        )
    return [str(title) for title in titles]


def check_targets(y: Any, n_samples: int, name: str = "y") -> np.ndarray | None:
    """Return one class per sample as an array, or None."""
    # a copy: pictures keep it, and labels are their owner's to edit
    return None if y is None else np.array(check_labels(y, name, n_samples))
