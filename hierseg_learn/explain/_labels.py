"""Labels on photos that stay inside of their photo and do not cover each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# where a label goes, in heights of a line above its segment's middle: the first place that is free
_ON_SPOT = (0.0,)
_BESIDE_SPOT = (2.0, -2.0, 3.4, -3.4, 4.8, -4.8, 6.2, -6.2)
# a segment with a smaller radius, in heights of a line, is not written on
_SMALL = 1.3
# lines of type that a photo is high, and the smallest type in points
_LINES, _SMALLEST = 28, 5.0
_INK, _OUTLINE = "black", "white"


class LabelWriter:
    """Places labels one after the other in axes whose size is settled.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes in which y runs from 0, at the top of the photos, to 1.
    largest : float
        Size of the type in points; smaller on small photos.
    """

    def __init__(self, ax: Axes, largest: float) -> None:
        figure = ax.figure.figure
        figure.draw_without_rendering()
        (_, low), (_, high) = ax.transData.transform([(0, 1), (0, 0)])
        self.ax = ax
        self.points = float(np.clip((high - low) * 72 / figure.dpi / _LINES, _SMALLEST, largest))
        self.taken: list[Bbox] = []

    def write(
        self, text: str, spot: tuple[float, float], radius: float, sides: tuple[float, float]
    ) -> None:
        """Write a label on its spot, or beside it with a line to it; leave it out without room.

        Parameters
        ----------
        text : str
            The label.
        spot : tuple of float
            Where the label belongs, in data coordinates.
        radius : float
            How far the segment reaches around the spot; a label does not hide a small segment.
        sides : tuple of float
            Left and right end of the photo.
        """
        from matplotlib.patheffects import withStroke
        from matplotlib.transforms import Bbox

        label = self.ax.text(
            *spot,
            text,
            ha="center",
            va="center",
            fontsize=self.points,
            color=_INK,
            parse_math=False,
            path_effects=[withStroke(linewidth=2.5, foreground=_OUTLINE)],
            zorder=5,
        )
        box = label.get_window_extent()
        to_display = self.ax.transData
        (low_x, low_y), (high_x, high_y) = to_display.transform([(sides[0], 1), (sides[1], 0)])
        middle = to_display.transform(spot)
        half = np.array([box.width, box.height]) / 2 + 1
        low = np.array([low_x, low_y]) + half
        high = np.maximum([high_x, high_y] - half, low)
        covers = radius * (high_y - low_y) < _SMALL * box.height
        for shift in _BESIDE_SPOT if covers else (*_ON_SPOT, *_BESIDE_SPOT):
            place = np.clip(middle + [0, shift * box.height], low, high)
            candidate = Bbox([place - half, place + half])
            hides = covers and candidate.contains(*middle)
            if not hides and not any(candidate.overlaps(other) for other in self.taken):
                break
        else:
            label.remove()
            return
        self.taken.append(candidate)
        label.set_position(tuple(to_display.inverted().transform(place)))
        if not candidate.contains(*middle):
            edge = place + [0, half[1] * np.sign(middle[1] - place[1])]
            self._connect(spot, tuple(to_display.inverted().transform(edge)))

    def _connect(self, spot: tuple[float, float], edge: tuple[float, float]) -> None:
        """Thin line with an outline, and a dot on the segment."""
        style = {"scalex": False, "scaley": False, "marker": "o", "markevery": [0]}
        columns = list(zip(spot, edge))
        self.ax.plot(*columns, color=_OUTLINE, linewidth=2.5, markersize=5, zorder=4, **style)
        self.ax.plot(*columns, color=_INK, linewidth=0.9, markersize=2.5, zorder=4.1, **style)
