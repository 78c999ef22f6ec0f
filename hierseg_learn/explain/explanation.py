"""Base of all explanations: contributions of the nodes of a tree that add up to a value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..metrics import sum_below
from ..tree import SegmentTree
from ..utils.numbers import check_integer, number, percent
from . import bars, words
from .words import (
    APART,
    FOR,
    LEAST,
    ShareTable,
    Sides,
    both_sides,
    enumerate_words,
    missing_lines,
    signed_shares,
    start_sentence,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


# what decides on the class of a sample
DECISIONS = ("neighbors", "prototypes", "linear")
# what contributions are attributed to
BY = ("nodes", "parts", "descriptors", "columns")
# contributions and what they add up to may differ by rounding only
TOLERANCE = 1e-6
# what a sample without a name is called
NAMELESS = "the sample"
# a squared distance below this share of the contributions' absolute sum is a rounding error
ROUNDING = 1e-12
# of a sum of a few hundred float64 numbers, as a share of the sum of their sizes
EPSILON = 1e-15


def check_tree(tree: Any) -> SegmentTree:
    """Return the tree if it is one."""
    if not isinstance(tree, SegmentTree):
        raise TypeError(f"tree must be a SegmentTree, got {tree!r} of type {type(tree).__name__}.")
    return tree


def check_numbers(values: Any, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
    """Return a read-only float64 copy of finite numbers; a string in `shape` is any length."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}.")
    _check_shape(array, name, shape)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers, got {array[~np.isfinite(array)][0]}.")
    return read_only(array)


