"""Pixel values: what users pass as images as one collection, and its scaling to float32."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._storage import ImageFiles, RaggedArrays, SegmentedImage
from .pillow import is_pillow, read_pixels, readable

_NAMES = {("b", 1): "bool", ("u", 1): "uint8", ("u", 2): "uint16"}
_FULL_RANGE = {"bool": (0.0, 1.0), "uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}
# how many times the range seen in fit a value may lie away: what descriptors make of it is finite
MAX_RANGES = 1e6


def pixel_kind(dtype: np.dtype, where: str) -> str:
    """Name the kind of pixel values: ``"bool"``, ``"uint8"``, ``"uint16"`` or ``"number"``."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "buif":
        raise TypeError(f"{where} has dtype {dtype}; expected bool, integers or floats.")
    return _NAMES.get((dtype.kind, dtype.itemsize), "number")


@dataclass(frozen=True)
class PixelEncoding:
    """How stored pixel values become float32, learned in ``fit`` and applied ever after.

    bool, uint8 and uint16 are divided by their dtype's largest value. Other numbers stay as they
    are if all images of ``fit`` lie within [0, 1]; otherwise the range seen in ``fit`` is mapped to
    [0, 1]. Later values outside of that range are not clipped; a million times the range away they
    are an error, as no descriptor has numbers for them.

    Parameters
    ----------
    kind : {"bool", "uint8", "uint16", "number"}
        Kind of the stored dtype.
    low, high : float
        Stored values that become 0 and 1.
    n_channels : {1, 3}
        1 for gray, 3 for color.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import PixelEncoding
    >>> encoding = PixelEncoding.from_range("number", 1, low=0, high=16)
    >>> encoding.decode(np.array([[0, 8, 20]]))
    array([[0.  , 0.5 , 1.25]], dtype=float32)
    """

    kind: str
    low: float
    high: float
    n_channels: int

    @classmethod
    def from_range(
        cls, kind: str, n_channels: int, low: float = 0.0, high: float = 1.0
    ) -> PixelEncoding:
        """Make the encoding of images whose values span `low` to `high`."""
        if kind in _FULL_RANGE:
            low, high = _FULL_RANGE[kind]
        elif low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        return cls(kind, float(low), float(high), n_channels)

    def decode(self, array: np.ndarray, where: str = "The image") -> np.ndarray:
        """Scale stored values of any shape to a new float32 array.

        Raises ValueError if the dtype is of another kind than in ``fit``, or a value is NaN,
        infinite, or a million times the range seen in ``fit`` away from it.
        """
        self.check_dtype(array.dtype, where)
        # A constant range maps to 0: any divisor does.
        span = (self.high - self.low) or 1.0
        with np.errstate(over="ignore"):
            if (self.low, span) == (0.0, 1.0):
                scaled = array.astype(np.float32, order="C")
            elif self.kind in _FULL_RANGE:
                # the same bits as by float64
                scaled = np.divide(array, np.float32(span), dtype=np.float32, order="C")
            else:
                scaled = np.subtract(array, self.low, dtype=np.float64, casting="unsafe")
                scaled = np.ascontiguousarray(scaled / span, dtype=np.float32)
        # NaN fails the comparison as well
        if self.kind == "number" and not np.abs(scaled).max(initial=0) <= MAX_RANGES:
            if np.isfinite(array).all():
                raise ValueError(
                    f"{where} holds values far outside the range seen in fit, {self.low:g} to "
                    f"{self.high:g}, such as {array.flat[np.abs(scaled).argmax()]:g}; expected "
                    "images on the scale of those that the model was fitted on."
                )
            raise_not_finite(array, where)
        return scaled

    def check_dtype(self, dtype: np.dtype, where: str = "The image") -> None:
        """Raise ValueError unless this dtype is of the kind seen in ``fit``."""
        kind = pixel_kind(dtype, where)
        if kind != self.kind:
            raise ValueError(
                f"{where} has dtype {np.dtype(dtype)}, the images seen in fit were "
                f"{describe_kind(self.kind)}; expected {describe_kind(self.kind)}."
            )


def describe_kind(kind: str) -> str:
    """Put a kind of pixel values into words."""
    return "numbers other than bool, uint8 and uint16" if kind == "number" else kind


def raise_not_finite(array: np.ndarray, where: str) -> None:
    """Raise the error about NaN or infinite values in `array`."""
    problem = "contains NaN" if np.isnan(array).any() else "contains infinity"
    raise ValueError(f"{where} {problem}; expected finite numbers.")


def collect_images(images: Any, name: str) -> RaggedArrays | ImageFiles:
    """Make one collection of images, all gray or all color, all of one kind of dtype."""
    items = unwrap(images, name, "image")
    if isinstance(items, ImageFiles):
        return items
    if isinstance(items, RaggedArrays):
        shapes, dtypes = items.shapes, [items.dtype]
    elif isinstance(items, np.ndarray):
        if items.ndim not in (3, 4):
            raise ValueError(
                f"{name} has shape {items.shape}; expected (n, h, w) for gray images or "
                "(n, h, w, 3) for color images."
            )
        shapes, dtypes = [items.shape[1:]], [items.dtype]
    else:
        shapes, dtypes = [item.shape for item in items], [item.dtype for item in items]
    for i, shape in enumerate(shapes):
        check_image_shape(tuple(int(side) for side in shape), f"Image {i} of {name}")
    _check_alike(shapes, dtypes, name)
    return _store(items)


