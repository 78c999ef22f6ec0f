"""Effect and cost of swapping segments on biased data, compared with cures that know the groups.

Two classes, two kinds of background. In training, the background is of the class's kind for 95%,
99% or 100% of the images; in the test, every image appears in front of both kinds, so that the
background contains no information. All cures end in the same two models: the tree classifier, and
one linear discriminant analysis on all columns. The bar is the same model trained on data without a
bias.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from _biased_data import (
    LONG_SIDE,
    NODE,
    BiasedData,
    fill_like,
    scores_of,
    take_ccp_parts,
    take_portraits,
)
from _cures import BLOCK_CURES, CURES, NO_CURE, ON_IMAGES, Cure, Impossible, Task, mute, swap
from _harness import Progress, data_folder, parse_arguments, print_table, record, workers
from _models import N_NEIGHBORS
from _swap_augment import predict_sketch
from joblib import delayed
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.transformer.part_editor import PartEditor

NAME = "bias"
N_SEEDS = 10
BIASES = (0.95, 0.99, 1.0)
UNBIASED = 0.5
N_PORTRAITS, PORTRAIT_SIZE = 600, (48, 40)
# hard enough that not all are told apart
LOOK = {"signal": {"hair": "color", "clothes": "texture"}, "strength": 0.15, "noise": 0.1}
# the texture of the background is informative here, its color spurious
INFORMATIVE_LOOK = {
    "signal": {"background": "texture", "hair": "color"},
    "bias_cue": "color",
    "strength": 0.15,
    "noise": 0.005,
}
PAIR_WEIGHTS = (1.0, 10.0, 100.0)
TREE, FLAT, SKETCH = "tree", "flat LDA", "sketch"
# what is fitted of one seed: (bias, cure, model) -> scores, or why it cannot be done
Found = dict[tuple[float, str, str], dict[str, float] | str]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__.partition("\n")[0], argv)
    quick = arguments.quick
    n_portraits, size = (60, (24, 20)) if quick else (N_PORTRAITS, PORTRAIT_SIZE)
    biases = (UNBIASED, 1.0) if quick else (UNBIASED, *BIASES)
    if not quick:
        data_folder("ccp_parts")  # better to end now than after the portraits
    runs: dict[str, Callable[[int], Found]] = {
        "portraits": partial(
            run_seed, biases, take_portraits(n_portraits, size, **LOOK), [*CURES, ON_IMAGES]
        ),
        "informative": partial(
            run_seed, biases, take_portraits(n_portraits, size, **INFORMATIVE_LOOK), BLOCK_CURES
        ),
    }
    if not quick:
        # composing a photo takes a tenth of a second, and nothing of it can be shared
        on_images = replace(ON_IMAGES, biases=BIASES)
        runs["ccp_parts"] = partial(run_seed, biases, take_ccp_parts(), [*CURES, on_images])
    say = Progress()
    results = {}
    for name, run in runs.items():
        found = []
        for seed_found in workers(arguments.jobs)(
            delayed(run)(seed) for seed in range(1 if quick else N_SEEDS)
        ):
            found.append(seed_found)
            say(f"{name}: seed {len(found)}")
        results[name] = summarize(found)
        print_table(rows_of(results[name]), name)
        question = __doc__.partition("\n")[0]
        record(arguments, NAME, question, settings(len(found)), {"data": results})


def run_seed(
    biases: Sequence[float],
    take: Callable[[int], BiasedData],
    cures: Sequence[Cure],
    seed: int,
) -> Found:
    """Everything of one seed."""
    warnings.simplefilter("ignore")
    data = take(seed)
    found: Found = {}
    for bias in biases:
        groups = data.groups(bias)
        task = Task(data, data.train_table(groups), data.y[data.train], groups, seed)
        for cure in cures:
            if cure.biases is not None and bias not in cure.biases:
                continue
            for model, scores in try_cure(cure, task).items():
                found[bias, cure.name, model] = scores
        if cures is not BLOCK_CURES:
            for name, scores in try_augmenting(task).items():
                found[bias, name, SKETCH] = scores
    return found


def try_cure(cure: Cure, task: Task) -> dict[str, dict[str, float] | str]:
    """Scores of both models after a cure, or why it cannot be applied."""
    try:
        train, y = cure.resample(task)
    except Impossible as reason:
        return dict.fromkeys((TREE, FLAT), str(reason))
    test, truth, groups = task.data.test_table()
    if cure.mutes:
        train, test = (mute(task.data, table) for table in (train, test))
    test, train = fill_like(test, train), fill_like(train, train)
    models = {
        TREE: HierarchicalMetricClassifier("columns", device="cpu", random_state=0),
        FLAT: make_pipeline(
            StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        ),
    }
    return {
        name: scores_of(model.fit(train, y).predict(test), truth, groups)
        for name, model in models.items()
    }


def try_augmenting(task: Task) -> dict[str, dict[str, float]]:
    """Exchanged rows as further rows, and as pairs inside of the node learners."""
    test, truth, groups = task.data.test_table()
    sets: dict[str, Any] = {
        NO_CURE: (task.table, task.y),
        "exchange, rows added": swap(1)(task),
        "exchange, rows replaced": swap(0)(task),
    }
    copies = other_class_copies(task)
    found = {}
    for name, (train, y) in sets.items():
        known, asked = fill_like(train, train), fill_like(test, train)
        found[name] = scores_of(predict_sketch(known, y, asked), truth, groups)
    known, asked, copies = (fill_like(table, task.table) for table in (task.table, test, copies))
    for weight in PAIR_WEIGHTS:
        predicted = predict_sketch(known, task.y, asked, copies, weight)
        found[f"swap_augment, weight {weight:g}"] = scores_of(predicted, truth, groups)
    return found


def other_class_copies(task: Task) -> pd.DataFrame:
    """Every training row with the spurious node of a row of the other class."""
    rng = np.random.RandomState(task.seed)
    donors = np.empty(len(task.y), dtype=np.intp)
    for code in range(2):
        own = task.y == code
        donors[own] = np.resize(rng.permutation(np.flatnonzero(~own)), own.sum())
    editor = PartEditor.from_transformer(task.data.transformer)
    rows, leaves = task.table.to_numpy(), editor.leaves(NODE)
    swapped = np.broadcast_to(leaves, (len(rows), len(leaves)))
    return pd.DataFrame(editor.swap(rows, rows[donors], swapped), columns=task.table.columns)


def summarize(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Mean and standard error over the seeds, and paired differences to unbiased training."""
    summary = []
    for bias, cure, model in found[0]:
        reference = [seed[UNBIASED, NO_CURE, model] for seed in found]
        scores = [seed[bias, cure, model] for seed in found]
        possible = [place for place, score in enumerate(scores) if not isinstance(score, str)]
        entry = {"bias": bias, "cure": cure, "model": model, "n_seeds": len(possible)}
        reasons = sorted({score for score in scores if isinstance(score, str)})
        if reasons:
            entry["impossible"] = reasons
        for key in ("accuracy", "worst") if possible else ():
            values = np.array([scores[place][key] for place in possible])
            base = np.array([reference[place][key] for place in possible])
            entry[key] = {
                "mean": values.mean(),
                "se": standard_error(values),
                "difference": (values - base).mean(),
                "difference_se": standard_error(values - base),
                "seeds": values,
            }
        summary.append(entry)
    return summary


