"""Regions by quickshift, and a learned vocabulary of parts."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._region_parts import RegionSegmenter, number_regions


class QuickshiftSegmenter(RegionSegmenter):
    """Cut images into regions by quickshift, a mode search in colour and place.

    Every pixel is linked to the nearest one where pixels are denser, and links that are too long
    are cut [1]_, as in :func:`skimage.segmentation.quickshift`, whose parameters and defaults these
    are. The regions are then given parts as by :class:`SuperpixelSegmenter`: colour, texture and
    position are clustered over many images into a vocabulary. It is slow on large images.

    The result does not depend on the order of the training images, nor on `n_jobs`; ties between
    pixels are broken by a fixed seed, scikit-image's. :meth:`regions` can be used without `fit`.

    Parameters
    ----------
    ratio : float, default=1.0
        Balance of colour and place, in [0, 1]; larger gives colour more weight.
    kernel_size : float, default=5
        Width of the Gaussian that measures how dense pixels are; larger makes fewer regions.
    max_dist : float, default=10
        Longer links are cut; larger makes fewer regions.
    sigma : float, default=0
        Width of the Gaussian that smooths the image before it is cut, in pixels.
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
    MergeTreeSegmenter : Merges into a tree, which is cut at any number of regions.

    References
    ----------
    .. [1] A. Vedaldi, S. Soatto. "Quick Shift and Kernel Methods for Mode Seeking". ECCV 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import QuickshiftSegmenter
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> segmenter = QuickshiftSegmenter(n_parts=2, random_state=0)
    >>> regions = segmenter.regions(image)
    >>> bool(regions[:8].max() < regions[8:].min())
    True
    >>> segmenter.fit([image]).segment(image).shape
    (16, 16)
    """

    _parameter_constraints: dict = {
        "ratio": [Interval(Real, 0, 1, closed="both")],
        "kernel_size": [Interval(Real, 1, None, closed="left")],
        "max_dist": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
        **RegionSegmenter._parameter_constraints,
    }

    def __init__(
        self,
        ratio: float = 1.0,
        *,
        kernel_size: float = 5,
        max_dist: float = 10,
        sigma: float = 0,
        n_parts: int = 12,
        position_weight: float = 1.0,
        max_images: int | None = 500,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.ratio = ratio
        self.kernel_size = kernel_size
        self.max_dist = max_dist
        self.sigma = sigma
        super().__init__(
            n_parts=n_parts,
            position_weight=position_weight,
            max_images=max_images,
            n_jobs=n_jobs,
            verbose=verbose,
            random_state=random_state,
        )

    def _regions(self, image: np.ndarray) -> np.ndarray:
        # Some releases of scikit-image load matplotlib together with this.
        from skimage.segmentation import quickshift

        labels = quickshift(
            # it takes colour only
            np.repeat(image[..., np.newaxis], 3, axis=-1) if image.ndim == 2 else image,
            ratio=self.ratio,
            kernel_size=self.kernel_size,
            max_dist=self.max_dist,
            sigma=self.sigma,
        )
        return number_regions(labels)
