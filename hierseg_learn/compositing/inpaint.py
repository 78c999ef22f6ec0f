"""Fill a region of a picture with what surrounds it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

# coarser pictures than this are not made: their few pixels are the mean anyway
COARSEST = 4
# width of what counts as fine structure, and how far it is mirrored, in pixels
DETAIL = 2.0
FADE = 12.0
# Regions that are deeper than this are filled with moved copies.
WIDE = 6.0
# pixels around the region that a copy has to fit, and over which copies fade into each other
RING = 6.0
# copies at most; how far up and down they are looked for, as a share of the height (what lies
# beside a person is as far away as what the person hides; what lies above is not); places tried
N_COPIES = 3
UP_AND_DOWN = 0.08
N_ROWS, N_COLUMNS = 5, 96


def fill_region(image: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Fill pixels so that they continue the known ones.

    Large structure is interpolated smoothly over a pyramid of coarser pictures; fine structure is
    mirrored at the border of the known region, so that a lawn goes on as a lawn, and fades out with
    the distance from it. A wide region would be a blur with the outline of what was there: it is
    filled with copies of other places, each moved as a whole to where it fits the border best, and
    lit so that it meets the border [1]_.

    Shapes: `image` (h, w, n_channels) float, `known` (h, w) bool, `wanted` (h, w) bool. Returns
    `image` (h, w, n_channels) float64: within the range of the known pixels where filled.

    References
    ----------
    .. [1] K. He, J. Sun. "Statistics of Patch Offsets for Image Completion". ECCV 2012. (Copies by
       a few offsets of the whole picture; here chosen by their fit along the border.)
    """
    wanted = wanted & ~known
    filled = np.array(image, dtype=np.float64)
    if not wanted.any():
        return filled
    if not known.any():
        filled[wanted] = 0.0
        return filled
    smooth = _interpolated(filled, known)
    distances, (rows, cols) = distance_transform_edt(~known, return_indices=True)
    mirrored = _mirror(rows, cols, known, wanted)
    detail = filled[mirrored] - _blurred(filled, known, DETAIL)[mirrored]
    detail *= np.exp(-distances[wanted] / FADE)[:, np.newaxis]
    inside = smooth[wanted] + detail
    depth = distance_transform_edt(wanted)
    if depth.max() > WIDE:
        inside = _over_copies(filled, known, wanted, depth, inside)
    low, high = filled[known].min(axis=0), filled[known].max(axis=0)
    filled[wanted] = np.clip(inside, low, high)
    return filled


