"""Node maps of a tree fitted in stacks, which keeps a GPU busy where single nodes are too small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import check_random_state

from ..kernels import Backend, get_backend
from ..kernels._threads import single_blas_thread
from ._canonical import canonical_order
from ._held_out import NeighborScore, hold_out
from ._nca import NCA
from ._node import NodeMap, fit_node_map
from ._rows import Batches, Rows, SpanRows
from ._stacked_training import Member, StackObjective, StackScore, train_stack

# a node of a tree fitted on some rows: (row numbers, node)
Task = tuple[np.ndarray, int]
# numbers of the tables that are copied at once, and of a stack on the device
STACK_SIZE = 2**24


def stack_backend(learners: list[Any], n_values: int) -> Backend | None:
    """Return the device that fits these nodes in stacks, or None if they are fitted one by one.

    Parameters
    ----------
    learners : list of estimators
        One per node, alike but for their seeds.
    n_values : int
        Numbers in all tables together.

    Returns
    -------
    Backend or None
        None unless the learners are `NCA` with seeds, on CUDA.
    """
    learner = learners[0]
    if type(learner) is not NCA or not isinstance(learner.random_state, Integral):
        return None
    backend = get_backend(learner.device, n_values=n_values)
    return backend if backend.name == "cuda" else None


def fit_stacked(
    X: np.ndarray,
    codes: np.ndarray,
    tasks: list[Task],
    columns: tuple[np.ndarray, ...],
    learners: list[Any],
    names: tuple[str, ...],
    backend: Backend,
    *,
    n_jobs: int | None,
    on_fit: Callable[[], None],
) -> list[NodeMap]:
    """Fit the map of every task.

    Starts are made on the CPU, in parallel: each is what its learner returns after no step. The
    steps are taken on the device, by stacks of nodes of about one size.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float64
        The table.
    codes : ndarray of shape (n_samples,), int
        Classes.
    tasks : list of (ndarray of int, int)
        Rows and node.
    columns : tuple of ndarray of int
        Columns of every node.
    learners : list of NCA
        One per node, alike but for their seeds.
    names : tuple of str
        Paths of the nodes, for messages.
    backend : Backend
    n_jobs : int or None
        Number of threads that make starts.
    on_fit : callable
        Called whenever one map is ready.

    Returns
    -------
    list of NodeMap
        One per task.
    """

    def begin(rows: np.ndarray, node: int) -> NodeMap:
        start = clone(learners[node]).set_params(max_iter=0, device="cpu")
        return fit_node_map(start, X[np.ix_(rows, columns[node])], codes[rows], name=names[node])

    maps = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(begin)(*task) for task in tasks)
    with single_blas_thread():
        for wave in _waves([len(rows) * len(columns[node]) for rows, node in tasks]):
            members = {}
            for place in wave:
                rows, node = tasks[place]
                if maps[place].outcome == "fitted":
                    own = X[np.ix_(rows, columns[node])]
                    members[place] = _member(learners[node], own, codes[rows], maps[place])
            for places in _stacks(members):
                stack = [members[place] for place in places]
                for place, fitted in zip(places, _train(learners[0], stack, backend)):
                    maps[place] = fitted
            for _ in wave:
                on_fit()
    return maps


def _train(learner: NCA, stack: list[Member], backend: Backend) -> list[NodeMap]:
    trainings = train_stack(
        stack,
        StackObjective(backend, stack),
        None if stack[0].score is None else StackScore(backend, stack),
        max_iter=learner.max_iter,
        learning_rate=learner.learning_rate_init,
        tol=learner.tol,
        n_iter_no_change=learner.n_iter_no_change,
    )
    maps = [
        training.components / member.rows.scale
        for training, member in zip(trainings, stack, strict=True)
    ]
    return [NodeMap(components, len(components), "fitted") for components in maps]


def _member(learner: NCA, X: np.ndarray, codes: np.ndarray, start: NodeMap) -> Member:
    """Draw what the learner's own fit draws, in the same order."""
    codes = np.unique(codes, return_inverse=True)[1]
    order, ranks = canonical_order(X, codes)
    codes = ranks[codes[order]]
    rows, random_state = Rows(X, order), check_random_state(learner.random_state)
    trains, score = np.arange(len(X)), None
    if learner.early_stopping:
        trains, held_out = hold_out(codes, learner.validation_fraction, random_state)
        if len(held_out):
            cpu = get_backend("cpu")
            score = NeighborScore(cpu, rows, codes, trains, held_out, random_state, np.asarray)
    batch_rows = min(learner._batch_rows(len(trains)), len(trains))
    batches = Batches(codes, trains, batch_rows, random_state)
    varies = np.isfinite(rows.scale)
    if isinstance(learner.init, str) and learner.init == "random":
        n_columns = np.count_nonzero(varies)
        if len(rows) < n_columns:
            n_columns = len(SpanRows(rows).basis)
        random_state.standard_normal((len(start.components), n_columns))
    batches.next()  # the one by which the start was scaled
    components = start.components * np.where(varies, rows.scale, 0.0)
    return Member(components, rows, codes, batches, batch_rows, score)


def _waves(sizes: list[int]) -> Iterator[list[int]]:
    """Yield places one after the other, as many at once as `STACK_SIZE` numbers, at least one."""
    wave, total = [], 0
    for place, size in enumerate(sizes):
        if wave and total + size > STACK_SIZE:
            yield wave
            wave, total = [], 0
        wave.append(place)
        total += size
    if wave:
        yield wave


def _stacks(members: dict[int, Member]) -> Iterator[list[int]]:
    """Yield the places of the members of every stack: of one bucket, and of bounded size."""
    buckets: dict[tuple[int, ...], list[int]] = {}
    for place, member in members.items():
        buckets.setdefault(member.bucket, []).append(place)
    for places in buckets.values():
        most = max(1, STACK_SIZE // members[places[0]].size)
        for first in range(0, len(places), most):
            yield places[first : first + most]
