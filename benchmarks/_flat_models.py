"""Flat models on exactly the columns of a tree, with their parameters searched."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from hierseg_learn.metrics import NCA
from hierseg_learn.metrics._scatter import ClassMoments, KrylovDiscriminants

SHRINKAGES = (0.99, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.2, 0.1)
# neighbors that vote; None is the nearest class mean
VOTES = (15, 50, None)
INNER_FOLDS = 3
# without blocks to whiten by, the Krylov space has to be larger
FLAT_STEPS = 40
SVM_COSTS = (1e-5, 1e-4, 1e-3)
RBF_COSTS, RBF_WIDTHS = (1.0, 3.0, 10.0), (0.5, 1.0, 2.0)
PRINCIPAL, NCA_COMPONENTS = (128, 512), 64
MAX_SEARCHED = 3000

Predictor = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def predict_searched_lda(X: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Shrinkage LDA; shrinkage and vote chosen together by inner cross-validation."""
    right = np.zeros((len(SHRINKAGES), len(VOTES)))
    for train, held_out in inner_folds().split(X, y):
        maps = _lda_embeddings(X[train], y[train], X[held_out], SHRINKAGES)
        for i, (known, queries) in enumerate(maps):
            for j, n_voters in enumerate(VOTES):
                right[i, j] += (vote(known, y[train], queries, n_voters) == y[held_out]).sum()
    i, j = np.unravel_index(right.argmax(), right.shape)
    ((known, queries),) = _lda_embeddings(X, y, asked, SHRINKAGES[i : i + 1])
    return vote(known, y, queries, VOTES[j])


def _lda_embeddings(
    X: np.ndarray, y: np.ndarray, asked: np.ndarray, shrinkages: Sequence[float]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Both tables along the discriminants of every shrinkage, towards the mean variance."""
    mean, scale = X.mean(axis=0), X.std(axis=0)
    scale[scale == 0] = np.inf
    known, queries = (X - mean) / scale, (asked - mean) / scale
    moments = ClassMoments(known, y)
    within = np.square(known).sum(dtype=np.float64) - np.sum(
        moments.counts[:, None] * np.square(moments.means, dtype=np.float64)
    )
    unit = np.float32(np.sqrt(within / moments.freedom / X.shape[1]))
    known /= unit
    queries /= unit
    learned = KrylovDiscriminants(ClassMoments(known, y), FLAT_STEPS)
    known, queries = known @ learned.axes.T, queries @ learned.axes.T
    maps = [learned.leading(shrinkage).T.astype(np.float32) for shrinkage in shrinkages]
    return [(known @ down, queries @ down) for down in maps]


def predict_flat_nca(X: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """NCA on principal components, whose number and the vote are chosen on a third of the rows."""
    ((train, held_out),) = StratifiedShuffleSplit(1, test_size=1 / 3, random_state=0).split(X, y)
    best = (-1.0, PRINCIPAL[0], VOTES[0])
    for n_principal in PRINCIPAL:
        known, queries = _nca_embeddings(X[train], y[train], X[held_out], n_principal)
        for n_voters in VOTES:
            score = np.mean(vote(known, y[train], queries, n_voters) == y[held_out])
            best = max(best, (score, n_principal, n_voters), key=lambda found: found[0])
    known, queries = _nca_embeddings(X, y, asked, best[1])
    return vote(known, y, queries, best[2])


def _nca_embeddings(
    X: np.ndarray, y: np.ndarray, asked: np.ndarray, n_principal: int
) -> tuple[np.ndarray, np.ndarray]:
    n_principal = min(n_principal, len(X) - 1, X.shape[1])
    n_components = min(NCA_COMPONENTS, n_principal)
    learned = make_pipeline(
        StandardScaler(),
        PCA(n_principal, svd_solver="randomized", random_state=0),
        NCA(n_components, random_state=0, device="cpu"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        known = learned.fit(X, y).transform(X)
    return known, learned.transform(asked)


def predict_linear_svm(X: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Linear SVM, its cost chosen by inner cross-validation on some of the rows."""
    pipeline = make_pipeline(StandardScaler(), LinearSVC(dual=True, random_state=0))
    return _search(pipeline, {"linearsvc__C": SVM_COSTS}, X, y).predict(asked)


def predict_rbf_svm(X: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """SVM with radial basis functions, cost and width chosen on some of the rows."""
    width = 1 / (X.shape[1] * X.var())
    grid = {"C": RBF_COSTS, "gamma": [width * factor for factor in RBF_WIDTHS]}
    return _search(SVC(), grid, X, y).predict(asked)


def _search(model: object, grid: dict, X: np.ndarray, y: np.ndarray) -> object:
    """Fit on all rows with what is best by folds of at most MAX_SEARCHED of them."""
    rows = np.arange(len(y))
    if len(y) > MAX_SEARCHED:
        splitter = StratifiedShuffleSplit(1, train_size=MAX_SEARCHED, random_state=0)
        ((rows, _),) = splitter.split(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(model, grid, cv=inner_folds(), refit=False).fit(X[rows], y[rows])
        return model.set_params(**search.best_params_).fit(X, y)


def vote(
    known: np.ndarray, y: np.ndarray, asked: np.ndarray, n_neighbors: int | None
) -> np.ndarray:
    """Class of most of the nearest rows, or of the nearest class mean."""
    if n_neighbors is None:
        known = np.stack([known[y == code].mean(axis=0) for code in range(y.max() + 1)])
        y, n_neighbors = np.arange(len(known)), 1
    n_neighbors = min(n_neighbors, len(known))
    distances = np.square(known).sum(axis=1) - 2 * asked @ known.T
    nearest = np.argpartition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors]
    votes = y[nearest][:, :, None] == np.arange(y.max() + 1)
    return votes.sum(axis=1).argmax(axis=1)


def inner_folds() -> StratifiedKFold:
    """Folds of the training rows, by which learners choose their parameters."""
    return StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=0)
