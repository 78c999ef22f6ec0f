"""Small photos of ten classes, leak, time and a planted shortcut, of deep columns."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _biased_data import take_ccp_parts
from _deep_data import (
    HEAD,
    LAST,
    LAYERS,
    Tables,
    deep_columns,
    open_exported,
    predict_defaults,
    predict_lda,
    predict_linear,
    predict_logistic,
    predict_votes,
    reduce_parts,
)
from _harness import load_ccp_parts, load_cifar10_dev, paired_test_interval
from _models import inner_columns, root_columns
from _node_memory import peak_memory
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import DeepDescriptor
from hierseg_learn.segmentation import PyramidSegmenter

SMALL_SIZE, SMALL_COMPONENTS, N_SMALL = 96, 96, (2000, 1000)
LEAK_SIZE, N_LEAKING = 256, 40
# photos, those that a task takes before the next one has them, and how often
N_TIMED, N_TOGETHER, N_TIMINGS = 24, 8, 4
SHORTCUT_SEEDS, BIASES, UNBIASED, NODE = (0, 1), (0.95, 0.99, 1.0), 0.5, "background"


# --- small photos ---------------------------------------------------------------------------------


def small_photos(
    tables: Tables, sizes: tuple[int, int] | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Spatial pyramid with deep columns against the same network on the whole photo."""
    data = load_cifar10_dev()
    network = open_exported(tables.folder, HEAD)

    def describe() -> dict[str, np.ndarray]:
        transformer = SegmentTreeTransformer(
            PyramidSegmenter(n_levels=2),
            descriptors=[
                ("deep", DeepDescriptor(network, mask=None, size=SMALL_SIZE, n_components=None))
            ],
            missing="nan",
            n_jobs=tables.jobs,
            verbose=1,
        )
        table = transformer.fit_transform(data.images)
        kept = table.columns[deep_columns(table)]
        return {"values": table[kept].to_numpy(np.float32), "columns": np.array(kept, dtype=str)}

    made = tables.kept("cifar_pyramid", describe)
    table = pd.DataFrame(made["values"], columns=made["columns"])
    say("described small photos")
    train, test = data.train, data.test
    if sizes is not None:
        train, test = (
            np.sort(np.random.default_rng(0).permutation(rows)[:n])
            for rows, n in zip((train, test), sizes)
        )
    y, truth = data.target[train], data.target[test]
    whole = root_columns(table)
    parts = reduce_parts(table, train, SMALL_COMPONENTS)
    learners = {
        "logistic regression, whole photo": (predict_logistic, whole),
        "flat LDA": (predict_lda, parts),
        "tree, defaults": (predict_defaults, parts),
        "tree, linear decision": (predict_linear, parts),
        "tree, votes": (predict_votes, parts),
    }
    predicted = {}
    for learner, (predict, columns) in learners.items():
        predicted[learner] = predict(columns.iloc[train], y, columns.iloc[test])
        say(f"{learner}: {accuracy_score(truth, predicted[learner]):.3f}")
    right = {learner: labels == truth for learner, labels in predicted.items()}
    return {
        "n_train": len(train),
        "n_test": len(test),
        "accuracy": {learner: float(hits.mean()) for learner, hits in right.items()},
        "differences": [
            {"learner": a, "less": b, **paired_test_interval(right[a], right[b])}
            for a in ("tree, defaults", "tree, linear decision", "tree, votes")
            for b in ("logistic regression, whole photo", "flat LDA")
        ],
    }


# --- leak -----------------------------------------------------------------------------------------


