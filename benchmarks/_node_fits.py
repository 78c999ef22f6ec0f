"""One fit in a process of its own: its time, the memory that it adds, and its accuracy.

A process that is killed at the limit takes its memory with it, and the peak of one learner is not
that of another. Needs a POSIX system. As a script this file is that process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from _node_memory import limit_memory, peak_memory, standing_memory

N_NEIGHBORS = 5
ARRAYS = ("X", "y", "X_test", "y_test")
THREAD_LIMITS = ("NUMBA", "OMP", "OPENBLAS", "MKL")
MEGABYTE = 1e6
GIBIBYTE = 2**30


def store(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the training rows and the held-out rows to the folder that `fit_alone` reads."""
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", arrays[name])


def fit_alone(
    folder: Path,
    name: str,
    *,
    n_components: int,
    seed: int = 0,
    max_iter: int | None = None,
    limit: float = 600.0,
    memory: float = 8.0,
    threads: int = 1,
    cold: bool = False,
    source: str = "_node_learners",
) -> dict[str, Any]:
    """Fit a learner in a process of its own.

    Parameters
    ----------
    folder : Path
        Where `store` has put the rows.
    name : str
        Key of a learner.
    n_components : int
    seed : int
    max_iter : int or None
        Most steps; None leaves the learner's own.
    limit : float
        Seconds that the fit may take; then the process is ended.
    memory : float
        GiB that the process may have.
    threads : int
    cold : bool
        Whether this is a first call on an empty cache: nothing is compiled beforehand.
    source : str
        Module that has the dict `LEARNERS`.

    Returns
    -------
    found : dict
        ``status`` is "ok", and then there are ``fit_s``, ``extra_mb`` and ``accuracy``; or
        "timeout", "memory", "failed" or "absent", and then ``reason`` is a sentence.
    """
    learner = import_module(source).LEARNERS[name]
    if not learner.is_installed:
        return {"status": "absent", "reason": f"{learner.package} is not installed"}
    request = {
        "folder": str(folder),
        "source": source,
        "learner": name,
        "n_components": n_components,
        "seed": seed,
        "max_iter": max_iter,
        "limit": limit,
        "memory": memory,
        "cold": cold,
    }
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {f"{kind}_NUM_THREADS": str(threads) for kind in THREAD_LIMITS}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        if cold:
            environment["NUMBA_CACHE_DIR"] = cache
        child = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, json.dumps(request)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    return read_outcome(child, limit, memory)


def read_outcome(child: subprocess.CompletedProcess, limit: float, memory: float) -> dict[str, Any]:
    """Turn the way a process ended into an entry of the results."""
    if child.returncode == 0:
        return json.loads(child.stdout.splitlines()[-1])
    if child.returncode == -signal.SIGALRM:
        return {"status": "timeout", "reason": f"took more than {limit:g} s", "limit_s": limit}
    said = child.stderr.strip().splitlines() or ["ended without a word"]
    if "MemoryError" in said[-1] or child.returncode == -signal.SIGKILL:
        return {"status": "memory", "reason": f"asked for more than {memory:g} GiB of memory"}
    return {"status": "failed", "reason": said[-1][:200]}


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Load, warm up, fit and score: the program of the process."""
    limit_memory(int(request["memory"] * GIBIBYTE))
    arrays = {name: np.load(Path(request["folder"]) / f"{name}.npy") for name in ARRAYS}
    learner = import_module(request["source"]).LEARNERS[request["learner"]]
    fit = learner.load(learner.params)
    if not request["cold"]:
        warm_up(fit)
    before = standing_memory()
    # the default action of the signal ends the process, in compiled code too
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, request["limit"])
    began = time.perf_counter()
    components = fit(
        arrays["X"], arrays["y"], request["n_components"], request["max_iter"], request["seed"]
    )
    seconds = time.perf_counter() - began
    signal.setitimer(signal.ITIMER_REAL, 0)
    extra = peak_memory() - before
    return {
        "status": "ok",
        "fit_s": seconds,
        "extra_mb": extra / MEGABYTE,
        "accuracy": neighbor_accuracy(components, **arrays),
    }


def warm_up(fit: Any) -> None:
    """Fit a small table, so that everything is imported, compiled or loaded."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    X = rng.standard_normal((len(y), 8)) + y[:, None]
    fit(X, y, 4, 2, 0)


def neighbor_accuracy(
    components: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    X_test: np.ndarray,
    y_test: np.ndarray,
) -> float:
    """Accuracy of the nearest training rows on the held-out rows."""
    from sklearn.neighbors import KNeighborsClassifier

    voters = KNeighborsClassifier(N_NEIGHBORS, algorithm="brute").fit(X @ components.T, y)
    return float(voters.score(X_test @ components.T, y_test))


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
