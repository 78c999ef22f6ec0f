"""What pytest leaves out where an optional package is missing."""

from importlib.util import find_spec

import pytest

NEEDS = {
    "hierseg_learn/descriptors/_deep.py": "torch",
    "hierseg_learn/kernels/cupy_kernels.py": "cupy",
    "hierseg_learn/kernels/cupy_pixels.py": "cupy",
    "hierseg_learn/networks/onnx.py": "onnx",
    "hierseg_learn/segmentation/_onnx.py": "onnx",
    "hierseg_learn/segmentation/_segformer.py": "transformers",
}
collect_ignore = [path for path, package in NEEDS.items() if not find_spec(package)]

DOCTESTS_NEED = {
    "hierseg_learn.metrics.mlp.MLPMetric": "torch",
    # also where the file is named, as by `make test-deep`
    "hierseg_learn.networks.trunk.open_trunk": "timm",
    "hierseg_learn.networks.trunk.Trunk": "torch",
    "hierseg_learn.segmentation._region_merging.Higra": "higra",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip examples of one class where its file has others that need no optional package."""
    for item in items:
        package = DOCTESTS_NEED.get(item.name)
        if package and not find_spec(package):
            item.add_marker(pytest.mark.skip(reason=f"needs {package}"))
