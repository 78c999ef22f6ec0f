"""Classifier: from a table to classes and the contributions of every node."""

from ._classifier import HierarchicalMetricClassifier
from ._node_snr_distances import node_snr_distances

__all__ = [
    "HierarchicalMetricClassifier",
    "node_snr_distances",
]
