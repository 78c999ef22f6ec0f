"""Edges and texture of a region: gradient orientations and local binary patterns."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from skimage.feature import local_binary_pattern
from sklearn.utils._param_validation import Interval

from ._base import Descriptor, ImageChannels, circular_bin_weights, root_of, square_of


class GradientDescriptor(Descriptor):
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

    def _prepare(self, channels: ImageChannels) -> tuple[np.ndarray, np.ndarray]:
        return steepest_gradient(channels.image.reshape(*channels.shape, -1))

    def _block(self, prepared: tuple[np.ndarray, np.ndarray], rows: slice) -> np.ndarray:
        magnitude, turns = (part[rows] for part in prepared)
        weights = circular_bin_weights(turns, self.n_orientations)
        return np.multiply(weights, magnitude[..., np.newaxis], out=weights)

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        strength = means.sum(axis=-1, keepdims=True)
        return np.concatenate([root_of(means, self.hellinger), strength], axis=-1)

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        return square_of(columns[..., :-1], self.hellinger)


def steepest_gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of the channel that changes most at every pixel of (height, width, n_channels).

    Returns the magnitude per pixel and the unsigned orientation in [0, 1] of half a turn, from the
    column axis to the row axis; both (height, width) float32.
    """
    along_row = _central_differences(image)
    along_col = _central_differences(image.swapaxes(0, 1)).swapaxes(0, 1)
    squared = along_row**2 + along_col**2
    steepest = squared.argmax(axis=-1)[..., np.newaxis]
    row, col, squared = (
        np.take_along_axis(values, steepest, axis=-1)[..., 0]
        for values in (along_row, along_col, squared)
    )
    return np.sqrt(squared), np.arctan2(row, col) / np.float32(np.pi) % 1


def _central_differences(image: np.ndarray) -> np.ndarray:
    """Change per pixel down the first axis, of the shape of `image`; at its ends the neighbor's."""
    if len(image) < 3:
        # no pixel has two neighbors: half of the only difference, or 0
        change = 0.5 * np.diff(image, axis=0).sum(axis=0, keepdims=True)
        return np.broadcast_to(change, image.shape)
    inner = 0.5 * (image[2:] - image[:-2])
    return np.concatenate([inner[:1], inner, inner[-1:]])


N_NEIGHBORS = 8
N_LEVELS = 255


class LBPDescriptor(Descriptor):
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
        return [str(pattern) for pattern in range(N_NEIGHBORS + 2)]

    def _prepare(self, channels: ImageChannels) -> np.ndarray:
        # whole levels: on floats, interpolation noise would decide the ties of flat regions
        levels = np.rint(np.clip(channels.gray, -1e6, 1e6) * N_LEVELS).astype(np.int64)
        # repeated pixels are ties, so only an image too small for a whole neighborhood gets them
        padded = np.pad(levels, [(int(side < 3),) * 2 for side in levels.shape], mode="edge")
        patterns = local_binary_pattern(padded, N_NEIGHBORS, 1, method="uniform")
        inner = patterns[1:-1, 1:-1].astype(np.int8)
        return np.pad(inner, [(int(side >= 3),) * 2 for side in levels.shape], mode="edge")

    def _block(self, prepared: np.ndarray, rows: slice) -> np.ndarray:
        patterns = np.arange(N_NEIGHBORS + 2, dtype=np.int8)
        return (prepared[rows, :, np.newaxis] == patterns).astype(np.float32)

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        return root_of(means, self.hellinger)

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        return square_of(columns, self.hellinger)
