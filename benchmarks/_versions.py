"""An earlier version of the package in a process of its own, to time both in turns."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EARLIER = "88cc135"
# one thread each, and processor time: other work on the machine does not count
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@contextmanager
def checkout(folder: Path) -> Any:
    """Check the earlier version out into a folder, for as long as it is needed."""
    git = ["git", "-C", str(ROOT), "worktree"]
    add = [*git, "add", "--detach", str(folder), EARLIER]
    subprocess.run(add, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=False, capture_output=True)


@contextmanager
def worker(root: Path, script: str, given: Path) -> Any:
    """Start the process of one version, ``script given``, and end it."""
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        [sys.executable, script, str(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=root,
    )
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def ask(process: subprocess.Popen) -> list[float]:
    """What the process measures next: it writes a line of numbers for every line it reads."""
    process.stdin.write("\n")
    process.stdin.flush()
    return [float(text) for text in process.stdout.readline().split()]
