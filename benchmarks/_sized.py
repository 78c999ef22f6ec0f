"""Tables on which node metrics are compared: generated ones of any size, and real ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from _harness import load_ccp_parts, load_cifar10_dev, load_portraits
from _models import describe, fill_missing
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from hierseg_learn import SegmentTreeTransformer

N_TEST = 4000
# Neighbors on 5,000 × 50 standardized columns are right for .62 of the rows.
CLASSIFICATION = {
    "n_informative": 15,
    "n_redundant": 10,
    "n_classes": 8,
    "n_clusters_per_class": 3,
    "class_sep": 1.5,
}
SIZES = {
    "2kx27": (2_000, 27),
    "9kx27": (9_000, 27),
    "5kx50": (5_000, 50),
    "20kx100": (20_000, 100),
    "100kx100": (100_000, 100),
}
CIFAR_PER_CLASS = 200
MAX_COMPONENTS = 100
SEED = 0

Table = dict[str, np.ndarray]


def make_sized(n_rows: int, n_columns: int, n_test: int = N_TEST) -> Table:
    """Generate clusters in some columns, mixtures of them in others, noise in the rest."""
    X, y = make_classification(n_rows + n_test, n_columns, random_state=SEED, **CLASSIFICATION)
    return standardized(X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:])


def take_digits() -> Table:
    """Pixels of written digits, half of the rows to train with."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=SEED)
    return standardized(X, y, X_test, y_test)


def take_ccp_parts() -> Table:
    """All columns of the street photos' table, the classes, and the split of the data set."""
    data = load_ccp_parts()
    return described(data, data.train)


def take_cifar10_dev() -> Table:
    """All columns of the spatial pyramid's table, from some training photos of every class."""
    data = load_cifar10_dev()
    rng = np.random.default_rng(SEED)
    chosen = [
        rng.permutation(data.train[data.target[data.train] == code])[:CIFAR_PER_CLASS]
        for code in np.unique(data.target)
    ]
    return described(data, np.sort(np.concatenate(chosen)))


def take_portraits(n_samples: int) -> Table:
    """All columns of generated portraits' table, for a smoke run."""
    data = load_portraits(n_samples, image_size=(24, 20))
    return described(data, data.train)


def described(data: Bunch, train: np.ndarray) -> Table:
    """Describe images by the default descriptors; columns that never vary are left out."""
    chosen = np.concatenate([train, data.test])
    transformer = SegmentTreeTransformer(tree=data.get("tree"))
    table = describe(transformer, data.images[chosen])
    place = np.arange(len(train))
    X = fill_missing(table, place).to_numpy(np.float64)
    codes = np.unique(data.target[chosen], return_inverse=True)[1]
    X = X[:, X[place].std(axis=0) > 0]
    return standardized(X[place], codes[place], X[len(train) :], codes[len(train) :])


def standardized(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray) -> Table:
    """Bring the columns of the rows that train to mean 0 and variance 1."""
    scaler = StandardScaler().fit(X)
    return {
        "X": scaler.transform(X),
        "y": y.astype(np.int64),
        "X_test": scaler.transform(X_test),
        "y_test": y_test.astype(np.int64),
    }


def count_components(table: Table) -> int:
    """Components for everyone: as many as columns, if these are not very many."""
    return min(table["X"].shape[1], MAX_COMPONENTS)


TABLES: dict[str, Callable[[], Table]] = {
    "digits": take_digits,
    "ccp_parts": take_ccp_parts,
    "cifar10_dev": take_cifar10_dev,
    **{name: partial(make_sized, *size) for name, size in SIZES.items()},
}
REAL = [name for name in TABLES if name not in SIZES]
