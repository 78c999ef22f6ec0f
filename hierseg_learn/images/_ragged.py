"""Arrays of different sizes in one flat buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ._files import resolve_key


class RaggedArrays:
    """Immutable sequence of arrays of different sizes, stored in one flat buffer.

    All arrays have the same dtype and the same number of axes. A subset shares the
    buffer of the collection that it was taken from; pickling a subset first cuts the
    buffer down to what the subset needs. As the buffer is a single array, joblib hands
    it to worker processes as a memory map.

    Parameters
    ----------
    buffer : ndarray of shape (n_values,)
        All values. Kept, not copied.
    offsets : array-like of int, shape (n_arrays,)
        Where in `buffer` each array starts.
    shapes : array-like of int, shape (n_arrays, n_axes)
        Shape of each array.

    Attributes
    ----------
    buffer, offsets, shapes : ndarray
        As given, read-only.
    shape : tuple of int
        ``(n_arrays,)``.
    dtype : dtype
        The dtype of all arrays.

    See Also
    --------
    RaggedArrays.from_arrays : Copy a list of arrays into one buffer.
    RaggedArrays.from_stack : View an array whose first axis counts the items.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import RaggedArrays
    >>> ragged = RaggedArrays.from_arrays([np.zeros((2, 3)), np.ones((1, 2))])
    >>> ragged.shape
    (2,)
    >>> ragged[1]
    array([[1., 1.]])
    >>> ragged[[1, 0]][0].shape
    (1, 2)
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
        """Copy a non-empty list of arrays into one buffer.

        Parameters
        ----------
        arrays : sequence of ndarray
            All with the same number of axes; dtypes are promoted to a common one.

        Returns
        -------
        RaggedArrays
        """
        shapes = np.array([array.shape for array in arrays], dtype=np.int64)
        ends = np.cumsum(shapes.prod(axis=1))
        buffer = np.empty(int(ends[-1]), dtype=np.result_type(*{array.dtype for array in arrays}))
        offsets = np.concatenate([[0], ends[:-1]])
        for array, start, end in zip(arrays, offsets, ends):
            buffer[start:end] = array.reshape(-1)
        return cls(buffer, offsets, shapes)

    @classmethod
    def from_stack(cls, stack: np.ndarray) -> RaggedArrays:
        """View an array whose first axis counts the items.

        Parameters
        ----------
        stack : ndarray of shape (n_arrays, ...)
            Not copied where it is C-contiguous, a memory map included.

        Returns
        -------
        RaggedArrays
        """
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
        """Find the smallest and largest value of every array; NaN where it holds one.

        Arrays without any value are not allowed here.

        Returns
        -------
        low, high : ndarray of shape (n_arrays,)
            In the arrays' own dtype.
        """
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
