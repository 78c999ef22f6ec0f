"""Reliance of a model on single nodes, measured by swapping them between images."""

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

from ..explain.style import BELOW, NEGATIVE
from ..explain.words import node_labels
from ..fitted.model import FittedModel
from ..metrics.canonical import canonical_order
from ..tree import SegmentTree
from ..tree.render import top_down
from ..utils.numbers import MISSING, number, percent, points
from ._base import FONT_POINTS, AuditReport, Table, draw_intervals, label_bars
from ._groups import Groups, check_groups
from ._solo import node_ids

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# name of the only group where none are given
NO_GROUPS = "all"
# smallest changes of the accuracy that are reported: over all samples, and in the small worst cell
MIN_CHANGE, MIN_CHANGE_IN_CELL = 0.02, 0.05
# probability that any node without an effect is named
LEVEL = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class NodeReliance(AuditReport):
    """Accuracy of a model when single nodes come from other images.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    nodes : ndarray of shape (n_nodes,), int
        The nodes that were swapped.
    groups : tuple
        Names of the groups; one, ``"all"``, if there are none.
    sizes, hits : ndarray of shape (n_groups, n_classes), int
        Number of samples by group and true class, and of those classified correctly.
    swapped_hits : ndarray of shape (n_nodes, n_repeats, n_groups, n_classes), int
        Number classified correctly with a node swapped.
    baseline_hits : ndarray of shape (n_nodes, n_repeats, n_groups, n_classes), int, default=None
        The same with the node swapped within the cells of group and class, which changes what
        the swap disturbs and nothing else. None stands for no disturbance.
    errors : ndarray of shape (n_nodes,), default=None
        Standard error of `excess`, if known.
    cell_errors : ndarray of shape (n_nodes, n_groups, n_classes), default=None
        The same in every cell.
    ablated_hits : ndarray of shape (n_nodes, n_groups, n_classes), int, default=None
        Number classified correctly with a node ablated.

    See Also
    --------
    node_reliance : Computes one from a fitted model.

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
    ...     swapped_hits=[[[[7, 6], [7, 6]]], [[[9, 2], [3, 8]]]],
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
    swapped_hits: np.ndarray
    baseline_hits: np.ndarray | None = None
    errors: np.ndarray | None = None
    cell_errors: np.ndarray | None = None
    ablated_hits: np.ndarray | None = None

    def __post_init__(self) -> None:
        n_nodes = len(self.nodes)
        cells = (len(self.groups), *np.shape(self.sizes)[1:])
        swapped = (n_nodes, *np.shape(self.swapped_hits)[1:2], *cells)
        shapes = {
            "nodes": (n_nodes,),
            "sizes": cells,
            "hits": cells,
            "swapped_hits": swapped,
            "baseline_hits": swapped,
            "errors": (n_nodes,),
            "cell_errors": (n_nodes, *cells),
            "ablated_hits": (n_nodes, *cells),
        }
        for name, shape in shapes.items():
            if (values := getattr(self, name)) is None:
                continue
            vars(self)[name] = np.asarray(values)
            if vars(self)[name].shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {vars(self)[name].shape}.")
        if self.baseline_hits is None:
            vars(self)["baseline_hits"] = np.broadcast_to(self.hits, swapped)

    @property
    def accuracy(self) -> float:
        """Accuracy over all samples, with nothing swapped."""
        return float(self._overall(self.hits))

    @property
    def worst_accuracy(self) -> float:
        """Accuracy in the worst cell of group and true class, with nothing swapped."""
        return float(self._worst(self.hits))

    @property
    def drop(self) -> np.ndarray:
        """Accuracy lost by swapping a node, over all samples: array of shape (n_nodes,)."""
        return (self.accuracy - self._overall(self.swapped_hits)).mean(axis=1)

    @property
    def worst_drop(self) -> np.ndarray:
        """Accuracy lost in the worst cell by swapping a node: array of shape (n_nodes,)."""
        return (self.worst_accuracy - self._worst(self.swapped_hits)).mean(axis=1)

    @property
    def group_drop(self) -> np.ndarray:
        """Accuracy lost in every group by swapping a node: array of shape (n_nodes, n_groups)."""
        sizes = self.sizes.sum(axis=1)
        lost = self.hits.sum(axis=1) - self.swapped_hits.sum(axis=3).mean(axis=1)
        return np.where(sizes > 0, lost / np.maximum(sizes, 1), np.nan)

    @property
    def disturbance(self) -> np.ndarray:
        """Accuracy lost by swapping a node within its class and group: array of (n_nodes,)."""
        return (self.accuracy - self._overall(self.baseline_hits)).mean(axis=1)

    @property
    def excess(self) -> np.ndarray:
        """Loss beyond `disturbance`, over all samples: array of shape (n_nodes,)."""
        return self.drop - self.disturbance

    @property
    def worst_excess(self) -> np.ndarray:
        """Loss beyond that within the cells, in the worst cell: array of shape (n_nodes,)."""
        kept = self.worst_accuracy - self._worst(self.baseline_hits)
        return self.worst_drop - kept.mean(axis=1)

    @property
    def is_relied_on(self) -> np.ndarray:
        """Nodes whose excess is at least two points and significant at 5%: bool of (n_nodes,).

        Information that several nodes carry only together cannot be told from a disturbance.
        """
        return (self.excess >= MIN_CHANGE) & self._is_significant(self.excess, self.errors)

    @property
    def has_groups(self) -> bool:
        """Whether there is more than one group."""
        return len(self.groups) > 1

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a new tidy DataFrame with one row per node and scope.

        Returns
        -------
        frame : DataFrame
            `node` is the path; `scope` is "overall", "group" or "worst" (the worst cell of group
            and true class, before and after, which need not be the same cell); `group` is the name
            of the group; `accuracy` is that with nothing swapped; `swapped`, `drop` and
            `drop_std` are means and standard deviations over the repeats; `baseline` is the
            accuracy with the node swapped within cells of group and class, `excess` the loss
            beyond that, `excess_error` its standard error (over all samples); `ablated` and
            `drop_ablated` are there if nodes were ablated, too.
        """
        import pandas as pd

        scopes = [("overall", None, self._overall)]
        if self.has_groups:
            scopes += [("group", g, partial(self._in_group, k)) for k, g in enumerate(self.groups)]
        scopes.append(("worst", None, self._worst))
        rows = []
        for i, node in enumerate(self.nodes):
            for scope, group, accuracy in scopes:
                before, after = float(accuracy(self.hits)), accuracy(self.swapped_hits[i])
                baseline = accuracy(self.baseline_hits[i])
                has_error = scope == "overall" and self.errors is not None
                row = {
                    "node": self.tree.paths[node],
                    "scope": scope,
                    "group": group,
                    "accuracy": before,
                    "swapped": after.mean(),
                    "drop": before - after.mean(),
                    "drop_std": after.std(),
                    "baseline": baseline.mean(),
                    "excess": (baseline - after).mean(),
                    "excess_error": self.errors[i] if has_error else np.nan,
                }
                if self.ablated_hits is not None:
                    ablated = float(accuracy(self.ablated_hits[i]))
                    row |= {"ablated": ablated, "drop_ablated": before - ablated}
                rows.append(row)
        return pd.DataFrame(rows)

    def sentences(self) -> list[str]:
        """Say which nodes the model relies on, and which mislead it."""
        labels = np.array(node_labels(self.tree), dtype=object)[self.nodes]
        cells = "group and class" if self.has_groups else "class"
        lines = [
            f"{percent(self.accuracy)} of {int(self.sizes.sum())} samples are classified "
            f"correctly, {percent(self.worst_accuracy)} in the worst cell of {cells}."
        ]
        # the root holds everything, so that a model relies on it is no news
        parts = np.flatnonzero(self.nodes != self.tree.root)
        relied_on = parts[self.is_relied_on[parts]]
        if len(relied_on):
            top = relied_on[self.excess[relied_on].argmax()]
            error = np.nan if self.errors is None else self.errors[top]
            known = f" (standard error {100 * error:.0f})" if np.isfinite(error) else ""
            lines.append(
                f"The model relies most on {labels[top]}: taking it from any other image costs "
                f"{100 * self.excess[top]:.0f} points of accuracy more than taking it from one of "
                f"the same {cells}{known}."
            )
        else:
            lines.append(
                "No single node is essential; the others carry the same information: swapping "
                f"it freely costs no more than swapping it within {cells}."
            )
        most = parts[self.disturbance[parts].argmax()] if len(parts) else None
        if most is not None and self.disturbance[most] >= MIN_CHANGE_IN_CELL:
            lines.append(
                "The swap itself, which combines areas, outlines and mixtures that occur in no "
                f"photo, costs up to {100 * self.disturbance[most]:.0f} points ({labels[most]}); "
                "this is not counted for the node."
            )
        cell = np.unravel_index(self._rates(self.hits).argmin(), self.sizes.shape)
        errors = None if self.cell_errors is None else self.cell_errors[:, *cell]
        helped = (self.worst_excess <= -MIN_CHANGE_IN_CELL) & self._is_significant(
            -self.worst_excess, errors
        )
        if helped[parts].any():
            best = min(parts[helped[parts]], key=lambda v: self.worst_excess[v])
            lines.append(
                f"With {labels[best]} from another image the worst cell gains "
                f"{-100 * self.worst_excess[best]:.0f} points: there it misleads the model."
            )
        return lines

    def tables(self) -> list[Table]:
        """Table of all nodes, with changes of the accuracy in percentage points."""
        heads = ["points of accuracy", "overall", "within cells", "excess", "±"]
        # no change, as the columns beside it are
        heads.append("excess in worst cell")
        heads += [f"group {group}" for group in self.groups] if self.has_groups else []
        if self.ablated_hits is not None:
            heads += ["ablated: overall", "ablated: worst cell"]
        rows = []
        for i in self._top_down():
            node = self.nodes[i]
            row = ["  " * int(self.tree.depths[node]) + self.tree.names[node]]
            row += [points(-lost[i]) for lost in (self.drop, self.disturbance, self.excess)]
            row.append(MISSING if self.errors is None else number(100 * self.errors[i], ".0f"))
            row.append(points(-self.worst_excess[i]))
            row += [points(-value) for value in self.group_drop[i]] if self.has_groups else []
            if self.ablated_hits is not None:
                row.append(points(self._overall(self.ablated_hits[i]) - self.accuracy))
                row.append(points(self._worst(self.ablated_hits[i]) - self.worst_accuracy))
            rows.append(row)
        caption = "Change of the accuracy, in percentage points, with a node from another image"
        return [(caption, heads, rows)]

    @property
    def alt_text(self) -> str:
        """The plot in words."""
        labels = node_labels(self.tree)
        named = [
            f"{labels[node]} {points(-drop)} ({points(-worst)})"
            for node, drop, worst in zip(self.nodes, self.excess, self.worst_excess)
        ]
        return (
            "Change of the accuracy in points if a node is taken from any other image instead of "
            f"one of the same class, over all samples (in the worst cell): {', '.join(named)}."
        )

    @property
    def _n_bars(self) -> int:
        return len(self.nodes)

    def _draw(self, ax: Axes) -> None:
        order = self._top_down()
        rows, excess = np.arange(len(order)), self.excess[order]
        ax.barh(rows, excess, height=0.62, color=BELOW, label="all samples", zorder=2)
        if self.errors is not None:
            errors = self.errors[order]
            draw_intervals(ax, excess, excess - errors, excess + errors)
        diamonds = {"linestyle": "none", "marker": "D", "markersize": 5, "color": NEGATIVE}
        ax.plot(self.worst_excess[order], rows, label="worst cell", zorder=5, **diamonds)
        ax.axvline(0, color="0.4", linewidth=0.8, zorder=3)
        names = [self.tree.names[self.nodes[i]] for i in order]
        title = "Node from any image, compared with one of the same class"
        label_bars(ax, names, "accuracy lost", title)
        ax.legend(fontsize=FONT_POINTS - 1, frameon=False, loc="best")

    def _top_down(self) -> list[int]:
        """Positions in `nodes` in reading order of the tree."""
        place = {int(node): i for i, node in enumerate(self.nodes)}
        return [place[node] for node in top_down(self.tree) if node in place]

    def _overall(self, hits: np.ndarray) -> np.ndarray:
        return hits.sum(axis=(-2, -1)) / self.sizes.sum()

    def _in_group(self, k: int, hits: np.ndarray) -> np.ndarray:
        n = self.sizes[k].sum()
        return hits[..., k, :].sum(axis=-1) / n if n else hits[..., k, :].sum(axis=-1) * np.nan

    def _worst(self, hits: np.ndarray) -> np.ndarray:
        return self._rates(hits).min(axis=(-2, -1))

    def _rates(self, hits: np.ndarray) -> np.ndarray:
        """Accuracy in every cell, infinite in cells without samples."""
        return np.where(self.sizes > 0, hits / np.maximum(self.sizes, 1), np.inf)

    def _is_significant(self, values: np.ndarray, errors: np.ndarray | None) -> np.ndarray:
        """Whether values, (n_nodes,), are above 0, corrected for the number of nodes."""
        if errors is None:
            return values > 0
        n_parts = max(int(np.sum(self.nodes != self.tree.root)), 1)
        return values > norm.isf(LEVEL / n_parts) * errors

    def __repr__(self) -> str:
        return f"NodeReliance({len(self.nodes)} nodes, {len(self.groups)} groups)"


