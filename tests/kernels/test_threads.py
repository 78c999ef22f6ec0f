"""The same bits whatever the threads, from two Python threads at once and after a fork."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from hierseg_learn.kernels import numba_kernels, threads
from hierseg_learn.kernels.dispatch import KERNELS
from hierseg_learn.kernels.threads import map_blocks, single_blas_thread

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
N = 700  # three blocks of rows of the pair losses, six of the searches


def arguments(kernel, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    # columns of very different size, so that another order of summation shows in the bits
    Z = (rng.normal(size=(N, 9)) * np.logspace(-2, 1, 9)).astype(dtype)
    codes = rng.integers(0, 4, N)
    if kernel == "region_sums":
        values = rng.normal(size=(200_000, 2)).astype(dtype)
        return values, rng.integers(-1, 5, len(values)), 5
    if kernel == "activation_sums":
        image = rng.random((182, 182, 3))
        dictionary = rng.normal(size=27), rng.normal(size=(27, 9)), rng.normal(size=(20, 9))
        return image, rng.integers(-1, 5, (180, 180)), 5, 1e-3, *dictionary
    if kernel == "lmnn_loss_grad":
        Z = np.tile(Z, (4, 1))
        return Z, rng.integers(-1, N, (4 * N, 3)), rng.integers(-1, N, (4 * N, 6)), 0.5
    stack, n_points = Z.reshape(2, N // 2, 9), np.array([N // 2, 300])
    return {
        "nearest": (Z, Z[::-1], 4),
        "count_classes": (Z, Z[::-1], codes, 4, np.zeros(N), np.full(N, 40.0)),
        "stacked_nearest": (stack, stack, n_points, 4),
        "stacked_nca_loss_grad": (0.1 * stack, codes.reshape(2, N // 2), n_points),
        "snr_distances": (Z, Z),
        "nca_loss_grad": (0.1 * Z, codes),
        "triplet_loss_grad": (Z, codes, 1.0),
        "snr_loss_grad": (Z, codes, 0.5),
    }[kernel]


def bits(kernel, *args):
    result = getattr(numba_kernels, kernel)(*args)
    parts = result if isinstance(result, tuple) else (result,)
    return b"".join(np.asarray(part).tobytes() for part in parts)


def all_bits(seed=0):
    return [bits(kernel, *arguments(kernel, seed=seed)) for kernel in KERNELS]


@pytest.fixture
def use_threads(monkeypatch):
    def set_number(n_threads):
        monkeypatch.setattr(threads, "n_threads", lambda: n_threads)

    return set_number


@pytest.fixture
def blas():
    """The numbers of threads of the BLAS libraries, two each while the test runs."""
    controller = ThreadpoolController().select(user_api="blas")

    def numbers():
        return [library["num_threads"] for library in controller.info()]

    with threadpool_limits(limits=2, user_api="blas"):
        if not numbers() or set(numbers()) != {2}:
            pytest.skip("no BLAS here whose number of threads can be set")
        yield numbers


@pytest.mark.parametrize("kernel", KERNELS)
def test_same_bits_for_any_number_of_threads(kernel, dtype, use_threads):
    args = arguments(kernel, dtype)
    seen = set()
    for n_threads, n_blas in ((1, 1), (1, 2), (2, 1), (2, 2), (5, 2)):
        use_threads(n_threads)
        with threadpool_limits(limits=n_blas, user_api="blas"):
            seen.add(bits(kernel, *args))
            seen.add(bits(kernel, *args))
    assert len(seen) == 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_work_is_shared_out(kernel, monkeypatch):
    # otherwise the test above compares one thread with itself
    n_blocks = []

    def counted(function, first, last, block_rows):
        n_blocks.append(len(range(first, last, block_rows)))
        return map_blocks(function, first, last, block_rows)

    monkeypatch.setattr(numba_kernels, "map_blocks", counted)
    getattr(numba_kernels, kernel)(*arguments(kernel))
    assert max(n_blocks) > 1


def test_blocks_cover_the_range_in_order_and_run_on_the_pool(use_threads):
    use_threads(3)
    names = set()

    def block(start, stop):
        names.add(threading.current_thread().name)
        time.sleep(0.001 * (20 - start))  # the first takes longest
        return start, stop

    assert map_blocks(block, 3, 20, 5) == [(3, 8), (8, 13), (13, 18), (18, 20)]
    assert all(name.startswith("hierseg_learn") for name in names)
    assert map_blocks(block, 3, 3, 5) == []
    use_threads(1)
    names.clear()
    assert map_blocks(block, 3, 20, 5) == [(3, 8), (8, 13), (13, 18), (18, 20)]
    assert names == {threading.current_thread().name}


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_a_block_comes_out_and_leaves_the_pool_usable(use_threads, n_threads, blas):
    use_threads(n_threads)
    with single_blas_thread(), pytest.raises(ZeroDivisionError):
        map_blocks(lambda start, stop: 1 // (start - 4), 0, 10, 2)
    assert blas() == [2] * len(blas())
    assert map_blocks(lambda start, stop: stop, 0, 4, 2) == [2, 4]


def test_number_of_threads_follows_the_environment(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    assert threads.n_threads() == 3
    monkeypatch.delenv("NUMBA_NUM_THREADS")
    assert threads.n_threads() >= 1


def test_blas_gets_its_threads_back(blas):
    n_libraries = len(blas())
    with single_blas_thread():
        assert blas() == [1] * n_libraries
        with single_blas_thread():
            assert blas() == [1] * n_libraries
        assert blas() == [1] * n_libraries
    assert blas() == [2] * n_libraries
    with pytest.raises(KeyError), single_blas_thread():
        raise KeyError
    assert blas() == [2] * n_libraries


def test_any_python_thread_can_limit_blas(blas):
    # the limit of the fixture gave the main thread control of BLAS
    def other():
        with single_blas_thread():
            return blas()

    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            assert pool.submit(other).result() == [1] * len(blas())
            assert blas() == [2] * len(blas())
    with single_blas_thread():
        assert blas() == [1] * len(blas())


class PerThreadBlas:
    """Stand-in for OpenBLAS on OpenMP: every thread has its own limit, four to begin with."""

    internal_api, threading_layer = "openblas", "openmp"

    def __init__(self):
        self._local = threading.local()

    @property
    def num_threads(self):
        return getattr(self._local, "number", 4)

    def set_num_threads(self, number):
        self._local.number = number


def test_blas_with_a_limit_per_thread_is_limited_in_every_thread(use_threads, monkeypatch):
    library = PerThreadBlas()
    assert threads._limit_is_per_thread(library)
    monkeypatch.setattr(threads._blas_limit, "direct", [library])
    monkeypatch.setattr(threads._blas_limit, "shared", [])
    monkeypatch.setattr(threads, "_pools", {})
    use_threads(2)

    def inside():
        with single_blas_thread():
            return library.num_threads

    with single_blas_thread():
        assert library.num_threads == 1
        assert map_blocks(lambda start, stop: library.num_threads, 0, 8, 1) == [1] * 8
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: library.num_threads).result() == 4
            assert pool.submit(inside).result() == 1
            assert pool.submit(lambda: library.num_threads).result() == 4
        assert library.num_threads == 1
    assert library.num_threads == 4


def test_blas_stays_on_one_thread_until_the_last_one_is_out(blas):
    inside, leave = threading.Event(), threading.Event()

    def other():
        with single_blas_thread():
            inside.set()
            leave.wait(60)

    with ThreadPoolExecutor(1) as pool:
        with single_blas_thread():
            future = pool.submit(other)
            assert inside.wait(60)
        assert blas() == [1] * len(blas())
        leave.set()
        future.result()
    assert blas() == [2] * len(blas())


def test_two_python_threads_at_once(use_threads, blas):
    use_threads(2)
    expected = [all_bits(seed=seed) for seed in (0, 1)]
    start = threading.Barrier(2)

    def work(seed):
        start.wait(60)
        return [all_bits(seed=seed) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, (0, 1)))
    for one, result in zip(expected, results):
        assert result == [one, one]
    assert blas() == [2] * len(blas())


def _send_bits(connection):
    connection.send(all_bits())


def in_forked_child(function):
    """Run ``function(connection)`` in a forked child and return what it sends within a minute."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=function, args=(theirs,))
    child.start()
    try:
        assert ours.poll(60), "the forked child hangs"
        result = ours.recv()
        child.join(60)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()
    return result


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_computes_the_same_after_its_parent_used_the_pool(use_threads):
    use_threads(2)
    expected = all_bits()
    assert threads._pools[2]
    assert in_forked_child(_send_bits) == expected
    assert all_bits() == expected  # and the parent's pool still works


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_another_thread_s_work(use_threads):
    use_threads(2)
    expected = all_bits()
    locked, release = threading.Event(), threading.Event()

    def hold():
        # a thread that is caught by the fork while it holds the lock and the pool is busy
        with threads._lock:
            locked.set()
            release.wait(60)

    def busy(start, stop):
        release.wait(60)

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(map_blocks, busy, 0, 4, 1)
        holding = pool.submit(hold)
        try:
            assert locked.wait(60)
            assert in_forked_child(_send_bits) == expected
        finally:
            release.set()
        waiting.result()
        holding.result()
    assert all_bits() == expected


def _send_depth(connection):
    connection.send(threads._blas_limit.depth)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_held_to_the_limit_of_its_own_thread_only():
    inside, release = threading.Event(), threading.Event()

    def wait_inside():
        with single_blas_thread():
            inside.set()
            release.wait(60)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_inside)
        try:
            assert inside.wait(60)
            assert in_forked_child(_send_depth) == 0
            with single_blas_thread():
                assert threads._blas_limit.depth == 2
                assert in_forked_child(_send_depth) == 1
        finally:
            release.set()
        waiting.result()
    assert threads._blas_limit.depth == 0
