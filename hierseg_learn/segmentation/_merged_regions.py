"""Parts found in the images themselves: regions merged step by step, and a learned vocabulary."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._hierarchy import HierarchySegmenter
from ._merge_tree import MergeTree, merge_tree


class MergeTreeSegmenter(HierarchySegmenter):
    """Cut images into regions by merging superpixels step by step.

    Every image is cut into superpixels, and the two that touch and differ least are joined, again
    and again. How much two regions differ is the strength of the border between them, times the
    difference of their histograms of CIELAB colour and of texture, times a power of their size.
    The regions at `n_segments` are then given parts as by :class:`SuperpixelSegmenter`: colour,
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
        middle line) counts against its colour. More where things have their places, as people who
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
    >>> from hierseg_learn.segmentation import MergeTreeSegmenter
    >>> image = np.repeat([[0.1] * 16, [0.5] * 16, [0.9] * 16], 8, axis=0)
    >>> segmenter = MergeTreeSegmenter(n_segments=3, n_parts=2, random_state=0)
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

    def _merge_tree(self, image: np.ndarray) -> MergeTree:
        return merge_tree(image, self.n_superpixels, self.compactness, self.sigma)
