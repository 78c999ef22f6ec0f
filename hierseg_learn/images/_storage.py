"""Containers of images: arrays in one buffer, files, and one image with its label map."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .recipes import FileRecipe, check_source, source_files

DIGEST_BYTES = 12


class SegmentedImage(NamedTuple):
    """One image with its label map.

    An item of :class:`~hierseg_learn.SegmentedImages` is as stored there. Where the collection was
    given `unlabeled`, though, the label map is int32 and has -1 in place of these ids, so that it
    says everything by itself. An item is an image wherever images are taken, alone or in a list.

    Parameters
    ----------
    image : ndarray of shape (h, w) or (h, w, 3)
        Pixel values.
    mask : ndarray of shape (h, w)
        Part id of every pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import SegmentedImage
    >>> SegmentedImage(np.zeros((1, 2)), np.array([[0, 1]])).mask
    array([[0, 1]])
    """

    image: np.ndarray
    mask: np.ndarray


def resolve_key(key: Any, n_items: int) -> int | np.ndarray:
    """Turn any index of a collection into an item number (an int), or an array of them."""
    if type(key) is int and 0 <= key < n_items:
        return key
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


class RaggedArrays:
    """Immutable sequence of arrays of different sizes, stored in one flat buffer.

    All have the same dtype and number of axes: `offsets`, (n_arrays,), says where in `buffer` each
    starts, `shapes`, (n_arrays, n_axes), its shape. A subset shares the buffer; pickling a subset
    first cuts the buffer down to what it needs. As the buffer is a single array, joblib hands it to
    worker processes as a memory map.
    """

    def __init__(self, buffer: np.ndarray, offsets: Any, shapes: Any) -> None:
        self._set_state(
            buffer, np.asarray(offsets, dtype=np.int64), np.asarray(shapes, dtype=np.int64)
        )

    def _set_state(self, buffer: np.ndarray, offsets: np.ndarray, shapes: np.ndarray) -> None:
        state = tuple(array.view() for array in (buffer, offsets, shapes))
        for array in state:
            array.flags.writeable = False
        # One assignment, so that another thread never sees a half-made state.
        self._state = state

    @classmethod
    def from_arrays(cls, arrays: Sequence[np.ndarray]) -> RaggedArrays:
        """Copy a non-empty list of arrays into one buffer of their common dtype."""
        shapes = np.array([array.shape for array in arrays], dtype=np.int64)
        ends = np.cumsum(shapes.prod(axis=1))
        buffer = np.empty(int(ends[-1]), dtype=np.result_type(*{array.dtype for array in arrays}))
        offsets = np.concatenate([[0], ends[:-1]])
        for array, start, end in zip(arrays, offsets, ends):
            buffer[start:end] = array.reshape(-1)
        return cls(buffer, offsets, shapes)

    @classmethod
    def from_stack(cls, stack: np.ndarray) -> RaggedArrays:
        """View an array whose first axis counts the items; copied unless C-contiguous."""
        n_arrays = stack.shape[0]
        size = int(np.prod(stack.shape[1:]))
        shapes = np.tile(np.array(stack.shape[1:], dtype=np.int64), (n_arrays, 1))
        return cls(stack.reshape(-1), np.arange(n_arrays, dtype=np.int64) * size, shapes)

    @property
    def buffer(self) -> np.ndarray:
        """All values of this collection and of those that it shares memory with."""
        return self._state[0]

    @property
    def offsets(self) -> np.ndarray:
        """Where in `buffer` each array starts."""
        return self._state[1]

    @property
    def shapes(self) -> np.ndarray:
        """Shape of each array, one row each."""
        return self._state[2]

    @property
    def shape(self) -> tuple[int]:
        """``(n_arrays,)``."""
        return (len(self),)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of all arrays."""
        return self.buffer.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of this collection, shared buffer or not."""
        return int(self.shapes.prod(axis=1).sum()) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._state[1])

    def __getitem__(self, key: Any) -> np.ndarray | RaggedArrays:
        buffer, offsets, shapes = self._state
        item = resolve_key(key, len(offsets))
        if isinstance(item, int):
            shape = tuple(shapes[item].tolist())
            start = offsets[item]
            return buffer[start : start + int(np.prod(shape))].reshape(shape)
        return RaggedArrays(buffer, offsets[item], shapes[item])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"RaggedArrays(n_arrays={len(self)}, dtype={self.dtype})"

    def __reduce__(self) -> tuple:
        # Cut down in place: joblib then meets the same buffer again at the next task,
        # and writes its memory map once.
        self._compact()
        return (RaggedArrays, self._state)

    def _compact(self) -> None:
        """Drop what no item of this collection uses from the buffer."""
        buffer, offsets, shapes = self._state
        # An item drawn several times, as by a bootstrap, is kept once.
        spans = np.column_stack([offsets, shapes.prod(axis=1)])
        spans, inverse = np.unique(spans, axis=0, return_inverse=True)
        starts, sizes = spans.T
        if int(sizes.sum()) == buffer.size:
            return
        new_starts = np.cumsum(sizes) - sizes
        compact = np.empty(int(sizes.sum()), dtype=buffer.dtype)
        for old, new, size in zip(starts, new_starts, sizes):
            compact[new : new + size] = buffer[old : old + size]
        self._set_state(compact, new_starts[inverse.reshape(-1)], shapes)

    def ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest value of every array, NaN where it holds one; none is empty."""
        buffer, offsets, shapes = self._state
        sizes = shapes.prod(axis=1)
        ends = offsets + sizes
        if len(self) and sizes.all() and np.array_equal(ends[:-1], offsets[1:]):
            start = offsets[0]
            used = buffer[start : ends[-1]]
            low = np.minimum.reduceat(used, offsets - start)
            return low, np.maximum.reduceat(used, offsets - start)
        low = np.array([array.min() for array in self], dtype=self.dtype)
        return low, np.array([array.max() for array in self], dtype=self.dtype)


