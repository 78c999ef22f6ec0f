"""What if: models without some parts, and parts that would have to be others."""

from ._ablation import AblatedClassifier, ablate_nodes
from ._counterfactual import Counterfactual, counterfactual
from ._explain_votes import explain_votes

__all__ = ["AblatedClassifier", "Counterfactual", "ablate_nodes", "counterfactual", "explain_votes"]
