"""Map of one node, from its columns and any linear learner, metric-learn's included."""

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
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_X_y

from ..kernels.threads import single_blas_thread
from ..utils.spread import least_spread, varies
from ._lda import ColumnSums, row_blocks
from .base import LinearMetric, NonlinearMetric
from .canonical import take_columns
from .lift import AffineFirst, NodeEmbedding

# scikit-learn's function, an argument that was removed, and the argument's new name. `cov_init` has
# none: it set where the solver starts.
CHANGES: tuple[tuple[Callable, str, str | None], ...] = (
    (check_array, "force_all_finite", "ensure_all_finite"),
    (check_X_y, "force_all_finite", "ensure_all_finite"),
    (graphical_lasso, "cov_init", None),
)


def prepare(learner: Any) -> None:
    """Make metric-learn work with the installed scikit-learn, if a learner comes from it.

    Safe to call repeatedly and from several threads: only scikit-learn's own functions are
    replaced, so nothing is wrapped twice.
    """
    if not _comes_from_metric_learn(learner):
        return
    for name, module in sys.modules.copy().items():
        if name.startswith("metric_learn."):
            _translate_calls(module)


def _comes_from_metric_learn(learner: Any) -> bool:
    if "metric_learn" not in sys.modules:
        return False
    parts = [learner, *learner.get_params(deep=True).values()]
    bases = {base for part in parts for base in type(part).__mro__}
    return any(base.__module__.partition(".")[0] == "metric_learn" for base in bases)


def _translate_calls(module: ModuleType) -> None:
    """Replace the functions to which a module of metric-learn passes a removed argument."""
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
    """The map of one node's own columns, whatever learned it."""

    # (n_components, n_columns) float64: the map L_v, over raw columns, or over the embedding of
    # these; without rows if no column varies
    components: np.ndarray
    # how many of the first rows are the node's metric; the others are directions for its parent
    n_leading: int
    embedding: NodeEmbedding | None = None  # of the columns, if the learner is not linear

    def embed(self, rows: np.ndarray) -> np.ndarray:
        """Map rows of the node's own columns, (n_rows, n_columns)."""
        if self.embedding is not None:
            rows = self.embedding(rows)
        return rows @ self.components.T


def fit_node_map(learner: Any, X: np.ndarray, codes: np.ndarray, *, name: str) -> NodeMap:
    """Fit a learner on one node's columns and copy its linear map out.

    Columns are standardized first, and the scale becomes part of the map; constant columns are left
    out. This package's learners give fewer components than asked for where a node has fewer columns
    or a fold fewer classes. The map is ``transform(I) - transform(0)``, checked on random rows,
    since some estimators with `components_` are not linear. A `NonlinearMetric` says itself that it
    is not: its embedding is taken, also behind the linear steps of a pipeline.
    """
    dtype = np.asarray(X).dtype
    # in float32, rounding of a constant would look like data
    X = np.ascontiguousarray(X, dtype=np.float64)
    mean, scale = X.mean(axis=0), X.std(axis=0)
    used = varies(X, scale, dtype)
    if not used.any():
        return NodeMap(np.zeros((0, X.shape[1])), 0)
    rows = (X[:, used] - mean[used]) / scale[used]
    learner = clone(learner)
    prepare(learner)
    with quiet_fits():
        fitted = _fit(learner, rows, codes, name)
        if isinstance(_last_step(fitted), NonlinearMetric):
            embed = _read_embedding(fitted, rows, name)
            size = _count_components(embed, rows, fitted, name)
            own = np.flatnonzero(used), mean[used], scale[used], embed, size
            n_leading = getattr(_last_step(fitted), "n_discriminants_", size)
            return NodeMap(np.eye(size), n_leading, NodeEmbedding(*own))
        linear = _read_linear_map(fitted, rows, name)
    components = np.zeros((len(linear), X.shape[1]))
    components[:, used] = linear / scale[used]
    return NodeMap(components, getattr(fitted, "n_discriminants_", len(linear)))


@dataclass(frozen=True)
class NodeFits:
    """The maps of one node's columns that are learned from several sets of rows."""

    maps: list[NodeMap]  # one per set
    sums: list[ColumnSums] | None = None  # over the rows of every set, if maps follow from these


