"""Which parts would have to be those of another image for another prediction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..utils._labels import class_code
from ._exchanged import Counterfactual
from ._model import FittedModel, one_row
from ._muted import open_model
from ._players import check_count, find_players
from ._search import SubsetSearch


def counterfactual(
    model: Any,
    x: Any,
    target: Any = None,
    *,
    transformer: Any = None,
    level: int | None = None,
    keep: int | str | Iterable[int | str] = (),
    max_donors: int = 10,
    max_nodes: int | None = None,
    max_evaluations: int = 5000,
) -> Counterfactual:
    """Find the fewest parts which, exchanged with those of a training image, change a prediction.

    The search runs on the table: exchanged parts come from the row of a real training image, and
    every node above them is made anew. Donors are training images of the target class, the nearest
    first, those that the model itself takes for it before all others. Sets are tried by size: every
    single part of every donor, then every pair, and so on as long as that fits into
    `max_evaluations`; beyond, pairs and triples of the parts whose single exchange shifts the
    distances most towards the target, and at last, donor by donor, one part after the other.

    Parameters
    ----------
    model : Pipeline, HierarchicalMetricClassifier or MutedClassifier
        A fitted Pipeline of a SegmentTreeTransformer and a HierarchicalMetricClassifier, such a
        classifier on the table of `transformer`, or either without some parts.
    x : one image, or one row of the table if `model` is a classifier
        An array, ``images[i]`` of SegmentedImages, or a collection of one.
    target : object, default=None
        The class that is wanted; None takes any other than the predicted one.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.
    level : int, default=None
        Depth of the nodes that are exchanged, 1 for the children of the root; a leaf higher up
        stands for itself. None exchanges leaves.
    keep : int, str or list of int and str, default=()
        Nodes that stay as they are, with everything below them.
    max_donors : int, default=10
        Number of training images to take parts from.
    max_nodes : int, default=None
        Most nodes in a set; None allows all.
    max_evaluations : int, default=5000
        Most sets that are tried, over all donors.

    Returns
    -------
    found : Counterfactual
        The exchanged nodes, the donor, both predictions; and the composed picture on request.

    Raises
    ------
    LookupError
        If no set that was tried changes the prediction.
    ValueError, TypeError
        If the model or an argument is not what it should be, or `target` is predicted already.

    See Also
    --------
    without_nodes : The model without some parts.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.what_if import counterfactual
    >>> portraits = make_portraits(80, signal=("hair",), strength=1.0, random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree, descriptors=["color", "lbp"]),
    ...     HierarchicalMetricClassifier(random_state=0),
    ... ).fit(X, y)
    >>> found = counterfactual(model, X[0])
    >>> found.paths
    ('portrait/person/head/hair',)
    >>> donor = X[found.donor]
    >>> picture, mask = found.compose(*X[0], *donor)
    >>> picture.shape, picture.dtype
    ((48, 40, 3), dtype('uint8'))
    """
    fitted, to_rows = open_model(model, transformer)
    for name, value in (("max_donors", max_donors), ("max_evaluations", max_evaluations)):
        check_count(value, name)
    row = one_row(fitted, x, "x", to_rows)
    proba = fitted.proba(row)[0]
    old = int(proba.argmax())
    wanted = _code(fitted, target, old)
    nodes = find_players(fitted, level, keep)
    max_nodes = len(nodes) if max_nodes is None else check_count(max_nodes, "max_nodes")
    below = np.stack([fitted.exchange.leaves(int(node)) for node in nodes])

    table = fitted.training_rows()
    donors = _donors(fitted, row, table, wanted, old)[:max_donors]
    lead_of = _lead(fitted, row, table, wanted, old)
    leaf_presence = fitted.presence_columns()[fitted.tree.leaves]
    there = table[np.ix_(donors, leaf_presence)] + row[:, leaf_presence] > 0

    def exchanged(which: np.ndarray, sets: np.ndarray) -> np.ndarray:
        return fitted.exchange.exchange(row, table[donors[which]], sets @ below)

    def evaluate(which: np.ndarray, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = exchanged(which, sets)
        return fitted.proba(rows), lead_of(rows)

    def wins(probas: np.ndarray) -> np.ndarray:
        codes = probas.argmax(axis=1)
        return codes != old if wanted is None else codes == wanted

    search = SubsetSearch(evaluate, wins, there @ below.T, max_evaluations)
    found = search.run(min(max_nodes, len(nodes)))
    classes = fitted.classifier.classes_
    if found is None:
        goal = "anything else" if wanted is None else classes[wanted]
        raise LookupError(
            f"No exchange of up to {max_nodes} of {len(nodes)} nodes with one of {len(donors)} "
            f"training images turns the prediction {classes[old]} into {goal}; "
            f"{search.n_evaluations} were tried. Raise max_donors, max_nodes or max_evaluations."
        )
    donor = int(donors[found.donor])
    return Counterfactual(
        tree=fitted.tree,
        nodes=tuple(int(node) for node in nodes[found.players]),
        donor=donor,
        donor_class=classes[fitted.codes[donor]],
        classes=classes,
        proba=proba,
        new_proba=found.proba,
        n_evaluations=search.n_evaluations,
        smallest=bool(search.all_tried >= found.players.sum() - 1),
        row=fitted.to_table(exchanged(np.array([found.donor]), found.players[np.newaxis])),
    )


def _code(fitted: FittedModel, target: Any, old: int) -> int | None:
    """Position of the target among the classes."""
    if target is None:
        return None
    code = class_code(target, "target", fitted.classifier.classes_)
    if code == old:
        raise ValueError(
            f"target={target!r} is what the model predicts for x already; expected another class."
        )
    return code


def _nearest(
    fitted: FittedModel, row: np.ndarray, table: np.ndarray, wanted: int | None, old: int
) -> np.ndarray:
    """Training rows of the wanted class, or of any but the old one, nearest first."""
    candidates = np.flatnonzero(_is_wanted(fitted.codes, wanted, old))
    squared = _squared(fitted, row, table[candidates])[0]
    return candidates[np.argsort(squared, kind="stable")]


def _donors(
    fitted: FittedModel, row: np.ndarray, table: np.ndarray, wanted: int | None, old: int
) -> np.ndarray:
    """Those of them first that the model gives their class: to be all of one of them is enough."""
    candidates = _nearest(fitted, row, table, wanted, old)
    codes = fitted.proba(table[candidates]).argmax(axis=1)
    return candidates[np.argsort(codes != fitted.codes[candidates], kind="stable")]


def _lead(
    fitted: FittedModel, row: np.ndarray, table: np.ndarray, wanted: int | None, old: int
) -> Any:
    """How much nearer rows are to wanted classes than to the old one: a contrast of distances.

    Both sets of neighbours are those of the row before any exchange, so that the contrast of an
    exchange is a difference of contributions.
    """
    n_neighbors = fitted.classifier.n_neighbors
    sides = [
        table[_nearest(fitted, row, table, wanted, old)[:n_neighbors]],
        table[_nearest(fitted, row, table, old, -1)[:n_neighbors]],
    ]

    def lead(rows: np.ndarray) -> np.ndarray:
        towards, away = (_squared(fitted, rows, side).mean(axis=1) for side in sides)
        return away - towards

    return lead


def _is_wanted(codes: np.ndarray, wanted: int | None, old: int) -> np.ndarray:
    return codes != old if wanted is None else codes == wanted


def _squared(fitted: FittedModel, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances in the root metric, (n_rows, n_others)."""
    a, b = (side.astype(np.float64) @ fitted.components().T for side in (rows, others))
    return ((a[:, np.newaxis] - b) ** 2).sum(axis=-1)
