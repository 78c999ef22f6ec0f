"""One image in the channels that descriptors share, each computed once and only when asked for."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from skimage.color import rgb2gray, rgb2lab


class ImageChannels:
    """An image and what several descriptors derive from it, computed on first use.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, 3)
        Intensities, [0, 1] for an image within the range seen in ``fit``; values outside are kept.

    Attributes
    ----------
    image : ndarray of shape (height, width) or (height, width, 3), float32, C-contiguous
        The image itself.

    Raises
    ------
    TypeError, ValueError
        If the image does not hold floats, or has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ImageChannels
    >>> channels = ImageChannels(np.ones((2, 3, 3)))
    >>> channels.shape, channels.n_channels, channels.lab.shape
    ((2, 3), 3, (2, 3, 3))
    >>> np.round(channels.lab[0, 0, 0])
    np.float32(100.0)
    """

    def __init__(self, image: np.ndarray) -> None:
        dtype = np.asarray(image).dtype
        if dtype.kind != "f":
            raise TypeError(
                f"image has dtype {dtype}, expected floats with black 0 and white 1, such as "
                "skimage.util.img_as_float32 makes them."
            )
        self.image = np.ascontiguousarray(image, dtype=np.float32)
        if self.image.ndim != 2 and (self.image.ndim != 3 or self.image.shape[2] != 3):
            raise ValueError(
                f"image must have shape (height, width) or (height, width, 3), "
                f"got {self.image.shape}."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[:2]

    @property
    def n_pixels(self) -> int:
        """Height times width."""
        return self.image.shape[0] * self.image.shape[1]

    @property
    def n_channels(self) -> int:
        """1 for a grey image, 3 for a colour image."""
        return 1 if self.image.ndim == 2 else 3

    @cached_property
    def grey(self) -> np.ndarray:
        """Luma, (height, width) float32; a grey image is its own."""
        return self.image if self.n_channels == 1 else rgb2gray(self.image)

    @cached_property
    def lab(self) -> np.ndarray:
        """CIELAB, (height, width, 3) float32; of a grey image L only, (height, width, 1)."""
        if self.n_channels == 3:
            return rgb2lab(self.image)
        return rgb2lab(np.stack([self.image] * 3, axis=-1))[..., :1]
