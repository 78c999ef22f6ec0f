"""Tables with hierarchical column names, and rows to ask about."""

import numpy as np
import pandas as pd

PATHS = ("photo/person/hair", "photo/person/skirt", "photo/sky", "photo")


def named_table(n_samples=60, n_classes=3, *, paths=PATHS, n_columns=3, signal=2.0, seed=0):
    """Return a table in which the first node tells the classes apart, and the classes.

    All other nodes are noise. With `signal=0`, everything is.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_samples) % n_classes)
    names = [f"{path}|d_{i}" for path in paths for i in range(n_columns)]
    X = rng.standard_normal((n_samples, len(names)))
    centers = rng.permutation(np.linspace(-1, 1, n_classes))
    X[:, 0] += signal * centers[y]
    if n_columns > 1:
        X[:, 1] += signal * np.roll(centers, 1)[y]
    return pd.DataFrame(X, columns=names), y


def tree_table(tree, random, *, n_samples=30, n_classes=3):
    """Return a random table with one to three columns for every node of a tree, and classes."""
    names = [f"{path}|d_{i}" for path in tree.paths for i in range(random.randint(1, 3))]
    random.shuffle(names)
    rng = np.random.default_rng(random.randrange(2**32))
    y = rng.permutation(np.arange(n_samples) % n_classes)
    X = rng.standard_normal((n_samples, len(names))) * rng.lognormal(0, 2, len(names))
    X += rng.standard_normal((n_classes, len(names)))[y] + rng.normal(0, 10, len(names))
    return pd.DataFrame(X, columns=names), y
