"""Explanations of distances, predictions, classes and models, and how faithful they are."""

from ._class_and_model import ClassExplanation, ModelExplanation
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
from ._novelty import NoveltyExplanation
from ._sample import ContrastExplanation, PredictionExplanation
from .pair import PairExplanation, PartsExplanation
from .shapley import VotesExplanation, shapley_values

__all__ = [
    "ClassExplanation",
    "ContrastExplanation",
    "ModelExplanation",
    "NoveltyExplanation",
    "PairExplanation",
    "PartsExplanation",
    "PredictionExplanation",
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
