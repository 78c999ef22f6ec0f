"""Binary partition trees of one image, and the cutters that cut them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ._cutters import Cutter

# Height of a merge of this cost is one half; on photographs that leaves about 25 regions.
HALF_COST = 2.5
HIERARCHIES = {
    "area": "watershed_hierarchy_by_area",
    "dynamics": "watershed_hierarchy_by_dynamics",
    "volume": "watershed_hierarchy_by_volume",
    "average_linkage": "binary_partition_tree_average_linkage",
    "mumford_shah": "binary_partition_tree_MumfordShah_energy",
}


@dataclass(frozen=True, eq=False)
class BinaryPartitionTree:
    """A binary tree of regions of one image, each the union of two that touch.

    Its cuts are nested: every region of a finer cut lies in one region of a coarser one. All
    regions are connected.

    Parameters
    ----------
    labels : ndarray of shape (height, width), int32
        Leaf of every pixel; the leaves, superpixels, have the numbers 0 to ``n_leaves - 1`` in
        reading order of their first pixels.
    parents : ndarray of shape (n_nodes,), int64
        Parent of every node, ``n_nodes = 2 * n_leaves - 1``. Children come before parents; the
        root, the whole image, is the last node and its own parent.
    heights : ndarray of shape (n_nodes,), float64
        Height of every node in [0, 1], 0 for leaves; it does not fall from one inner node to the
        next. Those of :class:`RegionMerging` can be compared between images.
    areas : ndarray of shape (n_nodes,), int64
        Pixels of every node.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import RegionMerging
    >>> image = np.repeat([[0.1] * 8, [0.9] * 8], 4, axis=0)
    >>> tree = RegionMerging().hierarchy(image)
    >>> tree.cut(n_regions=2)[[0, 3, 4, 7], 0]
    array([0, 0, 1, 1], dtype=int32)
    >>> tree.areas[[0, -1]].tolist(), int(tree.cut(height=0.99).max()) + 1
    ([1, 64], 1)
    """

    labels: np.ndarray
    parents: np.ndarray
    heights: np.ndarray
    areas: np.ndarray

    @property
    def n_leaves(self) -> int:
        """Number of superpixels."""
        return (len(self.parents) + 1) // 2

    def cut(self, n_regions: int | None = None, *, height: float | None = None) -> np.ndarray:
        """Label map of one level.

        Parameters
        ----------
        n_regions : int, default=None
            Number of regions; all superpixels if there are fewer.
        height : float, default=None
            Two pixels share a region iff they meet at this height or below. Give either this or
            `n_regions`.

        Returns
        -------
        regions : ndarray of shape (height, width), int32
            Numbered without gaps, in reading order of their first pixels.
        """
        if (n_regions is None) == (height is None):
            raise ValueError(
                f"cut needs either n_regions or height, got n_regions={n_regions!r} and "
                f"height={height!r}."
            )
        if height is not None:
            if not isinstance(height, Real) or np.isnan(height):
                raise ValueError(f"height must be a number, got {height!r}.")
            n_merged = int(np.searchsorted(self.heights[self.n_leaves :], height, side="right"))
        else:
            if not isinstance(n_regions, Integral) or n_regions < 1:
                raise ValueError(f"n_regions must be a whole number from 1 on, got {n_regions!r}.")
            n_merged = max(self.n_leaves - int(n_regions), 0)
        return self._after(n_merged)[self.labels]

    def _after(self, n_merged: int) -> np.ndarray:
        """Region of every leaf after the first so many merges."""
        n_nodes = self.n_leaves + n_merged
        tops = np.arange(n_nodes)
        for node in range(n_nodes - 1, -1, -1):
            parent = self.parents[node]
            if parent < n_nodes:
                tops[node] = tops[parent]
        _, first, regions = np.unique(tops[: self.n_leaves], return_index=True, return_inverse=True)
        # leaves come in reading order, so regions do by their first leaves
        return np.argsort(np.argsort(first)).astype(np.int32)[regions]

    def contour_map(self) -> np.ndarray:
        """Ultrametric contour map: (height, width) float64 in [0, 1].

        A pixel has the height at which it joins its right and its lower neighbor, the larger of
        both; values beyond `t` are the borders of ``cut(height=t)``.
        """
        from ..kernels import segments

        return segments.contours(self.labels, self.parents, self.heights)


def merge_tree(
    image: np.ndarray, n_superpixels: int, compactness: float, sigma: float
) -> BinaryPartitionTree:
    """Build the hierarchy of one image, (height, width) or (height, width, 3) float32."""
    # here, as it loads Numba
    from ..kernels import segments

    planes = segments.lab_planes(image)
    codes = segments.texture_codes(planes[0])
    planes = segments.smooth(planes, sigma)
    labels = segments.superpixels(planes, n_superpixels, compactness)
    counts, bins = segments.region_histograms(planes, codes, labels)
    borders = segments.region_borders(labels, segments.gradient_strength(planes))
    pairs, costs = segments.merge(counts, bins, *borders)
    parents, costs, areas = order_by_height(pairs, costs, counts)
    return BinaryPartitionTree(labels, parents, costs / (costs + HALF_COST), areas)


def order_by_height(
    pairs: np.ndarray, costs: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make heights monotone, and number inner nodes by them.

    A merge may cost less than one that it builds on, as joining changes what regions look like; its
    height then is that of the highest merge below. `pairs` are the merges (n_leaves - 1, 2),
    `counts` the pixels of the leaves. Returns parents, heights and areas as in
    :class:`BinaryPartitionTree`.
    """
    n_leaves, n_nodes = len(counts), 2 * len(counts) - 1
    heights = np.concatenate([np.zeros(n_leaves), costs])
    areas = np.concatenate([counts, np.zeros(n_leaves - 1, dtype=np.int64)])
    for node, (first, second) in enumerate(pairs.tolist(), start=n_leaves):
        heights[node] = max(heights[node], heights[first], heights[second])
        areas[node] = areas[first] + areas[second]
    # stable: of equal heights, a child was made before its parent, and stays before it
    order = np.concatenate(
        [np.arange(n_leaves), n_leaves + np.argsort(heights[n_leaves:], kind="stable")]
    )
    numbers = np.empty(n_nodes, dtype=np.int64)
    numbers[order] = np.arange(n_nodes)
    parents = np.full(n_nodes, n_nodes - 1)
    for column in pairs.T:
        parents[numbers[column]] = numbers[n_leaves:]
    return parents, heights[order], areas[order]


