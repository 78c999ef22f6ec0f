"""Base of the segmenters that learn their parts from regions of the images."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from numbers import Integral, Real
from operator import itemgetter
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval

from ..images import ImageBatch, check_images
from ..parts import PartAgglomeration, PartStatistics, PartVocabulary
from ..parts.vocabulary import RegionTable, describe_regions, feature_weights, region_features
from ..tree import SegmentTree
from ..utils.progress import ProgressBar
from ._base import Segmenter

CHUNK_IMAGES = 16
# of all images together: bounds memory
MAX_REGIONS = 200_000


class RegionSegmenter(Segmenter):
    """Base: regions of many images make a vocabulary of parts, and every region is one of them.

    A subclass overrides ``_regions``, and has the parameters of this class besides its own.

    Parameters
    ----------
    n_parts : int, default=12
        Size of the vocabulary; fewer if the images have fewer different regions.
    position_weight : float, default=1.0
        How much the position of a region (height in the image and distance from the vertical
        middle line) counts against its color. More where things have their places, as people who
        stand do; 0 where they may be anywhere.
    max_images : int or None, default=500
        Learn the vocabulary from at most so many images, chosen by `random_state` and their
        content; None takes all. Fewer are used where they have more than 200,000 regions.
    n_jobs : int or None, default=None
        Number of processes that cut images in ``fit``, as in joblib.
    verbose : int, default=0
        1 draws a progress bar in ``fit``.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of images and of k-means.

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
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_parts: int = 12,
        position_weight: float = 1.0,
        max_images: int | None = 500,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_parts = n_parts
        self.position_weight = position_weight
        self.max_images = max_images
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def regions(self, image: Any) -> np.ndarray:
        """Cut one image into regions, which say nothing about other images yet.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), or path
            After `fit` an image of the kind seen there; without `fit` any image, and where its
            numbers are neither floats in [0, 1] nor of a dtype with a range of its own, the range
            of this image is taken as that of the pixels.

        Returns
        -------
        regions : ndarray of shape (height, width), integer
            Region of every pixel, numbered without a gap.

        Raises
        ------
        ValueError, TypeError
            If the image or a parameter is not what it should be.
        """
        return self._regions(self._pixels(image))

    @abstractmethod
    def _regions(self, image: np.ndarray) -> np.ndarray:
        """Cut one image into regions, numbered without a gap."""

    def _pixels(self, image: Any) -> np.ndarray:
        """Check and scale one image, before `fit` by what it shows itself."""
        self._validate_params()
        if hasattr(self, "encoding_"):
            return self._check_image(image)[0]
        return check_images([image], names=("image", "mask")).image(0)

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        seeds = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=2)
        if self.max_images is not None and len(batch) > self.max_images:
            batch = batch.subset(_choose_by_content(batch, self.max_images, int(seeds[0])))
        tables = self._describe_all(batch, int(seeds[0]))
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

    def _describe_all(self, batch: ImageBatch, seed: int) -> list[RegionTable]:
        """The regions of every image, or of some that do not depend on their order."""
        subsets = (batch.subset(chunk) for chunk in gen_batches(len(batch), CHUNK_IMAGES))
        if effective_n_jobs(self.n_jobs) == 1:
            results = (self._describe(subset, seed) for subset in subsets)
        else:
            results = Parallel(n_jobs=self.n_jobs, return_as="generator")(
                delayed(self._describe)(subset, seed) for subset in subsets
            )
        found, n_regions, limit = [], 0, None
        with ProgressBar(len(batch), "Finding parts", self.verbose) as bar:
            for tables in results:
                bar.advance(len(tables))
                kept = [entry for entry in tables if limit is None or entry[0] < limit]
                found += kept
                n_regions += _count_regions(kept)
                if n_regions > MAX_REGIONS:
                    found, limit = _bounded(found)
                    n_regions = _count_regions(found)
        return [table for _, table in found]

    def _describe(self, batch: ImageBatch, seed: int) -> list[tuple[str, RegionTable]]:
        images = (batch.image(i) for i in range(len(batch)))
        return [
            (_content_key(image, seed), describe_regions(image, self._regions(image)))
            for image in images
        ]


def _choose_by_content(batch: ImageBatch, n_images: int, seed: int) -> np.ndarray:
    """Positions of a random choice of different images that does not depend on their order."""
    keys = [_content_key(batch.image(i), seed) for i in range(len(batch))]
    _, first = np.unique(keys, return_index=True)
    return np.sort(first[:n_images])


def _content_key(image: np.ndarray, seed: int) -> str:
    """Random rank of an image among others, by what it shows."""
    content = repr(image.shape).encode() + image.tobytes()
    return hashlib.blake2b(content, digest_size=8, salt=seed.to_bytes(8, "little")).hexdigest()


def _count_regions(found: list[tuple[str, RegionTable]]) -> int:
    return sum(len(table.area) for _, table in found)


def _bounded(
    found: list[tuple[str, RegionTable]],
) -> tuple[list[tuple[str, RegionTable]], str | None]:
    """Keep the images of the first ranks while their regions are few, one rank at least.

    The second thing returned is the first rank that is left out, None if none is.
    """
    n_regions, ranked = 0, sorted(found, key=itemgetter(0))
    for key, table in ranked:
        n_regions += len(table.area)
        if n_regions > MAX_REGIONS and key > ranked[0][0]:
            return [entry for entry in found if entry[0] < key], key
    return found, None


def number_regions(labels: np.ndarray) -> np.ndarray:
    """Number the regions of one image 0, 1, ... without a gap: (height, width), int32."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
