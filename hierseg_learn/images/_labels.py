"""Label maps: checking them, and putting them beside their images."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np

from ._collect import unwrap
from ._files import ImageFiles
from ._ragged import RaggedArrays

_UINT8_UNLABELED = 255
_MAX_ID = np.iinfo(np.int32).max


def check_unlabeled(unlabeled: Any) -> tuple[int, ...]:
    """Return the ids that stand for "unlabeled", besides -1, as a sorted tuple."""
    if unlabeled is None:
        return ()
    ids = unlabeled if isinstance(unlabeled, Iterable) else [unlabeled]
    ids = list(ids)
    for value in ids:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(
                f"unlabeled={unlabeled!r} holds {value!r}; expected an int or a list of ints."
            )
    return tuple(sorted({int(value) for value in ids}))


def to_label_map(
    mask: np.ndarray, unlabeled: tuple[int, ...], where: str, *, may_be_empty: bool = False
) -> np.ndarray:
    """Check one label map and bring it to its standard form.

    Parameters
    ----------
    mask : ndarray of shape (h, w)
        Bool, integers, or floats that are whole numbers. 255 in uint8 is unlabeled.
    unlabeled : tuple of int
        Further ids that mean "unlabeled".
    where : str
        Names the mask in error messages.
    may_be_empty : bool, default=False
        Whether all pixels may be unlabeled.

    Returns
    -------
    ndarray of shape (h, w), int32
        Part ids, -1 where unlabeled.

    Raises
    ------
    ValueError
        For values that are no part ids, or if no pixel is labelled but one has to be.
    """
    if mask.dtype.kind == "f" and not (np.isfinite(mask) & (mask == np.rint(mask))).all():
        raise ValueError(f"{where} holds numbers that are not whole; expected part ids.")
    skip = [-1, *unlabeled]
    if mask.dtype == np.uint8:
        skip.append(_UINT8_UNLABELED)
    empty = np.isin(mask, skip)
    if empty.all() and not may_be_empty:
        raise ValueError(f"{where} is unlabeled everywhere; expected at least one part id.")
    outside = ((mask < 0) | (mask > _MAX_ID)) & ~empty
    if outside.any():
        raise ValueError(
            f"{where} holds the id {mask[outside][0]}; expected part ids from 0 to {_MAX_ID}, "
            "or -1 for unlabeled."
        )
    with np.errstate(invalid="ignore"):
        labels = mask.astype(np.int32, order="C")
    labels[empty] = -1
    return labels


def pair_masks(
    images: RaggedArrays | ImageFiles, masks: Any, unlabeled: tuple[int, ...], name: str
) -> RaggedArrays | ImageFiles:
    """Make one collection of label maps that fits the images.

    Parameters
    ----------
    images : RaggedArrays or ImageFiles
        Their images.
    masks : array, list of arrays, list of paths, Series, RaggedArrays or ImageFiles
        What the user passed.
    unlabeled : tuple of int
        Ids that mean "unlabeled", besides -1 and, in uint8, 255.
    name : str
        Argument name for error messages.

    Returns
    -------
    RaggedArrays or ImageFiles
        In memory, all are checked; files are checked when read.
    """
    items = unwrap(masks, name, "mask")
    if isinstance(items, np.ndarray) and items.ndim != 3:
        raise ValueError(f"{name} has shape {items.shape}; expected label maps (n, h, w).")
    if len(items) != len(images):
        raise ValueError(
            f"{name} holds {len(items)} label maps for {len(images)} images; expected one each."
        )
    if isinstance(items, ImageFiles):
        return ImageFiles(items.paths, "mask")
    masks = _store(items, unlabeled, name)
    _check_content(masks, unlabeled, name)
    if isinstance(images, RaggedArrays):
        for i in np.flatnonzero((images.shapes[:, :2] != masks.shapes).any(axis=1))[:1]:
            check_same_size(masks.shapes[i], images.shapes[i], f"Mask {i} of {name}")
    return masks


def check_same_size(mask_shape: Any, image_shape: Any, where: str) -> None:
    """Check that a label map has the size of its image, ``(h, w)``."""
    mask_size, image_size = (tuple(int(k) for k in s[:2]) for s in (mask_shape, image_shape))
    if mask_size != image_size:
        raise ValueError(
            f"{where} is {mask_size[0]} x {mask_size[1]} pixels, its image is "
            f"{image_size[0]} x {image_size[1]}; expected the same size."
        )


def _store(items: Any, unlabeled: tuple[int, ...], name: str) -> RaggedArrays:
    if isinstance(items, np.ndarray):
        items = RaggedArrays.from_stack(items)
    dtypes = {items.dtype} if isinstance(items, RaggedArrays) else {item.dtype for item in items}
    for i, item in enumerate(items if isinstance(items, list) else items[:1]):
        if item.dtype.kind not in "buif":
            raise TypeError(f"Mask {i} of {name} has dtype {item.dtype}; expected integers.")
        if item.ndim != 2:
            raise ValueError(f"Mask {i} of {name} has shape {item.shape}; expected (h, w).")
    if len(dtypes) > 1 or next(iter(dtypes)).kind == "f":
        # 255 means "unlabeled" in uint8 only, so mixed dtypes are told apart first.
        items = [
            to_label_map(item, unlabeled, f"Mask {i} of {name}") for i, item in enumerate(items)
        ]
    return items if isinstance(items, RaggedArrays) else RaggedArrays.from_arrays(items)


def _check_content(masks: RaggedArrays, unlabeled: tuple[int, ...], name: str) -> None:
    sizes = masks.shapes.prod(axis=1)
    for i in np.flatnonzero(sizes == 0)[:1]:
        raise ValueError(f"Mask {i} of {name} has no pixel.")
    low, high = masks.ranges()
    skip = [-1, *unlabeled, *([_UINT8_UNLABELED] if masks.dtype == np.uint8 else [])]
    # Only a mask whose extremes are both unlabeled can be unlabeled everywhere.
    suspicious = (np.isin(low, skip) & np.isin(high, skip)) | (low < -1) | (high > _MAX_ID)
    for i in np.flatnonzero(suspicious):
        to_label_map(masks[i], unlabeled, f"Mask {i} of {name}")
