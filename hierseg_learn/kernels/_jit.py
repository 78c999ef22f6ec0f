"""Numba's compiler with the settings that every kernel shares."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba


def jit(function: Callable, **options: Any) -> Callable:
    """Compile `function` without the interpreter lock, cached on disk wherever that is possible.

    Numba keeps its cache beside the source or, on a read-only install, in the user's cache
    folder. Where neither can be written, the disk is full or the cache is damaged, the kernel is
    compiled in memory, and the first one says so. Further `options` are Numba's.
    """
    try:
        kernel = numba.njit(nogil=True, cache=True, **options)(function)
    except (RuntimeError, OSError) as error:  # Numba finds no folder that can be written
        _say_once(f"Compiled code cannot be kept on disk, every process compiles anew: {error}")
        return numba.njit(nogil=True, **options)(function)
    if hasattr(kernel, "_cache"):  # not where NUMBA_DISABLE_JIT is set
        kernel._cache = _ForgivingCache(kernel._cache)
    return kernel


class _ForgivingCache:
    """A kernel's cache on disk, where Numba alone fails if a file is damaged or the disk full."""

    def __init__(self, on_disk: Any) -> None:
        self._on_disk = on_disk

    def load_overload(self, *args: Any) -> Any:
        """Return a compiled kernel, or None where there is none that can be read."""
        try:
            return self._on_disk.load_overload(*args)
        except Exception as error:
            _say_once(
                f"Compiled code in {self._on_disk.cache_path} cannot be read and is compiled anew "
                f"({type(error).__name__}: {error})."
            )
            with suppress(Exception):  # an empty index, to begin again with
                self._on_disk.flush()
            return None

    def save_overload(self, *args: Any) -> None:
        """Keep a compiled kernel, if that is possible."""
        try:
            self._on_disk.save_overload(*args)
        except Exception as error:
            _say_once(
                f"Compiled code cannot be kept in {self._on_disk.cache_path}, every process "
                f"compiles anew ({type(error).__name__}: {error})."
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._on_disk, name)


_said: list[str] = []


def _say_once(text: str) -> None:
    """Warn, once in a process: all kernels meet the same disk."""
    if not _said:
        _said.append(text)
        warnings.warn(text, RuntimeWarning, stacklevel=3)
