"""Pooled activations of a patch dictionary: time and memory, compared with other methods.

Photos of 32 x 32 pixels over the 16 cells of a spatial pyramid, and street photos over the masks of
their parts, at their own size and enlarged. Every method uses the same dictionary and must compute
the same sums. Each uses one thread; processor time is measured, and memory in a separate process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Any

import numpy as np
from _dense_methods import METHODS, OURS
from _harness import (
    Progress,
    data_folder,
    load_ccp_parts,
    load_cifar10_dev,
    load_portraits,
    parse_arguments,
    print_table,
    record,
)
from _node_memory import peak_memory, standing_memory
from skimage.transform import resize
from sklearn.utils import Bunch
from threadpoolctl import threadpool_limits

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import PatchDictionary

NAME = "dense"
N_ATOMS = (100, 400, 800, 1600)
SMALL, PHOTOS, LARGE = "cifar10_dev", "ccp_parts", "ccp_parts, 600 x 400"
ATOMS = {SMALL: N_ATOMS, PHOTOS: N_ATOMS, LARGE: (400,)}
# photos that are timed, photos that the dictionary is learned from, photos through the transformer
N_TIMED = {SMALL: 100, PHOTOS: 4, LARGE: 2}
N_LEARNED, N_WHOLE = 500, 2000
N_REPEATS, SEED = 3, 0
MEGABYTE = 1e6


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv)
    say = Progress()
    atoms = {"portraits": (8,)} if arguments.quick else ATOMS
    if not arguments.quick:
        for name in (SMALL, PHOTOS):
            data_folder(name)  # a process of its own could not end this one
    results: dict[str, Any] = {}
    for name, counts in atoms.items():
        results[name] = {}
        for n_atoms in counts:
            found = {}
            for method in METHODS:
                run = measure if arguments.quick else alone
                found[method] = run(name, n_atoms, method)
            say(f"{name}: {n_atoms} atoms")
            results[name][str(n_atoms)] = compared(found)
        print_table(rows_of(results[name]), name)
    whole = whole_tables(arguments, say)
    settings = {
        "atoms": atoms,
        "photos_timed": N_TIMED,
        "photos_learned_from": N_LEARNED,
        "repeats": N_REPEATS,
        "jobs_of_the_transformer": arguments.jobs,
        "random_state": SEED,
    }
    question = __doc__.partition("\n")[0]
    record(arguments, NAME, question, settings, {"methods": results, "transformer": whole})


def alone(*task: Any) -> dict[str, float]:
    """Run `measure` in a new process, so that no other method's memory is in its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, task)


def measure(data: str, n_atoms: int, method: str) -> dict[str, float]:
    """Time and memory of one method, and how far its sums are from a second opinion."""
    photos = LOADERS[data]()
    descriptor = PatchDictionary(n_atoms, random_state=SEED)
    if n_atoms < min(N_ATOMS):
        descriptor.set_params(n_patches=500)
    started = time.process_time()
    descriptor.fit(photos.train)
    fitted = time.process_time() - started
    function, checked = METHODS[method], METHODS["NumPy in blocks"]
    with threadpool_limits(limits=1):
        image, labels = photos.images[0], photos.labels[0]
        sums = function(descriptor, image, labels)  # compiles, where there is something to compile
        off = np.abs(sums - checked(descriptor, image, labels)).max() / sums.max()
        standing = standing_memory()
        seconds = [
            seconds_of(function, descriptor, photos.images, photos.labels) for _ in range(N_REPEATS)
        ]
    return {
        "milliseconds": 1000 * float(np.median(seconds)) / len(photos.images),
        "extra_megabytes": (peak_memory() - standing) / MEGABYTE,
        "fit_seconds": fitted,
        "relative_difference": float(off),
    }


def seconds_of(
    function: Callable, descriptor: PatchDictionary, images: list, labels: list
) -> float:
    started = time.process_time()
    for image, regions in zip(images, labels):
        function(descriptor, image, regions)
    return time.process_time() - started


