"""Decoding of Pillow images, from files and in memory."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image


_SHOWN = 8
# a share of the pixels that a part has in a set of photos, and the ids at borders have not
_COMMON = 0.01
# so many ids, mostly in single pixels, are no parts
_MANY = 12


def describe_ids(ids: np.ndarray, counts: np.ndarray) -> str:
    """Put a histogram into words, the most frequent ids first."""
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    shares = counts[order] / counts.sum()
    shown = ", ".join(f"{k} ({100 * share:.2g}%)" for k, share in zip(ids[order], shares))
    return f"{len(ids)} ids: {shown}" + (", ..." if len(ids) > _SHOWN else "")


def nearest_ids(ids: np.ndarray, counts: np.ndarray) -> str:
    """Name the ids that were there before a lossy format: frequent ones, apart from each other."""
    kept: list[int] = []
    for place in np.argsort(-counts, kind="stable"):
        share = counts[place] / counts.sum()
        if share >= _COMMON and all(abs(int(ids[place]) - other) > 8 for other in kept):
            kept.append(int(ids[place]))
    return ", ".join(map(str, sorted(kept)))


def lonely_pixels(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels of a label map with fewer than two neighbors of their id: (h, w) bool."""
    same = np.zeros(labels.shape, dtype=np.int8)
    for a, b in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        equal = labels[a] == labels[b]
        same[a] += equal
        same[b] += equal
    return same < 2


def look_interpolated(counts: np.ndarray, lonely: np.ndarray) -> bool:
    """Say whether most ids look like traces of a lossy format or of interpolation.

    `counts` has the pixels of every id, `lonely` those with fewer than two neighbors of their id.
    """
    rare = counts < _COMMON * counts.sum()
    n_rare = np.count_nonzero(rare)
    return (
        n_rare >= _MANY
        and n_rare > 2 * np.count_nonzero(~rare)
        and lonely[rare].sum() > 0.5 * counts[rare].sum()
    )


_COLOR_MODES = {"RGB", "P", "CMYK", "YCbCr"}
_ALPHA_MODES = {"RGBA", "LA", "PA", "RGBa", "La"}
_GRAY_DTYPES = {"1": np.bool_, "L": np.uint8, "I": np.int32, "F": np.float32}
# Formats for photos: even where they lose nothing, they keep colors and not ids.
_PHOTO_FORMATS = {"JPEG", "MPO", "WEBP", "AVIF", "HEIF"}
_PHOTO_COMPRESSIONS = {"jpeg", "tiff_jpeg", "webp"}
_EXIF_ORIENTATION = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def is_pillow(item: Any) -> bool:
    """Say whether an object is an image of Pillow, without importing it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(item, module.Image)


def largest_image() -> int | None:
    """Most pixels that Pillow decodes; more are an error, as they may be meant to fill memory."""
    from PIL import Image

    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Turn all that Pillow raises on a damaged file into one error that names the image."""
    try:
        yield
    except _LayoutError as error:
        raise ValueError(str(error)) from None
    # Pillow's decoders raise many types for a damaged file (OSError, SyntaxError, ...).
    except Exception as error:
        raise ValueError(
            f"{where} cannot be read as an image ({type(error).__name__}: {error})."
        ) from error