class ImageFiles:
    """Immutable sequence of images on disk; every access decodes the image again.

    Images are decoded to (h, w) or (h, w, 3): palettes, CMYK and YCbCr become RGB. Label maps
    (``role="mask"``) are decoded to (h, w): palette files keep the palette index, and gray files of
    2 or 4 bits a pixel the ids that are stored (0 to 3, 0 to 15). Both are turned upright as their
    EXIF orientation says. Gray files keep 16 bits a pixel; Pillow reads 16-bit color files with 8.

    `sources` are paths, or whatever else the `recipe` makes an image of.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        role: str = "image",
        recipe: Any = None,
    ) -> None:
        if recipe is None:
            sources, recipe = map(os.fspath, sources), FileRecipe(role)
        self.sources = tuple(sources)
        self.role = role
        self.recipe = recipe

    @property
    def shape(self) -> tuple[int]:
        """``(n_files,)``."""
        return (len(self.sources),)

    @property
    def paths(self) -> tuple[str, ...]:
        """Path, or name, of every image."""
        return tuple(map(self.recipe.name, self.sources))

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, key: Any) -> np.ndarray | ImageFiles:
        item = resolve_key(key, len(self))
        if isinstance(item, int):
            return self.read(item)
        return ImageFiles([self.sources[i] for i in item], self.role, self.recipe)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"ImageFiles(n_files={len(self)}, role={self.role!r})"

    def label(self, i: int, where: str) -> str:
        """Add the path of file `i` to its name in error messages: ``"Image 3 ('a.png')"``."""
        return f"{where} ({self.recipe.name(self.sources[i])!r})"

    def read(self, i: int, where: str | None = None) -> np.ndarray:
        """Decode file `i`: (h, w) or (h, w, 3).

        Raises ValueError if the file cannot be read, or holds transparency, several frames, or (as
        a label map) colors, or ids that its format does not keep (JPEG, WebP, GIF).
        """
        return self.recipe.read(self.sources[i], where or self._where(i))

    def check(self, i: int) -> None:
        """Raise what `read` would raise for file `i`, at less cost."""
        check_source(self.recipe, self.sources[i], self._where(i))

    def header(self, i: int, where: str | None = None) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype that file `i` decodes to, without decoding its pixels."""
        return self.recipe.header(self.sources[i], where or self._where(i))

    def facts(self, i: int) -> tuple[int, int, str, str]:
        """Height and width (upright), format and mode of file `i`, also of no valid image."""
        return self.recipe.facts(self.sources[i], self._where(i))

    def stamp(self, i: int) -> list[int]:
        """Size and time of change of the files of entry `i`; -1 each for a file that is not there.

        Empty where it is read from no file.
        """
        found = []
        for path in source_files(self.recipe, self.sources[i]):
            try:
                status = os.stat(path)
                found += [status.st_size, status.st_mtime_ns]
            except OSError:
                found += [-1, -1]
        return found

    def content(self, i: int) -> str:
        """Digest of what entry `i` is read from: the bytes of its files, or else its pixels."""
        found = blake2b(digest_size=DIGEST_BYTES)
        paths = source_files(self.recipe, self.sources[i])
        try:
            for path in paths:
                found.update(Path(path).read_bytes())
            return found.hexdigest() if paths else digest_of(self.read(i))
        except (OSError, ValueError, TypeError):
            return "unreadable"

    def _where(self, i: int) -> str:
        return self.label(i, f"{self.role.capitalize()} {i}")


def digest_of(array: np.ndarray) -> str:
    """Digest of the dtype, the shape and the values of an array."""
    found = blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=DIGEST_BYTES)
    found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
