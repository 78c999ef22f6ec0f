"""Node metrics: maps learned per node, their combination up the tree, contributions."""

from ._combination import Combination, NodeOutcome
from ._landmarks import KernelDiscriminant
from ._lda import ShrinkageLDA
from ._logistic import LogisticCombination
from ._mlp_combination import MLPCombination
from ._projection import ProjectionCombination
from ._scatter import ScatterCombination
from ._weighted import WeightedCombination
from .base import LinearMetric, NonlinearMetric
from .calibration import VoteCalibration
from .contributions import node_contributions, sum_below
from .cross_fitting import CrossFitCombination
from .gradient_metrics import LMNN, NCA, SNRMetric, TripletMargin, snr_distance
from .mlp import MLPMetric

__all__ = [
    "LMNN",
    "NCA",
    "Combination",
    "CrossFitCombination",
    "KernelDiscriminant",
    "LinearMetric",
    "LogisticCombination",
    "MLPCombination",
    "MLPMetric",
    "NodeOutcome",
    "NonlinearMetric",
    "ProjectionCombination",
    "SNRMetric",
    "ScatterCombination",
    "ShrinkageLDA",
    "TripletMargin",
    "VoteCalibration",
    "WeightedCombination",
    "node_contributions",
    "snr_distance",
    "sum_below",
]
