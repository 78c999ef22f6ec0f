"""What all explanations share: contributions of nodes that add up to a squared distance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..metrics import sum_below
from . import _bars, _html, _text
from ._checks import read_only

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..tree import SegmentTree

# a squared distance below this share of the contributions' absolute sum is a rounding error
ROUNDING = 1e-12


class Phrases(NamedTuple):
    """How an explanation speaks of its distance; the first two go before a list of nodes."""

    mostly: str
    many: str
    none: str


class Explanation(ABC):
    """Contributions of the nodes of a tree to one squared distance.

    A subclass is a frozen dataclass that has `tree`, and `own` as an array of shape (n_nodes,),
    and says how its distance is to be called.
    """

    tree: SegmentTree
    own: np.ndarray

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
        """`total` as a share of the squared distance; all 0 where that is 0 up to rounding."""
        return read_only(self._as_share(self.total))

    @cached_property
    def own_share(self) -> np.ndarray:
        """`own` as a share of the squared distance; all 0 where that is 0 up to rounding."""
        return read_only(self._as_share(self.own))

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        squared = self.squared_distance
        if squared <= ROUNDING * np.abs(self.own).sum():
            return np.zeros(self.tree.n_nodes)
        return values / squared

    @property
    def contributions(self) -> pd.DataFrame:
        """A new DataFrame with one row per node, in the tree's order, by path.

        Its columns are `own`, what the node's own columns contribute to the squared distance;
        `total`, the same with everything below the node; `share`, `total` as a share of the
        squared distance (0 in every row where the distance is 0); and whether the part is there
        at all, with missing values where the table does not say.
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
            the share of its own columns. Shares in the first column of one level add up; those in
            the second column add up to 100 %.
        """
        return _text.full_text(self, max_nodes)

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
        return _html.export_html(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._title()}: {_text.short_summary(self)})"

    @abstractmethod
    def _presence(self) -> dict[str, np.ndarray | None]:
        """Presence of the nodes, by the name of its column."""

    @abstractmethod
    def _marks(self) -> list[str]:
        """For every node: where it is missing, in two or three words; empty if nowhere."""

    @abstractmethod
    def _title(self) -> str:
        """What the explanation is about, in one line without a full stop."""

    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """What the photos that go with the explanation are called, the first one at least."""

    @abstractmethod
    def _phrases(self) -> Phrases:
        """How to speak of the distance."""

    @abstractmethod
    def _about(self) -> dict[str, Any]:
        """First entries of `to_dict`."""

    @abstractmethod
    def _missing(self) -> dict[str, np.ndarray]:
        """Beginnings of sentences about missing parts, each with the nodes that it holds for."""

    def _opening(self) -> list[str]:
        """Sentences before those about nodes."""
        return []

    def _closing(self) -> str:
        """Text after the tree."""
        return ""
