"""What pytest leaves out where an optional package is missing."""

from importlib.util import find_spec

NEEDS = {
    "hierseg_learn/kernels/cupy_kernels.py": "cupy",
    "hierseg_learn/segmentation/_higra.py": "higra",
    "hierseg_learn/segmentation/_segformer.py": "transformers",
}
collect_ignore = [path for path, package in NEEDS.items() if not find_spec(package)]
