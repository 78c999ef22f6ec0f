"""A vocabulary of parts: clusters of the regions of many images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from ..kernels._threads import single_blas_thread
from ..utils._spread import varies

# with 5, two seeds find clearly different parts in photos
_N_INIT = 20


@dataclass(frozen=True)
class PartVocabulary:
    """Parts that mean the same in every image: centres in a standardised feature space.

    Parameters
    ----------
    offset, scale : ndarray of shape (n_features,)
        A feature row becomes ``(row - offset) * scale``.
    centers : ndarray of shape (n_parts, n_features)
        The parts in that space, the largest first.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import PartVocabulary
    >>> rows = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    >>> vocabulary = PartVocabulary.learn(rows, np.ones(5), 3, weights=np.ones(1), seed=0)
    >>> sky, sea, sand = vocabulary.assign(np.array([[0.05], [5.2], [8.0]]))
    >>> bool(sky != sea != sand)
    True
    """

    offset: np.ndarray
    scale: np.ndarray
    centers: np.ndarray

    @classmethod
    def learn(
        cls, features: np.ndarray, area: np.ndarray, n_parts: int, *, weights: np.ndarray, seed: int
    ) -> PartVocabulary:
        """Cluster regions by k-means.

        A region counts by the square root of its area, its diameter: neither many scraps nor one
        large background make all the parts. Copies count as often as they come, and copying all
        regions changes nothing.

        Parameters
        ----------
        features : ndarray of shape (n_regions, n_features)
            Regions of all images; the order of the rows does not matter.
        area : ndarray of shape (n_regions,)
            Size of the regions; parts are numbered by their total area, the largest first.
        n_parts : int
            Number of parts; fewer if there are fewer different rows.
        weights : ndarray of shape (n_features,)
            Weights of the features after standardisation.
        seed : int
            Seed of the starting points.

        Returns
        -------
        PartVocabulary
        """
        rows, copies = np.unique(np.column_stack([features, area]), axis=0, return_counts=True)
        features, area = rows[:, :-1], copies * rows[:, -1]
        # shares, so that the sums of a doubled set are the same to the bit
        counted = copies * np.sqrt(rows[:, -1])
        counted /= counted.sum()
        offset = counted @ features
        deviation = np.sqrt(counted @ (features - offset) ** 2)
        # what varies by rounding only would be blown up
        constant = ~varies(features, deviation)
        scale = np.where(constant, 0.0, weights / np.where(constant, 1.0, deviation))
        points = (features - offset) * scale
        # mirrored regions differ in their last bits, and are one part
        n_parts = min(n_parts, len(np.unique(points.round(9), axis=0)))
        kmeans = KMeans(n_clusters=n_parts, n_init=_N_INIT, random_state=seed)
        # with several threads the sums come in any order, and their last bits with it
        with single_blas_thread(), threadpool_limits(limits=1, user_api="openmp"):
            kmeans.fit(points, sample_weight=counted * len(points))
        total = np.bincount(kmeans.labels_, weights=area, minlength=n_parts)
        largest_first = np.argsort(-total, kind="stable")
        return cls(offset, scale, kmeans.cluster_centers_[largest_first])

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return len(self.centers)

    def assign(self, features: np.ndarray) -> np.ndarray:
        """Give every region the part whose centre is nearest.

        Parameters
        ----------
        features : ndarray of shape (n_regions, n_features)
            As in `learn`.

        Returns
        -------
        parts : ndarray of shape (n_regions,), int32
        """
        points = (features - self.offset) * self.scale
        squares = np.stack([((points - center) ** 2).sum(axis=1) for center in self.centers])
        return squares.argmin(axis=0).astype(np.int32)
