"""The descriptors that learn nothing from the images: color, gradients, texture and shape."""

from __future__ import annotations

from functools import lru_cache
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval

from ..kernels import ONE_IMAGE, get_backend
from ._base import Descriptor, ImageChannels, root_of, square_of

# relative to the raw moment: some hundred times what sums in float64 are off by
ROUNDING = 1e-12
# uniform local binary patterns of 8 neighbors, and the rest
N_PATTERNS = 10


class _CompiledDescriptor(Descriptor):
    """Base of the descriptors whose sums a compiled loop adds up, without maps."""

    def _block(self, prepared: ImageChannels, rows: slice) -> np.ndarray:
        # every pixel is a region of its own
        regions = np.full(prepared.shape, -1, dtype=np.int32)
        regions[rows] = np.arange(regions[rows].size).reshape(-1, prepared.shape[1])
        sums = self._pool(prepared, regions, regions[rows].size, "cpu")
        return sums.reshape(*regions[rows].shape, -1)


class ColorDescriptor(_CompiledDescriptor):
    """Mean, standard deviation and histogram of the CIELAB channels of a region.

    Gray images have the lightness L only. The histograms are marginal, one per channel; a pixel
    goes to its two nearest bins in linear shares, so that a small change of color is a small
    change of the histogram. Values beyond the outer bin centers belong to the outer bins.

    Parameters
    ----------
    n_bins : int, default=8
        Bins per channel, over 0 to 100 for L and -100 to 100 for a and b.
    hellinger : bool, default=True
        Whether the histogram columns are square roots of the shares (then the Euclidean distance
        of two histograms is their Hellinger distance).
    prefix : str, default="lab"
        How the column names start.

    Notes
    -----
    Columns are ``lab_mean_<channel>`` and ``lab_std_<channel>`` in CIELAB units (L from 0 to 100)
    and ``lab_hist_<channel>_<bin>``; channels are 0 for L, 1 for a (green to red), 2 for b (blue to
    yellow).

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ColorDescriptor, ImageChannels
    >>> image = np.zeros((2, 2, 3))
    >>> image[0, :, 0] = 1.0
    >>> color = ColorDescriptor(n_bins=4).fit([image])
    >>> list(color.get_feature_names_out()[2:7])
    ['lab_mean_2', 'lab_std_0', 'lab_std_1', 'lab_std_2', 'lab_hist_0_0']
    >>> sums = color.pool(ImageChannels(image), np.array([[0, 0], [1, 1]]), n_regions=2)
    >>> color.from_sums(sums, [0.5, 0.5])[:, :3].round(1)
    array([[53.2, 80.1, 67.2],
           [ 0. ,  0. ,  0. ]])
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "hellinger": ["boolean"],
    }

    def __init__(self, n_bins: int = 8, *, hellinger: bool = True, prefix: str = "lab") -> None:
        self.n_bins = n_bins
        self.hellinger = hellinger
        self.prefix = prefix

    def _columns(self) -> list[str]:
        channels = range(self.n_channels_)
        names = [f"{moment}_{c}" for moment in ("mean", "std") for c in channels]
        return names + [f"hist_{c}_{k}" for c in channels for k in range(self.n_bins)]

    def _pool(
        self, channels: ImageChannels, regions: np.ndarray, n_regions: int, device: str
    ) -> np.ndarray:
        backend = get_backend(device, n_values=ONE_IMAGE)
        args = (*channels.planes_on(backend), backend.asarray(regions), n_regions, self.n_bins)
        return backend.to_numpy(backend.color_sums(*args))

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        c = self.n_channels_
        columns = means.copy()
        variances = central_moment(means[..., c : 2 * c], means[..., :c] ** 2)
        columns[..., c : 2 * c] = np.sqrt(np.maximum(variances, 0.0))
        columns[..., 2 * c :] = root_of(means[..., 2 * c :], self.hellinger)
        return columns

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        c = self.n_channels_
        means = columns.copy()
        means[..., c : 2 * c] = columns[..., c : 2 * c] ** 2 + columns[..., :c] ** 2
        means[..., 2 * c :] = square_of(columns[..., 2 * c :], self.hellinger)
        return means


class GradientDescriptor(_CompiledDescriptor):
    """Histogram of gradient orientations of a region, and the mean gradient.

    Central differences; a pixel at the border takes that of its neighbor, so that it counts like
    any other in photos of any size. In a color image every pixel takes the channel of the steepest
    gradient. Orientations are unsigned (a light-to-dark edge is the same as a
    dark-to-light one); a pixel goes to its two nearest orientations in linear shares, weighted by
    its magnitude.

    Parameters
    ----------
    n_orientations : int, default=8
        Orientations in half a turn.
    hellinger : bool, default=True
        Whether the orientation columns are square roots.
    prefix : str, default="grad"
        How the column names start.

    Notes
    -----
    ``grad_<k>`` is the mean over the region of the gradient in orientation k (k = 0: the intensity
    changes from left to right, as across a vertical edge; half of `n_orientations`: from top to
    bottom), ``grad_mean`` is their sum, the mean magnitude, in intensity per pixel; ``grad_<k>`` is
    its square root if `hellinger`.

    References
    ----------
    Dalal & Triggs (2005), Histograms of oriented gradients for human detection, CVPR, section 6.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import GradientDescriptor, ImageChannels
    >>> image = np.tile([0.0, 0.5, 1.0], (3, 1))
    >>> gradients = GradientDescriptor(n_orientations=4, hellinger=False).fit([image])
    >>> middle = np.array([[-1, 0, -1]] * 3)
    >>> sums = gradients.pool(ImageChannels(image), middle, n_regions=1)
    >>> gradients.from_sums(sums, [1 / 3])
    array([[0.5, 0. , 0. , 0. , 0.5]])
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "n_orientations": [Interval(Integral, 2, None, closed="left")],
        "hellinger": ["boolean"],
    }

    def __init__(
        self, n_orientations: int = 8, *, hellinger: bool = True, prefix: str = "grad"
    ) -> None:
        self.n_orientations = n_orientations
        self.hellinger = hellinger
        self.prefix = prefix

    def _columns(self) -> list[str]:
        return [str(k) for k in range(self.n_orientations)] + ["mean"]

    def _count_sums(self) -> int:
        return self.n_orientations

    def _pool(
        self, channels: ImageChannels, regions: np.ndarray, n_regions: int, device: str
    ) -> np.ndarray:
        backend = get_backend(device, n_values=ONE_IMAGE)
        planes, _ = channels.planes_on(backend)
        args = planes, backend.asarray(regions), n_regions, self.n_orientations
        return backend.to_numpy(backend.gradient_sums(*args))

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        strength = means.sum(axis=-1, keepdims=True)
        return np.concatenate([root_of(means, self.hellinger), strength], axis=-1)

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        return square_of(columns[..., :-1], self.hellinger)


