"""CUDA kernels: their sources, compilation and launch.

The sources are compiled on first use, once per dtype; CuPy keeps the result on disk.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

# what REAL stands for in a source
C_TYPES = {"float32": "float", "float64": "double"}
SOURCES = {
    "nearest_points": "nearest",
    "chunk_sums": "region_sums",
    "add_chunks": "region_sums",
    "nca_weights": "nca",
    "triplet_weights": "triplets",
    "list_weights": "lists",
    "list_gradient": "lists",
    "signal_to_noise": "snr",
    "color_chunks": "pixels",
    "gradient_chunks": "pixels",
    "pattern_chunks": "pixels",
    "outline_chunks": "pixels",
    "region_depths": "pixels",
}
# sources that round as the CPU does: no product is fused with a sum
UNFUSED = {"pixels"}


def cuda_source(*kernels: str) -> str:
    """Return the text of some kernels, behind what all kernels share."""
    folder = files(__package__) / "cuda_sources"
    names = ["common", *dict.fromkeys(SOURCES[kernel] for kernel in kernels)]
    return "\n".join((folder / f"{name}.cu").read_text(encoding="utf-8") for name in names)


def compile_options(kernel: str, dtype: str) -> tuple[str, ...]:
    """Return what the compiler is told about a kernel."""
    unfused = ("--fmad=false",) if SOURCES[kernel] in UNFUSED else ()
    return (f"-DREAL={C_TYPES[dtype]}", *unfused)


def launch(kernel: str, dtype: Any, grid: tuple[int, ...], threads: int, *args: Any) -> None:
    """Run a kernel on CuPy arrays."""
    _compiled(kernel, str(dtype))(grid, (threads,), args)


@cache
def _compiled(kernel: str, dtype: str) -> Any:
    cupy = import_module("cupy")
    options = compile_options(kernel, dtype)
    compiled = cupy.RawKernel(cuda_source(kernel), kernel, options=options)
    compiled.compile()
    return compiled
