"""Packages that an import loads, and existence of all public names."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import hierseg_learn

# Optional packages, and Numba, whose import alone takes longer than scikit-learn's.
LATE = {
    "cupy",
    "dask",
    "distributed",
    "matplotlib",
    "metric_learn",
    "numba",
    "pandas",
    "polars",
    "torch",
    "transformers",
}
# packages that only other packages use: they have modules, but no names of their own
INTERNAL = {"compositing", "fitted", "table"}
PUBLIC_MODULES = ["hierseg_learn"] + sorted(
    f"hierseg_learn.{module.name}"
    for module in iter_modules(hierseg_learn.__path__)
    if not module.name.startswith("_")
)
PUBLIC_PACKAGES = [name for name in PUBLIC_MODULES if hasattr(import_module(name), "__all__")]


def loaded_packages(code):
    """Top-level packages that a new interpreter has loaded after running some code."""
    code += (
        "\nimport json, sys\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(hierseg_learn.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in json.loads(result.stdout.splitlines()[-1])}


def test_imports_load_nothing_heavy():
    # Where they are installed, scikit-learn loads pandas, and scikit-image 0.24 Matplotlib.
    expected = loaded_packages("import sklearn.neighbors, skimage.segmentation")
    loaded = loaded_packages("\n".join(f"import {name}" for name in PUBLIC_MODULES))
    assert not (loaded - expected) & LATE


def test_every_module_can_be_imported_first():
    # A cycle of imports fails from one end and passes from the other.
    loaded_packages(
        "import sys\n"
        "from importlib import import_module\n"
        f"for name in {PUBLIC_MODULES}:\n"
        "    for loaded in [m for m in sys.modules if m.startswith('hierseg_learn')]:\n"
        "        del sys.modules[loaded]\n"
        "    import_module(name)\n"
    )


@pytest.mark.parametrize("name", PUBLIC_PACKAGES)
def test_all_names_exist(name):
    module = import_module(name)
    missing = [member for member in module.__all__ if not hasattr(module, member)]
    assert not missing
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize(
    "name",
    sorted(
        f"hierseg_learn.{module.name}"
        for module in iter_modules(hierseg_learn.__path__)
        if module.ispkg and module.name not in INTERNAL
    ),
)
def test_packages_say_what_is_public(name):
    assert import_module(name).__all__
