"""What is compiled takes time, what is compiled already takes none."""

import sys
from functools import cache
from types import SimpleNamespace

import numba
import numpy as np

from hierseg_learn.kernels import _cuda
from hierseg_learn.kernels.compile_clock import CompileClock


def test_only_what_is_compiled_counts():
    @numba.njit
    def double(x):
        return 2 * x

    with CompileClock() as clock:
        assert clock.take() == 0
        double(1)
        first = clock.take()
        double(2)
        assert clock.take() == 0
        double(np.ones(3))
        assert clock.take() > 0
    assert first > 0


def test_nobody_listens_outside():
    @numba.njit
    def half(x):
        return x / 2

    with CompileClock() as clock:
        pass
    half(1)
    assert clock.take() == 0


def test_a_clock_that_does_not_run():
    @numba.njit
    def third(x):
        return x / 3

    with CompileClock(runs=False) as clock:
        third(1)
        assert clock.take() == 0


def test_cuda_text_counts_once(monkeypatch):
    compiled = []

    class RawKernel:
        def __init__(self, text, name, options):
            self.name = name

        def compile(self):
            compiled.append(self.name)

        def __call__(self, grid, block, args):
            pass

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(RawKernel=RawKernel))
    monkeypatch.setattr(_cuda, "_compiled", cache(_cuda._compiled.__wrapped__))
    with CompileClock() as clock:
        _cuda.launch("nca_weights", "float32", (1,), 32)
        assert clock.take() > 0
        _cuda.launch("nca_weights", "float32", (1,), 32)
        assert clock.take() == 0
    assert compiled == ["nca_weights"]
