"""From what users pass as images to one collection of arrays or of files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ._encoding import describe_kind, pixel_kind
from ._files import ImageFiles
from ._item import SegmentedImage
from ._ragged import RaggedArrays
from .pillow import is_pillow, read_pixels, readable


def collect_images(images: Any, name: str) -> RaggedArrays | ImageFiles:
    """Make one collection of images.

    Returns all images gray or all color, all of one kind of dtype.
    """
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
    """Reduce every accepted container to one of four forms.

    Returns an ndarray is a stack of numbers, with any number of axes.
    """
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
    """Bring one image or label map in memory to an array.

    A Pillow image is read as its file would be, turned upright.

    Parameters
    ----------
    item : array-like or Pillow image
        An array is not checked.
    where : str
        Names it in error messages.
    role : {"image", "mask"}, default="image"
        Which it is.

    Returns
    -------
    ndarray of shape (h, w) or (h, w, 3)

    Examples
    --------
    >>> from PIL import Image
    >>> from hierseg_learn.images import as_pixels
    >>> as_pixels(Image.new("L", (3, 1), 7), "image")
    array([[7, 7, 7]], dtype=uint8)
    """
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
