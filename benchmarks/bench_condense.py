"""Prototypes in the place of the training rows: what they cost in accuracy, and what they save.

Models whose neighbors vote are fitted on splits of a table and condensed to some rows of every
class. Beside them: as many rows drawn at random, and those that Hart's rule keeps in that space,
by imbalanced-learn. Losses are differences to the model with all training rows, on the same test
rows. Models that decide by linear discriminants are condensed to no row at all.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import joblib
import numpy as np
import pandas as pd
from _harness import Progress, load_ccp_parts, load_portraits, parse_arguments, print_table, record
from _models import describe, fill_missing
from _sized import make_sized
from _tables_data import digits, wide
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import Bunch

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer

QUESTION = "What does a model lose that keeps prototypes of every class instead of training rows?"
SIZES = (5, 20, 50, 100)
N_SPLITS, TEST_SHARE, SEED = 5, 0.25, 0
# rows that Hart's rule is not too slow for
MAX_HART = 2000
N_SINGLE = 30
Table = tuple[pd.DataFrame, np.ndarray]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(QUESTION, argv)
    tables = {"portraits": portraits} if arguments.quick else TABLES
    n_splits = 1 if arguments.quick else N_SPLITS
    progress, rows, sizes = Progress(), [], []
    for name, load in tables.items():
        X, y = load()
        splitter = StratifiedShuffleSplit(n_splits, test_size=TEST_SHARE, random_state=SEED)
        found = []
        for split, (train, test) in enumerate(splitter.split(X, y)):
            filled = fill_missing(X, train)
            parts = filled.iloc[train], y[train], filled.iloc[test], y[test]
            found += compare(*parts)
            if not split:
                sizes += [{"table": name, "columns": X.shape[1], **row} for row in bare(*parts)]
            progress(f"{name}, split {split + 1} of {n_splits}")
        rows += [{"table": name, **row} for row in averaged(found)]
    print_table(rows)
    print_table(sizes)
    settings = {"splits": n_splits, "test share": TEST_SHARE, "seed": SEED, "threads": 1}
    record(arguments, "condense", QUESTION, settings, {"losses": rows, "linear": sizes})


def compare(X: pd.DataFrame, y: np.ndarray, X_test: pd.DataFrame, y_test: np.ndarray) -> list[dict]:
    """One split: the whole model, and smaller ones of every size."""
    whole = fitted("neighbors", X, y)
    expected = whole.predict(X_test)
    rows = [measured("all rows", whole, len(X), X_test, y_test, expected)]
    points, asked = whole.transform(X), whole.transform(X_test)
    for size in SIZES:
        start = time.process_time()
        small = whole.condense(size)
        seconds = time.process_time() - start
        kept, name = len(small.sample_indices_), f"{size} of every class"
        row = measured(name, small, kept, X_test, y_test, expected)
        drawn = draw(y, size)
        by_chance = KNeighborsClassifier(min(small.n_neighbors_, len(drawn)))
        by_chance.fit(points[drawn], y[drawn])
        row["random"] = by_chance.score(asked, y_test)
        rows.append(row | {"seconds": seconds})
    if find_spec("imblearn") and len(X) <= MAX_HART:
        from imblearn.under_sampling import CondensedNearestNeighbour

        kept, labels = CondensedNearestNeighbour(random_state=SEED).fit_resample(points, y)
        nearest = KNeighborsClassifier(1).fit(kept, labels).predict(asked)
        rows.append(
            {
                "model": "Hart's rule, 1 neighbor",
                "rows": float(len(kept)),
                "accuracy": float((nearest == y_test).mean()),
                "agreement": float((nearest == expected).mean()),
            }
        )
    return rows


def measured(
    name: str,
    model: HierarchicalMetricClassifier,
    n_rows: int,
    X_test: pd.DataFrame,
    y_test: np.ndarray,
    expected: np.ndarray,
) -> dict[str, Any]:
    """Accuracy, log loss, agreement with the whole model, size and time of one model."""
    proba = model.predict_proba(X_test)
    predicted = model.classes_[proba.argmax(axis=1)]
    rows = [X_test.iloc[[i % len(X_test)]] for i in range(N_SINGLE)]
    model.predict(rows[0])
    single = seconds_of(lambda: [model.predict(row) for row in rows]) / N_SINGLE
    batch = seconds_of(lambda: model.predict(X_test)) / len(X_test)
    return {
        "model": name,
        "rows": float(n_rows),
        "votes": float(model.n_neighbors_),
        "accuracy": float((predicted == y_test).mean()),
        "log loss": float(log_loss(y_test, proba, labels=model.classes_)),
        "agreement": float((predicted == expected).mean()),
        "MB": size_of(model),
        "ms, one row": 1e3 * single,
        "ms, batch": 1e3 * batch,
    }


def bare(X: pd.DataFrame, y: np.ndarray, X_test: pd.DataFrame, y_test: np.ndarray) -> list[dict]:
    """Sizes of a model that decides by linear discriminants, with and without its rows."""
    model = fitted("linear", X, y)
    condensed = model.condense(0)
    contrasts = [one.explain_contrasts(X_test[:50]).direct for one in (model, condensed)]
    same = np.array_equal(model.predict_proba(X_test), condensed.predict_proba(X_test))
    same = same and np.array_equal(*contrasts)
    sizes = {"rows": len(X), "MB": size_of(model), "MB without rows": size_of(condensed)}
    return [sizes | {"same bits": bool(same), "accuracy": model.score(X_test, y_test)}]


def fitted(decision: str, X: pd.DataFrame, y: np.ndarray) -> HierarchicalMetricClassifier:
    """A model with a linear metric."""
    model = HierarchicalMetricClassifier(
        combination="projection", decision=decision, random_state=SEED
    )
    return model.fit(X, y)


def draw(y: np.ndarray, size: int) -> np.ndarray:
    """Some rows of every class at random."""
    rng = np.random.default_rng(SEED)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(y == label))[:size] for label in np.unique(y)]
    )


def averaged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the splits, and of the loss of accuracy its standard deviation, too."""
    names = list(dict.fromkeys(row["model"] for row in rows))
    whole = np.array([row["accuracy"] for row in rows if row["model"] == names[0]])
    found = []
    for name in names:
        some = [row for row in rows if row["model"] == name]
        means = {
            key: float(np.mean([row[key] for row in some])) for key in some[0] if key != "model"
        }
        lost = whole - [row["accuracy"] for row in some]
        found.append({"model": name, **means, "lost": lost.mean(), "deviation": lost.std()})
    return found


