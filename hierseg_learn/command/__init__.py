"""The command ``hierseg-learn``, also ``python -m hierseg_learn``."""

from ._main import main

__all__ = ["main"]
