"""Classification by a metric that is learned along a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.special import log_softmax
from sklearn.base import (
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..kernels import get_backend
from ..metrics import Combination
from ..metrics.base import (
    MahalanobisMixin,
    check_pairs,
    embedded_distance,
    pair_differences,
)
from ..metrics.block_sums import BlockSums, class_means, mean_and_spread
from ..metrics.canonical import canonical_order, find_copies, reorder
from ..metrics.lift import Lift, LiftedMap
from ..metrics.posteriors import PosteriorScore
from ..metrics.registry import (
    COMBINATIONS,
    NODE_METRICS,
    is_discriminant,
    make_combination,
    make_node_metric,
)
from ..metrics.tree_metric import TreeMetric, fit_tree_metric
from ..table.blocks import is_in_blocks
from ..table.checks import check_rows, check_table
from ..table.layout import TableLayout, read_layout, read_remark
from ..tree import SegmentTree
from ..utils import Estimator, fill_doc
from ..utils.labels import check_labels, check_same_kind
from ..utils.progress import ProgressBar
from ._blocks import SummedTable, by_blocks, computed, sum_blocks
from ._calibration import Calibration, Classes, calibrate, check_class_weight, read_decision
from ._condense import CondenseMixin
from ._explain import ExplainMixin
from ._linear import Linear, check_priors, temper_priors
from ._novelty import NoveltyMixin
from ._similarity import SimilarityMixin
from .votes import Embedding, Neighbors, NeighborScore, Order, Prototypes, to_proba

if TYPE_CHECKING:
    import pandas as pd


# with so many rows for every column, softmax regression is as good as metrics of nodes
ROWS_PER_COLUMN = 10
# what the probabilities of a fitted model were calibrated for
_AS_FITTED = ("n_neighbors", "weights", "decision")


@fill_doc(node_metrics=NODE_METRICS, combinations=COMBINATIONS)
class HierarchicalMetricClassifier(
    CondenseMixin,
    ExplainMixin,
    NoveltyMixin,
    SimilarityMixin,
    MahalanobisMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClassifierMixin,
    Estimator,
):
    r"""Classify by a metric that is learned node by node, and explained node by node.

    Every node of the tree learns a linear map of its own columns. Bottom-up, every parent combines
    the metrics of its children, starting from what these learned, until the root gives one distance
    between two rows. A row gets the class of its nearest neighbors, of the nearest prototype, or
    the most probable one by linear log-odds; held-out rows choose between neighbors and log-odds.
    Squared distances and log-odds are sums of the contributions of all nodes.

    The tree is read from column names such as ``photo/person/hair|lab_mean_0``, as
    :class:`SegmentTreeTransformer` writes them. A table without such names is a tree of one node,
    and the classifier is then a flat metric learner.

    Parameters
    ----------
    tree : {"auto", "columns", "prefixes"}, dict or SegmentTree, default="auto"
        ``"auto"`` reads the tree from the column names, and takes a table without hierarchical
        names as one node; ``"columns"`` insists on such names. ``"prefixes"`` makes a node of each
        prefix of :class:`~sklearn.compose.ColumnTransformer`, such as ``num__``. A nested dict has
        lists of column names or positions as leaves, and so has the tree of
        :func:`~hierseg_learn.table.tree_from_columns`.
    node_metric : {$node_metrics} or estimator, default="lda"
        What learns the map of every node: shrinkage linear discriminants, neighborhood components,
        large-margin neighbors, triplet margin, signal-to-noise, discriminants of similarities to
        landmarks, a multilayer perceptron (needs PyTorch); or any metric-learn or scikit-learn
        estimator whose `transform` is linear, or a :class:`~hierseg_learn.metrics.NonlinearMetric`.
        It is fitted on the node's columns, standardized.
    combination : {"auto", $combinations} or Combination, default="auto"
        How a parent's metric is made from those of its children. ``"auto"`` takes softmax
        regression, with ``node_metric="lda"`` and a decision that may be linear, and a projection
        otherwise; where the table has fewer than ten rows for every column, or neighbors decide, it
        learns both and keeps what has the lower loss on held-out rows, see `combination_`. The
        others: by a full projection; by non-negative weights, under which no contribution is
        negative; by discriminants of all columns below it, with a scatter drawn towards that of the
        children, which takes less memory where the nodes have hundreds of columns, and needs
        ``node_metric="lda"``; by softmax regression over all of these columns, not linear within
        nodes where held-out rows ask for it, which needs ``node_metric="lda"``, too, and decides by
        its logits where the decision is "linear"; or by training the children's perceptrons on,
        which needs ``node_metric="mlp"``.
    n_components : int, default=None
        Most dimensions of the root's embedding, which is cut by its principal components where the
        combination gives more; this mixes the nodes, also under ``combination="weighted"``. None
        keeps all.
    n_neighbors : int or "auto", default="auto"
        Number of neighbors that vote. All rows that are as far as the last of them, such as rows
        that lack a part, share the last votes. "auto" takes that of 5, 10, 15, 25 and 40 which
        gives held-out rows the smallest log loss, up to half the rows that others are held out
        from; 5, or all rows if there are fewer, where no rows can be held out or no neighbors vote.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        Weight of a neighbor's vote by its distance, as in
        :class:`~sklearn.neighbors.KNeighborsClassifier`; None is "uniform". Unlike there, weights
        of a callable that are negative, missing, infinite or all zero for a row are an error.
    decision : {"auto", "neighbors", "prototypes", "linear"}, default="auto"
        Whether the nearest training rows vote, the distances to the class means decide, or linear
        discriminants in the root's embedding: posteriors of normal classes that share a covariance.
        For "linear", held-out rows choose how parents are combined by what such discriminants say
        of them. "auto" takes the discriminants where these give held-out rows a smaller log loss
        than the neighbors, or the logits of a softmax regression unless the neighbors' loss is
        lower by more than a standard error; and the neighbors where `n_neighbors` or `weights` say
        how they vote.
    priors : array-like of shape (n_classes,), default=None
        Prior probabilities of the classes where the model is used, in the order of `classes_`. They
        shift the log-odds of two classes by the logarithm of the ratio of these priors, less that
        of the shares of the training rows. None takes the shares, weighted by `class_weight`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in scikit-learn: ``{label: weight}``, 1 for those not named, or
        "balanced" for weights inversely proportional to their numbers of rows. By them held-out
        rows count wherever they choose something, and so do votes; see Notes.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the kernels run; "auto" takes a GPU if there is one and the table is not small.
    n_jobs : int, default=None
        Number of threads that fit nodes. The result is the same for any number.
    verbose : int, default=0
        1 draws a progress bar.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds and the node learners.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    tree_ : SegmentTree
        The tree.
    column_nodes_ : ndarray of shape (n_features,), int
        Node of every column.
    components_ : ndarray of shape (n_components, n_features), float64
        The root's linear map L; the squared distance of two rows is ``||L (a - b)||^2``. Only if
        the node metrics are linear.
    node_scores_ : Series of shape (n_nodes,)
        By node path, held-out accuracy of the neighbors' votes, or with ``decision="linear"`` of
        linear discriminants, by the metric of the node (including its subtree), and that of the
        node's own regression where `combination_` is "logistic"; NaN where classes are too small to
        hold rows out. How a parent is combined is chosen, for every fold that is
        scored, by the other folds alone, so without signal the scores of parents are near chance;
        with few rows and ``drop_children=True`` they lie a little above it. The model itself uses
        all folds.
    node_outcomes_ : Series of shape (n_nodes,)
        By node path, how the node's metric was obtained: a
        :class:`~hierseg_learn.metrics.NodeOutcome` with `method` and `params`.
    decision_ : {"neighbors", "prototypes", "linear"}
        The decision that is used.
    n_neighbors_ : int
        Number of neighbors that vote. For other decisions, how many rows `kneighbors` and
        counterfactuals take by default; predictions do not depend on it.
    smoothing_ : float
        Number of votes that are added to those of the neighbors, spread like the classes of the
        training rows; 0 for other decisions.
    temperature_ : float
        Temperature of the probabilities; see Notes.
    priors_ : ndarray of shape (n_classes,)
        Prior probabilities of the classes.
    class_weight_ : ndarray of shape (n_classes,)
        Weights of the classes.
    combination_ : str
        Name of the combination that was used; "given" for an object.
    prototypes_ : ndarray of shape (n_classes, n_features)
        Mean of the training rows of every class. Where node metrics are not linear, decisions
        compare with the means of the embedded rows instead.
    sample_indices_ : ndarray of shape (n_held,), int
        Positions, in the table that was fitted, of the rows that the model holds: once for every
        copy where `fit` got `sample_weight`, those that were drawn from a table that is read block
        by block, and those that `condense` kept.
    agreement_ : float
        Share of other training rows to which the kept ones give the same class as all others do;
        only after `condense`, where neighbors vote.
    device_ : str
        "cpu" or "cuda": where `fit` searched neighbors. Node learners choose by the size of their
        own tables.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if `fit` got a table with string names.

    See Also
    --------
    SegmentTreeTransformer : Makes the table from images.
    sklearn.neighbors.NeighborhoodComponentsAnalysis : A flat metric learner.

    Notes
    -----
    With M = L'L and Δ the difference of two rows, the columns of node v contribute Δ_v'(MΔ)_v to
    the squared distance: the Shapley value of the game in which only some nodes differ. Where
    node metrics are not linear, Δ is the difference of the nodes' embeddings, in which the metric
    of every node is linear, and the same holds.

    What is learned does not depend on the order of the rows or of named columns, on the memory
    layout of the table or on the names of the classes: folds and batches are drawn from rows that
    are sorted by their contents.

    Probabilities are calibrated by rows that are held out from the metric in turn; no further data
    are needed. With the share :math:`v_c` of k votes for class c, its share :math:`s_c` of the
    training rows, its prior :math:`\pi_c`, the smoothing :math:`\alpha` and the temperature T,
    its probability by the votes of neighbors is

    .. math::

        p_c \propto \frac{\pi_c}{s_c} \Big( \frac{k v_c + \alpha s_c}{k + \alpha}
        \Big)^{1 / T}

    and by the squared distances :math:`d_c^2` to the class means, under the covariance of the
    discriminants where these decide,

    .. math::

        p_c \propto \frac{\pi_c}{s_c} \big( s_c \exp(-d_c^2 / 2) \big)^{1 / T}

    Held-out rows choose :math:`\alpha`, T and k by their log loss. Without any, T is 1 and
    :math:`\alpha` is 1. Weights :math:`w_c` of the classes make :math:`\pi_c` proportional to
    :math:`w_c s_c`, unless `priors` are given: at T = 1, this is what votes with these weights
    give. They also weigh the held-out rows that choose. Class means, and the covariance that the
    classes share, are those of all rows: every row is as good an estimate of them.

    With `sample_weight`, the model is that of a table in which every row occurs as many times as
    its weight says, to the bit. The fractions of weights are drawn by systematic sampling [2]_,
    seeded by `random_state`: every row, and every class, gets its weight rounded up or down, and in
    the mean its weight. A class without a weight above 0 is dropped with its rows. Of shares, such
    as the weights of :class:`~sklearn.ensemble.AdaBoostClassifier`, every class keeps a row or
    more. Positions of training rows are those in the table that was given, and occur once for every
    copy. `class_weight` and `priors` count copies.

    A table that is read block by block is never held in memory. ``combination="scatter"`` is then
    learned from sums over all rows, and so are the class means and the covariance of
    ``decision="linear"``; everything else sees about 20,000 rows that are drawn by a hash of their
    values: other combinations and node metrics, neighbors, what held-out rows choose, novelty and
    similarity. ``combination="auto"`` is "scatter" there, if the node metric is "lda". The
    bits depend on neither the parts of the table nor the number of workers. Methods that map rows
    give arrays, and of a dask DataFrame a Series or DataFrame of dask; `explain_predictions` and
    `explain_contrasts` give an iterator over batches, and of a dask DataFrame a list of Delayed.

    Parents are chosen on held-out rows. Rows that share at least half of their parts with one of
    their class, to the bit, are copies of it, as over-sampling and
    :class:`~hierseg_learn.sampling.SegmentSwapSampler` make them, and are held out together.

    References
    ----------
    .. [1] E. Andrews, P. Mishra. "Explainable Metric Learning for Deflating Data Bias".
       arXiv:2407.04866, 2024. (The idea: local metrics, combined bottom-up. How parents are
       combined is this package's own design.)
    .. [2] W. G. Madow. "On the Theory of Systematic Sampling, II". Annals of Mathematical
       Statistics 20, 1949.

    Examples
    --------
    >>> from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from sklearn.pipeline import make_pipeline
    >>> portraits = make_portraits(n_samples=60, signal=("hair",), random_state=0)
    >>> model = make_pipeline(
    ...     SegmentTreeTransformer(tree=portraits.tree),
    ...     HierarchicalMetricClassifier(random_state=0),
    ... )
    >>> model.fit(portraits.images, portraits.target).score(portraits.images, portraits.target)
    1.0
    """

    _parameter_constraints: dict = {
        "tree": [StrOptions({"auto", "columns", "prefixes"}), Mapping, SegmentTree],
        "node_metric": [StrOptions(set(NODE_METRICS)), HasMethods(["fit", "transform"])],
        "combination": [StrOptions({"auto", *COMBINATIONS}), Combination],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
        "decision": [StrOptions({"neighbors", "prototypes", "linear", "auto"})],
        "priors": ["array-like", None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # only to see that _AS_FITTED are as they were
    _reads_params = False

    def __init__(
        self,
        tree: Any = "auto",
        *,
        node_metric: Any = "lda",
        combination: Any = "auto",
        n_components: int | None = None,
        n_neighbors: int | str = "auto",
        weights: str | Callable | None = "uniform",
        decision: str = "auto",
        priors: Any = None,
        class_weight: Any = None,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.tree = tree
        self.node_metric = node_metric
        self.combination = combination
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.decision = decision
        self.priors = priors
        self.class_weight = class_weight
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the node metrics and combine them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The table, best a DataFrame whose column names carry the tree; or a table that is read
            block by block: :class:`~hierseg_learn.table.StoredTable`, a dask DataFrame, or
            :class:`~hierseg_learn.table.RowBlocks`. See Notes.
        y : array-like of shape (n_samples,)
            The classes, also as a Series or Array of dask. None takes those of a stored table.
        sample_weight : array-like of shape (n_samples,), default=None
            Numbers of copies of the rows, of fractions in the mean: 0 removes a row, and 2 is the
            same as the row twice. Weights whose sum is at most 1 are shares, and are scaled to a
            mean of 1. A warning says where small weights leave out many rows. See Notes.

        Returns
        -------
        self : HierarchicalMetricClassifier

        Raises
        ------
        ValueError, TypeError
            If the table, the tree or a parameter is invalid, there is only one class, there are
            fewer rows than neighbors, or `priors` are no probabilities of the classes; or if
            `sample_weight` is negative, not finite or of another length, has a mean above 10 where
            it is not 0, sums to less than 1 for a class that has any, or comes with a table that is
            read block by block.
        """
        get_backend(self.device)  # raises at once if a GPU is asked for and missing
        sums, labels = None, y
        if is_in_blocks(X) and sample_weight is not None:
            raise ValueError(
                "sample_weight needs a table in memory, got one that is read block by block; draw "
                "its rows by their weights beforehand, or weigh classes by class_weight."
            )
        if is_in_blocks(X):
            table = self._sum_blocks(X, y)
            X, y, labels, sums, remark = table.rows, table.y, table.labels, table.sums, table.remark
            places = table.places
        else:
            remark = read_remark(X)
        X, y = check_table(self, X, y, copy=sample_weight is None)
        self._copied = self._n_given = None
        if sample_weight is not None:
            held = self._set_copies(X, y, sample_weight)
            X, y = X[held], y[held]
        if sums is not None:
            self._set_places(places, len(labels))
        labels = y if sums is None else labels
        self.classes_, codes = np.unique(labels, return_inverse=True)
        counts = np.bincount(codes)
        codes = codes if sums is None else np.searchsorted(self.classes_, y)
        self._check_enough(codes)
        class_weight = check_class_weight(self.class_weight, self.classes_, labels)
        classes = Classes.of(counts, check_priors(self.priors, counts), class_weight)
        self.priors_ = classes.priors
        self.class_weight_ = np.ones(len(counts)) if class_weight is None else class_weight
        self._layout = read_layout(self.tree, self._names(), X.shape[1])
        if remark:
            self._layout = replace(self._layout, tree=self._layout.tree.with_remark(remark))
        self.tree_ = self._layout.tree
        self.column_nodes_ = self._layout.column_nodes
        backend = get_backend(self.device, n_values=X.size)
        self.device_ = backend.name
        self._presence_columns = self._layout.presence_columns(self._names())
        by_name = self._by_name()
        # learned from rows, columns and classes in an order that their contents and names set
        order, self._class_ranks = canonical_order(X, codes, by_name)
        self._row_ranks = np.argsort(order)
        reorder(X, order, by_name)
        ranked_codes = self._class_ranks[codes[order]]
        # by the ranks of the classes
        ranked = classes.take(np.argsort(self._class_ranks))
        if sums is not None:
            self.prototypes_ = sums.class_means()
            sums = sums.take(order, by_name, np.argsort(self._class_ranks))
        metric, calibration, rows = self._learn(X, ranked_codes, by_name, ranked, sums)
        self._store_metric(metric)
        back = np.argsort(by_name)
        if sums is None:
            self.prototypes_ = class_means(X, ranked_codes)[self._class_ranks][:, back]
        self._center, spread = mean_and_spread(rows)
        if self._lift is None:
            self._center, spread = self._center[back], spread[back]
        del rows  # lifted ones may be larger than the table
        reorder(X, self._row_ranks, back)
        self._codes = codes
        self._store_calibration(calibration)
        self._metric = replace(metric, held_out=(), unseen=None, head=None)
        self._set_references(X)
        self._anchors, self._offsets = None, np.zeros(len(self.classes_))
        if metric.head is not None:
            head = metric.head.take(self._class_ranks)
            self._anchors = head.prototypes(self._class_means, spread, self._root_map)
            self._offsets = head.offsets
        return self

    @by_blocks
    def predict(self, X: Any) -> np.ndarray:
        """Predict classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The most probable class. Of classes that are equally probable it is the one with the
            nearer neighbors, and if these are equally near, the first in an order by their training
            rows, whatever its name (scikit-learn takes the first name).
        """
        codes = self._scores(X).argmax(axis=1)
        return self.classes_[codes]

    @by_blocks
    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, calibrated by held-out rows. Rows sum to 1. Of equal probabilities, that
            of the predicted class is larger by a rounding.
        """
        return to_proba(self._scores(X))

    @by_blocks
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Finite also where a probability is too small for a float.
        """
        return log_softmax(self._scores(X), axis=1)

    @by_blocks
    def decision_function(self, X: Any) -> np.ndarray:
        """Score the classes by their log posteriors, as scikit-learn's discriminants do.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Log posteriors, of every row but for a constant that all its classes share. For two
            classes the log-odds of the second. The largest is that of the predicted class.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on a table.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those of `fit`.
        y : array-like of shape (n_samples,)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float

        Raises
        ------
        ValueError
            If y is not one class per row, has a missing value, or is of another kind than
            `classes_`, such as numbers where these are text.
        """
        predicted = np.asarray(computed(self.predict(X)))
        y = check_labels(computed(y), "y", len(predicted))
        check_same_kind(y, "y", self.classes_, "the classes of the model are")
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def node_components(self, node: int | str) -> np.ndarray:
        """Linear map of a node's metric over everything below it.

        Parameters
        ----------
        node : int or str
            A node of `tree_` by id, path or unique name.

        Returns
        -------
        components : ndarray of shape (n_components, n_features), float64
            Zero in the columns outside the node's subtree. That of the root is `components_`.

        Raises
        ------
        AttributeError
            If the node metrics are not linear; ``transform(X, node)`` works all the same.
        """
        self._check_linear("node_components()")
        return self._metric.components(self.tree_.index(node))

    @property
    def components_(self) -> np.ndarray:
        """The root's linear map."""
        self._check_linear("components_")
        return self._root_map

    def _pair_distances(self, pairs: Any) -> np.ndarray:
        if self._lift is None:
            return super()._pair_distances(pairs)
        pairs = check_pairs(pairs, self.n_features_in_)
        return np.linalg.norm(pair_differences(self._root_embedding(), pairs), axis=1)

    def get_metric(self) -> Callable[..., float]:
        """Return the metric as a function of two rows, which can be pickled.

        Returns
        -------
        metric : callable
            ``metric(u, v, squared=False)``, for use as `metric` of scikit-learn's neighbors.
        """
        check_is_fitted(self)
        if self._lift is None:
            return super().get_metric()
        return partial(embedded_distance, self._root_embedding(), self.n_features_in_)

    def _check_linear(self, what: str) -> None:
        """Raise for what only models with linear node metrics have."""
        check_is_fitted(self)
        if not self._metric.is_linear:
            raise AttributeError(
                f"{what} needs node metrics that are linear in the table, got "
                f"node_metric={self.node_metric!r} and combination={self.combination!r}; "
                "transform(X, node) maps rows, and "
                "pair_contributions and the explanations work."
            )

    @property
    def _lift(self) -> Lift | None:
        """What makes rows of which the metric is a linear map; None if those of the table do."""
        return self._metric.lifts[self.tree_.root]

    def _lifted(self, rows: np.ndarray) -> np.ndarray:
        """Rows of which the root's metric is a linear map: those of the table, or lifted ones."""
        return rows if self._lift is None else self._lift(rows)

    @property
    def _lifted_layout(self) -> TableLayout:
        """Columns of every node in lifted rows."""
        return self._layout if self._lift is None else TableLayout(self.tree_, self._lift.places)

    @property
    def _references(self) -> np.ndarray:
        """The training rows, lifted."""
        return self._X if self._lift is None else self._lifted_X

    def _root_embedding(self) -> LiftedMap:
        return LiftedMap(self._lift, self._root_map)

    def _set_references(self, X: np.ndarray) -> None:
        """Set the training rows, which others are compared with."""
        self._X = X
        self._held_out_scores = None
        self._class_means = self.prototypes_
        if self._lift is not None:
            self._lifted_X = self._lift(X)
            order = np.argsort(self._row_ranks)
            members = [order[self._codes[order] == code] for code in range(len(self.classes_))]
            self._class_means = np.stack([self._lifted_X[rows].mean(axis=0) for rows in members])
        self._embedding = Embedding.of(self._root_map, self._references, self._center).points

    def _learn(
        self,
        table: np.ndarray,
        codes: np.ndarray,
        by_name: np.ndarray,
        classes: Classes,
        sums: BlockSums | None,
    ) -> tuple[TreeMetric, Calibration, np.ndarray]:
        """Learn the metric of a table whose rows and columns are in order.

        Of several combinations, that with the lowest loss on held-out rows is kept. Also returns
        the table, lifted. With `sums`, the table has some of the rows that they are over.
        """
        backend = get_backend(self.device, n_values=table.size)
        names = self._names()
        names = None if names is None else [names[i] for i in by_name]
        layout = self._layout.take(by_name)
        if isinstance(self.tree, str):
            layout = read_layout(self.tree, names, table.shape[1])
        tree, root = layout.tree, self.tree_.root
        score = NeighborScore(backend, classes.weights)
        if self.decision == "linear":
            score = PosteriorScore(classes.weights)
        groups, found = _find_copies(table, codes, layout, names), {}
        specs = self._combinations(*table.shape, in_blocks=sums is not None)
        tried = {name: make_combination(spec) for name, spec in specs.items()}
        # the same folds for all, so that their losses compare
        draws = check_random_state(self.random_state)
        states = [*(deepcopy(draws) for _ in range(len(tried) - 1)), draws]
        alone = {name: tree.n_nodes == 1 and not c.takes_one_node for name, c in tried.items()}
        n_steps = sum(1 if alone[name] else c.n_steps(tree.n_nodes) for name, c in tried.items())
        with ProgressBar(n_steps, "Fitting nodes", self.verbose) as bar:
            for (name, combination), state in zip(tried.items(), states, strict=True):
                ordered = fit_tree_metric(
                    table,
                    codes,
                    tree,
                    layout.columns,
                    make_node_metric(self.node_metric, device=self.device),
                    combination,
                    n_components=self.n_components,
                    score=score,
                    n_jobs=self.n_jobs,
                    random_state=state,
                    on_step=bar.advance,
                    groups=groups,
                    sums=sums,
                ).take([tree.index(path) for path in self.tree_.paths], np.arange(len(by_name)))
                metric = ordered.take([*range(tree.n_nodes)], by_name)
                lift, root_map = ordered.lifts[root], ordered.components(root)
                rows = table if lift is None else lift(table)
                center, whole = rows.mean(axis=0, dtype=np.float64), None
                if sums is not None and lift is None and metric.unseen is None:
                    center, scatter = sums.without(None)
                    whole = np.zeros(len(root_map)), scatter.through(root_map)
                calibration = calibrate(
                    self.decision,
                    Embedding.of(root_map, rows, center).points,
                    codes,
                    classes,
                    metric,
                    n_neighbors=self.n_neighbors,
                    weights=self.weights,
                    backend=backend,
                    whole=whole,
                )
                found[name] = metric, calibration, rows
        self.combination_ = min(found, key=lambda name: found[name][1].loss)
        return found[self.combination_]

    def _sum_blocks(self, X: Any, y: Any) -> SummedTable:
        """Read a table that is not in memory: its sums, and some of its rows."""

        def check(labels: np.ndarray) -> None:
            self.classes_ = np.unique(labels)
            self._check_enough(labels)

        specs = self._combinations(1, 1, in_blocks=True).values()
        return sum_blocks(
            X,
            y,
            check,
            n_folds=max(make_combination(spec).cv for spec in specs),
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            random_state=self.random_state,
        )

    def _combinations(
        self, n_rows: int, n_columns: int, *, in_blocks: bool = False
    ) -> dict[str, Any]:
        """The combinations to try, by name."""
        if self.combination != "auto":
            name = self.combination if isinstance(self.combination, str) else "given"
            return {name: self.combination}
        if in_blocks and is_discriminant(self.node_metric):
            return {"scatter": "scatter"}
        if self.decision == "prototypes" or not is_discriminant(self.node_metric):
            return {"projection": "projection"}
        # with fewer rows, weights of columns may be far worse than metrics of nodes
        decision = read_decision(self.decision, self.n_neighbors, self.weights)
        both = decision == "neighbors" or n_rows < ROWS_PER_COLUMN * n_columns
        return {name: name for name in (*(["projection"] if both else []), "logistic")}

    def _store_metric(self, metric: TreeMetric) -> None:
        self.node_scores_ = self._node_series(metric.scores, "score")
        self.node_outcomes_ = self._node_series(metric.outcomes, "outcome")
        self._metric = metric
        self._root_map = metric.components(self.tree_.root)
        self._lengths = np.linalg.norm(self._root_map, axis=0)

    def _node_series(self, values: list, title: str) -> pd.Series:
        import pandas as pd

        values = np.array(values, dtype=object if title == "outcome" else np.float64)
        # pandas before 3 hands out the array itself, which must not be edited
        values.flags.writeable = False
        return pd.Series(values, pd.Index(self.tree_.paths, name="node"), name=title, copy=False)

    def _store_calibration(self, found: Calibration) -> None:
        self.decision_, self.n_neighbors_ = found.decision, found.votes.n_neighbors
        self.temperature_ = found.temperature
        self.smoothing_ = found.votes.smoothing if found.decision == "neighbors" else 0.0
        self._votes = found.votes.take(self._class_ranks)
        self._posteriors = found.posteriors
        self._fitted_as = {name: getattr(self, name) for name in _AS_FITTED}

    def _copy_groups(self, rows: np.ndarray) -> np.ndarray:
        """Groups of copies among some training rows, (n_rows,)."""
        return _find_copies(self._X[rows], self._codes[rows], self._layout, self._names())

    def _neighbors(self) -> Neighbors:
        return Neighbors(
            self._lifted_layout,
            self._references,
            Embedding(self._root_map, self._center, self._embedding, self._lengths),
            self._codes,
            self._order(),
            self._votes,
            self.weights,
            get_backend(self.device, n_values=self._embedding.size),
        )

    def _decide(self) -> Neighbors | Prototypes | Linear:
        for name, fitted in self._fitted_as.items():
            given = getattr(self, name)
            if given is not fitted and given != fitted:
                raise ValueError(
                    f"{name}={given!r} was set after fit, which used {name}={fitted!r} to choose "
                    "the metric and to calibrate the probabilities; call fit again."
                )
        if self.decision_ == "neighbors":
            return self._neighbors()
        layout, order = self._lifted_layout, self._order()
        priors = temper_priors(self.priors_, self._votes.shares, self.temperature_)
        if self.decision_ == "prototypes":
            given = self._root_map, layout, self._class_means, order, priors, self.temperature_
            return Prototypes(*given, center=self._center)
        whitening = self._posteriors.whitening
        return Linear(
            whitening @ self._root_map,
            layout,
            self._class_means if self._anchors is None else self._anchors,
            order,
            priors,
            whitening=whitening,
            offsets=self._offsets,
            center=self._center,
        )

    def _scores(self, X: Any) -> np.ndarray:
        """Log posteriors but for one constant a row, (n_samples, n_classes)."""
        rows = self._lifted(self._check_rows(X))
        return self._decide().scores(rows)

    def _order(self) -> Order:
        return Order(self._row_ranks, self._class_ranks)

    def _names(self) -> list[str] | None:
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else list(names)

    def _by_name(self) -> np.ndarray:
        """Columns in the order of their names, (n_features,) int."""
        names, columns = self._names(), np.arange(self.n_features_in_)
        return columns if names is None else np.array(sorted(columns, key=names.__getitem__))

    def _check_rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return check_rows(self, X)

    def _check_enough(self, codes: np.ndarray) -> None:
        if len(self.classes_) < 2:
            only = self.classes_.tolist()[0]
            raise ValueError(f"y has 1 class, {only!r}; a classifier needs at least 2.")
        votes = self.decision in ("neighbors", "auto") and self.n_neighbors != "auto"
        if votes and len(codes) < self.n_neighbors:
            raise ValueError(
                f"n_neighbors={self.n_neighbors} neighbors cannot be found among n_samples = "
                f"{len(codes)} training rows; pass more rows or a smaller n_neighbors."
            )

    @property
    def _n_features_out(self) -> int:
        return len(self._root_map)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _find_copies(
    X: np.ndarray, codes: np.ndarray, layout: TableLayout, names: list[str] | None
) -> np.ndarray:
    """Groups of rows that samplers made of others, which are held out together, (n_samples,)."""
    leaves = layout.tree.leaves
    presence = layout.presence_columns(names)
    present = None if presence is None else X[:, presence[leaves]] > 0
    return find_copies(X, codes, [layout.columns[leaf] for leaf in leaves], present)
