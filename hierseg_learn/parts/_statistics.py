"""Statistics of parts in the training images: looks, borders, occurrence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .vocabulary import RegionTable, describe_regions, joint_spread


@dataclass(frozen=True, eq=False)
class PartStatistics:
    """Statistics of the parts, summed up over the training images.

    Parameters
    ----------
    n_images : int
        Number of images.
    area : ndarray of shape (n_parts,), float64
        Sum over the images of the share of their pixels.
    features : ndarray of shape (n_parts, n_features), float64
        Mean features of the regions of a part, weighted by their area; 0 for a part that does not
        occur.
    spread : ndarray of shape (n_features,), float64
        Standard deviation of every feature over all regions, weighted likewise; columns of a
        descriptor have one together.
    borders : ndarray of shape (n_parts, n_parts), float64
        Sum over the images of the length of the common border, in units of the image sides;
        symmetric, 0 on the diagonal.
    together : ndarray of shape (n_parts, n_parts), int64
        Number of images that have both parts; on the diagonal, that have the part.
    n_described : int, default=0
        How many of the features, the first ones, are columns of a descriptor; 0 for color, texture
        and position.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.parts import PartStatistics
    >>> image = np.repeat([[0.1] * 6, [0.9] * 6], 3, axis=0).astype(np.float32)
    >>> label_maps = [np.repeat([0, 1], 18).reshape(6, 6), np.zeros((6, 6), dtype=int)]
    >>> found = PartStatistics.from_label_maps([image, image], label_maps, n_parts=2)
    >>> found.area, found.borders[0, 1]
    (array([1.5, 0.5]), np.float64(1.0))
    >>> found.together
    array([[2, 1],
           [1, 1]])
    """

    n_images: int
    area: np.ndarray
    features: np.ndarray
    spread: np.ndarray
    borders: np.ndarray
    together: np.ndarray
    n_described: int = 0

    @classmethod
    def from_label_maps(
        cls, images: Iterable[np.ndarray], label_maps: Iterable[np.ndarray], n_parts: int
    ) -> PartStatistics:
        """Measure parts in images and their label maps, read one at a time.

        Images are (height, width) or (height, width, 3) float32 in [0, 1]; label maps hold the part
        of every pixel in ``[0, n_parts)``, or -1 for none. Raises ValueError for any other part.
        """

        def tables() -> Iterator[tuple[RegionTable, np.ndarray]]:
            for image, labels in zip(images, label_maps, strict=True):
                parts, regions = np.unique(labels, return_inverse=True)
                if parts[-1] >= n_parts:
                    raise ValueError(
                        f"label_maps holds the part {parts[-1]}, expected parts below "
                        f"n_parts={n_parts}."
                    )
                yield describe_regions(image, regions.reshape(labels.shape)), parts

        return cls.from_regions(tables(), n_parts)

    @classmethod
    def from_regions(
        cls,
        tables: Iterable[tuple[RegionTable, np.ndarray]],
        n_parts: int,
        n_described: int = 0,
    ) -> PartStatistics:
        """Sum up described regions and their parts: the same bits for any order of the images.

        For every image a RegionTable, and the part of every region, (n_regions,), -1 for none.
        The first `n_described` features are columns of a descriptor.
        """
        rows, borders = [], [np.empty((0, 2))]
        n_images, together = 0, np.zeros((n_parts, n_parts), dtype=np.int64)
        for table, parts in tables:
            n_images += 1
            known = parts >= 0
            present = np.unique(parts[known])
            together[np.ix_(present, present)] += 1
            rows.append(np.column_stack([parts, table.area, table.features])[known])
            ends = parts[table.edges]
            across = (ends >= 0).all(axis=1) & (ends[:, 0] != ends[:, 1])
            keys = ends[across].min(axis=1) * n_parts + ends[across].max(axis=1)
            borders.append(np.column_stack([keys, table.lengths[across]]))
        # sorted, so that sums do not depend on the order of the images
        regions, pairs = _sorted_rows(rows), _sorted_rows(borders)
        parts, weights, features = regions[:, 0].astype(np.intp), regions[:, 1], regions[:, 2:]
        total = np.bincount(parts, weights=weights, minlength=n_parts)
        sums = np.stack(
            [np.bincount(parts, weights * column, minlength=n_parts) for column in features.T],
            axis=1,
        )
        all_area = max(float(weights.sum()), np.finfo(float).tiny)
        center = sums.sum(axis=0) / all_area
        upper = np.bincount(pairs[:, 0].astype(np.intp), pairs[:, 1], minlength=n_parts**2)
        upper = upper.reshape(n_parts, n_parts)
        spread = np.sqrt(weights @ (features - center) ** 2 / all_area)
        return cls(
            n_images=n_images,
            area=total,
            features=sums / np.where(total > 0, total, 1.0)[:, np.newaxis],
            spread=joint_spread(spread, n_described),
            borders=upper + upper.T,
            together=together,
            n_described=n_described,
        )

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return len(self.area)

    @property
    def adjacency(self) -> np.ndarray:
        """How much more than by chance two parts touch: ndarray of shape (n_parts, n_parts).

        Length of the common border over what it would be if the borders of all parts were mixed at
        random, ``r = borders[a, b] * borders.sum() / (borders[a].sum() * borders[b].sum())``, as
        ``r / (1 + r)``: 1/2 at chance, 0 for parts that never touch.
        """
        own = self.borders.sum(axis=1)
        return _beyond_chance(self.borders, np.outer(own, own), float(own.sum()))

    @property
    def cooccurrence(self) -> np.ndarray:
        """How much more often than by chance two parts are in one image: (n_parts, n_parts).

        Images with both over what they would be if parts came independently,
        ``r = n_images * together[a, b] / (together[a, a] * together[b, b])``, as ``r / (1 + r)``:
        1/2 at chance, such as for a part that is in every image, 0 for parts that never meet.
        """
        own = np.diag(self.together)
        return _beyond_chance(self.together, np.outer(own, own), float(self.n_images))


def _sorted_rows(rows: list[np.ndarray]) -> np.ndarray:
    joined = np.concatenate(rows)
    return joined[np.lexsort(joined.T[::-1])]


def _beyond_chance(found: np.ndarray, products: np.ndarray, total: float) -> np.ndarray:
    """Found over expected, r, as r / (1 + r); 0 where nothing is expected."""
    scaled = found * total
    return np.divide(scaled, scaled + products, out=np.zeros(found.shape), where=products > 0)
