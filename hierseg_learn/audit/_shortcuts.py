"""Nodes that predict the class and should not: search and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_params

from ..explain.words import enumerate_words, node_labels
from ..metrics.canonical import canonical_order
from ..tree import SegmentTree
from ..utils.labels import check_labels, check_same_kind
from ..utils.numbers import MISSING, number, probability
from ._base import AuditReport, Table, draw_ranking
from ._evidence import (
    MAX_P_VALUE,
    Evidence,
    context_evidence,
    drop_ancestors,
    fold_scores,
    solo_p_values,
    unbiased_evidence,
    unlabeled_evidence,
)
from ._metadata import TEST_PARAMS, MetadataReport, find_metadata_shortcuts
from ._solo import NodeTable, SoloNode, TableReader, fit_solo, make_folds, node_ids, read_classes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FLAGGED, NOT_FLAGGED, EITHER = "flagged", "not flagged", "one of two"
CANDIDATE, UNINFORMATIVE = "candidate", "uninformative"
# candidates that a sentence names
N_NAMED = 3

CERTAINTY = {
    "context": (
        "Declared context should not predict the class. The result is as certain as the "
        "declaration: a flag means that the look of the node is associated with the class in "
        "training, not that a model uses it. Descriptors that look across borders (gradients, "
        "patterns, patches) also describe the borders of neighboring parts: describe images with "
        "erosion=, or the information of the neighbors is found here. Nodes that were not declared "
        "were not tested."
    ),
    "unlabeled": (
        "A flag means that a leaf no longer agrees with the others at the place of use. This takes "
        "about the same class proportions as in training, and at least two informative leaves: "
        "with one, it is unknown which of the two stopped agreeing. A shortcut that also holds at "
        "the place of use is not found, and does no harm there."
    ),
    "unbiased": (
        "A flag means that a node predicts the class worse on the labeled photos than on held-out "
        "training rows. This is the most certain evidence; few photos find strong shortcuts only, "
        "and a node that merely looks different there is flagged as well."
    ),
}
GENERAL = (
    "Most leaves agree less with each other in the photos without labels than in training, so "
    "these differ in another way, such as the class proportions, and no leaf is flagged."
)
NO_EVIDENCE = (
    "Training data alone cannot tell a shortcut from an informative node: these nodes predict the "
    "class, perhaps rightly, so do not change anything because of them. Declare context, or give "
    "photos from where the model will be used (unlabeled, or a few with labels as unbiased)."
)


@dataclass(frozen=True, eq=False, repr=False)
class ShortcutReport(AuditReport):
    """Nodes ranked by how much better they predict the class than they should.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    solo_accuracy, chance : ndarray of shape (n_nodes,)
        Cross-validated balanced accuracy of every node alone, and that of guessing; NaN where a
        node has no columns or is too rare.
    solo_p_value : ndarray of shape (n_nodes,)
        Probability of a solo accuracy as high if the node is uninformative, node by node.
    evidence : tuple of Evidence
        Result of every kind of test; empty if there was none.
    is_flagged : ndarray of shape (n_nodes,), bool
        Flagged nodes.
    alpha : float
        Probability that any node is flagged if there is no shortcut.
    n_rows : int
        Number of training rows.
    metadata : MetadataReport, default=None
        Prediction from sizes, formats and coverage alone.

    See Also
    --------
    find_shortcuts : Computes one.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.audit import ShortcutReport
    >>> from hierseg_learn.tree import SegmentTree
    >>> report = ShortcutReport(
    ...     SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}}),
    ...     solo_accuracy=np.array([0.9, 0.8, 0.9]),
    ...     chance=np.full(3, 0.5),
    ...     solo_p_value=np.zeros(3),
    ...     evidence=(),
    ...     is_flagged=np.zeros(3, dtype=bool),
    ...     alpha=0.001,
    ...     n_rows=100,
    ... )
    >>> report.flagged, report.candidates
    ((), ('photo/sky', 'photo/boat'))
    """

    tree: SegmentTree
    _: KW_ONLY
    solo_accuracy: np.ndarray
    chance: np.ndarray
    solo_p_value: np.ndarray
    evidence: tuple[Evidence, ...]
    is_flagged: np.ndarray
    alpha: float
    n_rows: int
    metadata: MetadataReport | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of evidence."""
        return tuple(found.kind for found in self.evidence)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Paths of the flagged nodes, the strongest evidence first."""
        return tuple(self.tree.paths[node] for node in self._order() if self.is_flagged[node])

    @property
    def candidates(self) -> tuple[str, ...]:
        """Paths of nodes below the root that predict the class and were not tested."""
        results = self._results()
        nodes = [v for v in self._order() if results[v] == CANDIDATE and v != self.tree.root]
        return tuple(self.tree.paths[node] for node in nodes)

    @property
    def certainty(self) -> str:
        """How certain the result is."""
        if not self.evidence:
            return NO_EVIDENCE
        lines = [CERTAINTY[kind] for kind in self.kinds]
        labels = node_labels(self.tree)
        for found in self.evidence:
            if found.is_general:
                lines.append(GENERAL)
            for node, partner in found.partner.items():
                lines.append(
                    f"{labels[node]} and {labels[partner]} no longer agree with each other, and "
                    "there is no evidence which of the two is spurious: declare context, or give "
                    "photos with labels."
                )
        lines.append(
            f"Without any shortcut, a node is flagged with probability {100 * self.alpha:g}%."
        )
        return " ".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """Return the ranking as a new DataFrame with one row per node, flagged ones first.

        Returns
        -------
        frame : DataFrame
            The index is the path. `solo_accuracy` and `chance` are the cross-validated balanced
            accuracy of the node alone, and that of guessing. `evidence` is the kind by which the
            node was tested (of several the one that flags it, or else the stronger; empty if none),
            `value` the measured value: the solo accuracy for "context", the mean drop of the
            correlations with the others for "unlabeled", the drop of the solo accuracy for
            "unbiased", with a 95% interval `low`, `high`. `expected` is the value of a node that is
            no shortcut, a node is flagged above `threshold`, `z` is the distance from `expected` in
            standard deviations of chance, and `p_value` the probability that any tested node
            reaches the value by chance.
            `result` is "flagged", "not flagged" (also for an inner node with a flagged part), "one
            of two" (one of them is spurious, unknown which), "candidate" (predicts the class, not
            tested) or "uninformative" (not tested).
        """
        import pandas as pd

        order, by, results = self._order(), self._by(), self._results()
        columns = {
            "solo_accuracy": self.solo_accuracy[order],
            "chance": self.chance[order],
            "evidence": [self.kinds[by[v]] if by[v] >= 0 else "" for v in order],
        }
        for name in ("value", "low", "high", "expected", "threshold", "z", "p_value"):
            columns[name] = [
                getattr(self.evidence[by[v]], name)[v] if by[v] >= 0 else np.nan for v in order
            ]
        columns["result"] = [results[v] for v in order]
        paths = [self.tree.paths[v] for v in order]
        return pd.DataFrame(columns, index=pd.Index(paths, name="node"))

    def sentences(self) -> list[str]:
        """Say which nodes are flagged, and how certain this is."""
        labels = self._labels()
        if self.flagged:
            named = enumerate_words([labels[path] for path in self.flagged])
            verb = "predicts" if len(self.flagged) == 1 else "predict"
            lines = [f"Flagged: {named} {verb} the class and should not."]
        elif not self.evidence:
            lines = ["Nothing to test against, so nothing is flagged."]
        elif not any(found.is_tested.any() for found in self.evidence):
            lines = ["Nothing is flagged: no node predicts the class in enough rows to be tested."]
        elif self._either():
            lines = ["Nothing is flagged, but one of two nodes is spurious."]
        else:
            lines = ["Nothing is flagged."]
        if named := [labels[path] for path in self.candidates[:N_NAMED]]:
            lines.append(f"Most predictive, untested: {enumerate_words(named)}.")
        files = [] if self.metadata is None else self.metadata.sentences()
        return [*lines, self.certainty, *files]

    def tables(self) -> list[Table]:
        """Tables of all nodes, flagged ones first, and of facts about the files."""
        labels = self._labels()
        heads = ["node", "solo accuracy", "chance"]
        heads += ["evidence", "value", "threshold", "p"] if self.evidence else []
        rows = []
        for row in self.to_frame().itertuples():
            cells = [labels[row.Index], number(row.solo_accuracy, ".2f"), number(row.chance, ".2f")]
            if self.evidence:
                values = number(row.value, ".2f"), number(row.threshold, ".2f")
                cells += [row.evidence or MISSING, *values, probability(row.p_value)]
            rows.append([*cells, row.result])
        caption = f"Prediction of the class from single nodes, {self.n_rows} training rows"
        files = [] if self.metadata is None else self.metadata.tables()
        return [(caption, [*heads, "result"], rows), *files]

    @property
    def alt_text(self) -> str:
        """The plot in words."""
        labels = self._labels()
        named = [
            f"{labels[row.Index]} {number(row.solo_accuracy, '.2f')} ({row.result})"
            for row in self.to_frame().itertuples()
        ]
        return f"Balanced accuracy of every node alone: {', '.join(named)}."

    @property
    def _n_bars(self) -> int:
        return self.tree.n_nodes

    def _draw(self, ax: Axes) -> None:
        frame, labels = self.to_frame(), self._labels()
        names = [f"{labels[path]} ({result})" for path, result in zip(frame.index, frame.result)]
        title = "Prediction from single nodes (stroke: chance)"
        is_flagged = frame.result == FLAGGED
        draw_ranking(ax, names, frame.solo_accuracy, frame.chance, is_flagged, title)

    def _labels(self) -> dict[str, str]:
        """Name of every node by its path."""
        return dict(zip(self.tree.paths, node_labels(self.tree)))

    def _by(self) -> np.ndarray:
        """Position of the evidence that flags a node, or else of that with the largest z.

        -1 where a node was not tested.
        """
        by = np.full(self.tree.n_nodes, -1)
        best = np.full((self.tree.n_nodes, 2), -np.inf)
        for k, found in enumerate(self.evidence):
            # the figures of a flagged node are those it is flagged for
            flags = self.is_flagged & found.is_flagged(self.alpha / len(self.evidence))
            rank = np.column_stack([flags, np.nan_to_num(found.z, nan=-np.inf)])
            ties = rank[:, 0] == best[:, 0]
            better = found.is_tested & (
                (rank[:, 0] > best[:, 0]) | (ties & (rank[:, 1] > best[:, 1]))
            )
            by[better], best[better] = k, rank[better]
        return by

    def _order(self) -> list[int]:
        """Nodes: flagged ones first, then tested ones by z, then the others by solo accuracy."""
        by = self._by()
        z = np.array([self.evidence[k].z[v] if k >= 0 else np.nan for v, k in enumerate(by)])
        solo = np.nan_to_num(self.solo_accuracy - self.chance, nan=-1.0)
        keys = [
            (not self.is_flagged[v], by[v] < 0, -np.nan_to_num(z[v]), -solo[v], self.tree.paths[v])
            for v in range(self.tree.n_nodes)
        ]
        return sorted(range(self.tree.n_nodes), key=keys.__getitem__)

    def _either(self) -> set[int]:
        """Nodes of pairs of which one is spurious, unknown which."""
        pairs = [pair for found in self.evidence for pair in found.partner.items()]
        return {node for pair in pairs for node in pair if not self.is_flagged[list(pair)].any()}

    def _results(self) -> list[str]:
        by, either = self._by(), self._either()

        def result(node: int) -> str:
            if self.is_flagged[node]:
                return FLAGGED
            if node in either or by[node] >= 0:
                return EITHER if node in either else NOT_FLAGGED
            return CANDIDATE if self.solo_p_value[node] < MAX_P_VALUE else UNINFORMATIVE

        return list(map(result, range(self.tree.n_nodes)))

    def __repr__(self) -> str:
        kinds = ", ".join(self.kinds) or "none"
        return f"ShortcutReport({len(self.flagged)} flagged, evidence: {kinds})"


@validate_params(
    {"appearance_only": ["boolean"], **TEST_PARAMS}, prefer_skip_nested_validation=True
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
    """Rank nodes by how well they predict the class, and flag those that should not.

    No groups need to be known. A predictive node is not necessarily a shortcut, and training data
    alone cannot tell. It takes further evidence, which also determines how certain the result is:

    - nodes declared as `context`, such as the background, should not predict the class: they are
      flagged if their cross-validated solo accuracy is above chance;
    - `unlabeled` photos from where the model will be used: a node is flagged if its scores agree
      less with those of the other nodes than in training;
    - a few `unbiased` photos with labels: a node is flagged if its solo accuracy drops on them;
    - none: nodes are ranked by their solo accuracy as candidates, and none is flagged.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_columns), or images
        The training table. Images need `transformer`.
    y : array-like of shape (n_rows,)
        Their classes.
    context : int, str or list of int and str, default=None
        Nodes that should not predict the class, by id, path or unique short name; the nodes below
        them are tested, too.
    unlabeled : table or images, default=None
        Photos from the place of use, with about the same class proportions as in training.
    unbiased : tuple of (table or images, array-like), default=None
        Photos from the place of use, and their classes.
    transformer : SegmentTreeTransformer, default=None
        The fitted transformer that made the table; needed for images and for bare arrays.
    tree : "auto", "columns", dict or SegmentTree, default="auto"
        The tree if there is no transformer, as in
        :class:`~hierseg_learn.HierarchicalMetricClassifier`.
    images : photos or SegmentedImages, default=None
        For a table: the photos that it was made of, so that their sizes, formats and label maps are
        tested, too, as in `find_metadata_shortcuts`. For a table without photos the report says
        what could not be checked.
    appearance_only : bool, default=True
        Whether presence, area and columns of the shape descriptor are left out. The outline of a
        background is that of the object before it, so with them every background would be flagged.
    alpha : float, default=0.001
        Probability that any node is flagged if there is no shortcut.
    cv, n_permutations, random_state
        As for `find_metadata_shortcuts`.

    Returns
    -------
    report : ShortcutReport
        ``report.flagged`` are paths, as ``SegmentSwapSampler(nodes=...)`` takes them;
        ``report.to_frame()`` is the table of all nodes.

    Raises
    ------
    ValueError
        If there are fewer than two classes of at least five rows, columns differ, a node is not in
        the tree, or `unbiased` holds a class that y does not.
    TypeError
        If X is images and there is no transformer, or `unbiased` is not a pair.

    See Also
    --------
    find_metadata_shortcuts : Prediction from sizes and formats of the files, without the nodes.
    node_reliance : Whether a model uses a node; this function needs no model.

    Notes
    -----
    The solo accuracy is the cross-validated balanced accuracy of a linear discriminant with
    shrunken covariance, on the rows in which the node is present. Chance is estimated by permuting
    labels within folds: a node is flagged if its accuracy is ``norm.isf(alpha / n_tested)``
    standard deviations above the mean with permuted labels. An inner node is flagged only if no
    node below it is. The kinds of evidence share `alpha`. Cost: linear in rows, quadratic in the
    columns of a node; memory for a few copies of the table.

    Examples
    --------
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.audit import find_shortcuts
    >>> from hierseg_learn.datasets import make_portraits
    >>> portraits = make_portraits(120, bias=0.95, random_state=0)
    >>> transformer = SegmentTreeTransformer(tree=portraits.tree, descriptors="color")
    >>> table = transformer.fit_transform(portraits.images)
    >>> find_shortcuts(table, portraits.target, random_state=0).flagged
    ()
    >>> report = find_shortcuts(table, portraits.target, context="background", random_state=0)
    >>> report.flagged
    ('portrait/background',)
    """
    reader = TableReader.of(X, transformer, tree, appearance_only)
    table = reader.read(X, "X")
    classes, codes = read_classes(y, len(table))
    table, codes, ranks = _sorted(table, codes)
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=4)
    folds = make_folds(codes, cv, seeds[0])
    solos = _fit(table, codes, folds, n_permutations, seeds[1])
    kinds = [context is not None, unlabeled is not None, unbiased is not None]
    level = alpha / max(sum(kinds), 1)
    evidence = []
    if context is not None:
        declared = np.zeros(table.tree.n_nodes, dtype=bool)
        for node in node_ids(table.tree, context, "context"):
            declared[table.tree.subtree(node)] = True
        evidence.append(context_evidence(solos, declared, level))
    if unlabeled is not None:
        new = reader.read(unlabeled, "unlabeled")
        new, *_ = _sorted(new, np.zeros(len(new), dtype=np.intp))
        # partners are scored by all their columns
        whole = replace(table, columns=reader.layout.columns)
        partners = _fit(whole, codes, folds, 0, seeds[1])
        scores = (
            _new_scores(solos, new, folds, seeds[2]),
            _new_scores(partners, replace(new, columns=whole.columns), folds, seeds[2]),
        )
        evidence.append(
            unlabeled_evidence(solos, partners, table.tree, scores, level, n_permutations, seeds[3])
        )
    if unbiased is not None:
        new, new_codes = _read_unbiased(unbiased, reader, classes)
        new, new_codes, _ = _sorted(new, new_codes, ranks)
        scores = _new_scores(solos, new, folds, seeds[2])
        root = table.tree.root
        evidence.append(unbiased_evidence(solos, codes, scores, new_codes, root, level, seeds[3]))
    photos = X if images is None else images
    options = {"alpha": alpha, "cv": cv, "n_permutations": n_permutations}
    metadata = find_metadata_shortcuts(photos, y, random_state=seeds[0], **options)
    flags = [drop_ancestors(table.tree, found.is_flagged(level)) for found in evidence]
    is_flagged = np.any([np.zeros(len(solos), dtype=bool), *flags], axis=0)
    return ShortcutReport(
        table.tree,
        solo_accuracy=np.array([solo.accuracy for solo in solos]),
        chance=np.array([solo.chance for solo in solos]),
        solo_p_value=solo_p_values(solos),
        evidence=tuple(evidence),
        is_flagged=drop_ancestors(table.tree, is_flagged),
        alpha=alpha,
        n_rows=len(table),
        metadata=metadata,
    )


def _sorted(
    table: NodeTable, codes: np.ndarray, ranks: np.ndarray | None = None
) -> tuple[NodeTable, np.ndarray, np.ndarray]:
    """Sort rows by their contents, and number classes by theirs unless `ranks` are given.

    So folds and permutations depend neither on the order of the rows nor on names of classes.
    """
    order, found = canonical_order(np.nan_to_num(table.rows), codes)
    ranks = found if ranks is None else ranks
    rows, present = table.rows[order], table.present[order]
    return replace(table, rows=rows, present=present), ranks[codes][order], ranks


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
    """Scores of new rows for every node, each row by the models of one fold."""
    n_folds = int(folds.max()) + 1
    new_folds = np.random.default_rng(seed).permutation(np.arange(len(new)) % n_folds)
    return [fold_scores(solo, new, node, new_folds) for node, solo in enumerate(solos)]


def _read_unbiased(
    unbiased: Any, reader: TableReader, classes: np.ndarray
) -> tuple[NodeTable, np.ndarray]:
    """Table and codes of labeled photos."""
    if not isinstance(unbiased, tuple | list) or len(unbiased) != 2:
        raise TypeError(
            "unbiased must be a pair of photos (or their table) and their classes, got "
            f"{type(unbiased).__name__}."
        )
    new = reader.read(unbiased[0], "unbiased[0]")
    labels = check_labels(unbiased[1], "unbiased[1]", len(new))
    check_same_kind(labels, "unbiased[1]", classes, "y holds")
    places = {label: code for code, label in enumerate(classes.tolist())}
    unknown = [label for label in labels.tolist() if label not in places]
    if unknown:
        raise ValueError(
            f"unbiased[1] holds the class {unknown[0]!r}, which is not in y; expected "
            f"{sorted(places, key=str)}."
        )
    return new, np.array([places[label] for label in labels.tolist()], dtype=np.intp)
