"""What a fitted classifier says about its distances and decisions."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..kernels.threads import single_blas_thread
from ..metrics import node_contributions
from ..table.checks import check_row, presence_columns
from ..table.layout import split_column
from ..utils.labels import class_code
from ._contrasts import Contrasts
from ._importance import ExplainClassesMixin

if TYPE_CHECKING:
    from ..explain import (
        ContrastExplanation,
        ContrastExplanations,
        PairExplanation,
        PredictionExplanation,
        PredictionExplanations,
    )


class ExplainMixin(ExplainClassesMixin):
    """Explanations of :class:`~hierseg_learn.HierarchicalMetricClassifier`.

    Every one sums Shapley values in closed form: nothing is sampled, so it is the same every time.
    """

    def explain_pair(self, a: Any, b: Any, attribute_to: str = "nodes") -> PairExplanation:
        """Say what every node contributes to the squared distance of two rows.

        Parameters
        ----------
        a, b : array-like of shape (n_features,) or (1, n_features)
            Two rows like those of `fit`; also a Series, or a DataFrame of one row.
        attribute_to : {"nodes", "parts"}, default="nodes"
            Whether an inner node's own columns count for the node, or for the leaves below it as
            far as they can be split exactly: areas, means and square roots of histograms, as
            :class:`~hierseg_learn.SegmentTreeTransformer` writes them, not scaled; see
            :class:`~hierseg_learn.explain.PartsExplanation`.

        Returns
        -------
        explanation : PairExplanation or PartsExplanation
            Its contributions add up to the squared distance.

        Raises
        ------
        ValueError
            If a row is not like those of `fit`, `by` is unknown, or the table has no areas to
            split by.
        """
        from ..explain import PairExplanation, PartsExplanation
        from ..explain.explanation import check_attribute_to

        check_is_fitted(self)
        check_attribute_to(attribute_to)
        rows = [check_row(self, row, name) for row, name in ((a, "a"), (b, "b"))]
        direct = self._contributions(rows[0] - rows[1])[0]
        presence = {"present_a": self._presence(rows[0]), "present_b": self._presence(rows[1])}
        if attribute_to == "parts":
            split, kinds = self._by_parts(*rows)
            return PartsExplanation(
                self.tree_, split[0], own_columns=direct, kinds=kinds, **presence
            )
        return PairExplanation(self.tree_, direct, **presence)

    def explain_prediction(self, x: Any) -> PredictionExplanation:
        """Say why a row gets its class, and how it differs from those who vote on it.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (1, n_features)
            A row like those of `fit`; also a Series, or a DataFrame of one row.

        Returns
        -------
        explanation : PredictionExplanation
            Its `contrast` is that of `explain_contrast`: why the predicted class rather than the
            one that comes next. Its contributions add up to the mean squared distance to the
            neighbors that vote, weighted by their votes; for prototypes, to the one of the
            predicted class. Rows that tie for the last places are all listed, up to 100; of more,
            some of every class stand for the others, which are as far.
        """
        from ..explain import PredictionExplanation

        check_is_fitted(self)
        row = check_row(self, x, "x")
        contrasts = self._contrasts(None)
        voters = contrasts.decision.voters(row)
        several = len(self.classes_) > 1
        return PredictionExplanation(
            self.tree_,
            self._contributions(row - voters.rows),
            prediction=self.classes_[voters.proba.argmax()],
            classes=self.classes_,
            proba=voters.proba,
            neighbors=voters.indices,
            neighbor_classes=self.classes_[voters.codes],
            vote_weights=voters.weights,
            present=self._presence(row),
            kind=self.decision,
            contrast=self._contrast(row, contrasts, proba=voters.proba[None]) if several else None,
        )

    def explain_contrast(
        self,
        x: Any,
        target: Any = None,
        foil: Any = None,
        n_neighbors: int | None = None,
        attribute_to: str = "nodes",
    ) -> ContrastExplanation:
        """Say which nodes pull a row towards one class and away from another.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (1, n_features)
            A row like those of `fit`; also a Series, or a DataFrame of one row.
        target : object, default=None
            The class to speak for; None takes the predicted one.
        foil : object, default=None
            The class to speak against; None takes the one that is most probable after `target`,
            among equally probable ones the nearest.
        n_neighbors : int, default=None
            How many training rows of either class the row is compared with; None takes the
            parameter, or the whole class where that is smaller. Prototypes have no neighbors.
        attribute_to : {"nodes", "parts"}, default="nodes"
            As in `explain_pair`.

        Returns
        -------
        explanation : ContrastExplanation
            Its contributions add up to the mean squared distance to the nearest rows of `foil`
            minus the one to the nearest rows of `target`, weighted by what their votes would weigh;
            for prototypes, to the difference of the squared distances to the two.

        Raises
        ------
        ValueError
            If a class is unknown, both are the same, or one has fewer rows than `n_neighbors`; also
            as in `explain_pair` for `by`.
        """
        check_is_fitted(self)
        row = check_row(self, x, "x")
        contrasts = self._contrasts(n_neighbors, attribute_to)
        codes = self._code(target, "target"), self._code(foil, "foil")
        return self._contrast(row, contrasts, *codes)

    def explain_predictions(self, X: Any) -> PredictionExplanations:
        """Explain the predictions for many rows at once, as `explain_prediction` does for one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.

        Returns
        -------
        explanations : PredictionExplanations
            Indexing gives single explanations; `contributions` is a tidy DataFrame.
        """
        from ..explain import PredictionExplanations

        rows = self._check_rows(X).astype(np.float64)
        contrasts = self._contrasts(None)
        votes = contrasts.decision.votes(rows)
        several = len(self.classes_) > 1
        return PredictionExplanations(
            self.tree_,
            contrasts.contributions(rows, votes.indices),
            predictions=self.classes_[votes.proba.argmax(axis=1)],
            classes=self.classes_,
            proba=votes.proba,
            neighbors=votes.indices,
            neighbor_classes=self.classes_[votes.codes],
            vote_weights=votes.weights,
            present=self._presences(rows),
            samples=_labels(X),
            kind=self.decision,
            contrasts=(
                self._all_contrasts(X, rows, contrasts, proba=votes.proba) if several else None
            ),
        )

    def explain_contrasts(
        self,
        X: Any,
        target: Any = None,
        foil: Any = None,
        n_neighbors: int | None = None,
        attribute_to: str = "nodes",
    ) -> ContrastExplanations:
        """Contrast many rows at once, as `explain_contrast` does one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.
        target, against : object, default=None
            Classes, the same for all rows; None takes those of each row.
        n_neighbors : int, default=None
            As in `explain_contrast`.
        attribute_to : {"nodes", "parts"}, default="nodes"
            As in `explain_pair`.

        Returns
        -------
        explanations : ContrastExplanations
            Indexing gives single explanations; `contributions` is a tidy DataFrame.

        Raises
        ------
        ValueError
            As in `explain_contrast`.
        """
        rows = self._check_rows(X).astype(np.float64)
        contrasts = self._contrasts(n_neighbors, attribute_to)
        codes = self._code(target, "target"), self._code(foil, "foil")
        return self._all_contrasts(X, rows, contrasts, *codes)

    def _contrast(
        self,
        row: np.ndarray,
        contrasts: Contrasts,
        target: int | None = None,
        foil: int | None = None,
        proba: np.ndarray | None = None,
    ) -> ContrastExplanation:
        """Contrast one row, (1, n_features), of two classes given by their codes."""
        from ..explain import ContrastExplanation

        targets, foils = contrasts.choose(row, target, foil, proba)
        result = contrasts.explain(row, targets, foils)
        mine, theirs = result.target_neighbors[0], result.against_neighbors[0]
        return ContrastExplanation(
            self.tree_,
            result.direct[0],
            target=self.classes_[targets[0]],
            foil=self.classes_[foils[0]],
            squared_distances=result.squared_distances[0],
            target_neighbors=mine[mine >= 0],
            against_neighbors=theirs[theirs >= 0],
            present=self._presence(row),
            kind=self.decision,
            attribute_to=contrasts.attribute_to,
        )

    def _all_contrasts(
        self,
        X: Any,
        rows: np.ndarray,
        contrasts: Contrasts,
        target: int | None = None,
        foil: int | None = None,
        proba: np.ndarray | None = None,
    ) -> ContrastExplanations:
        """Contrast checked rows, (n_samples, n_features), of classes given by their codes."""
        from ..explain import ContrastExplanations

        targets, foils = contrasts.choose(rows, target, foil, proba)
        result = contrasts.explain(rows, targets, foils)
        return ContrastExplanations(
            self.tree_,
            result.direct,
            targets=self.classes_[targets],
            foils=self.classes_[foils],
            squared_distances=result.squared_distances,
            target_neighbors=result.target_neighbors,
            against_neighbors=result.against_neighbors,
            present=self._presences(rows),
            samples=_labels(X),
            kind=self.decision,
            attribute_to=contrasts.attribute_to,
        )

    def _by_parts(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Contributions with inner nodes split over leaves, (n_pairs, n_nodes); column kinds."""
        from ..explain.pair import split_over_leaves

        names = self._names()
        descriptors = (
            [""] * a.shape[1] if names is None else [split_column(name)[1] for name in names]
        )
        deltas, kinds = split_over_leaves(self.tree_, self._layout.columns, descriptors, a, b)
        with single_blas_thread():
            gradients = ((a - b) @ self.components_.T) @ self.components_
        return np.einsum("vpf,pf->pv", deltas, gradients), kinds

    def _contrasts(self, n_neighbors: int | None, attribute_to: str = "nodes") -> Contrasts:
        from ..explain.explanation import check_attribute_to

        check_attribute_to(attribute_to)
        if n_neighbors is not None and (
            isinstance(n_neighbors, bool)
            or not isinstance(n_neighbors, Integral)
            or n_neighbors < 1
        ):
            raise ValueError(f"n_neighbors must be an integer of at least 1, got {n_neighbors!r}.")
        return Contrasts(
            self._decide(),
            self._codes,
            self.classes_,
            self.n_neighbors if n_neighbors is None else n_neighbors,
            strict=n_neighbors is not None,
            split=(lambda a, b: self._by_parts(a, b)[0]) if attribute_to == "parts" else None,
        )

    def _code(self, label: Any, name: str) -> int | None:
        """Position of a class in `classes_`; None stays None."""
        return None if label is None else class_code(label, name, self.classes_)

    def _contributions(self, delta: np.ndarray) -> np.ndarray:
        return node_contributions(
            self.components_,
            delta.astype(np.float64),
            self._layout.column_nodes(),
            self.tree_.n_nodes,
        )

    def _presence(self, row: np.ndarray) -> np.ndarray | None:
        present = self._presences(row)
        return None if present is None else present[0]

    def _presences(self, rows: np.ndarray) -> np.ndarray | None:
        columns = presence_columns(self._names(), self._layout)
        return None if columns is None else rows[:, columns] > 0


def _labels(X: Any) -> np.ndarray | None:
    """Row labels of a DataFrame; None for anything else."""
    return np.asarray(X.index) if hasattr(X, "iloc") else None
