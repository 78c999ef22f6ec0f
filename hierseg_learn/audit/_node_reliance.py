"""What every node is worth to a model, in every group."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from ..explain._text import node_labels
from ..tree import SegmentTree
from ..utils._numbers import MISSING, number, percent
from ._words import html_block, html_table, points, text_table

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
        from ..tree._render import top_down

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
        from ._panels import draw_reliance, new_axes

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
