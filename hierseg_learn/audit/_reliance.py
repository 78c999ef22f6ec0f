"""Exchange every node with other images and see what the model makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
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

    An exchange disturbs more than the node: it comes with the area and the outline that it has in
    the donor, so that areas no longer add up, and its ancestors are mixtures that no photo has.
    A model may stumble over that even if the node carries nothing. So every node is also exchanged
    between images of the same class (and group), where what it says about the class stays and only
    the disturbance is new; the node is worth what the free exchange costs *beyond* that, and it is
    named only if this excess is larger than its standard error can explain.

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
    alike = np.zeros(len(rows), dtype=np.intp)
    free = np.stack([_donors(alike, rng) for _ in range(n_repeats)])
    within = np.stack([_donors(count.cells, rng) for _ in range(n_repeats)])
    exchanged, baseline, errors, cell_errors = [], [], [], []
    for node in chosen:
        flags = [_exchanged(audited, rows, target, node, donors) for donors in (free, within)]
        exchanged.append([count.hits(flag) for flag in flags[0]])
        baseline.append([count.hits(flag) for flag in flags[1]])
        error = partial(_standard_error, *flags, free, within)
        errors.append(error(np.ones(len(rows), dtype=bool)))
        cell_errors.append([error(count.cells == cell) for cell in range(count.sizes.size)])
    return NodeReliance(
        tree,
        np.array(chosen, dtype=np.intp),
        found.labels,
        sizes=count.sizes,
        hits=count.hits(target == audited.predict(rows)),
        exchanged_hits=np.array(exchanged),
        baseline_hits=np.array(baseline),
        errors=np.array(errors),
        cell_errors=np.reshape(cell_errors, (len(chosen), *count.sizes.shape)),
        muted_hits=_muted(audited, rows, chosen, count) if mute else None,
    )


def _exchanged(
    audited: AuditedModel, rows: np.ndarray, target: np.ndarray, node: int, donors: np.ndarray
) -> np.ndarray:
    """Whether every row gets its class with a node of its donor, (n_repeats, n_rows) bool."""
    leaves = audited.exchange.leaves(node)
    swapped = np.broadcast_to(leaves, (len(rows), audited.exchange.tree.n_leaves))
    return np.stack(
        [
            target == audited.predict(audited.exchange.exchange(rows, rows[order], swapped))
            for order in donors
        ]
    )


def _standard_error(
    exchanged: np.ndarray,
    baseline: np.ndarray,
    free: np.ndarray,
    within: np.ndarray,
    counted: np.ndarray,
) -> float:
    """Standard error of what exchanging freely costs beyond exchanging within classes.

    An image counts as a receiver and as a donor, so its influence on the mean is the sum of both;
    the mean is over the rows that are `counted`, (n_rows,) bool.
    """
    n_repeats, n_rows = exchanged.shape
    if not counted.any():
        return np.nan
    weights = counted / counted.sum()
    lost = baseline.mean(axis=0) - exchanged.mean(axis=0)
    influence = weights * (lost - weights @ lost)
    for sign, flags, donors in ((-1, exchanged, free), (1, baseline, within)):
        # a receiver's own mean is not its donors' doing
        own = flags.mean(axis=0) if n_repeats > 1 else weights @ flags[0]
        for flag, order in zip(flags, donors):
            pushed = np.bincount(order, weights * (flag - own), minlength=n_rows)
            influence += sign * pushed / n_repeats
    return float(np.sqrt(np.sum(influence**2)))


def _muted(
    audited: AuditedModel, rows: np.ndarray, nodes: list[int], count: _CellCounter
) -> np.ndarray:
    """Hits by node, group and class."""
    exchange = audited.exchange
    muted = (exchange.mute(rows, exchange.leaves(node)) for node in nodes)
    return np.stack([count.hits(count.target == audited.predict(row)) for row in muted])


def _donors(cells: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """For every row another one of its cell, each once; a row that is alone gives to itself."""
    donors = np.empty(len(cells), dtype=np.intp)
    for cell in np.unique(cells):
        order = rng.permutation(np.flatnonzero(cells == cell))
        donors[order] = np.roll(order, 1)
    return donors


class _CellCounter:
    """Counts right predictions by group and true class."""

    def __init__(self, target: np.ndarray, groups: Groups) -> None:
        self.target = target
        classes, codes = np.unique(target, return_inverse=True)
        self.shape = (len(groups), len(classes))
        self.cells = groups.codes * len(classes) + codes
        self.sizes = self.hits(np.ones(len(target), dtype=bool))

    def hits(self, flags: np.ndarray) -> np.ndarray:
        """Rows that are flagged, (n_groups, n_classes)."""
        return np.bincount(self.cells[flags], minlength=self.shape[0] * self.shape[1]).reshape(
            self.shape
        )
