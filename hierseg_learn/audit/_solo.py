"""Single nodes: their columns of a table, and cross-validated prediction of the class from them.

A node is tested on the rows in which it is present, since its absence is no property of the node.
Its classifier takes the nearest class mean under the shrunken total covariance of the node's
columns; for two classes this is linear discriminant analysis with equal priors. The covariance does
not depend on labels, so one factorization serves the true labels and all permuted ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.model_selection import StratifiedKFold

from ..descriptors import ShapeDescriptor
from ..fitted.model import check_transformer
from ..images import is_table
from ..table.layout import AREA, PRESENCE, TableLayout, read_layout, read_remark, split_column
from ..transformer import SegmentTreeTransformer
from ..tree import SegmentTree
from ..utils.labels import check_classes
from ..utils.spread import varies
from ..utils.tables import as_pandas, column_names, order_columns


@dataclass(frozen=True)
class NodeTable:
    """Rows of a table, and what of them belongs to which node."""

    tree: SegmentTree  # the tree
    rows: np.ndarray  # (n_rows, n_columns) float64: the table; NaN only where a node is absent
    columns: tuple[np.ndarray, ...]  # for every node the columns that count
    present: np.ndarray  # (n_rows, n_nodes) bool: where a node has any pixel
    # in which the table came: how finely its columns are told apart
    dtype: type | np.dtype = np.float64

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, node: int, which: np.ndarray) -> np.ndarray:
        """Columns of one node in some rows, (n_which, n_own)."""
        return self.rows[np.ix_(which, self.columns[node])]


@dataclass(frozen=True)
class TableReader:
    """Reads tables that have the columns of a first one."""

    layout: TableLayout  # the tree and the columns of every node
    names: tuple[str, ...] | None  # column names of the first table
    transformer: SegmentTreeTransformer | None  # describes images
    appearance_only: bool  # whether presence, area and geometry are left out

    @classmethod
    def of(cls, X: Any, transformer: Any, tree: Any, appearance_only: bool) -> TableReader:
        """Look at a first table, or at the transformer that makes it."""
        if transformer is not None:
            transformer = check_transformer(transformer)
            names = tuple(transformer.get_feature_names_out().tolist())
        elif not is_table(X):
            raise TypeError(
                "X is images; expected the table that a fitted SegmentTreeTransformer made of "
                "them, or that transformer as transformer=."
            )
        else:
            found = column_names(as_pandas(X))
            names = None if found is None else tuple(map(str, found))
        n_columns = np.shape(X)[1] if names is None else len(names)
        layout = read_layout(tree, names, n_columns)
        remark = read_remark(X) if transformer is None else transformer.tree_.remark
        if remark:
            layout = replace(layout, tree=layout.tree.with_remark(remark))
        return cls(layout, names, transformer, appearance_only)

    def read(self, X: Any, name: str) -> NodeTable:
        """Read a table, or describe images."""
        if self.transformer is not None and not is_table(X):
            X = self.transformer.transform(X)
        X = as_pandas(X, name)
        if self.names is not None and hasattr(X, "columns"):
            expected = "the columns of the training table"
            X = X.iloc[:, order_columns(X.columns, self.names, name, expected)]
        rows = np.asarray(X)
        dtype = rows.dtype if rows.dtype.kind == "f" else np.dtype(np.float64)
        rows = rows.astype(np.float64)
        tree, columns = self.layout.tree, self.layout.columns
        if rows.ndim != 2 or not len(rows) or rows.shape[1] != sum(map(len, columns)):
            raise ValueError(
                f"{name} must be a table of {sum(map(len, columns))} columns with at least one "
                f"row, got shape {rows.shape}."
            )
        present = np.ones((len(rows), tree.n_nodes), dtype=bool)
        counted = []
        for node, own in enumerate(columns):
            described = [self.names and split_column(self.names[column])[1] for column in own]
            if PRESENCE in described:
                present[:, node] = rows[:, own[described.index(PRESENCE)]] > 0
            counts = [not (self.appearance_only and d and _is_geometry(d)) for d in described]
            counted.append(own[np.array(counts, dtype=bool)])
            _check_finite(rows, present[:, node], own, tree.paths[node], name)
        return NodeTable(tree, rows, tuple(counted), present, dtype)


def _is_geometry(descriptor: str) -> bool:
    """Whether a column says where and how large a node is, rather than how it looks."""
    return descriptor in (PRESENCE, AREA) or descriptor.startswith(f"{ShapeDescriptor().prefix}_")


def _check_finite(
    rows: np.ndarray, present: np.ndarray, own: np.ndarray, path: str, name: str
) -> None:
    bad = ~np.isfinite(rows[:, own]) & present[:, np.newaxis]
    if bad.any():
        row = int(np.flatnonzero(bad.any(axis=1))[0])
        raise ValueError(
            f"{name} holds NaN or infinity in row {row}, in a column of {path!r}, which is "
            "present there; expected finite numbers."
        )


def node_ids(tree: SegmentTree, nodes: Sequence[int | str] | int | str, name: str) -> list[int]:
    """Ids of nodes that a user names, without repetition."""
    nodes = [nodes] if isinstance(nodes, int | str) else list(nodes)
    if not nodes:
        raise ValueError(f"{name} must name at least one node, got none.")
    return list(dict.fromkeys(tree.index(node) for node in nodes))


# rows with the node that a class needs, or it is left out for this node
MIN_ROWS = 5
# labelings that are scored at once: bounds memory
BLOCK_LABELINGS = 50
# smallest share of the identity in a covariance, which keeps it regular with constant columns
RIDGE = 1e-4


@dataclass(frozen=True)
class FoldModel:
    """Discriminants of one node, fitted without one fold."""

    # (n_columns,): standardize the columns of the node; a scale of 0 leaves a column out
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray  # (n_columns, n_classes): of the standardized columns
    offsets: np.ndarray  # (n_classes,)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Scores of the classes, (n_rows, n_classes), the largest for the nearest class."""
        return standardize(rows, self.mean, self.scale) @ self.weights + self.offsets


