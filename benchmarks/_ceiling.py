"""Upper bounds of the accuracy of a linear map on a table: maps fitted on the held-out rows, too.

The held-out rows are among the training rows, and there is no early stopping. This is not a valid
evaluation; a bar above all of these accuracies cannot be reached by a linear map.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from _node_fits import neighbor_accuracy
from _node_learners import LEARNERS, SKLEARN_NCA
from _sized import count_components

CEILING_TABLE = "9kx27"
N_STEPS, SEED = 2000, 0
# ours neither hold rows out nor stop early; scikit-learn's has its defaults
OURS = ("NCA", "LMNN", "TripletMargin")


def find_ceilings(table: dict[str, np.ndarray], n_steps: int = N_STEPS) -> Iterator[tuple]:
    """Yield the accuracy of neighbors among the rows that train, learner by learner."""
    X = np.concatenate([table["X"], table["X_test"]])
    y = np.concatenate([table["y"], table["y_test"]])
    until_the_end = {"n_iter_no_change": n_steps, "early_stopping": False}
    for name in (*OURS, SKLEARN_NCA):
        params, steps = (until_the_end, n_steps) if name in OURS else ({}, None)
        fit = LEARNERS[name].load(params)
        yield name, neighbor_accuracy(fit(X, y, count_components(table), steps, SEED), **table)
