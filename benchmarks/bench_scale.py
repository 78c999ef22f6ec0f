"""Fitting to a table that is larger than memory: time, memory, the same bits, a lost worker.

A generated table of 924 columns is written in blocks of 4096 rows, as describing photos writes it.
Every measurement is made in a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _node_memory import peak_memory

QUESTION = "What do time and memory of describing, fitting and predicting grow with?"
N_ROWS, N_PREDICTED, N_PART = 1_000_000, 100_000, 100_000
ROWS_OF_FITS = (1_000, 10_000, 100_000, 1_000_000)
PHOTOS = (1_000, 10_000, 100_000)
# what is described and killed, in blocks of so many photos
N_KILLED, PHOTOS_OF_BLOCK = 20_000, 512
BLOCK_ROWS, N_CLASSES, N_JOBS = 4096, 10, 2
N_LEAVES, N_GROUPS, COLUMNS_OF_NODE = 16, 4, 44
PHOTO_SIZE = 64
MAX_GIB, MAX_TIMES_READING, MAX_EXPONENT, MAX_GROWTH = 2.0, 3.0, 1.05, 1.1
STEPS = ("fit", "growth", "cluster", "photos", "resume")
PARAMS = {"combination": "scatter", "decision": "linear", "random_state": 0}


def main(argv: Sequence[str] | None = None) -> None:
    from _harness import Progress, parse_arguments, print_table, record, results_on_record

    arguments = parse_arguments(QUESTION, argv, add_options)
    quick = arguments.quick
    n_rows, shape = (5_000, (4, 2)) if quick else (arguments.rows, (N_LEAVES, COLUMNS_OF_NODE))
    run = here if quick else apart
    n_predicted, n_part = min(N_PREDICTED, n_rows), min(N_PART, n_rows)
    # that of all rows is known from `fit_and_predict`
    sizes = (500, 1_500) if quick else [n for n in ROWS_OF_FITS if n < N_ROWS and n <= n_rows]
    photos = (20, 60) if quick else arguments.photos
    n_killed = 1_100 if quick else N_KILLED
    wanted = set(arguments.only or STEPS) - ({"cluster"} if quick else set())
    progress = Progress()
    results = {} if quick else results_on_record(arguments, "scale")
    results["columns"] = len(node_paths(shape[0])) * shape[1]
    settings = {
        "classes": N_CLASSES,
        "jobs": N_JOBS,
        "pixels of a photo": PHOTO_SIZE,
        "parameters": {name: str(value) for name, value in PARAMS.items()},
    }

    def keep(step: str) -> None:
        """Record what is known, since a later step may take long or fail."""
        results.setdefault("beside", {})[step] = arguments.beside
        results["bars"] = bars(results)
        record(arguments, "scale", QUESTION, settings, results)
        progress(f"{step} is done")

    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        folder = Path(scratch)
        whole, part, on_cluster = folder / "whole", folder / "part", folder / "cluster"
        if wanted & {"fit", "growth"}:
            write_table(whole, n_rows, *shape)
            progress(f"a table of {n_rows:,} rows")
        if "fit" in wanted:
            results["fit"] = run(fit_and_predict, whole, n_rows, n_predicted)
            write_table(part, n_part, *shape)
            bits = {
                "stored": run(bits_of_stored, part, 1),
                "stored, two threads": run(bits_of_stored, part, 2),
                "in memory": run(bits_in_memory, part),
            }
            results["bits"] = {"rows": n_part, "digests": bits}
            keep("fit")
        if "growth" in wanted:
            results["growth"] = [run(fit_some, whole, n) for n in sizes]
            keep("growth")
        if "photos" in wanted:
            results["photos"] = [run(describe, folder / f"photos{n}", n) for n in photos]
            keep("photos")
        if "resume" in wanted:
            results["resume"] = run(describe_and_kill, folder / "killed", n_killed)
            keep("resume")
        if "cluster" in wanted:
            n_cluster = min(n_rows, arguments.cluster_rows)
            write_table(on_cluster, n_cluster, *shape)
            calm = run(fit_on_cluster, on_cluster, None)
            killed = run(fit_on_cluster, on_cluster, calm["seconds"] * 0.4)
            alone = run(bits_of_stored, on_cluster, N_JOBS)
            results["cluster"] = {"rows": n_cluster, "calm": calm, "killed": killed, "alone": alone}
            keep("cluster")
    print_table(results["bars"])


def add_options(parser: Any) -> None:
    parser.add_argument("--rows", type=int, default=N_ROWS, help="default: %(default)s")
    parser.add_argument("--cluster-rows", type=int, default=N_ROWS, help="default: %(default)s")
    parser.add_argument(
        "--photos", type=int, nargs="+", default=PHOTOS, help="default: %(default)s"
    )
    parser.add_argument("--scratch", type=Path, help="folder for 4 GB (default: the system's)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=STEPS,
        help="keep what is recorded of the others",
    )
    parser.add_argument(
        "--beside", default="nothing", help="what else ran, for the record (default: %(default)s)"
    )


def here(task: Callable[..., Any], *arguments: Any) -> Any:
    """Run a task in this process: for a quick run."""
    return task(*arguments)


def apart(task: Callable[..., Any], *arguments: Any) -> Any:
    """Run a task in a process of its own, and return what it does."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(writer, task, arguments))
    process.start()
    writer.close()
    try:
        return reader.recv()
    except EOFError as error:
        raise RuntimeError(f"{task.__name__} failed; see its message above.") from error
    finally:
        process.join()


