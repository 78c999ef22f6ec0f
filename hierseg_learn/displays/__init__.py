"""Plots of explanations, one class each, as scikit-learn's displays."""

from ._base import Display
from ._nearest_images import NearestImagesDisplay, Neighbor
from ._node_scores import NodeScoreDisplay
from ._pair_matrix import PairMatrixDisplay
from ._photos import SegmentContributionDisplay
from ._waterfall import WaterfallDisplay

__all__ = [
    "Display",
    "NearestImagesDisplay",
    "Neighbor",
    "NodeScoreDisplay",
    "PairMatrixDisplay",
    "SegmentContributionDisplay",
    "WaterfallDisplay",
]
