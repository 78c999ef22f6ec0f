"""metric-learn 0.7.0 under scikit-learn releases that are newer than it.

metric-learn 0.7.0 passes two arguments that scikit-learn has since taken away. `force_all_finite`
of check_array and check_X_y is `ensure_all_finite` since 1.6, and the old name went in 1.8: that
stops every learner of metric-learn. `cov_init` of graphical_lasso went in 1.5: that stops SDML
where skggm is missing.

Only the names by which metric-learn's own modules know these functions are replaced, and only when
one of its learners is about to be fitted: scikit-learn stays as it is, and nothing here imports
metric-learn. A metric-learn that no longer passes the old arguments, and a scikit-learn that still
takes them, are left alone.
"""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from sklearn.covariance import graphical_lasso
from sklearn.utils import check_array, check_X_y

# scikit-learn's function, the argument that it lost, and that argument's new name. `cov_init` has
# none: it was where the solver starts, not what it looks for.
CHANGES: tuple[tuple[Callable, str, str | None], ...] = (
    (check_array, "force_all_finite", "ensure_all_finite"),
    (check_X_y, "force_all_finite", "ensure_all_finite"),
    (graphical_lasso, "cov_init", None),
)


def prepare(learner: Any) -> None:
    """Make metric-learn work with the installed scikit-learn, if a learner comes from it.

    May be called any number of times and from several threads: only scikit-learn's own functions
    are ever replaced, so nothing is wrapped twice and no lock is needed.

    Parameters
    ----------
    learner : estimator
        Does nothing unless it, a base class of it or an estimator among its parameters is of
        metric-learn.

    Examples
    --------
    >>> from metric_learn import Covariance
    >>> from hierseg_learn.metrics._metric_learn import prepare
    >>> prepare(Covariance())
    >>> Covariance().fit([[0.0], [2.0], [4.0]]).components_
    array([[0.5]])
    """
    if not _comes_from_metric_learn(learner):
        return
    for name, module in sys.modules.copy().items():
        if name.startswith("metric_learn."):
            _translate_calls(module)


def ignore_noise() -> None:
    """Add filters for warnings that metric-learn causes and its user can do nothing about.

    For use within ``warnings.catch_warnings()``.

    Examples
    --------
    >>> import warnings
    >>> from hierseg_learn.metrics._metric_learn import ignore_noise
    >>> with warnings.catch_warnings():
    ...     ignore_noise()
    ...     warnings.warn("k >= N for N * N square matrix.", RuntimeWarning)
    """
    # scikit-learn 1.6 and 1.7, which still take the old name
    warnings.filterwarnings("ignore", "'force_all_finite' was renamed", FutureWarning)
    # LFDA asks SciPy's sparse solver for all eigenvectors, unless it is to reduce the dimension
    warnings.filterwarnings("ignore", "k >= N for N", RuntimeWarning)


def _comes_from_metric_learn(learner: Any) -> bool:
    if "metric_learn" not in sys.modules:
        return False
    parts = [learner, *learner.get_params(deep=True).values()]
    bases = {base for part in parts for base in type(part).__mro__}
    return any(base.__module__.partition(".")[0] == "metric_learn" for base in bases)


def _translate_calls(module: ModuleType) -> None:
    """Replace the functions of which a module of metric-learn passes a lost argument."""
    for function, old, new in CHANGES:
        if (
            getattr(module, function.__name__, None) is function
            and old not in inspect.signature(function).parameters
            and _passes(module, old)
        ):
            setattr(module, function.__name__, _translated(function, old, new))


def _passes(module: ModuleType, argument: str) -> bool:
    """Whether an argument is passed anywhere in a module; where there is no source, it may be."""
    try:
        return f"{argument}=" in inspect.getsource(module)
    except OSError:
        return True


def _translated(function: Callable, old: str, new: str | None) -> Callable:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if old in kwargs:
            value = kwargs.pop(old)
            if new is not None:
                kwargs[new] = value
        return function(*args, **kwargs)

    return call
