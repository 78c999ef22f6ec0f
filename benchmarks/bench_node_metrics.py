"""Node metrics against other metric learners: time, memory, accuracy on held-out rows.

Every fit runs in a process of its own. A fit that exceeds the limit is stopped, and its time is
given as "at least the limit". The cases can be run in pieces: the results of a run are merged into
the recorded ones.
"""

from __future__ import annotations

import argparse
import datetime
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from _ceiling import CEILING_TABLE, N_STEPS, find_ceilings
from _folds import N_REPEATS, compare_on_folds
from _harness import Progress, data_folder, parse_arguments, print_table, record, results_on_record
from _node_fits import N_NEIGHBORS, fit_alone, store
from _node_learners import LEARNERS, OURS, SKLEARN_NCA
from _node_plot import plot
from _sized import (
    CLASSIFICATION,
    MAX_COMPONENTS,
    N_TEST,
    REAL,
    SEED,
    TABLES,
    count_components,
    make_sized,
    take_portraits,
)

NAME = "node_metrics"
CURVE, SCALING, CEILING, FOLDS = "curve", "scaling", "ceiling", "folds"
CURVE_TABLE = "5kx50"
SCALING_ROWS, SCALING_COLUMNS = (5_000, 10_000, 20_000, 50_000, 100_000), 100
PEERS = ("metric-learn", "pytorch-metric-learning", "torch")
CASES = [*TABLES, CURVE, SCALING, CEILING, FOLDS]
# a fit that takes longer is not repeated
LONG = 60.0

Entry = dict[str, Any]
Fit = Callable[..., Entry]


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(__doc__, argv, add_options)
    tables, learners, cases = choose(arguments)
    say = Progress()
    results = results_so_far(arguments)
    for case in cases:
        say(f"case {case}")
        if case == SCALING:
            results[SCALING] = time_scaling(arguments, say)
        elif case == CEILING:
            results[CEILING] = reach_ceiling(arguments, tables, say)
        elif case == FOLDS:
            results[FOLDS] = compare_folds(tables, say)
        else:
            table = tables[CURVE_TABLE if case == CURVE else case]()
            with fits_of(arguments, table) as fit:
                if case == CURVE:
                    results[CURVE] = time_curve(arguments, fit, learners, say)
                else:
                    found = compare(arguments, fit, table, learners, say)
                    results["tables"][case] = joined(results["tables"].get(case), found)
                    print_table(rows_of(results["tables"][case]), case)
        record(arguments, NAME, __doc__.partition("\n")[0], settings(), results)
    plot(results, arguments.pictures / f"{NAME}.png")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that the other benchmarks do not have."""
    parser.add_argument(
        "--cases",
        nargs="+",
        choices=CASES,
        default=CASES,
        help="what to run; other results on record stay (default: all)",
    )
    parser.add_argument(
        "--learners",
        nargs="+",
        choices=LEARNERS,
        default=list(LEARNERS),
        help="what to fit to the tables; other fits on record stay (default: all)",
    )
    parser.add_argument("--repeats", type=int, default=3, help="fits (default: %(default)s)")
    parser.add_argument(
        "--limit", type=float, default=600.0, help="seconds per fit (default: %(default)s)"
    )
    parser.add_argument(
        "--memory", type=float, default=half_of_memory(), help="GiB per fit (default: half of all)"
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="per fit (default: all cores)"
    )


def half_of_memory() -> float:
    """GiB of the machine, halved: a learner that asks for more must not stop the others."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**31


def choose(arguments: argparse.Namespace) -> tuple[dict[str, Callable], list[str], list[str]]:
    """Return the tables, the learners and the cases of a run."""
    if not arguments.quick:
        for name in REAL:
            if name in arguments.cases and name != "digits":
                data_folder(name)  # better to end now than after the first case
        return TABLES, arguments.learners, arguments.cases
    arguments.repeats, arguments.limit, arguments.threads = 1, 60.0, 1
    tables = {
        "portraits": partial(take_portraits, 36),
        CURVE_TABLE: partial(make_sized, 300, 27, n_test=90),
    }
    return tables, ["NCA", SKLEARN_NCA], ["portraits", CURVE, SCALING, CEILING, FOLDS]


