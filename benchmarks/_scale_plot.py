"""Time and memory of describing and fitting over the number of photos and rows, as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench_scale import exponent, fits

SIZE = (10, 4.6)


def plot(results: dict[str, Any], file: Path) -> None:
    """Draw what there is of photos and rows; nothing where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("matplotlib is not installed: no picture", flush=True)
        return
    series = []
    if "photos" in results:
        series.append(("describing photos", results["photos"], "photos"))
    if {"fit", "growth"} <= set(results):
        series.append(("fitting rows", fits(results), "rows"))
    figure = Figure(SIZE, layout="constrained")
    of_time, of_memory = figure.subplots(1, 2)
    columns = results["columns"]
    for name, rows, size in series:
        sizes = [row[size] for row in rows]
        slope, last = exponent(rows, size), exponent(rows[-2:], size)
        label = f"{name}: slope {slope:.2f}, the last {last:.2f}"
        of_time.plot(sizes, [row["cpu"] for row in rows], "o-", markersize=4, label=label)
        memory = [row["gib"] for row in rows]
        label = f"{name}: the last {memory[-1] / memory[-2]:.2f} times the one before"
        of_memory.plot(sizes, memory, "o-", markersize=4, label=label)
    of_time.set(ylabel="processor seconds", yscale="log")
    of_memory.set(ylabel="peak memory, GiB", yscale="log", ylim=(0.1, 10))
    for axes in (of_time, of_memory):
        axes.set(xscale="log", xlabel=f"photos of 64 pixels, or rows of {columns} columns")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
