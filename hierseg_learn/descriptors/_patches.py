"""A dictionary of small patches learned from the images by k-means."""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt
from threadpoolctl import threadpool_limits

from ..images import ImageBatch
from ..kernels import get_backend
from ..kernels.array_kernels import normalize_contrast
from ..kernels.threads import single_blas_thread
from ..utils import warn_user
from ..utils.progress import ProgressBar
from ._base import Descriptor, ImageChannels, root_of, square_of

# added to the variance of a patch, so that the noise of flat patches is not blown up; Coates et al.
# (2011) add 10 on the scale 0 to 255
CONTRAST_FLOOR = 10 / 255**2
# patches that are clustered at a time
BATCH_SIZE = 4096


class Dictionary(NamedTuple):
    """Patches of one size: their mean, whitening and atoms."""

    mean: np.ndarray  # (d,) float32: mean of the normalized patches
    # (d, n_components) float32: a whitened patch is ``(patch - mean) @ whitening``
    whitening: np.ndarray
    atoms: np.ndarray  # (n_atoms, n_components) float32: the atoms among whitened patches


def with_border(image: np.ndarray, size: int) -> np.ndarray:
    """Mirror an image beyond its edges, so that every pixel has a whole patch around it.

    The pixel is in the middle of its patch, of an even one just above and left of the middle. An
    image smaller than a patch is mirrored as often as it takes. Returns (height + size - 1, width +
    size - 1, n_channels).
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

    For every size (n_drawn, size**2 * n_channels) float32, flattened as (row, column, channel);
    fewer than `n_patches` if an image has fewer pixels than its share.
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
    """Normalize, whiten and cluster patches, (n_patches, d); the same bits for any thread count."""
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

    ``V diag(s) V.T`` is the covariance, the largest s first; V has as many columns as
    `n_components` says. With all of them, distances are those after ZCA whitening.
    """
    mean = patches.mean(axis=0, dtype=np.float64)
    moments = np.zeros((len(mean), len(mean)))
    for start in range(0, len(patches), BATCH_SIZE):
        centered = patches[start : start + BATCH_SIZE] - mean
        moments += centered.T @ centered
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