def standard_error(values: np.ndarray) -> float:
    if len(values) < 2:
        return float("nan")
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def rows_of(summary: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the printed table."""
    return [
        {
            "model": entry["model"],
            "bias": f"{entry['bias']:.2f}",
            "cure": entry["cure"],
            "worst": entry["worst"]["mean"] if "worst" in entry else float("nan"),
            "se": entry["worst"]["se"] if "worst" in entry else None,
            "less unbiased": entry["worst"]["difference"] if "worst" in entry else None,
            "its se": entry["worst"]["difference_se"] if "worst" in entry else None,
            "accuracy": entry["accuracy"]["mean"] if "accuracy" in entry else None,
            "seeds": entry["n_seeds"],
        }
        for entry in sorted(summary, key=lambda entry: (entry["model"], entry["bias"]))
    ]


def settings(n_seeds: int) -> dict[str, Any]:
    """Return what has to be known to run it again."""
    return {
        "seeds": list(range(n_seeds)),
        "biases": BIASES,
        "unbiased": UNBIASED,
        "node": NODE,
        "n_neighbors of the sketch": N_NEIGHBORS,
        "portraits": {"n_samples": N_PORTRAITS, "image_size": PORTRAIT_SIZE, **LOOK},
        "informative_portraits": INFORMATIVE_LOOK,
        "ccp_parts": {
            "classes": "jeans and pants against dress and skirt",
            "long_side": LONG_SIDE,
            "backgrounds": "skimage.data.grass, skimage.data.gravel",
            "erosion": 2,
        },
        "descriptors": "color (4 bins), gradients, shape (5 bins); describe_inner=False",
        "error": "standard error of the mean over seeds",
    }


if __name__ == "__main__":
    main()
