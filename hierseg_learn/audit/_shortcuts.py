"""Find the nodes that say more about the label than they should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from ..utils.labels import check_labels, check_same_kind
from ._evidence import (
    Evidence,
    context_evidence,
    drop_ancestors,
    fold_scores,
    solo_p_values,
    unbiased_evidence,
    unlabeled_evidence,
)
from ._metadata import find_metadata_shortcuts
from ._node_table import NodeTable, TableReader, node_ids
from ._shortcut_report import ShortcutReport
from ._solo import SoloNode, fit_solo, make_folds, read_classes


@validate_params(
    {
        "X": "no_validation",
        "y": "no_validation",
        "context": "no_validation",
        "unlabeled": "no_validation",
        "unbiased": "no_validation",
        "transformer": "no_validation",
        "tree": "no_validation",
        "images": "no_validation",
        "appearance_only": ["boolean"],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_permutations": [Interval(Integral, 20, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def find_shortcuts(
    X: Any,
    y: Any,
    *,
    context: Sequence[int | str] | int | str | None = None,
    unlabeled: Any = None,
    unbiased: tuple[Any, Any] | None = None,
    transformer: Any = None,
    tree: Any = "auto",
    images: Any = None,
    appearance_only: bool = True,
    alpha: float = 0.001,
    cv: int = 5,
    n_permutations: int = 200,
    random_state: Any = None,
) -> ShortcutReport:
    """Rank nodes by how much they say about the label against how much they should.

    No groups need to be known. That a node alone tells the classes apart is no fault: an honest cue
    does so, too, and training data alone cannot tell one from the other. It takes something more,
    and what there is decides how sure the answer can be:

    - nodes declared `context`, such as the background, should say nothing about the label: an alarm
      where their cross-validated solo accuracy is beyond chance;
    - `unlabeled` photos from where the model will be used: an alarm where the scores of a node
      agree less with those of the others than they do in training;
    - a few `unbiased` photos with labels: an alarm where the solo accuracy of a node drops on them;
    - nothing: nodes are ranked by their solo accuracy, as suspects, and no alarm is raised.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_columns), or images
        The training table. Images need `transformer`.
    y : array-like of shape (n_rows,)
        Their classes.
    context : int, str or list of int and str, default=None
        Nodes that should say nothing, by id, path or unique short name; everything below them is
        judged, too.
    unlabeled : table or images, default=None
        Photos from the place of use, with about the same mix of classes as in training.
    unbiased : tuple of (table or images, array-like), default=None
        Photos from the place of use, and their classes.
    transformer : SegmentTreeTransformer, default=None
        The fitted transformer that made the table; needed for images, and for a bare array.
    tree : "auto", "columns", dict or SegmentTree, default="auto"
        Where the nodes of the columns come from if there is no transformer, as in
        :class:`~hierseg_learn.HierarchicalMetricClassifier`.
    images : photos or SegmentedImages, default=None
        For a table: the photos that it was made of, so that the report says what their sizes,
        formats and label maps alone tell of the class, as `find_metadata_shortcuts` does. Of a
        table without photos it says what could not be checked.
    appearance_only : bool, default=True
        Whether presence, area and columns of the shape descriptor are left out. The outline of a
        background is that of what stands before it, so with them every background would be accused.
    alpha : float, default=0.001
        Probability that an alarm is raised though all nodes are as they should be.
    cv : int, default=5
        Number of stratified folds.
    n_permutations : int, default=200
        How often labels, or rows, are shuffled to see what chance gives.
    random_state : int, RandomState instance or None, default=None
        Seed of folds and shuffles.

    Returns
    -------
    report : ShortcutReport
        ``report.alarms`` are paths, as ``SegmentSwapSampler(nodes=...)`` takes
        them; ``report.ranking`` is the table of all nodes.

    Raises
    ------
    ValueError
        If there are fewer than two classes of at least five rows, columns differ, a node is not in
        the tree, or `unbiased` holds a class that y does not.
    TypeError
        If X is images and there is no transformer, or `unbiased` is no pair.

    See Also
    --------
    find_metadata_shortcuts : What sizes and formats of the files say, without the nodes.
    node_reliance : Whether a model uses a node; this function needs no model.

    Notes
    -----
    The solo accuracy is the cross-validated balanced accuracy of a linear discriminant with
    shrunken covariance, on the rows in which the node is present. Chance is measured: labels are
    permuted within folds, and an alarm means that the accuracy is ``norm.isf(alpha / n_judged)``
    standard deviations above the mean of the permuted ones. For two balanced classes and one
    declared node the binomial distribution would give ``0.5 + 1.5 / sqrt(n_rows)``; shuffling gives
    a little more, because folds share training rows and so err together. An inner node is accused
    only if nothing below it is. Alarms take `alpha` together; several kinds of evidence share it.

    Cost: linear in rows, quadratic in the columns of a node; memory for a few copies of the table.

    Examples
    --------
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.audit import find_shortcuts
    >>> from hierseg_learn.datasets import make_portraits
    >>> portraits = make_portraits(120, bias=0.95, random_state=0)
    >>> transformer = SegmentTreeTransformer(tree=portraits.tree, descriptors="color")
    >>> table = transformer.fit_transform(portraits.images)
    >>> find_shortcuts(table, portraits.target, random_state=0).alarms
    ()
    >>> report = find_shortcuts(table, portraits.target, context="background", random_state=0)
    >>> report.alarms
    ('portrait/background',)
    """
    reader = TableReader.of(X, transformer, tree, appearance_only)
    table = reader.read(X, "X")
    classes, codes = read_classes(y, len(table))
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=4)
    folds = make_folds(codes, cv, seeds[0])
    solos = _fit(table, codes, folds, n_permutations, seeds[1])
    kinds = [context is not None, unlabeled is not None, unbiased is not None]
    level = alpha / max(sum(kinds), 1)
    found = []
    if context is not None:
        declared = np.zeros(table.tree.n_nodes, dtype=bool)
        for node in node_ids(table.tree, context, "context"):
            declared[table.tree.subtree(node)] = True
        found.append(context_evidence(solos, declared, level))
    if unlabeled is not None:
        new = reader.read(unlabeled, "unlabeled")
        # as partners of others, nodes may tell by all they have
        whole = replace(table, columns=reader.layout.columns)
        partners = _fit(whole, codes, folds, 0, seeds[1])
        scores = (
            _new_scores(solos, new, folds, seeds[2]),
            _new_scores(partners, replace(new, columns=whole.columns), folds, seeds[2]),
        )
        found.append(
            unlabeled_evidence(solos, partners, table.tree, scores, level, n_permutations, seeds[3])
        )
    if unbiased is not None:
        new, new_codes = _check_unbiased(unbiased, reader, classes)
        scores = _new_scores(solos, new, folds, seeds[2])
        root = table.tree.root
        found.append(unbiased_evidence(solos, codes, scores, new_codes, root, level, seeds[3]))
    metadata = find_metadata_shortcuts(
        X if images is None else images,
        y,
        alpha=alpha,
        cv=cv,
        n_permutations=n_permutations,
        random_state=seeds[0],
    )
    return replace(_report(table, solos, found, alpha, level), metadata=metadata)


def _report(
    table: NodeTable,
    solos: list[SoloNode],
    found: list[Evidence],
    alpha: float,
    level: float,
) -> ShortcutReport:
    accused = np.zeros(len(solos), dtype=bool)
    for evidence in found:
        accused |= drop_ancestors(table.tree, evidence.accused(level))
    return ShortcutReport(
        table.tree,
        solo_accuracy=np.array([solo.accuracy for solo in solos]),
        chance=np.array([solo.chance for solo in solos]),
        solo_p_value=solo_p_values(solos),
        found=tuple(found),
        is_alarm=drop_ancestors(table.tree, accused),
        alpha=alpha,
        n_rows=len(table),
    )


def _fit(
    table: NodeTable, codes: np.ndarray, folds: np.ndarray, n_permutations: int, seed: int
) -> list[SoloNode]:
    return [
        fit_solo(table, node, codes, folds, n_permutations=n_permutations, seed=seed)
        for node in range(table.tree.n_nodes)
    ]


def _new_scores(
    solos: list[SoloNode], new: NodeTable, folds: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Scores of new rows by every node, each row by the models of one fold."""
    n_folds = int(folds.max()) + 1
    new_folds = np.random.default_rng(seed).permutation(np.arange(len(new)) % n_folds)
    return [fold_scores(solo, new, node, new_folds) for node, solo in enumerate(solos)]


def _check_unbiased(
    unbiased: Any, reader: TableReader, classes: np.ndarray
) -> tuple[NodeTable, np.ndarray]:
    """Table and codes of labeled photos."""
    if not isinstance(unbiased, tuple | list) or len(unbiased) != 2:
        raise TypeError(
            "unbiased must be a pair: photos or their table, and their classes; got "
            f"{type(unbiased).__name__}."
        )
    new = reader.read(unbiased[0], "unbiased[0]")
    labels = check_labels(unbiased[1], "unbiased[1]", len(new))
    check_same_kind(labels, "unbiased[1]", classes, "y holds")
    places = {label: code for code, label in enumerate(classes.tolist())}
    strange = [label for label in labels.tolist() if label not in places]
    if strange:
        raise ValueError(
            f"unbiased[1] holds the class {strange[0]!r}, which y does not; expected "
            f"{sorted(places, key=str)}."
        )
    return new, np.array([places[label] for label in labels.tolist()], dtype=np.intp)