def leak_by_layer(tables: Tables, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Accuracy of deep columns alone, and how far exchanged surroundings change them, by layer."""
    data = load_ccp_parts()
    y = data.target
    rows = []
    variants = [(name, layer, None) for name, layer in LAYERS.items()]
    variants += [("stride 32", LAST, None), ("stride 32, masked", LAST, "input")]
    for name, layer, mask in variants:
        descriptor = DeepDescriptor(
            open_exported(tables.folder, layer), mask=mask, size=LEAK_SIZE, n_components=None
        )

        def describe(descriptor: Any = descriptor) -> dict[str, np.ndarray]:
            transformer = SegmentTreeTransformer(
                tree=data.tree,
                descriptors=[("deep", descriptor)],
                describe_inner=False,
                missing="nan",
                n_jobs=tables.jobs,
                verbose=1,
            )
            table = transformer.fit_transform(data.images)
            return {
                "values": table.to_numpy(np.float32),
                "columns": np.array(table.columns, dtype=str),
                "leakage": transformer.leakage_["deep"],
                "leaves": transformer.tree_.leaves,
            }

        made = tables.kept(f"leak_{layer}_{mask}", describe)
        table = pd.DataFrame(made["values"], columns=made["columns"])
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        scores = {"all parts": [], "lower_clothes": []}
        for train, test in folds.split(table, y):
            reduced = reduce_parts(table.loc[:, deep_columns(table)], train)
            own = [c for c in reduced.columns if "/lower_clothes|" in c]
            for key, columns in (("all parts", list(reduced.columns)), ("lower_clothes", own)):
                known, asked = reduced.iloc[train][columns], reduced.iloc[test][columns]
                scores[key].append(accuracy_score(y[test], predict_lda(known, y[train], asked)))
        rows.append(
            {
                "layer": name,
                "leak": float(np.mean(made["leakage"][made["leaves"]])),
                **{f"accuracy, {key}": float(np.mean(values)) for key, values in scores.items()},
            }
        )
        say(f"leak of {name}: {rows[-1]}")
    return rows


# --- time -----------------------------------------------------------------------------------------


def measure_time(tables: Tables, size: int) -> list[dict[str, Any]]:
    """Seconds a photo: bare passes, pooling over nine parts, and masked inputs of parts.

    All tasks take a few photos in turn, so that whatever else the machine does meets them alike.
    """
    data = load_ccp_parts()
    network = open_exported(tables.folder, LAST)
    chunks = [data.images[rows] for rows in np.split(np.arange(N_TIMED), N_TIMED // N_TOGETHER)]

    def transformer(**params: Any) -> SegmentTreeTransformer:
        descriptor = DeepDescriptor(network, size=size, n_components=None, **params)
        return SegmentTreeTransformer(
            tree=data.tree, descriptors=[("deep", descriptor)], describe_inner=False
        ).fit(data.images[:N_TIMED])

    pooled, masked = transformer(mask=None), transformer(mask="input")

    def prepared(images: Any) -> list[np.ndarray]:
        photos = [np.asarray(image) for image in images.images]
        return [
            network.prepare(photo, network.input_size(*photo.shape[:2], size)) for photo in photos
        ]

    def crops(images: Any, given: list[np.ndarray]) -> None:
        # the usual way: everything else painted over, the photo again for every part
        for image, mask in zip(given, images.masks):
            for part in np.unique(mask):
                rows = np.arange(image.shape[1]) * len(mask) // image.shape[1]
                cols = np.arange(image.shape[2]) * mask.shape[1] // image.shape[2]
                seen = np.asarray(mask)[np.ix_(rows, cols)] == part
                network.feature_maps(np.where(seen, image, np.float32(0))[np.newaxis])

    tasks: dict[str, Callable[[Any, list[np.ndarray]], Any]] = {
        "bare passes of photos": lambda images, given: [
            network.feature_maps(x[np.newaxis]) for x in given
        ],
        "photos, pooled over nine parts": lambda images, given: pooled.transform(images),
        "masked inputs, zoomed": lambda images, given: masked.transform(images),
        "masked photo per part": crops,
    }
    seconds = np.full((N_TIMINGS, len(chunks), len(tasks)), np.nan)
    for k, images in enumerate(chunks):
        given = prepared(images)
        for timing in range(N_TIMINGS):
            for place, run in enumerate(tasks.values()):
                start = time.process_time()
                run(images, given)
                seconds[timing, k, place] = (time.process_time() - start) / N_TOGETHER
    # other work on the machine only adds to it
    least = seconds.min(axis=0).mean(axis=0).tolist()
    return [
        {"work": name, "cpu seconds a photo": value, "bare passes": value / least[0]}
        for name, value in zip(tasks, least, strict=True)
    ]


def measure_memory(folder: Path) -> list[dict[str, Any]]:
    """Largest memory of a process that describes so many photos."""
    rows = []
    for n_photos in (16, 64, 128):
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]);"
            "import _deep_checks; _deep_checks.describe_some(*sys.argv[2:])"
        )
        command = [
            sys.executable,
            "-c",
            code,
            str(Path(__file__).parent),
            str(folder),
            str(n_photos),
        ]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows.append({"photos": n_photos, "peak MiB": float(output.split()[-1])})
    return rows


def describe_some(folder: str, n_photos: str) -> None:
    """Describe repeated photos and print the peak memory of the process in MiB."""
    data = load_ccp_parts()
    network = open_exported(Path(folder), LAST)
    descriptor = DeepDescriptor(network, mask=None, size=LEAK_SIZE, n_components=None)
    images = data.images[np.arange(int(n_photos))]
    SegmentTreeTransformer(tree=data.tree, descriptors=[("deep", descriptor)]).fit_transform(images)
    print(peak_memory() / 2**20)


# --- a planted shortcut ---------------------------------------------------------------------------


def plant_shortcut(tables: Tables, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Worst cell of class and background, trained with a background that follows the class."""
    take = take_ccp_parts()
    network = open_exported(tables.folder, LAST)
    found: dict[tuple[str, str, float], list[float]] = {}
    for seed in SHORTCUT_SEEDS:
        data = take(seed)
        for columns, mask in (("masked", "input"), ("leaking", None)):
            table = shortcut_table(
                tables, data, DeepDescriptor(network, mask=mask, n_components=None), columns, seed
            )
            say(f"described planted backgrounds, {columns}, seed {seed}")
            for bias in (UNBIASED, *BIASES):
                for model, scores in fit_biased(data, table, bias).items():
                    found.setdefault((columns, model, bias), []).append(scores)
        say(f"planted backgrounds, seed {seed}")
    rows = []
    for (columns, model, bias), worst in found.items():
        reference = found[columns, model, UNBIASED]
        difference = np.subtract(worst, reference)
        rows.append(
            {
                "columns": columns,
                "model": model,
                "bias": bias,
                "worst cell": float(np.mean(worst)),
                "less unbiased": float(difference.mean()),
                "seeds": worst,
            }
        )
    return rows


def shortcut_table(
    tables: Tables, data: Any, descriptor: Any, columns: str, seed: int
) -> tuple[pd.DataFrame, int]:
    """Leaf columns of all images before one background, then before the other; their number."""

    def describe() -> dict[str, np.ndarray]:
        transformer = SegmentTreeTransformer(
            tree=data.transformer.tree_,
            descriptors=[("deep", descriptor)],
            describe_inner=False,
            missing="nan",
            n_jobs=tables.jobs,
        )
        made = [transformer.fit_transform(images) for images in data.images]
        return {
            "values": np.stack([table.to_numpy(np.float32) for table in made]),
            "columns": np.array(made[0].columns, dtype=str),
        }

    kept = tables.kept(f"shortcut_{columns}_{seed}", describe)
    names = pd.Index(kept["columns"])
    keep = ~inner_columns(pd.DataFrame(columns=names))
    return pd.DataFrame(kept["values"].reshape(-1, len(names))[:, keep], columns=names[keep]), len(
        kept["values"][0]
    )


def fit_biased(data: Any, made: tuple[pd.DataFrame, int], bias: float) -> dict[str, float]:
    """Accuracy in the worst cell, with all parts and with the background left out."""
    table, n_images = made
    kinds = data.groups(bias)
    train = kinds * n_images + data.train
    n_kinds = len(table) // n_images
    test = (np.arange(n_kinds)[:, np.newaxis] * n_images + data.test).ravel()
    truth, groups = (
        np.tile(data.y[data.test], n_kinds),
        np.repeat(np.arange(n_kinds), len(data.test)),
    )
    reduced = reduce_parts(table, train)
    without = [c for c in reduced.columns if f"/{NODE}|" not in c]
    found = {}
    for parts, columns in (("all parts", list(reduced.columns)), ("background muted", without)):
        for learner, predict in (("flat LDA", predict_lda), ("tree, votes", predict_votes)):
            known, asked = reduced.iloc[train][columns], reduced.iloc[test][columns]
            right = predict(known, data.y[data.train], asked) == truth
            cells = [right[(truth == c) & (groups == g)].mean() for c in (0, 1) for g in (0, 1)]
            found[f"{learner}, {parts}"] = float(min(cells))
    return found
