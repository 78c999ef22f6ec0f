"""View of a collection in a notebook: thumbnails with tinted parts, and a legend."""

from __future__ import annotations

import colorsys
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np

from ._pixels import PixelEncoding, pixel_kind
from ._storage import SegmentedImage

MAX_SHOWN = 8
# pixels of the longest side; smaller images are enlarged, so that digits can be seen
SIDE = 160
MAX_LISTED = 24
_TINT = 0.45
_GOLDEN = 0.618034


def collection_html(title: str, items: Sequence[SegmentedImage], n_all: int) -> str:
    """HTML of the first images of a collection: each beside its tinted label map."""
    ids = np.unique(np.concatenate([np.unique(item.mask) for item in items]))
    ids = ids[ids != -1]
    colors = _colors(len(ids))
    values = np.concatenate([[item.image.min(), item.image.max()] for item in items])
    kind = pixel_kind(items[0].image.dtype, "The image")
    encoding = PixelEncoding.from_range(kind, 1, values.min(), values.max())
    figures = [_figure(i, item, encoding, ids, colors) for i, item in enumerate(items)]
    more = f" The first {len(items)} of {n_all}." if n_all > len(items) else ""
    return (
        f"<div><p>{escape(title)}.{more}</p>"
        f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(figures)}</div>'
        f"{_legend(items, ids, colors)}</div>"
    )


def _figure(
    position: int,
    item: SegmentedImage,
    encoding: PixelEncoding,
    ids: np.ndarray,
    colors: np.ndarray,
) -> str:
    """One image and the same image with tinted parts, with the sizes in words."""
    pixels = np.clip(encoding.decode(item.image), 0, 1)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
    is_part = np.isin(item.mask, ids)
    tinted = pixels.copy()
    tinted[is_part] *= 1 - _TINT
    tinted[is_part] += _TINT * colors[np.searchsorted(ids, item.mask[is_part])]
    height, width = item.mask.shape
    found = ", ".join(map(str, np.unique(item.mask[is_part])[:MAX_LISTED].tolist()))
    text = f"image {position}, {height} × {width} pixels"
    images = "".join(
        f'<img src="{_png(picture)}" alt="{escape(alt)}">'
        for picture, alt in ((pixels, text), (tinted, f"{text}, tinted parts {found}"))
    )
    caption = f"<figcaption>{position}: {height} × {width}</figcaption>"
    return f'<figure style="margin:0">{images}{caption}</figure>'


def _png(pixels: np.ndarray) -> str:
    """Data URI of a thumbnail of an image (height, width, 3) with values in [0, 1]."""
    from PIL import Image

    image = Image.fromarray(np.round(255 * pixels).astype(np.uint8))
    scale = SIDE / max(image.size)
    size = tuple(max(1, round(scale * side)) for side in image.size)
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    stream = BytesIO()
    image.resize(size, method).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(stream.getvalue()).decode()


def _legend(items: Sequence[SegmentedImage], ids: np.ndarray, colors: np.ndarray) -> str:
    """Color of every part id and its share of the pixels of the images that are shown."""
    counts = np.zeros(len(ids))
    for item in items:
        found, n_pixels = np.unique(item.mask, return_counts=True)
        kept = np.isin(found, ids)
        counts[np.searchsorted(ids, found[kept])] += n_pixels[kept]
    shares = counts / sum(item.mask.size for item in items)
    entries = [
        '<li style="display:inline-block;margin-right:1em"><span style="display:inline-block;'
        f'width:1em;height:1em;background:rgb({",".join(map(str, color))})"></span> '
        f"part {part}: {share:.1%}</li>"
        for part, color, share in zip(
            ids.tolist(), np.round(255 * colors).astype(int).tolist(), shares.tolist()
        )
    ]
    rest = len(entries) - MAX_LISTED
    more = f"<li>and {rest} more</li>" if rest > 0 else ""
    listed = "".join(entries[:MAX_LISTED])
    return f'<ul style="padding:0;list-style:none" aria-label="part ids">{listed}{more}</ul>'


def _colors(n_colors: int) -> np.ndarray:
    """Colors that differ in hue from the ones before and after, (n_colors, 3) in [0, 1]."""
    return np.array(
        [
            colorsys.hsv_to_rgb((0.07 + _GOLDEN * i) % 1, 0.9 if i % 2 else 0.75, 0.95)
            for i in range(n_colors)
        ]
    ).reshape(-1, 3)
