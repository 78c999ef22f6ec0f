"""Choice between the Numba and the CuPy kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

KERNELS = (
    "region_sums",
    "activation_sums",
    "nearest",
    "count_classes",
    "nca_loss_grad",
    "triplet_loss_grad",
    "snr_distances",
    "snr_loss_grad",
    "lmnn_loss_grad",
)

# from the pixels of one image to sums per region
PIXEL_KERNELS = (
    "split_planes",
    "whole_levels",
    "color_sums",
    "gradient_sums",
    "pattern_sums",
    "outline_sums",
    "count_pixels",
    "depths",
)

# Under "auto", tables of fewer numbers stay on the CPU: their steps are so short that a GPU would
# mostly wait for the next launch. Provisional: not measured on a GPU yet.
AUTO_CUDA_VALUES = 2**20
# numbers in one image, whatever its size: under "auto" its pixels are summed on the CPU
ONE_IMAGE = 0


class Backend:
    """The kernels of one device, under one interface.

    Parameters
    ----------
    name : str
        "cpu" or "cuda".
    module, pixels : module
        Where the kernels are defined, and those over the pixels of one image.
    asarray, to_numpy : callable
        Copy an array to the device and back.

    Attributes
    ----------
    name : str
    asarray, to_numpy : callable

    Examples
    --------
    >>> from hierseg_learn.kernels import get_backend
    >>> get_backend("cpu").name
    'cpu'
    """

    def __init__(
        self,
        name: str,
        module: ModuleType,
        pixels: ModuleType,
        asarray: Callable[[Any], Any] = np.asarray,
        to_numpy: Callable[[Any], np.ndarray] = np.asarray,
    ) -> None:
        self.name = name
        self.asarray = asarray
        self.to_numpy = to_numpy
        for kernel in KERNELS:
            setattr(self, kernel, getattr(module, kernel))
        for kernel in PIXEL_KERNELS:
            setattr(self, kernel, getattr(pixels, kernel))

    def __repr__(self) -> str:
        return f"Backend({self.name!r})"


def get_backend(device: str = "auto", *, n_values: int | None = None) -> Backend:
    """Return the kernels for a device.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}, default="auto"
        "auto" uses CUDA if CuPy is installed, a device responds and the table is not too small, and
        the CPU otherwise.
    n_values : int, default=None
        Numbers in the table; below `AUTO_CUDA_VALUES`, "auto" uses the CPU. None ignores the size.

    Returns
    -------
    backend : Backend

    Raises
    ------
    ValueError
        If `device` is unknown.
    RuntimeError
        If `device` is "cuda" and none is available.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.kernels import get_backend
    >>> get_backend("cpu").region_sums(np.ones((3, 1)), np.array([0, 0, 1]), 2)
    array([[2.],
           [1.]])
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}.")
    too_small = n_values is not None and n_values < AUTO_CUDA_VALUES
    if device == "cpu" or (device == "auto" and too_small):
        return _cpu_backend()
    reason = _why_no_cuda()
    if reason is None:
        return _cuda_backend()
    if device == "cuda":
        raise RuntimeError(f"device='cuda' was asked for, but {reason}.")
    return _cpu_backend()


@cache
def _why_no_cuda() -> str | None:
    """Return why CUDA cannot be used, or None; checked once per process."""
    if find_spec("cupy") is None:
        return "CuPy is not installed (pip install hierseg-learn[cuda12] or [cuda13])"
    try:
        cupy = import_module("cupy")
        if cupy.cuda.runtime.getDeviceCount() > 0:
            return None
    except Exception as error:  # a broken driver or library may raise anything
        return f"CuPy finds no working CUDA device ({type(error).__name__}: {error})"
    return "CuPy finds no CUDA device"


@cache
def _cpu_backend() -> Backend:
    modules = (import_module(name, __package__) for name in (".numba_kernels", ".pixels"))
    return Backend("cpu", *modules)


@cache
def _cuda_backend() -> Backend:
    cupy = import_module("cupy")
    modules = (import_module(name, __package__) for name in (".cupy_kernels", ".cupy_pixels"))
    return Backend("cuda", *modules, asarray=cupy.asarray, to_numpy=cupy.asnumpy)
