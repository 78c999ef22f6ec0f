"""Descriptors of regions: dense maps of an image, pooled additively over regions."""

from ._base import Descriptor, ImageChannels
from ._deep import DeepDescriptor
from ._fixed import ColorDescriptor, GradientDescriptor, LBPDescriptor, ShapeDescriptor
from ._patches import PatchDictionary
from .registry import DEFAULT_DESCRIPTORS as DEFAULT_DESCRIPTORS
from .registry import descriptor_columns as descriptor_columns
from .registry import make_descriptors as make_descriptors

__all__ = [
    "ColorDescriptor",
    "DeepDescriptor",
    "Descriptor",
    "GradientDescriptor",
    "ImageChannels",
    "LBPDescriptor",
    "PatchDictionary",
    "ShapeDescriptor",
]
