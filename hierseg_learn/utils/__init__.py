"""Helpers that all parts of the package share."""

from ._estimator import Estimator, PickledVersionWarning
from ._files import check_writable, written_whole

__all__ = ["Estimator", "PickledVersionWarning", "check_writable", "written_whole"]
