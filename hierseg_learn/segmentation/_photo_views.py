"""Where the inputs of a network lie on the photo: found by sending coordinates in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# what 8 bits can tell apart, beside the zero that padding is filled with
_DIGITS = 255
# rows are found by dividing, and rounding may pass a border by this part of a row
_SLACK = 1e-4


@dataclass(frozen=True)
class PhotoViews:
    """Where the inputs of a network, its views of one photo, lie on the resized photo."""

    # height and width of the whole photo after resizing, in pixels of the views
    shape: tuple[int, int]
    # row and column of the first pixel of every view; negative where padding comes first
    corners: tuple[tuple[int, int], ...]
    sizes: tuple[tuple[int, int], ...]  # height and width of every view
    # rows and columns of every view that show the photo; the others are padding
    shown: tuple[tuple[slice, slice], ...]

    @property
    def is_plain(self) -> bool:
        """Whether the one view is the resized photo, nothing more and nothing less."""
        return self.corners == ((0, 0),) and self.sizes == (self.shape,)

    @property
    def is_complete(self) -> bool:
        """Whether every pixel of the photo is in some view."""
        seen = np.zeros(self.shape, dtype=bool)
        for view in range(len(self.corners)):
            seen[self.on_photo(view)] = True
        return bool(seen.all())

    def on_photo(self, view: int) -> tuple[slice, slice]:
        """Rows and columns of the resized photo that one view shows."""
        rows, cols = (
            slice(shown.start + at, shown.stop + at)
            for at, shown in zip(self.corners[view], self.shown[view], strict=True)
        )
        return rows, cols


Process = Callable[[np.ndarray], tuple[list[np.ndarray], "list[int] | None"]]


def find_views(process: Process, size: tuple[int, int]) -> PhotoViews:
    """Learn where the views of a photo come from.

    Photos are sent whose brightness is the number of the row, and of the column; what comes out
    says exactly where it was.
    """
    rows, starts = _numbers(process, size, axis=0)
    cols, _ = _numbers(process, size, axis=1)
    profiles = [_profiles(r, c) for r, c in zip(rows, cols, strict=True)]
    sizes = tuple((len(along_rows), len(along_cols)) for along_rows, along_cols in profiles)
    extents, corners = [], []
    for axis in (0, 1):
        views = [profile[axis] for profile in profiles]
        cut = len(views) > 1 and any(not np.array_equal(view, views[0]) for view in views)
        if cut and (starts is None or len(starts) != len(views)):
            raise ValueError(f"it makes {len(views)} views of a photo and does not say where")
        firsts = starts if cut and starts is not None else [0] * len(views)
        extent, at = locate(_joined(views, firsts), size[axis])
        extents.append(extent)
        corners.append([first - at for first in firsts])
    shown = tuple(
        (_content(along_rows), _content(along_cols)) for along_rows, along_cols in profiles
    )
    return PhotoViews(
        (extents[0], extents[1]), tuple(zip(corners[0], corners[1], strict=True)), sizes, shown
    )


def locate(seen: np.ndarray, n: int) -> tuple[int, int]:
    """Find the photo along one axis of what was made of it.

    Shapes: `seen` (length,) int. Returns `extent`: number of rows of the whole photo after
    resizing; `first`: where the photo starts; negative if its start was cropped away.
    """
    shown = _content(seen)
    first, last = shown.start, shown.stop - 1
    numbers = seen[shown]
    if _agrees(numbers, n, len(numbers), 0):
        return len(numbers), first
    # cropped: of all sizes and places that agree, the one whose middle is nearest
    best = None
    span = int(numbers[-1] - numbers[0])
    least = int(np.ceil(n * (last - first) / (span + 1)))
    most = int(n * (last - first) / max(span - 1, 0.5)) + 1
    for extent in range(max(least, len(numbers)), most + 1):
        # row k shows floor((k + before + .5) n / extent)
        places = np.arange(len(numbers)) + 0.5
        low = np.ceil((numbers * extent / n - places).max() - _SLACK)
        high = np.floor(((numbers + 1) * extent / n - places).min() + _SLACK)
        for before in range(max(int(low), 0), min(int(high), extent - len(numbers)) + 1):
            off_center = abs(2 * before + len(numbers) - extent)
            if _agrees(numbers, n, extent, before) and (best is None or off_center < best[0]):
                best = off_center, extent, first - before
    if best is None:
        raise ValueError("what it makes of a photo is not the photo resized, cropped or padded")
    return best[1], best[2]


def _content(seen: np.ndarray) -> slice:
    """Where rows show the photo, of the number of the row that each shows or -1."""
    shown = np.flatnonzero(seen >= 0)
    if len(shown) == 0 or shown[-1] - shown[0] + 1 != len(shown):
        raise ValueError("padding lies amid the photo")
    return slice(int(shown[0]), int(shown[-1]) + 1)


def _agrees(numbers: np.ndarray, n: int, extent: int, before: int) -> bool:
    """Whether rows of a photo of n, resized to an extent, show these numbers after `before`."""
    places = np.arange(len(numbers)) + before
    # the two ways to find the nearest: at the middle of a pixel, and at its edge
    for shift in (0.5, 0.0):
        row = (places + shift) * n / extent
        low, high = np.floor(row - _SLACK), np.floor(row + _SLACK)
        if np.all((numbers >= low) & (numbers <= high)):
            return True
    return False


def _numbers(
    process: Process, size: tuple[int, int], axis: int
) -> tuple[list[np.ndarray], list[int] | None]:
    """Row (axis 0) or column (1) of the photo that every pixel of every view shows, or -1."""
    n = size[axis]
    index = np.expand_dims(np.arange(n), [1 - axis, 2])
    found: list[np.ndarray] = []
    place = 1
    while True:
        digits = np.broadcast_to(index // place % _DIGITS + 1, (*size, 3))
        views, starts = process(np.ascontiguousarray(digits, dtype=np.uint8))
        if any(np.any((v != np.rint(v)) | (v < 0) | (v > _DIGITS)) for v in views):
            raise ValueError("it changes the brightness of photos")
        if any(np.any(v != v[:1]) for v in views):
            raise ValueError("it changes the colors of photos")
        values = [view[0].astype(np.int64) for view in views]
        parts = [np.where(v > 0, (v - 1) * place, -1) for v in values]
        found = [f + part for f, part in zip(found, parts, strict=True)] if found else parts
        place *= _DIGITS
        if place >= n:
            return [np.maximum(f, -1) for f in found], starts


def _profiles(rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row of the photo along the rows of a view, and column along its columns; -1 for padding."""
    shown = (rows >= 0) & (cols >= 0)
    along_rows, along_cols = rows.max(axis=1), cols.max(axis=0)
    box = (along_rows >= 0)[:, np.newaxis] & (along_cols >= 0)
    straight = np.where(box, along_rows[:, np.newaxis], -1), np.where(box, along_cols, -1)
    if not (
        np.array_equal(box, shown)
        and np.array_equal(straight[0], rows)
        and np.array_equal(straight[1], cols)
    ):
        raise ValueError("it bends photos, or turns them")
    return along_rows, along_cols


def _joined(views: Sequence[np.ndarray], starts: Sequence[int]) -> np.ndarray:
    """Views laid over one another where they start, -1 where there is none."""
    whole = np.full(max(s + len(v) for s, v in zip(starts, views, strict=True)), -1)
    for start, view in zip(starts, views, strict=True):
        place = whole[start : start + len(view)]
        if np.any((place >= 0) & (view >= 0) & (place != view)):
            raise ValueError("its views of a photo do not fit together")
        np.maximum(place, view, out=place)
    return whole
