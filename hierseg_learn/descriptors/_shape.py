"""Where a region lies in the image and how far it spreads."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import Descriptor
from ._channels import ImageChannels
from ._histograms import linear_bin_weights, root_of, square_of
from ._moments import central_moment


class ShapeDescriptor(Descriptor):
    """Centroid, spread, tilt and vertical profile of a region, in fractions of the image's sides.

    The profile says how the region's pixels are spread from top to bottom: a pixel goes to the two
    nearest of `n_bins` bands in linear shares. There is none from left to right, as what is upright
    in photos stays at its height and moves sideways. The area share of a node is not among the
    columns: every node has it anyway.

    Parameters
    ----------
    n_bins : int, default=10
        Bands of the profile.
    root : bool, default=True
        Whether the profile columns are square roots of the shares.
    prefix : str, default="shape"
        How the column names start.

    Attributes
    ----------
    n_channels_ : int
        1 if fitted on grey images, 3 on colour images.
    n_columns_, n_sums_ : int
        Number of columns and of sums (raw moments and shares), 5 + `n_bins`.

    Notes
    -----
    Rows count from the top, columns from the left; a pixel's place is its centre, so a region that
    fills the image has its centroid at (0.5, 0.5). ``shape_row_std`` and ``shape_col_std`` are
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
    array([[0.5  , 0.5  , 0.28 , 0.28 , 0.078]])
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "root": ["boolean"],
    }

    uses_margin = False

    def __init__(self, n_bins: int = 10, *, root: bool = True, prefix: str = "shape") -> None:
        self.n_bins = n_bins
        self.root = root
        self.prefix = prefix

    def _columns(self) -> list[str]:
        profile = [f"row_hist_{k}" for k in range(self.n_bins)]
        return ["row", "col", "row_std", "col_std", "cov", *profile]

    def _prepare(self, channels: ImageChannels) -> tuple[np.ndarray, np.ndarray]:
        height, width = channels.shape
        return (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width

    def _block(self, prepared: tuple[np.ndarray, np.ndarray], rows: slice) -> np.ndarray:
        row, col = prepared[0][rows], prepared[1]
        maps = np.empty((len(row), len(col), self.n_sums_))
        down = row[:, np.newaxis]
        for k, moment in enumerate((down, col, down**2, col**2, down * col)):
            maps[..., k] = moment
        maps[..., 5:] = linear_bin_weights(row, self.n_bins)[:, np.newaxis]
        return maps

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        columns = means.copy()
        variances = central_moment(means[..., 2:4], means[..., :2] ** 2)
        columns[..., 2:4] = np.sqrt(np.maximum(variances, 0.0))
        columns[..., 4] = central_moment(means[..., 4], means[..., 0] * means[..., 1])
        columns[..., 5:] = root_of(means[..., 5:], self.root)
        return columns

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        means = columns.copy()
        means[..., 2:4] = columns[..., 2:4] ** 2 + columns[..., :2] ** 2
        means[..., 4] = columns[..., 4] + columns[..., 0] * columns[..., 1]
        means[..., 5:] = square_of(columns[..., 5:], self.root)
        return means
