"""Color of a region in CIELAB."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import (
    Descriptor,
    ImageChannels,
    central_moment,
    linear_bin_weights,
    root_of,
    square_of,
)

LOWEST = np.array([0.0, -100.0, -100.0], dtype=np.float32)
HIGHEST = np.array([100.0, 100.0, 100.0], dtype=np.float32)


class ColorDescriptor(Descriptor):
    """Mean, standard deviation and histogram of the CIELAB channels of a region.

    Gray images have the lightness L only. The histograms are marginal, one per channel; a pixel
    goes to its two nearest bins in linear shares, so that a small change of color is a small
    change of the histogram. Values beyond the outer bin centers belong to the outer bins.

    Parameters
    ----------
    n_bins : int, default=8
        Bins per channel, over 0 to 100 for L and -100 to 100 for a and b.
    hellinger : bool, default=True
        Whether the histogram columns are square roots of the shares (then the Euclidean distance
        of two histograms is their Hellinger distance).
    prefix : str, default="lab"
        How the column names start.

    Notes
    -----
    Columns are ``lab_mean_<channel>`` and ``lab_std_<channel>`` in CIELAB units (L from 0 to 100)
    and ``lab_hist_<channel>_<bin>``; channels are 0 for L, 1 for a (green to red), 2 for b (blue to
    yellow).

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.descriptors import ColorDescriptor, ImageChannels
    >>> image = np.zeros((2, 2, 3))
    >>> image[0, :, 0] = 1.0
    >>> color = ColorDescriptor(n_bins=4).fit([image])
    >>> list(color.get_feature_names_out()[2:7])
    ['lab_mean_2', 'lab_std_0', 'lab_std_1', 'lab_std_2', 'lab_hist_0_0']
    >>> sums = color.pool(ImageChannels(image), np.array([[0, 0], [1, 1]]), n_regions=2)
    >>> color.from_sums(sums, [0.5, 0.5])[:, :3].round(1)
    array([[53.2, 80.1, 67.2],
           [ 0. ,  0. ,  0. ]])
    """

    _parameter_constraints: dict = {
        **Descriptor._parameter_constraints,
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "hellinger": ["boolean"],
    }

    def __init__(self, n_bins: int = 8, *, hellinger: bool = True, prefix: str = "lab") -> None:
        self.n_bins = n_bins
        self.hellinger = hellinger
        self.prefix = prefix

    def _columns(self) -> list[str]:
        channels = range(self.n_channels_)
        names = [f"{moment}_{c}" for moment in ("mean", "std") for c in channels]
        return names + [f"hist_{c}_{k}" for c in channels for k in range(self.n_bins)]

    def _prepare(self, channels: ImageChannels) -> np.ndarray:
        return channels.lab

    def _block(self, prepared: np.ndarray, rows: slice) -> np.ndarray:
        lab = prepared[rows]
        c = self.n_channels_
        maps = np.empty((*lab.shape[:2], self.n_sums_))
        maps[..., :c] = lab
        # squared in float64, where squares of float32 are exact: no deviation out of rounding
        maps[..., c : 2 * c] = maps[..., :c] ** 2
        shares = (lab - LOWEST[:c]) / (HIGHEST[:c] - LOWEST[:c])
        weights = linear_bin_weights(shares, self.n_bins)
        maps[..., 2 * c :] = weights.reshape(*lab.shape[:2], -1)
        return maps

    def _from_means(self, means: np.ndarray) -> np.ndarray:
        c = self.n_channels_
        columns = means.copy()
        variances = central_moment(means[..., c : 2 * c], means[..., :c] ** 2)
        columns[..., c : 2 * c] = np.sqrt(np.maximum(variances, 0.0))
        columns[..., 2 * c :] = root_of(means[..., 2 * c :], self.hellinger)
        return columns

    def _to_means(self, columns: np.ndarray) -> np.ndarray:
        c = self.n_channels_
        means = columns.copy()
        means[..., c : 2 * c] = columns[..., c : 2 * c] ** 2 + columns[..., :c] ** 2
        means[..., 2 * c :] = square_of(columns[..., 2 * c :], self.hellinger)
        return means
