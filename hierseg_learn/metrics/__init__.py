"""Node metrics: linear maps learned per node, their combination up the tree, contributions."""

from ._combination import Combination, NodeOutcome
from ._lda import ShrinkageLDA
from ._projection import ProjectionCombination
from ._scatter import ScatterCombination
from ._weighted import WeightedCombination
from .base import LinearMetric
from .contributions import node_contributions, pair_squared_distances, sum_below
from .cross_fitting import CrossFitCombination
from .gradient_metrics import LMNN, NCA, SNRMetric, TripletMargin, snr_distance
from .registry import make_combination, make_node_metric

__all__ = [
    "LMNN",
    "NCA",
    "Combination",
    "CrossFitCombination",
    "LinearMetric",
    "NodeOutcome",
    "ProjectionCombination",
    "SNRMetric",
    "ScatterCombination",
    "ShrinkageLDA",
    "TripletMargin",
    "WeightedCombination",
    "make_combination",
    "make_node_metric",
    "node_contributions",
    "pair_squared_distances",
    "snr_distance",
    "sum_below",
]
