"""What a region of an image looks like, in a dozen numbers, and which regions touch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import sobel

from ..descriptors import ImageChannels

# Chosen on training photos, as docs/user_guide/parts.rst tells. Deviations and gradients tell less
# about a part than its colour does, and are many; where it lies tells more.
TEXTURE_WEIGHT = 0.25
POSITION_WEIGHT = 1.5


class RegionTable(NamedTuple):
    """The regions of one image.

    Parameters
    ----------
    features : ndarray of shape (n_regions, n_features), float64
        As from `region_features`.
    area : ndarray of shape (n_regions,), float64
        Pixels of every region divided by pixels of the image.
    edges : ndarray of shape (n_edges, 2), int64
        The lower and the higher of every two regions that touch, sorted.
    lengths : ndarray of shape (n_edges,), float64
        Length of their common border, in the unit of the mean of height and width.
    """

    features: np.ndarray
    area: np.ndarray
    edges: np.ndarray
    lengths: np.ndarray


def describe_regions(image: np.ndarray, regions: np.ndarray) -> RegionTable:
    """Describe the regions of one image, and find which of them touch.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, 3), float32
        Intensities in [0, 1].
    regions : ndarray of shape (height, width), integer
        Region of every pixel; the ids 0, 1, ... without a gap.

    Returns
    -------
    RegionTable
    """
    features, area = region_features(image, regions)
    edges, lengths = touching_regions(regions)
    return RegionTable(features, area, edges, lengths / np.mean(regions.shape))


def region_features(image: np.ndarray, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Describe the regions of one image.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, 3), float32
        Intensities in [0, 1].
    regions : ndarray of shape (height, width), integer
        Region of every pixel; the ids 0, 1, ... without a gap.

    Returns
    -------
    features : ndarray of shape (n_regions, 2 * n_channels + 5), float64
        Mean of L, a, b (of a grey image L only); their standard deviations; strength of the
        gradient, and how much of it points across and along the diagonal; distance from the top
        and from the vertical middle line, as fractions of the image sides. Left and right are not
        told apart, as photos are about as often seen mirrored.
    area : ndarray of shape (n_regions,), float64
        Pixels of every region divided by pixels of the image.
    """
    channels = ImageChannels(image)
    height, width = channels.shape
    flat = regions.ravel()
    counts = np.bincount(flat)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(flat, weights=values.ravel(), minlength=len(counts)) / counts

    lab = channels.lab.astype(np.float64)
    colors = [mean(lab[..., c]) for c in range(lab.shape[-1])]
    # deviations around the mean of the region: the difference of squares would lose digits
    deviations = [
        np.sqrt(mean((lab[..., c] - color[regions]) ** 2)) for c, color in enumerate(colors)
    ]
    down, across = sobel(lab[..., 0], axis=0) / 8, sobel(lab[..., 0], axis=1) / 8
    strength = np.hypot(down, across)
    # doubled angle: an edge has a direction, but no sense
    steady = np.maximum(strength, 1e-9)
    upright, slanted = (across**2 - down**2) / steady, 2 * across * down / steady
    rows = np.broadcast_to((np.arange(height)[:, np.newaxis] + 0.5) / height, (height, width))
    sides = np.broadcast_to(np.abs((np.arange(width) + 0.5) / width - 0.5), (height, width))
    texture = [mean(strength), mean(upright), np.abs(mean(slanted))]
    features = np.stack([*colors, *deviations, *texture, mean(rows), mean(sides)], axis=1)
    return features, counts / flat.size


def feature_weights(n_channels: int, position_weight: float) -> np.ndarray:
    """Weights of the columns of `region_features` after standardisation."""
    texture = [TEXTURE_WEIGHT] * (n_channels + 3)
    position = [POSITION_WEIGHT * position_weight] * 2
    return np.array([1.0] * n_channels + texture + position)


def touching_regions(regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find which regions touch, along rows and columns, and how long their borders are.

    Parameters
    ----------
    regions : ndarray of shape (height, width), integer
        Region of every pixel; negative for none.

    Returns
    -------
    edges : ndarray of shape (n_edges, 2), int64
        The lower and the higher of every two regions that touch, sorted.
    lengths : ndarray of shape (n_edges,), int64
        Pairs of neighbouring pixels along their border.
    """
    first = np.concatenate([regions[:, :-1].ravel(), regions[:-1].ravel()]).astype(np.int64)
    second = np.concatenate([regions[:, 1:].ravel(), regions[1:].ravel()]).astype(np.int64)
    border = (first != second) & (first >= 0) & (second >= 0)
    low = np.minimum(first[border], second[border])
    high = np.maximum(first[border], second[border])
    n_regions = int(regions.max()) + 1
    keys, lengths = np.unique(low * n_regions + high, return_counts=True)
    return np.stack([keys // n_regions, keys % n_regions], axis=1), lengths
