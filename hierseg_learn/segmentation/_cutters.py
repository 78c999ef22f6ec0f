"""Parts found in the images themselves: superpixels and a learned vocabulary."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._region_parts import RegionSegmenter, number_regions


class SuperpixelSegmenter(RegionSegmenter):
    """Cut images along their edges and give regions that look alike the same part id everywhere.

    Every image is cut into superpixels (SLIC [1]_). In ``fit``, color, texture and position of
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
        :func:`skimage.segmentation.slic` for color; gray images use L on the same scale.
    sigma : float, default=1.0
        Width of the Gaussian that smooths the image before it is cut, in pixels.
    n_parts : int, default=12
        Size of the vocabulary; fewer if the images have fewer different superpixels.
    position_weight : float, default=1.0
        How much the position of a superpixel (height in the image and distance from the vertical
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

        is_gray = image.ndim == 2
        labels = slic(
            image,
            n_segments=self.n_segments,
            # slic brings intensities to [0, 1], L goes to 100
            compactness=self.compactness / 100 if is_gray else self.compactness,
            sigma=self.sigma,
            channel_axis=None if is_gray else -1,
            start_label=0,
        )
        return number_regions(labels)


class FelzenszwalbSegmenter(RegionSegmenter):
    """Cut images into regions by the graph merging of Felzenszwalb and Huttenlocher.

    Regions grow along a minimum spanning tree of the pixels [1]_, as in
    :func:`skimage.segmentation.felzenszwalb`, whose parameters and defaults these are. They are
    then given parts as by :class:`SuperpixelSegmenter`: color, texture and position are clustered
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
        Smaller regions, in pixels, are joined to a neighbor.
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
    RegionMergingSegmenter : Merges into a tree, which is cut at any number of regions.

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


class QuickshiftSegmenter(RegionSegmenter):
    """Cut images into regions by quickshift, a mode search in color and place.

    Every pixel is linked to the nearest one where pixels are denser, and links that are too long
    are cut [1]_, as in :func:`skimage.segmentation.quickshift`, whose parameters and defaults these
    are. The regions are then given parts as by :class:`SuperpixelSegmenter`: color, texture and
    position are clustered over many images into a vocabulary. It is slow on large images.

    The result does not depend on the order of the training images, nor on `n_jobs`; ties between
    pixels are broken by a fixed seed, scikit-image's. :meth:`regions` can be used without `fit`.

    Parameters
    ----------
    ratio : float, default=1.0
        Balance of color and place, in [0, 1]; larger gives color more weight.
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
    RegionMergingSegmenter : Merges into a tree, which is cut at any number of regions.

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
            # it takes color only
            np.repeat(image[..., np.newaxis], 3, axis=-1) if image.ndim == 2 else image,
            ratio=self.ratio,
            kernel_size=self.kernel_size,
            max_dist=self.max_dist,
            sigma=self.sigma,
        )
        return number_regions(labels)


class WatershedSegmenter(RegionSegmenter):
    """Cut images into regions by flooding their gradient from markers.

    The gradient is that of CIELAB, over all directions and channels. It is flooded as in
    :func:`skimage.segmentation.watershed`, whose parameters and defaults `markers` and
    `compactness` are; only where markers are laid out is our own. The regions are then given parts
    as by :class:`SuperpixelSegmenter`: color, texture and position are clustered over many images
    into a vocabulary.

    The result does not depend on the order of the training images, nor on `n_jobs`.
    :meth:`regions` can be used without `fit`.

    Parameters
    ----------
    markers : int or None, default=None
        About how many markers are laid out on a grid; each becomes a region. The grid has as many
        rows and columns in every photo, whatever its size, so that regions do not tell the size
        by their number. None takes every
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
        strength = segments.gradient_strength(planes)
        markers = None if self.markers is None else lay_markers(strength.shape, self.markers)
        return number_regions(watershed(strength, markers, compactness=self.compactness))


def lay_markers(shape: tuple[int, int], n_markers: int) -> np.ndarray:
    """Lay out markers in the middle of equal cells, as many down and across in any photo.

    Returns `markers` (height, width) int32: their numbers, from 1; 0 elsewhere.
    """
    n_rows = max(round(np.sqrt(n_markers)), 1)
    counts = n_rows, max(round(n_markers / n_rows), 1)
    places = [
        ((np.arange(min(count, side)) + 0.5) * side / min(count, side)).astype(int)
        for side, count in zip(shape, counts, strict=True)
    ]
    markers = np.zeros(shape, dtype=np.int32)
    rows, cols = np.ix_(*places)
    markers[rows, cols] = np.arange(1, rows.size * cols.size + 1).reshape(rows.size, cols.size)
    return markers
