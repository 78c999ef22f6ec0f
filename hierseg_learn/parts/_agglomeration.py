"""A tree over parts: similar ones are joined step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import tee
from numbers import Real
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from sklearn.utils._param_validation import Interval

from ..images import SegmentedImages
from ..images.labels import IdRule, check_unlabeled, to_label_map
from ..tree import SegmentTree
from ..utils import Estimator
from ..utils.progress import ProgressBar
from ..utils.spread import varies
from ._statistics import PartStatistics
from .vocabulary import feature_weights

# parts that the name of a suggested node lists
_SHOWN_PARTS = 3


class PartAgglomeration(Estimator):
    r"""Join similar parts step by step into a binary tree.

    Two parts are similar if they look alike, touch along much of their borders, and occur in the
    same images; optionally, if their learned metrics agree. Their dissimilarity is the weighted
    mean

    .. math::
        d_{ab} = \frac{w_s s_{ab} + w_n (1 - n_{ab}) + w_c (1 - c_{ab}) + w_m (1 - m_{ab})}
        {w_s + w_n + w_c + w_m}

    of four terms between 0 and 1, where

    - :math:`s` is the distance of the mean colors, textures and positions of the two parts, each
      divided by its standard deviation over all regions and weighted as in the vocabulary; divided
      by the largest such distance; of a vocabulary of a descriptor, its columns take the place of
      color and texture;
    - :math:`n` is how much more than by chance they touch: :math:`r / (1 + r)`, where r is the
      length of their common border over what it would be if the borders of all parts were mixed at
      random;
    - :math:`c` is how much more often than by chance they are in one image, again
      :math:`r / (1 + r)`, where r is the number of images with both over what it would be if
      parts came independently;
    - :math:`m` is the cosine of their learned metrics :math:`M = L^\top L`, as
      :math:`\langle M_a, M_b \rangle / (\|M_a\| \|M_b\|)` with Frobenius' product [2]_.

    The two groups of least mean dissimilarity between their members are joined until one is left
    (average linkage), so that no join is lower than those that it builds on. The tree depends
    neither on the order of the images nor on the numbers of the parts.

    It is given to :class:`~hierseg_learn.SegmentTreeTransformer` as `tree`, and works with given
    masks and with every segmenter.

    Parameters
    ----------
    appearance_weight : float, default=1.0
        Weight :math:`w_s`.
    adjacency_weight : float, default=0.25
        Weight :math:`w_n`.
    cooccurrence_weight : float, default=0.25
        Weight :math:`w_c`.
    metric_weight : float, default=0.0
        Weight :math:`w_m`. More than 0 needs `y`: first the leaves learn their metrics, then they
        are joined.
    position_weight : float, default=1.5
        How much the position of a part counts in :math:`s`; 0 leaves it out.

    See Also
    --------
    PartStatistics : Statistics of parts in the training images.

    References
    ----------
    .. [1] R. R. Sokal, C. D. Michener. "A statistical method for evaluating systematic
       relationships". University of Kansas Science Bulletin 38, 1958. (Average linkage.)
    .. [2] P. Robert, Y. Escoufier. "A Unifying Tool for Linear Multivariate Statistical Methods:
       The RV-Coefficient". Journal of the Royal Statistical Society C 25, 1976.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.parts import PartAgglomeration, PartStatistics
    >>> image = np.repeat([0.1, 0.2, 0.9], 4).reshape(6, 2).astype(np.float32)
    >>> labels = np.repeat([0, 1, 2], 4).reshape(6, 2)
    >>> found = PartStatistics.from_label_maps([image], [labels], n_parts=3)
    >>> print(PartAgglomeration().build(found, ["deep sea", "sea", "sky"]).export_text())
    image
    ├── sky
    └── merge_0
        ├── deep sea
        └── sea
    """

    _parameter_constraints: dict = {
        f"{term}_weight": [Interval(Real, 0, None, closed="left")]
        for term in ("appearance", "adjacency", "cooccurrence", "metric", "position")
    }

    def __init__(
        self,
        *,
        appearance_weight: float = 1.0,
        adjacency_weight: float = 0.25,
        cooccurrence_weight: float = 0.25,
        metric_weight: float = 0.0,
        position_weight: float = 1.5,
    ) -> None:
        self.appearance_weight = appearance_weight
        self.adjacency_weight = adjacency_weight
        self.cooccurrence_weight = cooccurrence_weight
        self.metric_weight = metric_weight
        self.position_weight = position_weight

    def dissimilarity(
        self, statistics: PartStatistics, metric_similarity: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute how different every two parts are.

        Parameters
        ----------
        statistics : PartStatistics
            Statistics of the parts in the training images.
        metric_similarity : ndarray of shape (n_parts, n_parts), default=None
            Similarity of the learned metrics, in [0, 1]; needed if `metric_weight` is not 0.

        Returns
        -------
        dissimilarity : ndarray of shape (n_parts, n_parts), float64
            Symmetric, in [0, 1], 0 on the diagonal.

        Raises
        ------
        ValueError
            If all weights are 0, or `metric_similarity` is missing or of another shape.
        """
        self._validate_params()
        terms = [
            (self.appearance_weight, _appearance(statistics, self.position_weight)),
            (self.adjacency_weight, 1 - statistics.adjacency),
            (self.cooccurrence_weight, 1 - statistics.cooccurrence),
        ]
        if self.metric_weight > 0:
            terms.append(
                (self.metric_weight, 1 - _check_square(metric_similarity, statistics.n_parts))
            )
        total = sum(weight for weight, _ in terms)
        if total == 0:
            raise ValueError(
                "All weights of PartAgglomeration are 0; expected at least one that is not."
            )
        mean = sum(weight / total * term for weight, term in terms)
        np.fill_diagonal(mean, 0.0)
        return np.clip((mean + mean.T) / 2, 0.0, 1.0)

    def build(
        self,
        statistics: PartStatistics,
        names: Sequence[str] | None = None,
        *,
        values: Sequence[object] | None = None,
        root_name: str = "image",
        metric_similarity: np.ndarray | None = None,
    ) -> SegmentTree:
        """Build the tree.

        Parameters
        ----------
        statistics : PartStatistics
            Statistics of the parts in the training images.
        names : sequence of str, length n_parts, default=None
            Names of the leaves; ``part_0``, ``part_1``, ... by default.
        values : sequence of length n_parts, default=None
            Leaf values: part ids, or lists of them. The numbers of the parts by default.
        root_name : str, default="image"
            Name of the root. The other inner nodes are ``merge_0``, ``merge_1``, ... by height.
        metric_similarity : ndarray of shape (n_parts, n_parts), default=None
            As for `dissimilarity`.

        Returns
        -------
        tree : SegmentTree
        """
        n_parts = statistics.n_parts
        names = [f"part_{k}" for k in range(n_parts)] if names is None else list(names)
        values = list(range(n_parts)) if values is None else list(values)
        for argument, given in (("names", names), ("values", values)):
            if len(given) != n_parts:
                raise ValueError(f"{argument} has {len(given)} entries for {n_parts} parts.")
        if n_parts == 1:
            return SegmentTree([root_name], [0], values)
        distances = self.dissimilarity(statistics, metric_similarity)
        order = _canonical_order(statistics)
        joins = linkage(squareform(distances[np.ix_(order, order)], checks=False), "average")
        tree = SegmentTree.from_linkage(joins, [names[k] for k in order], root_name=root_name)
        # its leaf values are positions in the canonical order
        found = [values[order[position]] for position in tree.leaf_values]
        return SegmentTree(tree.names, tree.parents, found)


