"""Explanations of a class and of a model, over many training rows."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..metrics import sum_below
from ..tree import SegmentTree
from ..utils.numbers import number
from .explanation import (
    DECISIONS,
    SignedExplanation,
    check_by,
    check_choice,
    check_items,
    check_numbers,
    check_tree,
    class_name,
    plain,
    read_only,
)
from .words import signed_shares, spoken_labels


class _OverRows(SignedExplanation):
    """Means over training rows, with their standard errors."""

    direct_by_row: np.ndarray
    rows: np.ndarray | None

    _frame_names: ClassVar[tuple[str, ...]]

    @property
    def _by_row(self) -> np.ndarray:
        """Values whose means are explained, (n_rows, n_nodes)."""
        return self.direct_by_row

    @cached_property
    def direct(self) -> np.ndarray:
        """Mean over the rows of every node's own columns: array of shape (n_nodes,)."""
        return read_only(self._by_row.mean(axis=0))

    @cached_property
    def direct_error(self) -> np.ndarray:
        """Standard error of `direct`, (n_nodes,); slightly too small, as rows share neighbors.

        Copies of a row, which have its number in `rows`, come and go together.
        """
        return read_only(standard_error(self._by_row, self.rows))

    @cached_property
    def total_error(self) -> np.ndarray:
        """Standard error of `total`: array of shape (n_nodes,)."""
        return read_only(standard_error(sum_below(self.tree, self._by_row), self.rows))

    def _frame_columns(self) -> dict[str, np.ndarray | None]:
        return {name: getattr(self, name) for name in self._frame_names}

    def _rows(self) -> str:
        n_rows = len(self.direct_by_row)
        return f"{n_rows} training row{'s' if n_rows > 1 else ''}"


@dataclass(frozen=True, eq=False, repr=False)
class ClassExplanation(_OverRows):
    """Which nodes separate a class from all other classes.

    What is explained is the mean, over the rows of the class, of the mean squared distance to the
    nearest rows of other classes minus the one to the nearest rows of their own class; for
    ``decision="linear"`` of the log-likelihood ratio of their class and the most probable other
    one.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct_by_row : array-like of shape (n_rows, n_nodes)
        What the own columns of every node contribute to the difference of every row.
    label : object
        The class.
    rows : array-like of int, shape (n_rows,)
        Numbers of the training rows; copies have the same.
    decision : {"neighbors", "prototypes", "linear"}, default="neighbors"
        Whether rows are compared with training rows, prototypes, or the means of linear
        discriminants.
    by : {"nodes", "descriptors", "columns"}, default="nodes"
        What the leaves of the tree are, as for :class:`PairExplanation`.

    See Also
    --------
    ContrastExplanation : The same for one sample and two classes.

    Examples
    --------
    >>> from hierseg_learn.explain import ClassExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> explanation = ClassExplanation(
    ...     tree, [[0.1, 2.0, 0.5], [-0.3, 3.0, 0.5]], label="sail", rows=[4, 9]
    ... )
    >>> print(explanation.to_text())
    Mean over 2 training rows of 'sail': to the nearest rows of other classes the squared distance
    is larger by 2.9 than to those of their own class.
    They are separated by boat (83%); against it: sky (3%).
    All that separates is 100%; what makes similar is 3% of that.
    <BLANKLINE>
    difference 2.9   for  against      direct  mean  error
    photo           100%       3%         17%   0.5      0
    ├── sky           0%       3%  3% against  -0.1    0.2
    └── boat         83%       0%         83%   2.5    0.5
    """

    tree: SegmentTree
    direct_by_row: np.ndarray
    _: KW_ONLY
    label: Any
    rows: np.ndarray
    decision: str = "neighbors"
    by: str = "nodes"

    _type = "class"
    _frame_names = ("direct", "direct_error", "total", "total_error", "share")

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        check_choice(self.decision, "decision", *DECISIONS)
        check_by(self.by)
        direct = check_numbers(self.direct_by_row, "direct_by_row", ("n_rows", n_nodes))
        # fields of a frozen dataclass can only be set in its dict
        vars(self).update(direct_by_row=direct, rows=check_items(self.rows, "rows", (len(direct),)))

    def _more_columns(self) -> dict[str, list[str]]:
        return {
            "mean": list(map(number, self.direct)),
            "error": list(map(number, self.direct_error)),
        }

    def _sentences(self, max_nodes: int) -> list[str]:
        pro, against = self._for_and_against(max_nodes)
        side = "smaller" if self.value < 0 else "larger"
        opening = f"Mean over {self._rows()} of {class_name(self.label)}: "
        if self.decision == "linear":
            opening += (
                "the log-likelihood ratio of their class and the most probable other one is "
                f"{number(self.value)}."
            )
        else:
            rows = self.decision == "neighbors"
            opening += (
                f"to the nearest {'rows' if rows else 'prototype'} of other classes the squared "
                f"distance is {side} by {number(abs(self.value))} than to "
                f"{'those' if rows else 'that'} of their own class."
            )
        if not pro:
            return [opening, f"No {self._unit} separates them{against}"]
        weaker_side = self._weaker_side("separates", "makes similar")
        return [opening, f"They are separated by {pro}{against}", *weaker_side]

    def _title(self) -> str:
        return f"What sets {class_name(self.label)} apart from all other classes?"

    def _subject(self) -> str:
        return f"{class_name(self.label)} against all others"

    def _caption(self) -> str:
        return f"Shares of what sets {class_name(self.label)} apart, by {self._unit}"

    def _share_label(self) -> str:
        return f"share:  ← other classes  |  {class_name(self.label)} →"

    def _about(self) -> dict[str, Any]:
        about = {"label": plain(self.label), "rows": self.rows.tolist()}
        return {**about, "decision": self.decision, "by": self.by}


