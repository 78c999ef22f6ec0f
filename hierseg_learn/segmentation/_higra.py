"""Regions from the hierarchies of the package Higra, and a learned vocabulary of parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions

from ._region_merging import BinaryPartitionTree, HierarchySegmenter

HIERARCHIES = {
    "area": "watershed_hierarchy_by_area",
    "dynamics": "watershed_hierarchy_by_dynamics",
    "volume": "watershed_hierarchy_by_volume",
    "average_linkage": "binary_partition_tree_average_linkage",
    "mumford_shah": "binary_partition_tree_MumfordShah_energy",
}


class HigraSegmenter(HierarchySegmenter):
    """Cut images into regions with a hierarchy of the package Higra [1]_.

    Pixels are merged step by step into a binary tree, on the grid of each with its four neighbors
    and by differences of CIELAB colors. The regions at `n_segments` are then given parts as by
    :class:`SuperpixelSegmenter`: color, texture and position are clustered over many images into
    a vocabulary.

    The result does not depend on the order of the training images, nor on `n_jobs`.
    :meth:`hierarchy`, :meth:`contour_map` and :meth:`regions` can be used without `fit`.

    It needs Higra: ``pip install 'hierseg-learn[higra]'``.

    Parameters
    ----------
    n_segments : int, default=100
        How many regions an image is cut into before parts are assigned.
    criterion : {"area", "dynamics", "volume", "average_linkage", "mumford_shah"}, default="area"
        By what regions are merged: ``"area"``, ``"dynamics"`` and ``"volume"`` are hierarchies of
        watersheds, in which the basin goes first that is smallest in area, depth or both [2]_;
        ``"average_linkage"`` merges by the average difference along the border;
        ``"mumford_shah"`` by the energy of piecewise constant colors [3]_.
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
    RegionMergingSegmenter : The package's own hierarchy.

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
    >>> from hierseg_learn.segmentation import HigraSegmenter
    >>> image = np.repeat([[0.1] * 16, [0.5] * 16, [0.9] * 16], 8, axis=0)
    >>> segmenter = HigraSegmenter(n_segments=3, n_parts=2, random_state=0)
    >>> segmenter.regions(image)[[0, 8, 16], 0]
    array([0, 1, 2], dtype=int32)
    >>> segmenter.fit([image]).segment(image).shape
    (24, 16)
    """

    _parameter_constraints: dict = {
        "criterion": [StrOptions(set(HIERARCHIES))],
        **HierarchySegmenter._parameter_constraints,
    }

    def __init__(
        self,
        n_segments: int = 100,
        *,
        criterion: str = "area",
        n_parts: int = 12,
        position_weight: float = 1.0,
        max_images: int | None = 500,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_segments = n_segments
        self.criterion = criterion
        super().__init__(
            n_parts=n_parts,
            position_weight=position_weight,
            max_images=max_images,
            n_jobs=n_jobs,
            verbose=verbose,
            random_state=random_state,
        )

    def _partition_tree(self, image: np.ndarray) -> BinaryPartitionTree:
        if image.shape[:2] == (1, 1):
            # Higra crashes on a graph without edges
            one = np.zeros(1)
            return BinaryPartitionTree(
                np.zeros((1, 1), np.int32), one.astype(int), one, one.astype(int) + 1
            )
        # here, as it loads Numba
        from ..kernels import segments

        lab = np.moveaxis(segments.lab_planes(image), 0, -1)
        return to_merge_tree(*higra_tree(lab, self.criterion), image.shape)


def higra_tree(lab: np.ndarray, criterion: str) -> tuple[Any, np.ndarray]:
    """Build a hierarchy of Higra.

    Shapes: `lab` (height, width, n_channels) float. Returns `tree`: its leaves are the pixels, row
    by row; `altitudes` (n_nodes,) float64.
    """
    try:
        import higra
    except ImportError as error:
        raise ImportError(
            "HigraSegmenter needs Higra: pip install 'hierseg-learn[higra]'."
        ) from error
    graph = higra.get_4_adjacency_graph(lab.shape[:2])
    colors = np.ascontiguousarray(lab.reshape(-1, lab.shape[-1]), dtype=np.float64)
    build = getattr(higra, HIERARCHIES[criterion])
    if criterion == "mumford_shah":
        return build(graph, colors)
    return build(graph, higra.weight_graph(graph, colors, higra.WeightFunction.L2))


def to_merge_tree(tree: Any, altitudes: np.ndarray, shape: tuple[int, ...]) -> BinaryPartitionTree:
    """Turn a hierarchy of Higra into a merge tree, its heights divided by the largest."""
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