def take_cifar10_dev() -> Bunch:
    """Some training photos, over the cells of a spatial pyramid."""
    data = load_cifar10_dev()
    images = data.images[data.train[:N_LEARNED]]
    cells = np.arange(32) // 8
    labels = cells[:, np.newaxis] * 4 + cells
    timed = [scaled(image) for image in images[: N_TIMED[SMALL]]]
    return Bunch(train=images, images=timed, labels=[labels] * len(timed))


def take_ccp_parts() -> Bunch:
    """Some training photos, over the masks of their parts."""
    data = load_ccp_parts()
    return with_masks(data.images[data.train[:N_LEARNED]], N_TIMED[PHOTOS])


def take_large_photos() -> Bunch:
    """As `take_ccp_parts`, enlarged."""
    photos = take_ccp_parts()
    shape = (600, 400)
    photos.images = [
        resize(image, shape).astype(np.float32) for image in photos.images[: N_TIMED[LARGE]]
    ]
    photos.labels = [
        resize(labels, shape, order=0, preserve_range=True).astype(np.int64)
        for labels in photos.labels[: N_TIMED[LARGE]]
    ]
    return photos


def take_portraits() -> Bunch:
    """A few portraits, for a test run."""
    return with_masks(load_portraits(6, image_size=(24, 20)).images, 2)


def with_masks(images: Any, n_timed: int) -> Bunch:
    """Photos that come with masks; pixels without a part become one of their own."""
    items = [images[i] for i in range(n_timed)]
    labels = [
        np.unique(item.mask, return_inverse=True)[1].reshape(item.mask.shape) for item in items
    ]
    return Bunch(train=images, images=[scaled(item.image) for item in items], labels=labels)


def scaled(image: np.ndarray) -> np.ndarray:
    """Intensities in [0, 1]."""
    return (image / 255 if image.dtype == np.uint8 else image).astype(np.float32)


LOADERS: dict[str, Callable[[], Bunch]] = {
    SMALL: take_cifar10_dev,
    PHOTOS: take_ccp_parts,
    LARGE: take_large_photos,
    "portraits": take_portraits,
}


def compared(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Add how many times faster ours is."""
    ours = found[OURS]["milliseconds"]
    return {
        name: {
            **entry,
            "images_per_minute": 60_000 / entry["milliseconds"],
            "times_ours": entry["milliseconds"] / ours,
        }
        for name, entry in found.items()
    }


def whole_tables(arguments: Any, say: Progress) -> dict[str, dict[str, float]]:
    """Images a minute from photos to the table of all nodes, by the clock."""
    found = {}
    data = load_portraits(6, image_size=(24, 20)) if arguments.quick else load_cifar10_dev()
    images = data.images[data.train[:N_WHOLE]]
    for n_atoms in (8,) if arguments.quick else N_ATOMS:
        dictionary = PatchDictionary(n_atoms, n_patches=50 * n_atoms, random_state=SEED)
        transformer = SegmentTreeTransformer(
            tree=data.get("tree"), descriptors=dictionary, n_jobs=arguments.jobs
        ).fit(images[:N_LEARNED])
        transformer.set_output(transform="default").transform(images[: 64 * arguments.jobs])
        started = time.perf_counter()
        transformer.transform(images)
        seconds = time.perf_counter() - started
        found[str(n_atoms)] = {"images_per_minute": 60 * len(images) / seconds}
        say(
            f"transformer, {n_atoms} atoms: {found[str(n_atoms)]['images_per_minute']:.0f} a minute"
        )
    return found


def rows_of(results: dict[str, dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """Rows of the printed table."""
    return [
        {"atoms": int(n_atoms), "method": name, **entry}
        for n_atoms, found in results.items()
        for name, entry in found.items()
    ]


if __name__ == "__main__":
    main()
