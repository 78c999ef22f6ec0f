"""Mute parts of a model that is fitted already."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from sklearn.frozen import FrozenEstimator

from ._muted import MutedClassifier


def without_nodes(
    model: Any,
    nodes: int | str | Iterable[int | str],
    *,
    transformer: Any = None,
    images: Any = None,
    segments: Any = None,
) -> MutedClassifier:
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
        gradients, binary patterns and patches of its neighbours still see it from across the
        border.
    segments : array, list of arrays or list of paths, default=None
        Label maps of `images`, unless these bring their own.

    Returns
    -------
    muted : MutedClassifier
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
    >>> from hierseg_learn.what_if import without_nodes
    >>> portraits = make_portraits(80, signal=("hair",), strength=1.0, random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors=["color", "lbp"]),
    ...     HierarchicalMetricClassifier(combination="weighted", random_state=0),
    ... ).fit(X, y)
    >>> bald = without_nodes(model, "hair", images=X)
    >>> bald.muted_
    ('portrait/person/head/hair',)
    >>> model.score(X, y), bool(bald.score(X, y) < 0.9)
    (1.0, True)
    """
    if transformer is not None and not isinstance(transformer, FrozenEstimator):
        transformer = FrozenEstimator(transformer)
    nodes = nodes if isinstance(nodes, int | str) else list(nodes)
    muted = MutedClassifier(model, nodes, transformer=transformer, hide_pixels=images is not None)
    return muted._mute(deepcopy(model), images, segments)
