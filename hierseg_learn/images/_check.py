"""Validation of images: everything that may be passed as X, brought to one form."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Number
from typing import Any

import numpy as np

from ..utils import warn_user
from ._batch import ImageBatch, check_channels
from ._pixels import (
    PixelEncoding,
    as_list,
    collect_images,
    is_path,
    is_pixels,
    pixel_kind,
    raise_not_finite,
    unwrap,
)
from ._segmented import SegmentedImages
from ._storage import ImageFiles, RaggedArrays, SegmentedImage
from .labels import IdRule, check_unlabeled, pair_masks
from .pillow import is_pillow


def is_table(X: Any) -> bool:
    """Say whether X is a table, one row per image, rather than a collection of images.

    Tables are arrays of up to two dimensions, sparse matrices, data frames, and lists of numbers or
    of rows of numbers. What is neither a table nor images is no table.
    """
    if isinstance(X, (ImageBatch, SegmentedImages, SegmentedImage, RaggedArrays, ImageFiles)):
        return False
    if hasattr(X, "toarray") or hasattr(X, "columns"):
        return True
    items = as_list(X)
    if isinstance(items, list):
        return len(items) > 0 and all(_is_row(item) for item in items)
    if not isinstance(items, np.ndarray):
        return False
    return items.ndim < 3 and not (items.dtype == object and items.size and _is_big(items.flat[0]))


def _is_row(item: Any) -> bool:
    """Say whether one item of a list is a number or a row of numbers."""
    if isinstance(item, (list, tuple)) and not isinstance(item, SegmentedImage):
        return not (len(item) and (isinstance(item[0], (list, tuple)) or _is_big(item[0], 1)))
    if isinstance(item, Number):
        return True
    return not is_path(item) and is_pixels(item) and not _is_big(item)


def _is_big(item: Any, n_axes: int = 2) -> bool:
    """Say whether an object is an array of so many axes or more."""
    return is_pillow(item) or (is_pixels(item) and np.ndim(item) >= n_axes)


def check_images(
    X: Any,
    *,
    image_shape: tuple[int, ...] | None = None,
    segments: Any = None,
    unlabeled: Any = None,
    encoding: PixelEncoding | None = None,
    names: tuple[str, str] = ("X", "segments"),
) -> ImageBatch:
    """Check images, and their label maps if there are any, and learn how to scale them.

    X is a stack (n, h, w) or (n, h, w, 3); a list or Series of images, (h, w) or (h, w, 3) arrays,
    Pillow images or items of SegmentedImages, or of paths; SegmentedImages; an array (n, d) of
    flattened images of `image_shape` (without it every row is an image of one row); or an
    ImageBatch, which is returned as it is. `segments` holds one label map per image, for a table
    also (n, h * w). `encoding` is that of ``fit``; None learns it from X. `names` are what the
    caller calls X and segments. What is in memory is checked now, files when they are read; errors
    name the argument and the image.
    """
    X, items, given = join_items(X, names[0]), X, check_unlabeled(unlabeled)
    _check_one_source(X, segments, names)
    if isinstance(X, ImageBatch):
        return X
    rule = IdRule(given)
    if isinstance(X, SegmentedImages):
        images, masks, names = X.images, X.masks, names[:1] * 2
        rule = IdRule(X.unlabeled).settled(given, (), names[0])
    else:
        images, segments = _collect(X, segments, image_shape, names)
        masks = None if segments is None else pair_masks(images, segments, rule, names[1])
    if len(images) == 0:
        raise ValueError(f"{names[0]} is empty; expected at least one image.")
    if encoding is None:
        encoding = _learn_encoding(images, names[0])
    elif isinstance(images, RaggedArrays):
        _check_encoding(images, encoding, names[0])
    return ImageBatch(
        images,
        masks,
        encoding=encoding,
        rule=rule,
        names=names,
        index=items.index if hasattr(items, "iloc") else None,
    )


def join_items(X: Any, name: str = "X") -> Any:
    """Make a collection of items of SegmentedImages; anything else stays as it is.

    Raises TypeError if only some of the images bring their label maps.
    """
    if isinstance(X, (ImageBatch, SegmentedImages, RaggedArrays, ImageFiles)):
        return X
    items = [X] if isinstance(X, SegmentedImage) else as_list(X)
    if not isinstance(items, list):
        return X
    bring = [isinstance(item, SegmentedImage) for item in items]
    if not any(bring):
        return X
    if not all(bring):
        i = bring.index(not bring[0])
        got = ["an image without its label map", "a SegmentedImage"]
        raise TypeError(
            f"Image {i} of {name} is {got[bring[i]]}, image 0 is {got[bring[0]]}; expected all "
            "images with their label maps, or none."
        )
    images, masks = (list(column) for column in zip(*items))
    images = collect_images(images, name)
    return SegmentedImages._from_parts(images, pair_masks(images, masks, IdRule(), name), None)


def _check_one_source(X: Any, segments: Any, names: tuple[str, str]) -> None:
    if isinstance(segments, SegmentedImages):
        raise TypeError(
            f"{names[1]} is SegmentedImages; expected label maps: pass it as {names[0]}, or its "
            f".masks as {names[1]}."
        )
    if segments is not None and isinstance(X, (ImageBatch, SegmentedImages)):
        raise ValueError(
            f"{names[1]} was given and {names[0]} is {type(X).__name__}, which brings its own "
            f"label maps; drop {names[1]}, or pass only the images as {names[0]}."
        )


def _collect(
    X: Any, segments: Any, image_shape: tuple[int, ...] | None, names: tuple[str, str]
) -> tuple[RaggedArrays | ImageFiles, Any]:
    X = unwrap(X, names[0], "image")
    _warn_of_one_image(X, names[0])
    if not (isinstance(X, np.ndarray) and X.ndim == 2):
        return collect_images(X, names[0]), segments
    shape = (1, X.shape[1]) if image_shape is None else _check_image_shape(image_shape)
    if math.prod(shape) != X.shape[1]:
        raise ValueError(
            f"image_shape={image_shape} makes {math.prod(shape)} values an image, {names[0]} has "
            f"{X.shape[1]} columns; expected the same number."
        )
    if hasattr(segments, "__array__") and np.ndim(segments) == 2:
        segments = np.asarray(segments)
        if segments.shape[1] == shape[0] * shape[1]:
            segments = segments.reshape(-1, *shape[:2])
    return collect_images(X.reshape(-1, *shape), names[0]), segments


def _warn_of_one_image(X: Any, name: str) -> None:
    """Warn where a color image stands in the place of a stack of gray ones."""
    if isinstance(X, np.ndarray) and X.ndim == 3 and X.shape[2] == 3 and min(X.shape[:2]) >= 16:
        warn_user(
            f"{name} of shape {X.shape} is taken as {X.shape[0]} gray images of {X.shape[1]} x 3 "
            f"pixels; pass a list, [{name}], if it is one color image."
        )


def _check_image_shape(image_shape: Any) -> tuple[int, ...]:
    shape = tuple(image_shape) if isinstance(image_shape, (tuple, list)) else ()
    whole = all(isinstance(side, Integral) and side > 0 for side in shape)
    if not whole or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise ValueError(f"image_shape={image_shape!r}; expected (h, w) or (h, w, 3).")
    return shape


def _learn_encoding(images: RaggedArrays | ImageFiles, name: str) -> PixelEncoding:
    first = f"Image 0 of {name}"
    if isinstance(images, RaggedArrays):
        n_axes, dtype = images.shapes.shape[1], images.dtype
    else:
        first = images.label(0, first)
        shape, dtype = images.header(0, first)
        n_axes = len(shape)
    unscaled = PixelEncoding.from_range(pixel_kind(dtype, first), 1 if n_axes == 2 else 3)
    if unscaled.kind != "number":
        return unscaled
    if isinstance(images, RaggedArrays):
        low, high = _finite_range(images, name)
    else:
        low, high = _file_range(images, unscaled, name)
    if not math.isfinite(high - low):
        raise ValueError(f"{name} spans {low:g} to {high:g}; expected a range below 1e308.")
    return PixelEncoding.from_range("number", unscaled.n_channels, low, high)


def _check_encoding(images: RaggedArrays, encoding: PixelEncoding, name: str) -> None:
    first = f"Image 0 of {name}"
    encoding.check_dtype(images.dtype, first)
    check_channels(tuple(images.shapes[0].tolist()), encoding.n_channels, first)
    if images.dtype.kind == "f":
        _finite_range(images, name)


def _finite_range(images: RaggedArrays, name: str) -> tuple[float, float]:
    low, high = images.ranges()
    for i in np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))[:1]:
        raise_not_finite(images[i], f"Image {i} of {name}")
    return float(low.min()), float(high.max())


def _file_range(images: ImageFiles, unscaled: PixelEncoding, name: str) -> tuple[float, float]:
    ranges = []
    for i in range(len(images)):
        where = images.label(i, f"Image {i} of {name}")
        raw = images.read(i, where)
        check_channels(raw.shape, unscaled.n_channels, where)
        unscaled.check_dtype(raw.dtype, where)
        if not np.isfinite(raw).all():
            raise_not_finite(raw, where)
        ranges.append((float(raw.min()), float(raw.max())))
    lows, highs = zip(*ranges)
    return min(lows), max(highs)


_SMALLEST_SIDE, _LARGEST_RATIO = 5, 3
_FEWEST_ROWS = 8
# values looked at, so that a large table costs no more than a moment
_N_VALUES = 2_000_000
# by so much the next pixel, and the one below, must be more alike than those half a row away
_CLEAR = 0.1


def flat_image_shape(X: np.ndarray) -> tuple[int, ...] | None:
    """Guess the shape of the images that the rows of a table, (n_rows, n_columns), seem to be.

    Pixels resemble those beside and below them more than those half a row of the image away, all
    over the image. No table of measurements, and no spectrum or signal, shows that at once. Returns
    (h, w), (h, w, 3), or (3, h, w) where the colors of a square image come one after the other;
    None where the rows look like no images.
    """
    n_rows, n_columns = X.shape
    if X.dtype.kind not in "buif" or n_rows < _FEWEST_ROWS or n_columns < _SMALLEST_SIDE**2:
        return None
    step = max(1, min(n_rows // _FEWEST_ROWS, n_rows * n_columns // _N_VALUES))
    values = X[::step].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        spread = values.std(axis=0)
        varies = spread > 0
        if not np.isfinite(spread).all() or not varies.any():
            return None
        spans = np.ptp(values, axis=0)
        # columns of measurements have units of their own
        if spans.max() > 4 * np.percentile(spans[varies], 75):
            return None
        values = np.where(varies, (values - values.mean(axis=0)) / np.where(varies, spread, 1), 0)
    found = {}
    likeness = _likeness(values, varies)
    for channels in (1, 3):
        for shape in _shapes(n_columns, channels):
            clear = _clearness(likeness, shape[1], channels)
            if clear > _CLEAR:
                planes = len(shape) == 2 and shape[0] == 3 * shape[1]
                shape = (3, shape[1], shape[1]) if planes else shape
                # a square is what most sets of small images have
                found[shape] = clear + (planes or shape[0] == shape[1])
    return max(found, key=found.__getitem__) if found else None


def _shapes(n_columns: int, channels: int) -> list[tuple[int, ...]]:
    n_pixels, rest = divmod(n_columns, channels)
    return [
        (n_pixels // width, width) if channels == 1 else (n_pixels // width, width, channels)
        for width in range(_SMALLEST_SIDE, n_pixels // _SMALLEST_SIDE + 1)
        if not rest
        and n_pixels % width == 0
        and 1 / _LARGEST_RATIO <= width * width / n_pixels <= _LARGEST_RATIO
    ]


def _likeness(values: np.ndarray, varies: np.ndarray) -> Callable[[int], np.ndarray]:
    """Correlations of all columns with those so many places on, as a function of the distance."""

    def at(distance: int) -> np.ndarray:
        both = varies[:-distance] & varies[distance:]
        products = np.einsum("ij,ij->j", values[:, :-distance], values[:, distance:])
        return products[both] / len(values)

    return at


def _clearness(likeness: Callable[[int], np.ndarray], width: int, channels: int) -> float:
    """How much more alike neighbors are than pixels half a row away; 0 where some are not alike."""
    beside, below = likeness(channels), likeness(channels * width)
    half = width // 2
    apart = [likeness(channels * distance) for distance in (half, width + half)]
    if not all(len(values) for values in (beside, below, *apart)):
        return 0.0
    if min(np.percentile(beside, 20), np.percentile(below, 20)) <= 0:
        return 0.0
    least = min(beside.mean(), below.mean())
    if channels > 1 and likeness(1).mean() > beside.mean():
        # the colors of a pixel are not beside each other
        return 0.0
    nearest = below.mean() - max(likeness(channels * (width + k)).mean() for k in (-1, 1))
    return float(least - max(values.mean() for values in apart)) if nearest > 0 else 0.0
