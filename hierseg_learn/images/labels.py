"""Validation of label maps, and their pairing with images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from ._pixels import unwrap
from ._storage import ImageFiles, RaggedArrays

# written into 8 bits by some tools where a pixel is of no part, by others where it is of the object
OPEN_ID = 255
_MAX_ID = np.iinfo(np.int32).max


def check_unlabeled(unlabeled: Any) -> tuple[int, ...] | None:
    """Return the ids that belong to no part, besides -1, as a sorted tuple; None says nothing."""
    if unlabeled is None:
        return None
    ids = unlabeled if isinstance(unlabeled, Iterable) else [unlabeled]
    ids = list(ids)
    for value in ids:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(
                f"unlabeled={unlabeled!r} holds {value!r}; expected an int or a list of ints."
            )
    return tuple(sorted({int(value) for value in ids} - {-1}))


@dataclass(frozen=True)
class IdRule:
    """Which ids of a label map belong to no part.

    -1 always; the ids given; if none were given, 255 in uint8, unless it is a part.
    """

    unlabeled: tuple[int, ...] | None = None  # as `check_unlabeled` returns them
    parts: tuple[int, ...] = ()  # ids that a tree names

    def drops_open_id(self, dtype: np.dtype) -> bool:
        """Say whether 255 belongs to no part by default."""
        return self.unlabeled is None and dtype == np.uint8 and OPEN_ID not in self.parts

    def skipped(self, dtype: np.dtype) -> list[int]:
        """Ids of no part in a label map of this dtype."""
        return [-1, *(self.unlabeled or ()), *([OPEN_ID] if self.drops_open_id(dtype) else ())]

    def n_dropped(self, mask: np.ndarray) -> int:
        """Count the pixels that belong to no part by default."""
        return int(np.count_nonzero(mask == OPEN_ID)) if self.drops_open_id(mask.dtype) else 0

    def settled(
        self, unlabeled: tuple[int, ...] | None, parts: tuple[int, ...], name: str
    ) -> IdRule:
        """Combine the rule of label maps with that of a model; `name` is that of the images."""
        if None not in (self.unlabeled, unlabeled) and self.unlabeled != unlabeled:
            raise ValueError(
                f"{name} has unlabeled={list(self.unlabeled)}, the model has "
                f"unlabeled={list(unlabeled)}; expected the same ids, or None for one of them."
            )
        given = self.unlabeled if unlabeled is None else unlabeled
        parts = tuple(sorted({*self.parts, *parts}))
        for part in sorted(set(parts).intersection(given or ())):
            raise ValueError(
                f"unlabeled={list(given)} names the id {part}, which is a part of the tree; "
                "expected an id to be one of the two."
            )
        return IdRule(given, parts)


def to_label_map(
    mask: np.ndarray, rule: IdRule, where: str, *, may_be_empty: bool = False
) -> np.ndarray:
    """Check one label map, (h, w), and bring it to int32, -1 where unlabeled."""
    if mask.dtype == np.uint8:
        # all that can be wrong is that there is no part
        empty = np.zeros((), dtype=bool)
        for part in rule.skipped(mask.dtype):
            if 0 <= part < 256:
                empty = (mask == part) | empty if empty.ndim else mask == part
        if may_be_empty or (mask.size and not empty.all()):
            if empty.any():
                # all bits are -1; in place of a copy where it holds, which branches at every pixel
                mask = mask.astype(np.int16) | np.negative(empty.view(np.int8))
            return mask.astype(np.int32, order="C")
    # NumPy 2.0 cannot compare foreign byte orders with numbers out of their range
    mask = mask.astype(mask.dtype.newbyteorder("="), copy=False)
    if mask.dtype.kind == "f" and not (np.isfinite(mask) & (mask == np.rint(mask))).all():
        raise ValueError(f"{where} holds numbers that are not whole; expected part ids.")
    empty = np.isin(mask, rule.skipped(mask.dtype))
    if empty.all() and not may_be_empty:
        hint = ""
        if rule.n_dropped(mask):
            hint = (
                f"; {OPEN_ID} in uint8 is no part unless you say otherwise: name it in tree=, "
                "or pass unlabeled=[]"
            )
        raise ValueError(f"{where} is unlabeled everywhere; expected at least one part id{hint}.")
    outside = ((mask < 0) | (mask > _MAX_ID)) & ~empty
    if outside.any():
        raise ValueError(
            f"{where} holds the id {mask[outside][0]}; expected part ids from 0 to {_MAX_ID}, "
            "or -1 for unlabeled (or name it in unlabeled=)."
        )
    with np.errstate(invalid="ignore"):
        labels = mask.astype(np.int32, order="C")
    labels[empty] = -1
    return labels


def pair_masks(
    images: RaggedArrays | ImageFiles, masks: Any, rule: IdRule, name: str
) -> RaggedArrays | ImageFiles:
    """Make one collection of label maps that fits the images; files are checked when read."""
    items = unwrap(masks, name, "mask")
    if isinstance(items, np.ndarray) and items.ndim != 3:
        raise ValueError(f"{name} has shape {items.shape}; expected label maps (n, h, w).")
    if len(items) != len(images):
        raise ValueError(
            f"{name} holds {len(items)} label maps for {len(images)} images; expected one each."
        )
    if isinstance(items, ImageFiles):
        return items if items.role == "mask" else ImageFiles(items.sources, "mask")
    masks = _store(items, rule, name)
    _check_content(masks, rule, name)
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


def _store(items: Any, rule: IdRule, name: str) -> RaggedArrays:
    if isinstance(items, np.ndarray):
        items = RaggedArrays.from_stack(items)
    dtypes = {items.dtype} if isinstance(items, RaggedArrays) else {item.dtype for item in items}
    for i, item in enumerate(items if isinstance(items, list) else items[:1]):
        if item.dtype.kind not in "buif":
            raise TypeError(f"Mask {i} of {name} has dtype {item.dtype}; expected integers.")
        if item.ndim != 2:
            colors = " (give every color its id)" if item.ndim == 3 else ""
            raise ValueError(
                f"Mask {i} of {name} has shape {item.shape}; expected part ids (h, w){colors}."
            )
    if len(dtypes) > 1 or next(iter(dtypes)).kind == "f":
        # The buffer has one dtype, and would not tell 255 in uint8 from 255 elsewhere.
        for i, item in enumerate(items if len(dtypes) > 1 else ()):
            if rule.n_dropped(item):
                raise ValueError(
                    f"Mask {i} of {name} is uint8 and holds {OPEN_ID} among masks of other dtypes, "
                    f"in which that is a part; pass masks of one dtype, unlabeled={OPEN_ID} if it "
                    "is none, or unlabeled=[] if it is one."
                )
        items = [to_label_map(item, rule, f"Mask {i} of {name}") for i, item in enumerate(items)]
    return items if isinstance(items, RaggedArrays) else RaggedArrays.from_arrays(items)


def _check_content(masks: RaggedArrays, rule: IdRule, name: str) -> None:
    sizes = masks.shapes.prod(axis=1)
    for i in np.flatnonzero(sizes == 0)[:1]:
        raise ValueError(f"Mask {i} of {name} has no pixel.")
    low, high = masks.ranges()
    # A tree may still make a part of 255, so a mask of nothing else is settled later.
    rule = IdRule(rule.unlabeled, (*rule.parts, OPEN_ID))
    skip = rule.skipped(masks.dtype)
    # Only a mask whose extremes are both unlabeled can be unlabeled everywhere.
    suspicious = (np.isin(low, skip) & np.isin(high, skip)) | (low < -1) | (high > _MAX_ID)
    for i in np.flatnonzero(suspicious):
        to_label_map(masks[i], rule, f"Mask {i} of {name}")
