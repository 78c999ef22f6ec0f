"""Agreement of a segmentation with a true one: boundaries and regions, as pure functions.

A label map is an integer array of shape (height, width); two pixels of the same label belong to the
same region, also where they are not connected.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array
from skimage.measure import label

# the usual tolerance of boundaries, as a share of the image diagonal
TOLERANCE = 0.0075


def connected_pieces(labels: np.ndarray) -> np.ndarray:
    """Connected pieces of regions, numbered from 1; pixels of label 0 belong to none."""
    return label(labels, background=0, connectivity=1)


def boundary_pixels(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels whose right or lower neighbor has another label.

    Returns
    -------
    ndarray of shape (height, width), bool
    """
    marked = np.zeros(labels.shape, dtype=bool)
    marked[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    marked[:-1] |= labels[:-1] != labels[1:]
    return marked


def boundary_scores(labels: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Recall and precision of boundaries within a tolerance.

    Recall is the share of true boundary pixels with a found one within `TOLERANCE` diagonals,
    precision the share of found ones with a true one so near; 1 where there is none to find, or
    none was found. One pixel may serve several.
    """
    reach = TOLERANCE * np.hypot(*labels.shape)
    found, true = boundary_pixels(labels), boundary_pixels(truth)
    recall, precision = _share_near(true, found, reach), _share_near(found, true, reach)
    total = recall + precision
    return {
        "boundary_recall": recall,
        "boundary_precision": precision,
        "boundary_f": 2 * recall * precision / total if total else 0.0,
    }


def _share_near(pixels: np.ndarray, others: np.ndarray, reach: float) -> float:
    if not pixels.any():
        return 1.0
    if not others.any():
        return 0.0
    return float((distance_transform_edt(~others)[pixels] <= reach).mean())


def region_scores(labels: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Agreement of regions, from the numbers of pixels that they share.

    ``achievable_accuracy`` [1]_ is the share of pixels that are right when every region takes the
    true region it overlaps most; ``undersegmentation_error`` [2]_ sums, over overlapping pairs, the
    smaller of the part of the region inside the true region and the part outside, as a share of
    the pixels; ``covering`` [3]_ is the mean over pixels of the largest intersection over union of
    their true region with a region.

    References
    ----------
    .. [1] M. Liu, O. Tuzel, S. Ramalingam, R. Chellappa. "Entropy rate superpixel segmentation".
       CVPR 2011.
    .. [2] P. Neubert, P. Protzel. "Superpixel benchmark and comparison". Forum Bildverarbeitung
       2012.
    .. [3] P. Arbeláez, M. Maire, C. Fowlkes, J. Malik. "Contour detection and hierarchical image
       segmentation". TPAMI 33, 2011.
    """
    overlaps = overlap_counts(labels, truth)
    regions, trues, shared = overlaps.coords[0], overlaps.coords[1], overlaps.data
    sizes = np.bincount(regions, weights=shared)
    true_sizes = np.bincount(trues, weights=shared)
    largest = np.zeros(len(sizes))
    np.maximum.at(largest, regions, shared)
    union = sizes[regions] + true_sizes[trues] - shared
    best = np.zeros(len(true_sizes))
    np.maximum.at(best, trues, shared / union)
    leaks = np.minimum(shared, sizes[regions] - shared)
    return {
        "achievable_accuracy": float(largest.sum() / labels.size),
        "undersegmentation_error": float(leaks.sum() / labels.size),
        "covering": float((true_sizes * best).sum() / labels.size),
    }


def overlap_counts(labels: np.ndarray, truth: np.ndarray) -> coo_array:
    """Pixels that every region shares with every true region, without the pairs that share none."""
    regions = np.unique(labels, return_inverse=True)[1].ravel()
    trues = np.unique(truth, return_inverse=True)[1].ravel()
    counts = coo_array((np.ones(labels.size), (regions, trues)))
    counts.sum_duplicates()
    return counts