def seconds_of(function: Callable[[], Any]) -> float:
    """Processor seconds of the fastest of three calls."""
    times = []
    for _ in range(3):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def size_of(model: Any) -> float:
    """Megabytes of a model's file."""
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return len(buffer.getvalue()) / 1e6


def ccp_parts() -> Table:
    """The street photos, all columns of the default descriptors."""
    return described(load_ccp_parts())


def portraits() -> Table:
    """A few generated portraits, for a test run."""
    return described(load_portraits(60, image_size=(24, 20)))


def described(data: Bunch) -> Table:
    """Describe all images by the default descriptors."""
    table = describe(SegmentTreeTransformer(tree=data.tree), data.images)
    return table, np.asarray(data.target)


def sized() -> Table:
    """20,000 generated rows of 100 columns."""
    table = make_sized(16_000, 100)
    X, y = (np.concatenate([table[name], table[f"{name}_test"]]) for name in "Xy")
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]), y


def arrays(load: Callable[[], Any]) -> Callable[[], Table]:
    """The table of a loader with its classes as an array."""
    return lambda: (lambda X, y: (X, np.asarray(y)))(*load())


TABLES = {
    "ccp_parts": ccp_parts,
    "digits": arrays(digits),
    "wide": arrays(wide),
    "20,000 rows": sized,
}

if __name__ == "__main__":
    main()
