"""Parts found in the images themselves: superpixels and a learned vocabulary."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._region_parts import RegionSegmenter, number_regions


class SuperpixelSegmenter(RegionSegmenter):
    """Cut images along their edges and give regions that look alike the same part id everywhere.

    Every image is cut into superpixels (SLIC [1]_). In ``fit``, colour, texture and position of
    the superpixels of many images are clustered by k-means into a vocabulary of parts, and similar
    parts are joined step by step into a tree. An image is segmented by giving each of its
    superpixels the nearest part; a part may well be missing in an image.

    The result does not depend on the order of the training images, nor on `n_jobs`.

    Parameters
    ----------
    n_segments : int, default=100
        About how many superpixels to cut an image into. An image of no more pixels is cut into its
        pixels.
    compactness : float, default=10.0
        How much nearness counts against likeness; larger makes superpixels more square. As in
        :func:`skimage.segmentation.slic` for colour; grey images use L on the same scale.
    sigma : float, default=1.0
        Width of the Gaussian that smooths the image before it is cut, in pixels.
    n_parts : int, default=12
        Size of the vocabulary; fewer if the images have fewer different superpixels.
    position_weight : float, default=1.0
        How much the position of a superpixel (height in the image and distance from the vertical
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

    References
    ----------
    .. [1] R. Achanta, A. Shaji, K. Smith, A. Lucchi, P. Fua, S. Süsstrunk, "SLIC Superpixels
       Compared to State-of-the-art Superpixel Methods", TPAMI 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import SuperpixelSegmenter
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> segmenter = SuperpixelSegmenter(n_segments=16, n_parts=2, random_state=0).fit([image])
    >>> labels = segmenter.segment(image)
    >>> print(segmenter.tree_.export_text())
    image
    ├── part_0
    └── part_1
    >>> labels.shape, bool((labels[:6] == labels[0, 0]).all() and labels[0, 0] != labels[15, 0])
    ((16, 16), True)
    """

    _parameter_constraints: dict = {
        "n_segments": [Interval(Integral, 1, None, closed="left")],
        "compactness": [Interval(Real, 0, None, closed="neither")],
        "sigma": [Interval(Real, 0, None, closed="left")],
        **RegionSegmenter._parameter_constraints,
    }

    def __init__(
        self,
        n_segments: int = 100,
        *,
        compactness: float = 10.0,
        sigma: float = 1.0,
        n_parts: int = 12,
        position_weight: float = 1.0,
        max_images: int | None = 500,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_segments = n_segments
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
        """Cut one image into superpixels, numbered without a gap."""
        height, width = image.shape[:2]
        if height * width <= self.n_segments:
            return np.arange(height * width).reshape(height, width)
        # Some releases of scikit-image load matplotlib together with slic.
        from skimage.segmentation import slic

        is_grey = image.ndim == 2
        labels = slic(
            image,
            n_segments=self.n_segments,
            # slic brings intensities to [0, 1], L goes to 100
            compactness=self.compactness / 100 if is_grey else self.compactness,
            sigma=self.sigma,
            channel_axis=None if is_grey else -1,
            start_label=0,
        )
        return number_regions(labels)
