"""Results on data without signal: accuracy, node scores, flagged nodes, reliance.

Twenty-three kinds of data without signal, every segmenter that accepts them, every combination. A
look is one number with an interval that contains it 95 times in 100 by chance; at most 5% of all
looks may lie outside.
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
from _null_data import GEOMETRY, KINDS, N_PHOTOS, PHOTOS
from joblib import delayed
from scipy import stats
from skimage import segmentation
from skimage.measure import regionprops_table
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.audit import find_metadata_shortcuts, find_shortcuts, group_report, node_reliance
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
# tables have no segmenters to draw apart, so they are drawn more often
N_TABLE_DRAWS = 5
# where the spread of cross-validated scores is measured, by so many fits to permuted classes; of
# two to ten classes of equal size
SPREAD_CASES = (
    ("sorted by class", "grid"),
    ("sizes of all kinds", "superpixels"),
    ("masks, parts missing", "masks"),
    ("iris, shuffled", "no segmenter"),
    ("digits, shuffled", "no segmenter"),
)
N_REFITS = 40
N_GEOMETRY_PHOTOS = 300
# scikit-image's own, with about as many regions as the segmenters of this benchmark make
STOCK = {
    "superpixels": lambda photo: segmentation.slic(photo, 12, start_label=1),
    "felzenszwalb": lambda photo: segmentation.felzenszwalb(photo) + 1,
    "quickshift": lambda photo: segmentation.quickshift(photo) + 1,
    "watershed": lambda photo: segmentation.watershed(_edges(photo), 12),
}
LEVEL = 0.95
COMBINATIONS = ("auto", "projection", "weighted", "scatter", "logistic")
WAYS = ("kind", "segmenter", "combination")
MASKS, TABLE = "masks", "no segmenter"
UNION = "union"  # whose leaves share pixels, so that none can be exchanged in the table
PARTS = {"n_parts": 4, "random_state": SEED}
LOOKS = {
    "accuracy": "right of the test rows; permuted test classes",
    "leaf scores": "node_scores_ of leaves; chance, spread as over permuted training classes",
    "parent scores": "node_scores_ of parents; chance, spread as over permuted training classes",
    "group accuracy": "interval of group_report (Wilson); must hold the accuracy of chance",
    "flagged": "nodes flagged by find_shortcuts, all nodes declared context; none",
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
    pool = workers(arguments.jobs)
    spread_cases = [case for case in SPREAD_CASES if case[0] in kinds]
    n_refits = 4 if arguments.quick else N_REFITS
    refitted = pool(delayed(refit)(*case, n_photos, n_refits) for case in spread_cases)
    spread = spread_of([score for scores in refitted for score in scores])
    say(f"spread of scores, times that of single rows: {spread}")
    tasks = [
        (kind, name, draw)
        for kind in kinds
        for name in segmenters(kind, arguments.quick)
        for draw in range(1 if kind in PHOTOS else N_TABLE_DRAWS)
    ]
    cases: list[dict[str, Any]] = []
    found = pool(delayed(run_task)(*task, n_photos, spread) for task in tasks)
    for (kind, name, _), rows in zip(tasks, found, strict=True):
        cases += rows
        say(f"{kind}, {name}: accuracies {[round(float(row['accuracy']), 2) for row in rows]}")
    n_stock = 40 if arguments.quick else N_GEOMETRY_PHOTOS
    stock = pool(delayed(judge_stock)(kind, n_stock) for kind in GEOMETRY if kind in kinds)
    results = {
        "cases": cases,
        **{by: summarize(cases, by) for by in ("look", *WAYS)},
        "without geometry": summarize([c for c in cases if c["kind"] not in GEOMETRY], "look"),
        "binomial": summarise_binomial(cases),
        "spread": spread,
        "stock": [row for rows in stock for row in rows],
    }
    for by in ("look", *WAYS):
        rows = [{by: name, **entry} for name, entry in results[by].items()]
        print_table(rows, "Outside of what chance gives")
    print_table(results["stock"], "Regions of scikit-image alone")
    record(arguments, NAME, __doc__.partition("\n")[0], settings(kinds, n_photos), results)


def parts_of(cutter: Cutter) -> Segmenter:
    """A small vocabulary of the regions of a cutter."""
    return VocabularySegmenter(cutter, **PARTS)


def segmenters(kind: str, quick: bool) -> dict[str, Segmenter | None]:
    """Segmenters for a kind of photos: none for tables, masks if available."""
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


def run_task(
    kind: str, name: str, draw: int, n_photos: int, spread: dict[str, Any]
) -> list[dict[str, Any]]:
    """Look at one kind of data, cut in one way: an entry for every combination."""
    rng = own_generator(kind, name, draw)
    with TemporaryDirectory() as folder:
        data = KINDS[kind](rng, n_photos, Path(folder))
        return [
            {"kind": kind, "segmenter": name, "combination": combination, **entry}
            for combination, entry in look(
                data, segmenters(kind, False).get(name), name, rng, spread
            )
        ]


def own_generator(*names: Any) -> np.random.Generator:
    """Return a generator of its own for everything that is looked at.

    If all segmenters cut the same photos, one unlucky draw of classes is counted for each of them.
    """
    return np.random.default_rng([SEED, zlib.crc32(repr(names).encode())])


def describe(
    data: Bunch, segmenter: Segmenter | None, name: str, *rows: np.ndarray
) -> tuple[Any, list[Any]]:
    """Make a table of some rows, and with what it learned of the first those of others."""
    if "table" in data:
        return None, [data.table.iloc[places] for places in rows]
    images = data.images
    if name == MASKS:
        transformer = SegmentTreeTransformer("masks", tree=data.tree, random_state=SEED)
    else:
        images = getattr(images, "images", images)
        transformer = SegmentTreeTransformer(segmenter, random_state=SEED)
    transformer.fit(take(images, rows[0]))
    return transformer, [transformer.transform(take(images, places)) for places in rows]


def refit(kind: str, name: str, n_photos: int, n_refits: int) -> list[dict[str, Any]]:
    """Scores of nodes fitted to permuted classes, in standard deviations of single rows."""
    rng = own_generator("refit", kind, name)
    with TemporaryDirectory() as folder:
        data = KINDS[kind](rng, n_photos, Path(folder))
        places = np.sort(rng.permutation(len(data.target))[::2])
        _, [rows] = describe(data, segmenters(kind, False).get(name), name, places)
    y = data.target[places]
    shares = np.unique(y, return_counts=True)[1] / len(y)
    chance = (shares**2).sum()
    unit = np.sqrt(chance * (1 - chance) / len(y))
    scores = []
    for combination in COMBINATIONS:
        for _ in range(n_refits):
            model = HierarchicalMetricClassifier(
                combination=combination, device="cpu", random_state=SEED
            ).fit(rows, rng.permutation(y))
            is_leaf = np.asarray(model.tree_.is_leaf)
            own = (model.node_scores_.to_numpy() - chance) / unit
            scores.append(
                {
                    "leaf": own[is_leaf].tolist(),
                    "parent": own[~is_leaf].tolist(),
                    "unit": unit,
                }
            )
    return scores


def spread_of(scores: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How far scores spread about their mean, times what single rows would, and the mean itself.

    Only the spread makes an interval, about chance: scores that are too good must lie outside.
    """
    found = {}
    for sort in ("leaf", "parent"):
        own = [np.array(score[sort]) for score in scores]
        values = np.concatenate(own)
        points = np.concatenate([v * s["unit"] for v, s in zip(own, scores, strict=True)])
        found[sort] = {"spread": float(values.std()), "mean": float(points.mean())}
    return found


