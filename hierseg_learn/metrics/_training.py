"""Training of node learners by a gradient: rows, batches, losses, Adam and the held-out score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels import Backend
from ..utils.spread import least_spread
from .ties import find_tied

BLOCK_ROWS = 4096
GROUP_ROWS = 4
# a direction in which rows spread less than this share of the largest spread is rounding
SPANNED = 1e-7


class Rows:
    """Standardized rows of a table X (n_samples, n_features) in some order, computed on demand."""

    def __init__(self, X: np.ndarray, order: np.ndarray | None = None) -> None:
        self.X = X
        self._order = np.arange(len(X)) if order is None else order
        n_features = X.shape[1]
        self.mean, self.scale = np.zeros(n_features), np.zeros(n_features)
        total, largest = np.zeros(n_features), np.zeros(n_features)
        for block in self._raw_blocks():
            total += block.sum(axis=0)
            for extreme in (block.max(axis=0), -block.min(axis=0)):
                np.maximum(largest, extreme, out=largest)
        self.mean = total / len(X)
        squares = np.zeros(n_features)
        for block in self._raw_blocks():
            differences = block - self.mean
            squares += np.square(differences, out=differences).sum(axis=0)
        deviation = np.sqrt(squares / len(X))
        self.scale = np.where(deviation > least_spread(largest, X.dtype), deviation, np.inf)

    def __len__(self) -> int:
        return len(self.X)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return some rows, (n_indices, n_features), float32."""
        taken = np.empty((len(indices), self.X.shape[1]), dtype=np.float32)
        place = 0
        for _, block in self.blocks(indices):
            taken[place : place + len(block)] = block
            place += len(block)
        return taken

    def blocks(self, indices: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (indices, rows in float64) in blocks of a fixed size."""
        for start in range(0, len(indices), BLOCK_ROWS):
            block = indices[start : start + BLOCK_ROWS]
            rows = self.X[self._order[block]] - self.mean
            rows /= self.scale
            yield block, rows

    def _raw_blocks(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self.X), BLOCK_ROWS):
            block = self._order[start : start + BLOCK_ROWS]
            yield np.asarray(self.X[block], dtype=np.float64)


class SpanRows(Rows):
    """Standardized rows in an orthonormal basis of what they span, where they are few.

    The gradient of a map is zero in directions in which no row differs, and memory would grow with
    the square of the columns. `basis` is (n_spanned, n_features).
    """

    def __init__(self, rows: Rows) -> None:
        table = np.concatenate([block for _, block in rows.blocks(np.arange(len(rows)))])
        left, sizes, basis = np.linalg.svd(table, full_matrices=False)
        kept = sizes > SPANNED * sizes[0]
        kept[0] = True  # rows that are all equal span a point
        # turned, since Adam's steps are of one size for all columns: principal ones would be small
        turn = np.linalg.qr(np.random.RandomState(0).standard_normal((kept.sum(), kept.sum())))[0]
        self.X, self.basis = (left[:, kept] * sizes[kept]) @ turn.T, turn @ basis[kept]
        self._order = np.arange(len(rows))
        self.mean, self.scale = np.zeros(len(self.basis)), np.ones(len(self.basis))


class Batches:
    """Batches of rows that hold several rows of a class, drawn epoch by epoch."""

    def __init__(
        self,
        codes: np.ndarray,
        indices: np.ndarray,
        batch_size: int,
        random_state: np.random.RandomState,
    ) -> None:
        self._codes, self._indices, self._random_state = codes, indices, random_state
        self.n_batches = -(-len(indices) // batch_size)
        # a batch holds at least two classes
        self._group_rows = min(GROUP_ROWS, max(1, batch_size // 2))
        self._pending: list[np.ndarray] = []

    def next(self) -> np.ndarray:
        """Return the row numbers of the next batch, ascending."""
        if self.n_batches == 1:
            return self._indices
        if not self._pending:
            self._pending = self._shuffle()
        return self._pending.pop()

    def _shuffle(self) -> list[np.ndarray]:
        """Cut the rows, shuffled within their classes, into small groups and deal these out.

        With thousands of small classes, rows drawn one by one would have no other row of their
        class.
        """
        order = self._random_state.permutation(self._indices)
        order = order[np.argsort(self._codes[order], kind="stable")]
        groups = np.arange(len(order)) // self._group_rows
        rank = self._random_state.permutation(groups[-1] + 1)[groups]
        order = order[np.argsort(rank, kind="stable")]
        # ascending, which is faster to read from a file
        return [np.sort(batch) for batch in np.array_split(order, self.n_batches)]


DECAY, SQUARE_DECAY, TINY = 0.9, 0.999, 1e-12
N_EVALUATIONS = 20
N_IMPOSTORS = 10
# multiples of the start at which its embedding has the mean squared length 1
SCALES = 0.35 * 2.0 ** (0.75 * np.arange(8))


class Objective(ABC):
    """A loss over the rows of a batch and its derivative by a map L (n_components, n_features)."""

    def __init__(self, backend: Backend, rows: Rows, codes: np.ndarray, batches: Batches) -> None:
        self._backend, self._rows, self._codes, self._batches = backend, rows, codes, batches
        self.n_batches = batches.n_batches

    @abstractmethod
    def draw(self, L: np.ndarray) -> None:
        """Choose the rows of the next step; lists of neighbors depend on the map."""

    @abstractmethod
    def loss_grad(self, L: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of the rows drawn and its derivative by L."""

    def _embed(self, L: np.ndarray) -> Any:
        return self._U @ self._backend.asarray(L.astype(np.float32)).T

    def _by_map(self, gradient: Any) -> np.ndarray:
        """Derivative by L: with Z = UL' it is (dloss/dZ)'U."""
        return self._backend.to_numpy(gradient.T @ self._U).astype(np.float64)


class PairObjective(Objective):
    """A loss over all pairs or triplets of a batch."""

    def __init__(self, loss_grad: Callable, *args: Any) -> None:
        super().__init__(*args)
        self._loss_grad, self._indices = loss_grad, None

    def draw(self, L: np.ndarray) -> None:
        """Take the next batch."""
        indices = self._batches.next()
        if indices is not self._indices:
            self._indices = indices
            self._U = self._backend.asarray(self._rows.take(indices))
            self._batch_codes = self._backend.asarray(self._codes[indices])

    def loss_grad(self, L: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss of the batch and its derivative by L."""
        loss, gradient = self._loss_grad(self._embed(L), self._batch_codes)
        return float(loss), self._by_map(gradient)


class ListObjective(Objective):
    """The loss of large margin nearest neighbors over the lists of a batch.

    Lists are searched for every batch: old ones cost more accuracy than they save time.
    """

    def __init__(
        self, *args: Any, n_targets: int, regularization: float, margin: float = 1.0
    ) -> None:
        super().__init__(*args)
        self._n_targets, self._regularization = n_targets, regularization
        self._margin = margin

    def draw(self, L: np.ndarray) -> None:
        """Take the next batch and search its lists under the map."""
        indices = self._batches.next()
        self._U = self._backend.asarray(self._rows.take(indices))
        Z = self._backend.to_numpy(self._embed(L))
        lists = neighbor_lists(self._backend, Z, self._codes[indices], self._n_targets, N_IMPOSTORS)
        self._lists = [self._backend.asarray(array) for array in lists]

    def loss_grad(self, L: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss over the lists and its derivative by L."""
        # the kernel's margin is 1, so the map is measured in units of the margin
        unit = np.sqrt(self._margin)
        loss, gradient = self._backend.lmnn_loss_grad(
            self._embed(L / unit), *self._lists, self._regularization
        )
        return float(loss) * self._margin, self._by_map(gradient) * unit


def neighbor_lists(
    backend: Backend, Z: np.ndarray, codes: np.ndarray, n_targets: int, n_impostors: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest rows of the same class and of other classes for every row of Z.

    Returns `targets` (n_samples, n_targets) and `impostors` (n_samples, n_impostors), int64: row
    numbers, nearest first; -1 where there are fewer.
    """
    targets = np.full((len(Z), n_targets), -1, dtype=np.int64)
    impostors = np.full((len(Z), n_impostors), -1, dtype=np.int64)
    for code in np.unique(codes):
        own, others = np.flatnonzero(codes == code), np.flatnonzero(codes != code)
        queries = backend.asarray(Z[own])
        n_near, n_far = min(n_targets, len(own) - 1), min(n_impostors, len(others))
        if n_near:
            itself = backend.asarray(np.arange(len(own)))
            found, _ = backend.nearest(queries, queries, n_near, itself)
            targets[own, :n_near] = own[backend.to_numpy(found)]
        if n_far:
            found, _ = backend.nearest(queries, backend.asarray(Z[others]), n_far)
            impostors[own, :n_far] = others[backend.to_numpy(found)]
    return targets, impostors


def best_scale(
    L: np.ndarray, mean_square: float, objective: Objective, *, unit: float = 1.0, keep: bool
) -> np.ndarray:
    """Return the multiple of a map with the smallest loss on the rows drawn."""
    if not mean_square > 0:
        return L
    factors = list(SCALES * unit / np.sqrt(mean_square)) + ([1.0] if keep else [])
    losses = [objective.loss_grad(L * factor)[0] for factor in factors]
    return L * factors[int(np.argmin(losses))]


@dataclass(frozen=True)
class Training:
    """Result of the training."""

    components: np.ndarray  # (n_components, n_features): chosen by its score, or the last map
    best_score: float | None  # score of `components`
    n_iter: int
    loss_curve: list[float]  # loss of the batch at every step, before the step


def evaluation_interval(max_iter: int, n_iter_no_change: int) -> int:
    """Steps between two scores: few enough for two scores before training may stop."""
    return max(1, min(max_iter // N_EVALUATIONS, n_iter_no_change // 2))


def train(
    start: np.ndarray,
    objective: Objective,
    score: NeighborScore | None,
    *,
    max_iter: int,
    learning_rate: float,
    tol: float,
    n_iter_no_change: int,
    report: Callable[[int, float, float | None], None],
) -> Training:
    """Minimize an objective by Adam [1]_ with a step that falls to zero along a cosine [2]_.

    Shapes: `start` (n_components, n_features) float64.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba. "Adam: A Method for Stochastic Optimization". ICLR 2015,
       algorithm 1.
    .. [2] I. Loshchilov, F. Hutter. "SGDR: Stochastic Gradient Descent with Warm Restarts".
       ICLR 2017, equation (5).
    """
    L = start
    row_sizes = np.sum(start**2, axis=1)
    step_size = learning_rate * np.sqrt(row_sizes.sum() / max(np.count_nonzero(row_sizes), 1))
    momentum, square = np.zeros_like(L), np.zeros_like(L)
    begun = None if score is None else score(start)
    trace = [(start, begun)]
    record, record_iter, losses = np.inf if score is None else begun, 0, []
    idle, every = 0, evaluation_interval(max_iter, n_iter_no_change)
    for iteration in range(1, max_iter + 1):
        objective.draw(L)
        loss, gradient = objective.loss_grad(L)
        losses.append(loss)
        idle = 0 if gradient.any() else idle + 1
        # training ends after a whole epoch without a gradient
        if not np.isfinite(loss) or idle == objective.n_batches:
            break
        momentum = DECAY * momentum + (1 - DECAY) * gradient
        square = SQUARE_DECAY * square + (1 - SQUARE_DECAY) * gradient**2
        unbiased = momentum / (1 - DECAY**iteration)
        deviation = np.sqrt(square / (1 - SQUARE_DECAY**iteration))
        fade = 0.5 * (1 + np.cos(np.pi * (iteration - 1) / max_iter))
        # relative to the largest entry, since gradients may be far below 1
        deviation += TINY * deviation.max()
        step = np.divide(unbiased, deviation, out=np.zeros_like(L), where=deviation > 0)
        L = L - fade * step_size * step
        if score is None:
            report(iteration, loss, None)
            trace = [(L, None)]
            if loss < record - tol:
                record, record_iter = loss, iteration
        elif iteration % every == 0 or iteration == max_iter:
            found = score(L)
            report(iteration, loss, found)
            # an earlier map that is no better will not be chosen
            trace = [*(candidate for candidate in trace if candidate[1] > found), (L, found)]
            if found > record + tol:
                record, record_iter = found, iteration
        if iteration - record_iter >= n_iter_no_change:
            break
    return Training(*choose_last(trace, score, begun), len(losses), losses)


def choose_last(
    trace: list[tuple[Any, float | None]], score: NeighborScore | None, begun: float | None
) -> tuple[Any, float | None]:
    """Return the last map whose score is within a standard error of the best, and its score.

    The best of many scores of few rows is mostly chance, and later maps are trained longer. No map
    is chosen that scores below the start, whose score is `begun`.
    """
    if score is None:
        return trace[-1]
    top = max(found for _, found in trace)
    least = max(top - np.sqrt(top * (1 - top) / score.n_rows), begun)
    return [(L, found) for L, found in trace if found >= least][-1]


MAX_HELD_OUT = 2000
MAX_REFERENCES = 10000
SCORE_NEIGHBORS = 5


def hold_out(
    codes: np.ndarray, fraction: float, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows, class by class, into training and held-out ones: ascending row numbers.

    Every class keeps a training row, so a class of one row has no held-out row.
    """
    counts = np.bincount(codes)
    order = random_state.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    order = order[counts[codes[order]] > 1]
    step = max(1 / fraction, len(codes) / MAX_HELD_OUT, 2.0)
    # every step-th of the rows sorted by class, so that each class gives its share
    places = np.arange(random_state.uniform(0, step), len(order), step).astype(np.int64)
    held_out = np.sort(order[places])
    return np.delete(np.arange(len(codes)), held_out), held_out


class NeighborScore:
    """Mean fraction of a held-out row's nearest training rows that have its class; ties count.

    It is smoother than the accuracy, which moves in large steps on few rows.
    """

    def __init__(
        self,
        backend: Backend,
        rows: Rows,
        codes: np.ndarray,
        train: np.ndarray,
        held_out: np.ndarray,
        random_state: np.random.RandomState,
        metric_map: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> None:
        if len(train) > MAX_REFERENCES:
            train = np.sort(random_state.permutation(train)[:MAX_REFERENCES])
        self._backend, self._metric_map = backend, metric_map
        self.references = backend.asarray(rows.take(train))
        self.queries = backend.asarray(rows.take(held_out))
        self.reference_codes, self.query_codes = codes[train], codes[held_out]
        self.n_rows, self.n_classes = len(held_out), int(codes.max()) + 1
        self.n_neighbors = min(SCORE_NEIGHBORS, len(train))

    def __call__(self, L: np.ndarray) -> float:
        """Score a map of shape (n_components, n_features)."""
        down = self._backend.asarray(self._metric_map(L).astype(np.float32)).T
        return self.of_embedded(
            self._backend.to_numpy(self.queries @ down),
            self._backend.to_numpy(self.references @ down),
        )

    def of_embedded(self, queries: np.ndarray, references: np.ndarray) -> float:
        """Score an embedding of `queries` and `references`, (n_rows, n_components) each."""
        found = find_tied(
            self._backend,
            queries,
            references,
            self.reference_codes,
            self.n_classes,
            self.n_neighbors,
        )
        votes, _ = found.count_votes(self.reference_codes, np.ones(found.indices.shape))
        same_class = votes[np.arange(self.n_rows), self.query_codes]
        return float(np.mean(same_class) / self.n_neighbors)


# steps of a softmax regression, and the relative decrease of its loss at which it ends
MAX_STEPS = 60
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Softmax:
    """Weights of a softmax regression, of all classes: those without a row have -inf."""

    weights: np.ndarray  # (n_features, n_classes)
    intercepts: np.ndarray  # (n_classes,)

    def products(self, across: np.ndarray) -> np.ndarray:
        """Logits less intercepts of rows, (n_features, n_rows): (n_classes, n_rows)."""
        return self.weights.T.astype(across.dtype) @ across

    def scaled(self, scale: float, log_priors: np.ndarray) -> Softmax:
        """Multiply log-odds, less those of the priors, (n_classes,)."""
        seen = np.isfinite(self.intercepts)
        moved = np.full_like(self.intercepts, -np.inf)
        moved[seen] = scale * (self.intercepts[seen] - log_priors[seen]) + log_priors[seen]
        return Softmax(scale * self.weights, moved)


def fit_softmax(
    blocks: Sequence[np.ndarray],
    codes: np.ndarray,
    n_classes: int,
    penalty: float,
    start: Softmax | None = None,
    n_steps: int = MAX_STEPS,
    tolerance: float = TOLERANCE,
) -> Softmax:
    """Fit a softmax regression, from the weights of another of the same classes if there is one.

    The mean log loss plus half the penalty times the squared weights is least; intercepts are free.
    Shapes: `blocks` of rows, (n_features, n_rows) float32, so that sums over the classes are over
    long runs; `codes` (n_samples,) int.
    """
    seen, places = np.unique(codes, return_inverse=True)
    n_features, n_rows, n_seen = len(blocks[0]), len(codes), len(seen)
    stops = np.cumsum([block.shape[1] for block in blocks])[:-1]
    # places of the classes in the logits of every block
    owns = [own * len(own) + np.arange(len(own)) for own in np.split(places, stops)]

    def loss_grad(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both, loss = flat.reshape(n_features + 1, n_seen), 0.0
        weights, intercepts = both[:-1], both[-1]
        grad = np.zeros_like(both)
        for across, own in zip(blocks, owns, strict=True):
            logits = Softmax(weights, intercepts).products(across).astype(np.float64)
            logits += intercepts[:, None]
            logits -= logits.max(axis=0)
            told = float(logits.take(own).sum())
            excess = np.exp(logits, out=logits)
            sums = excess.sum(axis=0)
            loss += (float(np.log(sums).sum()) - told) / n_rows
            excess /= n_rows * sums
            excess.reshape(-1)[own] -= 1 / n_rows
            grad[:-1] += across @ excess.T.astype(across.dtype, order="C")
            grad[-1] += excess.sum(axis=1)
        grad[:-1] += penalty * weights
        return loss + penalty / 2 * float(np.vdot(weights, weights)), grad.reshape(-1)

    if start is None:
        priors = np.full(n_classes, -np.inf)
        priors[seen] = np.log(np.bincount(places) / n_rows)
        start = Softmax(np.zeros((n_features, n_classes)), priors)
    begun = np.vstack([start.weights, start.intercepts])[:, seen]
    found = minimize_convex(loss_grad, begun.reshape(-1), n_steps, tolerance)
    both = np.zeros((n_features + 1, n_classes))
    both[-1] = -np.inf
    both[:, seen] = found.reshape(n_features + 1, n_seen)
    return Softmax(both[:-1], both[-1])


# steps that the search for a minimum remembers
MEMORY = 10
# share of the decrease along a slope that a step must reach
SUFFICIENT = 1e-4
SHORTEST = 1e-6
# curvature below this share is rounding
FLAT = 1e-12


def minimize_convex(
    loss_grad: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    n_steps: int,
    tolerance: float,
) -> np.ndarray:
    """Place, (n_values,), near the minimum of a smooth convex function, by L-BFGS [1]_.

    It ends where a step decreases the function by less than a share of its value, or of 1. SciPy's
    search is the same, but takes longer around a function that takes some microseconds.

    References
    ----------
    .. [1] J. Nocedal, S. J. Wright. "Numerical Optimization". 2nd edition, Springer 2006,
       algorithms 7.4, 7.5 and 3.1.
    """
    place, (loss, grad) = start, loss_grad(start)
    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=MEMORY)
    for _ in range(n_steps):
        down = _against(grad, pairs)
        slope, is_first = float(grad @ down), not pairs
        if slope >= 0:
            break
        length = min(1.0, 1 / np.sqrt(-slope)) if is_first else 1.0
        while True:
            moved = place + length * down
            moved_loss, moved_grad = loss_grad(moved)
            if moved_loss <= loss + SUFFICIENT * length * slope or length < SHORTEST:
                break
            # the lowest point of the parabola through what is known
            lowest = -slope * length / (2 * (moved_loss - loss - slope * length))
            length *= min(max(lowest, 0.1), 0.5)
        if moved_loss >= loss:
            break
        step, change = moved - place, moved_grad - grad
        inner = float(step @ change)
        if inner > FLAT * float(change @ change):
            pairs.append((step, change, inner))
        # the length of the first step is a guess
        ends = loss - moved_loss <= tolerance * max(abs(loss), 1.0) and not is_first
        place, loss, grad = moved, moved_loss, moved_grad
        if ends:
            break
    return place


def _against(grad: np.ndarray, pairs: deque[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """Direction of descent, by the steps so far and how they changed the gradient."""
    down, rates = -grad, []
    for step, change, inner in reversed(pairs):
        rates.append(float(step @ down) / inner)
        down -= rates[-1] * change
    if pairs:
        _, change, inner = pairs[-1]
        down *= inner / float(change @ change)
    for (step, change, inner), rate in zip(pairs, reversed(rates), strict=True):
        down += (rate - float(change @ down) / inner) * step
    return down
