"""Tables of bench_node_metrics.py: its results, and the bars that they meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _cells import Row, met, points, signed
from _node_learners import DEFAULT, FAST, LEARNERS, ML_LMNN, ML_NCA, SKLEARN_NCA

Entry = dict[str, Any]

FASTER = (DEFAULT, FAST)
OURS = tuple(name for name, learner in LEARNERS.items() if learner.ours)
REAL = ("digits", "ccp_parts", "cifar10_dev")
# how many times faster at an accuracy that is not lower, by peer
SPEED = {SKLEARN_NCA: 50, ML_NCA: 200, ML_LMNN: 200}
SPEED_TABLES = ("5kx50", "9kx27")
GAIN, GAIN_SPEED = 0.04, 20
LARGEST, MAX_MEGABYTES = "100kx100", 400
MAX_EXPONENT = 1.15


def tables_of_node_metrics(results: Entry) -> dict[str, list[Row]]:
    """Bars, one table per data set, the curve, the scaling, the ceiling, the folds."""
    return {
        "bars": [["bar", "data", "against", "found", "met"], *bars(results)],
        **{name: comparison(case) for name, case in results["tables"].items()},
        "curve": curve(results["curve"].get("points", {})),
        "scaling": scaling(results["scaling"]),
        "ceiling": ceiling(results),
        "folds": folds(results["folds"].get("tables", {})),
    }


def comparison(case: Entry) -> list[Row]:
    """Return what every learner did on one table; a time-out stands as "at least"."""
    own = case["fits"].get(DEFAULT, {})
    rows: list[Row] = [
        [
            "learner",
            "accuracy",
            "fit, s",
            "first call, s",
            "extra memory, MB",
            f"times as long as {DEFAULT}",
        ]
    ]
    for name, found in case["fits"].items():
        if found["status"] in ("ok", "timeout"):
            rows.append(
                [
                    name,
                    number(found.get("accuracy"), 3),
                    time_of(found),
                    number(found.get("first_s"), 2),
                    number(found.get("extra_mb"), 0),
                    ratio_of(found, own) if name not in OURS else "",
                ]
            )
        else:
            rows.append([name, found["reason"], "", "", "", ""])
    return rows


def curve(points: dict[str, list[Entry]]) -> list[Row]:
    return [
        ["learner", "most steps", "fit, s", "accuracy"],
        *[
            [name, str(point["max_iter"]), number(point["fit_s"], 2), number(point["accuracy"], 3)]
            for name, found in points.items()
            for point in found
        ],
    ]


def scaling(found: Entry) -> list[Row]:
    head = [f"{n_rows:,} rows, s" for n_rows in found.get("n_rows", [])]
    return [
        ["learner", *head, "exponent"],
        *[
            [name, *[number(value, 2) for value in seconds], number(found["exponent"][name], 2)]
            for name, seconds in found.get("fit_s", {}).items()
        ],
    ]


def ceiling(results: Entry) -> list[Row]:
    """Accuracy of maps fitted on the held-out rows, of those fitted without, and the bar."""
    found = results["ceiling"]
    rows: list[Row] = [["learner", "accuracy", "learned from the rows held out, too"]]
    if not found:
        return rows
    fits = results["tables"].get(found["table"], {}).get("fits", {})
    for name, reached in found["accuracy"].items():
        rows.append([name, number(fits.get(name, {}).get("accuracy"), 3), number(reached, 3)])
    theirs = [fits[peer]["accuracy"] for peer in SPEED if "accuracy" in fits.get(peer, {})]
    if theirs:
        rows.append(
            [f"bar: best peer and {100 * GAIN:.0f} points", number(max(theirs) + GAIN, 3), ""]
        )
    return rows


def folds(tables: dict[str, Entry]) -> list[Row]:
    """Defaults against the best peer, with intervals."""
    return [
        ["data", f"{DEFAULT}, defaults", "best peer", "its accuracy", f"{DEFAULT} less it, points"],
        *[
            [
                name,
                number(entry["accuracy"], 3),
                entry["peer"],
                number(entry["peer_accuracy"], 3),
                points(entry["difference"]),
            ]
            for name, entry in tables.items()
        ],
    ]


def bars(results: Entry) -> Iterator[Row]:
    """Yield a row for every bar that the recorded results cover."""
    tables = results["tables"]
    for name in SPEED_TABLES:
        if name in tables:
            yield from speed_bars(name, tables[name]["fits"])
    if LARGEST in tables:
        used = {
            name: tables[LARGEST]["fits"][name].get("extra_mb")
            for name in OURS
            if name in tables[LARGEST]["fits"]
        }
        # a fit that did not end used who knows how much
        most = None if None in used.values() else max(used.values())
        good = most is not None and most < MAX_MEGABYTES
        bar = f"extra memory under {MAX_MEGABYTES} MB, any of our learners"
        yield [bar, LARGEST, "", f"{number(most, 0)} MB", met(good)]
    if results["scaling"]:
        exponents = results["scaling"]["exponent"]
        worst = max(exponents, key=lambda name: exponents[name] or float("inf"))
        found = f"{number(exponents[worst], 2)} ({worst})"
        good = exponents[worst] is not None and exponents[worst] <= MAX_EXPONENT
        yield [f"exponent of at most {MAX_EXPONENT}", "scaling", "", found, met(good)]
    for name in REAL:
        if name in tables:
            yield quality_bar(name, tables[name]["fits"])


def speed_bars(table: str, fits: dict[str, Entry]) -> Iterator[Row]:
    """Speed at an accuracy that is not lower, and accuracy at a speed, against every peer."""
    for peer, times in SPEED.items():
        theirs = fits.get(peer, {"status": "absent", "reason": "not run"})
        bar = f"{times} times faster, not less accurate"
        gain_bar = f"defaults {100 * GAIN:.0f} points more accurate, {GAIN_SPEED} times faster"
        if theirs["status"] not in ("ok", "timeout"):
            yield [bar, table, peer, theirs["reason"], "?"]
            yield [gain_bar, table, peer, theirs["reason"], "?"]
            continue
        accuracy = theirs.get("accuracy")
        able = [
            name
            for name in FASTER
            if name in fits
            and fits[name]["status"] == "ok"
            and (accuracy is None or fits[name]["accuracy"] >= accuracy)
        ]
        if able:
            best = min(able, key=lambda name: fits[name]["fit_s"])
            found = (
                f"{ratio_of(theirs, fits[best])} times ({best}: {accuracies(fits[best], theirs)})"
            )
            yield [bar, table, peer, found, verdict(theirs, fits[best], times)]
        else:
            yield [bar, table, peer, "less accurate", met(False)]
        own = fits[DEFAULT]
        if accuracy is None:
            yield [gain_bar, table, peer, f"its accuracy is not known: {theirs['reason']}", "?"]
        else:
            gain = own["accuracy"] - accuracy
            found = f"{signed(gain)} points, {ratio_of(theirs, own)} times"
            good = gain >= GAIN and lower_ratio(theirs, own) >= GAIN_SPEED
            yield [gain_bar, table, peer, found, met(good)]


def quality_bar(table: str, fits: dict[str, Entry]) -> Row:
    """Defaults against the best of the peers that ended."""
    peers = {
        name: found["accuracy"]
        for name, found in fits.items()
        if name not in OURS and "accuracy" in found
    }
    best = max(peers, key=peers.__getitem__)
    own = fits[DEFAULT]["accuracy"]
    found = f"{number(own, 3)} against {number(peers[best], 3)}"
    return ["defaults as accurate as the best peer", table, best, found, met(own >= peers[best])]


def lower_ratio(theirs: Entry, own: Entry) -> float:
    """Ratio of the times, a lower bound."""
    return (theirs["limit_s"] if theirs["status"] == "timeout" else theirs["fit_s"]) / own["fit_s"]


def verdict(theirs: Entry, own: Entry, bar: float) -> str:
    """Whether a ratio meets a bar; a time-out below the bar is inconclusive."""
    if lower_ratio(theirs, own) >= bar:
        return met(True)
    return "?" if theirs["status"] == "timeout" else met(False)


def ratio_of(theirs: Entry, own: Entry) -> str:
    if "fit_s" not in own:
        return ""
    sign = "≥ " if theirs["status"] == "timeout" else ""
    ratio = lower_ratio(theirs, own)
    return f"{sign}{ratio:.0f}" if ratio >= 10 else f"{sign}{ratio:.2g}"


def time_of(found: Entry) -> str:
    if found["status"] == "timeout":
        return f"≥ {found['limit_s']:g}"
    return number(found["fit_s"], 2)


def accuracies(own: Entry, theirs: Entry) -> str:
    other = theirs.get("accuracy")
    if other is None:
        return f"{number(own['accuracy'], 3)}, its own is not known"
    return f"{number(own['accuracy'], 3)} against {number(other, 3)}"


def number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}".replace("-", "−")