def look(
    data: Bunch,
    segmenter: Segmenter | None,
    name: str,
    rng: np.random.Generator,
    spread: dict[str, Any],
) -> list[tuple[str, dict[str, Any]]]:
    """Fit every combination on half of the rows, and count what lies outside of chance."""
    y = data.target
    places = np.arange(len(y))
    # Halves of the same shares are no harm: given the training rows, every order of the test
    # classes is as likely as any other, and these orders are what accuracies are compared with.
    train, test = train_test_split(
        places, test_size=0.5, stratify=y, random_state=int(rng.integers(2**31))
    )
    transformer, [rows, asked] = describe(data, segmenter, name, train, test)
    groups = rng.permutation(np.arange(len(test)) % 2)
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
        entry = look_at(model, y[train], y[test], model.predict(asked), groups, spread)
        entry["flagged"] = {"looks": 1, "outside": int(len(shortcuts.flagged) > 0)}
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
    spread: dict[str, Any],
) -> dict[str, Any]:
    """Accuracy, node scores and accuracies of groups, each with how many lie outside."""
    rng = np.random.default_rng(SEED)
    rights = np.array([rng.permutation(truth) == predicted for _ in range(N_SHUFFLES)])
    right = rights.sum(axis=1)
    low, high = np.quantile(right, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    hits = (predicted == truth).sum()
    by_group = group_report(truth, predicted, groups, level=LEVEL).to_frame("group")
    chance = right.mean() / len(truth)
    missed = (by_group["low"] > chance) | (by_group["high"] < chance)
    scores = model.node_scores_.to_numpy()
    is_leaf = np.asarray(model.tree_.is_leaf)
    outside = np.where(
        is_leaf,
        score_is_outside(scores, y, spread["leaf"]["spread"]),
        score_is_outside(scores, y, spread["parent"]["spread"]),
    )
    by_single_rows = score_is_outside(scores, y, 1.0)
    known = np.isfinite(scores)
    return {
        "accuracy": hits / len(truth),
        "chance": chance,
        "interval": [low / len(truth), high / len(truth)],
        "leaf_score": mean_or_nan(scores[is_leaf & known]),
        "parent_score": mean_or_nan(scores[~is_leaf & known]),
        "accuracy look": {
            "looks": 1,
            "outside": int(not low <= hits <= high),
            "expected": float(np.mean((right < low) | (right > high))),
        },
        "group accuracy": {
            "looks": len(by_group),
            "outside": int(missed.sum()),
            "expected": expected_missed(rights, groups, chance),
        },
        "leaf scores": count(outside, is_leaf & known),
        "parent scores": count(outside, ~is_leaf & known),
        "binomial": {
            "leaf scores": count(by_single_rows, is_leaf & known),
            "parent scores": count(by_single_rows, ~is_leaf & known),
        },
    }


def expected_missed(rights: np.ndarray, groups: np.ndarray, chance: float) -> float:
    """Number of groups whose Wilson interval misses chance, on average over permuted classes.

    The interval holds a share if the share's own normal interval holds what was found.
    """
    level = stats.norm.isf((1 - LEVEL) / 2)
    missed = 0.0
    for group in np.unique(groups):
        found = rights[:, groups == group].mean(axis=1)
        reach = level * np.sqrt(chance * (1 - chance) / (groups == group).sum())
        missed += float(np.mean(np.abs(found - chance) > reach))
    return missed


def score_is_outside(scores: np.ndarray, y: np.ndarray, spread: float) -> np.ndarray:
    """Whether shares of the training rows lie outside of the normal interval of chance.

    A guess that follows the classes' shares is right in the sum of their squares, one that names
    the largest class in its share; chance is anything between. Rows that share training rows are
    right or wrong together, so the spread is more than that of single rows by the factor given.
    Hits are whole numbers, so the normal interval is wider by half a row at either end: without
    this continuity correction, 6 % of parents' scores on 50 rows lie outside by chance.
    """
    shares = np.unique(y, return_counts=True)[1] / len(y)
    least, most = (shares**2).sum(), shares.max()
    reach = spread * stats.norm.isf((1 - LEVEL) / 2)
    low = least - reach * np.sqrt(least * (1 - least) / len(y)) - 0.5 / len(y)
    high = most + reach * np.sqrt(most * (1 - most) / len(y)) + 0.5 / len(y)
    return (scores < low) | (scores > high)


def _edges(photo: np.ndarray) -> np.ndarray:
    """Strength of the gradient of a photo."""
    return np.hypot(*np.gradient(photo.mean(axis=2)))


def judge_stock(kind: str, n_photos: int) -> list[dict[str, Any]]:
    """Tell the class by the regions of scikit-image alone: their number, areas and extents.

    Areas are shares of the photo, extents shares of its sides: none of our code is in it.
    """
    rng = own_generator("stock", kind)
    data = KINDS[kind](rng, n_photos, Path())
    report = find_metadata_shortcuts(data.images, data.target, random_state=SEED)
    rows = []
    for name, cut in STOCK.items():
        table = [region_numbers(cut(photo)) for photo in data.images]
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        accuracy = cross_val_score(model, np.array(table), data.target, cv=5).mean()
        rows.append(
            {
                "kind": kind,
                "segmenter": name,
                "accuracy": float(accuracy),
                "half_interval": 1.96 * 0.5 / np.sqrt(n_photos),
                "flagged": list(report.flagged),
            }
        )
    return rows


def region_numbers(labels: np.ndarray) -> list[float]:
    """Number of regions, and mean and deviation of their areas and extents, in shares."""
    found = regionprops_table(labels, properties=("area", "bbox"))
    shares = [
        found["area"] / labels.size,
        (found["bbox-2"] - found["bbox-0"]) / labels.shape[0],
        (found["bbox-3"] - found["bbox-1"]) / labels.shape[1],
    ]
    return [len(found["area"]), *(f(values) for values in shares for f in (np.mean, np.std))]


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

    `allowed` is how many may lie outside if each does so independently with a probability of 5%:
    the 95% quantile of the binomial distribution. Looks that share rows are not independent.
    """
    looks, outside, expected = Counter(), Counter(), Counter()
    for case in cases:
        for name in LOOKS:
            entry = case.get("accuracy look" if name == "accuracy" else name)
            if entry:
                key = name if by == "look" else case[by]
                looks[key] += entry["looks"]
                outside[key] += entry["outside"]
                expected[key] += entry.get("expected", (1 - LEVEL) * entry["looks"])
    return {
        key: {
            "looks": n,
            "outside": outside[key],
            "share": outside[key] / n,
            "expected": expected[key] / n,
            "allowed": int(stats.binom.ppf(LEVEL, n, 1 - LEVEL)),
        }
        for key, n in looks.items()
        if n
    }


def summarise_binomial(cases: list[dict[str, Any]]) -> dict[str, float]:
    """Share of the node scores that lie outside if rows were judged each by itself."""
    return {
        sort: sum(case["binomial"][sort]["outside"] for case in cases)
        / sum(case["binomial"][sort]["looks"] for case in cases)
        for sort in ("leaf scores", "parent scores")
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
        "n_table_draws": N_TABLE_DRAWS,
        "spread_cases": SPREAD_CASES,
        "n_refits": N_REFITS,
        "n_geometry_photos": N_GEOMETRY_PHOTOS,
    }


if __name__ == "__main__":
    main()
