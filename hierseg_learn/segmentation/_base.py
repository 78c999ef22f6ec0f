"""Base class of the segmenters: an image in, the part id of every pixel out."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator, refuse_label_maps
from ..images import ImageBatch
from ..images.labels import OPEN_ID, IdRule, check_unlabeled, to_label_map
from ..kernels.arrays import row_blocks
from ..parts import PartLookup
from ..tree import SegmentTree
from ..utils import warn_user
from ..utils.progress import ProgressBar


class Segmenter(ImageEstimator, metaclass=ABCMeta):
    """Base class: cut images into parts that mean the same in every image.

    A new segmenter overrides ``_fit``, which gets the checked images and returns the tree of the
    parts, and ``_segment``, which gets one checked image and returns its label map. An image may
    have no part at all. One that is faster with several images at once overrides
    ``_segment_many`` and ``_images_at_once`` instead.

    Attributes
    ----------
    tree_ : SegmentTree
        The tree of the parts; its leaf values are part ids, or tuples of them.
    uses_masks : bool
        Whether label maps have to be given together with the images.
    unlabeled_ : tuple of int or None
        Ids of the given label maps that are no part, besides -1; None if not given, or where it
        takes no label maps.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import Segmenter
    >>> from hierseg_learn.tree import SegmentTree
    >>> class Brightness(Segmenter):
    ...     def _fit(self, batch):
    ...         return SegmentTree.from_nested({"image": {"dark": 0, "bright": 1}})
    ...     def _segment(self, image, mask):
    ...         return (image.reshape(*image.shape[:2], -1).mean(axis=-1) > 0.5).astype(np.int32)
    >>> Brightness().fit(np.zeros((1, 1, 3))).segment(np.array([[0.0, 1.0, 0.7]]))
    array([[0, 1, 1]], dtype=int32)
    """

    _parameter_constraints: dict = {}

    uses_masks: bool = False
    _images_at_once: int = 1
    # ids that the tree of a transformer names
    _outer_parts: tuple[int, ...] = ()
    _parts: tuple[int, ...] = ()

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, segments: Any = None) -> Self:
        """Learn the parts and their tree.

        Parameters
        ----------
        X : array, list of images, list of paths, 2-D table or SegmentedImages
            The training images; a 2-D table holds images of one row each.
        y : Ignored
            Present for scikit-learn's conventions.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, unless X brings its own.

        Returns
        -------
        self : Segmenter

        Raises
        ------
        ValueError, TypeError
            If an image, a label map or a parameter is invalid; the message names the argument and
            the position of the image.
        """
        refuse_label_maps(y)
        batch = self._check_images(X, segments=segments, reset=True)
        self._parts = self._named_parts(getattr(self, "tree", None))
        if self.uses_masks:
            batch = batch.settled(check_unlabeled(self._unlabeled_masks()), self._parts)
        self.tree_ = self._fit(batch)
        self._parts = self._named_parts(self.tree_)
        self.unlabeled_ = batch.unlabeled if self.uses_masks else None
        self._dropped_in_fit = self._warn_dropped(batch)
        return self

    def segment(self, image: Any, mask: Any = None) -> np.ndarray:
        """Cut one image into parts.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), Pillow image, path or item
            An image of the kind that `fit` saw, of any size; an item of SegmentedImages brings its
            label map.
        mask : array of shape (height, width), or path, default=None
            Its label map, used only by a segmenter with `uses_masks`.

        Returns
        -------
        label_map : ndarray of shape (height, width), int32
            Part id of every pixel, -1 where it belongs to no part.
        """
        check_is_fitted(self)
        [(_, labels)] = self.segmented(self._check_image(image, mask))
        return labels

    def segment_images(self, X: Any, segments: Any = None) -> list[np.ndarray]:
        """Cut images into parts.

        Parameters
        ----------
        X : array, list of images, list of paths, 2-D table or SegmentedImages
            Images of the kind that `fit` saw. Where the segmenter has a parameter `verbose`, 1
            draws a progress bar.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, used only by a segmenter with `uses_masks`.

        Returns
        -------
        label_maps : list of ndarray of shape (height, width), int32
            Part id of every pixel, -1 where it belongs to no part.
        """
        check_is_fitted(self)
        batch = self._check_images(X, segments=segments, reset=False)
        found = []
        with ProgressBar(len(batch), "Segmenting images", getattr(self, "verbose", 0)) as bar:
            for _, labels in self.segmented(batch):
                found.append(labels)
                bar.advance()
        if not self._dropped_in_fit:
            self._warn_dropped(batch)
        return found

    def segmented(self, batch: ImageBatch) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Cut checked images, for estimators that use this one: yields image and label map of each.

        Label maps are (height, width) int32, -1 where a pixel belongs to no part.
        """
        for chunk in row_blocks(len(batch), self._images_at_once):
            places = range(chunk.start, chunk.stop)
            images = [batch.image(i) for i in places]
            masks = [
                batch.mask(i, size=image.shape[:2]) if self.uses_masks else None
                for i, image in zip(places, images)
            ]
            positions = [batch.position(i) for i in places]
            yield from zip(images, self._cut(images, masks, positions, batch.drops[chunk]))

    @abstractmethod
    def _fit(self, batch: ImageBatch) -> SegmentTree:
        """Learn from the images; return the tree of the parts."""

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        """Part id of every pixel of one image, whole numbers; -1 (255 in uint8) for no part."""
        raise NotImplementedError(f"{type(self).__name__} must override _segment.")

    def _segment_many(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> Sequence[np.ndarray]:
        """As `_segment`, for at most `_images_at_once` images."""
        return [self._segment(image, mask) for image, mask in zip(images, masks, strict=True)]

    def _cells(self) -> list[np.ndarray | None]:
        """For every layer of the tree the part ids of its cells, (n_rows, n_cols), where they lie.

        None for parts that are content. Cells are of one size and cover every image, whatever it
        shows, so that their outlines carry no information.
        """
        return [None]

    def _cut(
        self,
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray | None],
        positions: Sequence[int],
        drops: np.ndarray,
    ) -> list[np.ndarray]:
        """Checked label maps of any number of images; positions are for messages.

        `drops`, (n_images, 2), counts pixels dropped by default, and all pixels.
        """
        found: list[np.ndarray] = []
        for chunk in row_blocks(len(images), self._images_at_once):
            found += self._segment_many(images[chunk], masks[chunk])
        for labels, counts in zip(found, drops, strict=True):
            dropped = self._rule.n_dropped(np.asarray(labels))
            if dropped:
                counts[:] = max(dropped, counts[0]), np.size(labels)
        return [
            self._check_labels(labels, image.shape[:2], f"image {position} of X")
            for labels, image, position in zip(found, images, positions, strict=True)
        ]

    def _check_labels(self, labels: Any, size: tuple[int, int], where: str) -> np.ndarray:
        """Check what `_segment` returned, and make it a label map."""
        labels = np.asarray(labels)
        if labels.shape != size:
            raise ValueError(
                f"{type(self).__name__} returned labels of shape {labels.shape} for {where}; "
                f"expected {size}, one per pixel."
            )
        if labels.dtype.kind not in "buif":
            raise TypeError(
                f"{type(self).__name__} returned labels of dtype {labels.dtype} for {where}; "
                "expected part ids."
            )
        what = f"The label map that {type(self).__name__} returned for {where}"
        # an image may show nothing of what a segmenter looks for
        return to_label_map(labels, self._rule, what, may_be_empty=True)

    @property
    def _rule(self) -> IdRule:
        """Which ids are no part in what `_segment` returns."""
        return IdRule(None, self._parts)

    def _named_parts(self, tree: Any) -> tuple[int, ...]:
        """Ids that are parts by a tree: the parameter before `fit`, if any, and that of `fit`."""
        own = () if tree is None else PartLookup(read_tree(tree)).part_ids.tolist()
        return tuple(sorted({*self._outer_parts, *own}))

    def _settled(self, batch: ImageBatch) -> ImageBatch:
        return batch.settled(self.unlabeled_, self._parts) if self.uses_masks else batch

    def _warn_dropped(self, batch: ImageBatch) -> bool:
        """Warn of pixels of no part by default; return whether there are."""
        share = 0.0 if OPEN_ID in self._parts else batch.dropped_share
        if share:
            warn_of_dropped(share)
        return share > 0


def smallest_size(batch: ImageBatch) -> tuple[int, int]:
    """Smallest height and smallest width of the images of a batch, in pixels."""
    sizes = np.array([batch.image_size(i) for i in range(len(batch))])
    return int(sizes[:, 0].min()), int(sizes[:, 1].min())


def flat_tree(part_ids: Sequence[int]) -> SegmentTree:
    """Tree of one level: a leaf ``part_<id>`` for every part id, below ``image``."""
    return SegmentTree.from_nested({"image": {f"part_{k}": int(k) for k in part_ids}})


def read_tree(tree: Any) -> SegmentTree:
    """Take a SegmentTree as it is and build one from a nested dict."""
    return tree if isinstance(tree, SegmentTree) else SegmentTree.from_nested(tree)


def warn_of_dropped(share: float) -> None:
    """Warn of the share of the pixels of no part by default."""
    warn_user(
        f"{OPEN_ID} in uint8 label maps is no part unless you say otherwise, and "
        f"{100 * share:.2g}% of the pixels have it; pass unlabeled={OPEN_ID} if that is right, and "
        f"unlabeled=[], or a tree= that names {OPEN_ID}, if it is a part."
    )
