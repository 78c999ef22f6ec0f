"""Combination by softmax regression over everything below a node: its logits are the metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from scipy.special import log_softmax
from sklearn.utils._param_validation import Interval

from ._combination import (
    MAX_QUERIES,
    MAX_REFERENCES,
    Combination,
    FittedNode,
    NodeOutcome,
    Score,
    subsample,
)
from ._lda import ShrinkageLDA
from ._logit_features import LANDMARKS, WEIGHTED, Features, Known, Offered, Table
from ._training import MAX_STEPS, Softmax, fit_softmax
from .block_sums import DRAWN_ROWS, LEAST_OF_CLASS
from .cross_fitting import held_out_folds
from .posteriors import HeldOut, LogitSpace, standard_error

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
# kinds of features that are not learned: the same without any fold
SHARED, NO_ROWS = ("columns", LANDMARKS), np.arange(0)
# of the nodes below the root, whose regressions decide nothing
FEW_STEPS = 20
# relative decrease of the loss at which the search for weights ends, where held-out rows choose
ROUGH = 1e-4
# landmarks that leave at most this share of the loss get weights of the columns, so many times
CURVED = 0.5
N_WEIGHTINGS = 2
# logits that are computed at once: bounds memory
BLOCK_LOGITS = 2**16


@dataclass(frozen=True)
class Tried:
    """One kind and penalty on the held-out rows of every fold."""

    kind: str
    penalty: float
    losses: np.ndarray  # (n_folds, n_scales): sums of log losses
    right: np.ndarray  # (n_folds, n_scales): rows whose class is found
    # by fold the regression, and what it makes of all rows, less intercepts: (n_samples, n_classes)
    # float32
    fits: tuple[tuple[Softmax, np.ndarray], ...]

    @property
    def loss(self) -> float:
        """Sum of the log losses at the best scale."""
        return float(self.losses.sum(axis=0).min())


@dataclass(frozen=True)
class Found:
    """What was found best for the root."""

    table: Table
    tried: Tried
    scale: int
    score: float  # share of the held-out rows that are right, every fold with what others choose


class Regressions:
    """Regressions of nodes, and what held-out rows say of them.

    `codes` are the classes of the rows that choose, of which `folds` are held out, and `all_codes`
    those of all rows, on which what was chosen is fitted.
    """

    def __init__(
        self,
        codes: np.ndarray,
        folds: list[np.ndarray],
        all_codes: np.ndarray,
        threads: Parallel,
    ) -> None:
        self._codes, self._folds, self._threads = codes, folds, threads
        self._all_codes, self._n_classes = all_codes, int(all_codes.max()) + 1
        everyone = np.arange(len(codes))
        self._known = [np.delete(everyone, fold) for fold in folds]
        self._known_priors = [log_shares(codes[rows], self._n_classes) for rows in self._known]
        self.log_priors = log_shares(all_codes, self._n_classes)

    def search(self, table: Table, nodes: Sequence[int], learner: ShrinkageLDA) -> Found:
        """Find the kind, the penalty and the scale (its place) with the lowest log loss."""
        features = table.features(nodes, learner)
        if not (self._folds and features.n_columns):
            tried = Tried("columns", PLAIN_PENALTY, NO_SCORES, NO_SCORES, ())
            return Found(table.of_kind("columns"), tried, 0, float("nan"))
        tried = [one for kind in features.kinds for one in self._follow(features, kind, PENALTIES)]
        chosen, scale, score = self._choose(tried)
        plain = [one for one in tried if one.kind != LANDMARKS]
        best = min(plain, key=attrgetter("loss"))
        if chosen.kind == LANDMARKS:
            gains = self._row_losses(best) - self._row_losses(chosen)
            if gains.sum() <= standard_error(gains):  # the simplest that may be the best
                chosen, scale, score = self._choose(plain)
        if chosen.kind == LANDMARKS and chosen.loss <= CURVED * best.loss:
            before = chosen
            for _ in range(N_WEIGHTINGS):
                table = table.weighted(nodes, self._weights(features, before))
                features = table.features(nodes, learner)
                (before,) = self._follow(features, WEIGHTED, [chosen.penalty])
            path = [one for one in PENALTIES if one < 100 * chosen.penalty]
            tried += self._follow(features, WEIGHTED, path)
            chosen, scale, score = self._choose(tried)
        return Found(table.of_kind(chosen.kind), chosen, scale, score)

    def _choose(self, tried: list[Tried]) -> tuple[Tried, int, float]:
        """What is best, its scale, and the share of right rows, by what the other folds choose."""
        losses, n_right = np.stack([one.losses for one in tried]), 0.0
        for fold in range(len(self._folds)):
            others = np.delete(losses, fold, axis=1).sum(axis=1)
            place, scale = np.unravel_index(others.argmin(), others.shape)
            n_right += float(tried[place].right[fold, scale])
        sums = losses.sum(axis=1)
        place, scale = np.unravel_index(sums.argmin(), sums.shape)
        return tried[place], int(scale), n_right / self._n_asked

    def _weights(self, features: Features, tried: Tried) -> list[Known]:
        """Rows that a regression knew, and its weights, without each fold and of all rows."""
        found, everyone = [], np.arange(len(self._codes))
        shared = self._shared(features, tried.kind)
        for fold, (known, (model, _)) in enumerate(zip(self._known, tried.fits, strict=True)):
            offered = shared or features.offer(tried.kind, self._codes, known, fold)
            found.append((known, offered.back(model.weights)))
        offered = shared or features.offer(tried.kind, self._codes, everyone)
        model = self._last(offered, self._codes, tried)
        return [*found, (everyone, offered.back(model.weights))]

    def repeat(self, features: Features, like: Tried, scale: int) -> tuple[Tried, float]:
        """Fit what was chosen for another node, and score it."""
        if not self._folds:
            return like, float("nan")
        (tried,) = self._follow(features, like.kind, [like.penalty], FEW_STEPS)
        return tried, float(tried.right[:, scale].sum()) / self._n_asked

    def fit(
        self, features: Features, tried: Tried, scale: int, n_steps: int = MAX_STEPS
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, LogitSpace]:
        """Fit what was tried on all rows: weights of columns and similarities, and intercepts."""
        codes = self._all_codes
        offered = features.offer(tried.kind, codes, np.arange(len(codes)))
        model = self._last(offered, codes, tried, n_steps).scaled(SCALES[scale], self.log_priors)
        if not tried.fits:
            products = [model.products(block).T.astype(np.float64) for block in offered.blocks]
            space = LogitSpace.of(model.weights, np.concatenate(products), codes)
            return offered.back(model.weights), model.intercepts, space
        logits = np.empty((len(self._codes), self._n_classes))
        for fold, (_, products) in zip(self._folds, tried.fits, strict=True):
            # what was learned from rows brings them too close together
            logits[fold] = SCALES[scale] * products[fold]
        space = LogitSpace.of(model.weights, logits, self._codes)
        return offered.back(model.weights), model.intercepts, space

    def _last(
        self, offered: Offered, codes: np.ndarray, tried: Tried, n_steps: int = MAX_STEPS
    ) -> Softmax:
        """Regression on rows with a penalty, which follows a stronger one if there is time."""
        given, start = (offered.blocks, codes, self._n_classes), None
        if n_steps == MAX_STEPS:
            start = fit_softmax(*given, 10 * tried.penalty)
        return fit_softmax(*given, tried.penalty, start, n_steps)

    def held_out(self, tried: Tried, scale: int) -> tuple[HeldOut, ...]:
        """Rows of every fold, and the others, in the space that was learned without the fold."""
        found = []
        parts = zip(self._folds, self._known, self._known_priors, tried.fits)
        for fold, known, log_priors, (model, products) in parts:
            logits = SCALES[scale] * products
            model = model.scaled(SCALES[scale], log_priors)
            space = LogitSpace.of(model.weights, logits[known], self._codes[known])
            head = space.head(model.intercepts, log_priors)
            rows, asked = subsample(known, MAX_REFERENCES), subsample(fold, MAX_QUERIES)
            points = [(logits[some] @ space.across.T).astype(np.float32) for some in (rows, asked)]
            own = points[0], self._codes[rows], points[1], self._codes[asked]
            found.append(HeldOut(*own, head=head))
        return tuple(found)

    @property
    def _n_asked(self) -> int:
        return sum(map(len, self._folds))

    def _shared(self, features: Features, kind: str) -> Offered | None:
        """What is offered of a kind that is the same without any fold."""
        return features.offer(kind, self._codes, NO_ROWS) if kind in SHARED else None

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
        folds = range(len(self._folds))
        shared = self._shared(features, kind)
        paths = [self._path(features, kind, fold, penalties, n_steps, shared) for fold in folds]
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
        for path in paths:  # joblib goes on to hold them, and they their features
            path.close()
        return found

    def _path(
        self,
        features: Features,
        kind: str,
        fold: int,
        penalties: Sequence[float],
        n_steps: int,
        offered: Offered | None,
    ) -> Iterator[tuple[Softmax, np.ndarray]]:
        """Regressions on the rows without a fold, and what they make of all rows."""
        rows = self._known[fold]
        (across,) = (offered or features.offer(kind, self._codes, rows, fold)).blocks
        codes, model = self._codes[rows], None
        for penalty in penalties:
            # taken again, since all folds at once would be a table and a half
            known = [np.take(across, rows, axis=1, mode="clip")], codes, self._n_classes
            model = fit_softmax(*known, penalty, model, n_steps, ROUGH)
            del known
            yield model, model.products(across).T

    def _score(self, place: int, fit: tuple[Softmax, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Sum of log losses, and number of right rows, of a fold for every scale: (n_scales,)."""
        around, log_priors, own = self._log_odds(place, fit)
        losses, right = np.zeros(len(SCALES)), np.zeros(len(SCALES))
        n_each = max(1, BLOCK_LOGITS // max(around.size, 1))
        for start in range(0, len(SCALES), n_each):
            some = slice(start, start + n_each)
            logits = SCALES[some, None, None] * around.T + log_priors[:, None]
            logits -= logits.max(axis=1, keepdims=True)
            told = logits[:, own[1], own[0]]
            # classes that tie share a row
            right[some] = ((told >= 0) / (logits >= 0).sum(axis=1)).sum(axis=1)
            sums = np.exp(logits, out=logits).sum(axis=1)
            losses[some] = np.log(sums).sum(axis=1) - told.sum(axis=1)
        return losses, right

    def _log_odds(
        self, place: int, fit: tuple[Softmax, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Log-odds of a fold less those of the priors, (n_asked, n_seen).

        Also returns the log priors, and the places of the classes of the rows.
        """
        fold, log_priors, (model, products) = self._folds[place], self._known_priors[place], fit
        seen = np.flatnonzero(np.isfinite(log_priors))
        # nothing can be said of rows of a class without another row
        asked = fold[np.isin(self._codes[fold], seen)]
        around = products[np.ix_(asked, seen)] + (model.intercepts[seen] - log_priors[seen])
        own = np.arange(len(asked)), np.searchsorted(seen, self._codes[asked])
        return around, log_priors[seen], own

    def _row_losses(self, tried: Tried) -> np.ndarray:
        """Log losses of all held-out rows at the best scale."""
        scale, found = SCALES[tried.losses.sum(axis=0).argmin()], []
        for place, fit in enumerate(tried.fits):
            around, log_priors, own = self._log_odds(place, fit)
            found.append(-log_softmax(scale * around + log_priors, axis=1)[own])
        return np.concatenate(found)


NO_SCORES = np.zeros((0, len(SCALES)))


def log_shares(codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Logarithms of the shares of the classes, (n_classes,); -inf for those without a row."""
    with np.errstate(divide="ignore"):
        return np.log(np.bincount(codes, minlength=n_classes) / len(codes))


def _choosing(codes: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows that choose, of every class its share, and their groups of copies."""
    counts = np.bincount(codes)
    if len(codes) <= DRAWN_ROWS:
        return np.arange(len(codes)), groups
    most = np.maximum(np.ceil(counts * (DRAWN_ROWS / len(codes))), LEAST_OF_CLASS).astype(int)
    drawn = [subsample(np.flatnonzero(codes == c), n) for c, n in enumerate(most)]
    rows = np.sort(np.concatenate(drawn))
    if groups is None:
        return rows, None
    _, firsts, numbers = np.unique(groups[rows], return_index=True, return_inverse=True)
    return rows, firsts[numbers]


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
    squared weights and a scale of the log-odds, by the log loss; landmarks must be better by more
    than a standard error. Where landmarks halve the loss,
    columns that do not matter would drown those that do: the columns of every node are then
    weighted in :math:`d^2` by the mean squared derivative of the logits, and its similarities
    multiplied by the root of the mean of these, twice [2]_; held-out rows say whether this is
    better.

    Parameters
    ----------
    cv : int, default=3
        Number of folds.
    n_landmarks : int, default=200
        Number of landmarks of all nodes together, at least 15 of each; 0 for none, so that the
        metric is linear in the table whatever the data are.

    Notes
    -----
    The kind and the penalty are chosen for the root; the nodes below take the same. Of more than
    20,000 rows, about so many choose, by shares of their classes, and all are fitted. If landmarks
    are chosen, the metric is linear in the columns and similarities of every node rather than in
    the table, and the model has no `components_`. Landmarks are drawn without regard to the
    classes. Nodes are fitted by `ShrinkageLDA`, of which only `shrinkage` is used. The scores of
    nodes are accuracies of the logits, whatever the decision.

    References
    ----------
    .. [1] C. Williams, M. Seeger. "Using the Nyström Method to Speed Up Kernel Machines". NIPS
       2000.
    .. [2] A. Radhakrishnan, D. Beaglehole, P. Pandit, M. Belkin. "Mechanism for Feature Learning in
       Neural Networks and Backpropagation-Free Machine Learning Models". Science 383, 2024.

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
        some, some_groups = _choosing(codes, groups)
        folds = held_out_folds(codes[some], self.cv, random_state, some_groups)
        table = Table.of(X, some, columns, self.n_landmarks, random_state)
        # steps go on where the last ones stopped, so they stay in this process
        threads = Parallel(n_jobs=n_jobs, require="sharedmem")
        regressions = Regressions(codes[some], folds, codes, threads)
        found = regressions.search(table, tree.subtree(tree.root), learners[tree.root])
        table, tried, scale = found.table, found.tried, found.scale
        whole = table if len(some) == len(X) else table.over(X, tried.kind)
        nodes = []
        for node in tree.bottom_up():
            below = tree.subtree(node)
            features = table.features(below, learners[node])
            if not features.n_columns:
                empty = np.zeros((0, X.shape[1]))
                nodes.append(FittedNode(empty, float("nan"), NodeOutcome("constant")))
                on_step()
                continue
            own, n_steps = (tried, found.score), MAX_STEPS
            if node != tree.root:
                own, n_steps = regressions.repeat(features, tried, scale), FEW_STEPS
            if whole is not table:
                features = whole.features(below, learners[node])
            fitted = _fit_node(table, below, features, regressions, *own, scale, n_steps)
            if node != tree.root:
                fitted = replace(fitted, held_out=(), head=None)
            nodes.append(fitted)
            on_step()
        return nodes


def _fit_node(
    table: Table,
    below: Sequence[int],
    features: Features,
    regressions: Regressions,
    tried: Tried,
    score: float,
    scale: int,
    n_steps: int,
) -> FittedNode:
    """Fit one node on all rows as it was tried."""
    learned, intercepts, space = regressions.fit(features, tried, scale, n_steps)
    lifted = tried.kind in (LANDMARKS, WEIGHTED)
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
