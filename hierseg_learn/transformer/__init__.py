"""Transformer: from images to a table with one row per image and a block of columns per node."""

from ._transformer import SegmentTreeTransformer

__all__ = [
    "SegmentTreeTransformer",
]
