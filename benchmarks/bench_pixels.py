"""Time from photo files to rows of the table, beside decoding, scikit-image and an earlier version.

Street photos of 320 pixels with their masks, from files, the default descriptors, one core. Every
block of photos is described by all methods in turn; processor time per photo. The obvious code with
scikit-image computes about the same of every part: CIELAB and its histograms, region properties,
local binary patterns and histograms of oriented gradients. Single photos are classified and
explained, too, as a service does it.

Run as a script with a file it is the process of one version.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from _versions import EARLIER, ROOT, ask, checkout, worker

QUESTION = "How long does it take to describe a photo, and to classify and explain one?"
N_PHOTOS, N_BLOCKS, N_TRAIN, N_SINGLE = 32, 15, 200, 8
N_BINS, N_ORIENTATIONS = 8, 8
N_REPEATS = 15
# what the process of a version measures
TASKS = (
    "described in a batch",
    "class of one photo",
    "class and contrast of one photo",
    "class in a batch of files",
)
MAX_MS = {TASKS[0]: 7.5, TASKS[2]: 12.0}
MIN_PER_MINUTE = 8000
MIN_TIMES_FASTER, MIN_TIMES_OBVIOUS, MAX_TIMES_DECODING = 5, 15, 3


def main(argv: Sequence[str] | None = None) -> None:
    from _harness import Progress, parse_arguments, print_table, record

    arguments = parse_arguments(QUESTION, argv)
    n_blocks, n_photos = (1, 4) if arguments.quick else (N_BLOCKS, N_PHOTOS)
    progress = Progress()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = write_portraits(scratch / "photos") if arguments.quick else photo_folder()
        versions = {"hierseg_learn": ROOT}
        try:
            if not arguments.quick:
                versions[EARLIER] = stack.enter_context(checkout(scratch / "earlier"))
        except (OSError, subprocess.CalledProcessError):
            print(f"Git or the commit {EARLIER} is missing: it is left out.")
        given = scratch / "given.pickle"
        given.write_bytes(pickle.dumps((str(folder), n_photos)))
        processes = {
            name: stack.enter_context(worker(root, __file__, given))
            for name, root in versions.items()
        }
        files = pairs_of_files(folder)
        found: dict[str, list] = {name: [] for name in (*versions, "decoding", "scikit-image")}
        for block in range(n_blocks):
            for name, process in processes.items():
                found[name].append(ask(process))
            some = [files[(block * n_photos + i) % len(files)] for i in range(n_photos)]
            found["decoding"].append([seconds(decode, some)])
            found["scikit-image"].append([seconds(describe_plainly, some[: max(1, n_photos // 8)])])
            progress(f"block {block + 1} of {n_blocks}")
        steps = stages(folder, n_photos, n_repeats=1 if arguments.quick else N_REPEATS)
    results = {"times": summarize(found), "stages": steps, "bars": bars(found)}
    print_table(results["times"])
    print_table(results["stages"])
    print_table(results["bars"])
    record(
        arguments,
        "pixels",
        QUESTION,
        {
            "data": folder.name,
            "photos per block": n_photos,
            "blocks": n_blocks,
            "earlier": EARLIER,
            "threads": 1,
        },
        results,
    )


def photo_folder() -> Path:
    """Folder of the street photos."""
    from _harness import data_folder

    return data_folder("ccp_parts")


def write_portraits(folder: Path) -> Path:
    """Write a few portraits in the layout of the street photos."""
    from _harness import load_portraits
    from PIL import Image

    data = load_portraits(12, image_size=(24, 20))
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    lines = ["id,label"]
    for i, (item, label) in enumerate(zip(data.images, data.target, strict=True)):
        Image.fromarray(np.asarray(item.image)).save(folder / "images" / f"{i}.png")
        Image.fromarray(np.asarray(item.mask).astype(np.uint8)).save(folder / "masks" / f"{i}.png")
        lines.append(f"{i},{label}")
    (folder / "index.csv").write_text("\n".join(lines))
    (folder / "parts.json").write_text(json.dumps({"tree": data.tree}))
    return folder


def pairs_of_files(folder: Path) -> list[tuple[Path, Path]]:
    """Photos and their masks."""
    masks = {file.stem: file for file in (folder / "masks").iterdir()}
    photos = sorted((folder / "images").iterdir())
    return [(photo, masks[photo.stem]) for photo in photos if photo.stem in masks]


def seconds(function: Callable, files: Sequence[tuple[Path, Path]]) -> float:
    """Processor seconds per photo."""
    start = time.process_time()
    for photo, mask in files:
        function(photo, mask)
    return (time.process_time() - start) / len(files)


def decode(photo: Path, mask: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the pixels of a photo and its mask."""
    from PIL import Image

    return np.asarray(Image.open(photo)), np.asarray(Image.open(mask))


