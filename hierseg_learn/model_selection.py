"""Scorers that pass label maps to the methods they call."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.metrics import get_scorer
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object
from sklearn.utils.validation import check_is_fitted

__all__ = ["segment_scorer"]

# methods of estimators that a scorer may call
_METHODS = {"predict", "predict_proba", "predict_log_proba", "decision_function"}
_METHODS |= {"score", "transform"}


def segment_scorer(scoring: str | Callable) -> Callable:
    """Make a scorer that passes label maps to the method it calls.

    scikit-learn's cross-validation passes metadata to ``fit`` and to the scorer, but the scorer
    does not pass them to ``predict``: with ``scoring="balanced_accuracy"``, a model that was fitted
    on label maps has to predict without, and the scores become NaN, or an error with
    ``error_score="raise"``. This scorer requests ``segments`` and passes them to ``predict``,
    ``predict_proba`` or ``decision_function``, whichever the score needs. It also replaces the
    default ``scoring=None``, for which scikit-learn 1.6 does not pass metadata to the ``score`` of
    a pipeline: ``segment_scorer("accuracy")`` is the same score.

    :class:`~hierseg_learn.SegmentedImages`, which hold their label maps, do not need it.

    Parameters
    ----------
    scoring : str or callable
        Name of a scorer, as in :func:`sklearn.metrics.get_scorer_names`, or a scorer: what
        :func:`sklearn.metrics.make_scorer` returns, or a function of ``(estimator, X, y)``.

    Returns
    -------
    scorer : callable
        Called as ``scorer(estimator, X, y, segments=None)``, and used as `scoring` in
        :func:`~sklearn.model_selection.cross_validate` or
        :class:`~sklearn.model_selection.GridSearchCV`, with metadata routing enabled and
        ``segments`` among the metadata. Without ``segments`` it equals `scoring`.

    Raises
    ------
    ValueError
        If there is no scorer of that name.
    TypeError
        If `scoring` is neither a name nor callable, such as a list of names.

    See Also
    --------
    hierseg_learn.SegmentedImages : Images that carry their label maps through scikit-learn.

    Examples
    --------
    >>> from sklearn import config_context
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.model_selection import segment_scorer
    >>> portraits = make_portraits(40, strength=1.0, random_state=0)
    >>> X, params = portraits.images.images, {"segments": portraits.images.masks}
    >>> y, scoring = portraits.target, segment_scorer("balanced_accuracy")
    >>> with config_context(enable_metadata_routing=True):
    ...     transformer = SegmentTreeTransformer(descriptors="color")
    ...     model = make_pipeline(transformer, KNeighborsClassifier())
    ...     scores = cross_val_score(model, X, y, cv=2, scoring=scoring, params=params)
    >>> scores.shape
    (2,)
    """
    if not isinstance(scoring, str) and not callable(scoring):
        raise TypeError(
            f"scoring must be the name of a scorer or a scorer, got {scoring!r}; for several "
            "scores pass a dict of segment_scorer objects to scikit-learn."
        )
    return _SegmentScorer(get_scorer(scoring))


class _SegmentScorer:
    """A scorer, and the request for ``segments`` besides its own."""

    def __init__(self, scorer: Callable) -> None:
        self._scorer = scorer

    def __call__(
        self, estimator: Any, X: Any, y_true: Any = None, *, segments: Any = None, **params: Any
    ) -> Any:
        if segments is not None:
            estimator = _WithSegments(estimator, segments)
        return self._scorer(estimator, X, y_true, **params)

    def get_metadata_routing(self) -> MetadataRequest:
        """Return the metadata request of the scorer."""
        request = get_routing_for_object(self._scorer)
        request.score.add_request(param="segments", alias=True)
        return request

    def __repr__(self) -> str:
        return f"segment_scorer({self._scorer!r})"


class _WithSegments:
    """A fitted estimator whose methods are always called with label maps."""

    def __init__(self, estimator: Any, segments: Any) -> None:
        self._estimator = estimator
        self._segments = segments

    def __getattr__(self, name: str) -> Any:
        # missing before __init__, as in copy and pickle
        if name in ("_estimator", "_segments"):
            raise AttributeError(name)
        attribute = getattr(self._estimator, name)
        if name not in _METHODS:
            return attribute

        @wraps(attribute)
        def with_segments(*args: Any, **kwargs: Any) -> Any:
            return attribute(*args, segments=self._segments, **kwargs)

        return with_segments

    def __repr__(self) -> str:
        return repr(self._estimator)

    def __sklearn_tags__(self) -> Tags:
        return get_tags(self._estimator)

    def __sklearn_is_fitted__(self) -> bool:
        try:
            check_is_fitted(self._estimator)
        except NotFittedError:
            return False
        return True
