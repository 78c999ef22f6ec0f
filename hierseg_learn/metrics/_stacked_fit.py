"""Node maps of a tree fitted in stacks, which keeps a GPU busy where single nodes are too small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import check_random_state

from ..kernels import Backend, get_backend
from ..kernels.arrays import gather, namespace, transposed
from ..kernels.threads import single_blas_thread
from ._nca import NCA
from ._training import (
    DECAY,
    SQUARE_DECAY,
    TINY,
    Batches,
    NeighborScore,
    Rows,
    SpanRows,
    Training,
    _choose,
    evaluation_interval,
    hold_out,
    keep_candidates,
)
from .canonical import canonical_order
from .node import NodeMap, fit_node_map


@dataclass(frozen=True)
class Member:
    """One fit of a stack."""

    start: np.ndarray  # (n_components, n_features) float64: over standardized columns
    rows: Rows
    codes: np.ndarray  # (n_samples,) int
    batches: Batches
    batch_rows: int  # most rows of a batch
    score: NeighborScore | None  # with its rows as NumPy arrays

    @property
    def bucket(self) -> tuple[int, ...]:
        """What members of one stack have in common: their sizes, rounded up."""
        sizes = (self.batch_rows, *self.start.shape)
        if self.score is not None:
            sizes += (len(self.score.references), len(self.score.queries))
        return *map(padded, sizes), 0 if self.score is None else self.score.n_listed

    @property
    def size(self) -> int:
        """Numbers that a stack holds for this member."""
        n_rows = len(self.rows) + self.bucket[0] + sum(self.bucket[3:-1])
        return n_rows * self.bucket[2]


def padded(size: int) -> int:
    """Round a size up, by a quarter at most from 8 on."""
    step = max(2, 1 << max((size - 1).bit_length() - 3, 0))
    return max(8, -(-size // step) * step)


class StackObjective:
    """The NCA loss of every member over its batch.

    The rows of all members lie on the device, one table behind the other, so that a batch is a
    gather there, and what travels per step is row numbers, maps and gradients.
    """

    def __init__(self, backend: Backend, members: list[Member], dtype: str = "float32") -> None:
        self._backend, self._members, self._dtype = backend, members, dtype
        batch_rows, _, n_features, *_ = members[0].bucket
        sizes = [len(member.rows) for member in members]
        self._offsets = np.cumsum([0, *sizes])
        table = np.zeros((self._offsets[-1], n_features), dtype=dtype)
        for member, first, size in zip(members, self._offsets, sizes):
            own = member.rows.take(np.arange(size))
            table[first : first + size, : own.shape[1]] = own
        self._table = backend.asarray(table)
        self._codes = np.concatenate([member.codes for member in members])
        self._places = np.zeros((len(members), batch_rows), dtype=np.int64)
        self._counts = np.zeros(len(members), dtype=np.int64)
        self._batches = [None] * len(members)

    def draw(self, alive: np.ndarray) -> None:
        """Take the next batch of the members that still learn."""
        changed = False
        for i in np.flatnonzero(alive):
            indices = self._members[i].batches.next()
            if indices is not self._batches[i]:
                changed = True
                self._batches[i], self._counts[i] = indices, len(indices)
                self._places[i, : len(indices)] = self._offsets[i] + indices
        if changed:
            places = self._backend.asarray(self._places)
            self._U = gather(namespace(places), self._table, places)
            self._batch_codes = self._backend.asarray(self._codes[self._places])
            self._n_points = self._backend.asarray(self._counts.copy())

    def loss_grad(self, L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Losses, and gradients by L of shape (n_stack, n_components, n_features)."""
        Z = self._U @ _down(self._backend, L, self._dtype)
        losses, gradient = self._backend.stacked_nca_loss_grad(Z, self._batch_codes, self._n_points)
        by_map = transposed(namespace(gradient), gradient) @ self._U
        to_numpy = self._backend.to_numpy
        return to_numpy(losses), to_numpy(by_map).astype(np.float64)


class StackScore:
    """`NeighborScore` of every member."""

    def __init__(self, backend: Backend, members: list[Member], dtype: str = "float32") -> None:
        self._backend, self._dtype = backend, dtype
        self._scores = [member.score for member in members]
        _, _, n_features, n_references, n_queries, self._n_listed = members[0].bucket
        references = np.zeros((len(members), n_references, n_features), dtype=dtype)
        queries = np.zeros((len(members), n_queries, n_features), dtype=dtype)
        for i, score in enumerate(self._scores):
            references[i, : len(score.references), : score.references.shape[1]] = score.references
            queries[i, : len(score.queries), : score.queries.shape[1]] = score.queries
        self._references, self._queries = backend.asarray(references), backend.asarray(queries)
        counts = [len(score.references) for score in self._scores]
        self._n_points = backend.asarray(np.array(counts, dtype=np.int64))

    def __call__(self, L: np.ndarray) -> list[float]:
        """Score maps of shape (n_stack, n_components, n_features)."""
        down = _down(self._backend, L, self._dtype)
        Q, X = self._queries @ down, self._references @ down
        found = self._backend.stacked_nearest(Q, X, self._n_points, self._n_listed)
        indices, squared = map(self._backend.to_numpy, found)
        return [
            score.score_lists(
                self._backend,
                Q[m, : score.n_rows, :],
                X[m, : len(score.references), :],
                indices[m, : score.n_rows],
                squared[m, : score.n_rows],
            )
            for m, score in enumerate(self._scores)
        ]


