"""Small tables with hierarchical columns, made without an image."""

import numpy as np
import pandas as pd

NODES = ("photo/sky", "photo/person/hair", "photo/person/skirt", "photo/person", "photo")


def toy_table(n_samples=60, n_classes=3, seed=0, signal="photo/person/hair"):
    """A table of five nodes, in which the columns of one node tell the classes, and the classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % n_classes
    columns = {}
    for node in NODES:
        columns[f"{node}|presence"] = np.ones(n_samples)
        columns[f"{node}|area"] = rng.uniform(0.1, 0.3, n_samples)
        centers = 6 * np.eye(n_classes, 3) if node == signal else np.zeros((n_classes, 3))
        for i in range(3):
            columns[f"{node}|c{i}"] = centers[y, i] + rng.normal(size=n_samples)
    return pd.DataFrame(columns), np.array(["ant", "bee", "cat", "dog"])[y]
