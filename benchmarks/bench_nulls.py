"""What comes out where there is nothing to be found: accuracy, node scores, alarms, reliance.

Twenty-three kinds of data without signal, every segmenter that takes them, every combination. A
look is one number with the interval in which chance has it 95 times in 100; of all looks, at most
5 % may lie outside.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _harness import Progress, data_folder, parse_arguments, print_table, record, workers
from _null_data import KINDS, N_PHOTOS, PHOTOS
from joblib import delayed
from scipy import stats
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.audit import find_shortcuts, group_report, node_reliance
from hierseg_learn.segmentation import (
    Cutter,
    Felzenszwalb,
    GridSegmenter,
    Higra,
    PyramidSegmenter,
    Quickshift,
    RegionMerging,
    Segmenter,
    SegmenterUnion,
    Slic,
    VocabularySegmenter,
    Watershed,
)

NAME = "nulls"
SEED, N_REPEATS, N_PERMUTATIONS, N_SHUFFLES = 0, 3, 60, 2000
LEVEL = 0.95
COMBINATIONS = ("projection", "weighted", "scatter")
WAYS = ("kind", "segmenter", "combination")
MASKS, TABLE = "masks", "no segmenter"
UNION = "union"  # whose leaves share pixels, so that none can be exchanged in the table
PARTS = {"n_parts": 4, "random_state": SEED}
LOOKS = {
    "accuracy": "right of the test rows; permuted test classes",
    "leaf scores": "node_scores_ of leaves, right of the held-out rows; binomial",
    "parent scores": "node_scores_ of parents, right of the held-out rows; binomial",
    "group accuracy": "interval of group_report (Wilson); must hold the accuracy of chance",
    "alarms": "alarms of find_shortcuts, all nodes declared context; none",
    "reliance": "nodes that node_reliance calls relied on; none",
}


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv)
    kinds, n_photos = list(KINDS), N_PHOTOS
    if arguments.quick:
        kinds, n_photos = ["class is the height", "masks, parts missing", "iris, shuffled"], 40
    else:
        for name in ("ccp_parts", "cifar10_dev"):
            data_folder(name)
    say = Progress()
    tasks = [(kind, name) for kind in kinds for name in segmenters(kind, arguments.quick)]
    cases: list[dict[str, Any]] = []
    found = workers(arguments.jobs)(delayed(run_task)(*task, n_photos) for task in tasks)
    for (kind, name), rows in zip(tasks, found, strict=True):
        cases += rows
        say(f"{kind}, {name}: accuracies {[round(float(row['accuracy']), 2) for row in rows]}")
    results = {"cases": cases, **{by: summarize(cases, by) for by in ("look", *WAYS)}}
    for by in ("look", *WAYS):
        rows = [{by: name, **entry} for name, entry in results[by].items()]
        print_table(rows, "Outside of what chance gives")
    record(arguments, NAME, __doc__.partition("\n")[0], settings(kinds, n_photos), results)


def parts_of(cutter: Cutter) -> Segmenter:
    """A small vocabulary of the regions of a cutter."""
    return VocabularySegmenter(cutter, **PARTS)


def segmenters(kind: str, quick: bool) -> dict[str, Segmenter | None]:
    """What cuts the photos of a kind; nothing does with tables, masks where there are some."""
    if kind not in PHOTOS:
        return {TABLE: None}
    cutters = {
        "grid": GridSegmenter(2, 2),
        "pyramid": PyramidSegmenter(2),
        "superpixels": parts_of(Slic(12)),
        "region_merging": parts_of(RegionMerging(12, n_superpixels=60)),
        "felzenszwalb": parts_of(Felzenszwalb(scale=1)),
        "quickshift": parts_of(Quickshift()),
        "watershed": parts_of(Watershed(12)),
        UNION: SegmenterUnion([("cells", GridSegmenter(2, 1)), ("parts", parts_of(Slic(12)))]),
    }
    if find_spec("higra"):
        cutters["higra"] = parts_of(Higra())
    if quick:
        cutters = {name: cutters[name] for name in ("grid", "superpixels")}
    # street photos are large, and their masks are what is asked about
    if kind.startswith("ccp_parts"):
        cutters = {"pyramid": cutters["pyramid"]}
    return ({MASKS: None} if "masks" in kind or "ccp" in kind else {}) | cutters


def run_task(kind: str, name: str, n_photos: int) -> list[dict[str, Any]]:
    """Look at one kind of data, cut in one way: an entry for every combination."""
    rng = np.random.default_rng([SEED, zlib.crc32(kind.encode())])
    with TemporaryDirectory() as folder:
        data = KINDS[kind](rng, n_photos, Path(folder))
        return [
            {"kind": kind, "segmenter": name, "combination": combination, **entry}
            for combination, entry in look(data, segmenters(kind, False).get(name), name)
        ]


def look(data: Bunch, segmenter: Segmenter | None, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Fit every combination on half of the rows, and count what lies outside of chance."""
    y = data.target
    places = np.arange(len(y))
    train, test = train_test_split(places, test_size=0.5, stratify=y, random_state=SEED)
    transformer = None
    if "table" in data:
        rows, asked = data.table.iloc[train], data.table.iloc[test]
    else:
        images = data.images
        if name == MASKS:
            transformer = SegmentTreeTransformer("masks", tree=data.tree, random_state=SEED)
        else:
            images = getattr(images, "images", images)
            transformer = SegmentTreeTransformer(segmenter, random_state=SEED)
        rows = transformer.fit_transform(take(images, train))
        asked = transformer.transform(take(images, test))
    groups = np.random.default_rng(SEED).permutation(np.arange(len(test)) % 2)
    shortcuts = find_shortcuts(
        rows,
        y[train],
        context=nodes_of(rows),
        transformer=transformer,
        n_permutations=N_PERMUTATIONS,
        random_state=SEED,
    )
    entries = []
    for combination in COMBINATIONS:
        model = HierarchicalMetricClassifier(
            combination=combination, device="cpu", random_state=SEED
        ).fit(rows, y[train])
        entry = look_at(model, y[train], y[test], model.predict(asked), groups)
        entry["alarms"] = {"looks": 1, "outside": int(len(shortcuts.alarms) > 0)}
        if transformer is not None and name != UNION:
            reliance = node_reliance(
                model,
                asked,
                y[test],
                transformer=transformer,
                n_repeats=N_REPEATS,
                random_state=SEED,
            )
            relied = reliance.is_relied_on
            entry["reliance"] = {"looks": len(relied), "outside": int(relied.sum())}
        entries.append((combination, entry))
    return entries


