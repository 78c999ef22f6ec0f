"""New samples from segments that are swapped between images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from imblearn.base import BaseSampler
from imblearn.utils import check_sampling_strategy, check_target_type
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from ..audit import find_shortcuts
from ..fitted.model import check_transformer
from ..images import SegmentedImages, is_table, join_items
from ..transformer import SegmentTreeTransformer
from ..tree import SegmentTree
from ..utils import Estimator
from ..utils.labels import check_classes, check_labels
from ..utils.tables import as_pandas, like, take_rows
from ._plan import SwapPlan, plan_swaps
from ._sources import DescriptorTable, ImageSource, PlainTable, as_container

AUTO = "auto"


class SegmentSwapSampler(Estimator, BaseSampler):
    """Swap segments between images, so that they no longer predict the label.

    If every boat is on water, a model learns the water. This sampler adds copies of the training
    images that have the water of others and keep their own labels. In the new set, the class that a
    row's segment comes from is independent of the row's label, for any number of classes and any
    class balance. With two classes and one copy, all originals stay, and each gets a copy with the
    segment of a row of the other class. With three or more classes and one copy, some originals are
    replaced by copies, because independence does not allow all of them.

    X is the table of a fitted transformer (the columns of all nodes above the swapped one are
    recomputed), :class:`~hierseg_learn.SegmentedImages` (a new image and its label map are
    composed: the hole behind a moved part is filled, its border is soft), or any other table whose
    columns belong to nodes.

    Parameters
    ----------
    nodes : str, list of str, dict or callable, default=None
        Nodes to swap, by path or unique short name; several come from one donor, so that they fit
        each other. A dict maps nodes to the descriptors to swap, by the transformer's names, as in
        ``{"background": ["color"]}``, or to None for all; area, presence and other descriptors
        then stay the receiver's. ``"auto"`` takes the nodes that
        :func:`~hierseg_learn.audit.find_shortcuts` flags. A callable gets X and y and returns one
        of these. If no node is found, nothing is swapped and the set stays as it is.
    shortcut_params : dict, default=None
        For ``nodes="auto"``: arguments of :func:`~hierseg_learn.audit.find_shortcuts`, such as
        ``{"context": "background"}``. Without evidence it flags nothing.
    transformer : SegmentTreeTransformer or FrozenEstimator, default=None
        The fitted transformer that made the table. ``FrozenEstimator(transformer)`` stays fitted
        if the sampler is cloned, as in a grid search.
    tree : dict or SegmentTree, default=None
        For images: a nested dict whose leaves are part ids; None takes the parts side by side.
        For tables without `transformer`: one whose leaves are lists of column names or positions,
        all other columns stay the receiver's; None reads it from the column names.
    n_copies : int, default=1
        The new set has ``1 + n_copies`` rows for every row of the old one. With two classes 1 is
        enough; ``n_classes - 1`` keeps all originals. 0 replaces some rows and adds none.
    sampling_strategy : float, str, dict or callable, default=None
        Also balances the classes, as imbalanced-learn's over-sampling does; the balanced class
        sizes are multiplied by ``1 + n_copies``. None keeps the balance.
    n_jobs : int, default=None
        Number of processes that compose images. The images are the same for any number.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of donors.

    Attributes
    ----------
    nodes_ : list of str
        Paths of the swapped nodes.
    shortcut_report_ : ShortcutReport
        For ``nodes="auto"``: the report of `find_shortcuts`.
    sampling_strategy_ : dict
        For every class the number of rows that were added.
    sample_indices_ : ndarray of shape (n_new,), int
        For every new row the row of X that it is made from.
    sample_sources_ : ndarray of shape (n_new, 2), int
        Receiver and donor of every new row; the donor is -1 for an original. Originals come first.
    n_features_in_ : int
        Number of columns of a table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names of a table that has string names.

    See Also
    --------
    hierseg_learn.what_if.AblatedClassifier : Ablates a node instead; no new rows are needed.

    Notes
    -----
    Donors are taken in turn, so that every single segment, too, occurs equally often with all
    labels.

    Every row of X is in the new set ``1 + n_copies`` times, except for the swapped segment. Within
    a pipeline the sampler sees training folds only. To split the new set itself, keep rows of one
    receiver together (``groups=sampler.sample_indices_``); to evaluate a model of the *segment*,
    rows of one donor. `n_neighbors` of a classifier may need to grow by the same factor.

    The sampler needs imbalanced-learn: ``pip install 'hierseg-learn[imbalance]'``.

    Examples
    --------
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> from hierseg_learn.sampling import SegmentSwapSampler
    >>> portraits = make_portraits(n_samples=20, bias=1.0, random_state=0)
    >>> transformer = SegmentTreeTransformer(tree=portraits.tree)
    >>> table = transformer.fit_transform(portraits.images)
    >>> sampler = SegmentSwapSampler("background", transformer=transformer, random_state=0)
    >>> new_table, new_target = sampler.fit_resample(table, portraits.target)
    >>> new_table.shape[0], sampler.nodes_
    (40, ['portrait/background'])
    >>> receivers, donors = sampler.sample_sources_[20:].T
    >>> bool((portraits.target[receivers] != portraits.target[donors]).all())
    True
    """

    _sampling_type = "over-sampling"

    _parameter_constraints: dict = {
        "nodes": [str, list, tuple, Mapping, callable, None],
        "shortcut_params": [Mapping, None],
        "transformer": [SegmentTreeTransformer, FrozenEstimator, None],
        "tree": [Mapping, SegmentTree, None],
        "n_copies": [Interval(Integral, 0, None, closed="left")],
        "sampling_strategy": [
            Interval(Real, 0, 1, closed="right"),
            StrOptions({"auto", "minority", "not minority", "not majority", "all"}),
            Mapping,
            callable,
            None,
        ],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        nodes: str | list | Mapping | Callable | None = None,
        *,
        shortcut_params: Mapping | None = None,
        transformer: Any = None,
        tree: Any = None,
        n_copies: int = 1,
        sampling_strategy: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.nodes = nodes
        self.shortcut_params = shortcut_params
        self.transformer = transformer
        self.tree = tree
        self.n_copies = n_copies
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Check the data and the parameters, as `fit_resample` does.

        Parameters
        ----------
        X, y
            As for `fit_resample`.

        Returns
        -------
        self : SegmentSwapSampler
        """
        self._validate_params()
        X = as_pandas(X)
        values, labels, _ = self._check_X_y(X, y)
        self._choose_nodes(self._source(values), X, labels)
        self._set_sizes(labels)
        return self

    def fit_resample(self, X: Any, y: Any, groups: Any = None) -> tuple[Any, Any]:
        """Make the new set.

        Parameters
        ----------
        X : DataFrame, array-like or sparse array of shape (n_rows, n_columns), or SegmentedImages
            The table, as the transformer returned it (neither scaled nor edited), or images. A
            DataFrame may be one of pandas, polars, pyarrow or narwhals.
        y : array-like of shape (n_rows,)
            Labels.
        groups : array-like of shape (n_rows,), default=None
            Known content of the segment (land or water): the segment's group becomes independent
            of the label, rather than the class that it comes from.

        Returns
        -------
        X_resampled : DataFrame, list, ndarray, sparse array or SegmentedImages
            Of the kind, library, dtype and columns of `X`; images are held in memory.
        y_resampled : Series, list or ndarray of shape (n_new,)
            Of the kind and library of `y`.

        Raises
        ------
        ValueError
            If X has one node only or is not what the transformer made, `nodes` names a node that
            does not exist, y has one class, or y or groups lacks a value or has another length
            than X.
        TypeError
            If X is images without label maps.
        """
        self._validate_params()
        given = as_pandas(X) if is_table(X) else join_items(X)
        values, labels, is_binarized = self._check_X_y(given, y)
        if groups is not None:
            groups = check_labels(groups, "groups", len(labels), noun="group")
        source = self._source(values)
        nodes = self._choose_nodes(source, given, labels)
        sizes = self._set_sizes(labels)
        if nodes.all:
            plan = plan_swaps(
                labels,
                groups,
                n_copies=self.n_copies,
                class_sizes=sizes,
                may_give=source.may_give(nodes),
                random_state=self.random_state,
            )
        else:
            plan = SwapPlan(np.arange(len(labels)), np.full(len(labels), -1))
            self.sampling_strategy_ = dict.fromkeys(self.sampling_strategy_, 0)
        self.sample_indices_ = plan.receivers
        self.sample_sources_ = np.column_stack(plan)
        resampled = source.swapped(nodes, plan)
        if is_table(X):
            resampled = like(X, as_container(given, resampled))
        if isinstance(y, np.ndarray) and not is_binarized:
            return resampled, labels[plan.receivers]
        return resampled, take_rows(y, plan.receivers)

    def _fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        """Satisfy the abstract base class; `fit_resample` does it all."""
        return self.fit_resample(X, y, **params)

    def _check_X_y(self, X: Any, y: Any, accept_sparse: Any = None) -> tuple[Any, np.ndarray, bool]:
        """Check X and y; return the values of X, labels, and whether y was one-vs-all."""
        # one column of 0 and 1 for each class is read by imbalanced-learn
        one_vs_all = getattr(y, "ndim", 1) == 2 and np.shape(y)[1] > 1
        target = np.asarray(y) if one_vs_all else check_classes(y, "y")
        y, is_binarized = check_target_type(target, indicate_one_vs_all=True)
        if is_table(X):
            # a transformer's table may have NaN where a part is missing
            finite = True if self.transformer is None else "allow-nan"
            X = validate_data(
                self, X, reset=True, accept_sparse=["csr", "csc"], ensure_all_finite=finite
            )
            return X, check_labels(y, "y", X.shape[0]), is_binarized
        if not isinstance(X, SegmentedImages):
            raise TypeError(
                "X must be a table or SegmentedImages(images, masks), as parts of images without "
                f"label maps cannot be swapped; got {type(X).__name__}."
            )
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                delattr(self, name)
        return X, check_labels(y, "y", len(X)), is_binarized

    def _source(self, X: Any) -> DescriptorTable | PlainTable | ImageSource:
        """What swaps nodes in data of this kind."""
        if self.transformer is not None and self.tree is not None:
            raise ValueError("transformer and tree are both given; the transformer has its tree.")
        transformer = None if self.transformer is None else check_transformer(self.transformer)
        if isinstance(X, SegmentedImages):
            tree = self.tree if transformer is None else transformer.tree_
            return ImageSource(X, tree, self.n_jobs)
        names = getattr(self, "feature_names_in_", None)
        if transformer is None:
            return PlainTable(X, names, self.tree)
        return DescriptorTable(X, names, transformer)

    def _choose_nodes(self, source: Any, X: Any, y: np.ndarray) -> Any:
        """Nodes to swap."""
        nodes, is_found = self.nodes, callable(self.nodes)
        if is_found:
            nodes = nodes(X, y)
        elif isinstance(nodes, str) and nodes == AUTO:
            is_found, nodes = True, self._find_shortcuts(X, y)
        elif self.shortcut_params is not None:
            raise ValueError(f"shortcut_params are for nodes={AUTO!r}, got nodes={nodes!r}.")
        found = source.read_nodes(nodes)
        if not found.all and not is_found:
            raise ValueError("nodes is empty; expected the nodes to swap.")
        self.nodes_ = [source.tree.path(node) for node in found.all]
        return found

    def _find_shortcuts(self, X: Any, y: np.ndarray) -> list[str]:
        """Paths of the flagged nodes."""
        given = {"transformer": self.transformer, "random_state": self.random_state}
        if self.transformer is None and self.tree is not None:
            given["tree"] = self.tree
        self.shortcut_report_ = find_shortcuts(X, y, **{**given, **(self.shortcut_params or {})})
        return list(self.shortcut_report_.flagged)

    def _set_sizes(self, y: np.ndarray) -> np.ndarray:
        """Rows of every class after balancing, before copies."""
        labels, sizes = np.unique(y, return_counts=True)
        more = check_sampling_strategy(self.sampling_strategy, y, self._sampling_type) or {}
        balanced = sizes + [int(more.get(label, 0)) for label in labels]
        added = (1 + self.n_copies) * balanced - sizes
        self.sampling_strategy_ = dict(zip(labels.tolist(), added.tolist()))
        return balanced

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.sampler_tags.sample_indices = True
        return tags
