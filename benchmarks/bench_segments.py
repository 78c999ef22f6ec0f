"""Segments found in photos alone: quality and time, compared with other methods."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import _segmenters as segmenters
import numpy as np
from _boundaries import boundary_scores, connected_pieces, region_scores
from _harness import (
    Progress,
    load_ccp_parts,
    load_portraits,
    parse_arguments,
    print_table,
    record,
    workers,
)
from sklearn.utils import Bunch

QUESTION = "How good are the segments found in photos alone, and how fast, next to others?"
COUNTS = (10, 25, 50, 100, 200)
# the first to look at while choosing how to merge, the second looked at once, at the end
N_PHOTOS = {"train": 50, "test": 100}
# quickshift takes a second a photo for every value that is tried, so it gets the first few only
N_PHOTOS_QUICKSHIFT = 12
N_TIMED = 40
# a cut of so many more or fewer regions than asked for, as a share, does not count
COUNT_SLACK = 0.2
OURS = "merge tree"
METHODS = {
    OURS: segmenters.merge_tree,
    "SLIC + merge_hierarchical": segmenters.slic_merged,
    "Felzenszwalb": segmenters.felzenszwalb,
    "quickshift": segmenters.quickshift,
    "Higra, watershed by area": segmenters.higra_area,
    "Higra, average linkage": segmenters.higra_average,
}
TIMED = {
    OURS: segmenters.merge_tree,
    "SLIC + merge_hierarchical": segmenters.slic_merged,
    "Higra, watershed by area": segmenters.higra_area_tree,
    "Higra, average linkage": segmenters.higra_average_tree,
    "Higra, Mumford-Shah": segmenters.higra_mumford_shah_tree,
}
SCORES = (
    "boundary_recall",
    "boundary_precision",
    "boundary_f",
    "achievable_accuracy",
    "undersegmentation_error",
    "covering",
)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(QUESTION, argv)
    progress = Progress()
    data = load_portraits(6, image_size=(64, 48)) if arguments.quick else load_ccp_parts()
    names = [name for name in METHODS if segmenters.has_higra() or not name.startswith("Higra")]
    splits = {}
    for split in ("train", "test"):
        photos = choose(data[split], N_PHOTOS[split])
        splits[split] = compare(data, photos, names, arguments.jobs, progress)
        print_scores(splits[split], split)
    speed = measure(data, choose(data.test, N_TIMED), [name for name in TIMED if name in names])
    print_table(
        [{"method": name, **entry} for name, entry in speed.items()], "CPU seconds and images"
    )
    settings = {
        "data": data.name,
        "counts": COUNTS,
        "photos": {split: min(N_PHOTOS[split], len(data[split])) for split in splits},
        "photos_quickshift": N_PHOTOS_QUICKSHIFT,
        "photos_timed": N_TIMED,
        "count_slack": COUNT_SLACK,
        "higra": segmenters.higra_version(),
    }
    record(arguments, "segments", QUESTION, settings, {"splits": splits, "speed": speed})


def choose(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """A fixed choice of rows that is spread over the classes."""
    return np.random.default_rng(0).permutation(rows)[:n_rows]


def compare(
    data: Bunch, photos: np.ndarray, names: Sequence[str], jobs: int, progress: Progress
) -> dict[str, dict[str, dict[str, float]]]:
    """Mean scores of every method at every number of regions.

    Cuts whose number of regions is off by more than `COUNT_SLACK` are left out; ``share_reached``
    says how many are not.
    """
    found: dict[str, Any] = {}
    for name in names:
        chosen = photos[:N_PHOTOS_QUICKSHIFT] if name == "quickshift" else photos
        tasks = workers(jobs)(_task(data, photo, name) for photo in chosen)
        rows = [row for photo_rows in tasks for row in photo_rows]
        found[name] = {}
        for count in COUNTS:
            reached = [row for row in rows if row["asked"] == count and _is_near(row)]
            entry: dict[str, float | None] = {"share_reached": len(reached) / len(chosen)}
            for score in SCORES:
                entry[score] = float(np.mean([r[score] for r in reached])) if reached else None
            found[name][str(count)] = entry
        progress(name)
    return found


def _is_near(row: dict[str, float]) -> bool:
    return abs(row["found"] - row["asked"]) <= COUNT_SLACK * row["asked"]


def _task(data: Bunch, photo: int, name: str):
    from joblib import delayed

    item = data.images[int(photo)]
    return delayed(score_photo)(as_floats(item.image), np.asarray(item.mask), name)


def as_floats(image: np.ndarray) -> np.ndarray:
    """Scale an image to float64 in [0, 1]; every method gets the same pixels."""
    return image / 255 if image.dtype == np.uint8 else np.asarray(image, dtype=np.float64)


def score_photo(image: np.ndarray, mask: np.ndarray, name: str) -> list[dict[str, float]]:
    """Scores of one method on one photo, one row per number of regions.

    The true regions are the connected pieces of the parts.
    """
    truth = connected_pieces(mask.astype(np.int64) + 2)
    rows = []
    for count, labels in METHODS[name](image, COUNTS).items():
        rows.append(
            {
                "asked": count,
                "found": len(np.unique(labels)),
                **boundary_scores(labels, truth),
                **region_scores(labels, truth),
            }
        )
    return rows


def measure(
    data: Bunch, photos: np.ndarray, names: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """CPU time of one photo, from pixels to hierarchy, on one thread; methods take turns.

    CPU time, as other work on the machine lengthens wall time.
    """
    images = [as_floats(data.images[int(photo)].image) for photo in photos]
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        TIMED[name](images[0], (10,))
    for image in images:
        for name in names:
            started = time.process_time()
            TIMED[name](image, (10,))
            times[name].append(time.process_time() - started)
    ours = np.median(times[OURS])
    return {
        name: {
            "milliseconds": 1000 * float(np.median(values)),
            "images_per_second": 1 / float(np.median(values)),
            "times_ours": float(np.median(values) / ours),
        }
        for name, values in times.items()
    }


def print_scores(found: dict[str, Any], split: str) -> None:
    """Print one table per score."""
    for score in SCORES:
        rows = [
            {"method": name, **{count: entry[score] for count, entry in counts.items()}}
            for name, counts in found.items()
        ]
        print_table(rows, f"{score}, {split}")


if __name__ == "__main__":
    main()
