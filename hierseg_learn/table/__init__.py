"""The table between images and classifier: names of columns, nodes, and checks."""

from .blocks import RowBlocks
from .layout import column_name, split_column, tree_from_columns

__all__ = ["RowBlocks", "column_name", "split_column", "tree_from_columns"]
