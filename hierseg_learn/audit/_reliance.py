"""Exchange every node with other images and see what the model makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from ._groups import Groups, check_groups
from ._model import AuditedModel
from ._node_reliance import NodeReliance
from ._node_table import node_ids

NO_GROUPS = "all"


@validate_params(
    {
        "model": "no_validation",
        "X": "no_validation",
        "y": "no_validation",
        "groups": "no_validation",
        "nodes": "no_validation",
        "mute": ["boolean"],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "transformer": "no_validation",
        "segments": "no_validation",
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def node_reliance(
    model: Any,
    X: Any,
    y: Any,
    groups: Any = None,
    *,
    nodes: Sequence[int | str] | int | str | None = None,
    mute: bool = False,
    n_repeats: int = 5,
    transformer: Any = None,
    segments: Any = None,
    random_state: Any = None,
) -> NodeReliance:
    """Measure what a model's accuracy loses when single nodes come from other images.

    One node after the other is exchanged, with everything below it, between the images of X,
    whatever their classes; all columns of its ancestors are made anew, so that nothing of it stays
    readable there. An honest cue costs accuracy everywhere. A shortcut costs accuracy where it
    holds, and *gains* some in the groups in which it misleads.

    Parameters
    ----------
    model : Pipeline or classifier
        A fitted Pipeline that starts with a SegmentTreeTransformer, or any fitted classifier on the
        table of `transformer`.
    X : images, or the table of `transformer`
        At least two; best not what the model was fitted on.
    y : array-like of shape (n_samples,)
        The true classes.
    groups : array-like of shape (n_samples,) or (n_samples, n_columns), or DataFrame, default=None
        Group of every sample; the combinations of several columns are groups.
    nodes : int, str or list of int and str, default=None
        Which nodes, by id, path or unique short name. None takes all.
    mute : bool, default=False
        Whether every node is muted, too: absent, and gone from its ancestors. A classifier may take
        that for something that it has never seen, so that exchange is the fairer test.
    n_repeats : int, default=5
        How often every node is exchanged, each time with other donors.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.
    segments : array, list of arrays or list of paths, default=None
        Label maps of images, unless these bring their own.
    random_state : int, RandomState instance or None, default=None
        Seed of the donors. In every repeat all nodes have the same donors, and every image gives
        once and takes once.

    Returns
    -------
    reliance : NodeReliance

    Raises
    ------
    TypeError
        If the model has no transformer, or cannot predict.
    ValueError
        If lengths differ, a class or a group is missing, y holds a class that the model does not
        know, X is a single sample or a scaled or edited table, or a node is not in the tree.

    See Also
    --------
    find_shortcuts : Which nodes say more than they should, without a model.
    hierseg_learn.what_if.without_nodes : The same model without some nodes.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.audit import node_reliance
    >>> from hierseg_learn.datasets import make_portraits
    >>> portraits = make_portraits(100, signal="hair", strength=1.0, random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors="color"),
    ...     StandardScaler(),
    ...     LogisticRegression(),
    ... ).fit(X[:60], y[:60])
    >>> reliance = node_reliance(model, X[60:], y[60:], nodes=["hair", "clothes"], random_state=0)
    >>> (reliance.drop > 0.2).tolist()
    [True, False]
    """
    audited = AuditedModel.of(model, transformer)
    rows = audited.rows(X, segments)
    if len(rows) < 2:
        raise ValueError(f"X must hold at least two samples to exchange nodes, got {len(rows)}.")
    target = audited.check_classes(y, len(rows))
    tree = audited.exchange.tree
    chosen = list(range(tree.n_nodes)) if nodes is None else node_ids(tree, nodes, "nodes")
    found = (
        Groups((NO_GROUPS,), np.zeros(len(rows), dtype=np.intp))
        if groups is None
        else check_groups(groups, len(rows))
    )
    count = _CellCounter(target, found)
    rng = check_random_state(random_state)
    donors = [_donors(len(rows), rng) for _ in range(n_repeats)]
    return NodeReliance(
        tree,
        np.array(chosen, dtype=np.intp),
        found.labels,
        sizes=count.sizes,
        hits=count.hits(audited.predict(rows)),
        exchanged_hits=_exchanged(audited, rows, chosen, donors, count),
        muted_hits=_muted(audited, rows, chosen, count) if mute else None,
    )


def _exchanged(
    audited: AuditedModel,
    rows: np.ndarray,
    nodes: list[int],
    donors: list[np.ndarray],
    count: _CellCounter,
) -> np.ndarray:
    """Hits by node, repeat, group and class."""
    hits = np.empty((len(nodes), len(donors), *count.sizes.shape), dtype=np.int64)
    for i, node in enumerate(nodes):
        swapped = np.broadcast_to(
            audited.exchange.leaves(node), (len(rows), audited.exchange.tree.n_leaves)
        )
        for repeat, order in enumerate(donors):
            exchanged = audited.exchange.exchange(rows, rows[order], swapped)
            hits[i, repeat] = count.hits(audited.predict(exchanged))
    return hits


def _muted(
    audited: AuditedModel, rows: np.ndarray, nodes: list[int], count: _CellCounter
) -> np.ndarray:
    """Hits by node, group and class."""
    exchange = audited.exchange
    return np.stack(
        [count.hits(audited.predict(exchange.mute(rows, exchange.leaves(v)))) for v in nodes]
    )


def _donors(n_rows: int, rng: np.random.RandomState) -> np.ndarray:
    """For every row another one, each once."""
    order = rng.permutation(n_rows)
    donors = np.empty(n_rows, dtype=np.intp)
    donors[order] = np.roll(order, 1)
    return donors


class _CellCounter:
    """Counts right predictions by group and true class."""

    def __init__(self, target: np.ndarray, groups: Groups) -> None:
        self.target = target
        classes, codes = np.unique(target, return_inverse=True)
        self.shape = (len(groups), len(classes))
        self.cells = groups.codes * len(classes) + codes
        self.sizes = self._count(np.ones(len(target), dtype=bool))

    def hits(self, predicted: np.ndarray) -> np.ndarray:
        """Right predictions, (n_groups, n_classes)."""
        return self._count(self.target == predicted)

    def _count(self, flags: np.ndarray) -> np.ndarray:
        return np.bincount(self.cells[flags], minlength=self.shape[0] * self.shape[1]).reshape(
            self.shape
        )
