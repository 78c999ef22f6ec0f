"""Feature maps of a frozen network, pooled exactly over regions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import find_objects
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, StrOptions

from ..images import ImageBatch
from ..kernels.threads import single_blas_thread
from ..networks import Trunk, open_trunk
from ..networks.photos import as_bytes
from ._base import Descriptor, ImageChannels

# rows and columns
Box = tuple[slice, slice]
# share of the length of an input that a part fills
FILLED = 0.92
# photos that principal components are learned from
LEARNED_PHOTOS = 100
# largest enlargement of a part
MAX_ZOOM = 8.0


class View(NamedTuple):
    """What the network sees at once of a photo, and the regions that are pooled from it."""

    photo: int  # position among the photos
    regions: tuple[int, ...]
    shape: tuple[int, int]  # height and width of the input
    # row and column of the photo where the input starts, in pixels; negative outside of the photo
    origin: tuple[float, float]
    scales: tuple[float, float]  # pixels of the input for one of the photo, down and across


class DeepDescriptor(Descriptor):
    """Mean features of a region in a map of a frozen network.

    A trunk turns a photo into a map of coarse cells. It is pooled over the regions exactly: a cell
    counts with the area of it that lies in the region, so that no region is too small. The network
    is not trained.

    Parameters
    ----------
    network : torch.nn.Module, str, path or Trunk
        A module of PyTorch, the name of a timm model with its `checkpoint`, a folder of
        transformers, an ONNX file, or what :func:`~hierseg_learn.networks.open_trunk` returns.
    checkpoint : str or path, default=None
        File with the weights of a timm model. Nothing is downloaded.
    layer : int or str, default=None
        The layer whose output is pooled, by name or number, as `open_trunk` says; None is the last
        one that is a map.
    preprocessing : dict, Preprocessing or image processor, default=None
        How images are standardized, where the network does not say, or what is to be replaced of
        what it says.
    size : int, default=None
        Side in pixels of a square with as many pixels as the network gets of a photo, whose aspect
        ratio is kept, with ``mask=None``. None takes the network's own size. A network of a fixed
        size gets photos and parts in that size.
    mask : {"input"} or None, default="input"
        - ``"input"``: the network gets every part for itself, enlarged or reduced to one size,
          everything else painted over. A part's columns do not depend on other pixels.
        - None: the network gets the photo once. That is fastest, but every part has seen its
          surroundings; their columns say nothing of the part alone.
    part_size : int, default=224
        Side in pixels of a square with as many pixels as the network gets of a part, in the aspect
        ratio of the part, with ``mask="input"``.
    fill : float or None, default=1.0
        Brightness of what is painted over, from black 0 to white 1, as of a product photo; None
        paints in the mean color of the network's training images.
    n_components : int or None, default=64
        Number of columns: principal components of the cells of the maps of up to 100 whole training
        photos, drawn by their content. They are the same linear map for all parts, so sums stay
        additive. None, and any number that is not below that of the channels, keeps the channels.
    batch_size : int, default=8
        Number of photos that are described together; it bounds the memory.
    prefix : str, default="deep"
        How the column names start.

    Attributes
    ----------
    trunk_ : Trunk
        The network; ``trunk_.fingerprint`` is the path of its weights and their SHA-256, and
        ``trunk_.layer_name`` and ``trunk_.stride`` say where the columns come from.
    n_channels_ : int
        1 if fitted on gray images, 3 on color images.
    components_ : ndarray of shape (n_components, n_channels) or None
        The principal components, orthonormal; the columns are the products of the channels' means
        with them, not centered. None if the columns are those means.
    n_columns_, n_sums_ : int
        Number of components, or of channels of the map.

    See Also
    --------
    hierseg_learn.networks.open_trunk : Opens the network, with more options.

    Notes
    -----
    Photos are resized with 8 bits per channel, as for the training of most networks; gray ones are
    given as three equal channels. A photo smaller than a cell of the map is enlarged like any
    other.

    On the CPU the network runs on one thread per process and takes inputs one by one, which is as
    fast as together, so that the bits are the same for any `n_jobs` and `batch_size`. On a GPU
    inputs of one size go together, and another number of them may change the last bits.

    The pickle holds path and hash of the weights; a network given as a module is in the pickle.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from hierseg_learn.descriptors import DeepDescriptor, ImageChannels
    >>> network = torch.nn.Conv2d(3, 2, kernel_size=4, stride=4)
    >>> deep = DeepDescriptor(network, preprocessing={"size": 16, "mean": 0.5, "std": 0.5})
    >>> photo = np.random.default_rng(0).random((8, 8, 3))
    >>> halves = np.repeat([0, 1], 4) * np.ones((8, 1), dtype=int)
    >>> sums = deep.fit([photo]).pool(ImageChannels(photo), halves, n_regions=2)
    >>> deep.get_feature_names_out(), sums.shape
    (array(['deep_0', 'deep_1'], dtype=object), (2, 2))
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "network": "no_validation",
        "checkpoint": [str, os.PathLike, None],
        "layer": [Integral, str, None],
        "preprocessing": "no_validation",
        "size": [Interval(Integral, 1, None, closed="left"), None],
        "mask": [StrOptions({"input"}), None],
        "part_size": [Interval(Integral, 1, None, closed="left")],
        "fill": [Interval(Real, 0, 1, closed="both"), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        network: Any = None,
        *,
        checkpoint: str | os.PathLike | None = None,
        layer: int | str | None = None,
        preprocessing: Mapping[str, Any] | Any = None,
        size: int | None = None,
        mask: str | None = "input",
        part_size: int = 224,
        fill: float | None = 1.0,
        n_components: int | None = 64,
        batch_size: int = 8,
        prefix: str = "deep",
    ) -> None:
        self.network = network
        self.checkpoint = checkpoint
        self.layer = layer
        self.preprocessing = preprocessing
        self.size = size
        self.mask = mask
        self.part_size = part_size
        self.fill = fill
        self.n_components = n_components
        self.batch_size = batch_size
        self.prefix = prefix

    _measures_leakage = True

    @property
    def _images_at_once(self) -> int:  # type: ignore[override]
        return self.batch_size

    def _fit(self, batch: ImageBatch) -> None:
        self.trunk_ = open_trunk(
            self.network,
            layer=self.layer,
            checkpoint=self.checkpoint,
            preprocessing=self.preprocessing,
        )
        self.components_ = None
        if self.n_components is not None and self.n_components < self.trunk_.n_channels:
            self.components_ = self._principal_components(batch)

    def _principal_components(self, batch: ImageBatch) -> np.ndarray:
        """Directions in which cells of whole photos vary most, (n_components, n_channels)."""
        n_cells, n_channels = 0, self.trunk_.n_channels
        sums, moments = np.zeros(n_channels), np.zeros((n_channels, n_channels))
        chosen = batch.order_by_content()[:LEARNED_PHOTOS].tolist()
        with single_blas_thread():
            for i in chosen:
                photo = as_bytes(batch.image(i))
                view = _view_of_photo(self.trunk_, self.size, photo.shape[:2])
                [values] = self._maps([photo], [None], [view], "cpu")
                cells = values.reshape(n_channels, -1).astype(np.float64)
                n_cells += cells.shape[1]
                sums += cells.sum(axis=1)
                moments += cells @ cells.T
            mean = sums / n_cells
            _, vectors = np.linalg.eigh(moments / n_cells - np.outer(mean, mean))
        components = vectors[:, ::-1].T[: self.n_components]
        # a direction and its opposite are the same
        largest = np.take_along_axis(
            components, np.abs(components).argmax(axis=1)[:, np.newaxis], axis=1
        )
        return np.ascontiguousarray(components * np.where(largest < 0, -1.0, 1.0))

    def _columns(self) -> list[str]:
        n = self.trunk_.n_channels if self.components_ is None else len(self.components_)
        return [f"{k:0{len(str(n - 1))}d}" for k in range(n)]

    def _reduced(self, values: np.ndarray) -> np.ndarray:
        """Values of the columns, (..., n_columns), from those of the channels."""
        return values if self.components_ is None else values @ self.components_.T

    def _prepare(self, channels: ImageChannels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        view = _view_of_photo(self.trunk_, self.size, channels.shape)
        [values] = self._maps([as_bytes(channels.image)], [None], [view], "cpu")
        return values, *_shares(self.trunk_, view, channels.shape)

    def _block(
        self, prepared: tuple[np.ndarray, np.ndarray, np.ndarray], rows: slice
    ) -> np.ndarray:
        values, by_row, by_col = prepared
        with single_blas_thread():
            reduced = self._reduced(values.transpose(1, 2, 0).astype(np.float64))
            return np.einsum("iy,ijc,jx->yxc", by_row[:, rows], reduced, by_col, optimize=True)

    def _pool(
        self, channels: ImageChannels, regions: np.ndarray, n_regions: int, device: str
    ) -> np.ndarray:
        return self._pool_many([channels], [regions], n_regions, device)[0]

    def _pool_many(
        self,
        channels: Sequence[ImageChannels],
        regions: Sequence[np.ndarray],
        n_regions: int,
        device: str,
    ) -> list[np.ndarray]:
        sums = [np.zeros((n_regions, self.n_sums_)) for _ in channels]
        photos = [as_bytes(one.image) for one in channels]
        boxes = [find_objects(one + 1, n_regions) for one in regions]
        # inputs of one shape go together
        views = sorted(self._views(regions, boxes), key=lambda view: view.shape)
        masks = [None] * len(photos) if self.mask is None else regions
        maps = self._maps(photos, masks, views, device)
        with single_blas_thread():
            for view, values in zip(views, maps, strict=True):
                flat = self._reduced(values.reshape(len(values), -1).T.astype(np.float64))
                by_row, by_col = _shares(self.trunk_, view, channels[view.photo].shape)
                for region in view.regions:
                    rows, cols = boxes[view.photo][region]
                    inside = (regions[view.photo][rows, cols] == region).astype(np.float64)
                    weights = by_row[:, rows] @ inside @ by_col[:, cols].T
                    sums[view.photo][region] = weights.ravel() @ flat
        return sums

    def _views(
        self, regions: Sequence[np.ndarray], boxes: Sequence[Sequence[Box | None]]
    ) -> Iterator[View]:
        """What the network gets of photos with regions, (height, width) each."""
        for photo, (labels, found) in enumerate(zip(regions, boxes, strict=True)):
            present = tuple(region for region, box in enumerate(found) if box is not None)
            if self.mask is None and present:
                view = _view_of_photo(self.trunk_, self.size, labels.shape)
                yield view._replace(photo=photo, regions=present)
            for region in present if self.mask is not None else ():
                view = _view_of_part(self.trunk_, self.part_size, found[region])
                yield view._replace(photo=photo, regions=(region,))

    def _maps(
        self,
        photos: Sequence[np.ndarray],
        masks: Sequence[np.ndarray | None],
        views: Sequence[View],
        device: str,
    ) -> Iterator[np.ndarray]:
        """Maps of views, sorted by shape, (n_channels, h, w) each."""
        for shape, same in groupby(views, key=lambda view: view.shape):
            some = list(same)
            # as many pixels as in a batch of photos
            most = self.batch_size * np.prod(self.trunk_.preprocessing.size) // np.prod(shape)
            for chunk in gen_batches(len(some), max(int(most), 1)):
                given = [
                    _input(self.trunk_, photos[view.photo], view, masks[view.photo], self.fill)
                    for view in some[chunk]
                ]
                maps = self.trunk_.feature_maps(np.stack(given), device)
                if not np.isfinite(maps).all():
                    raise ValueError(
                        f"network {self.trunk_.fingerprint[0]!r} gives NaN or infinity at layer "
                        f"{self.trunk_.layer_name!r} for an image of {shape[0]} × {shape[1]} "
                        "pixels; expected finite features."
                    )
                yield from maps


def _view_of_photo(trunk: Trunk, size: int | None, shape: tuple[int, int]) -> View:
    """The whole photo."""
    given = trunk.input_size(*shape, size)
    return View(0, (), given, (0.0, 0.0), (given[0] / shape[0], given[1] / shape[1]))


def _view_of_part(trunk: Trunk, size: int, box: Box) -> View:
    """A part in the middle of an input, enlarged or reduced so that it fills it."""
    sides = np.array([one.stop - one.start for one in box])
    given = np.array(trunk.input_size(*sides.tolist(), size))
    scale = FILLED * (given / sides).min()
    if scale > MAX_ZOOM:
        scale = MAX_ZOOM
        if trunk.is_flexible:
            cells = np.ceil(sides * scale / FILLED / trunk.stride)
            given = np.minimum(given, (cells * trunk.stride).astype(int))
    middle = np.array([one.start + one.stop for one in box]) / 2
    origin = middle - given / scale / 2
    return View(0, (), tuple(given.tolist()), tuple(origin.tolist()), (float(scale),) * 2)


def _input(
    trunk: Trunk,
    pixels: np.ndarray,
    view: View,
    mask: np.ndarray | None,
    fill: float | None,
) -> np.ndarray:
    """Input of the network for a view, (3, height, width) float32."""
    if mask is None:
        return trunk.prepare(pixels, view.shape)
    inside = mask == view.regions[0]
    starts = np.array(view.origin)
    stops = starts + np.divide(view.shape, view.scales)
    # whole pixels, and those around that resizing looks at are painted, too
    first, last = np.floor(starts).astype(int), np.ceil(stops).astype(int)
    rows, cols = (
        slice(max(a, 0), min(b, n)) for a, b, n in zip(first, last, mask.shape, strict=True)
    )
    paint = np.array(trunk.preprocessing.mean) if fill is None else np.full(3, fill)
    shown = np.full((*(last - first), 3), np.clip(np.rint(255 * paint), 0, 255).astype(np.uint8))
    part = shown[
        rows.start - first[0] : rows.stop - first[0], cols.start - first[1] : cols.stop - first[1]
    ]
    np.copyto(part, pixels[rows, cols], where=inside[rows, cols, np.newaxis])
    top, left, bottom, right = *(starts - first), *(stops - first)
    return trunk.prepare(shown, view.shape, (left, top, right, bottom))


def _shares(trunk: Trunk, view: View, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Share of every row of pixels in the rows of cells of a view, (h, height), and of columns."""
    cells = trunk.cells(*view.shape)
    shares = []
    for axis in (0, 1):
        edges = cells.edges(axis) / view.scales[axis] + view.origin[axis]
        pixels = np.arange(shape[axis])
        upper = np.minimum(edges[1:, np.newaxis], pixels + 1)
        lower = np.maximum(edges[:-1, np.newaxis], pixels)
        shares.append(np.maximum(upper - lower, 0.0))
    return shares[0], shares[1]