class LBPDescriptor(_CompiledDescriptor):
    """Histogram of the uniform local binary patterns of a region.

    Every pixel is compared with its 8 neighbors at distance 1 on the gray image, rounded to 256
    levels; a pixel at the border has the pattern of its neighbor. Patterns 0 to 8 count the
    neighbors that are at least as bright, where these are contiguous (0: a bright spot, 4: a
    straight edge, 8: flat or a dark spot); pattern 9 is the rest.

    Parameters
    ----------
    hellinger : bool, default=True
        Whether the columns are square roots of the shares.
    prefix : str, default="lbp"
        How the column names start.

    References
    ----------
    Ojala, Pietikäinen & Mäenpää (2002), Multiresolution gray-scale and rotation invariant texture
    classification with local binary patterns, IEEE TPAMI 24(7), eq. 9.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ImageChannels, LBPDescriptor
    >>> image = np.zeros((3, 3))
    >>> image[1, 1] = 1.0
    >>> lbp = LBPDescriptor().fit([image])
    >>> spot = np.full((3, 3), -1)
    >>> spot[1, 1] = 0
    >>> lbp.from_sums(lbp.pool(ImageChannels(image), spot, n_regions=1), [1 / 9])
    array([[1., 0., 0., 0., 0., 0., 0., 0., 0., 0.]])
    """

    _parameter_constraints: dict = {**Descriptor._parameter_constraints, "hellinger": ["boolean"]}

    def __init__(self, *, hellinger: bool = True, prefix: str = "lbp") -> None:
        self.hellinger = hellinger
        self.prefix = prefix

    def _columns(self) -> list[str]:
        return [str(pattern) for pattern in range(N_PATTERNS)]

    def _pool(
        self, channels: ImageChannels, regions: np.ndarray, n_regions: int, device: str
    ) -> np.ndarray:
        backend = get_backend(device, n_values=ONE_IMAGE)
        args = (*channels.planes_on(backend), backend.asarray(regions), n_regions)
        return backend.to_numpy(backend.pattern_sums(*args))

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        return root_of(means, self.hellinger)

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        return square_of(columns, self.hellinger)


