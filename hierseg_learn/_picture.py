"""A picture with its label map while parts of it are replaced, and where its regions lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from .images import as_pixels
from .tree import SegmentTree

# Pixels at the ends that do not count for where a part begins: masks have stray pixels.
STRAY = 0.01


class Picture:
    """Pixels in float, the leaf of each, and what is needed to store them again."""

    def __init__(self, image: np.ndarray, mask: np.ndarray, tree: SegmentTree) -> None:
        self.original, self.dtype = image, image.dtype
        self.pixels = np.atleast_3d(image).astype(np.float64)
        self.mask = mask.copy()
        self.touched = np.zeros(mask.shape, dtype=bool)
        self.tree = tree
        self._parts = [np.atleast_1d(np.asarray(value)) for value in tree.leaf_values]

    @classmethod
    def check(cls, image: Any, mask: Any, tree: SegmentTree, name: str, mask_name: str) -> Picture:
        image, mask = as_pixels(image, name), as_pixels(mask, mask_name, "mask")
        if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or not image.size:
            raise ValueError(f"{name} must have shape (h, w) or (h, w, 3), got {image.shape}.")
        if image.dtype.kind not in "buif":
            raise TypeError(f"{name} must hold numbers, got dtype {image.dtype}.")
        if mask.dtype.kind not in "ui":
            raise TypeError(f"{mask_name} must hold integers, got dtype {mask.dtype}.")
        if mask.shape != image.shape[:2]:
            raise ValueError(
                f"{mask_name} must have the size of {name}, {image.shape[:2]}, got {mask.shape}."
            )
        return cls(image, mask, tree)

    @property
    def kind(self) -> str:
        return f"{'grey' if self.pixels.shape[2] == 1 else 'colour'} of dtype {self.dtype}"

    @property
    def diagonal(self) -> float:
        return float(np.hypot(*self.mask.shape))

    def region(self, node: int) -> np.ndarray:
        """Pixels of a node: (h, w) bool."""
        below = np.isin(self.tree.leaves, self.tree.subtree(node))
        ids = [self._parts[place] for place in np.flatnonzero(below)]
        return np.isin(self.mask, np.concatenate(ids))

    def stored(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Pixels as they were stored, untouched ones to the bit."""
        pixels = np.clip(self.pixels, low, high).reshape(self.original.shape)
        if self.dtype.kind == "b":
            pixels = pixels > 0.5
        elif self.dtype.kind in "ui":
            pixels = np.rint(pixels)
        image = self.original.copy()
        image[self.touched] = pixels.astype(self.dtype)[self.touched]
        return image, self.mask


def region_box(region: np.ndarray) -> np.ndarray:
    """First and last row and column of a region without its stray pixels: [[r0, r1], [c0, c1]]."""
    box = []
    for axis in range(2):
        counts = region.sum(axis=1 - axis).cumsum()
        first, last = np.searchsorted(counts, [STRAY * counts[-1], (1 - STRAY) * counts[-1]])
        box.append([first, last + 1.0])
    return np.array(box, dtype=np.float64)


def box_diagonal(region: np.ndarray) -> float:
    return float(np.hypot(*np.diff(region_box(region))[:, 0]))


def places_in(source: np.ndarray, target: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Place in the donor of every pixel of the receiver, (2, h, w)."""
    axes = [
        (np.arange(n) + 0.5 - to[0]) / (to[1] - to[0]) * (of[1] - of[0]) + of[0] - 0.5
        for n, of, to in zip(shape, source, target)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def sample_at(
    values: np.ndarray, places: np.ndarray, *, order: int, cval: float | None = None
) -> np.ndarray:
    """Values of a picture at places; beyond its edge the nearest, or `cval`."""
    options = {"mode": "nearest"} if cval is None else {"mode": "constant", "cval": cval}
    return np.stack(
        [
            map_coordinates(values[..., channel], places, order=order, prefilter=False, **options)
            for channel in range(values.shape[2])
        ],
        axis=-1,
    )
