"""Tables with groups of columns: accuracy, log loss, calibration and time beside flat models.

Defaults are chosen on the development tables alone (see `_tables_data`); `--development` runs
these, and keeps the recorded results of the others, as do `--only` and, for models, `--models`.
"""

from __future__ import annotations

import time
import warnings
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from _harness import Progress, parse_arguments, print_table, record, results_on_record, workers
from _tables_data import (
    DEVELOPMENT,
    LOADERS,
    MAX_ROWS,
    MissingTableError,
    load_table,
    table_versions,
)
from joblib import delayed
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import Bunch

from hierseg_learn import HierarchicalMetricClassifier

QUESTION = "How good are classes and probabilities on tables, and how long does a fit take?"
N_REPEATS, SEED, N_BINS = 5, 0, 15
# how often the classes of all rows are drawn from the confidences of a model
N_DRAWS = 100
# of neighborhood components, whose fit grows with the square of the rows
NCA_ROWS, NCA_STEPS, NCA_COMPONENTS = 600, 20, 8
QUICK_TABLES = ("wine",)

DEFAULT = "defaults"
LOGISTIC = "logistic regression"
BOOSTING = "gradient boosting"
# whose times are compared with
SCATTER = "scatter, 5 neighbors"
OURS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "projection, neighbors": {"combination": "projection", "decision": "neighbors"},
    "logistic, linear": {"combination": "logistic", "decision": "linear"},
    SCATTER: {"combination": "scatter", "decision": "neighbors", "n_neighbors": 5},
}


class PartlyLearnedNCA(NeighborhoodComponentsAnalysis):
    """Learned from some of the rows, while the neighbors are all of them."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> PartlyLearnedNCA:
        """Learn from the first rows; folds are shuffled."""
        self.n_components = min(NCA_COMPONENTS, X.shape[1])
        return super().fit(X[:NCA_ROWS], y[:NCA_ROWS])


def scaled(*steps: Any) -> Any:
    return make_pipeline(StandardScaler(), *steps)


RIVALS: dict[str, Callable[[], Any]] = {
    LOGISTIC: lambda: scaled(LogisticRegression(max_iter=300)),
    "LDA, shrinkage": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    BOOSTING: lambda: HistGradientBoostingClassifier(random_state=SEED),
    "5 neighbors": lambda: scaled(KNeighborsClassifier()),
    "NCA + 5 neighbors": lambda: scaled(
        PartlyLearnedNCA(max_iter=NCA_STEPS, random_state=SEED), KNeighborsClassifier()
    ),
    "SVC, calibrated": lambda: CalibratedClassifierCV(scaled(SVC()), ensemble=False),
    "linear SVC, calibrated": lambda: CalibratedClassifierCV(scaled(LinearSVC())),
}


MODELS = (*OURS, *RIVALS)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(QUESTION, argv, add_options)
    progress = Progress()
    names = list(DEVELOPMENT) if arguments.development else list(LOADERS)
    names = arguments.only or names
    if arguments.quick:
        names = list(QUICK_TABLES)
    warm_up()
    tables = results_on_record(arguments, "tables").get("tables", {})
    settings = {
        "repeats": 1 if arguments.quick else arguments.repeats,
        "folds": 2,
        "seeds": f"folds from {SEED} on, models {SEED}",
        "max_rows": MAX_ROWS,
        "nca": {"rows": NCA_ROWS, "max_iter": NCA_STEPS, "n_components": NCA_COMPONENTS},
        "calibration_bins": N_BINS,
        "calibration_draws": N_DRAWS,
        "ours": OURS,
        "development": DEVELOPMENT,
        "data": table_versions(),
        "missing": {},
    }
    for name in names:
        try:
            table = load_table(name)
        except MissingTableError as error:
            settings["missing"][name] = str(error)
            progress(f"{name}: left out, {error}")
            continue
        before = tables.get(name, {}).get("models", {}) if arguments.models else {}
        tables[name] = compare(
            table, settings["repeats"], arguments.jobs, arguments.models or MODELS, before
        )
        # after every table, so that a run that is stopped is not lost
        ordered = {known: tables[known] for known in LOADERS if known in tables}
        record(arguments, "tables", QUESTION, settings, {"tables": ordered})
        print_scores(name, tables[name])
        progress(name)


def print_scores(name: str, entry: dict[str, Any]) -> None:
    """Print the scores of all models on one table."""
    rows = [
        {"model": model, **{score: found[score] for score in SCORES}}
        for model, found in entry["models"].items()
    ]
    print_table(rows, f"{name} ({entry['half']}, {entry['n_rows']} x {entry['n_columns']})")


SCORES = ("accuracy", "log_loss", "calibration_error", "fit_seconds")


def warm_up() -> None:
    """Fit once what is timed later, so that no time goes into compiling loops."""
    table = load_table("wine")
    rows = np.arange(len(table.y))
    for name in MODELS:
        score(name, table, rows[::2], rows[1::2])


def add_options(parser: ArgumentParser) -> None:
    """Add the options of which tables to run."""
    parser.add_argument("--development", action="store_true", help="development tables alone")
    parser.add_argument("--only", action="append", choices=list(LOADERS), help="one table")
    parser.add_argument("--repeats", type=int, default=N_REPEATS, help="default: %(default)s")
    parser.add_argument("--models", action="append", choices=MODELS, help="one model")


def compare(
    table: Bunch, n_repeats: int, n_jobs: int, names: Sequence[str], before: dict[str, Any]
) -> dict[str, Any]:
    """Scores of some models on one table, on the same folds, beside earlier ones of others."""
    parts = list(folds(table.y, n_repeats))
    models = dict(before)
    found = iter(
        workers(n_jobs)(
            delayed(score)(name, table, known, asked) for name in names for known, asked in parts
        )
    )
    for name in names:
        models[name] = summary([next(found) for _ in parts])
    models = {name: models[name] for name in MODELS if name in models}
    return {
        "half": table.half,
        "n_repeats": n_repeats,
        "n_rows": len(table.y),
        "n_columns": table.X.shape[1],
        "n_classes": int(table.y.max()) + 1,
        "majority": float(np.mean([shares(table.y[asked]).max() for _, asked in parts])),
        "models": models,
    }


def folds(y: np.ndarray, n_repeats: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training and test rows of both halves of every repeat."""
    for repeat in range(n_repeats):
        splitter = StratifiedKFold(2, shuffle=True, random_state=SEED + repeat)
        rng = np.random.default_rng(SEED + repeat)
        for known, asked in splitter.split(y, y):
            yield rng.permutation(known), asked


