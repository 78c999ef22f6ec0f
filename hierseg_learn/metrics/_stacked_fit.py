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
from ._held_out import NeighborScore, hold_out
from ._nca import NCA
from ._node import NodeMap, fit_node_map
from ._rows import Batches, Rows
from ._stacked_training import Member, StackObjective, StackScore, train_stack

# a node of a tree fitted on some rows: (row numbers, node)
Task = tuple[np.ndarray, int]
# numbers of a stack on the device, beside the kernels' blocks
STACK_SIZE = 2**26


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
        members = {
            place: _member(learners[node], X[np.ix_(rows, columns[node])], codes[rows], start)
            for place, ((rows, node), start) in enumerate(zip(tasks, maps, strict=True))
            if start.outcome == "fitted"
        }
        learner = learners[0]
        for places in _stacks(members):
            stack = [members.pop(place) for place in places]
            scored = stack[0].score is not None
            trained = train_stack(
                stack,
                StackObjective(backend, stack),
                StackScore(backend, stack) if scored else None,
                max_iter=learner.max_iter,
                learning_rate=learner.learning_rate_init,
                tol=learner.tol,
                n_iter_no_change=learner.n_iter_no_change,
            )
            for place, member, training in zip(places, stack, trained, strict=True):
                components = training.components / member.rows.scale
                maps[place] = NodeMap(components, len(components), "fitted")
    for _ in tasks:
        on_fit()
    return maps


def _member(learner: NCA, X: np.ndarray, codes: np.ndarray, start: NodeMap) -> Member:
    """Draw what the learner's own fit draws, in the same order."""
    rows, random_state = Rows(X), check_random_state(learner.random_state)
    codes = np.unique(codes, return_inverse=True)[1]
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
        random_state.standard_normal((len(start.components), np.count_nonzero(varies)))
    batches.next()  # the one by which the start was scaled
    components = start.components * np.where(varies, rows.scale, 0.0)
    return Member(components, rows, codes, batches, batch_rows, score)


def _stacks(members: dict[int, Member]) -> Iterator[list[int]]:
    """Yield the places of the members of every stack: of one bucket, and of bounded size."""
    buckets: dict[tuple[int, ...], list[int]] = {}
    for place, member in members.items():
        buckets.setdefault(member.bucket, []).append(place)
    for places in buckets.values():
        most = max(1, STACK_SIZE // members[places[0]].size)
        for first in range(0, len(places), most):
            yield places[first : first + most]
