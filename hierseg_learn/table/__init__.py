"""The table between images and classifier: names of columns, nodes, and checks."""

from .blocks import RowBlocks
from .layout import column_name, split_column, tree_from_columns
from .stored import StoredTable, open_table

__all__ = [
    "RowBlocks",
    "StoredTable",
    "column_name",
    "open_table",
    "split_column",
    "tree_from_columns",
]
