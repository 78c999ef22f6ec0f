"""The segment tree: named nodes in flat arrays, children stored before their parents."""

from ._segment_tree import SegmentTree

__all__ = ["SegmentTree"]