def _send(writer: Any, task: Callable[..., Any], arguments: tuple) -> None:
    writer.send(task(*arguments))
    writer.close()


def peak_gib() -> float:
    """Most memory that this process has held so far."""
    return peak_memory() / 2**30


class Stopwatch:
    """Seconds of the clock and of the processor since the start."""

    def __init__(self) -> None:
        self.clock, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return both."""
        return time.perf_counter() - self.clock, time.process_time() - self.cpu


def node_paths(n_leaves: int) -> list[str]:
    """Paths of the nodes of the generated table, leaves first."""
    leaves = [f"photo/group{i % N_GROUPS}/part{i}" for i in range(n_leaves)]
    return [*leaves, *(f"photo/group{i}" for i in range(N_GROUPS)), "photo"]


def make_block(
    number: int, n_rows: int, n_leaves: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes of one block: parts that vary together, and tell some classes apart."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng([1, number])
    y = rng.integers(N_CLASSES, size=n_rows)
    shared = rng.standard_normal((n_rows, 8), dtype=np.float32)
    nodes = []
    for leaf in range(n_leaves):
        means = 0.12 * (leaf % 3 == 0) * fixed.standard_normal((N_CLASSES, width))
        mix = fixed.standard_normal((8, width)) / 3
        own = rng.standard_normal((n_rows, width), dtype=np.float32)
        nodes.append(own + shared @ mix.astype(np.float32) + means.astype(np.float32)[y])
    for group in range(N_GROUPS):
        nodes.append(sum(nodes[group:n_leaves:N_GROUPS]) / (n_leaves // N_GROUPS))
    nodes.append(sum(nodes[n_leaves:]) / N_GROUPS)
    # parents know a little more than their children
    nodes[n_leaves:] = [
        node + 0.3 * rng.standard_normal(node.shape, dtype=np.float32) for node in nodes[n_leaves:]
    ]
    return np.concatenate(nodes, axis=1), y


def write_table(folder: Path, n_rows: int, n_leaves: int, width: int) -> None:
    """Write a table in Parquet."""
    from hierseg_learn.table.folder import Head, Inputs, TableFolder

    names = tuple(f"{path}|d_{i}" for path in node_paths(n_leaves) for i in range(width))
    head = Head(names, "float32", "parquet", n_rows, BLOCK_ROWS, "integers", "int64", settings={})
    table = TableFolder.create(folder, head)
    for k in range(head.n_blocks):
        span = head.inputs(k)
        rows, y = make_block(k, span.stop - span.start, n_leaves, width)
        table.write(k, rows, Inputs(ids=list(range(span.start, span.stop)), y=y.tolist()))


def classifier(**params: Any) -> Any:
    from hierseg_learn import HierarchicalMetricClassifier

    return HierarchicalMetricClassifier(**PARAMS | params)


def read_all(table: Any) -> None:
    """Read the table twice, and do nothing with it."""
    for _ in range(2):
        for rows in table.blocks():
            del rows


def first_rows(table: Any, n_rows: int) -> Any:
    """The first blocks of a table, of so many rows, as a table."""
    from hierseg_learn.table import StoredTable

    n_blocks = -(-n_rows // BLOCK_ROWS)
    return StoredTable(table._folder, table._records[:n_blocks])


def fit_and_predict(folder: Path, n_rows: int, n_predicted: int) -> dict[str, float]:
    """Seconds and memory of reading twice, and of a fit and predictions."""
    from hierseg_learn.table import open_table

    table = open_table(folder)
    some = first_rows(table, n_predicted)
    classifier(n_jobs=N_JOBS).fit(first_rows(table, BLOCK_ROWS), None)  # compiles
    watch = Stopwatch()
    read_all(table)
    reading = watch.read()
    before, watch = peak_gib(), Stopwatch()
    model = classifier(n_jobs=N_JOBS).fit(table, None)
    fitting = watch.read()
    accuracy = float((model.predict(some) == some.y).mean())
    both = watch.read()
    return {
        "rows": n_rows,
        "predicted": some.shape[0],
        "reading_seconds": reading[0],
        "reading_cpu": reading[1],
        "fit_seconds": fitting[0],
        "fit_cpu": fitting[1],
        "predict_seconds": both[0] - fitting[0],
        "predict_cpu": both[1] - fitting[1],
        "gib_before": before,
        "gib": peak_gib(),
        "accuracy": accuracy,
    }


def fit_some(folder: Path, n_rows: int) -> dict[str, float]:
    """Seconds and memory of a fit to the first rows."""
    from hierseg_learn.table import RowBlocks, open_table

    table = open_table(folder)
    few = first_rows(table, 1)
    classifier(n_jobs=N_JOBS).fit(few, None)  # compiles
    some, y = first_rows(table, n_rows), None
    if n_rows < BLOCK_ROWS:
        some, y = RowBlocks(table.read_frame(0).iloc[:n_rows]), few.y[:n_rows]
    watch = Stopwatch()
    classifier(n_jobs=N_JOBS).fit(some, y)
    seconds, cpu = watch.read()
    return {"rows": some.shape[0], "seconds": seconds, "cpu": cpu, "gib": peak_gib()}


def digest(model: Any, rows: Any) -> str:
    """Digest of a model's arrays and of what it says of some rows."""
    found = hashlib.sha256()
    for array in (model.components_, model.prototypes_, model.predict_proba(rows)):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def bits_of_stored(folder: Path, n_jobs: int) -> str:
    """Digest of a model of the table in the folder."""
    from hierseg_learn.table import open_table

    table = open_table(folder)
    return digest(classifier(n_jobs=n_jobs).fit(table, None), table.read_frame(0))


