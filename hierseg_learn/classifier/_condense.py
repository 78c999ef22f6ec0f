"""Other training rows than those given: copies by weights, or fewer, prototypes of every class."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from math import ceil, fsum
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.cluster import kmeans_plusplus
from sklearn.utils.validation import check_is_fitted

from ..kernels import get_backend
from ..kernels.arrays import row_blocks
from ..kernels.threads import single_blas_thread
from ..metrics import VoteCalibration
from ..metrics.base import BLOCK_ROWS
from ..metrics.calibration import imitate_votes
from ..metrics.canonical import draw_copies, order_columns, rank_rows
from ..metrics.ties import find_tied
from ..table.checks import check_sample_weight
from ..utils import warn_user
from ._calibration import AUTO_NEIGHBORS
from .votes import Embedding, vote_weights

# numbers of neighbors that are tried: among few rows, few are near
TRIED_NEIGHBORS = (1, 2, 3, 7, *AUTO_NEIGHBORS)
# share of the rows with a weight that a fit may keep without a warning
LEAST_LEFT = 2 / 3
# other training rows whose votes are imitated: bounds time
MAX_QUERIES = 4096
# steps of k-means
MAX_STEPS = 20
# copies of a row in the mean: of more, too few rows differ for copies to be told from rows that are
# alike by nature, and a model would rest on few rows
MAX_COPIES = 10
# weights that are as near to a whole number, or sums as near to 1, differ by rounding
ROUNDING = 1e-9


class CondenseMixin:
    """The rows that :class:`~hierseg_learn.HierarchicalMetricClassifier` holds."""

    # places of held rows in the table given to `fit`, (n_held,) int, where copied or drawn
    _copied: np.ndarray | None = None
    _n_given: int | None = None  # rows of that table, where rows are copied or drawn

    def condense(self, n_prototypes: int = 50) -> Self:
        """Keep a few training rows of every class, for a small model that predicts fast.

        The kept rows, the prototypes [1]_, are the medoids of clusters of each class in the space
        that is searched. The metric stays. So do distances and contributions: they are exact, with
        respect to the rows that are kept.

        Parameters
        ----------
        n_prototypes : int, default=50
            Most rows that are kept of every class. 0 keeps none, where ``decision_`` is "linear" or
            "prototypes", which compare rows with class means instead.

        Returns
        -------
        condensed : HierarchicalMetricClassifier
            A fitted copy that holds the kept rows only. Its `sample_indices_` are their positions
            in the table that was fitted. This model stays as it is.

        Raises
        ------
        TypeError, ValueError
            If `n_prototypes` is no integer of at least 0, or 0 where neighbors vote; or if this
            model holds no training rows.

        See Also
        --------
        imblearn.under_sampling.CondensedNearestNeighbour : Keeps what a nearest neighbor needs to
            predict the training rows, however many rows that are.

        Notes
        -----
        Where neighbors vote, up to 4,096 other training rows choose how many of the prototypes
        vote (with ``n_neighbors="auto"``), the smoothing and the temperature. Their probabilities
        by the prototypes shall be close to those by all training rows without the row itself: so
        the cross-entropy of the two is minimized. `agreement_` is the share of these rows that
        get the same class either way. For other decisions, no prediction changes.

        All that is said of training rows then holds for the kept ones: `kneighbors` finds them,
        `explain_class` and `explain_model` take means over them, and positions of neighbors in
        explanations are positions among them. Novelty and sets of classes are measured against all
        training rows, so they are an error after it, as is `AblatedClassifier` for decisions by
        class means. Nothing in the choice is drawn at random.

        References
        ----------
        .. [1] S. Garcia, J. Derrac, J. R. Cano, F. Herrera. "Prototype Selection for Nearest
           Neighbor Classification: Taxonomy and Empirical Study". IEEE TPAMI 34(3), 2012.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> model = HierarchicalMetricClassifier(decision="neighbors", random_state=0)
        >>> small = model.fit(X[::2], y[::2]).condense(n_prototypes=5)
        >>> len(small.sample_indices_)
        50
        >>> bool(small.score(X[1::2], y[1::2]) > model.score(X[1::2], y[1::2]) - 0.05)
        True
        """
        check_is_fitted(self)
        self._require_rows("condense()")
        by_votes = not self._decide().by_prototypes
        if isinstance(n_prototypes, bool) or not isinstance(n_prototypes, Integral):
            raise TypeError(f"n_prototypes must be an integer, got {n_prototypes!r}.")
        if n_prototypes < by_votes:
            least = "1, since neighbors vote" if by_votes else "0"
            raise ValueError(f"n_prototypes must be at least {least}, got {n_prototypes}.")
        order = np.argsort(self._row_ranks)
        points, codes = self._points_in(order), self._codes[order]
        # by the ranks of the classes, so that their names do not matter
        chosen = [
            members[find_medoids(points[members], n_prototypes)]
            for members in (np.flatnonzero(codes == code) for code in np.argsort(self._class_ranks))
        ]
        chosen = np.sort(np.concatenate(chosen))
        condensed = self._with_rows(np.sort(order[chosen]))
        if by_votes:
            condensed._set_votes(*self._imitated(points, codes, chosen))
        return condensed

    def _points_in(self, order: np.ndarray) -> np.ndarray:
        """Training rows in some order through the root's map, (n_samples, n_components).

        Columns are in an order that their names set, so that theirs does not matter.
        """
        rows, root_map, center = self._references, self._root_map, self._center
        columns = slice(None)
        if self._lift is None and self._names() is not None:
            columns = self._by_name()
        embedding = Embedding.of(root_map[:, columns], rows[:0, columns], center[columns])
        return np.concatenate(
            [
                embedding.embed(rows[order[block]][:, columns])[0]
                for block in row_blocks(len(order), BLOCK_ROWS)
            ]
        )

    def _with_rows(self, kept: np.ndarray) -> Self:
        """Copy the model with some of its training rows, (n_kept,) int."""
        rows = self._X, self._embedding, self._row_ranks, self._codes
        rows += () if self._lift is None else (self._lifted_X,)
        # what is about to go is not copied
        found = deepcopy(self, {id(array): array for array in rows})
        found._X, found._codes = self._X[kept], self._codes[kept]
        found._embedding = self._embedding[kept]
        found._row_ranks = np.argsort(np.argsort(self._row_ranks[kept]))
        if self._lift is not None:
            found._lifted_X = self._lifted_X[kept]
        found._held_out_scores = None
        found.n_neighbors_ = min(self.n_neighbors_, max(1, len(kept)))
        found.sample_indices_ = kept
        if hasattr(self, "sample_indices_"):
            found.sample_indices_ = self.sample_indices_[kept]
        # positions count the kept rows
        found._copied = found._n_given = None
        return found

    def _set_copies(self, X: np.ndarray, y: np.ndarray, sample_weight: Any) -> np.ndarray:
        """Set which rows of a table are held, and how often, by their weights: (n_held,) int."""
        weights = check_sample_weight(sample_weight, len(X))
        kept = np.flatnonzero(weights)
        classes, codes = np.unique(y[kept], return_inverse=True)
        weights = _as_copies(weights[kept], codes, classes)
        drawn = draw_copies(X[kept], codes, weights, self.random_state, self._by_name())
        if weights.sum() < len(kept) and not drawn.all():
            _warn_of_few(X[kept], drawn, weights.sum())
        self._set_places(np.repeat(kept, drawn), len(X))
        return self._copied

    def _set_places(self, places: np.ndarray, n_rows: int) -> None:
        """Set which of the rows of the table given to `fit` are held, (n_held,) int."""
        self._copied, self._n_given = places, n_rows
        self.sample_indices_ = places.copy()

    def _positions(self, held: np.ndarray) -> np.ndarray:
        """Positions as a user counts them, of held rows, int in any shape; -1 is none and stays.

        They are in the table that was fitted; of a condensed model among the rows that it keeps.
        """
        return held if self._copied is None else np.where(held < 0, held, self._copied[held])

    def _held_rows(self, rows: np.ndarray, name: str) -> np.ndarray:
        """Rows of samples as the model holds them, (n_held, n_features), of all that it is of."""
        n_rows = len(self._X) if self._n_given is None else self._n_given
        if len(rows) != n_rows:
            raise ValueError(
                f"{name} must be the {n_rows} that model was fitted on, in the same order, got "
                f"{len(rows)}."
            )
        return rows if self._copied is None else rows[self._copied]

    def _imitated(
        self, points: np.ndarray, codes: np.ndarray, chosen: np.ndarray
    ) -> tuple[VoteCalibration, float]:
        """Calibrate the votes of chosen rows by those of all rows, and measure how they agree.

        `points`, (n_samples, n_components), are rows in an order by their contents, `chosen` some
        of them.
        """
        others = np.setdiff1d(np.arange(len(codes)), chosen)
        if not len(others):  # all rows are kept
            return self._votes, 1.0
        if len(others) > MAX_QUERIES:
            others = others[np.linspace(0, len(others) - 1, MAX_QUERIES).astype(np.intp)]
        shares = np.bincount(codes[chosen], minlength=len(self.classes_)) / len(chosen)
        tried = [self._votes.n_neighbors]
        if self.n_neighbors == "auto":
            tried = [k for k in sorted(TRIED_NEIGHBORS) if 2 * k <= len(chosen)]
        tried = sorted({min(k, len(chosen)) for k in tried}) or [1]
        queries = points[others]
        everyone = self._votes_by(points, codes, others, queries, [self._votes.n_neighbors])
        targets = self._votes.proba(everyone[self._votes.n_neighbors])
        votes = self._votes_by(points[chosen], codes[chosen], None, queries, tried)
        weights = self.class_weight_[codes[others]]
        found = imitate_votes(votes, targets, shares, self._votes.priors, weights)
        proba = found.proba(votes[found.n_neighbors])
        return found, float((proba.argmax(axis=1) == targets.argmax(axis=1)).mean())

    def _votes_by(
        self,
        points: np.ndarray,
        codes: np.ndarray,
        exclude: np.ndarray | None,
        queries: np.ndarray,
        tried: Sequence[int],
    ) -> dict[int, np.ndarray]:
        """Shares of the votes of some neighbors about queries, by the number of neighbors."""
        backend, n_classes = get_backend(self.device, n_values=points.size), len(self.classes_)
        most = len(points) - (exclude is not None)
        votes = {}
        for k in tried:
            found = find_tied(
                backend, queries, points, codes, n_classes, min(k, most), exclude=exclude
            )
            weights = vote_weights(self.weights, found.distances)
            votes[k] = found.count_votes(codes, weights, with_lengths=False)[0]
        return votes

    def _set_votes(self, votes: VoteCalibration, agreement: float) -> None:
        self._votes, self.agreement_ = votes, agreement
        self.n_neighbors_, self.smoothing_ = votes.n_neighbors, votes.smoothing
        self.temperature_ = votes.temperature

    def _require_rows(self, what: str, *, all_of_them: bool = False) -> None:
        """Raise where `what` needs training rows, or all of them, that condensing has dropped."""
        kept = getattr(self, "sample_indices_", None)
        if kept is None or self._copied is not None or (len(kept) and not all_of_them):
            return
        needed = "all" if all_of_them else "the"
        held, otherwise = "none", ", or keep some with condense(n_prototypes)"
        if len(kept):
            held, otherwise = str(len(kept)), ""
        raise ValueError(
            f"{what} needs {needed} training rows, of which this condensed model holds {held}; ask "
            f"the model that was condensed{otherwise}."
        )


def _as_copies(weights: np.ndarray, codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Numbers of copies, (n_samples,) float64, that weights above 0 ask for in the mean."""
    if len(classes) < 2:
        raise ValueError(
            f"sample_weight is above 0 for rows of 1 class, {classes.tolist()[0]!r}; a classifier "
            "needs at least 2."
        )
    n_rows, total = len(weights), fsum(weights)  # in any order of rows
    # one row cannot be fitted to, so these are shares
    if are_shares := total <= 1 + ROUNDING:
        weights = weights / total * n_rows
    elif total > MAX_COPIES * n_rows:
        raise ValueError(
            f"sample_weight asks for {total:.6g} copies of {n_rows} rows, expected at most "
            f"{MAX_COPIES} a row in the mean, since 1 is one copy; divide the weights, by "
            f"{total / n_rows:.3g} to keep {n_rows} rows in all."
        )
    nearest = np.rint(weights)
    is_whole = np.abs(weights - nearest) <= ROUNDING * np.maximum(nearest, 1)
    weights = np.where(is_whole & (nearest > 0), nearest, weights)
    by_class = np.bincount(codes, weights)
    short = int(by_class.argmin())
    if are_shares:
        return weights / np.minimum(by_class, 1)[codes]
    if by_class[short] < 1 - ROUNDING:
        factor, why = n_rows / total, f"to keep {n_rows} rows in all"
        if factor * by_class[short] < 1:
            factor, why = ceil(100 / by_class[short]) / 100, "or leave the class out by zeros"
        raise ValueError(
            f"sample_weight sums to {by_class[short]:.3g} for class {classes.tolist()[short]!r}, "
            f"expected at least 1, since a weight is a number of copies; multiply the weights, by "
            f"{factor:.6g} {why}."
        )
    return weights


