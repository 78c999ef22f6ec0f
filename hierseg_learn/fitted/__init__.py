"""Access to a fitted model, for everything that explains, edits or audits one."""

from .model import FittedModel, check_transformer, unwrap_frozen

__all__ = ["FittedModel", "check_transformer", "unwrap_frozen"]
