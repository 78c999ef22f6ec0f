"""From the pixels of one image to sums per region: color, gradients, binary patterns, outlines.

Plain functions on arrays around compiled loops, on one thread: work is shared out by image, not by
pixel. No map of an image is kept: memory is that of a few lines, and of the gray levels.

Shapes: `planes` (n_channels, height, width) float32 with one channel or three, `levels` as
`whole_levels` returns them, `regions` (height, width) integer in [0, n_regions) or -1. Sums are
(n_regions, n_sums) float64.
"""

from __future__ import annotations

import numpy as np

from . import _descriptor_loops as loops
from .arrays import whole_neighborhoods

# of CIELAB
LOWEST = np.array([0.0, -100.0, -100.0])
HIGHEST = np.array([100.0, 100.0, 100.0])
# of local binary patterns
N_SIGNS = 8

_STEPS = np.arange(loops.N_LEVELS + 1) / loops.N_LEVELS
_LIGHT = np.where(_STEPS <= 0.04045, _STEPS / 12.92, ((_STEPS + 0.055) / 1.055) ** 2.4)
# linear light of whole levels
GAMMA = _LIGHT.astype(np.float32)
# from linear light to X, Y and Z, (3, 3)
FROM_RGB = np.array([loops.FROM_RED, loops.FROM_GREEN, loops.FROM_BLUE], dtype=np.float32).T


def _table_of_patterns() -> np.ndarray:
    """Uniform pattern of all signs of the neighbors: their number where they are contiguous."""
    signs = np.arange(2**N_SIGNS)[:, np.newaxis] >> np.arange(N_SIGNS) & 1
    changes = (signs != np.roll(signs, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, signs.sum(axis=1), N_SIGNS + 1)


PATTERNS = _table_of_patterns()


def split_planes(image: np.ndarray) -> np.ndarray:
    """Channels of an image (height, width) or (height, width, n_channels) float32 as planes."""
    if image.ndim == 2:
        return image[np.newaxis]
    planes = np.empty((image.shape[2], *image.shape[:2]), dtype=np.float32)
    loops.split_planes(image, planes)
    return planes


def whole_levels(planes: np.ndarray) -> np.ndarray:
    """Planes in levels of 8 bits, uint8; (n_channels, 0, 0) if any value is none."""
    levels = np.empty(planes.shape, dtype=np.uint8)
    return levels if loops.whole_levels(planes, levels) else levels[:, :0, :0]


def color_sums(
    planes: np.ndarray, levels: np.ndarray, regions: np.ndarray, n_regions: int, n_bins: int
) -> np.ndarray:
    """Sums of CIELAB (of a gray image L only), of the squares, and of shares of bins.

    A pixel is shared out between the two bins of every channel that are nearest.
    """
    sums = np.zeros((n_regions, len(planes) * (2 + n_bins) + 1))
    loops.add_colors(planes, levels, _int32(regions), GAMMA, LOWEST, HIGHEST, sums)
    return sums[:, :-1]


def gradient_sums(
    planes: np.ndarray, regions: np.ndarray, n_regions: int, n_orientations: int
) -> np.ndarray:
    """Sums of the length of the steepest channel's gradient, by unsigned orientation."""
    sums = np.zeros((n_regions, n_orientations))
    loops.add_gradients(planes, _int32(regions), sums)
    return sums


def pattern_sums(
    planes: np.ndarray, levels: np.ndarray, regions: np.ndarray, n_regions: int
) -> np.ndarray:
    """Counts of the uniform local binary patterns of 8 neighbors at distance 1."""
    gray = np.empty(planes.shape[1:], dtype=np.int32)
    loops.gray_levels(planes, levels, gray)
    gray = whole_neighborhoods(np, gray)
    sums = np.zeros((n_regions, N_SIGNS + 2))
    loops.add_patterns(gray, _int32(regions), PATTERNS, sums)
    return sums


def outline_sums(regions: np.ndarray, n_regions: int, profile: np.ndarray) -> np.ndarray:
    """Sums of row, column, their squares and product over all points of pixels, and of `profile`.

    Places are fractions of the sides of the image; `profile` is (height, n_bins).
    """
    sums = np.zeros((n_regions, 5 + profile.shape[1]))
    loops.add_outlines(_int32(regions), profile, sums)
    return sums


def count_pixels(regions: np.ndarray, n_regions: int) -> np.ndarray:
    """Number of pixels of every region, (n_regions,) int64."""
    counts = np.zeros(n_regions, dtype=np.int64)
    loops.count_pixels(_int32(regions), counts)
    return counts


def depths(regions: np.ndarray, most: int) -> np.ndarray:
    """How many pixels every pixel lies inside of its region: (height, width) int32, up to `most`.

    0 is beside another region, also diagonally; the border of the image is none.
    """
    return loops.depths(_int32(regions), most)


def _int32(regions: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(regions, dtype=np.int32)