def _warn_of_few(rows: np.ndarray, drawn: np.ndarray, total: float) -> None:
    """Warn if many of the rows with a weight have no copy among them, nor has an equal row."""
    places = rank_rows(rows, order_columns(rows))
    left, n_rows = (len(np.unique(found)) for found in (places[drawn > 0], places))
    if left < LEAST_LEFT * n_rows:
        warn_user(
            f"sample_weight leaves {left} of {n_rows} different rows with a weight above 0 in the "
            "fit, since a weight is a number of copies, and fractions of copies are drawn. To "
            f"keep as many as there are, multiply the weights by {len(rows) / total:.6g}."
        )


def find_medoids(points: np.ndarray, n_clusters: int) -> np.ndarray:
    """Cluster points by k-means, and find the point that is nearest to every center.

    Shapes: `points` (n_points, n_components). Returns at most `n_clusters` numbers of points.
    """
    if n_clusters >= len(points) or not n_clusters:
        return np.arange(len(points) if n_clusters else 0)
    # on the CPU, whatever the device of the model, and over fixed blocks: always the same
    backend = get_backend("cpu")
    with single_blas_thread():
        centers, _ = kmeans_plusplus(points, n_clusters, random_state=0)
    owners = None
    for _ in range(MAX_STEPS):
        before, (nearest, squared) = owners, backend.nearest(points, centers, 1)
        owners = nearest[:, 0]
        if before is not None and (owners == before).all():
            break
        counts = np.bincount(owners, minlength=n_clusters)[:, np.newaxis]
        sums = backend.region_sums(points, owners, n_clusters)
        centers = np.where(counts > 0, sums / np.maximum(counts, 1), centers)
    nearest, squared = backend.nearest(points, centers, 1)
    order = np.lexsort((squared[:, 0], nearest[:, 0]))
    return np.sort(order[np.unique(nearest[order, 0], return_index=True)[1]])
