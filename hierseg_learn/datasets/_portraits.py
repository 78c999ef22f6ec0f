"""Small painted portraits with part masks, a known class signal and an adjustable bias."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ..images import SegmentedImages
from ._load import as_frame_bunch
from ._portrait_render import PART_NAMES, render_portrait

# columns of the styles: 0 is color, 1 is texture
CHANNELS = {"both": slice(0, 2), "color": slice(0, 1), "texture": slice(1, 2)}
CUES = tuple(CHANNELS)
MAY_BE_MISSING = ("hair", "eyes", "mouth", "neck")
MIN_SIZE = (24, 20)  # in smaller images the mouth may have no pixel

TREE = {
    "portrait": {
        "background": 0,
        "person": {
            "head": {"hair": 1, "face": {"skin": 2, "eyes": 3, "mouth": 4}},
            "body": {"neck": 5, "clothes": 6},
        },
    }
}

DESCR = """\
Painted portraits
-----------------
Small color pictures of people, drawn by ``hierseg_learn.datasets.make_portraits``, each with a
label map of seven parts: background, hair, skin, eyes, mouth, neck and clothes.

Every part of every picture shows one of ``n_classes`` styles of color and one of texture. In the
signal parts the style is the class; in the biased part it is the class with a chosen probability;
everywhere else it is drawn at random. Pose, proportions, haircut, collar, skin tone, light and
individual colors are drawn independently of the class.

The pictures are synthetic; they show nobody.
"""


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_classes": [Interval(Integral, 2, None, closed="left")],
        "signal": ["array-like", str, Mapping],
        "strength": [Interval(Real, 0, 1, closed="both")],
        "bias": [Interval(Real, 0, 1, closed="both"), None],
        "bias_part": [StrOptions(set(PART_NAMES))],
        "bias_cue": [StrOptions(set(CUES))],
        "noise": [Interval(Real, 0, None, closed="left")],
        "missing": [Interval(Real, 0, 1, closed="both"), Mapping],
        "image_size": ["array-like"],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_portraits(
    n_samples: int = 200,
    *,
    n_classes: int = 2,
    signal: Iterable[str] | Mapping[str, str] = ("hair",),
    strength: float = 0.75,
    bias: float | None = None,
    bias_part: str = "background",
    bias_cue: str = "both",
    noise: float = 0.02,
    missing: float | Mapping[str, float] = 0.0,
    image_size: tuple[int, int] = (48, 40),
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Paint small portraits with part masks, a class signal in chosen parts, and a bias.

    Every part of every portrait shows a style of color and a style of texture, one of
    `n_classes` each. In the parts of `signal` the style is the class. In `bias_part` it is the
    class with probability `bias`. All other parts, and everything geometrical, are independent of
    the class. No pixel mixes the colors of two parts.

    The same `random_state` paints the same people: other values of `signal`, `bias` or
    `strength` change only the styles of the parts concerned.

    Parameters
    ----------
    n_samples : int, default=200
        Number of portraits.
    n_classes : int, default=2
        Number of classes, of (nearly) equal size; and number of styles of every part.
    signal : str, iterable of str, or mapping of str to {"both", "color", "texture"}, \
default=("hair",)
        The parts whose style is the class; a mapping names the cue for each. May be empty.
    strength : float in [0, 1], default=0.75
        Visibility of the styles in all parts; 0 hides them.
    bias : float in [0, 1] or None, default=None
        Probability that `bias_part` shows the style that belongs to the label. ``1 / n_classes``
        makes it independent of the label; so does None.
    bias_part : str, default="background"
        The part that `bias` acts on.
    bias_cue : {"both", "color", "texture"}, default="both"
        The cue of `bias_part` that depends on the label.
    noise : float, default=0.02
        Standard deviation of the pixel noise, as a share of the value range.
    missing : float or mapping of str to float, default=0.0
        Probability that a part is missing. A number holds for hair (bald) and eyes (closed); a
        mapping may also name neck (hidden by a high collar) and mouth. A missing part carries no
        signal.
    image_size : (int, int), default=(48, 40)
        Height and width in pixels, at least 24 x 20.
    random_state : int, RandomState instance or None, default=None
        Seed of everything that is drawn.
    return_X_y : bool, default=False
        Return ``(images, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return `target` as a pandas Series, and a DataFrame about the images in `frame`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - `images` (SegmentedImages of shape (n_samples,)): Images of shape (height, width, 3),
          uint8, with masks of shape (height, width).
        - `target` (ndarray of shape (n_samples,), int64, or Series)
        - `target_names` (list of str)
        - `part_names` (dict of int to str): Name of every part id.
        - `tree` (dict): The segment tree; its leaves are the part ids.
        - `styles` (ndarray of shape (n_samples, n_parts, 2)): Color style and texture style of
          every part.
        - `groups` (ndarray of shape (n_samples,)): The style that `bias_part` shows (of its
          texture if that is `bias_cue`); style k belongs to class k.
        - `ids` (list of str)
        - `frame` (DataFrame or None): One row per image: styles, missing parts and target; with
          ``as_frame=True`` only.
        - `DESCR` (str)
    images, target : tuple
        In place of the Bunch, if ``return_X_y=True``.

    See Also
    --------
    make_biased : Puts cut-out people or objects of any data set in front of biased backgrounds.

    Examples
    --------
    >>> from hierseg_learn.datasets import make_portraits
    >>> portraits = make_portraits(6, signal=("hair", "clothes"), random_state=0)
    >>> portraits.images[0].image.shape
    (48, 40, 3)
    >>> portraits.part_names
    {0: 'background', 1: 'hair', 2: 'skin', 3: 'eyes', 4: 'mouth', 5: 'neck', 6: 'clothes'}
    """
    size = _check_size(image_size)
    cues = _check_signal(signal)
    chances = _check_missing(missing)
    if bias is not None:
        _check_no_clash(cues.get(bias_part), bias_part, bias_cue)
    rng = check_random_state(random_state)
    # everything is drawn in the same order and number, whatever the parameters
    target = rng.permutation(np.arange(n_samples) % n_classes).astype(np.int64)
    n_parts = len(PART_NAMES)
    seeds = rng.randint(2**31 - 1, size=(n_samples, 2 + n_parts))
    styles = rng.randint(n_classes, size=(n_samples, n_parts, 2))
    is_missing = rng.random_sample((n_samples, n_parts)) < chances
    shown = draw_kinds(rng, target, n_classes, bias)
    for part, cue in cues.items():
        styles[:, PART_NAMES.index(part), CHANNELS[cue]] = target[:, np.newaxis]
    biased = PART_NAMES.index(bias_part)
    if bias is not None:
        styles[:, biased, CHANNELS[bias_cue]] = shown[:, np.newaxis]
    images = np.empty((n_samples, *size, 3), dtype=np.uint8)
    masks = np.empty((n_samples, *size), dtype=np.uint8)
    for i in range(n_samples):
        missing_parts = frozenset(np.array(PART_NAMES)[is_missing[i]].tolist())
        images[i], masks[i] = render_portrait(
            size, seeds[i], styles[i], n_classes, strength, noise, missing_parts
        )
    data = Bunch(
        images=SegmentedImages(images, masks),
        target=target,
        target_names=[f"class_{k}" for k in range(n_classes)],
        part_names=dict(enumerate(PART_NAMES)),
        tree=deepcopy(TREE),
        styles=styles,
        groups=styles[:, biased, 1 if bias_cue == "texture" else 0],
        ids=[f"portrait_{i:04d}" for i in range(n_samples)],
        DESCR=DESCR,
    )
    columns: dict[str, Any] = {}
    for part_id, part in enumerate(PART_NAMES):
        columns[f"{part}_color"] = styles[:, part_id, 0]
        columns[f"{part}_texture"] = styles[:, part_id, 1]
    for part in MAY_BE_MISSING:
        columns[f"{part}_missing"] = is_missing[:, PART_NAMES.index(part)]
    return as_frame_bunch(data, columns, return_X_y=return_X_y, as_frame=as_frame)


