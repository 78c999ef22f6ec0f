"""Image files, decoded with Pillow each time they are read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .pillow import read_layout, read_pixels, readable, upright_size

if TYPE_CHECKING:
    from PIL import Image


def resolve_key(key: Any, n_items: int) -> int | np.ndarray:
    """Turn any index of a 1-D collection into an item number or an array of item numbers.

    Returns (n_selected,) dtype: an ``int`` stands for one item, an array for a collection.
    """
    if isinstance(key, tuple):
        key = _strip_ellipsis(key)
    if key is Ellipsis:
        return np.arange(n_items, dtype=np.intp)
    if isinstance(key, slice):
        return np.arange(n_items, dtype=np.intp)[key]
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return int(_check_range(np.array([key]), n_items)[0])
    if key is None or isinstance(key, (bool, np.bool_, float, str, bytes)):
        raise TypeError(f"The index {key!r} is not an integer, slice, mask or index array.")
    return _resolve_array(np.asarray(key), n_items)


def _strip_ellipsis(key: tuple) -> Any:
    rest = [part for part in key if part is not Ellipsis]
    if len(rest) > 1 or len(key) - len(rest) > 1 or not key:
        raise IndexError(f"A collection of images has one axis, got the index {key!r}.")
    return rest[0] if rest else Ellipsis


def _resolve_array(key: np.ndarray, n_items: int) -> int | np.ndarray:
    if key.ndim == 0 and key.dtype.kind in "iu":
        return int(_check_range(key.reshape(1), n_items)[0])
    if key.ndim != 1:
        raise IndexError(f"An index array must have one axis, got shape {key.shape}.")
    if key.dtype.kind == "b":
        if key.size != n_items:
            raise IndexError(f"The boolean mask has {key.size} entries for {n_items} images.")
        return np.flatnonzero(key)
    # An empty list becomes a float array in NumPy and still selects nothing.
    if key.size == 0:
        return np.empty(0, dtype=np.intp)
    if key.dtype.kind not in "iu":
        raise TypeError(f"An index array must hold integers or booleans, got {key.dtype}.")
    return _check_range(key, n_items)


def _check_range(key: np.ndarray, n_items: int) -> np.ndarray:
    outside = (key < -n_items) | (key >= n_items)
    if outside.any():
        raise IndexError(
            f"Index {key[outside][0]} is out of range for a collection of {n_items} images."
        )
    key = key.astype(np.intp)
    return np.where(key < 0, key + n_items, key)


class ImageFiles:
    """Immutable sequence of image files; every access decodes the file anew.

    Images are decoded to ``(h, w)`` or ``(h, w, 3)``: palettes, CMYK and YCbCr become
    RGB. Label maps are decoded to ``(h, w)``: palette files keep the palette index, and gray
    files of 2 or 4 bits a pixel the ids that are stored (0 to 3, 0 to 15). Both are turned
    upright as their EXIF orientation says. Gray files keep 16 bits a pixel; Pillow reads
    16-bit color files with 8.

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
            label map) colors, or ids that its format does not keep (JPEG, WebP, GIF).
        """
        where = where or self.label(i, f"{self.role.capitalize()} {i}")
        with self._open(i, where) as image:
            return read_pixels(image, self.role, where)

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
            return read_layout(image, self.role, where)

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
            return *upright_size(image), image.format or "", image.mode

    @contextmanager
    def _open(self, i: int, where: str) -> Iterator[Image.Image]:
        """Open file `i`; what Pillow raises names it."""
        from PIL import Image

        with readable(where), Image.open(self.paths[i]) as image:
            yield image
