"""What a region of an image looks like, in a dozen numbers."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import sobel

from ..descriptors import ImageChannels

# Deviations and gradients tell less about a part than its colour does, and are many.
TEXTURE_WEIGHT = 0.5


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
    features : ndarray of shape (n_regions, 3 + 2 * n_channels + 2), float64
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
    return np.array([1.0] * n_channels + texture + [position_weight] * 2)
