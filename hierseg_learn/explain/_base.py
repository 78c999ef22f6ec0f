"""What all explanations share: contributions of nodes that add up to a squared distance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..metrics import sum_below
from ..utils._numbers import number, percent
from . import _bars, _node_table, _shares, _text
from ._checks import read_only
from ._shares import APART, LEAST, Sides, both_sides, signed_shares

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..tree import SegmentTree

# a squared distance below this share of the contributions' absolute sum is a rounding error
ROUNDING = 1e-12


class Explanation(ABC):
    """Contributions of the nodes of a tree to one squared distance.

    A subclass is a frozen dataclass that has `tree`, and `own` as an array of shape (n_nodes,),
    and says how its distance is to be called.
    """

    tree: SegmentTree
    own: np.ndarray

    _sides: ClassVar[Sides] = APART

    @property
    def squared_distance(self) -> float:
        """Sum of the contributions; a sum below zero is a rounding error and counts as 0."""
        return max(float(self.own.sum()), 0.0)

    @property
    def distance(self) -> float:
        """Square root of `squared_distance`. Contributions do not add up to it."""
        return float(np.sqrt(self.squared_distance))

    @cached_property
    def total(self) -> np.ndarray:
        """What every node and all nodes below it contribute: array of shape (n_nodes,)."""
        return read_only(sum_below(self.tree, self.own))

    @cached_property
    def share(self) -> np.ndarray:
        """`total` as shares of what sets apart; all 0 where the distance is 0 up to rounding."""
        return read_only(self._as_share(self.total))

    @cached_property
    def own_share(self) -> np.ndarray:
        """`own` as shares of what sets apart; all 0 where the distance is 0 up to rounding."""
        return read_only(self._as_share(self.own))

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        if self.squared_distance <= ROUNDING * np.abs(self.own).sum():
            return np.zeros(self.tree.n_nodes)
        return signed_shares(values, self.own)

    @property
    def contributions(self) -> pd.DataFrame:
        """A new DataFrame with one row per node, in the tree's order, by path.

        Its columns are `own`, what the node's own columns contribute to the squared distance;
        `total`, the same with everything below the node; `share`, `total` as a share of all
        positive `own` together, negative where the node makes up for others (0 in every row where
        the distance is 0); and whether the part is there at all, with missing values where the
        table does not say.
        """
        import pandas as pd

        columns: dict[str, Any] = {"own": self.own, "total": self.total, "share": self.share}
        for name, present in self._presence().items():
            columns[name] = (
                pd.array([None] * self.tree.n_nodes, dtype="boolean")
                if present is None
                else present
            )
        return pd.DataFrame(columns, index=pd.Index(self.tree.paths, name="node"))

    def to_text(self, max_nodes: int = 3) -> str:
        """Say in words where the distance comes from, and draw the tree with all shares.

        Parameters
        ----------
        max_nodes : int, default=3
            How many nodes a sentence may name. The tree below always shows all of them.

        Returns
        -------
        str
            Sentences, then one line per node: the share of the node with everything below it, and
            that of its own columns, "own". Those of the own columns add up to 100%. Where nodes
            make up for others, there are two columns for everything below: what sets apart
            ("apart") adds up to 100%, what brings closer to how strong it is beside that.
        """
        _node_table.check_max_nodes(max_nodes)
        text = _node_table.export_text(
            self.tree,
            self._lines(max_nodes),
            self._head(),
            self._columns(),
            self._marks(),
        )
        return "\n\n".join(filter(None, [text, self._closing()]))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values, ready for :func:`json.dumps`.

        Returns
        -------
        dict
            `squared_distance`, `distance`, what the explanation is about, and under `nodes` one
            dict per node with its path, `own`, `total`, `share` and presence.
        """
        columns = {"own": self.own, "total": self.total, "share": self.share, **self._presence()}
        lists = {
            name: [None] * self.tree.n_nodes if values is None else values.tolist()
            for name, values in columns.items()
        }
        nodes = [
            {"path": path, **{name: values[node] for name, values in lists.items()}}
            for node, path in enumerate(self.tree.paths)
        ]
        return {
            **self._about(),
            "squared_distance": self.squared_distance,
            "distance": self.distance,
            "nodes": nodes,
        }

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw one horizontal bar per node, in the order and with the indentation of the tree.

        A solid bar is what the node's own columns contribute; behind it, the pale bar of an inner
        node is its share with everything below. Negative bars are hatched.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure that is as high as the tree needs.

        Returns
        -------
        matplotlib Axes
            The axes with the bars.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        return _bars.plot(self, ax)

    def _repr_html_(self) -> str:
        return _node_table.export_html(self, self._lines(3), self._closing())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._subject()}: {_text.short_summary(self)})"

    @cached_property
    def _by_side(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares with everything below on either side, without signs: two of shape (n_nodes,)."""
        return both_sides(self.tree, self.own_share)

    @property
    def _is_two_sided(self) -> bool:
        """Whether there is anything to say of the other side."""
        return bool(self._by_side[1][self.tree.root] >= LEAST)

    def _columns(self) -> dict[str, list[str]]:
        """Shares as they are written, by the head of their column."""
        own = [_shares.share_text(value, self._sides) for value in self.own_share]
        if not self._is_two_sided:
            below = [_shares.share_text(value, self._sides) for value in self.share]
            return {"share": below, "own": own}
        pro, contra = ([percent(value) for value in side] for side in self._by_side)
        return {self._sides.pro: pro, self._sides.contra: contra, "own": own}

    def _head(self) -> str:
        """What stands over the tree."""
        return f"{self._sum_name()} {number(self.squared_distance)}"

    def _sum_name(self) -> str:
        """What the contributions add up to, in words."""
        return "squared distance"

    def _caption(self) -> str:
        """What the table in a notebook shows."""
        what = "Shares of what sets apart" if self._is_two_sided else "Shares"
        return f"{what} in the squared distance, {number(self.squared_distance)}, by node"

    def _share_label(self) -> str:
        """What bars and tints measure."""
        if self._is_two_sided:
            return "share of what sets apart:  ← closer  |  apart →"
        return "share of the squared distance"

    def _share_words(self) -> str:
        """What tints measure, in words."""
        if self._is_two_sided:
            return "share of what sets apart (red) or brings closer (blue)"
        return "share of the squared distance"

    def _question(self) -> str:
        """The question without the name of a sample that stands beside it."""
        return self._title()

    def _subject(self) -> str:
        """What the explanation is called in a list of objects."""
        return self._title()

    @abstractmethod
    def _presence(self) -> dict[str, np.ndarray | None]:
        """Presence of the nodes, by the name of its column."""

    @abstractmethod
    def _marks(self) -> list[str]:
        """For every node: where it is missing, in two or three words; empty if nowhere."""

    @abstractmethod
    def _title(self) -> str:
        """The question that is answered, in one line."""

    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """What the photos that go with the explanation are called, the first one at least."""

    @abstractmethod
    def _lines(self, max_nodes: int) -> list[str]:
        """Sentences, each naming so many nodes at most."""

    @abstractmethod
    def _about(self) -> dict[str, Any]:
        """First entries of `to_dict`."""

    @abstractmethod
    def _missing(self) -> dict[str, np.ndarray]:
        """Beginnings of sentences about missing parts, each with the nodes that it holds for."""

    def _closing(self) -> str:
        """Text after the tree."""
        return ""
