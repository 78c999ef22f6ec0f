"""Progress bar of one line; where it cannot be drawn, a few lines."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import Self


class ProgressBar:
    """A bar on standard error, drawn when `verbose` is at least 1.

    In a file or a pipe, where nothing can be drawn over, it is a line at the end, and one every ten
    seconds before, less often the longer it takes. With a `unit`, such as ``"photos"``, it also
    says how many of them are done in a second, and the time that is left; `done` steps of an
    earlier run do not count for that.
    """

    WIDTH = 30
    _SECONDS, _GROWTH = 10.0, 0.1

    def __init__(
        self, total: int, label: str, verbose: int, *, unit: str | None = None, done: int = 0
    ) -> None:
        self.total, self.label, self.verbose, self.unit = total, label, verbose, unit
        self._done = self._before = done
        self._start = self._said = time.perf_counter()
        # a notebook draws, and is no terminal
        self._draws = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")

    def __enter__(self) -> Self:
        if self._draws:
            self._draw()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._draws:
            self._draw()
        elif self.verbose:
            sys.stderr.write("\n")

    def advance(self, steps: int = 1) -> None:
        """Move on by some steps."""
        self._done += steps
        now = time.perf_counter()
        pause = max(self._SECONDS, self._GROWTH * (now - self._start))
        if self._draws or (now - self._said >= pause and self._done < self.total):
            self._said = now
            self._draw()

    def _draw(self) -> None:
        if not self.verbose:
            return
        filled = self.WIDTH * self._done // max(self.total, 1)
        bar = f" [{'#' * filled}{'.' * (self.WIDTH - filled)}]" if self._draws else ":"
        seconds = time.perf_counter() - self._start
        start, end = ("\r", "") if self._draws else ("", "\n")
        line = f"{self.label}{bar} {self._done}/{self.total} {seconds:.1f} s{self._speed(seconds)}"
        sys.stderr.write(f"{start}{line}{end}")
        sys.stderr.flush()

    def _speed(self, seconds: float) -> str:
        """Steps a second, and the time that is left; nothing without a unit, or before a step."""
        steps = self._done - self._before
        if self.unit is None or not steps or not seconds:
            return ""
        left = timedelta(seconds=round((self.total - self._done) * seconds / steps))
        return f", {steps / seconds:.3g} {self.unit}/s, {left} left"
