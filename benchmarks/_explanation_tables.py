"""Tables of the benchmark of explanations."""

from __future__ import annotations

from typing import Any

from _cells import Row, as_rows, met, share, with_error


def tables_of_explanations(results: dict[str, Any]) -> dict[str, list[Row]]:
    """Bars, areas, localization, repeats, times, stability and the randomization check."""
    located = results["localization"]
    best = located["chosen"]
    return {
        "bars": explanation_bars(results),
        **{
            "areas_" + name.replace(", ", "_"): area_table(found)
            for name, found in results["areas"].items()
        },
        "localization": [
            ["planted", "images", *[n + " (chosen)" * (n == best) for n in located["test"][0]][2:]],
            *[
                [row["planted"], row["n"], *map(share, list(row.values())[2:])]
                for row in located["test"]
            ],
        ],
        **({"calls": as_rows(results["calls"]["calls"])} if results.get("calls") else {}),
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
    located = results["localization"]
    for rule in dict.fromkeys(("voters, by nodes", located["chosen"])):
        worst = min(located["test"], key=lambda row: row[rule])
        found = f"{share(worst[rule])} ({worst['planted']})"
        bar = "planted part on top in 95% of images, worst part"
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
