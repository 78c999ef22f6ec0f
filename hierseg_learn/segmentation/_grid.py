"""A regular grid of cells."""

from __future__ import annotations

from numbers import Integral

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
    >>> GridSegmenter(n_rows=2, n_cols=2).fit(np.zeros((1, 3, 4))).segment(np.zeros((3, 4)))
    array([[0, 0, 1, 1],
           [0, 0, 1, 1],
           [2, 2, 3, 3]], dtype=int32)
    """

    _parameter_constraints: dict = {
        "n_rows": [Interval(Integral, 1, None, closed="left")],
        "n_cols": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_rows: int = 3, *, n_cols: int = 3) -> None:
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
    """Give every pixel the id of its cell.

    Parameters
    ----------
    ids : ndarray of shape (n_rows, n_cols)
        Id of every cell.
    shape : tuple of int
        Shape of the image, ``(height, width, ...)``. A side of fewer pixels than cells leaves
        some cells out.

    Returns
    -------
    ndarray of shape (height, width), int32
    """
    rows = np.arange(shape[0]) * ids.shape[0] // shape[0]
    cols = np.arange(shape[1]) * ids.shape[1] // shape[1]
    return ids[rows[:, np.newaxis], cols].astype(np.int32)
