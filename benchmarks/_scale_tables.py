"""Tables of the benchmark of tables larger than memory, and what it says of larger ones."""

from __future__ import annotations

from typing import Any

from _cells import Row, met
from bench_scale import fits

# the plan: so many photos, workers of one core each, and nodes of the network that joins them
N_PHOTOS, N_WORKERS = 100_000_000, 64
BLOCK_ROWS, FAN_IN, N_FOLDS = 8192, 8, 3
# bytes a second that a worker gets from shared storage and from others, assumed, not measured
BYTES_A_SECOND = 200e6
# seconds that dask's scheduler takes for a task, by its documentation
SCHEDULER_SECONDS = 1e-3
DAY, HOUR, MINUTE = 86_400, 3_600, 60


def tables_of_scale(results: dict[str, Any]) -> dict[str, list[Row]]:
    """The bars, times and memory by size, and the plan."""
    bars: list[Row] = [["bar", "found", "met"]]
    bars += [[row["bar"], row["measured"], met(row["met"])] for row in results["bars"]]
    tables = {"bars": bars}
    if {"fit", "growth"} <= set(results):
        rows: list[Row] = [["rows", "fit, s", "processor, s", "peak memory, GiB"]]
        rows += [
            [f"{r['rows']:,}", f"{r['seconds']:.1f}", f"{r['cpu']:.1f}", f"{r['gib']:.2f}"]
            for r in fits(results)
        ]
        tables["growth"] = rows
    if "photos" in results:
        rows = [["photos", "described, s", "processor, ms per photo", "peak memory, GiB"]]
        rows += [
            [
                f"{r['photos']:,}",
                f"{r['seconds']:.1f}",
                f"{1e3 * r['cpu'] / r['photos']:.2f}",
                f"{r['gib']:.2f}",
            ]
            for r in results["photos"]
        ]
        tables["photos"] = rows
    if {"fit", "growth", "photos"} <= set(results):
        tables["plan"] = plan(results)
    return tables


def plan(results: dict[str, Any]) -> list[Row]:
    """What every step costs for many photos on many workers, by the measured constants."""
    fit, some, columns = results["fit"], results["growth"][-1], results["columns"]
    per_photo = results["photos"][-1]["cpu"] / results["photos"][-1]["photos"]
    reading = fit["reading_cpu"] / 2 / fit["rows"]
    # by the two largest fits: what every row takes, and what they take in any case
    summing = (fit["fit_cpu"] - some["cpu"]) / max(fit["rows"] - some["rows"], 1)
    fixed = max(fit["fit_cpu"] - summing * fit["rows"], 0.0)
    predicting = fit["predict_cpu"] / fit["predicted"]
    table_bytes = 4.0 * columns * N_PHOTOS
    n_blocks = -(-N_PHOTOS // BLOCK_ROWS)
    sum_bytes = 8.0 * N_FOLDS * columns**2
    moved = sum_bytes * n_blocks * (1 + 1 / FAN_IN) / N_WORKERS
    tasks = 2 * n_blocks * (1 + 1 / FAN_IN)
    steps = [
        (
            "describe",
            per_photo * N_PHOTOS / N_WORKERS,
            f"{1e3 * per_photo:.2f} ms per photo of 64 pixels",
        ),
        (
            "fetch the table from storage",
            table_bytes / BYTES_A_SECOND / N_WORKERS,
            f"{size(table_bytes)} at {size(BYTES_A_SECOND)} a second and worker (assumed)",
        ),
        ("decode it", reading * N_PHOTOS / N_WORKERS, f"{1e6 * reading:.0f} µs per row"),
        (
            "sums of the blocks",
            max(summing - reading, 0.0) * N_PHOTOS / N_WORKERS,
            f"{1e6 * max(summing - reading, 0.0):.0f} µs per row",
        ),
        (
            "join the sums",
            moved / BYTES_A_SECOND,
            f"{n_blocks:,} sums of {size(sum_bytes)}, at most {size(moved)} per worker",
        ),
        (
            "schedule",
            tasks * SCHEDULER_SECONDS,
            f"{tasks:,.0f} tasks of 1 ms on one core (assumed)",
        ),
        ("learn from the sums", fixed, f"{fixed:.1f} s on the client, for any number of rows"),
        ("predict all", predicting * N_PHOTOS / N_WORKERS, f"{1e6 * predicting:.0f} µs per row"),
    ]
    rows: list[Row] = [["step", "time", "from"]]
    return rows + [[name, duration(seconds), source] for name, seconds, source in steps]


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def size(n_bytes: float) -> str:
    """Write a number of bytes in the unit that suits it."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:.3g} {name}"
    return f"{n_bytes / 1e3:.3g} kB"
