"""A dictionary of small patches learned from the images by k-means."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from threadpoolctl import threadpool_limits

from ..images import ImageBatch
from ..kernels import get_backend
from ..kernels._threads import single_blas_thread
from ._base import Descriptor
from ._channels import ImageChannels
from ._histograms import root_of, square_of

# added to the variance of a patch, so that the noise of flat patches is not blown up; Coates et al.
# (2011) add 10 on the scale 0 to 255
CONTRAST_FLOOR = 10 / 255**2


class PatchDictionary(Descriptor):
    """How strongly each atom of a learned dictionary of patches is active in a region.

    Patches of the training images are normalised in contrast, whitened, and clustered; the centres
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
    eps : float, default=0.1
        Added to the variances in the whitening; larger values damp fine detail and noise more.
    root : bool, default=True
        Whether the columns are square roots of the mean activations.
    prefix : str, default="patch"
        How the column names start.
    random_state : int, RandomState instance or None, default=None
        Draws the patches and starts the clustering. An int gives the same dictionary every time.

    Attributes
    ----------
    patch_sizes_ : tuple of int
        The patch sizes; the lists below have one entry for each.
    atoms_ : list of ndarray of shape (n_atoms_of_size, d), float32
        The atoms in whitened space, for d values in a patch.
    mean_ : list of ndarray of shape (d,), float32
        Mean of the normalised training patches, flattened as (row, column, channel).
    whitening_ : list of ndarray of shape (d, d), float32
        A whitened patch is ``(patch - mean) @ whitening``.
    n_channels_ : int
        1 if fitted on grey images, 3 on colour images.
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
        "eps": [Interval(Real, 0, None, closed="neither")],
        "root": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_atoms: int = 200,
        *,
        patch_size: int | tuple[int, ...] = 6,
        n_patches: int = 50_000,
        eps: float = 0.1,
        root: bool = True,
        prefix: str = "patch",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_atoms = n_atoms
        self.patch_size = patch_size
        self.n_patches = n_patches
        self.eps = eps
        self.root = root
        self.prefix = prefix
        self.random_state = random_state

    def _fit(self, batch: ImageBatch) -> None:
        self.patch_sizes_ = self._check_sizes()
        rng = check_random_state(self.random_state)
        self.mean_, self.whitening_, self.atoms_ = [], [], []
        n_sizes = len(self.patch_sizes_)
        for place, size in enumerate(self.patch_sizes_):
            n_atoms = self.n_atoms // n_sizes + (place < self.n_atoms % n_sizes)
            self._learn(batch, size, n_atoms, rng)

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

    def _learn(
        self, batch: ImageBatch, size: int, n_atoms: int, rng: np.random.RandomState
    ) -> None:
        """Learn the dictionary of one patch size."""
        patches = normalize_contrast(self._draw(batch, size, rng))
        if len(patches) < n_atoms:
            warnings.warn(
                f"n_atoms={self.n_atoms} asks for {n_atoms} atoms of {size} x {size} pixels, more "
                f"than the {len(patches)} patches drawn from the training images; there will be "
                f"{len(patches)}.",
                UserWarning,
                stacklevel=5,
            )
            n_atoms = len(patches)
        # one thread: otherwise the bits, and then the clusters, depend on the number of threads
        with single_blas_thread(), threadpool_limits(limits=1, user_api="openmp"):
            mean, whitening = pca_whitening(patches, self.eps)
            kmeans = MiniBatchKMeans(n_atoms, batch_size=4096, n_init=1, random_state=rng)
            kmeans.fit((patches - mean) @ whitening)
        self.mean_.append(mean)
        self.whitening_.append(whitening)
        self.atoms_.append(kmeans.cluster_centers_)

    def _draw(self, batch: ImageBatch, size: int, rng: np.random.RandomState) -> np.ndarray:
        """Draw patches evenly from the images, each image by a generator of its own."""
        n_images = len(batch)
        quota = np.full(n_images, self.n_patches // n_images)
        quota[rng.permutation(n_images)[: self.n_patches % n_images]] += 1
        seed = rng.randint(np.iinfo(np.int32).max)
        drawn = []
        for i in np.flatnonzero(quota):
            padded = with_border(ImageChannels(batch.image(i)), size)
            windows = sliding_window_view(padded, (size, size), axis=(0, 1))
            height, width = windows.shape[:2]
            n_drawn = min(quota[i], height * width)
            places = np.random.default_rng((seed, i)).choice(
                height * width, n_drawn, replace=False, shuffle=False
            )
            taken = windows[np.divmod(places, width)]
            drawn.append(taken.transpose(0, 2, 3, 1).reshape(n_drawn, -1))
        return np.concatenate(drawn)

    def _columns(self) -> list[str]:
        return [
            f"{size}_{k}"
            for size, atoms in zip(self.patch_sizes_, self.atoms_)
            for k in range(len(atoms))
        ]

    def _prepare(self, channels: ImageChannels) -> list[np.ndarray]:
        return [with_border(channels, size) for size in self.patch_sizes_]

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
            for image, *dictionary in zip(padded, self.mean_, self.whitening_, self.atoms_)
        ]
        return np.concatenate([backend.to_numpy(part) for part in sums], axis=1)

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        return root_of(means, self.root)

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        return square_of(columns, self.root)


def with_border(channels: ImageChannels, size: int) -> np.ndarray:
    """Mirror an image beyond its edges, so that every pixel has a whole patch around it.

    The pixel is in the middle of its patch, of an even one just above and left of the middle.
    Returns shape (height + size - 1, width + size - 1, n_channels).
    """
    before = (size - 1) // 2
    border = (before, size - 1 - before)
    image = channels.image.reshape(*channels.shape, -1)
    return np.pad(image, [border, border, (0, 0)], mode="reflect")


def normalize_contrast(patches: np.ndarray) -> np.ndarray:
    """Give patches of shape (n_patches, n_values) mean 0 and a standard deviation of about 1."""
    patches = patches - patches.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", patches, patches) / patches.shape[1]
    patches /= np.sqrt(variance + patches.dtype.type(CONTRAST_FLOOR))[:, np.newaxis]
    return patches


def pca_whitening(patches: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of patches (n_patches, d) and ``V diag(1 / sqrt(eps + s))``, (d, d).

    ``V diag(s) V.T`` is the covariance of the patches. Distances are those after ZCA whitening,
    which only turns the result back by V.
    """
    mean = patches.mean(axis=0, dtype=np.float64)
    moments = patches.T.astype(np.float64) @ patches / len(patches) - np.outer(mean, mean)
    variances, vectors = np.linalg.eigh(moments)
    whitening = vectors / np.sqrt(np.maximum(variances, 0) + eps)
    return mean.astype(np.float32), whitening.astype(np.float32)
