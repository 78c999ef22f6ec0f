"""A vocabulary of parts: clusters of the regions of many images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import sobel
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from ..descriptors import Descriptor, ImageChannels
from ..kernels.threads import single_blas_thread
from ..utils.spread import varies

# with 5, two seeds find clearly different parts in photos
_N_INIT = 20


@dataclass(frozen=True)
class PartVocabulary:
    """Parts that mean the same in every image: centers in a standardized feature space.

    Parameters
    ----------
    offset, scale : ndarray of shape (n_features,)
        A feature row becomes ``(row - offset) * scale``.
    centers : ndarray of shape (n_parts, n_features)
        The parts in that space, the largest first.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.parts import PartVocabulary
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
        cls,
        features: np.ndarray,
        area: np.ndarray,
        n_parts: int,
        *,
        weights: np.ndarray,
        seed: int,
        n_joint: int = 0,
    ) -> PartVocabulary:
        """Cluster regions by k-means.

        A region is weighted by the square root of its area, its diameter: neither many scraps nor
        one large background dominate the parts. Copies count as often as they come, and copying all
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
            Weights of the features after standardization.
        seed : int
            Seed of the starting points.
        n_joint : int, default=0
            So many columns, the first ones, are standardized by one number, so that they keep
            their proportions and have a variance of 1 together.

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
        deviation = joint_spread(np.sqrt(counted @ (features - offset) ** 2), n_joint)
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
        """Give every region, (n_regions, n_features), the part whose center is nearest: int32."""
        points = (features - self.offset) * self.scale
        squares = np.stack([((points - center) ** 2).sum(axis=1) for center in self.centers])
        return squares.argmin(axis=0).astype(np.int32)


# Chosen on training photos, as docs/user_guide/parts.rst tells. Deviations and gradients tell less
# about a part than its color does, and are many; where it lies tells more.
TEXTURE_WEIGHT = 0.25
POSITION_WEIGHT = 1.5
# of all columns of a descriptor together: as much as the three of color
DESCRIBED_VARIANCE = 3.0


class RegionTable(NamedTuple):
    """The regions of one image."""

    # (n_regions, n_features) float64: as from `region_features` or `described_features`
    features: np.ndarray
    area: np.ndarray  # (n_regions,) float64: pixels of every region divided by pixels of the image
    # (n_edges, 2) int64: the lower and the higher of every two regions that touch, sorted
    edges: np.ndarray
    # (n_edges,) float64: length of their common border, in the unit of the mean of height and width
    lengths: np.ndarray


def describe_regions(image: np.ndarray, regions: np.ndarray) -> RegionTable:
    """Describe the regions of one image, (height, width) int, and find which of them touch."""
    return region_table(*region_features(image, regions), regions)


def region_table(features: np.ndarray, area: np.ndarray, regions: np.ndarray) -> RegionTable:
    """Join features of regions with which of them touch."""
    edges, lengths = touching_regions(regions)
    return RegionTable(features, area, edges, lengths / np.mean(regions.shape))


def region_features(image: np.ndarray, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Describe the regions of one image.

    Returns `features` (n_regions, 2 * n_channels + 5) float64: mean of L, a, b (of a gray image L
    only); their standard deviations; strength of the gradient, and how much of it points across and
    along the diagonal; distance from the top and from the vertical middle line, as fractions of the
    image sides. Left and right are not told apart, as photos are about as often mirrored. And
    `area` (n_regions,) float64: pixels of every region divided by pixels of the image.
    """
    channels = ImageChannels(image)
    height, width = channels.shape
    flat = regions.ravel()
    counts = np.bincount(flat)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(flat, weights=values.ravel(), minlength=len(counts)) / counts

    lab = channels.lab.astype(np.float64)
    colors = [mean(lab[..., c]) for c in range(lab.shape[-1])]
    # deviations around the mean of the region: the difference of squares would lose digits
    deviations = [
        np.sqrt(mean((lab[..., c] - color[regions]) ** 2)) for c, color in enumerate(colors)
    ]
    down, across = sobel(lab[..., 0], axis=0) / 8, sobel(lab[..., 0], axis=1) / 8
    strength = np.hypot(down, across)
    # doubled angle: an edge has a direction, but no sense
    steady = np.maximum(strength, 1e-9)
    upright, slanted = (across**2 - down**2) / steady, 2 * across * down / steady
    texture = [mean(strength), mean(upright), np.abs(mean(slanted))]
    places = [mean(values) for values in _places((height, width))]
    features = np.stack([*colors, *deviations, *texture, *places], axis=1)
    return features, counts / flat.size


def described_features(
    images: Sequence[np.ndarray],
    regions: Sequence[np.ndarray],
    descriptor: Descriptor,
    device: str = "cpu",
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Describe the regions of several images by a fitted descriptor.

    Returns for every image `features` (n_regions, descriptor.n_columns_ + 2) float64: the columns
    of the descriptor, and the position as in `region_features`; and `area`, as there.
    """
    most = max(int(one.max()) + 1 for one in regions)
    channels = [ImageChannels(image) for image in images]
    pooled = descriptor.pool_images(channels, regions, most, device=device)
    found = []
    for one, sums in zip(regions, pooled, strict=True):
        counts = np.bincount(one.ravel())
        places = [np.bincount(one.ravel(), v.ravel()) / counts for v in _places(one.shape)]
        area = counts / one.size
        columns = descriptor.from_sums(sums[: len(area)], area)
        found.append((np.column_stack([columns, *places]), area))
    return found


def _places(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every pixel from the top and from the vertical middle line, of the sides."""
    height, width = shape
    rows = np.broadcast_to((np.arange(height)[:, np.newaxis] + 0.5) / height, shape)
    sides = np.broadcast_to(np.abs((np.arange(width) + 0.5) / width - 0.5), shape)
    return rows, sides


def feature_weights(n_channels: int, position_weight: float, n_described: int = 0) -> np.ndarray:
    """Weights of features after standardization.

    Of the columns of `region_features`, or of the `n_described` columns of a descriptor, which are
    standardized together.
    """
    if n_described:
        texture: list[float] = []
        looks = [np.sqrt(DESCRIBED_VARIANCE)] * n_described
    else:
        texture = [TEXTURE_WEIGHT] * (n_channels + 3)
        looks = [1.0] * n_channels
    position = [POSITION_WEIGHT * position_weight] * 2
    return np.array(looks + texture + position)


def joint_spread(spread: np.ndarray, n_joint: int) -> np.ndarray:
    """Standard deviations, of which the first so many are replaced by that of all of them."""
    joint = np.full(n_joint, np.sqrt((spread[:n_joint] ** 2).sum()))
    return np.concatenate([joint, spread[n_joint:]])


def touching_regions(regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find which regions touch, along rows and columns.

    Returns `edges` (n_edges, 2) int64, the lower and the higher of every two regions that touch,
    sorted; and `lengths` (n_edges,) int64, pairs of neighboring pixels along their border.
    """
    first = np.concatenate([regions[:, :-1].ravel(), regions[:-1].ravel()]).astype(np.int64)
    second = np.concatenate([regions[:, 1:].ravel(), regions[1:].ravel()]).astype(np.int64)
    border = (first != second) & (first >= 0) & (second >= 0)
    low = np.minimum(first[border], second[border])
    high = np.maximum(first[border], second[border])
    n_regions = int(regions.max()) + 1
    keys, lengths = np.unique(low * n_regions + high, return_counts=True)
    return np.stack([keys // n_regions, keys % n_regions], axis=1), lengths
