"""Segmenters: from an image to the part id of every pixel, with a tree over the parts."""

from ._base import Segmenter
from ._cutters import Cutter, Felzenszwalb, Quickshift, Slic, Watershed
from ._given import CallableSegmenter, MaskSegmenter
from ._onnx import BODYPIX, OnnxSegmenter, OnnxSpec
from ._part_report import PartReport, PartSheetDisplay, part_report
from ._region_merging import BinaryPartitionTree, Higra, RegionMerging
from ._segformer import SegFormerSegmenter
from ._union import SegmenterUnion
from ._vocabulary import VocabularySegmenter
from .grid import GridSegmenter, PyramidSegmenter
from .registry import make_segmenter as make_segmenter

__all__ = [
    "BODYPIX",
    "BinaryPartitionTree",
    "CallableSegmenter",
    "Cutter",
    "Felzenszwalb",
    "GridSegmenter",
    "Higra",
    "MaskSegmenter",
    "OnnxSegmenter",
    "OnnxSpec",
    "PartReport",
    "PartSheetDisplay",
    "PyramidSegmenter",
    "Quickshift",
    "RegionMerging",
    "SegFormerSegmenter",
    "Segmenter",
    "SegmenterUnion",
    "Slic",
    "VocabularySegmenter",
    "Watershed",
    "part_report",
]
