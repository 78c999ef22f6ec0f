"""Drawing of portraits: random people, with a style of color and texture for every part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from skimage.color import lab2rgb

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
    """Texture of a style in units of L, with random phase, slant and scale.

    Styles beyond the list of patterns repeat it with a period 1.5 times as large.
    """
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


@dataclass(frozen=True)
class Sitter:
    """Pose, proportions and cut of one person; lengths are fractions of the image height."""

    x: float
    y: float
    tilt: float
    half_width: float
    half_height: float
    chin: float
    eye_size: float
    eye_distance: float
    gaze: tuple[float, float]
    brow: float
    mouth_width: float
    smile: str
    neck_width: float
    shoulder: float
    shoulder_width: float
    collar: str
    haircut: str
    parting: float
    depth: float
    blush: float
    light: tuple[float, float]


def draw_sitter(rng: np.random.Generator, image_width: float) -> Sitter:
    """Draw a person at random; `image_width` is width / height of the image."""
    room = min(1.0, image_width / 0.83)
    half_width = room * rng.uniform(0.20, 0.235)
    return Sitter(
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
    """Part id of every sample point, and its offset from the color of the part.

    Arrays: `x`, `y`, `label` int32 and `fixed` bool (height, width), `shade` (height, width, 3).
    """

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
        self,
        inside: np.ndarray,
        part: str,
        shade: tuple[float, float, float] = (0, 0, 0),
        fixed: bool = False,
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


def paint_portrait(canvas: Canvas, sitter: Sitter, missing: frozenset[str]) -> None:
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


def _paint_back_hair(canvas: Canvas, sitter: Sitter, u: np.ndarray, v: np.ndarray) -> None:
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


def _paint_body(canvas: Canvas, sitter: Sitter, missing: frozenset[str]) -> None:
    """Paint neck and clothes; without a neck the collar reaches the chin."""
    x, y = canvas.x - sitter.x, canvas.y
    chin = sitter.y + 0.8 * sitter.half_height
    neck = (np.abs(x) < sitter.neck_width) & (y > chin - 0.1) & (y < sitter.shoulder + 0.2)
    torso = (np.abs(x) / sitter.shoulder_width) ** 2.6 + np.maximum(
        0, (1.02 - y) / (1.02 - sitter.shoulder)
    ) ** 2.2 < 1
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


def _paint_face(canvas: Canvas, sitter: Sitter, u: np.ndarray, v: np.ndarray) -> None:
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
    nose = np.exp(-_ellipse(u, v, 0.03, 0.3, 0.1, 0.07))
    canvas.tint(nose, "skin", (-10, 6, 4))
    bridge = np.exp(-_ellipse(u, v, 0, 0.1, 0.07, 0.2))
    canvas.tint(bridge, "skin", (5, -1, 0))


def _paint_features(
    canvas: Canvas, sitter: Sitter, u: np.ndarray, v: np.ndarray, missing: frozenset[str]
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
        lips = (
            (np.abs(r) < 1)
            & (q > mouth_y - 0.018)
            & (_ellipse(r, q, 0, mouth_y - 0.018, 1, 0.075) < 1)
        )
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
    canvas: Canvas, sitter: Sitter, p: np.ndarray, q: np.ndarray, side: int, missing: frozenset[str]
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


def _paint_front_hair(canvas: Canvas, sitter: Sitter, u: np.ndarray, v: np.ndarray) -> None:
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
    image, mask = _to_pixels(_to_rgb(lab), canvas.label)
    rows, cols = np.mgrid[0:height, 0:width]
    light = sitter.light[0] * (2 * cols / width - 1) + sitter.light[1] * (2 * rows / height - 1)
    image = image * (1 + light[..., None])
    image += noise * (grain.normal(size=(height, width, 1)) + 0.3 * grain.normal(size=image.shape))
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8), mask


def _color_parts(
    canvas: Canvas,
    sitter: Sitter,
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


def _to_rgb(lab: np.ndarray) -> np.ndarray:
    """Convert CIELAB to sRGB in [0, 1]; colors outside of the gamut are clipped."""
    lab[..., 0] = np.clip(lab[..., 0], 2, 99)
    # lab2rgb warns beyond this b, where no real color exists
    lab[..., 2] = np.minimum(lab[..., 2], 200 * (lab[..., 0] + 16) / 116 - 0.01)
    return lab2rgb(lab)


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