class ShapeDescriptor(_CompiledDescriptor):
    """Centroid, spread, tilt and vertical profile of a region, in fractions of the image's sides.

    The profile says how the region's pixels are spread from top to bottom: every point of a pixel
    goes to the two nearest of `n_bins` bands in linear shares. There is none from left to right, as
    what is upright in photos stays at its height and moves sideways. The area share of a node is
    not among the columns: every node has it anyway.

    Parameters
    ----------
    n_bins : int, default=10
        Bands of the profile.
    hellinger : bool, default=True
        Whether the profile columns are square roots of the shares.
    prefix : str, default="shape"
        How the column names start.

    Notes
    -----
    Rows count from the top, columns from the left. A pixel is a small area, not a point, so a
    region that covers the same part of the image has the same columns in any resolution: one that
    fills it has its centroid at (0.5, 0.5), deviations of ``1 / sqrt(12)`` and a flat profile.
    ``shape_row_std`` and ``shape_col_std`` are
    standard deviations, ``shape_cov`` the covariance of row and column: positive where the region
    runs from top left to bottom right. ``shape_row_hist_<k>`` is the profile; bin 0 is at the top.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ImageChannels, ShapeDescriptor
    >>> image = np.zeros((4, 4))
    >>> shape = ShapeDescriptor(n_bins=2).fit([image])
    >>> list(shape.get_feature_names_out()[:6])
    ['shape_row', 'shape_col', 'shape_row_std', 'shape_col_std', 'shape_cov', 'shape_row_hist_0']
    >>> diagonal = np.where(np.eye(4), 0, -1)
    >>> shape.from_sums(shape.pool(ImageChannels(image), diagonal, 1), [0.25])[:, :5].round(3)
    array([[0.5  , 0.5  , 0.289, 0.289, 0.078]])
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "hellinger": ["boolean"],
    }

    uses_erosion = False

    def __init__(self, n_bins: int = 10, *, hellinger: bool = True, prefix: str = "shape") -> None:
        self.n_bins = n_bins
        self.hellinger = hellinger
        self.prefix = prefix

    def _columns(self) -> list[str]:
        profile = [f"row_hist_{k}" for k in range(self.n_bins)]
        return ["row", "col", "row_std", "col_std", "cov", *profile]

    def _pool(
        self, channels: ImageChannels, regions: np.ndarray, n_regions: int, device: str
    ) -> np.ndarray:
        backend = get_backend(device, n_values=ONE_IMAGE)
        profile = _profile(channels.shape[0], self.n_bins)
        args = backend.asarray(regions), n_regions, backend.asarray(profile)
        return backend.to_numpy(backend.outline_sums(*args))

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        columns = means.copy()
        variances = central_moment(means[..., 2:4], means[..., :2] ** 2)
        columns[..., 2:4] = np.sqrt(np.maximum(variances, 0.0))
        columns[..., 4] = central_moment(means[..., 4], means[..., 0] * means[..., 1])
        columns[..., 5:] = root_of(means[..., 5:], self.hellinger)
        return columns

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        means = columns.copy()
        means[..., 2:4] = columns[..., 2:4] ** 2 + columns[..., :2] ** 2
        means[..., 4] = columns[..., 4] + columns[..., 0] * columns[..., 1]
        means[..., 5:] = square_of(columns[..., 5:], self.hellinger)
        return means


@lru_cache(maxsize=64)
def _profile(height: int, n_bins: int) -> np.ndarray:
    """Share of every band in every row of an image, (height, n_bins)."""
    return mean_bin_weights(np.arange(height + 1) / height, n_bins)


def central_moment(raw: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Return ``raw - product``, and 0 where the two agree up to rounding."""
    moments = raw - product
    return np.where(np.abs(moments) <= ROUNDING * np.abs(raw), 0.0, moments)


def mean_bin_weights(ends: np.ndarray, n_bins: int) -> np.ndarray:
    """Mean over intervals between `ends` of the shares of the two nearest bins of every point.

    Returns (n_intervals, n_bins). An interval is shared out between bins as its points are, so
    intervals that fill [0, 1] give every bin the same, however many they are.
    """
    positions = ends * n_bins - 0.5
    # the share of bins up to k at position t is clip(k + 1 - t, 0, 1); what follows is its integral
    beyond = np.arange(1, n_bins) - positions[:, np.newaxis]
    integral = np.where(beyond > 1, beyond - 0.5, 0.5 * np.maximum(beyond, 0) ** 2)
    length = np.diff(positions)[:, np.newaxis]
    up_to = np.clip(-np.diff(integral, axis=0) / length, 0, 1)
    up_to = np.concatenate([np.zeros_like(length), up_to, np.ones_like(length)], axis=1)
    weights = np.diff(up_to, axis=1)
    # a square root would make something of what rounding leaves
    return np.where(weights > ROUNDING, weights, 0.0)
