"""Paste parts of one image into another, or the foreground of one before another."""

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
from .inpaint import fill_region, nearest_values

# share of stray pixels at either end that do not count for where a part begins
STRAY = 0.01
# share of the image's edge from which a node is a backdrop, which keeps its outline
BACKDROP = 0.4
# how far a pasted part may cover its neighbors, and leave slivers of the old part covered, as a
# share of the diagonal of the old part
REACH = 0.03
# outlines that share less of their union than this do not fit: only colors are transferred
FIT = 0.5
# width of the border of a part whose pixels mix with its neighbors, in images of at least so many
# pixels a side
MARGIN = 2
LARGE = 100
# what was behind a part belongs to the backdrop unless other parts are nearer by this factor
RETREAT = 1.5
# lightness, and two differences of colors, orthonormal
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
# width of the soft border, as a share of the image's diagonal
FEATHER = 0.003
# width of the border that also shows the old background, as a share of the image's diagonal
BORDER = 0.006


class Canvas:
    """An image in float, the part of every pixel, and what is needed to store it again."""

    def __init__(
        self, image: Any, mask: Any, tree: SegmentTree, name: str = "image", mask_name: str = "mask"
    ) -> None:
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
        self.original, self.dtype = image, image.dtype
        self.pixels = np.atleast_3d(image).astype(np.float64)
        self.mask = mask.copy()
        self.touched = np.zeros(mask.shape, dtype=bool)
        self.tree = tree

    @property
    def kind(self) -> str:
        """Channels and dtype in words."""
        return f"{'gray' if self.pixels.shape[2] == 1 else 'color'} of dtype {self.dtype}"

    @property
    def diagonal(self) -> float:
        """Length of the diagonal in pixels."""
        return float(np.hypot(*self.mask.shape))

    def region(self, node: int) -> np.ndarray:
        """Pixels of a node, (h, w) bool."""
        below = np.flatnonzero(np.isin(self.tree.leaves, self.tree.subtree(node)))
        ids = [np.atleast_1d(self.tree.leaf_values[place]) for place in below]
        return np.isin(self.mask, np.concatenate(ids))

    def backdrop(self, old: np.ndarray) -> np.ndarray:
        """Pixels outside of `old` of all leaves that are backdrops, (h, w) bool."""
        backdrop = np.zeros_like(old)
        for leaf in self.tree.leaves:
            region = self.region(int(leaf)) & ~old
            if region.any() and is_backdrop(region):
                backdrop |= region
        return backdrop

    def stored(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Image and mask as they were given; untouched pixels are identical."""
        pixels = np.clip(self.pixels, low, high).reshape(self.original.shape)
        if self.dtype.kind == "b":
            pixels = pixels > 0.5
        elif self.dtype.kind in "ui":
            pixels = np.rint(pixels)
        image = self.original.copy()
        image[self.touched] = pixels.astype(self.dtype)[self.touched]
        return image, self.mask


def is_backdrop(region: np.ndarray) -> bool:
    """Whether a region, (h, w) bool, holds much of the image's edge."""
    edge = np.concatenate([region[0], region[-1], region[1:-1, 0], region[1:-1, -1]])
    return edge.mean() >= BACKDROP


def region_box(region: np.ndarray) -> np.ndarray:
    """Bounding box of a region without its stray pixels, [[r0, r1], [c0, c1]]."""
    box = []
    for axis in range(2):
        counts = region.sum(axis=1 - axis).cumsum()
        first, last = np.searchsorted(counts, [STRAY * counts[-1], (1 - STRAY) * counts[-1]])
        box.append([first, last + 1.0])
    return np.array(box, dtype=np.float64)


def box_diagonal(region: np.ndarray) -> float:
    """Length of the diagonal of the bounding box of a region, in pixels."""
    return float(np.hypot(*np.diff(region_box(region))[:, 0]))


def places_in(source: np.ndarray, target: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Position in the donor of every pixel of the receiver, (2, h, w)."""
    axes = [
        (np.arange(n) + 0.5 - to[0]) / (to[1] - to[0]) * (of[1] - of[0]) + of[0] - 0.5
        for n, of, to in zip(shape, source, target)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def sample_at(
    values: np.ndarray, places: np.ndarray, *, order: int, cval: float | None = None
) -> np.ndarray:
    """Values of an image at positions; beyond its edge the nearest, or `cval`."""
    options = {"mode": "nearest"} if cval is None else {"mode": "constant", "cval": cval}
    return np.stack(
        [
            map_coordinates(values[..., channel], places, order=order, prefilter=False, **options)
            for channel in range(values.shape[2])
        ],
        axis=-1,
    )


def compose_parts(
    image: Any,
    mask: Any,
    donor_image: Any,
    donor_mask: Any,
    tree: SegmentTree,
    nodes: Iterable[int | str],
) -> tuple[np.ndarray, np.ndarray]:
    """Replace parts of an image by the same parts of another one.

    A donor's part is resized to the height and the width of the part that it replaces, and pasted
    with a soft border. Where it is larger than the old part it covers the backdrop, but hardly its
    neighbors; where it is smaller, what was behind the old part is inpainted. If the two outlines
    do not fit at all (the skin of someone in shorts and of someone in a coat), the part keeps its
    outline and takes only the donor's colors; so does a backdrop, a part that holds much of the
    image's edge. A part that the donor lacks is removed; one that the receiver lacks is placed
    where the donor has it, relative to the node above it.

    Parameters
    ----------
    image : array-like of shape (h, w) or (h, w, 3)
        The receiver.
    mask : array-like of shape (h, w), integer
        Its label map of part ids.
    donor_image, donor_mask : array-like
        The same of the donor, of any size, with the dtype of the receiver.
    tree : SegmentTree
        Its leaf values are part ids.
    nodes : iterable of int or str
        Nodes to replace, by id, path or unique short name.

    Returns
    -------
    image : ndarray of the shape and dtype of `image`
        The composed image; pixels that no swap concerns are unchanged.
    mask : ndarray of shape (h, w), dtype of `mask`
        Its label map.

    Raises
    ------
    ValueError, TypeError
        If an image and its mask do not fit, or the images are of different kinds.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.compositing import compose_parts
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> mask = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    >>> image, _ = compose_parts(mask + 3, mask, 9 * mask, mask, tree, ["boat"])
    >>> image
    array([[3, 3, 3, 3],
           [3, 9, 9, 3],
           [3, 3, 3, 3]])
    """
    receiver = Canvas(image, mask, tree)
    donor = Canvas(donor_image, donor_mask, tree, "donor_image", "donor_mask")
    if receiver.dtype != donor.dtype or receiver.pixels.shape[2] != donor.pixels.shape[2]:
        raise ValueError(
            f"image and donor_image must be of one kind, got {receiver.kind} and {donor.kind}."
        )
    low = min(receiver.pixels.min(), donor.pixels.min())
    high = max(receiver.pixels.max(), donor.pixels.max())
    for node in _back_to_front(receiver, donor, [tree.index(node) for node in nodes]):
        _replace(receiver, donor, node)
    return receiver.stored(low, high)


def _back_to_front(receiver: Canvas, donor: Canvas, nodes: list[int]) -> list[int]:
    """Topmost nodes, backdrops first, then the larger ones."""
    below = {int(inner) for node in nodes for inner in receiver.tree.subtree(node)[:-1]}
    top = [node for node in dict.fromkeys(nodes) if node not in below]
    area = {node: receiver.region(node).mean() + donor.region(node).mean() for node in top}
    return sorted(top, key=lambda node: (not is_backdrop(receiver.region(node)), -area[node]))


def _replace(receiver: Canvas, donor: Canvas, node: int) -> None:
    """Replace one node of the receiver, in place."""
    old, source = receiver.region(node), donor.region(node)
    if not source.any():
        if old.any() and not old.all():
            _remove(receiver, old)
        return
    backdrop = bool(old.any()) and is_backdrop(old)
    boxes = _matching_boxes(receiver, donor, node, old, source, backdrop)
    places = places_in(*boxes, receiver.mask.shape)
    reached = (
        sample_at(source[..., np.newaxis].astype(float), places, order=1, cval=0)[..., 0] > 0.5
    )
    new, kept = old, np.zeros_like(old)
    if old.any() and not backdrop:
        new, kept = _outline(old, reached, receiver.backdrop(old))
    elif not backdrop:
        new = reached
    # the donor's part is extended by its own colors, so that none of its surroundings are pasted
    inner = _eroded(source)
    content = sample_at(fill_region(donor.pixels, inner, ~inner), places, order=1)
    if kept.any():
        recolored = _recolored(receiver.pixels, old, donor.pixels[inner])
        content = np.where(kept[..., np.newaxis], recolored, content)
    labels = sample_at(nearest_values(donor.mask, source)[..., np.newaxis], places, order=0)[..., 0]
    if (old & ~new).any():
        _remove(receiver, old, only=old & ~new)
    if backdrop:
        _unmix_border(receiver, old)
    _paste(receiver, content, new, old)
    receiver.mask[new & ~kept] = labels[new & ~kept]


def _outline(
    old: np.ndarray, reached: np.ndarray, backdrop: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the new part will be, and where it is the old one recolored: (h, w) bool."""
    # fill holes in which the donor has another part, as eyes in a face
    reached = reached | (binary_fill_holes(reached) & old)
    if (reached & old).sum() < FIT * (reached | old).sum():
        return old, old
    reach = max(1.0, REACH * box_diagonal(old))
    # what lies in a hole of the old part stays in front
    enclosed = binary_fill_holes(old) & ~old
    new = reached & (backdrop | _dilated(old, reach)) & ~enclosed
    # no slivers of the backdrop between the new part and its neighbors
    closed = ~_dilated(~_dilated(new | ~(backdrop | old), 2 * reach), 2 * reach)
    new |= old & (closed | _dilated(reached, reach))
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


def _remove(receiver: Canvas, old: np.ndarray, only: np.ndarray | None = None) -> None:
    """Inpaint an old part with its surroundings, every pixel with the nearest part."""
    only = old if only is None else only
    labels = nearest_values(receiver.mask, ~old)
    backdrop = receiver.backdrop(old)
    front = ~(old | backdrop)
    if backdrop.any() and front.any():
        behind = distance_transform_edt(~backdrop) < RETREAT * distance_transform_edt(~front)
        labels = np.where(behind, nearest_values(receiver.mask, backdrop), labels)
    # masks are rough: the old part still shows in the pixels next to it
    inner = _eroded(~old)
    wanted = only | (_dilated(only, MARGIN) & ~old & ~inner)
    pixels = receiver.pixels.copy()
    for part in np.unique(labels[wanted]):
        here = labels == part
        known = here & inner if (here & inner).any() else here & ~old
        pixels[wanted & here] = fill_region(receiver.pixels, known, wanted & here)[wanted & here]
    sigma = FEATHER * receiver.diagonal
    if sigma >= 0.5:
        seam = wanted & _dilated(find_boundaries(labels), 2 * sigma)
        pixels[seam] = gaussian_filter(pixels, (sigma, sigma, 0))[seam]
    receiver.pixels = pixels
    receiver.mask[only] = labels[only]
    receiver.touched |= wanted


def _unmix_border(receiver: Canvas, old: np.ndarray) -> None:
    """Remove the colors of an old part from the mixed pixels beside it.

    The color of such a pixel lies between the color farther inside its own part and the color
    farther inside the old part; its position between the two is the share of the old part.
    """
    beside = _dilated(old, MARGIN) & ~old
    if min(old.shape) < LARGE or not beside.any():
        return
    pixels = receiver.pixels.copy()
    behind = fill_region(receiver.pixels, _eroded(old), beside)
    inner = _eroded(~old)
    for part in np.unique(receiver.mask[beside]):
        here = receiver.mask == part
        box = _box_around(beside & here)
        wanted, known = (beside & here)[box], (here & inner)[box]
        if not known.any():
            continue  # all of the part is mixed: its own color is unknown
        mixed, far = receiver.pixels[box][wanted], behind[box][wanted]
        apart = fill_region(receiver.pixels[box], known, wanted)[wanted] - far
        own = ((mixed - far) * apart).sum(axis=1) / np.maximum((apart**2).sum(axis=1), 1e-12)
        pixels[box][wanted] = mixed + (1.0 - np.clip(own, 0.0, 1.0))[:, np.newaxis] * apart
    low, high = receiver.pixels.min(axis=(0, 1)), receiver.pixels.max(axis=(0, 1))
    receiver.pixels = np.clip(pixels, low, high)
    receiver.touched |= beside


def _paste(receiver: Canvas, content: np.ndarray, new: np.ndarray, old: np.ndarray) -> None:
    """Paste a part with a soft border."""
    sigma = FEATHER * receiver.diagonal
    alpha, below = new.astype(np.float64), receiver.pixels
    if sigma >= 0.5:
        alpha = gaussian_filter(alpha, sigma)
        alpha[alpha < 0.02] = 0.0
        # the soft border mixes with the neighbors, not with the old part
        known = _eroded(~(old | new))
        below = fill_region(below, known, (old & new) & (alpha < 0.99))
    alpha = alpha[..., np.newaxis]
    receiver.pixels = alpha * content + (1 - alpha) * below
    receiver.touched |= alpha[..., 0] > 0


def _box_around(region: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a region and its surroundings."""
    spans = []
    for axis in range(2):
        there = np.flatnonzero(region.any(axis=1 - axis))
        spans.append(slice(max(0, there[0] - 4 * MARGIN), there[-1] + 1 + 4 * MARGIN))
    return spans[0], spans[1]


def _eroded(region: np.ndarray) -> np.ndarray:
    """Region without its mixed border pixels; all of it if it is thin."""
    margin = MARGIN if min(region.shape) >= LARGE else 0
    inner = distance_transform_edt(np.pad(region, 1, mode="edge"))[1:-1, 1:-1] > margin
    return inner if inner.sum() >= 0.3 * region.sum() else region


def _dilated(region: np.ndarray, reach: float) -> np.ndarray:
    """Region with everything at most `reach` pixels away."""
    return distance_transform_edt(~region) <= reach if region.any() else region


def _matching_boxes(
    receiver: Canvas,
    donor: Canvas,
    node: int,
    old: np.ndarray,
    source: np.ndarray,
    backdrop: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes in donor and receiver that are mapped onto each other."""
    whole = [np.array([[0.0, side] for side in p.mask.shape]) for p in (donor, receiver)]
    if backdrop:
        return whole[0], whole[1]
    if old.any():
        return region_box(source), region_box(old)
    for ancestor in receiver.tree.ancestors(node):
        below = [p.region(int(ancestor)) for p in (donor, receiver)]
        if all(region.any() for region in below):
            return region_box(below[0]), region_box(below[1])
    return whole[0], whole[1]


def place_before(image: np.ndarray, front: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
    """Put the foreground of an image before another one, with a soft outline.

    Masks are rough and the pixels along an outline are mixed with the background, so the colors of
    the border are not used: those farther in are extended to the outline and beyond.

    Shapes: `image, backdrop` (h, w, n_channels) float, `front` (h, w) bool. Returns `pixels` (h, w,
    n_channels) float64: `image` farther in, `backdrop` farther out, a mixture along the outline.
    """
    diagonal = np.hypot(*front.shape)
    alpha = front.astype(np.float64)
    if FEATHER * diagonal >= 0.5:
        alpha = gaussian_filter(alpha, FEATHER * diagonal)
        alpha[alpha < 0.02] = 0.0
        alpha[alpha > 0.98] = 1.0
    inner = _without_border(front, round(BORDER * diagonal))
    colors = fill_region(image, inner, (alpha > 0) & ~inner)
    alpha = alpha[..., np.newaxis]
    return alpha * colors + (1 - alpha) * backdrop


def _without_border(front: np.ndarray, width: int) -> np.ndarray:
    """Region, (h, w) bool, without its border; the middle of what is thinner than that stays."""
    if width == 0:
        return front
    depth = distance_transform_edt(np.pad(front, 1, mode="edge"))[1:-1, 1:-1]
    is_middle = depth == maximum_filter(depth, 2 * width + 1)
    return front & ((depth > width) | is_middle)
