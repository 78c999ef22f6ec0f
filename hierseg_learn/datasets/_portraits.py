"""Small painted portraits with part masks, a known class signal and an adjustable bias."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from skimage.color import lab2rgb
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ..images import SegmentedImages
from ._reading import as_frame_bunch

PART_NAMES = ("background", "hair", "skin", "eyes", "mouth", "neck", "clothes")


class Palette(NamedTuple):
    """Look of one part: the colors of its styles lie on an ellipse in CIELAB."""

    center: tuple[float, float, float]
    # half axes: style 0 lies at ``center + first``, the second of two at ``center - first``
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    spread: float  # standard deviation of the individual color, CIELAB units
    patterns: tuple[str, ...]  # texture of style 0, 1, ...; keys of ``PATTERNS``
    amplitude: float  # half height of the texture in units of L
    period: float  # period of the texture as a fraction of the image height


# centers of skin and neck are offsets to the skin tone of the person, so that face and neck match
PALETTES = {
    "background": Palette(
        (72, 0, 2), (4, -9, -22), (2, -20, 16), 3.0,
        ("rings", "diagonal", "checks", "dots", "stripes", "waves"), 7.0, 0.20,
    ),
    "hair": Palette(
        (43, 9, 17), (23, -2, 19), (2, 22, 12), 3.5,
        ("strands", "waves", "dots", "diagonal", "checks", "stripes"), 9.0, 0.085,
    ),
    "skin": Palette(
        (0, 0, 0), (0, 8, -6), (4, 3, 9), 1.2,
        ("plain", "dots", "diagonal", "waves", "checks", "stripes"), 6.0, 0.07,
    ),
    "eyes": Palette(
        (46, 0, 0), (6, -8, -30), (4, -26, 16), 3.0,
        ("plain", "stripes", "strands", "checks", "diagonal", "dots"), 8.0, 0.07,
    ),
    "mouth": Palette(
        (48, 38, 16), (6, 10, -16), (-14, 6, 2), 2.5,
        ("plain", "strands", "stripes", "checks", "diagonal", "dots"), 8.0, 0.07,
    ),
    "neck": Palette(
        (-3, 1, 1), (0, 8, -6), (4, 3, 9), 1.2,
        ("plain", "stripes", "diagonal", "dots", "checks", "strands"), 6.0, 0.07,
    ),
    "clothes": Palette(
        (50, 0, 0), (-4, 38, 20), (10, -16, 36), 4.0,
        ("stripes", "dots", "checks", "diagonal", "strands", "waves"), 13.0, 0.11,
    ),
}  # fmt: skip

PATTERNS = {
    "plain": lambda u, v: np.zeros_like(u),
    "stripes": lambda u, v: np.sin(2 * np.pi * v),
    "strands": lambda u, v: np.sin(2 * np.pi * (u + 0.12 * np.sin(np.pi * v))),
    "diagonal": lambda u, v: np.sin(2 * np.pi * (u + v) / np.sqrt(2)),
    "waves": lambda u, v: np.sin(2 * np.pi * (v + 0.3 * np.sin(np.pi * u))),
    "dots": lambda u, v: np.tanh(3 * (np.cos(2 * np.pi * u) * np.cos(2 * np.pi * v) - 0.4)),
    "checks": lambda u, v: np.tanh(4 * np.sin(np.pi * u) * np.sin(np.pi * v)),
    "rings": lambda u, v: np.sin(2 * np.pi * np.hypot(u, v)),
}


def style_color(part: str, style: int, n_styles: int, strength: float) -> np.ndarray:
    """CIELAB color of a style: its place on the part's ellipse, drawn in by `strength`."""
    palette = PALETTES[part]
    angle = 2 * np.pi * style / n_styles
    offset = np.cos(angle) * np.array(palette.first) + np.sin(angle) * np.array(palette.second)
    return np.array(palette.center, dtype=np.float64) + strength * offset


def skin_tone(depth: float) -> np.ndarray:
    """CIELAB skin color; `depth` runs from 0 (light) to 1 (dark)."""
    return np.array([85 - 42 * depth, 9 + 9 * depth - 4 * depth**2, 17 + 18 * depth * (1 - depth)])


