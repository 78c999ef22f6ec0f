"""How long kernels compile; those that come from a cache on disk count nothing, or next to nothing.

Numba tells whoever listens to its events; CUDA text is compiled within an event of the same name.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Self

EVENT = "numba:compile"


def compiling() -> AbstractContextManager:
    """Context in which something is compiled that Numba does not compile."""
    from numba.core.event import trigger_event

    return trigger_event(EVENT)


class CompileClock(AbstractContextManager):
    """Context that sums up the time spent compiling since it was last asked.

    Numba is imported on entry, not with the package.
    """

    def __init__(self, runs: bool = True) -> None:
        self._runs, self._taken = runs, 0.0

    def __enter__(self) -> Self:
        if self._runs:
            from numba.core.event import TimingListener, install_listener

            self._installed = install_listener(EVENT, TimingListener())
            self._listener = self._installed.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._runs:
            self._installed.__exit__(*error)

    def take(self) -> float:
        """Return the seconds since the last call, or since the context was entered."""
        if not self._runs or not self._listener.done:
            return 0.0
        total = self._listener.duration
        seconds, self._taken = total - self._taken, total
        return seconds
