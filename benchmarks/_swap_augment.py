"""Prototype of `swap_augment`: swapped rows within the node learners, not in the data.

Every node learns discriminants of its direct columns, their squared distances are summed, and the
nearest neighbors vote. This is the simplest version of the tree classifier, so the only difference
is where swapped rows are used. Pairs of a row and its swapped copy are "positives that differ in
the node": their differences are added to the within-class scatter.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from _models import N_NEIGHBORS
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.neighbors import KNeighborsClassifier

from hierseg_learn.metrics._lda import ClassScatter, Discriminants


def predict_sketch(
    train: pd.DataFrame,
    y: np.ndarray,
    test: pd.DataFrame,
    copies: pd.DataFrame | None = None,
    weight: float = 1.0,
) -> np.ndarray:
    """Discriminants per node, summed; neighbors vote.

    Parameters
    ----------
    train, test : DataFrame
        Rows without missing values.
    y : ndarray of shape (n_train,)
        Classes, from 0.
    copies : DataFrame of shape (n_train, n_columns), default=None
        The training rows with the node of another row; None leaves them out.
    weight : float, default=1.0
        How much a pair counts, in rows.
    """
    mean, scale = train.mean(), train.std().replace(0.0, 1.0)
    rows, asked = (((table - mean) / scale).to_numpy() for table in (train, test))
    steps = None if copies is None else ((copies - mean) / scale).to_numpy() - rows
    nodes = np.unique(train.columns.str.partition("|").get_level_values(0), return_inverse=True)[1]
    embedded = []
    for node in range(nodes.max() + 1):
        own = nodes == node
        L = learn_node(rows[:, own], y, None if steps is None else steps[:, own], weight)
        embedded.append((rows[:, own] @ L.T, asked[:, own] @ L.T))
    known, queries = (np.hstack(parts) for parts in zip(*embedded))
    return KNeighborsClassifier(N_NEIGHBORS).fit(known, y).predict(queries)


def learn_node(
    rows: np.ndarray, y: np.ndarray, steps: np.ndarray | None, weight: float
) -> np.ndarray:
    """Discriminants of one node; steps from rows to their copies widen the scatter within."""
    scatter = ClassScatter.of(rows, y, int(y.max()) + 1)
    centered = rows - (scatter.sums / scatter.counts[:, np.newaxis])[y]
    shrinkage = ledoit_wolf_shrinkage(centered, assume_centered=True)
    if steps is not None:
        # half the squared step is the scatter of the two rows of a pair about their middle
        widened = 0.5 * weight * steps.T @ steps / len(steps)
        freedom = scatter.n_rows - scatter.n_classes
        scatter = replace(scatter, moments=scatter.moments + freedom * widened)
    return Discriminants(scatter).leading(shrinkage)
