"""Accuracy over time, and time over rows, as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIZE = (10, 5.2)


def plot(results: dict[str, Any], file: Path) -> None:
    """Draw what there is of the curve and of the scaling; nothing where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("matplotlib is not installed: no picture", flush=True)
        return
    figure = Figure(SIZE, layout="constrained")
    over_time, over_rows = figure.subplots(1, 2)
    for name, points in results["curve"].get("points", {}).items():
        seconds, accuracy = zip(*((point["fit_s"], point["accuracy"]) for point in points))
        over_time.plot(seconds, accuracy, "o-", markersize=4, label=name)
    over_time.set(xscale="log", xlabel="seconds", ylabel="accuracy of 5 neighbors, rows held out")
    sizes = results["scaling"].get("n_rows", [])
    for name, seconds in results["scaling"].get("fit_s", {}).items():
        exponent = results["scaling"]["exponent"][name]
        if exponent is not None:
            label = f"{name}: exponent {exponent:.2f}"
            over_rows.plot(sizes, seconds, "o-", markersize=4, label=label)
    over_rows.set(xscale="log", yscale="log", xlabel="rows, 100 columns", ylabel="seconds")
    for axes in (over_time, over_rows):
        if axes.lines:
            # below, where no curve runs
            axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
    print(f"wrote {file.name}", flush=True)