def suggest_tree(
    X: Any,
    part_names: Sequence[str] | Mapping[int, str] | None = None,
    *,
    agglomeration: PartAgglomeration | None = None,
    unlabeled: Any = None,
    max_images: int = 500,
    root_name: str = "image",
    verbose: int = 0,
) -> SegmentTree:
    """Suggest a tree of parts: those that touch, and that come together, are joined first.

    No photo is read, only label maps. The tree is a start for your own: look at it with
    :meth:`~hierseg_learn.SegmentTree.plot`, edit its
    :meth:`~hierseg_learn.SegmentTree.to_nested`, and pass that as `tree`. An inner node is named by
    the parts below it, or by the largest and the number of the others.

    Parameters
    ----------
    X : SegmentedImages, or array or list of label maps
        The label maps, (height, width) each, with part ids.
    part_names : sequence of str, or dict of int to str, default=None
        Name of every part id; ``part_<id>`` where there is none. A sequence counts from 0.
    agglomeration : PartAgglomeration, default=None
        How parts are joined; by default by adjacency and co-occurrence in equal shares. What parts
        look like is not known here.
    unlabeled : int or list of int, default=None
        Ids that are no part, besides -1; as in :class:`~hierseg_learn.SegmentedImages`.
    max_images : int, default=500
        Number of label maps that are read, at even steps.
    root_name : str, default="image"
        Name of the root.
    verbose : int, default=0
        1 draws a progress bar.

    Returns
    -------
    tree : SegmentTree
        A binary tree; its leaf values are the part ids that occur.

    Raises
    ------
    ValueError, TypeError
        If there is no label map, or one is invalid, or two parts have one name.

    See Also
    --------
    PartAgglomeration : The same with the looks of the parts, for `tree` of the transformer.

    Examples
    --------
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.parts import suggest_tree
    >>> portraits = make_portraits(20, random_state=0)
    >>> print(suggest_tree(portraits.images, portraits.part_names).export_text())
    image
    ├── skin + eyes + mouth
    │   ├── eyes
    │   └── skin + mouth
    │       ├── skin
    │       └── mouth
    └── background + 3 more
        ├── clothes + neck
        │   ├── clothes
        │   └── neck
        └── background + hair
            ├── background
            └── hair
    """
    maps = _LabelMaps(X, unlabeled)
    chosen = np.unique(np.linspace(0, len(maps) - 1, min(max_images, len(maps))).astype(int))
    with ProgressBar(2 * len(chosen), "Reading label maps", verbose) as bar:

        def read() -> Iterator[np.ndarray]:
            for i in chosen.tolist():
                yield maps[i]
                bar.advance()

        ids = np.unique(np.concatenate([np.unique(labels) for labels in read()]))
        ids = ids[ids >= 0]
        names = _names_of(ids.tolist(), part_names)
        # looks count nothing: every map is measured as a blank photo
        positions = (np.where(m >= 0, np.searchsorted(ids, m), -1) for m in read())
        pairs = ((np.zeros(labels.shape, dtype=np.float32), labels) for labels in positions)
        blanks, labels = tee(pairs)
        found = PartStatistics.from_label_maps(
            (blank for blank, _ in blanks), (one for _, one in labels), len(ids)
        )
    if agglomeration is None:
        agglomeration = PartAgglomeration(
            appearance_weight=0, adjacency_weight=1, cooccurrence_weight=1
        )
    tree = agglomeration.build(found, names, values=ids.tolist(), root_name=root_name)
    area = dict(zip(names, found.area))
    return SegmentTree(_spoken_names(tree, area), tree.parents, tree.leaf_values)


