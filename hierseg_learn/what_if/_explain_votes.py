"""What every part adds to the votes, by taking out all sets of parts."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from ..explain import VotesExplanation, shapley_values
from ..explain.shapley import MAX_PLAYERS, all_coalitions
from ..fitted.model import FittedModel, one_row
from ..transformer.describe import OWN_COLUMNS
from ..utils.labels import class_code
from ._ablation import open_model


class Leaves(NamedTuple):
    """Areas, (n_leaves,), and sums, (n_leaves, n_sums), of the leaves of one image."""

    area: np.ndarray
    sums: np.ndarray


def map_coalitions(
    fitted: FittedModel, row: np.ndarray, donor: np.ndarray | None, players: np.ndarray
) -> np.ndarray:
    """Map the rows in which only the players of a coalition are those of the sample.

    The map of a row is a sum over nodes, and the columns of a node depend on the players below it
    only: a node above k of p players is made anew for 2 ** k coalitions, not for all 2 ** p.

    Shapes: `row` (1, n_columns), `donor` (1, n_columns), `players` (n_players, n_leaves) bool.
    Returns `mapped` (2 ** n_players, n_components) float64: coalitions in the order of
    `all_coalitions`.
    """
    describer, tree = fitted.exchange.describer, fitted.tree
    mine = Leaves(*(values[0] for values in describer.leaves_of_rows(row)))
    theirs = Leaves(np.zeros_like(mine.area), np.zeros_like(mine.sums))
    if donor is not None:
        theirs = Leaves(*(values[0] for values in describer.leaves_of_rows(donor)))
    components = fitted.components()
    starts = np.searchsorted(fitted.exchange.column_nodes, np.arange(tree.n_nodes + 1))
    kept = all_coalitions(len(players))
    mapped = np.zeros((len(kept), len(components)))
    for node in range(tree.n_nodes):
        below = np.isin(tree.leaves, tree.subtree(node))
        involved = np.flatnonzero((players & below).any(axis=1))
        direct = slice(starts[node], starts[node + 1])
        columns = _columns(fitted, mine, theirs, players[involved] & below, below)
        described = columns.shape[1] if describer.described()[node] else len(OWN_COLUMNS)
        columns = columns[:, :described]
        fill = np.broadcast_to(fitted.exchange.fill_values[direct], columns.shape)
        columns = np.where(np.isnan(columns), fill, columns)
        place = kept[:, involved] @ (1 << np.arange(len(involved)))
        mapped += (columns @ components[:, direct].T)[place]
    return mapped


def _columns(
    fitted: FittedModel, mine: Leaves, theirs: Leaves, players: np.ndarray, below: np.ndarray
) -> np.ndarray:
    """All columns that a node may have, for every coalition of the players below it."""
    kept = all_coalitions(len(players)) if len(players) else np.zeros((1, 0), dtype=bool)
    always = (below & ~players.any(axis=0)).astype(np.float64)
    from_mine = kept @ players.astype(np.float64) + always
    from_theirs = ~kept @ players.astype(np.float64)
    return fitted.exchange.describer.node_columns(
        from_mine @ mine.area + from_theirs @ theirs.area,
        from_mine @ mine.sums + from_theirs @ theirs.sums,
    )


def find_players(
    fitted: FittedModel, level: int | None, keep: int | str | Iterable[int | str] = ()
) -> np.ndarray:
    """Find the nodes that may be taken out or exchanged, each as a whole.

    Returns `nodes` (n_players,) int.
    """
    tree = fitted.tree
    if level is None:
        nodes = tree.leaves
    else:
        check_count(level, "level")
        nodes = np.flatnonzero((tree.depths == level) | (tree.is_leaf & (tree.depths < level)))
    kept = fitted.exchange.leaves(keep)
    free = [node for node in nodes if not (fitted.exchange.leaves(int(node)) & kept).any()]
    if not free:
        raise ValueError(f"keep={keep!r} leaves no node to exchange at level={level}.")
    return np.array(free, dtype=np.intp)


def check_count(value: Any, name: str) -> int:
    """Return an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def explain_votes(
    model: Any,
    x: Any,
    target: Any = None,
    *,
    transformer: Any = None,
    donors: Any = None,
    level: int | None = None,
) -> VotesExplanation:
    r"""Say what every part adds to the share of the votes for a class.

    All sets of parts are taken out, the columns of all nodes above them are made anew, and the
    model is asked every time. It is the explanation to use where the question is what the
    *decision* would be without a part; `explain_contrast` says what the *distances* consist of.

    Parameters
    ----------
    model : Pipeline, HierarchicalMetricClassifier or AblatedClassifier
        A fitted Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier, such a
        classifier on the table of `transformer`, or either without some parts.
    x : one image, or one row of the table if `model` is a classifier
        An array, ``images[i]`` of SegmentedImages, or a collection of one.
    target : object, default=None
        The class; None takes the predicted one.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.
    donors : images, or rows of the table, default=None
        Images like those of `fit`, whose parts take the place of those that are taken out, one
        donor at a time; the worth of a set is the mean over the donors. None mutes parts instead:
        they are unlabeled, as with :func:`ablate_nodes`.
    level : int, default=None
        Depth of the nodes that are taken out, 1 for the children of the root; a leaf higher up
        stands for itself. None takes leaves.

    Returns
    -------
    explanation : VotesExplanation
        Its contributions sum to the share of the votes with all parts minus the one without any.

    Raises
    ------
    ValueError
        If the image has more than 16 of these nodes, or an argument is not what it should be.
    TypeError
        If the model is of another kind.

    See Also
    --------
    HierarchicalMetricClassifier.explain_contrast : Contributions to distances, in closed form.
    hierseg_learn.explain.shapley_values : The same for any score.

    Notes
    -----
    With N the parts that the sample has, and :math:`v(S)` the share of the votes when those of
    S are its own, part j gets its Shapley value [1]_

    .. math::
        \varphi_j = \sum_{S \subseteq N \setminus j}
        \frac{|S|! \, (|N| - |S| - 1)!}{|N|!} \, [v(S \cup j) - v(S)].

    SHAP [2]_ estimates these numbers for any model, from a sample of the sets. Here the metric
    is linear: the map of a row is the sum of the maps of its nodes, and a node above k parts
    has :math:`2^k` forms, so that all :math:`2^{|N|}` sets together cost about as much as a
    batch of predictions.

    References
    ----------
    .. [1] L. S. Shapley. "A Value for n-Person Games". Contributions to the Theory of Games II,
       1953.
    .. [2] S. M. Lundberg, S.-I. Lee. "A Unified Approach to Interpreting Model Predictions".
       NeurIPS, 2017.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.what_if import explain_votes
    >>> portraits = make_portraits(80, signal=("hair",), strength=1.0, random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors=["color", "lbp"]),
    ...     HierarchicalMetricClassifier(random_state=0),
    ... ).fit(X, y)
    >>> votes = explain_votes(model, X[0])
    >>> votes.to_frame()["direct"].idxmax()
    'portrait/person/head/hair'
    """
    fitted, to_rows = open_model(model, transformer)
    row = one_row(fitted, x, "x", to_rows)
    given = None if donors is None else to_rows(donors, None, "donors")
    present = row[0, fitted.presence_columns()] > 0
    nodes = _present_players(fitted, level, present)
    players = np.stack([fitted.exchange.leaves(int(node)) for node in nodes])
    players &= present[fitted.tree.leaves]
    donor_rows = [None] if given is None else [given[[i]] for i in range(len(given))]
    scores = np.mean([_proba(fitted, row, donor, players) for donor in donor_rows], axis=0)
    code = (
        int(scores[-1].argmax())
        if target is None
        else class_code(target, "target", fitted.classifier.classes_)
    )
    direct = np.zeros(fitted.tree.n_nodes)
    direct[nodes] = shapley_values(lambda kept: scores[:, code], len(nodes))
    return VotesExplanation(
        fitted.tree,
        direct,
        label=fitted.classifier.classes_[code],
        scores=scores[:, code],
        players=nodes,
        removal="mute" if donors is None else "exchange",
        present=present,
    )


def _present_players(fitted: FittedModel, level: int | None, present: np.ndarray) -> np.ndarray:
    nodes = find_players(fitted, level)
    nodes = nodes[present[nodes]]
    if not 1 <= len(nodes) <= MAX_PLAYERS:
        hint = "; pass a lower level" if len(nodes) else ": it has no labeled pixel"
        raise ValueError(
            f"x has {len(nodes)} nodes to take out, expected 1 to {MAX_PLAYERS}, since all sets "
            f"of them are tried{hint}."
        )
    return nodes


def _proba(
    fitted: FittedModel, row: np.ndarray, donor: np.ndarray | None, players: np.ndarray
) -> np.ndarray:
    """Shares of the votes for every coalition, (2 ** n_players, n_classes)."""
    mapped = map_coalitions(fitted, row, donor, players)
    return fitted.classifier._decide().proba_of_mapped(mapped)
