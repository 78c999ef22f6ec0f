"""Photos of a class never seen, and sets of classes with a stated coverage.

Portraits of four classes that differ in one part: three classes are trained on, and the fourth,
whose part has a color and a texture that no training photo of any class shows there, is to be told
from new photos of the three. Sets of classes are predicted for tables, over many random halves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from _harness import Progress, mean_of, parse_arguments, print_table, record, workers
from joblib import delayed
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits

NAME = "novelty"
PARTS = ("hair", "skin", "eyes", "mouth", "neck", "clothes", "background")
N_CLASSES, N_PORTRAITS, N_TRAIN = 4, 400, 200
N_NEIGHBORS = 5
LEVELS = (0.01, 0.05)
ALPHAS = (0.05, 0.1, 0.2)
# the formula was chosen on the seeds 1000 and 1001
PORTRAIT_SEEDS, N_SEEDS = (10, 11), 100


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv)
    parts, portrait_seeds, n_seeds = PARTS, PORTRAIT_SEEDS, N_SEEDS
    tables, sizes = TABLES, (N_PORTRAITS, N_TRAIN)
    if arguments.quick:
        parts, portrait_seeds, n_seeds, sizes = ("hair",), (10,), 2, (80, 45)
        tables = {"generated": TABLES["generated"]}
    say, pool = Progress(), workers(arguments.jobs)
    tasks = [(part, seed) for part in parts for seed in portrait_seeds]
    photos = []
    for task, row in zip(tasks, pool(delayed(find_novel)(*task, *sizes) for task in tasks)):
        photos.append(row)
        say(f"{task[0]}, seed {task[1]}: AUC {row['AUC']:.3f}, pixels {row['AUC of pixels']:.3f}")
    coverage = []
    for name in tables:
        drawn = list(pool(delayed(cover)(name, seed) for seed in range(n_seeds)))
        rows = [row for found in drawn for row in found]
        for way in WAYS:
            for alpha in ALPHAS:
                chosen = [row for row in rows if row["way"] == way and row["alpha"] == alpha]
                coverage.append(summarize(name, way, alpha, chosen))
        say(f"{name}: {[round(row['coverage'], 3) for row in coverage[-9:]]}")
    results = {
        "photos": photos,
        "by part": [
            {"part": part, **means([row for row in photos if row["part"] == part])}
            for part in parts
        ],
        "all parts": means(photos),
        "coverage": coverage,
    }
    print_table(results["by part"], "A class never seen, by the part in which it differs")
    print_table(coverage, "Coverage of sets of classes")
    settings = {
        "seeds of portraits": portrait_seeds,
        "seeds of tables": n_seeds,
        "portraits, of these trained on": sizes,
        "classes": N_CLASSES,
        "neighbors": N_NEIGHBORS,
    }
    record(arguments, NAME, __doc__.splitlines()[0], settings, results)


def find_novel(part: str, seed: int, n_portraits: int, n_train: int) -> dict[str, Any]:
    """Tell photos of the last class from new ones of the others, which are trained on."""
    data = make_portraits(n_portraits, n_classes=N_CLASSES, signal=(part,), random_state=seed)
    is_new = data.target == N_CLASSES - 1
    seen = np.random.default_rng(seed).permutation(np.flatnonzero(~is_new))
    train, test = seen[:n_train], np.concatenate([seen[n_train:], np.flatnonzero(is_new)])
    transformer = SegmentTreeTransformer(tree=data.tree)
    known = transformer.fit_transform(data.images[train])
    asked = transformer.transform(data.images[test])
    # novelty does not depend on how metrics are combined; this way is quick
    model = HierarchicalMetricClassifier(combination="scatter", random_state=seed)
    model.fit(known, data.target[train])
    pixels = np.stack([data.images[i].image.ravel() / 255 for i in range(n_portraits)])
    scale = known.std().replace(0, 1)
    truth = is_new[test]
    scores = {
        "AUC": model.novelty_score(asked),
        "AUC of pixels": distances(pixels[train], pixels[test]),
        "AUC of columns": distances(known / scale, asked / scale),
        "AUC of the root": model.kneighbors(asked, N_NEIGHBORS)[0][:, -1],
    }
    explained = model.explain_novelty(asked[truth])
    names = np.array(model.tree_.names)[explained.direct.argmax(axis=1)]
    p_values = model.novelty_p_values(asked)
    return {
        "part": part,
        "seed": seed,
        **{name: float(roc_auc_score(truth, score)) for name, score in scores.items()},
        **{f"found at {level}": float((p_values[truth] <= level).mean()) for level in LEVELS},
        **{f"false at {level}": float((p_values[~truth] <= level).mean()) for level in LEVELS},
        "part named": float((names == part).mean()),
        "empty sets": float((~model.predict_set(asked[truth]).any(axis=1)).mean()),
    }


def distances(known: Any, asked: Any) -> np.ndarray:
    """Distance to the last of some nearest rows, (n_asked,)."""
    found = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(np.asarray(known))
    return found.kneighbors(np.asarray(asked))[0][:, -1]


def grouped(X: np.ndarray, n_groups: int) -> pd.DataFrame:
    """A table of groups of neighboring columns, which are nodes."""
    groups = np.arange(X.shape[1]) * n_groups // X.shape[1]
    return pd.DataFrame(X, columns=[f"table/group_{g}|c{i}" for i, g in enumerate(groups)])


def generated(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    X, y = make_classification(
        1000, 20, n_informative=5, n_classes=4, n_clusters_per_class=1, random_state=seed
    )
    return grouped(X, 5), y


def shipped(load: Callable[..., Any], n_groups: int) -> Callable[[int], tuple]:
    def draw(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
        X, y = load(return_X_y=True)
        return grouped(X, n_groups), y

    return draw


TABLES: dict[str, Callable[[int], tuple]] = {
    "generated": generated,
    "breast cancer": shipped(load_breast_cancer, 3),
    "digits": shipped(load_digits, 8),
    "wine": shipped(load_wine, 3),
}
# how p-values are calibrated
WAYS = ("cross-conformal", "smoothed", "split")


def cover(name: str, seed: int) -> list[dict[str, Any]]:
    """Sets of classes for one half of a table, by the other half."""
    X, y = TABLES[name](seed)
    halves = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    X_train, X_test, y_train, y_test = halves
    model = HierarchicalMetricClassifier(
        combination="scatter", decision="prototypes", random_state=seed
    )
    model.fit(X_train, y_train)
    p_values = {
        "cross-conformal": model.conformal_p_values(X_test),
        "smoothed": model.conformal_p_values(X_test, smoothed=True, random_state=seed),
    }
    fit, others, y_fit, y_others = train_test_split(
        X_train, y_train, test_size=0.5, stratify=y_train, random_state=seed
    )
    model.fit(fit, y_fit).conformalize(others, y_others)
    p_values["split"] = model.conformal_p_values(X_test)
    truth = model.classes_ == np.asarray(y_test)[:, None]
    rows = []
    for way, p in p_values.items():
        for alpha in ALPHAS:
            sets = p > alpha
            n_classes = sets.sum(axis=1)
            row = {
                "coverage": sets[truth].mean(),
                "classes in a set": n_classes.mean(),
                "one class": (n_classes == 1).mean(),
                "rows of the smallest class": np.unique(y_train, return_counts=True)[1].min(),
            }
            rows.append({"way": way, "alpha": alpha, **{k: float(v) for k, v in row.items()}})
    return rows


def summarize(name: str, way: str, alpha: float, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds, and the standard error of the coverage."""
    values = np.array([row["coverage"] for row in rows])
    numbers = [key for key in rows[0] if key not in ("way", "alpha", "coverage")]
    return {
        "table": name,
        "p-values": way,
        "asked": 1 - alpha,
        "coverage": float(values.mean()),
        "se": float(values.std(ddof=1) / np.sqrt(len(values))),
        **{key: mean_of(rows, key) for key in numbers},
    }


def means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over runs, and the lowest AUC."""
    numbers = {key: mean_of(rows, key) for key in rows[0] if key not in ("part", "seed")}
    return {**numbers, "lowest AUC": min(row["AUC"] for row in rows)}


if __name__ == "__main__":
    main()
