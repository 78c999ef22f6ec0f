"""The kernels as every backend offers them: NumPy arrays in, NumPy arrays out."""

import sys
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec, module_from_spec
from types import SimpleNamespace
from unittest import mock

import array_api_strict
import numpy as np

from hierseg_learn.kernels import array_kernels, get_backend, numba_kernels, pixels
from hierseg_learn.kernels.dispatch import KERNELS, PIXEL_KERNELS
from tests.kernels import composed
from tests.kernels.host_cuda import launch_on_host, why_not

NAMES = (
    "cpu",
    "composed on numpy",
    "composed on array_api_strict",
    "cuda text on the host",
    "cuda",
)
CUPY_MODULES = ("hierseg_learn.kernels.cupy_kernels", "hierseg_learn.kernels.cupy_pixels")
# sums in float32 against sums in float64, relative to the largest entry
TOLERANCE = {np.dtype(np.float32): 3e-5, np.dtype(np.float64): 1e-10}

LAYOUTS = {
    "fortran": np.asfortranarray,
    "every second row": lambda array: np.repeat(array, 2, axis=0)[::2],
    "backwards": lambda array: array[::-1].copy()[::-1],
    "read-only": lambda array: read_only(array.copy()),
}


class Twin:
    """One backend whose kernels take and return NumPy arrays."""

    def __init__(self, name, kernels, asarray=np.asarray, to_numpy=np.asarray, names=KERNELS):
        self.name = name
        for kernel in names:
            setattr(self, kernel, _in_numpy(getattr(kernels, kernel), asarray, to_numpy))

    def __repr__(self):
        return f"Twin({self.name!r})"


def make_twin(name):
    """Return the twin of a name; RuntimeError, with the reason, where there is no GPU."""
    if name == "cpu":
        return Twin(name, numba_kernels)
    if name == "composed on numpy":
        return Twin(name, composed_kernels(np))
    if name == "composed on array_api_strict":
        # the standard's own namespace refuses whatever the standard does not promise
        return Twin(name, composed_kernels(array_api_strict), array_api_strict.asarray)
    if name == "cuda text on the host":
        return Twin(name, host_kernels())
    cuda = get_backend("cuda")
    return Twin(name, cuda, cuda.asarray, cuda.to_numpy)


def make_pixel_twin(name):
    """Return the sums over pixels of "cpu", "cuda text on the host" or "cuda"."""
    if name == "cpu":
        return Twin(name, pixels, names=PIXEL_KERNELS)
    if name == "cuda text on the host":
        return Twin(name, host_pixels(), names=PIXEL_KERNELS)
    cuda = get_backend("cuda")
    return Twin(name, cuda, cuda.asarray, cuda.to_numpy, PIXEL_KERNELS)


def composed_kernels(xp):
    """The kernels composed of array operations, which leave the choice of a dtype to the caller."""

    def in_floats(function):
        def call(first, second, *args):
            arrays = [first, second] if function is not composed.region_sums else [first]
            both = all(array.dtype == xp.float32 for array in arrays)
            arrays = [xp.astype(array, xp.float32 if both else xp.float64) for array in arrays]
            return function(*(*arrays, second)[:2], *args)

        return call

    kernels = {name: getattr(composed, name) for name in KERNELS}
    for name in ("region_sums", "nearest", "count_classes", "snr_distances"):
        kernels[name] = in_floats(kernels[name])
    return SimpleNamespace(**kernels)


@cache
def host_kernels():
    """Load the CUDA kernels with NumPy in CuPy's place and their text compiled as C++."""
    reason = why_not()
    if reason:
        raise RuntimeError(f"the CUDA text cannot run on the host: {reason}")
    return _on_host(CUPY_MODULES[0])


@cache
def host_pixels():
    """Load the sums over pixels in the same way."""
    host_kernels()  # says why not
    return _on_host(CUPY_MODULES[1])


def _on_host(name):
    spec = find_spec(name)
    module = module_from_spec(spec)
    with mock.patch.dict(sys.modules, cupy=np):
        spec.loader.exec_module(module)
    module.launch = launch_on_host
    module.THREADS = 64  # a fiber costs more than a thread
    return module


@contextmanager
def small_blocks():
    """Cut the work so small that a dozen points fill several blocks of every kind."""
    sizes = {"QUERY_ROWS": 3, "POINT_ROWS": 4, "PIXEL_ROWS": 5, "LIST_ROWS": 3, "PAIR_ROWS": 2}
    sizes |= {"BLOCKS_AT_ONCE": 2, "SPARE_NEIGHBORS": 1, "ONE_HOT_SIZE": 20}
    sizes |= {"BLOCK_VALUES": 400, "BLOCK_PIXELS": (2, 3), "STRIP_PIXELS": 7, "MAX_STRIPS": 300}
    sizes |= {"BLOCK_SIZE": 40, "CHUNK_PIXELS": 3, "SMALL_SEARCH": 0}
    with ExitStack() as stack:
        modules = [numba_kernels, array_kernels, composed]
        modules += [] if why_not() else [host_kernels(), host_pixels()]
        modules += [sys.modules[name] for name in CUPY_MODULES if name in sys.modules]
        unknown = [name for name in sizes if not any(hasattr(module, name) for module in modules)]
        assert not unknown, f"no kernel module has {unknown} any more"
        for module in modules:
            here = {name: size for name, size in sizes.items() if hasattr(module, name)}
            stack.enter_context(mock.patch.multiple(module, **here))
        yield


def read_only(array):
    array.flags.writeable = False
    return array


def assert_close(actual, expected, tolerance=None):
    """Compare within a tolerance relative to the largest entry, or to 0.01; dtypes must agree."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    size = np.abs(expected[np.isfinite(expected)]).max(initial=0.01)
    tolerance = tolerance or TOLERANCE[expected.dtype]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * size)


def assert_same_loss_grad(actual, expected):
    """Compare (loss, gradient) pairs; the tolerance is that of the gradient's dtype."""
    (loss, gradient), (expected_loss, expected_gradient) = actual, expected
    assert isinstance(loss, float)
    tolerance = TOLERANCE[expected_gradient.dtype]
    np.testing.assert_allclose(loss, expected_loss, rtol=tolerance, atol=tolerance)
    assert_close(gradient, expected_gradient)


def _in_numpy(function, asarray, to_numpy):
    def call(*args):
        result = function(*(asarray(a) if isinstance(a, np.ndarray) else a for a in args))
        if isinstance(result, tuple):
            return tuple(r if isinstance(r, float) else to_numpy(r) for r in result)
        return to_numpy(result)

    return call
