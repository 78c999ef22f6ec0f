"""Explanations of the distance of two samples, by nodes, columns or parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..table.layout import AREA
from ..tree import SegmentTree
from .explanation import (
    DistanceExplanation,
    check_by,
    check_direct,
    check_items,
    check_names,
    check_presence,
    check_tree,
)
from .words import Phrases, size_share, split_sentence, summary

# rounding of float32 tables, relative to the values of a column
_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class PairExplanation(DistanceExplanation):
    """Which nodes the distance of two samples comes from.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_nodes,) or (n_pairs, n_nodes)
        What the own columns of every node contribute to the squared distance, of which it is the
        sum. Single contributions are negative where a node makes up for others.
    present_a, present_b : array-like of bool, of the shape of `direct`, default=None
        Whether a sample has the node; None, for both, if unknown.
    name_a, name_b : str or array-like of shape (n_pairs,), default="a", "b"
        Names of the samples.
    by : {"nodes", "descriptors", "columns"}, default="nodes"
        What the leaves of the tree are: nodes of a classifier's tree; or the descriptors or single
        columns of its nodes, which are then one level above. Names of columns are leaf values.

    See Also
    --------
    PredictionExplanation : Why a sample got its class.
    hierseg_learn.displays.SegmentContributionDisplay : The contributions drawn over photos.

    Examples
    --------
    >>> from hierseg_learn.explain import PairExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}})
    >>> explanation = PairExplanation(
    ...     tree,
    ...     [0.3, 0.5, 2.4, 0.8, 0.0],
    ...     present_a=[1, 1, 1, 1, 1],
    ...     present_b=[1, 1, 0, 1, 1],
    ...     name_a="photo 3",
    ...     name_b="photo 8",
    ... )
    >>> print(explanation.to_text())
    photo 3 and photo 8 differ mostly because of skirt (60%) and person as a whole (20%).
    Only photo 3 has skirt.
    <BLANKLINE>
    squared distance 4  share  direct
    photo                100%      0%
    ├── sky                8%      8%
    └── person            92%     20%
        ├── hair          12%     12%
        └── skirt         60%     60%  only photo 3
    """

    tree: SegmentTree
    direct: np.ndarray
    _: KW_ONLY
    present_a: np.ndarray | None = None
    present_b: np.ndarray | None = None
    name_a: Any = "a"
    name_b: Any = "b"
    by: str = "nodes"

    _type = "pair"
    _named = ("name_a", "name_b")

    def __post_init__(self) -> None:
        n_nodes = check_tree(self.tree).n_nodes
        if (self.present_a is None) != (self.present_b is None):
            lacking = "present_a" if self.present_a is None else "present_b"
            raise ValueError(
                f"{lacking} is None, but the other presence is given; expected both or neither."
            )
        check_by(self.by)
        direct = check_direct(self.direct, "direct", (n_nodes,))
        # fields of a frozen dataclass can only be set in its dict
        vars(self).update(
            direct=direct,
            present_a=check_presence(self.present_a, "present_a", direct.shape),
            present_b=check_presence(self.present_b, "present_b", direct.shape),
            name_a=check_names(self.name_a, "name_a", direct.shape[:-1]),
            name_b=check_names(self.name_b, "name_b", direct.shape[:-1]),
        )

    def _sample_columns(self) -> dict[str, Any]:
        return {"a": self.name_a, "b": self.name_b}

    def _presence(self) -> dict[str, np.ndarray | None]:
        return {"present_a": self.present_a, "present_b": self.present_b}

    def _marks(self) -> list[str]:
        if self.present_a is None or self.present_b is None:
            return [""] * self.tree.n_nodes
        words = {
            (True, True): "",
            (True, False): f"only {self.name_a}",
            (False, True): f"only {self.name_b}",
            (False, False): "in neither",
        }
        return [words[pair] for pair in zip(self.present_a.tolist(), self.present_b.tolist())]

    def _missing(self) -> dict[str, np.ndarray]:
        if self.present_a is None or self.present_b is None:
            return {}
        return {
            f"Only {self.name_a} has ": self.present_a & ~self.present_b,
            f"Only {self.name_b} has ": self.present_b & ~self.present_a,
        }

    def _title(self) -> str:
        return f"What sets {self.name_a} and {self.name_b} apart?"

    def _subject(self) -> str:
        return f"{self.name_a} and {self.name_b}"

    def _names(self) -> tuple[str, ...]:
        return self.name_a, self.name_b

    def _lines(self, max_nodes: int) -> list[str]:
        both = self._subject()
        phrases = Phrases(
            mostly=f"{both} differ mostly because of ",
            many=f"Many {self._parts} set {both} apart; the largest shares are those of ",
            none=f"{both} do not differ: their distance is 0.",
        )
        return summary(self.tree, self.direct_share, phrases, self._missing(), max_nodes)

    def _about(self) -> dict[str, Any]:
        return {"by": self.by, "name_a": self.name_a, "name_b": self.name_b}


@dataclass(frozen=True, eq=False, repr=False)
class PartsExplanation(PairExplanation):
    r"""Which parts the distance of two samples comes from.

    As :class:`PairExplanation`, but the contributions of inner nodes are split over their leaves as
    far as that can be done exactly. The `direct` of a leaf covers its own columns and its part of
    those of its ancestors; the `direct` of an inner node is the rest, which cannot be split.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_nodes,) or (n_pairs, n_nodes)
        What every leaf, and the rest of every inner node, contribute to the squared distance.
    present_a, present_b, name_a, name_b, by
        As for :class:`PairExplanation`; `by` is "parts".
    unsplit : array-like of the shape of `direct`
        What the nodes' own columns contribute, not split: `direct` of :class:`PairExplanation`.
    column_kinds : array-like of str, shape (n_features,)
        How every column was split: "leaf" (a leaf's own), "area", "mean", "root", or "rest".

    Notes
    -----
    Write :math:`a_l` for the area of leaf l and :math:`w_l = a_l / \sum_k a_k` for its share
    of an inner node u. Three kinds of columns of u come apart exactly, as training rows show:

    *area*, a sum over leaves. Leaf l accounts for :math:`a_l^A - a_l^B`.

    *means*, columns with :math:`c_u = \sum_l w_l c_l` in both images: mean colors, mean positions,
    histograms without a root. Leaf l accounts for :math:`w_l^A (c_l^A - r) - w_l^B (c_l^B - r)`
    with :math:`r = (c_u^A + c_u^B) / 2`: the change of the part at its mean area, and the change of
    its area, which counts by how much the part differs from the whole [1]_. Without r, adding a
    constant to a column would change the shares. If u is missing in an image, r is the filler that
    its column holds there, and the image has no terms.

    *roots*, columns whose squares are such means: square roots of histograms. There
    :math:`c_u^A - c_u^B = ((c_u^A)^2 - (c_u^B)^2) / (c_u^A + c_u^B)`, and the squares are
    split as means.

    Other columns (standard deviations, covariances) stay with u as its rest.

    The players of the game are the leaves and the rests. With :math:`\delta_p` the part of the
    difference that player p accounts for, a coalition S is worth
    :math:`\lVert L \sum_{p \in S} \delta_p \rVert^2`, and the Shapley value is
    :math:`\delta_p^T M \Delta`. It sums to the squared distance. This is not the game in which the
    parts of S are swapped between the images and u is recomputed: a mean is a ratio of sums, a swap
    changes both of them, and no :math:`\delta_p` give that game. Both are the same for areas, and
    for means wherever the parts have the same areas in both images.

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
    ...     tree, [0.5, 3.0, 0.5], unsplit=[0.5, 2.0, 1.5], column_kinds=["leaf", "leaf", "mean"]
    ... )
    >>> print(explanation.to_text())
    a and b differ mostly because of boat (75%) and sky (12%).
    <BLANKLINE>
    squared distance 4  share  direct
    photo                100%     12%
    ├── sky               12%     12%
    └── boat              75%     75%
    <BLANKLINE>
    Contributions of inner nodes are split over their leaves, except 12% that cannot be split.
    """

    _: KW_ONLY
    unsplit: np.ndarray
    column_kinds: np.ndarray
    by: str = "parts"

    _type = "parts"
    _shared = PairExplanation._shared | {"column_kinds"}

    def __post_init__(self) -> None:
        super().__post_init__()
        vars(self).update(
            unsplit=check_direct(self.unsplit, "unsplit", (self.tree.n_nodes,)),
            column_kinds=check_items(self.column_kinds, "column_kinds", ("n_features",)),
        )

    @property
    def rest(self) -> Any:
        """What is not split: the sum of `direct` over inner nodes."""
        rest = self.direct[..., ~self.tree.is_leaf].sum(axis=-1)
        return rest if self.is_batch else float(rest)

    def _frame_columns(self) -> dict[str, np.ndarray | None]:
        return {**super()._frame_columns(), "unsplit": self.unsplit}

    def _closing(self) -> str:
        return split_sentence(size_share(self.direct, ~self.tree.is_leaf))

    def _about(self) -> dict[str, Any]:
        kinds, counts = np.unique(self.column_kinds, return_counts=True)
        columns = dict(zip(kinds.tolist(), counts.tolist()))
        return {**super()._about(), "rest": self.rest, "columns_by_kind": columns}


@dataclass(frozen=True)
class LeafSplit:
    """How columns of inner nodes come apart into those of their leaves.

    Which columns do is seen in rows, all of which must agree; other rows are split the same way.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    columns : sequence of ndarray of int, length n_nodes
        Own columns of every node.
    descriptors : sequence of str, length n_features
        Names of the columns within their nodes.
    kinds : ndarray of str, shape (n_features,)
        Kinds of columns, as in :class:`PartsExplanation`.
    """

    tree: SegmentTree
    columns: Sequence[np.ndarray]
    descriptors: Sequence[str]
    kinds: np.ndarray

    @classmethod
    def seen_in(
        cls,
        rows: np.ndarray,
        tree: SegmentTree,
        columns: Sequence[np.ndarray],
        descriptors: Sequence[str],
    ) -> LeafSplit:
        """Find the kinds of columns in rows, (n_rows, n_features)."""
        found = cls(tree, columns, descriptors, np.full(rows.shape[1], "rest"))
        rows = rows.astype(np.float64)
        for node in range(tree.n_nodes):
            if tree.is_leaf[node]:
                found.kinds[columns[node]] = "leaf"
                continue
            names, mine, of_leaves, of_areas = found._shared(node)
            if not len(mine):
                continue
            weights, here = _leaf_weights(rows[:, of_areas])
            whole, values = rows[:, mine], rows[:, of_leaves]
            means = _are_means(whole, values, weights, here)
            roots = _are_means(whole**2, values**2, weights, here) & (whole >= 0).all(axis=0)
            kinds = np.where(means, "mean", np.where(roots, "root", "rest"))
            kinds[names == AREA] = "area"
            found.kinds[mine] = kinds
        return found

    def apart(self, a: np.ndarray, b: np.ndarray, *, b_are_means: bool = False) -> np.ndarray:
        """Split differences of rows, (n_pairs, n_features), over leaves and rests of inner nodes.

        With `b_are_means`, b are no images, whose columns are means over their leaves, but means of
        such: as for a node that an image lacks, they only say where differences start.

        Returns what every node accounts for, (n_nodes, n_pairs, n_features) float64, which sums to
        ``a - b`` over the nodes.
        """
        rows = np.stack([a, b]).astype(np.float64)
        deltas = np.zeros((self.tree.n_nodes, *a.shape))
        for node, own in enumerate(self.columns):
            deltas[node][:, own] = rows[0][:, own] - rows[1][:, own]
            if self.tree.is_leaf[node]:
                continue
            _, mine, of_leaves, of_areas = self._shared(node)
            if not len(mine):
                continue
            areas = rows[:, :, of_areas]
            weights, here = _leaf_weights(areas)
            if b_are_means:
                here[1], weights[1] = False, 0.0
            terms = _terms(
                self.kinds[mine], rows[:, :, mine], rows[:, :, of_leaves], areas, weights, here
            )
            for leaf, given in zip(self._leaves_below(node), terms):
                deltas[leaf][:, mine] = given
            deltas[node][:, mine] -= terms.sum(axis=0)
        return deltas

    def _leaves_below(self, node: int) -> list[int]:
        return [int(n) for n in self.tree.subtree(node) if self.tree.is_leaf[n]]

    def _shared(self, node: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Columns of an inner node that all its leaves have, too, and the leaves' areas.

        Their names, (n_shared,), their places, those of the leaves, (n_leaves, n_shared), and of
        the areas, (n_leaves,).
        """
        none = np.empty(0, dtype=np.intp)
        if not len(self.columns[node]):
            return none.astype(str), none, none, none
        below = self._leaves_below(node)
        mine, *of_leaves = (
            {self.descriptors[j]: j for j in self.columns[n].tolist()} for n in (node, *below)
        )
        for leaf, places in zip(below, of_leaves):
            if AREA not in places:
                raise ValueError(
                    "by='parts' weights parts by their areas and needs a column "
                    f"'{self.tree.path(leaf)}|{AREA}', which the table lacks."
                )
        names = [name for name in mine if all(name in places for places in of_leaves)]
        return (
            np.array(names, dtype=str),
            np.array([mine[name] for name in names], dtype=np.intp),
            np.array([[places[name] for name in names] for places in of_leaves], dtype=np.intp),
            np.array([places[AREA] for places in of_leaves], dtype=np.intp),
        )


