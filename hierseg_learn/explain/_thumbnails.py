"""Small photos, and ink that can be read on a colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LONGEST = 320


def thumbnail(photo: np.ndarray, longest: int = _LONGEST) -> np.ndarray:
    """Return a photo whose longest side is about this many pixels or fewer, by local means."""
    from skimage.transform import downscale_local_mean

    step = -(-max(photo.shape[:2]) // longest)
    if step == 1:
        return photo
    # What does not fill a block is cut off, unless nothing would be left.
    height, width = (side // step * step or side for side in photo.shape[:2])
    return downscale_local_mean(photo[:height, :width], (step, step, 1)[: photo.ndim])


def ink_on(color: Sequence[float]) -> str:
    """Black or white, whichever has more contrast (WCAG 2.1 relative luminance)."""
    srgb = np.asarray(color)[:3]
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"
