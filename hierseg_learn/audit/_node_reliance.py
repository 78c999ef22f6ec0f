"""What every node is worth to a model, in every group."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain._text import node_labels
from ..tree import SegmentTree
from ..utils._numbers import percent
from ._words import html_block, html_table, points, text_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# changes of the accuracy that are worth a sentence: over all samples, and in the small worst cell
WORTH_SAYING, WORTH_SAYING_OF_CELL = 0.02, 0.05


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
    muted_hits: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = {name: np.asarray(getattr(self, name)) for name in ("nodes", "sizes", "hits")}
        values["exchanged_hits"] = np.asarray(self.exchanged_hits)
        cells = (len(self.groups), *values["sizes"].shape[1:])
        wanted = {"sizes": cells, "hits": cells}
        n_repeats = np.shape(self.exchanged_hits)[1:2]
        wanted["exchanged_hits"] = (len(values["nodes"]), *n_repeats, *cells)
        if self.muted_hits is not None:
            values["muted_hits"] = np.asarray(self.muted_hits)
            wanted["muted_hits"] = (len(values["nodes"]), *cells)
        for name, shape in wanted.items():
            if values[name].shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {values[name].shape}.")
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
        return self._drops()["overall"].mean(axis=1)

    @property
    def worst_drop(self) -> np.ndarray:
        """What exchanging a node costs in the worst cell: array of shape (n_nodes,)."""
        return self._drops()["worst"].mean(axis=1)

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
        means and standard deviations over the repeats; `muted` and `drop_muted` come if nodes were
        muted, too.
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
        if len(parts) and self.drop[parts].max() >= WORTH_SAYING:
            top = parts[self.drop[parts].argmax()]
            lines.append(
                f"The model relies most on {labels[top]}: taken from another image, it costs "
                f"{100 * self.drop[top]:.0f} points of accuracy."
            )
        else:
            lines.append("Exchanging no single node costs much: what one says, others say, too.")
        helped = [v for v in parts if self.worst_drop[v] <= -WORTH_SAYING_OF_CELL]
        if helped:
            best = min(helped, key=lambda v: self.worst_drop[v])
            lines.append(
                f"With {labels[best]} from another image the worst cell gains "
                f"{-100 * self.worst_drop[best]:.0f} points: there it misleads the model."
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

        heads = ["points of accuracy", "overall", "worst cell"]
        heads += [f"group {group}" for group in self.groups] if self.has_groups else []
        heads += ["muted: overall", "worst cell"] if self.muted_hits is not None else []
        place = {int(node): i for i, node in enumerate(self.nodes)}
        rows = []
        for node in top_down(self.tree):
            if node not in place:
                continue
            i = place[node]
            row = ["  " * int(self.tree.depths[node]) + self.tree.names[node]]
            row += [points(-self.drop[i]), points(-self.worst_drop[i])]
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
        filled = self.sizes > 0
        return (hits[..., filled] / self.sizes[filled]).min(axis=-1)

    def _drops(self) -> dict[str, np.ndarray]:
        return {
            "overall": self.accuracy - self._share_of_all(self.exchanged_hits),
            "worst": self.worst_accuracy - self._worst(self.exchanged_hits),
        }

    def _block(self, scope: str, group: Any, accuracy: Any) -> list[dict[str, Any]]:
        """Rows of the frame for one scope, one per node."""
        before, after = float(accuracy(self.hits)), accuracy(self.exchanged_hits)
        rows = []
        for i, node in enumerate(self.nodes):
            row = {"node": self.tree.paths[node], "scope": scope, "group": group}
            row |= {"accuracy": before, "exchanged": after[i].mean()}
            row |= {"drop": before - after[i].mean(), "drop_std": after[i].std()}
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
