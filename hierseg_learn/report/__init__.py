"""Report about a fitted model: one HTML page that needs neither a network nor a server."""

from ._report import write_report

__all__ = ["write_report"]
