"""Bias: accuracy by group, nodes that a model relies on, nodes and files that predict too much."""

from ._display import BiasAuditDisplay
from ._evidence import Evidence
from ._groups import GroupReport, group_report, worst_group_accuracy_score, worst_group_scorer
from ._metadata import MetadataReport, find_metadata_shortcuts
from ._node_reliance import NodeReliance, node_reliance
from ._shortcuts import ShortcutReport, find_shortcuts

__all__ = [
    "BiasAuditDisplay",
    "Evidence",
    "GroupReport",
    "MetadataReport",
    "NodeReliance",
    "ShortcutReport",
    "find_metadata_shortcuts",
    "find_shortcuts",
    "group_report",
    "node_reliance",
    "worst_group_accuracy_score",
    "worst_group_scorer",
]
