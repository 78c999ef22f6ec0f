"""Regions of photos to draw, and labels written on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..explain.explanation import read_only
from ..images import as_pixels
from ..tree import SegmentTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox


# longest side of a drawn photo, in pixels: larger ones are reduced, smaller ones enlarged
_MAX_SIDE, _MIN_SIDE = 1000, 480
_LUMA = np.array([0.2126, 0.7152, 0.0722])


class Region(NamedTuple):
    """One photo, ready to be drawn."""

    gray: np.ndarray  # (h, w) float in [0, 1]
    nodes: np.ndarray  # (h, w) intp: the node drawn at every pixel, -1 for none
    borders: np.ndarray  # (h, w) bool


def check_pictures(
    images: Any, label_maps: Any, tree: SegmentTree
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Validate photos and their label maps; photos become floats in [0, 1]."""
    images = _check_list(images, "images")
    label_maps = _check_list(label_maps, "label_maps")
    if len(images) != len(label_maps):
        raise ValueError(
            f"label_maps must have one entry per image, expected {len(images)}, "
            f"got {len(label_maps)}."
        )
    photos = [_check_image(image, f"images[{i}]") for i, image in enumerate(images)]
    maps = [
        _check_label_map(labels, f"label_maps[{i}]", photo.shape[:2], tree)
        for i, (labels, photo) in enumerate(zip(label_maps, photos))
    ]
    return photos, maps


def drawn_nodes(tree: SegmentTree, level: int) -> np.ndarray:
    """Ancestor of every leaf at this depth, or the leaf itself; -1 for inner nodes, (n_nodes,)."""
    drawn = np.arange(tree.n_nodes)
    # parents come after their children, so going backwards their entries are known
    for node in range(tree.root - 1, -1, -1):
        if tree.depths[node] > level:
            drawn[node] = drawn[tree.parents[node]]
    drawn[~tree.is_leaf] = -1
    return drawn


def make_region(photo: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> Region:
    """Resize one photo so that borders are thin lines, and find the borders."""
    from skimage.segmentation import find_boundaries
    from skimage.transform import downscale_local_mean

    gray = photo if photo.ndim == 2 else photo @ _LUMA
    longest = max(gray.shape)
    if longest > _MAX_SIDE:
        step = -(-longest // _MAX_SIDE)
        gray = downscale_local_mean(gray, (step, step))
        # the middle of padded cells may lie outside of the map
        rows, columns = (
            np.minimum(np.arange(size) * step + step // 2, length - 1)
            for size, length in zip(gray.shape, labels.shape)
        )
        labels = labels[np.ix_(rows, columns)]
    elif longest < _MIN_SIDE:
        times = -(-_MIN_SIDE // longest)
        gray, labels = (np.kron(array, np.ones((times, times))) for array in (gray, labels))
        labels = labels.astype(np.intp)
    # the last entry is for unlabeled pixels, -1
    nodes = np.append(drawn, -1)[labels]
    return Region(np.clip(gray, 0, 1), nodes, find_boundaries(nodes + 1, mode="inner"))


def label_spot(mask: np.ndarray) -> tuple[float, float, float]:
    """Row and column of the pixel that is farthest from the edge of a region, and how far."""
    from scipy.ndimage import distance_transform_edt

    # a frame of background makes the edge of the photo count
    inside = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), mask.shape)
    return float(row), float(column), float(inside.max())


def _check_list(values: Any, name: str) -> list[Any]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        shape = getattr(values, "shape", None)
        got = type(values).__name__ + (f" of shape {shape}" if shape is not None else "")
        raise TypeError(f"{name} must be a list of one or two arrays, got {got}.")
    if len(values) not in (1, 2):
        raise ValueError(f"{name} must hold one or two arrays, got {len(values)}.")
    return list(values)


def _check_image(image: Any, name: str) -> np.ndarray:
    array = as_pixels(image, name)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise ValueError(f"{name} must have shape (h, w) or (h, w, 3), got shape {array.shape}.")
    if array.dtype == np.uint8:
        return read_only(array / 255.0)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} must be uint8 or float, got dtype {array.dtype}.")
    # NaN fails, too
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(
            f"{name} holds floats, which must lie in [0, 1], got values from {array.min():.3g} "
            f"to {array.max():.3g}."
        )
    return read_only(array.astype(np.float64))


def _check_label_map(
    labels: Any, name: str, shape: tuple[int, ...], tree: SegmentTree
) -> np.ndarray:
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, got dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape of its image, {shape}, got {array.shape}.")
    array = array.astype(np.intp)
    known = np.isin(array, tree.leaves) | (array == -1)
    if not known.all():
        wrong = int(array[~known][0])
        is_inner = 0 <= wrong < tree.n_nodes
        what = f", which is the inner node {tree.path(wrong)!r}" if is_inner else ""
        raise ValueError(
            f"{name} must hold node ids of leaves (or -1 for unlabeled), got {wrong}{what}."
        )
    return read_only(array)


# places of a label, in heights of a line above the middle of its segment; the first free one counts
_BESIDE_SPOT = (2.0, -2.0, 3.4, -3.4, 4.8, -4.8, 6.2, -6.2)
# a segment with a smaller radius, in heights of a line, is not written on
_SMALL = 1.3
# lines of type that a photo is high, and the smallest type in points
_LINES, _MIN_POINTS = 28, 5.0
_INK, _OUTLINE = "black", "white"


class LabelWriter:
    """Places labels one after the other in axes whose size is settled."""

    def __init__(self, ax: Axes, largest: float) -> None:
        figure = ax.figure.figure
        figure.draw_without_rendering()
        (_, low), (_, high) = ax.transData.transform([(0, 1), (0, 0)])
        self.ax = ax
        self.points = float(np.clip((high - low) * 72 / figure.dpi / _LINES, _MIN_POINTS, largest))
        self.taken: list[Bbox] = []

    def write(
        self, text: str, spot: tuple[float, float], radius: float, sides: tuple[float, float]
    ) -> None:
        """Write a label on its spot, or beside it with a line to it; leave it out without room."""
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
        for shift in _BESIDE_SPOT if covers else (0.0, *_BESIDE_SPOT):
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
