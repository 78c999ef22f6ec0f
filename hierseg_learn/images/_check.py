"""Everything that may be passed as X, brought to one form."""

from __future__ import annotations

import math
import warnings
from numbers import Integral
from typing import Any

import numpy as np

from ._batch import ImageBatch, check_channels
from ._collect import collect_images, is_array, is_path, unwrap
from ._encoding import PixelEncoding, pixel_kind, raise_not_finite
from ._files import ImageFiles
from ._labels import pair_masks
from ._ragged import RaggedArrays
from ._segmented import SegmentedImages


def is_table(X: Any) -> bool:
    """Say whether X is a table, one row per image, rather than a collection of images.

    Parameters
    ----------
    X : object
        What a user passed as X.

    Returns
    -------
    bool
        True for arrays of up to two dimensions, sparse matrices, data frames, and lists
        that hold neither paths nor arrays of two dimensions or more.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import is_table
    >>> is_table([[1, 2], [3, 4]]), is_table([np.eye(2), np.eye(3)])
    (True, False)
    """
    if isinstance(X, (ImageBatch, SegmentedImages, RaggedArrays, ImageFiles)):
        return False
    if hasattr(X, "toarray") or hasattr(X, "columns"):
        return True
    if not isinstance(X, (list, tuple)):
        if not hasattr(X, "__array__"):
            return False
        n_axes = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
        if n_axes != 1:
            return n_axes < 3
        X = np.asarray(X)
        if X.dtype.kind not in "OUT":
            return True
    return len(X) > 0 and not any(is_path(x) or (is_array(x) and np.ndim(x) > 1) for x in X)


def check_images(
    X: Any,
    *,
    image_shape: tuple[int, ...] | None = None,
    segments: Any = None,
    encoding: PixelEncoding | None = None,
    names: tuple[str, str] = ("X", "segments"),
) -> ImageBatch:
    """Check images, and their label maps if there are any, and learn how to scale them.

    Parameters
    ----------
    X : array, list of arrays, list of paths, SegmentedImages or ImageBatch
        ``(n, h, w)`` grey or ``(n, h, w, 3)`` colour; a list or Series of ``(h, w)`` or
        ``(h, w, 3)`` arrays of any size, or of paths; a table ``(n, d)`` of flattened
        images, as an array. An ImageBatch is returned as it is.
    image_shape : tuple of int, default=None
        ``(h, w)`` or ``(h, w, 3)``: shape of the images in a table. Without it every row
        is an image of one row of pixels. Not used unless X is a table.
    segments : array, list of arrays or list of paths, default=None
        One label map per image; for a table also ``(n, h * w)``.
    encoding : PixelEncoding, default=None
        That of ``fit``. None learns it from X.
    names : tuple of str, default=("X", "segments")
        What the caller names X and segments, for error messages.

    Returns
    -------
    ImageBatch
        In-memory images and label maps are checked; files are checked when read.

    Raises
    ------
    ValueError, TypeError
        In one sentence that names the argument and the image.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import check_images
    >>> batch = check_images(np.arange(8.0).reshape(2, 4), image_shape=(2, 2))
    >>> batch.image(0)
    array([[0.        , 0.14285715],
           [0.2857143 , 0.42857143]], dtype=float32)
    """
    _check_one_source(X, segments, names)
    if isinstance(X, ImageBatch):
        return X
    unlabeled: tuple[int, ...] = ()
    if isinstance(X, SegmentedImages):
        images, masks, unlabeled, names = X.images, X.masks, X.unlabeled, names[:1] * 2
    else:
        images, segments = _collect(X, segments, image_shape, names)
        masks = None if segments is None else pair_masks(images, segments, (), names[1])
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
        unlabeled=unlabeled,
        names=names,
        index=X.index if hasattr(X, "iloc") else None,
    )


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
    """Warn where a colour image stands in the place of a stack of grey ones."""
    if isinstance(X, np.ndarray) and X.ndim == 3 and X.shape[2] == 3 and min(X.shape[:2]) >= 16:
        warnings.warn(
            f"{name} of shape {X.shape} is taken as {X.shape[0]} grey images of {X.shape[1]} x 3 "
            f"pixels; pass a list, [{name}], if it is one colour image.",
            UserWarning,
            stacklevel=8,
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
