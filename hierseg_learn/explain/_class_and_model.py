"""Which nodes separate a class from the others."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import sum_below
from ..utils.numbers import number
from .explanation import (
    SignedExplanation,
    check_items,
    check_numbers,
    check_tree,
    class_name,
    plain,
    read_only,
)
from .words import enumerate_words, signed_shares, spoken_labels

if TYPE_CHECKING:
    import pandas as pd

    from ..tree import SegmentTree


@dataclass(frozen=True, eq=False, repr=False)
class ClassExplanation(SignedExplanation):
    """Which nodes set the rows of a class apart from all other classes.

    For every row of the class, the mean squared distance to its nearest rows of other classes minus
    the one to its nearest rows of its own class comes apart into nodes. What is explained is the
    mean of these differences over the rows.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own_by_row : array-like of shape (n_rows, n_nodes)
        What the own columns of every node contribute to the difference of every row.
    label : object
        The class.
    rows : array-like of int, shape (n_rows,)
        Numbers of the training rows.

    Attributes
    ----------
    own, total : ndarray of shape (n_nodes,)
        Means over the rows, of a node's own columns and with everything below it.
    own_error, total_error : ndarray of shape (n_nodes,)
        Their standard errors, the standard deviation over the rows divided by the root of their
        number; NaN for a single row. Rows share neighbors, so these are a little too small.
    share, direct_share : ndarray of shape (n_nodes,)
        `total` and `direct` as shares of the stronger side, as in :class:`ContrastExplanation`.
    difference : float
        The sum of `direct`.
    contributions : DataFrame
        One row per node, by path: `direct`, `own_error`, `total`, `total_error`, `share`.

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
    What separates them is boat (83%); against it: sky (3%).
    All that separates is 100%; what makes alike is 3% of that.
    <BLANKLINE>
    difference 2.9   for  against         own  mean  error
    photo           100%       3%         17%   0.5      0
    ├── sky           0%       3%  3% against  -0.1    0.2
    └── boat         83%       0%         83%   2.5    0.5
    """

    tree: SegmentTree
    own_by_row: np.ndarray
    _: KW_ONLY
    label: Any
    rows: np.ndarray

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        direct = check_numbers(self.own_by_row, "own_by_row", ("n_rows", n_nodes))
        # The dict is the one way in: the fields of a frozen dataclass cannot be set.
        vars(self).update(own_by_row=direct, rows=check_items(self.rows, "rows", (len(direct),)))

    @cached_property
    def direct(self) -> np.ndarray:
        """Mean contribution of every node: array of shape (n_nodes,)."""
        return read_only(self.own_by_row.mean(axis=0))

    @cached_property
    def own_error(self) -> np.ndarray:
        """Standard error of `direct`: array of shape (n_nodes,)."""
        return read_only(standard_error(self.own_by_row))

    @cached_property
    def total_error(self) -> np.ndarray:
        """Standard error of `total`: array of shape (n_nodes,)."""
        return read_only(standard_error(sum_below(self.tree, self.own_by_row)))

    @property
    def contributions(self) -> pd.DataFrame:
        """A new DataFrame with one row per node, in the tree's order, by path."""
        import pandas as pd

        names = ("direct", "own_error", "total", "total_error", "share")
        return pd.DataFrame(
            {name: getattr(self, name) for name in names},
            index=pd.Index(self.tree.paths, name="node"),
        )

    def _columns(self) -> dict[str, list[str]]:
        return {
            **super()._columns(),
            "mean": [number(value) for value in self.direct],
            "error": [number(value) for value in self.own_error],
        }

    def _opening(self) -> list[str]:
        n_rows = len(self.own_by_row)
        side = "smaller" if self.difference < 0 else "larger"
        return [
            f"Mean over {n_rows} training row{'s' if n_rows > 1 else ''} of "
            f"{class_name(self.label)}: to the nearest rows of other classes the squared distance "
            f"is {side} by {number(abs(self.difference))} than to those of their own class."
        ]

    def _sentences(self, max_nodes: int) -> list[str]:
        pro, contra = self._named(1, max_nodes), self._named(-1, max_nodes)
        foil = f"; against it: {enumerate_words(contra)}." if contra else "."
        if not pro:
            return [f"No node separates them{foil}"]
        return [
            f"What separates them is {enumerate_words(pro)}{foil}",
            *self._weaker_side("separates", "makes alike"),
        ]

    def _title(self) -> str:
        return f"What sets {class_name(self.label)} apart from all other classes?"

    def _subject(self) -> str:
        return f"{class_name(self.label)} against all others"

    def _caption(self) -> str:
        return f"Shares of what sets {class_name(self.label)} apart, by node"

    def _share_label(self) -> str:
        return f"share:  ← other classes  |  {class_name(self.label)} →"

    def _about(self) -> dict[str, Any]:
        return {"kind": "class", "label": plain(self.label), "rows": self.rows.tolist()}


