"""The learners that are compared, and tables of descriptors that see the training images only."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from skimage.feature import hog
from skimage.transform import resize
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.metrics._lda import ClassScatter, Discriminants

# votes of the other neighbor learners, fixed; bench_defaults.py tries some for the tree, too
N_NEIGHBORS = 15
SHRINKAGES = (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
SVM_COSTS_SCALED = (0.0001, 0.001, 0.01)
INNER_FOLDS = 3
MAX_SEARCHED = 10_000
# information of given masks about the class, without pixel values and with the whole image
MASKS_ONLY, WHOLE_AND_MASKS = "presence and area only", "whole image + presence and area"
OUTLINES_ONLY = "tree of presence, area and shape only"

Learner = Callable[[pd.DataFrame, np.ndarray, pd.DataFrame], np.ndarray]


def fit_tree(table: pd.DataFrame, y: np.ndarray, **params: Any) -> HierarchicalMetricClassifier:
    """Fit the classifier with the tree that the column names tell."""
    params = {"device": "cpu", "random_state": 0, **params}
    return HierarchicalMetricClassifier("columns", **params).fit(table, y)


def fit_flat(table: pd.DataFrame, y: np.ndarray, **params: Any) -> HierarchicalMetricClassifier:
    """Fit the same learner, with all columns in one node."""
    params = {"device": "cpu", "random_state": 0, **params}
    return HierarchicalMetricClassifier({"all": list(table.columns)}, **params).fit(table, y)


def predict_tree(table: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Tree of node metrics, nearest neighbors."""
    return fit_tree(table, y).predict(rows)


