"""Readers of public layouts: lines a user writes, time against other readers, memory, index."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _harness import (
    Progress,
    load_ccp_parts,
    load_portraits,
    parse_arguments,
    print_table,
    record,
    results_on_record,
)
from _layouts import LAYOUTS, Layout, Samples, palette_of, python_items
from PIL import Image

from hierseg_learn.datasets import (
    load_annotations,
    load_coco,
    load_from_dataset,
    load_image_folder,
)

QUESTION = "How many lines, how much time and memory does it take to read the layouts people have?"
# 320 pixels become 640, as in COCO
SCALE = 2
N_DIFFERENT, N_PHOTOS, N_REPEATS = 12, 120, 3
N_CELEBA, N_PARTS_MEAN = 30_000, 8
MAX_SECONDS, MAX_LINES = 10, 3
# fmt: off
PARTS = ("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth",
         "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth")
# fmt: on


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(QUESTION, argv, add_options)
    progress = Progress()
    n_photos, n_celeba = (4, 40) if arguments.quick else (N_PHOTOS, N_CELEBA)
    photos = load_portraits(9, image_size=(24, 20)) if arguments.quick else load_ccp_parts()
    samples = Samples(photos.images[photos.train[:N_DIFFERENT]], photos.tree, SCALE)
    on_record = results_on_record(arguments, "readers") if arguments.layouts else {}
    rows = dict(on_record.get("layouts", {}))
    for layout in LAYOUTS:
        if arguments.layouts and layout.name not in arguments.layouts:
            continue
        with tempfile.TemporaryDirectory() as name:
            rows[layout.name] = measure(layout, Path(name), samples, n_photos, arguments.quick)
        progress(layout.name)
    print_table([{"layout": name, **row} for name, row in rows.items()])
    index = on_record.get("index") or time_index(n_celeba, progress)
    print_table([index], "CelebAMask-HQ")
    settings = {
        "data": photos.name,
        "scale": SCALE,
        "n_photos": n_photos,
        "n_repeats": N_REPEATS,
        "n_celeba": n_celeba,
        "max_lines": MAX_LINES,
        "max_seconds": MAX_SECONDS,
    }
    record(arguments, "readers", QUESTION, settings, {"layouts": rows, "index": index})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layouts",
        nargs="+",
        choices=[layout.name for layout in LAYOUTS],
        help="measure these; the others, and the index, stay as recorded",
    )


def measure(
    layout: Layout, folder: Path, samples: Samples, n_photos: int, quick: bool
) -> dict[str, Any]:
    """Lines, CPU time of both per photo, share of equal pixels, memory at a quarter and at all."""
    layout.write(folder, samples, n_photos)

    def ours() -> Any:
        return run(layout.code, folder, samples).images

    def others() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return list(layout.read(folder, samples))

    pairs = zip(ours(), others())
    equal = [np.mean(item.mask == mask) for item, (_, mask) in pairs]
    times: dict[str, list[float]] = {"ours": [], "others": []}
    for _ in range(1 if quick else N_REPEATS):
        times["ours"].append(cpu_time(lambda: exhaust(ours())))
        times["others"].append(cpu_time(lambda: exhaust(layout.read(folder, samples))))
    ours_ms, others_ms = (1000 * min(times[name]) / n_photos for name in ("ours", "others"))
    large = peak_memory(ours)
    with tempfile.TemporaryDirectory() as name:
        layout.write(Path(name), samples, n_photos // 4)
        small = peak_memory(lambda: run(layout.code, Path(name), samples).images)
    return {
        "lines": len(layout.code.splitlines()) + 1,
        "compared_with": layout.compared_with,
        "ms": ours_ms,
        "ms_others": others_ms,
        "ratio": ours_ms / others_ms,
        "equal_pixels": float(np.mean(equal)),
        "peak_mib": small,
        "peak_mib_of_four_times": large,
    }


def run(code: str, folder: Path, samples: Samples) -> Any:
    """Run what a user writes, after the import; returns `data`."""
    names = {
        "folder": folder,
        "names": samples.names,
        "palette": {tuple(color): name for color, name in
                    zip(palette_of(len(samples.names)).tolist(), samples.names)},
        "items": python_items,
        "load_annotations": load_annotations,
        "load_coco": load_coco,
        "load_from_dataset": load_from_dataset,
        "load_image_folder": load_image_folder,
    }  # fmt: skip
    exec(code, names)
    return names["data"]


def exhaust(pairs: Any) -> None:
    """Read all pairs, keep none."""
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in pairs:
            pass


def cpu_time(task: Callable[[], None]) -> float:
    """CPU time, which other programs on the machine disturb least."""
    start = time.process_time()
    task()
    return time.process_time() - start


def peak_memory(make: Callable[[], Any]) -> float:
    """Most memory in use while all photos are read, above what the collection itself takes, MiB."""
    tracemalloc.start()
    images = make()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    exhaust(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (peak - before) / 2**20


def time_index(n_photos: int, progress: Progress) -> dict[str, Any]:
    """Write the layout of CelebAMask-HQ with tiny files, and time its index."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo, mask = encoded((16, 16, 3), "JPEG"), encoded((8, 8), "PNG")
        os.makedirs(folder / "CelebA-HQ-img")
        n_files = 0
        for number in range(n_photos):
            (folder / f"CelebA-HQ-img/{number}.jpg").write_bytes(photo)
            own = folder / f"CelebAMask-HQ-mask-anno/{number // 2000}"
            if number % 2000 == 0:
                own.mkdir(parents=True)
            for place in rng.choice(len(PARTS), N_PARTS_MEAN, replace=False):
                (own / f"{number:05d}_{PARTS[place]}.png").write_bytes(mask)
                n_files += 1
        progress(f"{n_files} files of parts written")
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            data = load_image_folder(folder, layout="celebamask-hq", max_side=8)
            seconds.append(time.perf_counter() - start)
        progress("index")
        return {"photos": len(data.images), "files": n_files, "seconds": min(seconds)}


def encoded(shape: tuple[int, ...], kind: str) -> bytes:
    """Tiny image file; a mask holds 0 and 255."""
    pixels = np.random.default_rng(0).integers(0, 2, shape, dtype=np.uint8) * np.uint8(255)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


if __name__ == "__main__":
    main()
