"""Memory that this process holds, the most it held, and a limit on it."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

PROCESS = Path("/proc/self")


def standing_memory() -> int:
    """Return the bytes that the process holds, and forget what it held before.

    Linux can do that; elsewhere it is the most that the process has held so far. Memory that was
    freed goes back to the system first where that can be asked for, or it would count as held.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    try:
        (PROCESS / "clear_refs").write_text("5")
    except OSError:
        return _most_ever()
    return _status("VmRSS")


def peak_memory() -> int:
    """Return the most bytes that the process held since `standing_memory` was asked."""
    # on Linux, ru_maxrss starts from what the parent held when it started this process
    return _status("VmHWM") if (PROCESS / "status").is_file() else _most_ever()


def limit_memory(n_bytes: int) -> None:
    """Let allocations beyond a number of bytes fail, in this process."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = n_bytes if hard == resource.RLIM_INFINITY else min(n_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _status(key: str) -> int:
    for line in (PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return _most_ever()


def _most_ever() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
