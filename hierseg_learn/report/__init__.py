"""Reports about a fitted model: HTML pages that need neither a network nor a server."""

from ._report import write_explanations, write_report

__all__ = ["write_explanations", "write_report"]