def train_stack(
    members: list[Member],
    objective: StackObjective,
    scores: StackScore | None,
    *,
    max_iter: int,
    learning_rate: float,
    tol: float,
    n_iter_no_change: int,
) -> list[Training]:
    """Train the members of a stack; every other argument is that of `train`.

    Returns one per member.
    """
    L = np.zeros((len(members), *members[0].bucket[1:3]))
    for own, member in zip(L, members, strict=True):
        own[: member.start.shape[0], : member.start.shape[1]] = member.start
    row_sizes = np.sum(L**2, axis=2)
    n_rows = np.maximum(np.count_nonzero(row_sizes, axis=1), 1)
    step_sizes = learning_rate * np.sqrt(row_sizes.sum(axis=1) / n_rows)[:, None, None]
    momentum, square = np.zeros_like(L), np.zeros_like(L)
    begun = found = [None] * len(members) if scores is None else scores(L)
    traces = [[(own, value)] for own, value in zip(L, found, strict=True)]
    records = np.full(len(members), np.inf) if scores is None else np.array(found)
    record_iters, curves = np.zeros(len(members), dtype=int), [[] for _ in members]
    alive, idle = np.ones(len(members), dtype=bool), np.zeros(len(members), dtype=int)
    n_batches = np.array([member.batches.n_batches for member in members])
    every = evaluation_interval(max_iter, n_iter_no_change)
    for iteration in range(1, max_iter + 1):
        objective.draw(alive)
        losses, gradient = objective.loss_grad(L)
        for i in np.flatnonzero(alive):
            curves[i].append(float(losses[i]))
        idle = np.where(gradient.any(axis=(1, 2)), 0, idle + 1)
        alive &= np.isfinite(losses) & (idle < n_batches)
        momentum = DECAY * momentum + (1 - DECAY) * gradient
        square = SQUARE_DECAY * square + (1 - SQUARE_DECAY) * gradient**2
        unbiased = momentum / (1 - DECAY**iteration)
        deviation = np.sqrt(square / (1 - SQUARE_DECAY**iteration))
        deviation += TINY * deviation.max(axis=(1, 2), keepdims=True)
        fade = 0.5 * (1 + np.cos(np.pi * (iteration - 1) / max_iter))
        # padding has neither a gradient nor a deviation; whoever has stopped stays in place
        step = np.divide(unbiased, deviation, out=np.zeros_like(L), where=deviation > 0)
        L = np.where(alive[:, None, None], L - fade * step_sizes * step, L)
        if scores is None:
            improved = alive & (losses < records - tol)
            records = np.where(improved, losses, records)
            for i in np.flatnonzero(alive):
                traces[i] = [(L[i], None)]
        elif iteration % every == 0 or iteration == max_iter:
            found = np.array(scores(L))
            improved = alive & (found > records + tol)
            records = np.where(improved, found, records)
            for i in np.flatnonzero(alive):
                traces[i] = keep_candidates(traces[i], L[i], float(found[i]))
        else:
            improved = np.zeros_like(alive)
        record_iters = np.where(improved, iteration, record_iters)
        alive &= iteration - record_iters < n_iter_no_change
        if not alive.any():
            break
    trainings = []
    for member, trace, curve, first in zip(members, traces, curves, begun, strict=True):
        components, score = _choose(trace, member.score, first)
        n_components, n_features = member.start.shape
        own = components[:n_components, :n_features]
        trainings.append(Training(own, score, len(curve), curve))
    return trainings


def _down(backend: Backend, L: np.ndarray, dtype: str) -> Any:
    """Return the transposed maps on the device."""
    return backend.asarray(np.ascontiguousarray(L.astype(dtype).transpose(0, 2, 1)))


# a node of a tree fitted on some rows: (row numbers, node)
Task = tuple[np.ndarray, int]
# numbers of the tables that are copied at once, and of a stack on the device
STACK_SIZE = 2**24


def stack_backend(learners: list[Any], n_values: int) -> Backend | None:
    """Return the device that fits these nodes in stacks, or None if they are fitted one by one.

    Returns none unless the learners are `NCA` with seeds, on CUDA.
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

    Shapes: `X` (n_samples, n_features) float64, `codes` (n_samples,) int. Returns one per task.
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
