"""ImageSource of explanations, one class per picture, as scikit-learn's displays."""

from ._neighbors import NeighborStripDisplay
from ._node_scores import NodeScoreDisplay
from ._pair_matrix import PairMatrixDisplay
from ._photos import SegmentContributionDisplay
from ._waterfall import WaterfallDisplay

__all__ = [
    "NeighborStripDisplay",
    "NodeScoreDisplay",
    "PairMatrixDisplay",
    "SegmentContributionDisplay",
    "WaterfallDisplay",
]
