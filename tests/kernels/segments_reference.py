"""Slow twins of ``segments``, written for reading: what its tests compare with.

Same names and arguments; what they mean is written there.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, label

from hierseg_learn.kernels.segments import (
    BIN_HIGH,
    BIN_LOW,
    N_BINS,
    N_CODES,
    N_ITERATIONS,
    SIZE_EXPONENT,
    SIZE_SHARE,
    TEXTURE_LIMITS,
    TEXTURE_PIXELS,
    TEXTURE_WEIGHT,
    UNIT,
)


def smooth(planes: np.ndarray, sigma: float) -> np.ndarray:
    """As `segments.smooth`."""
    if int(3 * sigma + 0.5) == 0:
        return planes
    return np.stack([gaussian_filter(plane, sigma, mode="nearest", truncate=3) for plane in planes])


def gradient_strength(planes: np.ndarray) -> np.ndarray:
    """As `segments.gradient_strength`: the largest singular value of the Jacobian."""
    down, across = _differences(planes.astype(np.float64))
    jacobians = np.stack([down, across], axis=-1).transpose(1, 2, 0, 3) / 2
    return np.linalg.norm(jacobians, ord=2, axis=(2, 3))


def texture_codes(plane: np.ndarray) -> np.ndarray:
    """As `segments.texture_codes`: the direction by its angle."""
    down, across = _differences(plane)
    angle = np.degrees(np.arctan2(down, across)) % 180
    direction = np.select([angle < 22.5, angle < 67.5, angle < 112.5, angle < 157.5], [0, 2, 1, 3])
    level = np.searchsorted(TEXTURE_LIMITS, np.hypot(down, across), side="left")
    return np.where(level == 0, 0, 1 + 4 * (level - 1) + direction).astype(np.uint8)


def _differences(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower less upper and right less left neighbor; the border is repeated."""
    ends = [(0, 0)] * (planes.ndim - 2) + [(1, 1), (1, 1)]
    padded = np.pad(planes, ends, mode="edge")
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return down, padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]


def superpixels(planes: np.ndarray, n_superpixels: int, compactness: float) -> np.ndarray:
    """As `segments.superpixels`: every pixel looks at every center that reaches it."""
    _, height, width = planes.shape
    if height * width <= 2 * n_superpixels:
        return np.arange(height * width, dtype=np.int32).reshape(height, width)
    side = np.sqrt(height * width / n_superpixels)
    n_rows, n_cols = max(round(height / side), 1), max(round(width / side), 1)
    radius = int(np.ceil(max(height / n_rows, width / n_cols)))
    rows, cols = np.mgrid[:height, :width]
    labels = rows * n_rows // height * n_cols + cols * n_cols // width
    points = np.stack([*planes, rows, cols], axis=-1).astype(np.float64)
    scale = np.array([1.0] * len(planes) + [compactness / side] * 2)
    centers = np.zeros((n_rows * n_cols, points.shape[-1]))
    for _ in range(N_ITERATIONS):
        for cluster in np.unique(labels):
            centers[cluster] = points[labels == cluster].mean(axis=0)
        for row, col in np.ndindex(height, width):
            steps = np.abs(centers[:, -2:].astype(int) - (row, col)).max(axis=1)
            distances = (((points[row, col] - centers) * scale) ** 2).sum(axis=1)
            distances[steps > radius] = np.inf
            if np.isfinite(distances).any():
                labels[row, col] = distances.argmin()
    return connected_pieces(labels)


def connected_pieces(labels: np.ndarray) -> np.ndarray:
    """Number the 4-connected pieces of equal labels in reading order of their first pixels."""
    pieces = np.zeros(labels.shape, dtype=np.int64)
    for value in np.unique(labels):
        found, _ = label(labels == value)
        pieces[found > 0] = found[found > 0] + pieces.max()
    _, first, numbers = np.unique(pieces, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers].reshape(labels.shape).astype(np.int32)


