"""The same model without some parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from ._hidden import hidden_rows, mean_of_present
from ._model import FittedModel, one_row, take_apart

if TYPE_CHECKING:
    from ..explain import ContrastExplanation, PairExplanation, PredictionExplanation


class MutedClassifier(ClassifierMixin, BaseEstimator):
    """A model of images that does without some parts, and has not learned anew.

    Muted parts are absent from training rows and queries alike, and every node above them is made
    anew from the parts that are left: otherwise what a part said stays readable in its parents. The
    metric is the one learned with all parts. :func:`without_nodes` makes one of a fitted model;
    `fit` fits the model first, for cross-validation.

    Parameters
    ----------
    estimator : Pipeline or HierarchicalMetricClassifier
        A Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier, or such a
        classifier on the table of `transformer`.
    nodes : int, str or list of int and str
        Nodes of the transformer's tree by id, path or unique short name. A node stands for all
        leaves below it.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer. To survive :func:`~sklearn.base.clone` it has to
        be a :class:`~sklearn.frozen.FrozenEstimator`.
    hide_pixels : bool, default=False
        Whether muted parts are also painted over, with the nearest pixel of another part, before
        images are described. Without it, gradients, binary patterns and patches of its neighbours
        still see a muted part from across the border. Not possible on a table.

    Attributes
    ----------
    estimator_ : Pipeline or HierarchicalMetricClassifier
        The fitted model, with all parts.
    classifier_ : HierarchicalMetricClassifier
        Its classifier over muted training rows; it takes what `table` returns.
    transformer_ : SegmentTreeTransformer
        Its transformer.
    muted_ : tuple of str
        Paths of the muted leaves.
    fill_values_ : ndarray of shape (n_columns,)
        What stands for a missing node; above muted ones the mean over muted training rows.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    tree_ : SegmentTree
        The tree of the table.

    See Also
    --------
    without_nodes : Mute parts of a model that is fitted already.
    counterfactual : Which parts would have to be others for another prediction.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.what_if import MutedClassifier
    >>> portraits = make_portraits(80, signal=("hair",), strength=1.0, random_state=0)
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
    ...     HierarchicalMetricClassifier(combination="weighted", random_state=0),
    ... )
    >>> X, y = portraits.images, portraits.target
    >>> bool(cross_val_score(model, X, y, cv=2).mean() > 0.9)
    True
    >>> bool(cross_val_score(MutedClassifier(model, "hair"), X, y, cv=2).mean() > 0.7)
    False
    """

    def __init__(
        self,
        estimator: Any,
        nodes: Any,
        *,
        transformer: Any = None,
        hide_pixels: bool = False,
    ) -> None:
        self.estimator = estimator
        self.nodes = nodes
        self.transformer = transformer
        self.hide_pixels = hide_pixels

    def fit(self, X: Any, y: Any, segments: Any = None) -> Self:
        """Fit the model with all parts, then mute.

        Parameters
        ----------
        X : images, or the table if `estimator` is a classifier
            As `estimator` takes them.
        y : array-like of shape (n_samples,)
            The classes.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, unless X brings its own; needs metadata routing.

        Returns
        -------
        self : MutedClassifier
        """
        params = {} if segments is None else {"segments": segments}
        fitted = clone(self.estimator).fit(X, y, **params)
        return self._mute(fitted, X if self.hide_pixels else None, segments)

    def table(self, X: Any, segments: Any = None) -> Any:
        """Describe images, or mute a table, as `classifier_` takes it.

        Parameters
        ----------
        X : images, or the table if `estimator` is a classifier
            As `estimator` takes them.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, unless X brings its own.

        Returns
        -------
        table : DataFrame or ndarray of shape (n_samples, n_columns)
            Muted leaves have presence and area 0.
        """
        check_is_fitted(self)
        return self._model.to_table(self._rows(X, segments))

    def predict(self, X: Any, segments: Any = None) -> np.ndarray:
        """Predict classes without the muted parts.

        Parameters
        ----------
        X : images, or the table if `estimator` is a classifier
            As `estimator` takes them.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, unless X brings its own.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        codes = self.predict_proba(X, segments).argmax(axis=1)
        return self.classes_[codes]

    def predict_proba(self, X: Any, segments: Any = None) -> np.ndarray:
        """Predict the probabilities of the classes without the muted parts.

        Parameters
        ----------
        X : images, or the table if `estimator` is a classifier
            As `estimator` takes them.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, unless X brings its own.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
        """
        table = self.table(X, segments)
        return self.classifier_.predict_proba(table)

    def score(self, X: Any, y: Any, segments: Any = None) -> float:
        """Share of samples that get their class without the muted parts.

        Parameters
        ----------
        X : images, or the table if `estimator` is a classifier
            As `estimator` takes them.
        y : array-like of shape (n_samples,)
            The classes.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, unless X brings its own.

        Returns
        -------
        accuracy : float
        """
        return float(accuracy_score(y, self.predict(X, segments)))

    def explain_pair(self, a: Any, b: Any) -> PairExplanation:
        """Say what every node that is left contributes to the squared distance of two samples.

        Parameters
        ----------
        a, b : one image each, or one row of the table if `estimator` is a classifier
            An array, ``images[i]`` of SegmentedImages, or a collection of one.

        Returns
        -------
        explanation : PairExplanation
            Muted leaves contribute 0.
        """
        return self.classifier_.explain_pair(self._one(a, "a"), self._one(b, "b"))

    def explain_prediction(self, x: Any) -> PredictionExplanation:
        """Say what sets a sample apart from those who vote on it without the muted parts.

        Parameters
        ----------
        x : one image, or one row of the table if `estimator` is a classifier
            An array, ``images[i]`` of SegmentedImages, or a collection of one.

        Returns
        -------
        explanation : PredictionExplanation
            Muted leaves contribute 0.
        """
        return self.classifier_.explain_prediction(self._one(x, "x"))

    def explain_contrast(self, x: Any, target: Any = None, **params: Any) -> ContrastExplanation:
        """Say which of the nodes that are left pull a sample towards a class and from another.

        Parameters
        ----------
        x : one image, or one row of the table if `estimator` is a classifier
            An array, ``images[i]`` of SegmentedImages, or a collection of one.
        target : object, default=None
            The class to speak for, as in the classifier's method.
        **params : dict
            Further arguments of the classifier's method.

        Returns
        -------
        explanation : ContrastExplanation
        """
        return self.classifier_.explain_contrast(self._one(x, "x"), target, **params)

    def fitted_model(self) -> FittedModel:
        """Return the muted classifier with its transformer and the exchange of parts."""
        check_is_fitted(self)
        return self._model

    def _one(self, x: Any, name: str) -> Any:
        """Muted table of one sample."""
        check_is_fitted(self)
        return self._model.to_table(one_row(self._model, x, name, self._rows))

    def _rows(self, X: Any, segments: Any = None, name: str = "X") -> np.ndarray:
        """Muted rows in the transformer's order of columns."""
        if self.hide_pixels:
            return self._model.exchange.fill(hidden_rows(self._model, self._leaves, X, segments))
        rows = self._model.rows(X, segments, name)
        return self._model.exchange.mute(rows, self._leaves)

    def _mute(self, fitted: Any, images: Any, segments: Any) -> Self:
        """Mute a fitted model; `images` are those it was fitted on, if their pixels matter."""
        model = take_apart(fitted, self.transformer)
        leaves = model.exchange.leaves(_check_nodes(self.nodes))
        if leaves.all():
            raise ValueError(f"nodes={self.nodes!r} mute every part; expected some to be left.")
        if self.hide_pixels and not model.takes_images:
            raise ValueError(
                "hide_pixels=True needs images, but estimator is a classifier on a table."
            )
        self._leaves = leaves
        raw = replace(model.exchange, fill_values=np.full_like(model.exchange.fill_values, np.nan))
        if self.hide_pixels:
            rows = hidden_rows(model, leaves, images, segments)
            if len(rows) != len(model.codes):
                raise ValueError(
                    f"images must be the {len(model.codes)} that model was fitted on, in the same "
                    f"order, got {len(rows)}."
                )
        else:
            rows = raw.mute(model.training_rows(), leaves)
        affected = (model.tree.sum_up(leaves, axis=-1) > 0)[model.exchange.column_nodes]
        affected &= model.exchange.describer.presence_columns()[1]
        self.fill_values_ = np.where(affected, mean_of_present(rows), model.exchange.fill_values)
        exchange = replace(model.exchange, fill_values=self.fill_values_)
        self.estimator_ = fitted
        self.transformer_ = model.transformer
        self.classifier_ = model.with_training_rows(exchange.fill(rows))
        self._model = replace(model, classifier=self.classifier_, exchange=exchange)
        self.classes_ = self.classifier_.classes_
        self.tree_ = model.tree
        paths = np.array(self.tree_.paths, dtype=object)[self.tree_.leaves]
        self.muted_ = tuple(paths[leaves])
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def open_model(
    model: Any, transformer: Any = None
) -> tuple[FittedModel, Callable[[Any, Any, str], np.ndarray]]:
    """Take a fitted model apart, muted or not.

    Parameters
    ----------
    model : Pipeline, HierarchicalMetricClassifier or MutedClassifier
        Fitted.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.

    Returns
    -------
    fitted : FittedModel
    to_rows : callable
        ``to_rows(X, segments, name)`` gives rows of images or of a table, as `FittedModel.rows`.
    """
    if isinstance(model, MutedClassifier):
        return model.fitted_model(), model._rows
    fitted = take_apart(model, transformer)
    return fitted, fitted.rows


def _check_nodes(nodes: Any) -> Any:
    if not isinstance(nodes, int | str) and not len(nodes):
        raise ValueError("nodes is empty; expected at least one node to mute.")
    return nodes
