"""Trained networks that lie in files: opened where they are used, never pickled."""

from .onnx import OnnxNetwork
from .photos import PhotoInput
from .preprocessing import Preprocessing
from .trunk import Cells, Trunk, open_trunk

__all__ = ["Cells", "OnnxNetwork", "PhotoInput", "Preprocessing", "Trunk", "open_trunk"]
