"""The CUDA kernels compiled by a C++ compiler, to check their results where there is no GPU."""

import ctypes
import platform
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from hierseg_learn.kernels._cuda import C_TYPES, SOURCES, cuda_source

SHIM = Path(__file__).parent / "host" / "cuda_on_host.h"
# with sums that are not contracted and a stack that shared memory does not share
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off"]

DTYPES = {"index_t": "i8", "double": "f8", "float": "f4", "int": "i4", "byte_t": "u1"}


def why_not():
    """Return why the kernels cannot run here, or None."""
    if platform.system() != "Linux":
        return "fibers need Linux"
    return None if _compiler() else "there is no C++ compiler"


def launch_on_host(kernel, dtype, grid, threads, *args, backwards=False):
    """Run a kernel on NumPy arrays: `launch`'s twin, which checks what CUDA would not."""
    wanted = parameters(kernel)
    assert len(args) == len(wanted), f"{kernel} takes {len(wanted)} arguments, got {len(args)}"
    dtypes = {name: np.dtype(kind) for name, kind in {"REAL": dtype, **DTYPES}.items()}
    kept = []
    for arg, (c_type, name, is_pointer) in zip(args, wanted, strict=True):
        assert arg.dtype == dtypes[c_type], f"{kernel}: {name} has dtype {arg.dtype}"
        if is_pointer:
            assert arg.flags.c_contiguous, f"{kernel}: {name} is not contiguous"
            kept.append(ctypes.c_void_p(arg.ctypes.data))
        else:
            assert isinstance(arg, np.generic), f"{kernel}: {name} is no scalar"
            kept.append(np.ctypeslib.as_ctypes_type(arg.dtype)(arg))
    addresses = [ctypes.addressof(arg) for arg in kept]
    assert 0 < grid[0] < 2**31, "CUDA refuses an empty grid"
    assert all(0 < size < 2**16 for size in grid[1:])
    assert threads % 32 == 0
    assert 0 < threads <= 1024
    shape = (ctypes.c_uint * 4)(*(*grid, 1)[:2], threads, backwards)
    run = getattr(_library(str(np.dtype(dtype))), f"run_{kernel}")
    if run(shape, (ctypes.c_void_p * len(addresses))(*addresses)):
        raise RuntimeError(f"{kernel}: some threads wait at a barrier that others never reach")


@cache
def parameters(kernel):
    """The parameters of a kernel, read from its text: (type, name, whether it is a pointer)."""
    text = re.search(rf"void {kernel}\((.*?)\)", cuda_source(kernel), re.DOTALL)[1]
    found = re.findall(r"(\w+)(\*?) (\w+)(?:,|$)", text)
    return [(c_type, name, bool(star)) for c_type, star, name in found]


def host_library(text, real, folder):
    """Compile CUDA text into a shared library that has a ``run_NAME`` for every kernel in it."""
    kernels = re.findall(r"__global__ void (\w+)\(", text)
    entries = "".join(
        f'extern "C" int run_{kernel}(const unsigned* shape, void** args) '
        f"{{ return host::call({kernel}, shape, args); }}\n"
        for kernel in kernels
    )
    source = Path(folder) / "kernels.cpp"
    source.write_text(f'#include "{SHIM}"\n{text}\n{entries}', encoding="utf-8")
    target = Path(folder) / "kernels.so"
    command = [_compiler(), *FLAGS, f"-DREAL={real}", str(source), "-o", str(target)]
    subprocess.run(command, check=True, timeout=120)
    return ctypes.CDLL(str(target))


@cache
def _library(dtype):
    with tempfile.TemporaryDirectory() as folder:
        return host_library(cuda_source(*SOURCES), C_TYPES[dtype], folder)


@cache
def _compiler():
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