def describe_plainly(photo: Path, mask: Path) -> list[np.ndarray]:
    """Describe every part by scikit-image, as one would write it down."""
    from skimage.color import rgb2gray, rgb2lab
    from skimage.feature import hog, local_binary_pattern
    from skimage.measure import regionprops, regionprops_table

    image, labels = decode(photo, mask)
    lab, gray = rgb2lab(image), rgb2gray(image)
    patterns = local_binary_pattern((gray * 255).astype(np.uint8), 8, 1, method="uniform")
    names = ("area", "centroid", "inertia_tensor", "orientation")
    rows = [np.stack(list(regionprops_table(labels + 1, properties=names).values()), axis=1)]
    for region in regionprops(labels + 1):
        inside, box = region.image, region.slice
        colors = lab[box][inside]
        histograms = [np.histogram(channel, N_BINS, (-100, 100))[0] for channel in colors.T]
        texture = np.bincount(patterns[box][inside].astype(int), minlength=10)
        part = np.where(inside[..., None], image[box], 0)
        gradients = np.empty(0)
        if min(inside.shape) >= 8:
            gradients = hog(part, N_ORIENTATIONS, (8, 8), (1, 1), channel_axis=-1)
            gradients = gradients.reshape(-1, N_ORIENTATIONS).mean(axis=0)
        rows.append(
            np.concatenate(
                [colors.mean(axis=0), colors.std(axis=0), *histograms, texture, gradients]
            )
        )
    return rows


def summarize(found: dict[str, list]) -> list[dict[str, Any]]:
    """Median milliseconds per photo of every method and task, with the tenths on both sides."""
    rows = []
    for name, blocks in found.items():
        tasks = TASKS if name in ("hierseg_learn", EARLIER) else TASKS[:1]
        for task, values in zip(tasks, 1e3 * np.array(blocks).T, strict=True):
            low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
            rows.append({"method": name, "task": task, "ms": middle, "low": low, "high": high})
    return rows


def bars(found: dict[str, list]) -> list[dict[str, Any]]:
    """What is promised, beside what was measured; ratios are paired by blocks."""
    ours = np.array(found["hierseg_learn"])
    rows = [
        {
            "bar": f"{task}: at most {most:g} ms",
            "measured": f"{1e3 * np.median(ours[:, TASKS.index(task)]):.1f} ms",
            "met": bool(1e3 * np.median(ours[:, TASKS.index(task)]) <= most),
        }
        for task, most in MAX_MS.items()
    ]
    per_minute = 60 / float(np.median(ours[:, 3]))
    rows.append(
        {
            "bar": f"{TASKS[3]}: at least {MIN_PER_MINUTE:,} photos a minute",
            "measured": f"{per_minute:,.0f} a minute",
            "met": per_minute >= MIN_PER_MINUTE,
        }
    )
    for name, least in ((EARLIER, MIN_TIMES_FASTER), ("scikit-image", MIN_TIMES_OBVIOUS)):
        if name in found:
            times = float(np.median(np.array(found[name])[:, 0] / ours[:, 0]))
            rows.append(
                {
                    "bar": f"at least {least} times as fast as {name}",
                    "measured": f"{times:.1f} times",
                    "met": times >= least,
                }
            )
    times = float(np.median(ours[:, 0] / np.array(found["decoding"])[:, 0]))
    rows.append(
        {
            "bar": f"at most {MAX_TIMES_DECODING} times the time of decoding alone",
            "measured": f"{times:.1f} times",
            "met": times <= MAX_TIMES_DECODING,
        }
    )
    return rows


