"""The oracle of pooled patch activations: one pixel at a time."""

from __future__ import annotations

import numpy as np

from ._checks import check_dictionary, check_region_range

# share of its mean below which the spread of a patch is rounding of its float32 values
PATCH_RESOLUTION = 2.0**-17
# share of the lengths of two points below which float32 products of them tell no distance
DISTANCE_RESOLUTION = 2.0**-8


def activation_sums(
    image: np.ndarray,
    regions: np.ndarray,
    n_regions: int,
    floor: float,
    mean: np.ndarray,
    whitening: np.ndarray,
    atoms: np.ndarray,
) -> np.ndarray:
    r"""Sum the activations of the atoms of a dictionary over the pixels of every region.

    The patch of a pixel is flattened as (row, column, channel) to a vector p, normalised to
    :math:`q = (p - \bar p) / \sqrt{\mathrm{var}(p) + floor + (\rho \bar p)^2}`, and whitened to
    :math:`w = (q - mean)\, whitening`. With
    :math:`z_k = \sqrt{|w - a_k|^2 + \sigma^2 (|w|^2 + |a_k|^2)}` the distance of w to atom k, the
    activation of the atom is :math:`\max(0, \bar z - z_k)` [1]_. The constants
    :math:`\rho = 2^{-17}` and :math:`\sigma = 2^{-8}` hide what rounding to float32 makes up: the
    contrast of flat patches, and the distance of a patch that is an atom.

    Parameters
    ----------
    image : ndarray of shape (height + size - 1, width + size - 1, n_channels), float32
        With a border that gives every pixel a whole patch: that of the pixel in row i and column j
        is ``image[i : i + size, j : j + size]``.
    regions : ndarray of shape (height, width), integer
        Region of every pixel, in ``[0, n_regions)``; -1 leaves the pixel out.
    n_regions : int
        Number of regions; regions without a pixel get zeros.
    floor : float
        Added to the variance of a patch, so that the noise of flat ones is not blown up.
    mean : ndarray of shape (size**2 * n_channels,), float32
        Mean of normalised patches.
    whitening : ndarray of shape (size**2 * n_channels, n_components), float32
        Map to the space of the atoms.
    atoms : ndarray of shape (n_atoms, n_components), float32

    Returns
    -------
    sums : ndarray of shape (n_regions, n_atoms), float64

    Raises
    ------
    ValueError
        If the shapes do not match, `regions` are no integers, or a region lies outside
        ``[-1, n_regions)``.

    References
    ----------
    .. [1] A. Coates, H. Lee, A. Ng. "An Analysis of Single-Layer Networks in Unsupervised Feature
       Learning". AISTATS 2011, section 3.2.

    Examples
    --------
    A patch of one pixel is its colour, here not whitened; atoms are red and blue less the mean.

    >>> import numpy as np
    >>> from hierseg_learn.kernels.patches_reference import activation_sums
    >>> image = np.array([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    >>> atoms = np.array([[2.0, -1.0, -1.0], [-1.0, -1.0, 2.0]]) / np.sqrt(2)
    >>> regions = np.array([[0, 1]])
    >>> activation_sums(image, regions, 2, 0.0, np.zeros(3), np.eye(3), atoms).round(2)
    array([[1.5, 0. ],
           [0. , 1.5]])
    """
    size, _ = check_dictionary(image, regions, mean, whitening, atoms)
    if regions.size:
        check_region_range(int(regions.min()), int(regions.max()), n_regions)
    image, atoms = np.asarray(image, dtype=np.float64), np.asarray(atoms, dtype=np.float64)
    sums = np.zeros((n_regions, len(atoms)))
    for (row, column), region in np.ndenumerate(regions):
        if region < 0:
            continue
        patch = image[row : row + size, column : column + size].ravel()
        least = floor + (PATCH_RESOLUTION * patch.mean()) ** 2
        normalised = (patch - patch.mean()) / np.sqrt(patch.var() + least)
        whitened = (normalised - mean) @ whitening
        lengths = (whitened**2).sum() + (atoms**2).sum(axis=1)
        squared = ((whitened - atoms) ** 2).sum(axis=1)
        distances = np.sqrt(squared + DISTANCE_RESOLUTION**2 * lengths)
        sums[region] += np.maximum(0, distances.mean() - distances)
    return sums
