"""Predictions of a model if parts were ablated, or swapped with those of other images."""

from ._ablation import AblatedClassifier
from ._counterfactual import Counterfactual, counterfactual
from ._explain_votes import explain_votes

__all__ = ["AblatedClassifier", "Counterfactual", "counterfactual", "explain_votes"]
