"""Activations of a dictionary of patches, composed of array-API operations for any library."""

from __future__ import annotations

from typing import Any

from . import _searches
from ._arrays import concat, namespace, squared_distances, squared_norms
from ._checks import check_dictionary
from .patches_reference import DISTANCE_RESOLUTION, PATCH_RESOLUTION

Array = Any

# values that a block of rows of pixels may hold at a time: 256 MB in float32
BLOCK_VALUES = 2**26


def activation_sums(
    image: Array,
    regions: Array,
    n_regions: int,
    floor: float,
    mean: Array,
    whitening: Array,
    atoms: Array,
) -> Array:
    """As `reference.activation_sums`: whole rows of pixels at a time."""
    xp = namespace(image)
    size, n_channels = check_dictionary(image, regions, mean, whitening, atoms)
    height, width = regions.shape
    values_per_pixel = 2 * mean.shape[0] + whitening.shape[1] + 3 * atoms.shape[0]
    block_rows = max(1, BLOCK_VALUES // max(1, width * values_per_pixel))
    norms = squared_norms(xp, atoms)
    sums = xp.zeros((n_regions, atoms.shape[0]), dtype=xp.float64)
    for start in range(0, height, block_rows):
        stop = min(start + block_rows, height)
        lines = [
            xp.reshape(
                image[start + down : stop + down, across : across + width, :], (-1, n_channels)
            )
            for down in range(size)
            for across in range(size)
        ]
        patches = normalize_contrast(xp, concat(xp, lines, axis=1), floor)
        whitened = (patches - mean[None, :]) @ whitening
        lengths = squared_norms(xp, whitened)
        squared = squared_distances(xp, whitened, atoms, lengths, norms)
        least = DISTANCE_RESOLUTION**2 * (lengths[:, None] + norms[None, :])
        distances = xp.sqrt(squared + least)
        active = xp.mean(distances, axis=1, keepdims=True) - distances
        active = xp.where(active > 0, active, xp.zeros_like(active))
        labels = xp.reshape(regions[start:stop, :], (-1,))
        sums = sums + _searches.region_sums(active, labels, n_regions)
    return sums


def normalize_contrast(xp: Any, patches: Array, floor: float) -> Array:
    """Give patches (n_patches, n_values) mean 0 and a standard deviation of about 1."""
    means = xp.mean(patches, axis=1, keepdims=True)
    patches = patches - means
    # once more: rounding of the first mean would give a flat patch a contrast
    patches = patches - xp.mean(patches, axis=1, keepdims=True)
    variances = xp.mean(patches * patches, axis=1, keepdims=True)
    return patches / xp.sqrt(variances + ((PATCH_RESOLUTION * means) ** 2 + floor))
