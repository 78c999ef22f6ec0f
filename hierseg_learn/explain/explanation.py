"""What all explanations share: contributions of nodes that add up to a squared distance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from ..metrics import sum_below
from ..tree import SegmentTree
from ..utils.numbers import number, percent
from . import bars, words
from .words import (
    APART,
    FOR,
    LEAST,
    Sides,
    both_sides,
    missing_lines,
    signed_shares,
    start_sentence,
)

if TYPE_CHECKING:
    from ..tree import SegmentTree
if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ..tree import SegmentTree


# what a sample is called that nobody has given a name
NAMELESS = "the sample"


class OneSample:
    """Mixin of explanations that have the fields `tree`, `name` and `present`."""

    tree: SegmentTree
    name: str
    present: np.ndarray | None

    def _with_name(self, question: str) -> str:
        """A question after the name of the sample, if it has one of its own."""
        if self.name == NAMELESS:
            return question
        return f"{self.name}: {question[0].lower()}{question[1:]}"

    def _presence(self) -> dict[str, np.ndarray | None]:
        return {"present": self.present}

    def _marks(self) -> list[str]:
        if self.present is None:
            return [""] * self.tree.n_nodes
        return ["" if flag else "missing" for flag in self.present.tolist()]

    def _missing(self) -> dict[str, np.ndarray]:
        return {} if self.present is None else {f"{self.name} lacks ": ~self.present}


def check_tree(tree: Any) -> SegmentTree:
    """Return the tree if it is one."""
    if not isinstance(tree, SegmentTree):
        raise TypeError(f"tree must be a SegmentTree, got {tree!r} of type {type(tree).__name__}.")
    return tree


def check_numbers(values: Any, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
    """Return a read-only float64 copy of finite numbers.

    A string in `shape` stands for any length of at least 1.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}.")
    _check_shape(array, name, shape)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers, got {array[~np.isfinite(array)][0]}.")
    return read_only(array)


def check_presence(values: Any, name: str, n_nodes: int) -> np.ndarray | None:
    """Return a read-only bool copy of one flag per node; None stays None."""
    if values is None:
        return None
    array = np.asarray(values)
    _check_shape(array, name, (n_nodes,))
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"{name} must hold one bool (or 0 or 1) per node, got {array.dtype} values such as "
            f"{array[0]!r}."
        )
    return read_only(array.astype(bool))


