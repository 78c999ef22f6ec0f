"""Segmenters: from an image to the part id of every pixel, with a tree over the parts."""

from ._base import Segmenter
from ._callable import CallableSegmenter
from ._felzenszwalb import FelzenszwalbSegmenter
from ._given_masks import GivenMasks
from ._grid import GridSegmenter
from ._higra import HigraSegmenter
from ._merge_tree import MergeTree
from ._merged_regions import MergeTreeSegmenter
from ._part_agglomeration import PartAgglomeration
from ._part_report import PartReport, part_report
from ._part_sheet import PartSheetDisplay
from ._part_statistics import PartStatistics
from ._parts import PartLookup
from ._pyramid import PyramidSegmenter
from ._quickshift import QuickshiftSegmenter
from ._registry import make_segmenter
from ._segformer import SegFormerSegmenter
from ._superpixels import SuperpixelSegmenter
from ._union import SegmenterUnion
from ._vocabulary import PartVocabulary
from ._watershed import WatershedSegmenter

__all__ = [
    "CallableSegmenter",
    "FelzenszwalbSegmenter",
    "GivenMasks",
    "GridSegmenter",
    "HigraSegmenter",
    "MergeTree",
    "MergeTreeSegmenter",
    "PartAgglomeration",
    "PartLookup",
    "PartReport",
    "PartSheetDisplay",
    "PartStatistics",
    "PartVocabulary",
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
