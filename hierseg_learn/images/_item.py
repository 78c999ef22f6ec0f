"""One image with its label map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SegmentedImage(NamedTuple):
    """One image with its label map.

    An item of :class:`SegmentedImages` is as stored there. Where the collection was given
    `unlabeled`, though, the label map is int32 and has -1 in place of these ids, so that it says
    everything by itself. An item is an image wherever images are taken, alone or in a list.

    Parameters
    ----------
    image : ndarray of shape (h, w) or (h, w, 3)
        Pixel values.
    mask : ndarray of shape (h, w)
        Part id of every pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import SegmentedImage
    >>> SegmentedImage(np.zeros((1, 2)), np.array([[0, 1]])).mask
    array([[0, 1]])
    """

    image: np.ndarray
    mask: np.ndarray
