"""Write the tables of docs/benchmarks, and a picture, from the JSON results of the last runs.

Run it after the benchmarks: ``python benchmarks/make_tables.py``.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _accuracy_tables import tables_of_accuracy
from _cells import Row, as_rows, error, met, percent, points, share, signed, with_error
from _dense_tables import tables_of_dense
from _explanation_tables import tables_of_explanations
from _node_tables import tables_of_node_metrics
from _scale_plot import plot as plot_scale
from _scale_tables import tables_of_scale
from _table_ranks import tables_of_tables

BENCHMARKS = Path(__file__).resolve().parent
TABLES = BENCHMARKS.parent / "docs" / "benchmarks" / "tables"
N_NAMED = 3
# times that differ by less are level
LEVEL = 1.1
SCIKIT_IMAGE = ("SLIC + merge_hierarchical", "Felzenszwalb", "quickshift")


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
        if name in PLOTS:
            PLOTS[name](content["results"], arguments.output.parent / f"{name}.png")
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
    rows: list[Row] = [["photo", "class", "predicted", "what sets it apart from its neighbors"]]
    for case in cases:
        shares = case["direct_share"]
        largest = sorted(shares, key=lambda path: -abs(shares[path]))[:N_NAMED]
        named = ", ".join(f"{path.rpartition('/')[2]} {shares[path]:.0%}" for path in largest)
        rows.append([case["photo"], case["true"], case["predicted"], named])
    return rows


def tables_of_fit(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Seconds and memory of fits, and seconds of explanations."""
    heads: Row = ["table", "model", "seconds", "times scatter", "MiB", "times the table"]
    fits = [
        [
            f"{case}, {entry['n_rows']:,} × {entry['n_columns']}",
            name,
            f"{found['seconds']:.2f}",
            f"{found['times_scatter']:.1f}",
            f"{found['mib']:.0f}",
            f"{found['times_table']:.1f}",
        ]
        for case, entry in results["tables"].items()
        for name, found in entry["models"].items()
    ]
    explained = [
        [row["decision"], row["by"], f"{row['predictions']:.2f}", f"{row['contrasts']:.2f}"]
        for row in results["explained"]
    ]
    seeds = [row.values() for row in results["seeds"]]
    return {
        "fits": [heads, *fits],
        "explained": [["decision", "by", "predictions, s", "contrasts, s"], *explained],
        "seeds": [
            ["model", "mean accuracy", "deviation", "least", "most", "photos that all agree on"],
            *([name, *(f"{value:.3f}" for value in row)] for name, *row in seeds),
        ],
    }


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


def tables_of_segments(results: dict[str, Any]) -> dict[str, list[Row]]:
    """One table per split and score, the bars, and the times."""
    tables: dict[str, list[Row]] = {"bars": segment_bars(results)}
    for split, methods in results["splits"].items():
        counts = list(next(iter(methods.values())))
        for score in segment_scores(results):
            tables[f"{split}_{score}"] = [
                ["method", *[f"{count} regions" for count in counts]],
                *[
                    [name, *[score_or_gap(entry[score]) for entry in found.values()]]
                    for name, found in methods.items()
                ],
            ]
    tables["speed"] = [
        ["method", "CPU milliseconds a photo", "photos a second", "times ours"],
        *[
            [
                name,
                f"{entry['milliseconds']:.0f}",
                f"{entry['images_per_second']:.1f}",
                f"{entry['times_ours']:.1f}",
            ]
            for name, entry in results["speed"].items()
        ],
    ]
    return tables


def segment_scores(results: dict[str, Any]) -> list[str]:
    """Names of the scores; how many photos reached a number of regions is none."""
    entry = next(iter(results["splits"]["test"]["merge tree"].values()))
    return [name for name in entry if name != "share_reached"]