def fit_node_maps(
    learner: Any,
    X: np.ndarray,
    codes: np.ndarray,
    columns: np.ndarray,
    folds: list[np.ndarray],
    sets: list[tuple[int, ...]],
    *,
    name: str,
    on_fit: Callable[[], None] = lambda: None,
) -> NodeFits:
    """Fit a learner on the rows of several sets of folds, each as `fit_node_map` does.

    A learner that has a method ``learn_from_scatter(scatter, blocks, codes)``, see `ShrinkageLDA`,
    sees the rows of every fold once for their sums: those of a set are the sums of its folds.

    Shapes: `X` (n_samples, n_features), `codes` (n_samples,) int.
    """
    if not learns_from_scatter(learner):
        maps = []
        for chosen in sets:
            rows = np.sort(np.concatenate([folds[fold] for fold in chosen]))
            maps.append(fit_node_map(learner, X[np.ix_(rows, columns)], codes[rows], name=name))
            on_fit()
        return NodeFits(maps)
    n_classes, maps, sums = int(codes.max()) + 1, [], []
    # one thread: the bits of a product depend on the number of threads
    with single_blas_thread():
        own = [take_columns(X, rows, columns) for rows in folds]
        labels = [codes[rows] for rows in folds]
        by_fold = [
            ColumnSums.of(rows, of_rows, n_classes)
            for rows, of_rows in zip(own, labels, strict=True)
        ]
        for chosen in sets:
            sums.append(ColumnSums.join([by_fold[fold] for fold in chosen]))
            rows = [(own[fold], labels[fold]) for fold in chosen]
            maps.append(_learn_from_sums(learner, rows, sums[-1], name))
            on_fit()
    return NodeFits(maps, sums)


def learns_from_scatter(learner: Any) -> bool:
    """Whether the class that says how a learner learns from rows also says how from their sums."""
    for base in type(learner).__mro__:
        if vars(base).keys() & {"fit", "transform", "_fit", "_fit_rows", "learn_from_scatter"}:
            return "learn_from_scatter" in vars(base)
    return False


def _learn_from_sums(
    learner: Any, folds: list[tuple[np.ndarray, np.ndarray]], sums: ColumnSums, name: str
) -> NodeMap:
    """Learn the map of a node from the sums of some folds: their rows and classes."""
    scale, n_columns = sums.spread(), len(sums.center)
    used = scale > least_spread(sums.largest, folds[0][0].dtype)
    if not used.any():
        return NodeMap(np.zeros((0, n_columns)), 0)
    scatter = sums.scatter.standardized(used, scale)
    starts = np.cumsum([0, *(len(rows) for rows, _ in folds)])
    # one block after the other, only if they are asked for
    blocks = (
        (
            slice(start + place.start, start + place.start + len(block)),
            (block[:, used] - sums.center[used]) / scale[used],
        )
        for start, (rows, _) in zip(starts, folds)
        for place, block in row_blocks(rows)
    )
    learner = clone(learner)
    with _named_errors(learner, name, int(scatter.n_rows), int(used.sum())):
        learner._validate_params()
        _limit_components(learner, int(used.sum()), scatter.n_classes)
        codes = np.concatenate([codes for _, codes in folds])
        linear = learner.learn_from_scatter(scatter, blocks, codes)
    components = np.zeros((len(linear), n_columns))
    components[:, used] = linear / scale[used]
    return NodeMap(components, learner.n_discriminants_)


@contextmanager
def quiet_fits() -> Iterator[None]:
    """Silence warnings of learners that the user of a tree cannot act on.

    Warning filters belong to the process: enter this before starting threads that fit.
    """
    with warnings.catch_warnings():
        # held-out rows show whether a learner that stopped early is any good
        warnings.simplefilter("ignore", ConvergenceWarning)
        # from metric-learn: scikit-learn 1.6 and 1.7 still take the old name
        warnings.filterwarnings("ignore", "'force_all_finite' was renamed", FutureWarning)
        # LFDA asks SciPy's sparse solver for all eigenvectors, unless it reduces the dimension
        warnings.filterwarnings("ignore", "k >= N for N", RuntimeWarning)
        yield


