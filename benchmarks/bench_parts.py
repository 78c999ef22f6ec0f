"""Parts found in photos alone: agreement with masks, and appearance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from _harness import (
    Progress,
    load_ccp_parts,
    load_cifar10_dev,
    load_portraits,
    parse_arguments,
    print_table,
    record,
)
from sklearn.utils import Bunch

from hierseg_learn.images import check_images
from hierseg_learn.parts import PartAgglomeration, PartLookup, PartStatistics
from hierseg_learn.segmentation import (
    GridSegmenter,
    PartReport,
    PartSheetDisplay,
    RegionMergingSegmenter,
    Segmenter,
    SuperpixelSegmenter,
    part_report,
)
from hierseg_learn.tree import SegmentTree

QUESTION = "Do parts found in photos alone agree with masks, come again, and look like one thing?"
# training photos only: what is chosen here is chosen on them
N_FIT, N_SCORED = 250, 200
N_PARTS = (12, 24)
POSITION_WEIGHTS = (0.0, 0.5, 1.0, 2.0)
WEIGHTS = {
    "all": {},
    "appearance": {"adjacency_weight": 0, "cooccurrence_weight": 0},
    "adjacency": {"appearance_weight": 0, "cooccurrence_weight": 0},
    "co-occurrence": {"appearance_weight": 0, "adjacency_weight": 0},
}
N_COLORS, N_GREYS, MIN_COLOR = 100, 28, 24


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(QUESTION, argv)
    progress = Progress()
    photos = load_portraits(12, image_size=(64, 48)) if arguments.quick else load_ccp_parts()
    rows = np.random.default_rng(0).permutation(photos.train)
    fitted, scored = np.sort(rows[:N_FIT]), np.sort(rows[N_FIT : N_FIT + N_SCORED])
    if arguments.quick:
        fitted, scored = photos.train[:5], photos.train[5:]
    agreement = compare(photos, fitted, scored, progress)
    print_table([{"segmenter": name, **entry} for name, entry in agreement.items()], photos.name)
    trees = compare_trees(photos, fitted)
    print_table([{"weights": name, **entry} for name, entry in trees.items()], "given trees")
    sheets = {photos.name: draw_photos(photos, fitted, scored, arguments.pictures)}
    progress("sheet of photos")
    if not arguments.quick:
        sheets["cifar10_dev"] = draw_small_photos(load_cifar10_dev(), arguments.pictures)
        progress("sheet of small photos")
    settings = {
        "data": photos.name,
        "n_fit": len(fitted),
        "n_scored": len(scored),
        "position_weights": POSITION_WEIGHTS,
        "n_parts": N_PARTS,
    }
    results = {"agreement": agreement, "trees": trees, "sheets": sheets}
    record(arguments, "parts", QUESTION, settings, results)


def segmenters() -> dict[str, Segmenter]:
    """Segmenters that are compared: two kinds of regions, several position weights, plain cells."""
    found: dict[str, Segmenter] = {"cells of a grid, 12": GridSegmenter(n_rows=4, n_cols=3)}
    for n_parts in N_PARTS:
        for weight in POSITION_WEIGHTS:
            found[f"merged regions, {n_parts}, position {weight:g}"] = RegionMergingSegmenter(
                n_parts=n_parts, position_weight=weight, random_state=0
            )
        found[f"superpixels, {n_parts}, position 1"] = SuperpixelSegmenter(
            n_parts=n_parts, random_state=0
        )
    return found


def compare(
    photos: Bunch, fitted: np.ndarray, scored: np.ndarray, progress: Progress
) -> dict[str, dict[str, float]]:
    """Agreement of the parts with masks that only score, on photos that no one was fitted on."""
    found = {}
    for name, segmenter in segmenters().items():
        segmenter.fit(photos.images[fitted].images)
        report = part_report(segmenter, photos.images[scored])
        found[name] = {
            "purity": report.purity,
            "normalized_mutual_info": report.normalized_mutual_info,
            "adjusted_rand": report.adjusted_rand,
        }
        progress(name)
    return found


def compare_trees(photos: Bunch, fitted: np.ndarray) -> dict[str, dict[str, float]]:
    """How much of the given tree is found again from the given masks, by what parts are joined."""
    given = SegmentTree.from_nested(photos.tree)
    batch = check_images(photos.images[fitted])
    lookup = PartLookup(given)
    statistics = PartStatistics.from_label_maps(
        (batch.image(i) for i in range(len(batch))),
        (lookup.to_leaves(batch.mask(i), i) for i in range(len(batch))),
        given.n_leaves,
    )
    names = [given.names[leaf] for leaf in given.leaves]
    found = {}
    for name, weights in WEIGHTS.items():
        built = PartAgglomeration(**weights).build(statistics, names)
        found[name] = {"triplets": shared_triplets(given, built)}
    return found


def shared_triplets(given: SegmentTree, built: SegmentTree) -> float:
    """Of the triplets of leaves whose closest pair the given tree tells, how many agree."""
    names = [given.names[leaf] for leaf in given.leaves]
    told = [(closest(given, three), closest(built, three)) for three in combinations(names, 3)]
    return float(np.mean([first == second for first, second in told if first is not None]))


def closest(tree: SegmentTree, names: Sequence[str]) -> tuple[str, str] | None:
    """The pair that meets below the node where all three meet; None if there is none."""
    depths = {pair: meeting_depth(tree, *pair) for pair in combinations(names, 2)}
    deepest = max(depths.values())
    pairs = [pair for pair, depth in depths.items() if depth == deepest]
    return pairs[0] if len(pairs) == 1 else None


def meeting_depth(tree: SegmentTree, first: str, second: str) -> int:
    """Depth of the lowest node above two leaves."""
    common = np.intersect1d(tree.ancestors(first), tree.ancestors(second))
    return int(tree.depths[common].max())


def draw_photos(
    photos: Bunch, fitted: np.ndarray, scored: np.ndarray, folder: Path
) -> dict[str, Any]:
    """Sheet of the photos with masks: people stand, so position may count a little more."""
    segmenter = RegionMergingSegmenter(n_parts=16, position_weight=1.3, random_state=0)
    segmenter.fit(photos.images[fitted].images)
    tree = SegmentTree.from_nested(photos.tree)
    names = dict(zip(tree.leaf_values, (tree.names[leaf] for leaf in tree.leaves), strict=True))
    if not all(isinstance(key, int) for key in names):
        names = None
    report = part_report(segmenter, photos.images[scored], mask_names=names, stability=True)
    display = PartSheetDisplay.from_estimator(
        segmenter, photos.images[scored], report=report, n_examples=6
    )
    save(display, folder / f"parts_{photos.name}.png")
    return summary(report, segmenter)


def draw_small_photos(photos: Bunch, folder: Path) -> dict[str, Any]:
    """Sheet of photos of 32 by 32 pixels."""
    rows = np.random.default_rng(0).permutation(photos.train)
    segmenter = RegionMergingSegmenter(20, n_superpixels=400, sigma=0.5, random_state=0)
    segmenter.fit(photos.images[np.sort(rows[:1000])])
    scored = photos.images[np.sort(rows[1000:1500])]
    report = part_report(segmenter, scored, stability=True)
    display = PartSheetDisplay.from_estimator(segmenter, scored, report=report, n_examples=8)
    save(display, folder / f"parts_{photos.name}.png")
    return summary(report, segmenter)


def summary(report: PartReport, segmenter: Segmenter) -> dict[str, Any]:
    """One entry per part, and the tree."""
    parts = report.to_frame().reset_index().to_dict("records")
    return {"parts": parts, "tree": segmenter.tree_.export_text()}


def save(display: PartSheetDisplay, file: Path) -> None:
    """Write a sheet with few colors, so that the file is small."""
    import matplotlib.pyplot as plt
    from PIL import Image

    display.figure_.set_dpi(100)
    display.figure_.canvas.draw()
    pixels = np.asarray(display.figure_.canvas.buffer_rgba())[..., :3]
    plt.close(display.figure_)
    # colors from what is no gray: most of a sheet is dimmed, and would take all the palette
    colored = pixels[np.ptp(pixels, axis=2) > MIN_COLOR]
    palette = Image.fromarray(colored[np.newaxis]).quantize(N_COLORS).getpalette()[: 3 * N_COLORS]
    grays = np.repeat(np.linspace(0, 255, N_GREYS).round().astype(int), 3).tolist()
    few = Image.new("P", (1, 1))
    few.putpalette(palette + grays)
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.fromarray(pixels).quantize(palette=few, dither=Image.Dither.NONE)
    sheet.save(file, optimize=True)


if __name__ == "__main__":
    main()
