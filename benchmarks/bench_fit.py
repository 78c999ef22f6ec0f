"""Seconds and memory of a fit, beside the scatter combination and flat models of scikit-learn.

Every model is fitted in a process of its own, and its seconds are paired with those of the scatter
combination there: a busy machine slows down both. Memory is the most that the first fit held beyond
the table. Explanations of many rows at once are timed for the decisions by votes and by linear
discriminants. Fits that differ in `random_state` alone show how much of an accuracy hangs on it.
"""

from __future__ import annotations

import os
import time
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from _harness import (
    Progress,
    load_ccp_parts,
    parse_arguments,
    print_table,
    record,
    results_on_record,
)
from _models import describe, fill_missing
from _node_memory import peak_memory, standing_memory
from _versions import THREADS
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer

QUESTION = "How long does a fit take, how much memory, and how long explanations by column?"
SEED, N_REPEATS = 0, 3
DEFAULT, SCATTER = "defaults", "scatter"
OURS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "logistic, linear": {"combination": "logistic", "decision": "linear"},
    "projection, neighbors": {"combination": "projection", "decision": "neighbors"},
    SCATTER: {"combination": "scatter", "decision": "neighbors", "n_neighbors": 5},
}
PEERS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "LDA, shrinkage": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "gradient boosting": lambda: HistGradientBoostingClassifier(random_state=SEED),
}
MODELS = (*OURS, *PEERS)
PHOTOS, LONG, EXPLAINED, SEEDS = CASES = [
    "street photos",
    "generated, long",
    "generated, explained",
    "street photos, seeds",
]
# rows, columns, nodes, classes of generated tables
SIZES = {LONG: (100_000, 100, 10, 5), EXPLAINED: (1_000, 900, 30, 5)}
QUICK_SIZE, QUICK_EXPLAINED = (60, 20, 4, 3), (300, 20, 4, 3)
QUICK_MODELS = (SCATTER, "LDA, shrinkage")
# votes of 15 neighbors, and the linear decision
N_EXPLAINED, N_SEEDS = 10_000, 20
DECISIONS: dict[str, dict[str, Any]] = {
    "votes": {"combination": "scatter", "decision": "neighbors", "n_neighbors": 15},
    "linear": {"combination": "logistic", "decision": "linear"},
}


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(QUESTION, argv, add_options)
    progress = Progress()
    cases = arguments.cases or CASES
    if arguments.quick:
        cases = [LONG, EXPLAINED]
    results = results_on_record(arguments, "fit")
    tables, explained = dict(results.get("tables", {})), results.get("explained", [])
    seeds = results.get("seeds", [])
    settings = {
        "repeats": 1 if arguments.quick else N_REPEATS,
        "random_state": SEED,
        "ours": OURS,
        "sizes": SIZES,
        "explained": {"rows": N_EXPLAINED, "decisions": DECISIONS},
        "seeds": N_SEEDS,
    }
    for case in cases:
        if case == EXPLAINED:
            explained = []
            for decision in DECISIONS:
                explained += alone(measure_explanations, decision, arguments.quick)
                progress(f"explained, {decision}")
            print_table(explained, f"explanations of {explained[0]['rows']} rows, seconds")
            continue
        if case == SEEDS:
            seeds = alone(measure_seeds)
            print_table(seeds, case)
            progress(case)
            continue
        X, y = make_case(case, arguments.quick, arguments.jobs)
        models = dict(tables.get(case, {}).get("models", {}))
        for name in arguments.models or (QUICK_MODELS if arguments.quick else MODELS):
            models[name] = alone(measure, name, X, y, settings["repeats"])
            progress(f"{case}, {name}: {models[name]['seconds']:.2f} s")
        tables[case] = {
            "n_rows": len(X),
            "n_columns": X.shape[1],
            "mib": X.to_numpy().nbytes / 2**20,
            "models": {name: models[name] for name in MODELS if name in models},
        }
        rows = [{"model": name, **found} for name, found in tables[case]["models"].items()]
        print_table(rows, f"{case}, {X.shape[0]} x {X.shape[1]}")
    found = {"tables": tables, "explained": explained, "seeds": seeds}
    record(arguments, "fit", QUESTION, settings, found)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of what to run."""
    parser.add_argument("--cases", action="append", choices=CASES, help="one table")
    parser.add_argument("--models", action="append", choices=MODELS, help="one model")


def make_case(case: str, quick: bool, jobs: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of a case and its classes."""
    if case != PHOTOS:
        return generate(*(QUICK_SIZE if quick else SIZES[case]))
    data = load_ccp_parts()
    return describe_photos(data, np.arange(len(data.target)), jobs), data.target