@validate_params(
    {
        "ablate": ["boolean"],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
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
    ablate: bool = False,
    n_repeats: int = 5,
    transformer: Any = None,
    segments: Any = None,
    random_state: Any = None,
) -> NodeReliance:
    """Measure the accuracy that a model loses when single nodes come from other images.

    One node after the other is swapped, with everything below it, between the images of X,
    whatever their classes; the columns of its ancestors are recomputed, so that they keep nothing
    of it. An informative node costs accuracy everywhere. A shortcut costs accuracy where it holds,
    and *gains* some in the groups in which it misleads.

    A swap disturbs more than the node: it keeps the area and the outline that it has in the donor,
    and its ancestors become mixtures that occur in no photo. This may cost accuracy even if the
    node carries no information. Every node is therefore also swapped between images of the same
    class (and group), which leaves only the disturbance. The reliance is the loss *beyond* that,
    and a node is named only if this excess is significant.

    Parameters
    ----------
    model : Pipeline or classifier
        A fitted Pipeline that starts with a SegmentTreeTransformer, or any fitted classifier on the
        table of `transformer`.
    X : images, or the table of `transformer`
        At least two samples, preferably not those that the model was fitted on.
    y : array-like of shape (n_samples,)
        The true classes.
    groups : array-like of shape (n_samples,) or (n_samples, n_columns), or DataFrame, default=None
        Group of every sample; the combinations of several columns are groups.
    nodes : int, str or list of int and str, default=None
        Nodes to swap, by id, path or unique short name. None takes all.
    ablate : bool, default=False
        Whether every node is also ablated: absent, and removed from its ancestors. Rows without it
        may be unlike all training rows, so a swap is the fairer test.
    n_repeats : int, default=5
        Number of swaps of every node, each with other donors.
    transformer : SegmentTreeTransformer, default=None
        For a classifier: the fitted transformer whose table it was fitted on.
    segments : array, list of arrays or list of paths, default=None
        Label maps, unless the images bring their own.
    random_state : int, RandomState instance or None, default=None
        Seed of the donors. In every repeat all nodes have the same donors, and every image gives
        once and receives once. The result does not depend on the order of the rows.

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
    find_shortcuts : Nodes that predict the class and should not, without a model.
    hierseg_learn.what_if.AblatedClassifier : The same model without some nodes.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.audit import node_reliance
    >>> from hierseg_learn.datasets import make_portraits
    >>> portraits = make_portraits(100, signal="hair", strength=1.0, random_state=0)
    >>> X, y = portraits.images, portraits.target
    >>> transformer = SegmentTreeTransformer(tree=portraits.tree, descriptors="color")
    >>> model = make_pipeline(transformer, LogisticRegression(max_iter=5000)).fit(X[:60], y[:60])
    >>> reliance = node_reliance(model, X[60:], y[60:], nodes=["hair", "clothes"], random_state=0)
    >>> (reliance.drop > 0.2).tolist()
    [True, False]
    """
    audited = FittedModel.from_estimator(model, transformer, needs="parts")
    rows = audited.rows(X, segments)
    if len(rows) < 2:
        raise ValueError(f"X must hold at least two samples to swap nodes, got {len(rows)}.")
    target = audited.check_classes(y, len(rows))
    tree = audited.editor.tree
    chosen = list(range(tree.n_nodes)) if nodes is None else node_ids(tree, nodes, "nodes")
    found = Groups((NO_GROUPS,), np.zeros(len(rows), dtype=np.intp))
    if groups is not None:
        found = check_groups(groups, len(rows))
    # rows and cells in an order that only their contents set
    classes, codes = np.unique(target, return_inverse=True)
    cells = found.codes * len(classes) + codes
    order, ranks = canonical_order(rows, cells)
    rows, target, cells = rows[order], target[order], cells[order]
    count = _CellCounter(cells, (len(found), len(classes)))
    rng = check_random_state(random_state)
    free = np.stack([_donors(np.zeros_like(cells), rng) for _ in range(n_repeats)])
    within = np.stack([_donors(ranks[cells], rng) for _ in range(n_repeats)])
    swapped, baseline, errors, cell_errors = [], [], [], []
    for node in chosen:
        flags = [_swapped(audited, rows, target, node, donors) for donors in (free, within)]
        swapped.append([count.hits(flag) for flag in flags[0]])
        baseline.append([count.hits(flag) for flag in flags[1]])
        error = partial(_standard_error, *flags, free, within)
        errors.append(error(np.ones(len(rows), dtype=bool)))
        cell_errors.append([error(cells == cell) for cell in range(count.sizes.size)])
    if ablate:
        edited = (audited.editor.ablate(rows, audited.editor.leaves(node)) for node in chosen)
        ablated = [count.hits(target == audited.predict(new)) for new in edited]
    return NodeReliance(
        tree,
        np.array(chosen, dtype=np.intp),
        found.labels,
        sizes=count.sizes,
        hits=count.hits(target == audited.predict(rows)),
        swapped_hits=np.array(swapped),
        baseline_hits=np.array(baseline),
        errors=np.array(errors),
        cell_errors=np.reshape(cell_errors, (len(chosen), *count.sizes.shape)),
        ablated_hits=np.stack(ablated) if ablate else None,
    )


def _swapped(
    audited: FittedModel, rows: np.ndarray, target: np.ndarray, node: int, donors: np.ndarray
) -> np.ndarray:
    """Whether rows with a donor's node are classified correctly, (n_repeats, n_rows) bool."""
    editor = audited.editor
    swapped = np.broadcast_to(editor.leaves(node), (len(rows), editor.tree.n_leaves))
    edited = (editor.swap(rows, rows[order], swapped) for order in donors)
    return np.stack([target == audited.predict(new) for new in edited])


def _standard_error(
    swapped: np.ndarray,
    baseline: np.ndarray,
    free: np.ndarray,
    within: np.ndarray,
    counted: np.ndarray,
) -> float:
    """Standard error of the excess over the `counted` rows, from the influence of every image."""
    n_repeats, n_rows = swapped.shape
    if not counted.any():
        return np.nan
    weights = counted / counted.sum()
    lost = baseline.mean(axis=0) - swapped.mean(axis=0)
    influence = weights * (lost - weights @ lost)
    for sign, flags, donors in ((-1, swapped, free), (1, baseline, within)):
        # the mean of a receiver is no effect of its donors
        own = flags.mean(axis=0) if n_repeats > 1 else weights @ flags[0]
        for flag, order in zip(flags, donors):
            pushed = np.bincount(order, weights * (flag - own), minlength=n_rows)
            influence += sign * pushed / n_repeats
    return float(np.sqrt(np.sum(influence**2)))


def _donors(cells: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Another row of its cell for every row, (n_rows,), each once; a single row gives itself."""
    donors = np.empty(len(cells), dtype=np.intp)
    for cell in np.unique(cells):
        order = rng.permutation(np.flatnonzero(cells == cell))
        donors[order] = np.roll(order, 1)
    return donors


class _CellCounter:
    """Counts rows by cell of group and true class; `cells` (n_rows,) int."""

    def __init__(self, cells: np.ndarray, shape: tuple[int, int]) -> None:
        self.cells, self.shape = cells, shape
        self.sizes = self.hits(np.ones(len(cells), dtype=bool))

    def hits(self, flags: np.ndarray) -> np.ndarray:
        """Number of flagged rows, (n_groups, n_classes)."""
        counts = np.bincount(self.cells[flags], minlength=self.shape[0] * self.shape[1])
        return counts.reshape(self.shape)
