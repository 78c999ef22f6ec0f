"""Is a tree more accurate than flat models on the same dense descriptors? A comparison.

32 × 32 photos of ten classes; activations of a learned dictionary of patches on a spatial pyramid
of 16 + 4 + 1 nodes. The tree (with parents whose scatter is shrunk towards their children's, and
with this package's default) is compared with flat models on exactly its columns, with the whole
image, and with histograms of oriented gradients, from 50 to 1,200 training photos per class. All
parameters are chosen on training photos. Runs can be made in pieces, each of which is kept in the
JSON: ``--sizes``, ``--seeds``, ``--models``.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _flat_models import (
    SHRINKAGES,
    VOTES,
    Predictor,
    predict_flat_nca,
    predict_linear_svm,
    predict_rbf_svm,
    predict_searched_lda,
)
from _harness import (
    Progress,
    load_cifar10_dev,
    load_portraits,
    parse_arguments,
    print_table,
    record,
    results_on_record,
)
from _models import hog_features, root_columns
from sklearn.utils import Bunch

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.descriptors import PatchDictionary
from hierseg_learn.metrics import ShrinkageLDA

NAME = "accuracy"
ALL = 1200
SIZES, SEEDS = (50, 200, 1000, ALL), (0, 1, 2, 3, 4)
ATOMS, N_PATCHES, HOG_CELL = 400, 100_000, 8
# Votes of the trees, and the shrinkages of nodes that are tried where rows are few: chosen on
# folds of the training photos.
N_NEIGHBORS, NODE_SHRINKAGES, FEW = 50, ("auto", 0.1, 0.3), 200
TREE, PROJECTION = "tree, scatter", "tree, projection"
FLAT_LDA, FLAT_NCA = "flat LDA, searched", "flat NCA, searched"
WHOLE = "whole image, LDA searched"
SVM, HOG = "pyramid, linear SVM", "HOG, RBF SVM"
MODELS = (TREE, PROJECTION, FLAT_LDA, FLAT_NCA, SVM, WHOLE, HOG)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv, add_options)
    if arguments.quick:
        arguments.sizes, arguments.seeds, arguments.atoms = [15], [0, 1], 8
    say = Progress()
    shared = prepare(arguments)
    say(f"described {len(shared.data.target)} photos of {shared.data.name}")
    runs = results_on_record(arguments, NAME).get("runs", {})
    for n_per_class in arguments.sizes:
        for seed in arguments.seeds:
            key = f"{arguments.atoms} atoms, {n_per_class}"
            run = runs.setdefault(key, {}).setdefault(str(seed), {})
            for model in arguments.models:
                if model in run and not arguments.again:
                    continue
                run[model] = run_model(model, shared, n_per_class, seed)
                say(f"{key} per class, seed {seed}, {model}: {run[model]['accuracy']:.4f}")
                save(arguments, shared, runs)
    for key, results in summarize(runs, len(shared.data.test)).items():
        print_table(results["scores"], f"{key} training photos per class")
        if results["differences"]:
            print_table(results["differences"])


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what makes a piece of the whole run."""
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, metavar="SEED")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--atoms", type=int, default=ATOMS)
    parser.add_argument("--cache", type=Path, help="folder that keeps the descriptors for later")
    parser.add_argument("--again", action="store_true", help="run what is on record, too")


def prepare(arguments: argparse.Namespace) -> Bunch:
    """Descriptors of all photos, by a dictionary learned from the training photos' pixels."""
    data = load_portraits(90, image_size=(24, 20)) if arguments.quick else load_cifar10_dev()
    images = data.images
    if arguments.quick:
        images = np.stack([data.images[i].image for i in range(len(data.target))])
    patches = PatchDictionary(
        arguments.atoms, n_patches=500 if arguments.quick else N_PATCHES, random_state=0
    )
    transformer = SegmentTreeTransformer(
        descriptors=[("patches", patches)], n_jobs=arguments.jobs, random_state=0
    )
    cached = arguments.cache and arguments.cache / f"accuracy_{arguments.atoms}.pkl"
    if cached and cached.is_file():
        table = pd.read_pickle(cached)
    else:
        transformer.fit(images[data.train])
        table = pd.DataFrame(
            np.asarray(transformer.transform(images), dtype=np.float32),
            columns=transformer.get_feature_names_out(),
        )
        if cached:
            table.to_pickle(cached)
    return Bunch(data=data, table=table, hog=hog_features(images, images.shape[1:3], HOG_CELL))


def run_model(model: str, shared: Bunch, n_per_class: int, seed: int) -> dict[str, Any]:
    """Fit on some training photos, and predict the test photos."""
    data = shared.data
    train = draw_training_photos(data, n_per_class, seed)
    y, truth = np.unique(data.target, return_inverse=True)[1][train], data.target[data.test]
    predict, table = learner(model, shared, n_per_class, seed)
    known, asked = table.iloc[train], table.iloc[data.test]
    started = time.process_time()
    tracemalloc.start()
    codes, note = predict(known, y, asked)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    right = np.unique(data.target)[codes] == truth
    return {
        "accuracy": right.mean(),
        "right": np.packbits(right).tobytes().hex(),
        "seconds": time.process_time() - started,
        "peak_mb": peak / 2**20,
        **note,
    }


