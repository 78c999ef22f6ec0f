"""Search of neighbors: comparison with all rows, a tree, and an approximate index, by size.

Generated rows of 50 columns, in two spaces: that of discriminants, with few components, and that of
principal components, with as many as columns. Processor time of one query at a time and of queries
in a batch; the index is made by one thread. Recall is the share of the true neighbors that are
found.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from _harness import Progress, parse_arguments, print_table, record
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA

from hierseg_learn import HierarchicalMetricClassifier

QUESTION = "From how many rows on does an index pay?"
SIZES, N_COLUMNS, N_QUERIES, N_SINGLE, N_NEIGHBORS, SEED = (20_000, 200_000), 50, 1000, 20, 10, 0
SPACES = {"discriminants": "lda", "principal components": PCA(N_COLUMNS)}
CLUSTERS = {
    "n_informative": 15,
    "n_redundant": 10,
    "n_classes": 8,
    "n_clusters_per_class": 3,
    "class_sep": 1.5,
}


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(QUESTION, argv)
    sizes, n_queries = ((600,), 50) if arguments.quick else (SIZES, N_QUERIES)
    algorithms = ["brute", "kd_tree"]
    # its compilation takes longer than a test run
    if find_spec("pynndescent") and not arguments.quick:
        algorithms.append("nn_descent")
    progress, rows = Progress(), []
    for n_rows in sizes:
        X, y = make_classification(n_rows + n_queries, N_COLUMNS, random_state=SEED, **CLUSTERS)
        X = X.astype(np.float32)
        for space, learner in SPACES.items():
            model = HierarchicalMetricClassifier(
                node_metric=learner,
                combination="projection",
                decision="prototypes",
                random_state=SEED,
            ).fit(X[:n_rows], y[:n_rows])
            rows += searched(model, X[n_rows:], algorithms, {"rows": n_rows, "space": space})
            progress(f"{n_rows} rows, {space}")
    print_table(rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    settings = {"columns": N_COLUMNS, "queries": n_queries, "neighbors": N_NEIGHBORS, "seed": SEED}
    results = {"searches": rows, "peak memory, GB": peak}
    record(arguments, "search", QUESTION, settings | {"threads": 1}, results)


def searched(
    model: HierarchicalMetricClassifier,
    queries: np.ndarray,
    algorithms: Sequence[str],
    case: dict[str, Any],
) -> list[dict[str, Any]]:
    """Times and recall of every algorithm."""
    rows, expected = [], None
    for algorithm in algorithms:
        by = {"n_neighbors": N_NEIGHBORS, "algorithm": algorithm}
        first, _ = seconds_of(lambda by=by: model.kneighbors(queries[:1], **by))
        singles = [queries[i : i + 1] for i in range(min(N_SINGLE, len(queries)))]
        one, _ = seconds_of(lambda by=by, s=singles: [model.kneighbors(row, **by) for row in s])
        batch, (distances, _) = seconds_of(lambda by=by: model.kneighbors(queries, **by))
        if expected is None:
            expected = distances[:, -1:] * (1 + 1e-6)
        rows.append(
            {
                **case,
                "components": len(model.components_),
                "algorithm": algorithm,
                "first, s": first,
                "ms, one query": 1e3 * one / len(singles),
                "ms, batch": 1e3 * batch / len(queries),
                "recall": float((distances <= expected).mean()),
            }
        )
    return rows


def seconds_of(function: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, and what it returns."""
    start = time.process_time()
    found = function()
    return time.process_time() - start, found


if __name__ == "__main__":
    main()
