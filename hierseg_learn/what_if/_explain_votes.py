"""What parts add to the probability of a class, by ablating or swapping all sets of parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..explain import VotesExplanation, shapley_values
from ..explain.shapley import MAX_PLAYERS, all_coalitions
from ..fitted.model import FittedModel
from ..transformer.describe import OWN_COLUMNS, fill_missing
from ..utils.labels import class_code
from ..utils.numbers import check_integer


def map_coalitions(
    fitted: FittedModel, row: np.ndarray, donor: np.ndarray | None, players: np.ndarray
) -> np.ndarray:
    """Map the rows in which only the players of a coalition, (n_players, n_leaves), are the row's.

    A node above k of p players is recomputed for 2 ** k coalitions, not for all 2 ** p. Returns
    (2 ** n_players, n_components) float64: coalitions in the order of `all_coalitions`.
    """
    editor = fitted.editor
    describer, tree = editor.describer, editor.tree
    # area, (n_leaves,), and sums, (n_leaves, n_sums), of the leaves of the sample and the donor
    mine = [values[0] for values in describer.leaves_of_rows(row)]
    theirs = [np.zeros_like(values) for values in mine]
    if donor is not None:
        theirs = [values[0] for values in describer.leaves_of_rows(donor)]
    starts = [*editor.presence_columns, len(editor.column_nodes)]
    kept = all_coalitions(len(players))
    mapped = 0.0
    for node in range(tree.n_nodes):
        below = np.isin(tree.leaves, tree.subtree(node))
        involved = np.flatnonzero((players & below).any(axis=1))
        direct = slice(starts[node], starts[node + 1])
        columns = _node_columns(fitted, mine, theirs, players[involved] & below, below)
        described = columns.shape[1] if describer.described()[node] else len(OWN_COLUMNS)
        columns = fill_missing(columns[:, :described], editor.fill_values[direct])
        place = kept[:, involved] @ (1 << np.arange(len(involved)))
        mapped = mapped + fitted.embed_columns(columns, direct)[place]
    return mapped


def _node_columns(
    fitted: FittedModel,
    mine: list[np.ndarray],
    theirs: list[np.ndarray],
    players: np.ndarray,
    below: np.ndarray,
) -> np.ndarray:
    """All columns that a node may have, for every coalition of the players below it."""
    kept = all_coalitions(len(players)) if len(players) else np.zeros((1, 0), dtype=bool)
    always = (below & ~players.any(axis=0)).astype(np.float64)
    from_mine = kept @ players.astype(np.float64) + always
    from_theirs = ~kept @ players.astype(np.float64)
    return fitted.editor.describer.node_columns(
        *(from_mine @ a + from_theirs @ b for a, b in zip(mine, theirs))
    )


def find_players(
    fitted: FittedModel, level: int | None, keep: int | str | Iterable[int | str] = ()
) -> np.ndarray:
    """Find the nodes that may be ablated or swapped, each as a whole, (n_players,) int."""
    editor, tree = fitted.editor, fitted.editor.tree
    if level is None:
        nodes = tree.leaves
    else:
        check_integer(level, "level")
        nodes = np.flatnonzero((tree.depths == level) | (tree.is_leaf & (tree.depths < level)))
    kept = editor.leaves(keep)
    free = [node for node in nodes if not (editor.leaves(int(node)) & kept).any()]
    if not free:
        raise ValueError(f"keep={keep!r} leaves no node to swap at level={level}.")
    return np.array(free, dtype=np.intp)


def explain_votes(
    model: Any,
    x: Any,
    target: Any = None,
    *,
    transformer: Any = None,
    donors: Any = None,
    level: int | None = None,
) -> VotesExplanation:
    r"""Attribute the probability of a class, by votes or distances, to the parts.

    Every set of parts is ablated or swapped, the columns of all nodes above it are recomputed, and
    the model predicts. Use this explanation if the question is what the *decision* would be without
    a part; `explain_contrast` explains what the *distances* consist of.

    Parameters
    ----------
    model, x
        A fitted model and one image or row, as for :func:`counterfactual`.
    target : object, default=None
        The class; None takes the predicted one.
    transformer : SegmentTreeTransformer, default=None
        As for :func:`counterfactual`.
    donors : images, or rows of the table, default=None
        Images like those of `fit`, with whose parts those of x are swapped, one donor at a time;
        the worth of a set is the mean over the donors. None ablates parts instead: they are
        unlabeled, as in :class:`AblatedClassifier`.
    level : int, default=None
        Depth of the nodes that are ablated or swapped, 1 for the children of the root; a leaf
        higher up stands for itself. None takes leaves.

    Returns
    -------
    explanation : VotesExplanation
        Its contributions sum to the probability with all parts minus that without any.

    Raises
    ------
    ValueError
        If the image has more than 16 of these nodes, or an argument is invalid.
    TypeError
        If the model is of another kind.

    See Also
    --------
    hierseg_learn.HierarchicalMetricClassifier.explain_contrast : Contributions to distances.
    hierseg_learn.explain.shapley_values : The same for any score.

    Notes
    -----
    A part gets its Shapley value [1]_, as in :func:`~hierseg_learn.explain.shapley_values`. SHAP
    estimates these values for any model, from a sample of the sets. Here the metric is linear in
    the columns of the nodes, or in their embeddings: the map of a row is the sum of the maps of its
    nodes, and a node above k parts has only :math:`2^k` versions, so that all sets of n parts,
    :math:`2^n`, cost about as much as a batch of predictions.

    References
    ----------
    .. [1] L. S. Shapley. "A Value for n-Person Games". Contributions to the Theory of Games II,
       1953.

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
    fitted = FittedModel.from_estimator(model, transformer, needs="parts", explains=True)
    editor, classes = fitted.editor, fitted.classifier.classes_
    row = fitted.one_row(x)
    donor_rows = [None] if donors is None else fitted.rows(donors, name="donors")[:, np.newaxis]
    present = row[0, editor.presence_columns] > 0
    nodes = find_players(fitted, level)
    nodes = nodes[present[nodes]]
    if not 1 <= len(nodes) <= MAX_PLAYERS:
        hint = "; pass a lower level" if len(nodes) else ": it has no labeled pixel"
        raise ValueError(
            f"x has {len(nodes)} nodes to ablate or swap, expected 1 to {MAX_PLAYERS}, since all "
            f"sets of them are evaluated{hint}."
        )
    players = np.stack([editor.leaves(int(node)) for node in nodes]) & present[editor.tree.leaves]
    mapped = (map_coalitions(fitted, row, donor, players) for donor in donor_rows)
    scores = np.mean([fitted.proba_of_mapped(values) for values in mapped], axis=0)
    code = int(scores[-1].argmax())
    if target is not None:
        code = class_code(target, "target", classes)
    direct = np.zeros(editor.tree.n_nodes)
    direct[nodes] = shapley_values(lambda kept: scores[:, code], len(nodes))
    return VotesExplanation(
        editor.tree,
        direct,
        label=classes[code],
        scores=scores[:, code],
        players=nodes,
        removal="ablate" if donors is None else "swap",
        present=present,
    )
