"""Write the tables of docs/benchmarks from the JSON of the last runs, so that no figure is typed.

Run it after the benchmarks: ``python benchmarks/make_tables.py``.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _cells import Row, error, met, percent, points, share, signed
from _explanation_tables import tables_of_explanations
from _node_tables import tables_of_node_metrics

BENCHMARKS = Path(__file__).resolve().parent
TABLES = BENCHMARKS.parent / "docs" / "benchmarks" / "tables"
N_NAMED = 3


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=BENCHMARKS / "results")
    parser.add_argument("--output", type=Path, default=TABLES)
    arguments = parser.parse_args(argv)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        file = arguments.results / f"{name}.json"
        if not file.is_file():
            print(f"{file.name} is missing; run benchmarks/bench_{name}.py first.")
            continue
        content = json.loads(file.read_text(encoding="utf-8"))
        tables = make(content["results"])
        for table, rows in tables.items():
            write_table(arguments.output / f"{name}_{table}.csv", rows)
        run = arguments.output / f"{name}_run.txt"
        run.write_text(describe_run(content) + "\n", encoding="utf-8")
        print(f"{name}: {', '.join(tables)}")


def write_table(file: Path, rows: Sequence[Row]) -> None:
    """Write a header and rows."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def describe_run(content: dict[str, Any]) -> str:
    """One sentence: when, with what, on what."""
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    machine = content["machine"]
    return (
        f"Run on {content['date']} with {versions}; {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB of memory. All settings and the numbers of every fold are in "
        f"``benchmarks/results/{content['name']}.json``."
    )


def tables_of_ccp_parts(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Scores and differences of both protocols, the bars, the explained photos."""
    return {
        "bars": ccp_bars(results["repeated_cv"]),
        "cv": ccp_scores(results["repeated_cv"]),
        "test": ccp_scores(results["test"]),
        "recall": [
            ["class", "share of its photos that is found"],
            *[[name, share(value)] for name, value in results["repeated_cv"]["recall"].items()],
        ],
        "explained": explained(results["explained"]),
    }


def ccp_scores(summary: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [
        ["learner", "descriptors", "accuracy", "balanced accuracy", "headline less this, points"]
    ]
    for name, kinds in summary["scores"].items():
        learner, _, descriptors = name.partition(" | ")
        difference = summary["differences"].get(name)
        rows.append(
            [
                learner,
                descriptors,
                share(kinds["accuracy"]["mean"]),
                share(kinds["balanced_accuracy"]["mean"]),
                points(difference["accuracy"]) if difference else "",
            ]
        )
    return rows


def ccp_bars(summary: dict[str, Any]) -> list[Row]:
    accuracy = summary["scores"]["tree | patches"]["accuracy"]
    whole = summary["differences"]["whole image | patches"]["accuracy"]
    rows: list[Row] = [
        ["bar (repeated cross-validation)", "found", "met"],
        ["accuracy of at least 0.600", share(accuracy["mean"]), met(accuracy["mean"] >= 0.6)],
        ["20 points above the whole image", points(whole), met(whole["mean"] >= 0.2)],
    ]
    for name in ("flat", "flat, shrinkage searched", "flat, linear SVM"):
        difference = summary["differences"][f"{name} | patches"]["accuracy"]
        rows.append(
            [
                f"not below “{name}” by more than a standard error",
                points(difference),
                met(difference["mean"] >= -difference["se"]),
            ]
        )
    return rows


def explained(cases: list[dict[str, Any]]) -> list[Row]:
    rows: list[Row] = [["photo", "class", "predicted", "what sets it apart from those who voted"]]
    for case in cases:
        shares = case["own_share"]
        largest = sorted(shares, key=lambda path: -abs(shares[path]))[:N_NAMED]
        named = ", ".join(f"{path.rpartition('/')[2]} {shares[path]:.0%}" for path in largest)
        rows.append([case["photo"], case["true"], case["predicted"], named])
    return rows


def tables_of_cifar10_dev(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Accuracies and differences by the number of training photos, and the bar."""
    sizes = results["per_class"]
    first = next(iter(sizes.values()))
    heads = [f"{size} per class" for size in sizes]
    scores: list[Row] = [["learner", "segments and descriptors", *heads]]
    for name in first["scores"]:
        learner, _, segments = name.partition(" | ")
        found = [share(size["scores"][name]["accuracy"]) for size in sizes.values()]
        scores.append([learner, segments, *found])
    differences: list[Row] = [["learner", "less", *[f"{head}, points" for head in heads]]]
    bars: list[Row] = [["bar: 8 points above the whole image", *heads]]
    for place, entry in enumerate(first["differences"]):
        found = [size["differences"][place] for size in sizes.values()]
        differences.append([entry["learner"], entry["less"], *map(points, found)])
        if entry["less"].startswith("whole image"):
            verdicts = [f"{points(f)}: {met(f['mean'] >= 0.08)}" for f in found]
            bars.append([f"{entry['learner']}, less {entry['less']}", *verdicts])
    return {"bars": bars, "scores": scores, "differences": differences}


def tables_of_defaults(results: dict[str, Any]) -> dict[str, list[Row]]:
    """One table per data set."""
    head = ["change", "accuracy", "less defaults, points", "inner nodes' own", "negative"]
    return {
        data: [
            head,
            *[
                [
                    name,
                    share(entry["accuracy"]["mean"]),
                    points(entry["difference"]) if place else "",
                    percent(entry.get("inner_share")),
                    percent(entry.get("negative_share")),
                ]
                for place, (name, entry) in enumerate(summary.items())
            ],
        ]
        for data, summary in results["data"].items()
    }


def tables_of_bias(results: dict[str, Any]) -> dict[str, list[Row]]:
    """One table per data set and model: the worst cell, and what it lacks."""
    return {
        f"{data}_{model.replace(' ', '_')}": bias_rows(
            [entry for entry in entries if entry["model"] == model]
        )
        for data, entries in results["data"].items()
        for model in dict.fromkeys(entry["model"] for entry in entries)
    }


def bias_rows(entries: list[dict[str, Any]]) -> list[Row]:
    cells = {(entry["cure"], entry["bias"]): entry for entry in entries}
    cures = dict.fromkeys(entry["cure"] for entry in entries)
    biases = sorted({entry["bias"] for entry in entries})
    heads = ["no bias" if bias == biases[0] else f"{bias:.0%}" for bias in biases]
    rows: list[Row] = [["cure", *heads]]
    for cure in cures:
        rows.append([cure, *[bias_cell(cells.get((cure, bias))) for bias in biases]])
    return rows


def bias_cell(entry: dict[str, Any] | None) -> str:
    """Worst cell, and its difference to unbiased training in points, with standard errors."""
    if entry is None:
        return "not tried"
    if "worst" not in entry:
        return "impossible"
    worst = entry["worst"]
    text = f"{worst['mean']:.3f} ({signed(worst['difference'])} ± {error(worst['difference_se'])})"
    return text + (f", {entry['n_seeds']} seeds" if "impossible" in entry else "")


MAKERS = {
    "bias": tables_of_bias,
    "ccp_parts": tables_of_ccp_parts,
    "cifar10_dev": tables_of_cifar10_dev,
    "defaults": tables_of_defaults,
    "explanations": tables_of_explanations,
    "node_metrics": tables_of_node_metrics,
}

if __name__ == "__main__":
    main()
