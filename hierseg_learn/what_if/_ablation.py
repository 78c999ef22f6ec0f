"""A fitted model without some parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from ..compositing.inpaint import nearest_values
from ..fitted.model import FittedModel, unwrap_frozen
from ..transformer.describe import TreeDescriber, describe_images, fill_missing, mean_of_present
from ..utils import Estimator
from ..utils.labels import check_labels, check_same_kind

if TYPE_CHECKING:
    from ..explain import ContrastExplanation, PairExplanation, PredictionExplanation


@dataclass(frozen=True)
class InpaintingDescriber(TreeDescriber):
    """Describes images without some leaves, whose pixels are inpainted first.

    Descriptors look at the pixels around a pixel, too, so a part shows at the borders of its
    neighbors. Here its pixels take the value of the nearest pixel of another part beforehand.
    """

    ablated: tuple[int, ...] = ()  # positions in ``tree.leaves``

    def _pool(
        self, images: Sequence[np.ndarray], layers: Sequence[Sequence[np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pool images over the leaves that are left; see `TreeDescriber`."""
        left = [self._inpainted(image, *maps) for image, maps in zip(images, layers, strict=True)]
        return super()._pool(*zip(*left, strict=True))

    def _inpainted(
        self, image: np.ndarray, leaves: np.ndarray
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """An image without the ablated leaves, and its leaves."""
        ablated = np.isin(leaves, self.ablated)
        if ablated.all():
            image = np.zeros_like(image)
        elif ablated.any():
            image = nearest_values(image, ~ablated)
        return image, [np.where(ablated, -1, leaves)]


def inpainted_rows(
    model: FittedModel, leaves: np.ndarray, images: Any, segments: Any
) -> np.ndarray:
    """Describe images whose ablated leaves, (n_leaves,) bool, are inpainted; NaN where absent."""
    transformer, describer = model.transformer, model.editor.describer
    pieces = {field.name: getattr(describer, field.name) for field in fields(describer)}
    return describe_images(
        InpaintingDescriber(**pieces, ablated=tuple(np.flatnonzero(leaves).tolist())),
        transformer._check_batch(images, segments),
        dtype=model.classifier._X.dtype,
        n_jobs=transformer.n_jobs,
        verbose=transformer.verbose,
    )


@dataclass(frozen=True, kw_only=True)
class AblatedModel(FittedModel):
    """A fitted model whose rows lack some leaves."""

    leaves: np.ndarray  # (n_leaves,) bool: those that are ablated
    inpaint: bool  # whether their pixels are inpainted

    def rows(self, X: Any, segments: Any = None, name: str = "X") -> np.ndarray:
        """Rows of images, or of a table, without the ablated leaves."""
        if self.inpaint:
            rows = inpainted_rows(self, self.leaves, X, segments)
            return fill_missing(rows, self.editor.fill_values)
        return self.editor.ablate(super().rows(X, segments, name), self.leaves)

    def table(self, X: Any) -> Any:
        """Table that the classifier takes, without the ablated leaves."""
        return self.to_table(self.rows(X))


class AblatedClassifier(ClassifierMixin, Estimator):
    """A classifier of images without some parts, whose metric is not learned again.

    Ablated parts are absent from training rows and queries alike, and every node above them is
    recomputed from the parts that are left. The metric is the one learned with all parts, and
    softmax regressions keep their weights, of rows about the mean of the training rows: what an
    ablated part holds adds nothing to distances and log-odds. Probabilities are not calibrated
    again: without the parts that tell classes apart they are too sure, so compare accuracies. `fit`
    fits the model first, as cross-validation needs it; `from_estimator` takes a fitted model.

    Parameters
    ----------
    estimator : Pipeline or HierarchicalMetricClassifier
        A Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier, or such a
        classifier on the table of `transformer`. A :class:`~sklearn.frozen.FrozenEstimator` of
        either is not fitted again.
    nodes : int, str or list of int and str
        Nodes of the transformer's tree by id, path or unique short name. A node stands for all
        leaves below it.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer. To survive :func:`~sklearn.base.clone` it has to
        be a :class:`~sklearn.frozen.FrozenEstimator`.
    inpaint : bool, default=False
        Whether the pixels of ablated parts also take the value of the nearest pixel of another
        part before images are described. Otherwise gradients, binary patterns and patches of
        neighboring parts still depend on them. Not possible on a table.

    Attributes
    ----------
    estimator_ : Pipeline or HierarchicalMetricClassifier
        The fitted model, with all parts.
    classifier_ : HierarchicalMetricClassifier
        Its classifier over training rows without the ablated parts; it takes what `table` returns.
    transformer_ : SegmentTreeTransformer
        Its transformer.
    ablated_ : tuple of str
        Paths of the ablated leaves.
    fill_values_ : ndarray of shape (n_columns,)
        Values of missing nodes; for nodes above ablated ones the mean over the training rows
        without the ablated parts.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    tree_ : SegmentTree
        The tree of the table.

    See Also
    --------
    counterfactual : Which parts to swap for another prediction.

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

    >>> bald = AblatedClassifier.from_estimator(model.fit(X, y), "hair", images=X)
    >>> bald.ablated_
    ('portrait/person/head/hair',)
    """

    __metadata_request__fit = {"segments": True}
    __metadata_request__predict = {"segments": True}
    __metadata_request__predict_proba = {"segments": True}
    __metadata_request__score = {"segments": True}

    def __init__(
        self, estimator: Any, nodes: Any, *, transformer: Any = None, inpaint: bool = False
    ) -> None:
        self.estimator = estimator
        self.nodes = nodes
        self.transformer = transformer
        self.inpaint = inpaint

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        nodes: int | str | Iterable[int | str],
        *,
        transformer: Any = None,
        images: Any = None,
        segments: Any = None,
    ) -> Self:
        """Ablate parts of a fitted model, which is not changed.

        Parameters
        ----------
        estimator, nodes, transformer
            As for the class; `estimator` is fitted.
        images : images, default=None
            The images that a pipeline was fitted on, in the same order. If they are given, they
            and every query are described with inpainted parts (``inpaint=True``): nothing is left
            of an ablated part but its outline.
        segments : array, list of arrays or list of paths, default=None
            Label maps of `images`, unless these bring their own.

        Returns
        -------
        ablated : AblatedClassifier
            Fitted; it takes what `estimator` takes. A clone of it is not fitted.

        Raises
        ------
        TypeError
            If the model is of another kind, or has other steps.
        ValueError
            If a node is not in the tree, no part would be left, `images` has another length than
            the training data, or the table that the model was fitted on was scaled or edited.
        """
        if transformer is not None and not isinstance(transformer, FrozenEstimator):
            transformer = FrozenEstimator(transformer)
        nodes = nodes if isinstance(nodes, int | str) else list(nodes)
        ablated = cls(estimator, nodes, transformer=transformer, inpaint=images is not None)
        return ablated._ablate(deepcopy(estimator), images, segments)

    def fit(self, X: Any, y: Any, segments: Any = None) -> Self:
        """Fit the model with all parts, then ablate.

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
            As `from_estimator`, and if segments are given and metadata routing is not enabled.
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
        return self._ablate(fitted, X if self.inpaint else None, segments)

    def table(self, X: Any, segments: Any = None) -> Any:
        """Describe images, or edit a table, without the ablated parts.

        Parameters
        ----------
        X, segments
            As for `fit`; `segments` need no routing.

        Returns
        -------
        table : DataFrame or ndarray of shape (n_samples, n_columns)
            As `classifier_` takes it; ablated leaves have presence and area 0.
        """
        model = self.fitted_model()
        return model.to_table(model.rows(X, segments))

    def predict(self, X: Any, segments: Any = None) -> np.ndarray:
        """Predict classes without the ablated parts.

        Parameters
        ----------
        X, segments
            As for `table`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        codes = self.predict_proba(X, segments).argmax(axis=1)
        return self.classes_[codes]

    def predict_proba(self, X: Any, segments: Any = None) -> np.ndarray:
        """Predict the probabilities of the classes without the ablated parts.

        Parameters
        ----------
        X, segments
            As for `table`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
        """
        table = self.table(X, segments)
        return self.classifier_.predict_proba(table)

    def score(self, X: Any, y: Any, segments: Any = None) -> float:
        """Accuracy without the ablated parts.

        Parameters
        ----------
        X, segments
            As for `table`.
        y : array-like of shape (n_samples,)
            The classes.

        Returns
        -------
        accuracy : float
        """
        predicted = self.predict(X, segments)
        y = check_labels(y, "y", len(predicted))
        check_same_kind(y, "y", self.classes_, "the classes of the model are")
        return float(accuracy_score(y, predicted))

    def explain_pair(self, a: Any, b: Any, **params: Any) -> PairExplanation:
        """Explain the squared distance of two samples; ablated leaves contribute 0.

        Parameters
        ----------
        a, b : one image each, or one row of the table if `estimator` is a classifier
            An array, ``images[i]`` of SegmentedImages, or a collection of one.
        **params : dict
            Further arguments of the classifier's method, such as `by`.

        Returns
        -------
        explanation : PairExplanation
        """
        rows = self._one(a, "a"), self._one(b, "b")
        return self.fitted_model().classifier.explain_pair(*rows, **params)

    def explain_prediction(self, x: Any, **params: Any) -> PredictionExplanation:
        """Explain how a sample differs from its nearest neighbors; ablated leaves contribute 0.

        Parameters
        ----------
        x : one image, or one row of the table if `estimator` is a classifier
            As `a` of `explain_pair`.
        **params : dict
            Further arguments of the classifier's method, such as `by`.

        Returns
        -------
        explanation : PredictionExplanation
        """
        return self.fitted_model().classifier.explain_prediction(self._one(x, "x"), **params)

    def explain_contrast(self, x: Any, target: Any = None, **params: Any) -> ContrastExplanation:
        """Explain why one class rather than another; ablated leaves contribute 0.

        Parameters
        ----------
        x : one image, or one row of the table if `estimator` is a classifier
            As `a` of `explain_pair`.
        target : object, default=None
            As for the classifier's method.
        **params : dict
            Further arguments of the classifier's method.

        Returns
        -------
        explanation : ContrastExplanation
        """
        return self.fitted_model().classifier.explain_contrast(self._one(x, "x"), target, **params)

    def fitted_model(self) -> FittedModel:
        """Return the ablated classifier with its transformer and the editor of parts."""
        check_is_fitted(self)
        return self._model

    def _one(self, x: Any, name: str) -> Any:
        """Table of one sample."""
        model = self.fitted_model()
        return model.to_table(model.one_row(x, name))

    def _ablate(self, fitted: Any, images: Any, segments: Any) -> Self:
        """Ablate a fitted model; `images` are those it was fitted on, if they are inpainted."""
        if not isinstance(self.nodes, int | str) and not len(self.nodes):
            raise ValueError("nodes is empty; expected at least one node to ablate.")
        # a copy, so that the given transformer may be fitted again
        transformer = deepcopy(unwrap_frozen(self.transformer))
        model = FittedModel.from_estimator(fitted, transformer, needs="parts", explains=True)
        if isinstance(model, AblatedModel):
            raise TypeError("model is ablated already; pass its estimator with all nodes.")
        editor = model.editor
        leaves = editor.leaves(self.nodes)
        if leaves.all():
            raise ValueError(f"nodes={self.nodes!r} ablates every part; expected some to be left.")
        if self.inpaint:
            if not model.takes_images:
                raise ValueError(
                    "inpaint=True needs images, but estimator is a classifier on a table."
                )
            rows = inpainted_rows(model, leaves, images, segments)
            rows = model.classifier._held_rows(rows, "images")
        else:
            unfilled = replace(editor, fill_values=np.full_like(editor.fill_values, np.nan))
            rows = unfilled.ablate(model.training_rows(), leaves)
        above = (editor.tree.sum_up(leaves, axis=-1) > 0)[editor.column_nodes]
        above &= editor.describer.presence_columns()[1]
        self.fill_values_ = np.where(above, mean_of_present(rows), editor.fill_values)
        classifier = model.with_training_rows(fill_missing(rows, self.fill_values_))
        self._model = AblatedModel(
            **vars(model)
            | {
                "classifier": classifier,
                "head": classifier,
                "editor": replace(editor, fill_values=self.fill_values_),
            },
            leaves=leaves,
            inpaint=self.inpaint,
        )
        self.estimator_, self.transformer_ = fitted, model.transformer
        self.classifier_, self.classes_ = classifier, classifier.classes_
        self.tree_ = editor.tree
        self.ablated_ = tuple(editor.tree.paths[leaf] for leaf in editor.tree.leaves[leaves])
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags
