"""Trained networks that lie in files: opened where they are used, never pickled."""

from .onnx import OnnxNetwork
from .photos import PhotoInput

__all__ = ["OnnxNetwork", "PhotoInput"]
