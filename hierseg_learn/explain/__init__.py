"""Result objects that say which parts a distance or a prediction comes from, and their pictures."""

from ._display import SegmentContributionDisplay
from ._pair import PairExplanation
from ._prediction import PredictionExplanation

__all__ = ["PairExplanation", "PredictionExplanation", "SegmentContributionDisplay"]
