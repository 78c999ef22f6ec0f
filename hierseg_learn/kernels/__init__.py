"""Hot kernels behind one small interface, on the CPU (Numba) and on CUDA (CuPy)."""

from .dispatch import ONE_IMAGE as ONE_IMAGE
from .dispatch import Backend, get_backend

__all__ = ["Backend", "get_backend"]
