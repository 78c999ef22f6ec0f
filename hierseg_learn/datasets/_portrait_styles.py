"""Colours and textures of the portrait generator: what a *style* of a part looks like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PART_NAMES = ("background", "hair", "skin", "eyes", "mouth", "neck", "clothes")


class Palette(NamedTuple):
    """The look of one part: style ``k`` of ``n`` lies on an ellipse in CIELAB.

    Parameters
    ----------
    centre : tuple of float
        CIELAB colour around which the styles lie.
    first, second : tuple of float
        Half axes of the ellipse: style 0 lies at ``centre + first``, and of two styles
        the other one at ``centre - first``.
    spread : float
        Standard deviation of the individual colour, CIELAB units.
    patterns : tuple of str
        Texture of style 0, 1, ...; keys of ``PATTERNS``.
    amplitude : float
        Half height of the texture in units of L.
    period : float
        Period of the texture as a fraction of the image height.
    """

    centre: tuple[float, float, float]
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    spread: float
    patterns: tuple[str, ...]
    amplitude: float
    period: float


# Centres of skin and neck are offsets to the tone of the person, so that face and neck match.
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
    """CIELAB colour of a style: its place on the part's ellipse, drawn in by `strength`."""
    palette = PALETTES[part]
    angle = 2 * np.pi * style / n_styles
    offset = np.cos(angle) * np.array(palette.first) + np.sin(angle) * np.array(palette.second)
    return np.array(palette.centre, dtype=np.float64) + strength * offset


def skin_tone(depth: float) -> np.ndarray:
    """CIELAB skin colour; `depth` runs from 0 (light) to 1 (dark)."""
    return np.array([85 - 42 * depth, 9 + 9 * depth - 4 * depth**2, 17 + 18 * depth * (1 - depth)])


def texture(
    part: str, style: int, x: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Texture of a style in units of L, with a phase, a slant and a scale of its own per image.

    Styles beyond the list of patterns start it again with a period half as large again.
    """
    palette = PALETTES[part]
    lap, index = divmod(style, len(palette.patterns))
    period = palette.period * 1.5**lap * np.exp(rng.normal(0, 0.08))
    slant = rng.normal(0, 0.08)
    u = (x * np.cos(slant) + y * np.sin(slant)) / period + rng.random()
    v = (y * np.cos(slant) - x * np.sin(slant)) / period + rng.random()
    return palette.amplitude * PATTERNS[palette.patterns[index]](u, v)
