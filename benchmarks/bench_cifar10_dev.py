"""Accuracy gained by segments found in the images alone, on 32 × 32 photos of ten classes.

The tree of the spatial pyramid (the default without masks) and that of parts learned from
superpixels are compared with the descriptors of the whole image, with the same columns without a
tree, and with histograms of oriented gradients and a linear SVM, from few and from many training
photos. Test photos are not used for any choice: all parameters are fixed or chosen by folds of the
training photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from _harness import (
    Progress,
    load_cifar10_dev,
    load_portraits,
    paired_test_interval,
    parse_arguments,
    print_table,
    record,
)
from _models import (
    INNER_FOLDS,
    N_NEIGHBORS,
    SHRINKAGES,
    describe,
    fill_missing,
    hog_features,
    merge_tables,
    predict_flat,
    predict_hog_svm,
    predict_majority,
    predict_searched_lda,
    predict_tree,
    root_columns,
)
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.utils import Bunch

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import PatchDictionary

NAME = "cifar10_dev"
# Training photos per class, and how many random draws of so many.
DRAWS = {50: 2, 200: 2, 1000: 1}
SEED = 0
PATCHES = {"n_atoms": 64, "n_patches": 50_000}
HOG_CELLS, HOG_COSTS = (4, 8), (0.0001, 0.001, 0.01, 0.1)

PYRAMID, WITH_PATCHES, PARTS = "pyramid", "pyramid + patches", "superpixel parts"
# (learner, the one it is compared with): first what the tree gains over the whole image, then over
# the same columns without a tree
COMPARISONS = [
    (f"tree | {PYRAMID}", f"whole image | {PYRAMID}"),
    (f"tree | {WITH_PATCHES}", f"whole image | {WITH_PATCHES}"),
    (f"tree | {PARTS}", f"whole image | {PYRAMID}"),
    (f"tree | {PYRAMID}", f"flat | {PYRAMID}"),
    (f"tree | {PARTS}", f"flat | {PARTS}"),
    (f"tree | {PYRAMID}", f"flat, shrinkage searched | {PYRAMID}"),
    (f"tree | {WITH_PATCHES}", f"flat, shrinkage searched | {WITH_PATCHES}"),
    (f"tree | {PARTS}", f"flat, shrinkage searched | {PARTS}"),
]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv)
    draws, patches = DRAWS, PATCHES
    data = load_portraits(60, image_size=(24, 20)) if arguments.quick else load_cifar10_dev()
    images = data.images
    if arguments.quick:
        draws, patches = {12: 1}, {"n_atoms": 8, "n_patches": 500}
        images = np.stack([data.images[i].image for i in range(len(data.target))])
    say = Progress()
    shared = Bunch(
        images=images,
        pyramid=describe(SegmentTreeTransformer(n_jobs=arguments.jobs), images),
        hogs=[hog_features(images, images.shape[1:3], cell) for cell in HOG_CELLS],
    )
    say(f"described {len(images)} photos of {data.name}")
    truth = data.target[data.test]
    results: dict[str, Any] = {}
    for n_per_class, n_draws in draws.items():
        predictions = []
        for draw in range(n_draws):
            train = draw_training_photos(data, n_per_class, SEED + draw)
            predictions.append(run_draw(data, shared, patches, train, SEED + draw, arguments.jobs))
            say(f"{n_per_class} per class, draw {draw + 1} of {n_draws}")
        results[str(n_per_class)] = summarize(truth, predictions)
        show(n_per_class, results[str(n_per_class)])
        record(
            arguments,
            NAME,
            __doc__.partition("\n")[0],
            settings(data, draws, patches),
            {"per_class": results},
        )


def draw_training_photos(data: Bunch, n_per_class: int, seed: int) -> np.ndarray:
    """Draw so many training photos of every class, in the order of the data set."""
    rng = np.random.default_rng(seed)
    chosen = [
        rng.permutation(data.train[data.target[data.train] == code])[:n_per_class]
        for code in np.unique(data.target)
    ]
    return np.sort(np.concatenate(chosen))


def run_draw(
    data: Bunch, shared: Bunch, patches: dict, train: np.ndarray, seed: int, jobs: int
) -> dict[str, np.ndarray]:
    """Predictions of all learners for the test photos, from one choice of training photos."""
    y, test = data.target[train], data.test
    n_train = len(train)
    rows = np.concatenate([train, test])
    pyramid = shared.pyramid.iloc[rows]
    dictionary = SegmentTreeTransformer(
        descriptors=[("patches", PatchDictionary(**patches, random_state=seed))], n_jobs=jobs
    )
    parts = SegmentTreeTransformer("superpixels", n_jobs=jobs, random_state=seed)
    tables = {
        PYRAMID: pyramid,
        WITH_PATCHES: merge_tables([pyramid, describe_drawn(dictionary, shared, train, test)]),
        PARTS: describe_drawn(parts, shared, train, test),
    }
    predicted = {}
    for name, table in tables.items():
        table = fill_missing(table, np.arange(n_train))
        known, asked = table.iloc[:n_train], table.iloc[n_train:]
        predicted[f"tree | {name}"] = predict_tree(known, y, asked)
        if name != WITH_PATCHES:  # seven eigendecompositions of 2,730 columns
            predicted[f"flat | {name}"] = predict_flat(known, y, asked)
        predicted[f"flat, shrinkage searched | {name}"] = predict_searched_lda(known, y, asked)
        if name != PARTS:  # their root is the whole image again
            predicted[f"whole image | {name}"] = predict_flat(
                root_columns(known), y, root_columns(asked)
            )
    predicted["HOG + linear SVM"] = predict_hog_svm(shared.hogs, HOG_COSTS, train, y, test)
    predicted["majority class"] = predict_majority(y, len(test))
    return predicted


def describe_drawn(
    transformer: SegmentTreeTransformer, shared: Bunch, train: np.ndarray, test: np.ndarray
) -> pd.DataFrame:
    """Table of the training photos, by which the transformer is fitted, and of the test photos."""
    known = describe(transformer, shared.images[train])
    asked = transformer.transform(shared.images[test])
    return pd.concat([known, asked]).set_index(np.concatenate([train, test]))


def summarize(truth: np.ndarray, predictions: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Scores, and differences with their intervals over the test photos."""
    scores = {
        name: {
            "accuracy": np.mean([accuracy_score(truth, p[name]) for p in predictions]),
            "balanced_accuracy": np.mean(
                [balanced_accuracy_score(truth, p[name]) for p in predictions]
            ),
            "draws": [accuracy_score(truth, p[name]) for p in predictions],
        }
        for name in predictions[0]
    }
    right = {name: np.mean([p[name] == truth for p in predictions], axis=0) for name in scores}
    differences = [
        {"learner": a, "less": b, **paired_test_interval(right[a], right[b])}
        for a, b in COMPARISONS
    ]
    return {"scores": scores, "differences": differences}


