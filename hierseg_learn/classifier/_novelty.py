"""Novelty of rows, and sets of classes with a stated coverage, by distances to the classes."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..explain import NoveltyExplanation
from ..explain.explanation import NAMELESS, unchecked
from ..metrics.cross_fitting import held_out_folds
from ..metrics.novelty import HeldOutScores, NoveltyModel
from ..utils.labels import check_known, check_labels
from ._explain import _labels

# folds of training rows that are held out
N_FOLDS = 5


class _Fitted(NamedTuple):
    """What was fitted, and what it was fitted to."""

    table: np.ndarray
    held_out: HeldOutScores | None
    model: NoveltyModel


# fitted at the first call; no part of the model, and gone with it
_FITTED: WeakKeyDictionary[Any, _Fitted] = WeakKeyDictionary()


class NoveltyMixin:
    """Abstaining by :class:`~hierseg_learn.HierarchicalMetricClassifier`."""

    _held_out_scores: HeldOutScores | None

    def novelty_score(self, X: Any) -> np.ndarray:
        """Measure how far rows are from all classes of the training rows.

        Every node's own columns are compared with the class means along all directions, in which
        the classes differ or not. So rows are novel, too, where that does not matter to the
        prediction.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.

        Returns
        -------
        score : ndarray of shape (n_samples,), float64
            Larger is more novel: the squared distance to the nearest class, as standard deviations
            above what is usual for training rows that are held out. `explain_novelty` says which
            nodes it comes from.

        Raises
        ------
        ValueError
            If a class has too few training rows to hold some out, and `conformalize` has not got
            others.

        See Also
        --------
        novelty_p_values : The same as the share of held-out rows that are at least as novel.
        sklearn.neighbors.LocalOutlierFactor : Novelty by the density of neighbors.

        Notes
        -----
        The means and covariances of the nodes are fitted at the first call, from the training rows
        that the model holds, and not saved with it. They are closed forms: five folds of training
        rows are held out in turn, copies of a row together with it. The formula is in the user
        guide.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_iris
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
        >>> usual, odd = model.novelty_score([X[0], X[0] + 5])
        >>> bool(usual < 1), bool(odd > 20)
        (True, True)
        """
        rows = self._check_rows(X)
        return self._novelty_model().contributions(rows)[0].sum(axis=1)

    def explain_novelty(self, X: Any) -> NoveltyExplanation:
        """Explain by which nodes rows are unlike the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.

        Returns
        -------
        explanations : NoveltyExplanation
            A batch: an index gives the explanation of one row. Contributions add up to the score;
            those of nodes that are closer to the nearest class than usual are negative.

        Raises
        ------
        ValueError
            As for `novelty_score`.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn.datasets import load_iris
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> names = ["iris/sepal|l", "iris/sepal|w", "iris/petal|l", "iris/petal|w"]
        >>> X = pd.DataFrame(X, columns=names)
        >>> model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
        >>> odd = X[:1].assign(**{"iris/petal|w": 2.5})
        >>> print(model.explain_novelty(odd)[0].to_text().splitlines()[0])
        sample 0 is unlike anything seen, because of petal (81%).
        """
        rows = self._check_rows(X)
        model = self._novelty_model()
        direct, nearest = model.contributions(rows)
        return unchecked(
            NoveltyExplanation,
            tree=self.tree_,
            direct=direct,
            p_value=model.p_values(rows)[1],
            nearest_class=self.classes_[nearest],
            present=self._presence(rows),
            name=_labels(X) if len(rows) else NAMELESS,
            n_held_out=int(model.held_out.counts.sum()),
        )

    def novelty_p_values(self, X: Any) -> np.ndarray:
        """Share of held-out rows that are at least as novel as each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.

        Returns
        -------
        p : ndarray of shape (n_samples,), float64
            From ``1 / (n + 1)`` for n held-out rows, to 1. Of rows that are drawn like the training
            rows, about a share of alpha has a p-value of at most alpha.

        Raises
        ------
        ValueError
            As for `novelty_score`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
        >>> model.novelty_p_values(X[:1] + 5).round(4)
        array([0.0066])
        """
        rows = self._check_rows(X)
        return self._novelty_model().p_values(rows)[1]

    def conformal_p_values(
        self, X: Any, *, smoothed: bool = False, random_state: Any = None
    ) -> np.ndarray:
        """Conformal p-values of all classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.
        smoothed : bool, default=False
            Whether the row itself counts with a random weight between 0 and 1, instead of 1. Then
            sets keep to their coverage also for classes with few rows, instead of exceeding it.
        random_state : int, RandomState instance or None, default=None
            Draws these weights.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes), float64
            For every class, in the order of `classes_`, the share of its held-out rows that fit to
            it at most as well as the row, the row itself included.

        Raises
        ------
        ValueError
            As for `novelty_score`.

        Notes
        -----
        The p-values are class-conditional (Mondrian) and cross-conformal [1]_, [2]_: a row is
        compared with the rows of every fold by class means and covariances that were fitted without
        this fold. For rows of a class that are drawn like its training rows, the p-value of their
        class is at most alpha for about a share of alpha; for rows of `conformalize`, which gives
        split conformal p-values, for at most that share. Of a class with few rows, p-values are
        coarse, and sets of classes larger than need be.

        References
        ----------
        .. [1] V. Vovk, A. Gammerman, G. Shafer. "Algorithmic Learning in a Random World".
           Springer, 2005.
        .. [2] V. Vovk. "Cross-Conformal Predictors". Annals of Mathematics and Artificial
           Intelligence 74, 2015.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
        >>> model.conformal_p_values(X[:1]).round(2)
        array([[0.82, 0.02, 0.02]])
        """
        rows, itself = self._check_rows(X), 1.0
        if smoothed:
            rng = check_random_state(random_state)
            itself = rng.uniform(size=(len(rows), len(self.classes_)))
        return self._novelty_model().p_values(rows, itself)[0]

    def predict_set(
        self,
        X: Any,
        alpha: float = 0.1,
        *,
        smoothed: bool = False,
        random_state: Any = None,
    ) -> np.ndarray:
        """Predict sets of classes that hold the true one with a stated probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.
        alpha : float in (0, 1), default=0.1
            Share of rows whose set may lack their class.
        smoothed, random_state
            As for `conformal_p_values`.

        Returns
        -------
        sets : ndarray of shape (n_samples, n_classes), bool
            Which of `classes_` are in the set: those whose conformal p-value is above alpha. An
            empty set says that the row is unlike all classes: abstain. Several classes say that
            they cannot be told apart with this confidence.

        Raises
        ------
        ValueError
            As for `novelty_score`; also if alpha is not between 0 and 1, or so small that no class
            has enough held-out rows for it.

        See Also
        --------
        conformal_p_values : The p-values, and what is known of the coverage.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HierarchicalMetricClassifier(random_state=0).fit(X, y)
        >>> model.predict_set([X[0], X[0] + 5])
        array([[ True, False, False],
               [False, False, False]])
        """
        if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < alpha < 1:
            raise ValueError(f"alpha must be a number between 0 and 1, got {alpha!r}.")
        p_values = self.conformal_p_values(X, smoothed=smoothed, random_state=random_state)
        most = int(self._novelty_model().held_out.counts.max())
        if alpha * (most + 1) < 1:
            raise ValueError(
                f"alpha={alpha} must be at least {1 / (most + 1):.3g}, the smallest p-value that "
                f"{most} held-out rows of a class allow; pass a larger alpha or more rows."
            )
        return p_values > alpha

    def conformalize(self, X_cal: Any, y_cal: Any) -> Self:
        """Measure novelty and p-values against other rows than held-out training rows.

        Parameters
        ----------
        X_cal : array-like of shape (n_samples, n_features)
            Rows like those of `fit` that are none of them, drawn like those to be predicted.
        y_cal : array-like of shape (n_samples,)
            Their classes, each of which must occur.

        Returns
        -------
        self : HierarchicalMetricClassifier
            The model keeps one number of every row, and is saved with these. The next `fit`
            forgets them.

        Raises
        ------
        ValueError
            If the rows are not like those of `fit`, or a class is unknown or does not occur.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from hierseg_learn import HierarchicalMetricClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = HierarchicalMetricClassifier(random_state=0).fit(X[::2], y[::2])
        >>> model.conformalize(X[1::2], y[1::2]).predict_set(X[:1])
        array([[ True, False, False]])
        """
        rows = self._check_rows(X_cal)
        labels = check_labels(y_cal, "y_cal", len(rows))
        check_known(labels, "y_cal", self.classes_)
        codes = np.searchsorted(self.classes_, labels)
        counts = np.bincount(codes, minlength=len(self.classes_))
        if not counts.all():
            lacking = self.classes_[counts == 0].tolist()
            raise ValueError(
                f"y_cal must hold every class of the model, but {lacking[0]!r} does not occur; "
                "without rows of it, it would be in every set."
            )
        self._require_rows("conformalize()", all_of_them=True)
        self._held_out_scores = self._split_novelty((rows, codes)).held_out
        return self

    def _novelty_model(self) -> NoveltyModel:
        """The classes of the training rows, fitted at the first call."""
        check_is_fitted(self)
        self._require_rows("novelty", all_of_them=True)
        found = _FITTED.get(self)
        if (
            found is None
            or found.table is not self._X
            or found.held_out is not self._held_out_scores
        ):
            if self._held_out_scores is None:
                model = self._cross_fitted_novelty()
            else:
                model = self._split_novelty(self._held_out_scores)
            found = _FITTED[self] = _Fitted(self._X, self._held_out_scores, model)
        return found.model

    def _cross_fitted_novelty(self) -> NoveltyModel:
        # rows and columns in an order that their contents and names set, as in `fit`
        order = np.argsort(self._row_ranks)
        codes, groups = self._class_ranks[self._codes[order]], self._copy_groups(order)
        n_groups = np.bincount(codes[np.unique(groups)], minlength=len(self.classes_))
        folds = held_out_folds(codes, N_FOLDS, 0, groups) if n_groups.min() > 1 else []
        if not folds:
            code = int(n_groups[self._class_ranks].argmin())
            raise ValueError(
                "novelty is measured against training rows that are held out, for which every "
                "class needs at least 2 that are no copies of each other, and two classes need 3; "
                f"{self.classes_.tolist()[code]!r} has {n_groups.min()}. Pass other rows to "
                "conformalize(X_cal, y_cal)."
            )
        codes = self._codes[order]
        return NoveltyModel.cross_fitted(
            self._X[order], codes, len(self.classes_), *self._novelty_columns(), folds
        )

    def _split_novelty(
        self, held_out: tuple[np.ndarray, np.ndarray] | HeldOutScores
    ) -> NoveltyModel:
        order = np.argsort(self._row_ranks)
        codes, n_classes = self._codes[order], len(self.classes_)
        return NoveltyModel.split(
            self._X[order], codes, n_classes, *self._novelty_columns(), held_out
        )

    def _novelty_columns(self) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Columns of every node, sorted by name, and of their presence."""
        names = self._names()
        columns = [
            own if names is None else np.array(sorted(own, key=names.__getitem__), dtype=np.intp)
            for own in self._layout.columns
        ]
        return columns, self._presence_columns
