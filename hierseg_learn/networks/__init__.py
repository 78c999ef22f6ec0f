"""Trained networks that lie in files: opened where they are used, never pickled."""

from .onnx import OnnxNetwork

__all__ = ["OnnxNetwork"]
