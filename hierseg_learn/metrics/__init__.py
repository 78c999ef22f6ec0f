"""Node metrics: linear maps learned per node, their combination up the tree, contributions."""

from ._combination import Combination
from ._lda import ShrinkageLDA
from ._lmnn import LMNN
from ._nca import NCA
from ._projection import ProjectionCombination
from ._scatter import ScatterCombination
from ._snr import SNRMetric, snr_distance
from ._triplet_margin import TripletMargin
from ._weighted import WeightedCombination
from .base import LinearMetric
from .contributions import node_contributions, pair_squared_distances, sum_below
from .cross_fitting import CrossFitCombination
from .registry import make_combination, make_node_metric

__all__ = [
    "LMNN",
    "NCA",
    "Combination",
    "CrossFitCombination",
    "LinearMetric",
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
