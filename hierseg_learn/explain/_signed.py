"""Explanations of a difference: contributions of either sign, and shares of their sizes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NoReturn

import numpy as np

from ..utils._numbers import number, percent
from . import _node_table
from ._base import Explanation
from ._shares import FOR, LEAST, Sides, signed_shares
from ._text import missing_lines, start_sentence


class SignedExplanation(Explanation):
    """Contributions of the nodes of a tree to a difference of squared distances.

    Contributions of either sign may cancel, so shares are shares of the stronger side: of all that
    speaks for the class or, where that is more, of all that speaks against it.
    """

    _sides: ClassVar[Sides] = FOR
    _is_two_sided = True

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
        return signed_shares(values, self.own)

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._subject()}: {self._summary()})"

    def _summary(self) -> str:
        """The difference and the largest contributions in a few words."""
        words = [f"{name} {self._sides.pro}" for name in self._named(1, 2)]
        words += [f"{name} {self._sides.contra}" for name in self._named(-1, 1)]
        return ", ".join([self._head(), *words])

    def _named(self, sign: int, max_nodes: int) -> list[str]:
        return _node_table.named_shares(self.tree, self.own_share, sign, max_nodes)

    def _lines(self, max_nodes: int) -> list[str]:
        lines = [*self._opening(), *self._sentences(max_nodes)]
        return [start_sentence(line) for line in [*lines, *missing_lines(self, max_nodes)]]

    def _head(self) -> str:
        """What stands over the tree."""
        return f"{self._sum_name()} {number(self.difference)}"

    def _sum_name(self) -> str:
        return "difference"

    def _weaker_side(self, pro: str, contra: str) -> list[str]:
        """One sentence that says how strong the weaker side is, none where there is none.

        `pro` and `contra` say what speaks, such as "speaks for 'cat'".
        """
        below = min(float(side[self.tree.root]) for side in self._by_side)
        if below < LEAST:
            return []
        if self.difference < 0:
            pro, contra = contra, pro
        return [f"All that {pro} is 100%; what {contra} is {percent(below)} of that."]

    def _share_words(self) -> str:
        return "share of what speaks for (red) or against (blue)"

    def _presence(self) -> dict[str, np.ndarray | None]:
        return {}

    def _marks(self) -> list[str]:
        return [""] * self.tree.n_nodes

    def _missing(self) -> dict[str, np.ndarray]:
        return {}

    def _names(self) -> tuple[str, ...]:
        return (self._title(),)

    def _opening(self) -> list[str]:
        """Sentences before those about nodes."""
        return []

    @abstractmethod
    def _sentences(self, max_nodes: int) -> list[str]:
        """Sentences about nodes."""

    @abstractmethod
    def _caption(self) -> str:
        """What the table in a notebook shows."""

    @abstractmethod
    def _share_label(self) -> str:
        """What the bars measure."""


def class_name(label: Any) -> str:
    """How a class is called in a sentence: a name in quotes, anything else by its kind."""
    return f"'{label}'" if isinstance(label, str) else f"class {label}"


def plain(value: Any) -> Any:
    """Return a value as a plain Python one, ready for JSON."""
    return value.item() if isinstance(value, np.generic) else value
