"""Result objects that say which parts a distance or a prediction comes from, and their pictures."""

from ._class import ClassExplanation
from ._contrast import ContrastExplanation
from ._contrast_batch import ContrastExplanations
from ._deletion import curve_area, deletion_curve, insertion_curve
from ._display import SegmentContributionDisplay
from ._faithfulness import (
    completeness_error,
    noise_stability,
    pointing_game,
    randomization_check,
    rank_correlation,
)
from ._model import ModelExplanation
from ._neighbor_strip import NeighborStripDisplay
from ._pair import PairExplanation
from ._pair_matrix import PairMatrixDisplay
from ._parts import PartsExplanation
from ._prediction import PredictionExplanation
from ._prediction_batch import PredictionExplanations
from ._shapley import shapley_values
from ._snr import snr_by_node
from ._tree_display import NodeScoreDisplay
from ._votes import VotesExplanation
from ._waterfall import WaterfallDisplay

__all__ = [
    "ClassExplanation",
    "ContrastExplanation",
    "ContrastExplanations",
    "ModelExplanation",
    "NeighborStripDisplay",
    "NodeScoreDisplay",
    "PairExplanation",
    "PairMatrixDisplay",
    "PartsExplanation",
    "PredictionExplanation",
    "PredictionExplanations",
    "SegmentContributionDisplay",
    "VotesExplanation",
    "WaterfallDisplay",
    "completeness_error",
    "curve_area",
    "deletion_curve",
    "insertion_curve",
    "noise_stability",
    "pointing_game",
    "randomization_check",
    "rank_correlation",
    "shapley_values",
    "snr_by_node",
]
