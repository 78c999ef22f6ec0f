"""Segmenters: from an image to the part id of every pixel, with a tree over the parts."""

from ._base import Segmenter
from ._callable import CallableSegmenter
from ._given_masks import GivenMasks
from ._grid import GridSegmenter
from ._merge_tree import MergeTree
from ._merged_regions import MergeTreeSegmenter
from ._part_agglomeration import PartAgglomeration
from ._part_report import PartReport, part_report
from ._part_sheet import PartSheetDisplay
from ._part_statistics import PartStatistics
from ._parts import PartLookup
from ._pyramid import PyramidSegmenter
from ._registry import make_segmenter
from ._superpixels import SuperpixelSegmenter
from ._union import SegmenterUnion
from ._vocabulary import PartVocabulary

__all__ = [
    "CallableSegmenter",
    "GivenMasks",
    "GridSegmenter",
    "MergeTree",
    "MergeTreeSegmenter",
    "PartAgglomeration",
    "PartLookup",
    "PartReport",
    "PartSheetDisplay",
    "PartStatistics",
    "PartVocabulary",
    "PyramidSegmenter",
    "Segmenter",
    "SegmenterUnion",
    "SuperpixelSegmenter",
    "make_segmenter",
    "part_report",
]
