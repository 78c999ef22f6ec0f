"""Access to a GPU: timing, counts of transfers, and peak rates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from hierseg_learn.kernels import Backend, get_backend

RATE_SIZE = 8192


@dataclass(frozen=True)
class Device:
    """Kernels, and how to wait for what was launched.

    Parameters
    ----------
    name : {"cpu", "cuda"}
        What learners take as `device`.
    backend : Backend
    model : str
    wait : callable
        Returns when everything launched is done.
    """

    name: str
    backend: Backend
    model: str
    wait: Callable[[], None]

    def seconds(self, function: Callable[[], Any], repeats: int) -> float:
        """Median time of a call, what it launched included."""
        times = []
        for _ in range(repeats):
            self.wait()
            start = time.perf_counter()
            function()
            self.wait()
            times.append(time.perf_counter() - start)
        return float(np.median(times))


@dataclass
class Transfers:
    """What went to the device and came back."""

    counts: dict[str, int] = field(default_factory=lambda: {"there": 0, "back": 0})
    n_bytes: dict[str, int] = field(default_factory=lambda: {"there": 0, "back": 0})

    def add(self, way: str, array: Any) -> None:
        """Count one transfer."""
        self.counts[way] += 1
        self.n_bytes[way] += int(array.nbytes)


def open_gpu() -> Device:
    """Return the GPU; RuntimeError, with the reason, where there is none."""
    backend = get_backend("cuda")
    import cupy

    model = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return Device("cuda", backend, model, cupy.cuda.get_current_stream().synchronize)


@contextmanager
def counted_transfers(device: Device) -> Iterator[Transfers]:
    """Count what the learners move between the host and the device."""
    backend, transfers = device.backend, Transfers()
    there, back = backend.asarray, backend.to_numpy

    def asarray(array: Any) -> Any:
        transfers.add("there", np.asarray(array))
        return there(array)

    def to_numpy(array: Any) -> np.ndarray:
        transfers.add("back", array)
        return back(array)

    with mock.patch.multiple(backend, asarray=asarray, to_numpy=to_numpy):
        yield transfers


def best_rates(device: Device, size: int = RATE_SIZE) -> dict[str, float]:
    """Measure how fast the device copies (bytes per second) and multiplies float32 matrices."""
    rng = np.random.default_rng(0)
    matrix = device.backend.asarray(rng.normal(size=(size, size)).astype(np.float32))
    device.seconds(lambda: matrix @ matrix, 1)
    copy = device.seconds(lambda: matrix + 0, 5)
    product = device.seconds(lambda: matrix @ matrix, 5)
    return {
        "bytes_per_second": 2 * matrix.nbytes / copy,
        "operations_per_second": 2 * size**3 / product,
    }
