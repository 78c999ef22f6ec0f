"""Regions by flooding the gradient, and a learned vocabulary of parts."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._region_parts import RegionSegmenter, number_regions


class WatershedSegmenter(RegionSegmenter):
    """Cut images into regions by flooding their gradient from markers.

    The gradient is that of CIELAB, over all directions and channels. It is flooded as in
    :func:`skimage.segmentation.watershed`, whose parameters and defaults `markers` and
    `compactness` are. The regions are then given parts as by :class:`SuperpixelSegmenter`: colour,
    texture and position are clustered over many images into a vocabulary.

    The result does not depend on the order of the training images, nor on `n_jobs`.
    :meth:`regions` can be used without `fit`.

    Parameters
    ----------
    markers : int or None, default=None
        About how many markers are laid out on a grid; each becomes a region. None takes every
        local minimum of the gradient, which makes tens of thousands of regions of a photo: slow,
        and a vocabulary is then learned from few photos (see `max_images`). Some 100 are better.
    compactness : float, default=0.0
        Larger makes regions more compact (compact watershed [1]_).
    sigma : float, default=0.8
        Width of the Gaussian that smooths the image before its gradient is taken, in pixels.
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
    HigraSegmenter : Hierarchies of watersheds.

    References
    ----------
    .. [1] P. Neubert, P. Protzel. "Compact Watershed and Preemptive SLIC: On Improving Trade-offs
       of Superpixel Segmentation Algorithms". ICPR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import WatershedSegmenter
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> segmenter = WatershedSegmenter(n_parts=2, random_state=0)
    >>> segmenter.regions(image)[[0, 4, 11, 15], 0]
    array([0, 0, 1, 1], dtype=int32)
    >>> segmenter.fit([image]).segment(image).shape
    (16, 16)
    """

    _parameter_constraints: dict = {
        "markers": [Interval(Integral, 1, None, closed="left"), None],
        "compactness": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
        **RegionSegmenter._parameter_constraints,
    }

    def __init__(
        self,
        markers: int | None = None,
        *,
        compactness: float = 0.0,
        sigma: float = 0.8,
        n_parts: int = 12,
        position_weight: float = 1.0,
        max_images: int | None = 500,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.markers = markers
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

    def _regions(self, image: np.ndarray) -> np.ndarray:
        # Some releases of scikit-image load matplotlib together with this.
        from skimage.segmentation import watershed

        # here, as it loads Numba
        from ..kernels import segments

        planes = segments.smooth(segments.lab_planes(image), self.sigma)
        labels = watershed(
            segments.gradient_strength(planes), self.markers, compactness=self.compactness
        )
        return number_regions(labels)
