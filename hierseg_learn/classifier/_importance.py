"""What a fitted classifier says about whole classes, and about itself."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..table.layout import TableLayout
from ..utils.labels import check_known, check_labels

if TYPE_CHECKING:
    from ..explain import ClassExplanation, ModelExplanation


def permutation_drops(
    score: Callable[[np.ndarray], float],
    X: np.ndarray,
    layout: TableLayout,
    n_repeats: int,
    rng: np.random.RandomState,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Permute the columns of every node together, alone and with those of all nodes below it.

    Shapes: `X` (n_samples, n_features). Returns `base`: the score of X; `drops_own, drops_below`
    (n_repeats, n_nodes): what the score loses by permuting a node's own columns, and those of its
    whole subtree.
    """
    tree = layout.tree
    base = score(X)
    drops = np.zeros((2, n_repeats, tree.n_nodes))
    for repeat in range(n_repeats):
        order = rng.permutation(len(X))
        for node in tree.bottom_up():
            direct = layout.columns[node]
            below = np.concatenate([layout.columns[n] for n in tree.subtree(node)])
            drops[0, repeat, node] = (
                base - _permuted(score, X, direct, order) if len(direct) else 0.0
            )
            drops[1, repeat, node] = (
                drops[0, repeat, node]
                if len(below) == len(direct)
                else base - _permuted(score, X, below, order)
            )
    return base, drops[0], drops[1]


def _permuted(
    score: Callable[[np.ndarray], float], X: np.ndarray, columns: np.ndarray, order: np.ndarray
) -> float:
    table = X.copy()
    table[:, columns] = X[np.ix_(order, columns)]
    return score(table)


# training rows that the explanation of a class or of the model looks at
MAX_ROWS = 1000


class ExplainClassesMixin:
    """Explanations over the training rows, for :class:`ExplainMixin` to inherit."""

    def explain_class(self, label: Any) -> ClassExplanation:
        """Say which nodes separate a class from all others.

        Parameters
        ----------
        label : object
            A class.

        Returns
        -------
        explanation : ClassExplanation
            Means, with standard errors, over the training rows of the class: of the contrast
            between the nearest rows of all other classes together and those of the own class
            without the row itself; for prototypes, between the nearest other one and the own. Of
            more than 1,000 rows, 1,000 are taken, whatever their order in the table.

        Raises
        ------
        ValueError
            If the class is unknown, or has a single training row.
        """
        from ..explain import ClassExplanation

        check_is_fitted(self)
        code = self._code(label, "label")
        if code is None:
            raise ValueError(f"label must be one of the classes, {self.classes_}, got None.")
        rows = np.flatnonzero(self._codes == code)
        if len(rows) < 2:
            raise ValueError(
                f"label must be a class with 2 training rows at least, so that a row has another "
                f"one of its class to compare with; {label!r} has {len(rows)}."
            )
        rows = self._spread(rows)
        direct = self._contrasts(None).against_others(self._X[rows].astype(np.float64), rows, code)
        return ClassExplanation(self.tree_, direct, label=self.classes_[code], rows=rows)

    def explain_model(
        self, X: Any = None, y: Any = None, n_repeats: int = 5, random_state: Any = None
    ) -> ModelExplanation:
        """Say how much the model relies on every node.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows like those of `fit`, best such that were not in it, to permute columns in: those
            of every node alone, and of every node with all below it. None leaves that out.
        y : array-like of shape (n_samples,), default=None
            Their classes.
        n_repeats : int, default=5
            How often to permute. All nodes get the same permutations, which makes them comparable.
        random_state : int, RandomState instance or None, default=None
            Draws the permutations.

        Returns
        -------
        explanation : ModelExplanation
            By contribution: mean shares in the contrasts of `explain_class`, over the training
            rows of all classes that have two at least, 1,000 of them at most. With X and y, also
            how much accuracy falls by permuting.

        Raises
        ------
        ValueError
            If only one of X and y is given, they do not fit, y lacks a value or holds what is no
            class of the model, or no class has two rows.
        """
        from ..explain import ModelExplanation

        check_is_fitted(self)
        if (X is None) != (y is None):
            raise ValueError("X and y belong together; expected both or neither.")
        if isinstance(n_repeats, bool) or not isinstance(n_repeats, Integral) or n_repeats < 1:
            raise ValueError(f"n_repeats must be an integer of at least 1, got {n_repeats!r}.")
        counts = np.bincount(self._codes)
        rows = self._spread(np.flatnonzero(counts[self._codes] > 1))
        if not len(rows):
            raise ValueError("no class has 2 training rows, so there is nothing to contrast with.")
        contrasts, direct = self._contrasts(None), np.zeros((len(rows), self.tree_.n_nodes))
        for code in np.unique(self._codes[rows]):
            chosen = self._codes[rows] == code
            taken = rows[chosen]
            direct[chosen] = contrasts.against_others(
                self._X[taken].astype(np.float64), taken, code
            )
        if X is None:
            return ModelExplanation(self.tree_, direct)
        decision, table = contrasts.decision, self._check_rows(X)
        y = check_labels(y, "y", len(table))
        check_known(y, "y", self.classes_)
        drops = permutation_drops(
            lambda rows: float((self.classes_[decision.proba(rows).argmax(axis=1)] == y).mean()),
            table,
            self._layout,
            n_repeats,
            check_random_state(random_state),
        )
        return ModelExplanation(
            self.tree_, direct, accuracy=drops[0], drops_own=drops[1], drops_below=drops[2]
        )

    def _spread(self, rows: np.ndarray) -> np.ndarray:
        """At most `MAX_ROWS` of the training rows, those that come first by their contents."""
        if len(rows) <= MAX_ROWS:
            return rows
        return np.sort(rows[np.argsort(self._row_ranks[rows])[:MAX_ROWS]])
