"""A vocabulary of parts, learned from the regions of many images."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from operator import itemgetter
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions

from ..base import clone_with_seed
from ..descriptors import Descriptor
from ..images import ImageBatch, content_key
from ..parts import PartAgglomeration, PartStatistics, PartVocabulary
from ..parts.vocabulary import (
    RegionTable,
    described_features,
    feature_weights,
    region_features,
    region_table,
)
from ..tree import SegmentTree
from ..utils.progress import ProgressBar
from ._base import Segmenter
from ._cutters import Cutter, Slic, number_regions

CHUNK_IMAGES = 16
# of all images together: bounds memory
MAX_REGIONS = 200_000
# of the columns of a descriptor over all regions
MAX_VALUES = 8_000_000


class VocabularySegmenter(Segmenter):
    """Cut images into regions, and give regions that look alike the same part id everywhere.

    In ``fit``, color, texture and position of the regions of many images, or what a descriptor says
    of them, are clustered by k-means into a vocabulary of parts, and similar parts are joined step
    by step into a tree. An image is segmented by giving each of its regions the nearest part; a
    part may be missing in an image.

    With a :class:`~hierseg_learn.descriptors.DeepDescriptor`, parts are clusters of the features of
    a trained network, which mean more than colors do (a relative of [1]_); their borders are those
    of the regions, and so finer than the cells of the network.

    The result does not depend on the order of the training images, nor on `n_jobs`.

    Parameters
    ----------
    cutter : Cutter, default=None
        Cuts one image into regions: :class:`Slic`, :class:`Felzenszwalb`, :class:`Quickshift`,
        :class:`Watershed`, :class:`RegionMerging`, :class:`Higra` or one of your own. None stands
        for ``Slic()``.
    descriptor : Descriptor, default=None
        What regions are clustered by, in place of color and texture, such as a DeepDescriptor with
        ``mask=None``. Its columns are clustered as they are: they keep their proportions, and
        weigh together as much as color.
    n_parts : int, default=12
        Size of the vocabulary; fewer if the images have fewer different regions.
    position_weight : float, default=1.0
        Weight of the position of a region (height in the image and distance from the vertical
        middle line) against its color, or against the descriptor. Larger where things have their
        places, as in portraits; 0 where they may be anywhere.
    max_images : int or None, default=500
        Learn the vocabulary from at most so many images, chosen by `random_state` and their
        content; None takes all. Fewer are used where they have more than 200,000 regions, or, with
        a descriptor, more than 8 million numbers.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the network of a descriptor runs.
    n_jobs : int or None, default=None
        Number of processes that cut images in ``fit``, as in joblib.
    verbose : int, default=0
        1 draws a progress bar in ``fit``.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of images, of the descriptor and of k-means.

    Attributes
    ----------
    tree_ : SegmentTree
        Leaves ``part_0``, ``part_1``, ..., the largest first; inner nodes ``merge_0``, ...; root
        ``image``.
    cutter_ : Cutter
        The cutter, a copy.
    descriptor_ : Descriptor or None
        The descriptor, a fitted copy.
    vocabulary_ : PartVocabulary
        The parts.
    statistics_ : PartStatistics
        How they look, touch and occur together in the training images.
    n_parts_ : int
        Number of parts.

    Notes
    -----
    A training image is cut in ``fit``, and again where it is segmented: keeping the regions of all
    images would take as much memory as the images. Beyond `max_images`, and with a descriptor, one
    more pass over the images ranks them by content.

    References
    ----------
    .. [1] E. Collins, R. Achanta, S. Süsstrunk. "Deep Feature Factorization for Concept
       Discovery". ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import Slic, VocabularySegmenter
    >>> image = np.repeat([[0.1] * 16, [0.9] * 16], 8, axis=0)
    >>> segmenter = VocabularySegmenter(Slic(n_segments=16), n_parts=2, random_state=0)
    >>> labels = segmenter.fit([image]).segment(image)
    >>> print(segmenter.tree_.export_text())
    image
    ├── part_0
    └── part_1
    >>> labels.shape, bool((labels[:6] == labels[0, 0]).all() and labels[0, 0] != labels[15, 0])
    ((16, 16), True)
    """

    _parameter_constraints: dict = {
        "cutter": [Cutter, None],
        "descriptor": [Descriptor, None],
        "n_parts": [Interval(Integral, 1, None, closed="left")],
        "position_weight": [Interval(Real, 0, None, closed="left")],
        "max_images": [Interval(Integral, 1, None, closed="left"), None],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        cutter: Cutter | None = None,
        *,
        descriptor: Descriptor | None = None,
        n_parts: int = 12,
        position_weight: float = 1.0,
        max_images: int | None = 500,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.cutter = cutter
        self.descriptor = descriptor
        self.n_parts = n_parts
        self.position_weight = position_weight
        self.max_images = max_images
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def regions(self, image: Any) -> np.ndarray:
        """Cut one image into the regions that get part ids, scaled as in `fit`.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), Pillow image or path
            An image of the kind that `fit` saw. Before `fit`, see :meth:`Cutter.regions`.

        Returns
        -------
        regions : ndarray of shape (height, width), int32
            Region of every pixel, numbered without gaps.
        """
        return self._regions(self._check_image(image).image(0))

    def _regions(self, image: np.ndarray) -> np.ndarray:
        return number_regions(self.cutter_._cut(image))

    @property
    def _images_at_once(self) -> int:  # type: ignore[override]
        descriptor = getattr(self, "descriptor_", self.descriptor)
        return 1 if descriptor is None else descriptor._images_at_once

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        self.cutter_ = Slic() if self.cutter is None else clone(self.cutter)
        self.cutter_._validate_params()
        rng = check_random_state(self.random_state)
        seeds = rng.randint(np.iinfo(np.int32).max, size=2)
        has_many = self.max_images is not None and len(batch) > self.max_images
        self.descriptor_ = None
        if has_many or self.descriptor is not None:
            ranked = _rank_by_content(batch, int(seeds[0]))[: self.max_images]
            if self.descriptor is not None:
                # what it learns may depend on the order of images, and theirs does not
                descriptor = clone_with_seed(self.descriptor, rng)
                self.descriptor_ = descriptor.fit(batch.subset(ranked))
            if has_many:
                batch = batch.subset(np.sort(ranked))
        n_described = 0 if self.descriptor_ is None else self.descriptor_.n_columns_
        tables = self._describe_all(batch, int(seeds[0]))
        self.vocabulary_ = PartVocabulary.learn(
            np.concatenate([table.features for table in tables]),
            np.concatenate([table.area for table in tables]),
            self.n_parts,
            weights=feature_weights(batch.n_channels, self.position_weight, n_described),
            seed=int(seeds[1]),
            n_joint=n_described,
        )
        self.n_parts_ = self.vocabulary_.n_parts
        parts = (self.vocabulary_.assign(table.features) for table in tables)
        self.statistics_ = PartStatistics.from_regions(
            zip(tables, parts), self.n_parts_, n_described
        )
        return PartAgglomeration().build(self.statistics_)

    def _segment_many(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> list[np.ndarray]:
        regions = [self._regions(image) for image in images]
        described = self._features(images, regions)
        return [
            self.vocabulary_.assign(features)[one]
            for (features, _), one in zip(described, regions, strict=True)
        ]

    def _features(
        self, images: Sequence[np.ndarray], regions: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """For every image the features and areas of its regions."""
        if self.descriptor_ is None:
            return [region_features(image, one) for image, one in zip(images, regions)]
        return described_features(images, regions, self.descriptor_, self.device)

    def _describe_all(self, batch: ImageBatch, seed: int) -> list[RegionTable]:
        """The regions of every image, or of some that do not depend on their order."""
        subsets = (batch.subset(chunk) for chunk in gen_batches(len(batch), CHUNK_IMAGES))
        if effective_n_jobs(self.n_jobs) == 1:
            results = (self._describe(subset, seed) for subset in subsets)
        else:
            results = Parallel(n_jobs=self.n_jobs, return_as="generator")(
                delayed(self._describe)(subset, seed) for subset in subsets
            )
        limit: str | None = None
        found, n_regions, most = [], 0, MAX_REGIONS
        if self.descriptor_ is not None:
            most = min(most, MAX_VALUES // self.descriptor_.n_columns_)
        with ProgressBar(len(batch), "Finding parts", self.verbose) as bar:
            for tables in results:
                bar.advance(len(tables))
                kept = [entry for entry in tables if limit is None or entry[0] < limit]
                found += kept
                n_regions += _count_regions(kept)
                if n_regions > most:
                    found, limit = _bounded(found, most)
                    n_regions = _count_regions(found)
        return [table for _, table in found]

    def _describe(self, batch: ImageBatch, seed: int) -> list[tuple[str, RegionTable]]:
        found = []
        for chunk in gen_batches(len(batch), self._images_at_once):
            images = [batch.image(i) for i in range(chunk.start, chunk.stop)]
            regions = [self._regions(image) for image in images]
            described = zip(images, regions, self._features(images, regions), strict=True)
            found += [
                (content_key(image, seed), region_table(*features, one))
                for image, one, features in described
            ]
        return found


def _rank_by_content(batch: ImageBatch, seed: int) -> np.ndarray:
    """Positions of different images, at random, in an order that does not depend on theirs."""
    return np.unique(batch.content_keys(seed), return_index=True)[1]


def _count_regions(found: list[tuple[str, RegionTable]]) -> int:
    return sum(len(table.area) for _, table in found)


def _bounded(
    found: list[tuple[str, RegionTable]], most: int
) -> tuple[list[tuple[str, RegionTable]], str | None]:
    """Keep the images of the first ranks up to so many regions, one rank at least.

    Also returns the first rank that is left out, None if none is.
    """
    n_regions, ranked = 0, sorted(found, key=itemgetter(0))
    for key, table in ranked:
        n_regions += len(table.area)
        if n_regions > most and key > ranked[0][0]:
            return [entry for entry in found if entry[0] < key], key
    return found, None