def look_at(
    model: HierarchicalMetricClassifier,
    y: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
) -> dict[str, Any]:
    """Accuracy, node scores and accuracies of groups, each with how many lie outside."""
    rng = np.random.default_rng(SEED)
    right = np.array([(rng.permutation(truth) == predicted).sum() for _ in range(N_SHUFFLES)])
    low, high = np.quantile(right, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    hits = (predicted == truth).sum()
    by_group = group_report(truth, predicted, groups, level=LEVEL).by_group
    chance = right.mean() / len(truth)
    missed = (by_group["low"] > chance) | (by_group["high"] < chance)
    scores = model.node_scores_.to_numpy()
    is_leaf = np.asarray(model.tree_.is_leaf)
    outside = score_is_outside(scores, y)
    known = np.isfinite(scores)
    return {
        "accuracy": hits / len(truth),
        "chance": chance,
        "interval": [low / len(truth), high / len(truth)],
        "leaf_score": mean_or_nan(scores[is_leaf & known]),
        "parent_score": mean_or_nan(scores[~is_leaf & known]),
        "accuracy look": {"looks": 1, "outside": int(not low <= hits <= high)},
        "group accuracy": {"looks": len(by_group), "outside": int(missed.sum())},
        "leaf scores": count(outside, is_leaf & known),
        "parent scores": count(outside, ~is_leaf & known),
    }


def score_is_outside(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether shares of the training rows lie outside of the binomial interval of chance.

    A guess that follows the classes' shares is right in the sum of their squares, one that names
    the largest class in its share; chance is anything between.
    """
    shares = np.unique(y, return_counts=True)[1] / len(y)
    low = stats.binom.ppf((1 - LEVEL) / 2, len(y), (shares**2).sum())
    high = stats.binom.ppf((1 + LEVEL) / 2, len(y), shares.max())
    right = np.round(scores * len(y))
    return (right < low) | (right > high)


def count(outside: np.ndarray, chosen: np.ndarray) -> dict[str, int]:
    """Number of looks, and of those outside."""
    return {"looks": int(chosen.sum()), "outside": int(outside[chosen].sum())}


def mean_or_nan(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def nodes_of(table: Any) -> list[str]:
    """Paths of all nodes of a table."""
    return list(dict.fromkeys(column.partition("|")[0] for column in table.columns))


def take(images: Any, rows: np.ndarray) -> Any:
    return [images[i] for i in rows] if isinstance(images, list) else images[rows]


def summarize(cases: list[dict[str, Any]], by: str) -> dict[str, dict[str, Any]]:
    """Looks, and how many lie outside, for every kind of look, or for every name of a column.

    `allowed` is how many may lie outside if each does with a probability of 5 %, apart from the
    others: the 95 % quantile of the binomial distribution. Looks that share rows are not apart.
    """
    looks, outside = Counter(), Counter()
    for case in cases:
        for name in LOOKS:
            entry = case.get("accuracy look" if name == "accuracy" else name)
            if entry:
                key = name if by == "look" else case[by]
                looks[key] += entry["looks"]
                outside[key] += entry["outside"]
    return {
        key: {
            "looks": n,
            "outside": outside[key],
            "share": outside[key] / n,
            "allowed": int(stats.binom.ppf(LEVEL, n, 1 - LEVEL)),
        }
        for key, n in looks.items()
        if n
    }


def settings(kinds: Sequence[str], n_photos: int) -> dict[str, Any]:
    """Return what has to be known to run it again."""
    return {
        "kinds": list(kinds),
        "n_photos": n_photos,
        "combinations": COMBINATIONS,
        "parts": PARTS,
        "looks": LOOKS,
        "level": LEVEL,
        "random_state": SEED,
        "n_repeats": N_REPEATS,
        "n_permutations": N_PERMUTATIONS,
        "n_shuffles": N_SHUFFLES,
    }


if __name__ == "__main__":
    main()
