"""Regions by Felzenszwalb and Huttenlocher, and a learned vocabulary of parts."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._region_parts import RegionSegmenter, number_regions


class FelzenszwalbSegmenter(RegionSegmenter):
    """Cut images into regions by the graph merging of Felzenszwalb and Huttenlocher.

    Regions grow along a minimum spanning tree of the pixels [1]_, as in
    :func:`skimage.segmentation.felzenszwalb`, whose parameters and defaults these are. They are
    then given parts as by :class:`SuperpixelSegmenter`: colour, texture and position are clustered
    over many images into a vocabulary. How many regions there are depends on the image.

    The result does not depend on the order of the training images, nor on `n_jobs`.
    :meth:`regions` can be used without `fit`.

    Parameters
    ----------
    scale : float, default=1
        A region may be the more uneven the larger this is; larger makes fewer and larger regions.
        The default of scikit-image makes thousands of a photo, which a vocabulary takes long for;
        some 100 leave a hundred.
    sigma : float, default=0.8
        Width of the Gaussian that smooths the image before it is cut, in pixels.
    min_size : int, default=20
        Smaller regions, in pixels, are joined to a neighbour.
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
    .. [1] P. Felzenszwalb, D. Huttenlocher. "Efficient Graph-Based Image Segmentation".
       International Journal of Computer Vision 59, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import FelzenszwalbSegmenter
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> segmenter = FelzenszwalbSegmenter(sigma=0, n_parts=2, random_state=0)
    >>> segmenter.regions(image)[[0, 7, 8, 15], 0]
    array([0, 0, 1, 1], dtype=int32)
    >>> segmenter.fit([image]).segment(image).shape
    (16, 16)
    """

    _parameter_constraints: dict = {
        "scale": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
        "min_size": [Interval(Integral, 0, None, closed="left")],
        **RegionSegmenter._parameter_constraints,
    }

    def __init__(
        self,
        scale: float = 1,
        *,
        sigma: float = 0.8,
        min_size: int = 20,
        n_parts: int = 12,
        position_weight: float = 1.0,
        max_images: int | None = 500,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.scale = scale
        self.sigma = sigma
        self.min_size = min_size
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
        from skimage.segmentation import felzenszwalb

        labels = felzenszwalb(
            image,
            scale=self.scale,
            sigma=self.sigma,
            min_size=self.min_size,
            channel_axis=None if image.ndim == 2 else -1,
        )
        return number_regions(labels)
