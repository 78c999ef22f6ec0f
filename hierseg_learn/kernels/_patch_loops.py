# ruff: noqa: ANN001
"""Compiled loops over patches: normalise their contrast, turn products into activations, pool."""

from __future__ import annotations

from functools import partial

import numpy as np

from ._jit import jit
from .patches_reference import DISTANCE_RESOLUTION, PATCH_RESOLUTION

_PATCH_RESOLUTION = np.float32(PATCH_RESOLUTION)
_SQUARED_RESOLUTION = np.float32(DISTANCE_RESOLUTION**2)

# sums may be added up in any order, so that they run in vector registers; NaN and inf still count
_jit_sums = partial(jit, fastmath={"reassoc", "contract", "nsz"})


@_jit_sums
def take_patches(image, size, n_channels, start, floor, mean, patches):
    """Write the patches of the pixels ``start:start + len(patches)``, in reading order.

    `image` is (height + size - 1, (width + size - 1) * n_channels), float32. A patch is flattened
    as (row, column, channel) and brought to mean 0 and variance v / (v + floor + least) for its
    variance v, with the least that rounding leaves of one; then `mean` is taken off.
    """
    n_values = patches.shape[1]
    n_line = size * n_channels
    width = image.shape[1] // n_channels - size + 1
    for place in range(len(patches)):
        row, column = divmod(start + place, width)
        patch = patches[place]
        total = np.float32(0)
        for down in range(size):
            line = image[row + down, column * n_channels : column * n_channels + n_line]
            target = patch[down * n_line : down * n_line + n_line]
            for i in range(n_line):
                target[i] = line[i]
                total += line[i]
        centre = total / np.float32(n_values)
        # once more: rounding of the first mean would give a flat patch a contrast
        total = np.float32(0)
        for i in range(n_values):
            patch[i] -= centre
            total += patch[i]
        rest = total / np.float32(n_values)
        total = np.float32(0)
        for i in range(n_values):
            patch[i] -= rest
            total += patch[i] * patch[i]
        least = floor + (_PATCH_RESOLUTION * centre) ** 2
        scale = np.float32(1) / np.sqrt(total / np.float32(n_values) + least)
        for i in range(n_values):
            patch[i] = patch[i] * scale - mean[i]


@_jit_sums
def add_activations(whitened, products, norms, regions, sums):
    """Add ``max(0, mean(z) - z)`` of every pixel to the row of `sums` of its region.

    z are the distances of a row of `whitened` to the atoms, from its `products` with them and
    their squared lengths `norms`, no smaller than products can tell. `products` is overwritten.
    """
    n_atoms = products.shape[1]
    for place in range(len(products)):
        region = regions[place]
        if region < 0:
            continue
        length = np.float32(0)
        for i in range(whitened.shape[1]):
            length += whitened[place, i] * whitened[place, i]
        distances = products[place]
        total = np.float32(0)
        for atom in range(n_atoms):
            lengths = length + norms[atom]
            squared = max(lengths - np.float32(2) * distances[atom], np.float32(0))
            distances[atom] = np.sqrt(squared + _SQUARED_RESOLUTION * lengths)
            total += distances[atom]
        mean = total / np.float32(n_atoms)
        row = sums[region]
        for atom in range(n_atoms):
            row[atom] += max(mean - distances[atom], np.float32(0))