class HierarchyCutter(Cutter):
    """Base: the regions of an image are one cut of its binary partition tree.

    A subclass overrides ``_hierarchy`` and has a parameter `n_segments`.
    """

    _parameter_constraints: dict = {"n_segments": [Interval(Integral, 1, None, closed="left")]}

    def hierarchy(self, image: Any) -> BinaryPartitionTree:
        """Build the binary partition tree of one image, given as for `regions`."""
        return self._hierarchy(self._pixels(image))

    @abstractmethod
    def _hierarchy(self, image: np.ndarray) -> BinaryPartitionTree:
        """Tree of regions of one checked image."""

    def _cut(self, image: np.ndarray) -> np.ndarray:
        return self._hierarchy(image).cut(self.n_segments)


class RegionMerging(HierarchyCutter):
    """Superpixels, merged step by step.

    The two neighboring regions that differ least are joined, again and again. The difference of two
    regions is the strength of the border between them, times the difference of their histograms of
    CIELAB color and of texture, times a power of their size. The regions are the cut of that tree
    at `n_segments`.

    Parameters
    ----------
    n_segments : int, default=100
        Number of regions.
    n_superpixels : int, default=1000
        Approximate number of superpixels to start from. An image of at most twice as many pixels
        starts from its pixels.
    compactness : float, default=10.0
        Weight of position against color in superpixels: the difference in CIELAB that counts as
        much as the distance of one superpixel.
    sigma : float, default=0.8
        Width of the Gaussian that smooths the image first, in pixels.

    See Also
    --------
    Higra : Hierarchies of the package Higra.

    Notes
    -----
    Greedy merging of regions into a binary tree goes back to Salembier and Garrido [1]_; a contour
    map whose values are the heights at which regions merge is called ultrametric [2]_. The cost of
    a merge grows with the strength of the border, with the difference of both regions in color and
    texture, and with their size; ``hierseg_learn/kernels/segments.py`` has the formula.

    References
    ----------
    .. [1] P. Salembier, L. Garrido. "Binary partition tree as an efficient representation for
       image processing, segmentation, and information retrieval". IEEE Transactions on Image
       Processing 9, 2000.
    .. [2] P. Arbeláez, M. Maire, C. Fowlkes, J. Malik. "Contour detection and hierarchical image
       segmentation". TPAMI 33, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import RegionMerging
    >>> image = np.repeat([[0.1] * 16, [0.5] * 16, [0.9] * 16], 8, axis=0)
    >>> RegionMerging(n_segments=3).regions(image)[[0, 8, 16], 0]
    array([0, 1, 2], dtype=int32)
    >>> RegionMerging().hierarchy(image).contour_map().shape
    (24, 16)
    """

    _parameter_constraints: dict = {
        **HierarchyCutter._parameter_constraints,
        "n_superpixels": [Interval(Integral, 1, None, closed="left")],
        "compactness": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_segments: int = 100,
        *,
        n_superpixels: int = 1000,
        compactness: float = 10.0,
        sigma: float = 0.8,
    ) -> None:
        self.n_segments = n_segments
        self.n_superpixels = n_superpixels
        self.compactness = compactness
        self.sigma = sigma

    def _hierarchy(self, image: np.ndarray) -> BinaryPartitionTree:
        return merge_tree(image, self.n_superpixels, self.compactness, self.sigma)


