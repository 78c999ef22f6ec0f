"""Access to a fitted model, for everything that explains, edits or audits one."""

from .model import FittedModel

__all__ = ["FittedModel"]
