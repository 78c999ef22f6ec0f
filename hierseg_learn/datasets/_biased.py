"""Segmented images in front of new backgrounds with an adjustable bias."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from skimage.color import gray2rgb, lab2rgb, rgb2gray
from skimage.transform import resize
from skimage.util import img_as_float64
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from ..compositing.compose import place_before
from ..compositing.inpaint import nearest_values
from ..images import ImageBatch, SegmentedImages, as_pixels, check_images, is_pillow, join_items
from ..images.labels import OPEN_ID
from ..tree import SegmentTree
from ..utils.labels import check_classes
from ._portraits import PALETTES, draw_kinds, style_color, texture

# smallest crop of a picture, as a share of the largest one
MIN_CROP = 0.5
# standard deviation of the pixel noise of a painted backdrop
GRAIN = 0.02


class PaintedBackdrops:
    """Backdrops as in `make_portraits`: a color and a pattern for every kind."""

    def __init__(self, n_kinds: int) -> None:
        self.n_kinds = n_kinds

    def draw(
        self, kind: int, shape: tuple[int, int], rng: np.random.RandomState, is_gray: bool
    ) -> np.ndarray:
        """Paint a backdrop: (h, w, 1) or (h, w, 3) float64 in [0, 1]."""
        # `texture` takes the newer kind of generator
        drawn = np.random.default_rng(rng.randint(2**31 - 1))
        x, y = (axis / shape[0] for axis in np.meshgrid(*map(np.arange, shape[::-1])))
        lab = np.empty((*shape, 3))
        spread = PALETTES["background"].spread
        lab[:] = style_color("background", kind, self.n_kinds, 1.0) + drawn.normal(0, spread, 3)
        lab[..., 0] += texture("background", kind, x, y, drawn)
        painted = lab2rgb(lab) + GRAIN * drawn.normal(size=(*shape, 1))
        return _in_channels(np.clip(painted, 0, 1), is_gray)


class PictureBackdrops:
    """Backdrops that are crops of pictures."""

    def __init__(self, kinds: Iterable[Any]) -> None:
        self.kinds = [_check_kind(kind, place) for place, kind in enumerate(kinds)]
        self.n_kinds = len(self.kinds)

    def draw(
        self, kind: int, shape: tuple[int, int], rng: np.random.RandomState, is_gray: bool
    ) -> np.ndarray:
        """Crop and randomly mirror a picture: (h, w, 1) or (h, w, 3) float64 in [0, 1]."""
        pictures = self.kinds[kind]
        picture = pictures[rng.randint(len(pictures))]
        largest = min(side / wanted for side, wanted in zip(picture.shape, shape, strict=False))
        scale = largest * rng.uniform(MIN_CROP, 1.0)
        sides = [max(1, int(scale * wanted)) for wanted in shape]
        first = [
            rng.randint(side - used + 1) for side, used in zip(picture.shape, sides, strict=False)
        ]
        crop = picture[tuple(slice(at, at + used) for at, used in zip(first, sides, strict=True))]
        crop = crop[:, :: rng.choice([-1, 1])]
        sized = resize(crop, shape, order=1, anti_aliasing=scale > 1)
        return _in_channels(np.clip(sized, 0, 1), is_gray)


def _in_channels(picture: np.ndarray, is_gray: bool) -> np.ndarray:
    if is_gray:
        return np.atleast_3d(picture if picture.ndim == 2 else rgb2gray(picture))
    return gray2rgb(picture) if picture.ndim == 2 else picture


def _check_kind(kind: Any, place: int) -> list[np.ndarray]:
    """Validate the pictures of one kind; they become float64 in [0, 1]."""
    is_one = is_pillow(kind) or (isinstance(kind, np.ndarray) and kind.ndim in (2, 3))
    pictures = [kind] if is_one else list(kind)
    if not pictures:
        raise ValueError(f"backgrounds[{place}] holds no picture.")
    where = f"A picture of backgrounds[{place}]"
    return [_check_picture(as_pixels(picture, where), place) for picture in pictures]


def _check_picture(picture: np.ndarray, place: int) -> np.ndarray:
    if picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)) or not picture.size:
        raise ValueError(
            f"backgrounds[{place}] must hold pictures of shape (h, w) or (h, w, 3), got "
            f"{picture.shape}."
        )
    if picture.dtype not in (bool, np.uint8, np.uint16) and not (
        picture.dtype.kind == "f" and picture.min() >= 0 and picture.max() <= 1
    ):
        raise ValueError(
            f"backgrounds[{place}] must be bool, uint8, uint16 or floats in [0, 1], got "
            f"{picture.dtype} from {picture.min()} to {picture.max()}."
        )
    return img_as_float64(picture)


DESCR = """\
Segmented images in front of new backgrounds
--------------------------------------------
Made by ``hierseg_learn.datasets.make_biased``: the parts outside of the context were cut out of
every image and put in front of a background of one of {n_kinds} kinds. The kind is that of the
image's class with probability {bias}, otherwise one of the others at random.
"""


@validate_params(
    {
        "y": ["array-like"],
        "backgrounds": ["array-like", None],
        "bias": [Interval(Real, 0, 1, closed="both"), None],
        "context": [Integral, str, list, tuple],
        "tree": [Mapping, SegmentTree, None],
        "unlabeled": ["array-like", Integral, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_biased(
    images: Any,
    masks: Any,
    y: Any,
    backgrounds: Iterable[Any] | None = None,
    *,
    bias: float | None = 0.95,
    context: int | str | Iterable[int | str] = 0,
    tree: Mapping[str, Any] | SegmentTree | None = None,
    unlabeled: Any = None,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Put the foreground of segmented images in front of backgrounds that depend on the label.

    There is one kind of background for every class. An image gets a background of the kind of its
    class with probability `bias`, otherwise one of the other kinds, each with equal probability.
    With ``bias=1`` the background determines the class; with ``1 / n_classes`` it is independent.

    The same `random_state` draws the same backgrounds of every kind: another `bias` only changes
    which images get another kind.

    Parameters
    ----------
    images : array, list of arrays, list of paths or SegmentedImages
        The images, gray or color, of any size and dtype.
    masks : array, list of arrays, list of paths or None
        One label map per image; None if `images` brings its own.
    y : array-like of shape (n_samples,)
        Labels.
    backgrounds : sequence of length n_classes or None, default=None
        One entry for every class, in the order of the sorted labels: a picture of shape (h, w) or
        (h, w, 3), or a list of pictures; bool, uint8, uint16, or floats in [0, 1]. Images get
        random crops of them. None paints patterns as in :func:`make_portraits`, one for every
        class.
    bias : float in [0, 1] or None, default=0.95
        Probability that an image's background is of the kind of its class. ``1 / n_classes`` makes
        it independent of the label; so does None. As in :func:`make_portraits`.
    context : int, str, or list of int and str, default=0
        The background: part ids, or names or paths of nodes of `tree`. All else is cut out.
        Unlabeled pixels count for the nearest part.
    tree : dict or SegmentTree, default=None
        The segment tree, to name nodes in `context`; returned unchanged.
    unlabeled : int or list of int, default=None
        Ids that are no part, besides -1, where `images` does not say so itself; as in
        :class:`~hierseg_learn.SegmentedImages`.
    random_state : int, RandomState instance or None, default=None
        Seed of everything that is drawn.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - `images` (SegmentedImages of shape (n_samples,)): In memory, with the sizes and the dtype
          of the images; the label maps are unchanged.
        - `target` (ndarray of shape (n_samples,), int64): Position of the label in `target_names`.
        - `target_names` (list): The labels, sorted.
        - `groups` (ndarray of shape (n_samples,), int64): Kind of the background; kind k belongs to
          class k.
        - `tree` (dict, SegmentTree or None): As given.
        - `DESCR` (str)

    Raises
    ------
    ValueError
        If there are not as many labels as images or as many kinds as classes, a background is no
        picture, the context names an unknown node, or an image consists of context only.
    TypeError
        If masks are given twice or not at all.

    See Also
    --------
    make_portraits : Painted people, with a bias in any part.

    Notes
    -----
    Masks are rough, so the border of the foreground shows the old background. Its colors are
    replaced by those farther in, and its outline is soft. Pixels farther in are unchanged.
    Pictures that come with scikit-image (``skimage.data.grass()``, ``gravel``, ``brick``,
    ``coffee``, ...) make good backgrounds and need no download.

    Examples
    --------
    >>> from skimage.data import grass, gravel
    >>> from hierseg_learn.datasets import make_biased, make_portraits
    >>> people = make_portraits(8, random_state=0)
    >>> biased = make_biased(
    ...     people.images, None, people.target, [grass(), gravel()], bias=1, random_state=0
    ... )
    >>> (biased.groups == biased.target).all()
    np.True_
    >>> biased.images
    SegmentedImages(n_images=8, images in memory, masks in memory)
    """
    images = join_items(images, "images")
    if (masks is None) != isinstance(images, SegmentedImages):
        raise TypeError(
            "masks must be given, unless images is SegmentedImages, which have their own; got "
            f"masks={'None' if masks is None else 'another set'} and images of type "
            f"{type(images).__name__}."
        )
    given = images if masks is None else SegmentedImages(images, masks, unlabeled)
    batch = check_images(given)
    names, target = np.unique(check_classes(y, "y", len(batch)), return_inverse=True)
    backdrops = PaintedBackdrops(len(names))
    if backgrounds is not None:
        backdrops = PictureBackdrops(backgrounds)
    if backdrops.n_kinds != len(names):
        raise ValueError(
            f"backgrounds must have one entry for each of {len(names)} classes, got "
            f"{backdrops.n_kinds}."
        )
    known = SegmentTree.from_nested(tree) if isinstance(tree, Mapping) else tree
    behind = _context_ids(context, known)
    batch = batch.settled(None, _named_parts(batch, behind, known))
    rng = check_random_state(random_state)
    groups = draw_kinds(rng, target, len(names), bias)
    seeds = rng.randint(2**31 - 1, size=len(batch))
    composed = [
        _compose(given, batch, i, behind, backdrops, groups[i], check_random_state(seed))
        for i, seed in enumerate(seeds)
    ]
    return Bunch(
        images=SegmentedImages(composed, list(given.masks), given.unlabeled),
        target=target.astype(np.int64),
        target_names=names.tolist(),
        groups=groups,
        tree=tree,
        DESCR=DESCR.format(n_kinds=len(names), bias=1 / len(names) if bias is None else bias),
    )