def shares(y: np.ndarray) -> np.ndarray:
    return np.bincount(y) / len(y)


def score(name: str, table: Bunch, known: np.ndarray, asked: np.ndarray) -> dict[str, Any]:
    """Fit a model on some rows, and score it on the others."""
    ours = name in OURS
    if ours:
        model = HierarchicalMetricClassifier(random_state=SEED, device="cpu", **OURS[name])
    else:
        model = RIVALS[name]()
    X = table.X if ours else table.X.to_numpy()
    known_rows, asked_rows = (X.iloc[rows] if ours else X[rows] for rows in (known, asked))
    with warnings.catch_warnings():
        # some rivals stop before they have converged, or find collinear columns
        warnings.simplefilter("ignore")
        started = time.process_time()
        model.fit(known_rows, table.y[known])
        seconds = time.process_time() - started
        proba = model.predict_proba(asked_rows)
    y = table.y[asked]
    return {
        "accuracy": float((proba.argmax(axis=1) == y).mean()),
        "log_loss": float(log_loss(y, proba, labels=np.arange(proba.shape[1]))),
        "fit_seconds": seconds,
        "confidence": proba.max(axis=1),
        "right": proba.argmax(axis=1) == y,
    }


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the folds, the median time, and the scores of every fold.

    The calibration error is that of both folds of a repeat together, which hold all rows once.
    Chance gives it even to a model that is right as often as it says: `calibration_floor`.
    """
    errors, floors = [], []
    for pair in zip(found[::2], found[1::2], strict=True):
        confidence, right = (
            np.concatenate([part[key] for part in pair]) for key in ("confidence", "right")
        )
        errors.append(calibration_error(confidence, right))
        floors.append(calibration_floor(confidence))
    return {
        "accuracy": float(np.mean([part["accuracy"] for part in found])),
        "log_loss": float(np.mean([part["log_loss"] for part in found])),
        "calibration_error": float(np.mean(errors)),
        "calibration_floor": float(np.mean(floors)),
        "fit_seconds": float(np.median([part["fit_seconds"] for part in found])),
        "by_fold": {
            key: [part[key] for part in found] for key in ("accuracy", "log_loss", "fit_seconds")
        },
    }


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean distance of confidence and accuracy over bins of the confidence, by their rows."""
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(right))


def calibration_floor(confidence: np.ndarray) -> float:
    """Mean calibration error of a model that is right exactly as often as it says."""
    rng = np.random.default_rng(SEED)
    drawn = rng.random((N_DRAWS, len(confidence))) < confidence
    return float(np.mean([calibration_error(confidence, right) for right in drawn]))


if __name__ == "__main__":
    main()