class _LabelMaps:
    """Checked label maps, one at a time."""

    def __init__(self, X: Any, unlabeled: Any) -> None:
        self._masks = X.masks if isinstance(X, SegmentedImages) else X
        if isinstance(X, SegmentedImages) and unlabeled is None:
            unlabeled = X.unlabeled
        self._rule = IdRule(check_unlabeled(unlabeled))
        if not len(self._masks):
            raise ValueError("X is empty; expected at least one label map.")

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, i: int) -> np.ndarray:
        labels, where = np.asarray(self._masks[i]), f"Label map {i} of X"
        if labels.ndim != 2 or labels.dtype.kind not in "buif":
            raise ValueError(
                f"{where} must be an array (height, width) of part ids, got shape {labels.shape} "
                f"of dtype {labels.dtype}."
            )
        return to_label_map(labels, self._rule, where, may_be_empty=True)


def _names_of(ids: list[int], names: Any) -> list[str]:
    """Name of every part id."""
    known = {} if names is None else names
    known = dict(known) if isinstance(known, Mapping) else dict(enumerate(known))
    found = [known.get(part, f"part_{part}") for part in ids]
    for name, times in Counter(found).items():
        if times > 1:
            shown = [part for part, one in zip(ids, found) if one == name]
            raise ValueError(f"part_names gives the name {name!r} to the ids {shown}.")
    return found