def _named_parts(batch: ImageBatch, behind: list[int], tree: SegmentTree | None) -> tuple[int, ...]:
    """Ids that are parts, even 255 in uint8."""
    if batch.unlabeled is not None:
        return ()
    if tree is not None and tree.leaf_values is not None:
        return (*behind, *_part_ids(tree, range(tree.n_leaves)))
    masks = (batch.mask(i, may_be_empty=True) for i in range(len(batch)))
    ids = set().union(*(np.unique(mask).tolist() for mask in masks))
    # in masks of 0 and 255 the latter is the object
    is_object = batch.dropped_share > 0 and ids == {-1, 0}
    return (*behind, *([OPEN_ID] if is_object else []))


def _part_ids(tree: SegmentTree, places: Iterable[int]) -> list[int]:
    """Part ids of some leaves."""
    return [int(part) for place in places for part in np.atleast_1d(tree.leaf_values[place])]


def _compose(
    given: SegmentedImages,
    batch: ImageBatch,
    i: int,
    behind: list[int],
    backdrops: PaintedBackdrops | PictureBackdrops,
    kind: int,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Image i in front of a background of a kind, with its own dtype."""
    stored, mask = given.images[i], batch.mask(i)
    front = ~np.isin(nearest_values(mask, mask >= 0), behind)
    if not front.any():
        raise ValueError(f"Image {i} shows nothing but the context {behind}.")
    pixels = np.atleast_3d(batch.image(i)).astype(np.float64)
    backdrop = backdrops.draw(kind, front.shape, rng, stored.ndim == 2)
    placed = place_before(pixels, front, backdrop)
    encoding = batch.encoding
    values = (encoding.low + (encoding.high - encoding.low) * placed).reshape(stored.shape)
    if stored.dtype.kind == "b":
        values = values > 0.5
    elif stored.dtype.kind in "ui":
        values = np.rint(values)
    changed = (placed != pixels).any(axis=2)
    image = stored.copy()
    image[changed] = values.astype(stored.dtype)[changed]
    return image


def _context_ids(context: Any, tree: SegmentTree | None) -> list[int]:
    """Part ids of the context."""
    ids: list[int] = []
    for entry in [context] if isinstance(context, Integral | str) else context:
        if isinstance(entry, Integral):
            ids.append(int(entry))
        elif tree is None:
            raise ValueError(f"context names the node {entry!r}, but there is no tree; pass tree=.")
        else:
            ids += _part_ids(tree, np.flatnonzero(np.isin(tree.leaves, tree.subtree(entry))))
    return ids
