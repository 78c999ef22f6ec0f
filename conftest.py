"""What pytest leaves out where an optional package is missing."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("cupy") else ["hierseg_learn/kernels/cupy_kernels.py"]
