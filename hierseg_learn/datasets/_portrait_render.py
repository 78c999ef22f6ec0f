"""From a sitter and the styles of the parts to a picture with its label map."""

from __future__ import annotations

import numpy as np
from skimage.color import lab2rgb

from ._portrait_geometry import Canvas, Sitter, draw_sitter, paint_portrait
from ._portrait_styles import PALETTES, PART_NAMES, skin_tone, style_color, texture

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
    """Draw one portrait.

    Parameters
    ----------
    image_size : (int, int)
        Height and width in pixels.
    seeds : ndarray of shape (2 + n_parts,)
        Seeds of the person, of the pixel noise, and of every part: a change of style in one
        part leaves everything else as it is, to the bit.
    styles : ndarray of shape (n_parts, 2)
        Style of the colour and of the texture of every part.
    n_styles : int
        How many styles there are.
    strength : float
        How strongly styles show.
    noise : float
        Standard deviation of the pixel noise, as a share of the value range.
    missing : frozenset of str
        Parts that this person lacks.

    Returns
    -------
    image : ndarray of shape (height, width, 3), uint8
    mask : ndarray of shape (height, width), uint8
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
    """CIELAB colour of every sample point: style, individual colour, shade and texture."""
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
        # a texture has mean zero over its part, so that it says nothing through the colour
        drawn[:, 0] += strength * (pattern - pattern.mean())
        lab[where] = drawn
    return lab


def _to_rgb(lab: np.ndarray) -> np.ndarray:
    """Convert CIELAB to sRGB in [0, 1], drawing colours that do not exist to the gamut's edge."""
    lab[..., 0] = np.clip(lab[..., 0], 2, 99)
    # beyond this b there is no real colour and lab2rgb warns
    lab[..., 2] = np.minimum(lab[..., 2], 200 * (lab[..., 0] + 16) / 116 - 0.01)
    return lab2rgb(lab)


def _to_pixels(rgb: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels from sample points: the commonest part, and the mean colour of that part only.

    No pixel mixes the colours of two parts, so that no part can be read from its neighbour.
    """
    height, width = label.shape[0] // SAMPLES, label.shape[1] // SAMPLES
    blocks = (height, SAMPLES, width, SAMPLES)
    members = label[..., None] == np.arange(len(PART_NAMES))
    counts = members.reshape(*blocks, -1).sum(axis=(1, 3))
    mask = counts.argmax(axis=-1)
    won = label == np.kron(mask, np.ones((SAMPLES, SAMPLES), dtype=mask.dtype))
    sums = (rgb * won[..., None]).reshape(*blocks, 3).sum(axis=(1, 3))
    n_won = np.take_along_axis(counts, mask[..., None], axis=-1)
    return sums / n_won, mask.astype(np.uint8)
