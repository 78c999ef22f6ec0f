"""Find the bias first: accuracy by group, what a model relies on, what says more than it should."""

from ._display import BiasAuditDisplay
from ._group_report import GroupReport, group_report
from ._metadata import MetadataReport, find_metadata_shortcuts
from ._node_reliance import NodeReliance, node_reliance
from ._scorer import worst_group_accuracy, worst_group_accuracy_score, worst_group_scorer
from ._shortcut_report import ShortcutReport
from ._shortcuts import find_shortcuts

__all__ = [
    "BiasAuditDisplay",
    "GroupReport",
    "MetadataReport",
    "NodeReliance",
    "ShortcutReport",
    "find_metadata_shortcuts",
    "find_shortcuts",
    "group_report",
    "node_reliance",
    "worst_group_accuracy",
    "worst_group_accuracy_score",
    "worst_group_scorer",
]