def learner(
    model: str, shared: Bunch, n_per_class: int, seed: int
) -> tuple[Callable[..., tuple[np.ndarray, dict]], pd.DataFrame]:
    """What a name stands for, and the table that it takes."""
    if model == TREE:
        tried = NODE_SHRINKAGES if n_per_class <= FEW else NODE_SHRINKAGES[:1]
        return partial(predict_tree, tried=tried, seed=seed), shared.table
    if model == PROJECTION:
        return partial(predict_projection, seed=seed), shared.table
    if model == HOG:
        return array_learner(predict_rbf_svm), pd.DataFrame(shared.hog)
    if model == WHOLE:
        return array_learner(predict_searched_lda), root_columns(shared.table)
    flat = {FLAT_LDA: predict_searched_lda, FLAT_NCA: predict_flat_nca, SVM: predict_linear_svm}
    return array_learner(flat[model]), shared.table


def predict_tree(
    known: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame, tried: Sequence[Any], seed: int
) -> tuple[np.ndarray, dict]:
    """Tree whose parents shrink their scatter; its own held-out score chooses that of the nodes."""
    best = None
    for shrinkage in tried:
        fitted = HierarchicalMetricClassifier(
            "columns",
            node_metric=ShrinkageLDA(shrinkage=shrinkage),
            combination="scatter",
            n_neighbors=min(N_NEIGHBORS, len(y) // 5),
            device="cpu",
            random_state=seed,
        ).fit(known, y)
        if best is None or fitted.node_scores_.iloc[-1] > best.node_scores_.iloc[-1]:
            best, chosen = fitted, shrinkage
    inner = best.node_outcomes_[~best.tree_.is_leaf].map(str).to_dict()
    return best.predict(asked), {"node_shrinkage": chosen, "outcomes": inner}


def predict_projection(
    known: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame, seed: int
) -> tuple[np.ndarray, dict]:
    """The tree whose parents learn projections."""
    model = HierarchicalMetricClassifier(
        "columns",
        combination="projection",
        n_neighbors=min(N_NEIGHBORS, len(y) // 5),
        device="cpu",
        random_state=seed,
    )
    return model.fit(known, y).predict(asked), {}


def array_learner(predict: Predictor) -> Callable[..., tuple[np.ndarray, dict]]:
    """A learner that takes arrays, as one that takes tables."""
    return lambda known, y, asked: (predict(known.to_numpy(), y, asked.to_numpy()), {})


def draw_training_photos(data: Bunch, n_per_class: int, seed: int) -> np.ndarray:
    """Draw so many training photos of every class; fewer are always among more."""
    rng = np.random.default_rng(seed)
    classes = np.unique(data.target)
    drawn = [rng.permutation(data.train[data.target[data.train] == code]) for code in classes]
    return np.sort(np.concatenate([rows[:n_per_class] for rows in drawn]))


def summarize(runs: dict[str, Any], n_test: int) -> dict[str, Any]:
    """Scores and paired differences from the tree, for every size."""
    summary = {}
    for key, by_seed in runs.items():
        found = {m: [run[m] for run in by_seed.values() if m in run] for m in MODELS}
        scores = [
            {
                "model": model,
                "accuracy": np.mean([entry["accuracy"] for entry in entries]),
                "seeds": len(entries),
                "seconds": np.median([entry["seconds"] for entry in entries]),
                "peak_mb": np.median([entry["peak_mb"] for entry in entries]),
            }
            for model, entries in found.items()
            if entries
        ]
        differences = [
            {"less": model, **paired(pairs, n_test)}
            for model in MODELS[1:]
            if (pairs := [(r[TREE], r[model]) for r in by_seed.values() if {TREE, model} <= set(r)])
        ]
        summary[key] = {"scores": scores, "differences": differences}
    return summary


def paired(pairs: Sequence[tuple[dict, dict]], n_test: int) -> dict[str, float]:
    """Mean difference over seeds and test photos, with the variance of both in its interval."""
    differences = np.array([right_of(a, n_test) - right_of(b, n_test) for a, b in pairs])
    variance = differences.mean(axis=0).var(ddof=1) / n_test
    if len(pairs) > 1:
        variance += differences.mean(axis=1).var(ddof=1) / len(pairs)
    mean, half = differences.mean(), 1.96 * np.sqrt(variance)
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": len(pairs)}


def right_of(entry: dict[str, Any], n_test: int) -> np.ndarray:
    """Correctly classified test photos, as 0 and 1."""
    packed = np.frombuffer(bytes.fromhex(entry["right"]), dtype=np.uint8)
    return np.unpackbits(packed)[:n_test].astype(np.float64)


def save(arguments: argparse.Namespace, shared: Bunch, runs: dict[str, Any]) -> None:
    """Write the results so far."""
    data = shared.data
    settings = {
        "data": data.name,
        "n_train": len(data.train),
        "n_test": len(data.test),
        "descriptors": f"PatchDictionary of patches of 6 × 6, {N_PATCHES} patches to learn from",
        "n_neighbors of trees": N_NEIGHBORS,
        "shrinkages of nodes tried up to 200 per class": NODE_SHRINKAGES,
        "searched shrinkages": SHRINKAGES,
        "searched votes": [n or "class means" for n in VOTES],
        "interval": "95%, paired; variance over the test photos plus that over the seeds",
        "seconds, peak_mb": "of choosing, fitting and predicting, without descriptors; processor "
        "time of a shared core; peak of what is allocated beside the table",
    }
    results = {"runs": runs, "summary": summarize(runs, len(data.test))}
    record(arguments, NAME, __doc__.partition("\n")[0], settings, results)


if __name__ == "__main__":
    main()
