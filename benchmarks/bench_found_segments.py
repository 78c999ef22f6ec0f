"""Benefit of given masks that remains if segments are found in the photo alone.

655 street photos in five classes of lower garment. The same tree of node metrics and the same
descriptors are used on the given masks, on parts of merged regions and of superpixels, on a spatial
layout, and on a layout and parts under one root. Masks alone, without pixel values, are included,
and found segments are compared with models that do not use masks either. All learned components,
including vocabularies of parts, are learned from the training photos of a fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from _harness import (
    Progress,
    load_ccp_parts,
    load_portraits,
    parse_arguments,
    print_table,
    record,
    repeated_cv_interval,
    workers,
)
from _models import (
    accuracy_of_masks,
    hog_features,
    predict_flat,
    predict_hog_svm,
    predict_tree,
    root_columns,
)
from joblib import delayed
from sklearn.metrics import accuracy_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.utils import Bunch

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.segmentation import (
    MaskSegmenter,
    PyramidSegmenter,
    RegionMerging,
    Segmenter,
    SegmenterUnion,
    VocabularySegmenter,
)

NAME = "found_segments"
N_SPLITS, N_REPEATS, SEED = 5, 1, 0
N_PARTS = 16
MASKS, WHOLE = "given masks", "whole image"
MERGED, SUPERPIXELS = "merged regions", "superpixels"
LAYOUT, BOTH = "layout", "layout and merged regions"
HOG = "HOG + linear SVM"
FOUND, RIVALS = (MERGED, SUPERPIXELS, LAYOUT, BOTH), (WHOLE, HOG)
# as in bench_ccp_parts.py
HOG_SHAPE, HOG_CELL, HOG_COSTS = (128, 64), 8, (0.001, 0.01, 0.1)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv)
    data = load_portraits(48, image_size=(32, 28)) if arguments.quick else load_ccp_parts()
    n_splits = 2 if arguments.quick else N_SPLITS
    n_parts = 3 if arguments.quick else N_PARTS
    splits = list(
        RepeatedStratifiedKFold(n_splits=n_splits, n_repeats=N_REPEATS, random_state=SEED).split(
            np.zeros(len(data.target)), data.target
        )
    )
    say = Progress()
    hogs = hog_features(data.images.images, HOG_SHAPE, HOG_CELL)
    scores: dict[str, list[float]] = {}
    tasks = (delayed(run_fold)(data, hogs, n_parts, *split) for split in splits)
    for number, found in enumerate(workers(arguments.jobs)(tasks), start=1):
        for name, accuracy in found.items():
            scores.setdefault(name, []).append(accuracy)
        say(f"fold {number} of {len(splits)}: {found}")
    results = summarize(scores, splits)
    print_table([{"segments": name, **entry} for name, entry in results["scores"].items()])
    print_table([{"less": name, **entry} for name, entry in results["differences"].items()])
    gains = [
        {"segments": name, "less": rival, **entry}
        for name, by_rival in results["gains"].items()
        for rival, entry in by_rival.items()
    ]
    print_table(gains)
    record(arguments, NAME, __doc__.partition("\n")[0], settings(data, n_parts), results)


def segmenters(data: Bunch, n_parts: int) -> dict[str, Segmenter]:
    """The segmenters that are compared."""
    return {
        MASKS: MaskSegmenter(tree=data.tree),
        MERGED: VocabularySegmenter(RegionMerging(), n_parts=n_parts, random_state=SEED),
        SUPERPIXELS: VocabularySegmenter(n_parts=n_parts, random_state=SEED),
        LAYOUT: PyramidSegmenter(),
        BOTH: SegmenterUnion(
            [
                ("layout", PyramidSegmenter()),
                (
                    "parts",
                    VocabularySegmenter(RegionMerging(), n_parts=n_parts, random_state=SEED),
                ),
            ]
        ),
    }


def run_fold(
    data: Bunch, hogs: np.ndarray, n_parts: int, train: np.ndarray, test: np.ndarray
) -> dict[str, float]:
    """Accuracy on the test photos of one fold with every kind of segments."""
    y, truth = data.target[train], data.target[test]
    found = {}
    for name, segmenter in segmenters(data, n_parts).items():
        photos = data.images if name == MASKS else data.images.images
        transformer = SegmentTreeTransformer(segmenter)
        rows = transformer.fit_transform(_take(photos, train))
        asked = transformer.transform(_take(photos, test))
        found[name] = accuracy_score(truth, predict_tree(rows, y, asked))
        if name == MASKS:
            masks = accuracy_of_masks(rows, y, asked, truth)
            found |= {rival: entry["accuracy"] for rival, entry in masks.items()}
        if name == LAYOUT:
            whole = predict_flat(root_columns(rows), y, root_columns(asked))
            found[WHOLE] = accuracy_score(truth, whole)
    found[HOG] = accuracy_score(truth, predict_hog_svm([hogs], HOG_COSTS, train, y, test))
    return found


def _take(photos: Any, rows: np.ndarray) -> Any:
    return [photos[i] for i in rows] if isinstance(photos, list) else photos[rows]


def summarize(scores: dict[str, list[float]], splits: Sequence[tuple]) -> dict[str, Any]:
    """Means, the advantage of masks, and the gain of found segments over models without masks."""
    sizes = [np.mean([len(part) for part in parts]) for parts in zip(*splits, strict=True)]
    return {
        "scores": {
            name: {**repeated_cv_interval(values, *sizes), "folds": values}
            for name, values in scores.items()
        },
        "differences": {
            name: repeated_cv_interval(np.subtract(scores[MASKS], values), *sizes)
            for name, values in scores.items()
            if name != MASKS
        },
        "gains": {
            name: {
                rival: repeated_cv_interval(np.subtract(scores[name], scores[rival]), *sizes)
                for rival in RIVALS
            }
            for name in FOUND
        },
    }


def settings(data: Bunch, n_parts: int) -> dict[str, Any]:
    """Return what has to be known to run it again."""
    return {
        "data": data.name,
        "n_photos": len(data.target),
        "cv": {"n_splits": N_SPLITS, "n_repeats": N_REPEATS, "random_state": SEED},
        "interval": "95%, t, variance corrected after Nadeau and Bengio (2003)",
        "descriptors": "default",
        "n_parts": n_parts,
        "hog": {"shape": HOG_SHAPE, "cell": HOG_CELL, "costs": HOG_COSTS},
    }


if __name__ == "__main__":
    main()