def bits_in_memory(folder: Path) -> str:
    """Digest of a model of the same table in memory, cut into blocks."""
    from hierseg_learn.table import RowBlocks, open_table

    table = open_table(folder)
    frame = table.to_pandas()
    return digest(classifier().fit(RowBlocks(frame), table.y), table.read_frame(0))


def fit_on_cluster(folder: Path, kill_after: float | None) -> dict[str, Any]:
    """Seconds and digest of a fit by two worker processes, one of which may be killed."""
    from distributed import Client, LocalCluster

    from hierseg_learn.table import open_table

    table = open_table(folder)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        pids, killed = sorted(client.run(os.getpid).values()), []

        def kill() -> None:
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

        X, y = table.to_dask(return_X_y=True)
        timer = threading.Timer(kill_after or 0.0, kill)
        watch = Stopwatch()
        if kill_after:
            timer.start()
        model = classifier().fit(X, y)
        seconds = watch.read()[0]
        timer.cancel()
        return {
            "seconds": seconds,
            "killed": len(killed),
            "replaced": sum(pid not in pids for pid in client.run(os.getpid).values()),
            "digest": digest(model, table.read_frame(0)),
        }


def make_transformer(paths: Sequence[str]) -> Any:
    """Fit what describes photos, and describe some, so that loops are compiled."""
    from hierseg_learn import SegmentTreeTransformer
    from hierseg_learn.segmentation import GridSegmenter

    transformer = SegmentTreeTransformer(GridSegmenter()).fit(paths[:16])
    transformer.transform(paths[:4])
    return transformer


