"""What a search for shortcuts found, and how sure that can be."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..explain.words import (
    enumerate_words,
    html_block,
    html_table,
    node_labels,
    probability,
    text_table,
)
from ..tree import SegmentTree
from ..utils.numbers import MISSING, number
from ._evidence import CARRIES, Evidence

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ._metadata import MetadataReport

ALARM, CLEAR, SUSPECT, SILENT = "alarm", "no alarm", "suspect", "says nothing"
EITHER = "one of two"
# how many nodes a sentence names
NAMED = 3

CERTAINTY = {
    "context": (
        "Declared context should say nothing about the label. An alarm is as sure as the "
        "declaration: it means that how the node looks goes with the label in training, not that a "
        "model uses it. Descriptors that look across borders (gradients, patterns, patches) "
        "see the rim of neighboring parts: describe images with a margin, or the neighbours' "
        "cues are found here. Nodes that were not declared were not judged."
    ),
    "unlabeled": (
        "An alarm means that a leaf no longer agrees with the others at the place of use. That "
        "takes about the same mix of classes there as in training, and at least two honest "
        "leaves: with one, nobody can tell which of two stopped agreeing. A shortcut that also "
        "holds at the place of use is not seen, and does no harm there."
    ),
    "unbiased": (
        "An alarm means that a node says less about the label on the photos with labels than on "
        "held-out training rows. That is the surest evidence; few photos find strong shortcuts "
        "only, and a node that merely looks different there is accused as well."
    ),
}
GENERAL = (
    "Most leaves agree less with each other in the photos without labels than in training, so "
    "these differ in another way, such as their mix of classes: they raise no alarm."
)
NO_EVIDENCE = (
    "Training data alone cannot tell a shortcut from a cue: these nodes say much about the label, "
    "and may be right to. Nothing is to be changed on their account. Declare context, or give "
    "photos from where the model will be used (unlabeled, or a few with labels as unbiased)."
)


@dataclass(frozen=True, eq=False, repr=False)
class ShortcutReport:
    """Nodes ranked by how much more they say about the label than they should.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    solo_accuracy, chance : ndarray of shape (n_nodes,)
        Cross-validated balanced accuracy of every node alone, and what guessing would give; NaN
        where a node has no columns or is too rare.
    solo_p_value : ndarray of shape (n_nodes,)
        Probability of so high a solo accuracy if a node says nothing, node by node.
    found : tuple of Evidence
        What every kind of evidence says.
    is_alarm : ndarray of shape (n_nodes,), bool
        Nodes that are accused.
    alpha : float
        Probability of any false alarm.
    n_rows : int
        Training rows.
    metadata : MetadataReport, default=None
        What sizes, formats and coverage alone say about the label.

    Attributes
    ----------
    ranking : DataFrame
        One row per node, the most suspicious first; see there.
    alarms : tuple of str
        Paths of the accused nodes, the worst first.
    suspects : tuple of str
        Paths of other nodes that say much and were not judged, highest solo accuracy first.
    evidence : tuple of {"context", "unlabeled", "unbiased"}
        Which kinds there were; empty if none.
    certainty : str
        How sure an alarm, or its absence, can be.

    See Also
    --------
    find_shortcuts : Makes one.

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
    ...     found=(),
    ...     is_alarm=np.zeros(3, dtype=bool),
    ...     alpha=0.001,
    ...     n_rows=100,
    ... )
    >>> report.alarms, report.suspects
    ((), ('photo/sky', 'photo/boat'))
    """

    tree: SegmentTree
    _: KW_ONLY
    solo_accuracy: np.ndarray
    chance: np.ndarray
    solo_p_value: np.ndarray
    found: tuple[Evidence, ...]
    is_alarm: np.ndarray
    alpha: float
    n_rows: int
    metadata: MetadataReport | None = None

    @property
    def evidence(self) -> tuple[str, ...]:
        """Kinds of evidence that there were."""
        return tuple(evidence.kind for evidence in self.found)

    @property
    def alarms(self) -> tuple[str, ...]:
        """Paths of the accused nodes, the worst first."""
        return tuple(self.tree.paths[node] for node in self._order() if self.is_alarm[node])

    @property
    def suspects(self) -> tuple[str, ...]:
        """Paths of nodes below the root that say much and were not judged."""
        verdicts = self._verdicts()
        nodes = [v for v in self._order() if verdicts[v] == SUSPECT and v != self.tree.root]
        return tuple(self.tree.paths[node] for node in nodes)

    @property
    def certainty(self) -> str:
        """How sure an alarm, or its absence, can be."""
        if not self.found:
            return NO_EVIDENCE
        lines = [CERTAINTY[kind] for kind in self.evidence]
        labels = node_labels(self.tree)
        for evidence in self.found:
            if evidence.is_general:
                lines.append(GENERAL)
            for node, rival in evidence.rival.items():
                lines.append(
                    f"{labels[node]} and {labels[rival]} no longer agree with each other, and "
                    "nothing else tells which of the two is at fault: declare context, or give "
                    "photos with labels."
                )
        lines.append(
            f"If all is as it should be, an alarm comes with probability {100 * self.alpha:g}%."
        )
        return " ".join(lines)

    @property
    def ranking(self) -> pd.DataFrame:
        """A new DataFrame with one row per node, the most suspicious first.

        The index is the path. `solo_accuracy` and `chance` are the balanced accuracy of the node
        alone, cross-validated, and that of guessing. `evidence` says which kind judged the node
        (the stronger, if several did; empty if none), `value` what was measured: the solo accuracy
        for "context", the mean drop of its correlations with the others for "unlabeled", the drop
        of its solo accuracy for "unbiased", with a 95% interval `low`, `high`. `expected` is what
        an honest node gives, `threshold` from where on there is an alarm, `z` the standard
        deviations of chance above what is expected, `p_value` the probability that any judged node
        comes so far.
        `verdict` is "alarm", "no alarm" (also for an inner node whose part is accused), "one of
        two" (at fault, and nothing tells which), "suspect" (says much, not judged) or "says
        nothing" (not judged).
        """
        import pandas as pd

        order, by, verdicts = self._order(), self._by(), self._verdicts()
        columns = {
            "solo_accuracy": self.solo_accuracy[order],
            "chance": self.chance[order],
            "evidence": [self.found[by[v]].kind if by[v] >= 0 else "" for v in order],
        }
        for name in ("value", "low", "high", "expected", "threshold", "z", "p_value"):
            columns[name] = [
                getattr(self.found[by[v]], name)[v] if by[v] >= 0 else np.nan for v in order
            ]
        columns["verdict"] = [verdicts[v] for v in order]
        paths = [self.tree.paths[v] for v in order]
        return pd.DataFrame(columns, index=pd.Index(paths, name="node"))

    def to_text(self) -> str:
        """Say in words what was found and how sure that is, with all nodes below.

        Returns
        -------
        str
        """
        lines = [*self.sentences(), "", text_table(*self.table())]
        if self.metadata is not None and self.metadata.facts:
            lines += ["", text_table(*self.metadata.table())]
        return "\n".join(lines)

    def sentences(self) -> list[str]:
        """Say in words what was found and how sure that is.

        Returns
        -------
        list of str
        """
        labels = dict(zip(self.tree.paths, node_labels(self.tree)))
        alarms = [labels[path] for path in self.alarms]
        suspects = [labels[path] for path in self.suspects[:NAMED]]
        if alarms:
            verb = "says" if len(alarms) == 1 else "say"
            first = f"Alarm: {enumerate_words(alarms)} {verb} more about the label than it should."
            first = first if len(alarms) == 1 else first.replace("it should", "they should")
        elif self.found and not any(evidence.judged.any() for evidence in self.found):
            first = "No alarm, for no node could be judged: none says enough in enough rows."
        elif self._either():
            first = "No alarm, but one of two nodes is at fault."
        elif self.found:
            first = "No alarm."
        else:
            first = "No evidence, so no alarm."
        lines = [first]
        if suspects:
            lines.append(f"Not judged, and say most about the label: {enumerate_words(suspects)}.")
        told = [] if self.metadata is None else self.metadata.sentences()
        return [*lines, self.certainty, *told]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows of a table to read, the most suspicious node first.

        Returns
        -------
        heads : list of str
        rows : list of list of str
        """
        labels = dict(zip(self.tree.paths, node_labels(self.tree)))
        heads = ["node", "solo accuracy", "chance"]
        heads += ["evidence", "value", "alarm from", "p"] if self.found else []
        rows = []
        for row in self.ranking.itertuples():
            cells = [labels[row.Index], number(row.solo_accuracy, ".2f"), number(row.chance, ".2f")]
            if self.found:
                cells += [
                    row.evidence or MISSING,
                    number(row.value, ".2f"),
                    number(row.threshold, ".2f"),
                ]
                cells.append(probability(row.p_value))
            rows.append([*cells, row.verdict])
        return [*heads, "verdict"], rows

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what every node says about the label, accused ones hatched.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        matplotlib Axes
        """
        from ._axes import draw_shortcuts, new_axes

        ax = new_axes(ax, "ShortcutReport.plot", self.tree.n_nodes)
        draw_shortcuts(ax, self)
        return ax

    def _by(self) -> np.ndarray:
        """Position of the evidence with the largest z, -1 where a node was not judged."""
        by = np.full(self.tree.n_nodes, -1)
        best = np.full(self.tree.n_nodes, -np.inf)
        for k, evidence in enumerate(self.found):
            better = evidence.judged & (np.nan_to_num(evidence.z, nan=-np.inf) > best)
            by[better], best[better] = k, evidence.z[better]
        return by

    def _order(self) -> list[int]:
        """Nodes: alarms first, then judged ones by z, then the others by solo accuracy."""
        by = self._by()
        z = np.array([self.found[k].z[v] if k >= 0 else np.nan for v, k in enumerate(by)])
        solo = np.nan_to_num(self.solo_accuracy - self.chance, nan=-1.0)
        keys = [
            (not self.is_alarm[v], by[v] < 0, -np.nan_to_num(z[v]), -solo[v], self.tree.paths[v])
            for v in range(self.tree.n_nodes)
        ]
        return sorted(range(self.tree.n_nodes), key=keys.__getitem__)

    def _either(self) -> set[int]:
        """Nodes of which one of two is at fault."""
        pairs = [pair for evidence in self.found for pair in evidence.rival.items()]
        return {node for pair in pairs for node in pair if not self.is_alarm[list(pair)].any()}

    def _verdicts(self) -> list[str]:
        by, either = self._by(), self._either()
        return [
            ALARM
            if self.is_alarm[v]
            else EITHER
            if v in either
            else CLEAR
            if by[v] >= 0
            else SUSPECT
            if self.solo_p_value[v] < CARRIES
            else SILENT
            for v in range(self.tree.n_nodes)
        ]

    def _repr_html_(self) -> str:
        caption = f"Nodes by what they say about the label, {self.n_rows} training rows"
        tables = [html_table(caption, *self.table())]
        if self.metadata is not None:
            tables.append(html_table("What the files alone say", *self.metadata.table()))
        return html_block("shortcuts", self.sentences(), *tables)

    def __repr__(self) -> str:
        kinds = ", ".join(self.evidence) or "none"
        return f"ShortcutReport({len(self.alarms)} alarms, evidence: {kinds})"
