"""Superpixels, region statistics and merging of the regions of one image, on the CPU.

Plain functions on arrays around compiled loops, on one thread: work is shared out by image, not by
pixel.
"""

from __future__ import annotations

import numpy as np

from . import _merge_loops as regions_loops
from . import _pixel_loops as pixel_loops

N_ITERATIONS = 5
# in levels of L between the neighbors of a pixel on both sides
TEXTURE_LIMITS = np.array([4.0, 12.0], dtype=np.float32)
N_BINS = 16
N_CODES = regions_loops.N_CODES
# of L, a and b; colors of photographs rarely lie outside, and count as the last bin if they do
BIN_LOW = np.array([0.0, -40.0, -40.0], dtype=np.float32)
BIN_HIGH = np.array([100.0, 40.0, 40.0], dtype=np.float32)
# what a pixel adds to a histogram; a power of two, to be shared between two bins in whole numbers
UNIT = 16
TEXTURE_WEIGHT = 0.5
# a smaller region of so many pixels lets texture count half: an edge alone is no texture
TEXTURE_PIXELS = 8.0
# beyond this share of the image a region's size hardly matters any more
SIZE_SHARE = 0.05
SIZE_EXPONENT = 0.375

_STEPS = np.linspace(0, 1, 4097)
_GAMMA = np.where(_STEPS <= 0.04045, _STEPS / 12.92, ((_STEPS + 0.055) / 1.055) ** 2.4)
_GAMMA = _GAMMA.astype(np.float32)
_ROOT = np.where(_STEPS > (6 / 29) ** 3, np.cbrt(_STEPS), (29 / 6) ** 2 / 3 * _STEPS + 4 / 29)
_ROOT = _ROOT.astype(np.float32)


def lab_planes(image: np.ndarray) -> np.ndarray:
    """Turn an image into planes of CIELAB.

    Shapes: `image` (height, width) or (height, width, 3) float32. Returns `planes` (n_planes,
    height, width) float32: l, a and b, of a gray image L only; within 0.01 of the exact values.
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    if image.ndim == 3:
        return pixel_loops.lab_planes(image, _GAMMA, _ROOT)
    return pixel_loops.lightness(image, _GAMMA, _ROOT)[np.newaxis]


def smooth(planes: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth planes with a Gaussian, cut off at three `sigma`; the border is repeated.

    Shapes: `planes` (n_planes, height, width) float32. Returns (n_planes, height, width) float32.
    """
    radius = int(3 * sigma + 0.5)
    if radius == 0:
        return planes
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    smoothed = np.empty_like(planes)
    for plane, out in zip(planes, smoothed):
        pixel_loops.blur(plane, weights, out)
    return smoothed


def gradient_strength(planes: np.ndarray) -> np.ndarray:
    """Largest rate of change of all planes together, over all directions (Di Zenzo, 1986).

    Shapes: `planes` (n_planes, height, width) float32. Returns `strength` (height, width) float32:
    per pixel of distance, from the differences of both neighbors; the border is repeated.
    """
    strength = np.empty(planes.shape[1:], dtype=np.float32)
    pixel_loops.gradient_strength(planes, strength)
    return strength


def texture_codes(plane: np.ndarray) -> np.ndarray:
    """Code every pixel by strength and direction of the difference between its neighbors.

    Shapes: `plane` (height, width) float32. Returns `codes` (height, width) uint8: 0 where flat, 1
    to 4 for a difference across, down, along and against the main diagonal that is larger than the
    first of `TEXTURE_LIMITS`, 5 to 8 beyond the second.
    """
    codes = np.empty(plane.shape, dtype=np.uint8)
    pixel_loops.texture_codes(plane, TEXTURE_LIMITS, codes)
    return codes


def superpixels(planes: np.ndarray, n_superpixels: int, compactness: float) -> np.ndarray:
    """Cut an image into small connected regions that keep to its edges (SLIC [1]_).

    Pixels are clustered by k-means in color and place, each center searched near it only. Other
    than in the paper, scraps that are cut off from the rest of their cluster stay regions of their
    own: they are the first to be merged.

    Shapes: `planes` (n_planes, height, width) float32. Returns `labels` (height, width) int32:
    connected regions, numbered in reading order of their first pixels.

    References
    ----------
    .. [1] R. Achanta, A. Shaji, K. Smith, A. Lucchi, P. Fua, S. Süsstrunk, "SLIC Superpixels
       Compared to State-of-the-art Superpixel Methods", TPAMI 2012.
    """
    n_planes, height, width = planes.shape
    if height * width <= 2 * n_superpixels:
        return np.arange(height * width, dtype=np.int32).reshape(height, width)
    side = np.sqrt(height * width / n_superpixels)
    n_rows, n_cols = max(round(height / side), 1), max(round(width / side), 1)
    labels = pixel_loops.cell_labels(height, width, n_rows, n_cols)
    centers = np.zeros((n_rows * n_cols, n_planes + 2), dtype=np.float32)
    distances = np.empty((height, width), dtype=np.float32)
    # cells are longer than `side` where the image is narrower than one
    radius = int(np.ceil(max(height / n_rows, width / n_cols)))
    nearness = np.float32((compactness / side) ** 2)
    for _ in range(N_ITERATIONS):
        pixel_loops.move_centers(planes, labels, centers)
        pixel_loops.assign_pixels(planes, centers, radius, nearness, labels, distances)
    components = np.empty_like(labels)
    pixel_loops.connected_components(labels, components)
    return components


