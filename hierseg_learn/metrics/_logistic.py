"""Combination by softmax regression over everything below a node: its logits are the metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.utils._param_validation import Interval

from ..utils.spread import varies
from ._combination import (
    MAX_QUERIES,
    MAX_REFERENCES,
    Combination,
    FittedNode,
    NodeOutcome,
    Score,
    subsample,
)
from ._landmarks import squared_distances
from ._lda import ClassScatter, Discriminants, ShrinkageLDA
from .cross_fitting import held_out_folds
from .lift import NO_EMBEDDING, Lift, NodeEmbedding
from .posteriors import Head, HeldOut

if TYPE_CHECKING:
    from ..tree import SegmentTree

# penalties of the squared weights, strongest first: each goes on from the weights of the last
PENALTIES = 10.0 ** np.arange(1, -6, -1)
# without folds: a penalty between these
PLAIN_PENALTY = 0.01
# what log-odds, less those of the priors, are multiplied by: strong penalties leave them too small
SCALES = np.array([1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0])
# a path of penalties ends where the log loss is so much above its lowest
GIVE_UP = 1.03
MAX_STEPS = 60
# of the nodes below the root, whose regressions decide nothing
FEW_STEPS = 20
# relative decrease of the loss at which the search for the weights ends
TOLERANCE = 1e-5
# columns, or directions of the rows, of which the scatter is still whitened
MAX_WHITENED = 1000
# landmarks of a node, at least
MIN_LANDMARKS = 15
# size of similarities, and of columns beside them, that the penalties are made for
SIZE = 3.0
# rows that tell the width of the similarity
MAX_WIDTH_ROWS = 500
# share of the largest variance below which a direction is left out
RANK = 1e-4
FLAT = 1e-8


@dataclass(frozen=True)
class ColumnsAndLandmarks:
    """Standardized columns of a node and, beside them, similarities to some of its rows."""

    landmarks: np.ndarray  # (n_landmarks, n_columns)
    width: float  # what squared distances are divided by: their median
    turn: np.ndarray  # (n_landmarks, n_similar): makes products of similarities a kernel's values
    center: np.ndarray  # (n_similar,): their means

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Embed standardized rows, (n_rows, n_columns): (n_rows, n_columns + n_similar)."""
        return np.concatenate([rows, self.similarities(rows)], axis=1)

    def similarities(self, rows: np.ndarray) -> np.ndarray:
        """The similarities alone, (n_rows, n_similar)."""
        kernel = np.exp(-squared_distances(rows, self.landmarks) / self.width)
        return kernel @ self.turn - self.center

    @classmethod
    def of(cls, rows: np.ndarray, n_landmarks: int, seed: int) -> ColumnsAndLandmarks:
        """Draw landmarks from standardized rows, (n_rows, n_columns)."""
        order = np.random.default_rng(seed).permutation(len(rows))
        landmarks = rows[order[:n_landmarks]]
        apart = squared_distances(rows[order[:MAX_WIDTH_ROWS]], landmarks)
        apart = apart[apart > FLAT]
        width = float(np.median(apart)) if len(apart) else 1.0
        sizes, turn = np.linalg.eigh(np.exp(-squared_distances(landmarks, landmarks) / width))
        kept = sizes > RANK * sizes.max(initial=0.0)
        turn = turn[:, kept] / np.sqrt(sizes[kept])
        plain = cls(landmarks, width, turn, np.zeros(turn.shape[1]))
        return replace(plain, center=plain.similarities(rows).mean(axis=0))


@dataclass(frozen=True)
class Softmax:
    """Weights of a softmax regression, of all classes: those without a row have -inf."""

    weights: np.ndarray  # (n_features, n_classes)
    intercepts: np.ndarray  # (n_classes,)

    def products(self, features: np.ndarray) -> np.ndarray:
        """Logits less intercepts of rows, (n_rows, n_features): (n_rows, n_classes) float64."""
        return (features @ self.weights.astype(features.dtype)).astype(np.float64)

    def scaled(self, scale: float, log_priors: np.ndarray) -> Softmax:
        """Multiply log-odds, less those of the priors, (n_classes,)."""
        seen = np.isfinite(self.intercepts)
        moved = np.full_like(self.intercepts, -np.inf)
        moved[seen] = scale * (self.intercepts[seen] - log_priors[seen]) + log_priors[seen]
        return Softmax(scale * self.weights, moved)


