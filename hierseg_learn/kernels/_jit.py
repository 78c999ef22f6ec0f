"""Numba's compiler with the settings that every kernel shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def jit(function: Callable, **options: Any) -> Callable:
    """Compile `function` without the interpreter lock, cached on disk wherever that is possible.

    Numba keeps its cache beside the source or, on a read-only install, in the user's cache
    folder. Where neither can be written it refuses to cache; the kernel is then compiled anew in
    every process. Further `options` are Numba's.

    Examples
    --------
    >>> from hierseg_learn.kernels._jit import jit
    >>> jit(lambda x: x + 1)(1)
    2
    """
    try:
        return numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(nogil=True, **options)(function)
