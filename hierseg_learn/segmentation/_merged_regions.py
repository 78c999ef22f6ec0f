"""Parts found in the images themselves: regions merged step by step, and a learned vocabulary."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ..images import check_images
from ._merge_tree import MergeTree, merge_tree
from ._region_parts import RegionSegmenter


class MergeTreeSegmenter(RegionSegmenter):
    """Cut images into regions by merging superpixels step by step.

    Every image is cut into superpixels, and the two that touch and differ least are joined, again
    and again. How much two regions differ is the strength of the border between them, times the
    difference of their histograms of CIELAB colour and of texture, times a power of their size.
    The regions at `n_segments` are then given parts as by :class:`SuperpixelSegmenter`: colour,
    texture and position are clustered over many images into a vocabulary.

    The result does not depend on the order of the training images, nor on `n_jobs`.
    :meth:`hierarchy` and :meth:`contour_map` can be used without `fit`.

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
        content; None takes all.
    n_jobs : int or None, default=None
        Number of processes that cut images in ``fit``, as in joblib.
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
        "n_segments": [Interval(Integral, 1, None, closed="left")],
        "n_superpixels": [Interval(Integral, 1, None, closed="left")],
        "compactness": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
        **RegionSegmenter._parameter_constraints,
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
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_segments = n_segments
        self.n_superpixels = n_superpixels
        self.compactness = compactness
        self.sigma = sigma
        self.n_parts = n_parts
        self.position_weight = position_weight
        self.max_images = max_images
        self.n_jobs = n_jobs
        self.random_state = random_state

    def hierarchy(self, image: Any) -> MergeTree:
        """Build the tree of regions of one image.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), or path
            After `fit` an image of the kind seen there; without `fit` any image, and where its
            numbers are neither floats in [0, 1] nor of a dtype with a range of its own, the range
            of this image is taken as that of the pixels.

        Returns
        -------
        tree : MergeTree

        Raises
        ------
        ValueError, TypeError
            If the image or a parameter is not what it should be.
        """
        self._validate_params()
        if hasattr(self, "encoding_"):
            pixels, _ = self._check_image(image)
        else:
            pixels = check_images([image], names=("image", "mask")).image(0)
        return self._merge_tree(pixels)

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
            :meth:`MergeTree.contour_map`.
        """
        return self.hierarchy(image).contour_map()

    def _merge_tree(self, image: np.ndarray) -> MergeTree:
        return merge_tree(image, self.n_superpixels, self.compactness, self.sigma)

    def _regions(self, image: np.ndarray) -> np.ndarray:
        return self._merge_tree(image).cut(self.n_segments)