def region_histograms(
    planes: np.ndarray, codes: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count pixels, colors and texture codes of every region.

    Shapes: `planes` (n_planes, height, width) float32, `codes` (height, width) uint8, `labels`
    (height, width) int32. Returns `counts` (n_regions,) int64; `bins` (n_regions, n_planes * 16 +
    9) int64: bins of L, a, b, then of the codes. In each of these groups a pixel counts as 16,
    which it shares between the two bins whose middles lie around its value.
    """
    n_planes = len(planes)
    n_regions = int(labels.max()) + 1
    counts = np.zeros(n_regions, dtype=np.int64)
    bins = np.zeros((n_regions, n_planes * N_BINS + N_CODES), dtype=np.int64)
    bin_width = (BIN_HIGH - BIN_LOW) / np.float32(N_BINS)
    regions_loops.add_to_histograms(planes, BIN_LOW, bin_width, UNIT, codes, labels, counts, bins)
    return counts, bins


def region_borders(
    labels: np.ndarray, strength: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find which regions touch, and how strong their borders are.

    Shapes: `labels` (height, width) int32, `strength` (height, width) float32. Returns `edges`
    (n_edges, 2) int64: the lower and the higher region of every two that touch (rows and columns,
    no diagonals), sorted by the lower; `lengths` (n_edges,) int64: pairs of neighboring pixels
    along the border; `strengths` (n_edges,) float64: sum of the strengths of both pixels over all
    pairs.
    """
    n_regions = int(labels.max()) + 1
    counts = np.zeros(n_regions, dtype=np.int64)
    regions_loops.count_border_pairs(labels, counts)
    starts = np.concatenate([[0], np.cumsum(counts)])
    n_pairs = int(starts[-1])
    others = np.empty(n_pairs, dtype=np.int64)
    pair_strengths = np.empty(n_pairs, dtype=np.float32)
    regions_loops.list_border_pairs(labels, strength, starts, others, pair_strengths)
    edges = np.empty((n_pairs, 2), dtype=np.int64)
    lengths, strengths = np.zeros(n_pairs, dtype=np.int64), np.zeros(n_pairs)
    n_edges = regions_loops.join_border_pairs(
        starts, others, pair_strengths, edges, lengths, strengths
    )
    return edges[:n_edges], lengths[:n_edges], strengths[:n_edges]


def merge(
    counts: np.ndarray,
    bins: np.ndarray,
    edges: np.ndarray,
    lengths: np.ndarray,
    strengths: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Join the two touching regions of least cost, again and again, until one is left.

    The cost of joining a and b of :math:`n_a` and :math:`n_b` of the image's :math:`n` pixels is

    .. math::
        g_{ab} \left(d_{ab} + \frac{m_{ab}}{m_{ab} + 8} \frac{t_{ab}}{2}\right)
        \left(\frac{s_{ab}}{s_{ab} + 0.05}\right)^{3/8}, \quad
        s_{ab} = \frac{n_a n_b}{(n_a + n_b) n}

    where g is the mean strength along their border, d the mean over L, a and b of half the sum
    of absolute differences of their histograms (0 for equal ones, 1 for disjoint ones), t the
    same of their texture codes, and m the smaller of both sizes. A border must be strong *and*
    separate regions that look different; the size keeps scraps from staying to the end, and hardly
    counts between regions of a tenth of the image or more. Of equal costs, that of the
    lower regions goes first, and a joined region takes the lower number of the two.

    Arguments are those from `region_histograms` and `region_borders`; every region can be reached
    from every other. Returns `pairs` (n_regions - 1, 2) int64, the two nodes that every merge
    joins, merge m to node ``n_regions + m``, and `costs` (n_regions - 1,) float64; a merge may be
    cheaper than one before it.
    """
    n_merges = len(counts) - 1
    pairs, costs = np.empty((n_merges, 2), dtype=np.int64), np.empty(n_merges)
    n_planes = (bins.shape[1] - N_CODES) // N_BINS
    rule = np.array(
        [
            1 / (2 * UNIT * n_planes),
            TEXTURE_WEIGHT / (2 * UNIT),
            1 / max(counts.sum(), 1),
            SIZE_EXPONENT,
            TEXTURE_PIXELS,
            SIZE_SHARE,
        ]
    )
    # copies, since the loops add up in place
    regions_loops.merge_regions(
        counts.copy(),
        bins.copy(),
        edges.copy(),
        2 * lengths,  # as every pair has two pixels
        strengths.copy(),
        rule,
        pairs,
        costs,
    )
    return pairs, costs


def contours(labels: np.ndarray, parents: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Height at which every pixel joins its right and its lower neighbor, the larger of the two.

    Shapes: `labels` (height, width) int32, `parents` (n_nodes,) int64, `heights` (n_nodes,)
    float64. Returns (height, width) float64.
    """
    out = np.empty(labels.shape)
    regions_loops.contour_heights(labels, parents, heights, out)
    return out
