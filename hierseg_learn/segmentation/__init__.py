"""Segmenters: from an image to the part id of every pixel, with a tree over the parts."""

from ._base import Segmenter
from ._callable import CallableSegmenter
from ._cutters import (
    FelzenszwalbSegmenter,
    QuickshiftSegmenter,
    SuperpixelSegmenter,
    WatershedSegmenter,
)
from ._given_masks import GivenMasks
from ._higra import HigraSegmenter
from ._merge_tree import MergeTree, MergeTreeSegmenter
from ._part_report import PartReport, part_report
from ._part_sheet import PartSheetDisplay
from ._segformer import SegFormerSegmenter
from ._union import SegmenterUnion
from .grid import GridSegmenter, PyramidSegmenter
from .registry import make_segmenter

__all__ = [
    "CallableSegmenter",
    "FelzenszwalbSegmenter",
    "GivenMasks",
    "GridSegmenter",
    "HigraSegmenter",
    "MergeTree",
    "MergeTreeSegmenter",
    "PartReport",
    "PartSheetDisplay",
    "PyramidSegmenter",
    "QuickshiftSegmenter",
    "SegFormerSegmenter",
    "Segmenter",
    "SegmenterUnion",
    "SuperpixelSegmenter",
    "WatershedSegmenter",
    "make_segmenter",
    "part_report",
]
