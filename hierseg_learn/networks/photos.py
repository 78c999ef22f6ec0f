"""How whole photos become the input of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..utils.numbers import check_integer

if TYPE_CHECKING:
    from PIL import Image

# filters by their numbers in Pillow
INTERPOLATIONS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


@dataclass(frozen=True)
class PhotoInput:
    """How photos become the input of a network: their size and the scale of their values.

    Photos are resized whole; nothing is cropped or padded.

    Parameters
    ----------
    size : int, tuple of (int, int) or None, default=None
        Height and width in pixels, or the length of the longer side, the other keeping the aspect
        ratio. None keeps the size of the photo.
    multiple, remainder : int, default=1, 0
        Every side is changed to the nearest of ``k * multiple + remainder`` pixels, with k of at
        least 1. So a photo smaller than a cell of the network is enlarged to one.
    mean, std : float or tuple of 3 floats, default=0.0, 1.0
        Values within [0, 1] become ``(value - mean) / std``, per channel. 0.5 and 0.5 give the
        range [-1, 1], 0 and 1 / 255 that of bytes.
    interpolation : str, default="bilinear"
        Filter of Pillow by its name: ``"nearest"``, ``"box"``, ``"bilinear"``, ``"hamming"``,
        ``"bicubic"`` or ``"lanczos"``. It is widened where a photo is made smaller.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.networks import PhotoInput
    >>> photos = PhotoInput(size=33, multiple=16, remainder=1, mean=0.5, std=0.5)
    >>> photos.target((300, 200))
    (33, 17)
    >>> photos.prepare(np.zeros((300, 200), dtype=np.float32)).shape
    (3, 33, 17)
    """

    size: int | tuple[int, int] | None = None
    multiple: int = 1
    remainder: int = 0
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        sides = self.size if isinstance(self.size, tuple | list) else (self.size,)
        is_size = all(isinstance(side, Integral) and side >= 1 for side in sides)
        if self.size is not None and (len(sides) > 2 or not is_size):
            raise ValueError(
                f"size must be a number of pixels, (height, width) or None, got {self.size!r}."
            )
        if self.size is not None:
            whole = tuple(map(int, sides)) if len(sides) == 2 else int(sides[0])
            object.__setattr__(self, "size", whole)
        check_integer(self.multiple, "multiple")
        check_integer(self.remainder, "remainder", 0)
        for name in ("mean", "std"):
            given = getattr(self, name)
            values = np.asarray(given)
            fits = values.shape in ((), (3,)) and values.dtype.kind in "iuf"
            if not fits or not np.isfinite(values).all():
                raise ValueError(f"{name} must be a number or one per channel, got {given!r}.")
            numbers = values.tolist()
            numbers = tuple(numbers) if values.ndim else numbers
            object.__setattr__(self, name, numbers)
        if np.min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {self.std!r}.")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation must be one of {', '.join(map(repr, INTERPOLATIONS))}, got "
                f"{self.interpolation!r}."
            )

    def target(self, size: tuple[int, int]) -> tuple[int, int]:
        """Size of the input for a photo.

        Parameters
        ----------
        size : tuple of (int, int)
            Height and width of the photo in pixels.

        Returns
        -------
        target : tuple of (int, int)
            Height and width of the input in pixels.
        """
        if self.size is None:
            wanted: tuple[float, float] = size
        elif isinstance(self.size, Integral):
            wanted = size[0] * self.size / max(size), size[1] * self.size / max(size)
        else:
            wanted = tuple(self.size)
        height, width = (
            max(int((side - self.remainder) / self.multiple + 0.5), 1) * self.multiple
            + self.remainder
            for side in wanted
        )
        return height, width

    def prepare(self, image: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
        """Make the input of a network of a photo.

        Parameters
        ----------
        image : ndarray of shape (height, width) or (height, width, 3), float32 within [0, 1]
            The photo; a gray one is taken as three equal channels.
        size : tuple of (int, int), default=None
            Height and width of the input in pixels; None for those of `target`.

        Returns
        -------
        photo : ndarray of shape (3, height, width), float32
            The photo with 8 bits a channel, as in those that networks are trained on, resized and
            standardized.
        """
        pixels = as_bytes(image)
        size = self.target(pixels.shape[:2]) if size is None else size
        return standardized(pixels, size, self.mean, self.std, self.interpolation)


def as_bytes(image: np.ndarray) -> np.ndarray:
    """Photo of values within [0, 1] with 8 bits a channel, (height, width, 3) uint8."""
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.repeat(pixels[..., np.newaxis], 3, axis=-1) if pixels.ndim == 2 else pixels


def standardized(
    pixels: np.ndarray,
    size: tuple[int, int],
    mean: float | Sequence[float],
    std: float | Sequence[float],
    interpolation: str,
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Resize and standardize a photo of uint8 values, (height, width, 3).

    Of a `box` (left, upper, right and lower border in pixels), only that. Returns the input of a
    network, (3, height, width) float32, contiguous.
    """
    rows = pixels.transpose(0, 2, 1)
    if size != pixels.shape[:2] or box is not None:
        photo = _resized(pixels, size, INTERPOLATIONS[interpolation], box)
        # the channels of a row one after the other, which is faster to read than by pixel
        values = np.frombuffer(photo.tobytes("raw", "RGB;L"), dtype=np.uint8)
        rows = values.reshape(size[0], 3, size[1])
    prepared = np.empty((3, *size), dtype=np.float32)
    means, deviations = (np.broadcast_to(np.float32(given), 3) for given in (mean, std))
    for k, channel in enumerate(prepared):
        np.divide(rows[:, k], np.float32(255), out=channel)
        channel -= means[k]
        channel /= deviations[k]
    return prepared


def resized(
    pixels: np.ndarray,
    size: tuple[int, int],
    resample: int,
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Photo of uint8 values, (height, width, 3), or a box of it at another size, by Pillow."""
    return np.array(_resized(pixels, size, resample, box))


def _resized(
    pixels: np.ndarray,
    size: tuple[int, int],
    resample: int,
    box: tuple[float, float, float, float] | None,
) -> Image.Image:
    from PIL import Image

    return Image.fromarray(pixels).resize(size[::-1], resample, box)
