"""Tables of the benchmark of pooled activations."""

from __future__ import annotations

from typing import Any

from _cells import Row, met

OURS = "hierseg_learn"
# what one would write, against what the bar is
OBVIOUS = ("NumPy", "scikit-image", "scikit-learn")
BAR_DATA, BAR_ATOMS, BAR_IMAGES, BAR_TIMES = "cifar10_dev", "400", 5000, 3


def tables_of_dense(results: dict[str, Any]) -> dict[str, list[Row]]:
    """The bars, then speed and memory of every method by data and atoms, then whole tables."""
    tables = {
        f"{kind}_{data.replace(', ', '_').replace(' ', '')}": rows_of(found, kind)
        for data, found in results["methods"].items()
        for kind in ("speed", "memory")
    }
    tables["transformer"] = [
        ["atoms", "images a minute"],
        *[
            [n_atoms, f"{entry['images_per_minute']:,.0f}"]
            for n_atoms, entry in results["transformer"].items()
        ],
    ]
    if BAR_ATOMS in results["methods"].get(BAR_DATA, {}):
        tables["bars"] = bars(results)
    return tables


def rows_of(found: dict[str, Any], kind: str) -> list[Row]:
    methods = next(iter(found.values()))
    write = {"speed": speed, "memory": memory}[kind]
    head = ["method", *[f"{n_atoms} atoms" for n_atoms in found]]
    return [head, *[[name, *[write(entry[name]) for entry in found.values()]] for name in methods]]


def speed(entry: dict[str, float]) -> str:
    text = f"{entry['images_per_minute']:,.0f}"
    return text if entry["times_ours"] == 1 else f"{text} ({entry['times_ours']:.1f} times slower)"


def memory(entry: dict[str, float]) -> str:
    return f"{entry['extra_megabytes']:,.0f}"


def bars(results: dict[str, Any]) -> list[Row]:
    methods = results["methods"][BAR_DATA][BAR_ATOMS]
    whole = results["transformer"][BAR_ATOMS]["images_per_minute"]
    least = min(methods[name]["times_ours"] for name in OBVIOUS)
    return [
        ["bar (32 x 32 pixels, 400 atoms)", "found", "met"],
        [
            "5,000 images a minute, from photos to the table of 21 nodes",
            f"{whole:,.0f}",
            met(whole >= BAR_IMAGES),
        ],
        [
            "3 times as fast as the fastest of the obvious ways",
            f"{least:.1f} times",
            met(least >= BAR_TIMES),
        ],
    ]