def standard_error(values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Standard error of the mean over the first axis; NaN for a single row.

    Values of equal `rows`, (n_values,) int, are copies of one.
    """
    _, owners = np.unique(np.arange(len(values)) if rows is None else rows, return_inverse=True)
    n_rows = int(owners.max()) + 1
    if n_rows < 2:
        return np.full(values.shape[1:], np.nan)
    if n_rows == len(values):
        return values.std(axis=0, ddof=1) / np.sqrt(n_rows)
    sums = np.zeros((n_rows, *values.shape[1:]))
    np.add.at(sums, owners, values - values.mean(axis=0))
    return np.sqrt(np.square(sums).sum(axis=0) * n_rows / (n_rows - 1)) / len(values)


@dataclass(frozen=True, eq=False, repr=False)
class ModelExplanation(_OverRows):
    """How much a model relies on every node, over many rows.

    *By contribution*: the mean share of a node, over the training rows, in the contrast between
    their nearest rows of other classes and those of their own. Contrasts are used rather than the
    distances that explain predictions, because a node that varies much within all classes has a
    large share of every distance but decides nothing; and shares rather than numbers, because
    otherwise a few distant rows would dominate the mean. `total` and `direct` are such mean shares.

    *By permutation*: the accuracy lost if the columns of a node are permuted among the rows of a
    table, its own ones alone or together with those of all nodes below it [1]_. The columns of a
    node's ancestors describe its pixels, too, and are not permuted, so permuting a leaf shows what
    the model cannot find elsewhere.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct_by_row : array-like of shape (n_rows, n_nodes)
        What the own columns of every node contribute to the contrast of every training row.
    accuracy : float, default=None
        Accuracy on the table whose columns were permuted.
    drops_direct, drops_below : array-like of shape (n_repeats, n_nodes), default=None
        Accuracy lost by permuting a node's own columns, and the columns of its whole subtree.
    by : {"nodes", "descriptors", "columns"}, default="nodes"
        What the leaves of the tree are, as for :class:`PairExplanation`.
    rows : array-like of int, shape (n_rows,), default=None
        Numbers of the training rows; copies have the same. None is no copies.

    See Also
    --------
    ClassExplanation : Which nodes separate one class.
    sklearn.inspection.permutation_importance : Permutation of single columns.

    References
    ----------
    .. [1] L. Breiman. "Random Forests". Machine Learning 45, 2001.

    Examples
    --------
    >>> from hierseg_learn.explain import ModelExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> explanation = ModelExplanation(
    ...     tree,
    ...     [[1.0, 9.0, 0.0], [0.0, 3.0, 1.0]],
    ...     accuracy=0.9,
    ...     drops_direct=[[0.0, 0.5, 0.1], [0.0, 0.3, 0.1]],
    ...     drops_below=[[0.0, 0.5, 0.5], [0.0, 0.3, 0.3]],
    ... )
    >>> print(explanation.to_text())
    Over 2 training rows, classes are separated by boat (82%).
    Permuting boat costs most: accuracy falls from 0.9 by 0.4 ± 0.1.
    <BLANKLINE>
    mean net share 1   for  against  direct  drop below  drop direct
    photo             100%       0%     12%         0.4          0.1
    ├── sky             5%       0%      5%           0            0
    └── boat           82%       0%     82%         0.4          0.4
    """

    tree: SegmentTree
    direct_by_row: np.ndarray
    _: KW_ONLY
    accuracy: float | None = None
    drops_direct: np.ndarray | None = None
    drops_below: np.ndarray | None = None
    by: str = "nodes"
    rows: np.ndarray | None = None

    _type = "model"
    _value_name = "mean net share"
    _frame_names = ("direct", "direct_error", "total", "total_error")

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        check_by(self.by)
        direct = check_numbers(self.direct_by_row, "direct_by_row", ("n_rows", n_nodes))
        vars(self)["direct_by_row"] = direct
        if self.rows is not None:
            vars(self)["rows"] = check_items(self.rows, "rows", (len(direct),))
        given = [v is not None for v in (self.accuracy, self.drops_direct, self.drops_below)]
        if any(given) != all(given):
            raise ValueError(
                "accuracy, drops_direct and drops_below belong together; expected all or none."
            )
        if all(given):
            direct = check_numbers(self.drops_direct, "drops_direct", ("n_repeats", n_nodes))
            below = check_numbers(self.drops_below, "drops_below", (len(direct), n_nodes))
            vars(self).update(drops_direct=direct, drops_below=below, accuracy=float(self.accuracy))

    @cached_property
    def _by_row(self) -> np.ndarray:
        return signed_shares(self.direct_by_row, self.direct_by_row)

    def _frame_columns(self) -> dict[str, np.ndarray | None]:
        columns = super()._frame_columns()
        if self.accuracy is not None:
            drops = {"drop_direct": self.drops_direct, "drop_below": self.drops_below}
            for name, values in drops.items():
                columns |= {name: values.mean(axis=0), f"{name}_std": values.std(axis=0)}
        return columns

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        return values.copy()

    def _more_columns(self) -> dict[str, list[str]]:
        if self.accuracy is None:
            return {}
        drops = {"drop below": self.drops_below, "drop direct": self.drops_direct}
        return {name: list(map(number, values.mean(axis=0))) for name, values in drops.items()}

    def _sentences(self, max_nodes: int) -> list[str]:
        pro, against = self._for_and_against(max_nodes)
        separating = (
            f"classes are separated by {pro}" if pro else f"no {self._unit} separates classes"
        )
        lines = [f"Over {self._rows()}, {separating}{against}"]
        if self.accuracy is not None:
            drops = self.drops_direct.mean(axis=0)
            worst = int(drops.argmax())
            if drops[worst] <= 0:
                one = self._unit if self._is_refined else "node's direct columns"
                lines.append(f"Permuting any one {one} does not lower the accuracy.")
            else:
                lines.append(
                    f"Permuting {spoken_labels(self.tree)[worst]} costs most: accuracy falls from "
                    f"{number(self.accuracy)} by {number(drops[worst])} ± "
                    f"{number(self.drops_direct[:, worst].std())}."
                )
        return lines

    def _title(self) -> str:
        return "What does the model rely on?"

    def _subject(self) -> str:
        return "what the model relies on"

    def _caption(self) -> str:
        return f"Mean shares over {self._rows()}, by {self._unit}"

    def _share_label(self) -> str:
        return "mean share:  ← other classes  |  own class →"

    def _about(self) -> dict[str, Any]:
        drops = [None if v is None else v.tolist() for v in (self.drops_direct, self.drops_below)]
        about = {"by": self.by, "n_rows": len(self.direct_by_row), "accuracy": self.accuracy}
        return {**about, "drops_direct": drops[0], "drops_below": drops[1]}
