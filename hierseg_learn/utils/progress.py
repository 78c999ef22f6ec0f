"""Progress bar of one line."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self


class ProgressBar:
    """A bar on standard error, drawn when `verbose` is at least 1."""

    WIDTH = 30

    def __init__(self, total: int, label: str, verbose: int) -> None:
        self.total, self.label, self.verbose = total, label, verbose
        self._done = 0
        self._start = time.perf_counter()

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.verbose:
            sys.stderr.write("\n")

    def advance(self, steps: int = 1) -> None:
        """Move on by some steps."""
        self._done += steps
        self._draw()

    def _draw(self) -> None:
        if not self.verbose:
            return
        filled = self.WIDTH * self._done // max(self.total, 1)
        seconds = time.perf_counter() - self._start
        sys.stderr.write(
            f"\r{self.label} [{'#' * filled}{'.' * (self.WIDTH - filled)}] "
            f"{self._done}/{self.total} {seconds:.1f} s"
        )
        sys.stderr.flush()