def texture(
    part: str, style: int, x: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Random texture of a style in units of L; styles beyond the patterns repeat them, larger."""
    palette = PALETTES[part]
    lap, index = divmod(style, len(palette.patterns))
    period = palette.period * 1.5**lap * np.exp(rng.normal(0, 0.08))
    slant = rng.normal(0, 0.08)
    u = (x * np.cos(slant) + y * np.sin(slant)) / period + rng.random()
    v = (y * np.cos(slant) - x * np.sin(slant)) / period + rng.random()
    return palette.amplitude * PATTERNS[palette.patterns[index]](u, v)


HAIRCUTS = ("crop", "bob", "long", "curls", "bun", "side")
COLLARS = ("crew", "v", "shirt")
SMILES = ("smile", "open", "calm")


def draw_sitter(rng: np.random.Generator, image_width: float) -> Bunch:
    """Draw a person at random; lengths, and the width of the image, are in heights of the image."""
    room = min(1.0, image_width / 0.83)
    half_width = room * rng.uniform(0.20, 0.235)
    return Bunch(
        x=room * np.clip(rng.normal(0, 0.02), -0.05, 0.05),
        y=np.clip(rng.normal(0.45, 0.015), 0.42, 0.48),
        tilt=np.clip(rng.normal(0, 0.07), -0.15, 0.15),
        half_width=half_width,
        half_height=rng.uniform(0.24, 0.27),
        chin=rng.uniform(0.1, 0.3),
        eye_size=room * rng.uniform(0.045, 0.055),
        eye_distance=half_width * rng.uniform(0.44, 0.52),
        gaze=(rng.uniform(-0.25, 0.25), rng.uniform(-0.15, 0.2)),
        brow=rng.uniform(-0.25, 0.25),
        mouth_width=room * rng.uniform(0.065, 0.095),
        smile=SMILES[rng.integers(len(SMILES))],
        neck_width=half_width * rng.uniform(0.42, 0.55),
        shoulder=rng.uniform(0.78, 0.82),
        shoulder_width=room * rng.uniform(0.32, 0.39),
        collar=COLLARS[rng.integers(len(COLLARS))],
        haircut=HAIRCUTS[rng.integers(len(HAIRCUTS))],
        parting=rng.uniform(-0.6, 0.6),
        depth=rng.random(),
        blush=rng.uniform(0.2, 1.0),
        light=(rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.04)),
    )


class Canvas:
    """Part id of every sample point, (height, width), and its offset from the color of the part."""

    def __init__(self, height: int, width: int, pixel_height: int) -> None:
        step = 1.0 / height
        self.y, self.x = np.meshgrid(
            (np.arange(height) + 0.5) * step,
            (np.arange(width) + 0.5 - width / 2) * step,
            indexing="ij",
        )
        self.pixel = 1.0 / pixel_height
        self.label = np.zeros((height, width), dtype=np.int32)
        self.shade = np.zeros((height, width, 3))
        self.fixed = np.zeros((height, width), dtype=bool)

    def paint(
        self, inside: np.ndarray, part: str, shade: tuple = (0, 0, 0), fixed: bool = False
    ) -> None:
        """Cover the points `inside` with a part."""
        self.label[inside] = PART_NAMES.index(part)
        self.shade[inside] = shade
        self.fixed[inside] = fixed

    def tint(self, weight: np.ndarray, part: str, shade: tuple[float, float, float]) -> None:
        """Add `weight` times a CIELAB offset wherever the part shows."""
        where = (self.label == PART_NAMES.index(part)) & ~self.fixed
        self.shade[where] += weight[where, None] * np.array(shade)


def _ellipse(
    x: np.ndarray, y: np.ndarray, cx: float, cy: float, rx: float, ry: float
) -> np.ndarray:
    """Squared relative distance to the center of an ellipse: below 1 inside."""
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2


def paint_portrait(canvas: Canvas, sitter: Bunch, missing: frozenset[str]) -> None:
    """Paint a person, back to front; parts named in `missing` are left out."""
    cos, sin = np.cos(sitter.tilt), np.sin(sitter.tilt)
    dx, dy = canvas.x - sitter.x, canvas.y - sitter.y
    # head coordinates: half width and half height of the face are 1, chin down
    u = (dx * cos + dy * sin) / sitter.half_width
    v = (dy * cos - dx * sin) / sitter.half_height
    if "hair" not in missing:
        _paint_back_hair(canvas, sitter, u, v)
    _paint_body(canvas, sitter, missing)
    _paint_face(canvas, sitter, u, v)
    _paint_features(canvas, sitter, u, v, missing)
    if "hair" not in missing:
        _paint_front_hair(canvas, sitter, u, v)


def _paint_back_hair(canvas: Canvas, sitter: Bunch, u: np.ndarray, v: np.ndarray) -> None:
    """Paint what lies behind the head."""
    cap = _ellipse(u, v, 0, -0.12, 1.16, 1.06) < 1
    if sitter.haircut == "bob":
        cap |= (np.abs(u) < 1.2 + 0.1 * v) & (v > -0.2) & (v < 0.72)
    elif sitter.haircut == "long":
        cap |= (np.abs(u) < 1.18 + 0.12 * v) & (v > -0.2) & (v < 1.75)
    elif sitter.haircut == "side":
        cap |= (np.abs(u - 0.9) < 0.42 - 0.1 * v) & (v > 0) & (v < 1.35)
    elif sitter.haircut == "bun":
        cap |= _ellipse(u, v, 0.1 * sitter.parting, -1.18, 0.5, 0.34) < 1
    elif sitter.haircut == "curls":
        angle = np.arctan2(v + 0.2, u)
        cap |= _ellipse(u, v, 0, -0.2, 1.42, 1.12) < 1 + 0.1 * np.sin(11 * angle)
    canvas.paint(cap, "hair", (-7, 0, -2))


def _paint_body(canvas: Canvas, sitter: Bunch, missing: frozenset[str]) -> None:
    """Paint neck and clothes; without a neck the collar reaches the chin."""
    x, y = canvas.x - sitter.x, canvas.y
    chin = sitter.y + 0.8 * sitter.half_height
    neck = (np.abs(x) < sitter.neck_width) & (y > chin - 0.1) & (y < sitter.shoulder + 0.2)
    fall = np.maximum(0, (1.02 - y) / (1.02 - sitter.shoulder))
    torso = (np.abs(x) / sitter.shoulder_width) ** 2.6 + fall**2.2 < 1
    torso |= (y > 0.98) & (np.abs(x) < sitter.shoulder_width)
    depth = sitter.shoulder + 0.035
    if sitter.collar == "crew":
        opening = _ellipse(x, y, 0, sitter.shoulder - 0.02, 1.15 * sitter.neck_width, 0.075) < 1
    else:
        depth += 0.07 if sitter.collar == "v" else 0.04
        opening = np.abs(x) < 1.25 * sitter.neck_width * (depth - y) / (depth - chin)
    canvas.paint(torso, "clothes")
    canvas.tint(np.clip((y - 0.86) / 0.14, 0, 1), "clothes", (-6, 0, 0))
    if "neck" in missing:
        collar = (np.abs(x) < 1.15 * sitter.neck_width) & (y > chin - 0.1) & (y < 0.9)
        canvas.paint(collar, "clothes", (5, 0, 0))
        fold = np.abs(y - sitter.y - 1.22 * sitter.half_height) < 0.4 * canvas.pixel
        canvas.tint((fold & collar).astype(float), "clothes", (-14, 0, 0))
        return
    canvas.paint(neck & (opening | ~torso) | (opening & torso), "neck")
    if sitter.collar == "shirt":
        flap = torso & ~opening & (np.abs(x) < 1.9 * sitter.neck_width) & (y < depth + 0.02)
        canvas.tint(flap.astype(float), "clothes", (13, 0, 0))
    shadow = np.exp(-(((y - sitter.y - sitter.half_height) / 0.05) ** 2))
    canvas.tint(shadow, "neck", (-11, 0, 1))


def _paint_face(canvas: Canvas, sitter: Bunch, u: np.ndarray, v: np.ndarray) -> None:
    """Paint ears and face with nose, cheeks and a soft shade at the border."""
    for side in (-1, 1):
        canvas.paint(_ellipse(u, v, side * 0.99, 0.08, 0.17, 0.2) < 1, "skin", (-4, 3, 1))
    # the face narrows towards the chin
    width = np.where(v > 0, 1 - sitter.chin * np.clip(v, 0, 1) ** 2, 1)
    face = np.abs(u / width) ** 2.3 + np.abs(v) ** 2.3
    canvas.paint(face < 1, "skin")
    canvas.tint(np.clip(face, 0, 1) ** 3, "skin", (-7, 1, 1))
    for side in (-1, 1):
        cheek = np.exp(-_ellipse(u, v, side * 0.56, 0.42, 0.24, 0.18))
        canvas.tint(sitter.blush * cheek, "skin", (-3, 11, 3))
    canvas.tint(np.exp(-_ellipse(u, v, 0.03, 0.3, 0.1, 0.07)), "skin", (-10, 6, 4))  # nose
    canvas.tint(np.exp(-_ellipse(u, v, 0, 0.1, 0.07, 0.2)), "skin", (5, -1, 0))  # its bridge


def _paint_features(
    canvas: Canvas, sitter: Bunch, u: np.ndarray, v: np.ndarray, missing: frozenset[str]
) -> None:
    """Paint eyes, brows and mouth, each in its own upright coordinates."""
    p, q = u * sitter.half_width, v * sitter.half_height
    for side in (-1, 1):
        _paint_eye(canvas, sitter, p - side * sitter.eye_distance, q - 0.005, side, missing)
    mouth_y = 0.56 * sitter.half_height
    r = p / sitter.mouth_width
    if "mouth" in missing:
        return
    if sitter.smile == "open":
        below = q > mouth_y - 0.018
        lips = (np.abs(r) < 1) & below & (_ellipse(r, q, 0, mouth_y - 0.018, 1, 0.075) < 1)
        canvas.paint(lips, "mouth")
        teeth = (np.abs(r) < 0.72) & (q > mouth_y - 0.006) & (q < mouth_y + 0.016)
        canvas.paint(teeth & lips, "mouth", (95, 0, 3), fixed=True)
        return
    bend = 0.03 if sitter.smile == "smile" else 0.008
    center = mouth_y + bend * (1 - 2 * r**2)
    thickness = max(0.024, 0.75 * canvas.pixel) * np.sqrt(np.clip(1 - 0.7 * r**2, 0, 1))
    canvas.paint((np.abs(r) < 1) & (np.abs(q - center) < thickness), "mouth")
    canvas.tint((np.abs(q - center) < 0.3 * canvas.pixel).astype(float), "mouth", (-12, 2, 0))


def _paint_eye(
    canvas: Canvas, sitter: Bunch, p: np.ndarray, q: np.ndarray, side: int, missing: frozenset[str]
) -> None:
    """Paint one eye (a lid line where the eyes are missing) and its brow."""
    size = sitter.eye_size
    if "eyes" in missing:
        lid = (np.abs(p) < size) & (np.abs(q - 0.022 + 14 * p**2) < max(0.009, 0.4 * canvas.pixel))
        canvas.paint(lid, "skin", (-26, 4, 2))
    else:
        canvas.paint(_ellipse(p, q, 0, 0, 1.2 * size, size) < 1, "eyes", (94, 0, 2), fixed=True)
        gx, gy = sitter.gaze[0] * size, sitter.gaze[1] * size
        eye = canvas.label == PART_NAMES.index("eyes")
        canvas.paint(eye & (_ellipse(p, q, gx, gy, 0.86 * size, 0.92 * size) < 1), "eyes")
        pupil = _ellipse(p, q, gx, gy, 0.36 * size, 0.4 * size) < 1
        canvas.paint(eye & pupil, "eyes", (8, 0, 0), fixed=True)
        glint = _ellipse(p, q, gx + 0.34 * size, gy - 0.36 * size, 0.24 * size, 0.24 * size) < 1
        canvas.paint(eye & glint, "eyes", (98, 0, 0), fixed=True)
    if "hair" in missing:
        return
    arch = -1.8 * size + 6 * (p - 0.3 * side * size) ** 2 + side * sitter.brow * p
    brow = (np.abs(p) < 1.15 * size) & (np.abs(q - arch) < max(0.012, 0.5 * canvas.pixel))
    canvas.paint(brow, "hair", (-6, 0, 0))


def _paint_front_hair(canvas: Canvas, sitter: Bunch, u: np.ndarray, v: np.ndarray) -> None:
    """Paint the fringe: what falls over the forehead."""
    head = _ellipse(u, v, 0, -0.1, 1.12, 1.04) < 1
    cut = sitter.haircut
    if cut in ("crop", "side"):
        line = -0.52 - 0.22 * (u - sitter.parting) * np.sign(sitter.parting)
    elif cut == "bob":
        line = -0.42 + 0.03 * np.cos(12 * u)
    elif cut == "long":
        line = -0.72 + 0.75 * np.abs(u - 0.5 * sitter.parting) ** 1.5
    elif cut == "curls":
        line = -0.5 + 0.09 * np.cos(7 * u)
    else:
        line = -0.6 + 0.35 * u**2
    fringe = head & (v < line)
    if cut in ("bob", "long"):
        # strands beside the face
        fringe |= (np.abs(u) > 0.9) & (np.abs(u) < 1.2) & (v > -0.5) & (v < 0.7)
    canvas.paint(fringe, "hair")
    gloss = np.exp(-(((v + 0.78 - 0.12 * u**2) / 0.1) ** 2)) * (np.abs(u) < 0.8)
    canvas.tint(gloss, "hair", (9, 0, 3))


SAMPLES = 3  # sample points per pixel side


def render_portrait(
    image_size: tuple[int, int],
    seeds: np.ndarray,
    styles: np.ndarray,
    n_styles: int,
    strength: float,
    noise: float,
    missing: frozenset[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the image, (height, width, 3) uint8, and the mask, (height, width) uint8, of a portrait.

    Shapes: `seeds` (2 + n_parts,), `styles` (n_parts, 2).
    """
    height, width = image_size
    person, grain = (np.random.default_rng(seed) for seed in seeds[:2])
    sitter = draw_sitter(person, width / height)
    canvas = Canvas(SAMPLES * height, SAMPLES * width, height)
    paint_portrait(canvas, sitter, missing)
    lab = _color_parts(canvas, sitter, seeds[2:], styles, n_styles, strength)
    lab[..., 0] = np.clip(lab[..., 0], 2, 99)
    # lab2rgb warns beyond this b, where no real color exists
    lab[..., 2] = np.minimum(lab[..., 2], 200 * (lab[..., 0] + 16) / 116 - 0.01)
    image, mask = _to_pixels(lab2rgb(lab), canvas.label)
    rows, cols = np.mgrid[0:height, 0:width]
    light = sitter.light[0] * (2 * cols / width - 1) + sitter.light[1] * (2 * rows / height - 1)
    image = image * (1 + light[..., None])
    image += noise * (grain.normal(size=(height, width, 1)) + 0.3 * grain.normal(size=image.shape))
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8), mask


