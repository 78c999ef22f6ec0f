"""Paste parts of one picture into another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.ndimage import (
    binary_fill_holes,
    distance_transform_edt,
    gaussian_filter,
    label,
    map_coordinates,
    maximum_filter,
)
from skimage.segmentation import find_boundaries

from ..images import as_pixels
from ..tree import SegmentTree
from .inpaint import fill_region, nearest_labels

# Pixels at the ends that do not count for where a part begins: masks have stray pixels.
STRAY = 0.01


class Picture:
    """Pixels in float, the leaf of each, and what is needed to store them again."""

    def __init__(self, image: np.ndarray, mask: np.ndarray, tree: SegmentTree) -> None:
        self.original, self.dtype = image, image.dtype
        self.pixels = np.atleast_3d(image).astype(np.float64)
        self.mask = mask.copy()
        self.touched = np.zeros(mask.shape, dtype=bool)
        self.tree = tree
        self._parts = [np.atleast_1d(np.asarray(value)) for value in tree.leaf_values]

    @classmethod
    def check(cls, image: Any, mask: Any, tree: SegmentTree, name: str, mask_name: str) -> Picture:
        """Return a picture of what a person gave; a sentence names what is wrong with it."""
        image, mask = as_pixels(image, name), as_pixels(mask, mask_name, "mask")
        if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or not image.size:
            raise ValueError(f"{name} must have shape (h, w) or (h, w, 3), got {image.shape}.")
        if image.dtype.kind not in "buif":
            raise TypeError(f"{name} must hold numbers, got dtype {image.dtype}.")
        if mask.dtype.kind not in "ui":
            raise TypeError(f"{mask_name} must hold integers, got dtype {mask.dtype}.")
        if mask.shape != image.shape[:2]:
            raise ValueError(
                f"{mask_name} must have the size of {name}, {image.shape[:2]}, got {mask.shape}."
            )
        return cls(image, mask, tree)

    @property
    def kind(self) -> str:
        """Channels and dtype in words."""
        return f"{'grey' if self.pixels.shape[2] == 1 else 'colour'} of dtype {self.dtype}"

    @property
    def diagonal(self) -> float:
        """Length of the diagonal in pixels."""
        return float(np.hypot(*self.mask.shape))

    def region(self, node: int) -> np.ndarray:
        """Pixels of a node: (h, w) bool."""
        below = np.isin(self.tree.leaves, self.tree.subtree(node))
        ids = [self._parts[place] for place in np.flatnonzero(below)]
        return np.isin(self.mask, np.concatenate(ids))

    def stored(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Pixels as they were stored, untouched ones to the bit."""
        pixels = np.clip(self.pixels, low, high).reshape(self.original.shape)
        if self.dtype.kind == "b":
            pixels = pixels > 0.5
        elif self.dtype.kind in "ui":
            pixels = np.rint(pixels)
        image = self.original.copy()
        image[self.touched] = pixels.astype(self.dtype)[self.touched]
        return image, self.mask


def region_box(region: np.ndarray) -> np.ndarray:
    """First and last row and column of a region without its stray pixels: [[r0, r1], [c0, c1]]."""
    box = []
    for axis in range(2):
        counts = region.sum(axis=1 - axis).cumsum()
        first, last = np.searchsorted(counts, [STRAY * counts[-1], (1 - STRAY) * counts[-1]])
        box.append([first, last + 1.0])
    return np.array(box, dtype=np.float64)


def box_diagonal(region: np.ndarray) -> float:
    """Length of the diagonal of the box around a region, in pixels."""
    return float(np.hypot(*np.diff(region_box(region))[:, 0]))


