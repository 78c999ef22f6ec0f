"""Cutters: regions of one image, which say nothing about other images yet."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ..images import check_images
from ..utils import Estimator


class Cutter(Estimator, metaclass=ABCMeta):
    """Base class: cut one image into regions.

    A cutter learns nothing and holds only its parameters. A
    :class:`~hierseg_learn.segmentation.VocabularySegmenter` gives its regions part ids that mean
    the same in every image, and its parameters are searched as in ``segmenter__cutter__scale``.

    A new cutter is one class: ``__init__`` stores the parameters, ``_parameter_constraints``
    declares what they may be, and ``_cut`` gets a checked image, float32 of shape (height, width)
    or (height, width, 3), and returns an integer for every pixel, one per region. A line in
    ``CUTTERS`` of ``segmentation/registry.py`` gives it a name such as ``"superpixels"``.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import Cutter, VocabularySegmenter
    >>> class Bands(Cutter):
    ...     def __init__(self, n_bands=3):
    ...         self.n_bands = n_bands
    ...     def _cut(self, image):
    ...         rows = np.arange(len(image)) * self.n_bands // len(image)
    ...         return np.repeat(rows[:, np.newaxis], image.shape[1], axis=1)
    >>> image = np.array([[0.1, 0.1], [0.9, 0.9], [0.1, 0.1]])
    >>> Bands().regions(image)[:, 0]
    array([0, 1, 2], dtype=int32)
    >>> VocabularySegmenter(Bands(), n_parts=2, random_state=0).fit([image]).n_parts_
    2
    """

    _parameter_constraints: dict = {}

    def regions(self, image: Any) -> np.ndarray:
        """Cut one image into regions.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), Pillow image or path
            Numbers that are neither floats in [0, 1] nor of a dtype with a range of its own are
            scaled by the range of this image.

        Returns
        -------
        regions : ndarray of shape (height, width), int32
            Region of every pixel, numbered without gaps.
        """
        return number_regions(self._cut(self._pixels(image)))

    def _pixels(self, image: Any) -> np.ndarray:
        """Check the parameters and one image, and scale the image."""
        self._validate_params()
        return check_images([image], names=("image", "mask")).image(0)

    @abstractmethod
    def _cut(self, image: np.ndarray) -> np.ndarray:
        """Region of every pixel of one checked image, (height, width) integer."""


def number_regions(labels: np.ndarray) -> np.ndarray:
    """Number the regions of one image 0, 1, ... without gaps: (height, width) int32."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


