"""Images that carry their label maps with them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np

from ._notebook import MAX_SHOWN, collection_html
from ._pixels import collect_images
from ._storage import ImageFiles, RaggedArrays, SegmentedImage, resolve_key
from .labels import IdRule, check_same_size, check_unlabeled, pair_masks, to_label_map


class SegmentedImages:
    """A collection of images with their label maps, for scikit-learn's splitters and searches.

    Images and masks stay together in ``train_test_split``, ``cross_val_score`` and
    ``GridSearchCV``. What is in memory lies in one flat buffer, shared by subsets; what is
    given as paths is read when needed. An array is not copied, and items are views: who edits them
    edits the collection. What is fitted on it keeps nothing of it. Notebooks show the first images
    beside their tinted label maps.

    Parameters
    ----------
    images : array of shape (n, h, w) or (n, h, w, 3), list of arrays, list of paths
        The images. All gray or all color, all of one kind of dtype; a pandas Series of
        arrays or paths is taken, too.
    masks : array of shape (n, h, w), list of arrays, list of paths
        One label map per image, of the same height and width: the part id of every
        pixel. -1 is no part. Palette files keep their index.
    unlabeled : int or list of int, default=None
        Further ids that are no part. None stands for 255 in uint8, unless the tree of a model
        names it as a part, or it is the only id besides 0; a model that drops it warns. ``[]``
        stands for none.

    Attributes
    ----------
    images, masks : RaggedArrays or ImageFiles
        Sequences that take an integer, a slice, a boolean mask or an index array.
    unlabeled : tuple of int or None
        Further ids that are no part; None if not given.
    shape : tuple of int
        ``(n,)``.

    Raises
    ------
    ValueError, TypeError
        If there are fewer or more masks than images, a mask has another size than its
        image, a mask is unlabeled everywhere or holds anything but part ids, or an
        image has an alpha channel or no pixel. Files are checked when they are read.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import SegmentedImages
    >>> images = [np.zeros((2, 3)), np.ones((4, 4)), np.ones((1, 1))]
    >>> masks = [np.zeros((2, 3), dtype=int), np.eye(4, dtype=int), [[7]]]
    >>> X = SegmentedImages(images, [np.asarray(mask) for mask in masks])
    >>> X[1].mask.sum()
    np.int64(4)
    >>> X[[True, False, True]]
    SegmentedImages(n_images=2, images in memory, masks in memory)
    """

    def __init__(self, images: Any, masks: Any, unlabeled: Any = None) -> None:
        for name, value in (("images", images), ("masks", masks)):
            if isinstance(value, SegmentedImages):
                raise TypeError(f"{name} is SegmentedImages already; pass its .{name}.")
        self.images = collect_images(images, "images")
        self.unlabeled = check_unlabeled(unlabeled)
        self.masks = pair_masks(self.images, masks, IdRule(self.unlabeled), "masks")

    @classmethod
    def _from_parts(
        cls,
        images: RaggedArrays | ImageFiles,
        masks: RaggedArrays | ImageFiles,
        unlabeled: tuple[int, ...] | None,
    ) -> SegmentedImages:
        # Parts of a checked collection need no second check.
        collection = cls.__new__(cls)
        collection.images = images
        collection.masks = masks
        collection.unlabeled = unlabeled
        return collection

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``."""
        return (len(self.images),)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: Any) -> SegmentedImage | SegmentedImages:
        item = resolve_key(key, len(self))
        if not isinstance(item, int):
            return self._from_parts(self.images[item], self.masks[item], self.unlabeled)
        image, mask = self.images[item], self.masks[item]
        check_same_size(mask.shape, image.shape, f"Mask {item}")
        if self.unlabeled is not None:
            mask = to_label_map(mask, IdRule(self.unlabeled), f"Mask {item}")
        return SegmentedImage(image, mask)

    def __iter__(self) -> Iterator[SegmentedImage]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "SegmentedImages cannot be converted to an array; use its .images or .masks, or an "
            "estimator that takes images, such as SegmentTreeTransformer."
        )

    def __repr__(self) -> str:
        places = [
            "on disk" if isinstance(part, ImageFiles) else "in memory"
            for part in (self.images, self.masks)
        ]
        return f"SegmentedImages(n_images={len(self)}, images {places[0]}, masks {places[1]})"

    def _repr_html_(self) -> str:
        if not len(self):
            return f"<p>{escape(repr(self))}</p>"
        rule, shown = IdRule(self.unlabeled), []
        for i, (image, mask) in enumerate(self[:MAX_SHOWN]):
            labels = to_label_map(np.asarray(mask), rule, f"Mask {i}", may_be_empty=True)
            shown.append(SegmentedImage(image, labels))
        return collection_html(repr(self), shown, len(self))
