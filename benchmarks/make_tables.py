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

from _node_tables import tables_of_node_metrics

BENCHMARKS = Path(__file__).resolve().parent
TABLES = BENCHMARKS.parent / "docs" / "benchmarks" / "tables"
N_NAMED = 3

Row = Sequence[str]


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


def tables_of_explanations(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Bars, areas, localisation, repeats, times, stability and the randomisation check."""
    located = results["localisation"]
    best = located["chosen"]
    return {
        "bars": explanation_bars(results),
        **{
            "areas_" + name.replace(", ", "_"): area_table(found)
            for name, found in results["areas"].items()
        },
        "localisation": [
            ["planted", "images", *[n + " (chosen)" * (n == best) for n in located["test"][0]][2:]],
            *[
                [row["planted"], row["n"], *map(share, list(row.values())[2:])]
                for row in located["test"]
            ],
        ],
        **{
            name: as_rows(results[key])
            for name, key in (
                ("repeats", "completeness_and_repeats"),
                ("time", "time"),
                ("stability", "stability"),
                ("randomisation", "randomisation"),
            )
        },
    }


def explanation_bars(results: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [["bar", "explanation", "found", "met"]]
    for row in results["completeness_and_repeats"]:
        if row["explainer"] in ("contrast", "prediction", "votes"):
            error = row["largest completeness error"]
            good = float(error) <= 1e-6 and row["same bits"]
            bar = "completeness error of at most 1e-6, same bits twice"
            rows.append([bar, row["explainer"], error, met(good)])
    for name, found in results["areas"].items():
        for explainer in ("votes", "contrast"):
            for peer in ("shap", "lime"):
                bar = f"no area worse than {peer.upper()}'s by more than a standard error: {name}"
                rows.append([bar, explainer, *worst_area(found[explainer], peer)])
    located = results["localisation"]
    for rule in dict.fromkeys(("voters, by nodes", located["chosen"])):
        worst = min(located["test"], key=lambda row: row[rule])
        found = f"{share(worst[rule])} ({worst['planted']})"
        bar = "planted part on top in 95 % of images, worst part"
        rows.append([bar, f"contrast: {rule}", found, met(worst[rule] >= 0.95)])
    for row in results["time"]:
        if row["explainer"].startswith(("contrast", "votes")):
            bar = f"100 times faster than SHAP and LIME: {row['data']}, from the {row['from']}"
            ratios = [float(row[f"{peer} / this"]) for peer in ("shap", "lime")]
            found = " and ".join(f"{ratio:.0f}" for ratio in ratios) + " times"
            rows.append([bar, row["explainer"], found, met(min(ratios) >= 100)])
    return rows


def worst_area(kinds: dict[str, Any], peer: str) -> tuple[str, str]:
    """Return the largest loss against a peer, and whether it is within a standard error."""
    losses = [
        (sign * d["mean"], d["se"], f"{kind}: {with_error(d)}")
        for kind, sign in (("deletion", 1), ("insertion", -1))
        for d in [kinds[kind][f"less_{peer}"]]
    ]
    loss, error, words = max(losses, key=lambda found: found[0] - found[1])
    return words, met(loss <= error)


def area_table(found: dict[str, Any]) -> list[Row]:
    peers = ("shap", "lime")
    head = ["explanation"]
    for kind in ("deletion", "insertion"):
        head += [kind, *[f"less {peer.upper()}" for peer in peers]]
    rows: list[Row] = [head]
    for name, kinds in found.items():
        row = [name]
        for kind in ("deletion", "insertion"):
            row.append(share(kinds[kind]["area"]))
            row += [with_error(kinds[kind][f"less_{peer}"]) for peer in peers]
        rows.append(row)
    return rows


def as_rows(records: list[dict[str, Any]]) -> list[Row]:
    """Put equal dicts under one head."""
    return [
        list(records[0]),
        *[[share(v) if isinstance(v, float) else str(v) for v in row.values()] for row in records],
    ]


def with_error(difference: dict[str, float]) -> str:
    return f"{difference['mean']:+.4f} ± {difference['se']:.4f}".replace("-", "−")


def share(value: float) -> str:
    return f"{value:.3f}"


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def points(interval: dict[str, float]) -> str:
    """Return a difference of shares in percentage points, with its interval if there is one."""
    values = [interval[key] for key in ("mean", "low", "high")]
    mean, low, high = ("?" if value is None else f"{100 * value:+.1f}" for value in values)
    return f"{mean} ({low} to {high})".replace("-", "−")


def met(is_met: bool) -> str:
    return "met" if is_met else "missed"


MAKERS = {
    "ccp_parts": tables_of_ccp_parts,
    "cifar10_dev": tables_of_cifar10_dev,
    "defaults": tables_of_defaults,
    "explanations": tables_of_explanations,
    "node_metrics": tables_of_node_metrics,
}

if __name__ == "__main__":
    main()