def _color_parts(
    canvas: Canvas,
    sitter: Bunch,
    seeds: np.ndarray,
    styles: np.ndarray,
    n_styles: int,
    strength: float,
) -> np.ndarray:
    """CIELAB color of every sample point: style, individual color, shade and texture."""
    lab = canvas.shade.copy()
    for part_id, part in enumerate(PART_NAMES):
        rng = np.random.default_rng(seeds[part_id])
        color = style_color(part, int(styles[part_id, 0]), n_styles, strength)
        color = color + rng.normal(0, PALETTES[part].spread, size=3)
        if part in ("skin", "neck"):
            color = color + skin_tone(sitter.depth)
        where = canvas.label == part_id
        if not where.any():
            continue
        pattern = texture(part, int(styles[part_id, 1]), canvas.x[where], canvas.y[where], rng)
        drawn = np.where(canvas.fixed[where][:, None], lab[where], lab[where] + color)
        # a texture has mean zero over its part, so that it does not change the mean color
        drawn[:, 0] += strength * (pattern - pattern.mean())
        lab[where] = drawn
    return lab


def _to_pixels(rgb: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels from sample points: the most frequent part, and the mean color of that part only."""
    height, width = label.shape[0] // SAMPLES, label.shape[1] // SAMPLES
    blocks = (height, SAMPLES, width, SAMPLES)
    members = label[..., None] == np.arange(len(PART_NAMES))
    counts = members.reshape(*blocks, -1).sum(axis=(1, 3))
    mask = counts.argmax(axis=-1)
    won = label == np.kron(mask, np.ones((SAMPLES, SAMPLES), dtype=mask.dtype))
    sums = (rgb * won[..., None]).reshape(*blocks, 3).sum(axis=(1, 3))
    n_won = np.take_along_axis(counts, mask[..., None], axis=-1)
    return sums / n_won, mask.astype(np.uint8)


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
        - `frame` (DataFrame or None): One row per image: styles, missing parts and target.
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
    signal_cue = cues.get(bias_part)
    clashes = signal_cue in ("both", bias_cue) or (signal_cue and bias_cue == "both")
    if bias is not None and clashes:
        raise ValueError(
            f"bias cannot act on the {bias_cue} cue of bias_part={bias_part!r}, because signal "
            f"already plants the class there ({signal_cue!r})."
        )
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
    columns = {
        f"{part}_{cue}": styles[:, i, k]
        for i, part in enumerate(PART_NAMES)
        for k, cue in enumerate(("color", "texture"))
    }
    missing_by_part = dict(zip(PART_NAMES, is_missing.T))
    columns |= {f"{part}_missing": missing_by_part[part] for part in MAY_BE_MISSING}
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
