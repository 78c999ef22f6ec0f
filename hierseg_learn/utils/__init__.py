"""Helpers that all parts of the package share."""

from ._estimator import Estimator, PickledVersionWarning, warn_user
from ._estimator import fill_doc as fill_doc
from ._files import check_writable, written_whole

__all__ = ["Estimator", "PickledVersionWarning", "check_writable", "warn_user", "written_whole"]
