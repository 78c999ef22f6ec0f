"""Segmenters: from an image to the part id of every pixel, with a tree over the parts."""

from ._base import Segmenter
from ._callable import CallableSegmenter
from ._cutters import (
    FelzenszwalbSegmenter,
    QuickshiftSegmenter,
    SuperpixelSegmenter,
    WatershedSegmenter,
)
from ._higra import HigraSegmenter
from ._masks import MaskSegmenter
from ._part_report import PartReport, part_report
from ._part_sheet import PartSheetDisplay
from ._region_merging import BinaryPartitionTree, RegionMergingSegmenter
from ._segformer import SegFormerSegmenter
from ._union import SegmenterUnion
from .grid import GridSegmenter, PyramidSegmenter
from .registry import make_segmenter

__all__ = [
    "BinaryPartitionTree",
    "CallableSegmenter",
    "FelzenszwalbSegmenter",
    "GridSegmenter",
    "HigraSegmenter",
    "MaskSegmenter",
    "PartReport",
    "PartSheetDisplay",
    "PyramidSegmenter",
    "QuickshiftSegmenter",
    "RegionMergingSegmenter",
    "SegFormerSegmenter",
    "Segmenter",
    "SegmenterUnion",
    "SuperpixelSegmenter",
    "WatershedSegmenter",
    "make_segmenter",
    "part_report",
]
