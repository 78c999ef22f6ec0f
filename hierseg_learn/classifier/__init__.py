"""A table in, classes and what every node contributed out."""

from ._classifier import HierarchicalMetricClassifier
from ._node_snr_distances import node_snr_distances

__all__ = [
    "HierarchicalMetricClassifier",
    "node_snr_distances",
]
