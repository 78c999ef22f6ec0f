"""The default learner and the best peer of every real table, on folds of its training rows.

One split of a few hundred test rows is not conclusive; the differences here have intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from _harness import repeated_cv_interval
from _node_fits import neighbor_accuracy
from _node_learners import DEFAULT, LDA, LEARNERS, ML_LMNN
from _sized import MAX_COMPONENTS
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.preprocessing import StandardScaler

# what was ahead of the defaults on the test rows
PEERS = {"digits": ML_LMNN, "ccp_parts": LDA, "cifar10_dev": LDA}
N_SPLITS, N_REPEATS, SEED = 5, 2, 0


def compare_on_folds(tables: dict[str, Callable]) -> Iterator[tuple[str, dict]]:
    """Yield for every table the peer, both accuracies, and their difference with its interval."""
    for name, peer in PEERS.items():
        if name not in tables or not LEARNERS[peer].is_installed:
            continue
        table = tables[name]()
        X, y = table["X"], table["y"]
        splits = RepeatedStratifiedKFold(
            n_splits=N_SPLITS, n_repeats=N_REPEATS, random_state=SEED
        ).split(X, y)
        scores = {DEFAULT: [], peer: []}
        for train, test in splits:
            scaler = StandardScaler().fit(X[train])
            known, asked = scaler.transform(X[train]), scaler.transform(X[test])
            for learner, found in scores.items():
                found.append(score(learner, known, y[train], asked, y[test]))
        sizes = len(y) * (N_SPLITS - 1) / N_SPLITS, len(y) / N_SPLITS
        gain = np.subtract(scores[DEFAULT], scores[peer])
        yield (
            name,
            {
                "peer": peer,
                "accuracy": float(np.mean(scores[DEFAULT])),
                "peer_accuracy": float(np.mean(scores[peer])),
                "difference": repeated_cv_interval(gain, *sizes),
            },
        )


def score(name: str, X: np.ndarray, y: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy of the neighbors under a learner's map."""
    learner = LEARNERS[name]
    n_components = min(X.shape[1], MAX_COMPONENTS)
    components = learner.load(learner.params)(X, y, n_components, None, SEED)
    return neighbor_accuracy(components, X, y, asked, truth)
