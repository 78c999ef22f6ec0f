"""The difference of two rows by leaves: what inner nodes describe is split over their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._layout import AREA
from ..tree import SegmentTree
from ._checks import check_items, check_numbers
from ._pair import PairExplanation
from ._text import share_text

if TYPE_CHECKING:
    import pandas as pd

# rounding of float32 tables, relative to the values of a column
_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class PartsExplanation(PairExplanation):
    r"""Which parts the distance between two samples comes from.

    As :class:`PairExplanation`, but what inner nodes describe is split over their leaves as far as
    that can be done exactly. The `own` of a leaf is all that it accounts for, in its own columns
    and in those of its ancestors; the `own` of an inner node is the rest of its columns, which
    cannot be split.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    own : array-like of shape (n_nodes,)
        What every leaf, and the rest of every inner node, contribute to the squared distance.
    present_a, present_b : array-like of bool, shape (n_nodes,), default=None
        Whether a sample has the node at all; None, for both, if that is not known.
    name_a, name_b : str, default="a", "b"
        What to call the samples.
    own_columns : array-like of shape (n_nodes,)
        What the nodes' own columns contribute, not split, as in :class:`PairExplanation`.
    kinds : array-like of str, shape (n_features,)
        How every column was split: "leaf" (a leaf's own), "area", "mean", "root", or "rest".

    Attributes
    ----------
    rest : float
        What is not split: the sum of `own` over inner nodes.
    contributions : DataFrame
        As in :class:`PairExplanation`, and `own_columns`.

    Notes
    -----
    Write :math:`a_l` for the area of leaf l and :math:`w_l = a_l / \sum_k a_k` for its share
    of an inner node u. Three kinds of columns of u come apart exactly:

    *area*, a sum over leaves. Leaf l accounts for :math:`a_l^A - a_l^B`.

    *means*, columns with :math:`c_u = \sum_l w_l c_l` in both images: mean colours, mean
    positions, histograms without a root. With :math:`r = (c_u^A + c_u^B) / 2`, the leaf
    accounts for

    .. math::
        w_l^A (c_l^A - r) - w_l^B (c_l^B - r)
        = \bar w_l (c_l^A - c_l^B) + (w_l^A - w_l^B) (\bar c_l - r),

    bars being means over both images: the change of the part at its mean area, and the change
    of its area, which counts by how much the part differs from the whole. The terms sum to
    :math:`c_u^A - c_u^B` because weights sum to 1, whatever r is; without r, adding a
    constant to a column would change the shares [1]_. If u is missing in an image, its column
    holds a filler there; that is r, and the image has no terms.

    *roots*, columns whose squares are such means: square roots of histograms. There
    :math:`c_u^A - c_u^B = ((c_u^A)^2 - (c_u^B)^2) / (c_u^A + c_u^B)`, and the squares are
    split as means.

    Other columns (standard deviations, covariances) are not split; they stay with u as its
    rest. Which kind a column is can be seen in the two rows, so no transformer is
    needed.

    The players of the game are the leaves and the rests. With :math:`\delta_p` the part of
    the difference that player p accounts for, in all columns, a coalition S is worth
    :math:`\lVert L \sum_{p \in S} \delta_p \rVert^2`: again a quadratic game, whose Shapley
    value is :math:`\delta_p^T M \Delta`. It sums to the squared distance.

    This is not the game in which the parts of S are exchanged between the images and u is
    computed anew. A mean is a ratio of sums, an exchange changes both of them, and no
    :math:`\delta_p` give that game. Take a column of one inner node with two leaves of means
    0 and 1 in both images, of areas (1, 1) in A and (3, 2) in B. A has the mean 1/2; with
    leaf 1 of B it is 1/4, with leaf 2 of B 2/3, with both 2/5. The worths, squared changes,
    are 1/16, 1/36 and 1/100; but :math:`(1/4 \pm 1/6)^2` is 1/144 or 25/144. Both games are
    the same for areas, and for means wherever the parts have the same areas in both images.

    References
    ----------
    .. [1] E. M. Kitagawa. "Components of a Difference Between Two Rates". Journal of the American
       Statistical Association 50, 1955. (The decomposition for one weighted mean.)

    Examples
    --------
    >>> from hierseg_learn.explain import PartsExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> explanation = PartsExplanation(
    ...     tree, [0.5, 3.0, 0.5], own_columns=[0.5, 2.0, 1.5], kinds=["leaf", "leaf", "mean"]
    ... )
    >>> print(explanation.to_text())
    a and b differ mostly because of boat (75 %) and sky (12 %).
    <BLANKLINE>
    squared distance 4  share   own
    photo               100 %  12 %
    ├── sky              12 %  12 %
    └── boat             75 %  75 %
    <BLANKLINE>
    What inner nodes describe is split over their leaves; 12 % cannot be and stays with them.
    """

    _: KW_ONLY
    own_columns: np.ndarray
    kinds: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        vars(self).update(
            own_columns=check_numbers(self.own_columns, "own_columns", (self.tree.n_nodes,)),
            kinds=check_items(self.kinds, "kinds", ("n_features",)),
        )

    @property
    def rest(self) -> float:
        """What is not split: the sum of `own` over inner nodes."""
        return float(self.own[~self.tree.is_leaf].sum())

    @property
    def contributions(self) -> pd.DataFrame:
        """A new DataFrame as in :class:`PairExplanation`, and `own_columns`."""
        return super().contributions.assign(own_columns=self.own_columns)

    def _closing(self) -> str:
        rest = share_text(float(self.own_share[~self.tree.is_leaf].sum()))
        return (
            f"What inner nodes describe is split over their leaves; {rest} cannot be and stays "
            "with them."
        )

    def _about(self) -> dict[str, Any]:
        kinds, counts = np.unique(self.kinds, return_counts=True)
        return {
            **super()._about(),
            "kind": "parts",
            "rest": self.rest,
            "own_columns": self.own_columns.tolist(),
            "columns_by_kind": dict(zip(kinds.tolist(), counts.tolist())),
        }


def split_over_leaves(
    tree: SegmentTree,
    columns: Sequence[np.ndarray],
    descriptors: Sequence[str],
    a: np.ndarray,
    b: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Split the difference of two rows over the leaves, and the rests of inner nodes.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    columns : sequence of ndarray of int, length n_nodes
        Positions of every node's own columns.
    descriptors : sequence of str, length n_features
        What every column describes: its name without the path.
    a, b : ndarray of shape (n_features,), float64
        The rows.

    Returns
    -------
    deltas : ndarray of shape (n_nodes, n_features)
        What every node accounts for; sums to ``a - b`` over the nodes.
    kinds : ndarray of shape (n_features,), str
        "leaf", "area", "mean", "root" or "rest".

    Raises
    ------
    ValueError
        If a leaf has no column for its area, and a node above it has columns.
    """
    rows = np.stack([a, b]).astype(np.float64)
    deltas = np.zeros((tree.n_nodes, len(a)))
    kinds = np.full(len(a), "rest")
    places = [{descriptors[j]: j for j in own.tolist()} for own in columns]
    for leaf in tree.leaves.tolist():
        deltas[leaf, columns[leaf]] = rows[0, columns[leaf]] - rows[1, columns[leaf]]
        kinds[columns[leaf]] = "leaf"
    for node in np.flatnonzero(~tree.is_leaf).tolist():
        if not len(columns[node]):
            continue
        below = [int(n) for n in tree.subtree(node) if tree.is_leaf[n]]
        for leaf in below:
            if AREA not in places[leaf]:
                raise ValueError(
                    f"by='parts' weighs parts by their areas and needs a column "
                    f"'{tree.path(leaf)}|{AREA}', which the table lacks."
                )
        areas = rows[:, [places[leaf][AREA] for leaf in below]]
        for name, j in places[node].items():
            if not all(name in places[leaf] for leaf in below):
                continue
            values = rows[:, [places[leaf][name] for leaf in below]]
            kinds[j], deltas[below, j] = _split(name, rows[:, j], values, areas)
        own = columns[node]
        deltas[node, own] = rows[0, own] - rows[1, own] - deltas[below][:, own].sum(axis=0)
    return deltas, kinds


def _split(
    name: str, whole: np.ndarray, values: np.ndarray, areas: np.ndarray
) -> tuple[str, np.ndarray]:
    """Split one column of an inner node: its kind, and what leaves account for.

    `whole` is (2,), the column in both images; `values` and `areas`, (2, n_leaves), are those of
    the leaves.
    """
    nothing = np.zeros(values.shape[1])
    if name == AREA:
        return "area", areas[0] - areas[1]
    totals = areas.sum(axis=1, keepdims=True)
    weights = np.divide(areas, totals, out=np.zeros_like(areas), where=totals > 0)
    here = totals[:, 0] > 0
    if not here.any():
        return "rest", nothing
    if _are_means(whole, values, weights, here):
        return "mean", _mean_terms(whole, values, weights, here)
    if (whole >= 0).all() and _are_means(whole**2, values**2, weights, here):
        return "root", _mean_terms(whole**2, values**2, weights, here) / whole.sum()
    return "rest", nothing


def _are_means(
    whole: np.ndarray, values: np.ndarray, weights: np.ndarray, here: np.ndarray
) -> bool:
    means = (weights * values).sum(axis=1)
    scale = np.abs(np.where(weights > 0, values, 0.0)).max(axis=1)
    return bool((np.abs(means - whole) <= _TOLERANCE * scale)[here].all())


def _mean_terms(
    whole: np.ndarray, values: np.ndarray, weights: np.ndarray, here: np.ndarray
) -> np.ndarray:
    reference = whole.mean() if here.all() else whole[~here][0]
    terms = weights * (values - reference)
    return terms[0] - terms[1]