def _spoken_names(tree: SegmentTree, area: dict[str, float]) -> list[str]:
    """Names of nodes, those of inner nodes made of the leaves below them, the largest first."""
    names = list(tree.names)
    for node in np.flatnonzero(~tree.is_leaf)[:-1]:
        below = [tree.names[i] for i in tree.subtree(node) if tree.is_leaf[i]]
        below.sort(key=lambda name: (-area[name], name))
        short = len(below) <= _SHOWN_PARTS
        names[node] = " + ".join(below if short else [below[0], f"{len(below) - 1} more"])
    return names


def _appearance(statistics: PartStatistics, position_weight: float) -> np.ndarray:
    """Distance of every two parts in the vocabulary's features, the largest 1.

    A part that never occurs is as far from the others as possible.
    """
    # 3 of texture and 2 of position besides mean and deviation of every channel
    n_channels = (statistics.features.shape[1] - 5) // 2
    weights = feature_weights(n_channels, position_weight, statistics.n_described)
    constant = ~varies(statistics.features, statistics.spread)
    scale = weights / np.where(constant, 1, statistics.spread)
    points = statistics.features * np.where(constant, 0.0, scale)
    distances = np.sqrt(sum((column[:, np.newaxis] - column) ** 2 for column in points.T))
    occurs = statistics.area > 0
    both = np.ix_(occurs, occurs)
    shown = np.ones(distances.shape)
    shown[both] = distances[both] / max(distances[both].max(initial=0), np.finfo(float).tiny)
    return shown


def _canonical_order(statistics: PartStatistics) -> np.ndarray:
    """Order of the parts that does not depend on their numbers, the largest first."""
    occurrence = np.diag(statistics.together)
    keys = [*statistics.features.T[::-1], occurrence, -statistics.area]
    return np.lexsort(keys)


def _check_square(similarity: np.ndarray | None, n_parts: int) -> np.ndarray:
    if similarity is None:
        raise ValueError(
            "metric_weight is not 0, so metric_similarity is needed: the similarity of the learned "
            "metrics of every two parts."
        )
    similarity = np.asarray(similarity, dtype=np.float64)
    if similarity.shape != (n_parts, n_parts):
        raise ValueError(
            f"metric_similarity must have shape {(n_parts, n_parts)}, got {similarity.shape}."
        )
    return similarity


def metric_similarity(components: Sequence[np.ndarray]) -> np.ndarray:
    r"""Cosine of learned metrics: whether they weight the same directions, as strongly.

    For metrics :math:`M = L^\top L` of nodes with the same columns, the similarity of two is
    :math:`\langle M_a, M_b \rangle / (\|M_a\| \|M_b\|)` with Frobenius' product, the RV coefficient
    (Robert and Escoufier, 1976); it needs no d × d matrix, as the product is :math:`\|L_a
    L_b^\top\|^2`. `components` holds the map L of every node, (n_components, n_features), in the
    same unit for every column, without rows for a node that learned nothing. Returns (n_nodes,
    n_nodes) in [0, 1], 1 on the diagonal, 0 to a node that learned nothing.
    """
    maps = [np.atleast_2d(np.asarray(L, dtype=np.float64)) for L in components]
    widths = {L.shape[1] for L in maps}
    if len(widths) > 1:
        raise ValueError(
            f"components must be maps over the same columns, got {sorted(widths)} columns."
        )
    products = np.array([[((a @ b.T) ** 2).sum() for b in maps] for a in maps])
    products = products.reshape(len(maps), len(maps))
    norms = np.sqrt(np.diag(products))
    scale = np.outer(norms, norms)
    similarity = np.divide(products, scale, out=np.zeros(scale.shape), where=scale > 0)
    np.fill_diagonal(similarity, 1.0)
    return np.clip(similarity, 0.0, 1.0)