def segment_bars(results: dict[str, Any]) -> list[Row]:
    """Every score against the best of scikit-image at each number of regions; the speed."""
    methods = results["splits"]["test"]
    ours, others = methods["merge tree"], [methods[name] for name in SCIKIT_IMAGE]
    rows: list[Row] = [["bar (test photos)", "numbers of regions where it is met", "met"]]
    for score in segment_scores(results):
        sign = -1 if score == "undersegmentation_error" else 1
        kept = []
        for count, entry in ours.items():
            rivals = [other[count][score] for other in others]
            known = [sign * value for value in rivals if value is not None]
            if sign * entry[score] >= max(known):
                kept.append(count)
        name = f"{score.replace('_', ' ')} no worse than the best of scikit-image"
        rows.append([name, ", ".join(kept) or "none", met(len(kept) == len(ours))])
    speed = {name: entry["times_ours"] for name, entry in results["speed"].items()}
    slic = speed.pop("SLIC + merge_hierarchical")
    rows.append(["10 times as fast as SLIC + merge_hierarchical", f"{slic:.1f}", met(slic >= 10)])
    higra = [value for name, value in speed.items() if name.startswith("Higra")]
    if higra:
        found = f"{min(higra):.1f} times as fast"
        rows.append(["no slower than Higra's fastest", found, met(min(higra) >= 1)])
    return rows


def score_or_gap(value: float | None) -> str:
    return "–" if value is None else share(value)


def tables_of_defaults(results: dict[str, Any]) -> dict[str, list[Row]]:
    """One table per data set."""
    return tables_of_changes(
        results,
        {
            "inner nodes' own": lambda entry: percent(entry.get("inner_share")),
            "negative": lambda entry: percent(entry.get("negative_share")),
        },
    )


def tables_of_dictionary(results: dict[str, Any]) -> dict[str, list[Row]]:
    """One table per data set."""
    return tables_of_changes(results, {"milliseconds a photo": milliseconds})


def milliseconds(entry: dict[str, Any]) -> str:
    return f"{entry['milliseconds']:.1f}" if "milliseconds" in entry else ""


