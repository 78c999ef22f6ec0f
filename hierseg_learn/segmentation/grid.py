"""A regular grid of cells."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ..images import ImageBatch
from ..tree import SegmentTree
from ._base import Segmenter, smallest_size


class GridSegmenter(Segmenter):
    """Cut every image into the cells of a grid, whatever it shows.

    Parameters
    ----------
    n_rows, n_cols : int, default=3
        Number of cells down and across. There are never more than the smallest training image has
        pixels in that direction.

    Attributes
    ----------
    tree_ : SegmentTree
        The cells ``row0_col0``, ``row0_col1``, ... side by side below the root ``image``; part ids
        count them row by row.
    n_rows_, n_cols_ : int
        Number of cells down and across.

    See Also
    --------
    PyramidSegmenter : Cells in a tree of quarters.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import GridSegmenter
    >>> GridSegmenter(2, 2).fit(np.zeros((1, 3, 4))).segment(np.zeros((3, 4)))
    array([[0, 0, 1, 1],
           [0, 0, 1, 1],
           [2, 2, 3, 3]], dtype=int32)
    """

    _parameter_constraints: dict = {
        "n_rows": [Interval(Integral, 1, None, closed="left")],
        "n_cols": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_rows: int = 3, n_cols: int = 3) -> None:
        self.n_rows = n_rows
        self.n_cols = n_cols

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        height, width = smallest_size(batch)
        self.n_rows_ = min(self.n_rows, height)
        self.n_cols_ = min(self.n_cols, width)
        cells = {
            f"row{row}_col{col}": row * self.n_cols_ + col
            for row in range(self.n_rows_)
            for col in range(self.n_cols_)
        }
        return SegmentTree.from_nested({"image": cells})

    def _cells(self) -> list[np.ndarray | None]:
        return [np.arange(self.n_rows_ * self.n_cols_).reshape(self.n_rows_, self.n_cols_)]

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return spread_cells(self._cells()[0], image.shape)


def spread_cells(ids: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Give every pixel of an image the id of its cell in `ids`, (n_rows, n_cols)."""
    rows = np.arange(shape[0]) * ids.shape[0] // shape[0]
    cols = np.arange(shape[1]) * ids.shape[1] // shape[1]
    return ids[rows[:, np.newaxis], cols].astype(np.int32)


class PyramidSegmenter(Segmenter):
    """Cut every image into quarters, and these again: a quadtree, whatever the image shows.

    The tree describes the whole image, its quarters, their quarters and so on; this is the spatial
    pyramid of [1]_. It is the default for images without label maps.

    Parameters
    ----------
    n_levels : int, default=3
        Number of levels, the whole image included; ``4 ** (n_levels - 1)`` leaves.
        A direction is not divided any further once the smallest training image would have cells of
        less than a pixel there; an image of one row is divided into halves.

    Attributes
    ----------
    tree_ : SegmentTree
        Root ``image``; below it ``top_left``, ``top_right``, ``bottom_left`` and ``bottom_right``,
        or halves where only one direction is divided.
    cells_ : ndarray of shape (n_rows, n_cols)
        Part ids of the leaves where they lie.

    References
    ----------
    .. [1] S. Lazebnik, C. Schmid, J. Ponce, "Beyond bags of features: Spatial pyramid matching for
       recognizing natural scene categories", CVPR 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.segmentation import PyramidSegmenter
    >>> segmenter = PyramidSegmenter(n_levels=2).fit(np.zeros((1, 2, 4)))
    >>> print(segmenter.tree_.export_text())
    image
    ├── top_left
    ├── top_right
    ├── bottom_left
    └── bottom_right
    >>> segmenter.segment(np.zeros((2, 4)))
    array([[0, 0, 1, 1],
           [2, 2, 3, 3]], dtype=int32)
    """

    _parameter_constraints: dict = {"n_levels": [Interval(Integral, 1, 11, closed="both")]}

    def __init__(self, n_levels: int = 3) -> None:
        self.n_levels = n_levels

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        n_rows, n_cols = (_power_of_two(side, self.n_levels) for side in smallest_size(batch))
        self.cells_ = np.empty((n_rows, n_cols), dtype=np.int32)
        if self.cells_.size == 1:
            self.cells_[0, 0] = 0
            return SegmentTree(["image"], [0], [0])
        nested, _ = _divide(self.cells_, 0)
        return SegmentTree.from_nested({"image": nested})

    def _cells(self) -> list[np.ndarray | None]:
        return [self.cells_]

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return spread_cells(self.cells_, image.shape)


def _power_of_two(side: int, n_levels: int) -> int:
    """Cells along a side: the largest power of two that `n_levels` and the pixels allow."""
    return 2 ** min(n_levels - 1, side.bit_length() - 1)


def _divide(cells: np.ndarray, next_id: int) -> tuple[Any, int]:
    """Number the cells of a block depth first, in place; return its quarters and the next id."""
    if cells.size == 1:
        cells[0, 0] = next_id
        return next_id, next_id + 1
    nested = {}
    for vertical, rows in _halves(cells.shape[0], ("top", "bottom")):
        for horizontal, cols in _halves(cells.shape[1], ("left", "right")):
            name = "_".join(filter(None, (vertical, horizontal)))
            nested[name], next_id = _divide(cells[rows, cols], next_id)
    return nested, next_id


def _halves(n_cells: int, names: tuple[str, str]) -> list[tuple[str, slice]]:
    """Names and slices of the two halves of a side; a single cell is not divided."""
    if n_cells == 1:
        return [("", slice(None))]
    return [(names[0], slice(0, n_cells // 2)), (names[1], slice(n_cells // 2, None))]
