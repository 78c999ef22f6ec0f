"""Choice of the defaults of PatchDictionary: one change at a time, on training photos.

Three of five folds of the training photos of ccp_parts, which take longest, and five of 2,000
training photos of cifar10_dev (spatial pyramid) and of generated portraits. The dictionary is
refitted in every fold and is the only descriptor; the tree has its defaults. The accuracy of given
masks without pixel values, alone and with the whole image, is included. Data sets can be run one by
one: the results of a run are merged into the recorded ones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from _harness import Progress, parse_arguments, print_table, record, results_on_record, workers
from _models import accuracy_of_masks, fit_tree
from _training_photos import (
    CCP,
    EVERYWHERE,
    N_SPLITS,
    folds,
    loaders,
    rows_of_changes,
    settings_of_folds,
    summarize,
)
from joblib import delayed
from sklearn.utils import Bunch

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import PatchDictionary

NAME = "dictionary"
SEED = 0
N_FOLDS = {CCP: 3}
DEFAULTS = "defaults"
CHANGES: dict[str, dict[str, Any]] = {
    DEFAULTS: {},
    **{f"n_atoms={n}": {"n_atoms": n} for n in (50, 100, 400, 800)},
    **{f"patch_size={size}": {"patch_size": size} for size in (4, 8, (4, 8), (6, 12))},
    **{f"n_components={share}": {"n_components": share} for share in (0.9, None)},
    **{f"eps={eps:g}": {"eps": eps} for eps in (0.01, 1.0)},
    "n_patches=10000": {"n_patches": 10_000},
    "hellinger=False": {"hellinger": False},
}
QUICK = {DEFAULTS: {}, "hellinger=False": {"hellinger": False}}
SMALL = {"n_atoms": 8, "n_patches": 500}


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv, add_options)
    changes, params = (QUICK, SMALL) if arguments.quick else (CHANGES, {})
    say = Progress()
    results = results_on_record(arguments, NAME).get("data", {})
    for name, load in loaders(arguments.quick).items():
        if name not in arguments.data:
            continue
        data = load()
        splits = folds(data, arguments.quick, N_FOLDS.get(name, N_SPLITS))
        tasks = (
            delayed(run_change)(data, {**params, **change}, *split)
            for split in splits
            for change in changes.values()
        )
        found: list[dict[str, dict[str, float]]] = [{} for _ in splits]
        rivals: list[dict[str, dict[str, float]]] = [{} for _ in splits]
        places = [(fold, change) for fold in range(len(splits)) for change in changes]
        for (fold, change), (entry, masks) in zip(
            places, workers(arguments.jobs)(tasks), strict=True
        ):
            found[fold][change] = entry
            rivals[fold] = masks if change == DEFAULTS else rivals[fold]
            say(f"{name}: fold {fold + 1}, {change}: {entry['accuracy']:.3f}")
        found = [changed | masks for changed, masks in zip(found, rivals)]
        results[name] = summarize(found, splits)
        print_table(rows_of_changes(results[name], milliseconds="milliseconds a photo"), name)
        settings = {
            **settings_of_folds(list(results)),
            "n_folds": {data: N_FOLDS.get(data, N_SPLITS) for data in results},
            "defaults": PatchDictionary(**params).get_params(),
            "random_state": SEED,
            "milliseconds": "of the processor, for one photo and all nodes",
        }
        question = __doc__.partition("\n")[0]
        record(arguments, NAME, question, settings, {"data": results})


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let data sets be run one by one."""
    parser.add_argument("--data", nargs="+", choices=EVERYWHERE, default=list(EVERYWHERE))


def run_change(
    data: Bunch, params: dict[str, Any], train: np.ndarray, test: np.ndarray
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Accuracy in one fold, and how long a photo takes to describe; accuracies of masks alone."""
    patches = PatchDictionary(**params, random_state=SEED)
    transformer = SegmentTreeTransformer(
        tree=data.tree, descriptors=[("patches", patches)], random_state=SEED
    )
    known = transformer.fit_transform(data.images[train])
    started = time.process_time()
    asked = transformer.transform(data.images[test])
    seconds = time.process_time() - started
    y, truth = data.target[train], data.target[test]
    entry = {
        "accuracy": float((fit_tree(known, y).predict(asked) == truth).mean()),
        "milliseconds": 1000 * seconds / len(test),
    }
    return entry, {} if data.tree is None else accuracy_of_masks(known, y, asked, truth)


if __name__ == "__main__":
    main()