def nearest_labels(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Give every pixel the label of the nearest known one, itself where it is known."""
    rows, cols = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return labels[rows, cols]


def _over_copies(
    image: np.ndarray,
    known: np.ndarray,
    wanted: np.ndarray,
    depth: np.ndarray,
    inside: np.ndarray,
) -> np.ndarray:
    """Lay moved copies of the picture over what was filled in, (n_wanted, n_channels)."""
    near = known & (distance_transform_edt(~wanted) <= RING)
    left = np.ones(len(inside))
    result = np.zeros_like(inside)
    for offset in _best_offsets(image, known, wanted, near):
        moved, there = _moved(image, known, offset)
        meets = near & there
        off = np.where(meets[..., np.newaxis], image - moved, 0.0)
        light = _interpolated(_blurred(off, meets, RING / 2), meets)
        # copies fade into each other, and into what goes on from the border
        away = np.minimum(distance_transform_edt(there), depth)
        share = left * np.clip(away[wanted] / RING, 0.0, 1.0)
        result += share[:, np.newaxis] * (moved + light)[wanted]
        left = left - share
    return result + left[:, np.newaxis] * inside


def _best_offsets(
    image: np.ndarray, known: np.ndarray, wanted: np.ndarray, near: np.ndarray
) -> list[np.ndarray]:
    """Offsets whose copies fit the border and together cover the region, the best first."""
    border, hole = np.argwhere(near), np.argwhere(wanted)
    if not len(border):
        return []
    # a part of the pixels says enough
    border, hole = border[:: 1 + len(border) // 500], hole[:: 1 + len(hole) // 500]
    offsets, misfits, covers = [], [], []
    for offset in _possible_offsets(known.shape):
        meets, cover = _known_at(known, border + offset), _known_at(known, hole + offset)
        if meets.mean() < 0.3 or not cover.any():
            continue
        there = border[meets]
        off = image[tuple(there.T)] - image[tuple((there + offset).T)]
        offsets.append(offset)
        misfits.append(np.abs(off - off.mean(axis=0)).mean() + 1e-9)
        covers.append(cover)
    chosen, is_open = [], np.ones(len(hole), dtype=bool)
    while offsets and len(chosen) < N_COPIES and is_open.any():
        gain = (np.array(covers) & is_open).sum(axis=1) / is_open.sum()
        best = int(np.argmax(gain / np.array(misfits)))
        if gain[best] < 0.05:
            break
        chosen.append(offsets[best])
        is_open &= ~covers[best]
    return chosen


def _possible_offsets(shape: tuple[int, int]) -> np.ndarray:
    """Rows and columns that a copy may be moved by, (n_offsets, 2) int."""
    up, across = int(UP_AND_DOWN * shape[0]), shape[1] - 1
    rows = np.unique(np.linspace(-up, up, N_ROWS).astype(int))
    columns = np.unique(np.linspace(-across, across, N_COLUMNS).astype(int))
    offsets = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return offsets[offsets.any(axis=1)]


def _known_at(known: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether places, (n, 2), are in the picture and known."""
    inside = ((places >= 0) & (places < known.shape)).all(axis=1)
    rows, cols = np.where(inside[:, np.newaxis], places, 0).T
    return inside & known[rows, cols]


def _moved(
    image: np.ndarray, known: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every pixel of the place at an offset from it, and whether that is known."""
    axes = [np.arange(n) + step for n, step in zip(known.shape, offset)]
    inside = [(axis >= 0) & (axis < n) for axis, n in zip(axes, known.shape)]
    places = np.ix_(*[np.clip(axis, 0, n - 1) for axis, n in zip(axes, known.shape)])
    return image[places], known[places] & inside[0][:, np.newaxis] & inside[1]


def _mirror(
    rows: np.ndarray, cols: np.ndarray, known: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Known pixels opposite of wanted ones, mirrored at the nearest known pixel."""
    here = np.nonzero(wanted)
    border = rows[wanted], cols[wanted]
    result = [border[0].copy(), border[1].copy()]
    for share in (0.25, 0.5, 1.0):
        # the farthest reflection that is still known wins
        place = [np.rint(b + share * (b - h)).astype(int) for b, h in zip(border, here)]
        inside = np.logical_and.reduce([(p >= 0) & (p < n) for p, n in zip(place, known.shape)])
        clipped = [np.clip(p, 0, n - 1) for p, n in zip(place, known.shape)]
        good = inside & known[tuple(clipped)]
        for axis in range(2):
            result[axis][good] = clipped[axis][good]
    return tuple(result)


def _blurred(image: np.ndarray, known: np.ndarray, sigma: float) -> np.ndarray:
    """Mean of the known pixels around every pixel."""
    weight = gaussian_filter(known.astype(np.float64), sigma)
    total = gaussian_filter(image * known[..., np.newaxis], (sigma, sigma, 0))
    return total / np.maximum(weight, 1e-12)[..., np.newaxis]


def _interpolated(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Known pixels, and between them what coarser pictures make of them."""
    weights = known.astype(np.float64)[..., np.newaxis]
    sums, levels = image * weights, []
    while True:
        levels.append((sums, weights))
        if weights.min() > 0 or min(weights.shape[:2]) < COARSEST:
            break
        sums, weights = (_halved(values) for values in (sums, weights))
    sums, weights = levels.pop()
    mean = (image * known[..., np.newaxis]).sum(axis=(0, 1)) / known.sum()
    coarse = np.where(weights > 0, sums / np.maximum(weights, 1e-12), mean)
    while levels:
        sums, weights = levels.pop()
        above = _doubled(coarse, weights.shape[:2])
        share = np.minimum(weights, 1.0)
        coarse = share * sums / np.maximum(weights, 1e-12) + (1 - share) * above
    return coarse


def _halved(values: np.ndarray) -> np.ndarray:
    """Means of blocks of two by two pixels; sides that are odd repeat their last row."""
    height, width = values.shape[:2]
    padded = np.pad(values, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
    return 0.25 * sum(padded[i::2, j::2] for i in range(2) for j in range(2))


def _doubled(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Linear interpolation to twice the size."""
    factors = (2, 2, 1)
    double = zoom(values, factors, order=1, mode="nearest", grid_mode=True)
    return double[: shape[0], : shape[1]]
