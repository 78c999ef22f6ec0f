"""Base class of the descriptors: dense maps, additive pooling, and columns that can be undone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from skimage.color import rgb2gray, rgb2lab
from sklearn.base import _fit_context
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator, refuse_label_maps
from ..images import ImageBatch
from ..kernels import Backend, get_backend


class ImageChannels:
    """An image and what several descriptors derive from it, computed on first use.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, 3)
        Floats, [0, 1] within the range seen in ``fit``; values outside are kept. Stored as float32.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ImageChannels
    >>> channels = ImageChannels(np.ones((2, 3, 3)))
    >>> channels.shape, channels.n_channels, channels.lab.shape
    ((2, 3), 3, (2, 3, 3))
    >>> np.round(channels.lab[0, 0, 0])
    np.float32(100.0)
    """

    def __init__(self, image: np.ndarray) -> None:
        dtype = np.asarray(image).dtype
        if dtype.kind != "f":
            raise TypeError(
                f"image has dtype {dtype}, expected floats with black 0 and white 1, such as "
                "skimage.util.img_as_float32 makes them."
            )
        self.image = np.ascontiguousarray(image, dtype=np.float32)
        if self.image.ndim != 2 and (self.image.ndim != 3 or self.image.shape[2] != 3):
            raise ValueError(
                f"image must have shape (height, width) or (height, width, 3), "
                f"got {self.image.shape}."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[:2]

    @property
    def n_pixels(self) -> int:
        """Height times width."""
        return self.image.shape[0] * self.image.shape[1]

    @property
    def n_channels(self) -> int:
        """1 for a gray image, 3 for a color image."""
        return 1 if self.image.ndim == 2 else 3

    @cached_property
    def gray(self) -> np.ndarray:
        """Luma, (height, width) float32; a gray image is its own."""
        return self.image if self.n_channels == 1 else rgb2gray(self.image)

    @cached_property
    def lab(self) -> np.ndarray:
        """CIELAB, (height, width, 3) float32; of a gray image L only, (height, width, 1)."""
        if self.n_channels == 3:
            return rgb2lab(self.image)
        return rgb2lab(np.stack([self.image] * 3, axis=-1))[..., :1]

    def planes_on(self, backend: Backend) -> tuple[Any, Any]:
        """The channels one after another, (n_channels, height, width) float32, on a device.

        Also in levels of 8 bits, uint8; (n_channels, 0, 0) if any value is none.
        """
        if backend.name not in self._planes:
            planes = backend.split_planes(backend.asarray(self.image))
            self._planes[backend.name] = planes, backend.whole_levels(planes)
        return self._planes[backend.name]

    @cached_property
    def _planes(self) -> dict[str, tuple[Any, Any]]:
        return {}


# values in one block of dense maps (1 MB in float64): bounds memory and stays close to the caches
BLOCK_VALUES = 2**17


class Descriptor(ImageEstimator):
    """Base class: what the pixels of a region look like, in sums that add up over regions.

    A descriptor turns an image into dense maps, `n_sums_` numbers per pixel. Pooling adds the maps
    up over the pixels of every region, so the sums of a union of regions are the sums of its parts,
    and a whole tree needs one pass over the pixels. :meth:`from_sums` turns sums into readable
    columns (means, deviations, histograms) and :meth:`to_sums` turns them back.

    A new family overrides ``_columns`` (names), ``_block`` (the maps of some rows), and where
    columns are not plain means ``_from_means`` and ``_to_means``; one that learns overrides
    ``_fit`` too. One that describes where a region lies, and not what its pixels look like, sets
    `uses_erosion` to False.

    Attributes
    ----------
    uses_erosion : bool
        Whether pixels near other regions may be left out, as the `erosion` of
        :class:`~hierseg_learn.SegmentTreeTransformer` says.
    n_channels_ : int
        1 if fitted on gray images, 3 on color images.
    n_columns_, n_sums_ : int
        Number of columns that describe a region, and of the additive sums behind them.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import Descriptor, ImageChannels
    >>> class Brightness(Descriptor):
    ...     def __init__(self, prefix="bright"):
    ...         self.prefix = prefix
    ...     def _columns(self):
    ...         return ["mean"]
    ...     def _block(self, prepared, rows):
    ...         return prepared.gray[rows, :, None]
    >>> image = np.array([[0.0, 0.5], [0.5, 1.0]])
    >>> brightness = Brightness().fit([image])
    >>> sums = brightness.pool(ImageChannels(image), np.array([[0, 0], [0, 1]]), n_regions=2)
    >>> brightness.get_feature_names_out()
    array(['bright_mean'], dtype=object)
    >>> brightness.from_sums(sums, area=[0.75, 0.25])
    array([[0.333...],
           [1.        ]])
    """

    _parameter_constraints: dict = {"prefix": [str]}

    uses_erosion: bool = True
    _images_at_once: int = 1
    # whether it may see so much around a region that this is measured in fit
    _measures_leakage: bool = False

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Descriptor:
        """Learn from images what the descriptor needs to know of them.

        Parameters
        ----------
        X : array, list of images, list of paths, 2-D table or SegmentedImages
            The training images; a 2-D table holds images of one row each.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        self : Descriptor

        Raises
        ------
        ValueError
            If an image or a parameter is invalid; the message names it.
        """
        refuse_label_maps(y)
        batch = self._check_images(X, reset=True)
        if not self.prefix or set(self.prefix) & set("/|"):
            raise ValueError(
                f"prefix must be a name without '/' and '|', which separate nodes and columns, "
                f"got {self.prefix!r}."
            )
        self.n_channels_ = batch.n_channels
        self._fit(batch)
        self.n_columns_ = len(self._columns())
        self.n_sums_ = self._count_sums()
        return self

    def maps(self, image: Any) -> np.ndarray:
        """Return the dense maps of one image.

        Parameters
        ----------
        image : array-like of shape (height, width) or (height, width, 3)
            An image of the kind that `fit` saw.

        Returns
        -------
        maps : ndarray of shape (height, width, `n_sums_`), float32
            Their sum over a region, divided by the pixels of the image, is what `pool` returns.
        """
        check_is_fitted(self)
        channels = ImageChannels(self._check_image(image).image(0))
        maps = np.empty((*channels.shape, self.n_sums_), dtype=np.float32)
        prepared = self._prepare(channels)
        for rows in self._row_blocks(channels.shape):
            maps[rows] = self._block(prepared, rows)
        return maps

    def pool(
        self,
        channels: ImageChannels,
        regions: np.ndarray,
        n_regions: int,
        *,
        device: str = "cpu",
    ) -> np.ndarray:
        """Add up the dense maps over regions, a block of rows at a time.

        Parameters
        ----------
        channels : ImageChannels
            The image.
        regions : ndarray of shape (height, width), integer
            Region of every pixel, in ``[0, n_regions)``; -1 leaves the pixel out.
        n_regions : int
            Number of regions.
        device : {"auto", "cpu", "cuda"}, default="cpu"
            Where kernels run, for descriptors that have some.

        Returns
        -------
        sums : ndarray of shape (n_regions, `n_sums_`), float64
            Sums divided by the number of pixels of the *image*, so that images of any size compare;
            zeros for a region without a pixel.

        Raises
        ------
        ValueError
            If `regions` has another shape than the image, or the image other channels than in
            `fit`.
        """
        return self.pool_images([channels], [regions], n_regions, device=device)[0]

    def pool_images(
        self,
        channels: Sequence[ImageChannels],
        regions: Sequence[np.ndarray],
        n_regions: int,
        *,
        device: str = "cpu",
    ) -> list[np.ndarray]:
        """Sum the maps of several images over regions, as `pool` does.

        Parameters
        ----------
        channels : sequence of ImageChannels
            The images. A descriptor that is faster with several at once is given a few at a time.
        regions : sequence of ndarray of shape (height, width), integer
            For every image the region of every pixel.
        n_regions, device
            As in `pool`.

        Returns
        -------
        sums : list of ndarray of shape (n_regions, `n_sums_`), float64
        """
        check_is_fitted(self)
        regions = [np.asarray(one) for one in regions]
        for image, one in zip(channels, regions, strict=True):
            if one.shape != image.shape:
                raise ValueError(
                    f"regions must have the shape of the image, {image.shape}, got {one.shape}."
                )
            if image.n_channels != self.n_channels_:
                raise ValueError(
                    f"{type(self).__name__} was fitted on images of {self.n_channels_} "
                    f"channel(s), got one of {image.n_channels}."
                )
        pooled = self._pool_many(channels, regions, n_regions, device)
        return [sums / image.n_pixels for sums, image in zip(pooled, channels, strict=True)]

    def leakage(
        self,
        channels: ImageChannels,
        other: ImageChannels,
        regions: np.ndarray,
        n_regions: int,
        *,
        together: np.ndarray | None = None,
        device: str = "cpu",
    ) -> np.ndarray:
        """Measure how much of what is said of a region comes from the pixels around it.

        Everything outside of the region is exchanged by another image. The leakage is the norm of
        the change of the region's sums, divided by the norm of the sums.

        Parameters
        ----------
        channels : ImageChannels
            The image.
        other : ImageChannels
            Where the pixels outside come from, an image of any size.
        regions : ndarray of shape (height, width), integer
            Region of every pixel, in ``[0, n_regions)``; -1 for none.
        n_regions : int
            Number of regions.
        together : ndarray of shape (n_groups, n_regions), bool, default=None
            Groups of regions whose sums are added up, and which stay together; None for every
            region alone.
        device : {"auto", "cpu", "cuda"}, default="cpu"
            Where kernels run, for descriptors that have some.

        Returns
        -------
        leakage : ndarray of shape (n_groups,), float64
            0 where nothing leaks; NaN for a group without a pixel.

        Examples
        --------
        >>> import numpy as np
        >>> from hierseg_learn.descriptors import ColorDescriptor, ImageChannels
        >>> dark, bright = (ImageChannels(np.full((4, 4), value)) for value in (0.25, 0.75))
        >>> halves = np.repeat([0, 1], 2) * np.ones((4, 1), dtype=int)
        >>> ColorDescriptor().fit([dark.image]).leakage(dark, bright, halves, n_regions=2)
        array([0., 0.])
        """
        regions = np.asarray(regions)
        groups = np.eye(n_regions, dtype=bool) if together is None else np.asarray(together)
        before = self.pool(channels, regions, n_regions, device=device)
        found = np.full(len(groups), np.nan)
        rows, cols = (
            ((np.arange(n) + 0.5) * m / n).astype(np.intp)
            for n, m in zip(channels.shape, other.shape, strict=True)
        )
        around = other.image[np.ix_(rows, cols)]
        inside = [np.append(group, False)[regions] for group in groups]
        present = [k for k, one in enumerate(inside) if one.any()]
        for some in gen_batches(len(present), self._images_at_once):
            places = present[some]
            images = [
                np.where(_as_image(inside[k], around), channels.image, around) for k in places
            ]
            kept = [np.where(inside[k], regions, -1) for k in places]
            after = self.pool_images([*map(ImageChannels, images)], kept, n_regions, device=device)
            for k, sums in zip(places, after, strict=True):
                change = np.linalg.norm((sums - before)[groups[k]].sum(axis=0))
                norm = np.linalg.norm(before[groups[k]].sum(axis=0))
                found[k] = change / norm if change else 0.0
        return found

    def from_sums(self, sums: np.ndarray, area: np.ndarray) -> np.ndarray:
        """Turn pooled sums into columns.

        Parameters
        ----------
        sums : array-like of shape (..., `n_sums_`)
            Sums of one or more regions, as returned by `pool` or added up from such.
        area : array-like of shape (...)
            Pixels of the region divided by pixels of the image.

        Returns
        -------
        columns : ndarray of shape (..., `n_columns_`), float64
            NaN where `area` is 0.
        """
        sums, area = self._check_rows(sums, area, "sums", "n_sums_")
        means = np.full(sums.shape, np.nan)
        np.divide(sums, area, out=means, where=area > 0)
        return self._from_means(means)

    def to_sums(self, columns: np.ndarray, area: np.ndarray) -> np.ndarray:
        """Turn columns back into sums: the inverse of `from_sums`.

        Parameters
        ----------
        columns : array-like of shape (..., `n_columns_`)
            Columns of one or more regions.
        area : array-like of shape (...)
            Pixels of the region divided by pixels of the image.

        Returns
        -------
        sums : ndarray of shape (..., `n_sums_`), float64
            Zeros where `area` is 0, whatever the columns hold there.
        """
        columns, area = self._check_rows(columns, area, "columns", "n_columns_")
        return np.where(area > 0, self._to_means(columns) * area, 0.0)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns: (`n_columns_`,) object; `input_features` is ignored."""
        check_is_fitted(self)
        return np.array([f"{self.prefix}_{column}" for column in self._columns()], dtype=object)

    def _check_rows(
        self, values: np.ndarray, area: np.ndarray, name: str, width: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return float64 `values` and their `area` with a last axis of length one."""
        check_is_fitted(self)
        values = np.asarray(values, dtype=np.float64)
        area = np.asarray(area, dtype=np.float64)
        if values.shape != (*area.shape, getattr(self, width)):
            raise ValueError(
                f"{name} must have one row of {getattr(self, width)} values per area, "
                f"got shape {values.shape} for areas of shape {area.shape}."
            )
        return values, area[..., np.newaxis]

    def _row_blocks(self, shape: tuple[int, int]) -> Iterator[slice]:
        """Cut the rows of an image so that a block holds about `BLOCK_VALUES` values."""
        n_rows = max(1, BLOCK_VALUES // (shape[1] * self._values_per_pixel()))
        for start in range(0, shape[0], n_rows):
            yield slice(start, min(start + n_rows, shape[0]))

    def _fit(self, batch: ImageBatch) -> None:
        """Learn from the images; `n_channels_` is known."""

    @abstractmethod
    def _columns(self) -> list[str]:
        """Names of the columns, without the prefix."""

    def _count_sums(self) -> int:
        """Number of sums, by default one per column."""
        return len(self._columns())

    def _values_per_pixel(self) -> int:
        """How many values `_block` holds per pixel while it works."""
        return self.n_sums_

    def _prepare(self, channels: ImageChannels) -> Any:
        """Compute once per image what `_block` needs; memory proportional to the image."""
        return channels

    def _pool(
        self, channels: ImageChannels, regions: np.ndarray, n_regions: int, device: str
    ) -> np.ndarray:
        """Sums of the maps over regions, (n_regions, n_sums_) float64, block by block."""
        region_sums = get_backend("cpu").region_sums
        sums = np.zeros((n_regions, self.n_sums_))
        prepared = self._prepare(channels)
        for rows in self._row_blocks(channels.shape):
            block = self._block(prepared, rows).reshape(-1, self.n_sums_)
            sums += region_sums(block, regions[rows].ravel(), n_regions)
        return sums

    def _pool_many(
        self,
        channels: Sequence[ImageChannels],
        regions: Sequence[np.ndarray],
        n_regions: int,
        device: str,
    ) -> list[np.ndarray]:
        """As `_pool`, for several images; the transformer hands over `_images_at_once`."""
        return [
            self._pool(image, one, n_regions, device)
            for image, one in zip(channels, regions, strict=True)
        ]

    @abstractmethod
    def _block(self, prepared: Any, rows: slice) -> np.ndarray:
        """Maps of some rows, (n_rows, width, n_sums_), float32 or float64."""

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        """Columns from the mean of every map over the region, (..., n_sums_)."""
        return means

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        """Inverse of `_from_means`."""
        return columns


def _as_image(inside: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A mask with as many axes as an image."""
    return inside.reshape(*inside.shape, *[1] * (image.ndim - 2))


def root_of(shares: np.ndarray, root: bool) -> np.ndarray:
    """Return the square root of non-negative `shares` if `root`, else `shares`."""
    return np.sqrt(np.maximum(shares, 0.0)) if root else shares


def square_of(columns: np.ndarray, root: bool) -> np.ndarray:
    """Undo `root_of`."""
    return columns**2 if root else columns