class PatchDictionary(Descriptor):
    """How strongly each atom of a learned dictionary of patches is active in a region.

    Patches of the training images are normalized in contrast, whitened, and clustered; the centers
    are the atoms. The activation of atom k at a pixel is ``max(0, mean(z) - z_k)``, with z_k the
    distance of the whitened patch around the pixel to atom k: zero for the atoms that are farther
    than the average one ("triangle" activation). Patches of several sizes have a dictionary each.

    Parameters
    ----------
    n_atoms : int, default=200
        Number of atoms, shared out evenly among the patch sizes.
    patch_size : int or tuple of int, default=6
        Side of the square patches in pixels, or several of them.
    n_patches : int, default=50000
        Number of patches of every size drawn from all images together to learn from.
    n_components : int, float or None, default=0.97
        Number of principal components of a patch that are compared; a float is the share of the
        whitened variance to keep, None keeps all. What is left out is mostly noise, and with half
        of the components patches are compared twice as fast.
    eps : float, default=0.1
        Added to the variances in the whitening; larger values damp fine detail and noise more.
    hellinger : bool, default=True
        Whether the columns are square roots of the mean activations.
    prefix : str, default="patch"
        How the column names start.
    verbose : int, default=0
        1 draws a progress bar while the dictionary is learned.
    random_state : int, RandomState instance or None, default=None
        Draws the patches and starts the clustering. An int gives the same dictionary every time.

    Attributes
    ----------
    patch_sizes_ : tuple of int
        The patch sizes.
    dictionaries_ : list of Dictionary
        For every size ``mean`` (d,), ``whitening`` (d, n_components) and ``atoms`` (n_atoms,
        n_components), float32: a patch of d values, flattened as (row, column, channel) and
        normalized, is compared with the atoms as ``(patch - mean) @ whitening``.
    n_channels_ : int
        1 if fitted on gray images, 3 on color images.
    n_columns_, n_sums_ : int
        Number of atoms: `n_atoms`, or fewer (with a warning) if there were fewer patches.

    References
    ----------
    Coates, Lee & Ng (2011), An analysis of single-layer networks in unsupervised feature learning,
    AISTATS, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ImageChannels, PatchDictionary
    >>> images = np.random.default_rng(0).random((3, 12, 12))
    >>> patches = PatchDictionary(n_atoms=5, patch_size=(3, 5), random_state=0).fit(images)
    >>> list(patches.get_feature_names_out())
    ['patch_3_0', 'patch_3_1', 'patch_3_2', 'patch_5_0', 'patch_5_1']
    >>> halves = np.repeat([0, 1], 6) * np.ones((12, 1), dtype=int)
    >>> patches.pool(ImageChannels(images[0]), halves, n_regions=2).shape
    (2, 5)
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "n_atoms": [Interval(Integral, 2, None, closed="left")],
        "patch_size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "n_patches": [Interval(Integral, 1, None, closed="left")],
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
            None,
        ],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "hellinger": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_atoms: int = 200,
        *,
        patch_size: int | tuple[int, ...] = 6,
        n_patches: int = 50_000,
        n_components: int | float | None = 0.97,
        eps: float = 0.1,
        hellinger: bool = True,
        prefix: str = "patch",
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_atoms = n_atoms
        self.patch_size = patch_size
        self.n_patches = n_patches
        self.n_components = n_components
        self.eps = eps
        self.hellinger = hellinger
        self.prefix = prefix
        self.verbose = verbose
        self.random_state = random_state

    def _fit(self, batch: ImageBatch) -> None:
        self.patch_sizes_ = self._check_sizes()
        rng = check_random_state(self.random_state)
        # patches do not depend on the order of the images
        batch = batch.subset(batch.order_by_content())
        drawn = draw_patches(batch, self.patch_sizes_, self.n_patches, rng, self.verbose)
        n_sizes = len(drawn)
        self.dictionaries_ = []
        with ProgressBar(n_sizes, "Clustering patches", self.verbose) as bar:
            for place, patches in enumerate(drawn):
                asked = self.n_atoms // n_sizes + (place < self.n_atoms % n_sizes)
                n_atoms = self._check_count(asked, patches, self.patch_sizes_[place])
                self.dictionaries_.append(
                    learn_dictionary(patches, n_atoms, self.n_components, self.eps, rng)
                )
                bar.advance()

    def _check_sizes(self) -> tuple[int, ...]:
        sizes = self.patch_size
        sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
        if not all(isinstance(size, Integral) and size >= 1 for size in sizes) or not sizes:
            raise ValueError(
                f"patch_size must be a whole number of pixels or a tuple of such, "
                f"got {self.patch_size!r}."
            )
        if len(set(sizes)) < len(sizes):
            raise ValueError(f"patch_size must name a size once, got {self.patch_size!r}.")
        if self.n_atoms < 2 * len(sizes):
            raise ValueError(
                f"n_atoms={self.n_atoms} must be at least two for each of the {len(sizes)} sizes "
                f"of patch_size={self.patch_size!r}."
            )
        return tuple(int(size) for size in sizes)

    def _check_count(self, n_atoms: int, patches: np.ndarray, size: int) -> int:
        """Return `n_atoms`, or with a warning the number of patches if there are fewer."""
        if len(patches) >= n_atoms:
            return n_atoms
        warn_user(
            f"n_atoms={self.n_atoms} asks for {n_atoms} atoms of {size} x {size} pixels, more than "
            f"the {len(patches)} patches drawn from the training images; the dictionary has "
            f"{len(patches)} of them."
        )
        return len(patches)

    def _columns(self) -> list[str]:
        return [
            f"{size}_{k}"
            for size, dictionary in zip(self.patch_sizes_, self.dictionaries_)
            for k in range(len(dictionary.atoms))
        ]

    def _prepare(self, channels: ImageChannels) -> list[np.ndarray]:
        return [with_border(channels.image, size) for size in self.patch_sizes_]

    def _pool(
        self, channels: ImageChannels, regions: np.ndarray, n_regions: int, device: str
    ) -> np.ndarray:
        return self._activation_sums(self._prepare(channels), regions, n_regions, device)

    def _block(self, prepared: list[np.ndarray], rows: slice) -> np.ndarray:
        shape = rows.stop - rows.start, prepared[0].shape[1] - self.patch_sizes_[0] + 1
        # every pixel is a region of its own
        pixels = np.arange(shape[0] * shape[1]).reshape(shape)
        padded = [
            image[rows.start : rows.stop + size - 1]
            for image, size in zip(prepared, self.patch_sizes_)
        ]
        return self._activation_sums(padded, pixels, pixels.size, "cpu").reshape(*shape, -1)

    def _activation_sums(
        self, padded: list[np.ndarray], regions: np.ndarray, n_regions: int, device: str
    ) -> np.ndarray:
        backend = get_backend(device)
        sums = [
            backend.activation_sums(
                *map(backend.asarray, (image, regions)),
                n_regions,
                CONTRAST_FLOOR,
                *map(backend.asarray, dictionary),
            )
            for image, dictionary in zip(padded, self.dictionaries_)
        ]
        return np.concatenate([backend.to_numpy(part) for part in sums], axis=1)

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        return root_of(means, self.hellinger)

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        return square_of(columns, self.hellinger)