def fit_softmax(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    penalties: Sequence[float],
    n_steps: int = MAX_STEPS,
) -> Iterator[Softmax]:
    """Fit a softmax regression for every penalty, each from the weights of the last.

    The mean log loss plus half the penalty times the squared weights is least; intercepts are free.
    Shapes: `features` (n_samples, n_features) float32, `codes` (n_samples,) int.
    """
    seen, places = np.unique(codes, return_inverse=True)
    (n_rows, n_features), n_seen = features.shape, len(seen)
    everyone = np.arange(n_rows)
    across = np.ascontiguousarray(features.T)

    def loss_grad(flat: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        weights, intercepts = flat[:-n_seen].reshape(n_features, n_seen), flat[-n_seen:]
        logits = Softmax(weights, intercepts).products(features)
        logits += intercepts
        logits -= logits.max(axis=1, keepdims=True)
        own = logits[everyone, places]
        proba = np.exp(logits, out=logits)
        sums = proba.sum(axis=1)
        squares = float(np.vdot(weights, weights))
        loss = float((np.log(sums) - own).sum()) / n_rows + penalty / 2 * squares
        proba /= sums[:, None]
        proba[everyone, places] -= 1.0
        excess = proba / n_rows
        grad = across @ excess.astype(features.dtype) + penalty * weights
        return loss, np.concatenate([grad.ravel(), excess.sum(axis=0)])

    flat = np.zeros((n_features + 1) * n_seen)
    flat[-n_seen:] = np.log(np.bincount(places) / n_rows)
    options = {"maxiter": n_steps, "ftol": TOLERANCE}
    for penalty in penalties:
        flat = minimize(
            loss_grad, flat, args=(penalty,), jac=True, method="L-BFGS-B", options=options
        ).x
        weights, intercepts = np.zeros((n_features, n_classes)), np.full(n_classes, -np.inf)
        weights[:, seen] = flat[:-n_seen].reshape(n_features, n_seen)
        intercepts[seen] = flat[-n_seen:]
        yield Softmax(weights, intercepts)


@dataclass(frozen=True)
class Offered:
    """Features of all rows, and the way back from their weights."""

    rows: np.ndarray  # (n_samples, n_features) float32
    # weights (n_features, n_classes) -> of columns (n_columns, n_classes) and of similarities
    back: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Features:
    """What is offered to the regression of one node: everything below it, in several kinds.

    Shapes: `blocks` and `similarities` of every node, (n_samples, n_columns) float32: standardized
    columns, and similarities to landmarks.
    """

    def __init__(
        self, blocks: list[np.ndarray], similarities: list[np.ndarray], learner: ShrinkageLDA
    ) -> None:
        self._blocks = [block for block in blocks if block.shape[1]]
        self._learner = learner
        self._columns = np.concatenate(blocks, axis=1)
        self._similarities = np.concatenate(similarities, axis=1)
        self.n_columns = self._columns.shape[1]

    @property
    def kinds(self) -> list[str]:
        """The kinds that there are."""
        n_directions = min(self._columns.shape)
        return [
            "columns",
            *(["whitened"] if n_directions <= MAX_WHITENED else []),
            *(["whitened by node"] if len(self._blocks) > 1 else []),
            *(["landmarks"] if self._similarities.shape[1] else []),
        ]

    def offer(self, kind: str, codes: np.ndarray, known: np.ndarray) -> Offered:
        """Features of a kind, which may be learned from known rows and their classes."""
        if kind == "whitened by node":
            maps = [self._whitener(block, codes, known) for block in self._blocks]
            blocks = [block @ own for block, own in zip(self._blocks, maps)]
            rows, turn = _few_directions(np.concatenate(blocks, axis=1))
            stops = np.cumsum([len(own) for own in maps])[:-1]
            return Offered(rows, partial(_back_by_node, maps, stops, turn))
        rows, turn = self._directions
        if kind == "columns":
            return Offered(rows, partial(_back, turn, None))
        if kind == "whitened":
            whitener = self._whitener(rows, codes, known)
            return Offered(rows @ whitener, partial(_back, turn, whitener))
        size = SIZE / np.sqrt(self.n_columns)
        rows = np.concatenate([size * rows, SIZE * self._similarities], axis=1)
        return Offered(rows, partial(_back_beside, turn, size, self._directions[0].shape[1]))

    @cached_property
    def _directions(self) -> tuple[np.ndarray, np.ndarray | None]:
        return _few_directions(self._columns)

    def _whitener(self, rows: np.ndarray, codes: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Map under which the shrunk scatter of some rows within classes is the identity."""
        rows = rows[known].astype(np.float64)
        rows -= rows.mean(axis=0)
        scatter = ClassScatter.of(rows, codes[known], int(codes.max()) + 1)
        shrinkage = self._learner.choose_shrinkage([(slice(None), rows)], codes[known], scatter)
        return Discriminants(scatter).whitener(shrinkage).T.astype(np.float32)


def _few_directions(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows along no more directions than there are rows, which changes no regression.

    Also returns the directions, (n_columns, n_directions); None where rows stay as they are.
    """
    if rows.shape[1] <= len(rows):
        return rows, None
    sizes, turns = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    kept = sizes > RANK**2 * sizes.max(initial=0.0)
    turn = (rows.T @ (turns[:, kept] / np.sqrt(sizes[kept]))).astype(np.float32)
    return rows @ turn, turn


def _back(
    turn: np.ndarray | None, whitener: np.ndarray | None, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    weights = weights if whitener is None else whitener @ weights
    return (weights if turn is None else turn @ weights), weights[:0]


def _back_by_node(
    maps: list[np.ndarray], stops: np.ndarray, turn: np.ndarray | None, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    over, none = _back(turn, None, weights)
    blocks = [own @ part for own, part in zip(maps, np.split(over, stops))]
    return np.concatenate(blocks), none


def _back_beside(
    turn: np.ndarray | None, size: float, n_own: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return _back(turn, None, size * weights[:n_own])[0], SIZE * weights[n_own:]


@dataclass(frozen=True)
class Tried:
    """One kind and penalty on the held-out rows of every fold."""

    kind: str
    penalty: float
    losses: np.ndarray  # (n_folds, n_scales): sums of log losses
    right: np.ndarray  # (n_folds, n_scales): rows whose class is found
    # by fold the regression, and what it makes of all rows, (n_samples, n_classes), less intercepts
    fits: tuple[tuple[Softmax, np.ndarray], ...]


@dataclass(frozen=True)
class Space:
    """Logits without intercepts, turned and scaled: their scatter within classes is the identity.

    The largest distances of class means come first.
    """

    across: np.ndarray  # (n_components, n_classes): what logits are mapped by
    back: np.ndarray  # (n_classes, n_components): and mapped back by

    @classmethod
    def of(cls, weights: np.ndarray, logits: np.ndarray, codes: np.ndarray) -> Space:
        """Space of a regression's weights, (n_features, n_classes), and logits of some rows."""
        # what all classes share says nothing
        weights = weights - weights.mean(axis=1, keepdims=True)
        _, sizes, turns = np.linalg.svd(weights, full_matrices=False)
        n_most = weights.shape[1] - 1
        axes = turns[:n_most][sizes[:n_most] > FLAT * sizes.max(initial=0.0)]
        points = logits @ axes.T
        scatter = ClassScatter.of(points - points.mean(axis=0), codes, weights.shape[1])
        variances, directions = np.linalg.eigh(scatter.within())
        overall = float(np.trace(scatter.total()))
        if variances.max(initial=0.0) <= FLAT * overall:
            # without variance within classes, the scale is that of all rows
            variances = np.full_like(variances, overall or 1.0)
        roots = np.sqrt(np.maximum(variances, FLAT * variances.max(initial=0.0)))
        _, _, turn = np.linalg.svd(scatter.between_factor() @ (directions / roots))
        across = turn @ (directions / roots).T @ axes
        # the first class that is far out in a direction is so on the positive side
        far = np.abs(across) > np.abs(across).max(axis=1, keepdims=True, initial=0.0) / 2
        signs = np.sign(across[np.arange(len(across)), far.argmax(axis=1)])[:, None]
        turn, across = signs * turn, signs * across
        return cls(across, axes.T @ (directions * roots) @ turn.T)

    def head(self, intercepts: np.ndarray, log_priors: np.ndarray) -> Head:
        """Anchors of the classes, from which points get the logits."""
        seen = np.isfinite(log_priors)
        beyond = log_priors[seen] - intercepts[seen]
        # they may be moved together: so far that nothing but priors is left of the intercepts
        system = np.column_stack([self.back, np.ones(len(self.back))])[seen]
        lengths = np.einsum("ij,ij->i", self.back, self.back)[seen] / 2
        anchors = self.back + np.linalg.lstsq(system, beyond - lengths)[0][:-1]
        left = np.einsum("ij,ij->i", anchors, anchors)[seen] / 2 - beyond
        offsets = np.full(len(anchors), -np.inf)
        offsets[seen] = left - left.mean()
        return Head(anchors, offsets)


class Regressions:
    """Regressions of nodes, and what held-out rows say of them."""

    def __init__(self, codes: np.ndarray, folds: list[np.ndarray], threads: Parallel) -> None:
        self._codes, self._folds, self._threads = codes, folds, threads
        self._n_classes = int(codes.max()) + 1
        everyone = np.arange(len(codes))
        self._known = [np.delete(everyone, fold) for fold in folds]
        self._known_priors = [log_shares(codes[rows], self._n_classes) for rows in self._known]
        self.log_priors = log_shares(codes, self._n_classes)

    def search(self, features: Features) -> tuple[Tried, int, float]:
        """Find the kind, the penalty and the scale (its place) with the lowest log loss.

        Also returns the share of the rows that are right, every fold with what the others choose.
        """
        if not self._folds:
            return Tried("columns", PLAIN_PENALTY, NO_SCORES, NO_SCORES, ()), 0, float("nan")
        tried = [one for kind in features.kinds for one in self._follow(features, kind, PENALTIES)]
        losses, n_right = np.stack([one.losses for one in tried]), 0.0
        for fold in range(len(self._folds)):
            others = np.delete(losses, fold, axis=1).sum(axis=1)
            place, scale = np.unravel_index(others.argmin(), others.shape)
            n_right += float(tried[place].right[fold, scale])
        sums = losses.sum(axis=1)
        place, scale = np.unravel_index(sums.argmin(), sums.shape)
        return tried[place], int(scale), n_right / self._n_asked

    def repeat(self, features: Features, like: Tried, scale: int) -> tuple[Tried, float]:
        """Fit what was chosen for another node, and score it."""
        if not self._folds:
            return like, float("nan")
        (tried,) = self._follow(features, like.kind, [like.penalty], FEW_STEPS)
        return tried, float(tried.right[:, scale].sum()) / self._n_asked

    def fit(
        self, features: Features, tried: Tried, scale: int, n_steps: int = MAX_STEPS
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, Space]:
        """Fit what was tried on all rows: weights of columns and similarities, and intercepts."""
        everyone, codes = np.arange(len(self._codes)), self._codes
        offered = features.offer(tried.kind, codes, everyone)
        path = [tried.penalty] if n_steps < MAX_STEPS else [10 * tried.penalty, tried.penalty]
        *_, model = fit_softmax(offered.rows, codes, self._n_classes, path, n_steps)
        model = model.scaled(SCALES[scale], self.log_priors)
        logits = model.products(offered.rows)
        for fold, (_, products) in zip(self._folds, tried.fits):
            # what was learned from rows brings them too close together
            logits[fold] = SCALES[scale] * products[fold]
        space = Space.of(model.weights, logits, codes)
        return offered.back(model.weights), model.intercepts, space

    def held_out(self, tried: Tried, scale: int) -> tuple[HeldOut, ...]:
        """Rows of every fold, and the others, in the space that was learned without the fold."""
        found = []
        parts = zip(self._folds, self._known, self._known_priors, tried.fits)
        for fold, known, log_priors, (model, products) in parts:
            logits = SCALES[scale] * products
            model = model.scaled(SCALES[scale], log_priors)
            space = Space.of(model.weights, logits[known], self._codes[known])
            head = space.head(model.intercepts, log_priors)
            rows, asked = subsample(known, MAX_REFERENCES), subsample(fold, MAX_QUERIES)
            points = [(logits[some] @ space.across.T).astype(np.float32) for some in (rows, asked)]
            own = points[0], self._codes[rows], points[1], self._codes[asked]
            found.append(HeldOut(*own, head=head))
        return tuple(found)

    @property
    def _n_asked(self) -> int:
        return sum(map(len, self._folds))

    def _follow(
        self,
        features: Features,
        kind: str,
        penalties: Sequence[float],
        n_steps: int = MAX_STEPS,
    ) -> list[Tried]:
        """Try weaker and weaker penalties, until held-out rows have had enough.

        Only of the best are the fits kept.
        """
        paths = [self._path(features, kind, rows, penalties, n_steps) for rows in self._known]
        found: list[Tried] = []
        lowest = np.inf
        for penalty in penalties:
            fits = self._threads(delayed(next)(path) for path in paths)
            losses, right = map(np.stack, zip(*map(self._score, range(len(fits)), fits)))
            loss = losses.sum(axis=0).min()
            if loss < lowest:
                found = [replace(one, fits=()) for one in found]
            else:
                fits = []
            found.append(Tried(kind, float(penalty), losses, right, tuple(fits)))
            lowest = min(loss, lowest)
            if loss > GIVE_UP * lowest:
                break
        return found

    def _path(
        self,
        features: Features,
        kind: str,
        rows: np.ndarray,
        penalties: Sequence[float],
        n_steps: int,
    ) -> Iterator[tuple[Softmax, np.ndarray]]:
        """Regressions on some rows, and what they make of all rows."""
        offered = features.offer(kind, self._codes, rows).rows
        known = offered[rows], self._codes[rows], self._n_classes
        for model in fit_softmax(*known, penalties, n_steps):
            yield model, model.products(offered)

    def _score(self, place: int, fit: tuple[Softmax, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Sum of log losses, and number of right rows, of a fold for every scale: (n_scales,)."""
        fold, log_priors, (model, products) = self._folds[place], self._known_priors[place], fit
        seen = np.flatnonzero(np.isfinite(log_priors))
        # nothing can be said of rows of a class without another row
        asked = fold[np.isin(self._codes[fold], seen)]
        own = np.arange(len(asked)), np.searchsorted(seen, self._codes[asked])
        around = products[np.ix_(asked, seen)] + (model.intercepts[seen] - log_priors[seen])
        losses, right = np.zeros(len(SCALES)), np.zeros(len(SCALES))
        for at, scale in enumerate(SCALES):
            logs = log_softmax(scale * around + log_priors[seen], axis=1)
            losses[at] = -logs[own].sum()
            leads = logs >= logs.max(axis=1, keepdims=True)
            # classes that tie share a row
            right[at] = (leads[own] / leads.sum(axis=1)).sum()
        return losses, right


NO_SCORES = np.zeros((0, len(SCALES)))


def log_shares(codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Logarithms of the shares of the classes, (n_classes,); -inf for those without a row."""
    with np.errstate(divide="ignore"):
        return np.log(np.bincount(codes, minlength=n_classes) / len(codes))


class Table:
    """The standardized columns of all nodes, and similarities to landmarks."""

    def __init__(
        self, X: np.ndarray, columns: tuple[np.ndarray, ...], n_landmarks: int, random_state: int
    ) -> None:
        own = X.astype(np.float64)
        self._mean, self._scale = own.mean(axis=0), own.std(axis=0)
        kept = varies(own, self._scale, X.dtype)
        self._used = [block[kept[block]] for block in columns]
        self._n_features = X.shape[1]
        n_nodes = max(sum(bool(len(block)) for block in self._used), 1)
        n_each = max(n_landmarks // n_nodes, MIN_LANDMARKS) if n_landmarks else 0
        self._rows, self._embeds, self._similar = [], [], []
        for block in self._used:
            rows = (own[:, block] - self._mean[block]) / self._scale[block]
            embed = ColumnsAndLandmarks.of(rows, n_each if len(block) else 0, random_state)
            self._rows.append(rows.astype(np.float32))
            self._similar.append(embed.similarities(rows).astype(np.float32))
            self._embeds.append(embed)

    @cached_property
    def lift(self) -> Lift:
        """Columns of every node and its similarities, side by side."""
        return Lift(
            tuple(
                NodeEmbedding(
                    block,
                    self._mean[block],
                    self._scale[block],
                    embed,
                    len(block) + embed.turn.shape[1],
                )
                if len(block)
                else NO_EMBEDDING
                for block, embed in zip(self._used, self._embeds, strict=True)
            )
        )

    def features(self, nodes: Sequence[int], learner: ShrinkageLDA) -> Features:
        """Features of some nodes together."""
        blocks = [[own[i] for i in nodes] for own in (self._rows, self._similar)]
        return Features(*blocks, learner)

    def over_table(
        self, nodes: Sequence[int], weights: tuple[np.ndarray, np.ndarray], lifted: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights over the table or, lifted, over columns and similarities of all nodes.

        `weights` are those of columns and of similarities, (n_columns, n_classes). Also returns
        what intercepts lose by that: the logits of a row of means, (n_classes,).
        """
        own, similar = weights
        n_columns = self.lift.n_columns if lifted else self._n_features
        found, start, first = np.zeros((n_columns, own.shape[1])), 0, 0
        for node in nodes:
            block, n_similar = self._used[node], self._similar[node].shape[1]
            part = own[start : start + len(block)]
            if lifted:
                places = self.lift.places[node]
                found[places[: len(block)]] = part
                if len(similar):
                    found[places[len(block) :]] = similar[first : first + n_similar]
            else:
                found[block] = part / self._scale[block, None]
            start, first = start + len(block), first + n_similar
        moved = np.zeros(own.shape[1]) if lifted else self._mean @ found
        return found, moved


class LogisticCombination(Combination):
    r"""A parent's metric is that of the logits of everything below it.

    Every node learns a softmax regression of the classes over all columns below it, its own and
    those of its children. Its map are the logits, whitened by their scatter within classes, so that
    the squared distance counts in units of what rows of one class differ by. With
    ``decision="linear"``, the root's logits are the decision. They are sums over the nodes, so
    what a node contributes to them is exact.

    Four kinds of features are tried: the standardized columns, so that weights are drawn to those
    of class means; the same, whitened by the shrunk scatter within classes, all together or node by
    node, so that they are drawn to linear discriminants; and columns beside similarities
    :math:`\exp(-d^2 / w)` of the columns of *each* node to some of its rows, the landmarks [1]_,
    which learn what is not linear within a node. Held-out rows choose the kind, the penalty of the
    squared weights and a scale of the log-odds, by the log loss.

    Parameters
    ----------
    cv : int, default=3
        Number of folds.
    n_landmarks : int, default=200
        Number of landmarks of all nodes together, at least 15 of each; 0 for none, so that the
        metric is linear in the table whatever the data are.

    Notes
    -----
    The kind and the penalty are chosen for the root; the nodes below take the same. If landmarks
    are chosen, the metric is linear in the columns and similarities of every node rather than in
    the table, and the model has no `components_`. Landmarks are drawn without regard to the
    classes. Nodes are fitted by `ShrinkageLDA`, of which only `shrinkage` is used. The scores of
    nodes are accuracies of the logits, whatever the decision.

    References
    ----------
    .. [1] C. Williams, M. Seeger. "Using the Nyström Method to Speed Up Kernel Machines". NIPS
       2000.

    Examples
    --------
    >>> from hierseg_learn.metrics import LogisticCombination
    >>> LogisticCombination(n_landmarks=0)
    LogisticCombination(n_landmarks=0)
    """

    _parameter_constraints: dict = {
        **Combination._parameter_constraints,
        "n_landmarks": [Interval(Integral, 0, None, closed="left")],
    }
    takes_one_node = True

    def __init__(self, *, cv: int = 3, n_landmarks: int = 200) -> None:
        super().__init__(cv=cv)
        self.n_landmarks = n_landmarks

    def n_steps(self, n_nodes: int) -> int:
        """Count the nodes."""
        return n_nodes

    def fit_nodes(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        tree: SegmentTree,
        columns: tuple[np.ndarray, ...],
        learners: list[Any],
        *,
        score: Score,
        n_jobs: int | None,
        random_state: int,
        on_step: Callable[[], None],
        groups: np.ndarray | None = None,
    ) -> list[FittedNode]:
        """Fit the metrics of all nodes; see `Combination.fit_nodes`."""
        for learner in learners:
            if not isinstance(learner, ShrinkageLDA):
                raise ValueError(
                    "combination='logistic' needs node_metric='lda' or a ShrinkageLDA, got "
                    f"{learner!r}; the combinations 'projection' and 'weighted' take any node "
                    "metric."
                )
            learner._validate_params()
        folds = held_out_folds(codes, self.cv, random_state, groups)
        table = Table(X, columns, self.n_landmarks, random_state)
        regressions = Regressions(codes, folds, Parallel(n_jobs=n_jobs, prefer="threads"))
        everything = table.features(tree.subtree(tree.root), learners[tree.root])
        if everything.n_columns:
            tried, scale, root_score = regressions.search(everything)
        nodes = []
        for node in tree.bottom_up():
            below = tree.subtree(node)
            features = everything if node == tree.root else table.features(below, learners[node])
            if not features.n_columns:
                empty = np.zeros((0, X.shape[1]))
                nodes.append(FittedNode(empty, float("nan"), NodeOutcome("constant")))
                on_step()
                continue
            fitted = table, below, features, regressions
            if node == tree.root:
                nodes.append(_fit_node(*fitted, tried, scale, root_score, MAX_STEPS))
            else:
                own = regressions.repeat(features, tried, scale)
                fitted = _fit_node(*fitted, own[0], scale, own[1], FEW_STEPS)
                nodes.append(replace(fitted, held_out=(), head=None))
            on_step()
        return nodes


def _fit_node(
    table: Table,
    below: Sequence[int],
    features: Features,
    regressions: Regressions,
    tried: Tried,
    scale: int,
    score: float,
    n_steps: int,
) -> FittedNode:
    """Fit one node on all rows as it was tried."""
    learned, intercepts, space = regressions.fit(features, tried, scale, n_steps)
    lifted = tried.kind == "landmarks"
    weights, moved = table.over_table(below, learned, lifted)
    head = space.head(intercepts, regressions.log_priors)
    return FittedNode(
        space.across @ weights.T,
        score,
        NodeOutcome("logistic", features=tried.kind, penalty=tried.penalty),
        table.lift if lifted else None,
        regressions.held_out(tried, scale),
        head=replace(head, anchors=head.anchors + space.across @ moved),
    )