def read_layout(image: Image.Image, role: str, where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape, (h, w) or (h, w, 3), and dtype that `read_pixels` gives, without decoding."""
    mode = image.mode
    # The further frames of an MPO photo are previews of the first.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise _LayoutError(f"{where} has {image.n_frames} frames; expected a single image.")
    height, width = upright_size(image)
    expected = "gray or RGB" if role == "image" else "a gray or palette image of part ids"
    if role == "mask" and mode == "P":
        if image.format == "GIF":
            raise _LayoutError(
                f"{where} is a GIF file with a palette, whose ids are renumbered when it is "
                "saved; save label maps as PNG."
            )
        return (height, width), np.dtype(np.uint8)
    if mode in _ALPHA_MODES or (role == "image" and "transparency" in image.info):
        raise _LayoutError(
            f"{where} has an alpha channel (Pillow mode {mode}); expected {expected}."
        )
    if mode in _COLOR_MODES and role == "image":
        return (height, width, 3), np.dtype(np.uint8)
    if mode.startswith("I;16") or (mode == "I" and image.format == "PNG"):
        return (height, width), np.dtype(np.uint16)
    if mode not in _GRAY_DTYPES:
        colors = " It holds colors: give each its id." if role == "mask" else ""
        raise _LayoutError(f"{where} has Pillow mode {mode}; expected {expected}.{colors}")
    return (height, width), np.dtype(_GRAY_DTYPES[mode])


def read_pixels(image: Image.Image, role: str, where: str) -> np.ndarray:
    """Decode an image, (h, w) or (h, w, 3), or a label map, (h, w), turned upright."""
    from PIL import ImageOps

    if role == "mask":
        refuse_photo_formats(image, where)
    shape, dtype = read_layout(image, role, where)
    largest = _largest_id(image) if role == "mask" else None
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    if len(shape) == 3 and image.mode != "RGB":
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if largest is not None:
        pixels = np.rint(pixels * (largest / (255 if image.mode == "L" else 65535)))
    return pixels.astype(dtype, copy=False)


def solid(image: Image.Image, where: str) -> Image.Image:
    """Drop an alpha channel that hides nothing.

    Raises ValueError if a pixel is transparent.
    """
    if not has_alpha(image):
        return image
    with_alpha = image.convert("LA" if image.mode in ("LA", "La", "L") else "RGBA")
    alpha = np.asarray(with_alpha.getchannel("A"))
    if (alpha < 255).any():
        raise _LayoutError(
            f"{where} has an alpha channel in which {(alpha < 255).mean():.2g} of the pixels are "
            "transparent; expected an opaque photo."
        )
    plain = with_alpha.convert(with_alpha.mode[:-1])
    # what turns it upright
    plain.format = image.format
    plain.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return plain


def has_alpha(image: Image.Image) -> bool:
    """Say whether an image has an alpha channel, or a color that stands for transparency."""
    return image.mode in _ALPHA_MODES or "transparency" in image.info


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width after turning."""
    width, height = image.size
    if _orientation(image) not in (5, 6, 7, 8):
        return height, width
    if image.format == "TIFF":
        # Since version 11 Pillow gives the size of a TIFF as it is after turning.
        return image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
    return width, height


def _orientation(image: Image.Image) -> int:
    # Pillow decodes all pixels of a PNG to look for EXIF data behind them.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    # Looking for what is not there takes a tenth of the time of a small photo.
    if image.format == "JPEG" and not {"exif", "xmp"}.intersection(image.info):
        return 1
    return image.getexif().get(_EXIF_ORIENTATION, 1)


def _largest_id(image: Image.Image) -> int | None:
    """Largest id that a gray file has room for where Pillow stretches ids to 8 or 16 bits.

    It does so with 2 or 4 bits a pixel, and with PGM files of fewer than 256 levels.
    """
    if image.format not in ("PNG", "TIFF", "PPM") or image.mode not in ("L", "I"):
        return None
    for _, _, _, args in _tiles(image):
        args = args if isinstance(args, tuple) else (args,)
        if image.format == "PPM":
            return args[1] if len(args) == 2 and isinstance(args[1], int) else None
        bits = re.match(r"L;([24])", str(args[0]))
        return 2 ** int(bits[1]) - 1 if bits else None
    return None


def _tiles(image: Image.Image) -> list:
    """How the pixels are stored; an image that is decoded already is looked up in its file."""
    from PIL import Image

    if image.tile or not getattr(image, "filename", ""):
        return image.tile
    with Image.open(image.filename) as file:
        return file.tile


def refuse_photo_formats(image: Image.Image, where: str) -> None:
    """Raise ValueError for a label map in a format that does not keep what it holds."""
    compressed = image.info.get("compression") if image.format == "TIFF" else None
    if image.format not in _PHOTO_FORMATS and compressed not in _PHOTO_COMPRESSIONS:
        return
    gray = np.asarray(image if image.mode in ("L", "P") else image.convert("L"))
    ids, counts = np.unique(gray, return_counts=True)
    kind = f"{image.format} file" + (f" with {compressed} compression" if compressed else "")
    raise _LayoutError(
        f"{where} is a {kind}, which does not keep part ids: it holds "
        f"{describe_ids(ids, counts)}. Save label maps as PNG; to repair this one, round every "
        f"pixel to the nearest id that it had, perhaps {nearest_ids(ids, counts)}."
    )


class _LayoutError(Exception):
    """A file that is readable and holds something else than expected."""
