"""What if: models without some parts, and parts that would have to be others."""

from ._counterfactual import Counterfactual, counterfactual
from ._explain_votes import explain_votes
from ._muted import MutedClassifier, without_nodes

__all__ = ["Counterfactual", "MutedClassifier", "counterfactual", "explain_votes", "without_nodes"]
