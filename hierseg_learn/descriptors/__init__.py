"""What a region looks like: dense maps of an image, pooled additively over regions."""

from ._base import Descriptor, ImageChannels
from ._color import ColorDescriptor
from ._patches import PatchDictionary
from ._registry import DEFAULT_DESCRIPTORS, descriptor_columns, make_descriptors
from ._shape import ShapeDescriptor
from ._texture import GradientDescriptor, LBPDescriptor

__all__ = [
    "DEFAULT_DESCRIPTORS",
    "ColorDescriptor",
    "Descriptor",
    "GradientDescriptor",
    "ImageChannels",
    "LBPDescriptor",
    "PatchDictionary",
    "ShapeDescriptor",
    "descriptor_columns",
    "make_descriptors",
]
