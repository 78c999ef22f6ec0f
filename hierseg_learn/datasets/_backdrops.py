"""Pictures to put things before: crops of photographs, or painted patterns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from skimage.color import gray2rgb, lab2rgb, rgb2gray
from skimage.transform import resize
from skimage.util import img_as_float64

from ..images import as_pixels, is_pillow
from ._portrait_styles import PALETTES, style_color, texture

# A crop has at least this share of the sides of the largest that fits into the picture.
SMALLEST_CROP = 0.5
# standard deviation of the pixel noise of a painted backdrop
GRAIN = 0.02


class PaintedBackdrops:
    """Backdrops as those of the portraits: a colour and a pattern for every kind.

    Parameters
    ----------
    n_kinds : int
        How many kinds there are.
    """

    def __init__(self, n_kinds: int) -> None:
        self.n_kinds = n_kinds

    def draw(
        self, kind: int, shape: tuple[int, int], rng: np.random.RandomState, is_grey: bool
    ) -> np.ndarray:
        """Paint one: (h, w, 1) or (h, w, 3) float64 in [0, 1]."""
        # the portraits' painter takes the newer kind of generator
        drawn = np.random.default_rng(rng.randint(2**31 - 1))
        x, y = (axis / shape[0] for axis in np.meshgrid(*map(np.arange, shape[::-1])))
        lab = np.empty((*shape, 3))
        spread = PALETTES["background"].spread
        lab[:] = style_color("background", kind, self.n_kinds, 1.0) + drawn.normal(0, spread, 3)
        lab[..., 0] += texture("background", kind, x, y, drawn)
        painted = lab2rgb(lab) + GRAIN * drawn.normal(size=(*shape, 1))
        return _in_channels(np.clip(painted, 0, 1), is_grey)


class PictureBackdrops:
    """Backdrops that are crops of pictures.

    Parameters
    ----------
    kinds : iterable of image or of iterable of images
        For every kind a picture or several, of shape (h, w) or (h, w, 3); bool, uint8, uint16, or
        floats in [0, 1].
    """

    def __init__(self, kinds: Iterable[Any]) -> None:
        self.kinds = [_check_kind(kind, place) for place, kind in enumerate(kinds)]
        self.n_kinds = len(self.kinds)

    def draw(
        self, kind: int, shape: tuple[int, int], rng: np.random.RandomState, is_grey: bool
    ) -> np.ndarray:
        """Crop one, mirrored every other time: (h, w, 1) or (h, w, 3) float64 in [0, 1]."""
        pictures = self.kinds[kind]
        picture = pictures[rng.randint(len(pictures))]
        largest = min(side / wanted for side, wanted in zip(picture.shape, shape, strict=False))
        scale = largest * rng.uniform(SMALLEST_CROP, 1.0)
        sides = [max(1, int(scale * wanted)) for wanted in shape]
        first = [
            rng.randint(side - used + 1) for side, used in zip(picture.shape, sides, strict=False)
        ]
        crop = picture[tuple(slice(at, at + used) for at, used in zip(first, sides, strict=True))]
        crop = crop[:, :: rng.choice([-1, 1])]
        sized = resize(crop, shape, order=1, anti_aliasing=scale > 1)
        return _in_channels(np.clip(sized, 0, 1), is_grey)


def _in_channels(picture: np.ndarray, is_grey: bool) -> np.ndarray:
    if is_grey:
        return np.atleast_3d(picture if picture.ndim == 2 else rgb2gray(picture))
    return gray2rgb(picture) if picture.ndim == 2 else picture


def _check_kind(kind: Any, place: int) -> list[np.ndarray]:
    """All pictures of one kind, float64 in [0, 1]."""
    is_one = is_pillow(kind) or (isinstance(kind, np.ndarray) and kind.ndim in (2, 3))
    pictures = [kind] if is_one else list(kind)
    if not pictures:
        raise ValueError(f"backgrounds[{place}] holds no picture.")
    where = f"A picture of backgrounds[{place}]"
    return [_check_picture(as_pixels(picture, where), place) for picture in pictures]


def _check_picture(picture: np.ndarray, place: int) -> np.ndarray:
    if picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)) or not picture.size:
        raise ValueError(
            f"backgrounds[{place}] must hold pictures of shape (h, w) or (h, w, 3), got "
            f"{picture.shape}."
        )
    if picture.dtype not in (bool, np.uint8, np.uint16) and not (
        picture.dtype.kind == "f" and picture.min() >= 0 and picture.max() <= 1
    ):
        raise ValueError(
            f"backgrounds[{place}] must be bool, uint8, uint16 or floats in [0, 1], got "
            f"{picture.dtype} from {picture.min()} to {picture.max()}."
        )
    return img_as_float64(picture)
