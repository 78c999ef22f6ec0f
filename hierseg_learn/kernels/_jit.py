"""Numba's compiler with the settings that every kernel shares."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba


def jit(function: Callable, **options: Any) -> Callable:
    """Compile `function` to run without the interpreter lock, cached on disk where possible.

    Numba's cache lies beside the source or, on a read-only install, in the user's cache folder.
    Where neither is writable, the disk is full or the cache is damaged, the kernel is compiled in
    memory, with one warning per process. Further `options` are Numba's.
    """
    try:
        kernel = numba.njit(nogil=True, cache=True, **options)(function)
    except (RuntimeError, OSError) as error:  # Numba finds no folder that can be written
        _warn_once(f"Compiled code cannot be cached; every process compiles it again: {error}")
        return numba.njit(nogil=True, **options)(function)
    if hasattr(kernel, "_cache"):  # not where NUMBA_DISABLE_JIT is set
        kernel._cache = _ForgivingCache(kernel._cache)
    return kernel


class _ForgivingCache:
    """A kernel's cache on disk that tolerates damaged files and a full disk, unlike Numba's."""

    def __init__(self, on_disk: Any) -> None:
        self._on_disk = on_disk

    def load_overload(self, *args: Any) -> Any:
        """Return a compiled kernel, or None if there is none or it cannot be read."""
        try:
            return self._on_disk.load_overload(*args)
        except Exception as error:
            _warn_once(
                f"Compiled code in {self._on_disk.cache_path} cannot be read and is compiled again "
                f"({type(error).__name__}: {error})."
            )
            with suppress(Exception):  # an empty index, to begin again with
                self._on_disk.flush()
            return None

    def save_overload(self, *args: Any) -> None:
        """Save a compiled kernel if possible."""
        try:
            self._on_disk.save_overload(*args)
        except Exception as error:
            _warn_once(
                f"Compiled code cannot be cached in {self._on_disk.cache_path}; every process "
                f"compiles it again ({type(error).__name__}: {error})."
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._on_disk, name)


_warnings: list[str] = []


def _warn_once(text: str) -> None:
    """Warn once per process, since all kernels use the same disk."""
    if not _warnings:
        _warnings.append(text)
        warnings.warn(text, RuntimeWarning, stacklevel=3)
