"""Where a region lies in the image and how far it spreads."""

from __future__ import annotations

import numpy as np

from ._base import Descriptor
from ._channels import ImageChannels


class ShapeDescriptor(Descriptor):
    """Centroid, spread and tilt of a region, in fractions of the image's sides.

    The area share of a node is not among the columns: every node has it anyway.

    Parameters
    ----------
    prefix : str, default="shape"
        How the column names start.

    Attributes
    ----------
    n_channels_ : int
        1 if fitted on grey images, 3 on colour images.
    n_columns_, n_sums_ : int
        Number of columns and of sums (raw moments), 5.

    Notes
    -----
    Rows count from the top, columns from the left; a pixel's place is its centre, so a region that
    fills the image has its centroid at (0.5, 0.5). ``shape_row_std`` and ``shape_col_std`` are
    standard deviations, ``shape_cov`` the covariance of row and column: positive where the region
    runs from top left to bottom right.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ImageChannels, ShapeDescriptor
    >>> image = np.zeros((4, 4))
    >>> shape = ShapeDescriptor().fit([image])
    >>> list(shape.get_feature_names_out())
    ['shape_row', 'shape_col', 'shape_row_std', 'shape_col_std', 'shape_cov']
    >>> diagonal = np.where(np.eye(4), 0, -1)
    >>> shape.from_sums(shape.pool(ImageChannels(image), diagonal, 1), [0.25]).round(3)
    array([[0.5  , 0.5  , 0.28 , 0.28 , 0.078]])
    """

    def __init__(self, *, prefix: str = "shape") -> None:
        self.prefix = prefix

    def _columns(self) -> list[str]:
        return ["row", "col", "row_std", "col_std", "cov"]

    def _prepare(self, channels: ImageChannels) -> tuple[np.ndarray, np.ndarray]:
        height, width = channels.shape
        return (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width

    def _block(self, prepared: tuple[np.ndarray, np.ndarray], rows: slice) -> np.ndarray:
        row, col = prepared[0][rows, np.newaxis], prepared[1]
        maps = np.empty((row.shape[0], col.shape[0], 5))
        for k, moment in enumerate((row, col, row**2, col**2, row * col)):
            maps[..., k] = moment
        return maps

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        columns = means.copy()
        variances = means[..., 2:4] - means[..., :2] ** 2
        columns[..., 2:4] = np.sqrt(np.maximum(variances, 0.0))
        columns[..., 4] = means[..., 4] - means[..., 0] * means[..., 1]
        return columns

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        means = columns.copy()
        means[..., 2:4] = columns[..., 2:4] ** 2 + columns[..., :2] ** 2
        means[..., 4] = columns[..., 4] + columns[..., 0] * columns[..., 1]
        return means
