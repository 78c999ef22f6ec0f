"""Fill a region of an image with its surroundings."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

# smallest side of the coarsest level of the pyramid; beyond, the mean is used
COARSEST = 4
# width of fine structure, and the distance over which it fades out, in pixels
DETAIL = 2.0
FADE = 12.0
# depth in pixels from which regions are filled with shifted copies
WIDE = 6.0
# width in pixels of the ring around the region that copies have to fit and blend over
RING = 6.0
# largest number of copies; the vertical range of offsets, as a share of the height (what lies
# beside a person is as far away as what the person hides; what lies above is not); offsets tried
N_COPIES = 3
UP_AND_DOWN = 0.08
N_ROWS, N_COLUMNS = 5, 96


def fill_region(image: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Fill pixels so that they continue the known ones.

    Coarse structure is interpolated smoothly over an image pyramid; fine structure is mirrored at
    the border of the known region and fades out with the distance from it. A wide region would
    become a blur with the outline of the removed part: it is filled with shifted copies of the
    image, at the offsets that fit its border best, adjusted to the brightness of the border [1]_.

    Shapes: `image` (h, w, n_channels) float, `known` (h, w) bool, `wanted` (h, w) bool. Returns
    `image` (h, w, n_channels) float64: within the range of the known pixels where filled.

    References
    ----------
    .. [1] K. He, J. Sun. "Statistics of Patch Offsets for Image Completion". ECCV 2012. (Copies by
       a few offsets of the whole image; here chosen by their fit along the border.)
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


def nearest_values(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Give every pixel the value of the nearest known one; known pixels keep theirs."""
    rows, cols = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[rows, cols]


def _over_copies(
    image: np.ndarray,
    known: np.ndarray,
    wanted: np.ndarray,
    depth: np.ndarray,
    inside: np.ndarray,
) -> np.ndarray:
    """Blend shifted copies of the image over the filled pixels, (n_wanted, n_channels)."""
    near = known & (distance_transform_edt(~wanted) <= RING)
    left = np.ones(len(inside))
    result = np.zeros_like(inside)
    for offset in _best_offsets(image, known, wanted, near):
        shifted, there = _shifted(image, known, offset)
        meets = near & there
        off = np.where(meets[..., np.newaxis], image - shifted, 0.0)
        light = _interpolated(_blurred(off, meets, RING / 2), meets)
        # copies blend into each other, and into the pixels filled from the border
        away = np.minimum(distance_transform_edt(there), depth)
        share = left * np.clip(away[wanted] / RING, 0.0, 1.0)
        result += share[:, np.newaxis] * (shifted + light)[wanted]
        left = left - share
    return result + left[:, np.newaxis] * inside


def _best_offsets(
    image: np.ndarray, known: np.ndarray, wanted: np.ndarray, near: np.ndarray
) -> list[np.ndarray]:
    """Offsets whose copies fit the border and together cover the region, the best first."""
    border, hole = np.argwhere(near), np.argwhere(wanted)
    if not len(border):
        return []
    # a sample of the pixels is enough
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
    """Offsets in rows and columns, (n_offsets, 2) int."""
    up, across = int(UP_AND_DOWN * shape[0]), shape[1] - 1
    rows = np.unique(np.linspace(-up, up, N_ROWS).astype(int))
    columns = np.unique(np.linspace(-across, across, N_COLUMNS).astype(int))
    offsets = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return offsets[offsets.any(axis=1)]


def _known_at(known: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether places, (n, 2), are inside the image and known."""
    inside = ((places >= 0) & (places < known.shape)).all(axis=1)
    rows, cols = np.where(inside[:, np.newaxis], places, 0).T
    return inside & known[rows, cols]


def _shifted(
    image: np.ndarray, known: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The image shifted by an offset, and where it is known."""
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
    """Known pixels, and in between interpolated ones from coarser levels."""
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
    """Means of blocks of two by two pixels; odd sides repeat their last row."""
    height, width = values.shape[:2]
    padded = np.pad(values, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
    return 0.25 * sum(padded[i::2, j::2] for i in range(2) for j in range(2))


def _doubled(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Linear interpolation to twice the size."""
    factors = (2, 2, 1)
    double = zoom(values, factors, order=1, mode="nearest", grid_mode=True)
    return double[: shape[0], : shape[1]]