def results_so_far(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the results of earlier runs."""
    nothing: dict[str, Any] = {"tables": {}, CURVE: {}, SCALING: {}, CEILING: {}, FOLDS: {}}
    return nothing | results_on_record(arguments, NAME)


@contextmanager
def fits_of(arguments: argparse.Namespace, table: dict[str, np.ndarray]) -> Iterator[Fit]:
    """Put a table on disk, where processes find it, and give what fits it there."""
    with tempfile.TemporaryDirectory() as folder:
        store(Path(folder), table)
        yield partial(
            fit_alone,
            Path(folder),
            n_components=count_components(table),
            limit=arguments.limit,
            memory=arguments.memory,
            threads=arguments.threads,
        )


def compare(
    arguments: argparse.Namespace,
    fit: Fit,
    table: dict[str, np.ndarray],
    learners: Sequence[str],
    say: Progress,
) -> Entry:
    """Fit all learners to a table, ours once more as a first call that has to compile."""
    fits = {}
    for name in learners:
        fits[name] = repeat(fit, name, arguments.repeats)
        if LEARNERS[name].ours and not arguments.quick:
            fits[name]["first_s"] = fit(name, cold=True).get("fit_s")
        say(f"{name}: {in_words(fits[name])}")
    n_rows, n_columns = table["X"].shape
    return {
        "n_rows": n_rows,
        "n_columns": n_columns,
        "n_classes": int(table["y"].max()) + 1,
        "n_test": len(table["X_test"]),
        "n_components": count_components(table),
        **conditions(arguments),
        "fits": fits,
    }


def joined(on_record: Entry | None, found: Entry) -> Entry:
    """Put the fits of a run beside those on record, in the order of the learners."""
    fits = (on_record or {}).get("fits", {}) | found["fits"]
    return {**found, "fits": {name: fits[name] for name in LEARNERS if name in fits}}


def repeat(fit: Fit, name: str, repeats: int, **params: Any) -> Entry:
    """Fit with several seeds, once if it takes long: median time and memory, mean accuracy."""
    found = []
    while len(found) < repeats:
        found.append(fit(name, seed=len(found), **params))
        if found[-1]["status"] != "ok":
            return found[-1]
        if found[-1]["fit_s"] > LONG:
            break
    return {
        "status": "ok",
        "fit_s": float(np.median([one["fit_s"] for one in found])),
        "extra_mb": float(np.median([one["extra_mb"] for one in found])),
        "accuracy": float(np.mean([one["accuracy"] for one in found])),
        "runs": found,
    }


def time_curve(
    arguments: argparse.Namespace, fit: Fit, learners: Sequence[str], say: Progress
) -> Entry:
    """Accuracy over time: fits of fewer and of more steps, until one hits the limit."""
    points: dict[str, list[Entry]] = {}
    most = 1 if arguments.quick else None
    for name in learners[:most]:
        for max_iter in LEARNERS[name].grid[:most]:
            found = fit(name, max_iter=max_iter)
            say(f"curve: {name}, {max_iter} steps: {in_words(found)}")
            if found["status"] != "ok":
                break
            points.setdefault(name, []).append({"max_iter": max_iter, **found})
    return {"table": CURVE_TABLE, **conditions(arguments), "points": points}


def time_scaling(arguments: argparse.Namespace, say: Progress) -> Entry:
    """Time of the whole fit by the number of rows, and its exponent."""
    sizes, names = SCALING_ROWS, OURS
    if arguments.quick:
        sizes, names = (200, 400), ["NCA"]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for n_rows in sizes:
        table = make_sized(n_rows, SCALING_COLUMNS, n_test=90 if arguments.quick else N_TEST)
        with fits_of(arguments, table) as fit:
            for name in names:
                found = repeat(fit, name, arguments.repeats)
                say(f"scaling: {n_rows} rows, {name}: {in_words(found)}")
                seconds[name].append(found.get("fit_s", np.nan))
    return {
        "n_rows": sizes,
        "n_columns": SCALING_COLUMNS,
        **conditions(arguments),
        "fit_s": seconds,
        "exponent": {name: exponent(sizes, taken) for name, taken in seconds.items()},
    }


def reach_ceiling(
    arguments: argparse.Namespace, tables: dict[str, Callable], say: Progress
) -> Entry:
    """Accuracy of maps that were also fitted on the held-out rows."""
    table = CURVE_TABLE if arguments.quick else CEILING_TABLE
    accuracy = {}
    for name, value in find_ceilings(tables[table](), 10 if arguments.quick else N_STEPS):
        say(f"ceiling: {name}: {value:.4f}")
        accuracy[name] = value
    return {"table": table, "date": datetime.date.today().isoformat(), "accuracy": accuracy}


def compare_folds(tables: dict[str, Callable], say: Progress) -> Entry:
    """Return the defaults against the best peer of every real table, on folds of its rows."""
    found = {}
    for name, entry in compare_on_folds(tables):
        say(f"folds of {name}: {entry['accuracy']:.3f}, {entry['peer_accuracy']:.3f}")
        found[name] = entry
    return {"date": datetime.date.today().isoformat(), "repeats": N_REPEATS, "tables": found}


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float | None:
    """Slope of the logarithms; None if a fit did not end."""
    if not np.isfinite(seconds).all():
        return None
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def conditions(arguments: argparse.Namespace) -> Entry:
    """Return under which conditions a case was run; cases may be run on different days."""
    return {
        "date": datetime.date.today().isoformat(),
        "threads": arguments.threads,
        "repeats": arguments.repeats,
        "limit_s": arguments.limit,
        "memory_gib": arguments.memory,
    }


def in_words(found: Entry) -> str:
    if found["status"] != "ok":
        return found["reason"]
    return f"{found['fit_s']:.2f} s, {found['extra_mb']:.0f} MB, accuracy {found['accuracy']:.3f}"


def rows_of(case: Entry) -> list[Entry]:
    """Rows of the printed table."""
    return [
        {
            "learner": name,
            "accuracy": found.get("accuracy"),
            "fit, s": found.get("fit_s"),
            "first call, s": found.get("first_s"),
            "extra memory, MB": found.get("extra_mb"),
            "": found.get("reason", ""),
        }
        for name, found in case["fits"].items()
    ]


def settings() -> Entry:
    """Return what has to be known to run it again."""
    versions = {}
    for package in PEERS:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "n_neighbors": N_NEIGHBORS,
        "n_components": f"as many as columns, at most {MAX_COMPONENTS}",
        "make_classification": {**CLASSIFICATION, "random_state": SEED, "n_test": N_TEST},
        "learners": {name: learner.params for name, learner in LEARNERS.items()},
        "peers": versions,
        "seeds": "0, 1, ... of the repeats; the curve has seed 0",
        "long_s": LONG,
    }


if __name__ == "__main__":
    main()
