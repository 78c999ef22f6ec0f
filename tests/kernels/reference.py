"""Plain NumPy kernels, written for reading: the oracle that the fast kernels are tested against.

Every function here has a twin of the same name and signature in ``numba_kernels``, where arguments
and results are explained, and in ``cupy_kernels``. All sums run in float64 and in a fixed order.
"""

from __future__ import annotations

import numpy as np

from hierseg_learn.kernels._checks import (
    check_columns,
    check_counts,
    check_dictionary,
    check_embedding,
    check_lists,
    check_neighbors,
    check_regions,
)
from hierseg_learn.kernels.arrays import DISTANCE_RESOLUTION, PATCH_RESOLUTION


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

    The patch of a pixel is flattened as (row, column, channel) to a vector p, normalized to
    :math:`q = (p - \bar p) / \sqrt{\mathrm{var}(p) + floor + (\rho \bar p)^2}`, and whitened to
    :math:`w = (q - mean)\, whitening`. With
    :math:`z_k = \sqrt{|w - a_k|^2 + \sigma^2 (|w|^2 + |a_k|^2)}` the distance of w to atom k, the
    activation of the atom is :math:`\max(0, \bar z - z_k)` [1]_. The constants
    :math:`\rho = 2^{-17}` and :math:`\sigma = 2^{-8}` hide what rounding to float32 makes up: the
    contrast of flat patches, and the distance of a patch that is an atom.
    """
    size, _ = check_dictionary(image, regions, n_regions, mean, whitening, atoms)
    image, atoms = np.asarray(image, dtype=np.float64), np.asarray(atoms, dtype=np.float64)
    sums = np.zeros((n_regions, len(atoms)))
    for (row, column), region in np.ndenumerate(regions):
        if region < 0:
            continue
        patch = image[row : row + size, column : column + size].ravel()
        least = floor + (PATCH_RESOLUTION * patch.mean()) ** 2
        normalized = (patch - patch.mean()) / np.sqrt(patch.var() + least)
        whitened = (normalized - mean) @ whitening
        lengths = (whitened**2).sum() + (atoms**2).sum(axis=1)
        squared = ((whitened - atoms) ** 2).sum(axis=1)
        distances = np.sqrt(squared + DISTANCE_RESOLUTION**2 * lengths)
        sums[region] += np.maximum(0, distances.mean() - distances)
    return sums


def region_sums(values: np.ndarray, regions: np.ndarray, n_regions: int) -> np.ndarray:
    """Sum the rows of `values` that share a region."""
    values, regions = np.asarray(values), np.asarray(regions)
    check_regions(values, regions, n_regions)
    labeled = regions >= 0
    values, regions = values[labeled], regions[labeled]
    sums = np.zeros((n_regions, values.shape[1]))
    for column in range(values.shape[1]):
        # bincount adds sequentially in float64, so the order of summation is the order of the
        # pixels
        sums[:, column] = np.bincount(regions, weights=values[:, column], minlength=n_regions)
    return sums


def nearest(
    Q: np.ndarray, X: np.ndarray, n_neighbors: int, exclude: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest rows of `X` for every row of `Q` under the squared Euclidean distance."""
    Q, X = np.asarray(Q, dtype=np.float64), np.asarray(X, dtype=np.float64)
    exclude = None if exclude is None else np.asarray(exclude)
    check_neighbors(Q, X, n_neighbors, exclude)
    indices = np.empty((len(Q), n_neighbors), dtype=np.int64)
    squared_distances = np.empty((len(Q), n_neighbors))
    for row, query in enumerate(Q):
        distances = np.sum((X - query) ** 2, axis=1)
        order = np.argsort(distances, stable=True)
        if exclude is not None:
            order = order[order != exclude[row]]
        indices[row] = order[:n_neighbors]
        squared_distances[row] = distances[indices[row]]
    return indices, squared_distances