def _leaf_weights(areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the leaves in their total area, (..., n_leaves, 1); whether there is any."""
    totals = areas.sum(axis=-1, keepdims=True)
    shares = np.divide(areas, totals, out=np.zeros_like(areas), where=totals > 0)
    return shares[..., np.newaxis], totals > 0


def _are_means(
    whole: np.ndarray, values: np.ndarray, weights: np.ndarray, here: np.ndarray
) -> np.ndarray:
    """Whether columns, (n_rows, n_columns), are means over the leaves in all rows that have any."""
    means = (weights * values).sum(axis=1)
    scale = np.abs(np.where(weights > 0, values, 0.0)).max(axis=1)
    agree = np.abs(means - whole) <= _TOLERANCE * scale
    return (agree | ~here).all(axis=0) & here.any()


def _terms(
    kinds: np.ndarray,
    whole: np.ndarray,
    values: np.ndarray,
    areas: np.ndarray,
    weights: np.ndarray,
    here: np.ndarray,
) -> np.ndarray:
    """What the leaves account for in columns of an inner node, (n_leaves, n_pairs, n_columns).

    `whole` is (2, n_pairs, n_columns), the columns in both images; `values`, (2, n_pairs, n_leaves,
    n_columns), and `areas`, (2, n_pairs, n_leaves), are those of the leaves.
    """
    scale = whole.sum(axis=0)
    of_roots = np.divide(
        _mean_terms(whole**2, values**2, weights, here),
        scale,
        out=np.zeros(values.shape[2:3] + scale.shape),
        where=scale > 0,
    )
    of_areas = np.moveaxis(areas[0] - areas[1], 1, 0)[..., np.newaxis]
    terms = {"mean": _mean_terms(whole, values, weights, here), "root": of_roots, "area": of_areas}
    return np.select([kinds == kind for kind in terms], list(terms.values()), 0.0)


def _mean_terms(
    whole: np.ndarray, values: np.ndarray, weights: np.ndarray, here: np.ndarray
) -> np.ndarray:
    """Terms of the leaves in differences of means, (n_leaves, n_pairs, n_columns)."""
    # the filler of an image that lacks the node, or the middle of two that have it
    reference = np.where(here[0], np.where(here[1], whole.mean(axis=0), whole[1]), whole[0])
    terms = weights * (values - reference[:, np.newaxis])
    return np.moveaxis(terms[0] - terms[1], 1, 0)
