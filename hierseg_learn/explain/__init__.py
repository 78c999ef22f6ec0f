"""Result objects that say which parts a distance or a prediction comes from, and their pictures."""

from ._class_and_model import ClassExplanation, ModelExplanation
from ._contrast import ContrastExplanation, ContrastExplanations
from ._faithfulness import (
    completeness_error,
    curve_area,
    deletion_curve,
    insertion_curve,
    noise_stability,
    pointing_game,
    randomization_check,
    rank_correlation,
)
from ._prediction import PredictionExplanation, PredictionExplanations
from ._votes import VotesExplanation
from .pair import PairExplanation, PartsExplanation
from .shapley import shapley_values

__all__ = [
    "ClassExplanation",
    "ContrastExplanation",
    "ContrastExplanations",
    "ModelExplanation",
    "PairExplanation",
    "PartsExplanation",
    "PredictionExplanation",
    "PredictionExplanations",
    "VotesExplanation",
    "completeness_error",
    "curve_area",
    "deletion_curve",
    "insertion_curve",
    "noise_stability",
    "pointing_game",
    "randomization_check",
    "rank_correlation",
    "shapley_values",
]
