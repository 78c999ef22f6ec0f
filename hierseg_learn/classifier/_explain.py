"""Explanations by a fitted classifier: of pairs, predictions, contrasts, classes and itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._set_output import _get_container_adapter
from sklearn.utils.validation import check_is_fitted

from ..explain import (
    ClassExplanation,
    ContrastExplanation,
    ModelExplanation,
    PairExplanation,
    PartsExplanation,
    PredictionExplanation,
)
from ..explain.explanation import NAMELESS, check_choice, plain, unchecked
from ..explain.pair import LeafSplit
from ..kernels.threads import single_blas_thread
from ..metrics import node_contributions
from ..metrics.base import map_rows
from ..metrics.contributions import column_contributions
from ..table.checks import check_row
from ..table.layout import TableLayout, split_column
from ..utils.labels import check_known, check_labels, class_code
from ..utils.numbers import check_integer
from ._attribution import Attribution, choose_attribution
from ._blocks import by_blocks, in_batches
from ._contrasts import ContrastEngine
from .votes import Queries, mean_contributions

# most training rows that the explanation of a class or of the model takes
MAX_ROWS = 1000
# training rows in which the kinds of columns are seen
MAX_SEEN_ROWS = 300


class ExplainMixin:
    """Explanations and node spaces of :class:`~hierseg_learn.HierarchicalMetricClassifier`.

    All explanations sum Shapley values in closed form; nothing is sampled.
    """

    # scikit-learn wraps a `transform` in the body of an estimator and names its columns after the
    # root's components, which fails for another node; an inherited one is left alone
    @by_blocks
    def transform(self, X: Any, node: int | str | None = None) -> np.ndarray:
        """Map rows into the space in which the Euclidean distance is the metric.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.
        node : int or str, default=None
            A node of `tree_` by id, path or unique name: the space of its metric over everything
            below it. None takes the root.

        Returns
        -------
        embedding : ndarray of shape (n_samples, n_components)
            Or a data frame, if `set_output` asks for one.
        """
        rows = self._check_rows(X)
        node = self.tree_.root if node is None else self.tree_.index(node)
        components, lift = self._metric.components(node), self._metric.lifts[node]
        embedding = map_rows(components, rows if lift is None else lift(rows))
        embedding = embedding.astype(rows.dtype, copy=False)
        adapter = _get_container_adapter("transform", self)
        if adapter is None:
            return embedding
        prefix = type(self).__name__.lower()
        names = [f"{prefix}{i}" for i in range(len(components))]
        return adapter.create_container(embedding, X, columns=names)

    def pair_contributions(self, pairs: Any, by: str = "nodes") -> np.ndarray:
        """Contribution of every node to the squared distance of the rows of every pair.

        Parameters
        ----------
        pairs : array-like of shape (n_pairs, 2, n_features)
            The pairs, as for `pair_distance`.
        by : {"nodes", "columns"}, default="nodes"
            Whether contributions are those of nodes, or of single columns in the order of the
            table.

        Returns
        -------
        direct : ndarray of shape (n_pairs, n_nodes) or (n_pairs, n_features), float64
            What the own columns of every node, or every column, contribute; a row sums to the
            squared distance.

        Raises
        ------
        ValueError
            If `pairs` has another shape, `by` is unknown, or the node metrics are not linear and
            contributions of columns are asked for.
        """
        check_is_fitted(self)
        pairs = np.asarray(pairs, dtype=np.float64)
        if pairs.ndim != 3 or pairs.shape[1:] != (2, self.n_features_in_):
            raise ValueError(
                f"pairs must have shape (n_pairs, 2, {self.n_features_in_}), got {pairs.shape}."
            )
        attribution = self._attribution(check_choice(by, "by", "nodes", "columns"))
        if attribution.refined is None:
            return self._contributions(pairs[:, 0], pairs[:, 1], attribution)
        return column_contributions(self._root_map, pairs[:, 0] - pairs[:, 1])

    def explain_pair(self, a: Any, b: Any, by: str = "auto") -> PairExplanation:
        """Explain the squared distance of two rows.

        Parameters
        ----------
        a, b : array-like of shape (n_features,) or (1, n_features)
            Two rows like those of `fit`; also a Series, or a DataFrame of one row.
        by : {"auto", "nodes", "parts", "descriptors", "columns"}, default="auto"
            What contributes: the nodes, each by its own columns; the descriptors or the single
            columns of every node, which are leaves below it; or the parts, where the columns of
            inner nodes count for the leaves below as far as they can be split exactly: areas, means
            and square roots of histograms, as :class:`~hierseg_learn.SegmentTreeTransformer` writes
            them, not scaled; see :class:`~hierseg_learn.explain.PartsExplanation`. "auto" takes
            the columns where the tree has a single node, as for a table without a tree, and the
            nodes otherwise. Columns and parts need node metrics that are linear.

        Returns
        -------
        explanation : PairExplanation or PartsExplanation
            Its contributions add up to the squared distance.

        Raises
        ------
        ValueError
            If a row is not like those of `fit`, `by` is unknown, the table has no areas or names to
            split by, or the node metrics are not linear.
        """
        check_is_fitted(self)
        attribution = self._attribution(by, with_parts=True)
        rows = check_row(self, a, "a"), check_row(self, b, "b")
        values = {
            "direct": self._contributions(*rows, attribution)[0],
            "by": attribution.by,
        }
        present = attribution.presence(self._presence(np.concatenate(rows)))
        if present is not None:
            values |= {"present_a": present[0], "present_b": present[1]}
        if attribution.split is None:
            return unchecked(PairExplanation, tree=attribution.layout.tree, **values)
        values |= {
            "unsplit": values["direct"],
            "direct": attribution.split(*rows)[0],
            "column_kinds": self._leaf_split().kinds,
        }
        return unchecked(PartsExplanation, tree=self.tree_, **values)

    def explain_prediction(self, x: Any, by: str = "auto") -> PredictionExplanation:
        """Explain the class of a row, and how it differs from its nearest neighbors.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (1, n_features)
            A row like those of `fit`; also a Series, or a DataFrame of one row.
        by : {"auto", "nodes", "descriptors", "columns"}, default="auto"
            As in `explain_pair`.

        Returns
        -------
        explanation : PredictionExplanation
            Its `contrast` is that of `explain_contrast`: why the predicted class rather than the
            next one. Its contributions add up to the mean squared distance to the neighbors that
            vote, weighted by their votes; for prototypes, to the one of the predicted class; for
            ``decision="linear"``, to the mean of the predicted class, under the covariance that the
            classes share. Rows that tie for the last places are all listed, up to 100; of more,
            some of every class are listed in place of the others, which are as far.

        Raises
        ------
        ValueError
            If the row is not like those of `fit`, or `by` is unknown or not possible.
        """
        return self._predictions(check_row(self, x, "x"), None, by)[0]

    @in_batches
    def explain_predictions(self, X: Any, by: str = "auto") -> PredictionExplanation:
        """Explain many predictions at once, as `explain_prediction` does one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.
        by : {"auto", "nodes", "descriptors", "columns"}, default="auto"
            As in `explain_pair`.

        Returns
        -------
        explanations : PredictionExplanation
            A batch: an index gives the explanation of one row.

        Raises
        ------
        ValueError
            As in `explain_prediction`.
        """
        return self._predictions(self._check_rows(X).astype(np.float64), _labels(X), by)

    def explain_contrast(
        self,
        x: Any,
        target: Any = None,
        foil: Any = None,
        n_neighbors: int | None = None,
        by: str = "auto",
    ) -> ContrastExplanation:
        """Explain why a row is of one class rather than of another.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (1, n_features)
            A row like those of `fit`; also a Series, or a DataFrame of one row.
        target : object, default=None
            The class to explain; None takes the predicted one.
        foil : object, default=None
            The class to compare it with; None takes the most probable one after `target`, of
            equally probable ones the nearest.
        n_neighbors : int, default=None
            How many training rows of either class the row is compared with; None takes the
            parameter, or the whole class where that is smaller. Prototypes have no neighbors.
        by : {"auto", "nodes", "parts", "descriptors", "columns"}, default="auto"
            As in `explain_pair`.

        Returns
        -------
        explanation : ContrastExplanation
            Its contributions add up to the mean squared distance to the nearest rows of `foil`
            minus the one to the nearest rows of `target`, weighted by what their votes would weigh;
            for prototypes, to the difference of the squared distances to the two; for
            ``decision="linear"``, with `log_prior_odds`, to the log-odds of the two classes.

        Raises
        ------
        ValueError
            If a class is unknown, both are the same, or one has fewer rows than `n_neighbors`; also
            as in `explain_pair` for `by`.
        """
        row = check_row(self, x, "x")
        return self._contrasts(row, None, target, foil, n_neighbors, by)[0]

    @in_batches
    def explain_contrasts(
        self,
        X: Any,
        target: Any = None,
        foil: Any = None,
        n_neighbors: int | None = None,
        by: str = "auto",
    ) -> ContrastExplanation:
        """Contrast many rows at once, as `explain_contrast` does one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.
        target, foil : object, default=None
            Classes, the same for all rows; None takes those of each row.
        n_neighbors : int, default=None
            As in `explain_contrast`.
        by : {"auto", "nodes", "parts", "descriptors", "columns"}, default="auto"
            As in `explain_pair`.

        Returns
        -------
        explanations : ContrastExplanation
            A batch: an index gives the explanation of one row.

        Raises
        ------
        ValueError
            As in `explain_contrast`.
        """
        rows = self._check_rows(X).astype(np.float64)
        return self._contrasts(rows, _labels(X), target, foil, n_neighbors, by)

    def explain_class(self, label: Any, by: str = "auto") -> ClassExplanation:
        """Explain which nodes separate a class from all others.

        Parameters
        ----------
        label : object
            A class.
        by : {"auto", "nodes", "descriptors", "columns"}, default="auto"
            As in `explain_pair`.

        Returns
        -------
        explanation : ClassExplanation
            Means and standard errors over the training rows of the class, of the contrast between
            the nearest rows of all other classes and the nearest other rows of the class; for
            prototypes, between the nearest other one and its own; for ``decision="linear"``, of the
            log-likelihood ratio of the class and the most probable other one. Of more than 1,000
            rows, 1,000 are taken, whatever their order in the table.

        Raises
        ------
        ValueError
            If the class is unknown, or has a single training row; or `by` is unknown or not
            possible.
        """
        check_is_fitted(self)
        self._require_rows("explain_class()")
        code = class_code(label, "label", self.classes_)
        rows = np.flatnonzero(self._codes == code)
        if len(rows) < 2:
            raise ValueError(
                f"label must be a class with at least 2 training rows, since a row is compared "
                f"with others of its class; {plain(self.classes_[code])!r} has {len(rows)}."
            )
        attribution, rows = self._attribution(by), self._spread(rows)
        engine = self._engine(attribution)
        return ClassExplanation(
            attribution.layout.tree,
            engine.against_others(self._references[rows].astype(float), rows, code),
            label=plain(self.classes_[code]),
            rows=self._positions(rows),
            decision=self.decision_,
            by=attribution.by,
        )

    def explain_model(
        self,
        X: Any = None,
        y: Any = None,
        n_repeats: int = 5,
        random_state: Any = None,
        by: str = "auto",
    ) -> ModelExplanation:
        """Explain how much the model relies on every node.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows like those of `fit`, preferably held out, in which the columns of every node are
            permuted, alone and with all below it. None skips the permutation.
        y : array-like of shape (n_samples,), default=None
            Their classes.
        n_repeats : int, default=5
            Number of permutations, the same for all nodes.
        random_state : int, RandomState instance or None, default=None
            Draws the permutations.
        by : {"auto", "nodes", "descriptors", "columns"}, default="auto"
            As in `explain_pair`; descriptors or columns are permuted one by one.

        Returns
        -------
        explanation : ModelExplanation
            Mean shares in the contrasts of `explain_class`, over at most 1,000 training rows of
            all classes with at least two. With X and y, also the accuracy lost by permuting.

        Raises
        ------
        ValueError
            If only one of X and y is given, they do not fit, y has a missing value or an unknown
            class, no class has two rows, or `by` is unknown or not possible.
        """
        check_is_fitted(self)
        if (X is None) != (y is None):
            raise ValueError("X and y belong together; expected both or neither.")
        check_integer(n_repeats, "n_repeats")
        self._require_rows("explain_model()")
        counts = np.bincount(self._codes)
        rows = self._spread(np.flatnonzero(counts[self._codes] > 1))
        if not len(rows):
            raise ValueError("no class has 2 training rows, so there is nothing to contrast with.")
        attribution = self._attribution(by)
        tree, engine = attribution.layout.tree, self._engine(attribution)
        direct = np.zeros((len(rows), tree.n_nodes))
        for code in np.unique(self._codes[rows]):
            chosen = self._codes[rows] == code
            taken = rows[chosen]
            mine = self._references[taken].astype(np.float64)
            direct[chosen] = engine.against_others(mine, taken, code)
        if X is None:
            return ModelExplanation(tree, direct, by=attribution.by, rows=self._positions(rows))
        decision, table = engine.decision, self._check_rows(X)
        y = check_labels(y, "y", len(table))
        check_known(y, "y", self.classes_)
        drops = permutation_drops(
            lambda rows: float(
                (self.classes_[decision.proba(self._lifted(rows)).argmax(axis=1)] == y).mean()
            ),
            table,
            attribution.refined or self._layout,
            n_repeats,
            check_random_state(random_state),
        )
        return ModelExplanation(
            tree,
            direct,
            accuracy=drops[0],
            drops_direct=drops[1],
            drops_below=drops[2],
            by=attribution.by,
            rows=self._positions(rows),
        )

    def _spread(self, rows: np.ndarray) -> np.ndarray:
        """At most `MAX_ROWS` of the training rows, the first in an order by their contents."""
        if len(rows) <= MAX_ROWS:
            return rows
        return np.sort(rows[np.argsort(self._row_ranks[rows])[:MAX_ROWS]])

    def _predictions(self, rows: np.ndarray, labels: Any, by: str) -> PredictionExplanation:
        """Explain the predictions for checked rows, (n_samples, n_features) float64."""
        attribution = self._attribution(by)
        with single_blas_thread():
            engine = self._engine(attribution)
            queries = engine.decision.queries(self._lifted(rows))
            votes = engine.decision.votes(queries)
            direct = mean_contributions(engine.explained, queries, votes.indices, votes.weights)
            squared = engine.decision.squared_distances(queries, votes.indices)
            present = attribution.presence(self._presence(rows))
            contrast = self._contrast(
                engine, attribution, queries, labels, present, proba=votes.proba
            )
        by_rows = self.decision_ == "neighbors"
        return unchecked(
            PredictionExplanation,
            tree=attribution.layout.tree,
            direct=direct,
            squared_distances=squared,
            prediction=self.classes_[votes.proba.argmax(axis=1)],
            classes=self.classes_.copy(),
            proba=votes.proba,
            neighbors=self._positions(votes.indices) if by_rows else votes.indices,
            neighbor_classes=self.classes_[votes.codes],
            vote_weights=votes.weights,
            present=present,
            name=NAMELESS if labels is None else labels,
            decision=self.decision_,
            by=attribution.by,
            contrast=contrast,
            calibration=replace(self._votes) if by_rows else None,
        )

    def _contrasts(
        self,
        rows: np.ndarray,
        labels: Any,
        target: Any,
        foil: Any,
        n_neighbors: int | None,
        by: str,
    ) -> ContrastExplanation:
        """Contrast checked rows, (n_samples, n_features) float64."""
        codes = [
            None if label is None else class_code(label, name, self.classes_)
            for name, label in (("target", target), ("foil", foil))
        ]
        attribution = self._attribution(by, with_parts=True)
        with single_blas_thread():
            engine = self._engine(attribution, n_neighbors)
            queries = engine.decision.queries(self._lifted(rows))
            present = attribution.presence(self._presence(rows))
            return self._contrast(engine, attribution, queries, labels, present, *codes)

    def _contrast(
        self,
        engine: ContrastEngine,
        attribution: Attribution,
        queries: Queries,
        labels: Any,
        present: np.ndarray | None,
        target: int | None = None,
        foil: int | None = None,
        proba: np.ndarray | None = None,
    ) -> ContrastExplanation:
        """Contrast rows of two classes given by their codes."""
        targets, foils = engine.choose(queries, target, foil, proba)
        found = engine.explain(queries, targets, foils)
        if self.decision_ == "neighbors":
            found = found._replace(
                target_neighbors=self._positions(found.target_neighbors),
                foil_neighbors=self._positions(found.foil_neighbors),
            )
        return unchecked(
            ContrastExplanation,
            tree=attribution.layout.tree,
            target=self.classes_[targets],
            foil=self.classes_[foils],
            present=present,
            name=NAMELESS if labels is None else labels,
            decision=self.decision_,
            by=attribution.by,
            temperature=self.temperature_ if self.decision_ == "prototypes" else 1.0,
            **found._asdict(),
        )

    def _engine(self, attribution: Attribution, n_neighbors: int | None = None) -> ContrastEngine:
        if n_neighbors is not None:
            check_integer(n_neighbors, "n_neighbors")
        return ContrastEngine(
            self._decide(),
            self._codes,
            self.classes_,
            self.n_neighbors_ if n_neighbors is None else n_neighbors,
            strict=n_neighbors is not None,
            layout=attribution.refined,
            split=attribution.split,
        )

    def _attribution(self, by: Any, *, with_parts: bool = False) -> Attribution:
        """What contributions are attributed to; `with_parts`, parts may be asked for."""
        return choose_attribution(
            by,
            self._lifted_layout,
            self._names(),
            f"node_metric={self.node_metric!r} and combination={self.combination!r}",
            self._split_over_leaves if with_parts else None,
            is_linear=self._metric.is_linear,
        )

    def _contributions(self, a: np.ndarray, b: np.ndarray, attribution: Attribution) -> np.ndarray:
        layout = attribution.layout
        delta = self._lifted(a) - self._lifted(b)
        return node_contributions(self._root_map, delta, layout.column_nodes, layout.tree.n_nodes)

    def _split_over_leaves(
        self, a: np.ndarray, b: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Contributions with inner nodes split over leaves, (n_pairs, n_nodes).

        Those to squared distances, or to weighted sums of ``a - b`` where b are class means.
        """
        deltas = self._leaf_split().apart(a, b, b_are_means=weights is not None)
        if weights is None:
            with single_blas_thread():
                weights = ((a - b) @ self._root_map.T) @ self._root_map
        return np.einsum("vpf,pf->pv", deltas, weights)

    def _leaf_split(self) -> LeafSplit:
        """How columns of inner nodes come apart, seen in training rows."""
        self._require_rows("by='parts'")
        names = self._names()
        descriptors = (
            [""] * self._X.shape[1] if names is None else [split_column(name)[1] for name in names]
        )
        order = np.argsort(self._row_ranks)
        seen = self._X[order[:: -(-len(order) // MAX_SEEN_ROWS)]]
        return LeafSplit.seen_in(seen, self.tree_, self._layout.columns, descriptors)

    def _presence(self, rows: np.ndarray) -> np.ndarray | None:
        """Presence of the nodes in rows, (n_samples, n_nodes) bool; None if unknown."""
        columns = self._presence_columns
        return None if columns is None else rows[:, columns] > 0


def _labels(X: Any) -> np.ndarray:
    """Row labels of a DataFrame; positions for anything else."""
    return np.array(X.index) if hasattr(X, "iloc") else np.arange(len(X))


def permutation_drops(
    score: Callable[[np.ndarray], float],
    X: np.ndarray,
    layout: TableLayout,
    n_repeats: int,
    rng: np.random.RandomState,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Score a table, and the losses by permuting the columns of every node.

    The losses, two of (n_repeats, n_nodes), are those by a node's own columns, and by the columns
    of its whole subtree; columns are permuted together.
    """
    tree = layout.tree
    base = score(X)
    drops = np.zeros((2, n_repeats, tree.n_nodes))

    def permuted(columns: np.ndarray, order: np.ndarray) -> float:
        table = X.copy()
        table[:, columns] = X[np.ix_(order, columns)]
        return score(table)

    for repeat in range(n_repeats):
        order = rng.permutation(len(X))
        for node in tree.bottom_up():
            direct = layout.columns[node]
            below = np.concatenate([layout.columns[n] for n in tree.subtree(node)])
            loss = base - permuted(direct, order) if len(direct) else 0.0
            drops[0, repeat, node] = loss
            if len(below) > len(direct):
                loss = base - permuted(below, order)
            drops[1, repeat, node] = loss
    return base, drops[0], drops[1]
