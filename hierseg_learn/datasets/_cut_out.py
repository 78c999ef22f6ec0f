"""Cut what stands in front out of a picture, and put it before another one."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter

from .._fill import fill_region

# Pixels along the outline that show what was behind, too, as a share of the picture's diagonal.
RIM = 0.006
# width of the soft outline, as a share of the picture's diagonal
FEATHER = 0.003


def place_before(image: np.ndarray, front: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
    """Put the front of a picture before another one, with a soft outline.

    Masks are rough and the pixels along an outline are mixed with what was behind, so the colours
    of the rim are not used: those farther in go on to the outline and beyond.

    Parameters
    ----------
    image, backdrop : ndarray of shape (h, w, n_channels), float
        The pictures.
    front : ndarray of shape (h, w), bool
        What stands in front in `image`.

    Returns
    -------
    pixels : ndarray of shape (h, w, n_channels), float64
        `image` farther in, `backdrop` farther out, a mixture along the outline.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.datasets._cut_out import place_before
    >>> front = np.array([[False, True, True, False]])
    >>> image, backdrop = np.full((1, 4, 1), 0.9), np.full((1, 4, 1), 0.2)
    >>> place_before(image, front, backdrop)[..., 0]
    array([[0.2, 0.9, 0.9, 0.2]])
    """
    diagonal = np.hypot(*front.shape)
    alpha = front.astype(np.float64)
    if FEATHER * diagonal >= 0.5:
        alpha = gaussian_filter(alpha, FEATHER * diagonal)
        alpha[alpha < 0.02] = 0.0
        alpha[alpha > 0.98] = 1.0
    inner = _without_rim(front, round(RIM * diagonal))
    colors = fill_region(image, inner, (alpha > 0) & ~inner)
    alpha = alpha[..., np.newaxis]
    return alpha * colors + (1 - alpha) * backdrop


def _without_rim(front: np.ndarray, width: int) -> np.ndarray:
    """Take off a rim; of what is thinner than that, the middle stays."""
    if width == 0:
        return front
    depth = distance_transform_edt(np.pad(front, 1, mode="edge"))[1:-1, 1:-1]
    is_middle = depth == maximum_filter(depth, 2 * width + 1)
    return front & ((depth > width) | is_middle)