class Slic(Cutter):
    """Superpixels: k-means of the pixels in color and position.

    As :func:`skimage.segmentation.slic` [1]_.

    Parameters
    ----------
    n_segments : int, default=100
        Approximate number of regions. An image with no more pixels is cut into its pixels.
    compactness : float, default=10.0
        Weight of position against color; larger makes regions more square. Gray images use L on
        the same scale.
    sigma : float, default=1.0
        Width of the Gaussian that smooths the image first, in pixels; scikit-image's default, 0,
        follows noise.

    References
    ----------
    .. [1] R. Achanta, A. Shaji, K. Smith, A. Lucchi, P. Fua, S. Süsstrunk, "SLIC Superpixels
       Compared to State-of-the-art Superpixel Methods", TPAMI 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import Slic
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> Slic(n_segments=16).regions(image).shape
    (16, 16)
    """

    _parameter_constraints: dict = {
        "n_segments": [Interval(Integral, 1, None, closed="left")],
        "compactness": [Interval(Real, 0, None, closed="neither")],
        "sigma": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, n_segments: int = 100, *, compactness: float = 10.0, sigma: float = 1.0
    ) -> None:
        self.n_segments = n_segments
        self.compactness = compactness
        self.sigma = sigma

    def _cut(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        if height * width <= self.n_segments:
            return np.arange(height * width).reshape(height, width)
        # some releases of scikit-image load matplotlib together with this
        from skimage.segmentation import slic

        is_gray = image.ndim == 2
        return slic(
            image,
            n_segments=self.n_segments,
            # slic brings intensities to [0, 1], L goes to 100
            compactness=self.compactness / 100 if is_gray else self.compactness,
            sigma=self.sigma,
            channel_axis=None if is_gray else -1,
            start_label=0,
        )


class Felzenszwalb(Cutter):
    """Regions grown along a minimum spanning tree of the pixels.

    As :func:`skimage.segmentation.felzenszwalb` [1]_. The number of regions depends on the image.

    Parameters
    ----------
    scale : float, default=100
        Larger makes fewer and larger regions. scikit-image's default, 1, cuts a photo into
        thousands of regions, too many for a vocabulary; 100 leaves about a hundred.
    sigma : float, default=0.8
        Width of the Gaussian that smooths the image first, in pixels.
    min_size : int, default=20
        Smaller regions, in pixels, are joined to a neighbor.

    References
    ----------
    .. [1] P. Felzenszwalb, D. Huttenlocher. "Efficient Graph-Based Image Segmentation".
       International Journal of Computer Vision 59, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import Felzenszwalb
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> Felzenszwalb(scale=1, sigma=0).regions(image)[[0, 7, 8, 15], 0]
    array([0, 0, 1, 1], dtype=int32)
    """

    _parameter_constraints: dict = {
        "scale": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
        "min_size": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(self, scale: float = 100, *, sigma: float = 0.8, min_size: int = 20) -> None:
        self.scale = scale
        self.sigma = sigma
        self.min_size = min_size

    def _cut(self, image: np.ndarray) -> np.ndarray:
        from skimage.segmentation import felzenszwalb

        return felzenszwalb(
            image,
            scale=self.scale,
            sigma=self.sigma,
            min_size=self.min_size,
            channel_axis=None if image.ndim == 2 else -1,
        )


class Quickshift(Cutter):
    """Regions by quickshift, a mode search in color and position.

    Every pixel is linked to the nearest one in a denser place, and links that are too long are cut.
    As :func:`skimage.segmentation.quickshift` [1]_, with its defaults and its fixed seed for ties.
    Slow on large images.

    Parameters
    ----------
    ratio : float, default=1.0
        Weight of color against position, in [0, 1].
    kernel_size : float, default=5
        Width of the Gaussian that estimates density; larger makes fewer regions.
    max_dist : float, default=10
        Longer links are cut; larger makes fewer regions.
    sigma : float, default=0
        Width of the Gaussian that smooths the image first, in pixels.

    References
    ----------
    .. [1] A. Vedaldi, S. Soatto. "Quick Shift and Kernel Methods for Mode Seeking". ECCV 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import Quickshift
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> regions = Quickshift().regions(image)
    >>> bool(regions[:8].max() < regions[8:].min())
    True
    """

    _parameter_constraints: dict = {
        "ratio": [Interval(Real, 0, 1, closed="both")],
        "kernel_size": [Interval(Real, 1, None, closed="left")],
        "max_dist": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, ratio: float = 1.0, *, kernel_size: float = 5, max_dist: float = 10, sigma: float = 0
    ) -> None:
        self.ratio = ratio
        self.kernel_size = kernel_size
        self.max_dist = max_dist
        self.sigma = sigma

    def _cut(self, image: np.ndarray) -> np.ndarray:
        from skimage.segmentation import quickshift

        return quickshift(
            # it takes color only
            np.repeat(image[..., np.newaxis], 3, axis=-1) if image.ndim == 2 else image,
            ratio=self.ratio,
            kernel_size=self.kernel_size,
            max_dist=self.max_dist,
            sigma=self.sigma,
        )


class Watershed(Cutter):
    """Regions by flooding the CIELAB gradient of the image from markers.

    As :func:`skimage.segmentation.watershed` [1]_ of the gradient over all directions and channels.
    Only the layout of the markers differs: the grid has the same number of rows and columns in
    every photo, so that the number of regions does not reveal the size of the photo.

    Parameters
    ----------
    markers : int or None, default=100
        Approximate number of markers, laid out on a grid; each becomes a region. None, the default
        of scikit-image, takes every local minimum of the gradient: tens of thousands of regions in
        a photo, too many for a vocabulary.
    compactness : float, default=0.0
        Larger makes regions more compact.
    sigma : float, default=0.8
        Width of the Gaussian that smooths the image before its gradient is taken, in pixels.

    References
    ----------
    .. [1] P. Neubert, P. Protzel. "Compact Watershed and Preemptive SLIC". ICPR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import Watershed
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> Watershed(markers=4).regions(image).max()
    np.int32(3)
    """

    _parameter_constraints: dict = {
        "markers": [Interval(Integral, 1, None, closed="left"), None],
        "compactness": [Interval(Real, 0, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, markers: int | None = 100, *, compactness: float = 0.0, sigma: float = 0.8
    ) -> None:
        self.markers = markers
        self.compactness = compactness
        self.sigma = sigma

    def _cut(self, image: np.ndarray) -> np.ndarray:
        from skimage.segmentation import watershed

        # here, as it loads Numba
        from ..kernels import segments

        planes = segments.smooth(segments.lab_planes(image), self.sigma)
        strength = segments.gradient_strength(planes)
        markers = None if self.markers is None else lay_markers(strength.shape, self.markers)
        return watershed(strength, markers, compactness=self.compactness)


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
