"""What a linear map can reach on a table at most: maps that were learned from the answers, too.

The rows held out are among the rows that train, and steps end only where there are no more of them.
Their accuracy is no one's to claim; a bar above all of them is out of a linear map's reach.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from _node_fits import N_NEIGHBORS
from _node_learners import SKLEARN_NCA
from sklearn.base import TransformerMixin
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis

from hierseg_learn.metrics import LMNN, NCA, TripletMargin

CEILING_TABLE = "9kx27"
N_STEPS, SEED = 2000, 0
OURS = {"NCA": NCA, "LMNN": LMNN, "TripletMargin": TripletMargin}


def find_ceilings(table: dict[str, np.ndarray], n_steps: int = N_STEPS) -> Iterator[tuple]:
    """Yield the accuracy of neighbours among the rows that train, learner by learner."""
    X = np.concatenate([table["X"], table["X_test"]])
    y = np.concatenate([table["y"], table["y_test"]])
    for name, learner in learners(n_steps).items():
        learner.fit(X, y)
        votes = KNeighborsClassifier(N_NEIGHBORS).fit(learner.transform(table["X"]), table["y"])
        yield name, float(votes.score(learner.transform(table["X_test"]), table["y_test"]))


def learners(n_steps: int) -> dict[str, TransformerMixin]:
    """Learners that neither hold rows out nor stop early; scikit-learn's with its defaults."""
    until_the_end = {
        "max_iter": n_steps,
        "n_iter_no_change": n_steps,
        "early_stopping": False,
        "random_state": SEED,
    }
    ours = {name: learner(**until_the_end) for name, learner in OURS.items()}
    return {**ours, SKLEARN_NCA: NeighborhoodComponentsAnalysis(random_state=SEED)}
