"""Explainable image classification with scikit-learn."""

from ._version import __version__
from .classifier import HierarchicalMetricClassifier
from .images import SegmentedImages
from .transformer import SegmentTreeTransformer
from .tree import SegmentTree

__all__ = [
    "HierarchicalMetricClassifier",
    "SegmentTree",
    "SegmentTreeTransformer",
    "SegmentedImages",
    "__version__",
]