@dataclass(frozen=True)
class SoloNode:
    """Prediction of the class from one node."""

    models: list[FoldModel]  # one per fold; empty if the node cannot be tested
    classes: np.ndarray  # (n_kept,) int: codes of the classes with enough rows with the node
    # (n_rows, n_classes): cross-validated; NaN where the node is absent or the class has too few
    # rows
    scores: np.ndarray
    accuracy: float  # balanced accuracy of these scores, NaN if the node cannot be tested
    null: np.ndarray  # (n_permutations,): the same with labels permuted within folds

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return 1.0 / len(self.classes) if len(self.classes) else np.nan


def fit_solo(
    table: NodeTable,
    node: int,
    codes: np.ndarray,
    folds: np.ndarray,
    *,
    n_permutations: int,
    seed: int,
) -> SoloNode:
    """Fit the discriminants of one node with true and permuted labels; codes, folds (n_rows,)."""
    n_classes = int(codes.max()) + 1
    present = table.present[:, node]
    classes = np.flatnonzero(np.bincount(codes[present], minlength=n_classes) >= MIN_ROWS)
    scores = np.full((len(codes), n_classes), np.nan)
    if len(classes) < 2 or not len(table.columns[node]):
        return SoloNode([], classes[:0], scores, np.nan, np.full(n_permutations, np.nan))
    used = present & np.isin(codes, classes)
    rows, own_folds = table.of(node, used), folds[used]
    own_codes = np.searchsorted(classes, codes[used])
    labelings = permuted_within(own_codes, own_folds, n_permutations, seed)
    guesses = np.empty((1 + n_permutations, len(rows)), dtype=np.int16)
    models = []
    for fold in range(int(folds.max()) + 1):
        held_out, seen = own_folds == fold, own_folds != fold
        fit = _FoldFit(rows[seen], table.dtype)
        models.append(fit.model(own_codes[seen], classes, n_classes))
        here = np.flatnonzero(present & (folds == fold))
        scores[here] = models[-1].scores(table.of(node, here))
        for start in range(0, len(labelings), BLOCK_LABELINGS):
            block = slice(start, start + BLOCK_LABELINGS)
            guesses[block, held_out] = fit.guesses(
                labelings[block][:, seen], rows[held_out], len(classes)
            )
    accuracy = balanced_accuracy(labelings, guesses, len(classes))
    return SoloNode(models, classes, scores, float(accuracy[0]), accuracy[1:])


def balanced_accuracy(truth: np.ndarray, guesses: np.ndarray, n_classes: int) -> np.ndarray:
    """Balanced accuracy for every labeling, (n_labelings,)."""
    right = truth == guesses
    members = [truth == code for code in range(n_classes)]
    recalls = [(right & member).sum(axis=1) / member.sum(axis=1) for member in members]
    return np.mean(recalls, axis=0)


