"""Whether the rows of a table look like images of several rows of pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_SMALLEST_SIDE, _LARGEST_RATIO = 5, 3
_FEWEST_ROWS = 8
# values looked at, so that a large table costs no more than a moment
_N_VALUES = 2_000_000
# by so much the next pixel, and the one below, must be more alike than those half a row away
_CLEAR = 0.1


def flat_image_shape(X: np.ndarray) -> tuple[int, ...] | None:
    """Say which shape the images have that the rows of a table seem to be.

    Pixels resemble those beside and below them more than those half a row of the image away, all
    over the image. No table of measurements, and no spectrum or signal, shows that at once.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Numbers; NaN is not looked for.

    Returns
    -------
    tuple of int or None
        ``(h, w)``, ``(h, w, 3)``, or ``(3, h, w)`` where the colors of a square image come one
        after the other; None where the rows look like no images.

    Examples
    --------
    >>> from sklearn.datasets import load_digits, load_wine
    >>> from hierseg_learn.images import flat_image_shape
    >>> flat_image_shape(load_digits().data), flat_image_shape(load_wine().data)
    ((8, 8), None)
    """
    n_rows, n_columns = X.shape
    if X.dtype.kind not in "buif" or n_rows < _FEWEST_ROWS or n_columns < _SMALLEST_SIDE**2:
        return None
    step = max(1, min(n_rows // _FEWEST_ROWS, n_rows * n_columns // _N_VALUES))
    values = X[::step].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        spread = values.std(axis=0)
        varies = spread > 0
        if not np.isfinite(spread).all() or not varies.any():
            return None
        spans = np.ptp(values, axis=0)
        # columns of measurements have units of their own
        if spans.max() > 4 * np.percentile(spans[varies], 75):
            return None
        values = np.where(varies, (values - values.mean(axis=0)) / np.where(varies, spread, 1), 0)
    found = {}
    likeness = _likeness(values, varies)
    for channels in (1, 3):
        for shape in _shapes(n_columns, channels):
            clear = _clearness(likeness, shape[1], channels)
            if clear > _CLEAR:
                planes = len(shape) == 2 and shape[0] == 3 * shape[1]
                shape = (3, shape[1], shape[1]) if planes else shape
                # a square is what most sets of small images have
                found[shape] = clear + (planes or shape[0] == shape[1])
    return max(found, key=found.__getitem__) if found else None


def _shapes(n_columns: int, channels: int) -> list[tuple[int, ...]]:
    n_pixels, rest = divmod(n_columns, channels)
    return [
        (n_pixels // width, width) if channels == 1 else (n_pixels // width, width, channels)
        for width in range(_SMALLEST_SIDE, n_pixels // _SMALLEST_SIDE + 1)
        if not rest
        and n_pixels % width == 0
        and 1 / _LARGEST_RATIO <= width * width / n_pixels <= _LARGEST_RATIO
    ]


def _likeness(values: np.ndarray, varies: np.ndarray) -> Callable[[int], np.ndarray]:
    """Correlations of all columns with those so many places on, as a function of the distance."""

    def at(distance: int) -> np.ndarray:
        both = varies[:-distance] & varies[distance:]
        products = np.einsum("ij,ij->j", values[:, :-distance], values[:, distance:])
        return products[both] / len(values)

    return at


def _clearness(likeness: Callable[[int], np.ndarray], width: int, channels: int) -> float:
    """How much more alike neighbors are than pixels half a row away; 0 where some are not alike."""
    beside, below = likeness(channels), likeness(channels * width)
    half = width // 2
    apart = [likeness(channels * distance) for distance in (half, width + half)]
    if not all(len(values) for values in (beside, below, *apart)):
        return 0.0
    if min(np.percentile(beside, 20), np.percentile(below, 20)) <= 0:
        return 0.0
    least = min(beside.mean(), below.mean())
    if channels > 1 and likeness(1).mean() > beside.mean():
        # the colors of a pixel are not beside each other
        return 0.0
    nearest = below.mean() - max(likeness(channels * (width + k)).mean() for k in (-1, 1))
    return float(least - max(values.mean() for values in apart)) if nearest > 0 else 0.0
