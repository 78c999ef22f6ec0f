"""Base of all estimators: a fit that succeeds or changes nothing, pickles, and warnings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from inspect import isfunction
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from .._version import __version__
from ._state import pack, unpack

FITS = ("fit", "fit_transform", "fit_resample")
_DRAFT = "_is_draft"
_FITTED_WITH = "_fitted_with"
_VERSION = "_hierseg_learn_version"
_LAYOUT = "_hierseg_learn_layout"
_CHANGED = "_changed_since_fit"
_REQUESTS = "_metadata_request"
# of the states in files; to be raised where a state of before can no longer be read
LAYOUT = 2
# packages whose lines no user can change
_INNER = {__name__.partition(".")[0], "sklearn", "joblib"}


def fill_doc(**names: Any) -> Callable[[type], type]:
    """Decorate a class: replace every `$key` in its docstring by a list of quoted names."""

    def fill(cls: type) -> type:
        for key, values in names.items():
            if cls.__doc__:  # none under python -OO
                quoted = ", ".join(f'"{value}"' for value in values)
                cls.__doc__ = cls.__doc__.replace(f"${key}", quoted)
        return cls

    return fill


def warn_user(message: str | Warning) -> None:
    """Issue a warning that points to the line of the user's code, not to a line of this package.

    Parameters
    ----------
    message : str or Warning
        The warning; a string becomes a UserWarning.

    Examples
    --------
    >>> import warnings
    >>> from hierseg_learn.utils import warn_user
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_user("X looks odd.")
    >>> str(caught[0].message)
    'X looks odd.'
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


class PickledVersionWarning(UserWarning):
    """An estimator was saved by another version of this package than the one that loads it.

    Parameters
    ----------
    estimator_name : str
        Class of the estimator.
    saved_by, loaded_by : str
        The versions.

    Examples
    --------
    >>> import pickle, warnings
    >>> from hierseg_learn.metrics import ShrinkageLDA
    >>> from hierseg_learn.utils import PickledVersionWarning
    >>> saved = pickle.dumps(ShrinkageLDA())
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", PickledVersionWarning)
    ...     pickle.loads(saved)
    ShrinkageLDA()
    """

    def __init__(self, estimator_name: str, saved_by: str, loaded_by: str) -> None:
        super().__init__(estimator_name, saved_by, loaded_by)
        self.estimator_name, self.saved_by, self.loaded_by = estimator_name, saved_by, loaded_by

    def __str__(self) -> str:
        return (
            f"{self.estimator_name} was saved by hierseg_learn {self.saved_by} and is loaded by "
            f"{self.loaded_by}; it may fail or predict something else. Fit it again."
        )


class Estimator(BaseEstimator):
    """Base of all estimators of this package.

    `fit`, `fit_transform` and `fit_resample`, also those of subclasses, work on a draft that
    replaces the estimator in one step at the end. If they fail or are interrupted, the estimator
    stays as it was: fitted as before, or not fitted. An estimator that uses its parameters after
    `fit` (`_reads_params`) is not fitted either if these have been changed since.

    An estimator that was saved by another minor version of the package warns when it is loaded; one
    whose state is laid out in a way that this version does not know is refused. What is saved is
    made of arrays, text and types of this package, so that skops can store it.

    Examples
    --------
    >>> from hierseg_learn.utils import Estimator
    >>> class Largest(Estimator):
    ...     def fit(self, X, y=None):
    ...         self.n_rows_ = len(X)
    ...         self.largest_ = max(X)
    ...         return self
    >>> model = Largest().fit([3, 1])
    >>> model.fit([])
    Traceback (most recent call last):
    ValueError: max() ...
    >>> model.n_rows_, model.largest_
    (2, 3)
    """

    _reads_params: ClassVar[bool] = True

    def _shorten(self, state: dict[str, Any]) -> None:
        """Take from a state what follows from the rest of it; `_complete` makes it again."""

    def _complete(self) -> None:
        """Make again what `_shorten` has taken away."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in FITS:
            if isfunction(method := cls.__dict__.get(name)):
                setattr(cls, name, _whole(method))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        self._shorten(state)
        state[_VERSION], state[_LAYOUT] = __version__, LAYOUT
        if (params := state.pop(_FITTED_WITH, None)) is not None:
            # most are still the parameters; of others, it is enough that they were
            state[_CHANGED] = [name for name in params if state.get(name) is not params[name]]
        if (requests := state.pop(_REQUESTS, None)) is not None:
            # it holds the estimator itself, where skops would go round in circles
            parts = vars(requests).items()
            state[_REQUESTS] = {
                name: dict(part.requests) for name, part in parts if hasattr(part, "add_request")
            }
        return pack(state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = unpack(state)
        saved_by = state.pop(_VERSION, "unknown")
        layout = state.pop(_LAYOUT, LAYOUT)
        if layout != LAYOUT:
            raise ValueError(
                f"{type(self).__name__} was saved by hierseg_learn {saved_by} in layout {layout}, "
                f"and hierseg_learn {__version__} reads layout {LAYOUT}; load it with the version "
                "that saved it, or fit it again."
            )
        if _minor(saved_by) != _minor(__version__):
            warn_user(PickledVersionWarning(type(self).__name__, saved_by, __version__))
        changed, requests = state.pop(_CHANGED, None), state.pop(_REQUESTS, None)
        super().__setstate__(state)
        if changed is not None:
            fitted_with = _params(self) | dict.fromkeys(changed, _Changed)
            vars(self)[_FITTED_WITH] = fitted_with
        if requests is not None:
            self._metadata_request = _made_requests(self._get_metadata_request(), requests)
        self._complete()


def _whole(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method that fits run on a draft that replaces the estimator at the end."""

    @wraps(fit)
    def fit_whole(self: Estimator, *args: Any, **kwargs: Any) -> Any:
        if _DRAFT in vars(self):  # one fit calls another
            return fit(self, *args, **kwargs)
        draft = object.__new__(type(self))
        params = _params(self)
        vars(draft).update(_unfitted(self, params), **{_DRAFT: True})
        fitted_with = vars(self).get(_FITTED_WITH, params)
        if any(fitted_with.get(name, self) is not value for name, value in params.items()):
            self.__dict__ = _unfitted(self, params)
        result = fit(draft, *args, **kwargs)
        fitted = {**vars(draft), **({_FITTED_WITH: params} if self._reads_params else {})}
        del fitted[_DRAFT]
        self.__dict__ = fitted
        return self if result is draft else result

    return fit_whole


class _Changed:
    """Stands for a parameter of `fit` that was another when the estimator was saved."""


def _minor(version: str) -> list[str]:
    """Return the part of a version that changes with what models are, such as 0.1 of 0.1.3."""
    return version.split(".")[:2]


def _made_requests(defaults: Any, requests: dict[str, dict[str, Any]]) -> Any:
    """Metadata requests, by methods."""
    for method, saved in requests.items():
        # imbalanced-learn adds methods to those of scikit-learn, once it is imported
        if not hasattr(defaults, method):
            continue
        found = getattr(defaults, method).requests
        found.clear()
        found.update(saved)
    return defaults


def _params(estimator: Estimator) -> dict[str, Any]:
    """Parameters of an estimator, not those of nested objects."""
    state = vars(estimator)
    return {name: state[name] for name in estimator._get_param_names() if name in state}


def _unfitted(estimator: Estimator, params: dict[str, Any]) -> dict[str, Any]:
    """State of an estimator without what `fit` has set."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name in params or (not name.endswith("_") and name != _FITTED_WITH)
    }