def describe_into(folder: Path, paths: Sequence[str]) -> Any:
    return make_transformer(paths).describe_to(folder, paths, block_size=PHOTOS_OF_BLOCK)


def describe(folder: Path, n_photos: int) -> dict[str, float]:
    """Seconds and memory of describing photos in files into a folder."""
    paths = write_photos(folder, n_photos)
    transformer = make_transformer(paths)
    before, watch = peak_gib(), Stopwatch()
    table = transformer.describe_to(folder / "table", paths, block_size=PHOTOS_OF_BLOCK)
    seconds, cpu = watch.read()
    found = {"photos": n_photos, "seconds": seconds, "cpu": cpu, "gib_before": before}
    return found | {"gib": peak_gib(), "columns": table.shape[1]}


def describe_and_kill(folder: Path, n_photos: int) -> dict[str, Any]:
    """Describe photos at once, and with a kill in the middle; compare the files, byte by byte."""
    paths = write_photos(folder, n_photos)
    transformer = make_transformer(paths)
    whole, killed = folder / "whole", folder / "killed"
    watch = Stopwatch()
    transformer.describe_to(whole, paths, block_size=PHOTOS_OF_BLOCK)
    seconds = watch.read()[0]
    n_blocks = len(blocks_on_record(whole))
    process = multiprocessing.get_context("spawn").Process(
        target=describe_into, args=(killed, paths)
    )
    process.start()
    while len(blocks_on_record(killed)) < n_blocks / 2 and process.is_alive():
        time.sleep(0.01)
    process.kill()
    process.join()
    kept = {name: (killed / name).stat().st_mtime_ns for name in blocks_on_record(killed)}
    watch = Stopwatch()
    transformer.describe_to(killed, paths, block_size=PHOTOS_OF_BLOCK)
    rest = watch.read()[0]
    made_again = [name for name, when in kept.items() if (killed / name).stat().st_mtime_ns != when]
    files = [
        {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*.*")}
        for root in (whole, killed)
    ]
    return {
        "photos": n_photos,
        "blocks": n_blocks,
        "kept": len(kept),
        "made_again": len(made_again),
        "seconds": seconds,
        "seconds_of_rest": rest,
        "files": len(files[0]),
        "same_bytes": files[0] == files[1],
    }


def blocks_on_record(folder: Path) -> list[str]:
    """Names of the blocks that are done; their files are written before that."""
    records = [path.stem for path in folder.glob("_blocks/*.json")]
    return [f"block-{stem}.parquet" for stem in records if stem.isdigit()]


def write_photos(folder: Path, n_photos: int) -> list[str]:
    """Write photos of smooth noise, as files."""
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = []
    for i in range(n_photos):
        coarse = rng.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
        photo = Image.fromarray(coarse).resize((PHOTO_SIZE, PHOTO_SIZE), Image.Resampling.BICUBIC)
        paths.append(str(folder / f"{i:06}.png"))
        photo.save(paths[-1])
    return paths


def fits(results: dict[str, Any]) -> list[dict[str, float]]:
    """Fits by number of rows, that of the whole table last."""
    fit = results["fit"]
    names = {"rows": "rows", "seconds": "fit_seconds", "cpu": "fit_cpu", "gib": "gib"}
    return [*results["growth"], {name: fit[of] for name, of in names.items()}]


def exponent(rows: Sequence[dict[str, float]], size: str) -> float:
    """Slope of the logarithm of the processor time over that of the size."""
    sizes, cpu = (np.log([row[name] for row in rows]) for name in (size, "cpu"))
    return float(np.polyfit(sizes, cpu, 1)[0])


def bars(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The goals, what was found, and whether they are met."""
    found = []

    def add(goal: str, measured: str, is_met: bool) -> None:
        found.append({"bar": goal, "measured": measured, "met": bool(is_met)})

    if "fit" in results:
        row = results["fit"]
        seconds = row["fit_seconds"] + row["predict_seconds"]
        ratio = seconds / row["reading_seconds"]
        cpu = (row["fit_cpu"] + row["predict_cpu"]) / row["reading_cpu"]
        what = f"{row['rows']:,} rows fitted, {row['predicted']:,} predicted"
        add(f"{what}: at most {MAX_GIB:g} GiB", f"{row['gib']:.2f} GiB", row["gib"] <= MAX_GIB)
        add(
            f"{what}: at most {MAX_TIMES_READING:g} times reading twice",
            f"{ratio:.2f} times ({seconds:.0f} s; {cpu:.2f} times the processor time)",
            ratio <= MAX_TIMES_READING,
        )
        digests = set(results["bits"]["digests"].values())
        n_rows = results["bits"]["rows"]
        add(
            f"the same bits from {n_rows:,} rows in memory",
            str(len(digests) == 1),
            len(digests) == 1,
        )
    if "resume" in results:
        row = results["resume"]
        add(
            f"{row['photos']:,} photos described, killed and resumed: the same bytes, no finished "
            "block made again",
            f"{row['same_bytes']} ({row['files']} files); {row['made_again']} of {row['kept']} of "
            f"{row['blocks']} blocks; the rest {row['seconds_of_rest']:.0f} s, all "
            f"{row['seconds']:.0f} s",
            row["same_bytes"] and not row["made_again"] and 0 < row["kept"] < row["blocks"],
        )
    if "cluster" in results:
        row = results["cluster"]
        calm, killed = row["calm"], row["killed"]
        same = {calm["digest"], killed["digest"], row["alone"]}
        add(
            f"two workers, {row['rows']:,} rows, one killed: the same bits",
            f"{len(same) == 1}; {calm['seconds']:.0f} s, {killed['seconds']:.0f} s with a loss",
            len(same) == 1 and killed["killed"] == 1,
        )
    if {"fit", "growth"} <= set(results):
        slope = exponent(fits(results), "rows")
        last = exponent(fits(results)[-2:], "rows")
        add(
            f"fitting grows with n to the power of at most {MAX_EXPONENT}",
            f"{slope:.2f}; {last:.2f} between the two largest",
            max(slope, last) <= MAX_EXPONENT,
        )
        few, many = fits(results)[-2:]
        growth = many["gib"] / few["gib"]
        add(
            f"memory of fitting is flat from {few['rows']:,} rows on",
            f"{growth:.2f} times for {many['rows'] / few['rows']:.0f} times the rows",
            growth <= MAX_GROWTH,
        )
    if "photos" in results:
        rows = results["photos"]
        slope = exponent(rows, "photos")
        add(
            f"describing grows with n to the power of at most {MAX_EXPONENT}",
            f"{slope:.2f}",
            slope <= MAX_EXPONENT,
        )
        growth = rows[-1]["gib"] / rows[0]["gib"]
        add(
            "memory of describing is flat",
            f"{growth:.2f} times for {rows[-1]['photos'] / rows[0]['photos']:.0f} times the photos",
            growth <= MAX_GROWTH,
        )
    return found


if __name__ == "__main__":
    main()
