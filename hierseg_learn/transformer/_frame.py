"""Layouts: parts that are the same in every photo, such as the cells of a grid.

Up to rounding they cover the same share of every photo, so their pixel counts and outlines would
only encode its size. They are described by the layout instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from ..descriptors import Descriptor, ImageChannels
from ..segmentation.grid import spread_cells

# in photos with a shorter side, a pixel of rounding may be as much as what they show
MIN_SIDE = 16


@dataclass(frozen=True)
class Frame:
    """Layout of one layer of a tree."""

    # (n_rows, n_cols) int: positions in ``tree.leaves``, -1 for none, where they lie
    cells: np.ndarray
    # for a layout found in label maps: row and column of `cells` at every row (height,) and column
    # (width,) of the largest photo. None for one whose cells are all of one size
    rows: np.ndarray | None
    cols: np.ndarray | None
    area: np.ndarray  # (n_leaves,) float64: share of every leaf; 0 for leaves of other layers
    # (n_leaves, n_sums) float64 each: sums of the descriptors of outlines
    sums: tuple[np.ndarray, ...]

    @classmethod
    def of_cells(
        cls, cells: np.ndarray, n_leaves: int, descriptors: Sequence[tuple[str, Descriptor]]
    ) -> Frame:
        """Make the layout of a segmenter that says where its cells lie."""
        return cls(cells, None, None, *_measured(cells, n_leaves, descriptors))

    @classmethod
    def of_label_map(
        cls, leaves: np.ndarray, n_leaves: int, descriptors: Sequence[tuple[str, Descriptor]]
    ) -> Frame:
        """Make the layout that the largest label map shows."""
        rows, cols = _runs(leaves), _runs(leaves.T)
        _, first_row = np.unique(rows, return_index=True)
        _, first_col = np.unique(cols, return_index=True)
        cells = leaves[np.ix_(first_row, first_col)]
        return cls(cells, rows, cols, *_measured(leaves, n_leaves, descriptors))

    def spread(self, shape: tuple[int, ...]) -> np.ndarray:
        """Lay the cells over a photo: (height, width) positions in ``tree.leaves``, or -1."""
        if self.rows is None or self.cols is None:
            return spread_cells(self.cells, shape)
        places = (
            side[((np.arange(n) + 0.5) * len(side) / n).astype(np.intp)]
            for side, n in zip((self.rows, self.cols), shape)
        )
        return self.cells[np.ix_(*places)]

    def shares(self, leaves: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Areas of the leaves in one photo, and which of them fill their cells.

        Shapes: `leaves` (h, w) integer, `counts` (n_leaves,) int. Returns (n_leaves,) float64 and
        bool.
        """
        expected = self.spread(leaves.shape)
        if self.rows is not None:
            if agree(leaves, expected):
                return self.area, self.area > 0
            return counts / leaves.size, np.zeros(len(counts), dtype=bool)
        full = np.bincount(expected[expected >= 0], minlength=len(counts))
        # a photo of fewer pixels than cells lacks some of them: the others share it out
        area = np.where(full > 0, self.area, 0.0)
        area *= self.area.sum() / area.sum()
        return area * counts / np.maximum(full, 1), (counts == full) & (full > 0)

    def outlines(self, place: int, area: np.ndarray) -> np.ndarray:
        """Sums of the descriptor of outlines number `place`, for leaves of some areas."""
        share = np.divide(area, self.area, out=np.zeros(len(area)), where=self.area > 0)
        return self.sums[place] * share[:, np.newaxis]


def find_frames(
    declared: tuple[Frame | None, ...],
    sizes: np.ndarray,
    leaf_maps: Callable[[list[int]], Iterable[list[np.ndarray]]],
    n_leaves: int,
    descriptors: Sequence[tuple[str, Descriptor]],
) -> tuple[Frame | None, ...]:
    """Find the layers of label maps that cut all photos alike, up to a pixel of rounding.

    Returns one layout, or None, per layer. The search reads label maps only where photos differ in
    size, and stops at the first that differ, as nearly all do.
    """
    frames = list(declared)
    open_layers = [k for k, frame in enumerate(frames) if frame is None]
    if not open_layers or (sizes == sizes[0]).all() or sizes.min() < MIN_SIDE:
        return declared
    largest = int(sizes.prod(axis=1).argmax())
    order = [largest, *(i for i in range(len(sizes)) if i != largest)]
    prints: dict[tuple[int, ...], bytes] = {}
    for layers in leaf_maps(order):
        for k in list(open_layers):
            found, leaves = frames[k], layers[k]
            # photos of one size are rounded alike
            key = (k, *leaves.shape)
            same = sha256(np.ascontiguousarray(leaves)).digest()
            if found is None:
                frames[k] = Frame.of_label_map(leaves, n_leaves, ())
            elif not agree(leaves, found.spread(leaves.shape)) or prints.get(key, same) != same:
                frames[k] = None
                open_layers.remove(k)
            prints[key] = same
        if not open_layers:
            break
    return tuple(
        Frame.of_label_map(frame.cells[np.ix_(frame.rows, frame.cols)], n_leaves, descriptors)
        if k in open_layers and frame is not None
        else frame
        for k, frame in enumerate(frames)
    )


def agree(leaves: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two label maps hold the same leaves, and differ by no more than a pixel."""
    if (leaves == expected).all():
        return True
    if not np.array_equal(np.unique(leaves), np.unique(expected)):
        return False
    height, width = leaves.shape
    for one, other in ((leaves, expected), (expected, leaves)):
        near = np.zeros(leaves.shape, dtype=bool)
        padded = np.pad(other, 1, mode="edge")
        for down in range(3):
            for across in range(3):
                near |= one == padded[down : down + height, across : across + width]
        if not near.all():
            return False
    return True


def _runs(leaves: np.ndarray) -> np.ndarray:
    """Number the runs of equal rows of a label map: (height,) int."""
    return np.concatenate([[0], np.cumsum((leaves[1:] != leaves[:-1]).any(axis=1))]).astype(np.intp)


def _measured(
    leaves: np.ndarray, n_leaves: int, descriptors: Sequence[tuple[str, Descriptor]]
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Areas and sums of outlines in a label map."""
    counts = np.bincount(leaves[leaves >= 0], minlength=n_leaves)
    sums = []
    for _, descriptor in descriptors:
        if not descriptor.uses_erosion:
            empty = np.zeros((*leaves.shape, 3)[: 2 + (descriptor.n_channels_ == 3)])
            sums.append(descriptor.pool(ImageChannels(empty), leaves, n_leaves))
    return counts / leaves.size, tuple(sums)
