"""The same model without some parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.ndimage import distance_transform_edt
from sklearn import get_config
from sklearn.base import ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from ..fitted.model import FittedModel, one_row, take_apart, unwrap_frozen
from ..transformer.describe import TreeDescriber, describe_images
from ..utils import Estimator
from ..utils.labels import check_labels, check_same_kind

if TYPE_CHECKING:
    from ..explain import ContrastExplanation, PairExplanation, PredictionExplanation


@dataclass(frozen=True)
class HidingDescriber(TreeDescriber):
    """Leaves the pixels of some leaves out, and lets no neighboring part see them either.

    Gradients, binary patterns and patches of a pixel look at the pixels around it, so a part can
    be read at the borders of its neighbors even where it has no columns of its own. Here its
    pixels take the value of the nearest pixel of another part before anything is described.
    """

    hidden: tuple[int, ...] = ()  # positions in ``tree.leaves``

    def _pool(self, image: np.ndarray, layers: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Pool one image over the leaves that are not hidden; see `TreeDescriber`."""
        (leaves,) = layers
        hidden = np.isin(leaves, self.hidden)
        return super()._pool(paint_over(image, hidden), [np.where(hidden, -1, leaves)])


def paint_over(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Give hidden pixels the value of the nearest other pixel.

    Shapes: `image` (h, w) or (h, w, 3), `hidden` (h, w) bool. Returns `image`: it does not depend
    on the hidden pixels.
    """
    if hidden.all():
        return np.zeros_like(image)
    if not hidden.any():
        return image
    rows, cols = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return image[rows, cols]


def hidden_rows(model: FittedModel, leaves: np.ndarray, images: Any, segments: Any) -> np.ndarray:
    """Describe images whose muted parts are painted over.

    Shapes: `leaves` (n_leaves,) bool. Returns `rows` (n_images, n_columns): in the transformer's
    order of columns; NaN in descriptor columns of absent nodes.
    """
    transformer = model.transformer
    hidden = tuple(np.flatnonzero(leaves).tolist())
    return describe_images(
        HidingDescriber(**vars(model.exchange.describer), hidden=hidden),
        transformer._check_batch(images, segments),
        dtype=model.classifier._X.dtype,
        n_jobs=transformer.n_jobs,
        verbose=transformer.verbose,
    )


def mean_of_present(rows: np.ndarray) -> np.ndarray:
    """Mean of every column over the rows that are not NaN, 0 where there is none."""
    seen = (~np.isnan(rows)).sum(axis=0)
    totals = np.nansum(rows, axis=0, dtype=np.float64)
    return np.divide(totals, seen, out=np.zeros(len(totals)), where=seen > 0)


class AblatedClassifier(ClassifierMixin, Estimator):
    """A model of images that does without some parts, and has not learned anew.

    Muted parts are absent from training rows and queries alike, and every node above them is made
    anew from the parts that are left: otherwise what a part said stays readable in its parents. The
    metric is the one learned with all parts. :func:`ablate_nodes` makes one of a fitted model;
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
        images are described. Without it, gradients, binary patterns and patches of its neighbors
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
    ablate_nodes : Mute parts of a model that is fitted already.
    counterfactual : Which parts would have to be others for another prediction.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.what_if import AblatedClassifier
    >>> portraits = make_portraits(80, signal=("hair",), strength=1.0, random_state=0)
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
    ...     HierarchicalMetricClassifier(combination="weighted", random_state=0),
    ... )
    >>> X, y = portraits.images, portraits.target
    >>> bool(cross_val_score(model, X, y, cv=2).mean() > 0.9)
    True
    >>> bool(cross_val_score(AblatedClassifier(model, "hair"), X, y, cv=2).mean() > 0.7)
    False
    """

    __metadata_request__fit = {"segments": True}
    __metadata_request__predict = {"segments": True}
    __metadata_request__predict_proba = {"segments": True}
    __metadata_request__score = {"segments": True}

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
        self : AblatedClassifier

        Raises
        ------
        ValueError
            Also if segments are given and metadata routing is not enabled.
        """
        params = {} if segments is None else {"segments": segments}
        if params and not get_config()["enable_metadata_routing"]:
            raise ValueError(
                "segments was given, but metadata routing, by which they reach the transformer, is "
                "not enabled: pass SegmentedImages(images, masks) as X, or call "
                "sklearn.set_config(enable_metadata_routing=True); set_fit_request(segments=True) "
                "of the transformer is its default."
            )
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
        predicted = self.predict(X, segments)
        y = check_labels(y, "y", len(predicted))
        check_same_kind(y, "y", self.classes_, "the classes of the model are")
        return float(accuracy_score(y, predicted))

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
        # its own, whatever becomes of the one that was given
        model = take_apart(fitted, deepcopy(unwrap_frozen(self.transformer)))
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

    Returns `to_rows`: ``to_rows(X, segments, name)`` gives rows of images or of a table, as
    `FittedModel.rows`.
    """
    if isinstance(model, AblatedClassifier):
        return model.fitted_model(), model._rows
    fitted = take_apart(model, transformer)
    return fitted, fitted.rows


def _check_nodes(nodes: Any) -> Any:
    if not isinstance(nodes, int | str) and not len(nodes):
        raise ValueError("nodes is empty; expected at least one node to mute.")
    return nodes


def ablate_nodes(
    model: Any,
    nodes: int | str | Iterable[int | str],
    *,
    transformer: Any = None,
    images: Any = None,
    segments: Any = None,
) -> AblatedClassifier:
    """Mute parts of a fitted model, without fitting it again.

    Training rows and queries lose the columns of the muted parts, and every node above them is made
    anew from what is left. The metric stays as it was learned.

    Parameters
    ----------
    model : Pipeline or HierarchicalMetricClassifier
        A fitted Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier, or such a
        classifier on the table of `transformer`. It is not changed.
    nodes : int, str or list of int and str
        Nodes of the transformer's tree by id, path or unique short name. A node stands for all
        leaves below it.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.
    images : images, default=None
        The images that a pipeline was fitted on, in the same order. If they are given, they are
        described again with the muted parts painted over, and so is every query
        (``hide_pixels=True``): then nothing of a muted part is left but its outline. Without them,
        gradients, binary patterns and patches of its neighbors still see it from across the
        border.
    segments : array, list of arrays or list of paths, default=None
        Label maps of `images`, unless these bring their own.

    Returns
    -------
    muted : AblatedClassifier
        Fitted; it takes what `model` takes, and pickles. A clone of it is not fitted.

    Raises
    ------
    TypeError
        If the model is of another kind, or has other steps.
    ValueError
        If a node is not in the tree, nothing would be left, or the table that the model was fitted
        on was scaled or edited.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.what_if import ablate_nodes
    >>> portraits = make_portraits(80, signal=("hair",), strength=1.0, random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors=["color", "lbp"]),
    ...     HierarchicalMetricClassifier(combination="weighted", random_state=0),
    ... ).fit(X, y)
    >>> bald = ablate_nodes(model, "hair", images=X)
    >>> bald.muted_
    ('portrait/person/head/hair',)
    >>> model.score(X, y), bool(bald.score(X, y) < 0.9)
    (1.0, True)
    """
    if transformer is not None and not isinstance(transformer, FrozenEstimator):
        transformer = FrozenEstimator(transformer)
    nodes = nodes if isinstance(nodes, int | str) else list(nodes)
    muted = AblatedClassifier(model, nodes, transformer=transformer, hide_pixels=images is not None)
    return muted._mute(deepcopy(model), images, segments)