def argmax_class(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Class with the largest score, (n_rows,) int; -1 where the node is absent."""
    guesses = classes[scores[:, classes].argmax(axis=1)]
    return np.where(np.isnan(scores[:, classes[0]]), -1, guesses)


def standardize(rows: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Standardize columns; constant ones are 0."""
    return np.divide(rows - mean, scale, out=np.zeros_like(rows), where=scale > 0)


def permuted_within(
    codes: np.ndarray, folds: np.ndarray, n_permutations: int, seed: int
) -> np.ndarray:
    """Labels, followed by permutations of them within folds: (1 + n_permutations, n_rows)."""
    rng = np.random.default_rng(seed)
    labelings = np.tile(codes.astype(np.int16), (1 + n_permutations, 1))
    for fold in np.unique(folds):
        here = np.flatnonzero(folds == fold)
        labelings[1:, here] = rng.permuted(labelings[1:, here], axis=1)
    return labelings


class _FoldFit:
    """Standardized rows and the factor of their shrunken covariance."""

    def __init__(self, rows: np.ndarray, dtype: type | np.dtype) -> None:
        self.mean, scale = rows.mean(axis=0), rows.std(axis=0)
        self.scale = np.where(varies(rows, scale, dtype), scale, 0.0)
        self.rows = standardize(rows, self.mean, self.scale)
        covariance = self.rows.T @ self.rows / len(rows)
        shrinkage = ledoit_wolf_shrinkage(self.rows, assume_centered=True)
        covariance *= 1 - shrinkage
        covariance.flat[:: len(covariance) + 1] += max(shrinkage, RIDGE)
        self.factor = cho_factor(covariance, lower=True)

    def model(self, codes: np.ndarray, classes: np.ndarray, n_classes: int) -> FoldModel:
        """Discriminants of one labeling; the score of other classes is minus infinity."""
        weights = np.zeros((len(self.mean), n_classes))
        offsets = np.full(n_classes, -np.inf)
        own_weights, own_offsets = self._discriminants(codes[np.newaxis], len(classes))
        weights[:, classes], offsets[classes] = own_weights, own_offsets
        return FoldModel(self.mean, self.scale, weights, offsets)

    def guesses(self, labelings: np.ndarray, rows: np.ndarray, n_classes: int) -> np.ndarray:
        """Predicted class of new rows for every labeling, (n_labelings, n_rows)."""
        weights, offsets = self._discriminants(labelings, n_classes)
        scores = standardize(rows, self.mean, self.scale) @ weights + offsets
        return scores.reshape(len(rows), len(labelings), n_classes).argmax(axis=2).T

    def _discriminants(
        self, labelings: np.ndarray, n_classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights, (n_columns, n_labelings * n_classes), and offsets of the nearest class mean."""
        member = (labelings[:, np.newaxis] == np.arange(n_classes)[:, np.newaxis]).astype(float)
        member = member.reshape(-1, labelings.shape[1])
        sizes = member.sum(axis=1)
        means = (member @ self.rows) / np.maximum(sizes, 1)[:, np.newaxis]
        weights = cho_solve(self.factor, means.T)
        offsets = np.where(sizes > 0, -0.5 * np.sum(means.T * weights, axis=0), -np.inf)
        return weights, offsets


def make_folds(codes: np.ndarray, cv: int, seed: int) -> np.ndarray:
    """Stratified folds, (n_rows,) int; classes with too few rows are spread evenly."""
    counts = np.bincount(codes)
    n_folds = min(cv, int(counts[counts >= MIN_ROWS].min()))
    folds = np.empty(len(codes), dtype=np.intp)
    frequent = np.flatnonzero(counts[codes] >= MIN_ROWS)
    rare = np.flatnonzero(counts[codes] < MIN_ROWS)
    folds[rare] = np.arange(len(rare)) % n_folds
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(frequent, codes[frequent])):
        folds[frequent[held_out]] = fold
    return folds


def read_classes(y: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and their codes (n_rows,)."""
    names, codes = np.unique(check_classes(y, "y", n_rows), return_inverse=True)
    counts = np.bincount(codes)
    if (counts >= MIN_ROWS).sum() < 2:
        raise ValueError(
            f"y must hold at least two classes of {MIN_ROWS} rows, got "
            f"{dict(zip(names.tolist(), counts.tolist()))}."
        )
    return names, codes