def region_histograms(
    planes: np.ndarray, codes: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `segments.region_histograms`."""
    n_regions = labels.max() + 1
    bins = np.zeros((n_regions, len(planes) * N_BINS + N_CODES), dtype=np.int64)
    for (row, col), region in np.ndenumerate(labels):
        for number, plane in enumerate(planes):
            step = (BIN_HIGH[number] - BIN_LOW[number]) / np.float32(N_BINS)
            place = (plane[row, col] - BIN_LOW[number]) / step - np.float32(0.5)
            place = np.clip(place, 0, N_BINS - 1)
            below = min(int(place), N_BINS - 2)
            share = int((place - below) * UNIT)
            bins[region, number * N_BINS + below] += UNIT - share
            bins[region, number * N_BINS + below + 1] += share
        bins[region, len(planes) * N_BINS + codes[row, col]] += UNIT
    return np.bincount(labels.ravel(), minlength=n_regions), bins


def region_borders(
    labels: np.ndarray, strength: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `segments.region_borders`; the edges are sorted by both regions."""
    borders: dict[tuple[int, int], list[float]] = {}
    for (row, col), here in np.ndenumerate(labels):
        for place in ((row, col + 1), (row + 1, col)):
            if place[0] < labels.shape[0] and place[1] < labels.shape[1] and labels[place] != here:
                ends = min(here, labels[place]), max(here, labels[place])
                both = strength[row, col] + strength[place]
                borders.setdefault((int(ends[0]), int(ends[1])), []).append(both)
    edges = sorted(borders)
    lengths = np.array([len(borders[edge]) for edge in edges], dtype=np.int64)
    sums = np.array([np.sum(borders[edge], dtype=np.float64) for edge in edges], dtype=np.float64)
    return np.array(edges, dtype=np.int64).reshape(-1, 2), lengths, sums


def merge(
    counts: np.ndarray,
    bins: np.ndarray,
    edges: np.ndarray,
    lengths: np.ndarray,
    strengths: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """As `segments.merge`: all costs are looked at before every merge."""
    n_pixels, n_planes = counts.sum(), (bins.shape[1] - N_CODES) // N_BINS
    regions = {
        i: (i, int(count), row) for i, (count, row) in enumerate(zip(counts, bins.astype(float)))
    }
    borders = {
        (int(a), int(b)): (2 * length, strength)
        for (a, b), length, strength in zip(edges, lengths, strengths)
    }

    def cost(ends: tuple[int, int]) -> float:
        (_, count_a, bins_a), (_, count_b, bins_b) = regions[ends[0]], regions[ends[1]]
        gaps = np.abs(bins_a / count_a - bins_b / count_b) / (2 * UNIT)
        smaller = min(count_a, count_b)
        texture = TEXTURE_WEIGHT * smaller / (smaller + TEXTURE_PIXELS) * gaps[-N_CODES:].sum()
        unlike = gaps[:-N_CODES].sum() / n_planes + texture
        size = count_a * count_b / (count_a + count_b) / n_pixels
        length, strength = borders[ends]
        return strength / length * unlike * (size / (size + SIZE_SHARE)) ** SIZE_EXPONENT

    pairs, costs = [], []
    for merge in range(len(counts) - 1):
        # differences in the last bits are ties, to be decided by the regions
        joined, gone = min(borders, key=lambda ends: (float(f"{cost(ends):.10e}"), ends))
        pairs.append((regions[joined][0], regions[gone][0]))
        costs.append(cost((joined, gone)))
        _, count_a, bins_a = regions[joined]
        _, count_b, bins_b = regions.pop(gone)
        regions[joined] = len(counts) + merge, count_a + count_b, bins_a + bins_b
        del borders[joined, gone]
        for ends in [ends for ends in borders if gone in ends]:
            other = ends[0] if ends[1] == gone else ends[1]
            length, strength = borders.pop(ends)
            kept = min(joined, other), max(joined, other)
            before = borders.get(kept, (0, 0.0))
            borders[kept] = before[0] + length, before[1] + strength
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(costs)


def contours(labels: np.ndarray, parents: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """As `segments.contours`: ancestors by their sets."""

    def ancestors(node: int) -> set[int]:
        found = {node}
        while parents[node] != node:
            node = int(parents[node])
            found.add(node)
        return found

    out = np.zeros(labels.shape)
    for row, col in np.ndindex(labels.shape):
        for place in ((row, col + 1), (row + 1, col)):
            if place[0] < labels.shape[0] and place[1] < labels.shape[1]:
                shared = ancestors(int(labels[row, col])) & ancestors(int(labels[place]))
                out[row, col] = max(out[row, col], heights[min(shared)])
    return out