def places_in(source: np.ndarray, target: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Place in the donor of every pixel of the receiver, (2, h, w)."""
    axes = [
        (np.arange(n) + 0.5 - to[0]) / (to[1] - to[0]) * (of[1] - of[0]) + of[0] - 0.5
        for n, of, to in zip(shape, source, target)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def sample_at(
    values: np.ndarray, places: np.ndarray, *, order: int, cval: float | None = None
) -> np.ndarray:
    """Values of a picture at places; beyond its edge the nearest, or `cval`."""
    options = {"mode": "nearest"} if cval is None else {"mode": "constant", "cval": cval}
    return np.stack(
        [
            map_coordinates(values[..., channel], places, order=order, prefilter=False, **options)
            for channel in range(values.shape[2])
        ],
        axis=-1,
    )


# A node with this share of the pixels along the picture's edge is a backdrop: it stays behind.
BACKDROP = 0.4
# How far a pasted part may reach over its neighbors, and leave slivers of the old one covered,
# as a share of the diagonal of the old part.
REACH = 0.03
# Outlines that share less of their union than this do not fit: only colors are taken over.
FIT = 0.5
# Border pixels of a part that show its neighbors, too, in pictures of so many pixels a side.
MARGIN = 2
LARGE = 100
# What was behind a part belongs to the backdrop unless others are nearer by this factor.
RETREAT = 1.5
# lightness, and two differences of colors, orthonormal
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
# width of the soft border, as a share of the picture's diagonal
FEATHER = 0.003


def compose_parts(
    image: Any,
    mask: Any,
    donor_image: Any,
    donor_mask: Any,
    tree: SegmentTree,
    nodes: Iterable[int | str],
) -> tuple[np.ndarray, np.ndarray]:
    """Replace parts of a picture by the same parts of another one.

    A donor's part is resized so that it spans the height and the width of the part that it
    replaces, and pasted there with a soft border. Where it is larger than the old part it covers
    the backdrop, but hardly its neighbors; where it is smaller, what was behind the old part is
    filled with its surroundings. Where the outlines of the two do not fit at all (the skin of
    someone in shorts and of someone in a coat), the part keeps its own and only takes on the
    donor's colors. A backdrop, what holds much of the picture's edge, keeps its outline, too:
    others stand before it. A part that the donor lacks is taken out; one that the receiver lacks
    comes to where the donor has it, relative to the node above it.

    Shapes: `image, donor_image` (h, w) or (h, w, 3), `mask, donor_mask` (h, w) integer. Returns
    `image`: pixels that no exchange concerns are as they were; `mask`: the label map of the
    composed picture.
    """
    receiver = Picture.check(image, mask, tree, "image", "mask")
    donor = Picture.check(donor_image, donor_mask, tree, "donor_image", "donor_mask")
    if receiver.dtype != donor.dtype or receiver.pixels.shape[2] != donor.pixels.shape[2]:
        raise ValueError(
            f"image and donor_image must be of one kind, got {receiver.kind} and {donor.kind}."
        )
    low = min(receiver.pixels.min(), donor.pixels.min())
    high = max(receiver.pixels.max(), donor.pixels.max())
    for node in _back_to_front(receiver, donor, tree, [tree.index(node) for node in nodes]):
        _exchange(receiver, donor, tree, node)
    return receiver.stored(low, high)


def _back_to_front(
    receiver: Picture, donor: Picture, tree: SegmentTree, nodes: list[int]
) -> list[int]:
    """Topmost nodes, backdrops first, then those that cover more."""
    below = {int(inner) for node in nodes for inner in tree.subtree(node)[:-1]}
    top = [node for node in dict.fromkeys(nodes) if node not in below]
    area = {node: receiver.region(node).mean() + donor.region(node).mean() for node in top}
    return sorted(top, key=lambda node: (not _is_backdrop(receiver.region(node)), -area[node]))


def _is_backdrop(region: np.ndarray) -> bool:
    edge = np.concatenate([region[0], region[-1], region[1:-1, 0], region[1:-1, -1]])
    return edge.mean() >= BACKDROP


def _exchange(receiver: Picture, donor: Picture, tree: SegmentTree, node: int) -> None:
    """Replace one node of the receiver, in place."""
    old, source = receiver.region(node), donor.region(node)
    if not source.any():
        if old.any() and not old.all():
            _remove(receiver, old)
        return
    backdrop = bool(old.any()) and _is_backdrop(old)
    boxes = _boxes(receiver, donor, tree, node, old, source, backdrop)
    places = places_in(*boxes, receiver.mask.shape)
    reached = (
        sample_at(source[..., np.newaxis].astype(float), places, order=1, cval=0)[..., 0] > 0.5
    )
    new, kept = old, np.zeros_like(old)
    if old.any() and not backdrop:
        new, kept = _outline(old, reached, _backdrop(receiver, old))
    elif not backdrop:
        new = reached
    # Beyond the donor's part its own colors go on, so that none of its surroundings are pasted.
    inner = _inner(source)
    content = sample_at(fill_region(donor.pixels, inner, ~inner), places, order=1)
    if kept.any():
        recolored = _recolored(receiver.pixels, old, donor.pixels[inner])
        content = np.where(kept[..., np.newaxis], recolored, content)
    labels = sample_at(nearest_labels(donor.mask, source)[..., np.newaxis], places, order=0)[..., 0]
    if (old & ~new).any():
        _remove(receiver, old, only=old & ~new)
    if backdrop:
        _rid_of(receiver, old)
    _paste(receiver, content, new, old)
    receiver.mask[new & ~kept] = labels[new & ~kept]


def _backdrop(receiver: Picture, old: np.ndarray) -> np.ndarray:
    """Pixels of the leaves that stand behind all others: (h, w) bool."""
    backdrop = np.zeros_like(old)
    for leaf in receiver.tree.leaves:
        region = receiver.region(int(leaf)) & ~old
        if region.any() and _is_backdrop(region):
            backdrop |= region
    return backdrop


def _outline(
    old: np.ndarray, reached: np.ndarray, backdrop: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the new part will be, and where it is the old one in other colors: (h, w) bool."""
    # Where the donor has another part inside of this one, as eyes in a face, the part goes on.
    reached = reached | (binary_fill_holes(reached) & old)
    if (reached & old).sum() < FIT * (reached | old).sum():
        return old, old
    reach = max(1.0, REACH * box_diagonal(old))
    # What lies in a hole of the old part stays before the new one.
    enclosed = binary_fill_holes(old) & ~old
    new = reached & (backdrop | _grown(old, reach)) & ~enclosed
    # No slivers of what is behind between the new part and its neighbors.
    closed = ~_grown(~_grown(new | ~(backdrop | old), 2 * reach), 2 * reach)
    new |= old & (closed | _grown(reached, reach))
    kept = np.zeros_like(old)
    pieces, n_pieces = label(old)
    for piece in range(1, n_pieces + 1):
        inside = pieces == piece
        if (inside & new).sum() < 0.5 * inside.sum():
            kept |= inside
    return new | kept, kept


def _recolored(pixels: np.ndarray, region: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """Give a region the mean and the spread of the colors of a donor's pixels, (n, n_channels)."""
    basis = OPPONENT if donor.shape[1] == 3 else np.eye(donor.shape[1])
    old, new = pixels[region] @ basis.T, donor @ basis.T
    spread = new.std(axis=0) / np.maximum(old.std(axis=0), 1e-12)
    result = pixels.copy()
    moved = (old - old.mean(axis=0)) * np.clip(spread, 0.5, 2.0) + new.mean(axis=0)
    result[region] = np.clip(moved @ basis, donor.min(axis=0), donor.max(axis=0))
    return result


def _remove(receiver: Picture, old: np.ndarray, only: np.ndarray | None = None) -> None:
    """Fill an old part with what surrounds it, every pixel with the nearest part."""
    only = old if only is None else only
    labels = nearest_labels(receiver.mask, ~old)
    backdrop = _backdrop(receiver, old)
    front = ~(old | backdrop)
    if backdrop.any() and front.any():
        behind = distance_transform_edt(~backdrop) < RETREAT * distance_transform_edt(~front)
        labels = np.where(behind, nearest_labels(receiver.mask, backdrop), labels)
    # masks are rough: the old part still shows in the pixels next to it
    inner = _inner(~old)
    wanted = only | (_grown(only, MARGIN) & ~old & ~inner)
    pixels = receiver.pixels.copy()
    for part in np.unique(labels[wanted]):
        here = labels == part
        known = here & inner if (here & inner).any() else here & ~old
        pixels[wanted & here] = fill_region(receiver.pixels, known, wanted & here)[wanted & here]
    sigma = FEATHER * receiver.diagonal
    if sigma >= 0.5:
        seam = wanted & _grown(find_boundaries(labels), 2 * sigma)
        pixels[seam] = gaussian_filter(pixels, (sigma, sigma, 0))[seam]
    receiver.pixels = pixels
    receiver.mask[only] = labels[only]
    receiver.touched |= wanted


def _rid_of(receiver: Picture, old: np.ndarray) -> None:
    """Take out of the pixels beside an old part what they still show of it.

    A pixel there is a mixture of what is farther inside of its own part and of what is farther
    inside of the old one; the share of the old one is where it lies between the two colors.
    """
    beside = _grown(old, MARGIN) & ~old
    if min(old.shape) < LARGE or not beside.any():
        return
    pixels = receiver.pixels.copy()
    behind = fill_region(receiver.pixels, _inner(old), beside)
    inner = _inner(~old)
    for part in np.unique(receiver.mask[beside]):
        here = receiver.mask == part
        box = _box_around(beside & here)
        wanted, known = (beside & here)[box], (here & inner)[box]
        if not known.any():
            continue  # all of the part is near the old one: nothing says how it looks without
        mixed, far = receiver.pixels[box][wanted], behind[box][wanted]
        apart = fill_region(receiver.pixels[box], known, wanted)[wanted] - far
        own = ((mixed - far) * apart).sum(axis=1) / np.maximum((apart**2).sum(axis=1), 1e-12)
        pixels[box][wanted] = mixed + (1.0 - np.clip(own, 0.0, 1.0))[:, np.newaxis] * apart
    low, high = receiver.pixels.min(axis=(0, 1)), receiver.pixels.max(axis=(0, 1))
    receiver.pixels = np.clip(pixels, low, high)
    receiver.touched |= beside


def _paste(receiver: Picture, content: np.ndarray, new: np.ndarray, old: np.ndarray) -> None:
    """Paste a part with a soft border."""
    sigma = FEATHER * receiver.diagonal
    alpha, below = new.astype(np.float64), receiver.pixels
    if sigma >= 0.5:
        alpha = gaussian_filter(alpha, sigma)
        alpha[alpha < 0.02] = 0.0
        # the soft border mixes with what is beside the part, not with what the part was
        known = _inner(~(old | new))
        below = fill_region(below, known, (old & new) & (alpha < 0.99))
    alpha = alpha[..., np.newaxis]
    receiver.pixels = alpha * content + (1 - alpha) * below
    receiver.touched |= alpha[..., 0] > 0


def _box_around(region: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a region and of what is near it."""
    spans = []
    for axis in range(2):
        there = np.flatnonzero(region.any(axis=1 - axis))
        spans.append(slice(max(0, there[0] - 4 * MARGIN), there[-1] + 1 + 4 * MARGIN))
    return spans[0], spans[1]


def _inner(region: np.ndarray) -> np.ndarray:
    """Region without its border, whose pixels are mixed with those beside it; all if it is thin."""
    margin = MARGIN if min(region.shape) >= LARGE else 0
    inner = distance_transform_edt(np.pad(region, 1, mode="edge"))[1:-1, 1:-1] > margin
    return inner if inner.sum() >= 0.3 * region.sum() else region


def _grown(region: np.ndarray, reach: float) -> np.ndarray:
    """Region with everything at most `reach` pixels away."""
    return distance_transform_edt(~region) <= reach if region.any() else region


def _boxes(
    receiver: Picture,
    donor: Picture,
    tree: SegmentTree,
    node: int,
    old: np.ndarray,
    source: np.ndarray,
    backdrop: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes in donor and receiver that are laid upon each other."""
    whole = [np.array([[0.0, side] for side in p.mask.shape]) for p in (donor, receiver)]
    if backdrop:
        return whole[0], whole[1]
    if old.any():
        return region_box(source), region_box(old)
    for ancestor in tree.ancestors(node):
        below = [p.region(int(ancestor)) for p in (donor, receiver)]
        if all(region.any() for region in below):
            return region_box(below[0]), region_box(below[1])
    return whole[0], whole[1]


# Pixels along the outline that show what was behind, too, as a share of the picture's diagonal.
RIM = 0.006
# width of the soft outline, as a share of the picture's diagonal
CUT_FEATHER = 0.003


def place_before(image: np.ndarray, front: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
    """Put the front of a picture before another one, with a soft outline.

    Masks are rough and the pixels along an outline are mixed with what was behind, so the colors
    of the rim are not used: those farther in go on to the outline and beyond.

    Shapes: `image, backdrop` (h, w, n_channels) float, `front` (h, w) bool. Returns `pixels` (h, w,
    n_channels) float64: `image` farther in, `backdrop` farther out, a mixture along the outline.
    """
    diagonal = np.hypot(*front.shape)
    alpha = front.astype(np.float64)
    if CUT_FEATHER * diagonal >= 0.5:
        alpha = gaussian_filter(alpha, CUT_FEATHER * diagonal)
        alpha[alpha < 0.02] = 0.0
        alpha[alpha > 0.98] = 1.0
    inner = _erode_leaves(front, round(RIM * diagonal))
    colors = fill_region(image, inner, (alpha > 0) & ~inner)
    alpha = alpha[..., np.newaxis]
    return alpha * colors + (1 - alpha) * backdrop


def _erode_leaves(front: np.ndarray, width: int) -> np.ndarray:
    """Take off a rim; of what is thinner than that, the middle stays."""
    if width == 0:
        return front
    depth = distance_transform_edt(np.pad(front, 1, mode="edge"))[1:-1, 1:-1]
    is_middle = depth == maximum_filter(depth, 2 * width + 1)
    return front & ((depth > width) | is_middle)