def draw_kinds(
    rng: np.random.RandomState, target: np.ndarray, n_kinds: int, bias: float | None
) -> np.ndarray:
    """Kind of every image, (n_images,) int64: that of its class with probability `bias`."""
    keeps = rng.random_sample(len(target))
    others = (target + 1 + rng.randint(max(n_kinds - 1, 1), size=len(target))) % n_kinds
    bias = 1 / n_kinds if bias is None else bias
    return np.where(keeps < bias, target, others).astype(np.int64)


def _check_signal(signal: Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    """Cue of every signal part."""
    if isinstance(signal, str):
        signal = (signal,)
    cues = dict(signal) if isinstance(signal, Mapping) else dict.fromkeys(signal, "both")
    for part, cue in cues.items():
        if part not in PART_NAMES:
            raise ValueError(
                f"signal names {part!r}, which is no part of a portrait; parts are {PART_NAMES}."
            )
        if cue not in CUES:
            raise ValueError(f"signal[{part!r}] must be one of {CUES}, got {cue!r}.")
    return cues


def _check_no_clash(signal_cue: str | None, bias_part: str, bias_cue: str) -> None:
    """Raise if the bias acts on a cue that already is the class."""
    if signal_cue is not None and ("both" in (signal_cue, bias_cue) or signal_cue == bias_cue):
        raise ValueError(
            f"bias cannot act on the {bias_cue} cue of bias_part={bias_part!r}, because signal "
            f"already plants the class there ({signal_cue!r})."
        )


def _check_missing(missing: float | Mapping[str, float]) -> np.ndarray:
    """Probability of every part to be missing, (n_parts,)."""
    if not isinstance(missing, Mapping):
        missing = {"hair": missing, "eyes": missing}
    chances = np.zeros(len(PART_NAMES))
    for part, chance in missing.items():
        if part not in MAY_BE_MISSING:
            raise ValueError(
                f"missing names {part!r}; only {MAY_BE_MISSING} can be missing in a portrait."
            )
        if not isinstance(chance, Real) or not 0 <= chance <= 1:
            raise ValueError(f"missing[{part!r}] must be a number in [0, 1], got {chance!r}.")
        chances[PART_NAMES.index(part)] = chance
    return chances


def _check_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Height and width as ints."""
    sides = tuple(image_size)
    if len(sides) != 2 or not all(isinstance(side, Integral) for side in sides):
        raise ValueError(f"image_size must be two integers (height, width), got {image_size!r}.")
    if any(side < least for side, least in zip(sides, MIN_SIZE)):
        raise ValueError(f"image_size must be at least {MIN_SIZE}, got {sides}.")
    return int(sides[0]), int(sides[1])
