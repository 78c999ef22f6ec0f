"""One node of the tree: from its columns and a learner to a linear map that stands on its own."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.covariance import graphical_lasso
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_X_y

from ..utils.spread import varies
from .base import LinearMetric

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
    """
    if not _comes_from_metric_learn(learner):
        return
    for name, module in sys.modules.copy().items():
        if name.startswith("metric_learn."):
            _translate_calls(module)


def ignore_noise() -> None:
    """Add filters for warnings that metric-learn causes and its user can do nothing about.

    For use within ``warnings.catch_warnings()``.
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


N_PROBES = 8
LINEAR_TOLERANCE = 1e-6


@dataclass(frozen=True)
class NodeMap:
    """The linear map of one node's own columns, whatever learned it."""

    # (n_components, n_columns) float64: the map L_v, over raw columns; without rows for a node that
    # has nothing to learn from
    components: np.ndarray
    # how many of the first rows are the node's metric; the rows behind them are directions that
    # only a parent may make use of
    n_leading: int
    outcome: str  # ``"constant"`` for a node without columns, or whose columns are all constant


def fit_node_map(learner: Any, X: np.ndarray, codes: np.ndarray, *, name: str) -> NodeMap:
    """Fit a learner on one node's columns and copy its linear map out.

    Columns are standardized first, and the scale becomes part of the map; constant columns are left
    out. Where this package's learners are asked for more components than a node has columns, or a
    fold has classes, they give as many as there are. The map is read off as
    ``transform(I) - transform(0)`` rather than from `components_`, which some estimators have
    although they are not linear, and checked on random rows.

    Shapes: `X` (n_samples, n_columns), `codes` (n_samples,) int.
    """
    dtype = np.asarray(X).dtype
    # in float32 the rounding of a constant passes for data
    X = np.ascontiguousarray(X, dtype=np.float64)
    mean, scale = X.mean(axis=0), X.std(axis=0)
    used = varies(X, scale, dtype)
    if not used.any():
        return NodeMap(np.zeros((0, X.shape[1])), 0, "constant")
    rows = (X[:, used] - mean[used]) / scale[used]
    learner = clone(learner)
    prepare(learner)
    with quiet_fits():
        fitted = _fit(learner, rows, codes, name)
        linear = _read_linear_map(fitted, rows, name)
    components = np.zeros((len(linear), X.shape[1]))
    components[:, used] = linear / scale[used]
    return NodeMap(components, getattr(fitted, "n_discriminants_", len(linear)), "fitted")


@contextmanager
def quiet_fits() -> Iterator[None]:
    """Let no learner warn about what the user of a tree can do nothing about.

    Python's warning filters belong to the process: whoever fits in several threads enters this
    before starting them, or one thread may restore the filters that another has set.
    """
    with warnings.catch_warnings():
        # A node's learner that stops early is no news to the user: held-out rows judge it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        ignore_noise()
        yield


def _limit_components(learner: Any, n_columns: int, n_classes: int) -> None:
    """Ask our own learners for no more components than this node, on these rows, can give."""
    params = learner.get_params(deep=False) if isinstance(learner, LinearMetric) else {}
    # a start that is given has a number of rows of its own
    if params.get("n_components") is not None and isinstance(params.get("init", ""), str):
        learner._validate_params()
        most = max(learner._most_components(n_columns, n_classes), 1)
        learner.set_params(n_components=min(learner.n_components, most))


def _fit(learner: Any, rows: np.ndarray, codes: np.ndarray, name: str) -> Any:
    try:
        _limit_components(learner, rows.shape[1], len(np.unique(codes)))
        return learner.fit(rows, codes)
    except Exception as error:
        raise ValueError(
            f"node_metric={type(learner).__name__} could not be fitted for the node {name!r} "
            f"({rows.shape[0]} rows, {rows.shape[1]} columns that vary): {error}"
        ) from error


def _read_linear_map(fitted: Any, rows: np.ndarray, name: str) -> np.ndarray:
    if isinstance(fitted, LinearMetric) and type(fitted).transform is LinearMetric.transform:
        return fitted.components_
    n_columns = rows.shape[1]
    probes = np.random.default_rng(0).standard_normal((N_PROBES, n_columns))
    points = np.concatenate([np.zeros((1, n_columns)), np.eye(n_columns), probes, rows[:N_PROBES]])
    images = np.asarray(fitted.transform(points))
    if images.dtype.kind == "c":
        raise ValueError(
            f"node_metric={type(fitted).__name__} learned a complex map for the node {name!r}; "
            "expected real numbers: its columns are too few or too alike for it."
        )
    if images.ndim != 2 or not np.isfinite(images).all():
        raise ValueError(
            f"node_metric={type(fitted).__name__} learned a map with infinite or missing values "
            f"for the node {name!r}; its columns are too few or too alike for it."
        )
    images = images.astype(np.float64) - images[0]
    linear = images[1 : 1 + n_columns].T
    expected = points[1 + n_columns :] @ linear.T
    if not np.allclose(images[1 + n_columns :], expected, rtol=0, atol=_tolerance(expected)):
        raise ValueError(
            f"node_metric={type(fitted).__name__} is not linear (found at the node {name!r}); "
            "expected an estimator whose transform is a linear map, such as "
            "LinearDiscriminantAnalysis, PCA or NeighborhoodComponentsAnalysis."
        )
    return linear


def _tolerance(expected: np.ndarray) -> float:
    return LINEAR_TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0)))
