"""What every node is worth to a model, in every group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from ..explain.words import html_block, html_table, node_labels, points, text_table
from ..fitted.model import FittedModel
from ..tree import SegmentTree
from ..utils.numbers import MISSING, number, percent
from ._group_report import Groups, check_groups
from ._node_table import node_ids

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


# changes of the accuracy that are worth a sentence: over all samples, and in the small worst cell
WORTH_SAYING, WORTH_SAYING_OF_CELL = 0.02, 0.05
# probability that any of the nodes that say nothing is named
LEVEL = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class NodeReliance:
    """Accuracy of a model when single nodes come from other images.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    nodes : ndarray of shape (n_nodes,), int
        The nodes that were exchanged.
    groups : tuple
        Names of the groups; one, ``"all"``, if there are none.
    sizes, hits : ndarray of shape (n_groups, n_classes), int
        Samples by group and true class, and how many of them get their class.
    exchanged_hits : ndarray of shape (n_nodes, n_repeats, n_groups, n_classes), int
        How many do with a node exchanged.
    baseline_hits : ndarray of shape (n_nodes, n_repeats, n_groups, n_classes), int, default=None
        How many do with a node exchanged within the cells of group and class, where only the
        disturbance is new. None stands for an exchange that disturbs nothing.
    errors : ndarray of shape (n_nodes,), default=None
        Standard error of `excess`; None if it is not known.
    cell_errors : ndarray of shape (n_nodes, n_groups, n_classes), default=None
        The same in every cell.
    muted_hits : ndarray of shape (n_nodes, n_groups, n_classes), int, default=None
        How many do with a node muted.

    Attributes
    ----------
    frame : DataFrame
        Tidy, one row per node and group; see there.
    accuracy, worst_accuracy : float
        With nothing exchanged: over all samples, and in the worst cell of group and true class.
    drop : ndarray of shape (n_nodes,)
        Mean over the repeats of what exchanging costs, over all samples.
    worst_drop : ndarray of shape (n_nodes,)
        The same for the accuracy in the worst cell: below 0 where the exchange helps it.
    disturbance : ndarray of shape (n_nodes,)
        What exchanging within the cells costs, over all samples: as a node of the same class takes
        its place, it is the exchange itself that costs this.
    excess, worst_excess : ndarray of shape (n_nodes,)
        What exchanging freely costs beyond that, over all samples and in the worst cell.
    is_relied_on : ndarray of shape (n_nodes,), bool
        Nodes whose excess is worth saying, and more than chance gives; see there.

    See Also
    --------
    node_reliance : Makes one.

    Examples
    --------
    >>> from hierseg_learn.audit import NodeReliance
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> reliance = NodeReliance(
    ...     tree,
    ...     [0, 1],
    ...     ("day", "night"),
    ...     sizes=[[10, 10], [10, 10]],
    ...     hits=[[10, 4], [3, 9]],
    ...     exchanged_hits=[[[[7, 6], [7, 6]]], [[[9, 2], [3, 8]]]],
    ... )
    >>> reliance.drop.round(2), reliance.worst_drop.round(2)
    (array([0. , 0.1]), array([-0.3,  0.1]))
    """

    tree: SegmentTree
    nodes: np.ndarray
    groups: tuple[Any, ...]
    _: KW_ONLY
    sizes: np.ndarray
    hits: np.ndarray
    exchanged_hits: np.ndarray
    baseline_hits: np.ndarray | None = None
    errors: np.ndarray | None = None
    cell_errors: np.ndarray | None = None
    muted_hits: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = {name: np.asarray(getattr(self, name)) for name in ("nodes", "sizes", "hits")}
        values["exchanged_hits"] = np.asarray(self.exchanged_hits)
        cells = (len(self.groups), *values["sizes"].shape[1:])
        wanted = {"sizes": cells, "hits": cells}
        n_repeats = np.shape(self.exchanged_hits)[1:2]
        wanted["exchanged_hits"] = (len(values["nodes"]), *n_repeats, *cells)
        n_nodes = len(values["nodes"])
        wanted["baseline_hits"] = wanted["exchanged_hits"]
        wanted |= {"errors": (n_nodes,), "cell_errors": (n_nodes, *cells)}
        wanted["muted_hits"] = (n_nodes, *cells)
        for name in wanted.keys() - values.keys():
            if getattr(self, name) is None:
                wanted.pop(name)
            else:
                values[name] = np.asarray(getattr(self, name))
        for name, shape in wanted.items():
            if values[name].shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {values[name].shape}.")
        if self.baseline_hits is None:
            same = np.broadcast_to(values["hits"], wanted["exchanged_hits"])
            values["baseline_hits"] = same
        vars(self).update(values)

    @property
    def accuracy(self) -> float:
        """Share of all samples that get their class, with nothing exchanged."""
        return float(self.hits.sum() / self.sizes.sum())

    @property
    def worst_accuracy(self) -> float:
        """Accuracy in the worst cell of group and true class, with nothing exchanged."""
        return float(self._worst(self.hits))

    @property
    def drop(self) -> np.ndarray:
        """What exchanging a node costs over all samples: array of shape (n_nodes,)."""
        return (self.accuracy - self._share_of_all(self.exchanged_hits)).mean(axis=1)

    @property
    def worst_drop(self) -> np.ndarray:
        """What exchanging a node costs in the worst cell: array of shape (n_nodes,)."""
        return (self.worst_accuracy - self._worst(self.exchanged_hits)).mean(axis=1)

    @property
    def disturbance(self) -> np.ndarray:
        """What exchanging a node within the cells costs over all samples: (n_nodes,)."""
        return (self.accuracy - self._share_of_all(self.baseline_hits)).mean(axis=1)

    @property
    def excess(self) -> np.ndarray:
        """What exchanging a node freely costs beyond `disturbance`: array of shape (n_nodes,)."""
        return self.drop - self.disturbance

    @property
    def worst_excess(self) -> np.ndarray:
        """The same in the worst cell: array of shape (n_nodes,)."""
        kept = self.worst_accuracy - self._worst(self.baseline_hits)
        return self.worst_drop - kept.mean(axis=1)

    @property
    def is_relied_on(self) -> np.ndarray:
        """Nodes that the model relies on: bool array of shape (n_nodes,).

        The excess is at least two points, and so many standard errors that it comes with a
        probability of 5 % for any of the nodes that say nothing. What several nodes say only
        together, such as whether two colors are the same, is not told from a disturbance.
        """
        return (self.excess >= WORTH_SAYING) & self._beyond(self.excess, self.errors)

    @property
    def group_drop(self) -> np.ndarray:
        """What exchanging a node costs in every group: array of shape (n_nodes, n_groups)."""
        group_sizes = np.maximum(self.sizes.sum(axis=1), 1)
        lost = self.hits.sum(axis=1) - self.exchanged_hits.sum(axis=3).mean(axis=1)
        return np.where(self.sizes.sum(axis=1) > 0, lost / group_sizes, np.nan)

    @property
    def has_groups(self) -> bool:
        """Whether there is more than one group."""
        return len(self.groups) > 1

    @property
    def frame(self) -> pd.DataFrame:
        """A new tidy DataFrame with one row per node and scope.

        `node` is the path; `scope` is "overall", "group" or "worst" (the worst cell of group and
        true class, before and after, which need not be the same cell), `group` the name of the
        group; `accuracy` is that with nothing exchanged; `exchanged`, `drop` and `drop_std` are
        means and standard deviations over the repeats; `baseline` is the accuracy with the node
        exchanged within cells of group and class, `excess` what the free exchange costs beyond
        that, `excess_error` its standard error (over all samples); `muted` and `drop_muted` come if
        nodes were muted, too.
        """
        import pandas as pd

        blocks = [self._block("overall", None, self._share_of_all)]
        for k, group in enumerate(self.groups if self.has_groups else ()):
            blocks.append(self._block("group", group, lambda hits, k=k: self._share_of(hits, k)))
        blocks.append(self._block("worst", None, self._worst))
        columns = {name: [row[name] for block in blocks for row in block] for name in blocks[0][0]}
        frame = pd.DataFrame(columns)
        order = np.argsort(np.tile(np.arange(len(self.nodes)), len(blocks)), kind="stable")
        return frame.iloc[order].reset_index(drop=True)

    def to_text(self) -> str:
        """Say in words which nodes the model relies on, with all nodes below.

        Returns
        -------
        str
        """
        return "\n".join([*self.sentences(), "", text_table(*self.table())])

    def sentences(self) -> list[str]:
        """Say in words which nodes the model relies on, and which it should not.

        Returns
        -------
        list of str
        """
        labels = np.array(node_labels(self.tree), dtype=object)[self.nodes]
        cells = "group and class" if self.has_groups else "class"
        lines = [
            f"{percent(self.accuracy)} of {int(self.sizes.sum())} samples get their class; in the "
            f"worst cell of {cells} {percent(self.worst_accuracy)} do."
        ]
        # the root holds everything, so it is no news
        parts = np.flatnonzero(self.nodes != self.tree.root)
        excess = np.where(self.is_relied_on, self.excess, -np.inf)[parts]
        if len(parts) and excess.max() > 0:
            top = parts[excess.argmax()]
            lines.append(
                f"The model relies most on {labels[top]}: taken from any other image, it costs "
                f"{100 * self.excess[top]:.0f} points of accuracy more than taken from one of the "
                f"same {cells}{self._plus_minus(top)}."
            )
        else:
            lines.append(
                "Of no single node the exchange costs clearly more than the exchange within "
                f"{cells} does: what one says, others say, too."
            )
        most = parts[self.disturbance[parts].argmax()] if len(parts) else None
        if most is not None and self.disturbance[most] >= WORTH_SAYING_OF_CELL:
            lines.append(
                f"The exchange itself, which puts together areas, outlines and mixtures that no "
                f"photo has, costs up to {100 * self.disturbance[most]:.0f} points "
                f"({labels[most]}); that is not held against the node."
            )
        cell = np.unravel_index(self._rates(self.hits).argmin(), self.sizes.shape)
        errors = None if self.cell_errors is None else self.cell_errors[:, *cell]
        helped = (self.worst_excess <= -WORTH_SAYING_OF_CELL) & self._beyond(
            -self.worst_excess, errors
        )
        if helped[parts].any():
            best = min(parts[helped[parts]], key=lambda v: self.worst_excess[v])
            lines.append(
                f"With {labels[best]} from another image the worst cell gains "
                f"{-100 * self.worst_excess[best]:.0f} points: there it misleads the model."
            )
        return lines

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows of a table to read, changes of the accuracy in percentage points.

        Returns
        -------
        heads : list of str
        rows : list of list of str
        """
        from ..tree.render import top_down

        heads = ["points of accuracy", "overall", "within cells", "excess", "±", "worst cell"]
        heads += [f"group {group}" for group in self.groups] if self.has_groups else []
        heads += ["muted: overall", "worst cell"] if self.muted_hits is not None else []
        place = {int(node): i for i, node in enumerate(self.nodes)}
        rows = []
        for node in top_down(self.tree):
            if node not in place:
                continue
            i = place[node]
            row = ["  " * int(self.tree.depths[node]) + self.tree.names[node]]
            row += [points(-lost[i]) for lost in (self.drop, self.disturbance, self.excess)]
            row.append(MISSING if self.errors is None else number(100 * self.errors[i], ".0f"))
            row.append(points(-self.worst_excess[i]))
            row += [points(-value) for value in self.group_drop[i]] if self.has_groups else []
            if self.muted_hits is not None:
                row.append(points(self._share_of_all(self.muted_hits[i]) - self.accuracy))
                row.append(points(self._worst(self.muted_hits[i]) - self.worst_accuracy))
            rows.append(row)
        return heads, rows

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what exchanging every node costs, overall and in the worst cell.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure.

        Returns
        -------
        matplotlib Axes
        """
        from ._axes import draw_reliance, new_axes

        ax = new_axes(ax, "NodeReliance.plot", len(self.nodes))
        draw_reliance(ax, self)
        return ax

    def _share_of_all(self, hits: np.ndarray) -> np.ndarray:
        return hits.sum(axis=(-2, -1)) / self.sizes.sum()

    def _share_of(self, hits: np.ndarray, k: int) -> np.ndarray:
        n = self.sizes[k].sum()
        return hits[..., k, :].sum(axis=-1) / n if n else hits[..., k, :].sum(axis=-1) * np.nan

    def _worst(self, hits: np.ndarray) -> np.ndarray:
        return self._rates(hits).min(axis=(-2, -1))

    def _rates(self, hits: np.ndarray) -> np.ndarray:
        """Accuracy in every cell, infinite where there is no sample."""
        return np.where(self.sizes > 0, hits / np.maximum(self.sizes, 1), np.inf)

    def _beyond(self, values: np.ndarray, errors: np.ndarray | None) -> np.ndarray:
        """Whether values exceed 0 by more than chance gives for any of the nodes."""
        if errors is None:
            return values > 0
        n_parts = max(int(np.sum(self.nodes != self.tree.root)), 1)
        return values > norm.isf(LEVEL / n_parts) * errors

    def _plus_minus(self, i: int) -> str:
        error = np.nan if self.errors is None else self.errors[i]
        return f" (standard error {100 * error:.0f})" if np.isfinite(error) else ""

    def _block(self, scope: str, group: Any, accuracy: Any) -> list[dict[str, Any]]:
        """Rows of the frame for one scope, one per node."""
        before, after = float(accuracy(self.hits)), accuracy(self.exchanged_hits)
        baseline = accuracy(self.baseline_hits)
        errors = self.errors if scope == "overall" else None
        rows = []
        for i, node in enumerate(self.nodes):
            row = {"node": self.tree.paths[node], "scope": scope, "group": group}
            row |= {"accuracy": before, "exchanged": after[i].mean()}
            row |= {"drop": before - after[i].mean(), "drop_std": after[i].std()}
            row |= {"baseline": baseline[i].mean(), "excess": (baseline[i] - after[i]).mean()}
            row["excess_error"] = np.nan if errors is None else errors[i]
            if self.muted_hits is not None:
                muted = float(accuracy(self.muted_hits[i]))
                row |= {"muted": muted, "drop_muted": before - muted}
            rows.append(row)
        return rows

    def _repr_html_(self) -> str:
        caption = "Change of the accuracy, in percentage points, if a node comes from another image"
        return html_block("node reliance", self.sentences(), html_table(caption, *self.table()))

    def __repr__(self) -> str:
        return f"NodeReliance({len(self.nodes)} nodes, {len(self.groups)} groups)"


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
    hierseg_learn.what_if.AblatedClassifier : The same model without some nodes.

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
    audited = FittedModel.from_estimator(model, transformer, needs="parts")
    rows = audited.rows(X, segments)
    if len(rows) < 2:
        raise ValueError(f"X must hold at least two samples to exchange nodes, got {len(rows)}.")
    target = audited.check_classes(y, len(rows))
    tree = audited.editor.tree
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
    audited: FittedModel, rows: np.ndarray, target: np.ndarray, node: int, donors: np.ndarray
) -> np.ndarray:
    """Whether every row gets its class with a node of its donor, (n_repeats, n_rows) bool."""
    leaves = audited.editor.leaves(node)
    swapped = np.broadcast_to(leaves, (len(rows), audited.editor.tree.n_leaves))
    return np.stack(
        [
            target == audited.predict(audited.editor.swap(rows, rows[order], swapped))
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
    audited: FittedModel, rows: np.ndarray, nodes: list[int], count: _CellCounter
) -> np.ndarray:
    """Hits by node, group and class."""
    editor = audited.editor
    muted = (editor.ablate(rows, editor.leaves(node)) for node in nodes)
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