def describe_photos(data: Bunch, known: np.ndarray, jobs: int = 1) -> pd.DataFrame:
    """Table of street photos; parts that are missing have the means of some known ones."""
    transformer = SegmentTreeTransformer(tree=data.tree, n_jobs=jobs)
    return fill_missing(describe(transformer, data.images), known).astype(np.float32)


def generate(
    n_rows: int, n_columns: int, n_nodes: int, n_classes: int, seed: int = SEED
) -> tuple[pd.DataFrame, np.ndarray]:
    """Normal classes whose means differ a little in every column."""
    means = np.random.default_rng(SEED).normal(scale=0.25, size=(n_classes, n_columns))
    rng = np.random.default_rng([SEED, seed])
    y = rng.integers(n_classes, size=n_rows)
    X = rng.standard_normal((n_rows, n_columns), dtype=np.float32) + means[y].astype(np.float32)
    nodes = np.arange(n_columns) * n_nodes // n_columns
    names = [f"table/{'ab'[node % 2]}/part {node}|x{i}" for i, node in enumerate(nodes)]
    return pd.DataFrame(X, columns=names), y


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, on one thread."""
    one_thread = patch.dict(os.environ, dict.fromkeys(THREADS, "1"))
    with one_thread, get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def measure(name: str, X: pd.DataFrame, y: np.ndarray, n_repeats: int) -> dict[str, float]:
    """Median seconds of processor time, their ratio to the scatter's, and memory of a fit."""
    fit(SCATTER, *generate(*QUICK_SIZE))  # compiles loops
    fit(name, *generate(*QUICK_SIZE))
    before = standing_memory()
    fit(name, X, y)
    held = peak_memory() - before
    seconds = np.array(
        [[fit(name, X, y), fit(SCATTER, X, y)] for _ in range(n_repeats)],
    )
    return {
        "seconds": float(np.median(seconds[:, 0])),
        "times_scatter": float(np.median(seconds[:, 0] / seconds[:, 1])),
        "mib": held / 2**20,
        "times_table": held / X.to_numpy().nbytes,
    }


def fit(name: str, X: pd.DataFrame, y: np.ndarray) -> float:
    """Fit a model, and return the seconds of processor time."""
    if name in OURS:
        model = HierarchicalMetricClassifier(random_state=SEED, device="cpu", **OURS[name])
    else:
        model = PEERS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some peers stop before they have converged
        started = time.process_time()
        model.fit(X if name in OURS else X.to_numpy(), y)
        return time.process_time() - started


def measure_seeds() -> list[dict[str, Any]]:
    """Accuracy on test photos of fits that differ in `random_state` alone."""
    data = load_ccp_parts()
    X, found = describe_photos(data, data.train), []
    for name, params in OURS.items():
        codes = np.empty((N_SEEDS, len(data.test)), dtype=data.target.dtype)
        for seed, own in enumerate(codes):
            model = HierarchicalMetricClassifier(random_state=seed, device="cpu", **params)
            model.fit(X.iloc[data.train], data.target[data.train])
            own[:] = model.predict(X.iloc[data.test])
        right = (codes == data.target[data.test]).mean(axis=1)
        found.append(
            {
                "model": name,
                "mean": right.mean(),
                "deviation": right.std(ddof=1),
                "least": right.min(),
                "most": right.max(),
                "photos that all agree on": (codes == codes[0]).all(axis=0).mean(),
            }
        )
    return found


def measure_explanations(decision: str, quick: bool) -> list[dict[str, Any]]:
    """Median seconds of processor time of the explanations of many rows, by nodes and columns."""
    size = QUICK_EXPLAINED if quick else SIZES[EXPLAINED]
    # more rows than are explained one by one, also in a test run
    asked, _ = generate(120 if quick else N_EXPLAINED, *size[1:], seed=1)
    params = {**DECISIONS[decision], "random_state": SEED, "device": "cpu"}
    model = HierarchicalMetricClassifier(**params).fit(*generate(*size))
    explain = {"predictions": model.explain_predictions, "contrasts": model.explain_contrasts}
    found = []
    for by in ("nodes", "columns"):
        row = {"decision": decision, "by": by, "rows": len(asked)}
        for name, method in explain.items():
            method(asked, by=by)  # compiles loops
            seconds = []
            for _ in range(N_REPEATS):
                started = time.process_time()
                method(asked, by=by)
                seconds.append(time.process_time() - started)
            row[name] = float(np.median(seconds))
        found.append(row)
    return found


if __name__ == "__main__":
    main()
