"""Which nodes separate a class from the others."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import sum_below
from ._base import Phrases
from ._checks import check_items, check_numbers, check_tree, read_only
from ._node_table import number_text, speak
from ._signed import SignedExplanation, class_name, plain
from ._text import enumerate_words

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
        number; NaN for a single row. Rows share neighbours, so these are a little too small.
    share, own_share : ndarray of shape (n_nodes,)
        `total` and `own`, divided by the sum of the absolute values of `own`; 0 where that is 0.
    difference : float
        The sum of `own`.
    contributions : DataFrame
        One row per node, by path: `own`, `own_error`, `total`, `total_error`, `share`.

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
    Mean over 2 training rows of class sail: to the nearest rows of other classes the squared
    distance is larger by 2.9 than to those of their own class.
    What separates them is mostly boat (81 %); sky (−3 %) speaks against it.
    <BLANKLINE>
    difference 2.9  share   own  mean  error
    photo            94 %  16 %   0.5      0
    ├── sky          −3 %  −3 %  −0.1    0.2
    └── boat         81 %  81 %   2.5    0.5
    """

    tree: SegmentTree
    own_by_row: np.ndarray
    _: KW_ONLY
    label: Any
    rows: np.ndarray

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        own = check_numbers(self.own_by_row, "own_by_row", ("n_rows", n_nodes))
        # The dict is the one way in: the fields of a frozen dataclass cannot be set.
        vars(self).update(own_by_row=own, rows=check_items(self.rows, "rows", (len(own),)))

    @cached_property
    def own(self) -> np.ndarray:
        """Mean contribution of every node: array of shape (n_nodes,)."""
        return read_only(self.own_by_row.mean(axis=0))

    @cached_property
    def own_error(self) -> np.ndarray:
        """Standard error of `own`: array of shape (n_nodes,)."""
        return read_only(standard_error(self.own_by_row))

    @cached_property
    def total_error(self) -> np.ndarray:
        """Standard error of `total`: array of shape (n_nodes,)."""
        return read_only(standard_error(sum_below(self.tree, self.own_by_row)))

    @property
    def contributions(self) -> pd.DataFrame:
        """A new DataFrame with one row per node, in the tree's order, by path."""
        import pandas as pd

        names = ("own", "own_error", "total", "total_error", "share")
        return pd.DataFrame(
            {name: getattr(self, name) for name in names},
            index=pd.Index(self.tree.paths, name="node"),
        )

    def _columns(self) -> dict[str, list[str]]:
        return {
            **super()._columns(),
            "mean": [number_text(value) for value in self.own],
            "error": [number_text(value) for value in self.own_error],
        }

    def _opening(self) -> list[str]:
        n_rows = len(self.own_by_row)
        side = "smaller" if self.difference < 0 else "larger"
        return [
            f"Mean over {n_rows} training row{'s' if n_rows > 1 else ''} of "
            f"{class_name(self.label)}: to the nearest rows of other classes the squared distance "
            f"is {side} by {abs(self.difference):.3g} than to those of their own class."
        ]

    def _sentences(self, max_nodes: int) -> list[str]:
        pro, contra = self._named(1, max_nodes), self._named(-1, max_nodes)
        phrases = self._phrases()
        if not pro:
            return [phrases.none]
        sentence = phrases.mostly + enumerate_words(pro)
        return [sentence + (f"; {speak(contra)} against it." if contra else ".")]

    def _title(self) -> str:
        return f"{class_name(self.label)} against all others"

    def _phrases(self) -> Phrases:
        return Phrases(
            mostly="What separates them is mostly ",
            many="What separates them is ",
            none="No node separates them.",
        )

    def _caption(self) -> str:
        return f"Shares of all pulls towards {class_name(self.label)}, by node"

    def _axis_label(self) -> str:
        return f"share of all pulls:  ← other classes  |  {class_name(self.label)} →"

    def _about(self) -> dict[str, Any]:
        return {"kind": "class", "label": plain(self.label), "rows": self.rows.tolist()}


def standard_error(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the first axis; NaN for a single row."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))