def check_items(values: Any, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
    """Return a read-only 1-D copy of labels or row numbers."""
    array = np.array(values)
    _check_shape(array, name, shape)
    return read_only(array)


def check_question(question: Any) -> str:
    """Return "class" or "neighbors"."""
    if question not in ("class", "neighbors"):
        raise ValueError(f"question must be 'class' or 'neighbors', got {question!r}.")
    return question


def check_attribute_to(attribute_to: Any) -> str:
    """Return "nodes" or "parts"."""
    if attribute_to not in ("nodes", "parts"):
        raise ValueError(f"attribute_to must be 'nodes' or 'parts', got {attribute_to!r}.")
    return attribute_to


def check_members(values: np.ndarray, name: str, classes: np.ndarray) -> None:
    """Raise unless all values are classes."""
    known = classes.tolist()
    for value in values.tolist():
        if value not in known:
            shown = known if len(known) <= 10 else [*known[:10], "..."]
            raise ValueError(f"{name} holds {value!r}, which is not in classes={shown}.")


def check_weights(values: Any, name: str, length: int) -> np.ndarray:
    """Return read-only weights that are not negative and not all zero."""
    weights = check_numbers(values, name, (length,))
    if (weights < 0).any() or not weights.any():
        raise ValueError(
            f"{name} must hold weights of at least 0, one of them positive, got "
            f"{weights.tolist()[:10]}."
        )
    return weights


def check_level(level: Any, tree: SegmentTree) -> int:
    """Return a depth of the tree; None is that of the deepest leaf."""
    drop_ancestors = int(tree.depths.max())
    if level is None:
        return drop_ancestors
    if (
        isinstance(level, bool)
        or not isinstance(level, Integral)
        or not 0 <= level <= drop_ancestors
    ):
        raise ValueError(
            f"level must be None or an integer from 0 to {drop_ancestors}, the depth of the tree, "
            f"got {level!r}."
        )
    return int(level)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return the array with its writeable flag off."""
    array.flags.writeable = False
    return array


def _check_shape(array: np.ndarray, name: str, shape: Sequence[int | str]) -> None:
    fits = array.ndim == len(shape) and all(
        size == wanted if isinstance(wanted, int) else size > 0
        for size, wanted in zip(array.shape, shape)
    )
    if not fits:
        wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), got shape {array.shape}.")


# a squared distance below this share of the contributions' absolute sum is a rounding error
ROUNDING = 1e-12


class Explanation(ABC):
    """Contributions of the nodes of a tree to one squared distance.

    A subclass is a frozen dataclass that has `tree`, and `direct` as an array of shape (n_nodes,),
    and says how its distance is to be called.
    """

    tree: SegmentTree
    direct: np.ndarray

    _sides: ClassVar[Sides] = APART

    @property
    def squared_distance(self) -> float:
        """Sum of the contributions; a sum below zero is a rounding error and counts as 0."""
        return max(float(self.direct.sum()), 0.0)

    @property
    def distance(self) -> float:
        """Square root of `squared_distance`. Contributions do not add up to it."""
        return float(np.sqrt(self.squared_distance))

    @cached_property
    def total(self) -> np.ndarray:
        """What every node and all nodes below it contribute: array of shape (n_nodes,)."""
        return read_only(sum_below(self.tree, self.direct))

    @cached_property
    def share(self) -> np.ndarray:
        """`total` as shares of what sets apart; all 0 where the distance is 0 up to rounding."""
        return read_only(self._as_share(self.total))

    @cached_property
    def direct_share(self) -> np.ndarray:
        """`direct` as shares of what sets apart; all 0 where the distance is 0 up to rounding."""
        return read_only(self._as_share(self.direct))

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        if self.squared_distance <= ROUNDING * np.abs(self.direct).sum():
            return np.zeros(self.tree.n_nodes)
        return signed_shares(values, self.direct)

    @property
    def contributions(self) -> pd.DataFrame:
        """A new DataFrame with one row per node, in the tree's order, by path.

        Its columns are `direct`, what the node's own columns contribute to the squared distance;
        `total`, the same with everything below the node; `share`, `total` as a share of all
        positive `direct` together, negative where the node makes up for others (0 in every row
        where the distance is 0); and whether the part is there at all, with missing values where
        the table does not say.
        """
        import pandas as pd

        columns: dict[str, Any] = {"direct": self.direct, "total": self.total, "share": self.share}
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
            that of its own columns, "direct". Those of the own columns add up to 100%. Where nodes
            make up for others, there are two columns for everything below: what sets apart
            ("apart") adds up to 100%, what brings closer to how strong it is beside that.
        """
        words.check_max_nodes(max_nodes)
        text = words.export_text(
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
            dict per node with its path, `direct`, `total`, `share` and presence.
        """
        columns = {
            "direct": self.direct,
            "total": self.total,
            "share": self.share,
            **self._presence(),
        }
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
        return bars.plot(self, ax)

    def _repr_html_(self) -> str:
        return words.export_html(self, self._lines(3), self._closing())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._subject()}: {words.short_summary(self)})"

    @cached_property
    def _by_side(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares with everything below on either side, without signs: two of shape (n_nodes,)."""
        return both_sides(self.tree, self.direct_share)

    @property
    def _is_two_sided(self) -> bool:
        """Whether there is anything to say of the other side."""
        return bool(self._by_side[1][self.tree.root] >= LEAST)

    def _columns(self) -> dict[str, list[str]]:
        """Shares as they are written, by the head of their column."""
        direct = [words.share_text(value, self._sides) for value in self.direct_share]
        if not self._is_two_sided:
            below = [words.share_text(value, self._sides) for value in self.share]
            return {"share": below, "direct": direct}
        pro, contra = ([percent(value) for value in side] for side in self._by_side)
        return {self._sides.pro: pro, self._sides.contra: contra, "direct": direct}

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
        return float(self.direct.sum())

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
        return signed_shares(values, self.direct)

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
        return words.named_shares(self.tree, self.direct_share, sign, max_nodes)

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
