"""Colors, imports of Matplotlib and measures of text that all pictures share.

Warm means "sets apart", cool means "makes up for", in bars, tables and photos alike. Both colors
are of Okabe and Ito's palette for color-blind readers; a hatch tells them apart in gray print.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

POSITIVE = "#D55E00"
NEGATIVE = "#0072B2"
BELOW, BELOW_NEGATIVE = "#F2D0B5", "#BBD9EC"
HATCH = "//////"


def import_pyplot(who: str) -> Any:
    """Import Matplotlib, or raise an error that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{who} needs matplotlib: pip install 'hierseg-learn[plot]'.") from error
    return plt


def text_width(text: str, points: float, *, bold: bool = False) -> float:
    """Width of a text in points, as Matplotlib will draw it."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=points, weight="bold" if bold else "normal")
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]


def make_room(ax: Any, ends: Any, texts: list[str], points: float) -> None:
    """Lengthen the x axis until texts behind bars, which end at `ends`, fit into the axes."""
    ax.figure.figure.draw_without_rendering()  # only a draw settles the size of the axes
    width = ax.get_window_extent().width * 72 / ax.figure.figure.dpi
    low, high = ax.get_xlim()
    # Every text must end within the axes: one inequality per text for the right end of the scale.
    sizes = np.array([text_width(text, points) + 6 for text in texts])
    room = np.maximum(1 - sizes / width, 0.3)
    ax.set_xlim(low, max(high, float((low + (np.asarray(ends) - low) / room).max())))


def show_percents(axis: Any, *, signed: bool = True) -> None:
    """Write the ticks of a matplotlib axis as percents; shares of either side have no signs."""
    axis.set_major_formatter(lambda value, _: f"{100 * (value if signed else abs(value)):.0f}%")


def write_beside(
    ax: Any,
    text: str,
    spot: tuple[float, float],
    offset: tuple[float, float] = (4, 0),
    **style: Any,
) -> None:
    """Write a text at an offset in points from a spot, by default behind the end of a bar."""
    looks = {"va": "center_baseline", "parse_math": False, **style}
    ax.annotate(text, spot, offset, textcoords="offset points", **looks)


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
