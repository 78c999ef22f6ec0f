"""Learning a dictionary of patches: draw, normalise, whiten, cluster."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

from .._progress import ProgressBar
from ..images import ImageBatch
from ..kernels._patch_sums import normalize_contrast
from ..kernels._threads import single_blas_thread
from ._channels import ImageChannels

# added to the variance of a patch, so that the noise of flat patches is not blown up; Coates et al.
# (2011) add 10 on the scale 0 to 255
CONTRAST_FLOOR = 10 / 255**2
# patches that are clustered at a time
BATCH_SIZE = 4096


class Dictionary(NamedTuple):
    """What is known of patches of one size.

    Attributes
    ----------
    mean : ndarray of shape (d,), float32
        Mean of the normalised patches.
    whitening : ndarray of shape (d, n_components), float32
        A whitened patch is ``(patch - mean) @ whitening``.
    atoms : ndarray of shape (n_atoms, n_components), float32
        The atoms among whitened patches.
    """

    mean: np.ndarray
    whitening: np.ndarray
    atoms: np.ndarray


def with_border(image: np.ndarray, size: int) -> np.ndarray:
    """Mirror an image beyond its edges, so that every pixel has a whole patch around it.

    The pixel is in the middle of its patch, of an even one just above and left of the middle. An
    image smaller than a patch is mirrored as often as it takes.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, n_channels)
    size : int
        Side of the patches.

    Returns
    -------
    ndarray of shape (height + size - 1, width + size - 1, n_channels)
    """
    before = (size - 1) // 2
    border = (before, size - 1 - before)
    image = image.reshape(*image.shape[:2], -1)
    return np.pad(image, [border, border, (0, 0)], mode="reflect")


def draw_patches(
    batch: ImageBatch,
    sizes: tuple[int, ...],
    n_patches: int,
    rng: np.random.RandomState,
    verbose: int,
) -> list[np.ndarray]:
    """Draw patches evenly from the images, each image by a generator of its own.

    Returns
    -------
    patches : list of ndarray of shape (n_drawn, size**2 * n_channels), float32
        For every size, flattened as (row, column, channel); fewer than `n_patches` if an image has
        fewer pixels than its share.
    """
    n_images = len(batch)
    quota = np.full(n_images, n_patches // n_images)
    quota[rng.permutation(n_images)[: n_patches % n_images]] += 1
    seed = rng.randint(np.iinfo(np.int32).max)
    drawn: list[list[np.ndarray]] = [[] for _ in sizes]
    with ProgressBar(n_images, "Drawing patches", verbose) as bar:
        for i in range(n_images):
            if quota[i]:
                image = ImageChannels(batch.image(i)).image
                generator = np.random.default_rng((seed, i))
                for patches, size in zip(drawn, sizes):
                    patches.append(_patches_of(image, size, quota[i], generator))
            bar.advance()
    return [np.concatenate(patches) for patches in drawn]


def _patches_of(
    image: np.ndarray, size: int, n_patches: int, generator: np.random.Generator
) -> np.ndarray:
    windows = sliding_window_view(with_border(image, size), (size, size), axis=(0, 1))
    height, width = windows.shape[:2]
    n_drawn = min(n_patches, height * width)
    places = generator.choice(height * width, n_drawn, replace=False, shuffle=False)
    return windows[np.divmod(places, width)].transpose(0, 2, 3, 1).reshape(n_drawn, -1)


def learn_dictionary(
    patches: np.ndarray,
    n_atoms: int,
    n_components: float | int | None,
    eps: float,
    rng: np.random.RandomState,
) -> Dictionary:
    """Normalise, whiten and cluster patches of shape (n_patches, d), float32.

    The same bits for any number of threads.
    """
    patches = normalize_contrast(np, patches, CONTRAST_FLOOR)
    # one thread: otherwise the bits, and then the clusters, depend on the number of threads
    with single_blas_thread(), threadpool_limits(limits=1, user_api="openmp"):
        mean, whitening = pca_whitening(patches, n_components, eps)
        kmeans = MiniBatchKMeans(n_atoms, batch_size=BATCH_SIZE, n_init=1, random_state=rng)
        kmeans.fit((patches - mean) @ whitening)
    return Dictionary(mean, whitening, kmeans.cluster_centers_)


def pca_whitening(
    patches: np.ndarray, n_components: float | int | None, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of patches (n_patches, d) and ``V diag(1 / sqrt(s + eps))``, float32.

    ``V diag(s) V.T`` is the covariance of the patches, the largest s first; V has as many columns
    as `n_components` says. With all of them, distances are those after ZCA whitening, which only
    turns the result back by V.
    """
    mean = patches.mean(axis=0, dtype=np.float64)
    moments = np.zeros((len(mean), len(mean)))
    for start in range(0, len(patches), BATCH_SIZE):
        centred = patches[start : start + BATCH_SIZE] - mean
        moments += centred.T @ centred
    variances, vectors = np.linalg.eigh(moments / len(patches))
    variances, vectors = np.maximum(variances[::-1], 0), vectors[:, ::-1]
    kept = count_components(variances / (variances + eps), n_components)
    whitening = (vectors / np.sqrt(variances + eps))[:, :kept]
    return mean.astype(np.float32), np.ascontiguousarray(whitening, dtype=np.float32)


def count_components(variances: np.ndarray, n_components: float | int | None) -> int:
    """Turn a number, or a share of descending variances, into a number of components."""
    if n_components is None:
        return len(variances)
    if isinstance(n_components, int | np.integer):
        return min(int(n_components), len(variances))
    shares = np.cumsum(variances) / max(variances.sum(), np.finfo(float).tiny)
    # the last share is 1 up to rounding
    return min(int(np.searchsorted(shares, n_components)) + 1, len(variances))
