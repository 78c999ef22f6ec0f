"""Sums of the pixels of regions by dense maps and scikit-image: slow, and easy to read."""

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter
from skimage.color import rgb2gray, rgb2lab
from skimage.feature import local_binary_pattern

LOWEST, HIGHEST = np.array([0.0, -100.0, -100.0]), np.array([100.0, 100.0, 100.0])


def sum_maps(maps, regions, n_regions):
    """Sum of every map, (height, width, n_maps), over every region."""
    return np.stack([maps[regions == region].sum(axis=0) for region in range(n_regions)])


def color_sums(image, regions, n_regions, n_bins):
    color = image if image.ndim == 3 else np.stack([image] * 3, axis=-1)
    c = 3 if image.ndim == 3 else 1
    lab = rgb2lab(color.astype(np.float64))[..., :c]
    shares = (lab - LOWEST[:c]) / (HIGHEST[:c] - LOWEST[:c])
    places = np.clip(shares * n_bins - 0.5, 0, n_bins - 1)[..., None]
    weights = np.maximum(1 - np.abs(places - np.arange(n_bins)), 0)
    maps = np.concatenate([lab, lab**2, weights.reshape(*image.shape[:2], -1)], axis=-1)
    return sum_maps(maps, regions, n_regions)


def gradient_sums(image, regions, n_regions, n_orientations):
    planes = image.reshape(*image.shape[:2], -1)
    down = central_differences(planes)
    across = central_differences(planes.swapaxes(0, 1)).swapaxes(0, 1)
    squared = across**2 + down**2
    steepest = squared.argmax(axis=-1)[..., None]
    down, across, squared = (
        np.take_along_axis(values, steepest, axis=-1)[..., 0] for values in (down, across, squared)
    )
    turns = np.arctan2(down.astype(np.float64), across) / np.pi % 1
    apart = np.abs(turns[..., None] * n_orientations - np.arange(n_orientations))
    weights = np.maximum(1 - np.minimum(apart, n_orientations - apart), 0)
    return sum_maps(weights * np.sqrt(squared)[..., None], regions, n_regions)


def central_differences(image):
    if len(image) < 3:
        return np.broadcast_to(0.5 * np.diff(image, axis=0).sum(axis=0, keepdims=True), image.shape)
    inner = np.float32(0.5) * (image[2:] - image[:-2])
    return np.concatenate([inner[:1], inner, inner[-1:]])


def pattern_sums(image, regions, n_regions):
    gray = image if image.ndim == 2 else rgb2gray(image.astype(np.float64))
    # the tenth decimal of a level, so that what was half a level is
    levels = np.rint(np.round(np.clip(gray, -1e6, 1e6) * 255.0, 4)).astype(np.int64)
    padded = np.pad(levels, [(int(side < 3),) * 2 for side in levels.shape], mode="edge")
    patterns = local_binary_pattern(padded, 8, 1, method="uniform")[1:-1, 1:-1]
    patterns = np.pad(patterns, [(int(side >= 3),) * 2 for side in levels.shape], mode="edge")
    return sum_maps(patterns[..., None] == np.arange(10), regions, n_regions)


def outline_sums(regions, n_regions, profile):
    height, width = regions.shape
    row, col = ((np.arange(side) + 0.5) / side for side in regions.shape)
    # the mean square over a pixel exceeds that of its center
    squares = row**2 + 1 / (12 * height**2), col**2 + 1 / (12 * width**2)
    moments = row[:, None], col, squares[0][:, None], squares[1], row[:, None] * col
    maps = [np.broadcast_to(moment, regions.shape) for moment in moments]
    maps += [np.broadcast_to(band[:, None], regions.shape) for band in profile.T]
    return sum_maps(np.stack(maps, axis=-1), regions, n_regions)


def depths(regions, most):
    depth, low, high = np.zeros(regions.shape, dtype=int), regions, regions
    for _ in range(most):
        low, high = minimum_filter(low, 3, mode="nearest"), maximum_filter(high, 3, mode="nearest")
        depth += low == high
    return depth
