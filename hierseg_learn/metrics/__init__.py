"""Node metrics: linear maps learned per node, their combination up the tree, contributions."""

from ._base import LinearMetric
from ._combination import Combination
from ._contributions import node_contributions, pair_squared_distances, sum_below
from ._cross_fit_combination import CrossFitCombination
from ._lda import ShrinkageLDA
from ._lmnn import LMNN
from ._nca import NCA
from ._projection import ProjectionCombination
from ._registry import make_combination, make_node_metric
from ._scatter import ScatterCombination
from ._similarity import metric_similarity
from ._snr import SNRMetric, snr_distance
from ._triplet_margin import TripletMargin
from ._weighted import WeightedCombination

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
    "metric_similarity",
    "node_contributions",
    "pair_squared_distances",
    "snr_distance",
    "sum_below",
]