def standard_error(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the first axis; NaN for a single row."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


@dataclass(frozen=True, eq=False, repr=False)
class ModelExplanation(SignedExplanation):
    """How much a model relies on every node, over many rows.

    *By contribution*: for every training row, the contrast between its nearest rows of other
    classes and those of its own comes apart into shares; their mean over the rows is the importance
    of a node. Contrasts are taken rather than the distances that explain predictions, because a
    node that varies much within all classes has a large share of every distance and decides
    nothing. Shares rather than numbers, because else few far rows would make up the mean.

    *By permutation*: how much accuracy falls if the columns of a node are permuted among the rows
    of a table, its own ones alone or with those of all nodes below it together [1]_. The columns of
    a node's ancestors describe its pixels too and stay as they are, so permuting a leaf shows what
    the model cannot find elsewhere.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own_by_row : array-like of shape (n_rows, n_nodes)
        What the own columns of every node contribute to the contrast of every training row.
    accuracy : float, default=None
        Accuracy on the table whose columns were permuted.
    drops_own, drops_below : array-like of shape (n_repeats, n_nodes), default=None
        Accuracy lost by permuting a node's own columns, and the columns of its whole subtree.

    Attributes
    ----------
    own, total : ndarray of shape (n_nodes,)
        Mean shares, of a node's own columns and with everything below it; those of a row are shares
        of its stronger side, as in :class:`ContrastExplanation`.
    own_error, total_error : ndarray of shape (n_nodes,)
        Their standard errors.
    share, direct_share : ndarray of shape (n_nodes,)
        The same as `total` and `direct`, which are shares already.
    contributions : DataFrame
        One row per node, by path: `direct`, `own_error`, `total`, `total_error`, and if columns
        were permuted `drop_own`, `drop_own_std`, `drop_below`, `drop_below_std`: means and standard
        deviations over the repeats.

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
    ...     drops_own=[[0.0, 0.5, 0.1], [0.0, 0.3, 0.1]],
    ...     drops_below=[[0.0, 0.5, 0.5], [0.0, 0.3, 0.3]],
    ... )
    >>> print(explanation.to_text())
    Over 2 training rows, what tells classes apart is boat (82%).
    Permuting boat costs most: accuracy falls from 0.9 by 0.4 ± 0.1.
    <BLANKLINE>
    mean net share 1   for  against  own  drop below  drop own
    photo             100%       0%  12%         0.4       0.1
    ├── sky             5%       0%   5%           0         0
    └── boat           82%       0%  82%         0.4       0.4
    """

    tree: SegmentTree
    own_by_row: np.ndarray
    _: KW_ONLY
    accuracy: float | None = None
    drops_own: np.ndarray | None = None
    drops_below: np.ndarray | None = None

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        vars(self)["own_by_row"] = check_numbers(self.own_by_row, "own_by_row", ("n_rows", n_nodes))
        given = [value is not None for value in (self.accuracy, self.drops_own, self.drops_below)]
        if any(given) != all(given):
            raise ValueError(
                "accuracy, drops_own and drops_below belong together; expected all or none."
            )
        if all(given):
            direct = check_numbers(self.drops_own, "drops_own", ("n_repeats", n_nodes))
            below = check_numbers(self.drops_below, "drops_below", (len(direct), n_nodes))
            vars(self).update(drops_own=direct, drops_below=below, accuracy=float(self.accuracy))

    @cached_property
    def _shares_by_row(self) -> np.ndarray:
        return signed_shares(self.own_by_row, self.own_by_row)

    @cached_property
    def direct(self) -> np.ndarray:
        """Mean share of every node's own columns: array of shape (n_nodes,)."""
        return read_only(self._shares_by_row.mean(axis=0))

    @cached_property
    def own_error(self) -> np.ndarray:
        """Standard error of `direct`: array of shape (n_nodes,)."""
        return read_only(standard_error(self._shares_by_row))

    @cached_property
    def total_error(self) -> np.ndarray:
        """Standard error of `total`: array of shape (n_nodes,)."""
        return read_only(standard_error(sum_below(self.tree, self._shares_by_row)))

    @property
    def contributions(self) -> pd.DataFrame:
        """A new DataFrame with one row per node, in the tree's order, by path."""
        import pandas as pd

        names = ("direct", "own_error", "total", "total_error")
        columns = {name: getattr(self, name) for name in names}
        if self.accuracy is not None:
            for name, drops in (("drop_own", self.drops_own), ("drop_below", self.drops_below)):
                columns |= {name: drops.mean(axis=0), f"{name}_std": drops.std(axis=0)}
        return pd.DataFrame(columns, index=pd.Index(self.tree.paths, name="node"))

    def _as_share(self, values: np.ndarray) -> np.ndarray:
        return values.copy()

    def _columns(self) -> dict[str, list[str]]:
        columns = super()._columns()
        if self.accuracy is not None:
            for name, drops in (("drop below", self.drops_below), ("drop own", self.drops_own)):
                columns[name] = [number(value) for value in drops.mean(axis=0)]
        return columns

    def _head(self) -> str:
        return f"mean net share {number(self.difference)}"

    def _sentences(self, max_nodes: int) -> list[str]:
        pro, contra = self._named(1, max_nodes), self._named(-1, max_nodes)
        n_rows = len(self.own_by_row)
        rows = f"Over {n_rows} training row{'s' if n_rows > 1 else ''}, "
        foil = f"; against it: {enumerate_words(contra)}." if contra else "."
        lines = [
            f"{rows}what tells classes apart is {enumerate_words(pro)}{foil}"
            if pro
            else f"{rows}no node tells classes apart{foil}"
        ]
        if self.accuracy is not None:
            drops = self.drops_own.mean(axis=0)
            worst = int(drops.argmax())
            if drops[worst] <= 0:
                lines.append("Permuting the own columns of no single node lowers the accuracy.")
            else:
                name = spoken_labels(self.tree)[worst]
                lines.append(
                    f"Permuting {name} costs most: accuracy falls from "
                    f"{number(self.accuracy)} by {number(drops[worst])} ± "
                    f"{number(self.drops_own[:, worst].std())}."
                )
        return lines

    def _title(self) -> str:
        return "What does the model rely on?"

    def _subject(self) -> str:
        return "what the model relies on"

    def _caption(self) -> str:
        return f"Mean shares over {len(self.own_by_row)} training rows, by node"

    def _share_label(self) -> str:
        return "mean share:  ← other classes  |  own class →"

    def _about(self) -> dict[str, Any]:
        drops = {
            name: None if values is None else values.tolist()
            for name, values in (("drops_own", self.drops_own), ("drops_below", self.drops_below))
        }
        return {
            "kind": "model",
            "n_rows": len(self.own_by_row),
            "accuracy": self.accuracy,
            **drops,
        }
