"""Images in, a table out: one row per image, a block of columns per node."""

from ._transformer import SegmentTreeTransformer

__all__ = [
    "SegmentTreeTransformer",
]
