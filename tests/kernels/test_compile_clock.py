"""What is compiled takes time, what is compiled already takes none."""

import numba
import numpy as np

from hierseg_learn.kernels._compile_clock import CompileClock


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