def tables_of_changes(
    results: dict[str, Any], more: dict[str, Callable[[dict[str, Any]], str]]
) -> dict[str, list[Row]]:
    """One table per data set: changes of the defaults, the first being none, and more columns."""
    return {
        data: [
            ["change", "accuracy", "less defaults, points", *more],
            *[
                [
                    name,
                    share(entry["accuracy"]["mean"]),
                    points(entry["difference"]) if place else "",
                    *[write(entry) for write in more.values()],
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


def tables_of_parts(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Agreement with masks, the trees, and what the reports say about the parts."""
    scores = ["purity", "normalized_mutual_info", "adjusted_rand"]
    tables: dict[str, list[Row]] = {
        "agreement": [
            ["parts", "purity", "normalized mutual information", "adjusted Rand index"],
            *[
                [name, *(share(entry[score]) for score in scores)]
                for name, entry in results["agreement"].items()
            ],
        ],
        "trees": [
            ["joined by", "triplets as in the given tree"],
            *[[name, percent(entry["triplets"])] for name, entry in results["trees"].items()],
        ],
    }
    for data, sheet in results["sheets"].items():
        rows = [
            [
                entry["part"],
                percent(entry["image_share"]),
                percent(entry["pixel_share"]),
                *([entry["majority"], percent(entry["purity"])] if "purity" in entry else []),
                share(entry["stability"]),
            ]
            for entry in sheet["parts"]
        ]
        masks = ["most frequent class", "its share"] if "purity" in sheet["parts"][0] else []
        tables[data] = [["part", "of images", "of pixels", *masks, "stability"], *rows]
    return tables


def tables_of_found_segments(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Accuracy by kind of segments, the advantage of masks, and models without masks."""
    scores: list[Row] = [["segments", "accuracy", "given masks less this, points"]]
    for name, entry in results["scores"].items():
        difference = results["differences"].get(name)
        scores.append([name, share(entry["mean"]), points(difference) if difference else ""])
    rivals = list(next(iter(results["gains"].values())))
    gains: list[Row] = [["found in pixels", *[f"less {rival}, points" for rival in rivals]]]
    for name, by_rival in results["gains"].items():
        gains.append([name, *[points(by_rival[rival]) for rival in rivals]])
    return {"scores": scores, "gains": gains}


def tables_of_novelty(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Photos of a class never seen, by part, and the coverage of sets of classes."""
    parts = [*results["by part"], {"part": "all", **results["all parts"]}]
    coverage = [
        {**row, "asked": f"{row['asked']:.2f}", "se": f"{row['se']:.4f}"}
        for row in results["coverage"]
    ]
    for row in coverage:
        row["rows of the smallest class"] = f"{row['rows of the smallest class']:.0f}"
    return {"parts": as_rows(parts), "coverage": as_rows(coverage)}


def tables_of_nulls(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Numbers of looks outside their interval; mean scores of leaves and parents."""
    tables: dict[str, list[Row]] = {
        by: [
            [by, "looks", "outside", "share", "allowed"],
            *[
                [name, entry["looks"], entry["outside"], percent(entry["share"]), entry["allowed"]]
                for name, entry in results[by].items()
            ],
        ]
        for by in ("look", "kind", "segmenter", "combination")
    }
    rest = results["without geometry"]
    tables["look"] = [
        [*tables["look"][0], "share without the three kinds of sizes"],
        *[
            [*row, percent(rest[row[0]]["share"]) if row[0] in rest else "–"]
            for row in tables["look"][1:]
        ],
    ]
    binomial = results["binomial"]
    tables["spread"] = [
        ["nodes", "spread, times binomial", "mean less chance", "outside, binomial interval"],
        *[
            [
                name,
                f"{entry['spread']:.2f}",
                f"{entry['mean']:+.3f}",
                percent(binomial[f"{name} scores"]),
            ]
            for name, entry in results["spread"].items()
        ],
    ]
    tables["stock"] = [["kind", "segmenter", "scikit-learn on regions", "our models", "flagged"]]
    for row in results["stock"]:
        ours = [
            case["accuracy"]
            for case in results["cases"]
            if (case["kind"], case["segmenter"]) == (row["kind"], row["segmenter"])
        ]
        tables["stock"].append(
            [
                row["kind"],
                row["segmenter"],
                share(row["accuracy"]),
                share(sum(ours) / len(ours)) if ours else "–",
                ", ".join(row["flagged"]),
            ]
        )
    tables["parents"] = [["kind", "chance", "accuracy", "leaves' scores", "parents' scores"]]
    for kind in results["kind"]:
        cases = [case for case in results["cases"] if case["kind"] == kind]
        means = [
            [case[key] for case in cases if case[key] is not None]
            for key in ("chance", "accuracy", "leaf_score", "parent_score")
        ]
        cells = [share(sum(values) / len(values)) if values else "–" for values in means]
        tables["parents"].append([kind, *cells])
    return tables


def tables_of_readers(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Lines, times and memory by layout, and the bars."""
    layouts, index = results["layouts"], results["index"]
    rows: list[Row] = [
        [
            "layout", "lines", "ms per photo", "compared with", "its ms per photo", "ratio",
            "equal pixels", "peak memory, MiB", "of four times the photos, MiB",
        ]
    ]  # fmt: skip
    for name, row in layouts.items():
        rows.append(
            [
                name,
                str(row["lines"]),
                f"{row['ms']:.2f}",
                row["compared_with"],
                f"{row['ms_others']:.2f}",
                f"{row['ratio']:.2f}",
                f"{row['equal_pixels']:.4f}",
                f"{row['peak_mib']:.1f}",
                f"{row['peak_mib_of_four_times']:.1f}",
            ]
        )
    values = list(layouts.values())
    most = max(row["lines"] for row in values)
    level = sum(row["ratio"] <= LEVEL for row in values)
    growth = max(row["peak_mib_of_four_times"] / row["peak_mib"] for row in values)
    seconds = index["seconds"]
    bars: list[Row] = [
        ["bar", "found", "met"],
        ["a user writes at most 3 lines", str(most), met(most <= 3)],
        [
            f"time at most {LEVEL:.2f} of the alternative's",
            f"{level} of {len(values)} layouts",
            met(level == len(values)),
        ],
        ["memory does not grow with the photos", f"at most {growth:.2f} times", met(growth < 1.2)],
        [
            f"index of {index['photos']:,} photos with {index['files']:,} files in 10 s",
            f"{seconds:.1f} s",
            met(seconds < 10),
        ],
    ]
    return {"bars": bars, "layouts": rows}


def tables_of_deep(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Tables of the steps that were run."""
    makers = {
        "photos": deep_photos,
        "photos other folds": deep_photos,
        "few small photos": deep_small,
        "all small photos": deep_small,
        "borders": deep_borders,
        "embedders summary": deep_embedders,
        "leak": lambda rows: [["layer", *list(rows[0])[1:]], *[deep_row(row) for row in rows]],
        "time": lambda found: [list(found["photos"][0]), *map(deep_row, found["photos"])],
        "shortcut": lambda rows: [list(rows[0])[:-1], *[deep_row(row)[:-1] for row in rows]],
        "explanations": deep_explanations,
        "explanation times": deep_explanation_times,
    }
    return {
        step.replace(" ", "_"): make(results[step])
        for step, make in makers.items()
        if step in results
    }


def deep_row(row: dict[str, Any]) -> Row:
    """Cells of a record."""
    return [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]


def deep_borders(rows: list[dict[str, Any]]) -> list[Row]:
    head = ["regions", "pieces", "recall", "precision", "F", "covering", "the map's F less this"]
    return [
        head,
        *[
            [
                row["regions"],
                f"{row['pieces']:.1f}",
                *[
                    share(row[score])
                    for score in ("boundary_recall", "boundary_precision", "boundary_f", "covering")
                ],
                points(row["f_ahead"]) if "f_ahead" in row else "",
            ]
            for row in rows
        ],
    ]


def deep_embedders(rows: list[dict[str, Any]]) -> list[Row]:
    return [
        ["nodes", "accuracy", "perceptrons, from those of the children, less this"],
        *[
            [row["nodes"], share(row["accuracy"]), points(row["behind"]) if "behind" in row else ""]
            for row in rows
        ],
    ]


def deep_photos(summary: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [
        [
            "parts",
            "learner",
            "columns",
            "accuracy",
            "given: tree less this",
            "found: tree less this",
        ]
    ]
    for name, entry in summary["scores"].items():
        found = [summary["differences"].get(kind) for kind in ("given", "found")]
        differences = ["" if by_name is None else points(by_name[name]) for by_name in found]
        rows.append([*name.split(" | "), share(entry["mean"]), *differences])
    return rows


def deep_small(result: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [["learner", "accuracy", "less logistic regression", "less flat LDA"]]
    for name, accuracy in result["accuracy"].items():
        found = [points(d) for d in result["differences"] if d["learner"] == name]
        rows.append([name, share(accuracy), *(found or ["", ""])])
    return rows


def deep_explanation_times(result: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [
        ["explanation", "photos", "evaluations", "CPU seconds", "times the contrast", "range"]
    ]
    for row in result["summary"]:
        rows.append(
            [
                row["explainer"],
                str(row["photos"]),
                f"{row['evaluations']:.0f}",
                f"{row['cpu seconds']:.3f}",
                f"{row['times the contrast']:.3g}",
                f"{row['least']:.3g} to {row['most']:.3g}",
            ]
        )
    return rows


def deep_explanations(result: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [
        ["explainer", "deletion area", "insertion area", "gain less SHAP's", "gain less LIME's"]
    ]
    for row in result["areas"]:
        rows.append(
            [
                row["explainer"],
                share(row["deletion"]),
                share(row["insertion"]),
                *[
                    with_error(row[f"less {peer}"]) if f"less {peer}" in row else ""
                    for peer in ("SHAP", "LIME")
                ],
            ]
        )
    return rows


def tables_of_pixels(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Times per photo, those of every step, and the bars."""
    times: list[Row] = [["method", "task", "ms", "10 % to 90 %"]]
    for row in results["times"]:
        spread = f"{row['low']:.1f} to {row['high']:.1f}"
        times.append([row["method"], row["task"], f"{row['ms']:.1f}", spread])
    bars: list[Row] = [["bar", "found", "met"]]
    bars += [[row["bar"], row["measured"], met(row["met"])] for row in results["bars"]]
    stages: list[Row] = [["step", "ms per photo", "without sums over parts, ms"]]
    stages += [
        [row["stage"], f"{row['ms']:.2f}", f"{row['without_sums']:.2f}"]
        for row in results["stages"]
    ]
    return {"times": times, "stages": stages, "bars": bars}


def tables_of_condense(results: dict[str, Any]) -> dict[str, list[Row]]:
    """What prototypes lose and save, and the sizes of models that need no rows."""
    losses: list[Row] = [
        [
            "table", "kept", "rows", "votes", "accuracy", "lost, points", "random rows, points",
            "log loss", "same class", "MB", "ms, one row", "ms, batch", "s to condense",
        ]
    ]  # fmt: skip
    all_rows = [row for row in results["losses"] if row["model"] == "all rows"]
    whole = {row["table"]: row["accuracy"] for row in all_rows}
    for row in results["losses"]:
        of_random = row.get("random")
        cells = [row["table"], row["model"], f"{row['rows']:.0f}"]
        cells += [f"{row['votes']:.0f}" if "votes" in row else "", share(row["accuracy"])]
        cells.append(f"{signed(row['lost'])} ± {100 * row['deviation']:.1f}")
        cells.append("" if of_random is None else signed(whole[row["table"]] - of_random))
        cells.append(share(row["log loss"]) if "log loss" in row else "")
        cells.append(percent(row["agreement"]))
        forms = {"MB": ".2f", "ms, one row": ".2f", "ms, batch": ".3f", "seconds": ".1f"}
        cells += [f"{row[key]:{form}}" if key in row else "" for key, form in forms.items()]
        losses.append(cells)
    linear: list[Row] = [["table", "columns", "rows", "MB", "MB without rows", "same bits"]]
    for row in results["linear"]:
        sizes = [f"{row[key]:.2f}" for key in ("MB", "MB without rows")]
        same = "yes" if row["same bits"] else "no"
        linear.append([row["table"], str(row["columns"]), str(row["rows"]), *sizes, same])
    short: list[Row] = [["table", "all rows", "accuracy"]]
    sizes = dict.fromkeys(r["model"] for r in results["losses"] if r["model"][0].isdigit())
    short[0] = [*short[0], *sizes]
    for row in all_rows:
        lost = {r["model"]: r["lost"] for r in results["losses"] if r["table"] == row["table"]}
        cells = [f"{signed(0.0 - lost[size])} points" for size in sizes]
        short.append([row["table"], f"{row['rows']:,.0f}", share(row["accuracy"]), *cells])
    return {"losses": losses, "linear": linear, "short": short}


def tables_of_search(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Times and recall of searches of neighbors."""
    columns = ["components", "first, s", "ms, one query", "ms, batch", "recall"]
    forms = ["d", ".1f", ".2f", ".3f", ".3f"]
    rows: list[Row] = [["rows", "space", "algorithm", *columns]]
    for row in results["searches"]:
        numbers = [f"{row[column]:{form}}" for column, form in zip(columns, forms, strict=True)]
        rows.append([f"{row['rows']:,}", row["space"], row["algorithm"], *numbers])
    return {"searches": rows}


MAKERS = {
    "accuracy": tables_of_accuracy,
    "bias": tables_of_bias,
    "ccp_parts": tables_of_ccp_parts,
    "cifar10_dev": tables_of_cifar10_dev,
    "condense": tables_of_condense,
    "deep": tables_of_deep,
    "defaults": tables_of_defaults,
    "dense": tables_of_dense,
    "dictionary": tables_of_dictionary,
    "explanations": tables_of_explanations,
    "fit": tables_of_fit,
    "found_segments": tables_of_found_segments,
    "node_metrics": tables_of_node_metrics,
    "novelty": tables_of_novelty,
    "nulls": tables_of_nulls,
    "parts": tables_of_parts,
    "pixels": tables_of_pixels,
    "readers": tables_of_readers,
    "scale": tables_of_scale,
    "search": tables_of_search,
    "segments": tables_of_segments,
    "tables": tables_of_tables,
}

PLOTS: dict[str, Callable[[dict[str, Any], Path], None]] = {"scale": plot_scale}

if __name__ == "__main__":
    main()
