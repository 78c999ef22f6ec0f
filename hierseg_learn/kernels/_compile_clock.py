"""How long Numba compiles; kernels that come from its cache on disk count nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Self


class CompileClock(AbstractContextManager):
    """Context that sums up the time spent compiling since it was last asked.

    Numba is imported on entry, not with the package.

    Examples
    --------
    >>> from hierseg_learn.kernels._compile_clock import CompileClock
    >>> from hierseg_learn.kernels._jit import jit
    >>> with CompileClock() as clock:
    ...     _ = jit(lambda x: x + 1)(1)
    >>> clock.take() > 0, clock.take()
    (True, 0.0)
    """

    def __enter__(self) -> Self:
        from numba.core.event import TimingListener, install_listener

        self._taken = 0.0
        self._installed = install_listener("numba:compile", TimingListener())
        self._listener = self._installed.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._installed.__exit__(*error)

    def take(self) -> float:
        """Return the seconds since the last call, or since the context was entered."""
        total = self._listener.duration if self._listener.done else 0.0
        seconds, self._taken = total - self._taken, total
        return seconds
