"""New samples from segments that are exchanged between images."""

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
from sklearn.utils.validation import check_is_fitted, validate_data

from ..audit import find_shortcuts
from ..fitted.model import unwrap_frozen
from ..images import SegmentedImages, is_table, join_items
from ..transformer import SegmentTreeTransformer
from ..tree import SegmentTree
from ..utils import Estimator
from ..utils.labels import check_classes, check_labels
from ..utils.tables import as_pandas, like, take_rows
from ._plan import SwapPlan, plan_swaps
from ._sources import DescriptorTable, ImageSource, PlainTable, named_table

AUTO = "auto"


class SegmentSwapSampler(Estimator, BaseSampler):
    """Exchange segments between images, so that they say nothing about the label any more.

    Where every boat is on water, a model learns the water. This sampler adds copies of the training
    images that carry the water of others, and keeps their labels: in the new set the class whose
    segment a row carries is independent of the row's label, for any number of classes and any
    balance between them. Two classes and one copy: all originals stay, and each gets a copy with
    the segment of a row of the other class. What independence forbids is left out: with three or
    more classes and one copy, some originals are replaced by copies.

    X is the table of a fitted transformer (the columns of all nodes above the exchanged one are
    made anew), :class:`~hierseg_learn.SegmentedImages` (a new image and its label map are composed:
    the hole behind a moved part is filled, its border soft), or any other table whose columns
    belong to nodes.

    Parameters
    ----------
    nodes : str, list of str, dict or callable, default=None
        Which nodes to exchange, by path or unique short name; several come from one donor, so that
        they fit each other. A dict says which descriptors of a node are exchanged, by the
        transformer's names, as in ``{"background": ["color"]}``, or None for all of it; area,
        presence and other descriptors then stay the receiver's. ``"auto"`` takes the nodes that
        :func:`~hierseg_learn.audit.find_shortcuts` flags. A callable gets X and y and returns one
        of these. Where nothing is found, nothing is exchanged and the set stays as it is.
    shortcut_params : dict, default=None
        For ``nodes="auto"``: arguments of :func:`~hierseg_learn.audit.find_shortcuts`, such as
        ``{"context": "background"}``. Without evidence nothing is flagged.
    transformer : SegmentTreeTransformer or FrozenEstimator, default=None
        Fitted: the one that made the table. ``FrozenEstimator(transformer)`` stays fitted where the
        sampler is cloned, as in a grid search.
    tree : dict or SegmentTree, default=None
        For images: a nested dict whose leaves are part ids; None takes the parts side by side.
        For tables without `transformer`: one whose leaves are lists of column names or positions,
        all other columns stay the receiver's; None reads it from the column names.
    n_copies : int, default=1
        The new set has ``1 + n_copies`` rows for every row of the old one. With two classes 1 is
        enough; ``n_classes - 1`` keeps all originals. 0 replaces some rows and adds none.
    sampling_strategy : float, str, dict or callable, default=None
        Balances the classes on top, as imbalanced-learn's over-sampling does; `n_copies` multiplies
        what comes out. None keeps the balance.
    n_jobs : int, default=None
        Number of processes that compose images. The images are the same for any number.
    random_state : int, RandomState instance or None, default=None
        Seeds who gives to whom.

    Attributes
    ----------
    nodes_ : list of str
        Paths of the exchanged nodes.
    shortcut_report_ : ShortcutReport
        For ``nodes="auto"``: what was found.
    sampling_strategy_ : dict
        For every class how many rows the new set has more than the old one.
    sample_indices_ : ndarray of shape (n_new,), int
        For every new row the row of X that it is made of.
    sample_sources_ : ndarray of shape (n_new, 2), int
        Receiver and donor of every new row; the donor is -1 for an original. Originals come first.
    n_features_in_ : int
        Number of columns of a table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names of a table that has string names.

    See Also
    --------
    hierseg_learn.what_if.ablate_nodes : Leave a node out instead; no new rows are needed.

    Notes
    -----
    Donors are taken in turn, so that not only the class of a segment but also the single segment
    comes with all labels equally often.

    Every row of X is in the new set ``1 + n_copies`` times, but for the exchanged segment. Within a
    pipeline the sampler sees training folds only; where the new set itself is split, rows of one
    receiver must stay together (``groups=sampler.sample_indices_``), and to judge a model of the
    *segment*, rows of one donor. A vote of `n_neighbors` may want as many times more.

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
        """Check the data and the parameters; `fit_resample` does so, too.

        Parameters
        ----------
        X : DataFrame, array-like or sparse array of shape (n_rows, n_columns), or SegmentedImages
            As in `fit_resample`.
        y : array-like of shape (n_rows,)
            Labels.

        Returns
        -------
        self : SegmentSwapSampler
        """
        self._validate_params()
        X, labels, _ = self._check_X_y(as_pandas(X), y)
        self._choose_nodes(self._source(X), X, labels)
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
            Where it is known what the segment shows (land or water): the segment's group becomes
            independent of the label, rather than the class that it stems from.

        Returns
        -------
        X_resampled : DataFrame, list, ndarray, sparse array or SegmentedImages
            Of the kind, library, dtype and columns of `X`; images are held in memory.
        y_resampled : Series, list or ndarray of shape (n_new,)
            Of the kind and library of `y`.

        Raises
        ------
        ValueError
            If X has one node only or is not what the transformer made, `nodes` names what is not
            there, y has one class, or y or groups lacks a value or has another length than X.
        TypeError
            If X is images without label maps.
        """
        # the base class reads X as a table, and makes tables, lists and Series out of the result
        labels = _read_target(y)
        if is_table(X):
            resampled, new_labels = super().fit_resample(as_pandas(X), labels, groups=groups)
            resampled = like(X, resampled)
        else:
            self._validate_params()
            images, labels, _ = self._check_X_y(join_items(X), labels)
            resampled, new_labels = self._fit_resample(images, labels, groups)
        is_array = isinstance(y, np.ndarray)
        return resampled, new_labels if is_array else take_rows(y, self.sample_indices_)

    def _fit_resample(self, X: Any, y: np.ndarray, groups: Any = None) -> tuple[Any, np.ndarray]:
        """Make the new set from checked X and y."""
        if groups is not None:
            groups = check_labels(groups, "groups", len(y), noun="group")
        source = self._source(X)
        nodes = self._choose_nodes(source, X, y)
        sizes = self._set_sizes(y)
        if nodes.all:
            plan = plan_swaps(
                y,
                groups,
                n_copies=self.n_copies,
                class_sizes=sizes,
                may_give=source.may_give(nodes),
                random_state=self.random_state,
            )
        else:
            plan = SwapPlan(np.arange(len(y)), np.full(len(y), -1))
            self.sampling_strategy_ = dict.fromkeys(self.sampling_strategy_, 0)
        self.sample_indices_ = plan.receivers
        self.sample_sources_ = np.column_stack(plan)
        return source.swapped(nodes, plan), y[plan.receivers]

    def _check_X_y(self, X: Any, y: Any, accept_sparse: Any = None) -> tuple[Any, np.ndarray, bool]:
        """Check X and y; return what is in X, labels, and whether y was one-vs-all."""
        y, is_binarized = check_target_type(_read_target(y), indicate_one_vs_all=True)
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
                f"label maps cannot be exchanged; got {type(X).__name__}."
            )
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                delattr(self, name)
        return X, check_labels(y, "y", len(X)), is_binarized

    def _source(self, X: Any) -> DescriptorTable | PlainTable | ImageSource:
        """What exchanges nodes in data of this kind."""
        if self.transformer is not None and self.tree is not None:
            raise ValueError("transformer and tree are both given; the transformer has its tree.")
        transformer = unwrap_frozen(self.transformer)
        if transformer is not None:
            self._check_transformer(transformer)
        if isinstance(X, SegmentedImages):
            tree = self.tree if transformer is None else transformer.tree_
            return ImageSource(X, tree, self.n_jobs)
        names = getattr(self, "feature_names_in_", None)
        if transformer is None:
            return PlainTable(X, names, self.tree)
        return DescriptorTable(X, names, transformer)

    def _check_transformer(self, transformer: Any) -> None:
        if not isinstance(transformer, SegmentTreeTransformer):
            raise TypeError(
                "transformer must be a fitted SegmentTreeTransformer, got "
                f"{type(transformer).__name__}."
            )
        try:
            check_is_fitted(transformer)
        except ValueError as error:
            raise ValueError(
                "transformer is not fitted, but the table can only be taken apart by the fitted "
                "one that made it. Cloning, as in a grid search, forgets what was fitted: pass "
                "FrozenEstimator(transformer), or exchange on images, before the transformer."
            ) from error

    def _choose_nodes(self, source: Any, X: Any, y: np.ndarray) -> Any:
        """Nodes that are exchanged."""
        nodes, is_found = self.nodes, callable(self.nodes)
        if is_found:
            nodes = nodes(named_table(X, getattr(self, "feature_names_in_", None)), y)
        elif isinstance(nodes, str) and nodes == AUTO:
            is_found, nodes = True, self._find_shortcuts(X, y)
        elif self.shortcut_params is not None:
            raise ValueError(f"shortcut_params are for nodes={AUTO!r}, got nodes={nodes!r}.")
        found = source.read_nodes(nodes)
        if not found.all and not is_found:
            raise ValueError("nodes is empty; expected the nodes to exchange.")
        self.nodes_ = [source.tree.path(node) for node in found.all]
        return found

    def _find_shortcuts(self, X: Any, y: np.ndarray) -> list[str]:
        """Paths of the flagged nodes."""
        given = {"transformer": self.transformer, "random_state": self.random_state}
        if self.transformer is None and self.tree is not None:
            given["tree"] = self.tree
        table = named_table(X, getattr(self, "feature_names_in_", None)) if is_table(X) else X
        self.shortcut_report_ = find_shortcuts(
            table, y, **{**given, **(self.shortcut_params or {})}
        )
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


def _read_target(y: Any) -> np.ndarray:
    """Classes; one column of 0 and 1 for each of them stays, as imbalanced-learn reads it."""
    if getattr(y, "ndim", 1) == 2 and np.shape(y)[1] > 1:
        return np.asarray(y)
    return check_classes(y, "y")
