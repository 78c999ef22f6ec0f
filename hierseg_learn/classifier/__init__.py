"""A table in, classes and what every node contributed out."""

from ._classifier import HierarchicalMetricClassifier
from ._snr_by_node import snr_by_node

__all__ = [
    "HierarchicalMetricClassifier",
    "snr_by_node",
]
