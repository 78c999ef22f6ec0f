"""Threads that do not change results: BLAS on one thread, and pools for fixed blocks of work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import joblib
from threadpoolctl import ThreadpoolController

_pools: dict[int, ThreadPoolExecutor] = {}
_lock = threading.Lock()


class _BlasLimit:
    """Number of threads that need BLAS on one thread; the last one restores the former limit.

    Most limits hold for the process. That of OpenBLAS with OpenMP holds for the thread that sets
    it, so every thread sets its own.
    """

    def __init__(self) -> None:
        self.shared = self.direct = None
        self.before = []
        self.depth = 0
        self.thread = threading.local()

    def libraries(self) -> None:
        if self.shared is None:
            found = ThreadpoolController().select(user_api="blas").lib_controllers
            self.direct = [library for library in found if _limit_is_per_thread(library)]
            self.shared = [library for library in found if not _limit_is_per_thread(library)]

    def enter(self) -> list[int]:
        with _lock:
            self.libraries()
            if self.depth == 0:
                self.before = _set_threads(self.shared, [1] * len(self.shared))
            self.depth += 1
            self.thread.held = True
        return _set_threads(self.direct, [1] * len(self.direct))

    def leave(self, own_before: list[int]) -> None:
        if own_before:
            _set_threads(self.direct, own_before)
        with _lock:
            self.depth -= 1
            self.thread.held = False
            if self.depth == 0:
                _set_threads(self.shared, self.before)

    def forget(self) -> None:
        """Drop the limits of threads that do not exist in a forked child."""
        if self.depth and not self.is_held_here():
            _set_threads(self.shared, self.before)
        self.depth = int(self.is_held_here())

    def is_held_here(self) -> bool:
        """Whether this thread is within the limit."""
        return getattr(self.thread, "held", False)

    def enter_for_good(self) -> None:
        """Limit the libraries with one limit per thread, in a thread of the pool."""
        with _lock:
            self.libraries()
        _set_threads(self.direct, [1] * len(self.direct))


def _limit_is_per_thread(library: Any) -> bool:
    layer = getattr(library, "threading_layer", None)
    return library.internal_api == "openblas" and layer == "openmp"


def _set_threads(libraries: list[Any], numbers: list[int]) -> list[int]:
    """Set the thread limits and return the former ones."""
    before = [library.num_threads for library in libraries]
    for library, number, now in zip(libraries, numbers, before):
        if number == now:
            continue
        # from 3.8 on, threadpoolctl silently ignores all threads but the first that set a limit
        give_up_control = getattr(library, "clear_controlling_thread", lambda force: None)
        give_up_control(force=True)
        library.set_num_threads(number)
        give_up_control(force=True)
    return before


_blas_limit = _BlasLimit()
_within_limit = nullcontext()


def single_blas_thread() -> AbstractContextManager[None]:
    """Run BLAS and LAPACK on one thread, so that the bits do not depend on the number of threads.

    Contexts may nest and may be entered by several Python threads at once.
    """
    return _within_limit if _blas_limit.is_held_here() else _limited()


@contextmanager
def _limited() -> Iterator[None]:
    before = _blas_limit.enter()
    try:
        yield
    finally:
        _blas_limit.leave(before)


def n_threads() -> int:
    """Return how many threads a kernel may use: NUMBA_NUM_THREADS (joblib sets it), or the CPUs."""
    return int(os.environ.get("NUMBA_NUM_THREADS") or _n_cpus())


@cache
def _n_cpus() -> int:
    return joblib.cpu_count()


def map_blocks(
    function: Callable[[int, int], Any], first: int, last: int, block_rows: int
) -> list[Any]:
    """Call ``function(start, stop)`` for every block of ``first:last``, results in their order.

    The blocks depend on the arguments alone, so a reduction of the list in its order gives the
    same bits for any number of threads. `function` must not call `map_blocks`.
    """
    bounds = [(start, min(start + block_rows, last)) for start in range(first, last, block_rows)]
    threads = n_threads()
    if threads == 1 or len(bounds) < 2:
        return [function(start, stop) for start, stop in bounds]
    return list(_pool(threads).map(lambda block: function(*block), bounds))


def _pool(threads: int) -> ThreadPoolExecutor:
    with _lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(
                threads, "hierseg_learn", initializer=_blas_limit.enter_for_good
            )
        return _pools[threads]


def _forget_pools() -> None:
    # a forked child inherits the pools without their threads, and perhaps a lock held for ever
    global _lock
    _lock = threading.Lock()
    _pools.clear()
    _blas_limit.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pools)
