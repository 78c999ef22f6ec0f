"""Image files, decoded with Pillow each time they are read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ._keys import resolve_key

if TYPE_CHECKING:
    from PIL import Image

_COLOR_MODES = {"RGB", "P", "CMYK", "YCbCr"}
_ALPHA_MODES = {"RGBA", "LA", "PA", "RGBa", "La"}
_GREY_DTYPES = {"1": np.bool_, "L": np.uint8, "I": np.int32, "F": np.float32}
_EXIF_ORIENTATION = 0x0112


class ImageFiles:
    """Immutable sequence of image files; every access decodes the file anew.

    Images are decoded to ``(h, w)`` or ``(h, w, 3)``: palettes, CMYK and YCbCr become
    RGB. Label maps are decoded to ``(h, w)``: palette files keep the palette index. Both
    are turned upright as their EXIF orientation says. Grey files keep 16 bits a pixel;
    Pillow reads 16-bit colour files with 8.

    Parameters
    ----------
    paths : sequence of str or os.PathLike
        The files. They are opened when needed, not before.
    role : {"image", "mask"}, default="image"
        What the files hold.

    Attributes
    ----------
    paths : tuple of str
        The files.
    role : str
        As given.
    shape : tuple of int
        ``(n_files,)``.

    Examples
    --------
    >>> from hierseg_learn.images import ImageFiles
    >>> files = ImageFiles(["a.png", "b.png", "c.png"])
    >>> files[1:]
    ImageFiles(n_files=2, role='image')
    >>> files[[2, 0]].paths
    ('c.png', 'a.png')
    """

    def __init__(self, paths: Sequence[str | os.PathLike], role: str = "image") -> None:
        self.paths = tuple(os.fspath(path) for path in paths)
        self.role = role

    @property
    def shape(self) -> tuple[int]:
        """``(n_files,)``."""
        return (len(self.paths),)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: Any) -> np.ndarray | ImageFiles:
        item = resolve_key(key, len(self))
        if isinstance(item, int):
            return self.read(item)
        return ImageFiles([self.paths[i] for i in item], self.role)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"ImageFiles(n_files={len(self)}, role={self.role!r})"

    def label(self, i: int, where: str) -> str:
        """Add the path of file `i` to what an error message calls it: ``"Image 3 ('a.png')"``."""
        return f"{where} ({self.paths[i]!r})"

    def read(self, i: int, where: str | None = None) -> np.ndarray:
        """Decode file `i`.

        Parameters
        ----------
        i : int
            Position, from 0.
        where : str, optional
            Names the file in error messages, in place of its role and position.

        Returns
        -------
        ndarray of shape (h, w) or (h, w, 3)

        Raises
        ------
        ValueError
            If the file cannot be read, or holds transparency, several frames, or (as a
            label map) colours.
        """
        from PIL import ImageOps

        where = where or self.label(i, f"{self.role.capitalize()} {i}")
        with self._open(i, where) as image:
            shape, dtype = self._layout(image, where)
            if _orientation(image) != 1:
                image = ImageOps.exif_transpose(image)
            if len(shape) == 3 and image.mode != "RGB":
                image = image.convert("RGB")
            return np.asarray(image).astype(dtype, copy=False)

    def header(self, i: int, where: str | None = None) -> tuple[tuple[int, ...], np.dtype]:
        """Read the shape and dtype that file `i` decodes to, without decoding its pixels.

        Parameters
        ----------
        i : int
            Position, from 0.
        where : str, optional
            Names the file in error messages.

        Returns
        -------
        shape : tuple of int
            ``(h, w)`` or ``(h, w, 3)``.
        dtype : dtype
        """
        where = where or self.label(i, f"{self.role.capitalize()} {i}")
        with self._open(i, where) as image:
            return self._layout(image, where)

    def facts(self, i: int) -> tuple[int, int, str, str]:
        """Read what the header of file `i` says, also of files that hold no image for a model.

        Parameters
        ----------
        i : int
            Position, from 0.

        Returns
        -------
        height, width : int
            Upright, as the photo is shown.
        format, mode : str
            As Pillow names them, such as ``"JPEG"`` and ``"RGB"``.
        """
        with self._open(i, self.label(i, f"{self.role.capitalize()} {i}")) as image:
            width, height = image.size
            if _orientation(image) in (5, 6, 7, 8):
                width, height = height, width
            return height, width, image.format or "", image.mode

    @contextmanager
    def _open(self, i: int, where: str) -> Iterator[Image.Image]:
        from PIL import Image

        try:
            with Image.open(self.paths[i]) as image:
                yield image
        except _LayoutError as error:
            raise ValueError(str(error)) from None
        # Pillow's decoders raise many types for a damaged file (OSError, SyntaxError, ...).
        except Exception as error:
            raise ValueError(
                f"{where} cannot be read as an image ({type(error).__name__}: {error})."
            ) from error

    def _layout(self, image: Image.Image, where: str) -> tuple[tuple[int, ...], np.dtype]:
        mode = image.mode
        # The further frames of an MPO photo are previews of the first.
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            raise _LayoutError(f"{where} has {image.n_frames} frames; expected a single image.")
        width, height = image.size
        if _orientation(image) in (5, 6, 7, 8):
            width, height = height, width
        expected = "grey or RGB" if self.role == "image" else "a grey or palette image"
        if self.role == "mask" and mode == "P":
            return (height, width), np.dtype(np.uint8)
        if mode in _ALPHA_MODES or (self.role == "image" and "transparency" in image.info):
            raise _LayoutError(
                f"{where} has an alpha channel (Pillow mode {mode}); expected {expected}."
            )
        if mode in _COLOR_MODES and self.role == "image":
            return (height, width, 3), np.dtype(np.uint8)
        if mode.startswith("I;16") or (mode == "I" and image.format == "PNG"):
            return (height, width), np.dtype(np.uint16)
        if mode not in _GREY_DTYPES:
            raise _LayoutError(f"{where} has Pillow mode {mode}; expected {expected}.")
        return (height, width), np.dtype(_GREY_DTYPES[mode])


def _orientation(image: Image.Image) -> int:
    # Pillow decodes all pixels of a PNG to look for EXIF data behind them.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    return image.getexif().get(_EXIF_ORIENTATION, 1)


class _LayoutError(Exception):
    """A file that is readable and holds something else than expected."""