def check_direct(values: Any, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
    """As `check_numbers`, for one sample, or with one more axis in front for a batch of samples."""
    is_batch = np.ndim(values) == len(shape) + 1
    return check_numbers(values, name, (len(values), *shape) if is_batch else shape)


def check_presence(values: Any, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return a read-only bool copy of one flag per node; None stays None."""
    if values is None:
        return None
    array = np.asarray(values)
    _check_shape(array, name, shape)
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"{name} must hold one bool (or 0 or 1) per node, got {array.dtype} values such as "
            f"{array.ravel()[0]!r}."
        )
    return read_only(array.astype(bool))


def check_items(values: Any, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
    """Return a read-only copy of labels or row numbers."""
    array = np.array(values)
    _check_shape(array, name, shape)
    return read_only(array)


def check_names(values: Any, name: str, samples: tuple[int, ...]) -> Any:
    """Return what to call samples: a string, or for a batch also one label each."""
    if not samples or isinstance(values, str):
        return str(values)
    return check_items(values, name, samples)


def check_choice(value: Any, name: str, *choices: str) -> str:
    """Return the value if it is one of the choices."""
    if value not in choices:
        known = enumerate_words(list(map(repr, choices))).replace(" and ", " or ")
        raise ValueError(f"{name} must be {known}, got {value!r}.")
    return value


def check_by(by: Any) -> str:
    """Return what contributions are attributed to."""
    return check_choice(by, "by", *BY)


def check_members(values: np.ndarray, name: str, classes: np.ndarray) -> None:
    """Raise unless all values are classes."""
    known = classes.tolist()
    for value in values.tolist():
        if value not in known:
            shown = known if len(known) <= 10 else [*known[:10], "..."]
            raise ValueError(f"{name} holds {value!r}, which is not in classes={shown}.")


def check_weights(values: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return read-only weights that are not negative and, along the last axis, not all zero."""
    weights = check_numbers(values, name, shape)
    if (weights < 0).any() or not weights.any(axis=-1).all():
        raise ValueError(
            f"{name} must hold weights of at least 0, one of them positive, got "
            f"{weights.tolist()[:10]}."
        )
    return weights


def check_level(level: Any, tree: SegmentTree) -> int:
    """Return a depth of the tree; None is that of the deepest leaf."""
    depth = int(tree.depths.max())
    if level is None:
        return depth
    if isinstance(level, bool) or not isinstance(level, Integral) or not 0 <= level <= depth:
        raise ValueError(
            f"level must be None or an integer from 0 to {depth}, the depth of the tree, "
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


def unchecked(kind: type[Any], **values: Any) -> Any:
    """Make an explanation of fields that are known to be valid; its arrays become read-only."""
    for value in values.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    explanation = object.__new__(kind)
    vars(explanation).update(values)
    return explanation


class Explanation(ABC):
    """Contributions of the nodes of a tree to a value, of one sample or of a batch of samples.

    A subclass is a frozen dataclass with the fields `tree`, and `direct` of shape (n_nodes,), or
    (n_samples, n_nodes) for a batch. An integer index gives the explanation of one sample of a
    batch; a slice, a mask or an array of positions gives a smaller batch.
    """

    tree: SegmentTree
    direct: np.ndarray
    # what the leaves of the tree are, where they are not nodes of a classifier's tree
    by: str = "nodes"

    _type: ClassVar[str]  # the `type` in `to_dict`
    _value_name: ClassVar[str]
    _sides: ClassVar[Sides]
    # fields that are the same for all samples of a batch, and those that name samples
    _shared: ClassVar[frozenset[str]] = frozenset(
        {"tree", "classes", "decision", "by", "temperature", "calibration"}
    )
    _named: ClassVar[tuple[str, ...]] = ("name",)

    @property
    def is_batch(self) -> bool:
        """Whether there are several samples."""
        return self.direct.ndim > 1

    def __len__(self) -> int:
        if not self.is_batch:
            raise TypeError(f"a {type(self).__name__} of a single sample has no length.")
        return len(self.direct)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Self:
        length, is_single = len(self), isinstance(key, Integral) and not isinstance(key, bool)
        if is_single and not -length <= key < length:
            raise IndexError(f"explanation {key} of {length} does not exist.")
        key = int(key) % length if is_single else np.arange(length)[key]
        taken = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            whole = name in self._shared or value is None or isinstance(value, str)
            taken[name] = value if whole else value[key]
        if is_single:
            for name in self._named:
                if name in taken and not isinstance(taken[name], str):
                    taken[name] = f"sample {taken[name]}"
            taken = self._trimmed(taken)
        return unchecked(type(self), **taken)

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    @property
    def value(self) -> Any:
        """What the contributions add up to: a float, or for a batch an array of (n_samples,).

        A sum that rounding alone accounts for is 0.
        """
        value = self.direct.sum(axis=-1)
        value = np.where(np.abs(value) <= EPSILON * np.abs(self.direct).sum(axis=-1), 0.0, value)
        return value if self.is_batch else float(value)

    @cached_property
    def total(self) -> np.ndarray:
        """What every node and all nodes below it contribute, of the shape of `direct`."""
        return read_only(sum_below(self.tree, self.direct))

    @cached_property
    def share(self) -> np.ndarray:
        """`total` as shares of the stronger side."""
        return read_only(self._as_share(self.total))

    @cached_property
    def direct_share(self) -> np.ndarray:
        """`direct` as shares of the stronger side."""
        return read_only(self._as_share(self.direct))

    def to_frame(self) -> pd.DataFrame:
        """Contributions of all nodes as a new data frame.

        Returns
        -------
        DataFrame
            One row per node, in the order of the tree, by path: `direct`, `total` and `share`, as
            the attributes, and the presence of the node, missing if unknown. By columns, `column`
            is the name of the leaf's column in the table, or its position in one without names. For
            a batch one row per sample and node, with further columns in front: `sample`, those of
            the sample, `node` and `depth`.
        """
        import pandas as pd

        columns: dict[str, Any] = {}
        if self.by == "columns":
            of_leaves = np.full(self.tree.n_nodes, None)
            of_leaves[self.tree.leaves] = [value and value[0] for value in self.tree.leaf_values]
            columns["column"] = np.resize(of_leaves, self.direct.size)
        columns |= {
            name: values.ravel() if values is not None else np.full(self.direct.size, None)
            for name, values in self._frame_columns().items()
        }
        for name, present in self._presence().items():
            if present is None:
                columns[name] = pd.array(columns[name], dtype="boolean")
        if not self.is_batch:
            return pd.DataFrame(columns, index=pd.Index(self.tree.paths, name="node"))
        n_samples, n_nodes = self.direct.shape
        samples = {
            name: np.repeat(np.broadcast_to(values, n_samples), n_nodes)
            for name, values in self._sample_columns().items()
        }
        node = np.tile(np.array(self.tree.paths, dtype=object), n_samples)
        depth = np.tile(self.tree.depths, n_samples)
        return pd.DataFrame({**samples, "node": node, "depth": depth, **columns})

    def to_dict(self) -> dict[str, Any] | list[dict[str, Any]]:
        """Everything as plain Python values, ready for :func:`json.dumps`.

        Returns
        -------
        dict
            The `type`, what is explained, its value, and under `nodes` one dict per node with its
            path and the columns of `to_frame`. A list of such for a batch.
        """
        if self.is_batch:
            return [explanation.to_dict() for explanation in self]
        frame = self.to_frame()
        frame = frame.astype(object).where(frame.notna(), None)
        nodes = [
            {"path": path, **{name: plain(value) for name, value in zip(frame, row)}}
            for path, row in zip(frame.index, frame.to_numpy())
        ]
        return {"type": self._type, **self._about(), **self._values(), "nodes": nodes}

    def to_text(self, max_nodes: int = 3) -> str:
        """Explanation in words, and the tree with all shares.

        Parameters
        ----------
        max_nodes : int, default=3
            How many nodes a sentence may name. The tree shows all of them, but of the columns or
            descriptors of a node only the largest, up to 10; the others share a line.

        Returns
        -------
        str
            Sentences, then one line per node: the share of the node with everything below it, on
            either side if there are two, and that of its own columns, "direct".
        """
        check_integer(max_nodes, "max_nodes")
        return words.export_text(self.share_table(), self._lines(max_nodes), self._closing())

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
        return bars.plot(self.share_table(), ax, f"{type(self).__name__}.plot")

    def _repr_html_(self) -> str | None:
        if self.is_batch:
            return None
        return words.export_html(self.share_table(), self._lines(3), self._closing())

    def __repr__(self) -> str:
        if self.is_batch:
            n_units = self.tree.is_leaf.sum() if self._is_refined else self.tree.n_nodes
            return f"{type(self).__name__}({len(self)} samples, {n_units} {self._unit}s)"
        return f"{type(self).__name__}({self._subject()}: {self._summary()})"

    def share_table(self) -> ShareTable:
        """Shares and their headings, for text, tables and bars."""
        if self.is_batch:
            raise ValueError(
                f"words and pictures are of one sample, got a batch of {len(self)}; select one by "
                "its index, such as explanations[0]."
            )
        table = ShareTable(
            tree=self.tree,
            direct=self.direct_share,
            total=self.share,
            by_side=self._by_side,
            sides=self._sides,
            is_two_sided=self._is_two_sided,
            head=self._head(),
            title=self._title(),
            caption=self._caption(),
            axis_label=self._axis_label(),
            marks=self._marks(),
            more=self._more_columns(),
        )
        return table.abridged(self._unit) if self._is_refined else table

    @property
    def _parts(self) -> str:
        """What differs between samples, in a word."""
        return f"{self._unit}s" if self._is_refined else "parts"

    @property
    def _is_refined(self) -> bool:
        """Whether the leaves of the tree are columns or descriptors of the nodes above them."""
        return self.by in ("columns", "descriptors")

    @property
    def _unit(self) -> str:
        """What contributes, in a word."""
        return self.by.removesuffix("s") if self._is_refined else "node"

    @cached_property
    def _by_side(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares with everything below on either side, without signs: two of shape (n_nodes,)."""
        return both_sides(self.tree, self.direct_share)

    def _head(self) -> str:
        """Heading of the tree."""
        return f"{self._value_name} {number(self.value)}"

    def _other_terms(self) -> dict[str, float]:
        """What is no contribution of a node but belongs to the sum, by name."""
        return {}

    def _sum_name(self) -> str:
        """What the contributions and the other terms add up to."""
        return self._value_name

    def _axis_label(self) -> str:
        return self._share_label()

    def _question(self) -> str:
        """The question without the name of the sample."""
        return self._title()

    def _subject(self) -> str:
        """What the explanation is called in a list of objects."""
        return self._title()

    def _names(self) -> tuple[str, ...]:
        """Names of the photos that go with the explanation, at least one."""
        return (self._title(),)

    def _frame_columns(self) -> dict[str, np.ndarray | None]:
        """Columns of `to_frame`, each of the shape of `direct`, or None if unknown."""
        numbers = {"direct": self.direct, "total": self.total, "share": self.share}
        return {**numbers, **self._presence()}

    def _sample_columns(self) -> dict[str, Any]:
        """Columns of `to_frame` that hold one value per sample."""
        return {"sample": np.arange(len(self))}

    def _presence(self) -> dict[str, np.ndarray | None]:
        """Presence of the nodes, by the name of its column."""
        return {}

    def _marks(self) -> list[str]:
        """For every node, where it is missing, in two or three words; empty if nowhere."""
        return [""] * self.tree.n_nodes

    def _missing(self) -> dict[str, np.ndarray]:
        """Beginnings of sentences about missing parts, and masks of the nodes."""
        return {}

    def _more_columns(self) -> dict[str, list[str]]:
        """Further columns of text and tables."""
        return {}

    def _closing(self) -> str:
        """Text after the tree."""
        return ""

    def _trimmed(self, values: dict[str, Any]) -> dict[str, Any]:
        """Fields of a single sample without padding."""
        return values

    @property
    @abstractmethod
    def _is_two_sided(self) -> bool:
        """Whether the other side is shown."""

    @abstractmethod
    def _as_share(self, values: np.ndarray) -> np.ndarray:
        """Values of the shape of `direct` as shares."""

    @abstractmethod
    def _lines(self, max_nodes: int) -> list[str]:
        """Sentences, each naming at most so many nodes."""

    @abstractmethod
    def _title(self) -> str:
        """The question that is answered, in one line."""

    @abstractmethod
    def _about(self) -> dict[str, Any]:
        """First entries of `to_dict`."""


class OneSample:
    """Mixin of explanations that have the fields `tree`, `name` and `present`."""

    tree: SegmentTree
    name: Any
    present: np.ndarray | None

    def _with_name(self, question: str) -> str:
        """A question after the name of the sample, if it has one."""
        if self.name == NAMELESS:
            return question
        return f"{self.name}: {question[0].lower()}{question[1:]}"

    def _sample_columns(self) -> dict[str, Any]:
        return {"sample": np.arange(len(self)) if isinstance(self.name, str) else self.name}

    def _presence(self) -> dict[str, np.ndarray | None]:
        return {"present": self.present}

    def _marks(self) -> list[str]:
        if self.present is None:
            return [""] * self.tree.n_nodes
        return ["" if flag else "missing" for flag in self.present.tolist()]

    def _missing(self) -> dict[str, np.ndarray]:
        return {} if self.present is None else {f"{self.name} lacks ": ~self.present}


class DistanceExplanation(Explanation):
    """Contributions to a squared distance; shares are those of all that is positive."""

    _value_name = "squared distance"
    _sides = APART

    @property
    def value(self) -> Any:
        """Sum of the contributions; a sum below zero is a rounding error and counts as 0."""
        value = np.maximum(self.direct.sum(axis=-1), 0.0)
        return value if self.is_batch else float(value)

    @property
    def squared_distance(self) -> Any:
        """The `value`: a float, or for a batch an array of (n_samples,)."""
        return self.value

    @property
    def distance(self) -> Any:
        """Square root of `squared_distance`. Contributions do not add up to it."""
        distance = np.sqrt(self.value)
        return distance if self.is_batch else float(distance)

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        squared = self.direct.sum(axis=-1, keepdims=True)
        clear = squared > ROUNDING * np.abs(self.direct).sum(axis=-1, keepdims=True)
        return np.where(clear, signed_shares(values, self.direct), 0.0)

    def _values(self) -> dict[str, float]:
        return {"squared_distance": self.squared_distance, "distance": self.distance}

    def _summary(self) -> str:
        leading = words.leading_shares(self.tree, self.direct_share)
        return ", ".join([f"squared distance {number(self.value)}", *leading])

    @property
    def _is_two_sided(self) -> bool:
        return bool(self._by_side[1][self.tree.root] >= LEAST)

    def _caption(self) -> str:
        what = "Shares of what sets apart" if self._is_two_sided else "Shares"
        return f"{what} in the squared distance, {number(self.value)}, by {self._unit}"

    def _share_label(self) -> str:
        if self._is_two_sided:
            return "share of what sets apart:  ← closer  |  apart →"
        return "share of the squared distance"

    def _axis_label(self) -> str:
        whole = "" if self._is_two_sided else f" of {number(self.value)}"
        return self._share_label() + whole

    def _share_words(self) -> str:
        if self._is_two_sided:
            return "share of what sets apart (red) or brings closer (blue)"
        return "share of the squared distance"


class SignedExplanation(Explanation):
    """Contributions to a difference; shares are those of the stronger side, of either sign."""

    _value_name = "difference"
    _sides = FOR
    _is_two_sided = True

    @property
    def difference(self) -> Any:
        """The `value`: a float, or for a batch an array of (n_samples,)."""
        return self.value

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        return signed_shares(values, self.direct)

    def _values(self) -> dict[str, float]:
        return {"difference": self.difference}

    def _summary(self) -> str:
        names = [f"{name} {self._sides.pro}" for name in self._leading(1, 2)]
        names += [f"{name} {self._sides.contra}" for name in self._leading(-1, 1)]
        return ", ".join([self._head(), *names])

    def _leading(self, sign: int, max_nodes: int) -> list[str]:
        return words.named_shares(self.tree, self.direct_share, sign, max_nodes, self._unit)

    def _for_and_against(self, max_nodes: int) -> tuple[str, str]:
        """Leading nodes of either side as words: "a and b", and "; against it: c." or "."."""
        contra = enumerate_words(self._leading(-1, max_nodes))
        against = f"; against it: {contra}." if contra else "."
        return enumerate_words(self._leading(1, max_nodes)), against

    def _lines(self, max_nodes: int) -> list[str]:
        missing = missing_lines(self.tree, self._missing(), max_nodes)
        return [start_sentence(line) for line in [*self._sentences(max_nodes), *missing]]

    def _weaker_side(self, pro: str, contra: str) -> list[str]:
        """One sentence about the weaker side, if any; `pro` and `contra` say what either does."""
        below = min(float(side[self.tree.root]) for side in self._by_side)
        if below < LEAST:
            return []
        if self.value < 0:
            pro, contra = contra, pro
        return [f"All that {pro} is 100%; what {contra} is {percent(below)} of that."]

    def _share_words(self) -> str:
        return "share of what speaks for (red) or against (blue)"

    @abstractmethod
    def _sentences(self, max_nodes: int) -> list[str]:
        """Sentences about the value and the nodes."""


def class_name(label: Any) -> str:
    """How a class is called in a sentence: a name in quotes, or "class 3"."""
    return f"'{label}'" if isinstance(label, str) else f"class {label}"


def plain(value: Any) -> Any:
    """Return a value as a plain Python one, ready for JSON."""
    return value.item() if isinstance(value, np.generic) else value