class Higra(HierarchyCutter):
    """Regions from a hierarchy of the package Higra [1]_.

    Pixels are merged step by step into a binary tree, on the grid of each with its four neighbors
    and by differences of CIELAB colors. The regions are its cut at `n_segments`.

    It needs Higra: ``pip install 'hierseg-learn[higra]'``.

    Parameters
    ----------
    n_segments : int, default=100
        Number of regions.
    criterion : {"area", "dynamics", "volume", "average_linkage", "mumford_shah"}, default="area"
        By what regions are merged: ``"area"``, ``"dynamics"`` and ``"volume"`` are hierarchies of
        watersheds, in which the basin goes first that is smallest in area, depth or both [2]_;
        ``"average_linkage"`` merges by the average difference along the border;
        ``"mumford_shah"`` by the energy of piecewise constant colors [3]_.

    See Also
    --------
    RegionMerging : The package's own hierarchy.

    Notes
    -----
    Heights of the tree are those of Higra divided by the largest of the image, so they cannot be
    compared between images.

    References
    ----------
    .. [1] B. Perret, G. Chierchia, J. Cousty, S. Guimarães, Y. Kenmochi, L. Najman. "Higra:
       Hierarchical Graph Analysis". SoftwareX 10, 2019.
    .. [2] J. Cousty, L. Najman. "Incremental Algorithm for Hierarchical Minimum Spanning Forests
       and Saliency of Watershed Cuts". ISMM 2011.
    .. [3] L. Guigues, J. Cocquerez, H. Le Men. "Scale-Sets Image Analysis". International Journal
       of Computer Vision 68, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import Higra
    >>> image = np.repeat([[0.1] * 16, [0.5] * 16, [0.9] * 16], 8, axis=0)
    >>> Higra(n_segments=3).regions(image)[[0, 8, 16], 0]
    array([0, 1, 2], dtype=int32)
    """

    _parameter_constraints: dict = {
        **HierarchyCutter._parameter_constraints,
        "criterion": [StrOptions(set(HIERARCHIES))],
    }

    def __init__(self, n_segments: int = 100, *, criterion: str = "area") -> None:
        self.n_segments = n_segments
        self.criterion = criterion

    def _hierarchy(self, image: np.ndarray) -> BinaryPartitionTree:
        if image.shape[:2] == (1, 1):
            # Higra crashes on a graph without edges
            one = np.zeros(1)
            return BinaryPartitionTree(
                np.zeros((1, 1), np.int32), one.astype(int), one, one.astype(int) + 1
            )
        # here, as it loads Numba
        from ..kernels import segments

        lab = np.moveaxis(segments.lab_planes(image), 0, -1)
        return to_partition_tree(*higra_tree(lab, self.criterion), image.shape)


def higra_tree(lab: np.ndarray, criterion: str) -> tuple[Any, np.ndarray]:
    """Tree of Higra over the pixels of `lab`, (height, width, n_channels), and its altitudes."""
    try:
        import higra
    except ImportError as error:
        raise ImportError("Higra needs its package: pip install 'hierseg-learn[higra]'.") from error
    graph = higra.get_4_adjacency_graph(lab.shape[:2])
    colors = np.ascontiguousarray(lab.reshape(-1, lab.shape[-1]), dtype=np.float64)
    build = getattr(higra, HIERARCHIES[criterion])
    if criterion == "mumford_shah":
        return build(graph, colors)
    return build(graph, higra.weight_graph(graph, colors, higra.WeightFunction.L2))


def to_partition_tree(
    tree: Any, altitudes: np.ndarray, shape: tuple[int, ...]
) -> BinaryPartitionTree:
    """Turn a tree of Higra into a binary partition tree, its heights divided by the largest."""
    import higra

    graph = higra.get_4_adjacency_graph(shape[:2])
    # a merge may be lower than one below it; its height then is that of the highest below
    leaves = altitudes[: tree.num_leaves()]
    altitudes = higra.accumulate_and_max_sequential(tree, altitudes, leaves, higra.Accumulators.max)
    # where more than two regions meet at one height, they are joined one by one
    saliency = higra.saliency(tree, altitudes, graph, handle_rag=False)
    tree, altitudes = higra.bpt_canonical(graph, saliency)
    largest = altitudes.max(initial=0.0)
    labels = np.arange(tree.num_leaves(), dtype=np.int32).reshape(shape[:2])
    return BinaryPartitionTree(
        labels,
        tree.parents().astype(np.int64),
        altitudes / (largest if largest > 0 else 1.0),
        higra.attribute_area(tree).astype(np.int64),
    )
