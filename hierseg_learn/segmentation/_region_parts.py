"""Base of the segmenters that learn their parts from regions of the images."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from numbers import Integral, Real

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval

from ..images import ImageBatch
from ..tree import SegmentTree
from ._base import Segmenter
from ._part_agglomeration import PartAgglomeration
from ._part_statistics import PartStatistics
from ._region_features import RegionTable, describe_regions, feature_weights, region_features
from ._vocabulary import PartVocabulary

CHUNK_IMAGES = 16


class RegionSegmenter(Segmenter):
    """Base: regions of many images make a vocabulary of parts, and every region is one of them.

    A subclass overrides ``_regions`` and has the parameters `n_parts`, `position_weight`,
    `max_images`, `n_jobs` and `random_state`.

    Attributes
    ----------
    tree_ : SegmentTree
        Leaves ``part_0``, ``part_1``, ..., the largest first; inner nodes ``merge_0``, ...; root
        ``image``.
    vocabulary_ : PartVocabulary
        The parts.
    statistics_ : PartStatistics
        How they look, touch and occur together in the training images.
    n_parts_ : int
        Number of parts.
    """

    _parameter_constraints: dict = {
        "n_parts": [Interval(Integral, 1, None, closed="left")],
        "position_weight": [Interval(Real, 0, None, closed="left")],
        "max_images": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    @abstractmethod
    def _regions(self, image: np.ndarray) -> np.ndarray:
        """Cut one image into regions, numbered without a gap."""

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        seeds = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=2)
        if self.max_images is not None and len(batch) > self.max_images:
            batch = batch.subset(_choose_by_content(batch, self.max_images, int(seeds[0])))
        tables = self._describe_all(batch)
        self.vocabulary_ = PartVocabulary.learn(
            np.concatenate([table.features for table in tables]),
            np.concatenate([table.area for table in tables]),
            self.n_parts,
            weights=feature_weights(batch.n_channels, self.position_weight),
            seed=int(seeds[1]),
        )
        self.n_parts_ = self.vocabulary_.n_parts
        parts = (self.vocabulary_.assign(table.features) for table in tables)
        self.statistics_ = PartStatistics.from_regions(zip(tables, parts), self.n_parts_)
        return PartAgglomeration().build(self.statistics_)

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        regions = self._regions(image)
        features, _ = region_features(image, regions)
        return self.vocabulary_.assign(features)[regions]

    def _describe_all(self, batch: ImageBatch) -> list[RegionTable]:
        """The regions of every image."""
        chunks = gen_batches(len(batch), CHUNK_IMAGES)
        if effective_n_jobs(self.n_jobs) == 1:
            found = [self._describe(batch.subset(chunk)) for chunk in chunks]
        else:
            found = Parallel(n_jobs=self.n_jobs)(
                delayed(self._describe)(batch.subset(chunk)) for chunk in chunks
            )
        return [table for tables in found for table in tables]

    def _describe(self, batch: ImageBatch) -> list[RegionTable]:
        images = (batch.image(i) for i in range(len(batch)))
        return [describe_regions(image, self._regions(image)) for image in images]


def _choose_by_content(batch: ImageBatch, n_images: int, seed: int) -> np.ndarray:
    """Positions of a random choice of different images that does not depend on their order."""
    salt = seed.to_bytes(8, "little")
    keys = [
        hashlib.blake2b(batch.image(i).tobytes(), digest_size=8, salt=salt).hexdigest()
        for i in range(len(batch))
    ]
    _, first = np.unique(keys, return_index=True)
    return np.sort(first[:n_images])
