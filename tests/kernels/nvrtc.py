"""NVIDIA's run-time compiler, which needs no GPU, from its wheel."""

import ctypes
from functools import cache
from importlib.metadata import PackageNotFoundError, files

WHEELS = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")


@cache
def load_nvrtc():
    """Return the library, or None where none of the wheels is installed."""
    for wheel in WHEELS:
        try:
            libraries = {path.name: str(path.locate()) for path in files(wheel)}
        except PackageNotFoundError:
            continue
        # loaded first, since the compiler looks for it in the system's folders only
        for name in ("libnvrtc-builtins.so.", "libnvrtc.so."):
            path = next(libraries[file] for file in libraries if file.startswith(name))
            found = ctypes.CDLL(path)
        return found
    return None


def compile_cuda(text, *options):
    """Compile CUDA text to PTX; RuntimeError with the compiler's log where that fails."""
    nvrtc, program, size = load_nvrtc(), ctypes.c_void_p(), ctypes.c_size_t()
    source = text.encode()
    assert not nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"text.cu", 0, None, None)
    try:
        flags = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = nvrtc.nvrtcCompileProgram(program, len(options), flags)
        kind = "ProgramLog" if failed else "PTX"
        getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
        result = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, f"nvrtcGet{kind}")(program, result)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise RuntimeError(result.value.decode())
    return result.value.decode()