def count_classes(
    Q: np.ndarray,
    X: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    low: np.ndarray,
    high: np.ndarray,
    exclude: np.ndarray | None = None,
) -> np.ndarray:
    """Count by class the rows of `X` whose squared distance to a query lies in a range.

    However many rows are equally far from a query, they are counted, never listed.
    """
    Q, X, codes = (
        np.asarray(Q, dtype=np.float64),
        np.asarray(X, dtype=np.float64),
        np.asarray(codes),
    )
    low, high = np.asarray(low), np.asarray(high)
    exclude = None if exclude is None else np.asarray(exclude)
    check_counts(Q, X, codes, n_classes, low, high, exclude)
    counts = np.zeros((len(Q), n_classes))
    for row, query in enumerate(Q):
        distances = np.sum((X - query) ** 2, axis=1)
        counted = (distances >= low[row]) & (distances <= high[row])
        if exclude is not None and exclude[row] >= 0:
            counted[exclude[row]] = False
        counts[row] = np.bincount(codes[counted], minlength=n_classes)
    return counts


def nca_loss_grad(Z: np.ndarray, codes: np.ndarray) -> tuple[float, np.ndarray]:
    r"""Negative log-likelihood of neighborhood components and its gradient.

    With :math:`p_{ij} \propto \exp(-\|z_i - z_j\|^2)`, :math:`j \ne i`, the loss is the mean of
    :math:`-\log \sum_{j : c_j = c_i} p_{ij}` over the points that share their class with another
    one [1]_.
    """
    Z, codes = np.asarray(Z), np.asarray(codes)
    check_embedding(Z, codes)
    points = Z.astype(np.float64)
    loss, gradient, n_active = 0.0, np.zeros_like(points), 0
    for i in range(len(points)):
        others = np.arange(len(points)) != i
        positives = others & (codes == codes[i])
        if not positives.any():
            continue
        n_active += 1
        differences = points[i] - points
        scores = -np.sum(differences**2, axis=1)
        log_all = np.logaddexp.reduce(scores[others])
        log_positive = np.logaddexp.reduce(scores[positives])
        loss += log_all - log_positive
        weights = positives * np.exp(np.minimum(scores - log_positive, 0))
        weights -= others * np.exp(np.minimum(scores - log_all, 0))
        gradient[i] += 2 * weights @ differences
        gradient -= 2 * weights[:, None] * differences
    scale = max(n_active, 1)
    return float(loss / scale), (gradient / scale).astype(Z.dtype)


def triplet_loss_grad(Z: np.ndarray, codes: np.ndarray, margin: float) -> tuple[float, np.ndarray]:
    r"""Mean hinge over all triplets of a batch, on squared distances, and its gradient.

    The loss is the mean of :math:`[\|z_a - z_p\|^2 - \|z_a - z_n\|^2 + margin]_+` over every
    anchor a, every other point p of its class and every point n of another class.
    """
    Z, codes = np.asarray(Z), np.asarray(codes)
    check_embedding(Z, codes)
    points = Z.astype(np.float64)
    squared = np.sum((points[:, None] - points) ** 2, axis=2)
    loss, weights = _triplet_weights(squared, codes, margin)
    return loss, _pair_gradient(points, weights).astype(Z.dtype)


