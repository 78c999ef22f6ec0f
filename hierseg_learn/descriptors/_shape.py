"""Where a region lies in the image and how far it spreads."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import (
    Descriptor,
    ImageChannels,
    central_moment,
    mean_bin_weights,
    root_of,
    square_of,
)


class ShapeDescriptor(Descriptor):
    """Centroid, spread, tilt and vertical profile of a region, in fractions of the image's sides.

    The profile says how the region's pixels are spread from top to bottom: every point of a pixel
    goes to the two nearest of `n_bins` bands in linear shares. There is none from left to right, as
    what is upright in photos stays at its height and moves sideways. The area share of a node is
    not among the columns: every node has it anyway.

    Parameters
    ----------
    n_bins : int, default=10
        Bands of the profile.
    hellinger : bool, default=True
        Whether the profile columns are square roots of the shares.
    prefix : str, default="shape"
        How the column names start.

    Notes
    -----
    Rows count from the top, columns from the left. A pixel is a small area, not a point, so a
    region that covers the same part of the image has the same columns in any resolution: one that
    fills it has its centroid at (0.5, 0.5), deviations of ``1 / sqrt(12)`` and a flat profile.
    ``shape_row_std`` and ``shape_col_std`` are
    standard deviations, ``shape_cov`` the covariance of row and column: positive where the region
    runs from top left to bottom right. ``shape_row_hist_<k>`` is the profile; bin 0 is at the top.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ImageChannels, ShapeDescriptor
    >>> image = np.zeros((4, 4))
    >>> shape = ShapeDescriptor(n_bins=2).fit([image])
    >>> list(shape.get_feature_names_out()[:6])
    ['shape_row', 'shape_col', 'shape_row_std', 'shape_col_std', 'shape_cov', 'shape_row_hist_0']
    >>> diagonal = np.where(np.eye(4), 0, -1)
    >>> shape.from_sums(shape.pool(ImageChannels(image), diagonal, 1), [0.25])[:, :5].round(3)
    array([[0.5  , 0.5  , 0.289, 0.289, 0.078]])
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "hellinger": ["boolean"],
    }

    uses_erosion = False

    def __init__(self, n_bins: int = 10, *, hellinger: bool = True, prefix: str = "shape") -> None:
        self.n_bins = n_bins
        self.hellinger = hellinger
        self.prefix = prefix

    def _columns(self) -> list[str]:
        profile = [f"row_hist_{k}" for k in range(self.n_bins)]
        return ["row", "col", "row_std", "col_std", "cov", *profile]

    def _prepare(self, channels: ImageChannels) -> tuple[np.ndarray, ...]:
        height, width = channels.shape
        rows, cols = (np.arange(side + 1) / side for side in (height, width))
        row, col = ((ends[1:] + ends[:-1]) / 2 for ends in (rows, cols))
        # the mean square over a pixel exceeds that of its center
        squares = row**2 + 1 / (12 * height**2), col**2 + 1 / (12 * width**2)
        return row, col, *squares, mean_bin_weights(rows, self.n_bins)

    def _block(self, prepared: tuple[np.ndarray, ...], rows: slice) -> np.ndarray:
        row, col, row_square, col_square, profile = prepared
        down, down_square = row[rows, np.newaxis], row_square[rows, np.newaxis]
        maps = np.empty((len(down), len(col), self.n_sums_))
        for k, moment in enumerate((down, col, down_square, col_square, down * col)):
            maps[..., k] = moment
        maps[..., 5:] = profile[rows, np.newaxis]
        return maps

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        columns = means.copy()
        variances = central_moment(means[..., 2:4], means[..., :2] ** 2)
        columns[..., 2:4] = np.sqrt(np.maximum(variances, 0.0))
        columns[..., 4] = central_moment(means[..., 4], means[..., 0] * means[..., 1])
        columns[..., 5:] = root_of(means[..., 5:], self.hellinger)
        return columns

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        means = columns.copy()
        means[..., 2:4] = columns[..., 2:4] ** 2 + columns[..., :2] ** 2
        means[..., 4] = columns[..., 4] + columns[..., 0] * columns[..., 1]
        means[..., 5:] = square_of(columns[..., 5:], self.hellinger)
        return means