def show(n_per_class: int, result: dict[str, Any]) -> None:
    """Print the results of one number of training photos."""
    rows = [
        {"learner": name, "accuracy": float(s["accuracy"]), "balanced": s["balanced_accuracy"]}
        for name, s in result["scores"].items()
    ]
    print_table(rows, f"{n_per_class} training photos per class")
    print_table(result["differences"])


def settings(data: Bunch, draws: dict[int, int], patches: dict) -> dict[str, Any]:
    """Return what has to be known to run it again."""
    return {
        "data": data.name,
        "n_train": len(data.train),
        "n_test": len(data.test),
        "draws": draws,
        "seeds": f"{SEED} for the first draw, one more for every other",
        "interval": "95%, paired over the test photos; draws are averaged",
        "descriptors": ["color", "gradients", "lbp", "shape"],
        "patches": patches,
        "segmenters": {PYRAMID: "PyramidSegmenter()", PARTS: "VocabularySegmenter()"},
        "n_neighbors of searched shrinkage": N_NEIGHBORS,
        "inner_folds": INNER_FOLDS,
        "searched_shrinkages": SHRINKAGES,
        "searched_svm_costs": HOG_COSTS,
        "searched_hog_cells": HOG_CELLS,
    }


if __name__ == "__main__":
    main()
