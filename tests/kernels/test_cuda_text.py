"""The CUDA text where there is no GPU: it compiles, is shipped, and its threads are in step.

Its results are those of the twin "cuda text on the host" in the other tests of the kernels.
"""

import re
import tomllib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from hierseg_learn.kernels import pixels
from hierseg_learn.kernels._cuda import C_TYPES, SOURCES, compile_options, cuda_source
from tests.kernels import host_cuda, reference
from tests.kernels.nvrtc import WHEELS, compile_cuda, load_nvrtc
from tests.kernels.twins import (
    assert_same_loss_grad,
    host_kernels,
    host_pixels,
    small_blocks,
)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "hierseg_learn" / "kernels" / "cuda_sources"
on_host = pytest.mark.skipif(
    host_cuda.why_not() is not None, reason=f"no host kernels: {host_cuda.why_not()}"
)
with_nvrtc = pytest.mark.skipif(
    load_nvrtc() is None, reason=f"none of the wheels {', '.join(WHEELS)} is installed"
)


@with_nvrtc
@pytest.mark.parametrize("architecture", ["compute_75", "compute_80", "compute_90"])
@pytest.mark.parametrize("dtype", C_TYPES)
@pytest.mark.parametrize("file", sorted(set(SOURCES.values())))
def test_every_source_compiles(file, dtype, architecture):
    kernels = [kernel for kernel, source in SOURCES.items() if source == file]
    options = compile_options(kernels[0], dtype)
    ptx = compile_cuda(cuda_source(kernels[0]), f"--gpu-architecture={architecture}", *options)
    assert set(re.findall(r"\.entry (\w+)\(", ptx)) == set(kernels)
    # sums of floats by atomics come in any order
    assert not re.search(r"\b(atom|red)\.[\w.]*add\.[\w.]*f", ptx)


@with_nvrtc
def test_an_error_is_seen():
    with pytest.raises(RuntimeError, match="undeclared_name"):
        compile_cuda('extern "C" __global__ void f() { undeclared_name; }')


def test_every_source_file_is_used_and_shipped():
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {f"{name}.cu" for name in ("common", *SOURCES.values())}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["hierseg_learn.kernels"]
    shipped = {path for pattern in patterns for path in FOLDER.parent.glob(pattern)}
    assert shipped == set(FOLDER.iterdir())


def test_every_kernel_is_in_the_file_that_is_named():
    for path in FOLDER.glob("*.cu"):
        kernels = re.findall(r"__global__ void (\w+)\(", path.read_text(encoding="utf-8"))
        assert kernels == [name for name, file in SOURCES.items() if file == path.stem]


def problem(dtype, n=46, d=5):
    """Arguments for every kernel function."""
    rng = np.random.default_rng(0)
    Z, codes = rng.normal(size=(n, d)).astype(dtype), rng.integers(0, 3, n)
    lists = rng.integers(-1, n, (n, 6))
    return {
        "region_sums": (Z, codes - 1, 2),
        "nearest": (Z, Z[:40], 36),
        "nca_loss_grad": (Z, codes),
        "triplet_loss_grad": (Z, codes, 1.0),
        "snr_distances": (Z, Z),
        "snr_loss_grad": (Z, codes, 0.3),
        "lmnn_loss_grad": (Z, lists[:, :2], lists[:, 2:], 0.4),
    }


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


@on_host
@pytest.mark.parametrize("blocks", [small_blocks, nullcontext])
@pytest.mark.parametrize("kernel", problem("float64"))
def test_the_order_of_the_threads_changes_no_bit(kernel, blocks, dtype, monkeypatch):
    """Were a barrier missing, threads in the other order would read what is not yet there."""
    kernels, arguments = host_kernels(), problem(dtype)[kernel]

    def backwards(*args):
        host_cuda.launch_on_host(*args, backwards=True)

    with blocks():
        forth = getattr(kernels, kernel)(*arguments)
        monkeypatch.setattr(kernels, "launch", backwards)
        back = getattr(kernels, kernel)(*arguments)
    for a, b in zip(as_tuple(forth), as_tuple(back), strict=True):
        np.testing.assert_array_equal(a, b)


@on_host
@pytest.mark.parametrize("barrier", ["__syncthreads()", "__syncwarp()", "warp_sum(1.0)"])
def test_a_barrier_that_some_threads_never_reach_is_found(tmp_path, barrier):
    common = (FOLDER / "common.cu").read_text(encoding="utf-8")
    text = f'{common}\nextern "C" __global__ void f() {{ if (threadIdx.x) {barrier}; }}'
    library = host_cuda.host_library(text, "float", tmp_path)
    assert library.run_f((host_cuda.ctypes.c_uint * 4)(1, 1, 64, 0), None) == 1


@on_host
@pytest.mark.parametrize("threads", [32, 128, 256])
def test_blocks_of_any_size(threads, dtype, monkeypatch):
    kernels = host_kernels()
    expected = {name: getattr(kernels, name)(*args) for name, args in problem(dtype).items()}
    monkeypatch.setattr(kernels, "THREADS", threads)
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    for name, args in problem(dtype).items():
        found = getattr(kernels, name)(*args)
        for a, b in zip(as_tuple(found), as_tuple(expected[name]), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def pixel_problem():
    """Arguments for every sum over pixels."""
    rng = np.random.default_rng(0)
    planes, regions = rng.random((3, 9, 14), dtype=np.float32), rng.integers(-1, 3, (9, 14))
    levels = np.rint(planes * 255).astype(np.uint8)
    return {
        "color_sums": (planes, levels, regions, 3, 13),
        "gradient_sums": (planes, regions, 3, 8),
        "pattern_sums": (planes, levels, regions, 3),
        "outline_sums": (regions, 3, rng.random((9, 10))),
        "depths": (np.kron(regions, np.ones((5, 5), int)), 3),
    }


@on_host
@pytest.mark.parametrize("kernel", pixel_problem())
def test_sums_of_pixels_as_on_the_cpu(kernel, monkeypatch):
    """The same whatever the order of the threads, and but for rounding whatever their number."""
    kernels, arguments = host_pixels(), pixel_problem()[kernel]
    expected = getattr(pixels, kernel)(*arguments)

    def backwards(*args):
        host_cuda.launch_on_host(*args, backwards=True)

    for threads, blocks in ((32, nullcontext), (256, small_blocks)):
        with monkeypatch.context() as patched, blocks():
            patched.setattr(kernels, "THREADS", threads)
            forth = getattr(kernels, kernel)(*arguments)
            patched.setattr(kernels, "launch", backwards)
            np.testing.assert_array_equal(forth, getattr(kernels, kernel)(*arguments))
        # the text rounds as the loops do, but adds in another order
        np.testing.assert_allclose(forth, expected, rtol=1e-12, atol=1e-12)


@on_host
@pytest.mark.parametrize("kernel", ["triplet_loss_grad", "snr_loss_grad"])
def test_anchors_of_many_points_are_sorted_instead(kernel, dtype, monkeypatch):
    kernels, arguments = host_kernels(), problem(dtype)[kernel]
    monkeypatch.setattr(kernels, "MAX_COMPARED", 45)
    monkeypatch.setattr(kernels, "launch", lambda *_: pytest.fail("compared"))
    assert_same_loss_grad(
        getattr(kernels, kernel)(*arguments), getattr(reference, kernel)(*arguments)
    )