def predict_flat(table: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """One node with all columns, nearest neighbors."""
    return fit_flat(table, y).predict(rows)


def predict_masks_only(table: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Linear discriminants on presence and area of the parts, without pixel values."""
    lda = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis())
    return lda.fit(mask_columns(table).to_numpy(np.float64), y).predict(
        mask_columns(rows).to_numpy(np.float64)
    )


def predict_outlines_only(table: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Tree of what the table knows from the masks alone, outlines too: no pixel is looked at."""
    outlines = select(table, r"presence|area|shape_.*")
    return predict_tree(table.loc[:, outlines], y, rows.loc[:, outlines])


def predict_whole_and_masks(table: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """One node with the columns of the whole image and those of `predict_masks_only`."""
    both = [pd.concat([root_columns(X), mask_columns(X)], axis=1) for X in (table, rows)]
    return predict_flat(both[0], y, both[1])


def accuracy_of_masks(
    table: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame, truth: np.ndarray
) -> dict[str, dict[str, float]]:
    """Accuracy of presence and area of given masks, alone and with the whole image."""
    rivals = {MASKS_ONLY: predict_masks_only, WHOLE_AND_MASKS: predict_whole_and_masks}
    if select(table, r"shape_.*").any():
        rivals[OUTLINES_ONLY] = predict_outlines_only
    return {
        name: {"accuracy": float((predict(table, y, rows) == truth).mean())}
        for name, predict in rivals.items()
    }


def predict_searched_lda(table: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """One node with all columns, shrinkage chosen by inner cross-validation.

    This is ShrinkageLDA and nearest neighbors, with one eigendecomposition for all shrinkages.
    """
    X, asked = table.to_numpy(np.float64), rows.to_numpy(np.float64)
    right = np.zeros(len(SHRINKAGES))
    for train, held_out in inner_folds().split(X, y):
        found = _neighbors_by_shrinkage(X[train], y[train], X[held_out], SHRINKAGES)
        right += [(labels == y[held_out]).sum() for labels in found]
    return _neighbors_by_shrinkage(X, y, asked, [SHRINKAGES[right.argmax()]])[0]


def _neighbors_by_shrinkage(
    X: np.ndarray, y: np.ndarray, asked: np.ndarray, shrinkages: Sequence[float]
) -> list[np.ndarray]:
    """Predictions of nearest neighbors after ShrinkageLDA(shrinkage=...), for every shrinkage."""
    scaler = StandardScaler().fit(X)
    X, asked = scaler.transform(X), scaler.transform(asked)
    codes = np.unique(y, return_inverse=True)[1]
    learned = Discriminants(ClassScatter.of(X, codes, codes.max() + 1))
    found = []
    for shrinkage in shrinkages:
        L = learned.leading(shrinkage)
        found.append(KNeighborsClassifier(N_NEIGHBORS).fit(X @ L.T, y).predict(asked @ L.T))
    return found


def predict_linear_svm(table: pd.DataFrame, y: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Linear SVM on all columns, its cost chosen by inner cross-validation."""
    pipeline = make_pipeline(StandardScaler(), LinearSVC(dual="auto", random_state=0))
    search = GridSearchCV(pipeline, {"linearsvc__C": SVM_COSTS_SCALED}, cv=inner_folds())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return search.fit(table.to_numpy(), y).predict(rows.to_numpy())


def predict_hog_svm(
    features: Sequence[np.ndarray],
    costs: Sequence[float],
    train: np.ndarray,
    y: np.ndarray,
    test: np.ndarray,
) -> np.ndarray:
    """Linear SVM on histograms of oriented gradients.

    One of the `costs` and one of the `features` are chosen by inner cross-validation on at
    most MAX_SEARCHED of the training rows.
    """
    searched = np.linspace(0, len(y) - 1, min(len(y), MAX_SEARCHED)).astype(int)
    searches = [
        GridSearchCV(
            LinearSVC(dual="auto", random_state=0), {"C": costs}, cv=inner_folds(), refit=False
        )
        for _ in features
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for search, X in zip(searches, features):
            search.fit(X[train[searched]], y[searched])
        best = int(np.argmax([search.best_score_ for search in searches]))
        svm = LinearSVC(dual="auto", random_state=0, **searches[best].best_params_)
        return svm.fit(features[best][train], y).predict(features[best][test])


def predict_majority(y: np.ndarray, n_rows: int) -> np.ndarray:
    """Return the largest class for every row."""
    classes, counts = np.unique(y, return_counts=True)
    return np.full(n_rows, classes[counts.argmax()])


def inner_folds() -> StratifiedKFold:
    """Folds of the training rows, by which learners choose their parameters."""
    return StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=0)


def describe(transformer: SegmentTreeTransformer, images: Any) -> pd.DataFrame:
    """Describe images by descriptors that learn nothing; NaN where a part is missing."""
    return transformer.set_params(missing="nan").fit_transform(images)


def fill_missing(table: pd.DataFrame, train: np.ndarray) -> pd.DataFrame:
    """Fill missing parts with the means of the training rows, as the transformer does."""
    means = table.iloc[train].mean().fillna(0.0)
    return table.fillna(means)


def merge_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables of the same tree side by side; presence and area come from the first."""
    first, *others = tables
    kept = [other.loc[:, ~select(other, r"presence|area")] for other in others]
    return pd.concat([first, *kept], axis=1)


def select(table: pd.DataFrame, pattern: str) -> np.ndarray:
    """Columns whose descriptor (what comes after the node's path) matches from its start to end."""
    return np.array(
        [re.fullmatch(pattern, name.partition("|")[2]) is not None for name in table.columns]
    )


def mask_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Presence and area of the parts, the nodes with no others below them."""
    return table.loc[:, select(table, r"presence|area") & ~inner_columns(table)]


def inner_columns(table: pd.DataFrame) -> np.ndarray:
    """Columns that belong to nodes with others below them."""
    paths = [name.partition("|")[0] for name in table.columns]
    parents = {path.rpartition("/")[0] for path in paths}
    return np.array([path in parents for path in paths])


def root_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of the root: those with the shortest path."""
    return table.loc[:, ["/" not in name.partition("|")[0] for name in table.columns]]


def hog_features(images: Any, shape: tuple[int, int], cell: int) -> np.ndarray:
    """Histograms of oriented gradients: 9 directions, blocks of 2 × 2 cells, strongest channel."""
    rows = []
    for i in range(len(images)):
        image = np.asarray(getattr(images[i], "image", images[i]))
        if image.shape[:2] != shape:
            image = resize(image, shape, anti_aliasing=True)
        axis = -1 if image.ndim == 3 else None
        rows.append(hog(image, 9, (cell, cell), cells_per_block=(2, 2), channel_axis=axis))
    return np.asarray(rows, dtype=np.float32)
