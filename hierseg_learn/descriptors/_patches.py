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
    than the average one ("triangle" activation).

    Parameters
    ----------
    n_atoms : int, default=200
        Size of the dictionary.
    patch_size : int, default=6
        Side of the square patches, in pixels.
    n_patches : int, default=50000
        Number of patches drawn from all images together to learn from.
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
    atoms_ : ndarray of shape (`n_columns_`, `n_channels_` * patch_size**2), float32
        The atoms in whitened space; a patch is flattened as (channel, row, column).
    mean_ : ndarray of shape (d,), float32
        Mean of the normalised training patches.
    whitening_ : ndarray of shape (d, d), float32
        The symmetric (ZCA) whitening matrix, for d values in a patch.
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
    >>> patches = PatchDictionary(n_atoms=5, patch_size=3, random_state=0).fit(images)
    >>> list(patches.get_feature_names_out())
    ['patch_0', 'patch_1', 'patch_2', 'patch_3', 'patch_4']
    >>> halves = np.repeat([0, 1], 6) * np.ones((12, 1), dtype=int)
    >>> patches.pool(ImageChannels(images[0]), halves, n_regions=2).shape
    (2, 5)
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "n_atoms": [Interval(Integral, 2, None, closed="left")],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "n_patches": [Interval(Integral, 1, None, closed="left")],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "root": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_atoms: int = 200,
        *,
        patch_size: int = 6,
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
        rng = check_random_state(self.random_state)
        patches = normalize_contrast(self._draw(batch, rng).astype(np.float64))
        n_atoms = min(self.n_atoms, len(patches))
        if n_atoms < self.n_atoms:
            warnings.warn(
                f"n_atoms={self.n_atoms} is more than the {len(patches)} patches drawn from the "
                f"training images; the dictionary has {n_atoms} atoms.",
                UserWarning,
                stacklevel=4,
            )
        # one thread: otherwise the bits, and then the clusters, depend on the number of threads
        with single_blas_thread(), threadpool_limits(limits=1, user_api="openmp"):
            mean, whitening = zca_whitening(patches, self.eps)
            kmeans = MiniBatchKMeans(n_atoms, batch_size=4096, n_init=1, random_state=rng)
            kmeans.fit(((patches - mean) @ whitening).astype(np.float32))
        self.mean_ = mean.astype(np.float32)
        self.whitening_ = whitening.astype(np.float32)
        self.atoms_ = kmeans.cluster_centers_.astype(np.float32)

    def _draw(self, batch: ImageBatch, rng: np.random.RandomState) -> np.ndarray:
        """Draw patches evenly from the images, each image by a generator of its own."""
        n_images = len(batch)
        quota = np.full(n_images, self.n_patches // n_images)
        quota[rng.permutation(n_images)[: self.n_patches % n_images]] += 1
        seed = rng.randint(np.iinfo(np.int32).max)
        drawn = []
        for i in np.flatnonzero(quota):
            windows = self._windows(self._prepare(ImageChannels(batch.image(i))))
            height, width = windows.shape[:2]
            n_drawn = min(quota[i], height * width)
            places = np.random.default_rng((seed, i)).choice(
                height * width, n_drawn, replace=False, shuffle=False
            )
            drawn.append(windows[np.divmod(places, width)].reshape(n_drawn, -1))
        return np.concatenate(drawn)

    def _columns(self) -> list[str]:
        return [str(k) for k in range(len(self.atoms_))]

    def _values_per_pixel(self) -> int:
        return self.n_sums_ + 3 * len(self.mean_)

    def _prepare(self, channels: ImageChannels) -> np.ndarray:
        """Add the border that gives every pixel a whole patch."""
        before = (self.patch_size - 1) // 2
        border = (before, self.patch_size - 1 - before)
        image = channels.image.reshape(*channels.shape, -1)
        return np.pad(image, [border, border, (0, 0)], mode="reflect")

    def _windows(self, padded: np.ndarray) -> np.ndarray:
        """View of the patch around every pixel, (height, width, n_channels, size, size)."""
        return sliding_window_view(padded, (self.patch_size, self.patch_size), axis=(0, 1))

    def _block(self, prepared: np.ndarray, rows: slice) -> np.ndarray:
        windows = self._windows(prepared[rows.start : rows.stop + self.patch_size - 1])
        patches = normalize_contrast(windows.reshape(windows.shape[0] * windows.shape[1], -1))
        patches -= self.mean_
        with single_blas_thread():
            activation = triangle_activation(patches @ self.whitening_, self.atoms_)
        return activation.reshape(*windows.shape[:2], -1)

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        return root_of(means, self.root)

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        return square_of(columns, self.root)


def normalize_contrast(patches: np.ndarray) -> np.ndarray:
    """Give patches of shape (n_patches, n_values) mean 0 and a standard deviation of about 1."""
    patches = patches - patches.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", patches, patches) / patches.shape[1]
    patches /= np.sqrt(variance + patches.dtype.type(CONTRAST_FLOOR))[:, np.newaxis]
    return patches


def zca_whitening(patches: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of patches (n_patches, d) and ``V diag(1 / sqrt(eps + s)) V.T``, (d, d).

    ``V diag(s) V.T`` is the covariance of the patches.
    """
    mean = patches.mean(axis=0)
    centred = patches - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(patches))
    scale = 1 / np.sqrt(np.maximum(variances, 0) + eps)
    return mean, (vectors * scale) @ vectors.T


def triangle_activation(patches: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Return ``max(0, mean(z) - z)``, (n, k), for distances z of patches (n, d) to atoms (k, d)."""
    z = patches @ (-2 * atoms.T)
    z += np.einsum("ij,ij->i", patches, patches)[:, np.newaxis]
    z += np.einsum("ij,ij->i", atoms, atoms)
    np.sqrt(np.maximum(z, 0, out=z), out=z)
    np.subtract(z.mean(axis=1, keepdims=True), z, out=z)
    return np.maximum(z, 0, out=z)
