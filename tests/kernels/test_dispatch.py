"""The one place that chooses: names, GPUs that are not there, and what is imported when."""

import ast
import inspect
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from hierseg_learn.kernels import Backend, dispatch, get_backend, numba_kernels
from hierseg_learn.kernels.dispatch import KERNELS, PIXEL_KERNELS
from tests.kernels import reference
from tests.kernels.twins import CUPY_MODULES


@pytest.fixture
def fake_cupy(monkeypatch):
    """Put a stand-in for CuPy into place whose `getDeviceCount` the test sets."""

    def install(get_device_count):
        cupy = ModuleType("cupy")
        cupy.__spec__ = ModuleSpec("cupy", None)
        cupy.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=get_device_count))
        cupy.asarray = cupy.asnumpy = np.asarray
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        for module in CUPY_MODULES:
            monkeypatch.delitem(sys.modules, module, raising=False)
        # a copy of the questions, so that no answer about the stand-in outlives the test
        for question in ("_why_no_cuda", "_cuda_backend"):
            monkeypatch.setattr(dispatch, question, getattr(dispatch, question).__wrapped__)

    yield install
    for module in CUPY_MODULES:
        sys.modules.pop(module, None)


def signatures(module):
    """Return the argument names and the defaults of every kernel, read from the source."""
    source = Path(find_spec(module).origin).read_text("utf-8")
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {
        function.name: (
            [argument.arg for argument in function.args.args],
            [ast.unparse(default) for default in function.args.defaults],
        )
        for function in functions
        if not function.name.startswith("_")
    }


def test_every_backend_has_the_same_kernels_with_the_same_signatures():
    expected = signatures("tests.kernels.reference")
    assert set(expected) == set(KERNELS)
    assert signatures("hierseg_learn.kernels.numba_kernels") == expected
    assert signatures(CUPY_MODULES[0]) == expected
    expected = signatures("hierseg_learn.kernels.pixels")
    assert set(expected) == set(PIXEL_KERNELS)
    assert signatures(CUPY_MODULES[1]) == expected
    for name in KERNELS:
        real = inspect.signature(getattr(reference, name))
        assert inspect.signature(getattr(numba_kernels, name)) == real


def test_cpu_is_numba_and_one_object():
    backend = get_backend("cpu")
    assert isinstance(backend, Backend)
    assert backend is get_backend("cpu")
    assert repr(backend) == "Backend('cpu')"
    for name in KERNELS:
        assert getattr(backend, name) is getattr(numba_kernels, name)
    array = np.ones(2)
    assert backend.asarray(array) is array
    assert backend.to_numpy(array) is array


@pytest.mark.parametrize("device", ["gpu", "CPU", "cuda:0", None, 0])
def test_wrong_name(device):
    with pytest.raises(ValueError, match=f"device must be 'auto', 'cpu' or 'cuda', got {device!r}"):
        get_backend(device)


def test_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(dispatch, "_why_no_cuda", dispatch._why_no_cuda.__wrapped__)
    assert get_backend("auto") is get_backend("cpu")
    assert get_backend() is get_backend("cpu")
    message = r"^device='cuda' was asked for, but CuPy is not installed \(pip install .*\[cuda12\]"
    with pytest.raises(RuntimeError, match=message):
        get_backend("cuda")


def test_cupy_without_a_device(fake_cupy):
    fake_cupy(lambda: 0)
    assert get_backend("auto") is get_backend("cpu")
    message = "device='cuda' was asked for, but CuPy finds no CUDA device"
    with pytest.raises(RuntimeError, match=message):
        get_backend("cuda")


@pytest.mark.parametrize("error", [RuntimeError, OSError, ImportError, AttributeError])
def test_cupy_with_a_broken_driver(fake_cupy, error):
    def fail():
        raise error("insufficient driver")

    fake_cupy(fail)
    assert get_backend("auto") is get_backend("cpu")
    message = rf"no working CUDA device \({error.__name__}: insufficient driver\)"
    with pytest.raises(RuntimeError, match=message):
        get_backend("cuda")


def test_cupy_that_cannot_be_imported(fake_cupy, monkeypatch):
    fake_cupy(lambda: 1)

    def fail(name, package=None):
        if name == "cupy":
            raise ImportError("libcudart is missing")
        return import_module(name, package)

    import_module = dispatch.import_module
    monkeypatch.setattr(dispatch, "import_module", fail)
    assert get_backend("auto") is get_backend("cpu")
    with pytest.raises(RuntimeError, match=r"\(ImportError: libcudart is missing\)"):
        get_backend("cuda")


def test_auto_takes_a_device_that_answers(fake_cupy):
    fake_cupy(lambda: 1)
    for device in ("auto", "cuda"):
        backend = get_backend(device)
        assert backend.name == "cuda"
        for names, module in zip((KERNELS, PIXEL_KERNELS), CUPY_MODULES, strict=True):
            for name in names:
                assert getattr(backend, name).__module__ == module
    assert get_backend("cpu").name == "cpu"


def test_small_tables_stay_on_the_cpu_under_auto(fake_cupy):
    fake_cupy(lambda: 1)
    small, large = dispatch.AUTO_CUDA_VALUES - 1, dispatch.AUTO_CUDA_VALUES
    assert get_backend("auto", n_values=small).name == "cpu"
    assert get_backend("auto", n_values=large).name == "cuda"
    assert get_backend("cuda", n_values=small).name == "cuda"
    assert get_backend("cpu", n_values=large).name == "cpu"


def test_a_small_table_does_not_ask_for_a_device(monkeypatch):
    monkeypatch.setattr(dispatch, "_why_no_cuda", lambda: pytest.fail("asked"))
    assert get_backend("auto", n_values=10).name == "cpu"
    with pytest.raises(ValueError, match="device must be"):
        get_backend("gpu", n_values=10)


def test_the_search_for_a_device_happens_once(fake_cupy, monkeypatch):
    asked = []
    fake_cupy(lambda: len(asked.append(1) or []))
    monkeypatch.setattr(dispatch, "_why_no_cuda", dispatch.cache(dispatch._why_no_cuda))
    for _ in range(3):
        get_backend("auto")
    assert len(asked) == 1


def test_importing_the_kernels_imports_neither_cupy_nor_numba():
    code = (
        "import sys, hierseg_learn.kernels as kernels\n"
        "assert not {'cupy', 'numba', 'torch'} & set(sys.modules)\n"
        "kernels.get_backend('cpu')\n"
        "assert 'cupy' not in sys.modules\n"
    )
    root = str(Path(find_spec("hierseg_learn").origin).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