def _limit_components(learner: Any, n_columns: int, n_classes: int) -> None:
    """Limit `n_components` of this package's learners to what the node and the rows allow."""
    asked = getattr(learner, "n_components", None) if isinstance(learner, LinearMetric) else None
    # an array as start has its own number of rows
    if asked is not None and isinstance(getattr(learner, "init", ""), str):
        learner._validate_params()
        most = max(learner._most_components(n_columns, n_classes), 1)
        learner.set_params(n_components=min(asked, most))


def _fit(learner: Any, rows: np.ndarray, codes: np.ndarray, name: str) -> Any:
    with _named_errors(learner, name, *rows.shape):
        _limit_components(learner, rows.shape[1], len(np.unique(codes)))
        return learner.fit(rows, codes)


@contextmanager
def _named_errors(learner: Any, name: str, n_rows: int, n_columns: int) -> Iterator[None]:
    """Say of an error of a learner at which node it was raised."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"node_metric={type(learner).__name__} could not be fitted for the node {name!r} "
            f"({n_rows} rows, {n_columns} columns that vary): {error}"
        ) from error


def _last_step(fitted: Any) -> Any:
    return fitted[-1] if isinstance(fitted, Pipeline) else fitted


def _read_embedding(fitted: Any, rows: np.ndarray, name: str) -> Callable:
    """Embedding of a learner, or of a pipeline whose other steps are linear."""
    last = _last_step(fitted)
    if fitted is last or len(fitted) == 1:
        return last.embedding_
    before = fitted[:-1]
    linear = _read_linear_map(before, rows, name)
    offset = np.asarray(before.transform(np.zeros((1, rows.shape[1]))), dtype=np.float64)[0]
    return AffineFirst(linear, offset, last.embedding_)


def _count_components(embed: Callable, rows: np.ndarray, fitted: Any, name: str) -> int:
    """Count the components of an embedding, and check that they are finite numbers."""
    images = np.asarray(embed(rows[:N_PROBES]))
    if images.shape[:-1] != rows[:N_PROBES].shape[:1] or not np.isfinite(images).all():
        raise ValueError(
            f"node_metric={type(fitted).__name__} returned infinite or missing values, or not one "
            f"vector per row, for the node {name!r}; its `_fit` must return a function of rows "
            "that gives (n_samples, n_components) finite numbers."
        )
    return images.shape[1]


def _read_linear_map(fitted: Any, rows: np.ndarray, name: str) -> np.ndarray:
    if isinstance(fitted, LinearMetric) and type(fitted).transform is LinearMetric.transform:
        return fitted.components_
    n_columns = rows.shape[1]
    probes = np.random.default_rng(0).standard_normal((N_PROBES, n_columns))
    points = np.concatenate([np.zeros((1, n_columns)), np.eye(n_columns), probes, rows[:N_PROBES]])
    images = np.asarray(fitted.transform(points))
    if images.dtype.kind == "c":
        raise ValueError(
            f"node_metric={type(fitted).__name__} returned complex numbers for the node {name!r}; "
            "expected real ones. The node has too few columns, or collinear ones."
        )
    if images.ndim != 2 or not np.isfinite(images).all():
        raise ValueError(
            f"node_metric={type(fitted).__name__} returned infinite or missing values for the node "
            f"{name!r}. The node has too few columns, or collinear ones."
        )
    images = images.astype(np.float64) - images[0]
    linear = images[1 : 1 + n_columns].T
    expected = points[1 + n_columns :] @ linear.T
    if not np.allclose(images[1 + n_columns :], expected, rtol=0, atol=_tolerance(expected)):
        raise ValueError(
            f"node_metric={type(fitted).__name__} is not linear (found at the node {name!r}); "
            "expected an estimator whose transform is a linear map, such as "
            "LinearDiscriminantAnalysis, PCA or NeighborhoodComponentsAnalysis, or a learner that "
            "derives from NonlinearMetric, such as MLPMetric."
        )
    return linear


def _tolerance(expected: np.ndarray) -> float:
    return LINEAR_TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0)))
