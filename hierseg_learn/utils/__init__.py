"""Helpers that all parts of the package share."""

from ._estimator import Estimator, PickledVersionWarning, warn_user
from ._estimator import fill_doc as fill_doc
from ._files import check_writable, written_whole
from ._state import PlainState as PlainState
from ._state import fingerprint as fingerprint
from ._state import pack as pack
from ._state import trusted_types
from ._state import unpack as unpack

__all__ = [
    "Estimator",
    "PickledVersionWarning",
    "check_writable",
    "trusted_types",
    "warn_user",
    "written_whole",
]
