"""Small painted portraits with part masks, a planted class signal and a bias dial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ..images import SegmentedImages
from ._digits import as_frame_bunch
from ._portrait_render import PART_NAMES, render_portrait

CUES = ("both", "color", "texture")
MAY_BE_MISSING = ("hair", "eyes", "mouth", "neck")
SMALLEST = (24, 20)  # below this the mouth has no pixel of its own in some images

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


class _Plan(NamedTuple):
    """All that is drawn before the first picture: labels, styles, missing parts, seeds."""

    target: np.ndarray  # (n_samples,) int64
    styles: np.ndarray  # (n_samples, n_parts, 2) int64: color, texture
    missing: np.ndarray  # (n_samples, n_parts) bool
    seeds: np.ndarray  # (n_samples, 2 + n_parts) int64


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
    """Paint small portraits with part masks, a class signal in chosen parts, and a bias dial.

    Every part of every portrait shows a style of color and a style of texture, one of
    `n_classes` each. In the parts of `signal` the style is the class. In `bias_part` it is the
    class with probability `bias`. In all other parts, and in everything geometrical, the draw
    does not look at the class. No pixel mixes the colors of two parts.

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
        The parts whose style is the class; a mapping says which cue carries it. May be empty.
    strength : float in [0, 1], default=0.75
        How strongly styles show, in all parts alike; 0 hides them.
    bias : float in [0, 1] or None, default=None
        Probability that `bias_part` shows the style that belongs to the label. ``1 / n_classes``
        makes it independent of the label; so does None.
    bias_part : str, default="background"
        The part that `bias` acts on.
    bias_cue : {"both", "color", "texture"}, default="both"
        What of `bias_part` follows the label.
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
          every part: the truth behind the portraits.
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
    make_biased : Puts cut-out people or objects of any data set before biased backgrounds.

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
    plan = _draw_plan(rng, n_samples, n_classes, cues, bias, bias_part, bias_cue, chances)
    images = np.empty((n_samples, *size, 3), dtype=np.uint8)
    masks = np.empty((n_samples, *size), dtype=np.uint8)
    for i in range(n_samples):
        lacking = frozenset(name for name, gone in zip(PART_NAMES, plan.missing[i]) if gone)
        images[i], masks[i] = render_portrait(
            size, plan.seeds[i], plan.styles[i], n_classes, strength, noise, lacking
        )
    data = _describe(SegmentedImages(images, masks), plan, n_classes, bias_part, bias_cue)
    return as_frame_bunch(data, _columns(plan), return_X_y=return_X_y, as_frame=as_frame)


def _draw_plan(
    rng: np.random.RandomState,
    n_samples: int,
    n_classes: int,
    cues: dict[str, str],
    bias: float | None,
    bias_part: str,
    bias_cue: str,
    chances: np.ndarray,
) -> _Plan:
    """Draw everything, always in the same order and number, whatever the parameters say."""
    target = rng.permutation(np.arange(n_samples) % n_classes).astype(np.int64)
    seeds = rng.randint(2**31 - 1, size=(n_samples, 2 + len(PART_NAMES)))
    styles = rng.randint(n_classes, size=(n_samples, len(PART_NAMES), 2))
    gone = rng.random_sample((n_samples, len(PART_NAMES))) < chances
    keeps = rng.random_sample(n_samples)
    others = (target + 1 + rng.randint(n_classes - 1, size=n_samples)) % n_classes
    for part, cue in cues.items():
        styles[:, PART_NAMES.index(part), _channels(cue)] = target[:, None]
    if bias is not None:
        shown = np.where(keeps < bias, target, others)
        styles[:, PART_NAMES.index(bias_part), _channels(bias_cue)] = shown[:, None]
    return _Plan(target, styles, gone, seeds)


def _channels(cue: str) -> slice:
    """Return the columns of the styles that a cue names: 0 is color, 1 is texture."""
    return {"both": slice(0, 2), "color": slice(0, 1), "texture": slice(1, 2)}[cue]


def _check_signal(signal: Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    """Return the cue of every signal part."""
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
    """Refuse a bias on what already is the class."""
    if signal_cue is not None and ("both" in (signal_cue, bias_cue) or signal_cue == bias_cue):
        raise ValueError(
            f"bias cannot act on the {bias_cue} cue of bias_part={bias_part!r}, because signal "
            f"already plants the class there ({signal_cue!r})."
        )


def _check_missing(missing: float | Mapping[str, float]) -> np.ndarray:
    """Return the probability of every part to be missing."""
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
    """Return height and width as ints."""
    sides = tuple(image_size)
    if len(sides) != 2 or not all(isinstance(side, Integral) for side in sides):
        raise ValueError(f"image_size must be two integers (height, width), got {image_size!r}.")
    if any(side < least for side, least in zip(sides, SMALLEST)):
        raise ValueError(f"image_size must be at least {SMALLEST}, got {sides}.")
    return int(sides[0]), int(sides[1])


def _describe(
    images: SegmentedImages, plan: _Plan, n_classes: int, bias_part: str, bias_cue: str
) -> Bunch:
    """Return the Bunch without its frame."""
    channel = 1 if bias_cue == "texture" else 0
    return Bunch(
        images=images,
        target=plan.target,
        target_names=[f"class_{k}" for k in range(n_classes)],
        part_names=dict(enumerate(PART_NAMES)),
        tree=deepcopy(TREE),
        styles=plan.styles,
        groups=plan.styles[:, PART_NAMES.index(bias_part), channel],
        ids=[f"portrait_{i:04d}" for i in range(len(plan.target))],
        DESCR=DESCR,
    )


def _columns(plan: _Plan) -> dict[str, Any]:
    """Return the columns of the frame that tell how every portrait was made."""
    columns: dict[str, Any] = {}
    for part_id, part in enumerate(PART_NAMES):
        columns[f"{part}_color"] = plan.styles[:, part_id, 0]
        columns[f"{part}_texture"] = plan.styles[:, part_id, 1]
    for part in MAY_BE_MISSING:
        columns[f"{part}_missing"] = plan.missing[:, PART_NAMES.index(part)]
    return columns