def snr_distances(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Signal-to-noise distance of every pair, ``var(q - x) / var(q)`` over the components."""
    Q, X = np.asarray(Q), np.asarray(X)
    check_columns(Q, X)
    dtype = np.float32 if Q.dtype == X.dtype == np.float32 else np.float64
    Q, X = Q.astype(np.float64), X.astype(np.float64)
    signal = np.var(Q, axis=1)
    noise = np.var(Q[:, None] - X, axis=2)
    # components that are equal have no variance, whatever rounding of their mean leaves behind
    signal[np.ptp(Q, axis=1) == 0] = np.nan
    return (noise / signal[:, None]).astype(dtype)


def snr_loss_grad(Z: np.ndarray, codes: np.ndarray, margin: float) -> tuple[float, np.ndarray]:
    """Mean hinge over all triplets of a batch, on signal-to-noise distances, and its gradient.

    As `triplet_loss_grad`, with ``var(z_a - z_x) / var(z_a)`` in place of the squared distance.
    Anchors without variance have no such distance and are left out.
    """
    Z, codes = np.asarray(Z), np.asarray(codes)
    check_embedding(Z, codes)
    points = Z.astype(np.float64)
    points -= points.mean(axis=1, keepdims=True)
    signal = np.sum(points**2, axis=1)
    signal[np.ptp(Z, axis=1) == 0] = np.nan
    distances = np.sum((points[:, None] - points) ** 2, axis=2) / signal[:, None]
    loss, weights = _triplet_weights(distances, codes, margin)
    with np.errstate(invalid="ignore"):
        per_signal = np.where(weights == 0, 0, weights / signal[:, None])
        shrink = np.where(weights == 0, 0, per_signal * distances).sum(axis=1)
    gradient = _pair_gradient(points, per_signal) - 2 * shrink[:, None] * points
    return loss, (gradient - gradient.mean(axis=1, keepdims=True)).astype(Z.dtype)


def lmnn_loss_grad(
    Z: np.ndarray, targets: np.ndarray, impostors: np.ndarray, regularization: float
) -> tuple[float, np.ndarray]:
    r"""Large-margin nearest neighbor loss over given lists of neighbors, and its gradient.

    With the weight r of the pull term the loss is the mean over the points of
    :math:`r \sum_j d_{ij} + (1 - r) \sum_{j, l} [1 + d_{ij} - d_{il}]_+`, where j runs over the
    targets and l over the impostors of point i and d is the squared distance [1]_.
    """
    Z, targets, impostors = np.asarray(Z), np.asarray(targets), np.asarray(impostors)
    check_lists(Z, targets, impostors)
    points = Z.astype(np.float64)
    loss, gradient = 0.0, np.zeros_like(points)

    def add(i: int, j: int, weight: float) -> None:
        gradient[i] += 2 * weight * (points[i] - points[j])
        gradient[j] -= 2 * weight * (points[i] - points[j])

    for i in range(len(points)):
        for j in targets[i][targets[i] >= 0]:
            near = np.sum((points[i] - points[j]) ** 2)
            loss += regularization * near
            add(i, j, regularization)
            for far in impostors[i][impostors[i] >= 0]:
                hinge = 1 + near - np.sum((points[i] - points[far]) ** 2)
                if hinge > 0:
                    loss += (1 - regularization) * hinge
                    add(i, j, 1 - regularization)
                    add(i, far, regularization - 1)
    scale = max(len(points), 1)
    return float(loss / scale), (gradient / scale).astype(Z.dtype)


def _triplet_weights(
    distances: np.ndarray, codes: np.ndarray, margin: float
) -> tuple[float, np.ndarray]:
    """Return the mean hinge and its derivative by every distance; rows of NaN are left out."""
    loss, weights, n_triplets = 0.0, np.zeros(distances.shape), 0
    for anchor, row in enumerate(distances):
        positives = np.flatnonzero((codes == codes[anchor]) & (np.arange(len(codes)) != anchor))
        negatives = np.flatnonzero(codes != codes[anchor])
        if np.isnan(row).any():
            continue
        for positive in positives:
            for negative in negatives:
                n_triplets += 1
                hinge = row[positive] - row[negative] + margin
                if hinge > 0:
                    loss += hinge
                    weights[anchor, positive] += 1
                    weights[anchor, negative] -= 1
    scale = max(n_triplets, 1)
    return float(loss / scale), weights / scale


def _pair_gradient(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return dloss/dpoints where `weights` is dloss/d(squared distances)."""
    both = weights + weights.T
    return 2 * (both.sum(axis=1)[:, None] * points - both @ points)
