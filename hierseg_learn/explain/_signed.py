"""Explanations of a difference: contributions of either sign, and shares of their sizes."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import _bars, _node_table
from ._base import Explanation
from ._text import _cut, _topmost, enumerate_words, share_text, start_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class SignedExplanation(Explanation):
    """Contributions of the nodes of a tree to a difference of squared distances.

    Contributions of either sign may cancel, so shares are shares of the sum of the absolute values
    of `own`: those of the nodes' own columns add up to 100 % without their signs.
    """

    @property
    def difference(self) -> float:
        """What is explained: the sum of the contributions, of either sign."""
        return float(self.own.sum())

    @property
    def squared_distance(self) -> float:
        """The `difference`, under the name that all explanations have for what they explain.

        Unlike a squared distance it may be negative.
        """
        return self.difference

    @property
    def distance(self) -> NoReturn:
        """Not defined: a difference of squared distances is the square of no distance."""
        raise AttributeError(
            f"a {type(self).__name__} explains a difference of squared distances, which is the "
            "square of no distance; see `difference`."
        )

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        return _node_table.signed_shares(values, self.own)

    def to_text(self, max_nodes: int = 3) -> str:
        """Say in words which nodes speak for and against, and draw the tree with all shares.

        Parameters
        ----------
        max_nodes : int, default=3
            How many nodes a sentence may name on either side.

        Returns
        -------
        str
            Sentences, then one line per node: its share with everything below it, and the share of
            its own columns.
        """
        return _node_table.export_text(
            self.tree, self._lines(max_nodes), self._head(), self._columns(), self._marks()
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values, ready for :func:`json.dumps`.

        Returns
        -------
        dict
            What the explanation is about, `difference`, and under `nodes` one dict per node with
            its path and the columns of `contributions`.
        """
        frame = self.contributions
        lists = {
            name: [None if value is None or value != value else value for value in values]
            for name, values in frame.astype(object).where(frame.notna(), None).items()
        }
        nodes = [
            {"path": path, **{name: plain(values[node]) for name, values in lists.items()}}
            for node, path in enumerate(self.tree.paths)
        ]
        return {**self._about(), "difference": self.difference, "nodes": nodes}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw one horizontal bar per node: to the right what speaks for the class.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure that is as high as the tree needs.

        Returns
        -------
        matplotlib Axes
            The axes with the bars, as in :meth:`PairExplanation.plot`.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        ax = _bars.plot(self, ax)
        ax.set_xlabel(self._axis_label(), parse_math=False)
        return ax

    def _repr_html_(self) -> str:
        return _node_table.export_html(
            self.tree,
            self._title(),
            self._lines(3),
            self._caption(),
            self._columns(),
            (self.share, self.own_share),
            self._marks(),
        )

    def __repr__(self) -> str:
        named = self._named(1, 2) + self._named(-1, 1)
        parts = [self._head().replace("−", "-"), *named]
        return f"{type(self).__name__}({self._title()}: {', '.join(parts)})"

    def _columns(self) -> dict[str, list[str]]:
        return {
            "share": [share_text(value) for value in self.share],
            "own": [share_text(value) for value in self.own_share],
        }

    def _named(self, sign: int, max_nodes: int) -> list[str]:
        return _node_table.named_shares(self.tree, self.own_share, sign, max_nodes)

    def _lines(self, max_nodes: int) -> list[str]:
        _node_table.check_max_nodes(max_nodes)
        lines = [*self._opening(), *self._sentences(max_nodes)]
        for beginning, nodes in self._missing().items():
            names = _topmost(self.tree, nodes)
            if names:
                lines.append(beginning + enumerate_words(_cut(names, max_nodes)) + ".")
        return [start_sentence(line) for line in lines]

    def _head(self) -> str:
        """What stands over the tree."""
        return f"difference {self.difference:.3g}".replace("-", "−")

    def _presence(self) -> dict[str, np.ndarray | None]:
        return {}

    def _marks(self) -> list[str]:
        return [""] * self.tree.n_nodes

    def _missing(self) -> dict[str, np.ndarray]:
        return {}

    def _names(self) -> tuple[str, ...]:
        return (self._title(),)

    @abstractmethod
    def _sentences(self, max_nodes: int) -> list[str]:
        """Sentences about nodes."""

    @abstractmethod
    def _caption(self) -> str:
        """What the table in a notebook shows."""

    @abstractmethod
    def _axis_label(self) -> str:
        """What the bars measure."""


def class_name(label: Any) -> str:
    """How a class is called in a sentence."""
    return f"class {label}"


def plain(value: Any) -> Any:
    """Return a value as a plain Python one, ready for JSON."""
    return value.item() if isinstance(value, np.generic) else value
