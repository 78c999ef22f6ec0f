"""Worst-group accuracy, as a metric and as a scorer that asks for groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import MetadataRequest

from ..utils.labels import check_truth
from ._group_report import check_groups


def worst_group_accuracy_score(
    y_true: Any, y_pred: Any, *, groups: Any, by_class: bool = True
) -> float:
    """Accuracy in the group in which it is lowest.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted classes.
    groups : array-like of shape (n_samples,) or (n_samples, n_columns), or DataFrame
        Group of every sample; the combinations of several columns are groups.
    by_class : bool, default=True
        Whether every group is taken apart by true class first, as is usual for spurious cues [1]_:
        in a group where most are of one class, a model that always names it would look good.
        Groups that are combined with the class already stay as they are.

    Returns
    -------
    accuracy : float
        Over the groups (or their cells by class) that have any sample.

    Raises
    ------
    ValueError
        If lengths differ, there is no sample, a class or a group is missing, or the classes are of
        two kinds, such as text and numbers.

    See Also
    --------
    group_report : All groups, with intervals.
    worst_group_accuracy : The same as a scorer.

    References
    ----------
    .. [1] S. Sagawa, P. W. Koh, T. B. Hashimoto, P. Liang. "Distributionally Robust Neural
       Networks for Group Shifts". ICLR, 2020.

    Examples
    --------
    >>> from hierseg_learn.audit import worst_group_accuracy_score
    >>> y_true = ["boat", "boat", "boat", "car"]
    >>> y_pred = ["boat", "car", "boat", "car"]
    >>> groups = ["water", "land", "water", "land"]
    >>> worst_group_accuracy_score(y_true, y_pred, groups=groups)
    0.0
    >>> worst_group_accuracy_score(y_true, y_pred, groups=groups, by_class=False)
    0.5
    """
    y_true, y_pred = check_truth(y_true, y_pred)
    found = check_groups(groups, len(y_true))
    cells = found.codes
    if by_class:
        classes, codes = np.unique(y_true, return_inverse=True)
        cells = cells * len(classes) + codes
    sizes = np.bincount(cells)
    hits = np.bincount(cells, weights=y_true == y_pred)
    return float((hits[sizes > 0] / sizes[sizes > 0]).min())


def worst_group_scorer(*, by_class: bool = True) -> Any:
    """Make a scorer for the accuracy in the worst group.

    Parameters
    ----------
    by_class : bool, default=True
        Whether every group is taken apart by true class first.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, groups=groups)``. As `scoring` of
        :class:`~sklearn.model_selection.GridSearchCV` or
        :func:`~sklearn.model_selection.cross_validate` it asks for ``groups`` among the metadata,
        for which metadata routing has to be enabled; nothing else is to be requested. It can be
        pickled and copied, and goes into :func:`~hierseg_learn.model_selection.segment_scorer`.

    See Also
    --------
    worst_group_accuracy : Ready-made, with the default.
    worst_group_accuracy_score : The metric.

    Examples
    --------
    >>> from sklearn import config_context
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from hierseg_learn.audit import worst_group_scorer
    >>> X, y, groups = [[0], [1]] * 20, [0, 1] * 20, [0, 0, 1, 1] * 10
    >>> with config_context(enable_metadata_routing=True):
    ...     scores = cross_val_score(
    ...         LogisticRegression(),
    ...         X,
    ...         y,
    ...         scoring=worst_group_scorer(),
    ...         params={"groups": groups},
    ...         cv=2,
    ...     )
    >>> scores.tolist()
    [1.0, 1.0]
    """
    return _WorstGroupScorer(by_class)


class _WorstGroupScorer:
    """A scorer that asks for groups."""

    def __init__(self, by_class: bool) -> None:
        self._by_class = by_class

    def __call__(self, estimator: Any, X: Any, y_true: Any, *, groups: Any = None) -> float:
        if groups is None:
            raise ValueError(
                "The scorer of worst-group accuracy got no groups. Pass them on as metadata: "
                "enable routing with sklearn.set_config(enable_metadata_routing=True), then "
                "search.fit(X, y, groups=groups) or cross_validate(..., params={'groups': groups})."
            )
        return worst_group_accuracy_score(
            y_true, estimator.predict(X), groups=groups, by_class=self._by_class
        )

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what the scorer wants to be handed in ``score``."""
        request = MetadataRequest(owner="worst_group_accuracy")
        request.score.add_request(param="groups", alias=True)
        return request

    def __repr__(self) -> str:
        return f"worst_group_scorer(by_class={self._by_class})"


worst_group_accuracy = _WorstGroupScorer(by_class=True)
"""Scorer of the accuracy in the worst group by class; see `worst_group_scorer`."""
