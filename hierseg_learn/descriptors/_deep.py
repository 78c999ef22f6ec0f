"""Feature maps of a frozen network, pooled exactly over regions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import find_objects
from sklearn.utils._param_validation import Interval, StrOptions

from ..images import ImageBatch
from ..kernels.threads import single_blas_thread
from ..networks import Trunk, open_trunk
from ..networks.photos import as_bytes
from ._base import Descriptor, ImageChannels

# pixels on either side that filters of Pillow look at, at scale 1
REACH = 3


class View(NamedTuple):
    """What the network sees at once of a photo, and the regions that are pooled from it."""

    photo: int  # position among the photos
    regions: tuple[int, ...]
    size: tuple[int, int]  # height and width of the whole photo as an input of the network
    rows: slice  # of such a photo, that the view shows
    cols: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the input."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start


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
        ratio is kept. None takes the network's own size. A network of a fixed size gets photos
        in that size.
    mask : {"input"} or None, default="input"
        - ``"input"``: the network gets every part for itself, everything else painted in the mean
          color, cut to the smallest frame. A part's columns do not depend on other pixels.
        - None: the network gets the photo once. That is fastest, but every part has seen its
          surroundings; their columns say nothing of the part alone.
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
    n_columns_, n_sums_ : int
        Number of channels of the map.

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
        batch_size: int = 8,
        prefix: str = "deep",
    ) -> None:
        self.network = network
        self.checkpoint = checkpoint
        self.layer = layer
        self.preprocessing = preprocessing
        self.size = size
        self.mask = mask
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

    def _columns(self) -> list[str]:
        digits = len(str(self.trunk_.n_channels - 1))
        return [f"{k:0{digits}d}" for k in range(self.trunk_.n_channels)]

    def _prepare(self, channels: ImageChannels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        height, width = channels.shape
        [view] = _views(self.trunk_, self.size, None, [np.zeros((height, width), dtype=int)], 1)
        values = self._maps([as_bytes(channels.image)], [view], [None], "cpu")
        return next(values), *_shares(self.trunk_, view, (height, width))

    def _block(
        self, prepared: tuple[np.ndarray, np.ndarray, np.ndarray], rows: slice
    ) -> np.ndarray:
        values, by_row, by_col = prepared
        with single_blas_thread():
            return np.einsum(
                "iy,cij,jx->yxc", by_row[:, rows], values.astype(np.float64), by_col, optimize=True
            )

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
        views = _views(self.trunk_, self.size, self.mask, regions, n_regions)
        # inputs of one shape go together
        views.sort(key=lambda view: view.shape)
        boxes = [find_objects(one + 1, n_regions) for one in regions]
        masks = [None if self.mask is None else regions[view.photo] for view in views]
        for view, values in zip(views, self._maps(photos, views, masks, device), strict=True):
            shape = channels[view.photo].shape
            flat = values.reshape(len(values), -1).T.astype(np.float64)
            by_row, by_col = _shares(self.trunk_, view, shape)
            for region in view.regions:
                rows, cols = boxes[view.photo][region]
                inside = (regions[view.photo][rows, cols] == region).astype(np.float64)
                with single_blas_thread():
                    weights = by_row[:, rows] @ inside @ by_col[:, cols].T
                    sums[view.photo][region] = weights.ravel() @ flat
        return sums

    def _maps(
        self,
        photos: Sequence[np.ndarray],
        views: Sequence[View],
        masks: Sequence[np.ndarray | None],
        device: str,
    ) -> Iterator[np.ndarray]:
        """Maps of views, sorted by shape, (n_channels, h, w) each."""
        start = 0
        while start < len(views):
            shape = views[start].shape
            most = max(self.batch_size * np.prod(views[start].size) // np.prod(shape), 1)
            some = [view for view in views[start : start + most] if view.shape == shape]
            given = np.stack(
                [
                    _input(self.trunk_, photos[view.photo], view, mask)
                    for view, mask in zip(some, islice(masks, start, None))
                ]
            )
            yield from self.trunk_.feature_maps(given, device)
            start += len(some)


def _views(
    trunk: Trunk,
    size: int | None,
    mask: str | None,
    regions: Sequence[np.ndarray],
    n_regions: int,
) -> list[View]:
    """What the network gets of photos with regions, (height, width) each."""
    views = []
    for photo, labels in enumerate(regions):
        whole = trunk.input_size(*labels.shape, size)
        boxes = find_objects(labels + 1, n_regions)
        present = tuple(region for region, box in enumerate(boxes) if box is not None)
        if mask is None and present:
            views.append(View(photo, present, whole, *(slice(0, side) for side in whole)))
        for region in present if mask is not None else ():
            frame = [slice(0, side) for side in whole]
            if trunk.is_flexible:
                frame = [
                    _frame(box, n, side, stride)
                    for box, n, side, stride in zip(
                        boxes[region], labels.shape, whole, trunk.stride, strict=True
                    )
                ]
            views.append(View(photo, (region,), whole, *frame))
    return views


def _frame(box: slice, n_pixels: int, side: int, stride: int) -> slice:
    """The cells of an input of length `side` that pixels of a photo lie in, as pixels of it."""
    scale = side / n_pixels
    first = int(box.start * scale) // stride * stride
    stop = -(-int(np.ceil(box.stop * scale)) // stride) * stride
    return slice(first, min(stop, side))


def _input(trunk: Trunk, pixels: np.ndarray, view: View, mask: np.ndarray | None) -> np.ndarray:
    """Input of the network for a view, (3, height, width) float32."""
    scales = np.divide(pixels.shape[:2], view.size)
    (top, left), (bottom, right) = (
        scales * edges
        for edges in ((view.rows.start, view.cols.start), (view.rows.stop, view.cols.stop))
    )
    height, width = pixels.shape[:2]
    box = left, top, min(right, width), min(bottom, height)
    if mask is None:
        return trunk.prepare(pixels, view.shape, box)
    # what resizing looks at, and no more
    near = [REACH * max(scale, 1) + 1 for scale in scales]
    rows = slice(max(int(box[1] - near[0]), 0), int(box[3] + near[0]) + 1)
    cols = slice(max(int(box[0] - near[1]), 0), int(box[2] + near[1]) + 1)
    paint = np.clip(np.rint(255 * np.array(trunk.preprocessing.mean)), 0, 255).astype(np.uint8)
    shown = np.full((*mask[rows, cols].shape, 3), paint)
    np.copyto(shown, pixels[rows, cols], where=(mask[rows, cols] == view.regions[0])[..., None])
    origin = np.array([cols.start, rows.start] * 2)
    return trunk.prepare(shown, view.shape, tuple((np.array(box) - origin).tolist()))


def _shares(trunk: Trunk, view: View, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Share of every row of pixels in the rows of cells of a view, (h, height), and of columns."""
    cells = trunk.cells(*view.shape)
    shares = []
    for axis, shown in enumerate((view.rows, view.cols)):
        edges = (cells.edges(axis) + shown.start) * shape[axis] / view.size[axis]
        pixels = np.arange(shape[axis])
        upper = np.minimum(edges[1:, np.newaxis], pixels + 1)
        lower = np.maximum(edges[:-1, np.newaxis], pixels)
        shares.append(np.maximum(upper - lower, 0.0))
    return shares[0], shares[1]
