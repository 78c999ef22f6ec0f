"""The hierarchy of regions of one image: from superpixels to the whole, step by step."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ._region_parts import RegionSegmenter

# Height of a merge of this cost is one half; on photographs that leaves about 25 regions.
HALF_COST = 2.5


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
        next. Those of :class:`RegionMergingSegmenter` can be compared between images.
    areas : ndarray of shape (n_nodes,), int64
        Pixels of every node.

    Attributes
    ----------
    n_leaves : int
        Number of superpixels.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import RegionMergingSegmenter
    >>> image = np.repeat([[0.1] * 8, [0.9] * 8], 4, axis=0)
    >>> tree = RegionMergingSegmenter().hierarchy(image)
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
            Numbered without a gap, in reading order of their first pixels.

        Raises
        ------
        ValueError
            If not exactly one of both is given, or there would be fewer than one region.
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
        """Ultrametric contour map: how high every border stays.

        Returns
        -------
        contours : ndarray of shape (height, width), float64
            Height at which a pixel joins its right and its lower neighbor, the larger of both;
            values beyond `t` are the borders of ``cut(height=t)``. In [0, 1].
        """
        from ..kernels import segments

        return segments.contours(self.labels, self.parents, self.heights)


def merge_tree(
    image: np.ndarray, n_superpixels: int, compactness: float, sigma: float
) -> BinaryPartitionTree:
    """Build the hierarchy of one image.

    Shapes: `image` (height, width) or (height, width, 3) float32.
    """
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

    A merge may cost less than one that it builds on, as joining changes what regions look like;
    its height then is that of the highest merge below.

    Shapes: `pairs` (n_leaves - 1, 2) int64, `costs` (n_leaves - 1,) float64, `counts` (n_leaves,)
    int64. Returns `parents, heights, areas` (2 * n_leaves - 1,): as of
    :class:`BinaryPartitionTree`, heights in the unit of the costs.
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


class HierarchySegmenter(RegionSegmenter):
    """Base: the regions of an image are one cut of a tree of its regions.

    A subclass overrides ``_merge_tree`` and has the parameter `n_segments`, besides those of
    :class:`RegionSegmenter`.
    """

    _parameter_constraints: dict = {
        "n_segments": [Interval(Integral, 1, None, closed="left")],
        **RegionSegmenter._parameter_constraints,
    }

    def hierarchy(self, image: Any) -> BinaryPartitionTree:
        """Build the tree of regions of one image.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), or path
            After `fit` an image of the kind seen there; without `fit` any image, and where its
            numbers are neither floats in [0, 1] nor of a dtype with a range of its own, the range
            of this image is taken as that of the pixels.

        Returns
        -------
        tree : BinaryPartitionTree

        Raises
        ------
        ValueError, TypeError
            If the image or a parameter is not what it should be.
        """
        return self._merge_tree(self._pixels(image))

    def contour_map(self, image: Any) -> np.ndarray:
        """Ultrametric contour map of one image.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), or path
            As for `hierarchy`.

        Returns
        -------
        contours : ndarray of shape (height, width), float64
            Values in [0, 1]; those above a threshold are the borders of closed regions. As
            :meth:`BinaryPartitionTree.contour_map`.
        """
        return self.hierarchy(image).contour_map()

    @abstractmethod
    def _merge_tree(self, image: np.ndarray) -> BinaryPartitionTree:
        """Tree of regions of one checked image."""

    def _regions(self, image: np.ndarray) -> np.ndarray:
        return self._merge_tree(image).cut(self.n_segments)


class RegionMergingSegmenter(HierarchySegmenter):
    """Cut images into regions by merging superpixels step by step.

    Every image is cut into superpixels, and the two that touch and differ least are joined, again
    and again. How much two regions differ is the strength of the border between them, times the
    difference of their histograms of CIELAB color and of texture, times a power of their size.
    The regions at `n_segments` are then given parts as by :class:`SuperpixelSegmenter`: color,
    texture and position are clustered over many images into a vocabulary.

    The result does not depend on the order of the training images, nor on `n_jobs`.
    :meth:`hierarchy`, :meth:`contour_map` and :meth:`regions` can be used without `fit`.

    Parameters
    ----------
    n_segments : int, default=100
        How many regions an image is cut into before parts are assigned.
    n_superpixels : int, default=1000
        About how many superpixels are merged. An image of at most twice as many pixels starts
        from its pixels.
    compactness : float, default=10.0
        How much nearness counts against likeness in superpixels: as much as so great a difference
        in CIELAB at the distance of one superpixel.
    sigma : float, default=0.8
        Width of the Gaussian that smooths the image, in pixels.
    n_parts : int, default=12
        Size of the vocabulary; fewer if the images have fewer different regions.
    position_weight : float, default=1.0
        How much the position of a region (height in the image and distance from the vertical
        middle line) counts against its color. More where things have their places, as people who
        stand do; 0 where they may be anywhere.
    max_images : int or None, default=500
        Learn the vocabulary from at most so many images, chosen by `random_state` and their
        content; None takes all. Fewer are used where they have more than 200,000 regions.
    n_jobs : int or None, default=None
        Number of processes that cut images in ``fit``, as in joblib.
    verbose : int, default=0
        1 draws a progress bar in ``fit``.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of images and of k-means.

    Attributes
    ----------
    tree_ : SegmentTree
        Leaves ``part_0``, ``part_1``, ..., the largest first; inner nodes ``merge_0``, ...; root
        ``image``.
    vocabulary_ : PartVocabulary
        The parts.
    statistics_ : PartStatistics
        How they look, touch and occur together in the training images.
    n_parts_ : int
        Number of parts.

    See Also
    --------
    SuperpixelSegmenter : Superpixels are the regions, with no merging.
    HigraSegmenter : Hierarchies of the package Higra.

    Notes
    -----
    Greedy merging of regions into a binary tree goes back to Salembier and Garrido [1]_; a contour
    map whose values are the heights at which regions merge is called ultrametric [2]_. The cost of
    a merge is given in :func:`hierseg_learn.kernels.segments.merge`.

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
    >>> from hierseg_learn.segmentation import RegionMergingSegmenter
    >>> image = np.repeat([[0.1] * 16, [0.5] * 16, [0.9] * 16], 8, axis=0)
    >>> segmenter = RegionMergingSegmenter(n_segments=3, n_parts=2, random_state=0)
    >>> segmenter.hierarchy(image).cut(n_regions=3)[[0, 8, 16], 0]
    array([0, 1, 2], dtype=int32)
    >>> segmenter.contour_map(image).shape
    (24, 16)
    >>> segmenter.fit([image]).segment(image).shape
    (24, 16)
    """

    _parameter_constraints: dict = {
        "n_superpixels": [Interval(Integral, 1, None, closed="left")],
        "compactness": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
        **HierarchySegmenter._parameter_constraints,
    }

    def __init__(
        self,
        n_segments: int = 100,
        *,
        n_superpixels: int = 1000,
        compactness: float = 10.0,
        sigma: float = 0.8,
        n_parts: int = 12,
        position_weight: float = 1.0,
        max_images: int | None = 500,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_segments = n_segments
        self.n_superpixels = n_superpixels
        self.compactness = compactness
        self.sigma = sigma
        super().__init__(
            n_parts=n_parts,
            position_weight=position_weight,
            max_images=max_images,
            n_jobs=n_jobs,
            verbose=verbose,
            random_state=random_state,
        )

    def _merge_tree(self, image: np.ndarray) -> BinaryPartitionTree:
        return merge_tree(image, self.n_superpixels, self.compactness, self.sigma)
