"""Sums of the activations of a patch dictionary over regions, implemented with each library.

All take a fitted descriptor, an image and its label map, and compute the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.spatial.distance import cdist
from skimage.util import view_as_windows
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.metrics import euclidean_distances

from hierseg_learn.descriptors import ImageChannels, PatchDictionary
from hierseg_learn.descriptors._patches import CONTRAST_FLOOR, Dictionary, with_border

# pixels that the careful NumPy code takes at a time
BLOCK_PIXELS = 1024


def with_numpy(descriptor: PatchDictionary, image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Sliding windows, a matrix product for the distances, ``np.add.at`` for the sums."""
    (size,), (dictionary,) = descriptor.patch_sizes_, descriptor.dictionaries_
    padded = with_border(image, size)
    windows = sliding_window_view(padded, (size, size), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    whitened = whiten(windows.reshape(labels.size, -1), dictionary)
    squared = (
        (whitened**2).sum(axis=1, keepdims=True)
        + (dictionary.atoms**2).sum(axis=1)
        - 2 * whitened @ dictionary.atoms.T
    )
    activation = triangle(np.sqrt(np.maximum(squared, 0)))
    sums = np.zeros((labels.max() + 1, activation.shape[1]))
    np.add.at(sums, labels.ravel(), activation)
    return sums


def with_scikit_image(
    descriptor: PatchDictionary, image: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """``view_as_windows``, SciPy's ``cdist``, and one ``np.bincount`` per atom."""
    (size,), (dictionary,) = descriptor.patch_sizes_, descriptor.dictionaries_
    padded = with_border(image, size)
    windows = view_as_windows(padded, (size, size, padded.shape[2]))
    whitened = whiten(windows.reshape(labels.size, -1), dictionary)
    return sums_by_bincount(triangle(cdist(whitened, dictionary.atoms)), labels)


def with_scikit_learn(
    descriptor: PatchDictionary, image: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """``extract_patches_2d``, ``euclidean_distances``, and one ``np.bincount`` per atom."""
    (size,), (dictionary,) = descriptor.patch_sizes_, descriptor.dictionaries_
    patches = extract_patches_2d(with_border(image, size), (size, size))
    whitened = whiten(patches.reshape(labels.size, -1), dictionary)
    return sums_by_bincount(triangle(euclidean_distances(whitened, dictionary.atoms)), labels)


def with_numpy_in_blocks(
    descriptor: PatchDictionary, image: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Blocks of pixels, in place, and a product with a one-hot matrix: optimized NumPy."""
    (size,), (dictionary,) = descriptor.patch_sizes_, descriptor.dictionaries_
    padded = with_border(image, size)
    windows = sliding_window_view(padded, (size, size), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    norms = np.einsum("ij,ij->i", dictionary.atoms, dictionary.atoms)
    numbers = np.arange(labels.max() + 1)[:, np.newaxis]
    sums = np.zeros((len(numbers), len(norms)))
    n_rows = max(1, BLOCK_PIXELS // labels.shape[1])
    for start in range(0, len(labels), n_rows):
        rows = slice(start, start + n_rows)
        here = labels[rows].ravel()
        whitened = whiten(windows[rows].reshape(len(here), -1), dictionary)
        distances = whitened @ (-2 * dictionary.atoms.T)
        distances += np.einsum("ij,ij->i", whitened, whitened)[:, np.newaxis]
        distances += norms
        np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
        np.subtract(distances.mean(axis=1, keepdims=True), distances, out=distances)
        np.maximum(distances, 0, out=distances)
        sums += (numbers == here).astype(np.float32) @ distances
    return sums


def with_hierseg_learn(
    descriptor: PatchDictionary, image: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """The descriptor's own pooling; its sums are divided by the pixels of the image."""
    return descriptor.pool(ImageChannels(image), labels, labels.max() + 1) * labels.size


def whiten(patches: np.ndarray, dictionary: Dictionary) -> np.ndarray:
    """Normalize and whiten patches, (n_pixels, d)."""
    patches = patches - patches.mean(axis=1, keepdims=True)
    patches /= np.sqrt(patches.var(axis=1, keepdims=True) + np.float32(CONTRAST_FLOOR))
    return (patches - dictionary.mean) @ dictionary.whitening


def triangle(distances: np.ndarray) -> np.ndarray:
    """Activations from distances, (n_pixels, n_atoms)."""
    return np.maximum(0, distances.mean(axis=1, keepdims=True) - distances)


def sums_by_bincount(activation: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Sum the columns over regions, one by one."""
    return np.stack([np.bincount(labels.ravel(), column) for column in activation.T], axis=1)


OURS = "hierseg_learn"
METHODS: dict[str, Callable[[PatchDictionary, np.ndarray, np.ndarray], np.ndarray]] = {
    OURS: with_hierseg_learn,
    "NumPy in blocks": with_numpy_in_blocks,
    "NumPy": with_numpy,
    "scikit-learn": with_scikit_learn,
    "scikit-image": with_scikit_image,
}
