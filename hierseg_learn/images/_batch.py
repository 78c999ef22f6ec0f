"""Checked images, decoded one at a time."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ._pixels import PixelEncoding, check_image_shape
from ._storage import ImageFiles, RaggedArrays, digest_of, resolve_key
from .labels import IdRule, check_same_size, to_label_map

if TYPE_CHECKING:
    import pandas as pd


class ImageBatch:
    """Checked images, and their label maps if there are any, decoded one at a time.

    What segmenters and descriptors get in ``_fit``. Errors about a file name the position of the
    image in the input, also from a subset.

    Parameters
    ----------
    images : RaggedArrays or ImageFiles
        The images, in memory or on disk.
    masks : RaggedArrays, ImageFiles or None
        Their label maps.
    encoding : PixelEncoding
        How pixel values become float32.
    rule : IdRule, default=None
        Which ids belong to no part; None if not given.
    names : tuple of str, default=("X", "segments")
        Argument names of images and masks, for error messages.
    index : pandas.Index, default=None
        Row labels of the input, where it had any.
    positions : ndarray of int, default=None
        Positions of the images in the input; None for all of them in order.
    drops : ndarray of int, shape (n_images, 2), default=None
        Pixels of every image that were dropped by default, and all pixels read; filled in place as
        label maps are read.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import check_images
    >>> batch = check_images(np.full((2, 1, 3), 51, dtype=np.uint8))
    >>> batch.n_images, batch.n_channels, batch.has_masks
    (2, 1, False)
    >>> batch.image(0)
    array([[0.2, 0.2, 0.2]], dtype=float32)
    """

    def __init__(
        self,
        images: RaggedArrays | ImageFiles,
        masks: RaggedArrays | ImageFiles | None,
        *,
        encoding: PixelEncoding,
        rule: IdRule | None = None,
        names: tuple[str, str] = ("X", "segments"),
        index: pd.Index | None = None,
        positions: np.ndarray | None = None,
        drops: np.ndarray | None = None,
    ) -> None:
        self._images = images
        self._masks = masks
        self.encoding = encoding
        self._rule = IdRule() if rule is None else rule
        self._names = names
        self.index = index
        self._positions = np.arange(len(images)) if positions is None else positions
        self.drops = np.zeros((len(images), 2), dtype=np.int64) if drops is None else drops

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self._images)

    @property
    def n_channels(self) -> int:
        """1 for gray, 3 for color."""
        return self.encoding.n_channels

    @property
    def has_masks(self) -> bool:
        """Whether there are label maps."""
        return self._masks is not None

    @property
    def unlabeled(self) -> tuple[int, ...] | None:
        """Ids of no part, besides -1; None if not given."""
        return self._rule.unlabeled

    @property
    def dropped_share(self) -> float:
        """Share of the pixels read so far that are of no part by default."""
        dropped, seen = self.drops.sum(axis=0).tolist()
        return dropped / seen if seen else 0.0

    def __len__(self) -> int:
        return self.n_images

    def __repr__(self) -> str:
        return (
            f"ImageBatch(n_images={self.n_images}, n_channels={self.n_channels}, "
            f"has_masks={self.has_masks})"
        )

    def position(self, i: int) -> int:
        """Position of image `i` in the input, which a subset remembers."""
        return int(self._positions[i])

    def image(self, i: int) -> np.ndarray:
        """Decode image `i`: a new array, (h, w) or (h, w, 3) float32.

        Raises ValueError if its file is unreadable, or holds another kind of image than expected.
        """
        where = self._where("Image", i)
        raw = self._read(self._images, i, where)
        check_channels(raw.shape, self.n_channels, where)
        return self.encoding.decode(raw, where)

    def image_size(self, i: int) -> tuple[int, int]:
        """Height and width of image `i` in pixels; of a file only the header is read."""
        if isinstance(self._images, RaggedArrays):
            shape = self._images.shapes[i]
        else:
            shape, _ = self._images.header(i, self._where("Image", i))
        return int(shape[0]), int(shape[1])

    def mask(
        self, i: int, *, may_be_empty: bool = False, size: tuple[int, int] | None = None
    ) -> np.ndarray | None:
        """Decode the label map of image `i`: (h, w) int32, -1 where unlabeled; None without masks.

        `size` is that of the image, if it is known.

        Raises ValueError if its file is unreadable, of another size than the image, unlabeled
        everywhere (unless it `may_be_empty`), or holds anything but part ids.
        """
        if self._masks is None:
            return None
        where = self._where("Mask", i)
        raw = self._read(self._masks, i, where)
        check_same_size(raw.shape, size or self.image_size(i), where)
        self.drops[i] = self._rule.n_dropped(raw), raw.size
        return to_label_map(raw, self._rule, where, may_be_empty=may_be_empty)

    def names(self) -> list[str] | None:
        """Paths, or names, of the images; None where they are in memory."""
        return list(self._images.paths) if isinstance(self._images, ImageFiles) else None

    def stamp(self, i: int) -> list[int]:
        """Size and time of change of the files of image `i` and its label map.

        Empty where one of them is read from no file.
        """
        stamps = [
            found.stamp(i) if isinstance(found, ImageFiles) else [] for found in self._collections()
        ]
        return [number for stamp in stamps for number in stamp] if all(stamps) else []

    def content(self, i: int) -> str:
        """Digest of what is stored of image `i` and its label map, decoded or not."""
        return " ".join(
            found.content(i) if isinstance(found, ImageFiles) else digest_of(found[i])
            for found in self._collections()
        )

    def recipes(self) -> list[Any]:
        """How the files of images, and those of label maps, are read."""
        files = [found for found in self._collections() if isinstance(found, ImageFiles)]
        return [found.recipe for found in files if found.stamp(0)]

    def _collections(self) -> list[RaggedArrays | ImageFiles]:
        return [self._images] if self._masks is None else [self._images, self._masks]

    def settled(self, unlabeled: tuple[int, ...] | None, parts: tuple[int, ...]) -> ImageBatch:
        """Read the label maps as a model with these ids of no part and these part ids does.

        Raises ValueError if the images say otherwise, or an id is to be a part and none. The result
        shares memory with this batch, and the counts of dropped pixels.
        """
        return ImageBatch(
            self._images,
            self._masks,
            encoding=self.encoding,
            rule=self._rule.settled(unlabeled, parts, self._names[0]),
            names=self._names,
            index=self.index,
            positions=self._positions,
            drops=self.drops,
        )

    def subset(self, indices: Any) -> ImageBatch:
        """Take some of the images, which share memory with this batch."""
        items = np.atleast_1d(resolve_key(indices, self.n_images))
        return ImageBatch(
            self._images[items],
            None if self._masks is None else self._masks[items],
            encoding=self.encoding,
            rule=self._rule,
            names=self._names,
            index=None if self.index is None else self.index[items],
            positions=self._positions[items],
            drops=self.drops[items],
        )

    def order_by_content(self, seed: int = 0) -> np.ndarray:
        """Positions in a random order that only the contents and a seed determine, (n,) int.

        It reads all images once.
        """
        return np.argsort(self.content_keys(seed), kind="stable")

    def content_keys(self, seed: int) -> list[str]:
        """Random rank of every image among others, by its content."""
        return [content_key(self.image(i), seed) for i in range(len(self))]

    @staticmethod
    def _read(collection: RaggedArrays | ImageFiles, i: int, where: str) -> np.ndarray:
        if isinstance(collection, ImageFiles):
            return collection.read(i, where)
        return collection[i]

    def _where(self, noun: str, i: int) -> str:
        where = f"{noun} {self.position(i)} of {self._names[noun == 'Mask']}"
        collection = self._masks if noun == "Mask" else self._images
        return collection.label(i, where) if isinstance(collection, ImageFiles) else where


def content_key(image: np.ndarray, seed: int) -> str:
    """Random rank of an image among others, by its content."""
    content = repr(image.shape).encode() + image.tobytes()
    return hashlib.blake2b(content, digest_size=8, salt=seed.to_bytes(8, "little")).hexdigest()


def check_channels(shape: tuple[int, ...], n_channels: int, where: str) -> None:
    """Check that one image is gray or color as the encoding is."""
    check_image_shape(shape, where)
    found = 1 if len(shape) == 2 else 3
    if found != n_channels:
        raise ValueError(
            f"{where} has {found} channel(s); expected {n_channels}, as the other images have."
        )
