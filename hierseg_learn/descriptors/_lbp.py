"""Fine texture of a region: local binary patterns."""

from __future__ import annotations

import numpy as np
from skimage.feature import local_binary_pattern

from ._base import Descriptor, ImageChannels
from ._histograms import root_of, square_of

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

    Attributes
    ----------
    n_channels_ : int
        1 if fitted on gray images, 3 on color images.
    n_columns_, n_sums_ : int
        Number of columns and of sums, 10.

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