def _store(items: list | np.ndarray | RaggedArrays) -> RaggedArrays:
    if isinstance(items, RaggedArrays):
        return items
    if isinstance(items, np.ndarray):
        return RaggedArrays.from_stack(items)
    return RaggedArrays.from_arrays(items)


def _check_alike(shapes: Any, dtypes: list, name: str) -> None:
    kinds = [pixel_kind(dtype, f"Image {i} of {name}") for i, dtype in enumerate(dtypes)]
    for i, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise ValueError(
                f"Image {i} of {name} has dtype {dtypes[i]}, image 0 has {dtypes[0]}; expected "
                f"all images to be {describe_kind(kinds[0])}."
            )
    for i, shape in enumerate(shapes):
        if len(shape) != len(shapes[0]):
            raise ValueError(
                f"Image {i} of {name} is {_color_word(len(shape))}, image 0 is "
                f"{_color_word(len(shapes[0]))}; expected all images gray or all images color."
            )


def _color_word(n_axes: int) -> str:
    return "gray (1 channel)" if n_axes == 2 else "color (3 channels)"


def check_image_shape(shape: tuple[int, ...], where: str) -> None:
    """Check that one image is ``(h, w)`` or ``(h, w, 3)`` and not empty."""
    expected = "expected (h, w) for gray or (h, w, 3) for color"
    if len(shape) == 3 and shape[-1] in (2, 4):
        raise ValueError(
            f"{where} has an alpha channel (shape {shape}); {expected}, without alpha."
        )
    if len(shape) == 3 and shape[-1] == 1:
        raise ValueError(f"{where} has shape {shape}; {expected}: drop the last axis.")
    if len(shape) == 3 and shape[-1] != 3 and shape[0] in (1, 3):
        raise ValueError(f"{where} has shape {shape}; {expected}: move the channels last.")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[-1] != 3):
        raise ValueError(f"{where} has shape {shape}; {expected}.")
    if 0 in shape:
        raise ValueError(f"{where} has no pixel (shape {shape}).")


def unwrap(
    items: Any, name: str, noun: str
) -> list[np.ndarray] | np.ndarray | RaggedArrays | ImageFiles:
    """Reduce every accepted container to one of four forms."""
    if isinstance(items, (RaggedArrays, ImageFiles)):
        return items
    if is_path(items) or isinstance(items, bytes):
        raise TypeError(f"{name} is a single path ({items!r}); expected a list of paths.")
    if is_pillow(items):
        raise TypeError(f"{name} is a single Pillow image; expected a list: pass [{name}].")
    if isinstance(items, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost; expected an array.")
    items = as_list(items)
    if isinstance(items, list):
        return _unwrap_list(items, name, noun)
    if not isinstance(items, np.ndarray):
        raise TypeError(
            f"{name} is a {type(items).__name__}; expected an array, a list of arrays or of Pillow "
            "images, or a list of paths."
        )
    return items


def as_list(items: Any) -> Any:
    """Make a list of every container of single items; an array of numbers stays an array."""
    if isinstance(items, (list, tuple)) and not isinstance(items, SegmentedImage):
        return list(items)
    if hasattr(items, "__array__") and not is_pillow(items):
        items = np.asarray(items)
        if items.dtype.kind in "OUT" and items.ndim == 1:
            return list(items)
    return items


def _unwrap_list(items: list, name: str, noun: str) -> list[np.ndarray] | ImageFiles:
    if not items:
        raise ValueError(f"{name} is empty; expected at least one {noun}.")
    n_paths = sum(is_path(item) for item in items)
    if n_paths == len(items):
        return ImageFiles(items, noun)
    wanted = "a path" if is_path(items[0]) else "an array"
    for i, item in enumerate(items):
        if is_path(item) != (wanted == "a path") or not (is_path(item) or is_pixels(item)):
            raise TypeError(
                f"{noun.capitalize()} {i} of {name} is {_describe_item(item)}; expected "
                f"{wanted}{', as before it' if i else ' or a path'}."
            )
    return [
        as_pixels(item, f"{noun.capitalize()} {i} of {name}", noun) for i, item in enumerate(items)
    ]


def as_pixels(item: Any, where: str, role: str = "image") -> np.ndarray:
    """Bring one image or label map in memory to an array; Pillow images are turned upright."""
    if not is_pillow(item):
        return np.asarray(item)
    with readable(where):
        return read_pixels(item, role, where)


def _describe_item(item: Any) -> str:
    missing = item is None or (isinstance(item, float) and np.isnan(item))
    return f"missing ({item})" if missing else f"a {type(item).__name__}"


def is_path(item: Any) -> bool:
    """Say whether one item of a list is a path."""
    return isinstance(item, (str, os.PathLike))


def is_pixels(item: Any) -> bool:
    """Say whether one item of a list is an array or a Pillow image."""
    if is_pillow(item):
        return True
    return hasattr(item, "__array__") and not isinstance(item, np.ma.MaskedArray)