def stages(folder: Path, n_photos: int, n_repeats: int) -> list[dict[str, Any]]:
    """Milliseconds per photo of every step from files to rows, and without sums over regions.

    What is left without the sums reads every pixel and computes its color, gradient and pattern;
    decoding, and what has no such sums, counts as it is.
    """
    from numba import njit

    from hierseg_learn import SegmentTreeTransformer
    from hierseg_learn.datasets import load_segmented_folder
    from hierseg_learn.descriptors._fixed import _profile
    from hierseg_learn.kernels import _descriptor_loops as loops
    from hierseg_learn.kernels import pixels

    @njit(nogil=True)
    def color_lines(levels: Any, planes: Any, gamma: Any, lines: Any) -> None:
        light, xyz = np.empty_like(lines), np.empty_like(lines[0])
        for row in range(planes.shape[1]):
            loops.light_line(planes, levels, row, gamma, light)
            loops.lab_line(light, xyz, lines)

    @njit(nogil=True)
    def gradient_lines(planes: Any, lines: Any) -> None:
        for row in range(planes.shape[1]):
            loops.gradient_line(planes, row, lines[0], lines[1], lines[2])
            loops.orient_line(lines[0], lines[1], lines[2], lines[3], lines[4])

    @njit(nogil=True)
    def pattern_lines(gray: Any, signs: Any) -> None:
        for row in range(1, len(gray) - 1):
            loops.sign_line(gray[row - 1], gray[row], gray[row + 1], signs)

    def gray_of(planes: np.ndarray, levels: np.ndarray) -> np.ndarray:
        gray = np.empty(planes.shape[1:], dtype=np.int32)
        loops.gray_levels(planes, levels, gray)
        return gray

    def milliseconds(function: Callable, *columns: Sequence) -> float:
        found = []
        for _ in range(n_repeats + 1):
            start = time.process_time()
            for one in zip(*columns, strict=True):
                function(*one)
            found.append(1e3 * (time.process_time() - start) / len(columns[0]))
        return float(np.median(found[1:]))

    data = load_segmented_folder(folder)
    some = np.arange(min(n_photos, len(data.target)))
    transformer = SegmentTreeTransformer(tree=data.tree).fit(data.images[some])
    describer = transformer._describer()
    batch = transformer._check_images(data.images[some], reset=False)
    n_leaves = describer.tree.n_leaves
    images, maps = zip(*((image, layers[0]) for image, layers in describer._leaf_maps(batch)))
    planes = [pixels.split_planes(image) for image in images]
    levels = [pixels.whole_levels(one) for one in planes]
    grays = list(map(gray_of, planes, levels))
    decoding = milliseconds(decode, *zip(*pairs_of_files(folder)[: len(some)]))
    reading = milliseconds(lambda i: list(describer._leaf_maps(batch.subset([i]))), some)
    per_pixel = [
        (
            "color",
            lambda p, v, r, g: pixels.color_sums(p, v, r, n_leaves, N_BINS),
            lambda p, v, r, g: color_lines(v, p, pixels.GAMMA, np.empty_like(p[:, 0])),
        ),
        (
            "gradients",
            lambda p, v, r, g: pixels.gradient_sums(p, r, n_leaves, N_ORIENTATIONS),
            lambda p, v, r, g: gradient_lines(p, np.empty((5, p.shape[2]), np.float32)),
        ),
        (
            "binary patterns",
            lambda p, v, r, g: pixels.pattern_sums(p, v, r, n_leaves),
            lambda p, v, r, g: (gray_of(p, v), pattern_lines(g, np.empty(g.shape[1], np.int32))),
        ),
    ]
    outlines = milliseconds(
        lambda r: (
            pixels.outline_sums(r, n_leaves, _profile(len(r), 10)),
            pixels.count_pixels(r, n_leaves),
        ),
        maps,
    )
    rows = [
        ("decode photo and mask", decoding, decoding),
        ("check them, floats and leaves", reading - decoding, reading - decoding),
    ]
    splitting = milliseconds(lambda image: pixels.whole_levels(pixels.split_planes(image)), images)
    rows.append(("planes and levels of 8 bits", splitting, splitting))
    for name, whole, lines in per_pixel:
        args = planes, levels, maps, grays
        rows.append((name, milliseconds(whole, *args), milliseconds(lines, *args)))
    rows.append(("outlines and areas", outlines, 0.0))
    total = milliseconds(lambda one: describer.rows(one), [batch]) / len(some)
    rows.append(("up the tree, columns, calls", total - sum(row[1] for row in rows), 0.0))
    rows.append(("all", total, sum(row[2] for row in rows)))
    return [{"stage": name, "ms": whole, "without_sums": least} for name, whole, least in rows]


def answer(given: Path) -> None:
    """Fit the default pipeline and time blocks of photos until the input ends."""
    from sklearn.pipeline import make_pipeline

    from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
    from hierseg_learn.datasets import load_segmented_folder

    folder, n_photos = pickle.loads(given.read_bytes())
    data = load_segmented_folder(folder)
    images, target = data.images, np.asarray(data.target)
    train = np.arange(min(N_TRAIN, len(target)))
    model = make_pipeline(
        SegmentTreeTransformer(tree=data.tree), HierarchicalMetricClassifier(random_state=0)
    )
    model.fit(images[train], target[train])
    transformer, classifier = model[0], model[1]
    place = 0
    for _ in sys.stdin:
        some = (place + np.arange(n_photos)) % len(target)
        start = time.process_time()
        transformer.transform(images[some])
        times = [(time.process_time() - start) / n_photos]
        singles = some[:N_SINGLE]
        start = time.process_time()
        for i in singles:
            model.predict(images[[i]])
        times.append((time.process_time() - start) / len(singles))
        start = time.process_time()
        for i in singles:
            row = transformer.transform(images[[i]])
            classifier.predict(row)
            classifier.explain_contrast(row.iloc[0])
        times.append((time.process_time() - start) / len(singles))
        start = time.process_time()
        model.predict(images[some])
        times.append((time.process_time() - start) / n_photos)
        print(*times, flush=True)
        place += n_photos


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].endswith(".pickle"):
        answer(Path(sys.argv[1]))
    else:
        main()
