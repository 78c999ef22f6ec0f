"""What if: models without some parts, and parts that would have to be others."""

from ._counterfactual import counterfactual
from ._exchanged import Counterfactual
from ._explain_votes import explain_votes
from ._muted import MutedClassifier
from ._without_nodes import without_nodes

__all__ = ["Counterfactual", "MutedClassifier", "counterfactual", "explain_votes", "without_nodes"]
